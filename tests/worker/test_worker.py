"""Real workers: processes that handle, die, are started again, drain, and say how it ended."""

import os
import select
import signal
import time
from pathlib import Path

import pytest

from dynamomq.consumer.signals import ONE_ORDER
from tests.support.source import ROOT
from tests.worker.support import FILE, FOLDER, PATIENCE, TABLE, Place, eventually, on_file, started

pytestmark = pytest.mark.engine("local-file")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty folder."""
    return Place(tmp_path)


def test_two_processes_share_the_work(place: Place) -> None:
    """Each of two processes handles messages, all are handled once, and SIGTERM ends with 0."""
    options = on_file(place.filled(20), "meet", "--processes", "2", "--concurrency", "2")
    with started(place, *options) as worker:
        eventually("all handled", lambda: len(place.notes("handled")) >= 20)
        worker.signal(signal.SIGTERM)
        assert worker.status() == 0, worker.log
    handled = place.notes("handled")
    assert len({note.id for note in handled}) == len(handled) == 20
    assert len({note.pid for note in handled}) == 2
    with place.queue() as queue:
        assert queue.stats().standard.total == 0


def test_a_killed_child_is_replaced(place: Place) -> None:
    """After a kill -9 another process takes its place, and its message is delivered again."""
    options = on_file(place.filled(1), "stick_at_first", "--visibility-timeout", "1")
    with started(place, *options) as worker:
        (first, *_) = eventually("the first delivery", lambda: place.notes("begun"))
        os.kill(first.pid, signal.SIGKILL)
        (second, *_) = eventually("the second delivery", lambda: place.notes("handled"))
        worker.signal(signal.SIGTERM)
        assert worker.status() == 0, worker.log
        assert f"process 1 (pid {first.pid}) was killed by SIGKILL; starting it again" in worker.log
    assert second.id == first.id
    assert second.pid != first.pid
    assert second.receive_count == 2


@pytest.mark.parametrize("to", ["the worker", "the process group", "both"])
def test_it_drains_under_load(place: Place, to: str) -> None:
    """SIGTERM in the midst: what was begun is finished, what was not is untouched, status 0.

    Also where the children get the signal themselves, as systemd and terminals send it; and where
    the worker gets it twice, as `timeout` sends it.
    """
    options = on_file(place.filled(1_000), "work", "--processes", "2", "--concurrency", "4")
    with started(place, *options) as worker:
        eventually("both at work", lambda: len({note.pid for note in place.notes("handled")}) == 2)
        if to != "the process group":
            worker.signal(signal.SIGTERM)
        if to != "the worker":
            os.killpg(worker.process.pid, signal.SIGTERM)
        assert worker.status() == 0, worker.log
    assert {note.id for note in place.notes("begun")} == {n.id for n in place.notes("handled")}
    with place.queue() as queue:
        stats = queue.stats().standard
        assert stats.processing == 0, worker.log
        assert stats.ready == 1_000 - len(place.notes("handled")) > 0
        assert all(message.receive_count == 0 for message in queue.list("STANDARD"))


def test_the_second_signal_gives_up(place: Place) -> None:
    """A handler that never ends is left alone by a second signal; the status says so."""
    with started(place, *on_file(place.filled(1), "stick")) as worker:
        eventually("a handler", lambda: place.notes("begun"))
        worker.signal(signal.SIGTERM)
        worker.until_logged("stopping")
        time.sleep(ONE_ORDER)  # of another process, whose clock is real
        worker.signal(signal.SIGTERM)
        assert worker.status() == 4, worker.log
    with place.queue() as queue:
        assert queue.stats().standard.processing == 1


@pytest.mark.parametrize("to", ["SIGTERM", "SIGINT"])
def test_a_signal_at_the_very_start_ends_it(place: Place, to: str) -> None:
    """Before the worker handles signals they do what they always do, without a traceback."""
    program = (
        "import os, runpy, signal; from dynamomq.worker import running; "
        f"running.Worker = lambda _settings: os.kill(os.getpid(), signal.{to}); "
        "runpy.run_module('dynamomq.worker', run_name='__main__', alter_sys=True)"
    )
    with started(place, *on_file(place, "handle"), command=("-c", program)) as worker:
        assert worker.status() == -getattr(signal, to)
        assert worker.log == ""


def test_a_stop_while_the_handler_is_imported_is_obeyed_after_it(
    place: Place, tmp_path: Path
) -> None:
    """Nothing is left then: the status is 0."""
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n"
        "pathlib.Path('importing').touch()\n"
        "while not pathlib.Path('go').exists():\n    time.sleep(0.01)\n"
        "handle = print\n"
    )
    options = ("slow:handle", "--file", str(place.filled(0).folder / FILE), "--table", TABLE)
    with started(place, *options, cwd=tmp_path) as worker:
        eventually("the import", (tmp_path / "importing").exists)
        worker.signal(signal.SIGTERM)
        worker.until_logged("SIGTERM: stopping")
        (tmp_path / "go").touch()
        assert worker.status() == 0, worker.log


def test_grace_ends(place: Place) -> None:
    """A handler that outlasts the grace is left alone; the status is another."""
    with started(place, *on_file(place.filled(1), "stick", "--grace", "0.2")) as worker:
        eventually("a handler", lambda: place.notes("begun"))
        worker.signal(signal.SIGINT)
        assert worker.status() == 3, worker.log


def test_a_missing_table_ends_it(place: Place) -> None:
    """There is no crash loop for a table that does not exist: status 1, and what to do."""
    with started(place, *on_file(place, "handle", "--processes", "2")) as worker:
        assert worker.status() == 1
        assert f"There is no table '{TABLE}'. Create it" in worker.log
        assert "starting it again" not in worker.log


def test_a_failure_does_not_wait_for_handlers(place: Place) -> None:
    """A table that is deleted ends a process although a handler never does: status 1."""
    options = on_file(place.filled(1), "stick_in_a_thread", "--grace", "0.2")
    with started(place, *options) as worker:
        eventually("a handler", lambda: place.notes("begun"))
        place.drop_table()
        assert worker.status() == 1, worker.log
        assert "ended: a set-up error" in worker.log


def test_a_missing_handler_ends_it(place: Place) -> None:
    """A handler that can't be found is a matter of usage: status 2, and what is there."""
    with started(place, *on_file(place.filled(0), "handl")) as worker:
        assert worker.status() == 2
        assert "has no 'handl'. It has handle" in worker.log


def test_what_the_consumer_refuses_ends_it(place: Place) -> None:
    """What only a consumer can judge, and does not take, is a matter of usage, too: status 2."""
    options = on_file(place.filled(0), "handle", "--concurrency", "1000000")
    with started(place, *options) as worker:
        assert worker.status() == 2, worker.log
        assert "concurrency=1000000: a whole number from 1 to 1,000 is needed" in worker.log


def test_a_module_that_exits_ends_it(place: Place, tmp_path: Path) -> None:
    """A module that calls ``sys.exit()`` when it is imported is not started for ever: status 2."""
    (tmp_path / "shop.py").write_text("import sys\nsys.exit()\n")
    with started(place, "shop:handle", "--file", FILE, cwd=tmp_path) as worker:
        assert worker.status() == 2, worker.log
        assert "importing 'shop' ends the program" in worker.log


def test_children_do_not_outlive_it(place: Place) -> None:
    """When the worker itself is killed, its children finish what they have begun, and end."""
    place.filled(400)
    read, write = os.pipe()
    options = on_file(place, "work", "--concurrency", "4")
    with started(place, *options, stdout=write) as worker:
        os.close(write)
        eventually("work", lambda: len(place.notes("handled")) >= 10)
        worker.signal(signal.SIGKILL)
        # Its end comes when nobody has the other side any more.
        assert select.select([read], [], [], PATIENCE)[0], worker.log
        assert os.read(read, 1) == b""
        os.close(read)
        with place.queue() as queue:
            assert queue.stats().standard.processing == 0, worker.log


def test_batches_of_a_queue_made_in_code(place: Place) -> None:
    """A queue's factory and the batch size can be named; settings may come by the environment."""
    place.filled(30)
    settings = {"DYNAMOMQ_QUEUE": "tests.worker.handlers:make_queue", "DYNAMOMQ_BATCH_SIZE": "10"}
    with started(place, "tests.worker.handlers:handle_all", environment=settings) as worker:
        eventually("all handled", lambda: len(place.notes("handled")) >= 30)
        worker.signal(signal.SIGTERM)
        assert worker.status() == 0, worker.log


def test_a_consumer_made_in_code(place: Place) -> None:
    """A whole consumer can be named, with its hooks; options that are its own are refused."""
    with started(place.filled(1), "tests.worker.handlers:consumer") as worker:
        eventually("the acknowledgement", lambda: place.notes("acknowledged"))
        worker.signal(signal.SIGTERM)
        assert worker.status() == 0, worker.log
    with started(place, *on_file(place, "consumer")) as worker:
        assert worker.status() == 2
        assert "so table, file would have no effect" in worker.log


def test_run_from_a_program(place: Place, tmp_path: Path) -> None:
    """``run`` finds modules where the program that calls it does, wherever it is started."""
    program, elsewhere = tmp_path / "program", tmp_path / "elsewhere"
    program.mkdir()
    elsewhere.mkdir()
    (program / "jobs.py").write_text(
        f"import os, pathlib\n"
        f"def handle(message):\n"
        f"    pathlib.Path(os.environ[{FOLDER!r}], 'seen').write_text(message.id)\n"
    )
    (program / "main.py").write_text(
        f"import sys\n"
        f"from dynamomq.worker import run\n"
        f"sys.exit(run('jobs:handle', file={str(place.folder / FILE)!r}, table={TABLE!r}))\n"
    )
    place.filled(1)
    with started(place, command=[str(program / "main.py")], cwd=elsewhere) as worker:
        eventually("the message", lambda: (place.folder / "seen").exists())
        worker.signal(signal.SIGTERM)
        assert worker.status() == 0, worker.log


def test_a_consumers_own_grace_is_not_cut_in_silence(place: Place, tmp_path: Path) -> None:
    """The worker would kill it in the midst: it is told so at the start, and keeps to less."""
    (tmp_path / "patient.py").write_text(
        "from dynamomq import Consumer\n"
        "from tests.worker.handlers import make_queue, stick\n"
        "consumer = Consumer(make_queue(), stick, grace=3600)\n"
    )
    place.filled(1)
    path = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    options = ("patient:consumer", "--grace", "0.2")
    with started(place, *options, environment=path) as worker:
        worker.until_logged("to leave it its time, pass --grace 3600")
        eventually("a handler", lambda: place.notes("begun"))
        worker.signal(signal.SIGTERM)
        assert worker.status() == 3, worker.log
        assert "ended: handlers were still running" in worker.log
        assert "killed" not in worker.log


def test_a_module_that_lacks_a_table_ends_it(place: Place, tmp_path: Path) -> None:
    """Set-up that is missing while a module is imported is one line, and status 1."""
    (tmp_path / "early.py").write_text(
        "from tests.worker.handlers import handle, make_queue\nmake_queue().stats()\n"
    )
    path = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    options = ("early:handle", "--file", str(place.folder / FILE), "--table", TABLE)
    with started(place, *options, environment=path) as worker:
        assert worker.status() == 1, worker.log
        assert "There is no table" in worker.log
        assert "Traceback" not in worker.log

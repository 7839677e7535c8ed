"""The embedded engine's file: who shares it, what survives, what is refused as a queue's file."""

import multiprocessing
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dynamomq import Consumer, Queue
from dynamomq.drivers.local import LocalEngine, store
from dynamomq.drivers.local.store import Store
from dynamomq.errors import (
    ClosedError,
    DynamoMQError,
    InvalidArgumentError,
    StoreError,
    UnavailableError,
)
from dynamomq.requests import (
    CreateTable,
    DescribeTable,
    Get,
    Operation,
    Request,
    Scan,
    Written,
    ask,
)
from dynamomq.table import TableDefinition
from dynamomq.values import MAX_ITEM_BYTES
from tests.support.embedded import Table, put, update


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "queue.db"


# --- sharing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [":memory:", "file"])
def test_one_of_many_threads_wins_a_message(path: Path, where: str) -> None:
    """Of 8 threads that claim a message at once exactly one succeeds, for each of 20 messages."""
    with LocalEngine(path if where == "file" else where, durability="normal") as engine:
        table, start = Table(engine), threading.Barrier(8)

        def claim(thread: int) -> list[str]:
            won = []
            for number in range(20):
                start.wait(60)
                if isinstance(table.receive(f"m{number}", f"thread {thread}"), Written):
                    won.append(f"m{number}")
            return won

        for number in range(20):
            table.send(f"m{number}")
        with ThreadPoolExecutor(8) as pool:
            claims = [name for won in pool.map(claim, range(8)) for name in won]
    assert sorted(claims) == sorted(f"m{number}" for number in range(20))


def test_reads_do_not_wait_for_a_write(path: Path) -> None:
    """While another transaction is open, reads of a file answer with the last commit."""
    with LocalEngine(path, durability="normal", busy_timeout=0.05) as engine:
        table = Table(engine)
        sent = table.send("m")

        def delete(connection: sqlite3.Connection) -> None:  # in a transaction that stays open
            connection.execute("DELETE FROM item")
            assert table.get("m") == sent

        engine._store.write(delete)
        assert table.get("m") is None


def claim_all(path: Path, start: Any, claims: Any) -> None:
    """What each process does: open the file, maybe create it, and claim what it can."""
    start.wait(60)
    with LocalEngine(path, durability="normal", busy_timeout=60) as engine:
        table = Table(engine)
        for number in range(40):
            table.do(table.sending(f"m{number}"))  # the first one's send wins
            if isinstance(table.receive(f"m{number}", f"process {os.getpid()}"), Written):
                claims.put((os.getpid(), f"m{number}"))


def test_many_create_a_file_at_once(tmp_path: Path) -> None:
    """Eight that open a file which does not exist yet all succeed, for each of 10 files."""
    start = threading.Barrier(8)

    def open_all(_: int) -> None:
        for number in range(10):
            start.wait(60)
            LocalEngine(tmp_path / f"{number}.db").close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_all, range(8)))


def test_processes_create_and_share_a_file(path: Path) -> None:
    """Three processes that start on no file at once claim each of 40 messages exactly once."""
    spawn = multiprocessing.get_context("spawn")
    start, claims = spawn.Barrier(3), spawn.Queue()
    processes = [spawn.Process(target=claim_all, args=(path, start, claims)) for _ in range(3)]
    for process in processes:
        process.start()
    won = [claims.get(timeout=60) for _ in range(40)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert claims.empty()
    assert sorted(name for _, name in won) == sorted(f"m{number}" for number in range(40))


def reading() -> Operation[object]:
    """The simplest operation."""
    return (yield from ask(Get("m")))


def raises_closed(work: Callable[[], object]) -> bool:
    """Whether ``work`` raises ``ClosedError``."""
    try:
        work()
    except ClosedError:
        return True
    return False


def fork_with_an_engine(path: Path) -> None:
    """Open an engine, misuse it in a forked child, and go on using it; exits with 0 if all is well.

    In a process of its own: the tests' own may have threads, with which one must not fork.
    """
    engine = LocalEngine(path)
    table = Table(engine)
    sent = table.send("m")
    driver = engine.open(table.definition)
    child = os.fork()
    if child == 0:
        engine.close()
        refused = raises_closed(lambda: driver.run(reading()))
        late = raises_closed(lambda: engine.open(table.definition).run(reading()))
        own = False
        try:
            LocalEngine(path)
        except StoreError as error:
            own = "do not survive" in error.message
        LocalEngine(path.with_suffix(".other")).close()
        if not (refused and late and own):
            os._exit(1)
        sys.exit(0)  # as Python ends, it does not close what is the parent's
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert driver.run(reading()) == sent
    assert isinstance(table.receive("m"), Written)
    engine.close()


def test_a_fork_has_no_engine(path: Path) -> None:
    """In a forked child operations raise, closing does nothing, and the parent goes on.

    Nor can the child open the file by itself: SQLite would take the parent's locks for its own, and
    what the child writes would be lost when the parent closes the file.
    """
    process = multiprocessing.get_context("spawn").Process(target=fork_with_an_engine, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    with LocalEngine(path) as engine:
        assert (Table(engine).get("m") or {})["status"] == "PROCESSING"


def consume_with_forks(path: Path, claims: Any) -> None:
    """A consumer whose handler forks a child that comes back out of the handler."""
    with LocalEngine(path) as engine:
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        queue.send("payload", id="m")
        statuses: list[int] = []

        def handle(_: object) -> None:
            child = os.fork()
            if child:
                statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                consumer.stop()

        consumer = Consumer(queue, handle, concurrency=1, poll_interval=(0.01, 0.01))
        summary = consumer.run()
        claims.put((statuses, summary.succeeded, queue.get("m").state))


def test_a_child_that_a_handler_forks_settles_nothing(path: Path) -> None:
    """It ends where it comes back out of the handler; the parent settles its message."""
    spawn = multiprocessing.get_context("spawn")
    claims = spawn.Queue()
    process = spawn.Process(target=consume_with_forks, args=(path, claims))
    process.start()
    assert claims.get(timeout=60) == ([os.EX_SOFTWARE], 1, "DELETED")
    process.join(60)
    assert process.exitcode == 0


# --- durability ------------------------------------------------------------------------------


def test_a_file_keeps_everything(path: Path) -> None:
    """What was written is there when the file is opened again, by path or by text."""
    with LocalEngine(path) as engine:
        sent = Table(engine, expiry=True).send("m", {"bytes": b"\xff"})
        description = engine.open(TableDefinition()).execute(DescribeTable())
    with LocalEngine(str(path)) as engine:
        driver = engine.open(TableDefinition())
        assert driver.execute(Get("m")) == sent
        assert driver.execute(DescribeTable()) == description


def write_and_die(path: Path) -> None:
    """Write, and end without closing anything."""
    Table(LocalEngine(path)).send("m")
    os._exit(7)


def test_a_write_survives_its_process(path: Path) -> None:
    """A message whose sender dies at once is in the queue."""
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == 7
    with LocalEngine(path) as engine:
        assert Table(engine).get("m") is not None


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)])
def test_durability_is_sqlites(path: Path, durability: Any, synchronous: int) -> None:
    """A file's writes are flushed at each commit unless told otherwise; its journal is a WAL."""
    opened = Store(path, durability, 1)

    def told(connection: sqlite3.Connection) -> tuple[object, ...]:
        settings = ("synchronous", "journal_mode")
        return tuple(connection.execute(f"PRAGMA {one}").fetchone()[0] for one in settings)

    assert opened.write(told) == (synchronous, "wal")
    opened.close()


def test_people_can_read_the_file(path: Path) -> None:
    """Messages are legible with plain SQL, while the engine has the file open."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        table.send("m", {"article": "Ü-7"})
        reader = sqlite3.connect(path)
        rows = reader.execute("SELECT id, queue_type, status, receive_count, data FROM message")
        assert rows.fetchall() == [("m", "STANDARD", "READY", 0, '{"M":{"article":{"S":"Ü-7"}}}')]
        reader.close()


# --- schema versions -------------------------------------------------------------------------


def test_an_older_file_is_upgraded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the version before keeps its items and gets the newer schema, once."""
    with LocalEngine(path) as engine:
        sent = Table(engine).send("m")
    newer = [*store.MIGRATIONS, ("CREATE TABLE newer (x)", "INSERT INTO newer VALUES (1)")]
    monkeypatch.setattr(store, "MIGRATIONS", newer)
    for _ in range(2):
        with LocalEngine(path) as engine:
            assert Table(engine).get("m") == sent
        with closing(sqlite3.connect(path)) as behind_its_back:
            assert behind_its_back.execute("PRAGMA user_version").fetchone() == (len(newer),)
            assert behind_its_back.execute("SELECT x FROM newer").fetchall() == [(1,)]


def test_an_upgrade_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a statement of an upgrade fails, the file stays as it was, for the version it had."""
    with LocalEngine(path) as engine:
        sent = Table(engine).send("m")
    with monkeypatch.context() as patch:
        broken = [*store.MIGRATIONS, ("DELETE FROM item", "no SQL")]
        patch.setattr(store, "MIGRATIONS", broken)
        with pytest.raises(StoreError, match="syntax error"):
            LocalEngine(path)
    with LocalEngine(path) as engine:
        assert Table(engine).get("m") == sent


def test_a_newer_file_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a newer version is left alone; the error names file, versions and remedy."""
    with monkeypatch.context() as patch:
        patch.setattr(store, "MIGRATIONS", [*store.MIGRATIONS, (), ()])
        LocalEngine(path).close()
    known = len(store.MIGRATIONS)
    told = rf"version {known + 2}, .* up to {known}\b.*Upgrade dynamomq"
    with pytest.raises(StoreError, match=told) as caught:
        LocalEngine(path)
    assert caught.value.path == str(path)
    assert str(path) in caught.value.message


def test_another_applications_database_is_refused(path: Path) -> None:
    """A database that is not ours is not touched, not even its journal mode."""
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE precious (x)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another application"):
        LocalEngine(path)
    assert path.read_bytes() == before


# --- other errors ----------------------------------------------------------------------------


def test_a_file_that_is_no_database(path: Path) -> None:
    """A text file is refused and kept."""
    path.write_text("Dear diary, today I learned what SQLite is.\n" * 50)
    with pytest.raises(StoreError, match="not an SQLite database"):
        LocalEngine(path)
    assert path.read_text().startswith("Dear diary")


def test_an_empty_file_becomes_a_queue(path: Path) -> None:
    """A file that ``touch`` or ``mktemp`` made is as good as none."""
    path.touch()
    with LocalEngine(path) as engine:
        Table(engine).send("m")


@pytest.mark.parametrize("where", ["missing/queue.db", ".", "file/queue.db"])
def test_a_path_where_no_file_can_be(tmp_path: Path, where: str) -> None:
    """A missing folder, a folder, and a file in the place of a folder: each is named."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can't be opened") as caught:
        LocalEngine(tmp_path / where)
    assert "folder exists" in caught.value.remedy


def test_a_damaged_file(path: Path) -> None:
    """Where SQLite finds damage, the error says so and names a way out."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        for number in range(50):
            table.send(str(number), "x" * 2000)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    path.write_bytes(content)
    with LocalEngine(path) as engine, pytest.raises(StoreError, match="damaged") as caught:
        engine.open(TableDefinition()).execute(Scan(10))
    assert "backup" in caught.value.remedy


def test_a_write_without_permission(path: Path) -> None:
    """What SQLite reports for a read-only file is our error; the reader's connection is one."""
    opened = Store(path, "full", 1)
    with pytest.raises(StoreError, match="can't be written"):
        opened.read(lambda connection: connection.execute("DELETE FROM item"))
    opened.close()


def test_a_full_disk(path: Path) -> None:
    """A write that finds no space fails whole, and says where to look."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        table.store({"id": "a", "v": 1})
        # SQLite's own limit stands in for the disk's.
        engine._store.write(lambda one: one.execute("PRAGMA max_page_count = 20"))
        with pytest.raises(UnavailableError, match="full") as caught:
            table.do(update("a", v="x" * (MAX_ITEM_BYTES - 1000)))
        assert "space" in caught.value.remedy
        assert table.get("a") == {"id": "a", "v": 1}


def test_a_file_locked_by_another_program(path: Path) -> None:
    """Who holds a transaction open makes writes fail after the busy timeout, and only writes."""
    with LocalEngine(path, busy_timeout=0.05) as engine:
        table = Table(engine)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match=r"locked for 0\.05 s"):
            table.send("m")
        assert table.get("m") is None
        other.execute("ROLLBACK")
        other.close()
        table.send("m")


def test_an_engine_kept_busy_by_its_threads(path: Path) -> None:
    """A thread that waits too long for another is told so."""
    with LocalEngine(path, busy_timeout=0.05) as engine:
        table = Table(engine)

        def keep_busy(_: sqlite3.Connection) -> None:
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(table.send, "m")
                with pytest.raises(UnavailableError, match="Other threads"):
                    waiting.result()

        engine._store.write(keep_busy)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"path": ""}, "path"),
        ({"durability": "none"}, "durability"),
        ({"busy_timeout": 0}, "busy_timeout"),
        ({"busy_timeout": 4000}, "busy_timeout"),
        ({"busy_timeout": float("nan")}, "busy_timeout"),
    ],
)
def test_arguments_out_of_range(arguments: Any, argument: str) -> None:
    """A wrong argument is named, with its value."""
    with pytest.raises(InvalidArgumentError) as caught:
        LocalEngine(**arguments)
    assert caught.value.argument == argument


@pytest.mark.parametrize("where", [":memory:", "file"])
def test_a_closed_engine(path: Path, where: str) -> None:
    """After ``close`` every read and write raises ``ClosedError``; closing again does not."""
    engine = LocalEngine(path if where == "file" else where)
    table = Table(engine)
    engine.close()
    engine.close()
    requests: list[Request[Any]] = [Get("m"), put({"id": "m"}), CreateTable(), DescribeTable()]
    for request in requests:
        with pytest.raises(ClosedError, match="closed"):
            table.do(request)


def test_closing_under_load(path: Path) -> None:
    """Threads that are writing while the engine is closed see ``ClosedError`` and nothing else."""
    engine = LocalEngine(path, durability="normal")
    table, under_way = Table(engine), threading.Semaphore(0)

    def write_until_closed(thread: int) -> DynamoMQError | None:
        try:
            for number in range(10**9):
                table.do(put({"id": f"{thread}-{number}"}))
                under_way.release()
        except DynamoMQError as error:
            return error
        return None

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(write_until_closed, thread) for thread in range(4)]
        for _ in range(50):
            under_way.acquire()
        engine.close()
    assert {type(result.result()) for result in results} == {ClosedError}

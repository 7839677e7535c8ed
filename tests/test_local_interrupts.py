"""Ctrl-C in the embedded engine: wherever it comes, nothing stays locked, open or half done.

``KeyboardInterrupt`` is raised at every line of the engine's modules in turn, and each time another
thread that is waiting for its turn gets it.
"""

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dynamomq import ClosedError, TableNotFoundError
from dynamomq.drivers import local
from dynamomq.drivers.local import LocalEngine, feed
from dynamomq.drivers.local.store import Store
from dynamomq.requests import Elsewhere, GetMany, Scan, Transact, WriteBatch
from tests.support.embedded import Table, put

ENGINE = str(Path(local.__file__).parent)
"""Where the lines are that are interrupted."""

MANY = 2_000

PATIENCE = 20.0
"""Seconds after which a turn counts as lost."""


class Interrupter:
    """Raises ``KeyboardInterrupt`` at the nth line of the engine that this thread comes to.

    Attributes:
        line: where it did, as file and number; ``None``: there were not so many lines.
    """

    def __init__(self, nth: int, at_that_moment: Callable[[], object]) -> None:
        """Prepare to interrupt; call a function right before."""
        self.line: tuple[str, int] | None = None
        self._left = nth
        self._at_that_moment = at_that_moment

    def run(self, act: Callable[[], object]) -> bool:
        """Do something under interruption; tell whether it came to its end."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            act()
        except KeyboardInterrupt:
            return False
        finally:
            sys.settrace(before)
        return True

    def _enter(self, frame: FrameType, event: str, _: object) -> Any:
        return self._trace if frame.f_code.co_filename.startswith(ENGINE) else None

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and self.line is None:
            self._left -= 1
            if self._left == 0:
                self.line = (Path(frame.f_code.co_filename).name, frame.f_lineno)
                self._at_that_moment()
                raise KeyboardInterrupt
        return self._trace


def interrupted(
    act: Callable[[], object], other: Callable[[], object]
) -> Iterator[tuple[tuple[str, int], bool]]:
    """Do something again and again, interrupted one line later each time.

    Args:
        act: what to do.
        other: what another thread, that begins at that moment, has to achieve all the same.

    Yields:
        Where it was interrupted, and whether it came to its end all the same.
    """
    for nth in range(1, 10_000):
        thread = threading.Thread(target=other, daemon=True)
        interrupter = Interrupter(nth, thread.start)
        finished = interrupter.run(act)
        if interrupter.line is None:
            return
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"waits in vain after {interrupter.line}"
        yield interrupter.line, finished


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that don't wait for the disk, of which creating files takes its time."""
    connect = Store._connect

    def connected(store: Store) -> sqlite3.Connection:
        connection = connect(store)
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    monkeypatch.setattr(Store, "_connect", connected)


ACTS: dict[str, Callable[[Table, str], object]] = {
    "write": lambda table, id: table.send(id),
    "batch": lambda table, id: table.do(WriteBatch((put({"id": id}), put({"id": f"{id} too"})))),
    "transaction": lambda table, id: table.do(
        Transact((put({"id": id}), put({"id": f"{id} too"})), "token")
    ),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("where", [":memory:", "file"])
def test_a_write_may_be_interrupted_anywhere(tmp_path: Path, where: str, act: str) -> None:
    """After it other threads, this one and another process can write; all or nothing was done.

    The change feed is told what was done, and nothing else.
    """
    path = str(tmp_path / "queue.db") if where == "file" else where
    with LocalEngine(path, durability="normal", busy_timeout=PATIENCE) as engine:
        table, told = Table(engine), set[str]()
        engine.subscribe(lambda change: told.add(change.id))
        ids = [f"own {number}" for number in range(MANY)]
        others = [f"other {number}" for number in range(MANY)]
        places = interrupted(lambda: ACTS[act](table, ids[-1]), lambda: table.send(others[-1]))
        for place, finished in places:
            own, other = ids.pop(), others.pop()
            stored = table.do(GetMany((own, f"{own} too", other)))
            assert other in stored, place
            done = stored.keys() - {other}
            assert len(done) in ({0, 1} if act == "write" else {0, 2}), place
            assert done or not finished, place
            if where == "file":
                with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as process:
                    process.execute("BEGIN IMMEDIATE")
            table.send(f"after {own}")
            assert {one for one in told if one.startswith(own)} <= done, place
            if place[0] != Path(feed.__file__).name:
                assert done <= told, place
        assert len(ids) < MANY - 50


@pytest.mark.parametrize("where", [":memory:", "file"])
def test_a_write_that_is_undone_may_be_interrupted_anywhere(tmp_path: Path, where: str) -> None:
    """Two things go wrong at once: the work fails, and an interrupt comes, also while it is undone.

    Nothing of it is left, nobody is told of it, and others can write.
    """
    path = str(tmp_path / "queue.db") if where == "file" else where
    with LocalEngine(path, durability="normal", busy_timeout=PATIENCE) as engine:
        table, told = Table(engine), set[str]()
        engine.subscribe(lambda change: told.add(change.id))
        others = [f"other {number}" for number in range(MANY)]

        def act() -> None:
            writes = put({"id": "undone"}), Elsewhere("absent", put({"id": "nowhere"}))
            with pytest.raises(TableNotFoundError):
                table.do(Transact(writes, "token"))

        for place, _ in interrupted(act, lambda: table.send(others[-1])):
            assert table.get(others.pop()) is not None, place
            assert table.get("undone") is None, place
            table.send(f"after {len(others)}")
        assert "undone" not in told
        assert len(others) < MANY - 20


@pytest.mark.parametrize("where", [":memory:", "file"])
@pytest.mark.usefixtures("hasty")
def test_a_write_may_be_interrupted_while_another_thread_closes(tmp_path: Path, where: str) -> None:
    """The engine is closed for both, and what the file holds is whole and can be written."""
    path = str(tmp_path / "queue.db") if where == "file" else where
    nth = 0
    while True:
        nth += 1
        engine = LocalEngine(path, durability="normal", busy_timeout=PATIENCE)
        table, id = Table(engine), f"m{nth}"
        closing_it = threading.Thread(target=engine.close, daemon=True)
        interrupter = Interrupter(nth, closing_it.start)
        finished = interrupter.run(lambda: ACTS["write"](table, id))  # noqa: B023 - run now
        if interrupter.line is None:
            engine.close()
            break
        closing_it.join(PATIENCE)
        assert not closing_it.is_alive(), interrupter.line
        with pytest.raises(ClosedError):
            table.get(id)
        if where == "file":
            with LocalEngine(path, durability="normal", busy_timeout=0.01) as again:
                assert Table(again).get(id) or not finished, interrupter.line
                Table(again).send(f"after {id}")
    assert nth > 30


@pytest.mark.parametrize("where", [":memory:", "file"])
def test_a_read_may_be_interrupted_anywhere(tmp_path: Path, where: str) -> None:
    """After it others can read, and this thread sees what has been written since."""
    path = str(tmp_path / "queue.db") if where == "file" else where
    with LocalEngine(path, durability="normal", busy_timeout=PATIENCE) as engine:
        table = Table(engine)
        for number in range(3):
            table.send(str(number))
        kept: list[BaseException] = []  # what a debugger or a prompt keeps: traceback, frames

        def read() -> None:
            try:
                table.due()
                table.do(Scan(2))
                table.get("1")
            except KeyboardInterrupt as error:
                kept.append(error)
                raise

        for place, _ in interrupted(read, lambda: table.do(Scan(2))):
            table.store({"id": "news", "place": str(place)})
            assert table.get("news") == {"id": "news", "place": str(place)}
        assert len(kept) > 50


@pytest.mark.parametrize("where", [":memory:", "file"])
@pytest.mark.usefixtures("hasty")
def test_opening_and_closing_may_be_interrupted_anywhere(tmp_path: Path, where: str) -> None:
    """A file can be opened, written and closed after it; closing again closes what is left."""
    path = str(tmp_path / "queue.db") if where == "file" else where
    opened: list[LocalEngine] = []

    def open_and_close() -> None:
        opened.append(LocalEngine(path, durability="normal", busy_timeout=PATIENCE))
        opened[-1].close()

    for place, _ in interrupted(open_and_close, lambda: None):
        for engine in opened:
            engine.close()
        with LocalEngine(path, durability="normal", busy_timeout=PATIENCE) as engine:
            assert Table(engine).send("m" + str(len(opened))), place
        opened.clear()
        if where == "file":
            for file in tmp_path.iterdir():
                file.unlink()

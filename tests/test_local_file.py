"""The embedded engine's file in other hands: moved, replaced, changed, damaged; what is told."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from dynamomq import Consumer, LocalEngine, Queue
from dynamomq.drivers.local import Change
from dynamomq.errors import (
    MalformedItemError,
    RequestRejectedError,
    ServiceError,
    StaleReceiptError,
    StoreError,
    TableNotFoundError,
    UnavailableError,
)
from dynamomq.requests import Get, Query, Request, Scan
from tests.support.clock import ManualClock
from tests.support.embedded import Table, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that does not exist yet."""
    return tmp_path / "queue.db"


# --- another file in its place ---------------------------------------------------------------


def removed(file: Path) -> None:
    """``rm``."""
    file.unlink()


def renamed(file: Path) -> None:
    """``mv``."""
    file.rename(file.with_suffix(".old"))


def replaced(file: Path) -> None:
    """A copy is put over it, as editors and ``rsync`` do it."""
    copy = file.with_suffix(".new")
    copy.write_bytes(file.read_bytes())
    copy.rename(file)


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
@pytest.mark.parametrize("meddle", [removed, renamed, replaced])
def test_a_file_that_was_moved_is_told_of(
    path: Path, meddle: Callable[[Path], None], ending: str
) -> None:
    """Every read and write of an engine that has it open raises, and says which file and what."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        table.send("m")
        meddle(Path(f"{path}{ending}"))
        requests: list[Request[Any]] = [
            Get("m"),
            Query("STANDARD", None, 1),
            Scan(1),
            put({"id": "n"}),
        ]
        for request in requests:
            with pytest.raises(StoreError, match="removed, renamed or replaced") as caught:
                table.do(request)
            assert caught.value.path == str(path)
            assert f"{path}{ending} was" in caught.value.message
            assert "Close this engine" in caught.value.remedy


def test_a_file_that_is_moved_during_a_write_is_told_of(path: Path) -> None:
    """A write is reported as done only if the file was still there after the commit."""
    with LocalEngine(path) as engine:
        table = Table(engine)

        def move_away(_: sqlite3.Connection) -> None:
            path.unlink()

        with pytest.raises(StoreError, match="removed, renamed or replaced") as caught:
            engine._store.write(move_away)
        assert caught.value.in_doubt
        with pytest.raises(StoreError) as caught:
            table.send("m")
        assert not caught.value.in_doubt


def test_a_consumer_ends_when_its_file_is_moved(path: Path) -> None:
    """It says so at once, instead of waiting for messages that can't come."""
    with LocalEngine(path) as engine:
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        path.unlink()
        summary = Consumer(queue, print, poll_interval=(0.01, 0.01)).run()
    assert isinstance(summary.error, StoreError)
    assert summary.reason == "failed"


def test_a_file_may_be_named_in_other_ways(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative name stays right when the process goes elsewhere; so does a link."""
    link = tmp_path / "link.db"
    link.symlink_to(path)
    monkeypatch.chdir(tmp_path)
    with LocalEngine(path.name) as relative, LocalEngine(link) as linked:
        monkeypatch.chdir("/")
        Table(relative).send("m")
        assert Table(linked).get("m") is not None


# --- damaged rows ----------------------------------------------------------------------------

DAMAGES: dict[str, object] = {
    "cut": '{"id":{"S":"m"},"data":{"S":"sec',
    "nothing": "",
    "more behind it": '{"id":{"S":"m"}} secret',
    "no object": '["secret"]',
    "no types": '{"id":"secret"}',
    "unknown type": '{"id":{"X":"secret"}}',
    "no number": '{"id":{"S":"m"},"version":{"N":"secret"}}',
    "no base64": '{"id":{"S":"m"},"data":{"B":"=secret"}}',
    "bytes": b'{"id":{"S":"secret"}}',
    "a number": 17,
}


def damage(path: Path, statement: str, *values: object) -> None:
    """Change the file behind the engine's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def test_text_that_is_no_utf8_damages_only_its_row(path: Path) -> None:
    """A byte that rotted is found in the row where it is."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        table.send("m")
        table.send("n")
        rotten = "UPDATE item SET item = CAST(X'7B22646174C3' AS TEXT) WHERE id = ?"
        damage(path, rotten, "m")
        with pytest.raises(MalformedItemError, match="'m'"):
            table.get("m")
        assert table.get("n") is not None


@pytest.mark.parametrize("damaged", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_told_of(path: Path, damaged: object) -> None:
    """Whoever reads or writes it hears which row it is and what to do, not what is in it."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        table.send("m")
        table.send("n")
        damage(path, "UPDATE item SET item = ? WHERE id = 'm'", damaged)
        requests: list[Request[Any]] = [Get("m"), Scan(10), table.receiving("m"), put({"id": "m"})]
        for request in requests:
            with pytest.raises(MalformedItemError, match="The row of 'm' in table") as caught:
                table.do(request)
            assert "sqlite3" in caught.value.remedy
            assert "sec" not in str(caught.value)
        assert table.get("n") is not None


@pytest.mark.parametrize("column", ["item", "projected"])
@pytest.mark.parametrize("most", [1, 10])
def test_a_damaged_row_keeps_nobody_from_the_others(path: Path, column: str, most: int) -> None:
    """A receive passes it over; where nothing else is due, it says why."""
    with LocalEngine(path) as engine:
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        for id in ("m", "n", "o"):
            queue.send(id, id=id)
        damage(path, f"UPDATE item SET {column} = '{{' WHERE id = 'm'")
        rounds = 3 if most == 1 else 1
        received: set[str] = set()
        for _ in range(rounds):
            with suppress(RequestRejectedError):
                received |= {one.id for one in queue.receive(most)}
        # What the index shows of a message may be damaged; what counts is the item.
        assert received == ({"n", "o"} if column == "item" else {"m", "n", "o"})
        if column == "item":
            with pytest.raises(RequestRejectedError, match="The row of 'm'"):
                queue.receive(most)


def test_a_damaged_row_does_not_end_a_consumer(path: Path) -> None:
    """It handles the others, before it and after it."""
    with LocalEngine(path) as engine:
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        for id in ("first", "damaged", "last"):
            queue.send(id, id=id)
        damage(path, "UPDATE item SET item = '{' WHERE id = 'damaged'")
        handled: list[str] = []

        def handle(message: Any) -> None:
            handled.append(message.id)
            if message.id == "last":
                queue.send("more", id="more")
            if message.id == "more":
                consumer.stop()

        consumer = Consumer(queue, handle, concurrency=1, poll_interval=(0.001, 0.01))
        summary = consumer.run()
    assert handled == ["first", "last", "more"]
    assert (summary.reason, summary.succeeded) == ("stopped", 3)


def test_a_damaged_row_expires_like_others(path: Path) -> None:
    """With a listener, too: of what it was, only the key is told."""
    with LocalEngine(path) as engine:
        table = Table(engine, expiry=True)
        heard: list[Change] = []
        table.store({"id": "m"})
        damage(path, "UPDATE item SET item = '{', expires_at = 1 WHERE id = 'm'")
        engine.subscribe(heard.append)
        engine._writer._next_sweep = 0
        table.store({"id": "n"})
        assert [(one.id, one.old) for one in heard] == [("n", None), ("m", {"id": "m"})]


# --- SQLite's errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE item",
        "DROP TABLE queue_table",
        "ALTER TABLE item RENAME COLUMN item TO thing",
        "ALTER TABLE item ADD COLUMN more NOT NULL DEFAULT 1 CHECK (more > 1)",
    ],
)
def test_tables_that_others_have_changed(path: Path, statement: str) -> None:
    """A table that was dropped or altered is no trouble of the disk; the remedy says what is."""
    with LocalEngine(path) as engine:
        table = Table(engine)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("DROP VIEW message")
            connection.execute(statement)
        with pytest.raises(StoreError, match="not the engine's") as caught:
            table.send("m")
        assert "Another program has changed its tables" in caught.value.remedy


def test_a_missing_table_is_looked_for_in_the_file(path: Path) -> None:
    """The remedy names the file, and what a lost log does; no region, no endpoint."""
    with LocalEngine(path) as engine:
        queue: Queue[Any] = Queue("absent", engine=engine)
        with pytest.raises(TableNotFoundError) as caught:
            queue.send("payload")
        assert f"{path}-wal" in caught.value.remedy
        assert "region" not in caught.value.remedy


def test_a_lost_log_is_named_where_a_file_is_opened(path: Path) -> None:
    """Who opens a file whose log was taken from under another engine hears of the log."""
    with LocalEngine(path) as engine:
        Table(engine).send("m")
        os.unlink(f"{path}-wal")
        with pytest.raises(ServiceError, match="disk I/O error") as caught:
            Table(LocalEngine(path)).get("m")
        assert "-wal" in caught.value.remedy


@pytest.mark.parametrize("trouble", ["full", "locked"])
def test_what_to_do_about_the_disk_is_said_to_senders(path: Path, trouble: str) -> None:
    """ "Send again" comes beside it, and not in its place."""
    with (
        LocalEngine(path, busy_timeout=0.05) as engine,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        if trouble == "full":
            engine._store.write(lambda one: one.execute("PRAGMA max_page_count = 15"))
        else:
            other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError) as caught:
            queue.send("x" * 100_000)
        expected = "Make space" if trouble == "full" else "look for a program that holds"
        assert expected in caught.value.remedy
        assert not caught.value.in_doubt


# --- the machine's clock ---------------------------------------------------------------------


@pytest.mark.parametrize("hours", [1, -1])
def test_the_machines_clock_is_set(path: Path, hours: int) -> None:
    """Forward: a message is delivered again, and its holder refused. Back: it is hidden longer.

    In either case none is lost.
    """
    clock = ManualClock()
    with (
        LocalEngine(path, surroundings=clock.surroundings()) as ours,
        LocalEngine(path, surroundings=clock.surroundings()) as theirs,
    ):
        queue: Queue[Any] = Queue("jobs", engine=ours)
        queue.create_table()
        queue.send("payload", id="m")
        [held] = queue.receive(visibility_timeout=60)
        clock.advance(hours * 3600)
        others: Queue[Any] = Queue("jobs", engine=theirs)
        if hours > 0:
            [again] = others.receive()
            with pytest.raises(StaleReceiptError):
                queue.delete(held)
            others.delete(again)
        else:
            assert others.receive() == []
            clock.advance(3600 + 59)
            assert others.receive() == []
            queue.delete(held)
        assert queue.get("m").state == "DELETED"

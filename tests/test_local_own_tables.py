"""Tables of users' own in the embedded engine: keys, rows, and what they refuse."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dynamomq.drivers.local import LocalEngine, store
from dynamomq.errors import (
    InvalidArgumentError,
    RequestRejectedError,
    TableMismatchError,
    TableNotFoundError,
)
from dynamomq.queue import Queue

pytestmark = pytest.mark.engine("local-memory", "local-file")


def test_rows_are_found_by_their_key() -> None:
    """A row is the whole item; another one of its key takes its place."""
    with LocalEngine() as engine:
        engine.create_table("accounts")
        assert engine.get_item("accounts", {"id": "17"}) is None
        engine.put_item("accounts", {"id": "17", "balance": Decimal("1.50"), "tags": {"a"}})
        assert engine.get_item("accounts", {"id": "17"}) == {
            "id": "17",
            "balance": Decimal("1.5"),
            "tags": {"a"},
        }
        engine.put_item("accounts", {"id": "17"})
        assert engine.get_item("accounts", {"id": "17"}) == {"id": "17"}


def test_keys_of_two_attributes_and_of_each_type() -> None:
    """A key has one or two attributes, texts unless said otherwise; equal numbers are one key."""
    with LocalEngine() as engine:
        engine.create_table("entries", {"account": "S", "entry": "N"})
        engine.put_item("entries", {"account": "a", "entry": 5, "first": True})
        engine.put_item("entries", {"account": "a", "entry": 6})
        engine.put_item("entries", {"entry": Decimal("5.0"), "account": "a"})
        assert engine.get_item("entries", {"entry": 5, "account": "a"}) == {
            "account": "a",
            "entry": 5,
        }
        engine.create_table("blobs", {"key": "B"})
        engine.put_item("blobs", {"key": b"\0", "value": 1})
        assert engine.get_item("blobs", {"key": b"\0"}) == {"key": b"\0", "value": 1}


def test_rows_are_kept_in_the_file(tmp_path: Path) -> None:
    """Another engine on the file finds tables and rows; the changes are told to nobody."""
    path = tmp_path / "queue.db"
    with LocalEngine(path) as engine:
        told: list[object] = []
        engine.subscribe(told.append)
        engine.create_table("accounts", ("id", "entry"))
        engine.put_item("accounts", {"id": "a", "entry": "1", "raw": b"\xff"})
        assert told == []
    with LocalEngine(path) as engine:
        engine.create_table("accounts", ("id", "entry"))
        row = engine.get_item("accounts", {"id": "a", "entry": "1"})
        assert row == {"id": "a", "entry": "1", "raw": b"\xff"}


def test_a_file_from_before_there_were_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the first version gets the tables for rows, and keeps its messages."""
    path = tmp_path / "queue.db"
    with monkeypatch.context() as patch:
        patch.setattr(store, "MIGRATIONS", store.MIGRATIONS[:1])
        with LocalEngine(path):
            pass
    with LocalEngine(path) as engine:
        engine.create_table("accounts")
        engine.put_item("accounts", {"id": "17"})
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert version == len(store.MIGRATIONS)


BAD_KEYS: tuple[Any, ...] = (
    "id",
    (),
    ("a", "b", "c"),
    ("a", "a"),
    ("",),
    {"id": "BOOL"},
    {},
)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_are_none(key: Any) -> None:
    """A key that DynamoDB would not have is refused, and no table is made."""
    with LocalEngine() as engine:
        with pytest.raises(InvalidArgumentError) as caught:
            engine.create_table("accounts", key)
        assert (caught.value.argument, bool(caught.value.remedy)) == ("key", True)
        with pytest.raises(TableNotFoundError):
            engine.get_item("accounts", {"id": "17"})


def test_a_name_is_one_tables() -> None:
    """A table has one key, and holds either rows or a queue."""
    with LocalEngine() as engine:
        engine.create_table("accounts")
        with pytest.raises(InvalidArgumentError, match="its key is"):
            engine.create_table("accounts", ("pk",))
        queue: Queue[Any] = Queue("queue", engine=engine)
        queue.create_table()
        with pytest.raises(InvalidArgumentError, match="there is a queue"):
            engine.create_table("queue")
        with pytest.raises(TableMismatchError, match="a table of your own"):
            Queue("accounts", engine=engine).create_table()
        with pytest.raises(InvalidArgumentError, match="name="):
            engine.create_table("a table")


def test_rows_in_a_queues_table() -> None:
    """An item beside the messages is read like a row; the queue takes it for none of its own."""
    with LocalEngine() as engine:
        queue: Queue[Any] = Queue("queue", engine=engine)
        queue.create_table()
        engine.put_item("queue", {"id": "settings", "colour": "red"})
        assert engine.get_item("queue", {"id": "settings"}) == {"id": "settings", "colour": "red"}
        assert queue.receive(10) == []


BAD_ROWS: tuple[Any, ...] = (
    {},
    {"name": "no key"},
    {"id": 17},
    {"id": ""},
    {"id": "x" * 2049},
    {"id": "17", "price": 1.5},
    {"id": "17", "set": set()},
    {"id": "17", "large": "x" * 410_000},
)


@pytest.mark.parametrize("row", BAD_ROWS, ids=lambda row: ",".join(row))
def test_rows_that_are_refused(row: Any) -> None:
    """What DynamoDB would not store is refused, and nothing is stored."""
    with LocalEngine() as engine:
        engine.create_table("accounts")
        with pytest.raises(RequestRejectedError):
            engine.put_item("accounts", row)
        assert engine.get_item("accounts", {"id": "17"}) is None


def test_a_table_that_is_not_there() -> None:
    """It is named, with the way to make one of each kind."""
    with LocalEngine() as engine:
        with pytest.raises(TableNotFoundError, match=r"LocalEngine.create_table\(\)") as caught:
            engine.put_item("accounts", {"id": "17"})
        assert caught.value.table == "accounts"

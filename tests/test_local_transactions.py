"""Transactions of the embedded engine: what the feed tells, and what is in the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dynamomq.attributes import ID
from dynamomq.drivers.local import Change, LocalEngine
from dynamomq.errors import RequestRejectedError, StoreError
from dynamomq.requests import Cancelled, Committed, Elsewhere, Refused, Transact, Write
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND
from dynamomq.values import MAX_ITEM_BYTES
from tests.support.clock import ManualClock
from tests.support.embedded import Table, custom_rule, put, update

OTHER = TableDefinition("another-table")
REFUSED = Write("absent", custom_rule("delete", [], ID.exists()), {})


@pytest.fixture
def table() -> Iterator[Table]:
    """A table in memory, beside which there is another one; the items of both expire."""
    clock = ManualClock()
    with LocalEngine(surroundings=clock.surroundings()) as engine:
        Table(engine, clock, OTHER, expiry=True)
        yield Table(engine, clock, expiry=True)


def test_the_feed_tells_all_tables_changes(table: Table) -> None:
    """Listeners hear of every item that a transaction changed, in the order of its actions."""
    table.store({"id": "b", "n": 1})
    changes: list[Change] = []
    table.engine.subscribe(changes.append)
    actions = (put({"id": "a"}), Elsewhere(OTHER.name, put({"id": "b"})), update("b", n=2))
    assert table.do(Transact(actions, "token")) == Committed()
    own = table.definition.name
    assert changes == [
        Change(own, "a", None, {"id": "a"}),
        Change(OTHER.name, "b", None, {"id": "b"}),
        Change(own, "b", {"id": "b", "n": 1}, {"id": "b", "n": 2}),
    ]


def test_the_feed_tells_nothing_of_what_did_not_happen(table: Table) -> None:
    """Of a transaction that was cancelled, or could not be carried out, there is no change."""
    changes: list[Change] = []
    table.engine.subscribe(changes.append)
    assert table.do(Transact((put({"id": "a"}), REFUSED), "token")) == Cancelled(
        (None, Refused(None))
    )
    with pytest.raises(RequestRejectedError):
        table.do(Transact((put({"id": "a"}), put({"id": "b", "n": "x" * MAX_ITEM_BYTES})), "t"))
    assert changes == []


def test_a_transaction_removes_what_has_expired(table: Table) -> None:
    """As any write does, it takes a few expired items of its table away, and tells it."""
    table.store({"id": "old", "expires_at": table.clock.now // SECOND + 1})
    table.clock.advance(3)
    changes: list[Change] = []
    table.engine.subscribe(changes.append)
    table.do(Transact((put({"id": "a"}),), "token"))
    assert [(change.id, change.new is None) for change in changes] == [("a", False), ("old", True)]


def test_a_statement_that_fails_undoes_all(tmp_path: Path) -> None:
    """Where the file refuses one of the changes, none is in it."""
    path = tmp_path / "queue.db"
    with LocalEngine(path) as engine:
        table = Table(engine)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(
                "CREATE TRIGGER fault BEFORE INSERT ON item WHEN NEW.id = 'b'"
                " BEGIN SELECT RAISE(ABORT, 'injected'); END"
            )
        with pytest.raises(StoreError, match="injected"):
            table.do(Transact((put({"id": "a"}), put({"id": "b"}), put({"id": "c"})), "token"))
        assert [table.get(id) for id in "abc"] == [None, None, None]
        assert table.do(Transact((put({"id": "a"}), put({"id": "c"})), "token")) == Committed()
    with LocalEngine(path) as engine:
        assert [Table(engine).get(id) for id in "abc"] == [{"id": "a"}, None, {"id": "c"}]

"""What queries are answered from: the index as it is, or as it was when a test froze it."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from dynamomq.attributes import DUE, ID, QUEUE_TYPE, RECEIVE_COUNT, STATUS
from dynamomq.drivers.base import Driver
from dynamomq.drivers.local import LocalEngine
from dynamomq.effects import Set
from dynamomq.expressions import TRUE, Arg
from dynamomq.requests import CreateTable, DescribeTable, Page, Query, Scan, Write
from dynamomq.rules import Rule, State, Transition
from dynamomq.table import TableDefinition
from dynamomq.values import Item

_PAGE = 1_000
_ENTRY = (ID, QUEUE_TYPE, DUE, STATUS, RECEIVE_COUNT)
_COPY = Rule(
    "copy",
    "put",
    (
        (
            State("ABSENT", ID.absent(), "Not copied yet."),
            Transition(
                "copy",
                "ABSENT",
                "COPIED",
                "upkeep",
                TRUE,
                tuple(Set(attribute, Arg(attribute.name), optional=True) for attribute in _ENTRY),
            ),
        ),
    ),
)


class IndexView:
    """The indexes of an engine's tables, as queries see them."""

    def __init__(self) -> None:
        """Show them as they are."""
        self._lock = RLock()
        self._tables: dict[TableDefinition, Driver] = {}
        self._frozen: _Copy | None = None
        self._on_stale: Callable[[], None] = lambda: None

    def attach(self, driver: Driver) -> None:
        """Include a table; if the indexes are frozen, as it is now."""
        with self._lock:
            if driver.table not in self._tables:
                self._tables[driver.table] = driver
                if self._frozen is not None:
                    self._frozen.take(driver)

    def freeze(self, on_stale: Callable[[], None]) -> None:
        """Answer queries from now on as of now.

        Args:
            on_stale: called whenever an answer is not what it would be without the freeze.
        """
        with self._lock:
            self.thaw()
            self._frozen, self._on_stale = _Copy(), on_stale
            for driver in self._tables.values():
                self._frozen.take(driver)

    def thaw(self) -> None:
        """Answer queries as things are; nothing changes where they are not frozen."""
        with self._lock:
            if self._frozen is not None:
                self._frozen.close()
                self._frozen = None

    def query(self, driver: Driver, request: Query) -> Page:
        """Answer a query of a table."""
        # Asked in any case: a table that is missing, or a request that is wrong, stays an error.
        fresh: Page = driver.store(request)
        with self._lock:
            if self._frozen is None:
                return fresh
            page, on_stale = self._frozen.query(driver.table, request), self._on_stale
        if page != fresh:
            on_stale()
        return page


class _Copy:
    """The index entries of some tables, in an engine of their own."""

    def __init__(self) -> None:
        self._engine = LocalEngine()

    def take(self, driver: Driver) -> None:
        """Copy a table's entries."""
        copy = self._engine.open(driver.table)
        copy.store(CreateTable())
        if driver.store(DescribeTable()) is None:
            return
        cursor: Item | None = None
        while True:
            page: Page = driver.store(Scan(_PAGE, cursor))
            for item in page.entries:
                entry = {one.name: item[one.name] for one in _ENTRY if one.name in item}
                if QUEUE_TYPE.name in entry and DUE.name in entry:
                    copy.store(Write(str(entry[ID.name]), _COPY, entry))
            cursor = page.cursor
            if cursor is None:
                return

    def query(self, table: TableDefinition, request: Query) -> Page:
        """Answer a query of a table that was copied."""
        page: Page = self._engine.open(table).store(request)
        return page

    def close(self) -> None:
        """Forget the entries."""
        self._engine.close()

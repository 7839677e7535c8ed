"""The embedded engine: DynamoMQ on one machine, in an SQLite file or in memory.

It is to an operation what DynamoDB is: the same requests, replies, rules about values and refusals.
It knows no message and no state: a write's condition and effects are the machine's own expressions,
evaluated on the stored item inside one transaction.

Where it differs from DynamoDB, it promises more: the index is never behind, no reply is lost, and
of entries with the same due time the one with the smaller id comes first.

The file can be read while it is in use, with the ``sqlite3`` command or ``python -m sqlite3``
(Python 3.12)::

    sqlite3 queue.db 'SELECT * FROM message WHERE queue_type = "DLQ" LIMIT 10'
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, get_args

from attrs import evolve

from dynamomq.attributes import DUE, ID, QUEUE_TYPE
from dynamomq.checks import check_callable
from dynamomq.drivers.base import Driver, Surroundings, checked_surroundings
from dynamomq.drivers.local import records
from dynamomq.drivers.local.feed import Feed, Listener
from dynamomq.drivers.local.limits import (
    check_key,
    check_limit,
    check_name,
    check_together,
    rejected,
)
from dynamomq.drivers.local.owned import OwnTables
from dynamomq.drivers.local.places import is_own
from dynamomq.drivers.local.store import MEMORY, Durability, Store
from dynamomq.drivers.local.transacting import transact
from dynamomq.drivers.local.writer import Transaction, Writer
from dynamomq.errors import (
    InvalidArgumentError,
    RequestRejectedError,
    TableMismatchError,
    TableNotFoundError,
)
from dynamomq.requests import (
    MAX_BATCH,
    BatchReply,
    Cancelled,
    Committed,
    CreateTable,
    DescribeTable,
    EnableExpiry,
    Failed,
    Get,
    GetMany,
    Page,
    Query,
    Refused,
    Request,
    Scan,
    Transact,
    Write,
    WriteBatch,
    WriteReply,
    Written,
)
from dynamomq.rules import Specialised
from dynamomq.table import TableDefinition, TableDescription
from dynamomq.values import Item

R = TypeVar("R")

_NO_QUEUE = "it was created as a table of your own, without an index"
_MAX_GET_MANY = 100
_MAX_ENTRIES = 1_000
_MAX_SCANNED = 1024 * 1024


class LocalEngine(OwnTables):
    """A durable queue engine in one SQLite file; safe for many threads and processes.

    Attributes:
        surroundings: where time and chance come from.
    """

    def __init__(
        self,
        path: str | Path = MEMORY,
        *,
        durability: Durability = "full",
        busy_timeout: float = 10.0,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Open the file; create it where there is none, and upgrade an older one.

        Args:
            path: the file, on a local disk (not a network share); ``:memory:`` keeps everything in
                this object.
            durability: ``full``: a write is on the disk when it returns. ``normal``: several times
                faster; a crash of the machine (not of the process) may undo the last writes.
            busy_timeout: how many seconds to wait for other threads and processes; up to an hour.
            surroundings: where time and chance come from; default: the machine's own.

        Raises:
            InvalidArgumentError: an argument is out of range.
            StoreError: the file is not a database of this library, is of a newer version, or can't
                be opened or written.
            UnavailableError: another process kept the file locked, or the disk fails.
        """
        _check(path, durability, busy_timeout)
        self.surroundings = checked_surroundings(surroundings)
        self._store = Store(path, durability, busy_timeout)
        self._feed = Feed()
        self._writer = Writer(self._store, self._feed, self.surroundings.clock)

    def open(self, table: TableDefinition) -> LocalDriver:
        """Return a driver for one of the file's tables, which need not exist yet."""
        return LocalDriver(table, self.surroundings, self._store, self._writer)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a function called with every ``Change`` that this object writes.

        The calls come in the order of the commits, after the commit and before the write returns,
        one at a time, whichever thread wrote. What other processes write is not seen. A listener
        may use the engine, but must not wait for another thread's write. What it raises is logged.

        Args:
            listener: what to call.

        Returns:
            A function that ends the subscription.

        Raises:
            InvalidArgumentError: it can't be called.
        """
        check_callable("listener", listener, needed=True)
        return self._feed.subscribe(listener)

    def close(self) -> None:
        """Close the file; later requests raise ``ClosedError``. Closing twice does no harm."""
        self._store.close()

    def __enter__(self) -> Self:
        """Return the engine; it is closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def __repr__(self) -> str:
        """Show the path."""
        return f"{type(self).__name__}({self._store.path!r})"


def _check(path: object, durability: object, busy_timeout: object) -> None:
    """Refuse arguments that the file can't be opened with.

    Raises:
        InvalidArgumentError: one of them is of the wrong kind or out of range.
    """
    if not isinstance(path, str | Path) or not _is_path(str(path)):
        raise InvalidArgumentError(
            "path", path, "it names no file", remedy="Pass a path as str or pathlib.Path."
        )
    if durability not in get_args(Durability):
        raise InvalidArgumentError(
            "durability", durability, "there is no such durability", remedy="Pass full or normal."
        )
    if (
        isinstance(busy_timeout, bool)
        or not isinstance(busy_timeout, int | float)
        or not 0 < busy_timeout <= 3600
    ):
        raise InvalidArgumentError(
            "busy_timeout", busy_timeout, "it is not in 0 to 3600 s", remedy="Pass seconds."
        )


def _is_path(text: str) -> bool:
    try:
        return bool(os.fsencode(text)) and "\0" not in text
    except UnicodeEncodeError:
        return False


class LocalDriver(Driver):
    """Carries out requests on one table of a :class:`LocalEngine`."""

    def __init__(
        self, table: TableDefinition, surroundings: Surroundings, store: Store, writer: Writer
    ) -> None:
        """Bind the driver to a table and to its engine's file."""
        super().__init__(table, surroundings)
        self._file = store
        self._writer = writer
        self._answers: dict[type[Request[Any]], Callable[[Any], Any]] = {
            Get: self._get,
            GetMany: self._get_many,
            Query: self._query,
            Scan: self._scan,
            Write: self._write,
            WriteBatch: self._write_batch,
            Transact: self._transact,
            DescribeTable: self._describe_table,
            CreateTable: self._create_table,
            EnableExpiry: self._enable_expiry,
        }

    def store(self, request: Request[Any]) -> Any:
        """Carry out a request.

        Raises:
            ClosedError: the engine is closed.
            TableNotFoundError: the table was not created.
            TableMismatchError: the table was created with another index, or as a table of one's
                own.
            StoreError: the file was removed or replaced, is damaged, or can't be written.
            RequestRejectedError: DynamoDB would refuse the request as invalid.
            MalformedItemError: the row of an item is damaged.
            UnavailableError: the file is locked, or the disk fails.
        """
        try:
            return self._answers[type(request)](request)
        except TableNotFoundError as error:
            if error.table == self.table.name:
                self._check_not_own()
            raise

    def _check_not_own(self) -> None:
        if self._file.read(lambda connection: is_own(connection, self.table.name)):
            raise TableMismatchError(self.table.name, (_NO_QUEUE,)) from None

    # --- reading -----------------------------------------------------------------------------

    def _get(self, request: Get) -> Item | None:
        return self._items((request.id,)).get(request.id)

    def _get_many(self, request: GetMany) -> Mapping[str, Item]:
        check_together(request.ids, _MAX_GET_MANY)
        return self._items(request.ids, request.table)

    def _items(self, keys: Sequence[str], other_table: str | None = None) -> dict[str, Item]:
        table = other_table or self.table.name
        for key in keys:
            check_key(ID.name, key)

        def read(connection: sqlite3.Connection) -> dict[str, Item]:
            items = {}
            for key in keys:
                found = records.find(connection, table, key)
                if found is None:
                    raise TableNotFoundError(table)
                if found.text is not None:
                    items[key] = records.item_in(found.text, table, key)
            return items

        return self._file.read(read)

    def _query(self, request: Query) -> Page:
        check_limit(request.limit)
        check_key(QUEUE_TYPE.name, request.queue)
        for bound in (request.since, request.until):
            if bound is not None:
                check_key(DUE.name, bound)
        if (
            request.since is not None
            and request.until is not None
            and request.since > request.until
        ):
            raise rejected("The query's range ends before it begins.")
        after = _position(request)
        limit = min(request.limit, _MAX_ENTRIES)

        def read(connection: sqlite3.Connection) -> list[Item]:
            table = self._existing(connection)
            if table.index_name != self.table.index:
                found = evolve(self.table, index=table.index_name).description()
                raise TableMismatchError(self.table.name, self.table.differences(found))
            return records.query(
                connection,
                table.number,
                request.queue,
                until=request.until,
                after=after,
                limit=limit,
            )

        entries = self._file.read(read)
        # Like DynamoDB: a full page has a cursor even if nothing follows.
        full = len(entries) == limit
        cursor = _keys(entries[-1], ID.name, QUEUE_TYPE.name, DUE.name) if full else None
        return Page(tuple(entries), cursor)

    def _scan(self, request: Scan) -> Page:
        check_limit(request.limit)
        after = "" if request.cursor is None else _place(request.cursor, ID.name)[0]

        def read(connection: sqlite3.Connection) -> tuple[list[Item], bool]:
            return records.scan(
                connection,
                self._existing(connection).number,
                self.table.name,
                after=after,
                limit=request.limit,
                enough=_MAX_SCANNED,
            )

        items, more = self._file.read(read)
        return Page(tuple(items), _keys(items[-1], ID.name) if more else None)

    # --- writing -----------------------------------------------------------------------------

    def _write(self, request: Write) -> WriteReply:
        rule = request.specialised
        return self._in_turn(request, lambda transaction: transaction.write(request, rule))

    def _write_batch(self, request: WriteBatch) -> tuple[BatchReply, ...]:
        check_together([write.id for write in request.writes], MAX_BATCH)
        pairs = [(write, write.specialised) for write in request.writes]
        return self._in_turn(
            request,
            # One alone is as good as a single write, which shows the item that refuses it.
            lambda transaction: tuple(
                _alone(transaction, *pair, shown=len(pairs) == 1) for pair in pairs
            ),
        )

    def _transact(self, request: Transact) -> Committed | Cancelled:
        return self._in_turn(request, lambda transaction: transact(transaction, request))

    def _in_turn(self, request: Request[R], work: Callable[[Transaction], R]) -> R:
        """Carry out a write when its turn has come, unless that is too late."""

        def do(transaction: Transaction) -> R:
            self.check_in_time(request)
            return work(transaction)

        return self._writer.run(self.table.name, do)

    # --- the table ---------------------------------------------------------------------------

    def _existing(self, connection: sqlite3.Connection) -> records.TableRow:
        table = records.find_table(connection, self.table.name)
        if table is None:
            raise TableNotFoundError(self.table.name)
        return table

    def _describe_table(self, request: DescribeTable) -> TableDescription | None:
        table = self._file.read(lambda one: records.find_table(one, self.table.name))
        if table is None:
            return None
        whole = evolve(self.table, index=table.index_name).description()
        return whole if table.expires and request.expiry else evolve(whole, expiry=None)

    def _create_table(self, _: CreateTable) -> None:
        check_name("a table", self.table.name)
        check_name("an index", self.table.index)

        def create(connection: sqlite3.Connection) -> None:
            if is_own(connection, self.table.name):
                raise TableMismatchError(self.table.name, (_NO_QUEUE,))
            records.create_table(connection, self.table.name, self.table.index)

        self._file.write(create)

    def _enable_expiry(self, _: EnableExpiry) -> None:
        self._file.write(lambda one: records.enable_expiry(one, self._existing(one).number))


def _alone(transaction: Transaction, write: Write, rule: Specialised, *, shown: bool) -> BatchReply:
    """Carry out one write of a batch; DynamoDB does not show the item that refuses one of many."""
    try:
        reply = transaction.write(write, rule)
    except RequestRejectedError as error:
        return Failed(error)
    return reply if shown or isinstance(reply, Written) else Refused(None, shown=False)


def _position(request: Query) -> tuple[str, str]:
    """Return the due time and id after which a query begins or goes on; no id is empty."""
    if request.cursor is None:
        return request.since or "", ""
    queue, due, key = _place(request.cursor, QUEUE_TYPE.name, DUE.name, ID.name)
    late = request.until is not None and due > request.until
    early = request.since is not None and due < request.since
    if early or late or queue != request.queue:
        raise rejected("The query's cursor is not of this query.")
    return due, key


def _place(cursor: Item, *names: str) -> tuple[str, ...]:
    """Return the key attributes that a cursor consists of; it may have no others."""
    if cursor.keys() != set(names):
        raise rejected(f"A cursor has the attributes {', '.join(names)} and no others.")
    for name in names:
        check_key(name, cursor[name])
    return tuple(str(cursor[name]) for name in names)


def _keys(entry: Item, *names: str) -> Item:
    return {name: entry[name] for name in names}

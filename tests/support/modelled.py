"""The embedded engine with a meter: its requests counted as DynamoDB's, its units computed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from dynamomq.capacity import (
    get_capacity,
    in_transaction,
    page_capacity,
    scan_capacity,
    write_capacity,
)
from dynamomq.drivers.base import Driver, Surroundings
from dynamomq.drivers.local import Change, LocalEngine
from dynamomq.drivers.meter import Capacity, Meter, Usage
from dynamomq.requests import (
    Cancelled,
    Get,
    GetMany,
    Query,
    Refused,
    Request,
    Scan,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.table import TableDefinition

_NAMES: Final[Mapping[type, str]] = {
    Get: "GetItem",
    GetMany: "BatchGetItem",
    Query: "Query",
    Scan: "Scan",
    Transact: "TransactWriteItems",
    WriteBatch: "BatchExecuteStatement",
}
_WRITES: Final = {"put": "PutItem", "update": "UpdateItem", "delete": "DeleteItem"}


class ModelledEngine:
    """An embedded engine in memory, and what DynamoDB would have charged for its work.

    Refused writes are counted, but their units are not: DynamoDB charges for them, too, and does
    not report them either.
    """

    def __init__(self, surroundings: Surroundings | None = None) -> None:
        """Start empty, at zero."""
        self._engine = LocalEngine(surroundings=surroundings)
        self._meter = Meter()
        self._written = Capacity()
        self._lock = threading.Lock()
        self._transacting = threading.local()
        self._engine.subscribe(self._note)

    def open(self, table: TableDefinition) -> Driver:
        """Return a driver for one of the tables."""
        return _Metered(self._engine.open(table), self._meter, self._transacting)

    def close(self) -> None:
        """Give the memory back."""
        self._engine.close()

    def read(self) -> Usage:
        """Return all that was counted so far, as a meter does."""
        usage = self._meter.read()
        with self._lock:
            return Usage(usage.requests, usage.refused, usage.capacity + self._written)

    def _note(self, change: Change) -> None:
        units = write_capacity(change.old, change.new)
        if getattr(self._transacting, "is_so", False):
            units = in_transaction(units)
        with self._lock:
            self._written += units


class _Metered(Driver):
    """A driver in front of the embedded engine's own, which counts what goes through."""

    def __init__(self, inner: Driver, meter: Meter, transacting: threading.local) -> None:
        super().__init__(inner.table, inner.surroundings)
        self._inner = inner
        self._meter = meter
        self._transacting = transacting

    def store(self, request: Request[Any]) -> Any:
        """Carry out a request, and count it where DynamoDB would charge for it."""
        self._transacting.is_so = isinstance(request, Transact)
        reply = self._inner.store(request)
        name = _name(request)
        if name is not None:
            self._meter.count(name, refused=_refusals(reply), capacity=_read(request, reply))
        return reply


def _name(request: Request[Any]) -> str | None:
    if isinstance(request, Write):
        return _WRITES[request.specialised.kind]
    return _NAMES.get(type(request))


def _refusals(reply: Any) -> int:
    replies = reply.reasons if isinstance(reply, Cancelled) else reply
    several = replies if isinstance(replies, tuple) else (replies,)
    return sum(isinstance(one, Refused) for one in several)


def _read(request: Request[Any], reply: Any) -> Capacity:
    if isinstance(request, Get):
        return get_capacity([reply])
    if isinstance(request, GetMany):
        return get_capacity(reply.get(one) for one in request.ids)
    if isinstance(request, Query):
        return page_capacity(reply.entries)
    if isinstance(request, Scan):
        return scan_capacity(reply.entries)
    return Capacity()

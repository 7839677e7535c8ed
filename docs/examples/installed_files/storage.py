"""Where the demonstration keeps its queue: a file, or a DynamoDB table of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from docs.examples.installed_files.files import FileRecord
from docs.examples.installed_files.job import VISIBILITY_TIMEOUT
from dynamomq import Engine, LocalEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.drivers.base import Driver
from dynamomq.drivers.meter import Meter
from dynamomq.requests import Refused, Request
from dynamomq.table import TableDefinition

_TABLE = "dynamomq-demo"


@frozen
class Storage:
    """A queue, and the meter that counts what it asks of its engine."""

    queue: Queue[FileRecord]
    meter: Meter


@contextmanager
def in_file(path: Path) -> Iterator[Storage]:
    """Open an empty queue in a file, which is replaced if it is a queue's.

    Raises:
        StoreError: the file is something else, or can't be written.
    """
    if path.exists():
        LocalEngine(path).close()  # refuses what is not ours to delete
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    meter = Meter()
    with LocalEngine(path) as engine:
        queue = _queue(_TABLE, _CountingEngine(engine, meter))
        queue.create_table()
        yield Storage(queue, meter)


@contextmanager
def in_dynamodb(url: str) -> Iterator[Storage]:
    """Open an empty queue in a new table, which is deleted in the end."""
    meter = Meter()
    endpoint = Endpoint(url)
    engine = endpoint.engine(meter)
    try:
        with endpoint.empty_table() as table:
            queue = _queue(table, engine)
            queue.create_table()
            yield Storage(queue, meter)
    finally:
        engine.close()


@contextmanager
def reopened(path: Path) -> Iterator[Queue[FileRecord]]:
    """Open the queue that a run has left in a file."""
    with LocalEngine(path) as engine:
        yield _queue(_TABLE, engine)


def _queue(table: str, engine: Engine) -> Queue[FileRecord]:
    return Queue(table, payload=FileRecord, engine=engine, visibility_timeout=VISIBILITY_TIMEOUT)


@frozen
class _CountingEngine:
    """An engine whose requests are counted, as a DynamoDB engine counts its own."""

    engine: Engine
    meter: Meter

    def open(self, table: TableDefinition) -> Driver:
        return _CountingDriver(self.engine.open(table), self.meter)

    def close(self) -> None:
        self.engine.close()


class _CountingDriver(Driver):
    def __init__(self, driver: Driver, meter: Meter) -> None:
        super().__init__(driver.table, driver.surroundings)
        self._driver = driver
        self._meter = meter

    def store(self, request: Request[Any]) -> Any:
        reply = self._driver.store(request)
        replies = reply if isinstance(reply, tuple) else (reply,)
        refused = sum(isinstance(one, Refused) for one in replies)
        self._meter.count(type(request).__name__, refused=refused)
        return reply

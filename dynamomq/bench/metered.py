"""Queues whose operations are paid for visibly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from attrs import frozen

from dynamomq import Engine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.drivers.meter import Meter, Usage

PAYLOAD = "x" * 200
"""What a message of the benchmark carries where its size is not the question: 200 bytes."""

UNREPORTED = "–: DynamoDB Local does not report the units of batches."

_HELD = 3600  # seconds: no delivery ends by itself during the benchmark


@frozen
class Spent:
    """What something has cost.

    Attributes:
        requests: API calls.
        writes: write units, of table and index together.
        reads: read units, of table and index together.
        refused: writes whose condition did not hold.
    """

    requests: float
    writes: float
    reads: float
    refused: float = 0

    def __add__(self, other: Spent) -> Spent:
        """Add up, field by field."""
        return Spent(
            self.requests + other.requests,
            self.writes + other.writes,
            self.reads + other.reads,
            self.refused + other.refused,
        )

    def __sub__(self, other: Spent) -> Spent:
        """Subtract, field by field."""
        return self + other.each(-1)

    def each(self, count: int) -> Spent:
        """Return the share of one of ``count``."""
        return Spent(
            self.requests / count, self.writes / count, self.reads / count, self.refused / count
        )

    @classmethod
    def of(cls, usage: Usage) -> Spent:
        """Add up what a meter shows."""
        units = usage.capacity
        return cls(
            requests=sum(usage.requests.values()),
            writes=units.table_writes + units.index_writes,
            reads=units.table_reads + units.index_reads,
            refused=usage.refused,
        )


class _Readable(Protocol):
    """What counts: a meter, or an engine that is one."""

    def read(self) -> Usage:
        """Return all that was counted so far."""


@frozen
class MeteredQueue:
    """A queue, and what it has cost so far."""

    queue: Queue[str]
    meter: _Readable

    def cost(self, action: Callable[[], object]) -> Spent:
        """Do something with the queue and return what it cost."""
        before = Spent.of(self.meter.read())
        action()
        return Spent.of(self.meter.read()) - before


@frozen
class Place:
    """Where a table of figures comes from.

    Attributes:
        name: of the storage, for titles.
        open: opens an empty queue there, for a ``with`` block.
        notes: what has to be known to read its figures.
        counts_transactions: whether the units of transactions are right there.
    """

    name: str
    open: Callable[[], AbstractContextManager[MeteredQueue]]
    notes: tuple[str, ...] = ()
    counts_transactions: bool = True


def open_queue(table: str, engine: Engine, meter: _Readable) -> MeteredQueue:
    """Make the table of an empty queue and return it.

    Args:
        table: its name.
        engine: where.
        meter: what counts what the engine is asked.
    """
    queue = Queue(table, payload=str, engine=engine, visibility_timeout=_HELD)
    queue.create_table()
    # Looks what the queue's clients have agreed on: a read unit a minute, whatever is done.
    queue.receive()
    return MeteredQueue(queue, meter)


def on_dynamodb(endpoint: Endpoint, table: str | None = None) -> Place:
    """Return DynamoDB, with the units that it reports.

    Args:
        endpoint: where DynamoDB is.
        table: a table to use, empty before and afterwards; ``None``: a temporary one.
    """

    @contextmanager
    def opened() -> Iterator[MeteredQueue]:
        meter = Meter()
        engine = endpoint.engine(meter)
        try:
            with endpoint.empty_table(table) as name:
                yield open_queue(name, engine, meter)
        finally:
            engine.close()

    return Place("DynamoDB", opened, counts_transactions=endpoint.is_aws)

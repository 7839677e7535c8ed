"""A queue on DynamoDB whose operations are paid for visibly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import frozen

from dynamomq import Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.drivers.meter import Meter

__all__ = ["PAYLOAD", "MeteredQueue", "Spent", "metered_queue"]

PAYLOAD = "x" * 200
"""What every message of the benchmark carries: 200 bytes."""

_HELD = 3600  # seconds: no delivery ends by itself during the benchmark


@frozen
class Spent:
    """What something has cost.

    Attributes:
        requests: API calls.
        writes: write units, of table and index together.
        reads: read units, of table and index together.
    """

    requests: float
    writes: float
    reads: float

    def __add__(self, other: Spent) -> Spent:
        """Add up, field by field."""
        return Spent(
            self.requests + other.requests, self.writes + other.writes, self.reads + other.reads
        )

    def __sub__(self, other: Spent) -> Spent:
        """Subtract, field by field."""
        return Spent(
            self.requests - other.requests, self.writes - other.writes, self.reads - other.reads
        )

    def each(self, count: int) -> Spent:
        """Return the share of one of ``count``."""
        return Spent(self.requests / count, self.writes / count, self.reads / count)


@frozen
class MeteredQueue:
    """A queue, and what it has cost so far."""

    queue: Queue[str]
    meter: Meter

    def cost(self, action: Callable[[], object]) -> Spent:
        """Do something with the queue and return what it cost."""
        before = self._spent()
        action()
        return self._spent() - before

    def _spent(self) -> Spent:
        usage = self.meter.read()
        units = usage.capacity
        return Spent(
            requests=sum(usage.requests.values()),
            writes=units.table_writes + units.index_writes,
            reads=units.table_reads + units.index_reads,
        )


@contextmanager
def metered_queue(endpoint: Endpoint, table: str | None) -> Iterator[MeteredQueue]:
    """Open an empty queue.

    Args:
        endpoint: where DynamoDB is.
        table: a table to use, empty before and afterwards; ``None``: a temporary one.
    """
    meter = Meter()
    engine = endpoint.engine(meter)
    try:
        with endpoint.empty_table(table) as name:
            queue = Queue(name, payload=str, engine=engine, visibility_timeout=_HELD)
            queue.create_table()
            yield MeteredQueue(queue, meter)
    finally:
        engine.close()

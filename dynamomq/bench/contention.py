"""Several consumers on one queue: how often they get in each other's way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from attrs import frozen

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.fleet import Fleet, running
from dynamomq.bench.metered import PAYLOAD
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import fill
from dynamomq.drivers.base import Surroundings
from dynamomq.machine import QueueType
from dynamomq.operations import Claimer, Load
from dynamomq.operations.fellows import SETTLING
from dynamomq.timestamps import SECOND

CONSUMERS = (1, 2, 4, 8, 16)
"""How many consumers share the queue."""

_SETTLED = SETTLING / SECOND + 2  # seconds, until all count on all
_BUSY = 0.1  # seconds: what a handler takes on average, so that workers are often busy
_FILLED = 100  # messages that are sent in a second, or they would come one after the other
_TRICKLE = 15  # messages, one a second
_HOUR = 3600 * SECOND
_COLUMNS = ("failed claims/message", "messages/s", "requests/message", "read units/message")


def contention(
    endpoint: Endpoint,
    table: str | None = None,
    *,
    messages: int = 2_000,
    consumers: Sequence[int] = CONSUMERS,
    settling: float = _SETTLED,
    trickle: int = _TRICKLE,
) -> Table:
    """Return what consumers cost that share a queue, by how many there are and how it goes.

    Args:
        endpoint: where DynamoDB is.
        table: a table to use, empty before and afterwards; ``None``: temporary ones.
        messages: how many are waiting.
        consumers: how many share the queue.
        settling: how long to wait until all consumers count on all, in seconds.
        trickle: how many messages come one by one.
    """
    rows: list[tuple[Cell, ...]] = []
    for number in consumers:
        with endpoint.empty_table(table) as name, _sender(endpoint, name) as queue:
            rows += _Trial(endpoint, queue, number, messages, settling, trickle).rows()
    return Table(
        f"Consumers that share a queue, {messages:,} messages",
        ("", *_COLUMNS),
        tuple(rows),
        (
            "All consumers are threads of one Python process, whose CPU bounds the messages/s.",
            "An hour old: the messages are there when the consumers begin. Fresh: due all at once,",
            "later. Busy: handlers take 0 to 200 ms. Trickle: a message a second.",
            "And one frozen: one more shows itself, and claims nothing.",
        ),
    )


@frozen
class _Trial:
    """So many consumers, and all the ways in which messages come and are handled."""

    endpoint: Endpoint
    queue: Queue[str]
    consumers: int
    messages: int
    settling: float
    trickle: int

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Yield a row for each way."""
        with _sender(self.endpoint, self.queue.table, hours_back=1) as earlier:
            fill(earlier, self.messages, PAYLOAD)
        with running(self.endpoint, self.queue.table, self.consumers) as fleet:
            yield self._row("an hour old", self.messages, fleet, lambda: None)
            time.sleep(self.settling)  # until all count on all: their beginning is not measured
            yield self._drain("fresh", fleet)
            fleet.busy = _BUSY
            yield self._drain("busy", fleet)
            fleet.busy = 0
            yield self._row("trickle", self.trickle, fleet, self._trickle)
            with _frozen(self.queue, self.settling):
                yield self._drain("and one frozen", fleet)

    def _drain(self, way: str, fleet: Fleet) -> tuple[Cell, ...]:
        """Have messages become due all at once."""
        later = 1 + self.messages / _FILLED
        begins = time.monotonic() + later
        fill(self.queue, self.messages, PAYLOAD, delay=later)
        time.sleep(max(0.0, begins - time.monotonic()))  # all of them are due then, at once
        return self._row(way, self.messages, fleet, lambda: None)

    def _trickle(self) -> None:
        for _ in range(self.trickle):
            self.queue.send(PAYLOAD)
            time.sleep(1)  # the pace that is measured

    def _row(
        self, way: str, messages: int, fleet: Fleet, bring: Callable[[], None]
    ) -> tuple[Cell, ...]:
        tell(f"contention: {self.consumers} consumers, {way}")
        each, rate = fleet.consume(messages, bring)
        return (f"{self.consumers}, {way}", each.refused, round(rate, 1), each.requests, each.reads)


@contextmanager
def _sender(endpoint: Endpoint, table: str, *, hours_back: int = 0) -> Iterator[Queue[str]]:
    """Open a queue whose clock is so many hours behind."""
    engine = DynamoDBEngine(
        session=endpoint.session,
        endpoint_url=endpoint.url,
        surroundings=Surroundings(clock=lambda: time.time_ns() - hours_back * _HOUR),
    )
    queue = Queue(table, payload=str, engine=engine)
    if not hours_back:
        queue.create_table()
    yield queue
    engine.close()


@contextmanager
def _frozen(queue: Queue[str], settling: float) -> Iterator[None]:
    """Show a consumer that claims nothing; go on when the others count on it."""
    claimer = Claimer(queue.settings, QueueType.STANDARD, SECOND, SECOND, "frozen", 0)
    is_over = Event()

    def show() -> None:
        while not is_over.wait(0.5):
            queue.run(claimer.attend(Load()))
        queue.run(claimer.leave())

    thread = Thread(target=show)
    thread.start()
    time.sleep(settling)  # until others count on it, though it claims nothing
    try:
        yield
    finally:
        is_over.set()
        thread.join()

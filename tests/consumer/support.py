"""A consumer in a thread of its own, and ways to wait for what it does."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import define, field

from dynamomq import BatchConsumer, Constant, Consumer, Delivery, Hooks, LocalEngine, Queue, Summary
from dynamomq.consumer import Verdict
from dynamomq.drivers.base import Surroundings
from dynamomq.table import TableDefinition
from dynamomq.testing import FaultyEngine
from tests.contract.engines import Table

T = TypeVar("T")

PATIENCE = 20.0  # seconds until a test that waits has failed; a busy machine is slow
TABLE = "jobs"

QUICK: dict[str, Any] = {"poll_interval": (0.005, 0.02), "backoff": Constant(0), "grace": PATIENCE}
"""Arguments of a consumer that makes no test wait."""


def eventually(what: str, look: Callable[[], T]) -> T:
    """The first true value that ``look`` returns."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"in vain waited for {what}"
        time.sleep(0.002)
    return found


def engine() -> FaultyEngine:
    """An engine in memory, in real time, on which operations do not pause before they repeat."""
    return FaultyEngine(LocalEngine(surroundings=Surroundings(sleep=lambda _: time.sleep(0.001))))


def opened(storage: FaultyEngine, *, send: int = 0, **settings: Any) -> Queue[Any]:
    """A queue with its table, and so many messages, ``m0`` and on."""
    queue: Queue[Any] = Queue(TABLE, engine=storage, **settings)
    queue.create_table()
    for number in range(send):
        queue.send({"number": number}, id=f"m{number}")
    return queue


def behind(storage: FaultyEngine) -> Table:
    """The queue's table as other programs see it."""
    return Table(storage.engine.open(TableDefinition(TABLE)))


@define(eq=False)
class Running:
    """A consumer that runs in a thread."""

    consumer: Consumer[Any] | BatchConsumer[Any]
    results: list[Summary | BaseException] = field(factory=list)
    thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start it."""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.results.append(self.consumer.run())
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            self.results.append(error)

    def summary(self) -> Summary:
        """How it ended, without being told to here."""
        self.thread.join(PATIENCE)
        assert self.results, "the consumer does not end"
        (result,) = self.results
        assert isinstance(result, Summary), result
        return result

    def stopped(self) -> Summary:
        """How it ended after an order to stop."""
        self.consumer.stop()
        return self.summary()


@contextmanager
def running(
    queue: Queue[Any], handler: Callable[[Delivery[Any]], object], **options: Any
) -> Iterator[Running]:
    """A consumer that runs while the block does, quickly unless the options say otherwise."""
    with Consumer(queue, handler, **{**QUICK, **options}) as consumer:
        yield Running(consumer)


@contextmanager
def running_in_batches(
    queue: Queue[Any], handler: Callable[..., Any], **options: Any
) -> Iterator[Running]:
    """The same for batches."""
    with BatchConsumer(queue, handler, **{**QUICK, **options}) as consumer:
        yield Running(consumer)


class Notes(Hooks):
    """Hooks that note what they are told."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def before(self, delivery: Delivery[Any]) -> None:
        """Note it."""
        self.all.append(("before", delivery.id, delivery.receive_count))

    def after(self, delivery: Delivery[Any]) -> None:
        """Note it."""
        self.all.append(("after", delivery.id, delivery.receive_count))

    def failed(self, delivery: Delivery[Any], error: BaseException, verdict: Verdict) -> None:
        """Note it."""
        names = type(error).__name__, type(verdict).__name__
        self.all.append(("failed", delivery.id, delivery.receive_count, *names))

    def lost(self, delivery: Delivery[Any]) -> None:
        """Note it."""
        self.all.append(("lost", delivery.id, delivery.receive_count))

    def idle(self, seconds: float) -> None:
        """Note it."""
        self.all.append(("idle", seconds))

    def about(self, *ids: str) -> list[tuple[Any, ...]]:
        """What was noted of messages."""
        return [note for note in self.all if note[1] in ids]

"""A consumer goes by what its queue's clients have agreed on, and hears when that changes."""

import threading
import time
from typing import Any

from dynamomq import Delivery, LocalEngine, Queue
from dynamomq.drivers.base import Engine, Surroundings
from tests.consumer.support import PATIENCE, TABLE, engine, eventually, opened, running


def hurried() -> tuple[Engine, list[int]]:
    """An engine whose clock can be moved ahead, by adding nanoseconds to what is returned."""
    ahead = [0]
    surroundings = Surroundings(
        clock=lambda: time.time_ns() + sum(ahead), sleep=lambda _: time.sleep(0.001)
    )
    return LocalEngine(surroundings=surroundings), ahead


def test_deliveries_last_as_agreed() -> None:
    """The lease, and its extensions, have the agreed visibility timeout."""
    queue = opened(engine())
    queue.create_table(visibility_timeout=3)
    queue.send("payload")
    left: list[float] = []

    def handle(delivery: Delivery[Any]) -> None:
        before = time.monotonic()
        left.append(delivery.lease.deadline - before)
        deadline = delivery.lease.deadline
        eventually("an extension", lambda: delivery.lease.deadline > deadline)
        left.append(delivery.lease.deadline - time.monotonic())

    with running(queue, handle) as consumer:
        eventually("the message", lambda: len(left) == 2)
        assert consumer.stopped().succeeded == 1
    assert 0 < min(left) <= max(left) <= 3


def test_deliveries_count_as_agreed() -> None:
    """After the agreed number of deliveries a message goes to the dead-letter queue."""
    queue = opened(engine())
    queue.create_table(max_receives=2)
    queue.send("payload", id="m")

    def fail(_delivery: Delivery[Any]) -> None:
        raise RuntimeError("always")

    with running(queue, fail) as consumer:
        eventually("the end", lambda: queue.stats().dlq.total == 1)
        summary = consumer.stopped()
    assert (summary.retried, summary.dead_lettered) == (1, 1)


def test_the_consumers_own_timeout_counts_more() -> None:
    """Its visibility_timeout is for its own deliveries."""
    queue = opened(engine(), send=1)
    queue.create_table(visibility_timeout=3)
    left: list[float] = []

    def handle(delivery: Delivery[Any]) -> None:
        left.append(delivery.lease.deadline - time.monotonic())

    with running(queue, handle, visibility_timeout=300) as consumer:
        eventually("the message", lambda: left)
        consumer.stopped()
    assert 200 < left[0] <= 300


def test_making_a_consumer_asks_nobody() -> None:
    """It looks when it runs, so that an outage at that moment is waited out like any other."""
    storage = engine()
    queue = opened(storage, send=1)
    fresh: Queue[Any] = Queue(TABLE, engine=storage)
    done = threading.Event()
    with (
        storage.faults.time_out("get", executed=False, times=2),
        running(fresh, lambda _: done.set()) as consumer,
    ):
        assert done.wait(PATIENCE)
        assert consumer.stopped().reason == "stopped"
    assert queue.stats().standard.total == 0


def test_new_shards_are_looked_at() -> None:
    """A consumer that runs while shards are added, and used, gets what is in them."""
    storage, ahead = hurried()
    queue: Queue[Any] = Queue(TABLE, engine=storage)
    queue.create_table()
    handled: list[str] = []
    consumed: Queue[Any] = Queue(TABLE, engine=storage)
    with running(consumed, lambda delivery: handled.append(delivery.id)) as consumer:
        queue.send("payload", id="before")
        eventually("the first", lambda: handled == ["before"])
        queue.create_table(shards=3)
        ahead.append(151 * 10**9)
        sent = [queue.send("payload", id=f"m{number}") for number in range(9)]
        assert {message.item["queue_type"] for message in sent} == {
            "STANDARD.0",
            "STANDARD.1",
            "STANDARD.2",
        }
        eventually("all", lambda: len(handled) == 10)
        assert consumer.stopped().succeeded == 10


def test_a_shorter_timeout_counts_from_the_next_look() -> None:
    """Deliveries after it are extended accordingly, and none is lost over it."""
    storage, ahead = hurried()
    queue: Queue[Any] = Queue(TABLE, engine=storage)
    queue.create_table()
    consumed: Queue[Any] = Queue(TABLE, engine=storage)
    left: list[float] = []

    def handle(delivery: Delivery[Any]) -> None:
        left.append(delivery.lease.deadline - time.monotonic())

    with running(consumed, handle) as consumer:
        queue.send("payload")
        eventually("the first", lambda: len(left) == 1)
        queue.create_table(visibility_timeout=4)
        ahead.append(61 * 10**9)
        eventually("the look", lambda: consumed.settings.visibility_timeout == 4 * 10**9)
        queue.send("payload")
        eventually("the second", lambda: len(left) == 2)
        assert consumer.stopped().lost == 0
    assert 20 < left[0] <= 30
    assert left[1] <= 4

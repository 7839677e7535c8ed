"""Consumers that know each other, in threads: time runs twenty times as fast as it does."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dynamomq import Delivery, LocalEngine
from dynamomq.drivers.base import Surroundings
from dynamomq.testing import FaultyEngine
from tests.consumer.support import PATIENCE, eventually, opened, running

SPEED = 20


@pytest.fixture
def storage() -> Iterator[FaultyEngine]:
    """An engine on which a second lasts fifty milliseconds."""
    began = time.time_ns()
    surroundings = Surroundings(
        clock=lambda: began + (time.time_ns() - began) * SPEED,
        monotonic=lambda: time.monotonic() * SPEED,
        sleep=lambda seconds: time.sleep(seconds / SPEED),
    )
    with FaultyEngine(LocalEngine(surroundings=surroundings)) as engine:
        yield engine


def test_the_list_shows_what_a_consumer_does(storage: FaultyEngine) -> None:
    """How many it works on; full, when all its workers are busy; and its rate, when it goes on."""
    queue = opened(storage, send=2, visibility_timeout=86_400)
    go_on = threading.Event()

    with running(queue, lambda _: go_on.wait(PATIENCE), concurrency=2) as consumer:
        eventually("it to be full", lambda: any(one.full for one in queue.consumers()))
        (shown,) = queue.consumers()
        assert (shown.in_flight, shown.rate) == (2, 0.0)
        go_on.set()

        def has_rate() -> bool:
            queue.send("more")
            return any(one.rate for one in queue.consumers())

        eventually("a rate", has_rate)
        eventually("rest", lambda: not any(one.full for one in queue.consumers()))
        assert consumer.stopped().succeeded > 2


def test_three_consumers_share_a_queue(storage: FaultyEngine) -> None:
    """Each message is handled once, all take part, and all are listed while they run."""
    queue = opened(storage, visibility_timeout=86_400)
    handled: list[tuple[int, str]] = []

    def handler(number: int) -> Any:
        def handle(delivery: Delivery[Any]) -> None:
            handled.append((number, delivery.id))

        return handle

    with ExitStack() as stack:
        consumers = [stack.enter_context(running(queue, handler(n))) for n in range(3)]
        eventually("all of them", lambda: len(queue.consumers()) == 3)
        time.sleep(15 / SPEED)  # until they count
        for number in range(200):
            queue.send(number, id=f"m{number}")
        eventually("all messages", lambda: len(handled) >= 200)
        summaries = [consumer.stopped() for consumer in consumers]
    assert len({id for _, id in handled}) == len(handled) == 200
    assert sum(summary.succeeded for summary in summaries) == 200
    assert {number for number, _ in handled} == {0, 1, 2}
    assert queue.consumers() == []

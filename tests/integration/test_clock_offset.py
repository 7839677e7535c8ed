"""Clocks that are wrong by hours, corrected by what DynamoDB Local's replies say of the time.

It runs by this computer's clock, so ``time.time_ns`` is the service's time. How precise the
corrected time is, the engine says itself; no test relies on how fast anything is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from typing import Any

import pytest
from attrs import frozen

from dynamomq.drivers.base import Surroundings
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.queue import Queue
from dynamomq.requests import Tick
from dynamomq.timestamps import SECOND, parse_instant

HOUR = 3600
AHEAD, BEHIND = 5 * HOUR, -3 * HOUR

pytestmark = pytest.mark.engine("dynamodb-local")


@frozen
class Place:
    """Where there is a queue, and a clock."""

    queue: Queue[Any]
    engine: DynamoDBEngine

    @property
    def uncertainty(self) -> int:
        """How far its time may be off by now, in nanoseconds; some are added for drift."""
        found = self.engine.surroundings.moment(Tick()).uncertainty
        assert found is not None, "replies have dates"
        return found + SECOND // 10


Open = Callable[..., Place]


@pytest.fixture
def place(dynamodb_endpoint: str, table_name: str) -> Iterator[Open]:
    """Opens the test's queue under a clock that is wrong by so many seconds."""
    with ExitStack() as stack:

        def opened(wrong: float, **options: Any) -> Place:
            def clock() -> int:
                return time.time_ns() + round(wrong * SECOND)

            engine = DynamoDBEngine(
                endpoint_url=dynamodb_endpoint,
                surroundings=Surroundings(clock=clock),
                **{"clock_correction": True, **options},
            )
            stack.enter_context(closing(engine))
            queue: Queue[Any] = Queue(table_name, engine=engine, visibility_timeout=60)
            queue.create_table()  # and so the first replies are there
            return Place(queue, engine)

        yield opened


def is_between(moment: datetime | None, since: int, until: int, off: int) -> bool:
    """Whether it is an instant that was asked for in between, by a clock that is off by so much."""
    assert moment is not None
    instant = parse_instant(moment.isoformat())
    return since - off - 1000 <= instant <= until + off  # a datetime has microseconds only


@pytest.mark.parametrize("wrong", [AHEAD, BEHIND])
def test_what_a_wrong_clock_writes_has_the_right_time(place: Open, wrong: int) -> None:
    """Sent, delayed, received and extended: all by the service's time, to what is known of it."""
    there = place(wrong)
    queue, off = there.queue, there.uncertainty
    assert off < 15 * SECOND
    since = time.time_ns()
    sent = queue.send("now")
    delayed = queue.send("later", delay=HOUR)
    until = time.time_ns()
    assert is_between(sent.sent_at, since, until, off)
    later = HOUR * SECOND
    assert is_between(delayed.due_at, since + later, until + later, off)
    (held,) = queue.receive(wait=20)
    until = time.time_ns()
    timeout = 60 * SECOND
    assert held.id == sent.id
    assert is_between(held.due_at, since + timeout, until + timeout, off)
    extended = queue.extend(held, HOUR)
    assert is_between(extended.due_at, since + later, time.time_ns() + later, off)


@pytest.mark.parametrize(("sender", "receiver"), [(AHEAD, BEHIND), (BEHIND, AHEAD), (0, AHEAD)])
def test_messages_come_neither_late_nor_early(place: Open, sender: int, receiver: int) -> None:
    """What is due now is received now, what is due in an hour is not, and what is held is not."""
    producer, consumer, other = (place(off).queue for off in (sender, receiver, -receiver))
    now = producer.send("now")
    producer.send("in an hour", delay=HOUR)
    assert [one.id for one in consumer.receive(10, wait=20)] == [now.id]
    assert other.receive(10) == []
    assert consumer.receive(10) == []


def test_without_correction_they_do(place: Open) -> None:
    """With the correction off a clock ahead takes what is held, and what is due in an hour."""
    producer = place(0).queue
    sent = [producer.send("now"), producer.send("in an hour", delay=HOUR)]
    assert len(producer.receive(wait=20)) == 1
    ahead = place(AHEAD, clock_correction=False).queue
    assert {one.id for one in ahead.receive(10)} == {one.id for one in sent}
    assert place(BEHIND, clock_correction=False).queue.receive(10) == []

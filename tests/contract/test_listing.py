"""list: what it makes of messages that move while it reads, page by page.

The engines have no part in this, so one will do, and the quickest.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from dynamomq.drivers.base import Driver, Engine
from dynamomq.message import Message
from dynamomq.operations.reading import PAGE
from dynamomq.queue import Queue
from dynamomq.requests import Query, Request
from tests.contract.engines import Meanwhile, OpenQueue
from tests.integration.scene import Between, Fronted
from tests.support.clock import ManualClock

HOUR = 3600
DAY = 24 * HOUR


def receive_all(queue: Queue[Any], clock: ManualClock, amount: int) -> list[Message[Any]]:
    """Send so many messages, and become their holder for an hour."""
    for number in range(amount):
        queue.send(number, id=f"m{number:03}")
        clock.advance(0.001)
    return queue.receive(amount, visibility_timeout=HOUR)


def check_each_once(listed: list[Message[Any]], expected: list[str]) -> None:
    """Exactly the expected messages are listed, each once."""
    assert sorted(message.id for message in listed) == sorted(expected)


class _Always(Between):
    """Something happens before each page is read."""

    def __init__(self, inner: Driver, action: Callable[[], object]) -> None:
        super().__init__(inner)
        self._action = action

    def store(self, request: Request[Any]) -> Any:
        if isinstance(request, Query):
            self._action()
        return super().store(request)


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
def test_a_listing_ends_though_messages_keep_moving(
    open_queue: OpenQueue, storage: Engine, queue: Queue[Any], clock: ManualClock
) -> None:
    """Messages that are extended before each page move ahead for ever; each is listed once."""
    held = receive_all(queue, clock, PAGE)

    pages = count(1)

    def extend_all() -> None:
        assert next(pages) < 10, "it goes on and on"
        clock.advance(1)
        for message in held:
            queue.extend(message, HOUR)

    reader = open_queue(engine=Fronted(storage, lambda inner: _Always(inner, extend_all)))
    check_each_once(list(reader.list()), [message.id for message in held])


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
def test_messages_that_moved_hide_none_behind_them(
    open_queue: OpenQueue, storage: Engine, queue: Queue[Any], clock: ManualClock
) -> None:
    """A page of nothing but messages that were listed before is not the end of the listing."""
    held = receive_all(queue, clock, PAGE)
    later = [queue.send(number, id=f"later {number}", delay=DAY).id for number in range(3)]

    def extend_all() -> None:
        clock.advance(1)
        for message in held:
            queue.extend(message, HOUR)

    reader = open_queue(engine=Meanwhile(storage, extend_all))
    check_each_once(list(reader.list()), [message.id for message in held] + later)

"""Wrong clocks: what others wrote in the future, and what happens when one's own is set back."""

from typing import Any

import pytest
from attrs import evolve

from dynamomq.drivers.base import Engine
from dynamomq.queue import Queue
from dynamomq.values import Item
from tests.contract.engines import BEYOND_MOTO, Meanwhile, OpenQueue, Table
from tests.contract.situations import after
from tests.contract.test_hold import ACTIONS
from tests.contract.test_poison import whole
from tests.contract.test_receive import once
from tests.support.clock import ManualClock

HOUR = 3600
YEAR = 365 * 24 * HOUR
LAST_INSTANT = "9999-12-31T23:59:59.999999999Z"


# --- another's clock is ahead ----------------------------------------------------------------


def test_a_message_from_the_future_keeps_its_time(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Written by a clock a year ahead, its time never goes backward, whoever writes (TIME-2)."""
    clock.advance(YEAR)
    queue.send({"n": 1}, id="m")
    ahead = clock.text(nanoseconds=2)
    clock.advance(-YEAR)
    queue.bury("m")
    queue.redrive("m")
    item = table.item("m")
    assert (item["queue_add_timestamp"], item["last_updated_timestamp"]) == (ahead,) * 2
    assert queue.receive() == []


def test_the_payload_of_a_message_from_the_future_can_be_sent_again(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """As the guide says: read, cancelled, and sent under another id, it is due at once."""
    clock.advance(YEAR)
    queue.send({"n": 1}, id="m")
    clock.advance(-YEAR)
    payload = queue.get("m").data
    queue.cancel("m")
    queue.send(payload, id="again")
    assert [(message.id, message.data) for message in queue.receive()] == [("again", {"n": 1})]


@pytest.mark.parametrize("ahead", [1, HOUR - 1])
def test_a_clock_within_an_hour_is_followed(
    queue: Queue[Any], table: Table, clock: ManualClock, ahead: int
) -> None:
    """Up to an hour ahead a message's own time never goes backward, whoever writes (TIME-2)."""
    clock.advance(ahead)
    queue.send({"n": 1}, id="m")
    sent = clock.now
    clock.advance(-ahead)
    for number, edit in enumerate((queue.bury, queue.redrive, queue.bury, queue.redrive), 1):
        edit("m")
        item = table.item("m")
        expected = clock.text(ahead, nanoseconds=number)
        assert (item["queue_add_timestamp"], item["last_updated_timestamp"]) == (expected,) * 2
    clock.now = sent + 4
    assert [message.id for message in queue.receive()] == ["m"]


@pytest.mark.parametrize("trigger", ACTIONS)
def test_the_last_instant_of_all_breaks_nothing_for_a_holder(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str
) -> None:
    """A message last written at the end of the year 9999 is held like any, by one's own clock."""
    queue.send({"n": 1}, id="m")
    table.change("m", last_updated_timestamp=LAST_INSTANT)
    (message,) = queue.receive()
    table.change("m", last_updated_timestamp=LAST_INSTANT)
    held = after(message.item, last_updated_timestamp=LAST_INSTANT)
    clock.advance(1)
    ACTIONS[trigger](queue, evolve(message, item=held))
    item = table.item("m")
    assert (item["version"], item["last_updated_timestamp"]) == (3, clock.text())


def test_the_last_instant_of_all_breaks_nothing_for_an_operator(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Such a message is buried, redriven, listed and shown, too."""
    table.put(after(whole(clock), last_updated_timestamp=LAST_INSTANT))
    assert queue.get("m").updated_at is not None
    queue.bury("m", reason="unwanted")
    table.change("m", last_updated_timestamp=LAST_INSTANT)
    assert [message.id for message in queue.list("DLQ")] == ["m"]
    queue.redrive("m")
    assert table.item("m")["last_updated_timestamp"] == clock.text()
    assert [message.id for message in queue.receive()] == ["m"]


# --- one's own clock is set back -------------------------------------------------------------


@pytest.mark.parametrize("max_messages", [1, 10])
def test_waiting_ends_though_the_clock_is_set_back(
    queue: Queue[Any], clock: ManualClock, max_messages: int
) -> None:
    """A long poll sleeps its time and at most two seconds more, whatever the clock does."""
    clock.while_asleep = once(lambda: clock.advance(-600))
    assert queue.receive(max_messages, wait=5) == []
    assert 5 <= sum(clock.naps) <= 5 + 2 + 1e-6


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_a_clock_set_back_between_pages_breaks_nothing(
    open_queue: OpenQueue, storage: Engine, table: Table, clock: ManualClock
) -> None:
    """All pages of a receive are read up to one time, so the second one continues the first."""
    for number in range(10):  # a page of messages that consumers of another port hold
        held: Item = {
            "status": "PROCESSING",
            "receive_count": 1,
            "queue_peek_timestamp": clock.text(),
        }
        table.put({**whole(clock, id=f"m{number}"), **held})
    queue = open_queue(engine=Meanwhile(storage, lambda: clock.advance(-600)))
    queue.send(1, id="healthy")
    clock.advance(1)
    assert queue.receive(10) == []
    clock.advance(600)
    assert [message.id for message in queue.receive(10)] == ["healthy"]

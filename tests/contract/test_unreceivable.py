"""Items that can hardly be written to, or not at all: others are delivered all the same."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dynamomq.errors import RequestRejectedError
from dynamomq.queue import Queue
from dynamomq.values import MAX_ITEM_BYTES, item_size
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.situations import after
from tests.contract.test_poison import flawed, whole
from tests.contract.test_receive import once
from tests.support.clock import ManualClock

BY_ONE_AND_BY_MANY = pytest.mark.parametrize("max_messages", [1, 10])
LIMIT = 3
"""Deliveries until a message is used up."""

UNFIT: dict[str, Callable[[ManualClock], dict[str, Any]]] = {
    "used up": lambda clock: after(whole(clock), receive_count=LIMIT),
    "malformed": lambda clock: flawed("no version", clock),
}
"""What a receive has to put aside."""

ROOM = 100
"""Bytes that hold a token and the like, but no reason."""


def filled(item: dict[str, Any], *, room: int) -> dict[str, Any]:
    """The item, its payload so large that only so many bytes are left for more."""
    size = item_size(after(item, data=""))
    return after(item, data="x" * (MAX_ITEM_BYTES - size - room))


# --- too large for what a receive adds -------------------------------------------------------


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize("kind", UNFIT)
def test_without_room_for_the_reason_it_goes_without(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int, kind: str
) -> None:
    """An item that is nearly 400 KB large is dead-lettered, if need be without the reason."""
    queue = open_queue(max_receives=LIMIT)
    table.put(filled(UNFIT[kind](clock), room=ROOM))
    queue.send(1, id="healthy")
    assert [message.id for message in queue.receive(max_messages)] == ["healthy"]
    dead = queue.get("m")
    assert (dead.state, dead.errors) == ("DLQ.READY", ())


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize("kind", UNFIT)
def test_without_room_for_a_token_it_is_passed_over(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int, kind: str
) -> None:
    """What can't even be put aside stays: others go first, and when there are none it is named."""
    queue = open_queue(max_receives=LIMIT)
    table.put(filled(UNFIT[kind](clock), room=10))
    before = table.item("m")
    queue.send(1, id="healthy")
    assert [message.id for message in queue.receive(max_messages)] == ["healthy"]
    with pytest.raises(RequestRejectedError, match="'m' is due, but can't be received"):
        queue.receive(max_messages)
    assert table.item("m") == before


# --- waiting behind one ----------------------------------------------------------------------


def put_unreceivable(table: Table, clock: ManualClock) -> None:
    """Store a message whose version can't be counted up, so that no claim can be written."""
    table.put(after(whole(clock), version=Decimal("1E-100")))


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
def test_waiting_behind_one_takes_the_whole_wait(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """A long poll that meets nothing else waits to its end before it names what is in the way."""
    put_unreceivable(table, clock)
    started = clock.now
    with pytest.raises(RequestRejectedError, match="'m' is due, but can't be received"):
        queue.receive(max_messages, wait=20)
    assert clock.now - started == pytest.approx(20e9, abs=1e3)


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
def test_waiting_behind_one_ends_when_another_falls_due(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """A healthy message that is sent meanwhile is returned, and nothing raised."""
    put_unreceivable(table, clock)
    clock.while_asleep = once(lambda: queue.send(1, id="healthy"))
    assert [message.id for message in queue.receive(max_messages, wait=20)] == ["healthy"]
    assert len(clock.naps) == 1


# --- malformed members of a group ------------------------------------------------------------


@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize(
    "links",
    [
        {"message_group_id": "g"},
        {"message_group_id": "g", "next_id": "n", "previous_id": "p"},
        {"next_id": 7, "previous_id": ["p"]},
    ],
    ids=lambda links: " ".join(links),
)
def test_a_malformed_member_of_a_group_is_quarantined(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int, links: dict[str, Any]
) -> None:
    """Its links are passed as they were seen; it leaves the list, and keeps its group's name."""
    table.put({**flawed("no version", clock), **links})
    queue.send(1, id="healthy")
    assert [message.id for message in queue.receive(max_messages)] == ["healthy"]
    assert queue.get("m").state == "DLQ.READY"
    item = table.item("m")
    assert {"next_id", "previous_id"}.isdisjoint(item)
    assert item.get("message_group_id") == links.get("message_group_id")

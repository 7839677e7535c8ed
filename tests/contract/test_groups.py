"""Groups: exact order, one message at a time, and a list that every operation keeps (GROUP)."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen

from dynamomq.errors import IllegalTransitionError, StaleReceiptError
from dynamomq.message import Message
from dynamomq.queue import Queue
from tests.contract.engines import OpenQueue, Table
from tests.contract.situations import TIMEOUT
from tests.support.clock import ManualClock
from tests.support.lists import orders

Act = Callable[[Queue[Any], ManualClock], object]


def fill(queue: Queue[Any], clock: ManualClock, count: int, group: str = "g") -> None:
    """Send messages ``<group>0`` and on into a group, a second apart."""
    for number in range(count):
        queue.send(number, id=f"{group}{number}", group=group)
        clock.advance(1)


def one(queue: Queue[Any]) -> Message[Any]:
    """Receive the one message that can be."""
    (message,) = queue.receive(10)
    return message


# --- order -----------------------------------------------------------------------------------


def test_members_are_stored_as_a_list(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """GROUP-1, GROUP-2: the head is in the index, the others wait, and the tail is known."""
    fill(queue, clock, 3)
    head, middle, tail = (table.item(f"g{number}") for number in range(3))
    assert (head["queue_type"], head["next_id"]) == ("STANDARD", "g1")
    assert "previous_id" not in head
    assert (middle["previous_id"], middle["next_id"]) == ("g0", "g2")
    assert tail["previous_id"] == "g1"
    assert not {"queue_type", "next_id"} & tail.keys()
    assert head["sequence"] < middle["sequence"] < tail["sequence"]
    known = {"id": "$group#g", "tail_id": "g2", "version": 3, "sequence": tail["sequence"]}
    assert table.item("$group#g") == known
    assert orders(table.items()) == {"g": ["g0", "g1", "g2"]}


def test_send_returns_what_it_stored(queue: Queue[Any]) -> None:
    """The message of a send is that of get, with its group and its predecessor's id."""
    first, second = (queue.send(number, group="g") for number in range(2))
    assert (first.group, first.previous_id, first.state) == ("g", None, "STANDARD.READY")
    assert (second.group, second.previous_id, second.state) == ("g", first.id, "WAITING")
    assert (second.queue, second) == (None, queue.get(second.id))
    assert queue.get(first.id).next_id == second.id


def test_messages_come_in_order_one_at_a_time(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """FIFO: each comes after the one before it was deleted, and none beside another."""
    fill(queue, clock, 4)
    for number in range(4):
        message = one(queue)
        assert (message.data, message.receive_count) == (number, 1)
        assert queue.receive(10) == []
        assert orders(table.items())["g"][0] == message.id
        queue.delete(message)
    assert queue.receive() == []
    assert orders(table.items()) == {}
    assert "$group#g" not in table.items()


def test_order_is_that_of_sending_not_of_ids_or_due_times(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """Neither ids nor delays change the order; a delayed head delays those behind it."""
    for id, delay in (("z", 60), ("a", 0), ("m", 30)):
        queue.send(id, id=id, group="g", delay=delay)
    assert queue.receive(10) == []
    clock.advance(60)
    received = []
    while messages := queue.receive(10):
        received += [message.id for message in messages]
        queue.delete(*messages)
    assert received == ["z", "a", "m"]


def test_a_successor_keeps_its_own_due_time(queue: Queue[Any], clock: ManualClock) -> None:
    """NOT-EARLY: who becomes the head before it is due, is not received before."""
    queue.send(1, group="g")
    queue.send(2, group="g", delay=60)
    queue.delete(one(queue))
    assert queue.receive() == []
    assert queue.stats().standard.delayed == 1
    clock.advance(60)
    assert one(queue).data == 2


def test_only_heads_are_counted_and_listed(queue: Queue[Any], clock: ManualClock) -> None:
    """What waits behind a head is in no queue; listing the whole table shows it."""
    fill(queue, clock, 3, "a")
    fill(queue, clock, 2, "b")
    assert [message.id for message in queue.list()] == ["a0", "b0"]
    assert queue.stats().standard.total == 2
    everything = {message.id: message.state for message in queue.list(None)}
    assert sorted(id for id, state in everything.items() if state == "WAITING") == [
        "a1",
        "a2",
        "b1",
    ]


def test_groups_do_not_wait_for_each_other(queue: Queue[Any], clock: ManualClock) -> None:
    """Heads of many groups, and messages without one, are held at once."""
    for group in "abc":
        fill(queue, clock, 2, group)
    queue.send("free", id="free")
    held = queue.receive(10)
    assert {message.id for message in held} == {"a0", "b0", "c0", "free"}
    assert queue.receive(10) == []
    queue.delete(next(message for message in held if message.id == "b0"))
    assert one(queue).id == "b1"


def test_a_group_begins_anew(queue: Queue[Any], table: Table) -> None:
    """A group whose last message has left is as good as new: its next message is the head."""
    queue.send(1, id="m", group="g")
    queue.delete(one(queue))
    second = queue.send(2, group="g")
    assert (second.state, second.previous_id) == ("STANDARD.READY", None)
    assert orders(table.items()) == {"g": [second.id]}


@pytest.mark.parametrize("group", ["a", "order/17 ✓", "a$b#c", "x" * 2041, "é" * 1020])
def test_a_group_has_any_name(queue: Queue[Any], table: Table, group: str) -> None:
    """Any text of 1 to 2,041 bytes that is not reserved names a group."""
    sent = [queue.send(number, group=group).id for number in range(2)]
    assert orders(table.items()) == {group: sent}
    assert one(queue).group == group


# --- what keeps the head ---------------------------------------------------------------------


@pytest.mark.parametrize("way", ["retry", "release", "expire", "extend"])
def test_the_head_stays_until_it_leaves(
    queue: Queue[Any], table: Table, clock: ManualClock, way: str
) -> None:
    """FIFO: what was retried, released, extended or has expired is delivered again, first."""
    fill(queue, clock, 2)
    message = one(queue)
    if way == "retry":
        queue.retry(message, delay=10, error="no")
    elif way == "release":
        queue.release(message)
    elif way == "extend":
        queue.extend(message, 60)
    assert orders(table.items()) == {"g": ["g0", "g1"]}
    if way != "release":
        assert queue.receive(10) == []
    clock.advance(61)
    assert one(queue).id == "g0"
    assert orders(table.items()) == {"g": ["g0", "g1"]}


def test_those_that_join_do_not_disturb_the_holder(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A head that got a successor while it was held is extended, retried and deleted as ever."""
    queue.send(0, id="g0", group="g")
    held = one(queue)
    queue.send(1, id="g1", group="g")
    extended = queue.extend(held, 60)
    queue.send(2, id="g2", group="g")
    queue.retry(extended)
    clock.advance(1)
    again = one(queue)
    queue.send(3, id="g3", group="g")
    clock.advance(1)
    queue.delete(again)
    assert orders(table.items()) == {"g": ["g1", "g2", "g3"]}


def test_a_stale_holder_does_not_move_the_list(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """FENCED: a delete with an old receipt changes nothing, also in the list."""
    fill(queue, clock, 2)
    old = one(queue)
    clock.advance(TIMEOUT)
    new = one(queue)
    before = table.items()
    for late in (queue.delete, queue.move_to_dlq):
        with pytest.raises(StaleReceiptError):
            late(old)
    with pytest.raises(StaleReceiptError):
        queue.delete(old, receive_next=True)
    assert table.items() == before
    queue.delete(new)
    queue.delete(new)  # once more: it is done
    assert orders(table.items()) == {"g": ["g1"]}


# --- what takes messages out -----------------------------------------------------------------


def _delete(queue: Queue[Any], _: ManualClock) -> None:
    queue.delete(one(queue))


def _move_to_dlq(queue: Queue[Any], _: ManualClock) -> None:
    queue.move_to_dlq(one(queue), error="no use")


def _exhaust(queue: Queue[Any], clock: ManualClock) -> None:
    for _ in range(2):
        queue.receive()
        clock.advance(TIMEOUT)
    assert queue.receive() == []  # this one moved it


@frozen
class Leaving:
    """How a message leaves its group.

    Attributes:
        place: where in a list of three it is.
        act: what makes it leave.
        state: the state that it is in then.
    """

    place: int
    act: Act
    state: str


LEAVING = {
    "delete": Leaving(0, _delete, "DELETED"),
    "move_to_dlq": Leaving(0, _move_to_dlq, "DLQ.READY"),
    "exhaust": Leaving(0, _exhaust, "DLQ.READY"),
    "cancel head": Leaving(0, lambda queue, _: queue.cancel("g0"), "DELETED"),
    "bury head": Leaving(0, lambda queue, _: queue.bury("g0"), "DLQ.READY"),
    "cancel middle": Leaving(1, lambda queue, _: queue.cancel("g1"), "DELETED"),
    "bury tail": Leaving(2, lambda queue, _: queue.bury("g2"), "DLQ.READY"),
}


@pytest.mark.parametrize("way", ["exhaust", "cancel middle", "bury tail"])
def test_whatever_leaves_the_list_is_received_in_order(
    open_queue: OpenQueue, table: Table, clock: ManualClock, way: str
) -> None:
    """HEAD: the others keep their order, and are received (more ways: ``test_lists_kept.py``)."""
    queue = open_queue(max_receives=2)
    fill(queue, clock, 3)
    leaving = LEAVING[way]
    leaving.act(queue, clock)
    others = ["g0", "g1", "g2"]
    left = others.pop(leaving.place)
    assert orders(table.items()) == {"g": others}
    assert (queue.get(left).state, queue.get(left).group) == (leaving.state, "g")
    received = []
    while messages := queue.receive(10):
        received += [message.id for message in messages]
        queue.delete(*messages)
    assert received == others
    assert orders(table.items()) == {}


@pytest.mark.parametrize("way", ["delete", "move_to_dlq", "cancel head", "bury head"])
def test_the_last_one_closes_the_group(
    queue: Queue[Any], table: Table, clock: ManualClock, way: str
) -> None:
    """GROUP-2: when the last message has left, the group's item is gone."""
    fill(queue, clock, 1)
    LEAVING[way].act(queue, clock)
    assert orders(table.items()) == {}
    assert "$group#g" not in table.items()


def test_what_is_held_or_waits_behind_is_not_confused(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A held head can't be cancelled or buried; those that wait behind it can."""
    fill(queue, clock, 3)
    held = one(queue)
    before = table.items()
    for edit in (queue.cancel, queue.bury):
        with pytest.raises(IllegalTransitionError) as refusal:
            edit("g0")
        assert refusal.value.state == "STANDARD.PROCESSING"
    assert table.items() == before
    queue.cancel("g1")
    assert orders(table.items()) == {"g": ["g0", "g2"]}
    queue.delete(held)
    assert one(queue).id == "g2"


def test_a_redriven_message_goes_to_the_tail(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """OPERATOR-2: it has lost its place; it is appended anew, or opens the group anew."""
    fill(queue, clock, 3)
    queue.move_to_dlq(one(queue), error="no use")
    redriven = queue.redrive("g0")
    assert (redriven.state, redriven.previous_id) == ("WAITING", "g2")
    assert orders(table.items()) == {"g": ["g1", "g2", "g0"]}
    for id in ("g1", "g2", "g0"):
        queue.bury(id)
    assert orders(table.items()) == {}
    assert queue.redrive("g2").state == "STANDARD.READY"
    assert orders(table.items()) == {"g": ["g2"]}


def test_a_dead_letter_of_a_group_is_a_dead_letter(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """In the dead-letter queue there is no order: it is received, kept and deleted alone."""
    fill(queue, clock, 3)
    for id in ("g0", "g2"):
        queue.bury(id)
    dead = queue.receive(10, source="DLQ")
    assert {message.id for message in dead} == {"g0", "g2"}
    queue.retry(dead[0])
    assert queue.delete(dead[1], receive_next=True) is None
    assert orders(table.items()) == {"g": ["g1"]}


# --- poison ----------------------------------------------------------------------------------


@pytest.mark.parametrize("max_messages", [1, 10])
def test_a_malformed_head_leaves_its_list(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """RECEIVE-5: the receive that meets it puts it aside, and the next one takes its place."""
    fill(queue, clock, 3)
    table.change("g0", version="one")
    queue.receive(max_messages)
    assert orders(table.items()) == {"g": ["g1", "g2"]}
    dead = queue.get("g0")
    assert (dead.state, dead.group, dead.errors[-1].type) == ("DLQ.READY", "g", "Rejected")


@pytest.mark.parametrize("count", [1, 3])
def test_an_undecodable_head_leaves_its_list(
    open_queue: OpenQueue, table: Table, clock: ManualClock, count: int
) -> None:
    """RECEIVE-6: it is dead-lettered by the receive that meets it, and its group goes on."""
    fill(open_queue(), clock, count)
    table.change("g0", data="no number")
    queue = open_queue(payload=int)
    received = [message.id for _ in range(2) for message in queue.receive()]
    assert received == (["g1"] if count > 1 else [])
    assert orders(table.items()) == ({"g": ["g1", "g2"]} if count > 1 else {})
    assert queue.get("g0").state == "DLQ.READY"


def test_a_poisonous_head_blocks_its_group_only(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """A head that nobody finishes holds up its own group until its deliveries are used up."""
    queue = open_queue(max_receives=3)
    fill(queue, clock, 2, "bad")
    fill(queue, clock, 4, "good")
    done = []
    for _ in range(6):
        for message in queue.receive(10):
            if message.id != "bad0":
                queue.delete(message)
                done.append(message.id)
        clock.advance(TIMEOUT)
    assert [id for id in done if id != "bad1"] == [f"good{number}" for number in range(4)]
    assert "bad1" in done[3:]
    assert queue.get("bad0").state == "DLQ.READY"
    assert orders(table.items()) == {}

"""receive: what is due, in which order, how often, and how long one waits for it."""

from collections.abc import Callable
from typing import Any, Literal

import pytest

from dynamomq.drivers.base import Engine
from dynamomq.message import Message
from dynamomq.queue import Queue
from tests.contract.engines import BEYOND_MOTO, Meanwhile, OpenQueue, Table
from tests.contract.situations import NEVER_DELETED, TIMEOUT, after
from tests.contract.test_poison import whole
from tests.support.clock import ManualClock

BY_ONE_AND_BY_MANY = pytest.mark.parametrize("max_messages", [1, 3])
"""One message at a time and several take different ways, with the same promises."""


def ids(messages: list[Message[Any]]) -> list[str]:
    """The ids, in order."""
    return [message.id for message in messages]


def send_numbers(queue: Queue[Any], clock: ManualClock, count: int) -> list[str]:
    """Send so many messages a millisecond apart, and return their ids in this order."""
    names = []
    for number in range(count):
        names.append(queue.send(number, id=f"m{number:03}").id)
        clock.advance(0.001)
    return names


# --- one delivery ----------------------------------------------------------------------------


@BY_ONE_AND_BY_MANY
def test_a_delivery_is_stored_whole(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """A receive counts the delivery, notes its start and deadline, and leaves a receipt."""
    sent = queue.send({"n": 1}, id="m")
    clock.advance(1)
    (message,) = queue.receive(max_messages)
    assert message.item == table.item("m")
    assert message.item == after(
        sent.item,
        status="PROCESSING",
        receive_count=1,
        version=2,
        last_updated_timestamp=clock.text(),
        queue_peek_timestamp=clock.text(),
        queue_add_timestamp=clock.text(TIMEOUT),
        token=message.receipt,
        receipt=message.receipt,
    )
    assert message.token != sent.token


def test_a_delivery_tells_its_holder_what_it_is(held: Message[Any], clock: ManualClock) -> None:
    """A received message shows payload, headers, state, count and deadline."""
    assert (held.id, held.state, held.data) == ("m", "STANDARD.PROCESSING", {"n": 1})
    assert dict(held.headers) == {"trace": "abc"}
    assert held.receive_count == 1
    assert (held.sent_at, held.received_at, held.due_at) == (
        clock.moment(-1),
        clock.moment(),
        clock.moment(TIMEOUT),
    )


@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize("timeout", [0.001, 90.5, 7 * 24 * 3600])
def test_a_delivery_can_have_a_timeout_of_its_own(
    queue: Queue[Any], clock: ManualClock, max_messages: int, timeout: float
) -> None:
    """``visibility_timeout`` decides the deadline of these deliveries instead of the queue's."""
    queue.send(1)
    (message,) = queue.receive(max_messages, visibility_timeout=timeout)
    assert message.item["queue_add_timestamp"] == clock.text(timeout)


@BY_ONE_AND_BY_MANY
def test_an_empty_queue_delivers_nothing(
    queue: Queue[Any], clock: ManualClock, max_messages: int
) -> None:
    """Without messages the answer is an empty list, at once."""
    assert queue.receive(max_messages) == []
    assert clock.naps == []


# --- when ------------------------------------------------------------------------------------


@BY_ONE_AND_BY_MANY
def test_a_delayed_message_is_never_early(
    queue: Queue[Any], clock: ManualClock, max_messages: int
) -> None:
    """A message is received at its due time exactly, and not a nanosecond before (NOT-EARLY)."""
    queue.send(1, id="m", delay=60)
    clock.advance(60, nanoseconds=-1)
    assert queue.receive(max_messages) == []
    clock.advance(nanoseconds=1)
    assert ids(queue.receive(max_messages)) == ["m"]


@BY_ONE_AND_BY_MANY
def test_a_held_message_is_delivered_again_after_its_deadline(
    queue: Queue[Any], held: Message[Any], clock: ManualClock, max_messages: int
) -> None:
    """Nobody else gets a held message before its deadline; then anybody does (NO-DOUBLE)."""
    clock.advance(TIMEOUT, nanoseconds=-1)
    assert queue.receive(max_messages) == []
    clock.advance(nanoseconds=1)
    (again,) = queue.receive(max_messages)
    assert (again.id, again.receive_count, again.data) == ("m", 2, {"n": 1})
    assert again.receipt != held.receipt


def test_the_oldest_due_time_comes_first(queue: Queue[Any], clock: ManualClock) -> None:
    """Messages come in the order in which they fell due, not in that of their sends."""
    queue.send(1, id="late", delay=3)
    queue.send(1, id="soon", delay=1)
    queue.send(1, id="later", delay=5)
    queue.send(1, id="now")
    clock.advance(4)
    assert [queue.receive()[0].id for _ in range(3)] == ["now", "soon", "late"]
    assert queue.receive() == []


# --- how many --------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [1, 25, 26])
def test_several_messages_come_at_once_in_order(
    queue: Queue[Any], clock: ManualClock, wanted: int
) -> None:
    """Several messages are received at once, the oldest, by due time, each with a receipt."""
    receive_in_order(queue, clock, wanted)


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_250_messages_come_at_once_in_order(queue: Queue[Any], clock: ManualClock) -> None:
    """The most that one receive returns is 250 messages, by the same rules."""
    receive_in_order(queue, clock, 250)


def receive_in_order(queue: Queue[Any], clock: ManualClock, wanted: int) -> None:
    """Receive so many of a few more messages at once, and then the rest."""
    sent = send_numbers(queue, clock, wanted + 2)
    messages = queue.receive(wanted)
    assert ids(messages) == sent[:wanted]
    assert len({message.receipt for message in messages}) == wanted
    assert {message.receive_count for message in messages} == {1}
    assert ids(queue.receive(25)) == sent[wanted:]


def test_fewer_messages_come_where_there_are_fewer(queue: Queue[Any], clock: ManualClock) -> None:
    """A receive returns what is due, though more was asked for, and does not wait for more."""
    sent = send_numbers(queue, clock, 3)
    queue.send("not due", delay=60)
    assert ids(queue.receive(250, wait=20)) == sent
    assert clock.naps == []


# --- how often -------------------------------------------------------------------------------


@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize("limit", [1, 3])
def test_deliveries_are_limited(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int, limit: int
) -> None:
    """After ``max_receives`` deliveries the next receive dead-letters instead (MAX-RECEIVES)."""
    queue = open_queue(max_receives=limit)
    queue.send({"n": 1}, id="m")
    for delivery in range(1, limit + 1):
        clock.advance(TIMEOUT)
        (last,) = queue.receive(max_messages)
        assert last.receive_count == delivery
    clock.advance(TIMEOUT)
    assert queue.receive(max_messages) == []
    item = table.item("m")
    (failure,) = queue.get("m").errors
    assert item == after(
        last.item,
        without="receipt",  # the last holder's rights are over
        status="READY",
        queue_type="DLQ",
        receive_count=0,
        version=limit + 2,
        last_updated_timestamp=clock.text(),
        queue_peek_timestamp="",
        queue_add_timestamp=clock.text(),
        token=item["token"],
        errors=item["errors"],
    )
    assert item["token"] != last.token
    assert (failure.delivery, failure.at) == (limit, clock.moment())
    assert f"in {limit} deliver{'y' if limit == 1 else 'ies'}" in failure.message


@BY_ONE_AND_BY_MANY
def test_a_message_that_was_given_back_too_often_is_exhausted(
    open_queue: OpenQueue, clock: ManualClock, max_messages: int
) -> None:
    """A retried message counts its deliveries too, and keeps its failures in the DLQ."""
    queue = open_queue(max_receives=1)
    queue.send(1, id="m")
    queue.retry(queue.receive()[0], error="no luck")
    clock.advance(1)
    assert queue.receive(max_messages) == []
    dead = queue.get("m")
    assert dead.state == "DLQ.READY"
    assert [failure.message for failure in dead.errors] == [
        "no luck",
        NEVER_DELETED,
    ]


@BY_ONE_AND_BY_MANY
def test_an_exhausted_message_does_not_hold_up_the_others(
    open_queue: OpenQueue, clock: ManualClock, max_messages: int
) -> None:
    """The receive that dead-letters goes on to the next message."""
    queue = open_queue(max_receives=1)
    queue.send(1, id="tired")
    queue.receive()
    clock.advance(TIMEOUT)
    queue.send(1, id="fresh", delay=1)
    clock.advance(1)
    assert ids(queue.receive(max_messages)) == ["fresh"]
    assert ids(list(queue.list("DLQ"))) == ["tired"]


def test_there_is_no_limit_by_default(queue: Queue[Any], clock: ManualClock) -> None:
    """Without ``max_receives`` a message is delivered until somebody deletes it."""
    queue.send(1)
    for delivery in range(1, 31):
        (message,) = queue.receive()
        assert message.receive_count == delivery
        clock.advance(TIMEOUT)


# --- what others do between the look at the index and the claim ------------------------------

WHAT_OTHERS_DO: dict[str, tuple[Callable[[Queue[Any]], object], str, int]] = {
    "receive": (lambda queue: queue.receive(), "STANDARD.PROCESSING", 2),
    "retry later": (lambda queue: queue.retry(queue.receive()[0], delay=5), "STANDARD.READY", 3),
    "use it up": (lambda queue: queue.retry(queue.receive()[0]), "DLQ.READY", 4),
    "delete": (lambda queue: queue.delete(queue.receive()[0]), "DELETED", 3),
    "bury": (lambda queue: queue.bury("m"), "DLQ.READY", 2),
}
"""What is done to message ``m``; its state after the receive that had already seen it, its version.

Deliveries are limited to one, so a message that was given back has to be exhausted."""


@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize("act", WHAT_OTHERS_DO)
def test_the_index_proposes_and_the_condition_disposes(
    open_queue: OpenQueue,
    storage: Engine,
    clock: ManualClock,
    max_messages: int,
    act: str,
) -> None:
    """What the index showed may be over by now: the claim is refused, the next message received."""
    others, state, version = WHAT_OTHERS_DO[act]
    queue = open_queue(max_receives=1)
    queue.send(1, id="m")
    clock.advance(1)
    queue.send(2, id="next")
    clock.advance(1)

    def act_now() -> None:
        others(queue)
        clock.advance(1)

    slow = open_queue(max_receives=1, engine=Meanwhile(storage, act_now))
    assert ids(slow.receive(max_messages)) == ["next"]
    found = queue.get("m")
    assert (found.state, found.version) == (state, version)


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
def test_what_others_hold_by_the_hundred_hides_no_message(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """Consumers of another port hold messages that stay due; the one free message is found."""
    busy: dict[str, Any] = {"status": "PROCESSING", "receive_count": 1}
    for number in range(260):
        table.put({**whole(clock, id=f"m{number}"), **busy, "queue_peek_timestamp": clock.text()})
    clock.advance(1)
    queue.send(1, id="free")
    assert ids(queue.receive(max_messages)) == ["free"]


# --- the dead-letter queue -------------------------------------------------------------------


@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize("source", ["STANDARD", "DLQ"])
def test_the_two_queues_are_apart(
    queue: Queue[Any],
    clock: ManualClock,
    max_messages: int,
    source: Literal["STANDARD", "DLQ"],
) -> None:
    """A receive takes from the queue that it names, and from no other."""
    queue.send(1, id="DLQ")
    queue.bury("DLQ")
    queue.send(1, id="STANDARD")
    clock.advance(1)
    assert ids(queue.receive(max_messages, source=source)) == [source]
    assert queue.receive(max_messages, source=source) == []


@BY_ONE_AND_BY_MANY
def test_a_dead_letter_is_delivered_like_any_message(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """In the DLQ, too, a delivery has a receipt, a count and a deadline; its failures are kept."""
    queue.send({"n": 1}, id="m")
    queue.bury("m", reason="unwanted")
    clock.advance(1)
    dead = table.item("m")
    (message,) = queue.receive(max_messages, source="DLQ")
    assert message.state == "DLQ.PROCESSING"
    assert message.item == table.item("m")
    assert message.item == after(
        dead,
        status="PROCESSING",
        receive_count=1,
        version=3,
        last_updated_timestamp=clock.text(),
        queue_peek_timestamp=clock.text(),
        queue_add_timestamp=clock.text(TIMEOUT),
        token=message.receipt,
        receipt=message.receipt,
    )


@BY_ONE_AND_BY_MANY
def test_deliveries_of_dead_letters_are_not_limited(
    open_queue: OpenQueue, clock: ManualClock, max_messages: int
) -> None:
    """``max_receives`` is the way into the DLQ; from there it leads nowhere."""
    queue = open_queue(max_receives=1)
    queue.send(1, id="m")
    queue.bury("m")
    for delivery in range(1, 4):
        clock.advance(TIMEOUT)
        (message,) = queue.receive(max_messages, source="DLQ")
        assert message.receive_count == delivery


# --- waiting ---------------------------------------------------------------------------------


def once(action: Callable[[], object]) -> Callable[[], object]:
    """What does the action the first time that it is called, and nothing later."""
    left = [action]
    return lambda: left.pop()() if left else None


@BY_ONE_AND_BY_MANY
def test_waiting_ends_when_a_message_falls_due(
    queue: Queue[Any], clock: ManualClock, max_messages: int
) -> None:
    """A long poll finds a message soon after it falls due, well before the wait is over."""
    queue.send(1, id="m", delay=5)
    assert ids(queue.receive(max_messages, wait=20)) == ["m"]
    assert 5 <= sum(clock.naps) <= 5 + 3


@BY_ONE_AND_BY_MANY
def test_waiting_ends_when_a_message_is_sent(
    queue: Queue[Any], clock: ManualClock, max_messages: int
) -> None:
    """A long poll finds a message that somebody sends meanwhile."""
    clock.while_asleep = once(lambda: queue.send(1, id="m"))
    assert ids(queue.receive(max_messages, wait=20)) == ["m"]
    assert len(clock.naps) == 1


@BY_ONE_AND_BY_MANY
def test_waiting_in_vain_ends_with_the_wait(
    queue: Queue[Any], clock: ManualClock, max_messages: int
) -> None:
    """A long poll of an empty queue takes exactly the wait, and sleeps ever longer in it."""
    started = clock.now
    assert queue.receive(max_messages, wait=20) == []
    assert clock.now - started == pytest.approx(20e9, abs=1e3)
    assert max(clock.naps) <= 3
    assert 8 <= len(clock.naps) <= 50


def test_waiting_takes_what_is_there(queue: Queue[Any], clock: ManualClock) -> None:
    """With a message due there is nothing to wait for."""
    queue.send(1, id="m")
    assert ids(queue.receive(10, wait=20)) == ["m"]
    assert clock.naps == []


def test_waiting_looks_once_more_at_the_end(queue: Queue[Any], clock: ManualClock) -> None:
    """A message that falls due during the last sleep is found."""
    queue.send(1, id="m", delay=20)
    assert ids(queue.receive(wait=20)) == ["m"]
    assert sum(clock.naps) == pytest.approx(20)

"""What a holder does with its delivery: extend, retry, release, delete, move_to_dlq; fencing."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq.errors import IllegalTransitionError, InvalidArgumentError, StaleReceiptError
from dynamomq.message import MAX_FAILURES, Message
from dynamomq.queue import Queue
from tests.contract.engines import OpenQueue, Table
from tests.contract.situations import TIMEOUT, after
from tests.support.clock import ManualClock

Action = Callable[[Queue[Any], Message[Any]], object]

ACTIONS: dict[str, Action] = {
    "extend": lambda queue, message: queue.extend(message, 90),
    "retry": lambda queue, message: queue.retry(message, error="failed"),
    "release": lambda queue, message: queue.release(message),
    "delete": lambda queue, message: queue.delete(message),
    "move_to_dlq": lambda queue, message: queue.move_to_dlq(message, error="failed"),
}
EVERY_ACTION = pytest.mark.parametrize("trigger", ACTIONS)


# --- extend ----------------------------------------------------------------------------------


def test_extend_moves_the_deadline(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """An extension is a later due time, from now; the receipt stays valid for the next one."""
    clock.advance(10)
    extended = queue.extend(held, 90)
    item = table.item("m")
    assert item == after(
        held.item,
        version=3,
        last_updated_timestamp=clock.text(),
        queue_add_timestamp=clock.text(90),
        token=item["token"],
    )
    assert item["token"] != held.token
    assert extended.item == item
    assert (extended.state, extended.due_at) == ("STANDARD.PROCESSING", clock.moment(90))


def test_an_extended_message_is_held_until_the_new_deadline(
    queue: Queue[Any], held: Message[Any], clock: ManualClock
) -> None:
    """Nobody else receives the message before the new deadline; from then on anybody may."""
    queue.extend(held, 90)
    clock.advance(90)
    assert queue.receive() == []
    clock.advance(nanoseconds=1)
    assert len(queue.receive()) == 1


@pytest.mark.parametrize("timeout", [0.001, 5, TIMEOUT])
def test_extend_never_shortens(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock, timeout: float
) -> None:
    """A deadline that would be earlier is success and changes nothing; the answer tells which."""
    queue.extend(held, 90)
    before = table.item("m")
    clock.advance(1)
    assert queue.extend(held, timeout).item == before
    assert table.item("m") == before


def test_both_the_first_and_the_extended_message_are_good_for_the_rest(
    queue: Queue[Any], held: Message[Any]
) -> None:
    """The receipt is what counts: either object may be extended again, and deleted."""
    extended = queue.extend(held, 40)
    queue.extend(held, 50)
    queue.extend(extended, 60)
    queue.delete(held)
    assert queue.get("m").state == "DELETED"


# --- retry -----------------------------------------------------------------------------------


def test_retry_gives_back_with_the_reason(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """A retried message is READY after its delay, with the failure, and with the old receipt."""
    clock.advance(2)
    queue.retry(held, delay=60, error=ValueError("no such customer"))
    item = table.item("m")
    assert item == after(
        held.item,
        status="READY",
        version=3,
        last_updated_timestamp=clock.text(),
        queue_add_timestamp=clock.text(60),
        token=item["token"],
        errors=[
            {
                "type": "ValueError",
                "message": "no such customer",
                "delivery": 1,
                "when": clock.text(),
            }
        ],
    )
    assert item["token"] != held.token


def test_retry_needs_no_reason(queue: Queue[Any], table: Table, held: Message[Any]) -> None:
    """Without a reason nothing is recorded, and the message is due at once."""
    queue.retry(held)
    item = table.item("m")
    assert "errors" not in item
    assert item["queue_add_timestamp"] == item["last_updated_timestamp"]


def test_a_retried_message_is_delivered_when_its_delay_is_over(
    queue: Queue[Any], held: Message[Any], clock: ManualClock
) -> None:
    """The delay of a retry is kept exactly; the next delivery is one more, with a new receipt."""
    clock.advance(1)
    queue.retry(held, delay=60)
    clock.advance(60, nanoseconds=-1)
    assert queue.receive() == []
    clock.advance(nanoseconds=1)
    (again,) = queue.receive()
    assert (again.receive_count, again.data) == (2, {"n": 1})
    assert again.receipt != held.receipt


def test_the_last_failures_travel_with_a_message(queue: Queue[Any], clock: ManualClock) -> None:
    """A handler sees why the deliveries before its own failed: the last five, oldest first."""
    queue.send(1, id="m")
    for delivery in range(1, MAX_FAILURES + 3):
        (message,) = queue.receive()
        queue.retry(message, error=f"failure {delivery}")
        clock.advance(1)
    failures = queue.get("m").errors
    assert [failure.message for failure in failures] == [f"failure {n}" for n in (3, 4, 5, 6, 7)]
    assert [failure.delivery for failure in failures] == [3, 4, 5, 6, 7]
    assert all(failure.at is not None for failure in failures)


def test_a_long_reason_is_cut(queue: Queue[Any], held: Message[Any]) -> None:
    """500 characters of a reason are kept."""
    queue.retry(held, error="x" * 10_000)
    (failure,) = queue.get("m").errors
    assert failure.message == "x" * 500


# --- release ---------------------------------------------------------------------------------


def test_release_takes_the_delivery_back(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """A released message is due at once, and the delivery that was none is not counted."""
    clock.advance(2)
    queue.release(held)
    item = table.item("m")
    assert item == after(
        held.item,
        status="READY",
        receive_count=0,
        version=3,
        last_updated_timestamp=clock.text(),
        queue_add_timestamp=clock.text(),
        token=item["token"],
    )
    (again,) = queue.receive()
    assert again.receive_count == 1


def test_releases_do_not_exhaust(open_queue: OpenQueue, clock: ManualClock) -> None:
    """However often it is released, a message keeps all its deliveries."""
    queue = open_queue(max_receives=1)
    queue.send(1)
    for _ in range(3):
        (message,) = queue.receive()
        queue.release(message)
        clock.advance(1)
    assert len(queue.receive()) == 1


# --- delete ----------------------------------------------------------------------------------


def test_delete_leaves_a_tombstone(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """Of a deleted message remain its id, tokens and dates, until the window is over; no data."""
    queue.retry(held, error="failed")
    clock.advance(1)
    (message,) = queue.receive()
    clock.advance(1)
    queue.delete(message)
    item = table.item("m")
    assert item == {
        "id": "m",
        "status": "DELETED",
        "receive_count": 2,
        "version": 5,
        "creation_timestamp": message.item["creation_timestamp"],
        "last_updated_timestamp": clock.text(),
        "queue_add_timestamp": message.item["queue_add_timestamp"],
        "queue_peek_timestamp": message.item["queue_peek_timestamp"],
        "receipt": message.receipt,
        "token": item["token"],
        "send_token": message.send_token,
        "expires_at": clock.now // 10**9 + 600,
    }


def test_a_deleted_message_is_never_delivered_again(
    queue: Queue[Any], held: Message[Any], clock: ManualClock
) -> None:
    """A deletion is for good, in both queues, before and after the tombstone's time."""
    queue.delete(held)
    for _ in range(2):
        clock.advance(1000)
        assert queue.receive() == queue.receive(source="DLQ") == []
        assert list(queue.list()) == list(queue.list("DLQ")) == []


@pytest.mark.parametrize("later", [0, 1, 1000])
def test_deleting_twice_is_deleting_once(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock, later: float
) -> None:
    """A second delete with one's own receipt succeeds, however late, and changes nothing."""
    queue.delete(held)
    before = table.item("m")
    clock.advance(later)
    queue.delete(held)
    assert table.item("m") == before


def test_deleting_what_is_gone_succeeds(
    queue: Queue[Any], table: Table, held: Message[Any]
) -> None:
    """Where the storage has removed the tombstone, the message counts as deleted."""
    queue.delete(held)
    table.remove("m")
    queue.delete(held)
    assert table.items() == {}


def test_deleting_late_spares_a_new_message_of_the_same_id(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """The message that was received is gone: success; another under its id is not touched."""
    queue.delete(held)
    clock.advance(1000)
    queue.send("another", id="m")
    before = table.items()
    queue.delete(held)
    assert table.items() == before


# --- move_to_dlq -----------------------------------------------------------------------------


def test_move_to_dlq_keeps_the_message_with_the_reason(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """A dead-lettered message starts anew in the other queue, due at once, with what happened."""
    clock.advance(2)
    queue.move_to_dlq(held, error="no such customer")
    item = table.item("m")
    assert item == after(
        held.item,
        status="READY",
        queue_type="DLQ",
        receive_count=0,
        version=3,
        last_updated_timestamp=clock.text(),
        queue_add_timestamp=clock.text(),
        queue_peek_timestamp="",
        token=item["token"],
        errors=[
            {
                "type": "Rejected",
                "message": "no such customer",
                "delivery": 1,
                "when": clock.text(),
            }
        ],
    )
    (dead,) = queue.receive(source="DLQ")
    assert dead.data == {"n": 1}


def test_move_to_dlq_needs_no_reason(queue: Queue[Any], table: Table, held: Message[Any]) -> None:
    """Without a reason nothing is recorded."""
    queue.move_to_dlq(held)
    assert "errors" not in table.item("m")


# --- in the dead-letter queue ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "state"),
    [
        ("extend", "DLQ.PROCESSING"),
        ("retry", "DLQ.READY"),
        ("release", "DLQ.READY"),
        ("delete", "DELETED"),
    ],
)
def test_dead_letters_are_handled_alike(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str, state: str
) -> None:
    """What was received from the DLQ is extended, given back and deleted there."""
    queue.send(1, id="m")
    queue.bury("m", reason="unwanted")
    clock.advance(1)
    (message,) = queue.receive(source="DLQ")
    ACTIONS[trigger](queue, message)
    assert queue.get("m").state == state
    assert table.item("m")["version"] == message.version + 1


def test_a_dead_letter_can_not_be_dead_lettered(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """move_to_dlq of what was received from the DLQ is refused, and says what one may do."""
    queue.send(1, id="m")
    queue.bury("m")
    clock.advance(1)
    (message,) = queue.receive(source="DLQ")
    before = table.items()
    with pytest.raises(IllegalTransitionError) as refusal:
        queue.move_to_dlq(message)
    assert (refusal.value.id, refusal.value.state, refusal.value.trigger) == (
        "m",
        "DLQ.PROCESSING",
        "move_to_dlq",
    )
    assert set(refusal.value.legal) == {"delete", "extend", "purge", "release", "retry"}
    assert table.items() == before


# --- after the deadline ----------------------------------------------------------------------


@EVERY_ACTION
def test_a_late_holder_may_still_finish(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock, trigger: str
) -> None:
    """A passed deadline alone takes nothing away: until somebody receives, the holder may act."""
    clock.advance(TIMEOUT * 10)
    assert queue.get("m").state == "STANDARD.EXPIRED"
    ACTIONS[trigger](queue, held)
    assert table.item("m")["version"] == held.version + 1
    assert queue.get("m").state != "STANDARD.EXPIRED"


@EVERY_ACTION
def test_a_holder_whose_clock_is_behind_can_finish(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock, trigger: str
) -> None:
    """Clocks differ, but a message's own time moves on with each write (TIME-2)."""
    clock.advance(-3600)
    ACTIONS[trigger](queue, held)
    item = table.item("m")
    assert item["version"] == held.version + 1
    assert item["last_updated_timestamp"] > held.item["last_updated_timestamp"]


# --- stale receipts --------------------------------------------------------------------------


def received_again(queue: Queue[Any], clock: ManualClock) -> Message[Any]:
    """Let the deadline pass, and somebody else receive the message."""
    clock.advance(TIMEOUT)
    (message,) = queue.receive()
    clock.advance(1)
    return message


def bury_expired(queue: Queue[Any], clock: ManualClock) -> None:
    """Let the deadline pass, and an operator bury the message."""
    clock.advance(TIMEOUT)
    queue.bury("m")
    clock.advance(1)


def bury_and_redrive(queue: Queue[Any], clock: ManualClock) -> None:
    """The same, and bring it back."""
    bury_expired(queue, clock)
    queue.redrive("m")
    clock.advance(1)


def replace(queue: Queue[Any], clock: ManualClock) -> None:
    """Somebody else deletes the message, and much later the id is sent again."""
    queue.delete(received_again(queue, clock))
    clock.advance(1000)
    queue.send("another", id="m")


WHAT_OTHERS_DO: dict[str, tuple[Callable[[Queue[Any], ManualClock], object], str]] = {
    "received": (received_again, "STANDARD.PROCESSING"),
    "retried": (
        lambda queue, clock: queue.retry(received_again(queue, clock)),
        "STANDARD.READY",
    ),
    "deleted": (lambda queue, clock: queue.delete(received_again(queue, clock)), "DELETED"),
    "dead-lettered": (
        lambda queue, clock: queue.move_to_dlq(received_again(queue, clock)),
        "DLQ.READY",
    ),
    "buried": (bury_expired, "DLQ.READY"),
    "redriven": (bury_and_redrive, "STANDARD.READY"),
}


@pytest.mark.parametrize("act", WHAT_OTHERS_DO)
def test_a_stale_receipt_changes_nothing(
    queue: Queue[Any], table: Table, held: Message[Any], clock: ManualClock, act: str
) -> None:
    """Once somebody else received or took the message, its former holder is refused (FENCED)."""
    others, state = WHAT_OTHERS_DO[act]
    others(queue, clock)
    before = table.items()
    for trigger, action in ACTIONS.items():
        with pytest.raises(StaleReceiptError, match=trigger) as refusal:
            action(queue, held)
        assert (refusal.value.id, refusal.value.state) == ("m", state)
        assert str(held.receipt) not in str(refusal.value)
        assert table.items() == before


@pytest.mark.parametrize("act", ["received", "redriven"])
def test_a_stale_receipt_of_a_dead_letter_changes_nothing(
    queue: Queue[Any], table: Table, clock: ManualClock, act: str
) -> None:
    """In the DLQ, too, the next receiver, or the operator who redrives, ends a late delivery."""
    queue.send(1, id="m")
    queue.bury("m")
    clock.advance(1)
    (dead,) = queue.receive(source="DLQ")
    clock.advance(TIMEOUT)
    if act == "received":
        queue.receive(source="DLQ")
    else:
        queue.redrive("m")
    before = table.items()
    for trigger in ACTIONS.keys() - {"move_to_dlq"}:
        with pytest.raises(StaleReceiptError, match=trigger):
            ACTIONS[trigger](queue, dead)
    assert table.items() == before


@pytest.mark.parametrize(
    ("fate", "state"), [("replaced", "STANDARD.READY"), ("removed", "ABSENT"), ("past", "ABSENT")]
)
def test_what_is_gone_can_only_be_deleted(
    queue: Queue[Any],
    table: Table,
    held: Message[Any],
    clock: ManualClock,
    fate: str,
    state: str,
) -> None:
    """A message that is gone, or replaced by another, can't be extended or given back."""
    if fate == "replaced":
        replace(queue, clock)
    elif fate == "removed":
        table.remove("m")
    else:
        queue.delete(held)
        clock.advance(1000)
    before = table.items()
    for trigger in ACTIONS.keys() - {"delete"}:
        with pytest.raises(StaleReceiptError, match=trigger) as refusal:
            ACTIONS[trigger](queue, held)
        assert refusal.value.state == state
    queue.delete(held)
    assert table.items() == before


# --- one's own receipt, used twice -----------------------------------------------------------

AFTER_GIVING_UP = {
    "retry": ("STANDARD.READY", {"retry", "release"}),
    "release": ("STANDARD.READY", {"retry", "release"}),
    "delete": ("DELETED", {"delete"}),
    "move_to_dlq": ("DLQ.READY", {"move_to_dlq"}),
}
"""Where each action leaves the message, and which then count as done already."""


@pytest.mark.parametrize("first", AFTER_GIVING_UP)
def test_a_message_that_was_given_up_is_not_held(
    queue: Queue[Any], table: Table, held: Message[Any], first: str
) -> None:
    """What was done is done: the same again succeeds, anything else is refused, nothing changes."""
    state, done = AFTER_GIVING_UP[first]
    ACTIONS[first](queue, held)
    before = table.items()
    for trigger in done:
        ACTIONS[trigger](queue, held)
    for trigger in ACTIONS.keys() - done:
        with pytest.raises(IllegalTransitionError) as refusal:
            ACTIONS[trigger](queue, held)
        assert (refusal.value.id, refusal.value.state) == ("m", state)
        assert refusal.value.trigger == trigger
        assert trigger not in refusal.value.legal
    assert table.items() == before


# --- no receipt at all -----------------------------------------------------------------------


def test_only_what_was_received_is_held(
    queue: Queue[Any], table: Table, held: Message[Any]
) -> None:
    """What send, get, list or an operator's step returned gives no right to act."""
    other = queue.send(2, id="other")
    dead = queue.bury("other")
    strangers = [other, dead, queue.get(held.id), *queue.list()]
    before = table.items()
    for action in ACTIONS.values():
        for stranger in strangers:
            with pytest.raises(InvalidArgumentError, match="not held") as refusal:
                action(queue, stranger)
            assert refusal.value.argument == "message"
            assert "receive()" in str(refusal.value)
    assert table.items() == before

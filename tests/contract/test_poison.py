"""What is stored but no proper message, or can't be read, is put aside and holds up nobody."""

from decimal import Decimal
from typing import Any

import pytest
from attrs import frozen

from dynamomq.errors import (
    IllegalTransitionError,
    PayloadError,
    RequestRejectedError,
    StaleReceiptError,
)
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.values import MAX_ITEM_BYTES
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.situations import TIMEOUT, after
from tests.support.clock import ManualClock

BY_ONE_AND_BY_MANY = pytest.mark.parametrize("max_messages", [1, 10])
MISSING = object()

FLAWS: dict[str, tuple[str, object]] = {
    "no version": ("version", MISSING),
    "version is text": ("version", "1"),
    "no receive_count": ("receive_count", MISSING),
    "receive_count is text": ("receive_count", "0"),
    "receive_count is a boolean": ("receive_count", True),
    "no creation_timestamp": ("creation_timestamp", MISSING),
    "creation_timestamp is a number": ("creation_timestamp", 1_700_000_000),
    "no last_updated_timestamp": ("last_updated_timestamp", MISSING),
    "last_updated_timestamp is null": ("last_updated_timestamp", None),
    "no queue_peek_timestamp": ("queue_peek_timestamp", MISSING),
    "queue_peek_timestamp is a list": ("queue_peek_timestamp", []),
    "no data": ("data", MISSING),
    "errors are text": ("errors", "it failed"),
    "no status": ("status", MISSING),
    "status is unknown": ("status", "SLEEPING"),
    "status is lower case": ("status", "ready"),
    "status is a number": ("status", 1),
    "status is DELETED": ("status", "DELETED"),
}
"""What can be wrong with one attribute of an item that the index shows."""


def whole(clock: ManualClock, id: str = "m") -> dict[str, Any]:
    """A message as another port writes it: the ten shared attributes, sent a minute ago."""
    sent = clock.text(-60)
    return {
        "id": id,
        "data": {"n": 1},
        "status": "READY",
        "receive_count": 0,
        "queue_type": "STANDARD",
        "version": 1,
        "creation_timestamp": sent,
        "last_updated_timestamp": sent,
        "queue_add_timestamp": sent,
        "queue_peek_timestamp": "",
    }


def flawed(flaw: str, clock: ManualClock, id: str = "m") -> dict[str, Any]:
    """The same with one flaw."""
    name, value = FLAWS[flaw]
    item = whole(clock, id)
    return after(item, without=name) if value is MISSING else {**item, name: value}


# --- malformed items -------------------------------------------------------------------------


@BY_ONE_AND_BY_MANY
def test_malformed_items_are_quarantined(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """A receive meets them, completes each, dead-letters it with the reason, and goes on."""
    for flaw in FLAWS:
        table.put(flawed(flaw, clock, id=flaw))
    queue.send("healthy", id="healthy")
    assert [message.id for message in queue.receive(max_messages)] == ["healthy"]
    for flaw, (name, _) in FLAWS.items():
        item = table.item(flaw)
        expected = after(
            whole(clock, id=flaw),
            queue_type="DLQ",
            version=1 if name == "version" else 2,
            last_updated_timestamp=clock.text(),
            queue_add_timestamp=clock.text(),
            token=item.get("token"),
            errors=item.get("errors"),
        )
        if name == "creation_timestamp":
            expected[name] = clock.text()
        if name == "data":
            expected[name] = None
        assert item == expected, flaw
        (failure,) = queue.get(flaw).errors
        assert failure.message == f"missing or of another type: {name}"
        assert (failure.type, failure.delivery, failure.at) == ("Rejected", 0, clock.moment())


def test_all_flaws_are_named(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """An item that lacks nearly everything is quarantined once, with the whole list."""
    due = clock.text(-60)
    table.put({"id": "m", "queue_type": "STANDARD", "queue_add_timestamp": due})
    assert queue.receive() == []
    (failure,) = queue.get("m").errors
    reason, _, names = failure.message.partition(": ")
    assert reason == "missing or of another type"
    assert set(names.split(", ")) == {
        *("version", "receive_count", "creation_timestamp", "last_updated_timestamp"),
        *("queue_peek_timestamp", "data", "status"),
    }
    assert queue.receive() == []


@BY_ONE_AND_BY_MANY
def test_a_malformed_dead_letter_is_repaired_where_it_is(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """In the DLQ, too, a malformed item is completed; then it can be received and redriven."""
    table.put(after(flawed("no version", clock), queue_type="DLQ"))
    queue.receive(max_messages, source="DLQ")
    assert queue.get("m").state in ("DLQ.READY", "DLQ.PROCESSING")
    assert len(queue.get("m").errors) == 1
    clock.advance(TIMEOUT)
    (dead,) = queue.receive(max_messages, source="DLQ")
    assert dead.data == {"n": 1}
    queue.release(dead)
    clock.advance(1)
    queue.redrive("m")
    clock.advance(1)
    assert [message.id for message in queue.receive()] == ["m"]


@BY_ONE_AND_BY_MANY
def test_a_malformed_item_that_seems_used_up_is_quarantined(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int
) -> None:
    """The index shows a count over the limit, but exhaust would need the rest of a message."""
    queue = open_queue(max_receives=3)
    table.put(after(flawed("no version", clock), receive_count=3))
    assert queue.receive(max_messages) == []
    assert queue.get("m").state == "DLQ.READY"
    assert "version" in queue.get("m").errors[0].message


@BY_ONE_AND_BY_MANY
def test_a_malformed_item_is_not_touched_before_it_is_due(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """Nothing is looked at before its due time."""
    table.put(after(flawed("no version", clock), queue_add_timestamp=clock.text(60)))
    before = table.items()
    assert queue.receive(max_messages) == []
    assert table.items() == before


KINDS = pytest.mark.parametrize("kind", ["malformed", "undecodable", "used up"])
FURTHEST = {1: 999, 10: 10 + 50 + 250 + 1000 - 1}
"""How much poison one receive gets past: what its looks at the index show, less one."""


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
@KINDS
def test_poison_does_not_hide_a_message(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int, kind: str
) -> None:
    """More poison than a first look at the index shows: one receive gets to the healthy message."""
    get_past_poison(open_queue, table, clock, max_messages, kind, 30)


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
@BY_ONE_AND_BY_MANY
@KINDS
def test_much_poison_does_not_hide_one_message(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int, kind: str
) -> None:
    """With 999 poisonous messages due before it, one receive still gets to the healthy one."""
    get_past_poison(open_queue, table, clock, max_messages, kind, FURTHEST[max_messages])


def get_past_poison(
    open_queue: OpenQueue,
    table: Table,
    clock: ManualClock,
    max_messages: int,
    kind: str,
    amount: int,
) -> None:
    """Receive one message that is due after so many that can't be delivered."""
    queue = open_queue(payload=Order, max_receives=3)
    poison = {
        "malformed": flawed("no version", clock),
        "undecodable": after(whole(clock), data="no order"),
        "used up": after(whole(clock), receive_count=3),
    }[kind]
    for number in range(amount):
        table.put(after(poison, id=f"m{number}"))
    order = Order("tea", 2)
    queue.send(order)
    assert [message.data for message in queue.receive(max_messages)] == [order]
    assert queue.stats().dlq.total == amount


@BY_ONE_AND_BY_MANY
def test_poison_does_not_disturb_the_order(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """Behind poison the oldest message still comes first."""
    table.put(flawed("no version", clock))
    for number in range(5):
        queue.send(number)
        clock.advance(0.001)
    received = [message.data for _ in range(5) for message in queue.receive(max_messages)]
    assert received == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@BY_ONE_AND_BY_MANY
@pytest.mark.parametrize(
    "oddity", [{"version": Decimal("1E-100")}, {"data": "x" * (MAX_ITEM_BYTES - 250)}]
)
def test_a_message_that_no_claim_can_be_written_to_is_passed_over(
    queue: Queue[Any],
    table: Table,
    clock: ManualClock,
    max_messages: int,
    oddity: dict[str, Any],
) -> None:
    """What can't be counted up, or has no room for a receipt: others go first, then it is named."""
    table.put({**whole(clock), **oddity})
    before = table.item("m")
    queue.send(1, id="healthy")
    assert [message.id for message in queue.receive(max_messages)] == ["healthy"]
    with pytest.raises(RequestRejectedError, match="'m' is due, but can't be received"):
        queue.receive(max_messages)
    assert table.item("m") == before


# --- payloads that can't be read -------------------------------------------------------------


@frozen
class Order:
    """A declared payload."""

    item: str
    amount: int


UNDECODABLE: dict[str, dict[str, Any]] = {
    "another type": {"data": "no order"},
    "a field is missing": {"data": {"item": "tea"}},
    "a field is mistyped": {"data": {"item": "tea", "amount": "two"}},
    "null": {"data": None},
    "an unknown codec": {"data": b"...", "codec": "msgpack"},
    "an unknown encoding": {"data": b"...", "encoding": "zstd"},
}


@BY_ONE_AND_BY_MANY
def test_undecodable_payloads_are_dead_lettered(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int
) -> None:
    """The receive that claimed one dead-letters it with the reason, data and all, and goes on."""
    queue = open_queue(payload=Order)
    for case, flaw in UNDECODABLE.items():
        table.put(whole(clock, id=case) | flaw)
    queue.send(Order("tea", 2), id="healthy")
    (message,) = queue.receive(max_messages)
    assert (message.id, message.data) == ("healthy", Order("tea", 2))
    for case, flaw in UNDECODABLE.items():
        dead = queue.get(case)
        assert (dead.state, dead.receive_count) == ("DLQ.READY", 0), case
        assert dead.item["data"] == flaw["data"]
        (failure,) = dead.errors
        assert (failure.type, failure.delivery, failure.at) == ("PayloadError", 1, clock.moment())
        assert failure.message


@BY_ONE_AND_BY_MANY
def test_an_undecodable_dead_letter_is_delivered(
    open_queue: OpenQueue, table: Table, clock: ManualClock, max_messages: int
) -> None:
    """From the DLQ it is delivered as it is: its raw item can be read, its payload raises."""
    queue = open_queue(payload=Order)
    table.put(after(whole(clock), data="no order", queue_type="DLQ"))
    (message,) = queue.receive(max_messages, source="DLQ")
    assert (message.state, message.item["data"]) == ("DLQ.PROCESSING", "no order")
    for _ in range(2):
        with pytest.raises(PayloadError, match="Order"):
            message.data  # noqa: B018 - read for what it raises
    queue.delete(message)
    assert queue.get("m").state == "DELETED"


def test_a_reader_who_knows_better_can_still_read_it(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """Dead-lettered for one reader, it is redriven for another, whose type fits."""
    table.put(after(whole(clock), data="no order"))
    assert open_queue(payload=Order).receive() == []
    queue = open_queue()
    clock.advance(1)
    queue.redrive("m")
    clock.advance(1)
    (message,) = queue.receive()
    assert message.data == "no order"


# --- messages of other ports -----------------------------------------------------------------


def legacy(clock: ManualClock, **changes: Any) -> dict[str, Any]:
    """A message as the Go port writes it: timestamps lose trailing zeros, sent 61.5 s ago."""
    clock.advance(1.5)
    sent = clock.text(-61.5).replace(".000000000Z", "Z")
    names = ("creation_timestamp", "last_updated_timestamp", "queue_add_timestamp")
    return after(whole(clock), **dict.fromkeys(names, sent)) | changes


def received_legacy(queue: Queue[Any], table: Table, clock: ManualClock) -> Message[Any]:
    """Such a message, received."""
    table.put(legacy(clock))
    (message,) = queue.receive()
    clock.advance(1)
    return message


@BY_ONE_AND_BY_MANY
def test_a_legacy_message_is_received(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """A message with the ten attributes only gets, with its first delivery, a receipt."""
    item = legacy(clock)
    table.put(item)
    (message,) = queue.receive(max_messages)
    assert message.item == table.item("m")
    assert message.item == after(
        item,
        status="PROCESSING",
        receive_count=1,
        version=2,
        last_updated_timestamp=clock.text(),
        queue_peek_timestamp=clock.text(),
        queue_add_timestamp=clock.text(TIMEOUT),
        token=message.receipt,
        receipt=message.receipt,
    )
    assert message.sent_at == clock.moment(-61.5)


def test_a_legacy_message_is_held_like_any(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """It can be extended, released, retried, dead-lettered and, from there, deleted."""
    message = queue.extend(received_legacy(queue, table, clock), 60)
    queue.release(message)
    clock.advance(1)
    (message,) = queue.receive()
    queue.retry(message, error="failed")
    clock.advance(1)
    (message,) = queue.receive()
    queue.move_to_dlq(message)
    clock.advance(1)
    (message,) = queue.receive(source="DLQ")
    queue.delete(message)
    assert queue.get("m").state == "DELETED"
    assert queue.get("m").version == 10
    queue.delete(message)


def test_operators_edit_a_legacy_message(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Where there is no token, the version stands in; after the first edit there is one."""
    table.put(legacy(clock))
    buried = queue.bury("m", reason="unwanted")
    assert (buried.state, buried.version) == ("DLQ.READY", 2)
    assert buried.token is not None
    clock.advance(1)
    assert queue.redrive("m").state == "STANDARD.READY"


def test_a_legacy_dead_letter_is_redriven(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A dead letter of another port comes back, too."""
    table.put(legacy(clock, queue_type="DLQ"))
    redriven = queue.redrive("m")
    assert (redriven.state, redriven.version, redriven.receive_count) == ("STANDARD.READY", 2, 0)


def test_a_legacy_message_is_exhausted(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """Deliveries by another port's consumers count."""
    queue = open_queue(max_receives=3)
    table.put(legacy(clock, receive_count=3))
    assert queue.receive() == []
    assert queue.get("m").state == "DLQ.READY"


def test_a_late_delete_of_a_legacy_message_spares_a_new_one(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Without a send token the time of the send tells two messages of one id apart."""
    message = received_legacy(queue, table, clock)
    table.remove("m")
    table.put(legacy(clock))
    before = table.items()
    queue.delete(message)
    assert table.items() == before


@BY_ONE_AND_BY_MANY
def test_a_legacy_delivery_is_held_until_its_timeout(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """PROCESSING without a receipt: held from its start for the queue's visibility timeout."""
    table.put(legacy(clock, status="PROCESSING", receive_count=1, version=2))
    table.change("m", queue_peek_timestamp=clock.text())
    before = table.items()
    clock.advance(TIMEOUT, nanoseconds=-1)
    assert queue.get("m").state == "STANDARD.PROCESSING"
    assert queue.receive(max_messages) == []
    with pytest.raises(IllegalTransitionError):
        queue.bury("m")
    assert table.items() == before
    clock.advance(nanoseconds=1)
    assert queue.get("m").state == "STANDARD.EXPIRED"
    (message,) = queue.receive(max_messages)
    assert message.receive_count == 2
    queue.delete(message)


@BY_ONE_AND_BY_MANY
def test_a_legacy_delivery_after_ours_is_held_until_its_timeout(
    queue: Queue[Any], table: Table, clock: ManualClock, max_messages: int
) -> None:
    """A legacy consumer leaves the receipt of a delivery of ours, and its deadline, which is over.

    So that receipt counts no more, neither for how long the message is held nor for who may end it.
    """
    ours = received_legacy(queue, table, clock)
    clock.advance(TIMEOUT)
    table.change("m", queue_peek_timestamp=clock.text(), receive_count=2, version=3)
    before = table.items()
    clock.advance(TIMEOUT, nanoseconds=-1)
    assert queue.get("m").state == "STANDARD.PROCESSING"
    assert queue.receive(max_messages) == []
    for end in (queue.delete, queue.retry, queue.release, queue.move_to_dlq):
        with pytest.raises(StaleReceiptError):
            end(ours)
    with pytest.raises(StaleReceiptError):
        queue.extend(ours, 60)
    assert table.items() == before
    clock.advance(nanoseconds=1)
    (message,) = queue.receive(max_messages)
    assert message.receive_count == 3
    queue.delete(message)

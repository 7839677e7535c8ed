"""Payloads through real storage: what comes back, and how large it may be."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve, field, frozen

from dynamomq.errors import PayloadError
from dynamomq.message import MAX_FAILURES
from dynamomq.operations import MAX_MESSAGE_BYTES
from dynamomq.queue import Queue
from dynamomq.values import item_size
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.support.clock import ManualClock


def nested(levels: int) -> object:
    """Lists and maps in one another, so many levels deep."""
    value: object = "core"
    for level in range(levels):
        value = {"in": value} if level % 2 else [value]
    return value


PLAIN: dict[str, Any] = {
    "text": "text",
    "empty text": "",
    "unicode": "größer ✓ 日本 👩‍👩‍👧 \u0000 \U0010ffff",
    "line ends": "a\r\nb\u2028c",
    "true": True,
    "false": False,
    "null": None,
    "zero": 0,
    "38 digits": 12345678901234567890123456789012345678,
    "negative": -(10**38) + 1,
    "trailing zeros": 12 * 10**36,
    "float": 0.1,
    "small": -1e-130,
    "large": 2.0**120,
    "pi": math.pi,
    "bytes": bytes(range(256)),
    "no bytes": b"",
    "list": [1, "two", None, [], {}],
    "empty list": [],
    "map": {"a": {"b": {"c": [True, {"d": b"e"}]}}, "size": 1},
    "empty map": {},
    "reserved words": {"name": 1, "size": 2, "#a": 3, ":b": 4, "a.b": 5, "a[0]": 6, "ключ": 7},
    "texts": {"a", "", "ü"},
    "numbers": {1, -2, 0.5},
    "byte strings": {b"a", b"\x00"},
    "31 levels": nested(31),
}


def test_json_like_data_comes_back_equal(queue: Queue[Any]) -> None:
    """Without a declared type, what was sent is received and read again equal."""
    for case, payload in PLAIN.items():
        assert queue.send(payload, id=case).data == payload
    received = {message.id: message.data for message in queue.receive(len(PLAIN))}
    assert received == PLAIN
    for case, payload in PLAIN.items():
        assert type(received[case]) is type(payload) or isinstance(payload, float), case
        assert queue.get(case).data == payload


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@pytest.mark.parametrize("number", [10**125, -123 * 10**100, 2.0**-420])
def test_numbers_come_back_from_the_ends_of_the_range(
    queue: Queue[Any], number: int | float
) -> None:
    """38 digits count from the first to the last that is not zero, whatever the magnitude."""
    queue.send(number)
    (received,) = queue.receive()
    assert received.data == number


class Colour(Enum):
    """An enumeration."""

    RED = "red"
    GREEN = 2


@frozen
class Line:
    """A part of an order."""

    article: UUID
    price: Decimal
    colour: Colour | None = None


@frozen
class Order:
    """A declared payload with all kinds of fields."""

    number: int
    placed: datetime
    due: date
    patience: timedelta
    weight: float
    photo: bytes
    lines: list[Line]
    notes: dict[str, str]
    tags: frozenset[str] = field(factory=frozenset)
    parent: "Order | None" = None


ORDER = Order(
    number=10**37,
    placed=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    due=date(2024, 3, 1),
    patience=timedelta(days=-1, microseconds=1),
    weight=0.1 + 0.2,
    photo=b"\x00\xff",
    lines=[
        Line(UUID(int=7), Decimal("19.990"), Colour.GREEN),
        Line(UUID(int=8), Decimal("-0.00000000000000000000000000000000000001")),
    ],
    notes={"größe": ""},
    tags=frozenset({"a", "b"}),
)


@pytest.mark.parametrize("order", [ORDER, evolve(ORDER, number=2, parent=ORDER)])
def test_declared_payloads_come_back_equal(open_queue: OpenQueue, order: Order) -> None:
    """With ``payload=Order``, an Order is sent and an equal Order is received, nested or not."""
    queue = open_queue(payload=Order)
    queue.send(order)
    (received,) = queue.receive()
    assert received.data == order
    assert type(received.data) is Order


def test_a_payload_is_stored_as_any_port_can_read_it(open_queue: OpenQueue, table: Table) -> None:
    """Native DynamoDB types are stored, not an encoding of ours."""
    open_queue(payload=Line).send(Line(UUID(int=7), Decimal("19.99"), Colour.RED), id="m")
    assert table.item("m")["data"] == {
        "article": "00000000-0000-0000-0000-000000000007",
        "price": Decimal("19.99"),
        "colour": "red",
    }


def test_a_payload_can_be_changed_after_its_send(queue: Queue[Any]) -> None:
    """What was sent is what the payload was then; the sender's own object is not shared."""
    payload = {"items": [1]}
    sent = queue.send(payload)
    payload["items"].append(2)
    assert sent.data == {"items": [1]}
    (received,) = queue.receive()
    assert received.data == {"items": [1]}


# --- size ------------------------------------------------------------------------------------


def filler(queue: Queue[Any], size: int) -> str:
    """Text with which a message of id ``m`` has this size in all; it is three bytes a letter."""
    queue.send("", id="x")
    room = size - item_size(queue.get("x").item)
    return "€" * (room // 3) + "x" * (room % 3)


def test_the_largest_message_is_accepted(queue: Queue[Any], table: Table) -> None:
    """A message of exactly the limit is stored and delivered."""
    payload = filler(queue, MAX_MESSAGE_BYTES)
    queue.send(payload, id="m")
    assert item_size(table.item("m")) == MAX_MESSAGE_BYTES
    received = {message.id: message.data for message in queue.receive(10)}
    assert received["m"] == payload


def test_the_first_message_that_is_too_large_is_refused(queue: Queue[Any], table: Table) -> None:
    """A byte more is refused; the error names the size and the limit, and nothing is stored."""
    payload = filler(queue, MAX_MESSAGE_BYTES + 1)
    before = table.items()
    with pytest.raises(PayloadError) as refusal:
        queue.send(payload, id="m")
    assert f"{MAX_MESSAGE_BYTES + 1:,}" in str(refusal.value)
    assert f"{MAX_MESSAGE_BYTES:,}" in str(refusal.value)
    assert refusal.value.remedy
    assert len(str(refusal.value)) < 400
    assert table.items() == before


def test_headers_count(queue: Queue[Any], table: Table) -> None:
    """The limit is for the whole message: large headers are too large as well."""
    with pytest.raises(PayloadError):
        queue.send("", headers={"x": "y" * MAX_MESSAGE_BYTES})
    assert table.items() == {}


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_the_largest_message_has_room_for_a_whole_life(
    open_queue: OpenQueue, clock: ManualClock
) -> None:
    """With the longest of failures, and more than are kept, every later write still fits."""
    queue = open_queue(max_receives=MAX_FAILURES + 2)
    payload = filler(queue, MAX_MESSAGE_BYTES)
    queue.delete(queue.receive()[0])
    queue.send(payload, id="m")
    reason = "\U0010ffff" * 1000
    for _ in range(MAX_FAILURES + 1):
        (message,) = queue.receive()
        queue.retry(queue.extend(message, 60), error=reason)
        clock.advance(1)
    (message,) = queue.receive()
    queue.release(message)
    clock.advance(1)
    queue.receive()
    clock.advance(60)
    assert queue.receive() == []
    assert queue.get("m").state == "DLQ.READY"
    queue.redrive("m")
    queue.bury("m", reason=reason)
    clock.advance(1)
    (message,) = queue.receive(source="DLQ")
    assert message.data == payload
    queue.delete(message)


@pytest.mark.parametrize(
    ("declared", "zero"), [(None, -0.0), (float, -0.0), (Decimal, Decimal("-0.00"))], ids=str
)
def test_a_negative_zero_is_stored_as_zero(open_queue: OpenQueue, declared: Any, zero: Any) -> None:
    """DynamoDB's numbers have none; the two are equal, so what was sent comes back equal."""
    queue = open_queue(payload=declared)
    queue.send(zero, id="m")
    [received] = queue.receive()
    assert received.data == zero
    assert not str(received.data).startswith("-")

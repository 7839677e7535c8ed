"""The payload codec: what was sent comes back equal, or send refuses it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
)
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq.errors import InvalidArgumentError, PayloadError
from dynamomq.payload import codec_for
from tests.support.naming import stable
from tests.support.payloads import (
    ORDER_FIELDS,
    ORDERS,
    Box,
    Cat,
    Customer,
    Dog,
    Extra,
    IntBox,
    Item,
    Level,
    Named,
    Node,
    Order,
    OrderId,
    Shelf,
    Where,
    equal_json,
    identical,
    json_like,
    junk,
    nested_orders,
    orders,
    roundtrip,
    stored_by_dynamodb,
)


@given(json_like)
def test_json_like_data_comes_back_equal(payload: object) -> None:
    """Undeclared JSON-like data comes back equal, types too, but for the type of numbers."""
    assert equal_json(payload, roundtrip(None, payload))


@given(st.recursive(junk, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_undeclared_data_comes_back_or_is_refused(payload: object) -> None:
    """Whatever is sent undeclared is refused with a PayloadError, or comes back equal."""
    codec = codec_for()
    try:
        stored = codec.encode(payload)
    except PayloadError:
        return
    assert equal_json(payload, codec.decode(stored_by_dynamodb(stored)))


@given(nested_orders)
def test_typed_payload_comes_back_identical(order: Order) -> None:
    """A rich attrs class comes back equal, with equal types in every field, however deep."""
    assert identical(order, ORDERS.decode(stored_by_dynamodb(ORDERS.encode(order))))


@given(orders, st.sampled_from(sorted(ORDER_FIELDS)), junk)
def test_typed_payload_comes_back_or_is_refused(order: Order, name: str, value: object) -> None:
    """With any value in any field, a send is refused, or the payload comes back identical."""
    attribute = "_note" if name == "note" else name
    setattr(order, attribute, value)
    refused_at = ""
    try:
        back = ORDERS.decode(stored_by_dynamodb(ORDERS.encode(order)))
    except PayloadError as refusal:
        refused_at = refusal.path
    if refused_at:
        assert refused_at.startswith(f"payload.{attribute}")
        return
    if attribute == "total" and type(value) is int:
        value = order.total = float(value)  # the documented exception: an int for a float
    if name == "anything":
        assert equal_json(value, back.anything)
        order.anything = back.anything
    assert identical(order, back)


@pytest.mark.parametrize(
    ("declared", "payload"),
    [
        (list[Item], [Item("a", Decimal("1.5"))]),
        (Item | None, None),
        (Cat | Dog, Dog("terrier")),
        (list[Cat | Dog], [Dog("terrier"), Cat(9)]),
        (dict[str, Customer | None], {"a": Customer("b"), "c": None}),
        (Box[int], Box(1, {"a": 2})),
        (Box[list[UUID]], Box([UUID(int=3)])),
        (IntBox, IntBox(1, {"a": 2})),
        (Node, Node(1, Node(2), [Node(3, Node(4))])),
        (Named, Named(1, Shelf.TOP)),
        (Extra, {"note": "a"}),
        (Where, Where(1.5)),
        (OrderId, UUID(int=1)),
        (Annotated[int, ["unhashable"]], 3),
        (Final[int], 3),
        (Literal[1, "a", b"x", None, True, Level.HIGH], True),
        (Literal[1, "a"], 1),
        (tuple[()], ()),
        (tuple[Any, ...], (1, "a", None)),
        (tuple, ("a",)),
        (list, [1, {"a": None}]),
        (Sequence[int], [1]),
        (Mapping[str, int], {"a": 1}),
        (set[Item], {Item("a", Decimal(1)), Item("b", Decimal(2))}),
        (set[int | None], {1, None}),
        (bytearray, bytearray(b"x")),
        (Any, [1, "a"]),
        (type(None), None),
        (dict[date, int], {date(2024, 1, 1): 1}),
        (float, 1e125),
        (float, 1e23),
        (Decimal, Decimal("9.99E+125")),
        (int, 10**38 - 1),
        (int, 10**50),
        (timedelta, timedelta.min),
        (timedelta, timedelta.max),
        (timedelta, timedelta(microseconds=-1)),
        (datetime, datetime.max.replace(tzinfo=UTC)),
        (time, time(1, 2, 3, 4, tzinfo=timezone(timedelta(seconds=1)))),
    ],
    ids=stable,
)
def test_declared_types(declared: Any, payload: object) -> None:
    """Each kind of declared type brings its payload back, equal and of the same types."""
    assert identical(payload, roundtrip(declared, payload))


@pytest.mark.parametrize(
    "declared",
    [
        int | float,
        str | UUID,
        datetime | date,
        list[int] | list[str],
        Cat | dict[str, int],
        Literal["a"] | str,
        Box[int] | Box[str],
        complex,
        object,
        list[complex],
        Box,
        dict[float, int],
        dict[bool, int],
        type("Plain", (), {}),
        Enum("Odd", {"A": (1, 2)}),
    ],
    ids=stable,
)
def test_unsuitable_types_are_refused_when_the_codec_is_made(declared: Any) -> None:
    """What could not be read back without guessing is refused before anything is sent."""
    with pytest.raises(PayloadError, match="can't be used"):
        codec_for(declared)


@pytest.mark.parametrize("value", ["Dog", b"", 5, 2.5, False, [], {"a": int}, Dog("rex"), len])
def test_a_value_is_no_type(value: object) -> None:
    """A value in place of a type is refused without being shown: it may be a payload."""
    with pytest.raises(InvalidArgumentError, match="it is a value") as refusal:
        codec_for(value)
    assert refusal.value.argument == "payload"
    assert refusal.value.value == type(value).__name__
    assert refusal.value.remedy

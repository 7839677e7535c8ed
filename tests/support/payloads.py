"""Payload types of every kind, strategies for their instances, and what equal means for them."""

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
)
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
from hypothesis import strategies as st

from dynamomq.payload import codec_for
from dynamomq.values import Value, from_wire, to_wire

T = TypeVar("T")
OrderId = NewType("OrderId", UUID)


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Shelf(StrEnum):
    TOP = "top"


class Rights(Flag):
    READ = 1
    WRITE = 2


@attrs.frozen
class Item:
    sku: str
    price: Decimal
    tags: frozenset[str] = frozenset()


class Where(NamedTuple):
    latitude: float
    longitude: float = 0.0


class Extra(TypedDict):
    note: str
    weight: NotRequired[float]


@dataclass
class Customer:
    name: str
    born: date | None = None
    shelf: Shelf = Shelf.TOP
    places: list[Where] = dataclass_field(default_factory=list)


@attrs.define
class Order:
    id: OrderId
    customer: Customer
    items: list[Item]
    at: datetime
    total: float
    wall: time
    lasting: timedelta
    colour: Colour
    rights: Rights
    levels: dict[Level, int]
    by_id: dict[UUID, bytes]
    counts: dict[int, bool]
    pair: tuple[int, str]
    row: tuple[float, ...]
    numbers: set[int]
    mixed: int | str | None
    kind: Literal["new", "old", 3]
    extra: Extra
    anything: Any
    path: Path
    _note: Annotated[str, "private"] = ""
    parent: "Order | None" = None


@attrs.define
class Node:
    value: int
    next: "Node | None" = None
    children: "list[Node]" = attrs.field(factory=list)


@dataclass
class Box(Generic[T]):
    content: T
    more: dict[str, T] | None = None


class IntBox(Box[int]):
    pass


@attrs.frozen
class Cat:
    lives: int


@attrs.frozen
class Dog:
    breed: str


@attrs.define
class Named:
    cl: int
    converter: Shelf


ORDERS = codec_for(Order)


def stored_by_dynamodb(value: Value) -> Value:
    """What DynamoDB gives back for a stored value."""
    return from_wire(to_wire(value))


def roundtrip(payload_type: Any, payload: object) -> Any:
    codec = codec_for(payload_type)
    return codec.decode(stored_by_dynamodb(codec.encode(payload)))


def identical(left: Any, right: Any) -> bool:
    """Equal, and of equal types all the way down; also where a class has no ``__eq__`` for it."""
    if type(left) is not type(right):
        return False
    if attrs.has(type(left)):
        names = [each.name for each in attrs.fields(type(left))]
        return all(identical(getattr(left, name), getattr(right, name)) for name in names)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(identical(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, datetime):
        return bool(left == right) and left.utcoffset() == right.utcoffset()
    if isinstance(left, set | frozenset):
        return bool(left == right) and set(map(type, left)) == set(map(type, right))
    return bool(left == right)


def equal_json(left: Any, right: Any) -> bool:
    """Equal, where numbers may change their type but nothing else may."""
    if isinstance(left, bool) or not isinstance(left, int | float):
        if type(left) is not type(right):
            return False
    elif isinstance(right, bool):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal_json(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal_json, left, right))
    return bool(left == right)


def storable(number: float) -> bool:
    return repr(number) == "0.0" or 1e-130 <= abs(number) < 1e126


integers = st.integers(-(10**38) + 1, 10**38 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False).filter(storable)
plain_floats = floats.filter(lambda number: not number.is_integer() or abs(number) < 1e38)
keys = st.text(min_size=1)
json_like = st.recursive(
    st.none()
    | st.booleans()
    | integers
    | plain_floats
    | st.text()
    | st.binary()
    | st.sets(st.text(), min_size=1)
    | st.sets(integers | plain_floats, min_size=1)
    | st.sets(st.binary(), min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=10,
)
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=1, max_value=10**9
)
offsets = st.builds(
    lambda seconds: timezone(timedelta(seconds=seconds)), st.integers(-86_399, 86_399)
)
moments = st.datetimes(timezones=st.none() | offsets).map(lambda moment: moment.replace(fold=0))
times = st.times(timezones=st.none() | offsets).map(lambda wall: wall.replace(fold=0))
customers = st.builds(
    Customer,
    name=st.text(),
    born=st.none() | st.dates(),
    places=st.lists(st.builds(Where, floats, floats), max_size=2),
)
items = st.builds(Item, st.text(), decimals, st.frozensets(st.text(), max_size=3))
extras = st.fixed_dictionaries({"note": st.text()}, optional={"weight": floats})
ORDER_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.uuids(),
    "customer": customers,
    "items": st.lists(items, max_size=2),
    "at": moments,
    "total": floats,
    "wall": times,
    "lasting": st.timedeltas(),
    "colour": st.sampled_from(Colour),
    "rights": st.sampled_from([Rights(0), Rights.READ, Rights.READ | Rights.WRITE]),
    "levels": st.dictionaries(st.sampled_from(Level), integers),
    "by_id": st.dictionaries(st.uuids(), st.binary(), max_size=2),
    "counts": st.dictionaries(integers, st.booleans(), max_size=2),
    "pair": st.tuples(integers, st.text()),
    "row": st.lists(floats, max_size=3).map(tuple),
    "numbers": st.sets(integers, max_size=4),
    "mixed": st.none() | integers | st.text(),
    "kind": st.sampled_from(["new", "old", 3]),
    "extra": extras,
    "anything": st.none() | st.text() | st.lists(integers),
    "path": st.just(Path("a/b.txt")),
    "note": st.text(),
}
orders = st.builds(Order, **ORDER_FIELDS)
nested_orders = st.builds(Order, **ORDER_FIELDS, parent=st.none() | orders)
junk = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        1.5,
        -0.0,
        float("nan"),
        float("inf"),
        1e300,
        10**40 + 1,
        Decimal("1.50"),
        Decimal("-0"),
        Decimal("NaN"),
        "text",
        "\ud800",
        b"bytes",
        bytearray(b"x"),
        (),
        (1, "a"),
        [1, "a"],
        [],
        {},
        {1: 2},
        {"": 1},
        {"a": (1,)},
        set(),
        {1, "a"},
        frozenset("a"),
        Colour.RED,
        Level.LOW,
        Shelf.TOP,
        datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 10, 27, 2, 30, fold=1),  # noqa: DTZ001 - naive is the case
        date(2024, 1, 1),
        UUID(int=1),
        object(),
        Item("a", Decimal(1)),
        Dog("b"),
        Where(1.0),
        {"note": "a", "more": 1},
        Node(1, Node(2)),
    ]
)

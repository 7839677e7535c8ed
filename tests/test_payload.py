"""The payload codec: what was sent comes back equal, or send refuses it."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Final,
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
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq.errors import PayloadError
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
    ids=str,
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
        "a string",
        type("Plain", (), {}),
        Enum("Odd", {"A": (1, 2)}),
    ],
    ids=str,
)
def test_unsuitable_types_are_refused_when_the_codec_is_made(declared: Any) -> None:
    """What could not be read back without guessing is refused before anything is sent."""
    with pytest.raises(PayloadError, match="can't be used"):
        codec_for(declared)


def upper(text: str) -> str:
    return text.upper()


@attrs.define
class Account:
    owner: str
    balance: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    code: str = attrs.field(default="", converter=upper)
    history: list[str] = attrs.field(factory=list)
    summary: str = attrs.field(init=False, default="")

    def __attrs_post_init__(self) -> None:
        self.summary = f"{self.owner}: {self.balance}"


def test_fields_that_init_does_not_take_follow_from_the_others() -> None:
    """A field with ``init=False`` comes back if the class computes it, and is refused if not."""
    account = Account("ada", 3)
    assert roundtrip(Account, account) == account
    account.summary = "changed by hand"
    with pytest.raises(PayloadError, match="different") as caught:
        codec_for(Account).encode(account)
    assert caught.value.path == "payload.summary"


@pytest.mark.parametrize("declared", [Account, list[Account], dict[str, Account]], ids=str)
@pytest.mark.parametrize(("name", "value"), [("balance", -1), ("code", "lower")])
def test_what_a_class_would_change_or_reject_is_refused_at_send(
    declared: Any, name: str, value: object
) -> None:
    """An instance that its own validators or converters would not let come back is refused."""
    account = Account("ada")
    object.__setattr__(account, name, value)
    payload: Any = {Account: account, list[Account]: [account]}.get(declared, {"a": account})
    with pytest.raises(PayloadError):
        codec_for(declared).encode(payload)


@attrs.define
class Sorting:
    names: list[str]

    def __attrs_post_init__(self) -> None:
        self.names.sort()


def test_sending_does_not_touch_the_payload() -> None:
    """The check at send gives the class copies: what it does to them does not reach the sender."""
    payload = Sorting([])
    payload.names = ["b", "a"]
    with pytest.raises(PayloadError, match="different"):
        codec_for(Sorting).encode(payload)
    assert payload.names == ["b", "a"]


@pytest.mark.parametrize(
    ("payload", "path", "reason"),
    [
        ({"items": [1, {"price": (1, 2)}]}, "payload['items'][1]['price']", "tuple"),
        ([float("nan")], "payload[0]", "NaN"),
        ([-0.0], "payload[0]", "-0"),
        ([1e-131], "payload[0]", "1E-130"),
        ([1e50 / 3], "payload[0]", "38 digits"),
        ([10**38 + 1], "payload[0]", "38 significant digits"),
        ([10**126], "payload[0]", "magnitude"),
        ([Decimal("1.5")], "payload[0]", "Decimal"),
        ({1: 2}, "payload[1]", "key"),
        ({"": 2}, "payload['']", "65,535"),
        ({"k" * 70_000: 2}, "payload['", "65,535"),
        (["\ud800"], "payload[0]", "surrogate"),
        ({"\ud800": 1}, "payload['", "surrogate"),
        ([set()], "payload[0]", "at least one"),
        ([{1, "a"}], "payload[0]", "all of them"),
        ([{True}], "payload[0]", "all of them"),
        ([Shelf.TOP], "payload[0]", "Shelf"),
        ([Level.LOW], "payload[0]", "Level"),
        ([Cat(9)], "payload[0]", "Cat"),
    ],
)
def test_refusals_of_json_like_data(payload: object, path: str, reason: str) -> None:
    """A refusal names the place, the reason and the value, in a line of bearable length."""
    with pytest.raises(PayloadError) as caught:
        codec_for().encode(payload)
    assert caught.value.path.startswith(path)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 500


def nested(levels: int) -> list[Any]:
    payload: list[Any] = []
    for _ in range(levels - 1):
        payload = [payload]
    return payload


@pytest.mark.parametrize("declared", [None, list[Any]], ids=str)
def test_nesting_is_limited_as_dynamodb_limits_it(declared: Any) -> None:
    """31 lists under the payload's attribute are stored, 32 are refused; sets do not count."""
    codec = codec_for(declared)
    assert codec.decode(codec.encode(nested(31))) == nested(31)
    with pytest.raises(PayloadError, match="31 levels"):
        codec.encode(nested(32))


def test_circular_references_are_refused() -> None:
    """A payload that contains itself is a PayloadError, declared or not, never a RecursionError."""
    circle: dict[str, Any] = {"a": 1}
    circle["self"] = [circle]
    with pytest.raises(PayloadError, match="contains itself"):
        codec_for().encode(circle)
    node = Node(1)
    node.next = node
    with pytest.raises(PayloadError, match="contains itself"):
        codec_for(Node).encode(node)


def test_long_chains_cost_in_proportion() -> None:
    """The check at send is made once, not once a level: a chain at the limit is no problem."""
    chain = Node(0)
    for value in range(1, 31):
        chain = Node(value, chain)
    with pytest.raises(PayloadError, match="levels"):
        codec_for(Node).encode(chain)  # its empty lists of children are the 32nd level
    assert chain.next is not None
    assert roundtrip(Node, chain.next) == chain.next


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        (int, "1"),
        (int, True),
        (int, Decimal("1.5")),
        (float, "1.5"),
        (str, 1),
        (bool, 1),
        (bytes, "x"),
        (UUID, "{00000000-0000-0000-0000-000000000001}"),
        (datetime, "2024-01-31"),
        (datetime, "2024-01-31T00:00:00.0000001Z"),
        (timedelta, "P"),
        (timedelta, "PT"),
        (date, "yesterday"),
        (Colour, 1),
        (Literal[1], True),
        (Rights, 64),
        (list[int], {"a": 1}),
        (tuple[int, int], [1]),
        (dict[int, int], {"01": 1}),
        (set[int], ["a"]),
        (Cat, {}),
        (Cat, {"lives": "nine"}),
        (Cat, []),
        (Cat | Dog, {"wings": 2}),
        (Where, {"longitude": 1}),
        (Extra, {"note": 1}),
        (Account, {"owner": "ada", "balance": -1}),
    ],
    ids=str,
)
def test_stored_values_are_not_coerced(declared: Any, stored: Value) -> None:
    """A stored value of another type than the declared one is refused when it is read."""
    with pytest.raises(PayloadError, match="can't be read as"):
        codec_for(declared).decode(stored)


def test_decoding_failures_name_the_place_and_keep_the_cause() -> None:
    """cattrs' groups of errors become one sentence with the path, and the cause is chained."""
    stored: Value = {"value": 1, "children": [{"value": 1}, {"value": "x"}]}
    with pytest.raises(PayloadError, match="expected int") as caught:
        codec_for(Node).decode(stored)
    assert caught.value.path == "payload.children[1].value"
    with pytest.raises(PayloadError, match="balance") as caught:
        codec_for(Account).decode({"owner": "ada", "balance": -1})
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(PayloadError, match="needs the field 'owner'"):
        codec_for(Account).decode({})


def test_other_versions_of_a_class_can_be_read() -> None:
    """Unknown keys are ignored and defaults are applied to missing ones."""
    assert codec_for(Node).decode({"value": 1, "added_later": "x"}) == Node(1)
    assert codec_for(Extra).decode({"note": "a", "added_later": "x"}) == {"note": "a"}
    assert codec_for(Where).decode({"latitude": 1, "added_later": 2}) == Where(1.0)


@pytest.mark.parametrize(
    ("declared", "payload", "stored"),
    [
        (datetime, datetime(2024, 1, 31, 9, 5, 4, 120000, UTC), "2024-01-31T09:05:04.120000+00:00"),
        (timedelta, timedelta(hours=1, microseconds=5), "PT3600.000005S"),
        (timedelta, timedelta(seconds=-1), "-PT1S"),
        (Colour, Colour.BLUE, 2),
        (dict[int, str], {-1: "a"}, {"-1": "a"}),
        (dict[Level, str], {Level.LOW: "a"}, {"1": "a"}),
        (frozenset[str], frozenset("cab"), ["a", "b", "c"]),
        (Where, Where(1.5), {"latitude": Decimal("1.5"), "longitude": 0}),
        (Decimal, Decimal("1.10"), Decimal("1.1")),
        (None, 2.0, 2),
        (None, 0.1, Decimal("0.1")),
        (None, {1, 2}, {1, 2}),
    ],
)
def test_stored_form(declared: Any, payload: object, stored: object) -> None:
    """The stored form is what ports in other languages read: it does not change unnoticed."""
    assert codec_for(declared).encode(payload) == stored


@pytest.mark.parametrize("text", ["P1DT2H3M4.5S", "PT93784.5S", "PT93784.500000000S"])
def test_durations_of_other_programs_are_read(text: str) -> None:
    """Any ISO 8601 duration of days and less is read, to the microsecond."""
    length = timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=500)
    assert codec_for(timedelta).decode(text) == length


def test_times_of_other_programs_are_read() -> None:
    """RFC 3339 with ``Z`` and nine digits, as Go writes it, is read if it fits microseconds."""
    moment = datetime(2024, 1, 31, 9, 5, 4, 120000, UTC)
    assert codec_for(datetime).decode("2024-01-31T09:05:04.120000000Z") == moment


def test_a_zone_comes_back_as_its_offset() -> None:
    """An aware datetime comes back equal with the same offset; an ambiguous hour is refused."""
    berlin = ZoneInfo("Europe/Berlin")
    moment = datetime(2024, 7, 1, 12, tzinfo=berlin)
    back = roundtrip(datetime, moment)
    assert (back, back.utcoffset()) == (moment, timedelta(hours=2))
    ambiguous = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=berlin)
    with pytest.raises(PayloadError, match="ambiguous"):
        codec_for(datetime).encode(ambiguous)


def test_numbers_with_more_digits_than_a_float_are_not_rounded() -> None:
    """A number that another program wrote with 30 digits is read undeclared as Decimal."""
    precise = Decimal("0.123456789012345678901234567891")
    assert codec_for().decode([precise, Decimal("0.5"), Decimal(2)]) == [precise, 0.5, 2]


def test_an_int_for_a_float_is_taken_where_it_is_exact() -> None:
    """As type checkers allow, an int may stand for a float, and comes back as the equal float."""
    assert identical(roundtrip(float, 3), 3.0)
    with pytest.raises(PayloadError, match="no float equals"):
        codec_for(float).encode(2**53 + 1)


def test_errors_show_little_of_a_payload() -> None:
    """An error shows at most some sixty characters of a value, and no field of an object."""
    secret = "secret " * 1000
    with pytest.raises(PayloadError) as caught:
        codec_for(UUID | None).encode(secret)
    assert len(str(caught.value)) < 200
    with pytest.raises(PayloadError) as caught:
        codec_for().encode([Dog("secret")])
    assert "secret" not in str(caught.value)
    assert repr(codec_for(Dog)) == "Codec(name='Dog')"


def test_containers_are_not_shared() -> None:
    """What is encoded is a copy: changing the payload afterwards does not change it."""
    payload: dict[str, Any] = {"list": [1], "set": {"a"}}
    stored = codec_for().encode(payload)
    payload["list"].append(2)
    payload["set"].add("b")
    assert stored == {"list": [1], "set": {"a"}}


def test_cattrs_is_imported_for_declared_classes_only() -> None:
    """Importing the codec, and undeclared payloads, cost no import of cattrs."""
    program = (
        "import sys; from dynamomq.payload import codec_for; codec_for().encode([1]);"
        "codec_for(dict[str, int]); assert 'cattrs' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

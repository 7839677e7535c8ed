"""The payload codec's rules one by one: refusals, stored forms, other programs' data."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import (
    Any,
    Literal,
)
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest

from dynamomq.errors import PayloadError
from dynamomq.payload import codec_for
from dynamomq.values import Value
from tests.support.naming import stable
from tests.support.payloads import (
    Cat,
    Colour,
    Dog,
    Extra,
    Level,
    Node,
    Rights,
    Shelf,
    Where,
    identical,
    roundtrip,
)


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


@pytest.mark.parametrize("declared", [Account, list[Account], dict[str, Account]], ids=stable)
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


@pytest.mark.parametrize("declared", [None, list[Any]], ids=stable)
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
    ids=stable,
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
    with pytest.raises(PayloadError, match="Account raises ValueError") as caught:
        codec_for(Account).decode({"owner": "ada", "balance": -1})
    assert isinstance(caught.value.__cause__, ValueError)
    assert "balance" in str(caught.value.__cause__)
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


@attrs.frozen
class Guarded:
    """A class whose validator quotes what it refuses."""

    number: int = attrs.field(validator=lambda _, __, value: _refuse(value))


def _refuse(value: object) -> None:
    if value != 1:
        raise ValueError(f"it is not {value!r}")


@pytest.mark.parametrize(
    ("declared", "payload"),
    [
        (UUID | None, "4711 " * 1000),
        (Dog, "4711"),
        (Dog, {"name": "4711"}),
        (None, [Dog("4711")]),
        (None, {"card": ["4711\ud800"]}),
        (None, (4711,)),
        (None, 4711 * 10**40 + 1),
        (bytes, "4711"),
        (UUID, "4711"),
        (date, datetime(4711, 1, 1, tzinfo=UTC)),
        (dict[str, int], {"card": "4711"}),
    ],
    ids=stable,
)
def test_errors_never_show_a_payload(declared: Any, payload: Any) -> None:
    """An error shows of a payload its type and size, and where in it the trouble is."""
    with pytest.raises(PayloadError) as caught:
        codec_for(declared).encode(payload)
    assert "4711" not in str(caught.value)
    assert caught.value.path.startswith("payload")
    assert len(str(caught.value)) < 250


def test_errors_never_show_a_stored_payload() -> None:
    """Nor does one that can't be read, whatever the declared class says of it."""
    cases: tuple[tuple[Any, Value], ...] = (
        (Guarded, {"number": 4711}),
        (Guarded, {"number": "4711"}),
        (Dog, "4711"),
        (UUID, "4711"),
        (Guarded | None, 4711),
    )
    for declared, stored in cases:
        with pytest.raises(PayloadError) as caught:
            codec_for(declared).decode(stored)
        assert "4711" not in str(caught.value)
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

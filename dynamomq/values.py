"""DynamoDB's values in Python, and DynamoDB's rules about them (spec: TABLE-2).

Inside the library a stored value is plain Python: ``str`` (S), ``int`` or ``Decimal`` (N),
``bytes`` (B), ``bool`` (BOOL), ``None`` (NULL), ``list`` (L), ``dict`` with ``str`` keys (M), and
non-empty sets of ``str``, numbers or ``bytes`` (SS, NS, BS). A ``float`` is never a stored value:
DynamoDB's numbers are decimal. ``to_wire`` and ``from_wire`` translate to and from the typed form
``{"S": "text"}`` that the low-level API speaks; they are written by hand, flat, because they run
for every attribute of every request.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import (
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
    Underflow,
)
from typing import Any, Final, TypeAlias

Value: TypeAlias = (
    bool
    | int
    | Decimal
    | str
    | bytes
    | list["Value"]
    | dict[str, "Value"]
    | set[str]
    | set[int]
    | set[Decimal]
    | set[bytes]
    | None
)
Item: TypeAlias = dict[str, Value]

TYPES: Final = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
"""DynamoDB's types."""

MAX_ITEM_BYTES = 400 * 1024
MAX_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024
MAX_NESTING = 32
MAX_NAME_BYTES = 65_535
_MAX_DIGITS = 38
_INTEGER_LIMIT = 10**_MAX_DIGITS

_NUMBERS = Context(
    prec=_MAX_DIGITS,
    Emin=-130,
    Emax=125,
    traps=[DivisionByZero, Inexact, InvalidOperation, Overflow, Subnormal, Underflow],
)


class ValueRuleError(ValueError):
    """A value breaks one of DynamoDB's rules; the text says which."""


_LETTERS: dict[type, str] = {
    str: "S",
    int: "N",
    Decimal: "N",
    bool: "BOOL",
    bytes: "B",
    type(None): "NULL",
    list: "L",
    dict: "M",
}


def type_letter(value: object) -> str:
    """Return DynamoDB's name for the type of a value: S, N, B, BOOL, NULL, L, M, SS, NS or BS.

    Raises:
        ValueRuleError: DynamoDB has no such type (``float`` among them), or the set is empty or
            mixed.
    """
    letter = _LETTERS.get(type(value))
    if letter is not None:
        return letter
    if isinstance(value, set | frozenset):
        members = {_LETTERS.get(type(member)) for member in value}
        if len(members) == 1 and members <= {"S", "N", "B"}:
            return f"{members.pop()}S"
        raise ValueRuleError("a set must hold at least one member, all strings, numbers or bytes")
    raise ValueRuleError(f"DynamoDB has no type for a Python {type(value).__name__}")


def number_text(number: int | Decimal) -> str:
    """Return a number as DynamoDB gives it back: plain digits, no exponent, no spare zeros.

    Raises:
        ValueRuleError: more than 38 significant digits, out of range, NaN or infinite.
    """
    if type(number) is int and -_INTEGER_LIMIT < number < _INTEGER_LIMIT:
        return str(number)
    exact = Decimal(number)
    if not exact.is_finite():
        raise ValueRuleError(f"{number} is not a number that DynamoDB can hold")
    try:
        exact = exact.normalize(_NUMBERS)
    except DecimalException:
        raise ValueRuleError(
            "a number may have 38 significant digits and a magnitude from 1E-130 to 9.9E+125"
        ) from None
    return "0" if exact == 0 else format(exact, "f")


def add_numbers(left: int | Decimal, right: int | Decimal) -> int | Decimal:
    """Add as DynamoDB does, in 38 decimal digits.

    Raises:
        ValueRuleError: the sum does not fit.
    """
    try:
        total = _NUMBERS.add(Decimal(left), Decimal(right))
    except DecimalException:
        raise ValueRuleError("the sum has more than 38 significant digits") from None
    return int(total) if total == total.to_integral_value() else total


def to_wire(value: Value) -> dict[str, Any]:
    """Return the typed form of a value, such as ``{"N": "5"}``.

    Raises:
        ValueRuleError: DynamoDB can't hold the value.
    """
    if isinstance(value, str):
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | Decimal):
        return {"N": number_text(value)}
    if isinstance(value, dict):
        return {"M": {name: to_wire(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"L": [to_wire(inner) for inner in value]}
    if isinstance(value, bytes):
        return {"B": value}
    letter = type_letter(value)
    return {letter: [next(iter(to_wire(member).values())) for member in value]}


def from_wire(typed: Mapping[str, Any]) -> Value:
    """Return the plain value of a typed one; the inverse of :func:`to_wire`.

    Raises:
        ValueRuleError: the type is not one of DynamoDB's.
    """
    for letter, inner in typed.items():
        if letter == "S" or letter == "BOOL":
            plain: str | bool = inner
            return plain
        if letter == "N":
            return _number(inner)
        if letter == "M":
            return {name: from_wire(value) for name, value in inner.items()}
        if letter == "L":
            return [from_wire(value) for value in inner]
        if letter == "NULL":
            return None
        if letter == "B":
            return bytes(inner)
        if letter == "SS":
            return set(inner)
        if letter == "NS":
            return {Decimal(member) for member in inner}
        if letter == "BS":
            return {bytes(member) for member in inner}
    raise ValueRuleError(f"unknown DynamoDB type {list(typed)}")


def item_to_wire(item: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """Return a whole item in typed form."""
    return {name: to_wire(value) for name, value in item.items()}


def item_from_wire(typed: Mapping[str, Mapping[str, Any]]) -> Item:
    """Return a whole item in plain form; the inverse of :func:`item_to_wire`."""
    return {name: from_wire(value) for name, value in typed.items()}


def _number(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:
        exact = Decimal(text)
        return int(exact) if exact == exact.to_integral_value() else exact


def equal(left: Value, right: Value) -> bool:
    """Compare as DynamoDB's ``=`` does: equal type and equal value (``True`` is not 1)."""
    if type(left) is type(right) and not isinstance(left, list | dict):
        return left == right
    letter = type_letter(left)
    if letter != type_letter(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    return left == right


def ordered(left: Value, right: Value) -> int | None:
    """Compare as DynamoDB's ``<`` does: -1, 0 or 1; ``None`` where there is no order.

    Only two strings (by code point, which is UTF-8's byte order), two numbers, or two byte strings
    have one.
    """
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return (left > right) - (left < right)
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        return (left > right) - (left < right)
    return None


def check_value(value: Value, *, depth: int = 1) -> None:
    """Raise where DynamoDB would not store the value as an attribute.

    Args:
        value: the attribute's value.
        depth: the level of nesting that the value stands on; an attribute's own value is on 1.

    Raises:
        ValueRuleError: an unknown type, a number out of range, an empty or mixed set, text that is
            not valid Unicode, a name in a map that is empty, no text or too long, or more than 32
            levels (a list or map, even an empty one, opens a level).
    """
    letter = type_letter(value)
    if letter in "LM" and depth >= MAX_NESTING:
        raise ValueRuleError(f"nested more than {MAX_NESTING} levels deep")
    if isinstance(value, str):
        _utf8(value)
    elif isinstance(value, int | Decimal):
        number_text(value)
    elif isinstance(value, list):
        for inner in value:
            check_value(inner, depth=depth + 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            check_member_name(name)
            check_value(inner, depth=depth + 1)
    elif isinstance(value, set):
        for member in value:
            check_value(member, depth=depth)


def check_member_name(name: object) -> None:
    """Raise where DynamoDB has no such name, of an attribute or in a map.

    Raises:
        ValueRuleError: it is empty, no text, no valid Unicode, or longer than 65,535 bytes.
    """
    if not isinstance(name, str):
        raise ValueRuleError("a name in a map is not text")
    if not name:
        raise ValueRuleError("a name in a map is empty")
    if len(_utf8(name)) > MAX_NAME_BYTES:
        raise ValueRuleError(f"a name in a map has more than {MAX_NAME_BYTES:,} bytes")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueRuleError("text with a lone surrogate is not valid Unicode") from None


def item_size(item: Mapping[str, Value]) -> int:
    """Return an item's size in bytes as DynamoDB counts it against the 400 KB limit.

    Source: "DynamoDB item sizes and formats" in the DynamoDB developer guide. Numbers are counted
    as documented, about one byte for two digits; the service itself says "approximately".
    """
    return sum(_text_size(name) + _size(value) for name, value in item.items())


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _size(value: Value) -> int:
    if isinstance(value, str):
        return _text_size(value)
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, int | Decimal):
        text = number_text(value)
        digits = text.lstrip("-").replace(".", "").strip("0")
        return (len(digits) + 1) // 2 + 1 + text.startswith("-")
    if isinstance(value, list):
        return 3 + sum(1 + _size(inner) for inner in value)
    if isinstance(value, dict):
        return 3 + sum(1 + _text_size(name) + _size(inner) for name, inner in value.items())
    return sum(_size(member) for member in value)

"""JSON-like data: what a payload without a declared type is made of, and its numbers and text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import (
    Any,
    TypeAlias,
    cast,
)

from dynamomq.errors import shorten
from dynamomq.payload.refusals import (
    MAX_LEVELS,
    RefusedError,
    article,
    mistyped,
    shown,
    too_deep,
)

Convert: TypeAlias = Callable[[Any], Any]
_MAX_NAME_BYTES = 65_535
_INT_LIMIT = 10**38
_FLOAT_LEAST, _FLOAT_LIMIT = 1e-130, 1e126
# Above this not every integer is a float, and a float's shortest text need not be its exact value.
_EXACT_FLOAT = float(2**53)
_NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, Overflow])
_NUMBER_RULE = "a number may have 38 significant digits and a magnitude from 1E-130 to 9.9E+125"
_DECLARE = "Declare the payload's type: Queue(…, payload=YourType)."


def checked_text(value: str) -> str:
    """Return text that is valid Unicode, or refuse it."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RefusedError(
                "a lone surrogate is not valid Unicode", value, "Store such data as bytes."
            ) from None
    return value


def checked_key(value: Any) -> str:
    """Return a key that DynamoDB's maps can hold, or refuse it."""
    if type(value) is not str:
        raise RefusedError(
            f"a key must be a str, got {type(value).__name__}",
            value,
            "Declare the payload's type, such as payload=dict[int, str].",
        )
    if not 0 < len(checked_text(value).encode()) <= _MAX_NAME_BYTES:
        raise RefusedError("DynamoDB's keys have 1 to 65,535 bytes of UTF-8", value)
    return value


def store_integer(value: int) -> int | Decimal:
    """Return the stored form of an int: N."""
    return value if -_INT_LIMIT < value < _INT_LIMIT else store_decimal(value)


def store_decimal(value: int | Decimal) -> Decimal:
    """Check a number against DynamoDB's range; drop what it does not keep: zeros, zero's sign."""
    if isinstance(value, int) and value.bit_length() > 420:
        raise RefusedError(_NUMBER_RULE, value, "Send it as text.")
    exact = Decimal(value)
    if not exact.is_finite():
        raise RefusedError("DynamoDB's numbers have no NaN and no infinity", value)
    if not exact:
        return Decimal(0)
    try:
        return exact.normalize(_NUMBERS)
    except DecimalException:
        raise RefusedError(_NUMBER_RULE, value, "Round it, or send it as text.") from None


def _check_float(value: float) -> None:
    if not _FLOAT_LEAST <= abs(value) < _FLOAT_LIMIT and value != 0:
        reason = "DynamoDB's numbers have no NaN, no infinity and no magnitude under 1E-130"
        raise RefusedError(f"{reason} or from 1E+126", value, "Send None or text in its place.")


def store_float(value: float) -> int | Decimal:
    """Store a declared float by its shortest exact text; an int stands for its equal float."""
    if type(value) is int:
        try:
            if float(value) != value:
                raise OverflowError
        except OverflowError:
            raise RefusedError("no float equals this int", value, "Declare int.") from None
        value = float(value)
    _check_float(value)
    if -_EXACT_FLOAT < value < _EXACT_FLOAT and value.is_integer():
        return int(value)
    return Decimal(repr(value))


def _plain_float(value: float) -> int | Decimal:
    """Store an undeclared float; an integral one by all its digits, as it comes back as int."""
    _check_float(value)
    if not value.is_integer():
        return Decimal(repr(value))
    try:
        return store_integer(int(value))
    except RefusedError:
        raise RefusedError(
            "an integral float of more than 38 digits would not come back equal",
            value,
            "Declare the payload's type with a float there.",
        ) from None


def read_integer(stored: Any) -> int:
    """Read an int: an N without a fraction."""
    if type(stored) is int:
        return stored
    if type(stored) is not Decimal:
        raise mistyped("int (N)", stored)
    number = int(stored)
    if number != stored:
        raise RefusedError("expected int, found a fraction", stored)
    return number


def read_float(stored: Any) -> float:
    """Read a float: any N, to the nearest float."""
    if type(stored) is not Decimal and type(stored) is not int:
        raise mistyped("float (N)", stored)
    return float(stored)


def read_decimal(stored: Any) -> Decimal:
    """Read a Decimal: any N."""
    if type(stored) is not Decimal and type(stored) is not int:
        raise mistyped("Decimal (N)", stored)
    return Decimal(stored)


def _read_number(stored: Any) -> int | float | Decimal:
    if type(stored) is int:
        return stored
    whole = int(stored)
    if whole == stored:
        return whole
    near = float(stored)
    return near if Decimal(repr(near)) == stored else cast("Decimal", stored)


_PLAIN_SCALARS: dict[type, Convert] = {
    str: checked_text,
    int: store_integer,
    float: _plain_float,
    bool: lambda value: value,
    bytes: lambda value: value,
    type(None): lambda value: value,
}


def store_plain(value: Any, room: int = MAX_LEVELS) -> Any:
    """Return the stored form of JSON-like data that stands ``room`` levels above the limit."""
    cls = type(value)
    scalar = _PLAIN_SCALARS.get(cls)
    if scalar is not None:
        return scalar(value)
    if cls is set:
        return _plain_set(value)
    if cls is not list and cls is not dict:
        raise RefusedError(
            f"without a declared type {article(cls)} can't be stored", value, _DECLARE
        )
    if room == 0:
        raise too_deep(value)
    if cls is list:
        return convert_each(value, lambda inner: store_plain(inner, room - 1))
    return convert_entries(value, checked_key, lambda inner: store_plain(inner, room - 1))


def _plain_set(members: set[Any]) -> set[Any]:
    for kinds in ({str}, {int, float}, {bytes}):
        if members and {type(member) for member in members} <= kinds:
            return {store_plain(member) for member in members}
    raise RefusedError(
        "a set must hold at least one member, all of them text, numbers or bytes", members, _DECLARE
    )


def read_plain(stored: Any) -> Any:
    """Return the JSON-like data that a stored value stands for."""
    cls = type(stored)
    if cls is Decimal or cls is int:
        return _read_number(stored)
    if cls is list:
        return [read_plain(inner) for inner in stored]
    if cls is dict:
        return {name: read_plain(inner) for name, inner in stored.items()}
    if cls is set:
        return {read_plain(member) for member in stored}
    return stored


def convert_each(values: Iterable[Any], convert: Convert) -> list[Any]:
    """Convert the members of a container; a refusal learns its index."""
    converted: list[Any] = []
    try:
        for value in values:
            converted.append(convert(value))  # noqa: PERF401 - its length is the failing index
    except RefusedError as refusal:
        refusal.under(f"[{len(converted)}]", values)
        raise
    return converted


def convert_entries(
    entries: dict[Any, Any], convert_key: Convert, convert: Convert
) -> dict[Any, Any]:
    """Convert the entries of a dict; a refusal learns its key."""
    converted = {}
    key: object = None
    try:
        for key, value in entries.items():
            converted[convert_key(key)] = convert(value)
    except RefusedError as refusal:
        refusal.under(f"[{shorten(key) if isinstance(key, str | int) else shown(key)}]", entries)
        raise
    if len(converted) != len(entries):
        raise RefusedError("two of its keys are stored as the same text", entries)
    return converted


def check_levels(stored: Any, room: int = MAX_LEVELS) -> None:
    """Refuse a stored form that is nested deeper than DynamoDB allows."""
    if type(stored) is not list and type(stored) is not dict:
        return
    if room == 0:
        raise too_deep(stored)
    for inner in stored.values() if type(stored) is dict else stored:
        check_levels(inner, room - 1)

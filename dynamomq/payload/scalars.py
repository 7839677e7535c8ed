"""The shapes of scalars: numbers, text, times, and what else is stored in one piece."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Flag
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import (
    Any,
)
from uuid import UUID

from dynamomq.payload.plain import (
    Convert,
    checked_text,
    read_decimal,
    read_float,
    read_integer,
    store_decimal,
    store_float,
    store_integer,
)
from dynamomq.payload.refusals import (
    RefusedError,
    article,
    expected,
    mistyped,
)
from dynamomq.payload.shapes import (
    JSON_LIKE,
    Shape,
)


def _leaf_shape(
    cls: type,
    letter: str,
    encode: Convert,
    decode: Convert,
    *,
    taken: frozenset[type] = frozenset(),
    scalar: bool = True,
    exact: bool = True,
) -> Shape:
    taken = taken or frozenset({cls})

    def checked(value: Any) -> Any:
        if type(value) not in taken:
            raise expected(cls.__name__, value)
        return encode(value)

    return Shape(
        cls.__name__, checked, decode, taken, frozenset({letter}), scalar=scalar, exact=exact
    )


def _same(cls: type, letter: str, encode: Convert = lambda value: value) -> Shape:
    """Return the shape of a type that DynamoDB has as well."""

    def decode(stored: Any) -> Any:
        if type(stored) is not cls:
            raise mistyped(f"{cls.__name__} ({letter})", stored)
        return stored

    return _leaf_shape(cls, letter, encode, decode)


def _textual(
    cls: type,
    write: Callable[[Any], str],
    read: Callable[[str], Any],
    *,
    taken: type | None = None,
    exact: bool = True,
) -> Shape:
    """Return the shape of a type that is stored as text."""

    def decode(stored: Any) -> Any:
        if type(stored) is not str:
            raise mistyped(f"{cls.__name__} (S)", stored)
        try:
            return read(stored)
        except (ValueError, OverflowError) as error:
            raise RefusedError(
                f"it is not the text of {article(cls)}", stored, cause=error
            ) from None

    return _leaf_shape(cls, "S", write, decode, taken=frozenset({taken or cls}), exact=exact)


def _write_moment(value: datetime | time) -> str:
    """Write ISO 8601; refuse what it can't say (``fold``, a ``time`` in a zone with rules)."""
    text = value.isoformat()
    fixed = value.tzinfo is None or type(value.tzinfo) is timezone
    if fixed and (not value.fold or value.tzinfo):
        return text
    back = type(value).fromisoformat(text)
    if value.tzinfo is None or back.tzinfo is None or back != value:
        raise RefusedError(
            "its time zone's rules (an ambiguous hour, a time without a date) would be lost",
            value,
            "Convert it to UTC, or to a fixed offset, first.",
        )
    return text


# RFC 3339, the offset optional. No more than microseconds: fromisoformat would drop the rest.
_CLOCK = r"\d\d:\d\d:\d\d(\.\d{1,6}0*)?(Z|[+-]\d\d:\d\d(:\d\d(\.\d{6})?)?)?"
_TIME = re.compile(_CLOCK, re.ASCII)
_DATETIME = re.compile(rf"\d{{4}}-\d\d-\d\d[T ]{_CLOCK}", re.ASCII)


def _read_datetime(text: str) -> datetime:
    if _DATETIME.fullmatch(text) is None:
        raise ValueError("not RFC 3339 to the microsecond")
    return datetime.fromisoformat(text)


def _read_time(text: str) -> time:
    if _TIME.fullmatch(text) is None:
        raise ValueError("not RFC 3339 to the microsecond")
    return time.fromisoformat(text)


def _write_duration(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    seconds, fraction = divmod(abs(micros), 1_000_000)
    decimals = f".{fraction:06}" if fraction else ""
    return f"{'-' if micros < 0 else ''}PT{seconds}{decimals}S"


_DURATION = re.compile(
    r"(-)?P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6})0*)?S)?)?",
    re.ASCII,
)


def _read_duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not an ISO 8601 duration in days, hours, minutes and seconds")
    sign, days, hours, minutes, seconds, fraction = match.groups()
    length = timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "0").ljust(6, "0")),
    )
    return -length if sign else length


def _read_uuid(text: str) -> UUID:
    if len(text) != 36:
        raise ValueError("not the canonical text of a UUID")
    return UUID(text)


def _read_bytearray(stored: Any) -> bytearray:
    if type(stored) is not bytes:
        raise mistyped("bytearray (B)", stored)
    return bytearray(stored)


LEAVES: dict[Any, Shape] = {
    Any: JSON_LIKE,
    str: _same(str, "S", checked_text),
    bool: _same(bool, "BOOL"),
    bytes: _same(bytes, "B"),
    type(None): _same(type(None), "NULL"),
    bytearray: _leaf_shape(bytearray, "B", bytes, _read_bytearray, scalar=False, exact=False),
    int: _leaf_shape(int, "N", store_integer, read_integer),
    float: _leaf_shape(
        float, "N", store_float, read_float, taken=frozenset({float, int}), exact=False
    ),
    Decimal: _leaf_shape(Decimal, "N", store_decimal, read_decimal, exact=False),
    datetime: _textual(datetime, _write_moment, _read_datetime, exact=False),
    date: _textual(date, date.isoformat, date.fromisoformat),
    time: _textual(time, _write_moment, _read_time, exact=False),
    timedelta: _textual(timedelta, _write_duration, _read_duration),
    UUID: _textual(UUID, str, _read_uuid),
}
LEAVES[None] = LEAVES[type(None)]
for _path in (Path, PurePath, PurePosixPath, PureWindowsPath):
    # Path() makes a PosixPath or a WindowsPath: what a program on this system holds.
    LEAVES[_path] = _textual(
        _path, lambda value: checked_text(str(value)), _path, taken=type(_path())
    )


def flag_shape(cls: type[Flag]) -> Shape:
    """Return the shape of a Flag, stored as its bits: N."""

    def decode(stored: Any) -> Flag:
        bits = read_integer(stored)
        try:
            return cls(bits)
        except ValueError as error:
            raise RefusedError(f"it is no value of {cls.__name__}", stored, cause=error) from None

    return _leaf_shape(cls, "N", lambda value: store_integer(value.value), decode)

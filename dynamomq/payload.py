"""Payloads: from a program's objects to what DynamoDB stores, and back.

The promise is one sentence: *what was sent comes back equal, or send refuses it.* Whatever a stored
value can't express is a :class:`PayloadError` at send, which names the place, the reason and the
remedy; nothing is coerced on the way in or out, and nothing that is stored ever names code to run.

Without a declared type a payload is JSON-like data: ``str``, ``bool``, ``None``, ``int``,
``float``, ``bytes``, ``list``, ``dict`` with ``str`` keys, and non-empty ``set`` of one of text,
numbers or bytes. DynamoDB has one kind of number, so numbers come back equal in value rather than
in type: ``2.0`` comes back as ``2``. Only a number that another program wrote with more digits
than a float holds is read as ``Decimal``.

With a declared type (``payload=Order``) the type says what a stored value means; see
:func:`codec_for` for what may be declared. A type is compiled once into a tree of *shapes*: pairs
of functions that know which Python types they take and which DynamoDB types they make. That is
what lets a union be refused when the codec is made, not when a message can't be read. cattrs turns
attrs classes and dataclasses into code and tells unions of them apart; each field is given its
shape, so that none of cattrs' coercing defaults applies.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from enum import Enum, Flag
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    NotRequired,
    Required,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)
from uuid import UUID

import attrs
from attrs import field, frozen

from dynamomq.errors import PayloadError, shorten
from dynamomq.values import MAX_NESTING, Value, equal, type_letter

__all__ = ["Codec", "codec_for"]

T = TypeVar("T")
_Convert: TypeAlias = Callable[[Any], Any]
_Check: TypeAlias = Callable[[Any, Any], None]

# DynamoDB counts the attribute that holds the payload as a level of its own.
_LEVELS = MAX_NESTING - 1
_ANY_DEPTH = 1_000_000
_MAX_NAME_BYTES = 65_535
_INT_LIMIT = 10**38
_FLOAT_LEAST, _FLOAT_LIMIT = 1e-130, 1e126
# Above this not every integer is a float, and a float's shortest text need not be its exact value.
_EXACT_FLOAT = float(2**53)
_NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, InvalidOperation, Overflow])
_NUMBER_RULE = "a number may have 38 significant digits and a magnitude from 1E-130 to 9.9E+125"
_DECLARE = "Declare the payload's type: Queue(…, payload=YourType)."


@frozen
class Codec(Generic[T]):
    """Translates payloads of one type; made by :func:`codec_for`, safe to share among threads."""

    name: str
    """The declared type, as messages show it."""
    _shape: _Shape = field(repr=False)
    _check: _Check | None = field(repr=False)

    def encode(self, payload: T) -> Value:
        """Return the stored form of a payload; the payload's own containers are never shared.

        Raises:
            PayloadError: the payload is not of the declared type, or would not come back equal.
        """
        try:
            stored: Value = self._shape.encode(payload)
            if self._shape.levels > _LEVELS:
                _check_levels(stored)
            if self._check is not None:
                self._check(payload, stored)
        except _RefusedError as refusal:
            raise refusal.error("The payload can't be stored") from refusal.cause
        except RecursionError:
            raise _too_deep(payload).error("The payload can't be stored") from None
        return stored

    def decode(self, value: Value) -> T:
        """Return the payload that a stored value stands for.

        Raises:
            PayloadError: the value is not the stored form of a payload of the declared type.
        """
        try:
            return cast("T", self._shape.decode(value))
        except _RefusedError as refusal:
            prefix = f"The stored payload can't be read as {self.name}"
            raise refusal.error(prefix) from refusal.cause


@overload
def codec_for(payload_type: None = None) -> Codec[Any]: ...
@overload
def codec_for(payload_type: type[T]) -> Codec[T]: ...
@overload
def codec_for(payload_type: object) -> Codec[Any]: ...
def codec_for(payload_type: object = None) -> Codec[Any]:
    """Return the codec for a declared payload type, or for JSON-like data.

    What may be declared, and how it is stored:

    * attrs classes, dataclasses, TypedDicts and NamedTuples, generic and recursive ones too: M.
      When reading, unknown keys are ignored and defaults apply to missing ones;
    * ``str``: S; ``bytes``, ``bytearray``: B; ``bool``: BOOL; ``None``: NULL; ``int``, ``float``
      and ``Decimal``: N. An ``int`` in a ``float`` field is taken where it is exact and comes
      back as the equal ``float``. A ``Decimal`` comes back equal, without trailing zeros;
    * ``datetime``, ``date``, ``time``, ``timedelta`` (ISO 8601), ``UUID`` and ``pathlib`` paths: S.
      A time zone comes back as its fixed offset from UTC;
    * ``Enum`` (by value), ``Flag`` and ``Literal``: as their values;
    * ``list``, ``tuple``, ``set``, ``frozenset``: L. ``Sequence`` means a list, ``Set`` a set;
    * ``dict`` and ``Mapping`` with keys that are stored as text or are integers: M;
    * ``Any``: JSON-like data, by the rules of this module;
    * ``Optional`` and unions of types that are stored differently, or of classes that a required
      field or a ``Literal`` tells apart; ``Annotated``, ``NewType`` and ``Final`` of all these.

    Args:
        payload_type: the type; ``None``, the default, for JSON-like data.

    Raises:
        PayloadError: the type, or a type in it, can't be stored so that it comes back.
    """
    if payload_type is None:
        return Codec(name="JSON-like data", shape=_PLAIN, check=None)
    name = _type_name(payload_type)
    try:
        compiler = _Compiler()
        shape = compiler.shape(payload_type)
        return Codec(name=name, shape=shape, check=compiler.check(shape))
    except _RefusedError as refusal:
        raise PayloadError(
            f"payload={name} can't be used: {refusal.reason}.", remedy=refusal.remedy
        ) from refusal.cause
    except (NameError, RecursionError) as error:
        raise PayloadError(
            f"payload={name} can't be used: its annotations can't be resolved "
            f"({type(error).__name__}).",
            remedy="Define the types that it names at module level, and recursive ones as classes.",
        ) from error


# --- refusals --------------------------------------------------------------------------------


class _RefusedError(Exception):
    """A refusal on its way out of nested values; each level adds its step to the path."""

    def __init__(
        self, reason: str, value: object, remedy: str = "", cause: BaseException | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value
        self.remedy = remedy
        self.cause = cause
        self.steps: list[str] = []

    def under(self, step: str, container: object) -> None:
        """Add a step; the container that was too deep and is met again contains itself."""
        self.steps.append(step)
        if self.value is container and isinstance(container, list | dict):
            self.reason, self.remedy = "it contains itself", ""
            self.steps.clear()

    def error(self, prefix: str) -> PayloadError:
        path = f"payload{''.join(reversed(self.steps))}"
        return PayloadError(
            f"{prefix}: {path} is {_shown(self.value)}: {self.reason}.",
            value=self.value,
            path=path,
            remedy=self.remedy,
        )


def _shown(value: object) -> str:
    """Describe a value briefly: scalars cut short, containers and objects by their type only."""
    if isinstance(value, int) and value.bit_length() > 400:
        return f"an int of {value.bit_length():,} bits"
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"{_article(type(value))} of {len(value):,}"
    if value is None or isinstance(value, str | bytes | int | float | date | time | timedelta):
        return shorten(value)
    if isinstance(value, UUID | Enum | PurePath | Decimal):
        return shorten(value)
    return _article(type(value))


def _article(cls: type) -> str:
    return f"{'an' if cls.__name__[0] in 'aeiouAEIO' else 'a'} {cls.__name__}"


def _type_name(declared: object) -> str:
    return declared.__qualname__ if type(declared) is type else str(declared).replace("typing.", "")


def _expected(name: str, value: object) -> _RefusedError:
    return _RefusedError(f"expected {name}, got {type(value).__name__}", value)


def _mistyped(name: str, stored: Any) -> _RefusedError:
    return _RefusedError(f"expected {name}, found the DynamoDB type {type_letter(stored)}", stored)


def _too_deep(value: object) -> _RefusedError:
    return _RefusedError(
        f"it is nested more than {_LEVELS} levels deep, or contains itself",
        value,
        f"DynamoDB has {MAX_NESTING} levels, and the payload's attribute is the first.",
    )


# --- scalars ---------------------------------------------------------------------------------


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _RefusedError(
                "a lone surrogate is not valid Unicode", value, "Store such data as bytes."
            ) from None
    return value


def _key(value: Any) -> str:
    if type(value) is not str:
        raise _RefusedError(
            f"a key must be a str, got {type(value).__name__}",
            value,
            "Declare the payload's type, such as payload=dict[int, str].",
        )
    if not 0 < len(_text(value).encode()) <= _MAX_NAME_BYTES:
        raise _RefusedError("DynamoDB's keys have 1 to 65,535 bytes of UTF-8", value)
    return value


def _integer(value: int) -> int | Decimal:
    return value if -_INT_LIMIT < value < _INT_LIMIT else _decimal(value)


def _decimal(value: int | Decimal) -> Decimal:
    """Check a number against DynamoDB's range; drop trailing zeros, which it does not keep."""
    if isinstance(value, int) and value.bit_length() > 420:
        raise _RefusedError(_NUMBER_RULE, value, "Send it as text.")
    exact = Decimal(value)
    if not exact.is_finite() or (not exact and exact.is_signed()):
        raise _RefusedError("DynamoDB's numbers have no NaN, no infinity and no -0", value)
    try:
        return exact.normalize(_NUMBERS)
    except DecimalException:
        raise _RefusedError(_NUMBER_RULE, value, "Round it, or send it as text.") from None


def _check_float(value: float) -> None:
    if not _FLOAT_LEAST <= abs(value) < _FLOAT_LIMIT and str(value) != "0.0":
        reason = "DynamoDB's numbers have no NaN, no infinity, no -0 and no magnitude under 1E-130"
        raise _RefusedError(f"{reason} or from 1E+126", value, "Send None or text in its place.")


def _float(value: float) -> int | Decimal:
    """Store a declared float by its shortest exact text; an int stands for its equal float."""
    if type(value) is int:
        try:
            if float(value) != value:
                raise OverflowError
        except OverflowError:
            raise _RefusedError("no float equals this int", value, "Declare int.") from None
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
        return _integer(int(value))
    except _RefusedError:
        raise _RefusedError(
            "an integral float of more than 38 digits would not come back equal",
            value,
            "Declare the payload's type with a float there.",
        ) from None


def _read_integer(stored: Any) -> int:
    if type(stored) is int:
        return stored
    if type(stored) is not Decimal:
        raise _mistyped("int (N)", stored)
    number = int(stored)
    if number != stored:
        raise _RefusedError("expected int, found a fraction", stored)
    return number


def _read_float(stored: Any) -> float:
    if type(stored) is not Decimal and type(stored) is not int:
        raise _mistyped("float (N)", stored)
    return float(stored)


def _read_decimal(stored: Any) -> Decimal:
    if type(stored) is not Decimal and type(stored) is not int:
        raise _mistyped("Decimal (N)", stored)
    return Decimal(stored)


def _read_number(stored: Any) -> int | float | Decimal:
    if type(stored) is int:
        return stored
    whole = int(stored)
    if whole == stored:
        return whole
    near = float(stored)
    return near if Decimal(repr(near)) == stored else cast("Decimal", stored)


# --- JSON-like data --------------------------------------------------------------------------

_PLAIN_SCALARS: dict[type, _Convert] = {
    str: _text,
    int: _integer,
    float: _plain_float,
    bool: lambda value: value,
    bytes: lambda value: value,
    type(None): lambda value: value,
}


def _plain(value: Any, room: int = _LEVELS) -> Any:
    """Return the stored form of JSON-like data that stands ``room`` levels above the limit."""
    cls = type(value)
    scalar = _PLAIN_SCALARS.get(cls)
    if scalar is not None:
        return scalar(value)
    if cls is set:
        return _plain_set(value)
    if cls is not list and cls is not dict:
        raise _RefusedError(
            f"without a declared type {_article(cls)} can't be stored", value, _DECLARE
        )
    if room == 0:
        raise _too_deep(value)
    if cls is list:
        return _each(value, lambda inner: _plain(inner, room - 1))
    return _each_entry(value, _key, lambda inner: _plain(inner, room - 1))


def _plain_set(members: set[Any]) -> set[Any]:
    for kinds in ({str}, {int, float}, {bytes}):
        if members and {type(member) for member in members} <= kinds:
            return {_plain(member) for member in members}
    raise _RefusedError(
        "a set must hold at least one member, all of them text, numbers or bytes", members, _DECLARE
    )


def _read_plain(stored: Any) -> Any:
    cls = type(stored)
    if cls is Decimal or cls is int:
        return _read_number(stored)
    if cls is list:
        return [_read_plain(inner) for inner in stored]
    if cls is dict:
        return {name: _read_plain(inner) for name, inner in stored.items()}
    if cls is set:
        return {_read_plain(member) for member in stored}
    return stored


def _each(values: Iterable[Any], convert: _Convert) -> list[Any]:
    converted: list[Any] = []
    try:
        for value in values:
            converted.append(convert(value))  # noqa: PERF401 - its length is the failing index
    except _RefusedError as refusal:
        refusal.under(f"[{len(converted)}]", values)
        raise
    return converted


def _each_entry(
    entries: dict[Any, Any], convert_key: _Convert, convert: _Convert
) -> dict[Any, Any]:
    converted = {}
    key: object = None
    try:
        for key, value in entries.items():
            converted[convert_key(key)] = convert(value)
    except _RefusedError as refusal:
        refusal.under(f"[{_shown(key)}]", entries)
        raise
    if len(converted) != len(entries):
        raise _RefusedError("two of its keys are stored as the same text", entries)
    return converted


def _check_levels(stored: Any, room: int = _LEVELS) -> None:
    if type(stored) is not list and type(stored) is not dict:
        return
    if room == 0:
        raise _too_deep(stored)
    for inner in stored.values() if type(stored) is dict else stored:
        _check_levels(inner, room - 1)


# --- shapes ----------------------------------------------------------------------------------


@frozen
class _Shape:
    """How values of one declared type are stored."""

    name: str
    encode: _Convert
    decode: _Convert
    types: frozenset[type]
    """The Python types that it takes, exactly (never subclasses); empty for JSON-like data."""
    letters: frozenset[str]
    """The DynamoDB types that it makes."""
    levels: int = 0
    """The most lists and maps inside one another."""
    scalar: bool = False
    """Whether its values are immutable and of one piece."""
    exact: bool = False
    """Whether what comes back can't be told from what was sent, not even by ``repr``."""
    record: type | None = None
    """The attrs class or dataclass, where it is one."""
    check: _Check | None = None
    """What refuses an instance of that class, given its stored form, that would not come back."""


_PLAIN = _Shape("JSON-like data", _plain, _read_plain, frozenset(), frozenset(), levels=_LEVELS)


def _leaf(
    cls: type,
    letter: str,
    encode: _Convert,
    decode: _Convert,
    *,
    taken: frozenset[type] = frozenset(),
    scalar: bool = True,
    exact: bool = True,
) -> _Shape:
    taken = taken or frozenset({cls})

    def checked(value: Any) -> Any:
        if type(value) not in taken:
            raise _expected(cls.__name__, value)
        return encode(value)

    return _Shape(
        cls.__name__, checked, decode, taken, frozenset({letter}), scalar=scalar, exact=exact
    )


def _same(cls: type, letter: str, encode: _Convert = lambda value: value) -> _Shape:
    """Return the shape of a type that DynamoDB has as well."""

    def decode(stored: Any) -> Any:
        if type(stored) is not cls:
            raise _mistyped(f"{cls.__name__} ({letter})", stored)
        return stored

    return _leaf(cls, letter, encode, decode)


def _textual(
    cls: type,
    write: Callable[[Any], str],
    read: Callable[[str], Any],
    *,
    taken: type | None = None,
    exact: bool = True,
) -> _Shape:
    """Return the shape of a type that is stored as text."""

    def decode(stored: Any) -> Any:
        if type(stored) is not str:
            raise _mistyped(f"{cls.__name__} (S)", stored)
        try:
            return read(stored)
        except (ValueError, OverflowError) as error:
            raise _RefusedError(
                f"it is not the text of {_article(cls)}", stored, cause=error
            ) from None

    return _leaf(cls, "S", write, decode, taken=frozenset({taken or cls}), exact=exact)


def _write_moment(value: datetime | time) -> str:
    """Write ISO 8601; refuse what it can't say (``fold``, a ``time`` in a zone with rules)."""
    text = value.isoformat()
    fixed = value.tzinfo is None or type(value.tzinfo) is timezone
    if fixed and (not value.fold or value.tzinfo):
        return text
    back = type(value).fromisoformat(text)
    if value.tzinfo is None or back.tzinfo is None or back != value:
        raise _RefusedError(
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
        raise _mistyped("bytearray (B)", stored)
    return bytearray(stored)


_LEAVES: dict[Any, _Shape] = {
    Any: _PLAIN,
    str: _same(str, "S", _text),
    bool: _same(bool, "BOOL"),
    bytes: _same(bytes, "B"),
    type(None): _same(type(None), "NULL"),
    bytearray: _leaf(bytearray, "B", bytes, _read_bytearray, scalar=False, exact=False),
    int: _leaf(int, "N", _integer, _read_integer),
    float: _leaf(float, "N", _float, _read_float, taken=frozenset({float, int}), exact=False),
    Decimal: _leaf(Decimal, "N", _decimal, _read_decimal, exact=False),
    datetime: _textual(datetime, _write_moment, _read_datetime, exact=False),
    date: _textual(date, date.isoformat, date.fromisoformat),
    time: _textual(time, _write_moment, _read_time, exact=False),
    timedelta: _textual(timedelta, _write_duration, _read_duration),
    UUID: _textual(UUID, str, _read_uuid),
}
_LEAVES[None] = _LEAVES[type(None)]
for _path in (Path, PurePath, PurePosixPath, PureWindowsPath):
    # Path() makes a PosixPath or a WindowsPath: what a program on this system holds.
    _LEAVES[_path] = _textual(_path, lambda value: _text(str(value)), _path, taken=type(_path()))

_ALIASES: dict[Any, Any] = {Sequence: list, Mapping: dict, AbstractSet: set}


def _choice(name: str, choices: Iterable[Any]) -> _Shape:
    """Return the shape of an Enum or a Literal: a table, so that no value looks like another."""
    stored_as: dict[tuple[type, Any], Any] = {}
    read_as: dict[tuple[str, Any], Any] = {}
    for choice in choices:
        try:
            stored = _plain(choice.value if isinstance(choice, Enum) else choice)
        except _RefusedError as refusal:
            refusal.reason = f"{name} has the value {_shown(choice)}, which can't be stored"
            refusal.remedy = "Give it values that are text or numbers."
            raise
        if isinstance(stored, list | dict | set):
            raise _RefusedError(f"{name} has a value that is a container", choice)
        stored_as[type(choice), choice] = stored
        read_as[type_letter(stored), stored] = choice

    def encode(value: Any) -> Any:
        try:
            return stored_as[type(value), value]
        except (KeyError, TypeError):
            raise _RefusedError(f"expected {name}", value) from None

    def decode(stored: Any) -> Any:
        try:
            return read_as[type_letter(stored), stored]
        except (KeyError, TypeError):
            raise _RefusedError(f"it is no value of {name}", stored) from None

    letters = frozenset(letter for letter, _ in read_as)
    python_types = frozenset(cls for cls, _ in stored_as)
    return _Shape(name, encode, decode, python_types, letters, scalar=True, exact=True)


def _flag(cls: type[Flag]) -> _Shape:
    def decode(stored: Any) -> Flag:
        bits = _read_integer(stored)
        try:
            return cls(bits)
        except ValueError as error:
            raise _RefusedError(f"it is no value of {cls.__name__}", stored, cause=error) from None

    return _leaf(cls, "N", lambda value: _integer(value.value), decode)


def _listed(cls: Any, name: str, inner: _Shape) -> _Shape:
    """Return the shape of a list, set, frozenset or tuple of any length: L."""
    unordered = cls in (set, frozenset)

    def encode(value: Any) -> list[Any]:
        if type(value) is not cls:
            raise _expected(name, value)
        stored = _each(value, inner.encode)
        return _in_order(stored) if unordered else stored

    def decode(stored: Any) -> Any:
        if type(stored) is not list:
            raise _mistyped(f"{name} (L)", stored)
        values = _each(stored, inner.decode)
        return values if cls is list else cls(values)

    return _Shape(name, encode, decode, frozenset({cls}), frozenset("L"), inner.levels + 1)


def _in_order(stored: list[Any]) -> list[Any]:
    """Sort a set's members, so that equal sets are stored equally."""
    try:
        return sorted(stored)
    except TypeError:
        return sorted(stored, key=repr)


def _fixed_tuple(name: str, shapes: list[_Shape]) -> _Shape:
    def convert(values: Any, converters: list[_Convert]) -> list[Any]:
        if len(values) != len(shapes):
            raise _RefusedError(f"expected {name}, got {len(values)} members", values)
        remaining = iter(converters)
        return _each(values, lambda value: next(remaining)(value))

    encoders = [shape.encode for shape in shapes]
    decoders = [shape.decode for shape in shapes]

    def encode(value: Any) -> list[Any]:
        if type(value) is not tuple:
            raise _expected(name, value)
        return convert(value, encoders)

    def decode(stored: Any) -> Any:
        if type(stored) is not list:
            raise _mistyped(f"{name} (L)", stored)
        return tuple(convert(stored, decoders))

    levels = 1 + max((shape.levels for shape in shapes), default=0)
    return _Shape(name, encode, decode, frozenset({tuple}), frozenset("L"), levels)


def _mapped(name: str, keys: _Shape, values: _Shape) -> _Shape:
    """Return the shape of a dict: M, with the keys as text."""
    numeric = keys.letters == {"N"} and not keys.types & {float, Decimal}
    if not numeric and keys.letters != {"S"}:
        raise _RefusedError(f"keys of {name} must be stored as text or integers", name)

    def encode_key(key: Any) -> str:
        stored = keys.encode(key)
        return _key(str(int(stored)) if numeric else stored)

    def decode_key(stored: str) -> Any:
        return keys.decode(_read_integer_key(stored) if numeric else stored)

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _expected(name, value)
        return _each_entry(value, encode_key, values.encode)

    def decode(stored: Any) -> dict[Any, Any]:
        if type(stored) is not dict:
            raise _mistyped(f"{name} (M)", stored)
        return _each_entry(stored, decode_key, values.decode)

    return _Shape(name, encode, decode, frozenset({dict}), frozenset("M"), values.levels + 1)


def _read_integer_key(text: str) -> int:
    if re.fullmatch(r"0|-?[1-9]\d*", text, re.ASCII) is None:
        raise _RefusedError("expected a key that is an integer", text)
    return int(text)


# --- records: types with named fields --------------------------------------------------------


def _convert_fields(
    entries: Mapping[str, Any], converters: Mapping[str, _Convert], step: str
) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    name = ""
    try:
        for name, convert in converters.items():
            if name in entries:
                converted[name] = convert(entries[name])
    except _RefusedError as refusal:
        refusal.under(step.format(name), entries)
        raise
    return converted


def _keyed(name: str, cls: Any, fields: dict[str, _Shape], required: Iterable[str]) -> _Shape:
    """Return the shape of a TypedDict or a NamedTuple: M."""
    is_tuple = issubclass(cls, tuple)
    taken: Any = cls if is_tuple else dict
    step = ".{}" if is_tuple else "['{}']"
    needed = frozenset(required)
    encoders = {field_name: shape.encode for field_name, shape in fields.items()}
    decoders = {field_name: shape.decode for field_name, shape in fields.items()}

    def complete(entries: dict[str, Any]) -> dict[str, Any]:
        if missing := sorted(needed - entries.keys()):
            raise _RefusedError(f"{name} needs the field {missing[0]!r}", entries)
        return entries

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not taken:
            raise _expected(name, value)
        entries = complete(value._asdict() if is_tuple else value)
        stored = _convert_fields(entries, encoders, step)
        if len(stored) != len(entries):
            raise _RefusedError(f"it has keys that {name} does not declare", entries)
        return stored

    def decode(stored: Any) -> Any:
        if type(stored) is not dict:
            raise _mistyped(f"{name} (M)", stored)
        entries = _convert_fields(complete(stored), decoders, step)
        return cls(**entries) if is_tuple else entries

    return _Shape(name, encode, decode, frozenset({taken}), frozenset("M"), _levels_of(fields))


def _levels_of(fields: Mapping[str, _Shape]) -> int:
    return 1 + max((shape.levels for shape in fields.values()), default=0)


def _typeddict_required(cls: Any, hints: Mapping[str, Any]) -> list[str]:
    # __required_keys__ alone is wrong where the annotations are strings (PEP 563).
    return [
        name
        for name, hint in hints.items()
        if get_origin(hint) is Required
        or (get_origin(hint) is not NotRequired and name in cls.__required_keys__)
    ]


# --- the compiler ----------------------------------------------------------------------------


class _Compiler:
    """Makes the shapes of one declared type and of all that it contains."""

    def __init__(self) -> None:
        self._made: dict[Any, _Shape] = {}
        self._pending: set[Any] = set()
        self._converter: Any = None

    def shape(self, declared: Any) -> _Shape:
        """Return the shape of a type; raises _RefusedError where the type has none."""
        bare = _unwrapped(declared)
        origin, arguments = get_origin(bare), get_args(bare)
        if origin is Union or origin is types.UnionType:
            return self._union(arguments)
        if origin is Literal:
            return _choice(_type_name(bare), arguments)
        if origin is None and (bare is None or isinstance(bare, type)) and bare in _LEAVES:
            return _LEAVES[bare]
        cls = _ALIASES.get(origin or bare, origin or bare)
        if cls in (list, set, frozenset, tuple, dict):
            return self._container(bare, cls, arguments)
        if not isinstance(cls, type):
            raise _RefusedError(f"{_type_name(bare)} is not a type that can be stored", bare)
        if issubclass(cls, Flag):
            return _flag(cls)
        if issubclass(cls, Enum):
            return _choice(cls.__name__, cls)
        if not _is_record(cls):
            raise _RefusedError(
                f"{_type_name(bare)} can't be stored",
                bare,
                "Use an attrs class, a dataclass, a TypedDict or a built-in type in its place.",
            )
        return self._record(bare, cls)

    def check(self, shape: _Shape) -> _Check | None:
        """Return what makes sure, at send, that a payload of a shape made here comes back.

        Shapes alone are exact by construction; a class's validators, converters and ``__init__``
        are not. So where there are classes, what will be read must be stored the same again.
        """
        if shape.check is not None or not any(made.record for made in self._made.values()):
            return shape.check

        def check(value: Any, stored: Any) -> None:
            try:
                again = shape.encode(shape.decode(stored))
            except _RefusedError as refusal:
                refusal.reason = f"it could not be read back: {refusal.reason}"
                raise
            if not equal(again, stored):
                raise _different(shape.name, value)

        return check

    def _container(self, bare: Any, cls: type, arguments: tuple[Any, ...]) -> _Shape:
        if cls is dict:
            keys, values = map(self.shape, arguments or (str, Any))
            return _mapped(f"dict[{keys.name}, {values.name}]", keys, values)
        if cls is not tuple or (bare != tuple[()] and arguments[1:] in ((), (Ellipsis,))):
            inner = self.shape(arguments[0] if arguments else Any)
            ending = ", ..." if cls is tuple else ""
            return _listed(cls, f"{cls.__name__}[{inner.name}{ending}]", inner)
        shapes = [self.shape(argument) for argument in arguments]
        return _fixed_tuple(f"tuple[{', '.join(shape.name for shape in shapes)}]", shapes)

    # --- unions

    def _union(self, members: tuple[Any, ...]) -> _Shape:
        shapes = [self.shape(member) for member in members]
        if any(shape is _PLAIN for shape in shapes):
            return _PLAIN
        name = " | ".join(shape.name for shape in shapes)
        by_type = {cls: shape for shape in shapes for cls in shape.types}
        if len(by_type) != sum(len(shape.types) for shape in shapes):
            raise _ambiguous(name, "two of its members take the same Python type")
        records = {shape.record: shape for shape in shapes if shape.record}
        others = [shape for shape in shapes if not shape.record]
        by_letter = {letter: shape.decode for shape in others for letter in shape.letters}
        if len(by_letter) != sum(len(shape.letters) for shape in others):
            raise _ambiguous(name, "two of its members are stored as the same DynamoDB type")
        if records and "M" in by_letter:
            raise _ambiguous(name, "a class and a dict are both stored as M")
        if records:
            by_letter["M"] = self._told_apart(name, records)

        def encode(value: Any) -> Any:
            shape = by_type.get(type(value))
            if shape is None:
                raise _expected(name, value)
            return shape.encode(value)

        def decode(stored: Any) -> Any:
            read = by_letter.get(type_letter(stored))
            if read is None:
                raise _mistyped(name, stored)
            return read(stored)

        return _Shape(
            name,
            encode,
            decode,
            frozenset(by_type),
            frozenset(by_letter),
            max(shape.levels for shape in shapes),
            scalar=all(shape.scalar for shape in shapes),
            exact=all(shape.exact for shape in shapes),
        )

    def _told_apart(self, name: str, records: Mapping[type, _Shape]) -> _Convert:
        """Return what reads one of several classes, by cattrs' rules for telling them apart."""
        if len(records) == 1:
            return next(iter(records.values())).decode
        from cattrs.disambiguators import create_default_dis_func

        try:
            class_of = create_default_dis_func(self._cattrs(), *records)
        except TypeError as error:
            raise _ambiguous(name, "no required field tells its classes apart") from error

        def decode(stored: Any) -> Any:
            try:
                shape = records[cast("type", class_of(stored))]
            except (ValueError, KeyError, TypeError) as error:
                raise _RefusedError(f"it can't be told which of {name} it is", stored) from error
            return shape.decode(stored)

        return decode

    # --- records

    def _record(self, key: Any, cls: type) -> _Shape:
        if key in self._made:
            return self._made[key]
        keyed = issubclass(cls, dict | tuple)
        if key in self._pending:
            # A recursive type: what it refers to is there by the time that a value arrives.
            return _Shape(
                cls.__name__,
                lambda value: self._made[key].encode(value),
                lambda stored: self._made[key].decode(stored),
                frozenset({dict if issubclass(cls, dict) else cls}),
                frozenset("M"),
                _ANY_DEPTH,
                record=None if keyed else cls,
            )
        self._pending.add(key)
        hints = get_type_hints(cls, include_extras=True)
        if not keyed:
            made = self._class(key, cls, hints)
        elif issubclass(cls, tuple):
            hints = {name: hints.get(name, Any) for name in cls._fields}  # type: ignore[attr-defined] # a NamedTuple
            required = hints.keys() - cls._field_defaults.keys()  # type: ignore[attr-defined] # likewise
            made = _keyed(cls.__name__, cls, self._fields(key, cls, hints), required)
        else:
            required_keys = _typeddict_required(cls, hints)
            made = _keyed(cls.__name__, cls, self._fields(key, cls, hints), required_keys)
        self._pending.discard(key)
        self._made[key] = made
        return made

    def _fields(self, declared: Any, cls: type, hints: Mapping[str, Any]) -> dict[str, _Shape]:
        shapes = {}
        bindings = _type_arguments(declared)
        for name, hint in hints.items():
            try:
                shapes[_key(name)] = self.shape(_bound(hint, bindings))
            except _RefusedError as refusal:
                refusal.reason = f"{cls.__name__}.{name}: {refusal.reason}"
                raise
        return shapes

    def _class(self, declared: Any, cls: type, hints: Mapping[str, Any]) -> _Shape:
        """Return the shape of an attrs class or a dataclass, with code that cattrs generates."""
        from cattrs import ClassValidationError
        from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

        if attrs.has(cls):
            attrs.resolve_types(cls)
            declared_types = {each.name: each.type or Any for each in attrs.fields(cls)}
        else:
            declared_types = {each.name: each.type for each in dataclasses.fields(cls)}
        hints = {name: hints.get(name, default) for name, default in declared_types.items()}
        shapes = self._fields(declared, cls, hints)
        hooks: dict[str, Any] = {
            name: override(
                unstruct_hook=_stepping(f".{name}", shape.encode), struct_hook=_hook(shape.decode)
            )
            for name, shape in shapes.items()
        }
        converter = self._cattrs()
        # cattrs takes the hooks as keywords: fields named as its own parameters go by their types.
        for name in hooks.keys() & {"cl", "converter"}:
            del hooks[name]
            self._register(_unwrapped(_bound(hints[name], _type_arguments(declared))))
        structure = make_dict_structure_fn(declared, converter, **hooks)
        unstructure = make_dict_unstructure_fn(
            declared, converter, _cattrs_include_init_false=True, **hooks
        )
        name = cls.__name__

        def encode(value: Any) -> Any:
            if type(value) is not cls:
                raise _expected(name, value)
            try:
                return unstructure(value)
            except AttributeError as error:
                raise _RefusedError("an attribute is missing", value, cause=error) from None

        def decode(stored: Any) -> Any:
            if type(stored) is not dict:
                raise _mistyped(f"{name} (M)", stored)
            try:
                return structure(stored, cls)
            except ClassValidationError as group:
                raise _class_refusal(name, stored, group) from None

        return _Shape(
            name,
            encode,
            decode,
            frozenset({cls}),
            frozenset("M"),
            _levels_of(shapes),
            record=cls,
            check=_class_check(cls, shapes),
        )

    def _cattrs(self) -> Any:
        """Return a converter that knows our shapes and none of cattrs' coercing hooks.

        It is imported and made only when a class is declared: importing DynamoMQ stays light.
        """
        if self._converter is None:
            from cattrs import Converter

            self._converter = converter = Converter(forbid_extra_keys=False)
            converter.register_structure_hook_factory(
                lambda _: True, lambda declared: _hook(self.shape(declared).decode)
            )
            converter.register_unstructure_hook_factory(
                lambda _: True, lambda declared: self.shape(declared).encode
            )
        return self._converter

    def _register(self, declared: Any) -> None:
        """Replace cattrs' hook for a class, which it would ask before any factory."""
        if isinstance(declared, type):
            shape = self.shape(declared)
            self._converter.register_structure_hook(declared, _hook(shape.decode))
            self._converter.register_unstructure_hook(declared, shape.encode)


def _unwrapped(declared: Any) -> Any:
    """Return the type behind Annotated, NewType, Final, Required and ``type`` aliases."""
    while True:
        if hasattr(declared, "__metadata__"):
            declared = declared.__origin__
        elif hasattr(declared, "__supertype__"):
            declared = declared.__supertype__
        elif type(declared).__name__ == "TypeAliasType":
            declared = declared.__value__
        elif get_origin(declared) in (Final, Required, NotRequired):
            declared = get_args(declared)[0]
        else:
            return declared


def _is_record(cls: type) -> bool:
    named_tuple = issubclass(cls, tuple) and hasattr(cls, "_field_defaults")
    typed_dict = issubclass(cls, dict) and hasattr(cls, "__required_keys__")
    return named_tuple or typed_dict or attrs.has(cls) or dataclasses.is_dataclass(cls)


def _type_arguments(declared: Any) -> dict[Any, Any]:
    """Return what each type variable of a generic class, and of its bases, stands for."""
    origin = get_origin(declared) or declared
    own = dict(zip(getattr(origin, "__parameters__", ()), get_args(declared), strict=False))
    inherited = {
        variable: _bound(argument, own)
        for base in getattr(origin, "__orig_bases__", ())
        for variable, argument in _type_arguments(base).items()
    }
    return inherited | own


def _bound(hint: Any, bindings: Mapping[Any, Any]) -> Any:
    """Put the types that type variables stand for into an annotation."""
    if isinstance(hint, TypeVar):
        return bindings.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    if not variables or get_origin(hint) is None:
        return hint
    return hint[tuple(bindings.get(variable, variable) for variable in variables)]


def _class_check(cls: Any, shapes: Mapping[str, _Shape]) -> _Check:
    """Return the check of a class, by its fields: far cheaper than a second round for all of them.

    The instance is made once more from what will be read. A scalar that the new instance took over
    as it is needs no second look; whatever is mutable is a copy, so that the class's code never
    touches the sender's own objects.
    """
    fields = attrs.fields(cls) if attrs.has(cls) else dataclasses.fields(cls)
    aliases = {each.name: getattr(each, "alias", each.name) for each in fields if each.init}
    taken = [
        (name, alias, None if shapes[name].exact else _stepping(f".{name}", shapes[name].decode))
        for name, alias in aliases.items()
    ]
    compared = [
        (name, aliases.get(name), shape.encode, shape.scalar and name in aliases)
        for name, shape in shapes.items()
    ]

    def check(value: Any, stored: Any) -> None:
        arguments = {}
        for name, alias, decode in taken:
            arguments[alias] = getattr(value, name) if decode is None else decode(stored[name])
        try:
            again = cls(**arguments)
        except Exception as error:  # noqa: BLE001 - whatever the user's class raises is its refusal
            raise _class_error(cls.__name__, value, error) from None
        for name, alias, encode, scalar in compared:
            other = getattr(again, name)
            if scalar and other is arguments[alias]:
                continue
            if not equal(encode(other), stored[name]):
                refusal = _different(cls.__name__, getattr(value, name))
                refusal.steps.append(f".{name}")
                raise refusal

    return check


def _different(name: str, value: object) -> _RefusedError:
    return _RefusedError(
        f"{name} would bring it back different",
        value,
        "A field that a converter or __init__ sets must follow from the others.",
    )


def _class_error(name: str, value: object, error: Exception, more: str = "") -> _RefusedError:
    text = f"{type(error).__name__}: {shorten(str(error))}"
    return _RefusedError(f"{name} does not take it ({text}){more}", value, cause=error)


def _hook(decode: _Convert) -> Callable[[Any, Any], Any]:
    return lambda stored, _: decode(stored)


def _stepping(step: str, encode: _Convert) -> _Convert:
    def stepping(value: Any) -> Any:
        try:
            return encode(value)
        except _RefusedError as refusal:
            refusal.steps.append(step)
            raise

    return stepping


def _ambiguous(name: str, reason: str) -> _RefusedError:
    return _RefusedError(
        f"the union {name} is ambiguous: {reason}",
        name,
        "Wrap its members in classes that a required field, or a Literal, tells apart.",
    )


def _class_refusal(name: str, stored: object, group: Any) -> _RefusedError:
    """Return the first of cattrs' errors as a refusal."""
    noted, bare = group.group_exceptions()
    more = f" (and {len(noted) + len(bare) - 1} more)" if len(noted) + len(bare) > 1 else ""
    if not noted:
        return _class_error(name, stored, bare[0], more)
    error, note = noted[0]
    if not isinstance(error, _RefusedError):
        return _RefusedError(f"{name} needs the field {note.name!r}{more}", stored, cause=error)
    # A new one: cattrs keeps its own record of the path in notes on the exception itself.
    refusal = _RefusedError(f"{error.reason}{more}", error.value, error.remedy, error.cause)
    refusal.steps = [*error.steps, f".{note.name}"]
    return refusal

"""Shapes: how values of one type are stored; the shapes of containers, Enums and keyed records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import (
    Any,
    NotRequired,
    Required,
    TypeAlias,
    get_origin,
)

from attrs import frozen

from dynamomq.errors import shorten
from dynamomq.payload.plain import (
    Convert,
    checked_key,
    convert_each,
    convert_entries,
    read_plain,
    store_plain,
)
from dynamomq.payload.refusals import (
    MAX_LEVELS,
    RefusedError,
    expected,
    mistyped,
)
from dynamomq.values import type_letter

Check: TypeAlias = Callable[[Any, Any], None]


@frozen
class Shape:
    """How values of one declared type are stored."""

    name: str
    encode: Convert
    decode: Convert
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
    check: Check | None = None
    """What refuses an instance of that class, given its stored form, that would not come back."""


JSON_LIKE = Shape(
    "JSON-like data", store_plain, read_plain, frozenset(), frozenset(), levels=MAX_LEVELS
)


def choice_shape(name: str, choices: Iterable[Any]) -> Shape:
    """Return the shape of an Enum or a Literal: a table, so that no value looks like another."""
    stored_as: dict[tuple[type, Any], Any] = {}
    read_as: dict[tuple[str, Any], Any] = {}
    for choice in choices:
        try:
            stored = store_plain(choice.value if isinstance(choice, Enum) else choice)
        except RefusedError as refusal:
            refusal.reason = f"{name} has the value {shorten(choice)}, which can't be stored"
            refusal.remedy = "Give it values that are text or numbers."
            raise
        if isinstance(stored, list | dict | set):
            raise RefusedError(f"{name} has a value that is a container", choice)
        stored_as[type(choice), choice] = stored
        read_as[type_letter(stored), stored] = choice

    def encode(value: Any) -> Any:
        try:
            return stored_as[type(value), value]
        except (KeyError, TypeError):
            raise RefusedError(f"expected {name}", value) from None

    def decode(stored: Any) -> Any:
        try:
            return read_as[type_letter(stored), stored]
        except (KeyError, TypeError):
            raise RefusedError(f"it is no value of {name}", stored) from None

    letters = frozenset(letter for letter, _ in read_as)
    python_types = frozenset(cls for cls, _ in stored_as)
    return Shape(name, encode, decode, python_types, letters, scalar=True, exact=True)


def list_shape(cls: Any, name: str, inner: Shape) -> Shape:
    """Return the shape of a list, set, frozenset or tuple of any length: L."""
    unordered = cls in (set, frozenset)

    def encode(value: Any) -> list[Any]:
        if type(value) is not cls:
            raise expected(name, value)
        stored = convert_each(value, inner.encode)
        return _in_order(stored) if unordered else stored

    def decode(stored: Any) -> Any:
        if type(stored) is not list:
            raise mistyped(f"{name} (L)", stored)
        values = convert_each(stored, inner.decode)
        return values if cls is list else cls(values)

    return Shape(name, encode, decode, frozenset({cls}), frozenset("L"), inner.levels + 1)


def _in_order(stored: list[Any]) -> list[Any]:
    """Sort a set's members, so that equal sets are stored equally."""
    try:
        return sorted(stored)
    except TypeError:
        return sorted(stored, key=repr)


def tuple_shape(name: str, shapes: list[Shape]) -> Shape:
    """Return the shape of a tuple with a type for each member: L."""

    def convert(values: Any, converters: list[Convert]) -> list[Any]:
        if len(values) != len(shapes):
            raise RefusedError(f"expected {name}, got {len(values)} members", values)
        remaining = iter(converters)
        return convert_each(values, lambda value: next(remaining)(value))

    encoders = [shape.encode for shape in shapes]
    decoders = [shape.decode for shape in shapes]

    def encode(value: Any) -> list[Any]:
        if type(value) is not tuple:
            raise expected(name, value)
        return convert(value, encoders)

    def decode(stored: Any) -> Any:
        if type(stored) is not list:
            raise mistyped(f"{name} (L)", stored)
        return tuple(convert(stored, decoders))

    levels = 1 + max((shape.levels for shape in shapes), default=0)
    return Shape(name, encode, decode, frozenset({tuple}), frozenset("L"), levels)


def dict_shape(name: str, keys: Shape, values: Shape) -> Shape:
    """Return the shape of a dict: M, with the keys as text."""
    numeric = keys.letters == {"N"} and not keys.types & {float, Decimal}
    if not numeric and keys.letters != {"S"}:
        raise RefusedError(f"keys of {name} must be stored as text or integers", name)

    def encode_key(key: Any) -> str:
        stored = keys.encode(key)
        return checked_key(str(int(stored)) if numeric else stored)

    def decode_key(stored: str) -> Any:
        return keys.decode(_read_integer_key(stored) if numeric else stored)

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise expected(name, value)
        return convert_entries(value, encode_key, values.encode)

    def decode(stored: Any) -> dict[Any, Any]:
        if type(stored) is not dict:
            raise mistyped(f"{name} (M)", stored)
        return convert_entries(stored, decode_key, values.decode)

    return Shape(name, encode, decode, frozenset({dict}), frozenset("M"), values.levels + 1)


def _read_integer_key(text: str) -> int:
    if re.fullmatch(r"0|-?[1-9]\d*", text, re.ASCII) is None:
        raise RefusedError("expected a key that is an integer", text)
    return int(text)


def _convert_fields(
    entries: Mapping[str, Any], converters: Mapping[str, Convert], step: str
) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    name = ""
    try:
        for name, convert in converters.items():
            if name in entries:
                converted[name] = convert(entries[name])
    except RefusedError as refusal:
        refusal.under(step.format(name), entries)
        raise
    return converted


def keyed_shape(name: str, cls: Any, fields: dict[str, Shape], required: Iterable[str]) -> Shape:
    """Return the shape of a TypedDict or a NamedTuple: M."""
    is_tuple = issubclass(cls, tuple)
    taken: Any = cls if is_tuple else dict
    step = ".{}" if is_tuple else "['{}']"
    needed = frozenset(required)
    encoders = {field_name: shape.encode for field_name, shape in fields.items()}
    decoders = {field_name: shape.decode for field_name, shape in fields.items()}

    def complete(entries: dict[str, Any]) -> dict[str, Any]:
        if missing := sorted(needed - entries.keys()):
            raise RefusedError(f"{name} needs the field {missing[0]!r}", entries)
        return entries

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not taken:
            raise expected(name, value)
        entries = complete(value._asdict() if is_tuple else value)
        stored = _convert_fields(entries, encoders, step)
        if len(stored) != len(entries):
            raise RefusedError(f"it has keys that {name} does not declare", entries)
        return stored

    def decode(stored: Any) -> Any:
        if type(stored) is not dict:
            raise mistyped(f"{name} (M)", stored)
        entries = _convert_fields(complete(stored), decoders, step)
        return cls(**entries) if is_tuple else entries

    return Shape(name, encode, decode, frozenset({taken}), frozenset("M"), levels_of(fields))


def levels_of(fields: Mapping[str, Shape]) -> int:
    """Return the levels of a record with these fields."""
    return 1 + max((shape.levels for shape in fields.values()), default=0)


def typeddict_required(cls: Any, hints: Mapping[str, Any]) -> list[str]:
    """Return the names of a TypedDict's required keys."""
    # __required_keys__ alone is wrong where the annotations are strings (PEP 563).
    return [
        name
        for name, hint in hints.items()
        if get_origin(hint) is Required
        or (get_origin(hint) is not NotRequired and name in cls.__required_keys__)
    ]

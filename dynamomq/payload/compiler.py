"""From a declared type to its shape."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, Flag
from typing import (
    Any,
    Final,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs

from dynamomq.payload.plain import (
    Convert,
    checked_key,
)
from dynamomq.payload.refusals import (
    RefusedError,
    expected,
    mistyped,
    type_name,
)
from dynamomq.payload.scalars import LEAVES, flag_shape
from dynamomq.payload.shapes import (
    JSON_LIKE,
    Check,
    Shape,
    choice_shape,
    dict_shape,
    keyed_shape,
    levels_of,
    list_shape,
    tuple_shape,
    typeddict_required,
)
from dynamomq.values import equal, type_letter

_ANY_DEPTH = 1_000_000


_ALIASES: dict[Any, Any] = {Sequence: list, Mapping: dict, AbstractSet: set}


class Compiler:
    """Makes the shapes of one declared type and of all that it contains."""

    def __init__(self) -> None:
        self._made: dict[Any, Shape] = {}
        self._pending: set[Any] = set()
        self._converter: Any = None

    def shape(self, declared: Any) -> Shape:
        """Return the shape of a type; raises RefusedError where the type has none."""
        bare = _unwrapped(declared)
        origin, arguments = get_origin(bare), get_args(bare)
        if origin is Union or origin is types.UnionType:
            return self._union(arguments)
        if origin is Literal:
            return choice_shape(type_name(bare), arguments)
        if origin is None and (bare is None or isinstance(bare, type)) and bare in LEAVES:
            return LEAVES[bare]
        cls = _ALIASES.get(origin or bare, origin or bare)
        if cls in (list, set, frozenset, tuple, dict):
            return self._container(bare, cls, arguments)
        if not isinstance(cls, type):
            raise RefusedError(f"{type_name(bare)} is not a type that can be stored", bare)
        if issubclass(cls, Flag):
            return flag_shape(cls)
        if issubclass(cls, Enum):
            return choice_shape(cls.__name__, cls)
        if not _is_record(cls):
            raise RefusedError(
                f"{type_name(bare)} can't be stored",
                bare,
                "Use an attrs class, a dataclass, a TypedDict or a built-in type in its place.",
            )
        return self._record(bare, cls)

    def check(self, shape: Shape) -> Check | None:
        """Return what makes sure, at send, that a payload of a shape made here comes back.

        Shapes alone are exact by construction; a class's validators, converters and ``__init__``
        are not. So where there are classes, what will be read must be stored the same again.
        """
        if shape.check is not None or not any(made.record for made in self._made.values()):
            return shape.check

        def check(value: Any, stored: Any) -> None:
            try:
                again = shape.encode(shape.decode(stored))
            except RefusedError as refusal:
                refusal.reason = f"it could not be read back: {refusal.reason}"
                raise
            if not equal(again, stored):
                raise _different(shape.name, value)

        return check

    def _container(self, bare: Any, cls: type, arguments: tuple[Any, ...]) -> Shape:
        if cls is dict:
            keys, values = map(self.shape, arguments or (str, Any))
            return dict_shape(f"dict[{keys.name}, {values.name}]", keys, values)
        if cls is not tuple or (bare != tuple[()] and arguments[1:] in ((), (Ellipsis,))):
            inner = self.shape(arguments[0] if arguments else Any)
            ending = ", ..." if cls is tuple else ""
            return list_shape(cls, f"{cls.__name__}[{inner.name}{ending}]", inner)
        shapes = [self.shape(argument) for argument in arguments]
        return tuple_shape(f"tuple[{', '.join(shape.name for shape in shapes)}]", shapes)

    # --- unions

    def _union(self, members: tuple[Any, ...]) -> Shape:
        shapes = [self.shape(member) for member in members]
        if any(shape is JSON_LIKE for shape in shapes):
            return JSON_LIKE
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
                raise expected(name, value)
            return shape.encode(value)

        def decode(stored: Any) -> Any:
            read = by_letter.get(type_letter(stored))
            if read is None:
                raise mistyped(name, stored)
            return read(stored)

        return Shape(
            name,
            encode,
            decode,
            frozenset(by_type),
            frozenset(by_letter),
            max(shape.levels for shape in shapes),
            scalar=all(shape.scalar for shape in shapes),
            exact=all(shape.exact for shape in shapes),
        )

    def _told_apart(self, name: str, records: Mapping[type, Shape]) -> Convert:
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
                raise RefusedError(f"it can't be told which of {name} it is", stored) from error
            return shape.decode(stored)

        return decode

    # --- records

    def _record(self, key: Any, cls: type) -> Shape:
        if key in self._made:
            return self._made[key]
        keyed = issubclass(cls, dict | tuple)
        if key in self._pending:
            # A recursive type: what it refers to is there by the time that a value arrives.
            return Shape(
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
            made = keyed_shape(cls.__name__, cls, self._fields(key, cls, hints), required)
        else:
            required_keys = typeddict_required(cls, hints)
            made = keyed_shape(cls.__name__, cls, self._fields(key, cls, hints), required_keys)
        self._pending.discard(key)
        self._made[key] = made
        return made

    def _fields(self, declared: Any, cls: type, hints: Mapping[str, Any]) -> dict[str, Shape]:
        shapes = {}
        bindings = _type_arguments(declared)
        for name, hint in hints.items():
            try:
                shapes[checked_key(name)] = self.shape(_bound(hint, bindings))
            except RefusedError as refusal:
                refusal.reason = f"{cls.__name__}.{name}: {refusal.reason}"
                raise
        return shapes

    def _class(self, declared: Any, cls: type, hints: Mapping[str, Any]) -> Shape:
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
                raise expected(name, value)
            try:
                return unstructure(value)
            except AttributeError as error:
                raise RefusedError("an attribute is missing", value, cause=error) from None

        def decode(stored: Any) -> Any:
            if type(stored) is not dict:
                raise mistyped(f"{name} (M)", stored)
            try:
                return structure(stored, cls)
            except ClassValidationError as group:
                raise _class_refusal(name, stored, group) from None

        return Shape(
            name,
            encode,
            decode,
            frozenset({cls}),
            frozenset("M"),
            levels_of(shapes),
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


def _class_check(cls: Any, shapes: Mapping[str, Shape]) -> Check:
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


def _different(name: str, value: object) -> RefusedError:
    return RefusedError(
        f"{name} would bring it back different",
        value,
        "A field that a converter or __init__ sets must follow from the others.",
    )


def _class_error(name: str, value: object, error: Exception, more: str = "") -> RefusedError:
    # Not the error's text, which may quote the payload: it is chained.
    return RefusedError(f"{name} raises {type(error).__name__}{more}", value, cause=error)


def _hook(decode: Convert) -> Callable[[Any, Any], Any]:
    return lambda stored, _: decode(stored)


def _stepping(step: str, encode: Convert) -> Convert:
    def stepping(value: Any) -> Any:
        try:
            return encode(value)
        except RefusedError as refusal:
            refusal.steps.append(step)
            raise

    return stepping


def _ambiguous(name: str, reason: str) -> RefusedError:
    return RefusedError(
        f"the union {name} is ambiguous: {reason}",
        name,
        "Wrap its members in classes that a required field, or a Literal, tells apart.",
    )


def _class_refusal(name: str, stored: object, group: Any) -> RefusedError:
    """Return the first of cattrs' errors as a refusal."""
    noted, bare = group.group_exceptions()
    more = f" (and {len(noted) + len(bare) - 1} more)" if len(noted) + len(bare) > 1 else ""
    if not noted:
        return _class_error(name, stored, bare[0], more)
    error, note = noted[0]
    if not isinstance(error, RefusedError):
        return RefusedError(f"{name} needs the field {note.name!r}{more}", stored, cause=error)
    # A new one: cattrs keeps its own record of the path in notes on the exception itself.
    refusal = RefusedError(f"{error.reason}{more}", error.value, error.remedy, error.cause)
    refusal.steps = [*error.steps, f".{note.name}"]
    return refusal

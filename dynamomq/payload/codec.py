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

from typing import Any, Generic, TypeVar, cast, overload

from attrs import field, frozen

from dynamomq.errors import InvalidArgumentError, PayloadError
from dynamomq.payload.compiler import Compiler
from dynamomq.payload.plain import check_levels
from dynamomq.payload.refusals import MAX_LEVELS, RefusedError, is_type, too_deep, type_name
from dynamomq.payload.shapes import JSON_LIKE, Check, Shape
from dynamomq.values import Value

T = TypeVar("T")


@frozen
class Codec(Generic[T]):
    """Translates payloads of one type; made by :func:`codec_for`, safe to share among threads."""

    name: str
    """The declared type, as messages show it."""
    _declared: object = field(repr=False)
    _shape: Shape = field(repr=False)
    _check: Check | None = field(repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled and copied as the declared type, with the messages that have this codec."""
        return codec_for, (self._declared,)

    def encode(self, payload: T) -> Value:
        """Return the stored form of a payload; the payload's own containers are never shared.

        Raises:
            PayloadError: the payload is not of the declared type, or would not come back equal.
        """
        try:
            stored: Value = self._shape.encode(payload)
            if self._shape.levels > MAX_LEVELS:
                check_levels(stored)
            if self._check is not None:
                self._check(payload, stored)
        except RefusedError as refusal:
            raise refusal.error("The payload can't be stored") from refusal.cause
        except RecursionError:
            raise too_deep(payload).error("The payload can't be stored") from None
        return stored

    def decode(self, value: Value) -> T:
        """Return the payload that a stored value stands for.

        Raises:
            PayloadError: the value is not the stored form of a payload of the declared type.
        """
        try:
            return cast("T", self._shape.decode(value))
        except RefusedError as refusal:
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
        InvalidArgumentError: it is no type.
        PayloadError: the type, or a type in it, can't be stored so that it comes back.
    """
    if payload_type is None:
        return Codec(name="JSON-like data", declared=None, shape=JSON_LIKE, check=None)
    if not is_type(payload_type):
        raise InvalidArgumentError(
            "payload",
            type(payload_type).__name__,  # not the value: it may be a payload
            "it is a value, and the type of the payloads is wanted",
            remedy="Pass a class, or a type such as dict[str, int]; payloads go to send().",
        )
    name = type_name(payload_type)
    try:
        compiler = Compiler()
        shape = compiler.shape(payload_type)
        check = compiler.check(shape)
        return Codec(name=name, declared=payload_type, shape=shape, check=check)
    except RefusedError as refusal:
        raise PayloadError(
            f"payload={name} can't be used: {refusal.reason}.", remedy=refusal.remedy
        ) from refusal.cause
    except (NameError, RecursionError) as error:
        raise PayloadError(
            f"payload={name} can't be used: its annotations can't be resolved "
            f"({type(error).__name__}).",
            remedy="Define the types that it names at module level, and recursive ones as classes.",
        ) from error

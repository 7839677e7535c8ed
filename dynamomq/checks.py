"""Arguments from outside, checked once: each bad one gets an error that names it and says why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import QueueType
from dynamomq.timestamps import SECOND, instant_of
from dynamomq.values import MAX_KEY_BYTES

F = TypeVar("F")
T = TypeVar("T")

Duration: TypeAlias = float | timedelta
"""Seconds, or a ``timedelta``."""

RESERVED_PREFIX = "$"
"""How the ids of the table's other items begin."""

GROUP_PREFIX = "$group#"
"""How the id of the item begins that knows a group's last message."""

MAX_VISIBILITY_TIMEOUT = timedelta(days=7)
MAX_DELAY = timedelta(days=36_525)
MAX_WAIT = timedelta(days=1)
_SHORTEST = timedelta(milliseconds=1)
_FASTEST = 1_000_000  # messages a second, which nobody will reach
_MAX_NAME_BYTES = 65_535  # of a name in a map
_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_HEADER_REMEDIES = {
    type(None): "Leave this header out.",
    bytes: "Decode it, or put it into the payload.",
}


def check_duration(argument: str, value: Duration, *, at_most: timedelta, zero: bool = True) -> int:
    """Return a duration in nanoseconds.

    Args:
        argument: the parameter's name, for the error.
        value: seconds or a ``timedelta``.
        at_most: the longest that is allowed.
        zero: whether 0 is allowed; if not, at least a millisecond is needed.

    Raises:
        InvalidArgumentError: not a duration, negative, too short or too long.
    """
    if isinstance(value, timedelta):
        seconds: float = value / timedelta(seconds=1)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgumentError(
            argument, value, "not a duration", remedy="Pass seconds, or a timedelta."
        )
    else:
        seconds = value
    shortest = 0.0 if zero else _SHORTEST / timedelta(seconds=1)
    longest = at_most / timedelta(seconds=1)
    if not shortest <= seconds <= longest:  # so neither is NaN
        raise InvalidArgumentError(
            argument,
            value,
            f"a duration from {shortest:g} s to {longest:,.0f} s is needed",
            remedy="Durations are seconds, or a timedelta.",
        )
    return round(seconds * SECOND)


def check_flag(argument: str, value: object) -> bool:
    """Return a choice between yes and no; what is neither may have been meant for either.

    Raises:
        InvalidArgumentError: it is neither True nor False.
    """
    if not isinstance(value, bool):
        raise InvalidArgumentError(
            argument, value, "it is neither True nor False", remedy="Pass one of them."
        )
    return value


def check_several(argument: str, values: Iterable[T], *, of: str) -> list[T]:
    """Return several things as a list, made before anything is sent.

    Args:
        argument: the parameter's name, for the error.
        values: what was passed; what it raises when it is gone through is passed on.
        of: what they should be, such as ``payloads``.

    Raises:
        InvalidArgumentError: it is one thing, and not several.
    """
    if isinstance(values, str | bytes | bytearray | Mapping) or not isinstance(values, Iterable):
        raise InvalidArgumentError(
            argument,
            type(values).__name__,  # not the value: it may be a payload
            f"these are not several {of}",
            remedy=f"Pass a list of {of}, or another iterable.",
        )
    return [*values]


def check_id(id: object, *, argument: str = "id", fresh: bool = False) -> str:
    """Return a message id that a caller chose.

    Args:
        id: what was passed.
        argument: the parameter's name, for the error.
        fresh: whether a message gets an id of its own where none is given.

    Raises:
        InvalidArgumentError: not text, empty, reserved, or longer than a key may be.
    """
    or_not = ", or leave it out to get a fresh one" if fresh else ""
    if not isinstance(id, str):
        raise InvalidArgumentError(argument, id, "an id is text", remedy=f"Pass a str{or_not}.")
    if not id:
        raise InvalidArgumentError(
            argument, id, "an id can't be empty", remedy=f"Pass a message's id{or_not}."
        )
    if id.startswith(RESERVED_PREFIX):
        raise InvalidArgumentError(
            argument,
            id,
            f"ids that begin with {RESERVED_PREFIX!r} are reserved",
            remedy="Put something before it.",
        )
    try:
        size = len(id.encode())
    except UnicodeEncodeError:
        raise _not_unicode(argument, id) from None
    if size > MAX_KEY_BYTES:
        raise InvalidArgumentError(
            argument,
            id,
            f"it has {size:,} bytes, and a key may have {MAX_KEY_BYTES:,}",
            remedy="Hash it, for example with SHA-256.",
        )
    return id


def check_group(group: object) -> str:
    """Return the name of a message group.

    Raises:
        InvalidArgumentError: not text, empty, reserved, or so long that its item's key is too long.
    """
    if not isinstance(group, str) or not group:
        raise InvalidArgumentError(
            "group", group, "a group's name is text, and not empty", remedy="Leave it out for none."
        )
    check_id(group, argument="group")
    most = MAX_KEY_BYTES - len(GROUP_PREFIX)
    if len(group.encode()) > most:
        raise InvalidArgumentError(
            "group",
            group,
            f"it has {len(group.encode()):,} bytes, and a group's name may have {most:,}",
            remedy="Hash it, for example with SHA-256.",
        )
    return group


def check_due(due_at: object, *, argument: str = "due_at") -> int:
    """Return an absolute due time in nanoseconds since the epoch.

    Raises:
        InvalidArgumentError: not a ``datetime`` with a time zone.
    """
    if not isinstance(due_at, datetime):
        raise InvalidArgumentError(
            argument, due_at, "it is no datetime", remedy="Or pass delay, in seconds."
        )
    if due_at.tzinfo is None or due_at.utcoffset() is None:
        raise InvalidArgumentError(
            argument,
            due_at,
            "it has no time zone, so it names no moment",
            remedy="Pass an aware datetime, such as datetime.now(UTC) + timedelta(hours=1).",
        )
    try:
        return instant_of(due_at)
    except OverflowError:
        raise InvalidArgumentError(
            argument, due_at, "it is not in the years 1 to 9999", remedy="Pass another one."
        ) from None


def check_count(argument: str, value: object, *, at_least: int, at_most: int) -> int:
    """Return a whole number within bounds.

    Raises:
        InvalidArgumentError: not a whole number, or out of bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
        raise InvalidArgumentError(
            argument,
            value,
            f"a whole number from {at_least:,} to {at_most:,} is needed",
            remedy="Pass an int within these bounds.",
        )
    return value


def check_rate(rate: object) -> float:
    """Return a number of messages per second.

    Raises:
        InvalidArgumentError: no number, or not above 0.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= _FASTEST:
        raise InvalidArgumentError(
            "rate",
            rate,
            f"a number of messages per second is needed, above 0 and up to {_FASTEST:,}",
            remedy="Leave it out to go as fast as possible.",
        )
    return rate


def check_callable(argument: str, function: F, *, needed: bool = False) -> F:
    """Return a function that is to be called, or ``None`` unless it is needed.

    Raises:
        InvalidArgumentError: it can't be called.
    """
    if not callable(function) and (needed or function is not None):
        raise InvalidArgumentError(
            argument,
            type(function).__name__,
            "it can't be called",
            remedy="Pass a function." if needed else "Pass a function, or leave it out.",
        )
    return function


def check_reason(argument: str, reason: object) -> None:
    """Refuse what can't be the reason of a failure.

    Raises:
        InvalidArgumentError: neither an exception nor text, nor ``None``.
    """
    if reason is not None and not isinstance(reason, BaseException | str):
        raise InvalidArgumentError(
            argument,
            reason,
            "it is neither an exception nor a text",
            remedy="Pass the exception that was raised, or a sentence.",
        )


def check_headers(headers: object) -> dict[str, str] | None:
    """Return headers as a dictionary of its own; ``None`` where there are none.

    Raises:
        InvalidArgumentError: no mapping; or a name or a value is not text, or a name is empty.
    """
    if headers is None:
        return None
    if not isinstance(headers, Mapping):
        raise InvalidArgumentError(
            "headers",
            type(headers).__name__,  # not what is in it: that may be a credential
            "they are not a mapping",
            remedy="Pass a dict of str to str.",
        )
    for name, value in headers.items():
        for what, text in (("name", name), ("value", value)):
            if not isinstance(text, str):
                raise InvalidArgumentError(
                    "headers",
                    name,  # and never the value
                    f"the {what} of a header is text, and this one is of type "
                    f"{type(text).__name__}",
                    remedy=_HEADER_REMEDIES.get(
                        type(text), "Put it into the payload, or make text of it."
                    ),
                )
        try:
            size = len(name.encode())
            value.encode()
        except UnicodeEncodeError:
            raise _not_unicode("headers", name) from None
        if not 0 < size <= _MAX_NAME_BYTES:
            raise InvalidArgumentError(
                "headers",
                name,
                f"the name of a header has 1 to {_MAX_NAME_BYTES:,} bytes",
                remedy="Choose another name.",
            )
    return dict(headers) or None


def check_source(source: object) -> QueueType:
    """Return which queue is meant.

    Raises:
        InvalidArgumentError: there is no such queue.
    """
    for queue in QueueType:
        if source is queue or (isinstance(source, str) and source == queue.value):
            return queue
    names = " or ".join(repr(queue.value) for queue in QueueType)
    raise InvalidArgumentError("source", source, "there is no such queue", remedy=f"Pass {names}.")


def check_name(argument: str, name: object) -> str:
    """Return the name of a table or an index.

    Raises:
        InvalidArgumentError: not what DynamoDB accepts as a name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            argument,
            name,
            "DynamoDB does not take it as a name",
            remedy="Names have 3 to 255 characters of a-z, A-Z, 0-9, '_', '-' and '.'.",
        )
    return name


def _not_unicode(argument: str, value: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument, value, "it is not valid Unicode", remedy="Remove the lone surrogates from it."
    )

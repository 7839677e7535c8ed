"""Paths into items: from an attribute on through maps, by name, and lists, by index."""

from __future__ import annotations

from enum import Enum
from typing import Final

from dynamomq.errors import InvalidArgumentError
from dynamomq.values import MAX_NAME_BYTES, Value, ValueRuleError, check_member_name

Step = str | int
"""A name in a map, or an index into a list."""

_MAX_STEPS: Final = 32
_MAX_INDEX: Final = 2**31 - 1


class Missing(Enum):
    """The type of :data:`MISSING`: what an operand without a value yields."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def member(whole: Value | Missing, step: Step) -> Value | Missing:
    """Return the member of a map, or the element of a list, if there is one."""
    if isinstance(step, str):
        return whole.get(step, MISSING) if isinstance(whole, dict) else MISSING
    return whole[step] if isinstance(whole, list) and step < len(whole) else MISSING


def plain_name(name: str) -> str:
    """Return text without what a subclass makes of it: an ``Enum`` is its value.

    What is no text is returned as it is, for :func:`check_path` to refuse.
    """
    given: object = name
    return str.__str__(name) if isinstance(given, str) else name


def plain_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps of a path without what subclasses of ``str`` and ``int`` make of them."""
    given: object = steps
    return tuple(map(_plain_step, steps)) if isinstance(given, tuple) else steps


def _plain_step(step: Step) -> Step:
    if isinstance(step, int) and not isinstance(step, bool):
        return int.__index__(step)
    return plain_name(step) if isinstance(step, str) else step


def check_path(name: object, steps: object) -> None:
    """Refuse what is no attribute's name, or no way from there.

    Raises:
        InvalidArgumentError: DynamoDB has no such attribute, or no such place.
    """
    if not _is_name(name):
        shown = name if isinstance(name, str) and not name else type(name).__name__
        raise InvalidArgumentError(
            "name",
            shown,
            "it is no name",
            remedy=f"Pass text of 1 to {MAX_NAME_BYTES:,} bytes of UTF-8.",
        )
    if not isinstance(steps, tuple) or not all(map(_is_step, steps)):
        raise InvalidArgumentError(
            "steps",
            steps,
            "it leads nowhere",
            remedy=f"Use attr[…], with members' names, and indexes from 0 to {_MAX_INDEX:,}.",
        )
    if len(steps) >= _MAX_STEPS:
        raise InvalidArgumentError(
            "steps",
            len(steps),
            f"a path has at most {_MAX_STEPS} steps, the attribute's name among them",
            remedy="Look at a place that is less deep.",
        )


def _is_step(step: object) -> bool:
    if isinstance(step, int):
        return not isinstance(step, bool) and 0 <= step <= _MAX_INDEX
    return _is_name(step)


def _is_name(name: object) -> bool:
    try:
        check_member_name(name)
    except ValueRuleError:
        return False
    return True

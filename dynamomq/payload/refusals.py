"""Refusals: why a value can't be stored or read, and where in the payload it is."""

from __future__ import annotations

from typing import Any

from dynamomq.errors import PayloadError
from dynamomq.values import MAX_NESTING, type_letter

# DynamoDB counts the attribute that holds the payload as a level of its own.
MAX_LEVELS = MAX_NESTING - 1

_HOMES_OF_TYPES = ("types", "typing", "typing_extensions")
"""Where the classes are whose objects stand for types, such as ``list[int]`` and ``int | None``."""


class RefusedError(Exception):
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
        """Return the error that the caller sees."""
        path = f"payload{''.join(reversed(self.steps))}"
        return PayloadError(
            f"{prefix}: {path} is {shown(self.value)}: {self.reason}.",
            value=self.value,
            path=path,
            remedy=self.remedy,
        )


def shown(value: object) -> str:
    """Describe a part of a payload by its type and size; what it is may be a secret."""
    if value is None:
        return "None"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"{article(type(value))} of {value.bit_length():,} bits"
    if isinstance(value, str | bytes | bytearray | list | tuple | dict | set | frozenset):
        return f"{article(type(value))} of {len(value):,}"
    return article(type(value))


def article(cls: type) -> str:
    """Name a type with its article: ``an int``."""
    return f"{'an' if cls.__name__[0] in 'aeiouAEIO' else 'a'} {cls.__name__}"


def type_name(declared: object) -> str:
    """Return a declared type as messages show it."""
    return declared.__qualname__ if type(declared) is type else str(declared).replace("typing.", "")


def is_type(declared: object) -> bool:
    """Tell whether something may be a declared type, and is not a value."""
    return isinstance(declared, type) or type(declared).__module__ in _HOMES_OF_TYPES


def expected(name: str, value: object) -> RefusedError:
    """Return the refusal of a value that is not of the declared type."""
    return RefusedError(f"expected {name}, got {type(value).__name__}", value)


def mistyped(name: str, stored: Any) -> RefusedError:
    """Return the refusal of a stored value of another type than the declared one makes."""
    return RefusedError(f"expected {name}, found the DynamoDB type {type_letter(stored)}", stored)


def too_deep(value: object) -> RefusedError:
    """Return the refusal of what is nested too deeply."""
    return RefusedError(
        f"it is nested more than {MAX_LEVELS} levels deep, or contains itself",
        value,
        f"DynamoDB has {MAX_NESTING} levels, and the payload's attribute is the first.",
    )

"""What ``#names`` and ``:values`` stand for; each that is given must be used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dynamomq.errors import shorten
from dynamomq.values import Value, ValueRuleError, check_value

__all__ = ["ExpressionError", "Placeholders"]

_PLACEHOLDER: Final = re.compile(r"[#:][A-Za-z0-9_]+")


class ExpressionError(ValueError):
    """An expression is not valid, whatever the item is; the text says where and why."""


class Placeholders:
    """The names and values of one action, and which of them its expressions have used."""

    def __init__(self, names: Mapping[str, str], values: Mapping[str, Value]) -> None:
        """Check what is given.

        Raises:
            ExpressionError: a placeholder or what it stands for is not as DynamoDB wants it.
        """
        self._names = names
        self._values = values
        self._used: set[str] = set()
        for mark, given in (("#", names), (":", values)):
            for key in given:
                if not key.startswith(mark) or not _PLACEHOLDER.fullmatch(key):
                    raise ExpressionError(
                        f"{shorten(key)} is no placeholder: it must be {mark!r} and letters, "
                        "digits or '_'"
                    )
        for key, name in names.items():
            if not name:
                raise ExpressionError(f"{key} stands for {shorten(name)}, which is no name")
        for key, value in values.items():
            try:
                check_value(value)
            except ValueRuleError as error:
                raise ExpressionError(f"{key} stands for what can't be a value: {error}") from error

    def name(self, placeholder: str) -> str | None:
        """Return what a ``#name`` stands for; ``None`` where that is not said."""
        self._used.add(placeholder)
        return self._names.get(placeholder)

    def has_value(self, placeholder: str) -> bool:
        """Tell whether it is said what a ``:value`` stands for."""
        return placeholder in self._values

    def value(self, placeholder: str) -> Value:
        """Return what a ``:value`` stands for."""
        self._used.add(placeholder)
        return self._values[placeholder]

    def check_all_used(self) -> None:
        """Refuse what no expression has used.

        Raises:
            ExpressionError: naming all that were not.
        """
        unused = [key for key in (*self._names, *self._values) if key not in self._used]
        if unused:
            raise ExpressionError(f"no expression uses {', '.join(unused)}")

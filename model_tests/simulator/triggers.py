"""The operations behind the machine's triggers, and how often these are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from dynamomq.operations import holding, operating, receiving, sending
from dynamomq.requests import Operation
from dynamomq.rules import Writer
from tests.support.triggers import HOLDERS, OPERATORS, WRITERS

_MODULES: Mapping[Writer, ModuleType] = {
    "sender": sending,
    "receiver": receiving,
    "holder": holding,
    "operator": operating,
}


def operation_of(trigger: str) -> Callable[..., Operation[Any]]:
    """Return the library's operation that is named like a trigger, where those of its writer are.

    Raises:
        LookupError: there is none.
    """
    module = _MODULES[WRITERS[trigger]]
    found: Callable[..., Operation[Any]] | None = getattr(module, trigger, None)
    if found is None:
        raise LookupError(f"{module.__name__} has no operation {trigger!r}, which the machine has")
    return found


def edits(**often: int) -> tuple[str, ...]:
    """Return all triggers of operators, some of them several times: to be drawn more often."""
    return tuple(trigger for trigger in OPERATORS for _ in range(often.get(trigger, 1)))


def ways(**often: int) -> tuple[tuple[int, str], ...]:
    """Return how a holder may finish a message, as weighted; what is not mentioned as well."""
    others = dict.fromkeys((trigger for trigger in HOLDERS if trigger not in often), 1)
    return tuple((weight, way) for way, weight in {**often, **others}.items())

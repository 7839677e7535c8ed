"""Who asks for which step of a message: read from the machine, so that a new one is drawn, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from dynamomq.machine import MESSAGE
from dynamomq.operations import holding, operating, receiving, sending
from dynamomq.requests import Operation
from dynamomq.rules import Writer

WRITERS: Mapping[str, Writer] = {step.trigger: step.by for step in MESSAGE.transitions}
"""By trigger, who takes the step."""

NOT_CALLED = {
    "exhaust": "a step of receive",
    "quarantine": "a step of receive, on items that no operation writes",
}
"""Triggers that nobody calls: why not. Those of time and of list upkeep go without saying."""

CALLED = tuple(
    trigger
    for trigger, by in WRITERS.items()
    if by not in ("time", "upkeep") and trigger not in NOT_CALLED
)
HOLDERS, OPERATORS = (
    tuple(trigger for trigger in CALLED if WRITERS[trigger] == by) for by in ("holder", "operator")
)

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

"""What users can ask for, read from the machine: so whatever is new to it is tried at once."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dynamomq.machine import MESSAGE
from dynamomq.message import Message
from dynamomq.operations import operating
from dynamomq.queue import Queue
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


def sources(trigger: str) -> tuple[str, ...]:
    """The states in which a trigger is legal."""
    return tuple(dict.fromkeys(one.source for one in MESSAGE.transitions if one.trigger == trigger))


def destinations(trigger: str, source: str) -> frozenset[str]:
    """The states to which a trigger leads from one."""
    return frozenset(
        one.destination
        for one in MESSAGE.transitions
        if (one.trigger, one.source) == (trigger, source)
    )


# --- calling them ----------------------------------------------------------------------------

_PROPER: Mapping[str, Any] = {"data": 7, "headers": {"note": "edited"}, "timeout": 60}
"""What a parameter is given that has no default."""

_OTHERWISE: Mapping[str, Callable[[Queue[Any], Any], Any]] = {
    "reschedule": lambda queue, id: queue.reschedule(id, delay=60),
    "purge": lambda queue, id: queue.run(operating.purge_one(queue.settings, id)),
}
"""Calls that can't be made from the signature of the method that is named like the trigger."""


def needed(owner: Any, trigger: str) -> dict[str, Any]:
    """What a method that is named like a trigger needs beside the message.

    Args:
        owner: the queue, or its class.
        trigger: a holder's or an operator's.

    Raises:
        LookupError: it is not said here what a parameter without a default is given.
    """
    parameters = inspect.signature(getattr(owner, trigger)).parameters.values()
    names = [one.name for one in parameters if one.default is one.empty and one.name != "self"][1:]
    if lacking := [name for name in names if name not in _PROPER]:
        raise LookupError(f"say in {__name__} what {trigger} is given as {', '.join(lacking)}")
    return {name: _PROPER[name] for name in names}


def call(queue: Queue[Any], trigger: str, subject: Message[Any] | str) -> Any:
    """Make a holder's or an operator's call on a message, with whatever else it needs."""
    if trigger in _OTHERWISE:
        return _OTHERWISE[trigger](queue, subject)
    return getattr(queue, trigger)(subject, **needed(queue, trigger))

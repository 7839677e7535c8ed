"""Trace validation: what happened to each item is a walk through the machine's diagram.

The check replays every change in the executable machine of the package ``transitions``, made from
the same table: the item's state before it must be a source of the trigger, the state after it the
destination, and no attribute may change that the transition has no effect on.
"""

from functools import cache

from dynamomq.attributes import ID
from dynamomq.machine import MESSAGE
from dynamomq.requests import Write
from dynamomq.rules import executable
from dynamomq.values import Item
from model_tests.simulator.oracle import ViolationError

TRACE = "TRACE"


def check_change(write: Write, old: Item | None, new: Item | None) -> None:
    """Raise :class:`ViolationError` unless the machine has the step that a write has made."""
    trigger, arguments = write.rule.trigger, write.arguments
    before = MESSAGE.state_of(old, arguments).name
    after = MESSAGE.state_of(new, arguments).name
    if after not in _destinations(trigger, before):
        raise ViolationError(TRACE, f"{trigger} led {write.id} from {before} to {after}")
    if new is None:
        return
    kept: Item = {} if old is None or before == "ABSENT" else old
    changed = [name for name in {**kept, **new} if kept.get(name, ...) != new.get(name, ...)]
    if extra := sorted(set(changed) - _affected(trigger, before)):
        raise ViolationError(TRACE, f"{trigger} of {write.id} changed {', '.join(extra)}")


@cache
def _destinations(trigger: str, source: str) -> frozenset[str]:
    found = executable(MESSAGE).get_transitions(trigger, source)
    return frozenset(str(one.dest) for one in found)


@cache
def _affected(trigger: str, source: str) -> frozenset[str]:
    steps = [t for t in MESSAGE.transitions if t.trigger == trigger and t.source == source]
    effects = (effect for step in steps for effect in step.effects)
    return frozenset(effect.attribute.name for effect in effects) | {ID.name}

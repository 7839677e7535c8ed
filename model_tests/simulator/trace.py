"""Trace validation: what happened to each item is a walk through its machine's diagram.

Every change, of a message or of one of the table's other items, is made again from the machine's
own tables. In the executable machine of the package ``transitions`` the item's state before it must
be a source of the trigger, and the state after it the destination; one of those transitions' guards
must hold; and its effects, applied to the item before, must make the item after, to the last
attribute.
"""

from __future__ import annotations

from functools import cache

from dynamomq.effects import apply_effects
from dynamomq.expressions import EffectError
from dynamomq.machine import MESSAGE
from dynamomq.requests import Write
from dynamomq.reserved import AGREEMENT, CONSUMER, GROUP
from dynamomq.rules import StateMachine, Transition, executable
from dynamomq.values import Item
from model_tests.simulator.asked import ViolationError, is_agreement, is_entry
from model_tests.simulator.lists import is_group

TRACE = "TRACE"

OUTLAW = "custom"
"""The trigger of what strangers write, without regard to any machine."""


def check_change(write: Write, old: Item | None, new: Item | None) -> None:
    """Raise :class:`ViolationError` unless the machine has the step that a write has made."""
    trigger, arguments = write.rule.trigger, write.arguments
    if trigger == OUTLAW:
        return
    machine = _machine_of(old or new)
    before = machine.state_of(old, arguments).name
    after = machine.state_of(new, arguments).name
    if after not in _destinations(machine, trigger, before):
        raise ViolationError(TRACE, f"{trigger} led {write.id} from {before} to {after}")
    allowed = [
        step
        for step in _steps(machine, trigger, before)
        if step.destination == after and step.guard.evaluate(old or {}, arguments)
    ]
    if not allowed:
        raise ViolationError(TRACE, f"{trigger} of {write.id}, {before}, is not allowed")
    expected = _made_by(allowed[0], write, old)
    if expected != new:
        names = ", ".join(_differences(expected or {}, new or {}))
        raise ViolationError(TRACE, f"{trigger} of {write.id} left another {names} than it should")


def _machine_of(item: Item | None) -> StateMachine:
    if is_entry(item):
        return CONSUMER
    if is_agreement(item):
        return AGREEMENT
    return GROUP if is_group(item) else MESSAGE


def _made_by(step: Transition, write: Write, old: Item | None) -> Item | None:
    """The item that a step of the machine makes: what is no message any more is not kept."""
    if step.destination == "ABSENT":
        return None
    kept: Item = {} if old is None or step.source == "ABSENT" else old
    try:
        return apply_effects(step.effects, kept, write.arguments)
    except EffectError as error:
        raise ViolationError(TRACE, f"{step.trigger} of {write.id}: {error}") from error


def _differences(one: Item, other: Item) -> list[str]:
    return sorted(name for name in {**one, **other} if one.get(name, ...) != other.get(name, ...))


@cache
def _destinations(machine: StateMachine, trigger: str, source: str) -> frozenset[str]:
    found = executable(machine).get_transitions(trigger, source)
    return frozenset(str(one.dest) for one in found)


@cache
def _steps(machine: StateMachine, trigger: str, source: str) -> tuple[Transition, ...]:
    return tuple(
        step for step in machine.transitions if step.trigger == trigger and step.source == source
    )

"""Test vectors: cases carried out by the machine, as JSON for ports in any language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from attrs import evolve, frozen

from dynamomq.expressions import FALSE
from dynamomq.machine import MESSAGE, QueueType
from dynamomq.rules import Rule, Specialised, StateMachine, Transition
from dynamomq.values import Item
from spec.cases import Case, cases_of, changed
from spec.examples import EXAMPLES, MACHINES, NOW, Arguments, arguments_for, clock, legacy
from spec.times import TIME_CASES, TimeCase
from spec.trees import item_json


@frozen
class Attempt:
    """One write tried on one item.

    Attributes:
        name: what is tried.
        transition: the transition that it is about; ``None`` where there is none from that state.
        rule: the write.
        queue: the queue whose transitions only the rule has; ``None`` for all.
        item: the item before; ``None`` where there is none.
        arguments: what the write reads.
        outcome: ``written`` or ``refused``.
    """

    name: str
    transition: Transition | None
    rule: Rule
    queue: str | None
    item: Item | None
    arguments: Arguments
    outcome: str

    @property
    def specialised(self) -> Specialised | None:
        """The write for the arguments that are given; ``None`` where they fit no transition."""
        try:
            return self.rule.specialised(self.arguments)
        except ValueError:
            return None


def _starts_in_both_queues(trigger: str) -> bool:
    starts = {one.source.partition(".")[0] for one in MESSAGE.transitions if one.trigger == trigger}
    return starts == {*QueueType}


_BY_QUEUE: Final = frozenset(
    one.trigger
    for one in MESSAGE.transitions
    if one.by in ("receiver", "holder") and _starts_in_both_queues(one.trigger)
)


def rule_of(machine: StateMachine, trigger: str, state: str) -> tuple[str | None, Rule]:
    """Return the queue and the rule with which an operation meets an item in a state.

    Receivers and holders know the queue, so that they need not send the other one's transitions.
    """
    queue = "DLQ" if state.startswith("DLQ.") else "STANDARD"
    chosen = queue if trigger in _BY_QUEUE else None
    return chosen, _rule(machine, trigger, chosen)


@cache
def _rule(machine: StateMachine, trigger: str, queue: str | None) -> Rule:
    return machine.rule(trigger, queue=queue)


@cache
def attempts(machine: StateMachine, trigger: str) -> tuple[Attempt, ...]:
    """Return what is tried with a trigger: its transitions' cases, then all other states."""
    return tuple(_attempts(machine, trigger))


def _attempts(machine: StateMachine, trigger: str) -> Iterator[Attempt]:
    own = [one for one in machine.transitions if one.trigger == trigger]
    for transition in own:
        for case in cases_of(transition):
            yield _attempt(machine, transition, case)
    yield from (_again(machine, transition) for transition in own if transition.trace != FALSE)
    sources = {transition.source for transition in own}
    for state, item in EXAMPLES[machine.name].items():
        if state not in sources:
            queue, rule = rule_of(machine, trigger, state)
            given = arguments_for(rule, item)
            yield Attempt(f"{state}: not from here", None, rule, queue, item, given, "refused")


def _attempt(machine: StateMachine, transition: Transition, case: Case) -> Attempt:
    item = case.item_in(machine.name, transition.source)
    queue, rule = rule_of(machine, transition.trigger, transition.source)
    given = changed(arguments_for(rule, item), case.arguments)
    name = f"{transition.source} to {transition.destination}: {case.name}"
    return Attempt(name, transition, rule, queue, item, given, case.outcome)


def _again(machine: StateMachine, transition: Transition) -> Attempt:
    """Return the same write once more, on what it has left: its reply was lost."""
    first = next(case for case in cases_of(transition) if case.outcome == "written")
    once = _attempt(machine, transition, first)
    after = once.rule.specialised(once.arguments).apply(once.item, once.arguments)
    name = f"{transition.source} to {transition.destination}: repeated, having taken effect"
    return evolve(once, name=name, transition=None, item=after, outcome="refused")


# --- as JSON ---------------------------------------------------------------------------------


def vector_files() -> dict[str, dict[str, Any]]:
    """Return each trigger's vectors, by file name."""
    return {
        f"{trigger}.json": {
            "$schema": "../vectors.schema.json",
            "machine": machine.name,
            "trigger": trigger,
            "vectors": list(_vectors(machine, trigger)),
        }
        for machine in MACHINES.values()
        for trigger in machine.triggers
    }


def _vectors(machine: StateMachine, trigger: str) -> Iterator[dict[str, Any]]:
    if trigger in TIME_CASES:
        for transition in machine.transitions:
            if transition.trigger == trigger:
                for case in TIME_CASES[trigger]:
                    yield _time_vector(machine, transition, case)
    else:
        yield from (_vector(machine, attempt) for attempt in attempts(machine, trigger))


def _vector(machine: StateMachine, attempt: Attempt) -> dict[str, Any]:
    specialised = attempt.specialised
    item, given = attempt.item, attempt.arguments
    vector: dict[str, Any] = {"name": attempt.name}
    if attempt.transition is not None:
        vector["source"] = attempt.transition.source
        vector["destination"] = attempt.transition.destination
    if attempt.queue is not None:
        vector["queue"] = attempt.queue
    vector["now"] = NOW
    vector["arguments"] = item_json(given)
    vector["before"] = _snapshot(machine, item, clock())
    if specialised is None or not specialised.admits(given):
        vector["outcome"] = "refused by the arguments"
    elif not specialised.applies_to(item, given):
        vector["outcome"] = "refused by the item"
        vector["recognised"] = {
            "trace": attempt.rule.trace.evaluate(item or {}, given),
            "done": attempt.rule.done.evaluate(item or {}, given),
        }
    else:
        vector["outcome"] = "written"
        vector["after"] = _snapshot(machine, specialised.apply(item, given), clock())
    _check(attempt, vector)
    return vector


def _time_vector(machine: StateMachine, transition: Transition, case: TimeCase) -> dict[str, Any]:
    base = EXAMPLES[machine.name][transition.source]
    assert base is not None, "time changes only what is there"
    item = changed(legacy(base) if case.form == "legacy" else base, case.item)
    vector: dict[str, Any] = {
        "name": f"{transition.source} to {transition.destination}: {case.name}",
        "source": transition.source,
        "destination": transition.destination,
        "now": case.before,
        "before": _snapshot(machine, item, clock(case.before)),
        "outcome": "no write",
        "later": case.after,
        "after": _snapshot(machine, item, clock(case.after)),
    }
    reached = (vector["before"]["state"], vector["after"]["state"])
    if reached != (transition.source, transition.destination):
        raise ValueError(f"{vector['name']}: the states are {reached}")
    return vector


def _snapshot(machine: StateMachine, item: Item | None, times: Arguments) -> dict[str, Any]:
    return {
        "item": None if item is None else item_json(item),
        "state": machine.state_of(item, times).name,
    }


def _check(attempt: Attempt, vector: Mapping[str, Any]) -> None:
    """Refuse to write down what contradicts the case: it or the machine is wrong."""
    if vector["outcome"].split()[0] != attempt.outcome:
        raise ValueError(
            f"{attempt.rule.trigger}, {attempt.name}: {vector['outcome']}, not {attempt.outcome}"
        )
    if attempt.transition and attempt.outcome == "written":
        reached = (vector["before"]["state"], vector["after"]["state"])
        if reached != (attempt.transition.source, attempt.transition.destination):
            raise ValueError(f"{attempt.rule.trigger}, {attempt.name}: the states are {reached}")

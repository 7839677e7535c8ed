"""``spec/machine.json``: both state machines, language-neutral, with their DynamoDB strings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dynamomq.attributes import ARGUMENTS
from dynamomq.drivers.wire import expressions, statement
from dynamomq.expressions import FALSE, Condition
from dynamomq.rules import Rule, Specialised, State, StateMachine, Transition
from dynamomq.table import DEFAULT_TABLE
from spec.examples import MACHINES
from spec.times import TIME_CASES
from spec.trees import condition_tree, effect_trees
from spec.vectors import Attempt, attempts

VERSION = 2
"""Of the document's shape: 2 since it says what is true of states, and of steps in lists."""

Tree = dict[str, Any]


def machine_document() -> Tree:
    """Return the whole of ``machine.json``."""
    return {
        "$schema": "machine.schema.json",
        "version": VERSION,
        "arguments": {
            name: dict(zip(("type", "meaning"), text.split(": ", 1), strict=True))
            for name, text in ARGUMENTS.items()
        },
        "machines": {name: _machine(machine) for name, machine in MACHINES.items()},
    }


def _machine(machine: StateMachine) -> Tree:
    return {
        "states": {state.name: _state(state) for state in machine.states},
        "transitions": [_transition(machine, one) for one in machine.transitions],
        "rules": [
            rule
            for trigger in machine.triggers
            if trigger not in TIME_CASES
            for rule in _rules(machine, trigger)
        ],
    }


def _state(state: State) -> Tree:
    queue = {} if state.queue is None else {"queue": state.queue}
    return {
        "meaning": state.doc,
        "facts": sorted(state.facts),
        **queue,
        "predicate": condition_tree(state.predicate),
        "dynamodb": _expressions(_as_write(state.predicate)),
    }


def _transition(machine: StateMachine, transition: Transition) -> Tree:
    tree: Tree = {
        "trigger": transition.trigger,
        "source": transition.source,
        "destination": transition.destination,
        "by": transition.by,
        "role": transition.role,
        "guard": condition_tree(transition.guard),
        "effects": effect_trees(transition.effects),
    }
    for name, condition in (("trace", transition.trace), ("done", transition.done)):
        if condition != FALSE:
            tree[name] = condition_tree(condition)
    if transition.by == "time":
        return tree
    return {**tree, **_alone(machine, transition)}


def _alone(machine: StateMachine, transition: Transition) -> Tree:
    """Write one transition without the others of its trigger, for its typical arguments."""
    typical = next(
        attempt
        for attempt in attempts(machine, transition.trigger)
        if attempt.transition == transition and attempt.outcome == "written"
    )
    own = tuple(pair for pair in typical.rule.alternatives if pair[1] == transition)
    alone = Rule(transition.trigger, typical.rule.kind, own)
    return {
        "given": sorted(typical.arguments),
        "dynamodb": _expressions(alone.specialised(typical.arguments)),
    }


def _rules(machine: StateMachine, trigger: str) -> Iterator[Tree]:
    """Yield one trigger's writes: one for each set of arguments that the vectors pass."""
    seen: dict[tuple[str | None, frozenset[str]], Attempt] = {}
    for attempt in attempts(machine, trigger):
        seen.setdefault((attempt.queue, frozenset(attempt.arguments)), attempt)
    for (queue, given), attempt in sorted(seen.items(), key=_by_queue_and_arguments):
        if attempt.specialised is not None:
            tree: Tree = {"trigger": trigger}
            if queue is not None:
                tree["queue"] = queue
            yield {**tree, "given": sorted(given), **_write(attempt.specialised)}


def _by_queue_and_arguments(
    entry: tuple[tuple[str | None, frozenset[str]], Attempt],
) -> tuple[str, int, list[str]]:
    (queue, given), _ = entry
    return queue or "", len(given), sorted(given)


def _write(rule: Specialised) -> Tree:
    return {
        "kind": rule.kind,
        "preconditions": [condition_tree(condition) for condition in rule.preconditions],
        "dynamodb": _strings(rule),
    }


# --- DynamoDB's strings ----------------------------------------------------------------------


def _as_write(predicate: Condition) -> Specialised:
    """Dress a predicate as a write that has no effects, which is what can be made text."""
    return Specialised("delete", predicate.specialise(frozenset(ARGUMENTS)), (), ())


def _strings(rule: Specialised) -> Tree:
    partiql = statement(rule, DEFAULT_TABLE)
    tree = _expressions(rule)
    if partiql is None:
        return tree
    sources = [_source(source) for source in partiql.sources]
    if partiql.key_place is not None:
        sources.insert(partiql.key_place, {"argument": "id"})
    return {**tree, "Statement": partiql.text, "Parameters": sources}


def _expressions(rule: Specialised) -> Tree:
    texts = expressions(rule)
    tree: Tree = {"ConditionExpression": texts.condition}
    if texts.update:
        tree["UpdateExpression"] = texts.update
    tree["ExpressionAttributeNames"] = dict(sorted(texts.names.items()))
    tree["ExpressionAttributeValues"] = {
        placeholder: _source(source) for placeholder, source in sorted(texts.sources.items())
    }
    return tree


def _source(source: str | Tree) -> Tree:
    return {"argument": source} if isinstance(source, str) else {"constant": source}

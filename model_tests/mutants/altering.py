"""How a defect is built in: rules of the machine with a part changed, and names bound anew.

The tables of ``dynamomq.machine`` stay as they are: what is replaced is the rule, or the function,
that an operation has bound to a name of its module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Set
from contextlib import ExitStack, contextmanager
from typing import Any, cast
from unittest import mock

from attrs import AttrsInstance, evolve, fields, frozen

from dynamomq.attributes import ID
from dynamomq.effects import Effect
from dynamomq.expressions import TRUE, Attr, Condition, Operand, all_of, conjuncts
from dynamomq.machine import MESSAGE
from dynamomq.rules import Kind, Role, Rule, State, Transition
from model_tests.simulator.tales import Tale
from model_tests.simulator.worlds import RANDOM

Alter = Callable[[Any], Any]
"""Makes the replacement from what is there."""


@frozen
class Place:
    """A name of a module or a class, and how to alter what it is bound to."""

    owner: object
    name: str
    alter: Alter


@frozen
class Mutant:
    """A defect.

    Attributes:
        name: what it is called.
        change: what is wrong, in a sentence.
        breaks: the property that must fail.
        places: where it is built in.
        scope: the scope in which it is hunted, if random runs would have to be too many.
        tale: what happens when it is found, where random runs would meet that too seldom.
        world: where the random runs take place in which it is hunted.
    """

    name: str
    change: str
    breaks: str
    places: tuple[Place, ...]
    scope: str | None = None
    tale: Tale | None = None
    world: str = RANDOM

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the defect in the library, and take it out again whatever happens."""
        with ExitStack() as stack:
            for place in self.places:
                altered = place.alter(getattr(place.owner, place.name))
                stack.enter_context(mock.patch.object(place.owner, place.name, altered))
            yield


def replaced_by(new: Any) -> Alter:
    """Bind the name to something else altogether."""
    return lambda _there: new


# --- rules -----------------------------------------------------------------------------------

_Alternative = tuple[State, Transition]


def rules(
    *,
    unasked: Collection[Attr | str] = (),
    any_state: bool = False,
    also_from: Collection[str] = (),
    instead: Iterable[Effect] = (),
    unchanged: Collection[Attr] = (),
    kind: Kind | None = None,
) -> Alter:
    """Alter a rule, or each of a dictionary of them by queue.

    Args:
        unasked: what the guard does not ask about any more: attributes or arguments.
        any_state: whether the states from which the step may be taken do not matter any more.
        also_from: more such states.
        instead: what happens to the attributes that these effects are about.
        unchanged: attributes to which nothing happens any more.
        kind: what the write is to DynamoDB.
    """
    silenced = {one.name if isinstance(one, Attr) else one for one in unasked}
    effects = tuple(instead)
    anew = {*unchanged, *(effect.attribute for effect in effects)}

    def alternative(state: State, step: Transition) -> _Alternative:
        kept = (effect for effect in step.effects if effect.attribute not in anew)
        if any_state:
            state = evolve(state, predicate=TRUE if state.name == "ABSENT" else ID.exists())
        guard = _without(step.guard, silenced)
        return state, evolve(step, guard=guard, effects=(*kept, *effects))

    def altered(rule: Rule) -> Rule:
        latest = {state.name.partition(".")[0]: step for state, step in rule.alternatives}
        names = {
            f"{queue}.{status}": step for queue, step in latest.items() for status in also_from
        }
        more = [(state, names[state.name]) for state in MESSAGE.states if state.name in names]
        changed = [alternative(*one) for one in (*rule.alternatives, *more)]
        return evolve(rule, kind=kind or rule.kind, alternatives=tuple(changed))

    return _each(altered)


def as_if(role: Role) -> Alter:
    """Let a rule do to the list of a group what another one does."""

    def altered(rule: Rule) -> Rule:
        changed = [(state, evolve(step, role=role)) for state, step in rule.alternatives]
        return evolve(rule, alternatives=tuple(changed))

    return _each(altered)


def only_from(status: str) -> Alter:
    """Leave a rule only the steps that begin in a state of this name, in either queue."""

    def altered(rule: Rule) -> Rule:
        kept = [one for one in rule.alternatives if one[0].name.endswith(f".{status}")]
        return evolve(rule, alternatives=tuple(kept))

    return _each(altered)


def where(state: str, predicate: Condition) -> Alter:
    """Let a rule begin where another predicate than that of the state holds."""

    def altered(rule: Rule) -> Rule:
        changed = [
            (evolve(one, predicate=predicate) if one.name == state else one, step)
            for one, step in rule.alternatives
        ]
        return evolve(rule, alternatives=tuple(changed))

    return _each(altered)


def _each(alter: Callable[[Rule], Rule]) -> Alter:
    def altered(there: Any) -> Any:
        if isinstance(there, Rule):
            return alter(there)
        return {queue: alter(rule) for queue, rule in there.items()}

    return altered


def _without(condition: Condition, names: Set[str]) -> Condition:
    """What is left of a condition without the parts that mention an attribute or argument."""
    return all_of(part for part in conjuncts(condition) if names.isdisjoint(_mentioned(part)))


def _mentioned(node: object) -> Iterator[str]:
    """The names in a syntax tree: attributes, arguments, and texts that are compared with."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _mentioned(part)
    elif isinstance(node, Condition | Operand):
        for field in fields(cast(type[AttrsInstance], type(node))):
            yield from _mentioned(getattr(node, field.name))

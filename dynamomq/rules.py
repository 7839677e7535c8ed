"""What a state machine over items is, and how its transitions become conditional writes.

``machine.py`` holds DynamoMQ's tables in these terms. A :class:`Rule` is a trigger's transitions
seen as *one* write: its condition is the disjunction of (source predicate AND guard), simplified;
its effects are those that the transitions share. Which arguments are given can decide alternatives
before anything is sent (a send without predecessor can't end in WAITING), so a rule is first
*specialised* for a set of argument names; that is cached, and drivers compile the result once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Literal

from attrs import evolve, field, frozen

from dynamomq.effects import Effect, apply_effects
from dynamomq.expressions import (
    FALSE,
    TRUE,
    AllOf,
    AnyOf,
    Arguments,
    Condition,
    Not,
    all_of,
    any_of,
    conjuncts,
)
from dynamomq.values import Item

if TYPE_CHECKING:
    from transitions.extensions.nesting import HierarchicalMachine

Kind = Literal["put", "update", "delete"]
"""What a write is to DynamoDB: a whole new item, a change of attributes, or a removal."""

Writer = Literal["sender", "receiver", "holder", "operator", "upkeep", "time"]
"""Who takes a step: upkeep is that of a group's list; time takes its steps without a write."""

Fact = Literal["message", "held", "listed", "waiting", "damaged", "tombstone", "available"]
"""What can be true of all items in a state:

- ``message``: they are messages, and no other items of the table;
- ``held``: somebody holds them;
- ``listed``: those of a group are members of its list;
- ``waiting``: they are behind the head of their group's list;
- ``damaged``: no step leads there, so somebody has written to them against the rules;
- ``tombstone``: only the id is left;
- ``available``: they are of consumers that take messages.
"""

Role = Literal["joins", "stays", "leaves", "none"]
"""What a step does to the list of a group that the message is in, or comes into: the message joins,
stays where it is, leaves, or was in none and is in none."""


@frozen
class State:
    """A name for the items that satisfy a predicate, and what is true of all of these.

    Attributes:
        name: such as ``STANDARD.READY``.
        predicate: which items are in it.
        doc: what it means.
        facts: what is true of these.
        queue: the name of the queue whose index they are in; ``None``: in none, or in any.
    """

    name: str
    predicate: Condition
    doc: str
    facts: frozenset[Fact] = frozenset()
    queue: str | None = None


@frozen
class Transition:
    """One legal step: where predicate of the source and guard hold, the effects happen.

    What follows from the facts of source and destination is not stated again in each entry: the
    state machine that the step is part of fills it in.

    Attributes:
        trigger: the operation; also the name of the method on ``Queue``.
        source: the name of the state before.
        destination: the name of the state after.
        by: who takes the step.
        guard: what must hold besides the source's predicate.
        effects: what the write does; empty where time takes the step or the item is removed.
        done: where an item that is in the destination shows whoever asks for the step that there
            is nothing left to do: an earlier attempt did it, or another call of the same holder.
        trace: where an item shows that this very write has changed it. Where it does not, nothing
            is known: a later write may have removed the trace.
        role: what becomes of the message's place in its group's list.
        ends_delivery: whether a holder who takes the step holds the message no more.
    """

    trigger: str
    source: str
    destination: str
    by: Writer
    guard: Condition
    effects: tuple[Effect, ...]
    done: Condition = FALSE
    trace: Condition = FALSE
    role: Role = "none"
    ends_delivery: bool = False


def steps(
    trigger: str,
    by: Writer,
    sources: str | Iterable[str],
    destination: str,
    guard: Condition = TRUE,
    effects: tuple[Effect, ...] = (),
    done: Condition = FALSE,
) -> list[Transition]:
    """One transition for each source; the destination ``=`` means that the message stays."""
    return [
        Transition(
            trigger, one, one if destination == "=" else destination, by, guard, effects, done
        )
        for one in ([sources] if isinstance(sources, str) else sources)
    ]


Traces = tuple[tuple[Effect, Condition], ...]
"""By what writes with an effect are recognised on the item; what lasts longest comes first."""


@frozen(eq=False)
class Specialised:
    """A rule for one set of given arguments; an object of its own, so drivers can key on it.

    Attributes:
        kind: put, update or delete.
        condition: what must hold of the item (it may compare with arguments).
        effects: what happens; without those whose argument was not given.
        preconditions: what must hold of the arguments alone, checked before anything is sent.
        destinations: the names of the states in which the write can end.
    """

    kind: Kind
    condition: Condition
    effects: tuple[Effect, ...]
    preconditions: tuple[Condition, ...]
    destinations: frozenset[str] = frozenset()

    def admits(self, arguments: Arguments) -> bool:
        """Tell whether the arguments alone allow the write."""
        return all(condition.evaluate({}, arguments) for condition in self.preconditions)

    def applies_to(self, item: Item | None, arguments: Arguments) -> bool:
        """Tell whether the write is allowed on this item (``None``: there is none)."""
        return self.admits(arguments) and self.condition.evaluate(item or {}, arguments)

    def apply(self, item: Item | None, arguments: Arguments) -> Item | None:
        """Return the item after the write; ``None`` where it is removed.

        Raises:
            EffectError: the item lacks an attribute that an effect reads.
        """
        if self.kind == "delete":
            return None
        before = {} if item is None or self.kind == "put" else item
        return apply_effects(self.effects, before, arguments)


@frozen(eq=False)
class Rule:
    """A trigger's transitions as one conditional write.

    Attributes:
        trigger: the operation's name.
        kind: what the write is to DynamoDB.
        alternatives: the transitions, each with the state that it starts from.
        done: where an item shows that there is nothing left to do (see :class:`Transition`).
    """

    trigger: str
    kind: Kind
    alternatives: tuple[tuple[State, Transition], ...]
    done: Condition = FALSE
    _cache: dict[frozenset[str], Specialised] = field(factory=dict, init=False, repr=False)

    @property
    def destinations(self) -> frozenset[str]:
        """The names of the states in which this write can end."""
        return frozenset(transition.destination for _, transition in self.alternatives)

    @property
    def sources(self) -> frozenset[str]:
        """The names of the states in which this write is legal, as far as they decide."""
        return frozenset(source.name for source, _ in self.alternatives)

    @property
    def ends_delivery(self) -> bool:
        """Whether a holder who writes this holds the message no more."""
        return all(transition.ends_delivery for _, transition in self.alternatives)

    @property
    def trace(self) -> Condition:
        """Where an item shows that this very write has changed it (see :class:`Transition`)."""
        (trace,) = {transition.trace for _, transition in self.alternatives}
        return trace

    def role(self, state: str) -> Role:
        """Return what this write does to the list of a group.

        Args:
            state: the name of the state in which the item was found.
        """
        for source, transition in self.alternatives:
            if source.name == state:
                return transition.role
        return "none"  # it will be refused

    def specialised(self, arguments: Arguments) -> Specialised:
        """Return the rule for the arguments that are given (their values do not matter).

        Raises:
            ValueError: no transition allows this set of arguments.
        """
        given = frozenset(arguments)
        found = self._cache.get(given)
        if found is None:
            found = self._cache[given] = self._specialise(given)
        return found

    def _specialise(self, given: frozenset[str]) -> Specialised:
        possible: list[Condition] = []
        effects: dict[tuple[Effect, ...], None] = {}
        destinations = set()
        for state, transition in self.alternatives:
            condition = all_of((state.predicate, transition.guard)).specialise(given)
            if condition != FALSE:
                possible.append(condition)
                destinations.add(transition.destination)
                effects[tuple(e for e in transition.effects if not e.left_out(given))] = None
        if len(effects) != 1:
            raise ValueError(
                f"{self.trigger} with the arguments {sorted(given)} has {len(effects)} sets of "
                "effects; a write needs exactly one"
            )
        parts = conjuncts(any_of(possible))
        condition = all_of(part for part in parts if part.about_item)
        _refuse_comparisons_of_arguments(condition)
        return Specialised(
            self.kind,
            condition,
            next(iter(effects)),
            tuple(part for part in parts if not part.about_item),
            frozenset(destinations),
        )


def _refuse_comparisons_of_arguments(condition: Condition) -> None:
    """Every comparison that is left must involve the item: DynamoDB compares nothing else."""
    if isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            _refuse_comparisons_of_arguments(part)
    elif isinstance(condition, Not):
        _refuse_comparisons_of_arguments(condition.part)
    elif not condition.about_item:
        raise ValueError(f"{condition} depends on arguments only but is not common to all")


@frozen(eq=False, slots=False)
class StateMachine:
    """States and transitions of one kind of item.

    Attributes:
        name: what kind of item, such as ``message``.
        states: all states; predicates are disjoint, and cover every item.
        transitions: all legal steps.
        traces: by what a writer recognises that its write has taken effect (spec: WRITE-3).
    """

    name: str
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    traces: Traces = ()

    def __attrs_post_init__(self) -> None:
        """Fill in what follows from the facts of the states, and from the effects."""
        by_name = {state.name: state for state in self.states}
        complete = tuple(
            _completed(one, by_name[one.source], by_name[one.destination], self.traces)
            for one in self.transitions
        )
        object.__setattr__(self, "transitions", complete)

    def states_with(self, fact: Fact) -> frozenset[str]:
        """Return the names of the states of whose items something is true."""
        return frozenset(state.name for state in self.states if fact in state.facts)

    def state_of(self, item: Item | None, arguments: Arguments) -> State:
        """Return the one state in which an item is.

        Args:
            item: the stored item; ``None`` where there is none.
            arguments: at least ``now``, ``forgotten_epoch`` and ``legacy_horizon``.

        Raises:
            LookupError: the machine's predicates don't cover the item (a defect of the machine).
        """
        for state in self.states:
            if state.predicate.evaluate(item or {}, arguments):
                return state
        raise LookupError(f"no state of the {self.name} machine covers this item")

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """All triggers, in the order of the table."""
        return tuple(dict.fromkeys(transition.trigger for transition in self.transitions))

    def rule(self, trigger: str, *, queue: str | None = None) -> Rule:
        """Return a trigger's transitions as one conditional write.

        Args:
            trigger: the operation's name.
            queue: only transitions that start in this queue.
        """
        by_name = {state.name: state for state in self.states}
        chosen = [
            transition
            for transition in self.transitions
            if transition.trigger == trigger
            and (queue is None or by_name[transition.source].queue == queue)
        ]
        alternatives = tuple((by_name[one.source], one) for one in chosen)
        done = any_of(all_of((by_name[one.destination].predicate, one.done)) for one in chosen)
        return Rule(trigger, _kind(chosen), alternatives, done)

    def legal_triggers(self, state: str) -> tuple[str, ...]:
        """Return what a sender, receiver, holder or operator may do from a state, sorted."""
        own = {t.trigger for t in self.transitions if t.by not in ("upkeep", "time")}
        return tuple(sorted(own & set(executable(self).get_triggers(state))))


def _completed(step: Transition, source: State, destination: State, traces: Traces) -> Transition:
    """Return a step with what follows from its source, its destination and its effects.

    Of what is damaged only the item can tell whether it is in a list: it is taken for a member.
    """
    was_listed = not source.facts.isdisjoint(("listed", "damaged"))
    role = _ROLES[was_listed, "listed" in destination.facts]
    ends = step.by == "holder" and "held" not in destination.facts
    trace = next((trace for effect, trace in traces if effect in step.effects), FALSE)
    return evolve(step, trace=trace, role=role, ends_delivery=ends)


_ROLES: Final[dict[tuple[bool, bool], Role]] = {
    (False, True): "joins",
    (True, True): "stays",
    (True, False): "leaves",
    (False, False): "none",
}
"""Whether the source is listed, and the destination; and what that makes of the step."""


def _kind(transitions: Iterable[Transition]) -> Kind:
    """Derive DynamoDB's verb: what appears is put, what vanishes is deleted."""
    kinds: set[Kind] = {
        "put" if one.source == "ABSENT" else "delete" if one.destination == "ABSENT" else "update"
        for one in transitions
    }
    if len(kinds) != 1:
        raise ValueError(f"a rule is one kind of write, not {sorted(kinds)}")
    return kinds.pop()


@cache
def executable(machine: StateMachine) -> HierarchicalMachine:
    """Return the same tables as a machine of the package ``transitions`` (nested states).

    It answers which triggers are legal where, draws the diagram, and drives model tests. It knows
    nothing of guards and effects, which need an item.
    """
    from transitions.extensions.nesting import HierarchicalMachine, NestedState

    class DottedState(NestedState):
        separator = "."

    class DottedMachine(HierarchicalMachine):
        state_cls = DottedState

    nested: dict[str, list[str]] = {}
    for state in machine.states:
        parent, _, child = state.name.partition(".")
        nested.setdefault(parent, []).extend([child] if child else [])
    return DottedMachine(
        model=None,
        states=[{"name": n, "children": c} if c else n for n, c in nested.items()],
        transitions=[
            {"trigger": t.trigger, "source": t.source, "dest": t.destination}
            for t in machine.transitions
        ],
        initial=machine.states[0].name,
        auto_transitions=False,
    )

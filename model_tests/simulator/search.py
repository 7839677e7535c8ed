"""Exhaustive search: all that can happen in a small world, each state visited once.

Schedules run into billions, but states into thousands: it does not matter on which way a state was
reached, so each is left only once. A state is all that the future depends on: base table, index
view, attempts under way, the time, each actor's history of answers, and what the oracle remembers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from attrs import define, field, frozen

from model_tests.simulator.asked import ViolationError
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import Mover
from model_tests.simulator.runs import come_to_an_end
from model_tests.simulator.simulation import Simulation

Way = tuple[int, ...]
"""A schedule: alternately who moves (which of those who can), and what happens then."""


@frozen
class Scope:
    """A small world to search.

    Attributes:
        name: a letter.
        what: who and what is in it, and its bounds.
        begin: makes the world as it is at the beginning.
    """

    name: str
    what: str
    begin: Callable[[], Simulation] = field(eq=False)


@define
class Found:
    """What a search has seen.

    Attributes:
        states: how many different ones.
        transitions: how many steps from one to another.
        ends: in how many states nobody could do anything any more.
        seconds: how long it took.
        counts: how often what has happened.
        seen: how many index entries were shown, stale, repeated or missing.
        violation: the first one, if any.
        way: the schedule that led to it.
    """

    states: int = 1
    transitions: int = 0
    ends: int = 0
    seconds: float = 0
    counts: Counter[str] = field(factory=Counter)
    seen: Counter[str] = field(factory=Counter)
    violation: ViolationError | None = None
    way: Way = ()

    def add(self, other: Found) -> None:
        """Add what another search has seen; its violation is the one that counts."""
        self.states += other.states
        self.transitions += other.transitions
        self.ends += other.ends
        self.seconds += other.seconds
        self.counts += other.counts
        self.seen += other.seen
        self.violation, self.way = other.violation, other.way


def explore(
    scope: Scope, *, most: int = 10**6, at_end: Callable[[Simulation], None] = come_to_an_end
) -> Found:
    """Visit every state, nearest first, until all are known or one is bad.

    Where nobody can do anything any more, peace is made, and all must come to a good end.

    Args:
        scope: what to search.
        most: how many states to visit at most; a scope that has more is too large.
        at_end: what to do with a world in which nobody can do anything any more.

    Raises:
        OverflowError: there are more states.
    """
    started = time.perf_counter()
    first = scope.begin()
    found = Found(counts=first.counts, seen=first.index.seen)
    known = {first.digest()}
    layer: list[tuple[Simulation, Way]] = [(first, ())]
    while layer and found.violation is None:
        layer = _next_layer(layer, known, found, at_end)
        if len(known) > most:
            raise OverflowError(f"scope {scope.name} has more than {most:,} states")
    found.states = len(known)
    found.seconds = time.perf_counter() - started
    return found


def _next_layer(
    layer: list[tuple[Simulation, Way]],
    known: set[tuple[object, ...]],
    found: Found,
    at_end: Callable[[Simulation], None],
) -> list[tuple[Simulation, Way]]:
    """The states, not known so far, that are one step further on."""
    following: list[tuple[Simulation, Way]] = []
    way: Way = ()
    try:
        for simulation, before in layer:
            way = before
            steps = list(_steps(simulation))
            for place, which, mover, fate in steps:
                way = (*before, place, which)
                after = simulation.copy()
                after.take(mover, fate)
                digest = after.digest()
                if digest not in known:
                    known.add(digest)
                    following.append((after, way))
            found.transitions += len(steps)
            if not steps:
                found.ends += 1
                at_end(simulation.copy())
    except ViolationError as violation:
        found.violation, found.way = violation, way
    return following


def _steps(simulation: Simulation) -> Iterator[tuple[int, int, Mover, Fate]]:
    for place, mover in enumerate(simulation.movers()[1]):
        for which, fate in enumerate(simulation.fates(mover)[1]):
            yield place, which, mover, fate


def _step(simulation: Simulation, place: int, which: int) -> tuple[Mover, Fate]:
    found = [step for step in _steps(simulation) if step[:2] == (place, which)]
    if not found:
        raise LookupError(f"the way can't be gone: there is no step {place}.{which}")
    return found[0][2:]


def follow(scope: Scope, way: Way) -> tuple[Simulation, ViolationError | None]:
    """Go a way again, keeping the timeline; return where it leads, and what is wrong there.

    Raises:
        LookupError: there is no such way (any more), because something else happens on it.
    """
    simulation = scope.begin()
    simulation.timeline = []
    try:
        for place, which in zip(way[::2], way[1::2], strict=True):
            simulation.take(*_step(simulation, place, which))
        if not list(_steps(simulation)):
            come_to_an_end(simulation)
    except ViolationError as violation:
        return simulation, violation
    return simulation, None

"""The exhaustive search leaves out only orders that make no difference."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from attrs import evolve

from dynamomq.requests import Request
from model_tests.simulator import fates
from model_tests.simulator.actors import Actor, Role
from model_tests.simulator.fates import Fate
from model_tests.simulator.index import Lag
from model_tests.simulator.movers import CLOCKS, INDEX, LATE, TIME, Mover
from model_tests.simulator.rules import Rules
from model_tests.simulator.scopes import AHEAD, LEAP, REPEATED, Editor, Sender, Worker, world
from model_tests.simulator.search import Scope, explore
from model_tests.simulator.simulation import Simulation

ONE_LEAP = Rules(faults=0, leaps=(LEAP,), leaps_left=1)
WAYS = ("delete", "retry", "release", "extend")


def two_consumers() -> Simulation:
    """Whose clocks differ."""
    roles: dict[str, Role] = {"one": Worker(2, ("delete", "retry")), "two": Worker(1)}
    return world(roles, ONE_LEAP, sent=("a",), offsets={"two": AHEAD})


def one_fault() -> Simulation:
    """A consumer to whom anything may happen once."""
    return world({"one": Worker(2)}, evolve(ONE_LEAP, faults=1), sent=("a",))


def repeated_send() -> Simulation:
    """A producer whose request is repeated, and a consumer."""
    roles: dict[str, Role] = {"producer": Sender(("a",), 1), "one": Worker(2)}
    return world(roles, evolve(ONE_LEAP, faults=1, kinds=REPEATED))


def operator() -> Simulation:
    """A holder, and an operator who edits."""
    roles: dict[str, Role] = {"one": Worker(2, WAYS), "operator": Editor(("a",))}
    return world(roles, ONE_LEAP, sent=("a",), lag=Lag.NONE)


def clock_set_back() -> Simulation:
    """A consumer whose clock is set back, and another one."""
    roles: dict[str, Role] = {"one": Worker(2, ("retry", "delete")), "two": Worker(1)}
    rules = Rules(faults=0, offsets=(-AHEAD,), jumps_left=1)
    return world(roles, rules, sent=("a",), lag=Lag.NONE)


WORLDS = (two_consumers, one_fault, repeated_send, operator, clock_set_back)


@pytest.mark.parametrize("begin", WORLDS, ids=lambda begin: begin.__name__)
def test_what_is_left_out_makes_no_difference(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every order tried, the world comes to the same ends and no others.

    An end is what the table holds, what was delivered to whom, and what everybody was told.
    """
    scope = Scope("x", "a tiny world", begin)
    some: set[object] = set()
    reduced = explore(scope, at_end=lambda simulation: some.add(summary(simulation)))
    monkeypatch.setattr(Simulation, "movers", every_mover)
    monkeypatch.setattr(Simulation, "_fates_to_search", every_fate)
    all_of_them: set[object] = set()
    whole = explore(scope, at_end=lambda simulation: all_of_them.add(summary(simulation)))
    assert reduced.violation is None
    assert whole.violation is None
    assert some == all_of_them
    assert reduced.states < whole.states, "nothing was left out"


def every_mover(simulation: Simulation) -> tuple[Sequence[int], Sequence[Mover]]:
    """Whoever can move, whether or not it matters when."""
    found = [actor.mover for actor in simulation.actors.values() if not actor.is_done]
    rules = simulation.rules
    possible = {
        INDEX: bool(simulation.index.under_way),
        LATE: bool(simulation.late),
        TIME: bool(simulation._leaps()),
        CLOCKS: bool(rules.offsets and rules.jumps_left),
    }
    found += [mover for mover, can_move in possible.items() if can_move]
    return (1,) * len(found), found


def every_fate(simulation: Simulation, _actor: Actor, request: Request[Any]) -> Iterator[Fate]:
    """Whatever can become of a request, for one that only asks for the time, too."""
    yield fates.ANSWERED
    if simulation.rules.faults != 0:
        possible = fates.of(request, faulty=True)[1][1:]
        wanted = simulation.rules.kinds or frozenset(possible)
        yield from (one for one in possible if one in wanted and one is not fates.FROZEN)


def summary(simulation: Simulation) -> object:
    """What a world has come to, without the times at which calls began."""
    oracle = simulation.oracle
    items = sorted(repr(sorted(item.items())) for item in simulation.items.values())
    deliveries = frozenset(oracle._deliveries.items())
    refused = frozenset(oracle._refused.items())
    return tuple(items), deliveries, refused, frozenset(oracle._executed)

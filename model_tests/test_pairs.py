"""Any two faults meet in every step of the machine, as it is generated from that."""

from collections.abc import Callable

import pytest

from dynamomq.machine import MESSAGE
from dynamomq.operations.writing import state_of
from model_tests.exhaustive import PAGE, report, row
from model_tests.profiles import chosen
from model_tests.simulator import fates
from model_tests.simulator.pairs import (
    MEETINGS,
    PAIRS,
    TELLING,
    Family,
    Meeting,
    families,
    places,
)
from model_tests.test_exhaustive import speed
from tests.support.figures import figures

RecordProperty = Callable[[str, object], None]

FAMILIES = PAIRS if chosen().is_repeatable else families(frozenset())
TAKEN_BY_THE_WAY = {step.trigger for step in MESSAGE.transitions if step.by == "upkeep"}
ASKED_FOR = [step for step in MESSAGE.transitions if step.by not in ("time", "upkeep")]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_any_two_faults_may_meet(family: Family, record_property: RecordProperty) -> None:
    """All properties hold whichever two faults meet in a step, wherever its message is.

    Each fault has happened, each step was taken, and the page states the very counts.
    """
    found, scope = family.explore()
    assert found.violation is None, report(scope, found.way)
    for fate in fates.FAULTS:
        assert found.counts[f"fault: {fate.name}"] or fate in NOT_HERE, f"it never {fate.name}"
    assert found.counts[f"step: {family.name}"]
    counts = {"states": found.states, "transitions": found.transitions}
    record_property("figures", figures("pairs of faults", {family.name: counts}))
    record_property("figures", speed(found))
    if chosen().is_repeatable:
        rewrite = "the page is out of date: python -m model_tests.exhaustive --write"
        assert row(family, found) in PAGE.read_text(encoding="utf-8").splitlines(), rewrite


OF_BATCHES = {fates.FIRST_FAILS, fates.FIRST_FAILS_LATE, fates.SOME_FAIL, fates.REFUSED}
NOT_HERE = {fates.FROZEN, *OF_BATCHES}
"""A pause is there in any case; the others are those of batches."""


def test_every_step_of_the_machine_has_its_worlds() -> None:
    """Each transition that somebody asks for has worlds, alone and in a group; none is made up."""
    met = {(one.step.trigger, one.step.source, one.place) for one in MEETINGS}
    wanted = {(step.trigger, step.source, place) for step in ASKED_FOR for place in places(step)}
    assert {one for one in met if one[0] != "advance"} == wanted
    assert {one.step.trigger for one in MEETINGS} - {"advance"} == {
        one.trigger for one in ASKED_FOR
    }


@pytest.mark.parametrize("meeting", MEETINGS, ids=lambda one: one.name)
def test_a_world_begins_where_its_step_does(meeting: Meeting) -> None:
    """The message is in the step's source, so that it is this step that is taken."""
    world = meeting.begin(frozenset(), ())
    found = state_of(world.settings, world.items.get(meeting.id), world.time)
    assert found == meeting.step.source


def test_a_rival_takes_whatever_may_be_taken_before_or_after() -> None:
    """Its plans lead to every state to which an operator or a receiver may bring the message."""
    for one in MEETINGS:
        here = {one.step.source, one.step.destination}
        steps = [
            step
            for step in MESSAGE.transitions
            if step.source in here and (step.by == "operator" or step.trigger == "receive")
        ]
        assert bool(one.rivals()) == bool(steps), one.name
        if not one.has_rivals:
            continue
        led = {plan.operation for plan in one.rivals()}
        for step in steps:
            beside = {other.trigger for other in steps if other.destination == step.destination}
            assert led & beside, f"{one.name}: nothing leads to {step.destination}"


def test_what_stands_for_all_faults_is_among_them() -> None:
    """The faults beside a rival differ in what is told and in what is done."""
    assert set(fates.FAULTS) > TELLING
    assert {fate.error for fate in TELLING if fate.error} <= {f.error for f in fates.FAULTS}

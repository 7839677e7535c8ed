"""Groups whose lists are torn, generated from the machine: each step of a member, beside a repair.

For each transition that somebody asks for, and each place that its message can have in a group of
three, there is a world for each way in which the list may be torn. There one actor takes the step,
and another one repairs the list: whatever comes between whatever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby

from attrs import evolve

from model_tests.simulator.actors import Actor
from model_tests.simulator.pairs import MEETINGS, MEMBERS, SUBJECT, Family, Meeting
from model_tests.simulator.scopes import (
    GROUP,
    Repairer,
    Vandal,
    meet,
    run_out,
    when_it_is_repaired,
)
from model_tests.simulator.search import Scope
from model_tests.simulator.simulation import Simulation

FIRST_ONE, SECOND_ONE, ITS_OWN = "the first", "the second", "the group's item"

TORN = (
    ((ITS_OWN, "is gone"),),
    ((FIRST_ONE, "leads nowhere"),),
    ((FIRST_ONE, "leads on too far"),),
    ((SECOND_ONE, "is a second head"),),
    ((FIRST_ONE, "can't be received"),),
    ((FIRST_ONE, "can't be received"), (SECOND_ONE, "is a second head")),
)
"""How a list may be torn: which items, and what is wrong with each then."""


_UNRECEIVED = ("ABSENT", "WAITING", "STANDARD.READY")


def _torn_at(meeting: Meeting, which: str) -> str:
    """Return the id of the item; a dead letter is not in the list."""
    listed = MEMBERS[meeting.step.source.startswith("DLQ.") :]
    return {FIRST_ONE: listed[0], SECOND_ONE: listed[1]}.get(which, f"$group#{GROUP}")


def _begin(meeting: Meeting, tears: Sequence[tuple[str, str]]) -> Simulation:
    """Make the world in which a step is about to be taken in a torn list, and a repair as well."""
    simulation = meeting.begin(frozenset(), ())
    subject = simulation.actors[SUBJECT]
    for id, how in tears:
        run_out(simulation, Actor("vandal", Vandal(id, how)))
    simulation.rules = evolve(simulation.rules, faults=0, troubled="")
    meet(simulation, subject, Actor("repairer", Repairer()))
    simulation.ending = when_it_is_repaired
    return simulation


def _worlds(meeting: Meeting) -> Iterator[Scope]:
    for torn in TORN:
        tears = tuple((_torn_at(meeting, which), how) for which, how in torn)
        delivered = meeting.step.trigger == "advance" or meeting.step.source not in _UNRECEIVED
        if (MEMBERS[0], "can't be received") in tears and delivered:
            continue  # what is being delivered, and in no queue, is no message any more
        how = ":".join(f"{id}:{how}" for id, how in tears).replace(" ", "-").replace("'", "")
        what = ", ".join(f"{which} {how}" for which, how in torn)
        what = f"{meeting.step.trigger} of {meeting.step.source}, {what}"
        yield Scope(f"torn:{meeting.name}:{how}", what, partial(_begin, meeting, tears))


def _families() -> Iterator[Family]:
    members = [one for one in MEETINGS if one.group is not None and not one.is_foreign]
    for trigger, meetings in groupby(members, lambda one: one.step.trigger):
        worlds = tuple(world for meeting in meetings for world in _worlds(meeting))
        yield Family(f"{trigger} beside repair", worlds)


BESIDE_REPAIR = tuple(_families())
"""The worlds of each trigger."""

"""The processes of a run: who is there, who has gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from model_tests.history.log import SkewedClock, epoch_of_this_machine
from model_tests.history.plan import Place, Plan, Tally
from model_tests.history.process import Process
from model_tests.history.worker import Assignment

_WORKER = "model_tests.history.worker"


@define
class Crew:
    """All processes of a run, past and present.

    Attributes:
        plan: what the run is to be like.
        place: where it takes place.
        epoch: what all clocks have in common.
        members: the processes, in the order of their starts.
        tally: what has happened to them.
    """

    plan: Plan
    place: Place
    epoch: int = field(factory=epoch_of_this_machine)
    members: list[Process[Assignment]] = field(factory=list)
    tally: Tally = field(factory=Tally)

    def start(self, role: str, **duties: Any) -> Process[Assignment]:
        """Start one more, with a clock of its own."""
        number = sum(one.assignment.role == role for one in self.members) + 1
        name = f"{role}-{number}"
        offset = 0 if role == "drainer" else self.plan.offset(name, number)
        assignment = Assignment(
            role=role,
            name=name,
            seed=self.plan.seed,
            endpoint_url=self.place.endpoint_url,
            table=self.place.table,
            folder=self.place.folder,
            clock=SkewedClock(self.epoch, offset),
            visibility_timeout=self.plan.visibility_timeout,
            max_receives=self.plan.max_receives,
            **duties,
        )
        process = Process(_WORKER, assignment)
        self.members.append(process)
        self.tally.started += 1
        return process

    def look(self) -> list[Process[Assignment]]:
        """Notice what has happened; return who was killed since the last look."""
        killed = []
        for process in [one for one in self.members if not one.has_ended]:
            was_paused = process.is_paused
            process.look()
            self.tally.paused += process.is_paused and not was_paused
            if process.was_killed:
                killed.append(process)
        self.tally.killed += len(killed)
        return killed

    def of(self, role: str) -> list[Process[Assignment]]:
        """Those in a role that have not ended."""
        return [one for one in self.members if one.assignment.role == role and not one.has_ended]


@contextmanager
def hired(plan: Plan, place: Place) -> Iterator[Crew]:
    """Nobody of the crew outlives the block."""
    members = Crew(plan, place)
    try:
        yield members
    finally:
        for process in members.members:
            process.bury()

"""Several consumers at one backlog, their requests interleaved: almost no race is lost."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import define, field

from dynamomq.operations import Load
from dynamomq.requests import Request
from dynamomq.timestamps import SECOND
from tests.support.figures import figures
from tests.support.fleet import Fleet, Member

BACKLOG = 2000
REPLY = 0.005  # seconds: how long a request takes
LEAST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


@define(eq=False)
class Worker:
    """A consumer in a loop: it claims as many as it has free places, and frees some of them."""

    member: Member
    fleet: Fleet
    chance: random.Random
    places: int
    busy_for: float
    _ends: list[int] = field(factory=list)

    def steps(self) -> Iterator[Request[Any] | float]:
        """Requests, each of which takes its time, and pauses."""
        pause = LEAST_PAUSE
        while True:
            now = self.fleet.clock.now
            self._ends = [end for end in self._ends if end > now]
            free = self.places - len(self._ends)
            if not free:
                yield (min(self._ends) - now) / SECOND + 0.001
                continue
            before = len(self.member.has)
            load = Load(self.places - free, 1.0)
            found = yield from self.member.steps(self.member.claimer.claim(free, load))
            self.member.has += [message.id for message in found]
            for _ in range(len(self.member.has) - before):
                lasts = self.chance.uniform(0, 2 * self.busy_for)
                self._ends.append(self.fleet.clock.now + round(lasts * SECOND))
            pause = LEAST_PAUSE if found else min(pause * 1.5, LONGEST_PAUSE)
            if len(found) < free:
                yield pause * self.chance.uniform(0.5, 1.5)


def drain(fleet: Fleet, workers: list[Worker], chance: random.Random) -> None:
    """Let workers go on, one request at a time in the order in which replies arrive."""
    running = [(fleet.clock.now, number, one.steps()) for number, one in enumerate(workers)]
    for _ in range(200_000):
        if sum(len(one.member.has) for one in workers) >= BACKLOG:
            return
        at, number, steps = min(running)
        fleet.clock.now = max(fleet.clock.now, at)
        step = next(steps)
        seconds = step if isinstance(step, float) else REPLY * chance.uniform(0.5, 1.5)
        running[running.index((at, number, steps))] = (
            fleet.clock.now + round(seconds * SECOND),
            number,
            steps,
        )
    raise AssertionError("it goes on and on")


@pytest.mark.parametrize(
    ("number", "frozen", "busy_for", "bound"),
    [
        (2, 0, 0.0, 0.02),
        (4, 0, 0.0, 0.02),
        (8, 0, 0.0, 0.02),
        (16, 0, 0.0, 0.02),
        (8, 1, 0.0, 0.05),
        (4, 1, 0.02, 0.05),
        (8, 0, 0.05, 0.05),
    ],
)
def test_a_backlog_is_drained_almost_without_lost_races(
    number: int,
    frozen: int,
    busy_for: float,
    bound: float,
    record_property: Callable[[str, object], None],
) -> None:
    """2,000 messages, 2 to 16 consumers: each is claimed once, and a few claims in 100 are lost.

    Also with one consumer that shows itself and claims nothing, and with handlers that take time.
    """
    fleet, chance = Fleet(), random.Random(number)
    members = fleet.together(number + frozen)
    fleet.send(BACKLOG)
    workers = [Worker(one, fleet, chance, 10, busy_for) for one in members[:number]]
    drain(fleet, workers, chance)
    claimed = [id for one in members for id in one.has]
    assert len(claimed) == len(set(claimed)) == BACKLOG
    lost = sum(one.lost for one in members)
    name = f"{number} consumers, {frozen} frozen, {busy_for} s"
    record_property("figures", figures("claims", {name: {"won": BACKLOG, "lost": lost}}))
    assert lost <= bound * BACKLOG

"""A run: processes are started, disturbed and replaced, and in the end the queue is drained.

What happens for certain, whatever the machine's speed, so that a run is worth something:

* Some messages carry a fault. Whoever handles one in its first delivery stops itself until the
  message has been claimed by somebody else (so that its receipt is stale when it goes on), or kills
  itself before the deletion, or between the deletion and the line about it. For those who are
  stopped or dead others stand in, so there always is somebody else.
* One producer kills itself between a send and the line about it; its successor sends everything
  again, under the same ids.
* When all that is over, processes are killed and paused from outside, wherever they are, each when
  so many messages have been delivered.

Nothing waits for a time that should suffice: only for lines in the logs, for processes, and for the
table to show that a message has moved on.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from dynamomq.timestamps import SECOND
from model_tests.history.log import SkewedClock, epoch_of_this_machine
from model_tests.history.process import Process
from model_tests.history.watch import Watch
from model_tests.history.worker import FAULTS, Assignment, id_of

KILL, PAUSE = "kill", "pause"

_LOOK = 0.02  # seconds between two looks at what the run waits for
_TIME_LIMIT = 120.0  # seconds for a run, and so many more for each message:
_TIME_PER_MESSAGE = 0.2
_BETWEEN_FAULTS = 4
_CONTESTED = 10  # every so many messages one that two producers send


class RunError(Exception):
    """A run did not come to its end; the message says what it was waiting for."""


@frozen
class Plan:
    """What a run is to be like.

    Attributes:
        seed: of everything that is chosen.
        messages: how many.
        producers: how many processes send them.
        consumers: how many processes receive them, at any time.
        faults: how many messages carry a fault, in turn each kind.
        kills: how many consumers are killed from outside.
        pauses: how many consumers are paused from outside.
        visibility_timeout: seconds.
        max_receives: deliveries before the dead-letter queue.
        skew: clocks are at most so wrong, either way; seconds.
    """

    seed: int
    messages: int = 300
    producers: int = 3
    consumers: int = 4
    faults: int = 6
    kills: int = 2
    pauses: int = 2
    visibility_timeout: float = 0.6
    max_receives: int = 6
    skew: float = 0.3


@frozen
class Place:
    """Where a run takes place.

    Attributes:
        endpoint_url: DynamoDB's.
        client: a low-level client for it, to look at items.
        table: an empty queue's.
        folder: where the logs go; empty.
    """

    endpoint_url: str
    client: Any
    table: str
    folder: Path


@define
class Tally:
    """What was done to processes.

    Attributes:
        started: processes, all in all.
        killed: processes that ended by SIGKILL, their own or from outside.
        paused: processes that were stopped, by themselves or from outside, and went on.
    """

    started: int = 0
    killed: int = 0
    paused: int = 0


def run(plan: Plan, place: Place) -> Tally:
    """Run the plan to its end; the logs are complete then.

    Raises:
        RunError: it did not end in time.
        WorkerError: a process failed by itself.
    """
    with _crew(plan, place) as crew:
        return _Run(plan, place, crew).run()


# --- the processes ---------------------------------------------------------------------------


@define
class _Crew:
    """All processes of a run, past and present."""

    plan: Plan
    place: Place
    epoch: int = field(factory=epoch_of_this_machine)
    members: list[Process] = field(factory=list)
    tally: Tally = field(factory=Tally)

    def start(self, role: str, **duties: Any) -> Process:
        """Start one more, with a clock of its own."""
        number = sum(one.assignment.role == role for one in self.members) + 1
        name = f"{role}-{number}"
        offset = 0 if role == "drainer" else self._skew(name, number)
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
        process = Process(assignment)
        self.members.append(process)
        self.tally.started += 1
        return process

    def _skew(self, name: str, number: int) -> int:
        """How wrong a process's clock is: one is ahead, the next one behind."""
        share = random.Random(f"{self.plan.seed} clock of {name}").uniform(0.5, 1)
        return round(share * self.plan.skew * SECOND) * (-1 if number % 2 else 1)

    def look(self) -> list[Process]:
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

    def of(self, role: str) -> list[Process]:
        """Those in a role that have not ended."""
        return [one for one in self.members if one.assignment.role == role and not one.has_ended]


@contextmanager
def _crew(plan: Plan, place: Place) -> Iterator[_Crew]:
    """Nobody of the crew outlives the block."""
    crew = _Crew(plan, place)
    try:
        yield crew
    finally:
        for process in crew.members:
            process.bury()


# --- the run ---------------------------------------------------------------------------------


class _Run:
    def __init__(self, plan: Plan, place: Place, crew: _Crew) -> None:
        self._plan = plan
        self._place = place
        self._crew = crew
        self._watch = Watch(place.folder)
        self._random = random.Random(f"{plan.seed} runner")
        self._faults = _faults(plan)
        self._disturbances = _disturbances(plan, self._random)
        self._is_ending = False
        self._deadline = time.monotonic() + _TIME_LIMIT + _TIME_PER_MESSAGE * plan.messages

    def run(self) -> Tally:
        for _ in range(self._plan.consumers):
            self._crew.start("consumer")
        for share, numbers in enumerate(_shares(self._plan, self._random)):
            self._crew.start(
                "producer",
                numbers=numbers,
                faults=self._faults,
                dies_at=len(numbers) // 2 if share == 0 else None,
            )
        self._wait_until(self._is_disturbed, "messages are sent and processes disturbed")
        self._is_ending = True
        for consumer in self._crew.of("consumer"):
            consumer.finish()
        self._wait_until(lambda: not self._crew.of("consumer"), "consumers end")
        self._crew.start("drainer")
        self._wait_until(lambda: not self._crew.of("drainer"), "the queue is drained")
        return self._crew.tally

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Keep the run going until a condition holds."""
        while not condition():
            if time.monotonic() > self._deadline:
                raise RunError(f"Seed {self._plan.seed}: time is up, waiting until {what}.")
            news = self._watch.look()
            self._replace(self._crew.look())
            self._resume_overtaken()
            if not news:
                time.sleep(_LOOK)  # between two looks at a condition

    def _is_disturbed(self) -> bool:
        """Whether all that the plan has in store has happened; the next disturbance, if it is due.

        Disturbances from outside wait until the faults of messages are over, because they might
        hit a process that is to meet with one.
        """
        if not all(map(self._is_over, self._faults)):
            return False
        running = [one for one in self._crew.of("consumer") if one.is_running]
        if (
            self._disturbances
            and len(self._watch.delivered) >= self._disturbances[0][0]
            and running
        ):
            _, kind = self._disturbances.popleft()
            victim = self._random.choice(running)
            victim.kill() if kind == KILL else victim.pause()
            return False
        paused = any(one.is_paused for one in self._crew.members)
        return not (self._disturbances or paused or self._crew.of("producer"))

    def _is_over(self, number: int) -> bool:
        """Whether a message's fault has happened, or has died with the first holder."""
        id = id_of(number)
        holder = self._watch.first_holders.get(id)
        return id in self._watch.faults_over or any(
            one.name == holder and one.has_ended for one in self._crew.members
        )

    def _replace(self, killed: list[Process]) -> None:
        """Start successors of producers, and as many consumers as are missing."""
        for process in killed:
            if process.assignment.role == "producer":
                share = process.assignment
                self._crew.start("producer", numbers=share.numbers, faults=share.faults)
        if not self._is_ending:
            running = sum(one.is_running for one in self._crew.of("consumer"))
            for _ in range(self._plan.consumers - running):
                self._crew.start("consumer")

    def _resume_overtaken(self) -> None:
        """Let those go on whose messages have all been claimed by others."""
        for process in self._crew.members:
            if process.is_paused and not process.has_ended and self._is_overtaken(process):
                process.resume()

    def _is_overtaken(self, process: Process) -> bool:
        held = self._watch.open[process.name]
        for id, version in list(held.items()):
            item = self._place.client.get_item(
                TableName=self._place.table, Key={"id": {"S": id}}, ConsistentRead=True
            ).get("Item")
            if item is not None and int(item["version"]["N"]) <= version:
                return False
            del held[id]
        return True


# --- what the seed decides -------------------------------------------------------------------


def _faults(plan: Plan) -> dict[int, str]:
    """Give a fault to some of the first messages, a few apart, in turn each kind."""
    numbers = range(0, plan.messages, _BETWEEN_FAULTS)
    return {
        number: FAULTS[place % len(FAULTS)] for place, number in enumerate(numbers[: plan.faults])
    }


def _disturbances(plan: Plan, chance: random.Random) -> deque[tuple[int, str]]:
    """After how many messages to do what to a consumer."""
    kinds = [KILL] * plan.kills + [PAUSE] * plan.pauses
    chance.shuffle(kinds)
    step = plan.messages / (len(kinds) + 1)
    return deque((round(step * (place + 1)), kind) for place, kind in enumerate(kinds))


def _shares(plan: Plan, chance: random.Random) -> list[tuple[int, ...]]:
    """What each producer sends: its own messages, and some that another one sends too."""
    shares = []
    for producer in range(plan.producers):
        share = list(range(producer, plan.messages, plan.producers))
        others = [n for n in range(0, plan.messages, _CONTESTED) if n not in share]
        for number in chance.sample(others, len(others) // 2):
            share.insert(chance.randrange(len(share) + 1), number)
        shares.append(tuple(share))
    return shares

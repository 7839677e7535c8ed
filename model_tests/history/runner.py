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
from collections.abc import Callable

from model_tests.history.crew import Crew, hired
from model_tests.history.plan import KILL, Place, Plan, Tally
from model_tests.history.process import Process
from model_tests.history.watch import Watch
from model_tests.history.worker import Assignment, id_of

_LOOK = 0.02  # seconds between two looks at what the run waits for
_TIME_LIMIT = 120.0  # seconds for a run, and so many more for each message:
_TIME_PER_MESSAGE = 0.2


class RunError(Exception):
    """A run did not come to its end; the message says what it was waiting for."""


def run(plan: Plan, place: Place) -> Tally:
    """Run the plan to its end; the logs are complete then.

    Raises:
        RunError: it did not end in time.
        WorkerError: a process failed by itself.
    """
    with hired(plan, place) as crew:
        return _Run(plan, place, crew).run()


class _Run:
    def __init__(self, plan: Plan, place: Place, crew: Crew) -> None:
        self._plan = plan
        self._place = place
        self._crew = crew
        self._watch = Watch(place.folder)
        self._random = random.Random(f"{plan.seed} victims")
        self._faults = plan.faults()
        self._disturbances = plan.disturbances()
        self._next_disturbance: float | None = None  # after how many delivered messages
        self._is_ending = False
        self._deadline = time.monotonic() + _TIME_LIMIT + _TIME_PER_MESSAGE * plan.messages

    def run(self) -> Tally:
        for _ in range(self._plan.consumers):
            self._crew.start("consumer")
        for share, numbers in enumerate(self._plan.shares()):
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
            killed = self._crew.look()
            news = self._watch.look()  # afterwards: so the logs of who has stopped are complete
            self._replace(killed)
            self._resume_overtaken()
            if not news:
                time.sleep(_LOOK)  # others write the logs: there is nothing but to look again

    def _is_disturbed(self) -> bool:
        """Whether all that the plan has in store has happened; if not, it is made to happen.

        Disturbances from outside wait until the faults of messages are over, because they might
        hit a process that is to meet with one.
        """
        if not all(map(self._is_over, self._faults)):
            return False
        if self._disturbances:
            self._disturb()
            return False
        paused = any(one.is_paused for one in self._crew.members)
        return not (paused or self._crew.of("producer"))

    def _disturb(self) -> None:
        """Kill or pause a consumer if it is time: evenly over what is still to be delivered."""
        delivered = len(self._watch.delivered)
        running = [one for one in self._crew.of("consumer") if one.is_running]
        if self._next_disturbance is not None and delivered >= self._next_disturbance and running:
            victim = self._random.choice(running)
            victim.kill() if self._disturbances.pop() == KILL else victim.pause()
            self._next_disturbance = None
        if self._next_disturbance is None:
            share = (self._plan.messages - delivered) / (len(self._disturbances) + 1)
            self._next_disturbance = delivered + share

    def _is_over(self, number: int) -> bool:
        """Whether a message's fault has happened, or has died with the first holder."""
        id = id_of(number)
        holder = self._watch.first_holders.get(id)
        return id in self._watch.faults_over or any(
            one.name == holder and one.has_ended for one in self._crew.members
        )

    def _replace(self, killed: list[Process[Assignment]]) -> None:
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

    def _is_overtaken(self, process: Process[Assignment]) -> bool:
        held = self._watch.open[process.name]
        for id, version in list(held.items()):
            if self._place.version_of(id) == version:
                return False
            del held[id]
        return True

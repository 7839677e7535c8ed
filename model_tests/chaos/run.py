"""A run: processes are started, disturbed and replaced, until the queue is drained.

Disturbances are spread over the deliveries, so that each of them takes place in every run, however
fast the machine is. Kills, stops and restarts hit workers that have messages in hand. A stop lasts
longer than the visibility timeout; the last one, until others have received all that the stopped
worker has in hand, so that in every run some leases are lost.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, frozen

from dynamomq import DynamoDBEngine, Queue
from model_tests.chaos.assignment import Assignment, queue_of
from model_tests.chaos.plan import Disturbance, Plan
from model_tests.chaos.proxy import ChaosProxy
from model_tests.history.log import SkewedClock, epoch_of_this_machine
from model_tests.history.plan import Place
from model_tests.history.process import Process
from model_tests.history.runner import RunError
from model_tests.history.watch import Watch

_MODULE = "model_tests.chaos.worker"
_LOOK = 0.05  # seconds between two looks at what the run waits for
_COUNT = 0.5  # and between two counts of what is left
_TIME_LIMIT = 60.0  # seconds for a run, and so many more for each second of its work:
_SLOWNESS = 5
_SPREAD = 0.9  # of the deliveries; there is still something to do when the last one comes
_STOPS = (1.2, 2.0)  # of the visibility timeout
_OUTAGES = (1.0, 2.5)  # seconds

Member = Process[Assignment]


@define
class Tally:
    """What was done.

    Attributes:
        started: processes, all in all.
        killed: workers that ended by SIGKILL, from outside or by a deadly message.
        stopped: workers that were stopped for longer than the visibility timeout, and went on.
        restarted: workers that were told to end, and were replaced.
        outages: how often the network was out.
        seconds: how long it took until the queue was drained.
    """

    started: int = 0
    killed: int = 0
    stopped: int = 0
    restarted: int = 0
    outages: int = 0
    seconds: int = 0


@frozen
class _Stop:
    """A worker that was stopped.

    Attributes:
        victim: who.
        since: when, on the monotonic clock.
        until: when it may go on, at the earliest.
        held: the messages that others have to receive before that, with their versions.
    """

    victim: Member
    since: float
    until: float
    held: Mapping[str, int]


def run(plan: Plan, place: Place, proxy: ChaosProxy, tally: Tally) -> None:
    """Run the plan to its end, and count in the tally what is done; the logs are complete then.

    Raises:
        RunError: it did not end in time.
        WorkerError: a process failed by itself.
    """
    running = _Run(plan, place, proxy, tally)
    try:
        running.run()
    finally:
        for process in running.members:
            process.bury()


class _Run:
    def __init__(self, plan: Plan, place: Place, proxy: ChaosProxy, tally: Tally) -> None:
        self._plan = plan
        self._place = place
        self._proxy = proxy
        self._watch = Watch(place.folder)
        engine = DynamoDBEngine(client=place.client)
        self._queue: Queue[Any] = queue_of(plan, place.table, engine)
        self._random = random.Random(f"{plan.seed} victims")
        self._epoch = epoch_of_this_machine()
        self._deadly = plan.deadly_ids(list(plan.payloads()))
        self._disturbances = deque(plan.disturbances())
        self._next_disturbance = 1.0  # after how many delivered messages
        self._stops: list[_Stop] = []
        self._leaving: list[Member] = []  # who was told to end
        self._next_count = 0.0
        self._deadline = time.monotonic() + _TIME_LIMIT + _SLOWNESS * plan.seconds
        self.members: list[Member] = []
        self.tally = tally

    def run(self) -> None:
        began = time.monotonic()
        if self._plan.groups:
            self._start("watcher")
        self._fill_up()
        for number in range(self._plan.producers):
            self._start("producer", share=(number, self._plan.producers))
        self._wait_until(self._is_drained, "the queue is drained")
        self.tally.seconds = round(time.monotonic() - began)
        self._end(*self._plan.crew)
        self._end("watcher")

    def _end(self, *roles: str) -> None:
        """Tell those in these roles to end, be they only about to begin, and wait for them."""
        for process in self._of(*roles):
            process.finish()
        self._wait_until(lambda: not self._of(*roles), f"these have ended: {', '.join(roles)}")

    # --- processes ---------------------------------------------------------------------------

    def _start(self, role: str, **duties: Any) -> None:
        number = sum(one.assignment.role == role for one in self.members) + 1
        name = f"{role}-{number}"
        assignment = Assignment(
            role=role,
            name=name,
            plan=self._plan,
            endpoint_url=(
                self._place.endpoint_url if role == "watcher" else self._proxy.endpoint_url
            ),
            table=self._place.table,
            folder=self._place.folder,
            clock=SkewedClock(self._epoch, self._plan.offset(name, number)),
            deadly=self._deadly,
            **duties,
        )
        self.members.append(Process(_MODULE, assignment))
        self.tally.started += 1

    def _fill_up(self) -> None:
        """Start who is missing of those that consume."""
        for role, number in self._plan.crew.items():
            for _ in range(number - len(self._of(role))):
                self._start(role)

    def _of(self, *roles: str) -> list[Member]:
        """Those in these roles that have not ended."""
        return [one for one in self.members if one.assignment.role in roles and not one.has_ended]

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Keep the run going until a condition holds."""
        while not condition():
            if time.monotonic() > self._deadline:
                raise RunError(f"Seed {self._plan.seed}: time is up, waiting until {what}.")
            for process in [one for one in self.members if not one.has_ended]:
                process.look()
                self.tally.killed += process.was_killed
            self._resume()
            if not self._watch.look():
                time.sleep(_LOOK)  # others write the logs: there is nothing but to look again

    # --- what happens to them ----------------------------------------------------------------

    def _is_drained(self) -> bool:
        """Whether nothing is left to do; if there is, see to workers and disturbances."""
        self._fill_up()
        if self._disturbances:
            self._disturb()
        if self._of("producer") or self._stops or time.monotonic() < self._next_count:
            return False
        self._next_count = time.monotonic() + _COUNT
        return not self._queue.stats(limit=1).standard.total

    def _disturb(self) -> None:
        """Go on with the disturbances if it is time: evenly over the deliveries."""
        delivered = len(self._watch.delivered)
        if delivered < self._next_disturbance:
            return
        if self._disturbances[0] is Disturbance.OUTAGE:
            self._proxy.black_out(self._random.uniform(*_OUTAGES))
            self.tally.outages += 1
        else:
            victims = [one for one in self._of(*self._plan.crew) if self._is_at_work(one)]
            if not victims:
                return
            self._hit(self._random.choice(victims), self._disturbances[0])
        self._disturbances.popleft()
        last = self._plan.messages * _SPREAD
        share = (last - delivered) / max(1, len(self._disturbances))
        self._next_disturbance = delivered + share

    def _is_at_work(self, worker: Member) -> bool:
        return (
            worker.is_running
            and worker not in self._leaving
            and bool(self._watch.open[worker.name])
        )

    def _hit(self, victim: Member, disturbance: Disturbance) -> None:
        if disturbance is Disturbance.KILL:
            victim.kill()
        elif disturbance is Disturbance.RESTART:
            victim.terminate()
            self._leaving.append(victim)
            self.tally.restarted += 1
        else:
            self._stop(victim, until_overtaken=len(self._disturbances) == 1)

    def _stop(self, victim: Member, *, until_overtaken: bool) -> None:
        victim.pause()
        self._watch.look()  # it writes nothing more, so this is all that it has in hand
        now = time.monotonic()
        seconds = self._random.uniform(*_STOPS) * self._plan.visibility_timeout
        held = dict(self._watch.open[victim.name]) if until_overtaken else {}
        self._stops.append(_Stop(victim, now, now + seconds, held))

    def _resume(self) -> None:
        """Let those go on that were stopped for long enough."""
        now = time.monotonic()
        for stop in list(self._stops):
            if now < stop.until or not self._is_overtaken(stop):
                continue
            self._stops.remove(stop)
            if stop.victim.has_ended:  # a deadly message was faster
                self._disturbances.append(Disturbance.STOP)
                continue
            stop.victim.resume()
            self.tally.stopped += now - stop.since > self._plan.visibility_timeout

    def _is_overtaken(self, stop: _Stop) -> bool:
        return all(self._place.version_of(id) != version for id, version in stop.held.items())

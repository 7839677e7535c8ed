"""What a worker decides: which child to start when, what a signal does, how it all ends.

No process, clock or signal is touched here: events go in, actions come out, and time is an
argument. :mod:`dynamomq.worker.processes` carries the actions out.

* The first child is started a little before the others: what keeps all from working is then mostly
  seen, and logged, once.
* A child that ends although nobody told it to is started again: after a random delay whose bound
  doubles with each such end in a row, and that starts anew once a child has lived for a while.
* A child that reports a set-up or usage error stops the whole worker, as long as no child has been
  healthy: all would only fail in the same way, for ever. Once one has been, such an error may pass,
  as credentials that are late or a module that is being replaced do, and is no reason to stop those
  that work: the child is started again.
* The first signal has the children finish what they have begun; the second has them give up; the
  third kills them. Signals within a second are one. Children that outlive the grace are killed.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeAlias

from attrs import define, field, frozen

from dynamomq.consumer.signals import Orders
from dynamomq.worker.statuses import ChildStatus, ExitStatus, describe_status

_log = logging.getLogger("dynamomq.worker")

HEALTHY_AFTER = 60.0
"""How many seconds a child must live to be healthy; its end then counts as the first."""

MARGIN = 1.5
"""How many seconds after the grace, or after a second signal, children are killed."""

HEAD_START = 1.0
"""How many seconds the first child is alone."""

_BASE, _CAP = 1.0, 60.0  # seconds: bounds of the delay before a restart, first and last
_MOST_DOUBLINGS = 6

_STOPS_ALL = {ChildStatus.USAGE: ExitStatus.USAGE, ChildStatus.SETUP: ExitStatus.SETUP}

# A child that a signal kills has not set up its handlers yet, so it holds no message.
_CLEAN = (ChildStatus.FINISHED, -signal.SIGTERM, -signal.SIGINT)


class Word(Enum):
    """What a child can be told."""

    STOP = "stop"
    """Finish what has begun, within the grace, and end."""

    GIVE_UP = "give up"
    """End at once."""


@frozen
class Start:
    """Start the child with this number; then call ``started`` or ``not_started``."""

    number: int


@frozen
class Tell:
    """Tell a child something."""

    number: int
    word: Word


@frozen
class Kill:
    """Kill a child."""

    number: int


Action: TypeAlias = Start | Tell | Kill


@define
class _Child:
    """One of the places for children, and whoever is in it.

    Attributes:
        number: the place's number, from 1.
        pid: the running process; ``None`` where there is none.
        since: when it was started.
        start_at: when to start the next one; ``None`` while one is starting or running.
        failures: how many have ended in a row without having lived long.
        running: whether one was ordered and has not ended.
    """

    number: int
    start_at: float | None
    pid: int | None = None
    since: float = 0.0
    failures: int = 0
    running: bool = False

    @property
    def name(self) -> str:
        """What the log calls it."""
        return f"process {self.number}" + (f" (pid {self.pid})" if self.pid else "")

    def is_healthy(self, now: float) -> bool:
        """Return whether the process that is in it, or has just ended, lived long."""
        return now - self.since >= HEALTHY_AFTER


@define(eq=False)
class Supervisor:
    """The policy of a worker over its children.

    Attributes:
        exit_status: the worker's; ``None`` until it has stopped.
        wake_at: when ``tick`` is due next; ``None``: not before something happens.
    """

    _processes: int
    _grace: float
    _chance: Callable[[], float]
    _children: dict[int, _Child] = field(init=False, factory=dict)
    _stopping: bool = field(init=False, default=False)
    _signals: int = field(init=False, default=0)
    _orders: Orders = field(init=False, factory=Orders)
    _kill_at: float | None = field(init=False, default=None)
    _failure: ExitStatus | None = field(init=False, default=None)
    _left: bool = field(init=False, default=False)
    _has_been_healthy: bool = field(init=False, default=False)  # any child, ever

    # --- events ------------------------------------------------------------------------------

    def begin(self, now: float) -> Sequence[Action]:
        """Start the first child; the others follow."""
        for number in range(1, self._processes + 1):
            self._children[number] = _Child(number, now if number == 1 else now + HEAD_START)
        return self.tick(now)

    def tick(self, now: float) -> Sequence[Action]:
        """Do what is due: start children again, or kill those whose time is up."""
        if self._kill_at is not None and now >= self._kill_at:
            return self._kill("is still there after its time was up: killed")
        actions: list[Action] = []
        for child in self._children.values():
            if child.start_at is not None and now >= child.start_at:
                child.start_at, child.running, child.since = None, True, now
                actions.append(Start(child.number))
        return actions

    def started(self, number: int, pid: int) -> None:
        """Note that a child runs."""
        child = self._children[number]
        child.pid = pid
        _log.info("process %d started: pid %d", number, pid)

    def not_started(self, number: int, error: Exception, now: float) -> None:
        """Note that the system refused to start a child; try again later."""
        child = self._children[number]
        child.running = False
        if not self._stopping:
            self._restart_later(child, f"could not be started ({error})", now)

    def exited(self, number: int, status: int, now: float) -> Sequence[Action]:
        """Draw the conclusions from a child's end.

        Args:
            number: which child.
            status: its exit status; negative: the number of the signal that killed it.
            now: when.
        """
        self._has_been_healthy |= any(child.is_healthy(now) for child in self._running())
        child = self._children[number]
        child.running = False
        how = describe_status(status)
        actions: Sequence[Action] = ()
        if status in _STOPS_ALL and (self._stopping or not self._has_been_healthy):
            failure = _STOPS_ALL[ChildStatus(status)]
            self._failure = self._failure or failure
            _log.error("%s %s", child.name, how)
            if not self._stopping:
                _log.error("stopping: it would end in the same way again")
                actions = self._stop(now)
        elif self._stopping:
            clean = status in _CLEAN
            self._left |= not clean
            _log.log(logging.INFO if clean else logging.WARNING, "%s %s", child.name, how)
        else:
            self._restart_later(child, how, now)
        child.pid = None
        return actions

    def signalled(self, name: str, now: float) -> Sequence[Action]:
        """Do what a signal to stop asks for: the first, the second, any later one.

        Signals that come within a second are one order: the worker may get it for itself, and again
        with its process group.
        """
        if not self._orders.is_new(now):
            return ()
        self._signals += 1
        if not self._stopping:
            _log.info("%s: stopping; handlers have %g s to finish", name, self._grace)
            return self._stop(now)
        if self._kill_at is not None and self._signals <= 2:
            _log.warning("%s while stopping: giving up", name)
            self._signals = 2
            self._kill_at = min(self._kill_at, now + MARGIN)
            return self._tell(Word.GIVE_UP)
        _log.warning("%s once more", name)
        return self._kill("is killed")

    # --- results -----------------------------------------------------------------------------

    @property
    def wake_at(self) -> float | None:
        """When ``tick`` is due next."""
        times = [child.start_at for child in self._children.values()]
        return min((time for time in (*times, self._kill_at) if time is not None), default=None)

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the worker has ended; the worst that is known of it."""
        if not self._stopping or any(child.running for child in self._children.values()):
            return None
        if self._failure is not None:
            return self._failure
        if not self._left:
            return ExitStatus.DRAINED
        return ExitStatus.FORCED if self._signals > 1 else ExitStatus.LEFT

    # --- steps -------------------------------------------------------------------------------

    def _restart_later(self, child: _Child, how: str, now: float) -> None:
        if child.is_healthy(now):
            child.failures = 0
        bound = min(_CAP, _BASE * 2.0 ** min(child.failures, _MOST_DOUBLINGS))
        delay = self._chance() * bound
        child.failures += 1
        child.start_at = now + delay
        in_a_row = f" ({child.failures} in a row)" if child.failures > 1 else ""
        _log.warning("%s %s%s; starting it again in %.1f s", child.name, how, in_a_row, delay)

    def _stop(self, now: float) -> Sequence[Action]:
        self._stopping = True
        self._kill_at = now + self._grace + MARGIN
        for child in self._children.values():
            child.start_at = None
        return self._tell(Word.STOP)

    def _tell(self, word: Word) -> Sequence[Action]:
        return [Tell(child.number, word) for child in self._running()]

    def _kill(self, why: str) -> Sequence[Action]:
        self._kill_at = None
        for child in self._running():
            _log.warning("%s %s", child.name, why)
        return [Kill(child.number) for child in self._running()]

    def _running(self) -> list[_Child]:
        return [child for child in self._children.values() if child.running]

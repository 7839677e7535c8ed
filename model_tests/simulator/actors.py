"""Who acts: producers, consumers, operators, each by a clock of its own.

An actor makes one call after the other. What it may call next is its role's business, and which of
that it does is decided like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from attrs import define, frozen

from dynamomq.drivers.skew import ClockOffset, Offset, Reading
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.requests import Query, Sleep, Tick
from dynamomq.timestamps import SECOND
from model_tests.simulator.calls import Call, Execution, Outcome, Plan
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import Mover
from model_tests.simulator.triggers import ways
from tests.support.triggers import OPERATORS

_BEGINNING = Reading(0, 0)
KEPT = 1  # messages that an actor is done with, and might take up again by mistake

Choice = tuple[int, Plan | None]  # how likely, and what; None: to forget the oldest message

CALLS, FORGETS = "calls", "forgets"
ADVANCES = "advances"
"""A way to finish a message: deleting it, and receiving the next one of its group."""

_REASONS: tuple[tuple[tuple[str, Any], ...], ...] = ((), (("error", "why"),))
"""What is said when a delivery has failed: nothing, or why."""

_OVER = ("StaleReceiptError", "OutcomeUnknownError", "IllegalTransitionError")


class Role(Protocol):
    """What an actor may do when it is at leisure."""

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Its next calls, the most useful first; none: it is done."""


@define(eq=False, slots=False)
class Actor:
    """Somebody who makes calls.

    Attributes:
        name: who.
        role: what it may do.
        offset: its clock minus the true time, in nanoseconds.
        call: the present call.
        execution: how far that has come; ``None`` between calls.
        attempts: of the SDK to have the present request carried out.
        wakes: the true time until which it sleeps, or is frozen.
        waits: whether it does not move before time leaps, or its clock jumps.
        held: messages that it has received and not finished.
        done: the last ones that it has.
        calls: how many it has begun.
        ticks: how often the present call has asked for the time.
        estimator: by what it corrects its clock, if it does; in worlds that are not copied.
        has_looked: whether storage has answered a request of the present call.
        since: what its clocks showed when the present request was made, or earlier.
    """

    name: str
    role: Role
    offset: int = 0
    call: Call | None = None
    execution: Execution | None = None
    attempts: int = 0
    wakes: int = 0
    waits: bool = False
    held: tuple[Message[Any], ...] = ()
    done: tuple[Message[Any], ...] = ()
    calls: int = 0
    ticks: int = 0
    estimator: ClockOffset | None = None
    has_looked: bool = False
    since: Reading = _BEGINNING

    def copy(self) -> Actor:
        """One like this, who goes its own way."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__.pop("known_digest", None)
        return other

    @cached_property
    def mover(self) -> Mover:
        """It, as one who can move."""
        return Mover("actor", self.name)

    @property
    def is_done(self) -> bool:
        """Whether it has nothing left to do."""
        return self.execution is None and not self.role.choices(self)

    @property
    def asks_storage(self) -> bool:
        """Whether it waits for the answer to a request that others can notice, or that notices."""
        request = self.execution.request if self.execution else None
        return request is not None and not isinstance(request, Tick | Sleep)

    @property
    def is_looking(self) -> bool:
        """Whether it waits for the answer to a query."""
        return self.execution is not None and isinstance(self.execution.request, Query)

    def correct_clock(self, time: int) -> None:
        """Correct the clock from now on; the storage has just told what time it is."""
        self.estimator, self.since = ClockOffset(), self.clocks(time)
        self._told(time)

    def reckoning(self, time: int) -> Offset:
        """How far what it takes the time to be is ahead of the true time, which this is."""
        if self.estimator is None:
            return Offset(self.offset, None)
        found = self.estimator.at(self.clocks(time))
        return Offset(self.offset + found.nanoseconds, found.uncertainty)

    def answered(self, time: int, *, failed: bool) -> None:
        """Have the answer to a request: one of the storage has a date, unless it has failed."""
        if self.asks_storage:
            self.has_looked = True
            if not failed:
                self._told(time)
        self.since = self.clocks(time)

    def clocks(self, time: int) -> Reading:
        """What its clocks show: one that may be wrong, and one that only counts."""
        return Reading(time + self.offset, time)

    def _told(self, time: int) -> None:
        """Be told the true time in whole seconds."""
        if self.estimator is not None:
            date = time // SECOND * SECOND
            self.estimator.observe(date, sent=self.since, received=self.clocks(time))

    def fates(self) -> tuple[Sequence[int], Sequence[Fate]]:
        """What it could do next."""
        found = self.role.choices(self)
        return (
            [weight for weight, _ in found],
            [Fate(FORGETS if plan is None else CALLS, plan) for _, plan in found],
        )

    def act(self, fate: Fate) -> None:
        """Do what is no call: forget the oldest message."""
        assert fate.name == FORGETS, fate
        self.held = self.held[1:]

    @property
    def clockmates(self) -> Sequence[str]:
        """Who goes by the same clock."""
        return (self.name,)

    def set_clock(self, offset: int) -> None:
        """Have the clock set."""
        self.offset, self.waits = offset, False

    def suffer(self) -> None:
        """Something goes wrong that would not in a friendly world."""

    def freeze(self, until: int) -> None:
        """Do nothing before a time, whatever happens."""
        self.wakes = until

    @cached_property
    def known_digest(self) -> tuple[object, ...]:
        """What its future depends on, hashable; for those who move no more."""
        return (
            self.offset,
            id(self.execution),
            self.attempts,
            self.waits,
            tuple(map(id, self.held)),
            tuple(map(id, self.done)),
            self.calls,
        )

    def end(self, outcome: Outcome) -> None:
        """Be told how the call ended."""
        assert self.call is not None, "only a call ends"
        self.execution, self.has_looked = None, False
        for part, one in self.call.endings(outcome):
            self._ended(part.plan, one)

    def _ended(self, plan: Plan, outcome: Outcome) -> None:
        operation, message = plan.operation, plan.message
        if outcome.error is not None:
            if message is not None and type(outcome.error).__name__ in _OVER:
                self._finish(message)
        elif operation == "receive":
            self.held = (*self.held, *outcome.result)
        elif operation == "extend":
            self.held = tuple(outcome.result if one is message else one for one in self.held)
        elif message is not None:
            self._finish(message)
            if dict(plan.options).get("receive_next") and outcome.result is not None:
                self.held = (*self.held, outcome.result)

    def crash(self) -> None:
        """Lose everything, and start anew; the clock stays."""
        self.call = self.execution = None
        self.attempts, self.wakes, self.waits, self.has_looked = 0, 0, False, False
        self.held = self.done = ()

    def _finish(self, message: Message[Any]) -> None:
        self.held = tuple(one for one in self.held if one is not message)
        self.done = (*self.done, message)[-KEPT:]


# --- roles -----------------------------------------------------------------------------------


@frozen
class Producer:
    """Sends some messages; again after an error, as its users would.

    Attributes:
        ids: under which ids; the same one may be sent more than once. ``None``: under a fresh one.
        delays: by how much it may delay them, in nanoseconds.
        calls: how many sends it tries at most.
        groups: into which groups; ``None``: into none.
    """

    ids: tuple[str | None, ...]
    delays: tuple[int, ...] = (0,)
    calls: int = 6
    groups: tuple[str | None, ...] = (None,)

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Send any of the ids."""
        if actor.calls >= self.calls:
            return ()
        data = f"{actor.name}.{actor.calls}"
        return [
            (1, sending(id, data, delay, group))
            for id in self.ids
            for group in self.groups
            for delay in self.delays
        ]


def sending(id: str | None, data: str, delay: int = 0, group: str | None = None) -> Plan:
    """A plan to send."""
    where = () if group is None else (("group", group),)
    return Plan("send", id, options=(("data", data), ("delay", delay), *where))


@frozen(slots=False)
class Consumer:
    """Receives messages and finishes them in one way or another.

    Attributes:
        calls: how many calls it makes at most.
        batches: how many messages it may ask for at once.
        timeouts: for how long, in nanoseconds.
        retries: how long failed messages rest, in nanoseconds.
        ways: what it does with what it holds, with weights.
        extensions: by how long it extends deliveries, in nanoseconds.
        sources: from which queues it receives.
    """

    calls: int = 12
    batches: tuple[int, ...] = (1, 3)
    timeouts: tuple[int, ...] = (10 * SECOND, 4 * SECOND)
    retries: tuple[int, ...] = (0, 3 * SECOND)
    extensions: tuple[int, ...] = (10 * SECOND, 1 * SECOND)
    ways: tuple[tuple[int, str | None], ...] = (
        *ways(delete=8, extend=3, retry=3, release=2, move_to_dlq=2),
        (2, None),
    )
    sources: tuple[QueueType, ...] = (QueueType.STANDARD,)

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Deal with the oldest message, or receive more; misuse a finished one now and then."""
        if actor.calls >= self.calls:
            return ()
        found: list[Choice] = []
        for message in actor.held[:1]:
            found += [one for weight, way in self.ways for one in self._ways(weight, way, message)]
        if len(actor.held) < 3:
            found += self._receives
        for message in actor.done:
            misused = ((1, way) for _, way in self.ways if way is not None)
            found += [one for weight, way in misused for one in self._ways(weight, way, message)]
        return found

    @cached_property
    def _receives(self) -> list[Choice]:
        return [
            (4, Plan("receive", options=_options(source, most, timeout)))
            for source in self.sources
            for most in self.batches
            for timeout in self.timeouts
        ]

    def _ways(self, weight: int, way: str | None, message: Message[Any]) -> list[Choice]:
        if way is None:
            return [(weight, None)]
        if way == ADVANCES:
            return [(weight, Plan("delete", message=message, options=(("receive_next", True),)))]
        if way == "retry":
            return [
                (weight, Plan(way, message=message, options=(("delay", delay), *why)))
                for delay in self.retries
                for why in _REASONS
            ]
        if way == "extend":
            return [
                (weight, Plan(way, message=message, options=(("timeout", longer),)))
                for longer in self.extensions
            ]
        if way == "move_to_dlq" and message.queue is not QueueType.STANDARD:
            return []
        reasons = _REASONS if way == "move_to_dlq" else _REASONS[:1]
        return [(weight, Plan(way, message=message, options=why)) for why in reasons]


def _options(source: QueueType, most: int, timeout: int) -> tuple[tuple[str, Any], ...]:
    return ("source", source), ("max_messages", most), ("visibility_timeout", timeout)


@frozen
class Operator:
    """Edits messages by their ids.

    Attributes:
        ids: which.
        triggers: how.
        calls: how often at most.
        delays: by how much it reschedules them, in nanoseconds.
    """

    ids: tuple[str, ...]
    triggers: tuple[str, ...] = OPERATORS
    calls: int = 6
    delays: tuple[int, ...] = (0, 3 * SECOND)

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Edit any message in any way."""
        if actor.calls >= self.calls:
            return ()
        options: dict[str, Sequence[tuple[tuple[str, Any], ...]]] = {
            "update": [(("data", f"{actor.name}.{actor.calls}"),)],
            "reschedule": [(("delay", delay),) for delay in self.delays],
        }
        return [
            (1, Plan(trigger, id, options=one))
            for id in self.ids
            for trigger in self.triggers
            for one in options.get(trigger, [()])
        ]

"""Pairs of faults, generated from the machine: each of its steps meets any two, in a small world.

For each transition that somebody asks for, and each place that its message can have (in no group,
or first, in the middle or last of a group of three), a world is made in which the message is in the
transition's source, and one actor takes the step. Whatever it asks for meets up to two faults: in
one request, or in one operation. In half of the worlds a rival does meanwhile, in one go, whatever
else is legal before or after the step: that is what a late attempt may undo, or be undone by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from attrs import frozen

from dynamomq.machine import MESSAGE, QueueType
from dynamomq.message import Message
from dynamomq.rules import Transition
from dynamomq.timestamps import SECOND
from model_tests.simulator import fates
from model_tests.simulator.actors import Actor, Choice, sending
from model_tests.simulator.calls import BATCHES, Plan
from model_tests.simulator.fates import Fate
from model_tests.simulator.index import Lag
from model_tests.simulator.rules import Rules
from model_tests.simulator.scopes import AHEAD, GROUP, LEAP, TIMEOUT, meet, run_out, world
from model_tests.simulator.search import Found, Scope, explore
from model_tests.simulator.simulation import Simulation

ALONE, FIRST, MIDDLE, LAST = "alone", "first", "middle", "last"
BATCH = "batch"
"""In no group, and the first of two with which the same is done in one call.

There the holder's clock has been set back since, and a first attempt at its claim is under way yet.
"""

MEMBERS = ("a", "b", "c")
_IDS = {ALONE: "a", BATCH: "a", FIRST: "a", MIDDLE: "b", LAST: "c"}

SUBJECT, RIVAL, STRANGER = "subject", "rival", "stranger"

_ASKED_FOR_AS = {"exhaust": "receive", "quarantine": "receive", "advance": "delete"}
"""Steps that are taken by another call than the one that is named like them."""

_OPTIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "retry": (("delay", 0),),
    "extend": (("timeout", TIMEOUT),),
    "advance": (("receive_next", True),),
    "update": (("data", "edited"),),
    "reschedule": (("delay", 0),),
}

TELLING = frozenset({fates.LATE, fates.TIMED_OUT, fates.CONFLICT})
"""What stands for all others where there is a rival. A late attempt may be executed at once, after
the rival has acted, or when all is over: so it is also a lost reply, or a lost request. To those
who are told of it, a failure inside is the same as a time-out. A denial ends the call like a
time-out, but says of itself that nothing was done."""


SPLITTING = frozenset({fates.LATE, fates.REFUSED, fates.DENIED})
"""What three of meet in a batch: an attempt is under way when the next one is refused as a whole,
so that it is sent again in halves, and what ends these says nothing of the first."""


@frozen
class Once:
    """Makes one of some calls, and no more.

    Attributes:
        plans: which.
        calls: how many it will then have made.
    """

    plans: tuple[Plan, ...]
    calls: int = 1

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Make it."""
        return [] if actor.calls >= self.calls else [(1, plan) for plan in self.plans]


@frozen
class Meeting:
    """One step of the machine, and where it is taken.

    Attributes:
        step: the step.
        place: the place of its message.
        is_foreign: whether that is as another port has written it: without tokens, its payload in
            a form of its own.
    """

    step: Transition
    place: str
    is_foreign: bool = False

    @property
    def name(self) -> str:
        """What it is called: trigger, state and place."""
        foreign = ":foreign" if self.is_foreign else ""
        return f"{self.step.trigger}:{self.step.source}:{self.place}{foreign}"

    @property
    def has_rivals(self) -> bool:
        """Whether its worlds are worth a rival: what is like another one's has none."""
        state = self.step.source.replace(".EXPIRED", ".READY")
        beside = {one.source for one in MESSAGE.transitions if one.trigger == self.step.trigger}
        is_like_ready = state != self.step.source and state in beside
        return not is_like_ready and not self.is_foreign and self.place != BATCH

    @property
    def id(self) -> str:
        """The message."""
        return _IDS[self.place]

    @property
    def group(self) -> str | None:
        """The message's group."""
        return None if self.place in (ALONE, BATCH) else GROUP

    @property
    def ids(self) -> tuple[str, ...]:
        """All messages that there are before, or that the step sends."""
        return MEMBERS if self.group else MEMBERS[: 1 + (self.place == BATCH)]

    # --- who acts ----------------------------------------------------------------------------

    def begin(
        self, kinds: frozenset[Fate], rivals: tuple[Plan, ...], faults: int = 2
    ) -> Simulation:
        """Make the world in which the step is about to be taken."""
        source = self.step.source
        absent = () if source != "ABSENT" else self.ids[-1:] if self.group else self.ids
        simulation = world(
            {},
            Rules(faults=faults, kinds=kinds, troubled=SUBJECT),
            sent=tuple(id for id in self.ids if id not in absent),
            group=self.group,
            buried=(self.id,) if source.startswith("DLQ.") else (),
            lag=Lag.NONE,
            max_receives=1 if self.step.trigger == "exhaust" else None,
            shards=2 if self.group else 1,
        )
        subject = Actor(SUBJECT, Once(()), AHEAD * (self.place == BATCH))
        for prepare in self._preparations():
            simulation.time += SECOND
            subject.role = Once((prepare(subject.held),), subject.calls + 1)
            run_out(simulation, subject, held_up=self.place == BATCH)
            subject = simulation.actors[SUBJECT]
        for way in self._meddling():
            run_out(simulation, Actor(STRANGER, Once((way,), 1)))
        simulation.time += LEAP if source.endswith(("EXPIRED", "MALFORMED")) else SECOND
        plan = self._plan(subject.held)
        subject.role = Once((plan,), subject.calls + max(1, len(plan.entries)))
        subject.set_clock(0)  # back, where it was ahead
        # To put a message aside and back, so that its deliveries count anew, takes two calls.
        # There the rival's clock is behind, so that the message is due at once.
        twice = (self.step.trigger, self.place) == ("exhaust", ALONE)
        rival = Actor(RIVAL, Once(rivals, 1 + twice), -AHEAD if twice else AHEAD)
        meet(simulation, subject, rival)
        return simulation

    def _preparations(self) -> Iterator[_Making]:
        """What the subject does before: receive the message, where the step is its holder's."""
        state = self.step.source.partition(".")[2]
        if self.step.trigger == "exhaust" and state == "READY":
            yield from (_receive(STANDARD), partial(_with_it, "retry"))
        if state in ("PROCESSING", "EXPIRED") or self.step.trigger in ("advance", "quarantine"):
            yield _receive(_queue(self.step.source), len(self.ids) if self.place == BATCH else 1)

    def _meddling(self) -> Iterator[Plan]:
        """What a stranger does to the message before."""
        if self.step.source == "MALFORMED":
            yield Plan("damage", self.id, options=(("how", "without a count"),))
        if self.is_foreign:
            yield Plan("adopt", self.id, options=(("was_sent", False),))

    def _plan(self, held: _Held) -> Plan:
        trigger = self.step.trigger
        if self.place == BATCH:
            sent = [sending(id, f"{id} is sent") for id in self.ids]
            ended = [_with_it(trigger, (message,)) for message in held]
            entries = tuple(sent if trigger == "send" else ended)
            options = () if trigger == "send" else entries[0].options
            return Plan(f"{trigger}_batch", options=options, entries=entries)
        if trigger == "send":
            return sending(self.id, "sent", group=self.group)
        if self.step.by == "receiver":
            return _receive(_queue(self.step.source))(held)
        if self.step.by == "operator":
            return Plan(trigger, self.id, options=_OPTIONS.get(trigger, ()))
        return _with_it(trigger, held)

    def rivals(self) -> tuple[Plan, ...]:
        """What else may be done to the message before or after: one way to each state."""
        found: dict[tuple[str, str], Plan] = {}
        for step in MESSAGE.transitions:
            if step.source not in (self.step.source, self.step.destination):
                continue
            if step.by == "operator":
                plan = Plan(step.trigger, self.id, options=_OPTIONS.get(step.trigger, ()))
            elif step.trigger == "receive":
                plan = _receive(_queue(step.source))(())
            else:
                continue
            found.setdefault((step.destination, step.by), plan)
        return tuple(dict.fromkeys(found.values()))


_Held = tuple[Message[Any], ...]
_Making = Callable[[_Held], Plan]
STANDARD = QueueType.STANDARD


def _queue(state: str) -> QueueType:
    return QueueType.DLQ if state.startswith("DLQ.") else STANDARD


def _receive(queue: QueueType, most: int = 1) -> _Making:
    plan = Plan("receive", options=(("max_messages", most), ("source", queue)))
    return lambda _held: plan


def _with_it(trigger: str, held: _Held) -> Plan:
    operation = _ASKED_FOR_AS.get(trigger, trigger)
    return Plan(operation, message=held[0], options=_OPTIONS.get(trigger, ()))


# --- all of them -----------------------------------------------------------------------------

PLACES: Mapping[str | None, tuple[str, ...]] = {
    "ABSENT": (ALONE, LAST),
    "WAITING": (MIDDLE, LAST),
    None: (ALONE, FIRST),
}
"""Where a message can be that is in a state; in all others it is alone, or first."""


_WHOLE = tuple(state.name for state in MESSAGE.states if "." in state.name)
"""States in which an item is a whole message in a queue."""


def places(step: Transition) -> Iterator[str]:
    """Return where the message of a step can be."""
    yield from PLACES.get(step.source, PLACES[None])
    if f"{step.trigger}_batch" in BATCHES and step.source in ("ABSENT", "STANDARD.PROCESSING"):
        yield BATCH


def _meetings() -> Iterator[Meeting]:
    for step in MESSAGE.transitions:
        if step.trigger == "advance":
            yield Meeting(step, MIDDLE)
        elif step.by not in ("time", "upkeep"):
            yield from (Meeting(step, place) for place in places(step))
            if step.source in _WHOLE:
                yield Meeting(step, ALONE, is_foreign=True)


MEETINGS = tuple({meeting.name: meeting for meeting in _meetings()}.values())


@frozen
class Family:
    """The worlds in which one trigger meets pairs of faults.

    Attributes:
        name: the trigger.
        scopes: the worlds.
    """

    name: str
    scopes: tuple[Scope, ...]

    @property
    def what(self) -> str:
        """How many they are."""
        return f"{len(self.scopes)} worlds"

    def explore(self, visit: Callable[[Scope], Found] = explore) -> tuple[Found, Scope]:
        """Visit every state of every world; return the sums, and the last world visited.

        Where a property does not hold that is the world in which it does not.
        """
        sums = Found(states=0)
        for scope in self.scopes:
            found = visit(scope)
            sums.add(found)
            if found.violation is not None:
                break
        return sums, scope


def families(kinds: frozenset[Fate] = TELLING) -> tuple[Family, ...]:
    """Return one family for each trigger.

    Args:
        kinds: the faults where there is a rival; none: all.
    """
    return tuple(
        Family(trigger, tuple(scope for one in meetings for scope in _scopes(one, kinds)))
        for trigger, meetings in groupby(MEETINGS, lambda one: one.step.trigger)
    )


def _scopes(meeting: Meeting, kinds: frozenset[Fate]) -> Iterator[Scope]:
    what = f"{meeting.step.trigger} of {meeting.step.source}, {meeting.place}"
    yield Scope(meeting.name, what, partial(meeting.begin, frozenset(), ()))
    if meeting.place == BATCH:
        begin = partial(meeting.begin, SPLITTING, (), faults=3)
        yield Scope(f"{meeting.name}:split", f"{what}, any three", begin)
    rivals = meeting.rivals() if meeting.has_rivals else ()
    if rivals:
        begin = partial(meeting.begin, kinds, rivals)
        yield Scope(f"{meeting.name}:rival", f"{what}, and a rival", begin)


PAIRS = families()
"""The scopes of each trigger."""

"""One world: a table, its index, a clock, and actors whose operations it carries out step by step.

:meth:`Simulation.movers` says who could move next, :meth:`Simulation.fates` what could happen then,
:meth:`Simulation.take` lets it happen. All decisions are somebody else's, so the same class serves
random runs, recorded ones and exhaustive searches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from itertools import starmap
from typing import Any

from attrs import define, evolve, field

from dynamomq.drivers.base import too_late
from dynamomq.operations import Settings
from dynamomq.requests import (
    Committed,
    Get,
    GetMany,
    Moment,
    Query,
    Request,
    Scan,
    Sleep,
    Tick,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.timestamps import SECOND
from dynamomq.values import Item
from model_tests.simulator import fates
from model_tests.simulator.actors import Actor
from model_tests.simulator.asked import check_none_overtakes
from model_tests.simulator.attempts import (
    Late,
    Piece,
    Tokens,
    Writing,
    looked_up,
    pieces_of,
    stands_in_the_way,
)
from model_tests.simulator.calls import Answer, Call, Live, Plan, Remembered
from model_tests.simulator.fates import Fate
from model_tests.simulator.index import IndexView
from model_tests.simulator.movers import CLOCKS, EXPIRY, INDEX, LATE, TIME, Mover
from model_tests.simulator.oracle import Oracle
from model_tests.simulator.rules import START, Moved, Rules
from model_tests.simulator.storage import BaseTable
from model_tests.simulator.trace import check_change

FREEZE = 30 * SECOND
SDK_ATTEMPTS = 3


@define(eq=False)
class Simulation:
    """A world and all that happens in it.

    Attributes:
        settings: the queue's.
        rules: what may happen.
        index: what queries are answered from.
        oracle: what watches.
        actors: who acts, by name.
        items: the base table.
        time: the true time.
        late: attempts that may still be executed.
        timeline: what has happened, if it is kept.
        counts: how often what has happened, over all copies.
        ending: brings it to an end in peace, where that is not as in other worlds.
        tokens: what storage remembers of transactions; nothing, in searches.
    """

    settings: Settings
    rules: Rules
    index: IndexView
    oracle: Oracle
    actors: dict[str, Actor]
    table: BaseTable
    items: dict[str, Item] = field(factory=dict)
    time: int = START
    late: tuple[Late, ...] = ()
    timeline: list[Moved] | None = None
    counts: Counter[str] = field(factory=Counter)
    ending: Callable[[Simulation], None] | None = None
    tokens: Tokens = field(factory=Tokens)
    _changes: list[tuple[Item | None, Item | None]] = field(factory=list)
    _answer: Answer | None = None
    _shares_index: bool = False
    _shares_oracle: bool = False
    _begun: dict[tuple[object, ...], Remembered] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for actor in self.actors.values():
            self.oracle.clock(actor.name, actor.reckoning(self.time).nanoseconds)

    def copy(self) -> Simulation:
        """A world like this one, which goes its own way; for searches only."""
        other = copy(self)
        other.items, other.actors = dict(self.items), dict(self.actors)
        other._shares_index = other._shares_oracle = True
        return other

    def _own_actor(self, name: str) -> Actor:
        """An actor that may change; in a search it may be other worlds' too until then."""
        if self.rules.search:
            self.actors[name] = self.actors[name].copy()
        return self.actors[name]

    def _own_index(self) -> IndexView:
        """The index, to be changed."""
        if self._shares_index:
            self.index, self._shares_index = self.index.copy(), False
        return self.index

    def _own_oracle(self) -> Oracle:
        """The oracle, to be told something."""
        if self._shares_oracle:
            self.oracle, self._shares_oracle = self.oracle.copy(), False
        return self.oracle

    def digest(self) -> tuple[object, ...]:
        """What all that can still happen depends on, hashable; for searches only.

        Items, executions and messages are told by their identity: equal ones are the same object.
        """
        return (
            self.time,
            self.rules.faults,
            self.rules.leaps_left,
            self.rules.jumps_left,
            tuple(sorted((key, id(item)) for key, item in self.items.items())),
            self.index.digest(),
            tuple((id(one.piece.request), one.until) for one in self.late),
            tuple(actor.known_digest for actor in self.actors.values()),
            self.oracle.digest(),
        )

    # --- what could happen -------------------------------------------------------------------

    def movers(self) -> tuple[Sequence[int], Sequence[Mover]]:
        """Who could move next, and how likely each should be.

        In a search there is no choice where the order does not matter. Asking for the time matters
        to nobody else, and to oneself only if time leaps or one's clock jumps in between: so it
        happens at once, or is put off until after that. Beginning a call matters to nobody. The
        index has to change only before somebody looks at it.
        """
        awake = [
            actor
            for actor in self.actors.values()
            if actor.wakes <= self.time and not actor.waits and not actor.is_done
        ]
        if self.rules.search:
            for actor in awake:
                if not actor.asks_storage or (actor.has_looked and self.rules.spares(actor.name)):
                    return (1,), (actor.mover,)
        found = [(10, actor.mover) for actor in awake]
        busy = bool(found)
        looking = not self.rules.search or any(actor.is_looking for actor in awake)
        if self.index.under_way and looking:
            found.append((2, INDEX))
        if self.late:
            found.append((4, LATE))
        if self._leaps():
            found.append((2 if busy else 20, TIME))
        if self.rules.offsets and self.rules.jumps_left != 0:
            found.append((1, CLOCKS))
        if self._expired():
            found.append((2, EXPIRY))
        return [weight for weight, _ in found], [mover for _, mover in found]

    def fates(self, mover: Mover) -> tuple[Sequence[int], Sequence[Fate]]:
        """What could happen if this one moves, and how likely each should be."""
        if mover is INDEX:
            return _evenly(Fate("arrives", n) for n in range(len(self.index.under_way)))
        if mover is LATE:
            names = ("executes",) if self.rules.search else ("executes", "is dropped")
            return _evenly(Fate(name, n) for n in range(len(self.late)) for name in names)
        if mover is TIME:
            return _evenly(starmap(Fate, self._leaps()))
        if mover is CLOCKS:
            return _evenly(
                Fate("jumps", (name, offset))
                for name in self.actors
                for offset in self.rules.offsets
            )
        if mover is EXPIRY:
            return _evenly(Fate("removes", id) for id in self._expired())
        actor = self.actors[mover.actor]
        if actor.execution is None or actor.execution.request is None:
            return actor.fates()
        if self.rules.search:
            return _evenly(self._fates_to_search(actor, actor.execution.request))
        faulty, contended = self.rules.faults != 0, self._is_contended(actor)
        return fates.of(actor.execution.request, faulty=faulty, contended=contended)

    def _fates_to_search(self, actor: Actor, request: Request[Any]) -> Iterator[Fate]:
        """All that matters: a pause is there in any case, a crash that changes nothing once."""
        yield fates.ANSWERED
        if self._is_too_late(request):
            return
        if not actor.asks_storage:
            if isinstance(request, Tick) and (self.rules.leaps_left or self.rules.jumps_left):
                yield fates.WAITS
        elif self.rules.faults != 0 and not self.rules.spares(actor.name):
            possible = fates.of(request, faulty=True)[1][1:]
            wanted = self.rules.kinds or frozenset(possible)
            yield from (one for one in possible if one in wanted and one is not fates.FROZEN)

    def _is_too_late(self, request: Request[Any]) -> bool:
        """Whether an engine would not send another attempt at a request."""
        return request.send_by is not None and self.time > request.send_by

    def _is_contended(self, actor: Actor) -> bool:
        """Whether a request of others, or one held up, is about what an actor's is about."""
        request = actor.execution.request if actor.execution else None
        others = [one.execution.request for one in self.actors.values() if one.execution]
        others += [late.piece.request for late in self.late]
        return any(stands_in_the_way(request, one) for one in others if one is not request)

    @property
    def is_over(self) -> bool:
        """Whether nobody has anything left to do."""
        return all(actor.is_done for actor in self.actors.values())

    def _leaps(self) -> list[tuple[str, int]]:
        """By how much time may leap, shortest first: not past what must have happened by then."""
        if self.rules.leaps_left == 0:
            return []
        most = min(late.until for late in self.late) - self.time if self.late else None
        asleep = [a.wakes - self.time for a in self.actors.values() if a.wakes > self.time]
        wanted = [(fates.UNTIL_NEXT, min(asleep))] if asleep else []
        wanted += [("leaps", leap) for leap in self.rules.leaps]
        return [(name, leap) for name, leap in wanted if most is None or leap < most]

    def _expired(self) -> list[str]:
        now = self.time // SECOND
        return [
            id
            for id, item in self.items.items()
            if isinstance(expires_at := item.get("expires_at"), int) and expires_at < now
        ]

    # --- what happens ------------------------------------------------------------------------

    def take(self, mover: Mover, fate: Fate) -> None:
        """Let it happen.

        Raises:
            ViolationError: and then something has happened that must not.
        """
        self._changes, self._answer = [], None
        self.counts[mover.kind] += 1
        actor = self._own_actor(mover.actor) if mover.actor else None
        call = actor.call if actor else None
        request = actor.execution.request if actor and actor.execution else None
        try:
            if actor is not None:
                self._move(actor, fate)
            else:
                _PARTS[mover](self, fate)
        finally:
            if self.timeline is not None:
                if actor is not None and call is None:
                    call = actor.call
                changes = tuple(self._changes)
                self.timeline.append(
                    Moved(self.time, mover, call, fate, request, self._answer, changes)
                )
        self.time += self.rules.step

    def _arrive(self, fate: Fate) -> None:
        self._own_index().arrive(fate.detail)

    def _late(self, fate: Fate) -> None:
        late = self.late[fate.detail]
        self.late = self.late[: fate.detail] + self.late[fate.detail + 1 :]
        if fate.name == "executes":
            self._own_oracle().failed(*late.piece.calls)
            self._execute(late.piece)

    def _leap(self, fate: Fate) -> None:
        self.time += fate.detail
        self._wake()
        if self.rules.leaps_left:
            self.rules = evolve(self.rules, leaps_left=self.rules.leaps_left - 1)

    def _wake(self) -> None:
        """Let those move on who have waited for another time, or for whom none will come."""
        for name in [actor.name for actor in self.actors.values() if actor.waits]:
            self._own_actor(name).waits = False

    def _jump(self, fate: Fate) -> None:
        name, offset = fate.detail
        for mate in self.actors[name].clockmates:
            self._own_actor(mate).set_clock(offset)
            self._own_oracle().clock(mate, offset)
        if self.rules.jumps_left:
            self.rules = evolve(self.rules, jumps_left=self.rules.jumps_left - 1)
        if not self.rules.jumps_left and not self.rules.leaps_left:
            self._wake()

    def _remove(self, fate: Fate) -> None:
        old = self.items.pop(fate.detail)
        self.table.remove({fate.detail: old}, fate.detail)
        self._changes.append((old, None))
        self._own_oracle().changed(self.time, None, "", old, None)

    def make_peace(self, *survivors: Actor) -> None:
        """End all faults: everybody dies, late attempts are executed, sound actors are left."""
        for name in list(self.actors):
            self._own_actor(name).crash()
        while self.late:
            self.take(LATE, Fate("executes", 0))
        self._own_index().catch_up()
        self.rules = evolve(self.rules, faults=0, leaps=(), offsets=())
        for survivor in survivors:
            self.actors = {**self.actors, survivor.name: survivor}
            self._own_oracle().clock(survivor.name, survivor.reckoning(self.time).nanoseconds)

    # --- actors ------------------------------------------------------------------------------

    def _move(self, actor: Actor, fate: Fate) -> None:
        if fate.is_fault:
            self.counts[f"fault: {fate.name}"] += 1
            actor.suffer()
            if self.rules.faults:
                self.rules = evolve(self.rules, faults=self.rules.faults - 1)
        if isinstance(fate.detail, Plan):
            self._begin(actor, fate.detail)
        elif fate is fates.FROZEN:
            actor.freeze(self.time + FREEZE)
        elif fate is fates.WAITS:
            actor.waits = True
        elif fate is fates.CRASHED:
            actor.crash()
        elif actor.execution is None:
            actor.act(fate)
        else:
            self._carry_out(actor, actor.execution.request, fate)

    def _begin(self, actor: Actor, plan: Plan) -> None:
        actor.calls += max(1, len(plan.entries))
        call = Call(actor.name, actor.calls, plan)
        for part in call.parts:
            self._own_oracle().began(part, self.time)
        actor.call, actor.ticks, actor.since = call, 0, actor.clocks(self.time)
        if self.rules.search:
            key = (call, id(plan.message))
            if key not in self._begun:
                self._begun[key] = Remembered.begin(call, self.settings)
            actor.execution = self._begun[key]
        else:
            actor.execution = Live.begin(call, self.settings)
        self._conclude(actor)

    def _carry_out(self, actor: Actor, request: Request[Any] | None, fate: Fate) -> None:
        match request:
            case Tick():
                self._reply(actor, self._moment(actor, request))
            case Sleep(seconds):
                if not self.rules.search:
                    actor.wakes = self.time + round(seconds * SECOND)
                self._reply(actor, Answer(key="slept"))
            case Write() | WriteBatch() | Transact():
                self._write(actor, request, fate)
            case _ if fate.error is not None:
                self._reply(actor, fate.answer(in_doubt=False))
            case Get() | GetMany() | Scan():
                self._reply(actor, looked_up(self.items, request))
            case Query():
                page = self.index.answer(request)
                self._reply(actor, Answer(page, key=repr(page.entries)))
            case _:  # one that is new: a run without it would prove nothing
                raise NotImplementedError(f"the simulator knows no {request}")

    def _moment(self, actor: Actor, tick: Tick) -> Answer:
        actor.ticks += 1
        reckoning = actor.reckoning(self.time)
        if actor.estimator is not None:
            self._own_oracle().clock(actor.name, reckoning.nanoseconds)
        now = self.time + reckoning.nanoseconds
        name = f"{actor.name}.{actor.calls}.{actor.ticks}"
        tokens = tuple(f"{name}.{n}" for n in range(tick.tokens))
        chance = (actor.calls * 7 + actor.ticks * 3) % 10 / 10
        id = f"{actor.name}.{actor.calls}"
        ids = tuple(f"{name}-{n}" for n in range(tick.ids))
        moment = Moment(now, tokens, id, chance, reckoning.uncertainty, ids, self.time)
        return Answer(moment, key=(now, self.time))

    def _write(self, actor: Actor, request: Writing, fate: Fate) -> None:
        """One attempt of the SDK to have a write, a batch of them or a transaction carried out."""
        call = actor.call
        assert call is not None, "only a call writes"
        repeated = actor.attempts > 0  # the SDK goes on only where no reply came
        if self._is_too_late(request):  # an attempt that an engine does not send
            error = partial(too_late, type(request).__name__, again=repeated)
            self.counts["too late"] += 1
            self._reply(actor, Answer(error=error, key=("too late", repeated)))
            return
        replies = []
        for place, piece in enumerate(pieces_of(call, request)):
            if fate.spares(place):
                if fate.fails_late:
                    self._execute(piece)
                replies.append(fate.answer_to_one(repeated=repeated))
            elif fate.executes:
                replies.append(self._execute(piece, repeated=repeated))
            elif fate is fates.LATE:
                self.late = (*self.late, Late(piece, self.time + self.rules.late_within))
        if fate.is_doubtful or fate.fails_late:
            self._own_oracle().unseen(*call.parts)
        if fate is fates.CRASHED_AFTER:
            actor.crash()
        elif fate.answers:
            batch = isinstance(request, WriteBatch)
            value = tuple(one.value for one in replies) if batch else replies[0].value
            self._reply(actor, Answer(value, key=tuple(one.key for one in replies)))
        elif fate.error is not None or actor.attempts + 1 == SDK_ATTEMPTS:
            self._reply(actor, fate.answer(in_doubt=repeated or fate.is_doubtful))
        else:
            actor.attempts += 1

    def _execute(self, piece: Piece, *, repeated: bool = False) -> Answer:
        """Carry out writes in the base table, all or none of them, for everyone to see."""
        if self.tokens.knows(piece):
            self.counts["known"] += 1
            return Answer(Committed(), key="known")
        olds = [self.items.get(write.id) for write in piece.writes]
        effects = self.table.carry_out(self.items, piece.writes, inserts=piece.inserts)
        changed = any(effect.changed for effect in effects)
        self.counts["written" if changed else "refused"] += 1
        if changed:
            self.tokens.note(piece)
            for write, effect in zip(piece.writes, effects, strict=True):
                self._store(write.id, effect.new)
            for write, call, old in zip(piece.writes, piece.calls, olds, strict=True):
                self._tell(piece.name_of(write), write, call, old)
            self._own_oracle().settled(self.items)
        return Answer(piece.reply(effects, repeated=repeated), key=(*map(id, olds), repeated))

    def _store(self, id: str, item: Item | None) -> None:
        if item is None:
            self.items.pop(id, None)
        else:
            self.items[id] = item
        self._own_index().changed(id, item)

    def _tell(self, name: str, write: Write, call: Call, old: Item | None) -> None:
        """Have a write judged."""
        new = self.items.get(write.id)
        self.counts[f"step: {write.rule.trigger}"] += 1
        self._changes.append((old, new))
        self._own_oracle().changed(self.time, call, name, old, new)
        check_change(write, old, new)

    def _reply(self, actor: Actor, answer: Answer) -> None:
        self._answer = answer
        assert actor.execution is not None, "only a call is answered"
        actor.attempts = 0
        actor.answered(self.time, failed=answer.error is not None)
        if answer.error is not None and actor.call is not None:
            self._own_oracle().failed(*actor.call.parts)
        actor.execution = actor.execution.answered(answer)
        self._conclude(actor)

    def _conclude(self, actor: Actor) -> None:
        """Tell everyone how an actor's call has ended, if it has: it may have asked for nothing."""
        outcome = actor.execution.outcome if actor.execution else None
        if outcome is not None and actor.call is not None:
            names = []
            for part, one in actor.call.endings(outcome):
                name = None if one.error is None else type(one.error).__name__
                self.counts[f"{actor.call.plan.operation}: {name or 'done'}"] += 1
                if one.error is not None and name is not None:
                    self._own_oracle().raised(part, name, in_doubt=one.error.in_doubt)
                self._own_oracle().ended(self.time, part, one.result, name)
                names.append((part, name))
            check_none_overtakes(names)
            actor.end(outcome)


_PARTS = {
    INDEX: Simulation._arrive,
    LATE: Simulation._late,
    TIME: Simulation._leap,
    CLOCKS: Simulation._jump,
    EXPIRY: Simulation._remove,
}


def _evenly(found: Iterable[Fate]) -> tuple[Sequence[int], Sequence[Fate]]:
    listed = list(found)
    return [1] * len(listed), listed

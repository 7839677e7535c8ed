"""Claim together with other consumers: agree, as a hint, on who goes first (spec: CONSUMER-2, -3).

Every consumer ranks all of them for each message by a hash of both ids. It claims those for which
it comes first, and so mostly what nobody else tries for. Where it finds none of these, it takes
over what it has itself seen unclaimed for a while: longer, the lower it ranks. A consumer that is
dead, frozen or busy so costs its messages a moment, and nothing else.

All of that may be wrong without harm: the condition of the claim decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from attrs import define, field

from dynamomq.attributes import DUE
from dynamomq.errors import ContentionError, DynamoMQError, ServiceError
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations.claims import Claim, id_of
from dynamomq.operations.membership import Load, Member, join, leave, members, renew
from dynamomq.operations.receiving import distinct
from dynamomq.operations.writing import Settings, persistently
from dynamomq.requests import MAX_BATCH, Operation, Query, Tick, ask
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item

__all__ = ["RENEWAL", "SETTLING", "Claimer"]

RENEWAL = 10 * SECOND
"""How often a consumer renews its lease and looks who else is there, in nanoseconds."""

SETTLING = 12 * SECOND
"""How long after its beginning a consumer counts: longer than a renewal, so that all know it."""

_QUICK_LOOK = SECOND  # how often to look while somebody settles
_INTRODUCTION = 5 * SECOND // 2  # longer than that: others who settle know the newcomer by then
_REST = 10 * SECOND  # how long a candidate that was tried for is left alone
_SPARE = 1.25  # candidates to read for each one wanted, times the number of consumers
_FEW = 4  # so that among the candidates of a small claim there is one of ours, most likely
_NEGLECTED = 10  # times steal_after
_MORE_PATIENCE = 3  # times, with those who are at work
_LEAST, _MOST = 10, 1000  # candidates; ten cost no more than one
_WIDER = 4  # times as many candidates, in the second look of a call; the third reads all it may

_Key = tuple[str, str]
"""A message and its due time: a claim, or anything else that frees it again, changes that."""


@define(eq=False)
class Claimer:
    """One consumer's claiming: what it knows of the others, and of messages that are due.

    It is a hint in memory: lost with the process, and never trusted. Use it from one thread.

    Attributes:
        settings: the queue's.
        source: the queue to receive from.
        timeout: how long deliveries last, in nanoseconds.
        steal_after: how long to leave a message to each consumer that ranks higher, in nanoseconds.
        host: the machine that the consumer runs on.
        pid: its process.
        trouble: why the others could not be asked or told the last time; ``None``: they could.
        me: its own entry.
        others: the other consumers, as last seen.
    """

    settings: Settings
    source: QueueType
    timeout: int
    steal_after: int
    host: str
    pid: int
    trouble: DynamoMQError | None = None
    me: Member | None = None
    others: tuple[Member, ...] = ()
    _looks_at: int = 0
    _renews_at: int = 0
    _begins_at: int = 0
    _defers_until: int = 0
    _was_full: bool = False
    _candidates: dict[str, Item] = field(factory=dict)
    _first_seen: dict[_Key, int] = field(factory=dict)
    _tried: dict[_Key, int] = field(factory=dict)
    _ranks: dict[str, tuple[str, ...]] = field(factory=dict)
    _progress: dict[str, int] = field(factory=dict)
    _ranked: tuple[tuple[str, ...], tuple[str, ...], bool] = ((), (), False)
    _steals_at: int | None = None
    _reach: int = 0
    _saw_all_at: int = 0
    _looked_at: int = 0

    # --- with others -------------------------------------------------------------------------

    def attend(self, load: Load) -> Operation[None]:
        """Renew the lease and look who else is there, if it is time to."""
        moment = yield from ask(Tick())
        if moment.now < self._looks_at <= moment.now + RENEWAL:
            return
        self._looks_at = moment.now + RENEWAL
        began = self.me is None
        try:
            if not moment.now < self._renews_at <= moment.now + RENEWAL:
                yield from self._show(load)
            known = yield from members(self.source)
        except (ServiceError, ContentionError) as error:
            self.trouble = error  # we go on with what we know
            return
        self.trouble = None
        me = self.me
        self.others = tuple(one for one in known if me is None or one.id != me.id)
        settling = [*self.others, *([me] if me else [])]
        if any(one.since + SETTLING > moment.now for one in settling):
            self._looks_at = moment.now + _QUICK_LOOK
        if began and any(one.since + SETTLING > moment.now for one in self.others):
            self._begins_at = moment.now + _INTRODUCTION

    def _show(self, load: Load) -> Operation[None]:
        """Show oneself, or renew that."""
        if self.me is not None and not (yield from renew(self.me, load)):
            self.me = None  # frozen until storage removed the entry; or the clock was set back
        moment = yield from ask(Tick())
        if self.me is None:
            # The first answer tells the driver what time it is; an entry must not have a wrong one.
            yield from members(self.source)
            self.me = yield from join(self.source, self.host, self.pid)
            self._defers_until = 0
        elif self._was_full and not load.full:
            self._defers_until = moment.now + SETTLING  # some do not know yet that it is available
        self._was_full = load.full
        self._renews_at = moment.now + RENEWAL

    def leave(self) -> Operation[None]:
        """Tell the others that this consumer ends, if they can be told."""
        me, self.me = self.me, None
        if me is not None:
            try:
                yield from leave(me)
            except (ServiceError, ContentionError) as error:
                self.trouble = error  # its lease ends by itself

    def looks_again(self, now: int) -> int:
        """Return in how many nanoseconds there may be something to do that no message announces."""
        reasons = [self._looks_at, *([self._begins_at] if self._begins_at > now else [])]
        if self._steals_at is not None:
            reasons.append(self._steals_at)
        return max(0, min(reasons) - now)

    # --- claiming ----------------------------------------------------------------------------

    def claim(self, wanted: int, load: Load) -> Operation[list[Message[Any]]]:
        """Claim up to ``wanted`` messages, the oldest first; none if none is there for us now.

        Raises:
            ServiceError: nothing could be claimed. What was claimed before a failure is returned.
        """
        yield from self.attend(load)
        moment = yield from ask(Tick())
        if moment.now < self._begins_at <= moment.now + _INTRODUCTION:
            return []
        claim = Claim(self.settings, self.source, self.timeout)
        found: list[Message[Any]] = []
        chosen, left = self._choose(wanted, moment.now)
        if self._saw_all_at <= moment.now < self._saw_all_at + self.steal_after:
            chosen = [*chosen, *left][:wanted]
        if len(chosen) == wanted:
            yield from self._try(chosen, claim, found, moment.now)
        for window in self._windows(wanted):
            if found:
                break
            more = yield from self._look(window)
            moment = yield from ask(Tick())
            chosen, left = self._choose(wanted, moment.now)
            # Before taking from others, see whether there is something of our own further on.
            is_all = not more or window == _MOST
            self._saw_all_at = moment.now if is_all else 0
            if chosen or is_all:
                self._reach = window
                chosen = [*chosen, *left][:wanted] if is_all else chosen
                yield from self._try(chosen, claim, found, moment.now)
            if is_all:
                break
        if not found and claim.hindrance is not None:
            raise claim.hindrance
        return found

    def _windows(self, wanted: int) -> list[int]:
        """Return how many candidates to read, wider each time; at first about what was enough."""
        first = max(wanted, _FEW) * (1 + len(self.others)) * _SPARE
        start = min(max(round(first), self._reach // 2, _LEAST), _MOST)
        return sorted({start, min(_WIDER * start, _MOST), _MOST})

    def _look(self, limit: int) -> Operation[bool]:
        """Read what is due; tell whether there is more than was read."""
        moment = yield from ask(Tick())
        query = Query(self.source.value, format_instant(moment.now), limit)
        page = yield from persistently(query)
        self._tried = {key: when for key, when in self._tried.items() if _rests(when, moment.now)}
        entries = [one for one in distinct(page) if _key(one) not in self._tried]
        self._note_progress(entries, moment.now, whole=page.cursor is None)
        self._candidates = {id_of(one): one for one in entries}
        self._ranks = {id: rank for id, rank in self._ranks.items() if id in self._candidates}
        known = self._first_seen
        seen = {key: known.get(key, moment.now) for key in map(_key, entries)}
        if page.cursor is not None and entries:  # what a wider look has seen is still there
            latest = str(entries[-1][DUE.name])
            beyond = [(key, when) for key, when in known.items() if key[1] > latest]
            seen.update(beyond[-_MOST:])
        self._first_seen = seen
        return page.cursor is not None

    def _note_progress(self, entries: Sequence[Item], now: int, *, whole: bool) -> None:
        """Note who seems to be at work: those who come before us for what is there no more.

        As long as nobody may have taken it over, that is the first only.
        """
        there = {id_of(entry) for entry in entries}
        latest = str(entries[-1][DUE.name]) if entries else ""
        self._rank(now)
        for id, entry in self._candidates.items():
            if id not in there and (whole or str(entry[DUE.name]) <= latest):
                before = self._before_us(id)
                seen = self._first_seen.get(_key(entry), now)
                if self._looked_at < seen + self.steal_after:
                    before = before[:1]
                self._progress.update(dict.fromkeys(before, now))
        self._looked_at = now

    def _try(
        self, chosen: Sequence[Item], claim: Claim, found: list[Message[Any]], now: int
    ) -> Operation[None]:
        """Claim what was chosen; a failure must not lose what was won before it."""
        for start in range(0, len(chosen), MAX_BATCH):
            batch = chosen[start : start + MAX_BATCH]
            try:
                yield from claim.batch(batch, found)
            except DynamoMQError:
                if not found:
                    raise
                return
            for candidate in batch:
                self._candidates.pop(id_of(candidate), None)
                self._tried[_key(candidate)] = now
        if claim.lost:  # to whom?
            self._looks_at = min(self._looks_at, now + _QUICK_LOOK)

    def _choose(self, wanted: int, now: int) -> tuple[list[Item], list[Item]]:
        """Return the oldest candidates that are ours, and what others have left for so long.

        Of the latter those come first for which we are next, and among these the last: who is
        entitled begins at the other end, and may be about to. Only what has been neglected for
        long is taken in order.
        """
        self._rank(now)
        ours: list[Item] = []
        left: list[tuple[int, int, Item]] = []
        self._steals_at = None
        for place, (id, candidate) in enumerate(self._candidates.items()):
            before = self._before_us(id)
            rank = len(before)
            free_at = self._first_seen[_key(candidate)] + self._patience(before, now)
            if rank == 0:
                ours.append(candidate)
                if len(ours) == wanted:
                    break
            elif free_at <= now:
                is_neglected = free_at + _NEGLECTED * self.steal_after <= now
                left.append((rank, place - _MOST if is_neglected else -place, candidate))
            elif self._steals_at is None or free_at < self._steals_at:
                self._steals_at = free_at
        left.sort(key=lambda one: one[:2])
        return ours, [candidate for _, _, candidate in left[:wanted]]

    def _patience(self, before: tuple[str, ...], now: int) -> int:
        """Return how long a message is left to those who come before us for it."""
        at_work = [self._progress.get(one, 0) + self.steal_after > now for one in before]
        if any(at_work[1:]):
            return _NEGLECTED * self.steal_after  # somebody is there to take it over before us
        patience = len(before) * self.steal_after
        return _MORE_PATIENCE * patience if any(at_work) else patience

    # --- ranks -------------------------------------------------------------------------------

    def _rank(self, now: int) -> None:
        """Note who is ranked: first those who have been there for a while, then newcomers.

        All that know of a newcomer count it from the same moment on; until then it comes after all
        others, so it takes nothing from those who do not know of it yet. Those who begin together
        count from the beginning, because all of them look often then.
        """
        me = [self.me] if self.me is not None else []
        together = min((one.since for one in [*self.others, *me]), default=now) + SETTLING
        newest = max(together, now - SETTLING + 1)  # who began before that counts
        available = [one for one in self.others if one.available]
        settled = tuple(one.id for one in available if one.since < newest)
        settling = tuple(one.id for one in available if one.since >= newest)
        counts = bool(me) and me[0].since < newest and self._defers_until <= now
        ranked = (settled, settling, counts)
        if ranked != self._ranked:
            self._ranked, self._ranks, self._progress = ranked, {}, {}

    def _before_us(self, id: str) -> tuple[str, ...]:
        """Return who comes before us for a message, the first one first."""
        if id not in self._ranks:
            settled, settling, counts = self._ranked
            mine = _score(self.me.id, id) if self.me is not None else b""
            scores = {one: _score(one, id) for one in (*settled, *settling)}
            rivals = sorted(settled if counts else settling, key=scores.__getitem__, reverse=True)
            before = tuple(one for one in rivals if scores[one] > mine)
            if not counts:
                first = sorted(settled, key=scores.__getitem__, reverse=True)
                before = (*first, *before)
            self._ranks[id] = before
        return self._ranks[id]


def _score(consumer: str, id: str) -> bytes:
    return sha256(f"{consumer}\0{id}".encode()).digest()[:8]


def _key(entry: Item) -> _Key:
    return id_of(entry), str(entry[DUE.name])


def _rests(tried: int, now: int) -> bool:
    return tried <= now < tried + _REST

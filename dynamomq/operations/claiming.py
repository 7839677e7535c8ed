"""Claim together with other consumers: agree, as a hint, on who goes first (spec: CONSUMER-2, -3).

A consumer claims those messages for which it ranks first (see ``fellows.py``), and so mostly what
nobody else tries for. Where it finds none of these, it takes over what it has itself seen unclaimed
for a while: longer, the lower it ranks. A consumer that is dead, frozen or busy so costs its
messages a moment, and nothing else.

All of that may be wrong without harm: the condition of the claim decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from dynamomq.attributes import DUE
from dynamomq.errors import DynamoMQError
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations.claims import Claim, id_of
from dynamomq.operations.fellows import Fellows
from dynamomq.operations.membership import Load, Member
from dynamomq.operations.receiving import distinct
from dynamomq.operations.traffic import Traffic
from dynamomq.operations.writing import Settings, persistently
from dynamomq.requests import MAX_BATCH, Operation, Query, Tick, ask
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item

_REST = 10 * SECOND  # how long a candidate that was tried for is left alone
_SPARE = 1.25  # candidates to read for each one wanted, times the number of consumers
_FEW = 4  # so that among the candidates of a small claim there is one of ours, most likely
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
        traffic: where it looks next.
    """

    settings: Settings
    source: QueueType
    timeout: int
    steal_after: int
    host: str
    pid: int
    traffic: Traffic = field(factory=Traffic)
    _fellows: Fellows = field(init=False)
    _partitions: dict[str, _Partition] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._fellows = Fellows(self.source, self.steal_after, self.host, self.pid)

    @property
    def trouble(self) -> DynamoMQError | None:
        """Why the others could not be asked or told the last time; ``None``: they could."""
        return self._fellows.trouble

    @property
    def me(self) -> Member | None:
        """The consumer's own entry."""
        return self._fellows.me

    @property
    def others(self) -> tuple[Member, ...]:
        """The other consumers, as last seen."""
        return self._fellows.others

    def adopt(self, settings: Settings, timeout: int) -> None:
        """Go by other settings from now on: more shards, perhaps."""
        self.settings, self.timeout = settings, timeout

    def attend(self, load: Load) -> Operation[None]:
        """Renew the lease and look who else is there, if it is time to."""
        return self._fellows.attend(load)

    def leave(self) -> Operation[None]:
        """Tell the others that this consumer ends, if they can be told."""
        return self._fellows.leave()

    def looks_again(self, now: int) -> int:
        """Return in how many nanoseconds there may be something to do that no message announces."""
        fellows = self._fellows
        reasons = [fellows.looks_at, *([fellows.begins_at] if fellows.begins_at > now else [])]
        steals = [one.steals_at for one in self._partitions.values()]
        reasons += [one for one in steals if one is not None]
        return self.traffic.pause(max(0, min(reasons) - now))

    def claim(self, wanted: int, load: Load) -> Operation[list[Message[Any]]]:
        """Claim up to ``wanted`` messages, the oldest first; none if none is there for us now.

        With several shards one call looks where there was traffic of late, and at others in turn.

        Raises:
            ServiceError: nothing could be claimed. What was claimed before a failure is returned.
        """
        yield from self.attend(load)
        moment = yield from ask(Tick())
        if self._fellows.is_introducing(moment.now):
            return []
        claim = Claim(self.settings, self.source, self.timeout)
        found: list[Message[Any]] = []
        for name in self.traffic.due(self.settings.partitions(self.source), moment):
            partition = self._partitions.setdefault(
                name, _Partition(name, self._fellows, self.traffic)
            )
            try:
                yield from partition.claim(wanted - len(found), claim, found, moment.now)
            except DynamoMQError:
                if not found:
                    raise
                break  # what was claimed must reach the caller; the next call meets the error
            if len(found) >= wanted:
                break
        if not found and claim.hindrance is not None:
            raise claim.hindrance
        return found


@define(eq=False)
class _Partition:
    """What is due in one index partition, as far as it is known.

    Attributes:
        name: the partition.
        fellows: who else claims there.
        traffic: is told of looks and of what was found.
        steals_at: when there may be something that others have left for long enough.
    """

    name: str
    fellows: Fellows
    traffic: Traffic
    steals_at: int | None = None
    _candidates: dict[str, Item] = field(factory=dict)
    _first_seen: dict[_Key, int] = field(factory=dict)
    _tried: dict[_Key, int] = field(factory=dict)
    _ranks: dict[str, tuple[str, ...]] = field(factory=dict)
    _ranking: int = 0
    _reach: int = 0
    _saw_all_at: int = 0
    _looked_at: int = 0

    def claim(
        self, wanted: int, claim: Claim, found: list[Message[Any]], now: int
    ) -> Operation[None]:
        """Claim up to ``wanted`` messages, and add to ``found`` at once what was won."""
        already = len(found)
        chosen, left = self._choose(wanted, now)
        if self._saw_all_at <= now < self._saw_all_at + self.fellows.steal_after:
            chosen = [*chosen, *left][:wanted]
        if len(chosen) == wanted:
            yield from self._try(chosen, claim, found, now)
        for window in self._windows(wanted):
            if len(found) > already:
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

    def _windows(self, wanted: int) -> list[int]:
        """Return how many candidates to read, wider each time; at first about what was enough."""
        first = candidates(wanted, 1 + len(self.fellows.others))
        start = min(max(first, self._reach // 2), _MOST)
        return sorted({start, min(_WIDER * start, _MOST), _MOST})

    def _look(self, limit: int) -> Operation[bool]:
        """Read what is due; tell whether there is more than was read."""
        moment = yield from ask(Tick())
        self.traffic.looked(self.name, moment.now)
        page = yield from persistently(Query(self.name, format_instant(moment.now), limit))
        if page.entries:
            self.traffic.found(self.name, moment.now)
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
                if self._looked_at < seen + self.fellows.steal_after:
                    before = before[:1]
                self.fellows.note_progress(before, now)
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
            self.fellows.look_soon(now)

    def _choose(self, wanted: int, now: int) -> tuple[list[Item], list[Item]]:
        """Return the oldest candidates that are ours, and what others have left for so long.

        Of the latter those come first for which we are next, and among these the last: who is
        entitled begins at the other end, and may be about to. Only what has been neglected for
        long is taken in order.
        """
        self._rank(now)
        ours: list[Item] = []
        left: list[tuple[int, int, Item]] = []
        self.steals_at = None
        for place, (id, candidate) in enumerate(self._candidates.items()):
            before = self._before_us(id)
            rank = len(before)
            free_at = self._first_seen[_key(candidate)] + self.fellows.patience(before, now)
            if rank == 0:
                ours.append(candidate)
                if len(ours) == wanted:
                    break
            elif free_at <= now:
                is_neglected = free_at + self.fellows.neglect <= now
                left.append((rank, place - _MOST if is_neglected else -place, candidate))
            elif self.steals_at is None or free_at < self.steals_at:
                self.steals_at = free_at
        left.sort(key=lambda one: one[:2])
        return ours, [candidate for _, _, candidate in left[:wanted]]

    def _rank(self, now: int) -> None:
        """Have everybody ranked, and forget ranks that count no more."""
        self.fellows.rank(now)
        if self._ranking != self.fellows.ranking:
            self._ranking, self._ranks = self.fellows.ranking, {}

    def _before_us(self, id: str) -> tuple[str, ...]:
        """Return who comes before us for a message; kept, because hashes take their time."""
        if id not in self._ranks:
            self._ranks[id] = self.fellows.before_us(id)
        return self._ranks[id]


def candidates(wanted: int, consumers: int) -> int:
    """Return how many candidates one of so many consumers reads for so many messages, at first."""
    return min(max(round(max(wanted, _FEW) * consumers * _SPARE), _LEAST), _MOST)


def _key(entry: Item) -> _Key:
    return id_of(entry), str(entry[DUE.name])


def _rests(tried: int, now: int) -> bool:
    return tried <= now < tried + _REST

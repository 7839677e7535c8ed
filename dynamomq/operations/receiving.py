"""receive: claim messages that are due (spec: RECEIVE-1 to RECEIVE-8).

The index proposes candidates, oldest first; ``claims.py`` says what becomes of them. Where a queue
has shards, ``traffic.py`` says in which of its partitions to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynamomq.attributes import DUE
from dynamomq.errors import DynamoMQError
from dynamomq.machine import INDEX_VIEWS, QueueType
from dynamomq.message import Message
from dynamomq.operations.claims import Claim, id_of
from dynamomq.operations.traffic import Traffic
from dynamomq.operations.writing import Settings, at, persistently
from dynamomq.requests import (
    MAX_BATCH,
    Moment,
    Operation,
    Page,
    Query,
    Sleep,
    Tick,
    ask,
)
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item

MAX_RECEIVE = 250
"""How many messages one receive may return."""

_WINDOWS = ((10, 3), (50, 5), (250, 8), (1000, 8))
"""How many candidates to read, and how many races over them one message's receiver may lose, before
the next, wider look. Ten entries cost no more read units than one. The widest is for queues whose
messages other ports' consumers hold by the hundred: those stay in the index as if they were due."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


def receive(
    settings: Settings,
    *,
    source: QueueType = QueueType.STANDARD,
    max_messages: int = 1,
    visibility_timeout: int | None = None,
    wait: int = 0,
    traffic: Traffic | None = None,
) -> Operation[list[Message[Any]]]:
    """Claim up to ``max_messages`` messages that are due; wait for the first if there is none.

    Args:
        settings: the queue's.
        source: the queue to receive from.
        max_messages: 1 to 250.
        visibility_timeout: how long the delivery lasts, in nanoseconds; ``None``: the queue's.
        wait: how long to look for a first message, in nanoseconds.
        traffic: what is remembered of the queue's partitions; ``None``: nothing.

    Returns:
        The messages in the order of their due times; none if there are none in any partition.

    Raises:
        ServiceError: nothing could be claimed. What was claimed before a failure is returned.
    """
    timeout = visibility_timeout or settings.visibility_timeout
    search = _Search(settings, source, timeout, traffic or Traffic())
    moment = yield from ask(Tick())
    deadline = moment.now + wait
    most_slept = wait / SECOND + _LONGEST_PAUSE  # counts too, because clocks may be set back
    pause = _FIRST_PAUSE
    while True:
        found = yield from search.where_it_is_time(moment, max_messages)
        if found:
            return found
        moment = yield from ask(Tick())
        left = min((deadline - moment.now) / SECOND, most_slept)
        if left <= 0:
            return (yield from search.elsewhere(max_messages)) or search.nothing()
        seconds = min(left, search.pause(pause * (0.5 + moment.chance)))
        yield from ask(Sleep(seconds))
        most_slept -= seconds
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def poll(
    settings: Settings,
    traffic: Traffic,
    *,
    source: QueueType,
    max_messages: int,
    visibility_timeout: int | None,
) -> Operation[list[Message[Any]]]:
    """Claim messages as :func:`receive` does, but look only where it is time to (spec: SHARD-4).

    Raises:
        ServiceError: nothing could be claimed.
    """
    timeout = visibility_timeout or settings.visibility_timeout
    search = _Search(settings, source, timeout, traffic)
    moment = yield from ask(Tick())
    return (yield from search.where_it_is_time(moment, max_messages)) or search.nothing()


class _Search:
    """One call's way of looking for candidates, ever wider while others are faster."""

    def __init__(
        self, settings: Settings, source: QueueType, timeout: int, traffic: Traffic
    ) -> None:
        self._settings = settings
        self._partitions = settings.partitions(source)
        self._traffic = traffic
        self._claim = Claim(settings, source, timeout)
        self._unseen = set(self._partitions)
        self._order: dict[str, tuple[str, int]] = {}

    # --- one partition after the other ---

    def where_it_is_time(self, moment: Moment, wanted: int) -> Operation[list[Message[Any]]]:
        """Claim messages of partitions with traffic, and of others whose turn it is."""
        return (yield from self._visit(self._traffic.due(self._partitions, moment), wanted))

    def elsewhere(self, wanted: int) -> Operation[list[Message[Any]]]:
        """Claim messages of partitions that this call has not looked at: so it looks everywhere."""
        rest = [one for one in self._partitions if one in self._unseen]
        return (yield from self._visit(rest, wanted))

    def pause(self, seconds: float) -> float:
        """Return how long to wait before the next look, in seconds: with shards a share of it."""
        if len(self._partitions) == 1:
            return seconds
        return self._traffic.pause(round(seconds * SECOND)) / SECOND

    def nothing(self) -> list[Message[Any]]:
        """Return that there is nothing to receive, or raise what stood in the way."""
        if self._claim.hindrance is not None:
            raise self._claim.hindrance
        return []

    def _visit(self, partitions: Sequence[str], wanted: int) -> Operation[list[Message[Any]]]:
        found: list[Message[Any]] = []
        for partition in partitions:
            self._unseen.discard(partition)
            try:
                if wanted == 1:
                    found += yield from self._one(partition)
                else:
                    found += yield from self._many(partition, wanted - len(found))
            except DynamoMQError:
                if not found:
                    raise
                break  # what was claimed must reach the caller; the next call meets the error
            if len(found) >= wanted:
                break
        return sorted(found, key=lambda message: self._order[message.id])

    # --- one message: the oldest first, then at random ---

    def _one(self, partition: str) -> Operation[list[Message[Any]]]:
        """Claim one message, looking ever wider while others are faster."""
        self._claim.lost = 0
        tried: set[str] = set()
        for window, races in _WINDOWS:
            moment = yield from ask(Tick())
            page = yield from self._look(partition, moment.now, window)
            entries, more = distinct(page), page.cursor is not None
            untried = [entry for entry in entries if id_of(entry) not in tried]
            candidates = self._likely(untried, moment)
            most = self._claim.lost + races
            while candidates and self._claim.lost < most:
                pick = int(moment.chance * len(candidates)) if self._claim.lost else 0
                candidate = candidates.pop(pick)
                tried.add(id_of(candidate))
                moment = yield from ask(Tick(tokens=1, claims=True))
                claimed = yield from self._claim.one(candidate, moment)
                if claimed is not None:
                    return [claimed]
            if not more and not candidates:
                break
        return []

    # --- several messages: one batch for up to 25 ---

    def _many(self, partition: str, wanted: int) -> Operation[list[Message[Any]]]:
        """Claim up to ``wanted`` messages, page by page."""
        self._claim.lost = 0
        found: list[Message[Any]] = []
        cursor: Item | None = None
        moment = yield from ask(Tick())
        for window, _ in _WINDOWS:
            # Who has claimed something looks no further than need be: the deliveries have begun.
            limit = max(wanted - len(found), _WINDOWS[0][0] if found else window)
            try:
                page = yield from self._look(partition, moment.now, limit, cursor)
                candidates = self._likely(distinct(page), moment)
                if self._claim.lost:
                    candidates = candidates[: max(wanted, MAX_BATCH)]
                while candidates and len(found) < wanted:
                    size = min(MAX_BATCH, wanted - len(found))
                    batch, candidates = candidates[:size], candidates[size:]
                    yield from self._claim.batch(batch, found)
            except DynamoMQError:
                if not found:
                    raise
                break  # what was claimed must reach the caller; the next call meets the error
            cursor = page.cursor
            if cursor is None or len(found) >= wanted:
                break
        return found

    def _look(
        self, partition: str, now: int, limit: int, cursor: Item | None = None
    ) -> Operation[Page]:
        """Read a page of what was due at a time; the same for all pages: cursors belong to it."""
        self._traffic.looked(partition, now)
        page = yield from persistently(Query(partition, format_instant(now), limit, cursor))
        if page.entries:
            self._traffic.found(partition, now)
        for entry in page.entries:
            self._order.setdefault(id_of(entry), (str(entry[DUE.name]), len(self._order)))
        return page

    def _likely(self, candidates: list[Item], moment: Moment) -> list[Item]:
        """Return what is likely to be free: after a lost race, what was never delivered, if any."""
        if not self._claim.lost:
            return candidates
        now = at(self._settings, moment.now)
        return [one for one in candidates if INDEX_VIEWS["ready"].evaluate(one, now)] or candidates


def distinct(page: Page) -> list[Item]:
    """Return a page's entries, each message once: a stale index may repeat one."""
    return list({id_of(entry): entry for entry in page.entries}.values())

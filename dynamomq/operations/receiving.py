"""receive: claim messages that are due (spec: RECEIVE-1 to RECEIVE-8).

The index proposes candidates, oldest first; ``claims.py`` says what becomes of them.
"""

from __future__ import annotations

from typing import Any

from dynamomq.errors import DynamoMQError
from dynamomq.machine import INDEX_VIEWS, QueueType
from dynamomq.message import Message
from dynamomq.operations.claims import Claim, id_of
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

__all__ = ["MAX_RECEIVE", "distinct", "receive"]

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
) -> Operation[list[Message[Any]]]:
    """Claim up to ``max_messages`` messages that are due; wait for the first if there is none.

    Args:
        settings: the queue's.
        source: the queue to receive from.
        max_messages: 1 to 250.
        visibility_timeout: how long the delivery lasts, in nanoseconds; ``None``: the queue's.
        wait: how long to look for a first message, in nanoseconds.

    Returns:
        The messages in the order of their due times; none if there are none.

    Raises:
        ServiceError: nothing could be claimed. What was claimed before a failure is returned.
    """
    search = _Search(settings, source, visibility_timeout or settings.visibility_timeout)
    moment = yield from ask(Tick())
    deadline = moment.now + wait
    most_slept = wait / SECOND + _LONGEST_PAUSE  # counts too, because clocks may be set back
    pause = _FIRST_PAUSE
    while True:
        found = yield from search.one() if max_messages == 1 else search.many(max_messages)
        if found:
            return found
        moment = yield from ask(Tick())
        left = min((deadline - moment.now) / SECOND, most_slept)
        if left <= 0:
            return search.nothing()
        seconds = min(left, pause * (0.5 + moment.chance))
        yield from ask(Sleep(seconds))
        most_slept -= seconds
        pause = min(pause * 1.5, _LONGEST_PAUSE)


class _Search:
    """One call's way of looking for candidates, ever wider while others are faster."""

    def __init__(self, settings: Settings, source: QueueType, timeout: int) -> None:
        self._settings = settings
        self._source = source
        self._claim = Claim(settings, source, timeout)

    # --- one message: the oldest first, then at random ---

    def one(self) -> Operation[list[Message[Any]]]:
        """Claim one message, looking ever wider while others are faster."""
        self._claim.lost = 0
        tried: set[str] = set()
        for window, races in _WINDOWS:
            moment, entries, more = yield from self._look(window)
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

    def nothing(self) -> list[Message[Any]]:
        """Return that there is nothing to receive, or raise what stood in the way."""
        if self._claim.hindrance is not None:
            raise self._claim.hindrance
        return []

    # --- several messages: one batch for up to 25 ---

    def many(self, wanted: int) -> Operation[list[Message[Any]]]:
        """Claim up to ``wanted`` messages, page by page."""
        self._claim.lost = 0
        found: list[Message[Any]] = []
        order: dict[str, int] = {}
        cursor: Item | None = None
        moment = yield from ask(Tick())
        until = format_instant(moment.now)  # one for all pages: cursors belong to it
        for window, _ in _WINDOWS:
            # Who has claimed something looks no further than need be: the deliveries have begun.
            limit = max(wanted - len(found), _WINDOWS[0][0] if found else window)
            query = Query(self._source.value, until, limit, cursor)
            try:
                page = yield from persistently(query)
                candidates = self._likely(distinct(page), moment)
                if self._claim.lost:
                    candidates = candidates[: max(wanted, MAX_BATCH)]
                places = enumerate(candidates, len(order))
                order.update((id_of(one), place) for place, one in places)
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
        return sorted(found, key=lambda message: order[message.id])

    def _look(self, window: int) -> Operation[tuple[Moment, list[Item], bool]]:
        moment = yield from ask(Tick())
        query = Query(self._source.value, format_instant(moment.now), window)
        page = yield from persistently(query)
        return moment, distinct(page), page.cursor is not None

    def _likely(self, candidates: list[Item], moment: Moment) -> list[Item]:
        """Return what is likely to be free: after a lost race, what was never delivered, if any."""
        if not self._claim.lost:
            return candidates
        now = at(self._settings, moment.now)
        return [one for one in candidates if INDEX_VIEWS["ready"].evaluate(one, now)] or candidates


def distinct(page: Page) -> list[Item]:
    """Return a page's entries, each message once: a stale index may repeat one."""
    return list({id_of(entry): entry for entry in page.entries}.values())

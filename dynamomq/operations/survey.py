"""A survey: which messages an operation on many is about, found out before the first is touched.

So they are counted first, and nothing that arrives or comes back meanwhile makes the operation go
on and on. Of each message its id and version are kept, some 150 bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import count
from typing import Any, TypeAlias, TypeVar

from attrs import define, field

from dynamomq.attributes import DUE, ID, TAIL_ID
from dynamomq.checks import GROUP_PREFIX
from dynamomq.errors import AccessDeniedError
from dynamomq.machine import DAMAGED, LISTED, QueueType, place_of
from dynamomq.message import Message
from dynamomq.operations.groups import group_key, sequence_of
from dynamomq.operations.writing import Settings, message_of, persistently
from dynamomq.requests import GetMany, Operation, Query, Scan, Tick, ask
from dynamomq.values import Item

T = TypeVar("T")

Survey: TypeAlias = dict[str, int]
"""The ids of the messages that were found, in order, and the versions that they had."""

Wanted: TypeAlias = Callable[[Message[Any]], bool]
"""Tells whether a message is one of those that are looked for. It is asked about each as it is at
that time, once, or twice where ``behind_heads`` are looked at; what it raises ends the survey."""

_ENTRIES = 1000
"""How many entries of the index, or items of the table, are read at once."""

_STEPS = 10
"""After so many steps along the links of groups, a page of the table is read."""

_ITEMS = 100
"""How many items are read by their ids at once (DynamoDB: ``BatchGetItem``)."""


def in_table(settings: Settings, is_wanted: Wanted) -> Operation[Survey]:
    """Look through the whole table; those that wait behind their group's head come first."""
    found: Survey = {}
    waiting: Survey = {}
    cursor: Item | None = None
    while True:
        moment = yield from ask(Tick())
        page = yield from persistently(Scan(_ENTRIES, cursor))
        for item in page.entries:
            message = message_of(settings, item, moment.now)
            if is_wanted(message):
                is_behind = place_of(item) == "behind"
                (waiting if is_behind else found)[message.id] = message.version
        cursor = page.cursor
        if cursor is None:
            return {**waiting, **found}


def in_queue(
    settings: Settings,
    queue: QueueType,
    is_wanted: Wanted,
    *,
    is_enough: Callable[[], bool] = lambda: False,
    behind_heads: bool = False,
) -> Operation[Survey]:
    """Look through a queue in order of due time.

    Args:
        settings: the queue's.
        queue: which one.
        is_wanted: what is looked for.
        is_enough: asked after each message: whether to look no further.
        behind_heads: whether to look also at what waits behind the heads of groups, which is in no
            queue's index. They come before all that is in the queue, each group's last one first.
    """
    found: Survey = {}
    known: set[str] = set()
    groups: dict[str, None] = {}
    entries = _Entries(settings, queue)
    while ids := (yield from entries.following(_ITEMS)):
        known.update(ids)
        for message in (yield from _read(settings, ids)):
            if is_wanted(message):
                found[message.id] = message.version
            if is_enough():
                return found
            is_last = message.state in LISTED and message.next_id is None
            if message.group is not None and not is_last:  # also one that has just left
                groups[message.group] = None
    if not behind_heads:
        return found
    waiting = yield from _behind_heads(settings, [*groups], is_wanted, known)
    return {**waiting, **found}


def _behind_heads(
    settings: Settings, groups: Sequence[str], is_wanted: Wanted, known: set[str]
) -> Operation[Survey]:
    """Look at what waits in groups, from their ends to what is known.

    In this direction, since consumers take messages from the other end meanwhile, and a successor
    leads nowhere once it has left. Where operators have removed the predecessor, the link that led
    to it is read again.

    A link leads to one message only, so of a long group each would cost a request. Therefore the
    table is read meanwhile, a page after every few steps: whichever comes to its end first has
    found all that are there. So a long group costs little more than its share of the table's pages,
    and a short one in a large table not more than its links.
    """
    found: Survey = {}
    table = _InTable(frozenset(groups), is_wanted)
    behind = [group_key(group) for group in groups]
    after: dict[str, str] = {}  # what has led to each
    for step in count():
        ahead: list[str] = []
        for some in chunks(behind, _ITEMS):
            known.update(some)
            moment = yield from ask(Tick())
            items = yield from persistently(GetMany(tuple(some)))
            for id in some:
                item = items.get(id)
                message = message_of(settings, item, moment.now)
                if item is not None and id.startswith(GROUP_PREFIX):
                    ahead += _led_to(item.get(TAIL_ID.name), id, known, after)
                elif message.state in LISTED or message.state in DAMAGED:
                    ahead += _led_to(message.previous_id, id, known, after)
                elif id in after:  # it has left meanwhile: see where that leads now
                    ahead.append(after[id])
                if item is not None and is_wanted(message):
                    found[id] = message.version
        behind = [*dict.fromkeys(ahead)]
        if not behind:
            break
        if step and step % _STEPS == 0 and (yield from table.read_on(settings)):
            found.update(table.beside(known))
            break
    return found


def _led_to(target: object, by: str, known: Container[str], after: dict[str, str]) -> list[str]:
    """Return where a link leads, unless that is known, and note whose link it is."""
    if not isinstance(target, str) or target in known:
        return []
    after[target] = by
    return [target]


@define
class _InTable:
    """The members of some groups, found by reading the table page by page.

    Attributes:
        groups: which groups.
        is_wanted: what is looked for among their members.
        found: place in the group, id and version of what was found so far.
        cursor: where to go on.
        is_denied: whether the table may not be read but by ids.
    """

    groups: frozenset[str]
    is_wanted: Wanted
    found: list[tuple[int, str, int]] = field(factory=list)
    cursor: Item | None = None
    is_denied: bool = False

    def read_on(self, settings: Settings) -> Operation[bool]:
        """Read the next page, if we may; tell whether that was the last."""
        if self.is_denied:
            return False
        moment = yield from ask(Tick())
        try:
            page = yield from persistently(Scan(_ENTRIES, self.cursor))
        except AccessDeniedError:  # then there are only the links
            self.is_denied = True
            return False
        for item in page.entries:
            message = message_of(settings, item, moment.now)
            if message.group in self.groups and self.is_wanted(message):
                self.found.append((sequence_of(item) or 0, message.id, message.version))
        self.cursor = page.cursor
        return self.cursor is None

    def beside(self, known: Container[str]) -> Survey:
        """Return those that are not known yet, each group's last one first."""
        last_first = sorted(self.found, reverse=True)
        return {id: version for _, id, version in last_first if id not in known}


def _read(settings: Settings, ids: Sequence[str]) -> Operation[list[Message[Any]]]:
    """Read messages, in order, as far as they are there."""
    moment = yield from ask(Tick())
    items = yield from persistently(GetMany(tuple(ids)))
    return [message_of(settings, items[id], moment.now) for id in ids if id in items]


def chunks(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield a sequence in parts of at most so many."""
    for start in range(0, len(of), size):
        yield of[start : start + size]


class _Entries:
    """The ids in a queue's index in order of due time, over all its partitions, each once."""

    def __init__(self, settings: Settings, queue: QueueType) -> None:
        self._parts = [_Partition(name) for name in settings.partitions(queue)]
        self._known: set[str] = set()

    def following(self, count: int) -> Operation[list[str]]:
        """Return the next ids, so many where there are; none at the end."""
        ids: list[str] = []
        while len(ids) < count:
            for part in self._parts:
                if not part.entries:
                    yield from part.read_on(self._known)
            ahead = [part.entries for part in self._parts if part.entries]
            if not ahead:
                break
            _, id = min(ahead, key=lambda entries: entries[0]).popleft()
            if id not in self._known:
                self._known.add(id)
                ids.append(id)
        return ids


@define
class _Partition:
    """One partition of an index, as far as it was read.

    Attributes:
        name: of the partition.
        entries: due time and id of what was read and not used yet.
        cursor: where to go on.
        is_read: whether that was all.
        again: how many entries in a row were known already.
    """

    name: str
    entries: deque[tuple[str, str]] = field(factory=deque)
    cursor: Item | None = None
    is_read: bool = False
    again: int = 0

    def read_on(self, known: set[str]) -> Operation[None]:
        """Read the next page if none is left.

        What others extend meanwhile moves ahead of us, and comes again. But more of them than there
        are means that they are extended over and over.
        """
        while not self.entries and not self.is_read:
            page = yield from persistently(Query(self.name, None, _ENTRIES, self.cursor))
            found = [(str(entry[DUE.name]), str(entry[ID.name])) for entry in page.entries]
            self.entries.extend(sorted(one for one in found if one[1] not in known))
            self.again = 0 if self.entries else self.again + len(found)
            self.cursor = page.cursor
            self.is_read = self.cursor is None or self.again > len(known)

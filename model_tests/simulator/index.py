"""The index as a hostile network shows it: late, in another order, twice, or not at all.

Each change of an item's entry reaches the view in its own time. Meanwhile the view goes on showing
the old entry, or already none, or both; and a change may be overtaken by a later one, so that for a
while the view goes back in time. In the end it shows what is true.
"""

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any

from attrs import define, evolve, field, frozen

from dynamomq.requests import Page, Query
from dynamomq.values import Item

Entry = dict[str, Any]
PROJECTED = ("id", "queue_type", "queue_add_timestamp", "status", "receive_count")
NO_ENTRIES: tuple[Entry, ...] = ()


class Lag(Enum):
    """How a change reaches the view."""

    NONE = "at once"
    LATE = "later"
    GAP = "the old entry vanishes at once, the new one appears later"
    TWICE = "the new entry appears at once, the old one vanishes later"


@frozen
class Update:
    """What an item's entry became, on its way to the view; ``None``: it has none any more."""

    id: str
    entry: Entry | None = field(eq=False)


@define(eq=False)
class IndexView:
    """What queries are answered from.

    Attributes:
        lag: decides how each change reaches the view.
        seen: how many of the entries that queries showed were stale or repeated, or were missing.
    """

    lag: Callable[[], Lag]
    seen: Counter[str] = field(factory=Counter)
    under_way: tuple[Update, ...] = ()
    _true: dict[str, Entry] = field(factory=dict)
    _shown: dict[str, tuple[Entry, ...]] = field(factory=dict)
    _digest: tuple[object, ...] | None = field(default=None, init=False)

    def copy(self) -> "IndexView":
        """A view that changes by itself from now on."""
        return evolve(self, true=dict(self._true), shown=dict(self._shown))

    # --- changes -----------------------------------------------------------------------------

    def changed(self, id: str, item: Item | None) -> None:
        """Take note of what became of an item."""
        entry = entry_of(item)
        if entry == self._true.get(id):
            return
        _assign(self._true, id, entry)
        lag = self.lag()
        before = self._shown.get(id, NO_ENTRIES)
        now = NO_ENTRIES if entry is None else (entry,)
        if lag is Lag.NONE:
            _assign(self._shown, id, now or None)
            return
        self.under_way = (*self.under_way, Update(id, entry))
        if lag is Lag.GAP:
            _assign(self._shown, id, None)
        elif lag is Lag.TWICE:
            _assign(self._shown, id, (*before[-1:], *now) or None)

    def arrive(self, number: int) -> None:
        """Let one of the changes under way reach the view; overtaken ones are shown, too."""
        update = self.under_way[number]
        self.under_way = self.under_way[:number] + self.under_way[number + 1 :]
        _assign(self._shown, update.id, None if update.entry is None else (update.entry,))
        true = self._true.get(update.id)
        if update.entry != true and all(one.id != update.id for one in self.under_way):
            self.under_way = (*self.under_way, Update(update.id, true))

    def catch_up(self) -> None:
        """Let the view show what is true, and go on doing so."""
        self.under_way = ()
        self._shown = {id: (entry,) for id, entry in self._true.items()}
        self.lag = lambda: Lag.NONE

    # --- queries -----------------------------------------------------------------------------

    def answer(self, query: Query) -> Page:
        """A page of the view, by due time, then id; the same entry may be on it twice."""
        after = position(query.cursor) if query.cursor else ("", "")
        found = [
            entry
            for entries in self._shown.values()
            for entry in entries
            if _is_asked_for(entry, query) and position(entry) > after
        ]
        found.sort(key=position)
        page = found[: query.limit]
        full = len(page) == query.limit
        self._count(query, page, whole=not full and query.cursor is None)
        return Page(tuple(page), page[-1] if full else None)

    def _count(self, query: Query, page: list[Entry], *, whole: bool) -> None:
        ids = [entry["id"] for entry in page]
        self.seen["shown"] += len(ids)
        self.seen["stale"] += sum(entry != self._true.get(entry["id"]) for entry in page)
        self.seen["repeated"] += len(ids) - len(set(ids))
        if whole:
            due = (id for id, entry in self._true.items() if _is_asked_for(entry, query))
            self.seen["missing"] += sum(id not in ids for id in due)

    # --- for searches ------------------------------------------------------------------------

    def digest(self) -> tuple[object, ...]:
        """What later answers depend on, hashable; for views that change no more."""
        if self._digest is None:
            self._digest = self._digested()
        return self._digest

    def _digested(self) -> tuple[object, ...]:
        shown = tuple(
            (id, tuple(map(_whole, entries))) for id, entries in sorted(self._shown.items())
        )
        waiting = tuple((update.id, _whole(update.entry or {})) for update in self.under_way)
        return shown, waiting


def entry_of(item: Item | None) -> Entry | None:
    """An item's entry; none where it lacks a key of the index."""
    if item is None or "queue_type" not in item or "queue_add_timestamp" not in item:
        return None
    return {name: item[name] for name in PROJECTED if name in item}


def position(entry: Entry) -> tuple[str, str]:
    """Where an entry stands in its queue."""
    return entry["queue_add_timestamp"], entry["id"]


def _whole(entry: Entry) -> tuple[tuple[str, Any], ...]:
    """All of an entry, hashable."""
    return tuple(sorted(entry.items()))


def _is_asked_for(entry: Entry, query: Query) -> bool:
    due = entry["queue_add_timestamp"]
    early = query.since is not None and due < query.since
    late = query.until is not None and due > query.until
    return entry["queue_type"] == query.queue and not early and not late


def _assign(mapping: dict[str, Any], id: str, value: object) -> None:
    if value is None:
        mapping.pop(id, None)
    else:
        mapping[id] = value

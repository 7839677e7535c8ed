"""The embedded engine's change feed: what each write did, in the order of the commits."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import inf
from typing import TypeAlias

from attrs import frozen

from dynamomq.drivers.local.turns import Turn
from dynamomq.values import Item


@frozen
class Change:
    """One item before and after a write.

    Attributes:
        table: the table's name.
        id: the item's key.
        old: the item before; ``None`` where there was none.
        new: the item after; ``None`` where it was removed.
    """

    table: str
    id: str
    old: Item | None
    new: Item | None


Listener: TypeAlias = Callable[[Change], object]
Call: TypeAlias = "tuple[Listener, Change]"

_log = logging.getLogger(__name__)


class Feed:
    """Listeners, and the changes that they have not been told of yet.

    Changes are queued in the turn of the write, which fixes their order, and told after it, so a
    listener may use the engine itself. What it raises is logged and goes no further: the write has
    taken place, and whoever asked for it must get to know.
    """

    def __init__(self) -> None:
        """Start without listeners."""
        self._listeners: tuple[Listener, ...] = ()
        self._waiting: deque[Call] = deque()
        self._turn = Turn()

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; return the function that takes it away again."""
        entry = partial(listener)  # an object of its own, should one listener subscribe twice
        self._listeners = (*self._listeners, entry)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not entry)

        return unsubscribe

    def calls(self, changes: Iterable[Change]) -> list[Call]:
        """Return the calls that tell the listeners of changes, in order."""
        return [(one, change) for change in changes for one in self._listeners]

    def queue(self, calls: Iterator[Call]) -> None:
        """Take note of calls to be made, for what has been committed.

        Each is taken from the iterator once, and by C: so this may be repeated after an interrupt.
        """
        self._waiting.extend(calls)

    def tell(self) -> None:
        """Tell the listeners all that is queued.

        A listener that writes returns here on its own thread: its change waits until the present
        one has been told to all.
        """
        if self._turn.is_mine:
            return
        try:
            self._turn.take(inf)
            while self._waiting:
                listener, change = self._waiting[0]
                try:
                    if listener in self._listeners:  # it may have been taken away since
                        _tell(listener, change)
                finally:  # one that was begun is not begun again, whatever ends it
                    self._waiting.popleft()
        finally:
            self._turn.give_back()


def _tell(listener: Listener, change: Change) -> None:
    try:
        listener(change)
    except Exception:  # noqa: BLE001 - a listener's failure must not look like the write's
        _log.exception("A listener failed on a change of %r in %r.", change.id, change.table)

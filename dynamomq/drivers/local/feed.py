"""The embedded engine's change feed: what each write did, in the order of the commits."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock, get_ident
from typing import TypeAlias

from attrs import frozen

from dynamomq.values import Item

__all__ = ["Change", "Feed", "Listener"]


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

_log = logging.getLogger(__name__)


class Feed:
    """Listeners, and the changes that they have not been told of yet.

    Changes are queued while the write lock is held, which fixes their order, and told after it was
    released, so a listener may use the engine itself. What it raises is logged and goes no further:
    the write has taken place, and whoever asked for it must get to know.
    """

    def __init__(self) -> None:
        """Start without listeners."""
        self._listeners: tuple[Listener, ...] = ()
        self._waiting: deque[Change] = deque()
        self._telling = Lock()
        self._teller: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; return the function that takes it away again."""
        if not self._listeners:
            self._waiting.clear()  # left behind when the last listener went
        entry = partial(listener)  # an object of its own, should one listener subscribe twice
        self._listeners = (*self._listeners, entry)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not entry)

        return unsubscribe

    def queue(self, changes: Iterable[Change]) -> None:
        """Take note of committed changes, in order."""
        self._waiting.extend(changes)

    def tell(self) -> None:
        """Tell the listeners all that is queued.

        A listener that writes returns here on its own thread: its change waits until the present
        one has been told to all.
        """
        if self._teller == get_ident():
            return
        with self._telling:
            self._teller = get_ident()
            try:
                while self._waiting:
                    change = self._waiting.popleft()
                    for listener in self._listeners:
                        _tell(listener, change)
            finally:
                self._teller = None


def _tell(listener: Listener, change: Change) -> None:
    try:
        listener(change)
    except Exception:  # noqa: BLE001 - a listener's failure must not look like the write's
        _log.exception("A listener failed on a change of %r in %r.", change.id, change.table)

"""Taking turns among threads, such that no turn is lost to an interrupt.

Ctrl-C raises ``KeyboardInterrupt`` between any two steps of the main thread: also where a lock was
just taken and its ``try`` has not begun, or where it is about to be given back. So a turn belongs
to the call that takes it, and ends with that call at the latest: whoever waits finds out whether
the call still runs.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from threading import Lock
from types import FrameType
from typing import Final

__all__ = ["Turn"]

_LOOKS_EVERY: Final = 0.05


class Turn:
    """Lets one call at a time go on.

    Take it as the first thing in a ``try``, and give it back in its ``finally``, in the same
    function, which must not be a generator.
    """

    def __init__(self) -> None:
        """Begin with nobody's turn."""
        # The dictionary has one entry at most. Taking a turn and saying whose it is is one step.
        self._holder: dict[str, FrameType] = {}
        self._news = Lock()  # open: since it was last closed, a turn has ended
        self._news.acquire()
        self._ending = Lock()  # of two that find the same turn lost, one ends it

    def take(self, timeout: float) -> bool:
        """Wait for the turn, at most so many seconds; tell whether the caller has it."""
        caller = sys._getframe(1)
        if self._holder.setdefault("call", caller) is caller:
            return True
        gives_up = time.monotonic() + timeout
        while (left := gives_up - time.monotonic()) > 0:
            if not self._news.acquire(timeout=min(left, _LOOKS_EVERY)):
                self._end_if_lost()
            if self._holder.setdefault("call", caller) is caller:
                return True
        return False

    def give_back(self) -> None:
        """End the caller's turn, if it is the caller's."""
        if self._holder.get("call") is sys._getframe(1):
            self._end()

    @property
    def is_mine(self) -> bool:
        """Whether it is the turn of a call that this one is a part of."""
        holder = self._holder.get("call")
        return holder is not None and _is_under(holder, sys._getframe(1))

    def _end(self) -> None:
        self._holder.clear()
        if self._news.locked():
            with suppress(RuntimeError):  # a thread that ended a lost turn has done it meanwhile
                self._news.release()

    def _end_if_lost(self) -> None:
        with self._ending:
            holder = self._holder.get("call")
            stacks = sys._current_frames().values()
            if holder is not None and not any(_is_under(holder, at) for at in stacks):
                self._end()


def _is_under(frame: FrameType, top: FrameType | None) -> bool:
    """Tell whether a call is one of those that are under way below the top of a stack."""
    while top is not None and top is not frame:
        top = top.f_back
    return top is not None

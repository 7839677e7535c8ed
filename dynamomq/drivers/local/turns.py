"""Taking turns among threads, such that no turn is lost to an interrupt.

Ctrl-C raises ``KeyboardInterrupt`` between any two steps of the main thread: also where a lock was
just taken and its ``try`` has not begun, or where it is about to be given back. So a turn belongs
to the call that takes it, and ends with that call at the latest: whoever waits finds out whether
the call still runs.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import suppress
from threading import Lock
from types import FrameType
from typing import Final

_LOOKS_EVERY: Final = 0.05
_PATIENCE: Final = 0.005
"""After how many seconds one who waits is not overtaken any more. Before that the thread that runs
goes on, which saves changing to another one for each turn."""

_LOOKS_FOR_ITS_TURN_EVERY: Final = 0.001


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
        self._impatient: deque[FrameType] = deque()  # the first of them is next

    def take(self, timeout: float) -> bool:
        """Wait for the turn, at most so many seconds; tell whether the caller has it."""
        caller = sys._getframe(1)
        if self._is_taken_by(caller):
            return True
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < timeout:
            pause = _LOOKS_EVERY
            if waited > _PATIENCE:
                pause = _LOOKS_FOR_ITS_TURN_EVERY
                if caller not in self._impatient:
                    self._impatient.append(caller)
            if not self._news.acquire(timeout=min(timeout - waited, pause)):
                self._end_if_lost()
            if self._is_taken_by(caller):
                return True
        return False

    def give_back(self) -> None:
        """End the caller's turn, or its wait for one."""
        caller = sys._getframe(1)
        with suppress(ValueError):
            self._impatient.remove(caller)
        if self._holder.get("call") is caller:
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

    def _is_taken_by(self, caller: FrameType) -> bool:
        """Take the turn if it is free and nobody else is next; tell whether the caller has it."""
        following = next(iter(tuple(self._impatient)), caller)
        return following is caller and self._holder.setdefault("call", caller) is caller

    def _end_if_lost(self) -> None:
        with self._ending:
            holder = self._holder.get("call")
            following = next(iter(tuple(self._impatient)), None)
            stacks = tuple(sys._current_frames().values())
            if holder is not None and not any(_is_under(holder, at) for at in stacks):
                self._end()
            if following is not None and not any(_is_under(following, at) for at in stacks):
                with suppress(ValueError):
                    self._impatient.remove(following)


def _is_under(frame: FrameType, top: FrameType | None) -> bool:
    """Tell whether a call is one of those that are under way below the top of a stack."""
    while top is not None and top is not frame:
        top = top.f_back
    return top is not None

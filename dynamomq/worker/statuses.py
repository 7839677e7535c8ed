"""Exit statuses: those of a worker, which users see, and those by which a child tells it why.

A child has its own numbers for what must stop the whole worker: Python itself ends with 1 or 2
when a program crashes or a module is missing, and a crash is no reason to give up.
"""

from __future__ import annotations

import signal
from enum import IntEnum


class ExitStatus(IntEnum):
    """What the exit status of a worker says."""

    DRAINED = 0
    """It was told to stop, and all that it had begun is finished."""

    SETUP = 1
    """Table, permissions, credentials or file are not as they must be; nothing is lost."""

    USAGE = 2
    """The command line, the handler, the payload type or the queue can't be used."""

    LEFT = 3
    """Handlers still ran when the grace was over; their messages will be received again."""

    FORCED = 4
    """A second signal ended it at once; what handlers had in hand will be received again."""


class ChildStatus(IntEnum):
    """What the exit status of a child says; every other one is a crash."""

    FINISHED = 0
    LEFT = 3
    FORCED = 4
    USAGE = 64
    CRASHED = 70
    SETUP = 78


_MEANINGS = {
    ChildStatus.FINISHED: "it had finished",
    ChildStatus.LEFT: "handlers were still running",
    ChildStatus.FORCED: "told to give up",
    ChildStatus.USAGE: "it can't be run",
    ChildStatus.CRASHED: "a defect, or a lack of memory",
    ChildStatus.SETUP: "a set-up error",
}


def describe_status(status: int) -> str:
    """Return how a process ended, in words; a negative status is the signal that killed it."""
    if status in _MEANINGS:  # without the number: it is no status of the worker, or another one
        return f"ended: {_MEANINGS[ChildStatus(status)]}"
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"

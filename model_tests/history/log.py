"""What a process writes down: one JSON object a line, in a file of its own.

A line is written by one system call, so that a process that is killed loses at most the line that
it was about to write; the beginning of an operation is written before it, the outcome after it. A
reader leaves out a last line that is torn.

The events, and their details beside process and times:

``send begun``
    call, id, payload (its digest), delay (nanoseconds); in a message group also group
``send accepted``, ``send refused``, ``send unknown``
    call; refused: as a duplicate; accepted in a group: previous (the id of its predecessor there,
    empty for the first)
``delivered``
    id, receipt (its digest), queue, version, receive_count, payload (its digest), timeout (that was
    asked for, in nanoseconds), claimed (when, by the claimer's clock) and deadline (both in
    nanoseconds since the epoch); in a message group also group, previous and next (the ids of its
    neighbours, empty where there is none)
``extend begun``, ``retry begun``, ``release begun``, ``delete begun``, ``move_to_dlq begun``
    call, id, receipt; retry: delay; extend: timeout
``… done``, ``… stale``, ``… unknown``
    call; ``extend done``: deadline
anything else
    for the reader of a timeline; the checker passes over it
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import frozen

Detail = str | int

_SUFFIX = ".jsonl"


class LogError(Exception):
    """A log is not of the form that is described here."""


@frozen
class Moment:
    """When something happened.

    Attributes:
        monotonic: on the clock that all processes of a machine share; nanoseconds.
        clock: by the process's own clock, which may be wrong; nanoseconds since the epoch.
    """

    monotonic: int
    clock: int

    @property
    def skew(self) -> int:
        """By how much the process's clock is ahead of the shared one; compare, don't interpret."""
        return self.clock - self.monotonic


@frozen
class Event:
    """One line of a log."""

    process: str
    moment: Moment
    name: str
    details: Mapping[str, Detail]


@frozen
class SkewedClock:
    """A process's clock: the machine's monotonic one, shifted.

    It is a shifted monotonic clock so that the difference of two processes' clocks is known exactly
    and stays the same, and so that one reading tells both times: nothing comes in between.

    Attributes:
        epoch: what to add for nanoseconds since the epoch; the same for all processes of a run.
        offset: by how much this clock is wrong; nanoseconds.
    """

    epoch: int
    offset: int = 0

    def __call__(self) -> int:
        """Read it, as ``Surroundings.clock`` wants it."""
        return self.moment().clock

    def moment(self) -> Moment:
        """Read both clocks at once."""
        monotonic = time.monotonic_ns()
        return Moment(monotonic, monotonic + self.epoch + self.offset)


def epoch_of_this_machine() -> int:
    """What a monotonic time lacks to be a time since the epoch, roughly."""
    return time.time_ns() - time.monotonic_ns()


def digest(text: str) -> str:
    """A short hash: enough to tell receipts or payloads apart, and no use to anyone else."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def payload_digest(payload: object) -> str:
    """The digest of a JSON-like payload, whatever the order of its keys."""
    return digest(json.dumps(payload, sort_keys=True, default=str))


class Log:
    """The file that one process appends to; safe to share among threads."""

    def __init__(self, folder: Path, process: str, clock: SkewedClock) -> None:
        """Open the process's file in the folder of the run."""
        self.process = process
        self._clock = clock
        self._calls = itertools.count(1)
        path = folder / f"{process}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def now(self) -> Moment:
        """The moment that an event would get."""
        return self._clock.moment()

    def write(self, name: str, **details: Detail) -> None:
        """Append an event that happened now."""
        self.write_at(self.now(), name, **details)

    def write_at(self, moment: Moment, name: str, **details: Detail) -> None:
        """Append an event that happened at a moment that was noted before."""
        os.write(self._file, encode(Event(self.process, moment, name, details)))

    def new_call(self) -> int:
        """A number that tells a call from the process's others, in other threads, too."""
        return next(self._calls)


def encode(event: Event) -> bytes:
    """An event as a line."""
    fields = {
        "process": event.process,
        "monotonic": event.moment.monotonic,
        "clock": event.moment.clock,
        "event": event.name,
        **event.details,
    }
    return json.dumps(fields).encode() + b"\n"


def read_log(path: Path, *, offset: int = 0) -> tuple[list[Event], int]:
    """The events of a log from an offset on, and where the next ones will begin.

    Raises:
        LogError: a whole line can't be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        whole, newline, _ = file.read().rpartition(b"\n")  # what follows is torn, or not yet whole
    lines = whole.split(b"\n") if newline else []
    return [_decode(path, line) for line in lines], offset + len(whole) + len(newline)


def log_files(folder: Path) -> list[Path]:
    """The logs of a run."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def read_logs(folder: Path) -> list[Event]:
    """All events of a run, in the order of the shared clock.

    Raises:
        LogError: a whole line can't be read, or there is no log.
    """
    files = log_files(folder)
    if not files:
        raise LogError(f"{folder}: no logs there")
    events = [event for path in files for event in read_log(path)[0]]
    return sorted(events, key=lambda event: event.moment.monotonic)


def _decode(path: Path, line: bytes) -> Event:
    try:
        fields = json.loads(line)
        moment = Moment(fields.pop("monotonic"), fields.pop("clock"))
        return Event(fields.pop("process"), moment, fields.pop("event"), fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LogError(f"{path}: not an event: {line[:200]!r}") from error

"""What a driver is: it answers the requests of operations, against one table."""

from __future__ import annotations

import os
import random
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

from attrs import field, frozen

from dynamomq.drivers.skew import UNKNOWN, Offset
from dynamomq.errors import (
    AccessDeniedError,
    ClockError,
    ClosedError,
    DynamoMQError,
    InvalidArgumentError,
    SetupError,
    UnavailableError,
)
from dynamomq.requests import Moment, Operation, Request, Sleep, Tick
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND

__all__ = ["CLOCK_LIMIT", "Driver", "Engine", "Surroundings", "checked_surroundings", "too_late"]

CLOCK_LIMIT = 15 * SECOND
"""How uncertain the time may be for a claim, unless said otherwise: one reply tells it to about a
second, so this is exceeded only where a reply took very long."""

R = TypeVar("R")


def _token() -> str:
    return secrets.token_urlsafe(16)


def _uuid7(now: int) -> str:
    """Return a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    number = (now // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    digits = f"{number & ~(0x3 << 62) | 2 << 62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _uptime_clock() -> Callable[[], float]:
    """Return a clock that is never set, and goes on while the machine is suspended.

    Not all systems have one that does the second.
    """
    try:
        clock: int = time.CLOCK_BOOTTIME
        time.clock_gettime(clock)
    except (AttributeError, OSError):
        return time.monotonic
    return partial(time.clock_gettime, clock)


def _uncorrected(_now: int) -> Offset:
    return UNKNOWN


@frozen
class Surroundings:
    """Where time and chance come from; tests put their own here.

    Attributes:
        clock: returns nanoseconds since the epoch.
        monotonic: returns seconds by a clock that is never set; runtimes reckon with it.
        sleep: waits for so many seconds.
        token: returns a fresh token that nobody can guess.
        chance: returns a random number in [0, 1).
        new_id: returns a fresh message id for an instant; a UUIDv7.
        offset: returns what is to be added to the clock when that shows so much. Nothing, unless
            an engine puts its estimate of the service's clock here.
        clock_limit: how uncertain the time may be for a claim, in nanoseconds.
        uptime: as ``monotonic``, but it goes on while the machine is suspended, where the system
            can tell; by it no attempt at a write is sent too late.
    """

    clock: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    token: Callable[[], str] = _token
    chance: Callable[[], float] = random.random
    new_id: Callable[[int], str] = _uuid7
    offset: Callable[[int], Offset] = _uncorrected
    clock_limit: int = CLOCK_LIMIT
    uptime: Callable[[], float] = field(factory=_uptime_clock)

    def moment(self, tick: Tick) -> Moment:
        """Answer a ``Tick``.

        Raises:
            ClockError: messages are to be claimed, and the time is not known well enough for that.
        """
        local = self.clock()
        offset = self.offset(local)
        uncertainty, now = offset.uncertainty, local + offset.nanoseconds
        if tick.claims and uncertainty is not None and uncertainty > self.clock_limit:
            raise ClockError(uncertainty / SECOND, self.clock_limit / SECOND)
        fresh = tuple(self.token() for _ in range(tick.tokens))
        id = self.new_id(now) if tick.new_id else ""
        ids = tuple(self.new_id(now) for _ in range(tick.ids))
        return Moment(now, fresh, id, self.chance(), uncertainty, ids, self.now_up())

    def now_up(self) -> int:
        """Return the uptime in nanoseconds."""
        return round(self.uptime() * SECOND)


def too_late(name: str, *, again: bool) -> UnavailableError:
    """Return the error for an attempt that is not sent any more; it is not to be repeated.

    Args:
        name: of the request.
        again: whether an attempt has been sent before, to which no reply came.
    """
    how = "once more" if again else "(the process was suspended, or waited for earlier attempts)"
    error = UnavailableError(
        f"A {name} was not sent {how}: it would have been minutes late.",
        remedy="Call again.",
    )
    error.retryable, error.in_doubt = False, again
    return error


def checked_surroundings(given: object) -> Surroundings:
    """Return surroundings that were given, or by default the machine's own.

    Raises:
        InvalidArgumentError: they are none.
    """
    if given is None:
        return Surroundings()
    if not isinstance(given, Surroundings):
        raise InvalidArgumentError(
            "surroundings",
            type(given).__name__,
            "they are no Surroundings",
            remedy="Leave them out; they are for tests.",
        )
    return given


class Driver(ABC):
    """Carries out requests on one table, blocking; safe to share among threads.

    A driver belongs to the process that made it: connections and locks do not survive a fork.
    """

    lead = 0
    """How long it may take, in nanoseconds, until an attempt that begins is on its way."""

    def __init__(self, table: TableDefinition, surroundings: Surroundings) -> None:
        """Bind the driver to a table and to a source of time and chance."""
        self.table = table
        self.surroundings = surroundings
        self._process = os.getpid()

    def run(self, operation: Operation[R]) -> R:
        """Run an operation to its end and return its result.

        Raises:
            DynamoMQError: what the operation raises.
            ClosedError: this is a forked child of the process that made the driver.
        """
        if os.getpid() != self._process:
            raise ClosedError(
                "This queue was opened by the parent process.",
                remedy="After a fork, open a queue of its own in each process.",
            )
        try:
            request = next(operation)
            while True:
                try:
                    reply = self.execute(request)
                except DynamoMQError as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(reply)
        except StopIteration as stop:
            result: R = stop.value
            return result
        except (SetupError, AccessDeniedError, UnavailableError) as error:
            # They are about the surroundings: where in here they were met is of no use to anybody.
            raise error.with_traceback(None)  # noqa: B904 - the same error

    def execute(self, request: Request[R]) -> R:
        """Carry out one request and return its reply.

        Raises:
            ServiceError: the storage could not carry it out.
            SetupError: table, index or credentials are missing or wrong.
        """
        reply: Any = None
        if isinstance(request, Tick):
            reply = self.surroundings.moment(request)
        elif isinstance(request, Sleep):
            self.surroundings.sleep(request.seconds)
        else:
            self.check_in_time(request)
            reply = self.store(request)
        answer: R = reply
        return answer

    def check_in_time(self, request: Request[Any], again: bool = False) -> None:
        """Do nothing if an attempt at a request may still be sent (spec: WRITE-8).

        Args:
            request: the request.
            again: whether an attempt at it has been sent before, to which no reply came.

        Raises:
            UnavailableError: it would be too late. Not to be repeated: that would be later still.
        """
        latest = request.send_by
        if latest is not None and self.surroundings.now_up() + self.lead > latest:
            raise too_late(type(request).__name__, again=again)

    @abstractmethod
    def store(self, request: Request[Any]) -> Any:
        """Carry out a request to the storage."""


@runtime_checkable
class Engine(Protocol):
    """A storage that can hold queues: DynamoDB, or the embedded one."""

    def open(self, table: TableDefinition) -> Driver:
        """Return a driver for one of its tables; nothing is sent yet."""

    def close(self) -> None:
        """Release connections; later requests raise ``ClosedError``."""

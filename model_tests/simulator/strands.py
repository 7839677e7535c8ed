"""Threads that run only while the simulator waits for them: production code under its schedule.

The consumer's runtime is made of threads that wait for each other, for time, and for storage. In a
strand such a thread runs up to the next thing that it waits for, says what that is, and stands
still until the simulator lets it go on. So no two of them ever run at once, and a run follows from
its decisions alone.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty
from typing import Any

from attrs import define, field, frozen

_NAME = "simulated"


class Killed(BaseException):
    """The process to which a strand belonged is no more; its code must not notice."""


def _is_real(record: logging.LogRecord) -> bool:
    """Keep thousands of simulated outages out of the log, and defects of the consumer in mind."""
    if record.threadName != _NAME:
        return True
    error = record.exc_info[1] if record.exc_info else None
    if record.levelno >= logging.ERROR and error is not None and not isinstance(error, Killed):
        _own.strand.failure = error
    return False


logging.getLogger("dynamomq.consumer").addFilter(_is_real)


@define(eq=False)
class Strand:
    """A thread that takes turns with the simulator.

    Attributes:
        wants: what it waits for; ``None`` once it has ended.
        failure: an error that nothing but a defect can have caused.
    """

    wants: object | None = None
    failure: BaseException | None = None
    _mine: threading.Lock = field(factory=threading.Lock, init=False)
    _theirs: threading.Lock = field(factory=threading.Lock, init=False)
    _answer: Callable[[], Any] = field(default=lambda: None, init=False)
    _is_dead: bool = field(default=False, init=False)

    @classmethod
    def of(cls, work: Callable[[], object]) -> Strand:
        """Let some work begin, up to the first thing that it waits for."""
        strand = cls()
        strand._mine.acquire()
        strand._theirs.acquire()
        threading.Thread(target=strand._run, args=(work,), name=_NAME, daemon=True).start()
        strand._theirs.acquire()
        return strand

    def go_on(self, answer: Callable[[], Any]) -> None:
        """Let it go on with an answer, which may raise, up to the next thing that it waits for.

        Raises:
            BaseException: something has failed that must not.
        """
        self._answer = answer
        self._mine.release()
        self._theirs.acquire()
        if self.failure is not None and not self._is_dead:
            raise self.failure

    def kill(self) -> None:
        """Let it end without doing anything more."""
        if self.wants is not None:
            self._is_dead = True
            self.go_on(lambda: None)

    def ended(self) -> bool:
        """Tell whether it has."""
        return self.wants is None

    def ask(self, wants: object) -> Any:
        """Wait for something; called by the work itself."""
        if self._is_dead:
            raise Killed
        self.wants = wants
        self._theirs.release()
        self._mine.acquire()
        if self._is_dead:
            raise Killed
        return self._answer()

    def _run(self, work: Callable[[], object]) -> None:
        _own.strand = self
        try:
            work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where the simulator waits
            self.failure = error
        finally:
            self.wants = None
            self._theirs.release()


_own = threading.local()


def ask(wants: object) -> Any:
    """Wait for something, in whatever strand this is called."""
    strand: Strand = _own.strand
    return strand.ask(wants)


# --- what strands wait with ------------------------------------------------------------------


@frozen(eq=False)
class Wait:
    """Something that happens, or a time after which it is not waited for any longer.

    Attributes:
        happened: whether it has.
        until: the time, in seconds by the monotonic clock; ``None``: for ever.
    """

    happened: Callable[[], bool]
    until: float | None

    def is_over(self, now: float) -> bool:
        """Tell whether the one or the other has come."""
        return self.happened() or (self.until is not None and self.until <= now)


@define(eq=False)
class Mailbox:
    """Stands in for a ``SimpleQueue``.

    Attributes:
        now: the monotonic clock.
        later: puts off the end of a wait in which nothing is to be done, given when that begins.
    """

    now: Callable[[], float]
    later: Callable[[float], float] = lambda until: until
    _items: deque[Any] = field(factory=deque, init=False)

    def put(self, item: object) -> None:
        """Put something in."""
        self._items.append(item)

    def qsize(self) -> int:
        """Return how much is in it."""
        return len(self._items)

    def get(self, timeout: float | None = None) -> Any:
        """Wait for something, and take it out."""
        until = None if timeout is None else self.later(self.now() + timeout)
        ask(Wait(self._has_mail, until))
        if not self._items:
            raise Empty
        return self._items.popleft()

    def _has_mail(self) -> bool:
        return bool(self._items)


@define(eq=False)
class Gate:
    """Stands in for an ``Event``.

    Attributes:
        now: the monotonic clock.
        later: as in a mailbox.
    """

    now: Callable[[], float]
    later: Callable[[float], float] = lambda until: until
    _is_open: bool = field(default=False, init=False)

    def set(self) -> None:
        """Open it."""
        self._is_open = True

    def is_set(self) -> bool:
        """Tell whether it is open."""
        return self._is_open

    def wait(self, timeout: float) -> bool:
        """Wait until it is, but not longer than so many seconds."""
        ask(Wait(self.is_set, self.later(self.now() + timeout)))
        return self._is_open


@frozen(eq=False)
class Ending:
    """Stands in for a thread that one may join.

    Attributes:
        strand: which.
        now: the monotonic clock.
    """

    strand: Strand
    now: Callable[[], float]

    def join(self, timeout: float) -> None:
        """Wait for its end, but not longer than so many seconds."""
        ask(Wait(self.strand.ended, self.now() + timeout))

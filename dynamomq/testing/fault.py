"""A fault that a test has armed, and what it raises: the crash, and the error if it never came."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from attrs import define, field

from dynamomq.errors import InvalidArgumentError
from dynamomq.portable import PortableError


class Crash(BaseException):
    """The process died here, as far as the test is concerned.

    No ``Exception``, so that what the code under test does about errors does not catch it. What
    runs all the same (``finally``, ``except BaseException``, ``__exit__``, a generator that is
    closed or collected later, other threads) can't reach the storage any more: a dead process sends
    nothing. Each request through a queue that was opened before raises a ``Crash`` again.
    """


class DeadProcess(Crash, GeneratorExit):
    """A process that has died would send a request.

    A ``GeneratorExit``, too: a generator of the dead that is closed, or collected, ends in silence.
    """


class UnusedFaultError(PortableError, AssertionError):
    """A fault was armed and did not happen, so the test has not tested it.

    Attributes:
        unused: the calls that armed such faults.
    """

    def __init__(self, unused: tuple[str, ...]) -> None:
        """List the faults."""
        super().__init__(
            f"Armed, but not happened: {'; '.join(unused)}. The code under test never got there, "
            "or sends other requests than you think."
        )
        self.unused = unused


@define(eq=False)
class Fault:
    """A fault that was armed; it stays so until it has happened as often as was asked for.

    Used as a context manager, it must happen before the block ends, or the block raises an
    :class:`UnusedFaultError`; at the end it is disarmed. A crash ends the block early, and the test
    goes on behind it; so a crash that is to happen more than once can't be used so.

    Attributes:
        call: the call that armed it, such as ``crash('delete', when='before')``.
        times: how often it is to happen.
        happened: how often it has happened so far.
    """

    call: str
    times: int
    happened: int = field(default=0, init=False)
    _disarm: Callable[[Fault], None] = field(repr=False)
    _deadly: bool = field(default=False, repr=False)

    @property
    def unused(self) -> str | None:
        """What is missing, in words; ``None`` where nothing is."""
        if self.happened >= self.times:
            return None
        return self.call if self.times == 1 else f"{self.call}, of which {self.happened} happened"

    def __enter__(self) -> Self:
        """Return the fault.

        Raises:
            InvalidArgumentError: it is a crash that is to happen more than once; it is disarmed.
        """
        if self._deadly and self.times > 1:
            self._disarm(self)
            raise InvalidArgumentError(
                "times",
                self.times,
                "a crash ends its block, so only one can happen in it",
                remedy="Use a block for each crash, or arm them without 'with' and catch each "
                "Crash.",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Disarm the fault, catch the crash if it is one, and insist that it has happened.

        Raises:
            UnusedFaultError: it did not happen, or not often enough.
        """
        self._disarm(self)
        died = self._deadly and self.happened > 0 and isinstance(error, Crash)
        if self.unused is not None and (died or error is None):
            raise UnusedFaultError((self.unused,))
        return died

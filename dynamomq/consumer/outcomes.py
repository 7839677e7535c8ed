"""What becomes of a message after its handler: a verdict, reached without any I/O."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from math import inf
from typing import Any, TypeAlias

from attrs import frozen

from dynamomq.checks import MAX_DELAY, Duration, check_duration
from dynamomq.consumer.backoff import MAX_REST, Backoff, FullJitter, Setback
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.portable import PortableError
from dynamomq.timestamps import SECOND

__all__ = [
    "Done",
    "GiveBack",
    "Judge",
    "PutAside",
    "Reject",
    "RetryAfter",
    "Verdict",
]


class RetryAfter(PortableError):  # noqa: N818 - an instruction, not a failure
    """Raise it in a handler: deliver the message again after so long.

    Args:
        delay: seconds, or a ``timedelta``; up to 100 years.
        reason: what travels with the message.
    """

    def __init__(self, delay: Duration, reason: str = "") -> None:
        """Check the delay where it is given, which is where a mistake can be found.

        Raises:
            InvalidArgumentError: it is no duration.
        """
        self.delay = check_duration("delay", delay, at_most=MAX_DELAY)
        super().__init__(reason or f"to be delivered again after {self.delay / SECOND:g} s")


class Reject(PortableError):  # noqa: N818 - an instruction, not a failure
    """Raise it in a handler: no delivery can succeed, so into the dead-letter queue at once.

    Args:
        reason: what travels with the message.
    """

    def __init__(self, reason: str = "rejected") -> None:
        """Keep the reason."""
        super().__init__(reason)


@frozen
class Done:
    """The message is done: delete it."""


@frozen
class GiveBack:
    """Deliver it again.

    Attributes:
        delay: after so many nanoseconds.
        error: why.
    """

    delay: int
    error: BaseException

    @property
    def seconds(self) -> float:
        """The same delay in seconds."""
        return self.delay / SECOND


@frozen
class PutAside:
    """Put it into the dead-letter queue.

    Attributes:
        error: why.
    """

    error: BaseException


Verdict: TypeAlias = Done | GiveBack | PutAside

_DEFAULT = FullJitter()


@frozen
class Judge:
    """Decides what becomes of messages.

    Attributes:
        source: the queue that they are received from.
        max_receives: the queue's; ``None``: any number.
        backoff: how long failed ones rest.
    """

    source: QueueType
    max_receives: int | None
    backoff: Backoff

    def verdict(self, message: Message[Any], error: BaseException | None, chance: float) -> Verdict:
        """Decide about a message.

        In the dead-letter queue there is no limit to deliveries, and nowhere else to go.

        Args:
            message: as it was received.
            error: what its handler raised; ``None``: it returned.
            chance: a random number in [0, 1).
        """
        if error is None:
            return Done()
        if self.source is QueueType.STANDARD:
            used_up = self.max_receives is not None and message.receive_count >= self.max_receives
            if used_up or isinstance(error, Reject):
                return PutAside(error)
        if isinstance(error, RetryAfter):
            return GiveBack(error.delay, error)
        return GiveBack(self._rest(message, error, chance), error)

    def is_risky(self, message: Message[Any]) -> bool:
        """Tell whether this is the last delivery, and the one before was never answered.

        Then its process may have died, perhaps of this message, perhaps of another one that was
        with it; several of them together would all be dead letters for the one.
        """
        limit = self.max_receives if self.source is QueueType.STANDARD else None
        if limit is None or not 1 < limit <= message.receive_count:
            return False
        return all(one.delivery != message.receive_count - 1 for one in message.errors)

    def _rest(self, message: Message[Any], error: BaseException, chance: float) -> int:
        setback = Setback(message.id, max(message.receive_count, 1), error, chance)
        seconds = _DEFAULT(setback)
        try:
            own = float(self.backoff(setback))
        except Exception as failure:  # noqa: BLE001 - whatever a user's function does, we go on
            with suppress(Exception):  # an exception may be frozen
                error.add_note(
                    f"The backoff failed: {type(failure).__name__}; the default is used."
                )
        else:
            if 0 <= own < inf:  # so it is not NaN
                seconds = own
        return round(min(seconds, MAX_REST / timedelta(seconds=1)) * SECOND)

"""How long a message rests after a failed delivery, so that what fails does not fail in a storm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import TypeAlias

from attrs import frozen

from dynamomq.checks import Duration, check_duration
from dynamomq.errors import InvalidArgumentError
from dynamomq.timestamps import SECOND

MAX_REST = timedelta(days=7)
"""How long a failed message rests at most, whatever a backoff says: so a function that doubles for
ever loses none. ``RetryAfter`` may say more."""

_FLOOR = 0.1  # seconds
_MOST_DOUBLINGS = 64  # of a float; the cap comes long before


@frozen
class Setback:
    """A failed delivery, as far as the length of the rest may depend on it.

    Attributes:
        id: the message.
        failures: how many deliveries there were since it entered its queue; 1 for the first.
        error: what the handler raised.
        chance: a random number in [0, 1).
    """

    id: str
    failures: int
    error: BaseException
    chance: float


Backoff: TypeAlias = Callable[[Setback], float]
"""Returns the rest in seconds: one of the classes here, or any function of your own. It is cut to
seven days; what is no finite number of seconds from 0 on is replaced by the default's."""


def _seconds(argument: str, value: Duration) -> float:
    return check_duration(argument, value, at_most=MAX_REST) / SECOND


class FullJitter:
    """Anything between ``floor`` and a bound that doubles with each failure, up to ``cap``.

    Spreads best what fails together (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        base: the bound after the first failure, in seconds or as a ``timedelta``.
        cap: the highest bound.
        floor: the shortest rest; ``None``: a tenth of a second, or the cap if that is shorter.
    """

    def __init__(
        self, base: Duration = 1, cap: Duration = 300, floor: Duration | None = None
    ) -> None:
        """Check the bounds.

        Raises:
            InvalidArgumentError: one of them is no duration, or the floor is above the cap.
        """
        self.base = _seconds("base", base)
        self.cap = _seconds("cap", cap)
        self.floor = min(_FLOOR, self.cap) if floor is None else _seconds("floor", floor)
        if self.floor > self.cap:
            raise InvalidArgumentError(
                "floor", floor, f"it is above cap={cap!r}", remedy="Pass a shorter one."
            )

    def __call__(self, setback: Setback) -> float:
        """Return the rest in seconds."""
        doublings = min(setback.failures - 1, _MOST_DOUBLINGS)
        bound = min(self.cap, self.base * 2.0**doublings)
        return max(self.floor, setback.chance * bound)


class DecorrelatedJitter:
    """Anything between ``base`` and three times the rest before, up to ``cap``.

    A message does not carry its last rest with it; so the rests of a message are drawn from its id,
    and each delivery draws the same ones again up to its own.

    Args:
        base: the shortest rest, in seconds or as a ``timedelta``.
        cap: the longest.
    """

    def __init__(self, base: Duration = 1, cap: Duration = 300) -> None:
        """Check the bounds.

        Raises:
            InvalidArgumentError: one of them is no duration.
        """
        self.base = _seconds("base", base)
        self.cap = _seconds("cap", cap)

    def __call__(self, setback: Setback) -> float:
        """Return the rest in seconds."""
        rest = self.base
        for failure in range(1, min(setback.failures, _MOST_DOUBLINGS) + 1):
            rest = min(self.cap, self.base + (3 * rest - self.base) * _share(setback.id, failure))
        return rest


def _share(id: str, failure: int) -> float:
    """Return a number in [0, 1) that looks random and is always the same."""
    digest = sha256(f"{id} {failure}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


class Constant:
    """Always the same.

    Args:
        delay: the rest, in seconds or as a ``timedelta``.
    """

    def __init__(self, delay: Duration) -> None:
        """Check the delay.

        Raises:
            InvalidArgumentError: it is no duration.
        """
        self.delay = _seconds("delay", delay)

    def __call__(self, setback: Setback) -> float:
        """Return the rest in seconds."""
        return self.delay

"""A clock for tests: it stands still until it is moved, so no test waits for anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from attrs import define, field

from dynamomq.checks import Duration
from dynamomq.drivers.base import Surroundings
from dynamomq.errors import InvalidArgumentError
from dynamomq.testing.chance import Chance
from dynamomq.timestamps import SECOND, datetime_of, format_instant, parse_instant

_START = parse_instant("2040-01-01T00:00:00Z")
"""Far ahead, so that no storage with a clock of its own takes our tombstones for expired."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 10**12
"""More seconds than the years 1 to 9999 have."""


def _instant(value: int | datetime) -> int:
    """Return nanoseconds since the epoch.

    Raises:
        InvalidArgumentError: no instant, or not in the years 1 to 9999.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return (value - _EPOCH) // timedelta(microseconds=1) * 1_000
    if not isinstance(value, int):
        raise InvalidArgumentError(
            "now",
            value,
            "it is not an instant",
            remedy="Pass a datetime with its time zone, or nanoseconds since the epoch.",
        )
    try:
        format_instant(value)
    except OverflowError:
        raise InvalidArgumentError("now", value, "it is not in the years 1 to 9999") from None
    return value


def _nanoseconds(duration: object) -> int:
    """Return a duration of either sign in nanoseconds.

    Raises:
        InvalidArgumentError: not a duration.
    """
    if isinstance(duration, timedelta):
        return duration // timedelta(microseconds=1) * 1_000
    if not isinstance(duration, int | float) or not abs(duration) <= _LONGEST:  # so no NaN
        raise InvalidArgumentError(
            "seconds",
            duration,
            "a clock can't be moved by it",
            remedy="Pass seconds, or a timedelta.",
        )
    return round(duration * SECOND)


@define
class Clock:
    """A clock that stands still until it is moved; sleeping moves it, too, instead of waiting.

    Attributes:
        now: the instant that it shows, in nanoseconds since the epoch; it may be given as a
            ``datetime`` with a time zone. The first day of 2040 if left out.
        naps: the seconds of each sleep so far.
        while_asleep: called during each sleep, after the clock has moved: what others do meanwhile.
        chance: where tokens, ids and jitter come from; ``None``: real chance, as in production.

    Raises:
        InvalidArgumentError: ``now`` is no instant in the years 1 to 9999.

    Example:
        >>> from dynamomq import LocalEngine
        >>> clock = Clock()
        >>> engine = LocalEngine(surroundings=clock.surroundings())
        >>> clock.advance(30)
    """

    now: int = field(default=_START, converter=_instant)
    naps: list[float] = field(factory=list)
    while_asleep: Callable[[], object] = lambda: None
    chance: Chance | None = None

    def __call__(self) -> int:
        """Return the instant, as ``Surroundings.clock`` wants it."""
        return self.now

    def advance(self, seconds: Duration = 0, *, nanoseconds: int = 0) -> None:
        """Move the clock.

        Args:
            seconds: how far, in seconds or as a ``timedelta``; backwards if negative.
            nanoseconds: as many more, where seconds are too coarse.

        Raises:
            InvalidArgumentError: no duration, or it leads out of the years 1 to 9999.
        """
        self.now += _nanoseconds(seconds) + nanoseconds

    def sleep(self, seconds: float) -> None:
        """Let the time pass without waiting for it."""
        self.naps.append(seconds)
        self.advance(seconds)
        self.while_asleep()

    def moment(self, seconds: Duration = 0) -> datetime:
        """Return the instant so far from now, as an aware ``datetime`` (UTC, microseconds)."""
        return datetime_of(self.now + _nanoseconds(seconds))

    def surroundings(self) -> Surroundings:
        """Return what an engine takes time and chance from."""
        if self.chance is None:
            return Surroundings(clock=self, sleep=self.sleep)
        return Surroundings(
            clock=self,
            sleep=self.sleep,
            token=self.chance.token,
            chance=self.chance.number,
            new_id=self.chance.new_id,
        )

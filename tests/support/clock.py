"""A clock for tests: it stands still until it is moved, so expiry needs no waiting."""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import define, field

from dynamomq.drivers.base import Surroundings
from dynamomq.timestamps import SECOND, datetime_of, format_instant, parse_instant

START = "2040-01-01T00:00:00Z"
"""Far ahead, so that no storage with a clock of its own takes our tombstones for expired."""


@define
class ManualClock:
    """Nanoseconds since the epoch, moved by hand; sleeping moves it too.

    Attributes:
        now: the instant that the clock shows.
        naps: the seconds of each sleep so far.
        while_asleep: called during each sleep, after the clock has moved: what others do meanwhile.
    """

    now: int = field(factory=lambda: parse_instant(START))
    naps: list[float] = field(factory=list)
    while_asleep: Callable[[], object] = lambda: None

    def __call__(self) -> int:
        """The instant, as ``Surroundings.clock`` wants it."""
        return self.now

    def advance(self, seconds: float = 0, *, nanoseconds: int = 0) -> None:
        """Move the clock; backwards if negative."""
        self.now += round(seconds * SECOND) + nanoseconds

    def sleep(self, seconds: float) -> None:
        """Let the time pass without waiting for it."""
        self.naps.append(seconds)
        self.advance(seconds)
        self.while_asleep()

    def text(self, seconds: float = 0, *, nanoseconds: int = 0) -> str:
        """The stored form of the instant so many seconds and nanoseconds from now."""
        return format_instant(self.now + round(seconds * SECOND) + nanoseconds)

    def moment(self, seconds: float = 0) -> datetime:
        """The instant so many seconds from now, as an aware ``datetime``."""
        return datetime_of(self.now) + timedelta(seconds=seconds)

    def surroundings(self) -> Surroundings:
        """What a driver takes time from; chance stays chance."""
        return Surroundings(clock=self, sleep=self.sleep)

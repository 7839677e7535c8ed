"""The users' clock for tests, and how the table would store what it shows."""

from attrs import define

from dynamomq.testing import Clock
from dynamomq.timestamps import SECOND, format_instant


@define
class ManualClock(Clock):
    """A clock that is moved by hand, for tests that look into the table."""

    def text(self, seconds: float = 0, *, nanoseconds: int = 0) -> str:
        """The stored form of the instant so many seconds and nanoseconds from now."""
        return format_instant(self.now + round(seconds * SECOND) + nanoseconds)

"""How far our clock is from the service's, as the ``Date`` headers of its replies tell.

A ``Date`` of *d* (whole seconds) says that the service's time lay in [d, d + 1 s) at some moment
between our sending the request at *sent* and our having the reply at *received*. So of

    offset = the service's time - our time

it tells that ``d - received <= offset < d + 1 s - sent``. Each reply alone bounds it no better
than to a second and the round trip; but the second ends at another moment for each, so that the
bounds of several replies, intersected, soon come down to what is allowed for the service's own
clocks.

*Age.* A clock runs fast or slow, and may be slewed: bounds widen by ``DRIFT`` with time, and old
ones give way to new ones.

*Jumps.* Where a reply contradicts what is known, our clock has been set in between, and it begins
anew from that reply alone.

*Slack.* The service has many clocks. Each is taken to be within ``SLACK`` of the time that they
all show together; bounds are wider by that on either side. Without it two servers whose clocks
differ by some milliseconds would contradict each other for ever.

*Correction.* Of all offsets within the bounds the one nearest to zero is taken, and not the middle.
So a clock that agrees with the service is left alone: it is probably kept by NTP, to a millisecond,
and the middle of the bounds, which moves with every reply, would only make it worse, and make two
good clocks differ. A clock that is wrong is set right to within the bounds; at worst that is off by
their width, where the middle would be by half.
"""

from __future__ import annotations

import threading
from typing import Final

from attrs import frozen

from dynamomq.timestamps import SECOND

__all__ = ["DRIFT", "SLACK", "UNKNOWN", "ClockOffset", "Offset"]

SLACK: Final = SECOND // 20
"""How far any of the service's clocks may be from the time that they show together: 50 ms."""

DRIFT: Final = 500
"""How fast our clock may come to differ, in parts per million: what Linux slews a clock by at most;
a quartz by itself is ten times better."""

_LONGEST_REQUEST: Final = 60 * SECOND
"""How long a request may take, with the SDK's repetitions, where the clock can't tell."""


@frozen
class Offset:
    """What to add to our clock's time.

    Attributes:
        nanoseconds: so much, which may be negative.
        uncertainty: how far the sum may be from the service's time, in nanoseconds; ``None`` while
            nothing is known of that.
    """

    nanoseconds: int
    uncertainty: int | None


UNKNOWN: Final = Offset(0, None)
"""Of a clock that is not corrected: not yet, or not at all."""


@frozen
class _Bounds:
    """The offset is between ``low`` and ``high`` when our clock shows ``at``."""

    low: int
    high: int
    at: int

    def when(self, now: int) -> _Bounds:
        """What is left of that at another time."""
        drift = _drift(now - self.at)
        return _Bounds(self.low - drift, self.high + drift, now)

    def within(self, other: _Bounds) -> _Bounds | None:
        """What both say; ``None`` where they contradict each other."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return _Bounds(low, high, self.at) if low <= high else None


class ClockOffset:
    """Estimates the offset from replies; safe to share among threads.

    It knows no clock and no network: it is told both what our clock showed and what replies said.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._lock = threading.Lock()
        self._bounds: _Bounds | None = None

    def observe(self, date: int, *, sent: int, received: int) -> None:
        """Learn from a reply.

        Args:
            date: the service's time, cut to a whole second.
            sent: what our clock showed before the request was sent; of several attempts, the first.
            received: what it showed when the reply was there. Earlier than ``sent``: it was set
                back meanwhile, and how long the request took is not known.
        """
        if received < sent:
            sent = received - _LONGEST_REQUEST
        new = _Bounds(
            date - SLACK - received,
            date + SECOND + SLACK - sent + _drift(received - sent),
            received,
        )
        with self._lock:
            known = self._bounds
            self._bounds = (new.within(known.when(received)) if known else None) or new

    def at(self, now: int) -> Offset:
        """Return the offset when our clock shows ``now``."""
        known = self._bounds
        if known is None:
            return UNKNOWN
        bounds = known.when(now)
        return Offset(min(max(0, bounds.low), bounds.high), bounds.high - bounds.low)


def _drift(time: int) -> int:
    return abs(time) * DRIFT // 1_000_000 + 1  # rounded up

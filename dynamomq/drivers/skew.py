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

*Jumps.* Our clock may be set at any time. That shows in a second clock of ours, a steady one that
nobody sets: where both have not gone equally far since the last reply, what is known is void, and
the next reply alone counts. (The steady one does not count while a machine is suspended, so what
is known may still hold: until that reply comes, both are reckoned with.) Where both agree, our
clock was not set, and a reply that contradicts what is known is not believed until a second one
confirms it: it may come from a server whose clock is wrong. Where the clock was set forward during
a request, or the machine was suspended, the reply may have been made before that or after it;
where it was set back, it is not known either how long the request took.

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

SLACK: Final = SECOND // 20
"""How far any of the service's clocks may be from the time that they show together: 50 ms."""

DRIFT: Final = 500
"""How fast our clock may come to differ, in parts per million: what Linux slews a clock by at most;
a quartz by itself is ten times better."""

_LONGEST_REQUEST: Final = 60 * SECOND
"""How long a request may take, with the SDK's repetitions, where the clock can't tell."""

_TOGETHER: Final = SECOND // 2
"""By how much our two clocks may seem to differ, because they are not read at the same moment."""


@frozen
class Reading:
    """What our clocks show at a moment, in nanoseconds.

    Attributes:
        wall: since the epoch, by the clock that can be set.
        steady: by the one that can't, from some moment on.
    """

    wall: int
    steady: int

    def jump_since(self, earlier: Reading) -> int:
        """Return how far the clock was set forward meanwhile, less than nothing: back; 0: not."""
        steady = self.steady - earlier.steady
        jump = self.wall - earlier.wall - steady
        return jump if abs(jump) > _TOGETHER + _drift(steady) else 0


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
    """The offset is between ``low`` and ``high`` when our clocks show ``at``."""

    low: int
    high: int
    at: Reading

    def when(self, now: Reading) -> _Bounds:
        """What is left of that at another time, whether or not the clock was set meanwhile."""
        drift, jump = _drift(now.wall - self.at.wall), now.jump_since(self.at)
        return _Bounds(self.low - drift - max(jump, 0), self.high + drift - min(jump, 0), now)

    def within(self, other: _Bounds) -> _Bounds | None:
        """What both say; ``None`` where they contradict each other."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return _Bounds(low, high, self.at) if low <= high else None


class ClockOffset:
    """Estimates the offset from replies; safe to share among threads.

    It knows no clock and no network: it is told both what our clocks showed and what replies said.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._lock = threading.Lock()
        self._bounds: _Bounds | None = None
        self._contrary: _Bounds | None = None

    def observe(self, date: int, *, sent: Reading, received: Reading) -> None:
        """Learn from a reply.

        Args:
            date: the service's time, cut to a whole second.
            sent: what our clocks showed before the request was sent; of several attempts, the
                first.
            received: what they showed when the reply was there.
        """
        took = received.wall - sent.wall
        if took < 0 or received.jump_since(sent) < 0:  # set back meanwhile
            took = max(_LONGEST_REQUEST, received.steady - sent.steady)
        low, high = date - SLACK - received.wall, date + SECOND + SLACK - (received.wall - took)
        with self._lock:
            self._learn(_Bounds(low, high + _drift(took), received))

    def _learn(self, new: _Bounds) -> None:
        known, contrary, self._contrary = self._bounds, self._contrary, None
        if known is None or new.at.jump_since(known.at):
            self._bounds = new
        elif agreed := new.within(known.when(new.at)):
            self._bounds = agreed
        elif contrary and (confirmed := new.within(contrary.when(new.at))):
            self._bounds = confirmed
        else:
            self._contrary = new

    def at(self, now: Reading) -> Offset:
        """Return the offset when our clocks show ``now``."""
        known = self._bounds
        if known is None:
            return UNKNOWN
        bounds = known.when(now)
        return Offset(min(max(0, bounds.low), bounds.high), bounds.high - bounds.low)


def _drift(time: int) -> int:
    return abs(time) * DRIFT // 1_000_000 + 1  # rounded up

"""The service's time as its replies tell it: read off them, estimated, and a warning if we differ.

:mod:`dynamomq.drivers.skew` has the arithmetic. This is what connects it with a client: where in an
answer the header is, and what a person should be told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

from dynamomq.drivers.base import Surroundings
from dynamomq.drivers.skew import ClockOffset, Offset, Reading
from dynamomq.timestamps import SECOND

_LOGGER: Final = logging.getLogger("dynamomq.clock")

_WRONG: Final = SECOND
"""By how much, at the least, a clock must be off to be worth a warning."""

_RIGHT: Final = SECOND // 2
"""By how much, at the most, it may be off to count as right again: less, or one that is off by
about ``_WRONG`` would be warned of again and again."""


class ServiceClock:
    """What the time is at the service, by a connection's replies; safe to share among threads."""

    def __init__(self, ours: Surroundings) -> None:
        """Know our own clocks, and nothing of the service's."""
        self._ours = ours
        self._estimate = ClockOffset()
        self._lock = threading.Lock()
        self._wrong = False

    def offset(self, now: int) -> Offset:
        """Return what is to be added to our clock, which shows ``now``."""
        return self._estimate.at(self._reading(now))

    def read(self) -> Reading:
        """Return what our clocks show."""
        return self._reading(self._ours.clock())

    def _reading(self, wall: int) -> Reading:
        return Reading(wall, int(self._ours.monotonic() * SECOND))

    def heed(self, answer: Mapping[str, Any], sent: Reading) -> None:
        """Learn from an answer that has just come, if it says when it was made.

        Args:
            answer: what the client returned, or the response of the error that it raised.
            sent: what our clocks showed before the request was sent.
        """
        header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        date = _instant(header) if isinstance(header, str) else None
        if date is None:
            return
        received = self.read()
        self._estimate.observe(date, sent=sent, received=received)
        self._judge(self._estimate.at(received))

    def _judge(self, offset: Offset) -> None:
        """Warn, once, of a clock that is wrong; and say when it is right again."""
        off = abs(offset.nanoseconds)
        if not (off <= _RIGHT if self._wrong else off > _WRONG):
            return
        with self._lock:  # of several threads that notice it, one tells it
            was_wrong, self._wrong = self._wrong, off > _WRONG
        if self._wrong and not was_wrong:
            _LOGGER.warning(
                "The local clock is at least %.1f s %s the service's. DynamoMQ corrects for that, "
                "to within %.1f s; other programs do not: set the clock (NTP).",
                off / SECOND,
                "behind" if offset.nanoseconds > 0 else "ahead of",
                (offset.uncertainty or 0) / SECOND,
            )
        elif was_wrong and not self._wrong:
            _LOGGER.info("The local clock agrees with the service's again.")


@lru_cache(maxsize=16)  # all replies of one second say the same
def _instant(date: str) -> int | None:
    """Return the instant that a ``Date`` header names; ``None``: it is none."""
    try:
        moment = parsedate_to_datetime(date)
        # Without a time zone it would be taken for the local one; in HTTP there is but GMT.
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * SECOND
    except (ValueError, OverflowError):
        return None

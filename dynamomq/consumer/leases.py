"""How long a delivery is ours: extended in time, or known to be lost; without any I/O.

All times are seconds by one monotonic clock, counted from *before* the request that granted them:
the lease that we believe in does not last longer than the one that the table shows. (Where that
clock stands still while the machine sleeps, it does; the receipt still refuses what comes late.)
"""

from __future__ import annotations

import threading
from math import inf

from attrs import define, field, frozen

UNTOLD = 1.0
"""A timeout to begin with, in seconds, until the first claim tells the queue's: a short one, so
that who looks after leases looks often."""

_SHARE = 1 / 3  # of the timeout: there is time for two more attempts
_SOONER = 1 / 10  # after a failed attempt


@frozen
class LeaseTerms:
    """On which terms deliveries are held.

    Attributes:
        timeout: how long a claim or an extension lasts, in seconds.
        longest: how long a delivery may be extended in all, in seconds.
        extends: whether deliveries are extended at all.
    """

    timeout: float
    longest: float
    extends: bool = True


@define(eq=False)
class Lease:
    """The right to a message while a handler works on it.

    Attributes:
        lost: set when the right is gone, or can't be relied on: the timeout has passed, or the
            message is in other hands. A handler that takes long should look at it (``is_set()``,
            ``wait(seconds)``) and stop. What it returns is not acknowledged then.
        deadline: until when it lasts, by :func:`time.monotonic`, in seconds.
        ended_by: by which call of its holder the delivery has ended (``delete``, ``retry``,
            ``release`` or ``move_to_dlq``), the handler's own included; ``None``: by none yet.
        why_lost: what is known of that, for people; empty while it is not lost.
    """

    lost: threading.Event = field(factory=threading.Event, init=False)
    deadline: float
    _ends_at: float
    _extends_at: float
    ended_by: str | None = field(default=None, init=False)
    why_lost: str = field(default="", init=False)
    _is_ending: bool = field(default=False, init=False)
    _may_have_ended: bool = field(default=False, init=False)
    _is_put_off: bool = field(default=False, init=False)

    @classmethod
    def granted(cls, at: float, terms: LeaseTerms) -> Lease:
        """Return the lease of a claim that was asked for at a time."""
        extends_at = at + terms.timeout * _SHARE if terms.extends else inf
        return cls(at + terms.timeout, at + terms.longest, extends_at)

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to extend it."""
        is_time = self._extends_at <= now < self._ends_at
        return is_time and not self.is_settled

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be seen of it: the delivery has ended, or is lost."""
        return self.ended_by is not None or self.lost.is_set()

    def is_over(self, now: float) -> bool:
        """Tell whether its time has passed without anybody having ended the delivery."""
        return self.deadline <= now and not self.is_settled

    def extended(self, at: float, terms: LeaseTerms) -> None:
        """Note an extension that was asked for at a time."""
        self.deadline = max(self.deadline, at + terms.timeout)
        self._extends_at = at + terms.timeout * _SHARE
        self._is_put_off = False

    def put_off(self, now: float, terms: LeaseTerms) -> bool:
        """Note that an attempt to extend it failed for no fault of its own.

        Returns:
            Whether it is the first in a row: further ones are the same trouble.
        """
        is_first, self._is_put_off = not self._is_put_off, True
        self._extends_at = now + terms.timeout * _SOONER
        return is_first

    # --- its end -----------------------------------------------------------------------------

    def will_end(self) -> None:
        """Note that a call of the holder's is about to end it: refusals may be due to that."""
        self._is_ending = True

    def goes_on(self, *, in_doubt: bool) -> None:
        """Note that such a call has failed: refusals are not due to it, unless there is doubt.

        Doubt that one call has left lasts, whatever the next ones are told.
        """
        self._may_have_ended = self._may_have_ended or in_doubt
        self._is_ending = self._may_have_ended

    def has_ended(self, trigger: str) -> None:
        """Note that a call of the holder's has ended the delivery."""
        self.ended_by = trigger

    def lose(self, now: float) -> None:
        """Note that it is lost."""
        if not self.lost.is_set():
            self.why_lost = self._why(now)
            self.lost.set()

    def _why(self, now: float) -> str:
        if now < self.deadline:
            return "its delivery was ended before its time, by somebody else or under its receipt."
        if self._extends_at == inf:
            return "its time was over. Raise the visibility timeout, or let heartbeats extend it."
        if self._extends_at >= self._ends_at:
            return "it was held for as long as it may be. Raise max_lifetime if that is too short."
        if self._is_put_off:
            return "its time was over, since the storage could not be used to extend it."
        return (
            "its time was over, and no heartbeat came in time: the process was stopped, or a "
            "handler kept the interpreter's lock."
        )


@define(eq=False)
class Leases:
    """All leases of a consumer, by what was delivered under them; safe to share among threads.

    Attributes:
        terms: on which they are held, as far as nothing else is said.
    """

    terms: LeaseTerms
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _held: dict[object, Lease] = field(factory=dict, init=False)

    def add(self, key: object, lease: Lease) -> None:
        """Watch over a lease."""
        with self._lock:
            self._held[key] = lease

    def drop(self, key: object) -> None:
        """Forget a lease: the delivery is over."""
        with self._lock:
            self._held.pop(key, None)

    def due(self, now: float) -> list[object]:
        """Return whose leases are to be extended now, the most pressing first."""
        with self._lock:
            found = [
                (lease.deadline, key) for key, lease in self._held.items() if lease.is_due(now)
            ]
        return [key for _, key in sorted(found, key=lambda one: one[0])]

    def extended(self, key: object, at: float, terms: LeaseTerms | None = None) -> None:
        """Note an extension that was asked for at a time, on these terms or those of all."""
        with self._lock:
            lease = self._held.get(key)
            if lease is not None:
                lease.extended(at, terms or self.terms)

    def put_off(self, key: object, now: float) -> bool:
        """Note that an extension failed, and may succeed later; tell if it is the first."""
        with self._lock:
            lease = self._held.get(key)
            return lease is not None and lease.put_off(now, self.terms)

    def lose(self, key: object, now: float) -> bool:
        """Note that a message is in other hands, unless we are ending the delivery ourselves."""
        with self._lock:
            lease = self._held.get(key)
            if lease is None or lease._is_ending or lease.is_settled:
                return False
            lease.lose(now)
            return True

    def expire(self, now: float) -> list[object]:
        """Set as lost the leases whose time has passed, and return whose they were."""
        with self._lock:
            found = [key for key, lease in self._held.items() if lease.is_over(now)]
            for key in found:
                self._held[key].lose(now)
        return found

    def next_look(self) -> float | None:
        """Return when the next lease passes, unless it is extended; ``None``: there is none."""
        with self._lock:
            looks = [one.deadline for one in self._held.values() if not one.is_settled]
        return min(looks, default=None)

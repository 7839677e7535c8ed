"""When a consumer claims, waits, and ends: its policy, without thread, clock or queue.

Times are seconds by any clock that does not go backwards.
"""

from __future__ import annotations

from attrs import define, field, frozen

from dynamomq.errors import (
    AccessDeniedError,
    ContentionError,
    CredentialsError,
    DynamoMQError,
    ServiceError,
)

_GROWTH = 1.5
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0  # so long at most after an outage, however long that was, it goes on
_MOST_AT_ONCE = 250


@frozen
class Pace:
    """How a consumer works, in numbers.

    Attributes:
        workers: how many handlers may run at once.
        batch_size: how many messages a handler is given at once.
        floor: the shortest pause between looks at an empty queue, in seconds.
        ceiling: the longest.
        grace: how long handlers may go on after the order to stop, in seconds.
    """

    workers: int
    batch_size: int
    floor: float
    ceiling: float
    grace: float


@define(eq=False)
class Pacing:
    """Decides what a consumer does next.

    It claims only as many messages as there are free workers, so none waits invisibly; pauses
    between looks grow while there is nothing, and are short again with the first message; the
    storage's outages make it wait, and never end it.

    Attributes:
        pace: how the consumer works.
        busy: how many workers are.
        is_claiming: whether an answer to a claim is awaited.
        outage_since: since when nothing could be claimed; ``None``: the last claim worked.
        fatal: the error that ends the consumer.
        is_forced: whether it gives up without waiting for handlers.
    """

    pace: Pace
    busy: int = 0
    is_claiming: bool = False
    outage_since: float | None = None
    fatal: BaseException | None = None
    is_forced: bool = False
    _next_claim: float = 0.0
    _pause: float = field(init=False)
    _failures: int = 0
    _has_worked: bool = False
    _stops_at: float | None = None

    def __attrs_post_init__(self) -> None:
        self._pause = self.pace.floor

    # --- claiming ----------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many workers are free."""
        return self.pace.workers - self.busy

    def wanted(self, now: float) -> int:
        """Return how many messages to claim now."""
        if self.is_claiming or self.is_stopping or now < self._next_claim or self.free <= 0:
            return 0
        return min(self.free * self.pace.batch_size, _MOST_AT_ONCE)

    def asked(self) -> None:
        """Note that a claim is under way."""
        self.is_claiming = True

    def claimed(self, now: float, count: int, wanted: int, chance: float, news_in: float) -> bool:
        """Note what a claim brought; tell whether to start it. If not, it is to be released.

        Args:
            now: the time.
            count: how many messages were claimed.
            wanted: how many were asked for.
            chance: a random number in [0, 1).
            news_in: in how many seconds there may be something to claim that is there already.
        """
        self.is_claiming = self.is_stopping and count > 0  # until they are released
        self._has_worked = True
        self.outage_since, self._failures = None, 0
        if count:
            self._pause = self.pace.floor
        if count < wanted:
            rest = min(self._pause * (0.5 + chance), self.pace.ceiling)
            self._next_claim = now + max(self.pace.floor, min(rest, news_in))
            if not count:
                self._pause = min(self._pause * _GROWTH, self.pace.ceiling)
        return not self.is_stopping

    def released(self) -> None:
        """Note that what was claimed too late has been given back, or can't be."""
        self.is_claiming = False

    def claim_failed(self, now: float, error: BaseException, chance: float) -> bool:
        """Note that a claim failed; tell whether an outage begins with it."""
        self.is_claiming = False
        if not self._is_passing(error):
            self.fatal = error
            self._end(now)
            return False
        begins = self.outage_since is None
        if begins:
            self.outage_since = now
        bound = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 30), _LONGEST_PAUSE)
        self._failures += 1
        self._next_claim = now + max(bound * chance, self.pace.floor)
        return begins

    def _is_passing(self, error: BaseException) -> bool:
        """Tell whether waiting may help: not where access is denied, or set-up is wrong.

        Credentials that were good before may be renewed at any time.
        """
        if isinstance(error, CredentialsError):
            return self._has_worked
        if isinstance(error, AccessDeniedError) or not isinstance(error, DynamoMQError):
            return False
        return isinstance(error, ServiceError | ContentionError)

    # --- working -----------------------------------------------------------------------------

    def started(self) -> None:
        """Note that a worker has begun."""
        self.busy += 1

    def finished(self, now: float) -> None:
        """Note that a worker has ended; what waits in the queue need not wait any longer."""
        self.busy -= 1
        if self.outage_since is None and self._pause <= self.pace.floor:
            self._next_claim = min(self._next_claim, now)

    # --- the end -----------------------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Whether there are no new claims any more."""
        return self._stops_at is not None

    def stop(self, now: float, *, force: bool = False) -> None:
        """End: handlers get their grace, from the first order on; with force, none."""
        self._end(now)
        self.is_forced = self.is_forced or force

    def _end(self, now: float) -> None:
        if self._stops_at is None:
            self._stops_at = now + self.pace.grace

    def is_over(self, now: float) -> bool:
        """Tell whether the consumer has ended."""
        if self._stops_at is None:
            return False
        done = self.busy == 0 and not self.is_claiming
        return done or self.is_forced or now >= self._stops_at

    def wakes(self) -> float | None:
        """Return when there is something to decide, whatever happens; ``None``: nothing is."""
        if self._stops_at is not None:
            return self._stops_at
        return None if self.is_claiming or self.free <= 0 else self._next_claim

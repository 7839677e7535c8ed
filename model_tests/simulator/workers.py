"""Consumers as processes: the library's own runtime, each of its threads an actor.

What runs in here is :class:`dynamomq.Consumer` itself, with all its threads: the one that decides,
the one that claims, the one that extends, those that call handlers. They wait in strands; the calls
that they make are carried out step by step like everybody's, and interrupted like everybody's. A
process crashes, freezes, is told to stop, ends, and begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from attrs import define, field, frozen

from dynamomq.consumer import Consumer, Delivery, FullJitter, Hooks, Reject, RetryAfter
from dynamomq.consumer.fetcher import Fetcher
from dynamomq.consumer.summary import Summary
from dynamomq.drivers.base import Surroundings
from dynamomq.errors import DynamoMQError
from dynamomq.machine import QueueType
from dynamomq.operations import Claimer, Settings
from dynamomq.timestamps import SECOND
from model_tests.simulator import fates
from model_tests.simulator.actors import CALLS, Actor, Choice
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.calls import Outcome, Plan
from model_tests.simulator.desk import Desk, Together
from model_tests.simulator.fates import Fate
from model_tests.simulator.foreman import Foreman
from model_tests.simulator.strands import Ending, Gate, Mailbox, Strand, Wait, ask

TIMEOUT = 30 * SECOND
LONGEST = 60 * SECOND
GRACE = 20
BACKOFF = FullJitter(base=2, cap=8, floor=1)
STEAL_AFTER = 1
LATER = 3 * SECOND  # of a handler that wants its message again then
LIVES = 4
CHANCE = 0.25
"""What is random in a consumer is drawn alike: schedules are to mean the same when made shorter."""

PATIENCE = 3 * SECOND
"""How long the keeper may be kept from its work: with a third of the timeout before it, and with
clocks that differ by less than another third, an extension is then in time."""

_HANDS = ("hand-1", "hand-2")
_PARTS = ("claims", "keeper", *_HANDS)

DONE, FAILS, LATER_AGAIN, REJECTS = "done", "fails", "later", "rejects"
HOGS = "hogs"  # and is done; meanwhile no other thread of its process comes to run
ENDS = ("delete", "retry", "release", "move_to_dlq")  # the delivery itself, by this call
_WAYS: tuple[tuple[int, int, str], ...] = (
    (10, 0, DONE),
    (4, 4, DONE),
    (6, 14, DONE),
    (14, 44, DONE),
    (8, 60, DONE),
    (4, 0, FAILS),
    (2, 14, FAILS),
    (2, 0, LATER_AGAIN),
    (2, 4, REJECTS),
    (1, 8, HOGS),
    (3, 44, HOGS),
    *((1, seconds, call) for call in ENDS for seconds in (0, 10)),
)
"""What handlers do: how often, for how many seconds, and how it ends."""

AFTERWARDS = 4
"""For how many seconds a handler goes on that has ended its delivery itself."""

_GOES_ON = Fate("goes on")
_TOLD = Fate("is told to stop")
_EXITS = Fate("exits")
_BEGINS = Fate("begins")
_HANDLING: tuple[tuple[int, Fate], ...] = (
    *((weight, Fate("handles", (seconds, how))) for weight, seconds, how in _WAYS),
    (1, fates.CRASHED),
    (1, fates.FROZEN),
)

TAKES_LONG = Fate("handles", (44, DONE))
"""A handler that needs a heartbeat."""


@frozen
class Handling:
    """What a handler asks for: what it shall do."""


@frozen
class _Tells(Hooks):
    process: Process

    def lost(self, delivery: Delivery[Any]) -> None:
        """Tell that a consumer knows of a loss."""
        process = self.process
        process.heed(
            partial(process.foreman.lost, process.name, str(delivery.receipt), process.now())
        )


# --- threads ---------------------------------------------------------------------------------


@define(eq=False, slots=False)
class Thread(Actor):
    """A thread of a consumer's process.

    Attributes:
        process: the process.
        strand: its code; ``None`` while the process is not running.
        hindered_at: when it was last kept from what it has to do.
        ready_since: since when it can go on; ``None``: it waits.
    """

    process: Process = field(kw_only=True)
    strand: Strand | None = None
    hindered_at: int = -1
    ready_since: int | None = None
    _asleep_until: int = 0

    @property
    def wakes(self) -> int:
        """The true time until which it sleeps, waits, or is frozen."""
        wants = self.strand.wants if self.strand else None
        if self.execution is not None or not isinstance(wants, Wait):
            return self._asleep_until
        if wants.until is None or wants.happened():
            return self._asleep_until
        return max(self._asleep_until, self.process.instant(wants.until))

    @wakes.setter
    def wakes(self, until: int) -> None:
        self._asleep_until = until

    @property
    def is_done(self) -> bool:
        """Whether it can do nothing now."""
        if self.execution is not None:
            return False
        if self.process.has_ended and self.process.main is self:
            return False
        if self.strand is None:
            return self.process.main is not self or self.process.lives >= LIVES
        wants = self.strand.wants
        return not self._is_ready(wants) if isinstance(wants, Wait) else wants is None

    def _is_ready(self, wait: Wait) -> bool:
        """Tell whether its wait is over, and note since when."""
        over = wait.is_over(self.process.monotonic())
        if over and self.ready_since is None:
            now = self.process.now()
            until = now if wait.until is None else self.process.instant(wait.until)
            self.ready_since = min(until, now)
        return over

    def fates(self) -> tuple[Sequence[int], Sequence[Fate]]:
        """What it could do next."""
        found = list(self._fates())
        return [weight for weight, _ in found], [fate for _, fate in found]

    def _fates(self) -> Iterator[tuple[int, Fate]]:
        wants = self.strand.wants if self.strand else None
        if self.strand is None:
            yield 1, _BEGINS
        elif self.process.has_ended and self.process.main is self:
            yield 1, _EXITS
        elif isinstance(wants, Plan):
            yield 1, Fate(CALLS, wants)
        elif isinstance(wants, Handling):
            yield from _HANDLING
        else:
            told = self.process.stopped_at is not None
            yield 60, _GOES_ON
            if self.process.main is self:
                yield 20 if told else 2, _TOLD

    def act(self, fate: Fate) -> None:
        """Do what is no call."""
        if self.strand is None:
            self.process.begin()
        elif fate is _TOLD:
            self.process.stop(force=self.process.stopped_at is not None)
        elif fate is _EXITS:
            self.process.end()
        else:
            self._go_on(lambda: fate.detail)

    def end(self, outcome: Outcome) -> None:
        """Be told how the call ended."""
        self.execution = None
        if outcome.error is not None:
            self.hindered_at = self.process.now()
        self._go_on(partial(_told, outcome))
        self.process.judge()

    def _go_on(self, answer: Callable[[], Any]) -> None:
        assert self.strand is not None, "only who runs can go on"
        self.strand.go_on(answer)
        if self.process.violation is not None:
            raise self.process.violation
        if isinstance(self.strand.wants, Wait) and self.ready_since is not None:
            if self.process.now() - self.ready_since > PATIENCE:
                self.hindered_at = self.process.now()
            self.ready_since = None
        self.process.look()

    def was_hindered(self, since: int, now: int) -> bool:
        """Tell whether anything kept it from what it has to do since a time."""
        if self.strand is None or self.strand.ended():
            return True
        if isinstance(self.strand.wants, Wait):
            self._is_ready(self.strand.wants)  # it may be frozen, and not have noticed
        is_late = self.ready_since is not None and now - self.ready_since > PATIENCE
        return self.hindered_at >= since or is_late

    @property
    def clockmates(self) -> Sequence[str]:
        """Who goes by the same clock: the whole process."""
        return [thread.name for thread in self.process.threads]

    def set_clock(self, offset: int) -> None:
        """Have the clock set; what was asked for by the old time may now end too soon."""
        super().set_clock(offset)
        self.hindered_at = self.process.now()

    def suffer(self) -> None:
        """Something goes wrong that would not in a friendly world."""
        self.process.suffered_at = self.process.now()

    def freeze(self, until: int) -> None:
        """Do nothing before a time: the whole process."""
        for thread in self.process.threads:
            thread.wakes = max(thread._asleep_until, until)

    def crash(self) -> None:
        """Crash: the whole process."""
        self.process.end()

    def forget(self) -> None:
        """Be as if nothing had ever run."""
        if self.strand is not None:
            self.strand.kill()
        super().crash()
        self.strand, self.ready_since = None, None


def _told(outcome: Outcome) -> Any:
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


class _Nothing:
    """A role for those who have none."""

    def choices(self, _actor: Actor) -> Sequence[Choice]:
        """Choose nothing."""
        return ()


# --- processes -------------------------------------------------------------------------------


@define(eq=False)
class Process:
    """A process that runs a consumer, again and again.

    Attributes:
        name: its name.
        offset: its clock minus the true time, at first.
        settings: the queue's.
        foreman: who watches it.
        now: returns the true time.
        threads: its threads, the main one first.
        has_ended: whether its consumer has, though the process lives on.
        violation: what was found broken from within the consumer.
        consumer: what it runs.
        lives: how often it has begun.
        suffered_at: when something has last gone wrong.
        stopped_at: when it was told to stop.
    """

    name: str
    offset: int
    settings: Settings
    foreman: Foreman
    now: Callable[[], int]
    threads: list[Thread] = field(init=False)
    consumer: Consumer[Any] | None = None
    lives: int = 0
    suffered_at: int = -1
    stopped_at: int | None = None
    has_ended: bool = False
    violation: ViolationError | None = None
    _summary: Summary | None = None

    def __attrs_post_init__(self) -> None:
        names = [self.name, *(f"{self.name}.{part}" for part in _PARTS)]
        self.threads = [Thread(name, _Nothing(), self.offset, process=self) for name in names]

    @property
    def main(self) -> Thread:
        """The thread that decides."""
        return self.threads[0]

    @property
    def claims(self) -> Thread:
        """The thread that claims."""
        return self.threads[1]

    @property
    def keeper(self) -> Thread:
        """The thread that extends deliveries."""
        return self.threads[2]

    def monotonic(self) -> float:
        """Return the true time in seconds."""
        return self.now() / SECOND

    def instant(self, monotonic: float) -> int:
        """Return the true time in nanoseconds that the monotonic clock shows so."""
        return -int(-monotonic * SECOND // 1)

    # --- its life ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin: a new consumer, which knows nothing."""
        self.lives += 1
        self.foreman.born(self.name)
        self.stopped_at, self.has_ended, self._summary = None, False, None
        surroundings = Surroundings(
            clock=lambda: self.now() + self.main.offset,
            monotonic=self.monotonic,
            chance=lambda: CHANCE,
        )
        desk = Desk(self.settings, surroundings, self.foreman)
        self.consumer = Consumer(
            desk,
            self._handle,
            concurrency=len(_HANDS),
            backoff=BACKOFF,
            max_lifetime=LONGEST / SECOND,
            grace=GRACE,
            poll_interval=(0.5, 5),
            hooks=[_Tells(self)],
        )
        self._furnish(self.consumer, desk)
        self.main.strand = Strand.of(self._main)

    def _furnish(self, consumer: Any, desk: Desk) -> None:
        """Put what waits in a strand in the place of what waits in a thread."""
        mailbox = Mailbox(self.monotonic, self._until_it_matters)
        claimer = Claimer(
            self.settings, QueueType.STANDARD, TIMEOUT, STEAL_AFTER * SECOND, "host", 1
        )
        consumer._mailbox = mailbox
        consumer._fetcher = Fetcher(desk, Together(claimer), consumer._load, mailbox.put)
        consumer._fetcher._orders = Mailbox(self.monotonic)
        consumer._pool._jobs = Mailbox(self.monotonic)
        consumer._pool._gives_up = Gate(self.monotonic)
        consumer._heartbeat._ends = Gate(self.monotonic, self._until_due)

    def _main(self) -> None:
        """Do what ``run`` does, in strands instead of threads."""
        consumer: Any = self.consumer
        _, claims, keeper, *hands = self.threads
        for hand in hands:
            hand.strand = Strand.of(consumer._pool._work)
        keeper.strand = Strand.of(consumer._heartbeat._keep)
        claims.strand = Strand.of(consumer._fetcher._serve)
        consumer._fetcher._thread = Ending(claims.strand, self.monotonic)
        try:
            consumer._conduct()
        finally:
            consumer._end()
        self._summary = consumer._summary()

    def _until_it_matters(self, until: float) -> float:
        """Return when to look again where nothing is to be seen before: nothing happens by then."""
        consumer: Any = self.consumer
        looks = (
            consumer._pacing.wakes(),
            consumer._leases.next_look(),
            consumer._shown_at + 5.0,
            until + 4.0,
        )
        return max(until, min(look for look in looks if look is not None))

    def _until_due(self, until: float) -> float:
        """Return when a delivery is to be extended, in whole seconds from then on, up to three."""
        leases = (self.consumer and self._leases) or None
        later = (until + more for more in range(3) if leases and leases.due(until + more))
        return next(later, until + 3)

    @property
    def _leases(self) -> Any:
        consumer: Any = self.consumer
        return consumer._leases

    def _handle(self, delivery: Delivery[Any]) -> None:
        receipt = str(delivery.receipt)
        claimed = self.instant(delivery.lease._ends_at) - LONGEST
        if self.now() - claimed > PATIENCE:
            self.keeper.hindered_at = self.now()
        self.heed(
            partial(self.foreman.started, self.name, receipt, claimed, self.keeper, self.now())
        )
        try:
            self._work(delivery, *ask(Handling()))
        finally:
            self.foreman.returned(receipt)

    def _work(self, delivery: Delivery[Any], seconds: int, how: str) -> None:
        if how == HOGS:
            self.main.suffer()
            self.main.freeze(self.now() + seconds * SECOND)
        if seconds:
            ask(Wait(lambda: False, self.monotonic() + seconds))
        self.foreman.handled(str(delivery.receipt), how, self.now())
        if how in ENDS:
            options = (("delay", LATER),) if how == "retry" else ()
            ask(Plan(how, message=delivery, options=options))
            ask(Wait(lambda: False, self.monotonic() + AFTERWARDS))
        match how:
            case "fails":
                raise ValueError("simulated")
            case "later":
                raise RetryAfter(LATER / SECOND)
            case "rejects":
                raise Reject

    def heed(self, judgement: Callable[[], None]) -> None:
        """Have something judged from within the consumer, which catches whatever is raised."""
        try:
            judgement()
        except ViolationError as error:
            self.violation = error
            raise

    # --- its end -----------------------------------------------------------------------------

    def stop(self, *, force: bool = False) -> None:
        """Be told to stop."""
        if self.consumer is not None:
            self.consumer.stop(force=force)
            self.stopped_at = self.stopped_at or self.now()
            if force:
                self.main.suffer()

    def judge(self) -> None:
        """Have judged what its consumer believes and counts by now."""
        consumer: Any = self.consumer
        if consumer is None:
            return
        for delivery, lease in list(consumer._leases._held.items()):
            if not lease.is_settled:
                until = self.instant(lease.deadline)
                self.foreman.believed(self.name, str(delivery.receipt), until)
        tally = consumer._pool.tally
        counts = (tally.succeeded, tally.retried, tally.dead_lettered)
        self.foreman.counted(self.name, *counts)

    def look(self) -> None:
        """See whether its consumer has ended by itself, and what is left of that."""
        strand = self.main.strand
        if strand is None or not strand.ended():
            return
        if not self.has_ended:
            self._conclude()
        claims = self.claims
        if claims.strand is not None and claims.strand.ended():
            self.foreman.claims_no_more(self.name, self.now(), self._named)

    def _conclude(self) -> None:
        self.has_ended = True
        summary, stopped_at = self._summary, self.stopped_at
        error = summary.error if summary else None
        if error is not None and not isinstance(error, DynamoMQError):
            raise error
        peaceful = stopped_at is not None and self.suffered_at < stopped_at
        if summary is not None and summary.reason == "stopped" and peaceful:
            self.foreman.left(self.name, self.now())
        if summary is not None:
            self.foreman.concluded(self.name, self.now(), self._named, summary.maybe_claimed)

    @property
    def _named(self) -> frozenset[str]:
        """The messages of which it has told that they are left."""
        return frozenset(self._summary.abandoned if self._summary else ())

    def end(self) -> None:
        """Be no more."""
        self.foreman.died(self.name)
        self.has_ended = False
        for thread in self.threads:
            thread.forget()
        self.consumer = None

"""``Consumer``: handlers around a queue, from the first claim to the last acknowledgement.

Four kinds of threads share the work, so that none waits for another's I/O: this one decides
(:class:`~dynamomq.consumer.pacing.Pacing`), one claims, one extends leases, and the workers
call handlers and settle what they have done. All tell this one what has happened, through one
mailbox, into which signal handlers may post too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from math import inf
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

from attrs import evolve, frozen

from dynamomq.checks import Duration, check_flag
from dynamomq.consumer.backoff import Backoff, FullJitter
from dynamomq.consumer.delivery import Delivery
from dynamomq.consumer.fetcher import (
    Claimed,
    ClaimFailed,
    Fetcher,
    Released,
    Report,
    strategy_of,
    timeout_of,
)
from dynamomq.consumer.handlers import check_handler, check_result, checked_failures
from dynamomq.consumer.heartbeat import Heartbeat
from dynamomq.consumer.hooks import Hooks
from dynamomq.consumer.leases import Lease, Leases, LeaseTerms
from dynamomq.consumer.options import Options
from dynamomq.consumer.outcomes import Judge
from dynamomq.consumer.pacing import Pacing
from dynamomq.consumer.signals import obeyed
from dynamomq.consumer.summary import Reason, Summary
from dynamomq.consumer.worker_pool import Failures, Job, WorkerPool
from dynamomq.errors import DynamoMQError, InvalidArgumentError, counted
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations import Load, Settings
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND

T = TypeVar("T")

_LOG = logging.getLogger("dynamomq.consumer")

_SHOWS_EVERY = 5.0  # seconds, while all workers are busy
_RATED_OVER = 10.0  # seconds: what was done between two renewals
_LOOKS_EVERY = 1.0  # at leases and threads
_RELEASES_EVERY = 0.5  # seconds, where it did not work at first
_FAREWELL = 1.0  # seconds for telling others, and for what is on its way


@frozen
class _Ended:
    """A worker has ended a job."""

    job: Job[Any]


@frozen
class _Stop:
    """Somebody wants the consumer to end, at once if ``force`` is set."""

    force: bool


_Event: TypeAlias = Report | _Ended | _Stop


class _Runtime(Generic[T]):
    """What consumers of single messages and of batches share."""

    def __init__(
        self,
        queue: Queue[T],
        handler: Callable[[Sequence[Delivery[T]]], Failures],
        options: Options,
    ) -> None:
        self.queue = queue
        self._now = queue.surroundings.monotonic
        self._chance = queue.surroundings.chance
        self._pacing = Pacing(options.pace)
        self._timeout = options.timeout
        self._leases = Leases(options.terms)
        self._mailbox: SimpleQueue[_Event] = SimpleQueue()
        judge = Judge(options.source, None, options.backoff)
        self._pool = WorkerPool(
            queue, handler, judge, self._leases, options.hooks, self._report_end, self._chance
        )
        self._heartbeat = Heartbeat(queue, self._leases, self._note_lost)
        round_time = round(options.pace.ceiling * SECOND)
        strategy = strategy_of(
            queue, options.source, options.timeout, options.steal_after, round_time
        )
        self._fetcher = Fetcher(queue, strategy, self._load, self._mailbox.put)
        self._open: dict[int, Job[T]] = {}
        self._idle_since: float | None = None
        self._shown_at = 0.0
        self._load_before = (self._now(), 0, 0.0)
        self._unreleased: Sequence[Message[T]] = ()
        self._releases_at = inf
        self._maybe_claimed = 0
        self._held_back: Claimed | None = None
        self._has_run = False

    def __enter__(self) -> Self:
        """Use the consumer as a context manager that stops it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the consumer; if it runs in another thread, this does not wait for its end."""
        self.stop()

    def stop(self, *, force: bool = False) -> None:
        """End: nothing more is claimed, and handlers get their grace.

        It returns at once, and may be called from anywhere, as often as you like: another thread, a
        handler, or a signal handler.

        Args:
            force: whether to give up at once instead, as after a second signal.

        Raises:
            InvalidArgumentError: ``force`` is neither True nor False.
        """
        check_flag("force", force)
        self._mailbox.put(_Stop(force))

    @property
    def grace(self) -> float:
        """How long handlers may go on after the order to stop, in seconds."""
        return self._pacing.pace.grace

    def shorten_grace(self, seconds: float) -> None:
        """Give handlers less time than they were to have, before it runs."""
        pace = self._pacing.pace
        self._pacing.pace = evolve(pace, grace=min(pace.grace, seconds))

    def run(self, *, signals: bool = True) -> Summary:
        """Consume until told to stop, or until an error that waiting does not mend.

        Args:
            signals: whether SIGTERM and SIGINT stop the consumer, and a second one makes it give
                up; only in the main thread.

        Returns:
            What was done and how it ended; ``exit_status`` is made of it.

        Raises:
            InvalidArgumentError: it has run before, or ``signals`` is neither True nor False.
        """
        check_flag("signals", signals)
        if self._has_run:
            raise InvalidArgumentError(
                "consumer", self, "it has run already", remedy="Make another one."
            )
        self._has_run = True
        with obeyed(self.stop, self._give_up, self._now) if signals else nullcontext():
            try:
                self._pool.start(self._pacing.pace.workers)
                self._heartbeat.start()
                self._fetcher.start()
                workers = counted(self._pacing.free, "worker")
                _LOG.info("Consuming %s with %s.", self.queue.table, workers)
                self._conduct()
            finally:
                self._end()
        return self._summary()

    def _give_up(self) -> None:
        self.stop(force=True)

    # --- conducting --------------------------------------------------------------------------

    def _conduct(self) -> None:
        """Decide, wait for news, decide again, until it is over."""
        looked_at = self._now()
        self._hear_the_rest()
        while not self._pacing.is_over(self._now()):
            now = self._now()
            wanted = self._pacing.wanted(now)
            if wanted:
                self._pacing.asked()
                self._shown_at = now
                self._fetcher.claim(wanted)
            elif self._pacing.is_stopping:
                self._release_again(now)
            elif now >= self._shown_at + _SHOWS_EVERY and not self._pacing.is_claiming:
                self._shown_at = now
                self._fetcher.claim(0)
            with suppress(Empty):
                self._hear(self._mailbox.get(timeout=self._patience(self._now())))
            self._hear_the_rest()
            if self._now() >= looked_at + _LOOKS_EVERY:
                looked_at = self._now()
                self._pool.replace_the_dead()
            for delivery in self._leases.expire(self._now()):
                self._note_lost(delivery)

    def _patience(self, now: float) -> float:
        """Return how long to wait for news, in seconds."""
        looks = (
            self._pacing.wakes(),
            self._leases.next_look(),
            self._releases_at,
            now + _LOOKS_EVERY,
        )
        return max(0.001, min(one for one in looks if one is not None) - now)

    def _hear_the_rest(self) -> None:
        """Hear what has arrived by now, so that an order to stop comes before the next claim."""
        for _ in range(self._mailbox.qsize()):
            self._hear(self._mailbox.get())

    def _hear(self, event: _Event) -> None:
        match event:
            case Claimed():
                self._hear_of_claim(event)
            case ClaimFailed(error):
                self._hear_of_failure(error)
            case Released(count, left):
                self._pool.tally.count("released", count)
                self._unreleased, self._releases_at = left, self._now() + _RELEASES_EVERY
                if self._held_back is not None:
                    self._start_held_back(self._held_back)
                if not self._unreleased or not self._pacing.is_stopping:
                    self._pacing.released()
            case _Ended(job):
                if self._open.pop(id(job), None) is not None:
                    self._pacing.finished(self._now())
            case _Stop(force):
                if not self._pacing.is_stopping:
                    self._fetcher.leave()  # so that others take over its share at once
                self._pacing.stop(self._now(), force=force)
                _LOG.info("Stopping%s.", " at once" if self._pacing.is_forced else "")

    def _hear_of_claim(self, claimed: Claimed) -> None:
        now = self._now()
        self._adopt(claimed.settings)
        outage = self._pacing.outage_since
        if outage is not None:
            _LOG.warning("The storage can be used again, after %.1f s.", now - outage)
        apart = () if self._pacing.is_stopping else self._to_be_apart(claimed.messages)
        count = len(claimed.messages) - len(apart)
        starts = self._pacing.claimed(now, count, claimed.wanted, self._chance(), claimed.news_in)
        if claimed.messages:
            self._idle_since = None
            if apart:
                self._give_back_first(claimed, apart)
            elif starts:
                self._start(claimed)
            else:
                self._unreleased, self._releases_at = claimed.messages, inf
                self._fetcher.release(claimed.messages)
            return
        self._idle_since = self._idle_since or now
        self._pool.tell("idle", now - self._idle_since)

    # --- what may have killed a process ------------------------------------------------------

    def _to_be_apart(self, messages: Sequence[Message[T]]) -> Sequence[Message[T]]:
        """Return what must not be at work beside another risky message: all but one at most.

        Of two whose processes died at the last delivery but one, the innocent one would be dead
        with the other.
        """
        risky = self._pool.judge.is_risky
        at_work = any(risky(one) for job in self._open.values() for one in job.deliveries)
        return [one for one in messages if risky(one)][0 if at_work else 1 :]

    def _give_back_first(self, claimed: Claimed, apart: Sequence[Message[T]]) -> None:
        """Give back what is to be apart, and start the rest only then: it may kill us."""
        pairs = zip(claimed.messages, claimed.times, strict=True)
        ids = {message.id for message in apart}
        rest = [(message, time) for message, time in pairs if message.id not in ids]
        messages, times = [one for one, _ in rest], [time for _, time in rest]
        self._held_back = evolve(claimed, messages=messages, times=times)
        self._pacing.asked()  # nothing more is claimed meanwhile
        self._unreleased, self._releases_at = apart, inf
        self._fetcher.release(apart)

    def _start_held_back(self, claimed: Claimed) -> None:
        self._held_back = None
        if not self._pacing.is_stopping:
            self._unreleased = ()  # what could not be given back is delivered again in its time
            self._start(claimed)
        elif claimed.messages:
            self._unreleased, self._releases_at = (*self._unreleased, *claimed.messages), inf
            self._fetcher.release(self._unreleased)

    def _release_again(self, now: float) -> None:
        """Try once more to give back what was claimed too late, if it could not be before."""
        if self._unreleased and now >= self._releases_at:
            self._releases_at = inf
            self._fetcher.release(self._unreleased)

    def _adopt(self, settings: Settings) -> None:
        """Go by what the queue's clients have agreed on, which may have changed."""
        timeout = (self._timeout or settings.visibility_timeout) / SECOND
        if timeout != self._leases.terms.timeout:
            self._leases.terms = evolve(self._leases.terms, timeout=timeout)
        if settings.max_receives != self._pool.judge.max_receives:
            self._pool.judge = evolve(self._pool.judge, max_receives=settings.max_receives)

    def _start(self, claimed: Claimed) -> None:
        deliveries = [
            Delivery.of(message, Lease.granted(time, self._terms_of(message)))
            for message, time in zip(claimed.messages, claimed.times, strict=True)
        ]
        size = self._pacing.pace.batch_size
        for start in range(0, len(deliveries), size):
            job = Job(deliveries[start : start + size])
            self._open[id(job)] = job
            self._pacing.started()
            self._pool.do(job)

    def _terms_of(self, message: Message[T]) -> LeaseTerms:
        """Return on which terms a message was claimed: the queue's may be others by now."""
        return evolve(self._leases.terms, timeout=timeout_of(message))

    def _hear_of_failure(self, error: BaseException) -> None:
        if self._pacing.claim_failed(self._now(), error, self._chance()):
            _LOG.warning("The storage can't be used; trying again: %s", error)
        elif self._pacing.fatal is error:
            known = isinstance(error, DynamoMQError)  # which says what to do; else show where
            _LOG.error("The consumer ends: %s", error, exc_info=None if known else error)

    # --- what others tell --------------------------------------------------------------------

    def _report_end(self, job: Job[T]) -> None:
        self._mailbox.put(_Ended(job))

    def _note_lost(self, delivery: object) -> None:
        if isinstance(delivery, Delivery):
            about = {"message_id": delivery.id, "receive_count": delivery.receive_count}
            _LOG.warning("The lease of message %s is lost.", delivery.id, extra=about)
            self._pool.tell("lost", delivery)

    def _load(self) -> Load:
        """Say how busy the consumer is; asked by the claiming thread."""
        now, ended = self._now(), self._pool.tally.ended
        before, ended_before, rate = self._load_before
        if now - before >= _RATED_OVER:
            rate = (ended - ended_before) / (now - before)
            self._load_before = (now, ended, rate)
        in_flight = sum(len(job.deliveries) for job in list(self._open.values()))
        return Load(in_flight, rate, full=self._pacing.free <= 0)

    # --- the end -----------------------------------------------------------------------------

    def _end(self) -> None:
        self._heartbeat.end()
        self._pool.dismiss()
        self._maybe_claimed = self._fetcher.end(0.0 if self._pacing.is_forced else _FAREWELL)
        for _ in range(self._mailbox.qsize()):
            self._hear_after_the_end(self._mailbox.get())
        if self._held_back is not None:
            self._unreleased = (*self._unreleased, *self._held_back.messages)

    def _hear_after_the_end(self, event: _Event) -> None:
        """Note what has happened since the last decision: no claim, and no end, is forgotten."""
        match event:
            case Claimed(messages):
                self._unreleased = (*self._unreleased, *messages)
            case Released(count, left):
                self._pool.tally.count("released", count)
                self._unreleased = left
            case _Ended(job):
                self._open.pop(id(job), None)

    def _summary(self) -> Summary:
        pacing, tally = self._pacing, self._pool.tally
        running = (one for job in self._open.values() for one in job.deliveries)
        left = (*running, *self._pool.given_up, *self._unreleased)
        abandoned = tuple(dict.fromkeys(message.id for message in left))
        summary = Summary(
            reason=self._reason(bool(abandoned)),
            error=pacing.fatal,
            succeeded=tally.succeeded,
            retried=tally.retried,
            dead_lettered=tally.dead_lettered,
            lost=tally.lost,
            released=tally.released,
            abandoned=abandoned,
            maybe_claimed=self._maybe_claimed,
        )
        if abandoned:
            _LOG.warning(
                "Still being handled, or not given back: %s, to be delivered again after the "
                "visibility timeout: %s",
                counted(len(abandoned), "message"),
                ", ".join(abandoned),
            )
        if summary.maybe_claimed:
            _LOG.warning(
                "A claim of up to %s was still under way; what it brings in is given back if the "
                "process lives on, or else delivered again after the visibility timeout.",
                counted(summary.maybe_claimed, "message"),
            )
        _LOG.info("Ended: %s.", summary.reason)
        return summary

    def _reason(self, abandoned: bool) -> Reason:
        if self._pacing.fatal is not None:
            return "failed"
        if not abandoned and not self._maybe_claimed and not self._pacing.is_claiming:
            return "stopped"
        return "forced" if self._pacing.is_forced else "grace ended"


_DEFAULT_BACKOFF = FullJitter()


class Consumer(_Runtime[T]):
    """Receives messages and calls a handler for each, several at once, until told to stop.

    What the handler does decides: if it returns, the message is deleted. If it raises, it is
    delivered again after a rest, or goes to the dead-letter queue when ``max_receives`` deliveries
    are used up. :class:`RetryAfter` and :class:`Reject` say so themselves. While a handler runs,
    its message is held by extending the visibility timeout.

    Delivery is at least once: a handler must bear to be called again for a message that it has
    handled, for example when this process dies before it can acknowledge.

    Args:
        queue: what to consume.
        handler: is called with a :class:`Delivery`, which is a message with a lease.
        concurrency: how many handlers run at once, each in a thread; 1 to 1,000.
        source: the queue to receive from: ``STANDARD`` or ``DLQ``.
        visibility_timeout: how long a delivery lasts unless it is extended, in seconds or as a
            ``timedelta``; ``None``: the queue's. After a crash, messages wait so long.
        backoff: how long a failed message rests: an object of this package, or a function of a
            :class:`Setback` that returns seconds.
        heartbeat: whether deliveries are extended while their handlers run.
        max_lifetime: how long one may be extended in all; so a handler that hangs does not hold
            its message for ever. Up to 7 days.
        grace: how long handlers may go on after the order to stop.
        poll_interval: the shortest and the longest pause between looks at an empty queue.
        cooperate: whether consumers agree on who goes first, which saves lost races.
        steal_after: how long another consumer's share of messages is left to it.
        hooks: what takes part in the work: metrics, tracing, logging.

    Raises:
        InvalidArgumentError: an argument is out of range.

    Example:
        >>> from dynamomq import Consumer, LocalEngine, Queue
        >>> queue = Queue("orders", engine=LocalEngine())
        >>> queue.create_table()
        >>> sent = queue.send({"order": 17})
        >>> def handle(message):
        ...     print(message.data)
        ...     consumer.stop()
        >>> with Consumer(queue, handle, concurrency=4) as consumer:
        ...     summary = consumer.run()
        {'order': 17}
        >>> summary.succeeded, summary.exit_status
        (1, 0)
    """

    def __init__(
        self,
        queue: Queue[T],
        handler: Callable[[Delivery[T]], object],
        *,
        concurrency: int = 8,
        source: QueueType | Literal["STANDARD", "DLQ"] = QueueType.STANDARD,
        visibility_timeout: Duration | None = None,
        backoff: Backoff = _DEFAULT_BACKOFF,
        heartbeat: bool = True,
        max_lifetime: Duration = 12 * 3600,
        grace: Duration = 30,
        poll_interval: tuple[Duration, Duration] = (0.1, 5),
        cooperate: bool = True,
        steal_after: Duration = 1,
        hooks: Sequence[Hooks] = (),
    ) -> None:
        check_handler(handler)

        def handle(deliveries: Sequence[Delivery[T]]) -> Failures:
            for delivery in deliveries:
                check_result(handler(delivery))
            return {}

        options = Options.checked(
            queue,
            concurrency=concurrency,
            batch_size=1,
            source=source,
            visibility_timeout=visibility_timeout,
            backoff=backoff,
            heartbeat=heartbeat,
            max_lifetime=max_lifetime,
            grace=grace,
            poll_interval=poll_interval,
            cooperate=cooperate,
            steal_after=steal_after,
            hooks=hooks,
        )
        super().__init__(queue, handle, options)


class BatchConsumer(_Runtime[T]):
    """Receives messages and calls a handler with several at once; otherwise as :class:`Consumer`.

    The handler returns what went wrong: exceptions by the ids of their messages. The others are
    done, and are deleted together. If it raises, all have failed.

    Args:
        queue: what to consume.
        handler: is called with a sequence of :class:`Delivery`; returns a mapping, or ``None``.
        batch_size: how many messages it is given at most; 1 to 250. It is given fewer where there
            are not more: nobody waits until a batch is full.
        concurrency: how many handlers run at once, each in a thread.
        source: as in :class:`Consumer`, and so are all others.
        visibility_timeout: how long deliveries last.
        backoff: how long failed messages rest.
        heartbeat: whether deliveries are extended.
        max_lifetime: for how long.
        grace: how long handlers may go on after the order to stop.
        poll_interval: the shortest and the longest pause between looks at an empty queue.
        cooperate: whether consumers agree on who goes first.
        steal_after: how long another consumer's share is left to it.
        hooks: what takes part in the work.

    Raises:
        InvalidArgumentError: an argument is out of range.
    """

    def __init__(
        self,
        queue: Queue[T],
        handler: Callable[[Sequence[Delivery[T]]], Mapping[str, BaseException] | None],
        *,
        batch_size: int = 25,
        concurrency: int = 1,
        source: QueueType | Literal["STANDARD", "DLQ"] = QueueType.STANDARD,
        visibility_timeout: Duration | None = None,
        backoff: Backoff = _DEFAULT_BACKOFF,
        heartbeat: bool = True,
        max_lifetime: Duration = 12 * 3600,
        grace: Duration = 30,
        poll_interval: tuple[Duration, Duration] = (0.1, 5),
        cooperate: bool = True,
        steal_after: Duration = 1,
        hooks: Sequence[Hooks] = (),
    ) -> None:
        check_handler(handler)

        def handle(deliveries: Sequence[Delivery[T]]) -> Failures:
            return checked_failures(handler(deliveries), deliveries)

        options = Options.checked(
            queue,
            concurrency=concurrency,
            batch_size=batch_size,
            source=source,
            visibility_timeout=visibility_timeout,
            backoff=backoff,
            heartbeat=heartbeat,
            max_lifetime=max_lifetime,
            grace=grace,
            poll_interval=poll_interval,
            cooperate=cooperate,
            steal_after=steal_after,
            hooks=hooks,
        )
        super().__init__(queue, handle, options)

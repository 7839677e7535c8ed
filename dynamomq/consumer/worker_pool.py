"""The threads that call handlers, and see each delivery to its end."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar

from attrs import define, field

from dynamomq.consumer.delivery import Delivery
from dynamomq.consumer.hooks import Hooks
from dynamomq.consumer.leases import Leases
from dynamomq.consumer.outcomes import (
    Done,
    GiveBack,
    Judge,
    PutAside,
    Reject,
    RetryAfter,
    Verdict,
)
from dynamomq.errors import (
    ContentionError,
    DynamoMQError,
    IllegalTransitionError,
    OutcomeUnknownError,
    RequestRejectedError,
    ServiceError,
    SetupError,
    StaleReceiptError,
)
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND

T = TypeVar("T")

_LOG = logging.getLogger("dynamomq.consumer")

Failures: TypeAlias = Mapping[str, BaseException]
"""What went wrong in a handler, by the ids of the messages; the others are done."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0

_SUCCEEDED = "succeeded"
_COUNTED_AS = {
    "delete": _SUCCEEDED,
    "retry": "retried",
    "release": "released",
    "move_to_dlq": "dead_lettered",
}
"""What a delivery counts as that its handler has ended itself."""


@define(eq=False)
class Job(Generic[T]):
    """What one worker is given at once.

    Attributes:
        deliveries: the messages.
        is_open: whether its end is still awaited.
    """

    deliveries: Sequence[Delivery[T]]
    is_open: bool = True


@define(eq=False)
class Tally:
    """What became of deliveries; counted by several threads.

    Attributes:
        succeeded: handled and acknowledged.
        retried: given back, to be delivered again.
        dead_lettered: put into the dead-letter queue.
        lost: not acknowledged, because the time was over or the message in other hands.
        released: claimed, and given back unstarted.
    """

    succeeded: int = 0
    retried: int = 0
    dead_lettered: int = 0
    lost: int = 0
    released: int = 0
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def count(self, name: str, more: int = 1) -> None:
        """Add to one of the counts."""
        with self._lock:
            setattr(self, name, getattr(self, name) + more)

    @property
    def ended(self) -> int:
        """How many deliveries have ended, in whatever way."""
        return self.succeeded + self.retried + self.dead_lettered + self.lost


@define(eq=False)
class WorkerPool(Generic[T]):
    """Worker threads, each handling one job after the other.

    They are daemons: a handler that never ends must not keep the process from its end. One that
    dies, whatever kills it, is replaced; its job costs a delivery.

    Attributes:
        queue: where the messages came from.
        handler: is called with a job's deliveries and returns what went wrong.
        judge: decides what becomes of messages.
        leases: those of all deliveries.
        hooks: take part.
        tally: what became of deliveries so far.
        given_up: what could not be settled before the consumer's end, and is left to its deadline.
        report: is called with a job that has ended; from the worker's thread.
        chance: returns a random number in [0, 1).
    """

    queue: Queue[T]
    handler: Callable[[Sequence[Delivery[T]]], Failures]
    judge: Judge
    leases: Leases
    hooks: Sequence[Hooks]
    report: Callable[[Job[T]], None]
    chance: Callable[[], float]
    tally: Tally = field(factory=Tally)
    given_up: list[Delivery[T]] = field(factory=list, init=False)
    _jobs: SimpleQueue[Job[T] | None] = field(factory=SimpleQueue, init=False)
    _threads: dict[threading.Thread, Job[T] | None] = field(factory=dict, init=False)
    _gives_up: threading.Event = field(factory=threading.Event, init=False)

    def start(self, workers: int) -> None:
        """Start so many threads."""
        for _ in range(workers):
            self._hire()

    def do(self, job: Job[T]) -> None:
        """Have a job done by the next free worker."""
        for delivery in job.deliveries:
            self.leases.add(delivery, delivery.lease)
        self._jobs.put(job)

    def replace_the_dead(self) -> None:
        """Replace threads that have died, and report their jobs as ended."""
        for thread, job in list(self._threads.items()):
            if not thread.is_alive():
                del self._threads[thread]
                _LOG.error("A worker thread died; another one takes its place.")
                self._hire()
                if job is not None:
                    self._end(job)

    def dismiss(self) -> None:
        """Let the workers end when they are free; what can't be acknowledged now is left."""
        self._gives_up.set()
        for _ in self._threads:
            self._jobs.put(None)

    def _hire(self) -> None:
        thread = threading.Thread(target=self._work, name="dynamomq-worker", daemon=True)
        self._threads[thread] = None
        thread.start()

    def _work(self) -> None:
        me = threading.current_thread()
        while (job := self._jobs.get()) is not None:
            self._threads[me] = job
            try:
                self._handle(job)
            except BaseException:  # noqa: BLE001 - a defect of ours or of a hook costs a delivery
                _LOG.exception("A delivery ended in an error of the consumer itself.")
            finally:
                self._threads[me] = None
                self._end(job)

    def _end(self, job: Job[T]) -> None:
        for delivery in job.deliveries:
            self.leases.drop(delivery)
        self.report(job)

    # --- one job -----------------------------------------------------------------------------

    def _handle(self, job: Job[T]) -> None:
        deliveries = self._still_held(job.deliveries)
        if not deliveries:
            return
        for delivery in deliveries:
            self.tell("before", delivery)
        failures = self._call(deliveries)
        done: list[Delivery[T]] = []
        failed: list[tuple[Delivery[T], GiveBack | PutAside]] = []
        for delivery in deliveries:
            error = failures.get(delivery.id)
            if delivery.lease.ended_by is not None:
                self._note_ended(delivery, delivery.lease.ended_by, error)
                continue
            verdict = self.judge.verdict(delivery, error, self.chance())
            if error is not None:
                _log_failure(delivery, error, verdict)
                self.tell("failed", delivery, error, verdict)
            if delivery.lease.lost.is_set():
                self._note_lost(delivery)
            elif isinstance(verdict, Done):
                done.append(delivery)
            else:
                failed.append((delivery, verdict))
        self._acknowledge(done)  # before what may take long, because it must not be done again
        for delivery, verdict in failed:
            if self._persistently(delivery, partial(self._give_up, delivery, verdict)):
                retried = isinstance(verdict, GiveBack)
                self.tally.count("retried" if retried else "dead_lettered")

    def _still_held(self, deliveries: Sequence[Delivery[T]]) -> Sequence[Delivery[T]]:
        """Return what is still ours: a claim whose reply took its time may be over already.

        What is over was not started, so its delivery must not count, if it can be given back.
        """
        held = []
        now = self.queue.surroundings.monotonic()
        for delivery in deliveries:
            if not delivery.lease.lost.is_set() and now < delivery.lease.deadline:
                held.append(delivery)
                continue
            try:
                self.queue.release(delivery)
            except DynamoMQError:
                self._note_lost(delivery, "it was claimed, but its time was over before its start.")
            else:
                self.tally.count("released")
        return held

    def _call(self, deliveries: Sequence[Delivery[T]]) -> Failures:
        process = os.getpid()
        failures: Failures
        try:
            failures = self.handler(deliveries)
        except BaseException as error:  # noqa: BLE001 - SystemExit in a handler is its failure too
            failures = dict.fromkeys((delivery.id for delivery in deliveries), error)
        if os.getpid() != process:
            _end_child()
        return failures

    def _give_up(self, delivery: Delivery[T], verdict: GiveBack | PutAside) -> None:
        try:
            self._hand_over(delivery, verdict, verdict.error)
        except RequestRejectedError:  # another port's item may have no room for the reason
            self._hand_over(delivery, verdict, None)

    def _hand_over(
        self, delivery: Delivery[T], verdict: GiveBack | PutAside, error: BaseException | None
    ) -> None:
        if isinstance(verdict, GiveBack):
            self.queue.retry(delivery, delay=verdict.delay / SECOND, error=error)
        else:
            self.queue.move_to_dlq(delivery, error=error)

    def _acknowledge(self, done: Sequence[Delivery[T]]) -> None:
        """Delete what is done: several in batches, and again what could not be deleted."""
        left = list(done)
        if len(left) > 1:
            left = []
            for delivery, error in zip(done, self._delete_together(done), strict=True):
                if error is None:
                    self._note_done(delivery)
                else:
                    left.append(delivery)
        for delivery in left:
            if self._persistently(delivery, partial(self.queue.delete, delivery)):
                self._note_done(delivery)

    def _delete_together(self, done: Sequence[Delivery[T]]) -> list[DynamoMQError | None]:
        try:
            return [result.error for result in self.queue.delete_batch(done)]
        except DynamoMQError as error:
            return [error] * len(done)

    def _persistently(self, delivery: Delivery[T], write: Callable[[], None]) -> bool:
        """Settle a delivery, through outages, as long as it is ours; tell whether that worked."""
        pause, why = _FIRST_PAUSE, ""
        while not delivery.lease.lost.is_set():
            try:
                write()
                return True
            except (StaleReceiptError, IllegalTransitionError):
                delivery.lease.lose(self.queue.surroundings.monotonic())
                self.tell("lost", delivery)
            except (OutcomeUnknownError, RequestRejectedError) as error:
                why = str(error)
                break
            except (ServiceError, SetupError, ContentionError) as error:
                level = logging.WARNING if pause == _FIRST_PAUSE else logging.DEBUG
                _LOG.log(level, "Not settled yet: %s", error, extra=_about(delivery))
                if self._gives_up.wait(self.chance() * pause):
                    self._leave(delivery)
                    return False
                pause = min(2 * pause, _LONGEST_PAUSE)
            except DynamoMQError as error:
                why = f"{type(error).__name__}: {error}"
                break
        self._note_lost(delivery, why)
        return False

    # --- notes -------------------------------------------------------------------------------

    def _note_done(self, delivery: Delivery[T]) -> None:
        self.tally.count(_SUCCEEDED)
        _LOG.debug("Message %s is done.", delivery.id, extra=_about(delivery))
        self.tell("after", delivery)

    def _note_ended(self, delivery: Delivery[T], trigger: str, error: BaseException | None) -> None:
        """Count a delivery that its handler has ended itself: nothing more is to be done."""
        self.tally.count(_COUNTED_AS[trigger])
        if error is not None:
            _LOG.warning(
                "The handler of message %s failed (%s) after it had ended the delivery itself, by "
                "%s: nothing more is done.",
                *(delivery.id, type(error).__name__, trigger),
                exc_info=error,
                extra=_about(delivery),
            )
        elif _COUNTED_AS[trigger] == _SUCCEEDED:
            self.tell("after", delivery)

    def _leave(self, delivery: Delivery[T]) -> None:
        """Note that the end leaves a delivery to its deadline: the summary is to name it."""
        self.given_up.append(delivery)
        _LOG.warning(
            "Message %s was not settled: the consumer ended before the storage could be used.",
            delivery.id,
            extra=_about(delivery),
        )

    def _note_lost(self, delivery: Delivery[T], why: str = "") -> None:
        """Count a delivery that was not acknowledged, and say why.

        Args:
            delivery: which.
            why: what is known; empty: that its lease was lost, which knows why.
        """
        self.tally.count("lost")
        if not delivery.lease.lost.is_set():
            delivery.lease.lose(self.queue.surroundings.monotonic())
            self.tell("lost", delivery)
        _LOG.warning(
            "Message %s was not acknowledged: %s",
            delivery.id,
            why or delivery.lease.why_lost,
            extra=_about(delivery),
        )

    def tell(self, event: str, *about: Any) -> None:
        """Tell all hooks of an event; what they raise is logged."""
        for hooks in self.hooks:
            try:
                getattr(hooks, event)(*about)
            except BaseException:  # noqa: BLE001 - whatever a hook does, it is logged
                _LOG.exception("The hook %s.%s failed.", type(hooks).__name__, event)


def _end_child() -> NoReturn:
    """End a process that a handler has forked, and that has come back out of the handler.

    It is a copy of the consumer; the messages, connections and threads are its parent's.
    """
    _LOG.error(
        "A process that a handler had forked came back out of the handler; it ends here, and has "
        "settled nothing. Use subprocess, or end such a process by os._exit()."
    )
    os._exit(os.EX_SOFTWARE)


def _about(delivery: Delivery[Any]) -> dict[str, Any]:
    """Return what a log record says of a delivery: never its payload, nor its receipt."""
    return {"message_id": delivery.id, "receive_count": delivery.receive_count}


def _log_failure(delivery: Delivery[Any], error: BaseException, verdict: Verdict) -> None:
    if isinstance(verdict, GiveBack):
        what = f"it is due again in {verdict.delay / SECOND:.1f} s"
    else:
        what = "it goes to the dead-letter queue"
    wanted = isinstance(error, Reject | RetryAfter)  # an instruction, not news
    _LOG.warning(
        "Delivery %d of message %s failed (%s): %s.",
        delivery.receive_count,
        delivery.id,
        f"{type(error).__name__}: {error}" if wanted else type(error).__name__,
        what,
        exc_info=None if wanted else error,
        extra={**_about(delivery), "error_type": type(error).__name__},
    )

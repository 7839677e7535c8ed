"""The thread that claims messages, gives back what is not started, and shows the consumer."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from attrs import define, field, frozen

from dynamomq import operations
from dynamomq.attributes import DUE, PEEKED
from dynamomq.errors import (
    DynamoMQError,
    OutcomeUnknownError,
    RequestRejectedError,
    StaleReceiptError,
    counted,
)
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations import Claimer, Load, Settings, Traffic
from dynamomq.queue import Queue
from dynamomq.requests import Operation, Tick, ask
from dynamomq.timestamps import SECOND, parse_instant

T = TypeVar("T")

_LOG = logging.getLogger("dynamomq.consumer")

_HOUR = 3600 * SECOND


class Strategy(Protocol):
    """How messages are found and claimed."""

    def claim(self, wanted: int, load: Load) -> Operation[list[Message[Any]]]:
        """Claim up to so many messages."""

    def attend(self, load: Load) -> Operation[None]:
        """Do what has to be done now and then, even where nothing is wanted."""

    def leave(self) -> Operation[None]:
        """End."""

    def looks_again(self, now: int) -> int:
        """Return in how many nanoseconds there may be something that no message announces."""


@define(eq=False)
class _Alone:
    """Claims without regard to other consumers: the oldest first."""

    queue: Queue[Any]
    source: QueueType
    timeout: int | None
    traffic: Traffic
    _has_looked: bool = False

    def claim(self, wanted: int, load: Load) -> Operation[list[Message[Any]]]:
        """Claim up to so many messages, wherever it is time to look."""
        found = yield from operations.poll(
            self.queue.settings,
            self.traffic,
            source=self.source,
            max_messages=wanted,
            visibility_timeout=self.timeout,
        )
        if not self._has_looked:
            self._has_looked = True
            yield from self._look_for_others()
        return found

    def _look_for_others(self) -> Operation[None]:
        """Warn, once, where others agree on who goes first: this one takes what is theirs."""
        with suppress(DynamoMQError):  # what was claimed must reach the caller
            others = yield from operations.members(self.source)
            if others:
                _LOG.warning(
                    "Other consumers (%d) agree on who goes first, and this one does not heed them:"
                    " they lose claims to each other, in no order. Leave out cooperate=False.",
                    len(others),
                )

    def attend(self, load: Load) -> Operation[None]:
        """Do nothing."""
        yield from ()

    def leave(self) -> Operation[None]:
        """Do nothing."""
        yield from ()

    def looks_again(self, now: int) -> int:
        """Return an hour, or less where there are several partitions to be looked at in turn."""
        return self.traffic.pause(_HOUR)


@define(eq=False)
class _Together:
    """Claims together with other consumers, by the queue's settings of the moment."""

    queue: Queue[Any]
    source: QueueType
    timeout: int | None
    steal_after: int
    traffic: Traffic
    claimer: Claimer | None = None

    @property
    def trouble(self) -> DynamoMQError | None:
        """Why the others could not be asked or told the last time."""
        return self.claimer.trouble if self.claimer is not None else None

    def claim(self, wanted: int, load: Load) -> Operation[list[Message[Any]]]:
        """Claim up to so many messages."""
        settings = self.queue.settings
        timeout = self.timeout or settings.visibility_timeout
        if self.claimer is None:
            host, pid = socket.gethostname(), os.getpid()
            self.claimer = Claimer(
                settings, self.source, timeout, self.steal_after, host, pid, self.traffic
            )
        self.claimer.adopt(settings, timeout)
        return self.claimer.claim(wanted, load)

    def attend(self, load: Load) -> Operation[None]:
        """Show the consumer, once it has begun."""
        if self.claimer is not None:
            yield from self.claimer.attend(load)

    def leave(self) -> Operation[None]:
        """Tell the others that it ends."""
        if self.claimer is not None:
            yield from self.claimer.leave()

    def looks_again(self, now: int) -> int:
        """Return when the claimer wants to look."""
        return _HOUR if self.claimer is None else self.claimer.looks_again(now)


def strategy_of(
    queue: Queue[Any],
    source: QueueType,
    timeout: int | None,
    steal_after: int | None,
    round_time: int,
) -> Strategy:
    """Return how to claim.

    Args:
        queue: where.
        source: the queue to receive from.
        timeout: how long deliveries last, in nanoseconds; ``None``: the queue's.
        steal_after: how long another consumer's share is left to it, in nanoseconds; ``None``:
            claim without regard to others.
        round_time: within how many nanoseconds to look at every index partition.
    """
    traffic = Traffic(round_time)
    if steal_after is None:
        return _Alone(queue, source, timeout, traffic)
    return _Together(queue, source, timeout, steal_after, traffic)


# --- what the thread is asked, and what it reports -------------------------------------------


@frozen
class Claimed:
    """A claim has worked.

    Attributes:
        messages: what was claimed.
        wanted: how many were asked for.
        times: when each of them was claimed, or earlier, by the monotonic clock.
        news_in: in how many seconds there may be something more.
        settings: the queue's, as far as they were known then.
    """

    messages: Sequence[Message[Any]]
    wanted: int
    times: Sequence[float]
    news_in: float
    settings: Settings


@frozen
class ClaimFailed:
    """A claim has failed."""

    error: BaseException


@frozen
class Released:
    """Messages that were not started have been given back.

    Attributes:
        count: how many.
        left: those that could not be, and are still ours.
    """

    count: int
    left: Sequence[Message[Any]] = ()


Report: TypeAlias = Claimed | ClaimFailed | Released


@frozen
class _Leave:
    """The order to tell the others that this consumer claims nothing any more."""


_LEAVE: Final = _Leave()
_Order: TypeAlias = "int | Sequence[Message[Any]] | _Leave | None"


@define(eq=False)
class Fetcher(Generic[T]):
    """Talks to the storage for the consumer's main thread, which must not wait for it.

    Attributes:
        queue: where the messages are.
        strategy: how they are claimed.
        load: tells how busy the consumer is.
        report: is called with what came of it; from this thread.
    """

    queue: Queue[T]
    strategy: Strategy
    load: Callable[[], Load]
    report: Callable[[Report], None]
    _orders: SimpleQueue[_Order] = field(factory=SimpleQueue, init=False)
    _closing: threading.Lock = field(factory=threading.Lock, init=False)
    _is_closed: bool = field(default=False, init=False)
    _wanted: int = field(default=0, init=False)  # by the claim under way
    _thread: threading.Thread | None = field(default=None, init=False)
    _trouble: bool = field(default=False, init=False)
    _mentioned: set[str] = field(factory=set, init=False)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._serve, name="dynamomq-fetcher", daemon=True)
        self._thread.start()

    def claim(self, wanted: int) -> None:
        """Have up to so many messages claimed; with 0, only show that the consumer is there."""
        self._orders.put(wanted)

    def release(self, messages: Sequence[Message[T]]) -> None:
        """Have messages given back that were not started."""
        self._orders.put(messages)

    def leave(self) -> None:
        """Have the others told that this consumer claims nothing any more."""
        self._orders.put(_LEAVE)

    def end(self, within: float) -> int:
        """Let the thread end, and wait for that, but not longer than so many seconds.

        Returns:
            How many messages a claim that is still under way may bring in, which is reported no
            more: they are given back, if the process lives. What other claims have brought in
            has been reported by now.
        """
        with self._closing:
            self._is_closed = True
        self._orders.put(None)
        if self._thread is not None:
            self._thread.join(max(0.0, within))
        return self._wanted

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                if isinstance(order, _Leave):
                    self._leave()
                elif isinstance(order, int):
                    self._claim(order)
                else:
                    self.report(self._release(order))
            except BaseException as error:  # noqa: BLE001 - pacing judges what it means
                self.report(ClaimFailed(error))
        self._leave()

    def _leave(self) -> None:
        try:
            self.queue.run(self.strategy.leave())
        except DynamoMQError:
            _LOG.debug("The consumer's entry is left to expire.", exc_info=True)
        except BaseException:  # noqa: BLE001 - it is the thread's last act: nobody else can tell of it
            _LOG.exception("The consumer's entry is left to expire.")

    def _claim(self, wanted: int) -> None:
        if not wanted:
            try:
                self.queue.run(self.strategy.attend(self.load()))
            except DynamoMQError:
                _LOG.debug("The consumer could not show itself.", exc_info=True)
            return
        monotonic = self.queue.surroundings.monotonic
        settings = self.queue.settings  # now: once there are claims, nothing may stand in the way
        began = monotonic()
        self._wanted = wanted
        try:
            messages = self._claimed(wanted)
            ended = monotonic()
            self._mention_trouble()
            now = self.queue.run(_now())
            times = [min(max(began, ended - _age(one, now)), ended) for one in messages]
            news_in = self.strategy.looks_again(now) / SECOND
            claimed = Claimed(messages, wanted, times, news_in, settings)
            if not self._is_reported(claimed):
                self.report(self._release(messages))
        finally:
            self._wanted = 0

    def _is_reported(self, claimed: Claimed) -> bool:
        """Report a claim, unless nobody listens any more: either is certain."""
        with self._closing:
            if not self._is_closed:
                self._wanted = 0
                self.report(claimed)
            return not self._is_closed

    def _claimed(self, wanted: int) -> Sequence[Message[T]]:
        try:
            return self.queue.run(self.strategy.claim(wanted, self.load()))
        except RequestRejectedError as error:  # one message, not the storage, is in the way
            if str(error) not in self._mentioned:
                self._mentioned.add(str(error))
                _LOG.warning("%s", error)
            return ()

    def _mention_trouble(self) -> None:
        trouble = getattr(self.strategy, "trouble", None)
        if trouble is not None and not self._trouble:
            _LOG.warning("Other consumers can't be asked or told; claiming goes on: %s", trouble)
        self._trouble = trouble is not None

    def _release(self, messages: Sequence[Message[T]]) -> Released:
        if not messages:
            return Released(0)
        try:
            errors = [result.error for result in self.queue.release_batch(messages)]
        except DynamoMQError as failure:
            errors = [failure] * len(messages)
        failures = [error for error in errors if error is not None]
        if failures:
            many = counted(len(failures), "message")
            _LOG.warning("Not given back yet: %s, the first because of: %s", many, failures[0])
        left = [
            message
            for message, error in zip(messages, errors, strict=True)
            if error is not None and not isinstance(error, StaleReceiptError | OutcomeUnknownError)
        ]
        return Released(errors.count(None), left)


def _now() -> Operation[int]:
    moment = yield from ask(Tick())
    return moment.now


def _age(message: Message[Any], now: int) -> float:
    """Return how long ago a message was claimed, in seconds: a call may have had to wait since."""
    return (now - parse_instant(str(message.item[PEEKED.name]))) / SECOND


def timeout_of(message: Message[Any]) -> float:
    """Return for how many seconds a message was claimed."""
    claimed, until = (parse_instant(str(message.item[one.name])) for one in (PEEKED, DUE))
    return (until - claimed) / SECOND

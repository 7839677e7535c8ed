"""A consumer's options, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from dynamomq.checks import (
    MAX_VISIBILITY_TIMEOUT,
    MAX_WAIT,
    Duration,
    check_count,
    check_duration,
    check_flag,
    check_source,
)
from dynamomq.consumer.backoff import Backoff
from dynamomq.consumer.hooks import Hooks
from dynamomq.consumer.leases import UNTOLD, LeaseTerms
from dynamomq.consumer.pacing import Pace
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import QueueType
from dynamomq.operations import MAX_RECEIVE
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND

_MOST_WORKERS = 1000


@frozen
class Options:
    """What a consumer was told, in the units in which it works.

    Attributes:
        source: the queue to receive from.
        timeout: how long a delivery lasts, in nanoseconds; ``None``: the queue's.
        pace: how many workers, how many messages, how often.
        terms: on which terms deliveries are held.
        backoff: how long failed messages rest.
        steal_after: how long another's share is left to it, in nanoseconds; ``None``: this consumer
            takes no notice of others.
        hooks: what takes part.
    """

    source: QueueType
    timeout: int | None
    pace: Pace
    terms: LeaseTerms
    backoff: Backoff
    steal_after: int | None
    hooks: tuple[Hooks, ...]

    @classmethod
    def checked(
        cls,
        queue: Queue[Any],
        *,
        concurrency: int,
        batch_size: int,
        source: QueueType | str,
        visibility_timeout: Duration | None,
        backoff: Backoff,
        heartbeat: bool,
        max_lifetime: Duration,
        grace: Duration,
        poll_interval: tuple[Duration, Duration],
        cooperate: bool,
        steal_after: Duration,
        hooks: Sequence[Hooks],
    ) -> Options:
        """Check what was given.

        Raises:
            InvalidArgumentError: it is out of range.
        """
        if not isinstance(queue, Queue):
            raise InvalidArgumentError("queue", queue, "it is no queue", remedy="Pass a Queue.")
        _check_backoff(backoff)
        check_flag("heartbeat", heartbeat)
        timeout = None
        if visibility_timeout is not None:
            timeout = check_duration(
                "visibility_timeout", visibility_timeout, at_most=MAX_VISIBILITY_TIMEOUT, zero=False
            )
        longest = check_duration(
            "max_lifetime", max_lifetime, at_most=MAX_VISIBILITY_TIMEOUT, zero=False
        )
        patience = check_duration("steal_after", steal_after, at_most=MAX_WAIT, zero=False)
        floor, ceiling = _poll_interval(poll_interval)
        return cls(
            source=check_source(source),
            timeout=timeout,
            pace=Pace(
                workers=check_count("concurrency", concurrency, at_least=1, at_most=_MOST_WORKERS),
                batch_size=check_count("batch_size", batch_size, at_least=1, at_most=MAX_RECEIVE),
                floor=floor,
                ceiling=ceiling,
                grace=check_duration("grace", grace, at_most=MAX_WAIT) / SECOND,
            ),
            terms=LeaseTerms(
                UNTOLD if timeout is None else timeout / SECOND, longest / SECOND, extends=heartbeat
            ),
            backoff=backoff,
            steal_after=patience if check_flag("cooperate", cooperate) else None,
            hooks=_hooks(hooks),
        )


def _check_backoff(value: object) -> None:
    if isinstance(value, type) or not callable(value):
        raise InvalidArgumentError(
            "backoff", value, "it can't be called", remedy="Pass FullJitter(), or a function."
        )


def _hooks(value: object) -> tuple[Hooks, ...]:
    if (
        isinstance(value, str | bytes)
        or not isinstance(value, Sequence)
        or not all(isinstance(one, Hooks) for one in value)
    ):
        raise InvalidArgumentError(
            "hooks",
            value,
            "they are not objects of subclasses of Hooks",
            remedy="Pass a list, such as [MyHooks()].",
        )
    return tuple(value)


def _poll_interval(value: tuple[Duration, Duration]) -> tuple[float, float]:
    try:
        shortest, longest = value
    except (TypeError, ValueError):
        raise _no_interval(value) from None
    floor, ceiling = (
        check_duration("poll_interval", one, at_most=MAX_WAIT, zero=False) / SECOND
        for one in (shortest, longest)
    )
    if floor > ceiling:
        raise _no_interval(value)
    return floor, ceiling


def _no_interval(value: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        "poll_interval",
        value,
        "the shortest and the longest pause are needed",
        remedy="Pass two durations, the shorter one first.",
    )

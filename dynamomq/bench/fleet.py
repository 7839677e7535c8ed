"""Consumers at work in threads of this process, each with an engine and a meter of its own."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from dynamomq import Consumer, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import Spent
from dynamomq.consumer import Delivery, Hooks
from dynamomq.drivers.meter import Meter

_CONCURRENCY = 8
_POLL = (0.1, 1.0)  # seconds
_LOOK = 0.02
_LONGEST = 300.0  # seconds: a drain that takes longer has gone wrong


class _Count(Hooks):
    """Counts what was handled and acknowledged, by all consumers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.through = 0

    def after(self, delivery: Delivery[Any]) -> None:
        """Count one."""
        with self._lock:
            self.through += 1


@define(eq=False)
class Fleet:
    """Consumers that run.

    Attributes:
        meters: what each costs.
        busy: how long a handler takes on average, in seconds.
        count: how many messages are through.
    """

    meters: list[Meter] = field(factory=list)
    busy: float = 0.0
    count: _Count = field(factory=_Count)
    _expected: int = 0

    def handle(self, _: Delivery[str]) -> None:
        """Work on a message for a while."""
        if self.busy:
            time.sleep(random.uniform(0, 2 * self.busy))  # the work itself

    def spent(self) -> Spent:
        """Return what all consumers have cost so far."""
        total = Spent(0, 0, 0)
        for meter in self.meters:
            total += Spent.of(meter.read())
        return total

    def consume(self, messages: int, bring: Callable[[], object]) -> tuple[Spent, float]:
        """Wait until so many more messages are handled.

        Args:
            messages: how many there are, or will be.
            bring: sends those that are not there yet.

        Returns:
            What one of those cost that were not handled before, and how many were in a second.
        """
        before, began = self.spent(), time.perf_counter()
        self._expected += messages
        left = max(1, self._expected - self.count.through)
        bring()
        while self.count.through < self._expected:
            if time.perf_counter() - began > _LONGEST:
                raise AssertionError(f"{self._expected - self.count.through} messages are left")
            time.sleep(_LOOK)  # so as not to take the CPU from those who are measured
        seconds = time.perf_counter() - began
        return (self.spent() - before).each(left), left / seconds


@contextmanager
def running(endpoint: Endpoint, table: str, consumers: int) -> Iterator[Fleet]:
    """Run consumers on a table for a ``with`` block; they know of each other soon."""
    fleet = Fleet()
    engines, members, threads = [], [], []
    for _ in range(consumers):
        fleet.meters.append(Meter())
        engines.append(endpoint.engine(fleet.meters[-1]))
        queue = Queue(table, payload=str, engine=engines[-1], visibility_timeout=120)
        members.append(
            Consumer(
                queue,
                fleet.handle,
                concurrency=_CONCURRENCY,
                poll_interval=_POLL,
                hooks=[fleet.count],
            )
        )
    try:
        for member in members:
            threads.append(threading.Thread(target=member.run, kwargs={"signals": False}))
            threads[-1].start()
        yield fleet
    finally:
        for member in members:
            member.stop()
        for thread in threads:
            thread.join()
        for engine in engines:
            engine.close()

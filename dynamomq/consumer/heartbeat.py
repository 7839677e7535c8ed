"""The thread that extends leases in time: the heartbeats of running handlers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from attrs import define, field

from dynamomq.consumer.delivery import Delivery
from dynamomq.consumer.leases import Leases
from dynamomq.errors import (
    DynamoMQError,
    IllegalTransitionError,
    StaleReceiptError,
)
from dynamomq.queue import Queue
from dynamomq.requests import MAX_BATCH

T = TypeVar("T")

_LOG = logging.getLogger("dynamomq.consumer")

_SHORTEST_SLEEP = 0.02  # seconds
_LONGEST_SLEEP = 1.0  # seconds: a lease may be added meanwhile


@define(eq=False)
class Heartbeat(Generic[T]):
    """Extends the leases of all deliveries that take long, several in one request.

    Attributes:
        queue: where the messages are.
        leases: those of all deliveries.
        lost: is called with a delivery that turns out to be in other hands.
    """

    queue: Queue[T]
    leases: Leases
    lost: Callable[[Delivery[Any]], object]
    _ends: threading.Event = field(factory=threading.Event, init=False)

    def start(self) -> None:
        """Start the thread, unless nothing is to be extended."""
        if self.leases.terms.extends:
            threading.Thread(target=self._keep, name="dynamomq-heartbeat", daemon=True).start()

    def end(self) -> None:
        """Extend nothing any more."""
        self._ends.set()

    def _keep(self) -> None:
        while not self._ends.wait(self._sleep()):
            now = self.queue.surroundings.monotonic()
            due = [one for one in self.leases.due(now) if isinstance(one, Delivery)]
            for start in range(0, len(due), MAX_BATCH):
                try:
                    self._extend(due[start : start + MAX_BATCH])
                except BaseException:  # noqa: BLE001 - nothing must end the heartbeats
                    _LOG.exception("Leases can't be extended.")

    def _sleep(self) -> float:
        return max(_SHORTEST_SLEEP, min(_LONGEST_SLEEP, self.leases.terms.timeout / 10))

    def _extend(self, due: Sequence[Delivery[T]]) -> None:
        began = self.queue.surroundings.monotonic()
        terms = self.leases.terms  # for all that follows: the queue's timeout may change meanwhile
        errors = self._errors_of_extending(due, terms.timeout)
        for delivery, error in zip(due, errors, strict=True):
            now = self.queue.surroundings.monotonic()
            if error is None:
                self.leases.extended(delivery, began, terms)
            elif isinstance(error, StaleReceiptError | IllegalTransitionError):
                if self.leases.lose(delivery, now):
                    self.lost(delivery)
            elif self.leases.put_off(delivery, now):
                about = {"message_id": delivery.id}
                _LOG.warning("Message %s: not extended yet: %s", delivery.id, error, extra=about)

    def _errors_of_extending(
        self, due: Sequence[Delivery[T]], timeout: float
    ) -> list[DynamoMQError | None]:
        try:
            if len(due) == 1:
                self.queue.extend(due[0], timeout)
                return [None]
            return [result.error for result in self.queue.extend_batch(due, timeout)]
        except DynamoMQError as error:
            return [error] * len(due)

"""A follower: whoever has a group's head in hand, and receives the next one as it deletes this one.

It is what a program does without :class:`~dynamomq.Consumer`: a loop around ``receive`` and
``delete(receive_next=True)``. It keeps up no leases, so what takes longer than the visibility
timeout is somebody else's by then.
"""

from __future__ import annotations

import threading
from typing import Any

from dynamomq import (
    ContentionError,
    Message,
    OutcomeUnknownError,
    Queue,
    ServiceError,
)
from model_tests.chaos.handling import RETRY_AFTER, Handler, note_loss, work_for
from model_tests.chaos.plan import Course, Plan
from model_tests.history.log import Log

_WAIT = 0.5  # seconds that one look for a message goes on
_EXPECTED = (ContentionError, OutcomeUnknownError, ServiceError)


def follow(
    plan: Plan, queue: Queue[Any], handler: Handler, log: Log, told: threading.Event
) -> None:
    """Work through one group after the other until told to end."""
    follower = _Follower(plan, queue, handler, log, told)
    while not told.is_set():
        message = follower.first()
        while message is not None:
            message = follower.finish(message)


class _Follower:
    def __init__(
        self, plan: Plan, queue: Queue[Any], handler: Handler, log: Log, told: threading.Event
    ) -> None:
        self._plan = plan
        self._queue = queue
        self._handler = handler
        self._log = log
        self._told = told

    def first(self) -> Message[Any] | None:
        """Receive the head of some group; ``None`` if none is to be had."""
        try:
            found = self._queue.receive(wait=_WAIT)
        except ServiceError:
            return None
        return found[0] if found else None

    def finish(self, message: Message[Any]) -> Message[Any] | None:
        """Handle a message, and say how it ended; return the next one if it was received."""
        course = self._handler.handle(message, work_for)
        try:
            return self._answer(message, course)
        except _EXPECTED:
            note_loss(self._log, message)
            return None  # somebody else has it, or will have it when its delivery is over

    def _answer(self, message: Message[Any], course: str) -> Message[Any] | None:
        is_last = message.receive_count >= self._plan.max_receives
        if course == Course.SUCCEED and self._told.is_set():
            self._queue.delete(message)
        elif course == Course.SUCCEED:
            return self._queue.delete(message, receive_next=True)
        elif course == Course.REJECT or is_last:
            self._queue.move_to_dlq(message, error="as planned")
        else:
            delay = RETRY_AFTER if course == Course.RETRY_AFTER else 0.0
            self._queue.retry(message, delay=delay, error="as planned")
        return None

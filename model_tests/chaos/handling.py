"""Handlers: what is done with a delivery, between two lines in the log.

``handler begun``
    id, receipt (its digest), receive_count
``handler ended``
    id, receipt, course: how, as the plan has it; or ``heeded`` if it gave up because its lease was
    lost
``lease lost``
    id, receipt: the holder knows that its delivery is over, or can't say how it ended
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from docs.examples.installed_files.files import FileRecord, MissingHashError, verify
from dynamomq import Delivery, FullJitter, Message, Reject, RetryAfter
from model_tests.chaos.assignment import Assignment
from model_tests.chaos.plan import Course
from model_tests.history.log import Log, digest

HEEDED = "heeded"
BACKOFF = FullJitter(base=0.2, cap=2.0)
RETRY_AFTER = 0.5  # seconds, where a handler asks for so much

_SHARE_THAT_HEEDS = 0.5


def payload_of(record: FileRecord) -> dict[str, Any]:
    """A record as JSON-like data, so that what is delivered can be compared with what is stored."""
    return {**attrs.asdict(record), "location": str(record.location)}


class HandledError(Exception):
    """A handler failed, as the plan has it."""


class Handler:
    """Verifies the file that a message names, in the way and the time that the plan has for it."""

    def __init__(self, assignment: Assignment, log: Log) -> None:
        self._plan = assignment.plan
        self._deadly = assignment.deadly
        self._log = log

    def __call__(self, delivery: Delivery[Any]) -> None:
        """Handle a consumer's delivery, and end as consumers' handlers do."""
        course = self.handle(delivery, lambda seconds: self._spend(delivery, seconds))
        if course == HEEDED:
            raise HandledError("its lease was lost")
        if course == Course.FAIL:
            raise HandledError("as planned")
        if course == Course.RETRY_AFTER:
            raise RetryAfter(RETRY_AFTER)
        if course == Course.REJECT:
            raise Reject("as planned")

    def handle(self, message: Message[Any], spend: Callable[[float], bool]) -> str:
        """Handle a message; return how that ended.

        Args:
            message: as it was received.
            spend: takes so many seconds, and tells whether the handler heeded a lost lease.
        """
        noted = {"id": message.id, "receipt": digest(message.receipt or "")}
        count = message.receive_count
        self._log.write("handler begun", receive_count=count, **noted)
        run = self._plan.run_of(message.id, count, deadly=message.id in self._deadly)
        _verify(message.data)
        course: str = HEEDED if spend(run.seconds) else run.course
        self._log.write("handler ended", course=course, **noted)
        if course == Course.DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        return course

    def _spend(self, delivery: Delivery[Any], seconds: float) -> bool:
        """Take so long; tell whether the handler heeded that its lease was lost."""
        key = f"{self._plan.seed} {delivery.id} heeds"
        if random.Random(key).random() < _SHARE_THAT_HEEDS:
            return delivery.lease.lost.wait(seconds)
        return work_for(seconds)


def note_loss(log: Log, message: Message[Any]) -> None:
    """Note that its holder has lost a message."""
    log.write("lease lost", id=message.id, receipt=digest(message.receipt or ""))


def work_for(seconds: float) -> bool:
    """Take so long, whatever happens meanwhile."""
    time.sleep(seconds)  # work: how long it takes against its deadline is the point
    return False


def _verify(payload: dict[str, Any]) -> None:
    record = FileRecord(**{**payload, "location": Path(payload["location"])})
    with suppress(MissingHashError):  # compiled files have none, and that is no failure here
        verify(record)

"""A producer or a worker, as a process of its own: ``python -m model_tests.chaos.worker JSON``.

It ends when its standard input does, so it does not outlive whoever started it; a worker also ends
by SIGTERM, as the consumer promises.

A worker adds these events to the log, with id and receipt of the delivery:

``handler begun``
    receive_count
``handler ended``
    course: how, as the plan has it; or ``heeded`` if it gave up because its lease was lost
``lease lost``
    the consumer told so
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from cattrs.preconf.json import make_converter

from dynamomq import (
    Consumer,
    Delivery,
    DynamoDBEngine,
    Entry,
    FullJitter,
    Hooks,
    Queue,
    Reject,
    RetryAfter,
)
from dynamomq.bench.endpoint import Endpoint
from dynamomq.demo.files import FileRecord, MissingHashError, verify
from dynamomq.drivers.base import Engine, Surroundings
from dynamomq.requests import MAX_BATCH
from model_tests.chaos.plan import Course, Plan
from model_tests.chaos.recording import RecordingEngine
from model_tests.history.log import Log, SkewedClock, digest
from model_tests.history.recorded import RecordedQueue

HEEDED = "heeded"

_CONVERTER = make_converter()

_DEDUPLICATION_WINDOW = 86_400  # seconds; longer than any run, so that tombstones stay
_BACKOFF = FullJitter(base=0.2, cap=2.0)
_POLL_INTERVAL = (0.05, 0.5)  # seconds
_LONGEST_DELAY = 2.0
_SHARE_THAT_HEEDS = 0.5


@attrs.frozen
class Assignment:
    """What a process is to do.

    Attributes:
        role: ``producer`` or ``worker``.
        name: the process's, which no other has.
        plan: of the run.
        endpoint_url: DynamoDB's, as far as the process knows.
        table: the queue's table.
        folder: where its log goes.
        clock: its clock.
        deadly: the messages that kill whoever handles them.
        share: of the messages, which ones to send: from this one on, every so many-th.
    """

    role: str
    name: str
    plan: Plan
    endpoint_url: str
    table: str
    folder: Path
    clock: SkewedClock
    deadly: frozenset[str] = frozenset()
    share: tuple[int, int] = (0, 1)

    def to_json(self) -> str:
        """As an argument of a command line."""
        return _CONVERTER.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """What :meth:`to_json` wrote."""
        return _CONVERTER.loads(text, cls)


def queue_of(plan: Plan, table: str, engine: Engine) -> Queue[Any]:
    """The queue that all processes of a run share."""
    return Queue(
        table,
        engine=engine,
        visibility_timeout=plan.visibility_timeout,
        max_receives=plan.max_receives,
        deduplication_window=_DEDUPLICATION_WINDOW,
    )


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
        """Handle one delivery, between two lines in the log."""
        noted = {"id": delivery.id, "receipt": digest(delivery.receipt or "")}
        count = delivery.receive_count
        self._log.write("handler begun", receive_count=count, **noted)
        run = self._plan.run_of(delivery.id, count, deadly=delivery.id in self._deadly)
        _verify(delivery.data)
        lost = self._spend(delivery, run.seconds)
        self._log.write("handler ended", course=HEEDED if lost else run.course, **noted)
        if lost:
            raise HandledError("its lease was lost")
        _end(run.course)

    def _spend(self, delivery: Delivery[Any], seconds: float) -> bool:
        """Take so long; tell whether the handler heeded that its lease was lost."""
        key = f"{self._plan.seed} {delivery.id} heeds"
        if random.Random(key).random() < _SHARE_THAT_HEEDS:
            return delivery.lease.lost.wait(seconds)
        time.sleep(seconds)  # work: how long it takes against its deadline is the point
        return False


def _verify(payload: dict[str, Any]) -> None:
    record = FileRecord(**{**payload, "location": Path(payload["location"])})
    with suppress(MissingHashError):  # compiled files have none, and that is no failure here
        verify(record)


def _end(course: Course) -> None:
    if course is Course.DIE:
        os.kill(os.getpid(), signal.SIGKILL)
    if course is Course.FAIL:
        raise HandledError("as planned")
    if course is Course.RETRY_AFTER:
        raise RetryAfter(0.5)
    if course is Course.REJECT:
        raise Reject("as planned")


class NotedLosses(Hooks):
    """Notes which leases the consumer reports as lost."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def lost(self, delivery: Delivery[Any]) -> None:
        """Note one."""
        receipt = digest(delivery.receipt or "")
        self._log.write("lease lost", id=delivery.id, receipt=receipt)


def produce(assignment: Assignment, queue: Queue[Any], log: Log) -> int:
    """Send a share of the messages, each until it is certain that it is there; some once more.

    What is due goes in batches as long as the producer is behind, and one by one when it is not.
    """
    plan = assignment.plan
    recorded = RecordedQueue(queue, log, timeout=plan.visibility_timeout)
    chance = random.Random(f"{plan.seed} {assignment.name}")
    first, step = assignment.share
    left = deque(list(enumerate(plan.payloads().items()))[first::step])
    began = time.monotonic()
    while left:
        time.sleep(max(0.0, began + plan.due(left[0][0]) - time.monotonic()))  # the plan's pace
        batch: list[Entry[Any]] = []
        while left and len(batch) < MAX_BATCH and began + plan.due(left[0][0]) <= time.monotonic():
            _, (id, record) = left.popleft()
            delay = chance.uniform(0, _LONGEST_DELAY) if chance.random() < 0.05 else 0.0
            batch.append(Entry(payload_of(record), id=id, delay=delay))
        uncertain: Sequence[Entry[Any]] = batch
        while uncertain:
            uncertain = recorded.send_batch(uncertain)
        if batch and chance.random() < 0.1:
            recorded.send(str(batch[0].id), batch[0].data)
    return 0


def work(assignment: Assignment, queue: Queue[Any], log: Log) -> int:
    """Run the consumer until it is told to stop; return its exit status."""
    plan = assignment.plan
    consumer = Consumer(
        queue,
        Handler(assignment, log),
        concurrency=plan.threads,
        backoff=_BACKOFF,
        grace=plan.grace,
        poll_interval=_POLL_INTERVAL,
        hooks=[NotedLosses(log)],
    )
    _at_the_end_of_input(consumer.stop)
    summary = consumer.run()
    log.write("summary", reason=summary.reason, status=summary.exit_status)
    return summary.exit_status


def _at_the_end_of_input(action: Callable[[], object]) -> None:
    """Act when standard input, into which nothing is ever written, comes to its end."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        action()

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Sequence[str]) -> int:
    """Do what the assignment in the argument says; return the exit status."""
    assignment = Assignment.from_json(arguments[0])
    endpoint = Endpoint(assignment.endpoint_url)
    inner = DynamoDBEngine(
        session=endpoint.session,
        endpoint_url=endpoint.url,
        surroundings=Surroundings(clock=assignment.clock),
    )
    plan = assignment.plan
    with Log(assignment.folder, assignment.name, assignment.clock) as log:
        log.write("started", role=assignment.role, offset=assignment.clock.offset)
        try:
            if assignment.role == "producer":
                status = produce(assignment, queue_of(plan, assignment.table, inner), log)
            else:
                engine = RecordingEngine(inner, log, timeout=plan.visibility_timeout)
                status = work(assignment, queue_of(plan, assignment.table, engine), log)
        finally:
            inner.close()
        log.write("finished", status=status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""One process of a run: ``python -m model_tests.chaos.worker JSON``.

It ends when its standard input does, so it does not outlive whoever started it; all but producers
also end by SIGTERM. Roles are ``producer``, ``worker`` (a consumer), ``follower`` and ``watcher``.
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
from typing import Any

from dynamomq import Consumer, Delivery, Entry, Hooks, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.requests import MAX_BATCH
from model_tests.chaos.assignment import Assignment, queue_of
from model_tests.chaos.follower import follow
from model_tests.chaos.handling import BACKOFF, Handler, note_loss, payload_of
from model_tests.chaos.recording import RecordingEngine
from model_tests.chaos.watcher import watch
from model_tests.history.log import Log
from model_tests.history.recorded import RecordedQueue

_POLL_INTERVAL = (0.05, 0.5)  # seconds
_LONGEST_DELAY = 2.0
_SHARE_IN_BATCHES = 0.5  # of what is behind, in groups


class NotedLosses(Hooks):
    """Notes which leases the consumer reports as lost."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def lost(self, delivery: Delivery[Any]) -> None:
        """Note one."""
        note_loss(self._log, delivery)


def produce(assignment: Assignment, queue: Queue[Any], log: Log) -> int:
    """Send a share of the messages, each until it is certain that it is there; some once more.

    What is due goes in batches as long as the producer is behind, and one by one when it is not. In
    groups half of the batches are sent one by one as well.
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
            number, (id, record) = left.popleft()
            delay = chance.uniform(0, _LONGEST_DELAY) if chance.random() < 0.05 else 0.0
            group = plan.group_of(number)
            batch.append(Entry(payload_of(record), id=id, delay=delay, group=group))
        if plan.groups and chance.random() >= _SHARE_IN_BATCHES:
            _send_each(recorded, batch)
        else:
            _send_together(recorded, batch)
        if batch and chance.random() < 0.1:
            recorded.send(str(batch[0].id), batch[0].data, group=batch[0].group)
    return 0


def _send_together(recorded: RecordedQueue, batch: Sequence[Entry[Any]]) -> None:
    while batch:
        batch = recorded.send_batch(batch)


def _send_each(recorded: RecordedQueue, batch: Sequence[Entry[Any]]) -> None:
    for entry in batch:
        delay = float(entry.delay) if isinstance(entry.delay, int | float) else 0.0
        while not recorded.send(str(entry.id), entry.data, delay=delay, group=entry.group):
            pass


def work(assignment: Assignment, queue: Queue[Any], log: Log) -> int:
    """Run the consumer until it is told to stop; return its exit status."""
    plan = assignment.plan
    consumer = Consumer(
        queue,
        Handler(assignment, log),
        concurrency=plan.threads,
        backoff=BACKOFF,
        grace=plan.grace,
        poll_interval=_POLL_INTERVAL,
        steal_after=plan.steal_after,
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


def _told_to_end() -> threading.Event:
    """What is set by SIGTERM, or at the end of standard input."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    _at_the_end_of_input(told.set)
    return told


def _play(assignment: Assignment, log: Log) -> int:
    """Play the assigned role to its end; return the exit status."""
    plan, table = assignment.plan, assignment.table
    if assignment.role == "watcher":
        client = Endpoint(assignment.endpoint_url).client()
        watch(client, table, log, _told_to_end())
        client.close()
        return 0
    inner = assignment.engine()
    queue = queue_of(plan, table, RecordingEngine(inner, log, timeout=plan.visibility_timeout))
    try:
        if assignment.role == "producer":
            return produce(assignment, queue, log)
        if assignment.role == "worker":
            return work(assignment, queue, log)
        follow(plan, queue, Handler(assignment, log), log, _told_to_end())
        return 0
    finally:
        inner.close()


def main(arguments: Sequence[str]) -> int:
    """Do what the assignment in the argument says; return the exit status."""
    assignment = Assignment.from_json(arguments[0])
    with Log(assignment.folder, assignment.name, assignment.clock) as log:
        log.write("started", role=assignment.role, offset=assignment.clock.offset)
        status = _play(assignment, log)
        log.write("finished", status=status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

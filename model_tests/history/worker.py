"""A producer or a consumer, as a process of its own: ``python -m model_tests.history.worker JSON``.

It ends when its standard input does, after what it has in hand; so it does not outlive whoever
started it. What it does follows from its seed, except that some messages carry a fault: whoever
handles one in its first delivery pauses or dies.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from cattrs.preconf.json import make_converter

from dynamomq import DynamoDBEngine, Message, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.drivers.base import Surroundings
from dynamomq.timestamps import SECOND
from model_tests.history.log import Log, SkewedClock
from model_tests.history.recorded import RecordedQueue, deadline_of

PAUSE = "pause"
DIE_BEFORE = "die before delete"
DIE_AFTER = "die after delete"
FAULTS = (PAUSE, DIE_BEFORE, DIE_AFTER)  # in the order in which one batch's are met

_CONVERTER = make_converter()

_WAIT = 0.5  # seconds
_BATCHES = (1, 1, 5, 10)
_DEDUPLICATION_WINDOW = 86_400  # seconds; longer than any run, so that an id is used once
_DRAIN_BATCH = 25
_DELAYS = (0.0, 0.2, 2.0)  # seconds


@attrs.frozen
class Assignment:
    """What a process is to do.

    Attributes:
        role: ``producer``, ``consumer`` or ``drainer``.
        name: the process's, which no other has.
        seed: of its choices; the name goes in as well.
        endpoint_url: DynamoDB's.
        table: the queue's table.
        folder: where its log goes.
        clock: its clock.
        visibility_timeout: the queue's; seconds.
        max_receives: the queue's.
        numbers: the messages to produce.
        faults: the messages that carry a fault.
        dies_at: at which of its sends a producer dies, after the answer; ``None``: at none.
    """

    role: str
    name: str
    seed: int
    endpoint_url: str
    table: str
    folder: Path
    clock: SkewedClock
    visibility_timeout: float
    max_receives: int | None
    numbers: tuple[int, ...] = ()
    faults: Mapping[int, str] = attrs.field(factory=dict)
    dies_at: int | None = None

    def to_json(self) -> str:
        """As an argument of a command line."""
        return _CONVERTER.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """What :meth:`to_json` wrote."""
        return _CONVERTER.loads(text, cls)


def id_of(number: int) -> str:
    """The id of a message."""
    return f"message-{number:05}"


class Worker:
    """One process's part in a run."""

    def __init__(self, assignment: Assignment, recorded: RecordedQueue) -> None:
        self._assignment = assignment
        self._recorded = recorded
        self._log = recorded.log
        self._random = random.Random(f"{assignment.seed} {assignment.name}")

    def run(self) -> None:
        """Do what is assigned."""
        self._log.write("started", role=self._assignment.role, offset=self._assignment.clock.offset)
        roles = {"producer": self.produce, "consumer": self.consume, "drainer": self.drain}
        roles[self._assignment.role]()
        self._log.write("finished")

    # --- roles -------------------------------------------------------------------------------

    def produce(self) -> None:
        """Send the messages, each until it is certain that it is there; some once too often."""
        for sent, number in enumerate(self._assignment.numbers):
            if sent == self._assignment.dies_at:
                self._recorded.on_answer = _die
            delay = self._random.choice(_DELAYS) if self._one_in(5) else 0.0
            while not self._send(number, delay) and not _is_input_over():
                pass
            if self._one_in(20):
                self._send(number, 0)

    def _send(self, number: int, delay: float) -> bool:
        payload: dict[str, Any] = {
            "number": number,
            "sender": self._assignment.name,
            "filler": "x" * self._random.randrange(200),
        }
        if number in self._assignment.faults:
            payload["fault"] = self._assignment.faults[number]
        return self._recorded.send(id_of(number), payload, delay=delay)

    def consume(self) -> None:
        """Receive and handle, one way or another, until told to stop."""
        while not _is_input_over():
            messages = self._recorded.receive(self._random.choice(_BATCHES), wait=_WAIT)
            for message in sorted(messages, key=_faults_first):
                self._handle(message)

    def drain(self) -> None:
        """Receive and delete until nothing is left to do.

        Now and then it fails, too: without a backlog, what is due too early is delivered too early.
        """
        while self._recorded.queue.stats(limit=1).standard.total and not _is_input_over():
            for message in self._recorded.receive(_DRAIN_BATCH, wait=_WAIT):
                if self._one_in(10):
                    self._fail(message)
                else:
                    self._recorded.delete(message)

    # --- one delivery ------------------------------------------------------------------------

    def _handle(self, message: Message[Any]) -> None:
        fault = message.data.get("fault")
        if fault and message.receive_count == 1:
            self._suffer(fault, message)
            return
        (way,) = self._random.choices(
            (
                self._recorded.delete,
                self._extend_and_delete,
                self._fail,
                self._recorded.release,
                self._reject,
                self._overrun,
            ),
            weights=(72, 8, 8, 5, 2, 5),
        )
        way(message)

    def _extend_and_delete(self, message: Message[Any]) -> None:
        longer = self._random.uniform(1, 3) * self._assignment.visibility_timeout
        self._recorded.delete(self._recorded.extend(message, longer) or message)

    def _fail(self, message: Message[Any]) -> None:
        delay = self._random.choice(_DELAYS)
        self._recorded.retry(message, delay=delay, error="made to fail")

    def _reject(self, message: Message[Any]) -> None:
        self._recorded.move_to_dlq(message, error="made to be rejected")

    def _overrun(self, message: Message[Any]) -> None:
        """Take longer than the deadline allows, and then delete all the same."""
        over = self._random.uniform(0, self._assignment.visibility_timeout)
        left = (deadline_of(message) - self._assignment.clock()) / SECOND
        time.sleep(max(0.0, left) + over)  # work that outlasts the deadline: that is the point
        self._recorded.delete(message)

    def _suffer(self, fault: str, message: Message[Any]) -> None:
        """Meet with the fault that a message carries."""
        self._log.write("fault begun", id=message.id, fault=fault)
        if fault == PAUSE:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif fault == DIE_BEFORE:
            _die()
        else:
            self._recorded.on_answer = _die
        self._recorded.delete(message)
        self._log.write("fault over", id=message.id, fault=fault)

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0


def _faults_first(message: Message[Any]) -> tuple[bool, int]:
    """Pauses before deaths, so that what was received for the first time meets with its fault."""
    fault = message.data.get("fault")
    return fault is None, FAULTS.index(fault) if fault else 0


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _is_input_over() -> bool:
    """Whether standard input, in which nothing is ever written, has come to its end."""
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable)


def main(arguments: Sequence[str]) -> None:
    """Do what the assignment in the argument says."""
    assignment = Assignment.from_json(arguments[0])
    surroundings = Surroundings(clock=assignment.clock)
    endpoint = Endpoint(assignment.endpoint_url)
    engine = DynamoDBEngine(
        session=endpoint.session, endpoint_url=endpoint.url, surroundings=surroundings
    )
    queue = Queue(
        assignment.table,
        engine=engine,
        visibility_timeout=assignment.visibility_timeout,
        max_receives=assignment.max_receives,
        deduplication_window=_DEDUPLICATION_WINDOW,
    )
    try:
        with Log(assignment.folder, assignment.name, assignment.clock) as log:
            recorded = RecordedQueue(queue, log, timeout=assignment.visibility_timeout)
            Worker(assignment, recorded).run()
    finally:
        engine.close()


if __name__ == "__main__":
    main(sys.argv[1:])

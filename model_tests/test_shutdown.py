"""Graceful shutdown: a worker process that is told to end under load leaves nothing in disorder."""

import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

from dynamomq import Message, Queue
from dynamomq.timestamps import SECOND
from model_tests.chaos import checker as consumers
from model_tests.chaos.departure import MAX_RECEIVES, STUCK, TIMEOUT, Departure
from model_tests.history import checker as queues
from model_tests.history.checker import describe
from model_tests.history.log import Event, Log, SkewedClock, epoch_of_this_machine, read_logs
from model_tests.history.recorded import RecordedQueue
from model_tests.history.records import assemble
from tests.support.source import ROOT

MESSAGES = 80
WATCHDOG = 100.0  # seconds, for a process that does not end at all
MARGIN = 2.0  # seconds that a shutdown may take beyond its grace


@define
class Scene:
    """A queue with messages, and what a worker made of it.

    Attributes:
        departure: what the worker is to do.
        queue: the queue, as somebody else sees it.
        log: what that one writes down.
        status: the worker's exit status.
        seconds: how long after the signal it had ended.
    """

    departure: Departure
    queue: Queue[Any]
    log: Log
    status: int = -1
    seconds: float = 0.0

    def send(self, payload: object, count: int) -> set[str]:
        """Send messages; return their ids."""
        sender = RecordedQueue(self.queue, self.log, timeout=TIMEOUT)
        ids = {str(uuid.uuid4()) for _ in range(count)}
        assert all(sender.send(id, payload) for id in ids)
        return ids

    def run(self, **changes: Any) -> None:
        """Run the worker to its end."""
        departure = evolve(self.departure, **changes)
        worker = [sys.executable, "-m", "model_tests.chaos.departure", departure.to_json()]
        ended = subprocess.run(
            worker, cwd=ROOT, timeout=WATCHDOG, check=False, capture_output=True, text=True
        )
        now = self.log.now()
        signalled = self.named("signalled")
        assert signalled, ended.stderr
        self.status = ended.returncode
        print(f"ended {(now.monotonic - signalled[0].moment.monotonic) / SECOND:.3f} s after it")
        self.seconds = (now.monotonic - signalled[0].moment.monotonic) / SECOND

    def named(self, name: str) -> list[Event]:
        """The events of a name."""
        return [event for event in read_logs(self.departure.folder) if event.name == name]

    def ids(self, name: str) -> set[str]:
        """The messages that events of a name are about."""
        return {str(event.details["id"]) for event in self.named(name)}

    def summary(self) -> dict[str, object]:
        """What the consumer told of its end."""
        (event,) = self.named("summary")
        return dict(event.details)

    def stored(self) -> dict[str, Message[Any]]:
        """All messages, tombstones among them, by id."""
        return {message.id: message for message in self.queue.list(None)}

    def in_state(self, *states: str) -> set[str]:
        """The messages in one of these states."""
        return {one.id for one in self.stored().values() if one.state in states}

    def check_counts(self) -> None:
        """Assert that a message's count is how often its handler was called, and not more."""
        calls = Counter(str(event.details["id"]) for event in self.named("handler begun"))
        for message in self.stored().values():
            assert message.receive_count == calls[message.id], message

    def check_properties(self) -> None:
        """Assert that what was written down violates no property of queue or consumer."""
        history = assemble(read_logs(self.departure.folder))
        table = {id: message.item for id, message in self.stored().items()}
        violations = queues.check(history, table, max_receives=MAX_RECEIVES)
        violations += consumers.check(history, table, max_receives=MAX_RECEIVES)
        assert not violations, describe(violations)


@pytest.fixture(params=["dynamodb-local", "local-file"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engines that a worker can run on in a process of its own."""
    return str(request.param)


@pytest.fixture
def scene(
    engine: str, table_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    """An empty queue."""
    place = str(tmp_path / "queue.db")
    if engine == "dynamodb-local":
        place = request.getfixturevalue("dynamodb_endpoint")
    clock = SkewedClock(epoch_of_this_machine())
    departure = Departure(place, table_name, tmp_path, clock)
    own = departure.engine()
    with Log(tmp_path, "sender", clock) as log:
        queue = departure.queue(own)
        queue.create_table()
        yield Scene(departure, queue, log)
    own.close()


def test_a_worker_ends_in_order(scene: Scene) -> None:
    """SIGTERM under load: handlers end, what is unstarted is released, nothing stays PROCESSING.

    A claim is under way when the signal comes; its messages are given back, uncounted.
    """
    ids = scene.send("work", MESSAGES)
    scene.run(grace=10.0)
    assert (scene.status, scene.summary()["reason"]) == (0, "stopped")
    assert scene.seconds < 10.0 + MARGIN
    assert not scene.in_state("STANDARD.PROCESSING", "STANDARD.EXPIRED")
    released = scene.ids("release begun")
    assert released
    assert len(released) == scene.summary()["released"]
    assert not released & scene.ids("handler begun")
    assert scene.in_state("STANDARD.READY") == ids - scene.ids("handler ended")
    scene.check_counts()
    scene.check_properties()


def test_a_handler_that_goes_on_is_left_and_reported(scene: Scene) -> None:
    """When the grace is over the worker ends: only what still runs stays PROCESSING, by name."""
    stuck = scene.send(STUCK, 2)
    ids = scene.send("work", MESSAGES)
    scene.run(grace=1.5)
    assert (scene.status, scene.summary()["reason"]) == (3, "grace ended")
    assert 1.5 <= scene.seconds < 1.5 + MARGIN
    assert scene.ids("abandoned") == stuck == scene.in_state("STANDARD.PROCESSING")
    assert scene.in_state("STANDARD.READY") == ids - scene.ids("handler ended")
    scene.check_counts()
    scene.check_properties()


def test_a_second_signal_ends_it_at_once(scene: Scene) -> None:
    """Whoever can't wait sends SIGTERM again: no grace; what runs, or was claimed, is left."""
    scene.send(STUCK, 2)
    scene.send("work", MESSAGES)
    scene.run(grace=60.0, twice=True)
    assert (scene.status, scene.summary()["reason"]) == (4, "forced")
    assert scene.seconds < 30.0  # no grace, of which there would have been 60 s
    scene.check_properties()

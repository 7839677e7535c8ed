"""A worker that is told to end under load: ``python -m model_tests.chaos.departure JSON``.

It gets SIGTERM while one of its claims is under way: DynamoDB, or the embedded engine, has carried
it out, and the consumer has not heard of it. So there are handlers that run, and messages that are
claimed and will not be started.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from cattrs.preconf.json import make_converter

from dynamomq import Consumer, Delivery, DynamoDBEngine, Engine, LocalEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.consumer.signals import ONE_ORDER
from dynamomq.drivers.base import Driver, Surroundings
from dynamomq.requests import Request, Write, WriteBatch, Written
from dynamomq.table import TableDefinition
from model_tests.chaos.plan import Course
from model_tests.chaos.recording import RecordingEngine
from model_tests.history.log import Log, SkewedClock, digest

STUCK = "stuck"  # what a payload says whose handler never ends
TIMEOUT = 30.0  # the visibility timeout; nothing expires in a test
MAX_RECEIVES = 5

_CONVERTER = make_converter()


@attrs.frozen
class Departure:
    """What is to happen.

    Attributes:
        place: DynamoDB's URL, or the file of an embedded engine.
        table: the queue's.
        folder: where the log goes.
        clock: everybody's.
        threads: of the worker.
        seconds: that a handler takes, if it ends at all.
        grace: that handlers have, in seconds.
        claims: the signal comes with the claim that brings the total of messages to this many.
        twice: whether a second signal follows the first.
    """

    place: str
    table: str
    folder: Path
    clock: SkewedClock
    threads: int = 4
    seconds: float = 0.05
    grace: float = 5.0
    claims: int = 40
    twice: bool = False

    def to_json(self) -> str:
        """As an argument of a command line."""
        return _CONVERTER.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Departure:
        """What :meth:`to_json` wrote."""
        return _CONVERTER.loads(text, cls)

    def engine(self) -> Engine:
        """The engine of the place."""
        surroundings = Surroundings(clock=self.clock)
        if "://" not in self.place:
            return LocalEngine(self.place, surroundings=surroundings)
        endpoint = Endpoint(self.place)
        return DynamoDBEngine(
            session=endpoint.session, endpoint_url=endpoint.url, surroundings=surroundings
        )

    def queue(self, engine: Engine) -> Queue[Any]:
        """The queue, on its engine or on one in front of it."""
        return Queue(
            self.table, engine=engine, visibility_timeout=TIMEOUT, max_receives=MAX_RECEIVES
        )


class _Worker(Consumer[Any]):
    """A consumer that shows when it has been told to stop."""

    told = threading.Event()

    def stop(self, *, force: bool = False) -> None:
        """Pass the order on, and then show it."""
        super().stop(force=force)
        self.told.set()


class _Interrupting:
    """An engine that sends its own process a signal when so many messages have been claimed.

    The claim is carried out by then, and its answer is handed on when the consumer was told to
    stop.
    """

    def __init__(self, engine: Engine, departure: Departure, log: Log) -> None:
        self.engine = engine
        self._departure = departure
        self._log = log
        self._claimed = 0

    def open(self, table: TableDefinition) -> Driver:
        """A driver for a table."""
        return _InterruptingDriver(self, self.engine.open(table))

    def close(self) -> None:
        """Release connections."""
        self.engine.close()

    def note_claims(self, count: int) -> None:
        """Note that so many messages have been claimed; only one thread claims."""
        before, self._claimed = self._claimed, self._claimed + count
        if before < self._departure.claims <= self._claimed:
            self._log.write("signalled")
            _signal()
            if self._departure.twice:
                time.sleep(ONE_ORDER)  # or it would be taken for an echo of the first
                _signal()


def _signal() -> None:
    _Worker.told.clear()
    os.kill(os.getpid(), signal.SIGTERM)
    _Worker.told.wait()


class _InterruptingDriver(Driver):
    def __init__(self, engine: _Interrupting, driver: Driver) -> None:
        super().__init__(driver.table, driver.surroundings)
        self._engine = engine
        self._driver = driver

    def store(self, request: Request[Any]) -> Any:
        reply = self._driver.store(request)
        writes = request.writes if isinstance(request, WriteBatch) else (request,)
        replies = reply if isinstance(request, WriteBatch) else (reply,)
        claimed = [
            isinstance(write, Write)
            and write.rule.trigger == "receive"
            and isinstance(answer, Written)
            for write, answer in zip(writes, replies, strict=True)
        ]
        self._engine.note_claims(sum(claimed))
        return reply


def main(arguments: Sequence[str]) -> int:
    """Consume until the signal comes; return the consumer's exit status."""
    departure = Departure.from_json(arguments[0])
    with Log(departure.folder, "worker", departure.clock) as log:

        def handle(delivery: Delivery[Any]) -> None:
            noted = {"id": delivery.id, "receipt": digest(delivery.receipt or "")}
            log.write("handler begun", **noted)
            if delivery.data == STUCK:
                threading.Event().wait()
            time.sleep(departure.seconds)  # work that keeps the workers busy
            log.write("handler ended", course=Course.SUCCEED, **noted)

        interrupting = _Interrupting(departure.engine(), departure, log)
        engine = RecordingEngine(interrupting, log, timeout=TIMEOUT)
        consumer = _Worker(
            departure.queue(engine),
            handle,
            concurrency=departure.threads,
            grace=departure.grace,
            poll_interval=(0.01, 0.1),
        )
        summary = consumer.run()
        for id in summary.abandoned:
            log.write("abandoned", id=id)
        log.write("summary", reason=summary.reason, released=summary.released)
        if not summary.abandoned and not summary.maybe_claimed:
            log.write("finished")  # so that the checker demands an answer to every delivery
        return summary.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

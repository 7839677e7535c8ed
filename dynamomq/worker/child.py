"""A child of a worker: one process, which runs a consumer for as long as it is told to."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any, Self

from attrs import define, frozen

from dynamomq import (
    AccessDeniedError,
    BatchConsumer,
    CallerError,
    Consumer,
    DynamoDBEngine,
    DynamoMQError,
    Engine,
    InvalidArgumentError,
    LocalEngine,
    Queue,
    SetupError,
)
from dynamomq.consumer import Summary
from dynamomq.worker.resolving import check_handler, resolve
from dynamomq.worker.settings import Settings
from dynamomq.worker.statuses import ChildStatus, ExitStatus
from dynamomq.worker.supervisor import MARGIN, Word

_log = logging.getLogger("dynamomq.worker")

_FIRST = 1  # of the processes: it says what concerns all of them
_STATUSES = {
    ExitStatus.DRAINED: ChildStatus.FINISHED,
    ExitStatus.SETUP: ChildStatus.SETUP,
    ExitStatus.LEFT: ChildStatus.LEFT,
    ExitStatus.FORCED: ChildStatus.FORCED,
}


def main() -> int:
    """Do what the worker says on standard input, and return a ``ChildStatus``.

    What is raised besides ends the process as Python does, with status 1: a crash.
    """
    # Until there is something to finish, a signal simply ends us, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    orders = _Orders.take_standard_input()
    line = orders.next()
    if line is None:
        return ChildStatus.FINISHED  # the worker is gone
    assignment = _Assignment.from_json(line)
    configure_logging(assignment.settings.log_level, f"process {assignment.number}")
    sys.path[:] = assignment.path
    try:
        return _consume(assignment.number, assignment.settings, orders)
    except (SetupError, AccessDeniedError) as error:
        _log.error("%s", error)
        return ChildStatus.SETUP
    except CallerError as error:
        cause = error.__cause__  # why a module fails; our own errors say that in a line
        _log.error("%s", error, exc_info=None if isinstance(cause, DynamoMQError) else cause)
        is_set_up = not isinstance(cause, SetupError | AccessDeniedError)
        return ChildStatus.USAGE if is_set_up else ChildStatus.SETUP


def configure_logging(level: str, who: str) -> None:
    """Log to standard error, each line with the name of the process.

    A handler's module may configure logging as it likes; ``dictConfig`` replaces this.
    """
    logging.basicConfig(
        level=level, format=f"%(asctime)s %(levelname)-7s {who}: %(name)s: %(message)s"
    )


@frozen
class _Assignment:
    """What the worker's first line says."""

    number: int
    path: list[str]
    settings: Settings

    @classmethod
    def from_json(cls, text: str) -> _Assignment:
        values = json.loads(text)
        return cls(values["number"], values["path"], Settings.from_json(values["settings"]))


def _consume(number: int, settings: Settings, orders: _Orders) -> int:
    with ExitStack() as stack:
        consumer = _consumer(settings, stack)
        if consumer.grace > settings.grace:
            # The worker can't know it, and would kill us in the midst of what we are allowed.
            if number == _FIRST:
                _log.warning(
                    "the consumer has %g s to finish, but the processes have %g s: to leave it its "
                    "time, pass --grace %g",
                    *(consumer.grace, settings.grace, consumer.grace),
                )
            consumer.shorten_grace(settings.grace)
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda _number, _frame: consumer.stop())
        threading.Thread(
            target=_obey, args=(orders, consumer, settings.grace), name="orders", daemon=True
        ).start()
        summary = consumer.run(signals=False)
        return _conclude(summary)


def _conclude(summary: Summary) -> int:
    status = _status(summary)
    if summary.abandoned or status in (ChildStatus.LEFT, ChildStatus.FORCED):
        # Handlers still run in threads, and may have started others, which Python would wait for
        # without end, or pull the rug from under.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _status(summary: Summary) -> int:
    if summary.error is not None and not isinstance(summary.error, DynamoMQError):
        return ChildStatus.CRASHED  # the next process may fare better
    return _STATUSES[ExitStatus(summary.exit_status)]


# --- what to consume -------------------------------------------------------------------------


def _consumer(settings: Settings, stack: ExitStack) -> Consumer[Any] | BatchConsumer[Any]:
    found = resolve("handler", settings.handler)
    if isinstance(found, Consumer | BatchConsumer):
        settings.check_beside_consumer()
        return found
    handler = check_handler(settings.handler, found)
    queue = _queue(settings, stack)
    options = settings.given(
        *("concurrency", "batch_size", "source", "visibility_timeout", "grace", "cooperate")
    )
    if settings.batch_size is not None:
        return BatchConsumer(queue, handler, **options)
    return Consumer(queue, handler, **options)


def _queue(settings: Settings, stack: ExitStack) -> Queue[Any]:
    """Return the queue; what is opened for it is closed with the stack."""
    if settings.queue is not None:
        return _users_queue(settings.queue)
    options = settings.given("table", "index", "visibility_timeout", "max_receives")
    if settings.payload is not None:
        options["payload"] = resolve("payload", settings.payload)
    engine = _engine(settings)
    stack.callback(engine.close)
    return Queue(engine=engine, **options)


def _users_queue(text: str) -> Queue[Any]:
    found = resolve("queue", text)
    queue = found if isinstance(found, Queue) or not callable(found) else found()
    if not isinstance(queue, Queue):
        raise InvalidArgumentError(
            "queue",
            text,
            f"it is, or returns, {type(queue).__name__} instead of a Queue",
            remedy="Name a Queue, or a function without parameters that returns one.",
        )
    return queue


def _engine(settings: Settings) -> Engine:
    if settings.file is not None:
        return LocalEngine(settings.file)
    return DynamoDBEngine(
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        profile_name=settings.profile,
    )


# --- being told ------------------------------------------------------------------------------


@define(eq=False)
class _Orders:
    """What the worker says, line by line.

    Read without a buffered file: one that a thread is reading from makes Python's end a crash.
    """

    _pipe: int
    _unread: bytes = b""

    @classmethod
    def take_standard_input(cls) -> Self:
        """Keep the pipe to ourselves: a program that a handler starts must not read from it."""
        standard_input = sys.stdin.fileno()
        pipe = os.dup(standard_input)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, standard_input)
        os.close(null)
        return cls(pipe)

    def next(self) -> str | None:
        """Return the next line; ``None`` once the worker is gone."""
        while b"\n" not in self._unread:
            more = os.read(self._pipe, 65_536)
            if not more:
                return None
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()


def _obey(orders: _Orders, consumer: Consumer[Any] | BatchConsumer[Any], grace: float) -> None:
    """Carry out the worker's words; when it is gone, finish, but not without end.

    A signal that came from the worker's process group, beside its word, is the same order twice.
    """
    while (line := orders.next()) is not None:
        consumer.stop(force=line == Word.GIVE_UP.value)
    _log.warning("the worker is gone: stopping")
    consumer.stop()
    time.sleep(grace + MARGIN)  # this thread has nothing else to do; the process may end before
    os._exit(ChildStatus.LEFT)  # nobody is there to kill us

"""``run``: a worker from its start to its exit status."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeAlias

from attrs import define, field, frozen

from dynamomq.checks import Duration
from dynamomq.worker.processes import Processes, reap_orphans
from dynamomq.worker.settings import Settings
from dynamomq.worker.statuses import ExitStatus
from dynamomq.worker.supervisor import Action, Kill, Start, Supervisor, Tell

_COMMAND = (sys.executable, "-m", "dynamomq.worker", "--child")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FIRST_PROCESS = 1


def run(
    handler: str,
    *,
    processes: int = 1,
    concurrency: int | None = None,
    queue: str | None = None,
    table: str | None = None,
    index: str | None = None,
    file: str | os.PathLike[str] | None = None,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    payload: str | None = None,
    visibility_timeout: Duration | None = None,
    max_receives: int | None = None,
    source: str | None = None,
    batch_size: int | None = None,
    grace: Duration = 30.0,
    cooperate: bool | None = None,
    log_level: str = "INFO",
) -> int:
    """Run a handler in processes with threads, until SIGTERM or SIGINT, and return a status.

    Call it in the main thread, which is where Python delivers signals. ``None`` stands for the
    default of ``Queue`` or ``Consumer``.

    Args:
        handler: ``package.module:function``; the function takes a delivered message, or with
            ``batch_size`` a sequence of them. It may also name a ``Consumer`` or ``BatchConsumer``
            that is ready to run; then all settings but ``processes``, ``grace`` and ``log_level``
            are its own, and ``grace`` should be no less than the consumer's.
        processes: how many processes.
        concurrency: how many threads each process has for handlers.
        queue: ``package.module:name`` of a ``Queue``, or of a function without parameters that
            returns one. It stands in for all settings from ``table`` to ``max_receives`` but the
            visibility timeout.
        table: the queue's table.
        index: the table's index.
        file: the embedded engine's file, instead of DynamoDB.
        endpoint_url: DynamoDB's endpoint, instead of the region's.
        region: the AWS region.
        profile: a profile of the AWS configuration files.
        payload: ``package.module:Type`` of the payloads.
        visibility_timeout: how long a delivery lasts without a heartbeat, in seconds or as a
            ``timedelta``.
        max_receives: how many deliveries a message has.
        source: ``STANDARD``, or ``DLQ`` for the dead letters.
        batch_size: hand over so many messages at once.
        grace: how long handlers have to finish once the worker is told to stop.
        cooperate: whether consumers agree on who claims what.
        log_level: what the processes log to standard error, and everything above it.

    Returns:
        An :class:`~dynamomq.worker.statuses.ExitStatus`.

    Raises:
        InvalidArgumentError: a setting can't be right; nothing was started. What only a process
            can find out, such as a handler that does not exist, is logged, and the status is 2.
    """
    settings = Settings(
        handler=handler,
        processes=processes,
        concurrency=concurrency,
        queue=queue,
        table=table,
        index=index,
        file=file,
        endpoint_url=endpoint_url,
        region=region,
        profile=profile,
        payload=payload,
        visibility_timeout=visibility_timeout,
        max_receives=max_receives,
        source=source,
        batch_size=batch_size,
        grace=grace,
        cooperate=cooperate,
        log_level=log_level,
    )
    return Worker(settings).run()


@frozen
class _Ended:
    number: int
    status: int


@frozen
class _Signalled:
    name: str


@frozen
class _ChildSignal:
    """Some child has ended, perhaps one that we did not start."""


_Event: TypeAlias = _Ended | _Signalled | _ChildSignal


@define(eq=False)
class Worker:
    """A supervisor, its children, and the loop between them.

    Attributes:
        settings: what the children do.
        command: the command line of a child.
        is_init: whether this is process 1, which all orphans become children of.
    """

    settings: Settings
    command: Sequence[str] = _COMMAND
    is_init: bool = field(factory=lambda: os.getpid() == _FIRST_PROCESS)
    _events: SimpleQueue[_Event] = field(init=False, factory=SimpleQueue)
    _supervisor: Supervisor = field(init=False)
    _processes: Processes = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make what the loop is between; nothing is started yet."""
        self._supervisor = Supervisor(
            self.settings.processes, self.settings.grace, chance=random.random
        )
        self._processes = Processes(
            self.command,
            assignment=self._assignment,
            ended=lambda number, status: self._events.put(_Ended(number, status)),
        )

    def run(self) -> ExitStatus:
        """Run until all children have ended because they were told to."""
        with _handlers(self._signal_handlers()):
            try:
                self._do(self._supervisor.begin(monotonic()))
                while (status := self._supervisor.exit_status) is None:
                    self._do(self._next())
            finally:
                self._processes.hang_up()
        return status

    def _next(self) -> Sequence[Action]:
        """Wait for something to happen, or for the time to do something."""
        wake_at = self._supervisor.wake_at
        timeout = None if wake_at is None else max(0.0, wake_at - monotonic())
        try:
            event = self._events.get(timeout=timeout)
        except Empty:
            return self._supervisor.tick(monotonic())
        if isinstance(event, _Signalled):
            return self._supervisor.signalled(event.name, monotonic())
        actions: Sequence[Action] = ()
        if isinstance(event, _Ended):
            self._processes.forget(event.number)
            actions = self._supervisor.exited(event.number, event.status, monotonic())
        if self.is_init:
            reap_orphans(self._processes.pids)
        return actions

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Start):
                self._start(action.number)
            elif isinstance(action, Tell):
                self._processes.tell(action.number, action.word)
            elif isinstance(action, Kill):
                self._processes.kill(action.number)

    def _start(self, number: int) -> None:
        try:
            pid = self._processes.start(number)
        except OSError as error:
            self._supervisor.not_started(number, error, monotonic())
        else:
            self._supervisor.started(number, pid)

    def _assignment(self, number: int) -> str:
        assignment = {"number": number, "path": sys.path, "settings": self.settings.to_json()}
        return json.dumps(assignment)

    def _signal_handlers(self) -> Mapping[signal.Signals, Callable[[int, Any], object]]:
        # SimpleQueue.put may be called in the midst of a get of the same thread: as signals do.
        handlers: dict[signal.Signals, Callable[[int, Any], object]] = {
            one: lambda number, _: self._events.put(_Signalled(signal.Signals(number).name))
            for one in _SIGNALS
        }
        if self.is_init:
            handlers[signal.SIGCHLD] = lambda _number, _frame: self._events.put(_ChildSignal())
        return handlers


@contextmanager
def _handlers(
    handlers: Mapping[signal.Signals, Callable[[int, Any], object]],
) -> Iterator[None]:
    """Have signals handled, and as before in the end. Process 1 ignores those it does not."""
    before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)

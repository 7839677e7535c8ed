"""An engine with faults: between queue and storage goes wrong what a test asks for."""

from __future__ import annotations

import sys
from threading import Lock
from types import TracebackType
from typing import Any, Self

from attrs import define

from dynamomq.drivers.base import Driver, Engine
from dynamomq.errors import InvalidArgumentError
from dynamomq.requests import Query, Request
from dynamomq.table import TableDefinition
from dynamomq.testing.fault import Crash, DeadProcess
from dynamomq.testing.faults import Faults
from dynamomq.testing.names import described
from dynamomq.testing.strikes import Call


class FaultyEngine:
    """An engine in front of another one, usually a ``LocalEngine``, on which faults can be armed.

    Two of them in front of one engine are two processes that share a storage: each has its own
    faults, and its own view of the index. A crash ends the process: a queue that was opened before
    it sends nothing any more, and one that is opened after it is the next process's. As a context
    manager it closes both engines at the end, and raises an :class:`UnusedFaultError` if a fault
    was armed that has not happened.

    Attributes:
        engine: the engine behind it, on which nothing goes wrong.
        faults: what goes wrong.

    Example:
        >>> from dynamomq import LocalEngine, Queue
        >>> engine = FaultyEngine(LocalEngine())
        >>> queue = Queue("orders", engine=engine)
        >>> queue.create_table()
        >>> with engine.faults.lose_reply("send"):
        ...     sent = queue.send({"order": 17})
        >>> [message.id for message in queue.list()] == [sent.id]
        True
    """

    def __init__(self, engine: Engine) -> None:
        """Put faults in front of an engine.

        Args:
            engine: where requests are carried out.

        Raises:
            InvalidArgumentError: it is not an engine.
        """
        if isinstance(engine, type) or not isinstance(engine, Engine):
            raise InvalidArgumentError(
                "engine",
                engine,
                "it is not an engine",
                remedy="Pass LocalEngine(surroundings=Clock().surroundings()).",
            )
        self.engine = engine
        self.faults = Faults()
        self._process = _Process()
        self._lock = Lock()

    def open(self, table: TableDefinition) -> Driver:
        """Return a driver for one table of the engine; nothing is sent yet.

        Raises:
            Crash: a crash is being handled, in an ``except`` or ``finally`` around this call.
        """
        if _is_unwinding():
            raise DeadProcess(
                f"The process has died, so it can't open table {table.name!r} any more. (A test "
                "goes on after the block that catches the crash, not inside.)"
            )
        with self._lock:
            if self._process.is_dead:
                self._process = _Process()
            process = self._process
        driver = self.engine.open(table)
        self.faults.index.attach(driver)
        return _FaultyDriver(driver, self.faults, process)

    def close(self) -> None:
        """Close the engine behind it; closing twice does no harm.

        A process that has just died closes nothing: while its crash unwinds, nothing is done.
        """
        if not (self._process.is_dead and _is_unwinding()):
            self._close()

    def _close(self) -> None:
        self.faults.thaw_index()
        self.engine.close()

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the engine.

        Raises:
            UnusedFaultError: a fault was armed and did not happen, and the block raised nothing.
        """
        self._close()
        if error is None:
            self.faults.check()

    def __repr__(self) -> str:
        """Show the engine behind it."""
        return f"{type(self).__name__}({self.engine!r})"


@define(eq=False)
class _Process:
    """What a crash ends, for good: all drivers that were opened before it."""

    is_dead: bool = False


class _FaultyDriver(Driver):
    """A driver in front of another one; time and chance are the other one's."""

    def __init__(self, driver: Driver, faults: Faults, process: _Process) -> None:
        super().__init__(driver.table, driver.surroundings)
        self._driver = driver
        self._faults = faults
        self._life = process

    def store(self, request: Request[Any]) -> Any:
        """Carry out a request, unless something goes wrong with it.

        What other threads have sent when the process dies is carried out, as it would be.

        Raises:
            Crash: the process dies, or has died before.
        """
        name = f"{described(request)} on table {self.table.name!r}"
        if self._life.is_dead:
            raise DeadProcess(
                f"The process has died, so it can't send its {name} any more. (A test goes on with "
                "a queue that it opens after the crash.)"
            )
        call = Call(name, request, self._carry_out)
        strike = self._faults.strike_for(request)
        if strike is None:
            return call.carry_out()
        try:
            return strike(call)
        except Crash:
            self._life.is_dead = True
            raise

    def _carry_out(self, request: Request[Any]) -> Any:
        if isinstance(request, Query):
            return self._faults.index.query(self._driver, request)
        return self._driver.store(request)


def _is_unwinding() -> bool:
    """Tell whether a crash is being handled, in an ``except`` or ``finally`` around this call."""
    error = sys.exception()
    while error is not None and not isinstance(error, Crash):
        error = error.__context__
    return error is not None

"""An engine that writes down what operations ask for, and what they are told.

It sits beneath the queue, so that it sees all that a consumer does, whichever way the consumer runs
its operations. To an operation, what is recorded is what it asks the storage to write, and how it
ends: its result, or its error.

Beside the events that the history's log describes there are

``claim begun``
    id, receipt (the digest of the one that a claim asks for), by (``receive``; or ``advance``, with
    the deletion of its predecessor), told with the moment at which the operation began. Claims that
    nobody was told of may have taken place all the same.
``exhaust begun``, ``exhaust done``, ``exhaust refused``
    id: a message whose deliveries are used up is dead-lettered by whoever finds it.
``transaction cancelled``
    trigger: a change of a group's list, which will be planned anew if it still makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field

from dynamomq import DynamoMQError, Message, StaleReceiptError
from dynamomq.drivers.base import Driver, Engine
from dynamomq.operations import BatchResult
from dynamomq.requests import (
    Cancelled,
    Committed,
    Operation,
    Request,
    Transact,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.table import TableDefinition
from dynamomq.timestamps import parse_instant
from model_tests.history.log import Detail, Log, Moment, digest
from model_tests.history.recorded import deadline_of, note_delivery
from model_tests.history.records import HOLDERS_CALLS

R = TypeVar("R")


class RecordingEngine:
    """Another engine, with a log of what is done with it."""

    def __init__(self, engine: Engine, log: Log, *, timeout: float) -> None:
        """Record what is done with an engine.

        Args:
            engine: the one to record.
            log: where to.
            timeout: the visibility timeout that all receive with; seconds.
        """
        self._engine = engine
        self._log = log
        self._timeout = timeout

    def open(self, table: TableDefinition) -> Driver:
        """A driver for a table, with a log of what is done with it."""
        return _RecordingDriver(self._engine.open(table), self._log, self._timeout)

    def close(self) -> None:
        """Release connections."""
        self._engine.close()


class _RecordingDriver(Driver):
    def __init__(self, driver: Driver, log: Log, timeout: float) -> None:
        super().__init__(driver.table, driver.surroundings)
        self._driver = driver
        self._log = log
        self._timeout = timeout

    def run(self, operation: Operation[R]) -> R:
        return self._driver.run(recorded(operation, self._log, timeout=self._timeout))

    def execute(self, request: Request[R]) -> R:
        return self._driver.execute(request)

    def store(self, request: Request[Any]) -> Any:
        return self._driver.store(request)


def recorded(operation: Operation[R], log: Log, *, timeout: float) -> Operation[R]:
    """The same operation, with a log of what it asks for and of how it ends."""
    notes = _Notes(log, timeout)
    try:
        request = next(operation)
        while True:
            notes.asked(request)
            try:
                reply = yield request
            except DynamoMQError as error:
                request = operation.throw(error)
            else:
                notes.answered(request, reply)
                request = operation.send(reply)
    except StopIteration as stop:
        notes.returned(stop.value)
        result: R = stop.value
        return result
    except DynamoMQError as error:
        notes.raised(error)
        raise


@define
class _Notes:
    """What one operation leaves in the log.

    Attributes:
        log: where to write.
        timeout: the visibility timeout that was asked for; seconds.
        begun: when the operation began; it has asked for nothing before.
        calls: the holder's calls that it makes: name and number, by the message's id.
        claimed: the digests of the receipts that it has asked for.
    """

    log: Log
    timeout: float
    begun: Moment = field()
    calls: dict[str, tuple[str, int]] = field(factory=dict)
    claimed: set[str] = field(factory=set)

    @begun.default
    def _now(self) -> Moment:
        return self.log.now()

    # --- what is asked for -------------------------------------------------------------------

    def asked(self, request: Request[Any]) -> None:
        """Note what the storage is about to be asked for."""
        for write in _writes(request):
            trigger = write.rule.trigger
            if trigger in _CLAIMS:
                receipt = digest(str(write.arguments["token"]))
                self.claimed.add(receipt)
                noted: dict[str, Detail] = {"receipt": receipt, "by": trigger}
                self.log.write_at(self.begun, "claim begun", id=write.id, **noted)
            elif trigger == "exhaust":
                self.log.write("exhaust begun", id=write.id)
            elif trigger in HOLDERS_CALLS and write.id not in self.calls:
                self._call(write)

    def _call(self, write: Write) -> None:
        name, call = self.calls[write.id] = write.rule.trigger, self.log.new_call()
        details: dict[str, Detail] = {"receipt": digest(str(write.arguments["receipt"]))}
        if name in _DURATIONS:
            details[_DURATIONS[name]] = _lasts(write.arguments)
        self.log.write_at(self.begun, f"{name} begun", call=call, id=write.id, **details)

    # --- what is told ------------------------------------------------------------------------

    def answered(self, request: Request[Any], reply: Any) -> None:
        """Note an answer that is an outcome by itself."""
        if not isinstance(request, Write | Transact):
            return
        first = _writes(request)[0]
        trigger = first.rule.trigger
        if trigger == "exhaust":
            told = "done" if isinstance(reply, Written | Committed) else "refused"
            self.log.write(f"exhaust {told}", id=first.id)
        if isinstance(reply, Cancelled):
            self.log.write("transaction cancelled", trigger=trigger)

    def returned(self, result: object) -> None:
        """Note the result: holder's calls have outcomes, or messages were received."""
        results = result if isinstance(result, list) else [result]
        for one in results:
            if isinstance(one, BatchResult):
                self._told(one.message.id, one.error, one.message)
            elif isinstance(one, Message) and digest(one.receipt or "") in self.claimed:
                note_delivery(self.log, one, timeout=self.timeout)
        if not isinstance(result, list):
            for id in self.calls:
                self._told(id, None, result)

    def raised(self, error: DynamoMQError) -> None:
        """Note the error: holder's calls came too late, or their outcomes are unknown."""
        for id in self.calls:
            self._told(id, error, None)

    def _told(self, id: str, error: DynamoMQError | None, result: object) -> None:
        if id not in self.calls:  # refused before anything was asked for
            return
        name, call = self.calls[id]
        details: dict[str, Detail] = {}
        if error is not None:
            details["error"] = type(error).__name__
        elif name == "extend" and isinstance(result, Message):
            details["deadline"] = deadline_of(result)
        told = "done"
        if error is not None:
            told = "stale" if isinstance(error, StaleReceiptError) else "unknown"
        self.log.write(f"{name} {told}", call=call, **details)


_CLAIMS = ("receive", "advance")
_DURATIONS = {"extend": "timeout", "retry": "delay"}


def _writes(request: Request[Any]) -> Sequence[Write]:
    if isinstance(request, WriteBatch):
        return request.writes
    if isinstance(request, Transact):
        return [action for action in request.actions if isinstance(action, Write)]
    return (request,) if isinstance(request, Write) else ()


def _lasts(arguments: Mapping[str, Any]) -> int:
    """How long, from the time of the write, a message is to be left alone; nanoseconds."""
    return parse_instant(str(arguments["due"])) - parse_instant(str(arguments["now"]))

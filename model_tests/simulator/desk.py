"""What a consumer is given in the simulator: a queue whose operations are calls of the world.

The queue has time, and no storage: what it is asked for is carried out step by step, like
everybody's calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from attrs import frozen

from dynamomq.consumer import Delivery
from dynamomq.drivers.base import Driver, Surroundings
from dynamomq.errors import DynamoMQError
from dynamomq.message import Message
from dynamomq.operations import BatchResult, Claimer, Load, Settings
from dynamomq.queue import Queue
from dynamomq.requests import Get, Request
from dynamomq.reserved import AGREEMENT_ID
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND
from model_tests.simulator.calls import Claiming, Plan
from model_tests.simulator.foreman import Foreman
from model_tests.simulator.strands import ask


class _Nowhere(Driver):
    """A driver that has time, and no storage: calls are the simulator's business."""

    def store(self, request: Request[Any]) -> Any:
        """Know of no agreement; fail where something else is asked for."""
        if request == Get(AGREEMENT_ID):
            return None
        raise AssertionError(request)


@frozen
class _Engine:
    surroundings: Surroundings

    def open(self, table: TableDefinition) -> Driver:
        """Open nothing."""
        return _Nowhere(table, self.surroundings)

    def close(self) -> None:
        """Close nothing."""


class Desk(Queue[Any]):
    """A queue whose operations are calls of the simulator; batches are made one by one."""

    def __init__(self, settings: Settings, surroundings: Surroundings, foreman: Foreman) -> None:
        super().__init__(
            settings.table,
            engine=_Engine(surroundings),
            visibility_timeout=settings.visibility_timeout / SECOND,
            max_receives=settings.max_receives,
        )
        self._foreman = foreman
        self._given = settings

    @property
    def settings(self) -> Settings:
        """What the world's clients have agreed on."""
        return self._given

    def run(self, operation: Any) -> Any:
        """Have a plan carried out; run what is none, and asks for the time at most."""
        return ask(operation) if isinstance(operation, Plan) else super().run(operation)

    def extend(self, message: Message[Any], timeout: Any) -> Message[Any]:
        """Call extend."""
        longer = round(timeout * SECOND)
        extended: Message[Any] = ask(Plan("extend", None, message, (("timeout", longer),)))
        return extended

    def retry(self, message: Message[Any], *, delay: Any = 0, error: Any = None) -> None:
        """Call retry."""
        self._settle("retry", message, delay=round(delay * SECOND), error=str(error))

    def release(self, message: Message[Any]) -> None:
        """Call release: of what was not started, so it acknowledges nothing, lost or not."""
        self._foreman.wanted(str(message.receipt), lost=False)
        ask(Plan("release", message=message))

    def delete(
        self,
        message: Message[Any],
        *,
        receive_next: bool = False,
        visibility_timeout: Any = None,
    ) -> Any:
        """Call delete; consumers do not ask for the next message."""
        self._settle("delete", message)

    def move_to_dlq(self, message: Message[Any], *, error: Any = None) -> None:
        """Call move_to_dlq."""
        self._settle("move_to_dlq", message, error=str(error))

    def delete_batch(self, messages: Iterable[Message[Any]]) -> list[BatchResult[Any]]:
        """Call delete, for each."""
        return [_result(self.delete, one) for one in messages]

    def release_batch(self, messages: Iterable[Message[Any]]) -> list[BatchResult[Any]]:
        """Call release, for each."""
        return [_result(self.release, one) for one in messages]

    def extend_batch(
        self, messages: Iterable[Message[Any]], timeout: Any
    ) -> list[BatchResult[Any]]:
        """Call extend, for each."""
        return [_result(partial(self.extend, timeout=timeout), one) for one in messages]

    def _settle(self, operation: str, message: Message[Any], **options: Any) -> None:
        lost = isinstance(message, Delivery) and message.lease.lost.is_set()
        self._foreman.wanted(str(message.receipt), lost=lost)
        ask(Plan(operation, message=message, options=tuple(options.items())))


def _result(call: Callable[[Message[Any]], object], message: Message[Any]) -> BatchResult[Any]:
    try:
        call(message)
    except DynamoMQError as error:
        return BatchResult(message, error)
    return BatchResult(message)


@frozen
class Together:
    """Claiming together with others, as plans."""

    claimer: Claimer

    def claim(self, wanted: int, load: Load) -> Any:
        """Plan to claim."""
        options = (("max_messages", wanted),)
        return Plan("claim", options=options, claiming=Claiming(self.claimer, load))

    def attend(self, load: Load) -> Any:
        """Plan to attend."""
        return Plan("attend", claiming=Claiming(self.claimer, load))

    def leave(self) -> Any:
        """Plan to leave."""
        return Plan("leave", claiming=Claiming(self.claimer))

    def looks_again(self, now: int) -> int:
        """Return when there may be something more."""
        return self.claimer.looks_again(now)

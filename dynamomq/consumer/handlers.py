"""What a handler may be, and what it may return."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dynamomq.consumer.crew import Failures
from dynamomq.errors import InvalidArgumentError
from dynamomq.message import Message

__all__ = ["check_handler", "check_result", "checked_failures"]

_SUSPENDED = (
    inspect.iscoroutinefunction,
    inspect.isasyncgenfunction,
    inspect.isgeneratorfunction,
)


def check_handler(handler: object) -> None:
    """Refuse what can't be called, and what does not run when it is.

    Raises:
        InvalidArgumentError: no function, or an asynchronous one, or a generator function.
    """
    if not callable(handler):
        raise InvalidArgumentError(
            "handler", handler, "it can't be called", remedy="Pass a function of a message."
        )
    function: Any = handler
    while isinstance(function, partial):
        function = function.func
    if any(test(function) or test(type(function).__call__) for test in _SUSPENDED):
        raise InvalidArgumentError(
            "handler",
            handler,
            "it is asynchronous, or a generator: calling it runs nothing",
            remedy="Pass a plain function, which may call asyncio.run() itself.",
        )


def check_result(result: object) -> None:
    """Refuse what shows that the handler has not run: its message must not be acknowledged.

    Raises:
        TypeError: a coroutine or another awaitable, or a generator.
    """
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if inspect.iscoroutine(result):
            result.close()  # or Python would warn of it elsewhere
        raise TypeError(
            f"The handler returned {type(result).__name__}, which nobody runs. Pass a plain "
            "function, which may call asyncio.run() itself."
        )


def checked_failures(found: object, deliveries: Sequence[Message[Any]]) -> Failures:
    """Return a batch handler's failures; what is no answer to what it was asked fails the batch.

    A failure under an id that is not in the batch may be a mistyped one of a message that is: it
    must not be acknowledged.

    Raises:
        TypeError: neither nothing nor exceptions by ids of the batch.
    """
    check_result(found)
    if found is None:
        return {}
    ids = {delivery.id for delivery in deliveries}
    if (
        not isinstance(found, Mapping)
        or not found.keys() <= ids
        or not all(isinstance(error, BaseException) for error in found.values())
    ):
        raise TypeError(
            "A batch handler returns None, or exceptions by the ids of messages of its batch; "
            f"this one returned {type(found).__name__}."
        )
    return found

"""What a handler may be, and what it may return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from dynamomq.consumer.worker_pool import Failures
from dynamomq.errors import InvalidArgumentError, counted, shorten
from dynamomq.message import Message

_SUSPENDED = (
    inspect.iscoroutinefunction,
    inspect.isasyncgenfunction,
    inspect.isgeneratorfunction,
)


def check_handler(handler: object) -> None:
    """Refuse what can't be called, and what does not run when it is.

    Raises:
        InvalidArgumentError: no function, or an asynchronous one, or a generator function, or it
            takes another number of arguments than one.
    """
    if not callable(handler):
        raise InvalidArgumentError(
            "handler", handler, "it can't be called", remedy="Pass a function of a message."
        )
    if isinstance(handler, type):
        raise InvalidArgumentError(
            "handler",
            handler,
            "it is a class: calling it only makes an object",
            remedy="Pass a function, or an object that can be called.",
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
    _check_arity(handler)


def _check_arity(handler: Callable[..., object]) -> None:
    """Refuse what can't be called with one argument, as far as that can be seen."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return  # a function in C may not say what it takes
    try:
        signature.bind(object())
    except TypeError as error:
        raise InvalidArgumentError(
            "handler",
            handler,
            f"it can't be called with one argument, as {signature} says: {error}",
            remedy="Pass a function of a message, or of a sequence of them for a BatchConsumer; "
            "functools.partial() may fill in the rest.",
        ) from None


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


def checked_failures(found: Any, deliveries: Sequence[Message[Any]]) -> Failures:
    """Return a batch handler's failures; what is no answer to what it was asked fails the batch.

    A failure under an id that is not in the batch may be a mistyped one of a message that is: it
    must not be acknowledged.

    Raises:
        TypeError: neither nothing nor exceptions by ids.
        ValueError: an id is none of the batch.
    """
    check_result(found)
    if found is None:
        return {}
    _check_failures(found)
    ids = {delivery.id for delivery in deliveries}
    unknown = [id for id in found if id not in ids]
    if unknown:
        raise ValueError(
            f"The batch handler named {shorten(unknown[0])}, which is not in its batch of "
            f"{counted(len(ids), 'message')}; so all of them have failed. Name failures by "
            "message.id."
        )
    return dict(found)


def _check_failures(found: Any) -> None:
    wanted = "A batch handler returns None, or exceptions by the ids of messages of its batch; "
    if not isinstance(found, Mapping):
        raise TypeError(f"{wanted}this one returned {type(found).__name__}.")
    for id, error in found.items():
        if not isinstance(error, BaseException):
            what = (
                f"the class {error.__name__}" if isinstance(error, type) else type(error).__name__
            )
            raise TypeError(f"{wanted}this one gave {what} for {shorten(id)}.")

"""What each kind of fault does to a request: the reply that the operation gets instead, or none.

They are what the DynamoDB driver shows an operation in the same misfortune: how often boto3 sent
the request is hidden from it, except that a refusal says ``repeated``, and an error ``in_doubt``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

from attrs import evolve, frozen

from dynamomq.errors import (
    ConflictError,
    DynamoMQError,
    InternalError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.requests import (
    BatchReply,
    Cancelled,
    Failed,
    Refused,
    Request,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.testing.fault import Crash
from dynamomq.testing.names import places_of


@frozen
class Call:
    """A request that is about to be carried out.

    Attributes:
        name: what it is, for error messages, such as ``delete on table 'orders'``.
        request: the request itself.
        send: carries out a request and returns the reply.
    """

    name: str
    request: Request[Any]
    send: Callable[[Request[Any]], Any]

    def carry_out(self) -> Any:
        """Carry it out and return the reply."""
        return self.send(self.request)

    def carry_out_unheard(self) -> None:
        """Carry it out; nobody gets to know the reply, be it an error."""
        with suppress(DynamoMQError):
            self.carry_out()


Strike: TypeAlias = Callable[[Call], Any]
"""Takes the place of carrying the request out."""


def die_before(call: Call) -> NoReturn:
    """Crash; the request is never sent."""
    raise Crash(f"The process died right before its {call.name} (injected).")


def die_after(call: Call) -> NoReturn:
    """Crash when the request has been carried out."""
    call.carry_out_unheard()
    raise Crash(f"The process died right after its {call.name} (injected).")


def lose_reply(call: Call) -> Any:
    """Carry out the request, and once more, as the SDK does when the first reply does not come."""
    call.carry_out_unheard()
    return _repeated(call.carry_out())


def _repeated(reply: Any) -> Any:
    if isinstance(reply, tuple):  # a batch's
        return tuple(_repeated(one) for one in reply)
    if isinstance(reply, Cancelled):
        reasons = tuple(_repeated(reason) for reason in reply.reasons)
        return Cancelled(reasons, repeated=True)
    return evolve(reply, repeated=True) if isinstance(reply, Refused) else reply


def time_out_before(call: Call) -> NoReturn:
    """Fail as if no reply came; the request was not carried out."""
    raise _doubtful(
        UnavailableError(f"No reply came to {call.name} (injected).", remedy="Call again."), call
    )


def time_out_after(call: Call) -> NoReturn:
    """Fail as if no reply came; the request was carried out."""
    call.carry_out_unheard()
    time_out_before(call)


def fail_before(call: Call) -> NoReturn:
    """Fail within the storage; the request was not carried out."""
    raise _doubtful(
        InternalError(f"The storage failed at {call.name} (injected).", remedy="Call again."), call
    )


def _doubtful(error: DynamoMQError, call: Call) -> DynamoMQError:
    error.in_doubt = isinstance(call.request, Write | WriteBatch | Transact)
    return error


def fail_after(call: Call) -> NoReturn:
    """Fail within the storage; the request was carried out."""
    call.carry_out_unheard()
    fail_before(call)


def throttle(call: Call) -> NoReturn:
    """Refuse the request because of its rate."""
    raise _throttled(call)


@frozen
class ThrottleSome:
    """Refuse the writes to some messages because of their rate, and carry out a batch's others.

    Attributes:
        name: the name that addresses the writes.
        ids: the messages.
    """

    name: str
    ids: frozenset[str]

    def concerns(self, request: Request[Any]) -> bool:
        """Tell whether there is such a write in a request."""
        return bool(places_of(request, self.name, self.ids))

    def __call__(self, call: Call) -> tuple[BatchReply, ...]:
        """Strike."""
        if not isinstance(call.request, WriteBatch):
            throttle(call)
        struck = places_of(call.request, self.name, self.ids)
        others = [one for place, one in enumerate(call.request.writes) if place not in struck]
        replies = _without_items(call.send(WriteBatch(tuple(others))) if others else ())
        return tuple(
            Failed(_throttled(call)) if place in struck else next(replies)
            for place in range(len(call.request.writes))
        )


def _throttled(call: Call) -> ThrottledError:
    return ThrottledError(
        f"The storage throttled {call.name} (injected).", remedy="Call again later."
    )


def _without_items(replies: tuple[BatchReply, ...]) -> Iterator[BatchReply]:
    """Hide what refused a write, as in a batch; one that is left alone would show it."""
    for reply in replies:
        yield evolve(reply, item=None, shown=False) if isinstance(reply, Refused) else reply


def conflict(call: Call) -> NoReturn:
    """Refuse the request because of another transaction."""
    raise ConflictError(
        f"Another transaction was in the way of {call.name} (injected).", remedy="Call again."
    )

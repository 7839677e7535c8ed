"""What each kind of fault does to a request: the reply that the operation gets instead, or none.

They are what the DynamoDB driver shows an operation in the same misfortune: how often boto3 sent
the request is hidden from it, except that a refusal says ``repeated``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

from attrs import evolve, frozen

from dynamomq.errors import ConflictError, DynamoMQError, ThrottledError, UnavailableError
from dynamomq.requests import Refused
from dynamomq.testing.fault import Crash

__all__ = [
    "Call",
    "Strike",
    "conflict",
    "die_after",
    "die_before",
    "lose_reply",
    "throttle",
    "time_out_after",
    "time_out_before",
]


@frozen
class Call:
    """A request that is about to be carried out.

    Attributes:
        name: what it is, for error messages, such as ``delete on table 'orders'``.
        carry_out: carries it out and returns the reply.
    """

    name: str
    carry_out: Callable[[], Any]

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
    return evolve(reply, repeated=True) if isinstance(reply, Refused) else reply


def time_out_before(call: Call) -> NoReturn:
    """Fail as if no reply came; the request was not carried out."""
    raise UnavailableError(
        f"No reply came to {call.name} (injected). Whether it was carried out is not known.",
        remedy="Calling again is safe.",
    )


def time_out_after(call: Call) -> NoReturn:
    """Fail as if no reply came; the request was carried out."""
    call.carry_out_unheard()
    time_out_before(call)


def throttle(call: Call) -> NoReturn:
    """Refuse the request because of its rate."""
    raise ThrottledError(
        f"The storage throttled {call.name} (injected).", remedy="Call again later."
    )


def conflict(call: Call) -> NoReturn:
    """Refuse the request because of another transaction."""
    raise ConflictError(
        f"Another transaction was in the way of {call.name} (injected).", remedy="Call again."
    )

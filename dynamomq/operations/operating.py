"""What an operator does to a message that nobody holds: bury, redrive (spec: OPERATOR-1 to 3).

The message is read first, and the write is bound to the token that was seen: whatever happens in
between makes it refuse, and it is planned anew. So a late repetition can undo nothing that came
later, nor hit a new message with the same id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynamomq.errors import ConflictError, MessageNotFoundError, OutcomeUnknownError
from dynamomq.machine import MESSAGE, NO_MESSAGE
from dynamomq.message import MAX_FAILURES, Message
from dynamomq.operations.writing import (
    Settings,
    at,
    illegal,
    message_of,
    onlooker_view,
    persistently,
    was_overtaken,
    write,
)
from dynamomq.requests import Get, Operation, Tick, Write, Written, ask
from dynamomq.rules import Rule
from dynamomq.timestamps import SECOND
from dynamomq.values import Value

__all__ = ["bury", "edit", "missing", "redrive"]

_BURY = MESSAGE.rule("bury")
_REDRIVE = MESSAGE.rule("redrive")
_MOST_AHEAD = 3600 * SECOND
"""How far ahead of an operator's clock a message's time may be and still be followed.

Beyond, somebody's clock is wrong, and following it would hide the message from all others.
"""

_PLANS = 5
"""How often an edit is planned anew before it is left to the caller."""

_Extra = Callable[[Message[Any], int], dict[str, Value]]


def bury(settings: Settings, id: str, *, reason: str | None = None) -> Operation[Message[Any]]:
    """Put a message that nobody holds into the dead-letter queue, and return it.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: somebody holds it, or it is in the dead-letter queue already.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """

    def extra(seen: Message[Any], now: int) -> dict[str, Value]:
        return {} if reason is None else {"errors": seen.failures_with(reason, now)}

    return (yield from edit(settings, _BURY, id, extra))


def redrive(settings: Settings, id: str) -> Operation[Message[Any]]:
    """Bring a message back from the dead-letter queue, due at once, and return it.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: it is not in the dead-letter queue, or somebody holds it there.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """

    def extra(seen: Message[Any], _now: int) -> dict[str, Value]:
        # An exhausted message has one failure more each time; here the list is cut again.
        latest = seen.latest_failures(MAX_FAILURES - 1)
        return {"errors": latest} if latest else {}

    return (yield from edit(settings, _REDRIVE, id, extra))


def missing(id: str) -> MessageNotFoundError:
    """Return the error for an id that no message has."""
    return MessageNotFoundError(
        f"There is no message {id!r} (any more).",
        id=id,
        remedy="It may have been deleted, or the id may be of another queue.",
    )


def edit(
    settings: Settings, rule: Rule, id: str, extra: _Extra = lambda _seen, _now: {}
) -> Operation[Message[Any]]:
    """Carry out an operator's trigger on the message as it is read now, and return it edited.

    Args:
        settings: the queue's.
        rule: the trigger's.
        id: the message's.
        extra: returns the arguments of this trigger beyond the common ones, for the message as it
            was seen and the time of the write.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: the trigger is not legal in its state.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    for _ in range(_PLANS):
        moment = yield from ask(Tick(tokens=1))
        item = yield from persistently(Get(id))
        seen = message_of(settings, item, moment.now)
        if item is None or seen.state in NO_MESSAGE:
            raise missing(id)
        now = seen.not_before(moment.now, most_ahead=_MOST_AHEAD)
        request = Write(id, rule, _arguments(settings, seen, moment.tokens[0], now, extra))
        if not request.specialised.applies_to(item, request.arguments):
            raise illegal(rule.trigger, seen, seen.state)
        reply = yield from write(request)
        if isinstance(reply, Written):
            return _edited(settings, request, item, now)
        found = message_of(settings, reply.item, now)
        if found.token == moment.tokens[0]:  # the echo of our own success
            return _edited(settings, request, item, now)
        if reply.repeated and not was_overtaken(seen, found):
            raise _unknown(rule.trigger, id, found.state)
    raise ConflictError(
        f"Message {id!r} was changed by others {_PLANS} times in a row while {rule.trigger} was "
        "being carried out; nothing was changed by it.",
        remedy="Try again.",
    )


def _arguments(
    settings: Settings, seen: Message[Any], token: str, now: int, extra: _Extra
) -> dict[str, Value]:
    known: dict[str, Value] = {"seen_version": seen.version}
    if seen.token is not None:
        known["seen_token"] = seen.token
    return {**at(settings, now), "token": token, **known, **extra(seen, now)}


def _edited(settings: Settings, request: Write, item: dict[str, Value], now: int) -> Message[Any]:
    after = request.specialised.apply(item, request.arguments)
    return onlooker_view(message_of(settings, after, now))


def _unknown(trigger: str, id: str, state: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The reply to {trigger} of message {id!r} was lost, and the message has been changed "
        f"since (it is {state}): whether {trigger} took effect in between can't be told.",
        id=id,
        trigger=trigger,
        remedy="Look at the message with get() before you decide what to do.",
    )

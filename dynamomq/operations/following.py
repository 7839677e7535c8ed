"""Delete a group's head and receive the message behind it, in one transaction (spec: GROUP-7).

For whoever works through one group this saves a look at the index and a claim for each message. The
next one is read first; the claim is bound to what was read, so that it is known what was claimed.
"""

from __future__ import annotations

from typing import Any, TypeVar

from attrs import evolve

from dynamomq.attributes import NEXT_ID, VERSION
from dynamomq.errors import ClockError, PayloadError
from dynamomq.machine import MESSAGE
from dynamomq.message import Message
from dynamomq.operations.claims import UNLIMITED
from dynamomq.operations.commit import Anew, commit, together
from dynamomq.operations.groups import busy_group_of, in_place_of, leaving
from dynamomq.operations.holding import (
    DELETE,
    check_effect,
    check_held,
    delete,
    entombed,
    leaves_list,
    planned_by,
    to_plan_from,
    told_of,
    write_of,
)
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    at,
    in_time,
    message_of,
    persistently,
)
from dynamomq.requests import Get, Operation, Tick, Write, Written, ask
from dynamomq.timestamps import format_instant
from dynamomq.values import Item, Value

T = TypeVar("T")

_ADVANCE = MESSAGE.rule("advance")


def delete_and_receive(
    settings: Settings, message: Message[T], *, visibility_timeout: int | None = None
) -> Operation[Message[T] | None]:
    """Acknowledge a message, and receive the next one of its group in the same transaction.

    Args:
        settings: the queue's.
        message: as it was received.
        visibility_timeout: how long the next delivery lasts, in nanoseconds; ``None``: the queue's.

    Returns:
        The next message; ``None`` where there is none, or it can't be received now: it is not due,
        has used up its deliveries, can't be decoded, or the time is not known well enough. Then it
        is in the queue, for whoever receives next.

    Raises:
        StaleReceiptError: the delivery is over, and the message is still there for others.
        ConflictError: others kept changing its group.
    """
    check_held(settings, message)
    if not leaves_list(DELETE, message):
        yield from delete(settings, message)
        return None
    timeout = visibility_timeout or settings.visibility_timeout
    return (yield from told_of(DELETE, message, _hand_over(settings, message, timeout)))


def _hand_over(
    settings: Settings, message: Message[T], timeout: int
) -> Operation[Message[T] | None]:
    """Delete the head of a group, and receive the next one, if there is one that can be."""
    moment = yield from ask(Tick(tokens=1))
    token = moment.tokens[0]  # one for all plans, so that any of them can be told by it

    def attempt(item: Item, doubt: Doubt) -> Operation[Message[Any] | Anew[Item] | None]:
        claim = yield from doubt.told(_claim_of_next(settings, item, token, timeout))
        moment = yield from ask(Tick(tokens=1))
        now = message.not_before(moment.now)
        request = write_of(settings, DELETE, message, entombed(settings), now, moment.tokens[0])
        request = in_time(planned_by(request, item), moment)
        upkeep = leaving(settings, now, item) if claim is None else [claim[0]]
        # The claim is refused by any change of the next one: that is no damage.
        only_it = item if claim is None else None
        reply = yield from doubt.told(together(request, upkeep, leaving=only_it))
        found = to_plan_from(request, message, reply)
        if found is not None:
            return Anew(found, at_once=item is message.item)
        check_effect(settings, request, message, reply, now)
        if isinstance(reply, Written):
            return None if claim is None else claim[1]
        return (yield from doubt.told(_claimed_before(settings, item, token)))

    followed: Operation[Message[T] | None] = commit(message.item, attempt, busy_group_of)
    return (yield from followed)


def _claim_of_next(
    settings: Settings, head: Item, token: str, timeout: int
) -> Operation[tuple[Write, Message[Any]] | None]:
    """Return the claim of the message behind a head, and that message as it will be."""
    if NEXT_ID.name not in head:
        return None
    item = yield from persistently(Get(str(head[NEXT_ID.name])))
    try:
        moment = yield from ask(Tick(claims=True))
    except ClockError:
        return None
    if item is None:
        return None
    arguments: dict[str, Value] = {
        **at(settings, moment.now),
        "due": format_instant(moment.now + timeout),
        "token": token,
        "max_receives": settings.max_receives or UNLIMITED,
        **in_place_of(head),
        "seen_version": item.get(VERSION.name, 0),
    }
    request = Write(str(head[NEXT_ID.name]), _ADVANCE, arguments)
    if not request.specialised.applies_to(item, arguments):
        return None
    (state,) = _ADVANCE.destinations
    after = request.specialised.apply(item, arguments) or {}
    message: Message[Any] = Message(after, state, settings.codec, settings.table)
    try:
        message.data  # noqa: B018 - decoded here for what it may raise, and kept
    except PayloadError:
        return None  # whoever receives it puts it aside
    return request, message


def _claimed_before(settings: Settings, head: Item, token: str) -> Operation[Message[Any] | None]:
    """Return the next message if an attempt whose reply was lost has claimed it.

    Its deadline may have passed since; that does not end the holder's rights by itself.
    """
    if NEXT_ID.name not in head:
        return None
    item = yield from persistently(Get(str(head[NEXT_ID.name])))
    moment = yield from ask(Tick())
    found = message_of(settings, item, moment.now)
    (state,) = _ADVANCE.destinations
    is_ours = _ADVANCE.trace.evaluate(found.item, {"token": token})
    return evolve(found, state=state) if is_ours else None

"""Putting aside what can't be delivered: out of the queue, and out of its group's list.

A receive does so on its way (see ``claims``), and a purge with what is not a whole message.
"""

from __future__ import annotations

from typing import Any

from dynamomq.attributes import CREATED, ID
from dynamomq.errors import DamagedGroupError, RequestRejectedError
from dynamomq.machine import DAMAGED, MESSAGE, faults, place_of
from dynamomq.message import Failure, Message
from dynamomq.operations.commit import Anew, commit, together
from dynamomq.operations.groups import busy_group_of, dead_letters_of, leaving
from dynamomq.operations.holding import planned_by
from dynamomq.operations.writing import Doubt, Settings, at, in_time
from dynamomq.requests import Moment, Operation, Tick, Write, WriteReply, Written, ask
from dynamomq.rules import Rule
from dynamomq.timestamps import format_instant, parse_instant
from dynamomq.values import Item, Value

_QUARANTINE = MESSAGE.rule("quarantine")


def quarantine(
    settings: Settings, message: Message[Any], *, keeps_list: bool = True
) -> Operation[str | None]:
    """Dead-letter an item that is not a whole message, with what it lacks filled in.

    Args:
        settings: the queue's.
        message: the item.
        keeps_list: whether what its links name is seen to; not where a group's list is mended
            anyway.

    Returns:
        The token that the write has left; ``None`` where somebody else has seen to the item.

    Raises:
        ConflictError: others kept changing its group.
        DamagedGroupError: the group's list is damaged.
        RequestRejectedError: it can't be written to, since it is too large or too odd.
    """
    moment = yield from ask(Tick(tokens=1))
    failure = Failure.record(
        f"missing or of another type: {', '.join(faults(message.item))}",
        delivery=0,
        instant=moment.now,
    )
    created = message.item.get(CREATED.name)
    arguments: dict[str, Value] = {
        "version": message.version + 1,
        "creation_timestamp": created if isinstance(created, str) else format_instant(moment.now),
        "partition": dead_letters_of(settings, message.item),
        "errors": [failure],
    }
    reply = yield from put_aside(
        settings,
        message.item,
        _QUARANTINE,
        moment,
        arguments,
        reason="errors",
        keeps_list=keeps_list,
    )
    token = moment.tokens[0]
    return token if took_effect(_QUARANTINE, reply, token) else None


def took_effect(rule: Rule, reply: WriteReply, token: str) -> bool:
    """Tell whether a write that put a message aside took effect, now or by an earlier attempt."""
    return isinstance(reply, Written) or rule.trace.evaluate(reply.item or {}, {"token": token})


def put_aside(
    settings: Settings,
    item: Item,
    rule: Rule,
    moment: Moment,
    own: dict[str, Value],
    *,
    reason: str,
    keeps_list: bool = True,
) -> Operation[WriteReply]:
    """Write a transition that takes a message out of the queue.

    Where the item has no room for the reason, it goes without; where it has no room for a token
    either, it must stay.

    Args:
        settings: the queue's.
        item: the message's item, or its entry in the index.
        rule: the transition's.
        moment: the time, and one token.
        own: the transition's arguments beyond the common ones.
        reason: which of them is the reason: a list.
        keeps_list: whether its group's list is kept.

    Raises:
        ConflictError: others kept changing its group.
        DamagedGroupError: the group's list is damaged.
        RequestRejectedError: it can't be written to, since it is too large or too odd.
    """
    arguments = {**at(settings, moment.now), "token": moment.tokens[0], **own}
    doubt = Doubt()
    try:
        way = _out_of_queue(settings, item, rule, arguments, moment, doubt, keeps_list=keeps_list)
        return (yield from way)
    except DamagedGroupError:
        raise
    except RequestRejectedError:
        without = {**arguments, reason: []}
        way = _out_of_queue(settings, item, rule, without, moment, doubt, keeps_list=keeps_list)
        return (yield from way)


def _out_of_queue(
    settings: Settings,
    item: Item,
    rule: Rule,
    arguments: dict[str, Value],
    begun: Moment,
    doubt: Doubt,
    *,
    keeps_list: bool,
) -> Operation[WriteReply]:
    """Take a message out of the queue; out of its group's list, too, if it is in one.

    An entry in the index does not show that; the item does, which refuses then.

    Raises:
        ConflictError: others kept changing the group.
    """

    def attempt(item: Item, doubt: Doubt) -> Operation[WriteReply | Anew[Item]]:
        request = in_time(planned_by(Write(str(item[ID.name]), rule, arguments), item), begun)
        upkeep = leaving(settings, parse_instant(str(arguments["now"])), item) if keeps_list else ()
        try:
            reply = yield from doubt.told(together(request, upkeep, leaving=item))
        except DamagedGroupError:
            if MESSAGE.state_of(item, request.arguments).name not in DAMAGED:
                raise
            # Nobody keeps the links of an item like that: what they name is nobody's successor.
            reply = yield from doubt.told(together(request, ()))
        found = reply.item
        if isinstance(reply, Written) or found is None or place_of(found) != "head":
            return reply
        again = planned_by(request, found)
        if not again.specialised.applies_to(found, again.arguments):
            return reply
        return Anew(found, at_once=place_of(item) is None)

    return commit(item, attempt, busy_group_of, doubt=doubt)

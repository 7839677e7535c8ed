"""The one way in which a change is carried out that others may make impossible meanwhile.

It is planned from what is known, and written as one: a conditional write, or a transaction of that
and of what keeps the list of a group. Where the plan turns out to be outdated, the next one is made
from what has been learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from attrs import evolve, frozen

from dynamomq.attributes import GROUP_ID
from dynamomq.errors import ConflictError, DamagedGroupError, DynamoMQError
from dynamomq.operations.writing import (
    Doubt,
    damaged_group,
    pause,
    persistently,
    transact,
    write,
)
from dynamomq.requests import (
    Cancelled,
    Committed,
    Get,
    Operation,
    Refused,
    Tick,
    Transact,
    Write,
    WriteReply,
    Written,
    ask,
)
from dynamomq.values import Item

K = TypeVar("K")
R = TypeVar("R")

PLANS = 20
"""How many plans of a change may be outdated in a row before it is left to the caller.

Of those who change one group at once only one succeeds at a time. They pause at random in between.
"""


@frozen
class Anew(Generic[K]):
    """A plan was outdated: others have changed what it was made from.

    Attributes:
        known: what the next one is made from.
        at_once: whether it is made without a pause, and the count begins again: the plan failed
            for what it could not know, or a part of what is to be done is done.
    """

    known: K
    at_once: bool = False


def commit(
    known: K,
    attempt: Callable[[K, Doubt], Operation[R | Anew[K]]],
    busy: Callable[[K], ConflictError],
    *,
    doubt: Doubt | None = None,
) -> Operation[R]:
    """Carry out a change, by as many plans as that takes.

    Args:
        known: what the first plan is made from.
        attempt: makes a plan, writes it and judges the reply. It is given the doubt that earlier
            plans have left, and notes what its own requests leave; what it finds to be certain all
            the same it says as such.
        busy: returns the error for a change that others kept making impossible.
        doubt: what has been left before; ``None``: nothing.

    Returns:
        What an attempt has returned that is not :class:`Anew`.

    Raises:
        DynamoMQError: what an attempt raises, or ``busy``, which tells of all doubt.
    """
    doubt = doubt or Doubt()
    outdated = 0
    while outdated < PLANS:
        result = yield from attempt(known, doubt)
        if not isinstance(result, Anew):
            return result
        known = result.known
        if result.at_once:
            outdated = 0
            continue
        outdated += 1
        yield from pause(outdated)
    raise doubt.of(busy(known))


def together(
    main: Write,
    upkeep: Sequence[Write],
    *,
    leaving: Item | None = None,
    damage: Callable[[Sequence[Refused | None]], DynamoMQError | None] = lambda _reasons: None,
) -> Operation[WriteReply]:
    """Carry out a write and what goes with it as one; the reply is that of the first.

    Where only what goes with it stood in the way, the plan is outdated; then the refusal shows the
    item of the first as it is now.

    Args:
        main: the write.
        upkeep: what else must take effect with it.
        leaving: the item that the plan was made from, if that leaves a group's list.
        damage: tells, where only the upkeep was refused, from why, what is wrong with the list.

    Raises:
        DamagedGroupError: the plan is not outdated, and yet can't be carried out.
    """
    if not upkeep:
        return (yield from write(main))
    doubt = Doubt()
    moment = yield from ask(Tick(tokens=1))
    request = Transact((main, *upkeep), moment.tokens[0], main.send_by)
    reply = yield from doubt.told(transact(request))
    if isinstance(reply, Committed):
        return Written(None)
    refused = reply.reasons[0]
    if refused is None and not reply.in_conflict and (error := damage(reply.reasons[1:])):
        raise doubt.of(error)
    if refused is None or not refused.shown:
        refused = Refused((yield from doubt.told(persistently(Get(main.id)))))
        if leaving is not None and refused.item == leaving and not reply.in_conflict:
            error = _cannot_leave(main, upkeep, reply, str(leaving.get(GROUP_ID.name)))
            raise doubt.of(error)
    return evolve(refused, repeated=doubt.exists)


def _cannot_leave(
    main: Write, upkeep: Sequence[Write], reply: Cancelled, group: str
) -> DamagedGroupError:
    """Return the error for a message whose neighbours are not what its links say.

    All was judged at one moment, at which the message was as planned: no race looks like that.
    """
    refused = [write.id for write, reason in zip(upkeep, reply.reasons[1:], strict=True) if reason]
    return damaged_group(
        group,
        f"Message {main.id!r} can't leave the message group {group!r} ({main.rule.trigger}): the "
        f"items {', '.join(map(repr, refused))} beside it are missing, not in the group, or not "
        "linked with it.",
    )

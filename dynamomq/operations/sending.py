"""send: put a message into the queue, once per id (spec: SEND-1 to SEND-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

from attrs import frozen

from dynamomq.attributes import DATA, EXPIRES_AT, GROUP_ID, HEADERS
from dynamomq.errors import (
    ConflictError,
    DuplicateMessageError,
    DynamoMQError,
    OutcomeUnknownError,
    PayloadError,
    TransactionConditionError,
)
from dynamomq.machine import LISTED, MESSAGE, NO_MESSAGE, TOMBSTONES, QueueType
from dynamomq.message import Message
from dynamomq.operations.commit import Anew, commit
from dynamomq.operations.groups import (
    busy_group,
    damage_at_tail,
    joining,
    read_group,
    tail_has_left,
    tail_of,
)
from dynamomq.operations.writing import (
    RETRY_HORIZON,
    Doubt,
    Settings,
    at,
    in_time,
    message_of,
    onlooker_view,
    persistently,
    transact,
    write,
)
from dynamomq.requests import (
    MAX_TRANSACTION,
    BatchReply,
    Committed,
    Failed,
    Get,
    Moment,
    Operation,
    Refused,
    Tick,
    Transact,
    Write,
    WriteReply,
    Written,
    ask,
)
from dynamomq.timestamps import SECOND, datetime_of, format_instant
from dynamomq.values import MAX_ITEM_BYTES, MAX_KEY_BYTES, Item, Value, item_size

ROOM_FOR_LIFE = 16 * 1024
"""What receipts and the last failures may add to an item during its life, in bytes."""

MAX_MESSAGE_BYTES = MAX_ITEM_BYTES - ROOM_FOR_LIFE
"""The largest item that send accepts, so that every later write to it fits too."""

_LARGE = (DATA.name, HEADERS.name)
_LINKS = 2 * (MAX_KEY_BYTES + 16) + 32  # what its place in a group may need; it changes
_REST = 12 * 1024  # more than all other attributes of a message can have, its id included

_SEND = MESSAGE.rule("send")

E = TypeVar("E", bound=DynamoMQError)

_Drafts: TypeAlias = Mapping[str, Mapping[str, Value]]
"""What is to be sent, by its id."""

MOST_JOINING = MAX_TRANSACTION - 2
"""How many messages can join a group in one transaction: besides them, the last message before
them and the group's item are written."""


@frozen
class Outgoing:
    """A message to be sent, its payload encoded.

    Attributes:
        data: the encoded payload.
        id: the message's id; ``None``: a fresh one.
        delay: nanoseconds until it is due.
        headers: text beside the payload.
        group: the message group at whose end it is put; ``None``: none.
        due: when it is due, in nanoseconds since the epoch, instead of a delay.
    """

    data: Value
    id: str | None = None
    delay: int = 0
    headers: Mapping[str, str] | None = None
    group: str | None = None
    due: int | None = None


def send(
    settings: Settings,
    outgoing: Outgoing,
    *,
    if_exists: Literal["raise", "return"] = "raise",
) -> Operation[Message[Any]]:
    """Put a message into the queue and return it.

    Args:
        settings: the queue's.
        outgoing: the message.
        if_exists: what to do where the id is taken: raise, or return the message that has it.

    Raises:
        DuplicateMessageError: the id is taken, and ``if_exists`` is ``raise``.
        OutcomeUnknownError: the request was repeated after a long pause, the id was taken by a
            deleted message, and storage may remove that one before all attempts have arrived.
        ConflictError: others kept changing the group.
        PayloadError: the message would be larger than an item can be.
    """
    moment = yield from ask(Tick(tokens=1, new_id=outgoing.id is None))
    id = outgoing.id or moment.id
    draft = draft_of(settings, moment.now, moment.tokens[0], outgoing, id)
    try:
        if outgoing.group is None:
            request = in_time(put_of(settings, draft), moment)
            reply: WriteReply = yield from write(request)
        else:
            (request, answer), *_ = yield from append(settings, outgoing.group, [draft], moment)
            if isinstance(answer, Failed):
                raise answer.error
            reply = answer
    except DynamoMQError as error:
        raise with_remedy(error, id) from error.__cause__
    return (yield from judged(settings, request, reply, moment.now, if_exists))


def draft_of(
    settings: Settings, now: int, token: str, outgoing: Outgoing, id: str
) -> dict[str, Value]:
    """Return the arguments of the write that sends a message, but for its place in the group.

    Raises:
        PayloadError: the message would be larger than an item can be.
    """
    due = now + outgoing.delay if outgoing.due is None else max(now, outgoing.due)
    arguments: dict[str, Value] = {
        **at(settings, now),
        "id": id,
        "data": outgoing.data,
        "due": format_instant(due),
        "token": token,
    }
    if outgoing.headers:
        arguments["headers"] = dict(outgoing.headers)
    if outgoing.group is not None:
        arguments["group"] = outgoing.group
    check_size(put_of(settings, arguments).whole_item)
    return arguments


def put_of(
    settings: Settings, draft: Mapping[str, Value], place: Mapping[str, Value] | None = None
) -> Write:
    """Return the write that sends a message to its place; without one, to no group."""
    id = str(draft["id"])
    if place is None:
        place = {"partition": settings.partition(QueueType.STANDARD, id)}
    return Write(id, _SEND, {**draft, **place})


def append(
    settings: Settings, group: str, drafts: Sequence[Mapping[str, Value]], begun: Moment
) -> Operation[list[tuple[Write, BatchReply]]]:
    """Put messages at the end of a group's list, in order, in one transaction (spec: GROUP-3).

    Those whose ids are taken are left out.

    Args:
        settings: the queue's.
        group: the group's name.
        drafts: the messages, by :func:`draft_of`, with different ids; at most ``MOST_JOINING``.
        begun: when they were drafted: all plans have the same tokens, so that counts for each.

    Returns:
        For each the write that was tried last, and what became of it.

    Raises:
        DamagedGroupError: the group's last message is not there, or not the last.
        ServiceError: the request could not be carried out.
    """
    done: dict[str, BatchReply] = {}
    last: dict[str, Write] = {}
    left: _Drafts = {str(draft["id"]): draft for draft in drafts}

    def attempt(left: _Drafts, doubt: Doubt) -> Operation[Anew[_Drafts] | None]:
        known = yield from doubt.told(read_group(group))
        moment = yield from ask(Tick(tokens=1))
        plan = joining(settings, moment.now, group, known, list(left))
        puts = [
            in_time(put_of(settings, draft, place), begun)
            for draft, place in zip(left.values(), plan.places, strict=True)
        ]
        joined = doubt.told(_joined(group, puts, plan.upkeep, known, moment.tokens[0], doubt))
        replies = {id: doubt.of(reply) for id, reply in (yield from joined).items()}
        last.update({put.id: put for put in puts})
        done.update(replies)
        left = {id: draft for id, draft in left.items() if id not in replies}
        return Anew(left, at_once=bool(replies)) if left else None

    try:
        yield from commit(left, attempt, lambda _: busy_group(group))
    except ConflictError as conflict:
        done |= {id: Failed(conflict) for id in left if id not in done}
    return [(last[id], done[id]) for id in left]


def _joined(
    group: str,
    puts: Sequence[Write],
    upkeep: Sequence[Write],
    known: Item | None,
    token: str,
    doubt: Doubt,
) -> Operation[dict[str, WriteReply]]:
    """Carry out one plan, and return the replies to all puts, or to those that were refused.

    Raises:
        DamagedGroupError: the group's last message is not there, or not the last.
    """
    tail = tail_of(known)
    if tail in [put.id for put in puts]:  # it is there already; and no item may be in it twice
        item = yield from persistently(Get(str(tail)))
        if item is not None:
            return {str(tail): Refused(item)}
        if (yield from read_group(group)) == known:  # so all the while it was not there
            raise tail_has_left(group, str(tail))
        return {}
    request = Transact((*puts, *upkeep), token, puts[0].send_by)
    reply = yield from doubt.told(transact(request))
    if isinstance(reply, Committed):
        return {put.id: Written(None) for put in puts}
    own = zip(puts, reply.reasons[: len(puts)], strict=True)
    refused: dict[str, WriteReply] = {one.id: reason for one, reason in own if reason is not None}
    if not refused and not reply.in_conflict:
        damage = damage_at_tail(group, tail, upkeep, reply.reasons[len(puts) :])
        if damage is not None:
            raise damage
    return refused


def with_remedy(error: DynamoMQError, id: str) -> DynamoMQError:
    """Return an error that ended a send; where there is doubt, it says how to send again."""
    again = (
        f"Send again with id={id!r}: should an attempt have been executed, the next one is "
        "refused as a duplicate."
    )
    return advised(error, again)


def advised(error: E, again: str) -> E:
    """Return an error that says how to call again, where there is doubt and it does not say so."""
    if not error.in_doubt or isinstance(error, OutcomeUnknownError | TransactionConditionError):
        return error
    error = copy(error)  # others may be told the same one
    error.remedy = again if error.retryable else f"{error.remedy} {again}".lstrip()
    return error


def judged(
    settings: Settings,
    request: Write,
    reply: WriteReply,
    begun: int,
    if_exists: Literal["raise", "return"],
) -> Operation[Message[Any]]:
    """Return the message that was sent, or that is there, by what the write was told.

    Raises:
        DuplicateMessageError: the id is taken, and ``if_exists`` is ``raise``.
        OutcomeUnknownError: see :func:`send`.
    """
    (state,) = request.specialised.destinations
    sent = Message(request.whole_item, state, settings.codec, settings.table)
    if isinstance(reply, Written):
        return sent
    existing = message_of(settings, reply.item, begun)
    if request.recognises(existing.item):
        # The refusal echoes our own success, whatever has happened to it since. Which of several
        # plans that was, only the item tells: it knows its predecessor.
        has_place = existing.group is not None and existing.state in LISTED
        return onlooker_view(existing) if has_place else sent
    if reply.repeated:
        later = yield from ask(Tick())  # there may have been a pause since the first one
        if _is_over(message_of(settings, reply.item, later.now), existing):
            raise _unknown(sent.id)
    if if_exists == "return" and existing.state not in NO_MESSAGE:
        return onlooker_view(existing)
    raise _duplicate(sent.id, existing)


def _duplicate(id: str, existing: Message[Any]) -> DuplicateMessageError:
    """Return the error for an id that is taken; of a tombstone it tells for how long."""
    until = _taken_until(existing)
    if until is not None:
        text = (
            f"The id {id!r} is taken until {until:%Y-%m-%d %H:%M:%S} UTC: its message was deleted "
            "(acknowledged, cancelled or purged)"
        )
        if existing.deleted_at is not None:
            text += f" at {existing.deleted_at:%Y-%m-%d %H:%M:%S} UTC"
        remedy = (
            "If this is another message, use another id, or send it after that; "
            "send(…, if_exists='return') returns the tombstone."
        )
    elif existing.state in NO_MESSAGE:
        text = f"The id {id!r} is taken by an item that is no message ({existing.state})"
        remedy = "Use another id; nobody else should write into a queue's table."
    else:
        text = f"The id {id!r} is taken: its message is {existing.state}"
        remedy = "Use another id; send(…, if_exists='return') returns the one that is there."
    return DuplicateMessageError(
        f"{text}.", id=id, state=existing.state, taken_until=until, remedy=remedy
    )


def _taken_until(existing: Message[Any]) -> datetime | None:
    """Return until when a tombstone counts; ``None`` for what is none."""
    expires_at = existing.item.get(EXPIRES_AT.name)
    if existing.state not in TOMBSTONES or not isinstance(expires_at, int):
        return None
    with suppress(OverflowError):  # of a stranger's tombstone
        return datetime_of(expires_at * SECOND - RETRY_HORIZON)
    return None


def _is_over(later: Message[Any], refused_by: Message[Any]) -> bool:
    """Tell whether a tombstone's time has come to an end since a send that it refused began.

    Storage may then remove it before all attempts of that send have arrived.
    """
    return later.state in NO_MESSAGE and refused_by.state not in NO_MESSAGE


def _unknown(id: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The id {id!r} is taken by a message that was deleted; but a reply to send was lost, and "
        "an earlier attempt may still be executed when that message is forgotten.",
        id=id,
        trigger=_SEND.trigger,
        remedy=f"Send again with id={id!r}, or look later with get().",
    )


def check_size(item: Item) -> None:
    """Refuse a message that would have no room for its life.

    Raises:
        PayloadError: it is too large.
    """
    large = {name: item[name] for name in _LARGE if name in item}
    if item_size(large) <= MAX_MESSAGE_BYTES - _REST:
        return  # whatever the rest has exactly
    size = item_size(item) + (_LINKS if GROUP_ID.name in item else 0)
    if size > MAX_MESSAGE_BYTES:
        raise PayloadError(
            f"The message has {size:,} bytes with its attributes; the limit is "
            f"{MAX_MESSAGE_BYTES:,} (DynamoDB's 400 KB for an item, less room for what deliveries "
            "add).",
            value=size,
            remedy="Store the payload elsewhere and send where it is.",
        )

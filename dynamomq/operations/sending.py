"""send: put a message into the queue, once per id (spec: SEND-1 to SEND-4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from dynamomq.attributes import DATA, HEADERS
from dynamomq.errors import (
    ConflictError,
    DuplicateMessageError,
    DynamoMQError,
    OutcomeUnknownError,
    PayloadError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.machine import MESSAGE, NO_MESSAGE
from dynamomq.message import Message
from dynamomq.operations.writing import Settings, at, message_of, onlooker_view, write
from dynamomq.requests import Operation, Tick, Write, WriteReply, Written, ask
from dynamomq.timestamps import format_instant
from dynamomq.values import MAX_ITEM_BYTES, Value, item_size

__all__ = [
    "IN_DOUBT",
    "MAX_MESSAGE_BYTES",
    "ROOM_FOR_LIFE",
    "judged",
    "put_of",
    "send",
    "with_remedy",
]

ROOM_FOR_LIFE = 16 * 1024
"""What receipts and the last failures may add to an item during its life, in bytes."""

MAX_MESSAGE_BYTES = MAX_ITEM_BYTES - ROOM_FOR_LIFE
"""The largest item that send accepts, so that every later write to it fits too."""

_LARGE = (DATA.name, HEADERS.name)
_REST = 8 * 1024  # more than all other attributes of a message can have, its id included

_SEND = MESSAGE.rule("send")

IN_DOUBT = (UnavailableError, ThrottledError, ConflictError)
"""After these an attempt to send may have been executed."""


def send(
    settings: Settings,
    data: Value,
    *,
    id: str | None = None,
    delay: int = 0,
    headers: Mapping[str, str] | None = None,
    if_exists: Literal["raise", "return"] = "raise",
) -> Operation[Message[Any]]:
    """Put a message into the queue and return it.

    Args:
        settings: the queue's.
        data: the encoded payload.
        id: the message's id and deduplication key; a fresh UUIDv7 if ``None``.
        delay: nanoseconds until it is due.
        headers: text beside the payload.
        if_exists: what to do where the id is taken: raise, or return the message that has it.

    Raises:
        DuplicateMessageError: the id is taken, and ``if_exists`` is ``raise``.
        OutcomeUnknownError: the request was repeated after a long pause, the id was taken by a
            deleted message, and storage may remove that one before all attempts have arrived.
        PayloadError: the message would be larger than an item can be.
    """
    moment = yield from ask(Tick(tokens=1, new_id=id is None))
    request = put_of(
        settings,
        moment.now,
        moment.tokens[0],
        data,
        id=id or moment.id,
        delay=delay,
        headers=headers,
    )
    try:
        reply = yield from write(request)
    except DynamoMQError as error:
        with_remedy(error, request.id)
        raise
    return (yield from judged(settings, request, reply, moment.now, if_exists))


def put_of(
    settings: Settings,
    now: int,
    token: str,
    data: Value,
    *,
    id: str,
    delay: int,
    headers: Mapping[str, str] | None,
) -> Write:
    """Return the write that sends a message.

    Raises:
        PayloadError: the message would be larger than an item can be.
    """
    arguments: dict[str, Value] = {
        **at(settings, now),
        "id": id,
        "data": data,
        "due": format_instant(now + delay),
        "token": token,
    }
    if headers:
        arguments["headers"] = dict(headers)
    request = Write(id, _SEND, arguments)
    _check_size(request)
    return request


def with_remedy(error: DynamoMQError, id: str) -> DynamoMQError:
    """Return an error that ended a send, saying what to do about it where that is known."""
    if isinstance(error, IN_DOUBT):
        error.remedy = (
            f"Send again with id={id!r}: should an attempt have been executed, the next one is "
            "refused as a duplicate."
        )
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
    if existing.send_token == sent.send_token:
        return sent  # the refusal echoes our own success, whatever has happened to it since
    if reply.repeated:
        later = yield from ask(Tick())  # there may have been a pause since the first one
        if _is_over(message_of(settings, reply.item, later.now), existing):
            raise _unknown(sent.id)
    if if_exists == "return" and existing.state not in NO_MESSAGE:
        return onlooker_view(existing)
    raise DuplicateMessageError(
        f"The id {sent.id!r} is taken: its message is {existing.state}.",
        id=sent.id,
        state=existing.state,
        remedy="Use another id, or pass if_exists='return' to get the one that is there.",
    )


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


def _check_size(request: Write) -> None:
    item = request.whole_item
    large = {name: item[name] for name in _LARGE if name in item}
    if item_size(large) <= MAX_MESSAGE_BYTES - _REST:
        return  # whatever the rest has exactly
    size = item_size(item)
    if size > MAX_MESSAGE_BYTES:
        raise PayloadError(
            f"The message has {size:,} bytes with its attributes; the limit is "
            f"{MAX_MESSAGE_BYTES:,} (DynamoDB's 400 KB for an item, less room for what deliveries "
            "add).",
            value=size,
            remedy="Store the payload elsewhere and send where it is.",
        )

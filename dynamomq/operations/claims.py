"""What becomes of candidates: a claim is won, or lost, or the message is put aside.

The index proposes candidates; a conditional write to each item decides. What can't be delivered is
put aside on the way, so that it blocks nobody: a message that has used up its deliveries is
exhausted, an item that lacks what a message needs is quarantined, a payload that can't be decoded
is dead-lettered by its holder, which is us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dynamomq.attributes import ID, RECEIVE_COUNT
from dynamomq.errors import (
    ConflictError,
    DynamoMQError,
    PayloadError,
    RequestRejectedError,
)
from dynamomq.machine import DAMAGED, MESSAGE, QueueType
from dynamomq.message import Failure, Message
from dynamomq.operations.aside import put_aside, quarantine, took_effect
from dynamomq.operations.groups import dead_letters_of
from dynamomq.operations.holding import move_to_dlq
from dynamomq.operations.writing import (
    Settings,
    at,
    in_time,
    message_of,
    persistently,
    write,
    write_batch,
)
from dynamomq.requests import (
    BatchReply,
    Failed,
    Get,
    GetMany,
    Moment,
    Operation,
    Refused,
    Tick,
    Write,
    WriteBatch,
    Written,
    ask,
)
from dynamomq.timestamps import format_instant
from dynamomq.values import Item, Value

_RECEIVE = {queue: MESSAGE.rule("receive", queue=queue) for queue in QueueType}
_EXHAUST = MESSAGE.rule("exhaust")

UNLIMITED = 10**15
"""More deliveries than any message will see: ``max_receives`` where there is no limit."""


class Claim:
    """One caller's way of claiming, and what came in between.

    Attributes:
        lost: how many races were lost; what was put aside is none, and says nothing about order.
        hindrance: raised where nothing at all can be claimed.
    """

    def __init__(self, settings: Settings, source: QueueType, timeout: int) -> None:
        """Claim from one queue, for so many nanoseconds."""
        self._settings = settings
        self._source = source
        self._timeout = timeout
        self._max_receives = (
            settings.max_receives or UNLIMITED if source is QueueType.STANDARD else None
        )
        self.lost = 0
        self.hindrance: DynamoMQError | None = None

    def one(self, candidate: Item, moment: Moment) -> Operation[Message[Any] | None]:
        """Try for one candidate; ``None`` if somebody else has it, or it was put aside."""
        if self._used_up(candidate):
            yield from self._exhaust(candidate)
            return None
        request = self._request(candidate, moment, moment.tokens[0])
        try:
            reply = yield from write(request)
        except RequestRejectedError as error:
            if not error.in_doubt:
                self._pass_over(request.id, error)
                return None
            reply = Refused((yield from persistently(Get(request.id))), repeated=True)
        if isinstance(reply, Written):
            return (yield from self._checked(reply.item or {}))
        return (yield from self._second_look(request, reply.item, moment))

    def batch(self, candidates: Sequence[Item], found: list[Message[Any]]) -> Operation[None]:
        """Claim a batch, and add to ``found`` at once what was won: a failure must not lose it."""
        live = []
        for candidate in candidates:
            if self._used_up(candidate):
                yield from self._exhaust(candidate)
            else:
                live.append(candidate)
        if not live:
            return
        moment = yield from ask(Tick(tokens=len(live), claims=True))
        requests = [
            self._request(candidate, moment, token)
            for candidate, token in zip(live, moment.tokens, strict=True)
        ]
        replies = yield from write_batch(WriteBatch(tuple(requests)))
        _raise_if_all_failed(replies)
        unclear = []
        for request, reply in zip(requests, replies, strict=True):
            if isinstance(reply, Written):
                claimed = yield from self._checked(reply.item or {})
                found.extend([claimed] if claimed else [])
            elif isinstance(reply, Refused) or reply.error.in_doubt or not reply.error.retryable:
                unclear.append((request, reply))
        items = yield from _items_behind(unclear)
        for request, reply in unclear:
            lost = self.lost
            claimed = yield from self._second_look(request, items.get(request.id), moment)
            found.extend([claimed] if claimed else [])
            if isinstance(reply, Failed) and self.lost > lost:
                self._pass_over(request.id, reply.error)

    def _request(self, candidate: Item, moment: Moment, token: str) -> Write:
        arguments: dict[str, Value] = {
            **at(self._settings, moment.now),
            "due": format_instant(moment.now + self._timeout),
            "token": token,
        }
        if self._max_receives is not None:
            arguments["max_receives"] = self._max_receives
        rule = _RECEIVE[self._source]
        return in_time(Write(id_of(candidate), rule, arguments, want_item=True), moment)

    def _used_up(self, candidate: Item) -> bool:
        """Tell, from the index, whether the message seems to have used up its deliveries."""
        count = candidate.get(RECEIVE_COUNT.name)
        limit = self._max_receives
        return limit is not None and isinstance(count, int) and count >= limit

    def _second_look(
        self, request: Write, item: Item | None, moment: Moment
    ) -> Operation[Message[Any] | None]:
        """Judge a refused claim by the item: ours after all, unfit for delivery, or lost."""
        message = message_of(self._settings, item, moment.now)
        if request.recognises(item) and message.state in request.rule.destinations:
            return (yield from self._checked(message.item))
        if message.state in DAMAGED:
            yield from self._quarantine(message)
        elif message.state in _EXHAUST.sources and self._used_up(message.item):
            yield from self._exhaust(message.item)
        else:
            self.lost += 1
        return None

    def _pass_over(self, id: str, error: DynamoMQError) -> None:
        """Note that a message can't be claimed as it is; it must not keep others from delivery."""
        self.lost += 1
        if isinstance(error, RequestRejectedError):
            error = _unreceivable(id, error)
        self.hindrance = self.hindrance or error

    def _exhaust(self, candidate: Item) -> Operation[None]:
        """Dead-letter a message that has used up its deliveries; what only seems one, put aside.

        Args:
            candidate: its entry in the index, or the item.
        """
        moment = yield from ask(Tick(tokens=1))
        limit = self._max_receives or 0
        failure = Failure.record(
            f"never deleted in {limit} {'delivery' if limit == 1 else 'deliveries'}; one "
            "that was not answered may have ended with its process, perhaps for another message",
            delivery=limit,
            instant=moment.now,
        )
        arguments: dict[str, Value] = {
            "max_receives": limit,
            "partition": dead_letters_of(self._settings, candidate),
            "failure": [failure],
        }
        try:
            reply = yield from put_aside(
                self._settings, candidate, _EXHAUST, moment, arguments, reason="failure"
            )
        except (ConflictError, RequestRejectedError) as error:
            self._pass_over(id_of(candidate), error)
            return
        if not took_effect(_EXHAUST, reply, moment.tokens[0]):
            found = message_of(self._settings, reply.item, moment.now)
            if found.state in DAMAGED:
                yield from self._quarantine(found)
            else:
                self.lost += 1

    def _quarantine(self, message: Message[Any]) -> Operation[None]:
        """Dead-letter an item that is not a whole message; one that must stay is passed over."""
        try:
            yield from quarantine(self._settings, message)
        except (ConflictError, RequestRejectedError) as error:
            self._pass_over(message.id, error)

    def _checked(self, item: Item) -> Operation[Message[Any] | None]:
        """Return a claimed message if its payload can be decoded, else dead-letter it.

        In the dead-letter queue there is nowhere else to go: it is delivered as it is, and reading
        its payload raises.
        """
        (state,) = _RECEIVE[self._source].destinations
        message: Message[Any] = Message(item, state, self._settings.codec, self._settings.table)
        if self._source is QueueType.DLQ:
            return message
        try:
            message.data  # noqa: B018 - decoded here for what it may raise, and kept
        except PayloadError as error:
            with suppress(DynamoMQError):  # it stays claimed; after its deadline we try again
                yield from move_to_dlq(self._settings, message, error=error)
            return None
        return message


def id_of(entry: Item) -> str:
    """Return the message that an index entry is about."""
    return str(entry[ID.name])


def _items_behind(
    unclear: Sequence[tuple[Write, Refused | Failed]],
) -> Operation[Mapping[str, Item | None]]:
    """Return the items of claims that did not succeed: as the reply shows them, or read."""
    shown = {
        request.id: reply.item
        for request, reply in unclear
        if isinstance(reply, Refused) and reply.shown
    }
    ids = tuple(request.id for request, _ in unclear if request.id not in shown)
    if not ids:
        return shown
    try:
        return {**shown, **(yield from persistently(GetMany(ids)))}
    except RequestRejectedError:  # one of them can't be read; the others can
        for id in ids:
            with suppress(RequestRejectedError):
                shown[id] = yield from persistently(Get(id))
        return shown


def _unreceivable(id: str, cause: RequestRejectedError) -> RequestRejectedError:
    """Return the error for a message that no claim can be written to: too large, or too odd."""
    error = RequestRejectedError(
        f"Message {id!r} is due, but can't be received: {cause.message}",
        code=cause.code,
        remedy="Repair or remove the item; other messages are received all the same.",
    )
    error.__cause__ = cause
    return error


def _raise_if_all_failed(replies: Sequence[BatchReply]) -> None:
    """Raise the first error of a batch in which nothing could be carried out."""
    failed = [reply.error for reply in replies if isinstance(reply, Failed)]
    if len(failed) == len(replies) and failed[0].retryable:
        raise failed[0]

"""Many messages at once: 25 a request, each for itself (spec: BATCH-1 to BATCH-3).

Every entry has a result of its own, so that what failed takes nothing back from what did not. Each
is judged by the same rules as a single call. A batch does not show the items that refused its
writes, so these are looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, Generic, TypeGuard, TypeVar

from attrs import evolve, frozen

from dynamomq.errors import (
    AccessDeniedError,
    ClosedError,
    DuplicateMessageError,
    DynamoMQError,
    SetupError,
)
from dynamomq.message import Message
from dynamomq.operations import holding
from dynamomq.operations.holding import Extra, Rules
from dynamomq.operations.sending import IN_DOUBT, judged, put_of, with_remedy
from dynamomq.operations.writing import Settings, persistently, write, write_batch
from dynamomq.requests import (
    MAX_BATCH,
    BatchReply,
    Failed,
    GetMany,
    Operation,
    Refused,
    Tick,
    Write,
    WriteBatch,
    ask,
)
from dynamomq.values import Value

__all__ = [
    "BatchResult",
    "Outgoing",
    "SendResult",
    "delete_batch",
    "extend_batch",
    "release_batch",
    "retry_batch",
    "send_batch",
]

T = TypeVar("T")


@frozen
class Outgoing:
    """A message to be sent, its payload encoded.

    Attributes:
        data: the encoded payload.
        id: the message's id; ``None``: a fresh one.
        delay: nanoseconds until it is due.
        headers: text beside the payload.
    """

    data: Value
    id: str | None = None
    delay: int = 0
    headers: Mapping[str, str] | None = None


@frozen
class SendResult(Generic[T]):
    """What became of one message of ``send_batch``.

    Attributes:
        id: its id; empty where it was to have a fresh one and could not be encoded.
        message: as it was stored; ``None`` where it was not sent.
        error: why it was not; ``None`` where it was.
    """

    id: str
    message: Message[T] | None = None
    error: DynamoMQError | None = None

    @property
    def ok(self) -> bool:
        """Whether the message was sent."""
        return self.error is None

    @property
    def is_duplicate(self) -> bool:
        """Whether it was not sent because its id is taken."""
        return isinstance(self.error, DuplicateMessageError)


@frozen
class BatchResult(Generic[T]):
    """What became of one message of a batch of acknowledgements.

    Attributes:
        message: the message; an extended one with its new deadline.
        error: what the single call would have raised; ``None`` where it worked.
    """

    message: Message[T]
    error: DynamoMQError | None = None

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.error is None


# --- sending ---------------------------------------------------------------------------------


def send_batch(
    settings: Settings, entries: Sequence[Outgoing | SendResult[Any]]
) -> Operation[list[SendResult[Any]]]:
    """Send messages, and return what became of each, in order.

    Args:
        settings: the queue's.
        entries: the messages; a failure in the place of one that could not be encoded.

    Raises:
        SetupError: table or credentials are not right, and nothing has been sent.
        AccessDeniedError: sending is not allowed, and nothing has been sent.
    """
    results: dict[int, SendResult[Any]] = {}
    outgoing: dict[int, Outgoing] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, SendResult):
            results[place] = entry
        else:
            outgoing[place] = entry

    def begin(places: Sequence[int]) -> Operation[dict[int, _Begun[SendResult[Any]]]]:
        entries = {place: outgoing[place] for place in places}
        unnamed = sum(entry.id is None for entry in entries.values())
        moment = yield from ask(Tick(tokens=len(places), ids=unnamed))
        ids = iter(moment.ids)
        begun = {}
        for (place, entry), token in zip(entries.items(), moment.tokens, strict=True):
            id = next(ids) if entry.id is None else entry.id
            delay, headers = entry.delay, entry.headers
            try:
                request = put_of(
                    settings, moment.now, token, entry.data, id=id, delay=delay, headers=headers
                )
            except DynamoMQError as error:
                results[place] = SendResult(id, error=error)
            else:
                judge = partial(_judge_send, settings, request, moment.now)
                begun[place] = _Begun(request, judge)
        return begun

    keys = {place: place if entry.id is None else entry.id for place, entry in outgoing.items()}
    yield from _in_batches(keys, begin, results)
    return [results[place] for place in range(len(entries))]


def _judge_send(
    settings: Settings, request: Write, begun: int, reply: BatchReply
) -> Operation[SendResult[Any]]:
    """Judge one entry. What was refused is sent once more alone: that shows who is in the way.

    A batch inserts, and so minds even tombstones whose time is over; the single write does not. It
    has the same token, so it recognises what the batch has sent already.
    """
    if isinstance(reply, Failed):
        return _not_sent(request.id, reply.error)
    try:
        if isinstance(reply, Refused) and not reply.shown:
            alone = yield from write(request)
            if isinstance(alone, Refused):
                alone = evolve(alone, repeated=alone.repeated or reply.repeated)
            reply = alone
        message = yield from judged(settings, request, reply, begun, "raise")
    except DynamoMQError as error:
        return _not_sent(request.id, error)
    return SendResult(request.id, message)


def _not_sent(id: str, error: DynamoMQError) -> SendResult[Any]:
    """Return a failure. Entries of one request share its error, but not what to do about it."""
    if isinstance(error, IN_DOUBT):
        cause, error = error.__cause__, copy(error)
        error.__cause__ = cause
    return SendResult(id, error=with_remedy(error, id))


# --- acknowledging ---------------------------------------------------------------------------


def delete_batch(
    settings: Settings, messages: Sequence[Message[T]]
) -> Operation[list[BatchResult[T]]]:
    """Delete messages by their holder, and return what became of each, in order."""
    extra = holding.entombed(settings)
    return _finish_batch(settings, holding.DELETE, messages, lambda _: extra)


def release_batch(
    settings: Settings, messages: Sequence[Message[T]]
) -> Operation[list[BatchResult[T]]]:
    """Give back messages that were not started, and return what became of each, in order."""
    extra = holding.due_in(0)
    return _finish_batch(settings, holding.RELEASE, messages, lambda _: extra)


def extend_batch(
    settings: Settings, messages: Sequence[Message[T]], timeout: int
) -> Operation[list[BatchResult[T]]]:
    """Move deadlines to ``timeout`` nanoseconds from now, and return what became of each."""
    extra = holding.due_in(timeout)
    return _finish_batch(settings, holding.EXTEND, messages, lambda _: extra)


def retry_batch(
    settings: Settings,
    messages: Sequence[Message[T]],
    *,
    delay: int,
    error: BaseException | str | None = None,
) -> Operation[list[BatchResult[T]]]:
    """Give messages back after a failure, and return what became of each, in order."""
    return _finish_batch(
        settings,
        holding.RETRY,
        messages,
        lambda message: holding.given_back(message, delay, error),
    )


def _finish_batch(
    settings: Settings,
    rules: Rules,
    messages: Sequence[Message[T]],
    extra_of: Callable[[Message[T]], Extra],
) -> Operation[list[BatchResult[T]]]:
    results: dict[int, BatchResult[T]] = {}
    first: dict[tuple[str, str | None], int] = {}  # where each delivery occurs for the first time
    for place, message in enumerate(messages):
        try:
            holding.check_held(settings, message)
        except DynamoMQError as error:
            results[place] = BatchResult(message, error)
        else:
            first.setdefault((message.id, message.receipt), place)

    def begin(places: Sequence[int]) -> Operation[dict[int, _Begun[BatchResult[T]]]]:
        moment = yield from ask(Tick(tokens=len(places)))
        begun = {}
        for place, token in zip(places, moment.tokens, strict=True):
            message = messages[place]
            now = message.not_before(moment.now)
            try:
                request = holding.write_of(settings, rules, message, extra_of(message), now, token)
            except DynamoMQError as error:
                results[place] = BatchResult(message, error)
            else:
                judge = partial(_judge, settings, request, message, now)
                begun[place] = _Begun(request, judge)
        return begun

    keys = {place: id for (id, _), place in first.items()}
    yield from _in_batches(keys, begin, results, look=True)
    return [
        results[place] if place in results else results[first[message.id, message.receipt]]
        for place, message in enumerate(messages)
    ]


def _judge(
    settings: Settings, request: Write, message: Message[T], now: int, reply: BatchReply
) -> Operation[BatchResult[T]]:
    yield from ()  # an operation, as the judgement of a send is one; there is nothing to ask for
    if isinstance(reply, Failed):
        return BatchResult(message, reply.error)
    try:
        holding.check_effect(settings, request, message, reply, now)
    except DynamoMQError as error:
        return BatchResult(message, error)
    if request.rule.trigger == "extend":
        return BatchResult(holding.extended(settings, request, message, reply, now))
    return BatchResult(message)


# --- what both share -------------------------------------------------------------------------

R = TypeVar("R")

_FATAL = (SetupError, AccessDeniedError, ClosedError)
"""What says that nothing of a request was carried out, and that nothing will be."""


@frozen(eq=False)
class _Begun(Generic[R]):
    """An entry whose time has come.

    Attributes:
        request: its write.
        judge: makes its result of the reply.
    """

    request: Write
    judge: Callable[[BatchReply], Operation[R]]


def _in_batches(
    keys: Mapping[int, Hashable],
    begin: Callable[[Sequence[int]], Operation[dict[int, _Begun[R]]]],
    results: dict[int, R],
    *,
    look: bool = False,
) -> Operation[None]:
    """Send entries, up to 25 at once, and add to the results what they came to.

    An entry begins when its batch is sent: deadlines, and the horizon in which a repetition can
    arrive (spec: WRITE-5), count from then, however long the batches before it took. After a
    failure that waiting does not mend nothing more is sent: it would take its time to fail in the
    same way.

    Args:
        keys: the entries' places in the whole; of those that have the same key, each is sent in a
            batch after the one before.
        begin: makes the writes of some entries; where it can't, it has added their results.
        results: where they go, by place.
        look: whether to read the items that refused a write.

    Raises:
        SetupError: table or credentials are not right, and nothing has been carried out.
        AccessDeniedError: the same.
        ClosedError: the same.
    """
    failure: DynamoMQError | None = None
    is_first = True
    for places in _chunks(keys):
        begun = yield from begin(places)
        if not begun:
            continue
        requests = [one.request for one in begun.values()]
        replies: Sequence[BatchReply] = ()
        if failure is None:
            try:
                replies = yield from _carried_out(requests, look=look)
            except DynamoMQError as error:
                if is_first and isinstance(error, _FATAL):
                    raise
                failure = error
        is_first = False
        if failure is not None:
            replies = [Failed(failure)] * len(requests)
        for (place, one), reply in zip(begun.items(), replies, strict=True):
            results[place] = yield from one.judge(reply)


def _chunks(keys: Mapping[int, Hashable]) -> Iterator[list[int]]:
    """Yield places, up to 25 at a time and those of one message apart: a batch has each id once."""
    left = dict(keys)
    while left:
        chosen: dict[Hashable, int] = {}
        for place, key in left.items():
            if len(chosen) == MAX_BATCH:
                break
            chosen.setdefault(key, place)
        for place in chosen.values():
            del left[place]
        yield list(chosen.values())


def _carried_out(requests: Sequence[Write], *, look: bool) -> Operation[list[BatchReply]]:
    """Send one batch; add to refusals, where that is wanted, the items that refused.

    Raises:
        DynamoMQError: what the first attempt failed with, where repetition can't mend it; also
            where writes were sent one by one and each met it.
    """
    replies = list((yield from write_batch(WriteBatch(tuple(requests)))))
    fatal = [reply.error for reply in replies if _is_fatal(reply)]
    if len(fatal) == len(replies):
        raise fatal[0]
    unseen = {
        place: reply
        for place, reply in enumerate(replies)
        if look and isinstance(reply, Refused) and not reply.shown
    }
    if unseen:
        try:
            items = yield from persistently(GetMany(tuple(requests[place].id for place in unseen)))
        except DynamoMQError as error:
            for place in unseen:
                replies[place] = Failed(error)
        else:
            for place, reply in unseen.items():
                found = items.get(requests[place].id)
                replies[place] = evolve(reply, item=found, shown=True)
    return replies


def _is_fatal(reply: BatchReply) -> TypeGuard[Failed]:
    return isinstance(reply, Failed) and isinstance(reply.error, _FATAL)

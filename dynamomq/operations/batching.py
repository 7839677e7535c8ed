"""Many messages at once: 25 a request, each for itself (spec: BATCH-1 to BATCH-3).

Every entry has a result of its own, so that what failed takes nothing back from what did not. Each
is judged by the same rules as a single call. A batch does not show the items that refused its
writes, so these are looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import evolve, frozen

from dynamomq.errors import (
    AccessDeniedError,
    DuplicateMessageError,
    DynamoMQError,
    SetupError,
)
from dynamomq.message import Message
from dynamomq.operations import holding
from dynamomq.operations.holding import Extra, Rules
from dynamomq.operations.sending import judged, put_of, with_remedy
from dynamomq.operations.writing import Settings, persistently, write, write_batch
from dynamomq.requests import (
    MAX_BATCH,
    BatchReply,
    Failed,
    GetMany,
    Moment,
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
        id: its id; empty where it has none because it could not be encoded.
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
    settings: Settings, entries: Sequence[Outgoing | DynamoMQError]
) -> Operation[list[SendResult[Any]]]:
    """Send messages, and return what became of each, in order.

    Args:
        settings: the queue's.
        entries: the messages; an error in the place of one that could not be encoded.

    Raises:
        SetupError: table or credentials are not right, and nothing has been sent.
        AccessDeniedError: sending is not allowed, and nothing has been sent.
    """
    results: dict[int, SendResult[Any]] = {}
    begun: dict[int, tuple[Write, Moment]] = {}
    for place, entry in enumerate(entries):
        if isinstance(entry, DynamoMQError):
            results[place] = SendResult("", error=entry)
            continue
        moment = yield from ask(Tick(tokens=1, new_id=entry.id is None))
        id, delay, headers = entry.id, entry.delay, entry.headers
        try:
            request = put_of(settings, moment, entry.data, id=id, delay=delay, headers=headers)
        except DynamoMQError as error:
            results[place] = SendResult(entry.id or moment.id, error=error)
        else:
            begun[place] = request, moment

    def judge(place: int, reply: BatchReply) -> Operation[SendResult[Any]]:
        request, moment = begun[place]
        return _judge_send(settings, request, moment, reply)

    yield from _in_batches(
        {place: request for place, (request, _) in begun.items()}, judge, results
    )
    return [results[place] for place in range(len(entries))]


def _judge_send(
    settings: Settings, request: Write, begun: Moment, reply: BatchReply
) -> Operation[SendResult[Any]]:
    """Judge one entry. What was refused is sent once more alone: that shows who is in the way.

    A batch inserts, and so minds even tombstones whose time is over; the single write does not. It
    has the same token, so it recognises what the batch has sent already.
    """
    if isinstance(reply, Failed):
        return SendResult(request.id, error=with_remedy(reply.error, request.id))
    try:
        if isinstance(reply, Refused) and not reply.shown:
            alone = yield from write(request)
            if isinstance(alone, Refused):
                alone = evolve(alone, repeated=alone.repeated or reply.repeated)
            reply = alone
        message = yield from judged(settings, request, reply, begun, "raise")
    except DynamoMQError as error:
        return SendResult(request.id, error=with_remedy(error, request.id))
    return SendResult(request.id, message)


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
    begun: dict[int, tuple[Write, int]] = {}
    same: dict[tuple[str, str | None], int] = {}
    for place, message in enumerate(messages):
        try:
            holding.check_held(settings, message)
            first = same.setdefault((message.id, message.receipt), place)
            if first != place:
                continue
            moment = yield from ask(Tick(tokens=1))
            now = message.not_before(moment.now)
            request = holding.write_of(
                settings, rules, message, extra_of(message), now, moment.tokens[0]
            )
        except DynamoMQError as error:
            results[place] = BatchResult(message, error)
        else:
            begun[place] = request, now

    def judge(place: int, reply: BatchReply) -> Operation[BatchResult[T]]:
        request, now = begun[place]
        yield from ()
        return _judge(settings, request, messages[place], reply, now)

    requests = {place: request for place, (request, _) in begun.items()}
    yield from _in_batches(requests, judge, results, look=True)
    for place, message in enumerate(messages):
        if place not in results:  # a message that was given more than once
            results[place] = results[same[message.id, message.receipt]]
    return [results[place] for place in range(len(messages))]


def _judge(
    settings: Settings, request: Write, message: Message[T], reply: BatchReply, now: int
) -> BatchResult[T]:
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


def _in_batches(
    requests: Mapping[int, Write],
    judge: Callable[[int, BatchReply], Operation[R]],
    results: dict[int, R],
    *,
    look: bool = False,
) -> Operation[None]:
    """Send requests, up to 25 at once, and add to the results what they came to.

    After a failure that waiting does not mend nothing more is sent: it would take its time to fail
    in the same way.

    Args:
        requests: by their places in the whole.
        judge: makes a result of a reply.
        results: where those go, by place.
        look: whether to read the items that refused a write.

    Raises:
        SetupError: table or credentials are not right, and nothing has been carried out.
        AccessDeniedError: the same.
    """
    failure: DynamoMQError | None = None
    for places in _chunks(requests):
        replies: Mapping[int, BatchReply]
        if failure is None:
            try:
                replies = yield from _carried_out(requests, places, look=look)
            except DynamoMQError as error:
                if isinstance(error, SetupError | AccessDeniedError) and places[0] == min(requests):
                    raise
                failure = error
        if failure is not None:
            replies = dict.fromkeys(places, Failed(failure))
        for place in places:
            results[place] = yield from judge(place, replies[place])


def _chunks(requests: Mapping[int, Write]) -> Iterator[list[int]]:
    """Yield places, up to 25 at a time and those of one message apart: a batch has each id once."""
    left = dict(requests)
    while left:
        chosen: dict[str, int] = {}
        for place, request in left.items():
            if len(chosen) == MAX_BATCH:
                break
            chosen.setdefault(request.id, place)
        for place in chosen.values():
            del left[place]
        yield list(chosen.values())


def _carried_out(
    requests: Mapping[int, Write], places: Sequence[int], *, look: bool
) -> Operation[dict[int, BatchReply]]:
    """Send one batch; add to refusals, where that is wanted, the items that refused."""
    answers = yield from write_batch(WriteBatch(tuple(requests[place] for place in places)))
    replies = dict(zip(places, answers, strict=True))
    unseen = {
        place: reply
        for place, reply in replies.items()
        if look and isinstance(reply, Refused) and not reply.shown
    }
    if unseen:
        try:
            ids = tuple(requests[place].id for place in unseen)
            items = yield from persistently(GetMany(ids))
        except DynamoMQError as error:
            replies.update((place, Failed(error)) for place in unseen)
        else:
            for place, reply in unseen.items():
                item = items.get(requests[place].id)
                replies[place] = evolve(reply, item=item, shown=True)
    return replies

"""Many messages at once: 25 a request, each for itself (spec: BATCH-1 to BATCH-3).

Every entry has a result of its own, so that what failed takes nothing back from what did not. Each
is judged by the same rules as a single call. A batch does not show the items that refused its
writes, so these are looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeGuard, TypeVar

from attrs import evolve, frozen

from dynamomq.errors import DynamoMQError, UnavailableError, with_doubt
from dynamomq.message import Message
from dynamomq.operations import holding
from dynamomq.operations.grouping import send_to_groups
from dynamomq.operations.holding import Extra, Rules
from dynamomq.operations.outgoing import FATAL, SendResult, not_sent
from dynamomq.operations.sending import Outgoing, draft_of, judged, put_of
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    in_time,
    persistently,
    write,
    write_batch,
)
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

T = TypeVar("T")


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
            try:
                draft = draft_of(settings, moment.now, token, entry, id)
            except DynamoMQError as error:
                results[place] = SendResult(id, error=error)
            else:
                request = in_time(put_of(settings, draft), moment)
                judge = partial(_judge_send, settings, request, moment.now)
                begun[place] = _Begun(request, judge)
        return begun

    halted: dict[str | None, DynamoMQError] = {}
    for number, some in enumerate(_runs(outgoing)):
        keys = {
            place: place if entry.id is None else entry.id
            for place, entry in some.items()
            if entry.group is None
        }
        yield from _in_batches(keys, begin, results, is_first=number == 0)
        grouped = {place: entry for place, entry in some.items() if entry.group is not None}
        yield from send_to_groups(settings, grouped, results, halted)
    return [results[place] for place in range(len(entries))]


def _runs(outgoing: Mapping[int, Outgoing]) -> Iterator[dict[int, Outgoing]]:
    """Yield entries in order, in parts that hold no id both in a group and outside of it.

    Nor in two groups. Within a part those without a group are sent first, and one group after the
    other; so of two entries with one id, the second has to be in a later part.
    """
    some: dict[int, Outgoing] = {}
    groups: dict[str, str | None] = {}
    for place, entry in outgoing.items():
        if entry.id is not None and groups.setdefault(entry.id, entry.group) != entry.group:
            yield some
            some, groups = {}, {entry.id: entry.group}
        some[place] = entry
    if some:
        yield some


def _judge_send(
    settings: Settings, request: Write, begun: int, reply: BatchReply
) -> Operation[SendResult[Any]]:
    """Judge one entry. What was refused is sent once more alone: that shows who is in the way.

    A batch inserts, and so minds even tombstones whose time is over; the single write does not. It
    has the same token, so it recognises what the batch has sent already.
    """
    if isinstance(reply, Failed):
        return not_sent(request.id, reply.error)
    try:
        if isinstance(reply, Refused) and not reply.shown:
            reply = yield from Doubt(reply.repeated).told(write(request))
        message = yield from judged(settings, request, reply, begun, "raise")
    except DynamoMQError as error:
        return not_sent(request.id, error)
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
    first: dict[tuple[str, str | None], int] = {}  # where each delivery occurs for the first time
    heads: dict[int, Message[T]] = {}
    for place, message in enumerate(messages):
        try:
            holding.check_held(settings, message)
        except DynamoMQError as error:
            results[place] = BatchResult(message, error)
            continue
        delivery = message.id, message.receipt
        if delivery not in first and holding.leaves_list(rules, message):
            heads[place] = message
        first.setdefault(delivery, place)
    failure = yield from _delete_from_groups(settings, heads, results)

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
                request = in_time(request, moment)
                judge = partial(_judge, settings, request, message, now)
                begun[place] = _Begun(request, judge)
        return begun

    keys = {place: id for (id, _), place in first.items() if place not in results}
    is_first = not _may_be_done(results)
    try:
        yield from _in_batches(keys, begin, results, look=True, is_first=is_first, failure=failure)
    except DynamoMQError as error:
        for place in keys:
            holding.tell_failure(rules, messages[place], error)
        raise
    for place in first.values():
        if (failed := results[place].error) is not None:
            holding.tell_failure(rules, messages[place], failed)
    return [
        results[place] if place in results else results[first[message.id, message.receipt]]
        for place, message in enumerate(messages)
    ]


def _delete_from_groups(
    settings: Settings, heads: Mapping[int, Message[T]], results: dict[int, BatchResult[T]]
) -> Operation[DynamoMQError | None]:
    """Delete messages whose groups must move on, each in a transaction of its own.

    Args:
        settings: the queue's.
        heads: the messages, by place.
        results: where it goes what became of them, by place.

    Returns:
        What keeps all others from being deleted, too; ``None``: nothing does.
    """
    failure: DynamoMQError | None = None
    for place, message in heads.items():
        if failure is not None:
            results[place] = BatchResult(message, failure)
            continue
        try:
            yield from holding.delete(settings, message)
        except DynamoMQError as error:
            if isinstance(error, FATAL) and not error.in_doubt and not _may_be_done(results):
                raise
            results[place] = BatchResult(message, error)
            if isinstance(error, (*FATAL, UnavailableError)) and not error.retryable:
                failure = with_doubt(error, in_doubt=False)  # nothing more is sent
        else:
            results[place] = BatchResult(message)
    return failure


def _may_be_done(results: Mapping[int, BatchResult[T]]) -> bool:
    """Tell whether anything was carried out, or may have been."""
    return any(one.error is None or one.error.in_doubt for one in results.values())


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
    if not request.rule.ends_delivery:
        return BatchResult(holding.extended(settings, request, message, reply, now))
    return BatchResult(message)


# --- what both share -------------------------------------------------------------------------

R = TypeVar("R")


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
    is_first: bool = True,
    failure: DynamoMQError | None = None,
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
        is_first: whether nothing has been carried out so far.
        failure: what has failed before, so that nothing is sent any more.

    Raises:
        SetupError: table or credentials are not right, and nothing has been carried out.
        AccessDeniedError: the same.
        ClosedError: the same.
    """
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
                if is_first and isinstance(error, FATAL) and not error.in_doubt:
                    raise
                replies = [Failed(error)] * len(requests)
                failure = with_doubt(error, in_doubt=False)  # nothing more is sent
        is_first = False
        if not replies and failure is not None:
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
    if len(fatal) == len(replies) and not any(error.in_doubt for error in fatal):
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
            for place, reply in unseen.items():
                replies[place] = Doubt(reply.repeated).of(Failed(error))
        else:
            for place, reply in unseen.items():
                found = items.get(requests[place].id)
                replies[place] = evolve(reply, item=found, shown=True)
    return replies


def _is_fatal(reply: BatchReply) -> TypeGuard[Failed]:
    return isinstance(reply, Failed) and isinstance(reply.error, FATAL)

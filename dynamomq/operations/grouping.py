"""Batches of messages into groups: each group's in order, as many as possible in one transaction.

A group's messages are sent together or, where there are too many, one transaction after the other
(spec: BATCH-4). When one can't be carried out the rest of its group is not sent: it would overtake
what comes before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from dynamomq.errors import DynamoMQError, OrderError, UnavailableError, with_doubt
from dynamomq.operations.outgoing import FATAL, SendResult, not_sent
from dynamomq.operations.sending import MOST_JOINING, Outgoing, append, draft_of, judged
from dynamomq.operations.writing import Settings
from dynamomq.requests import Failed, Operation, Tick, ask
from dynamomq.values import Value, item_size

_MOST_BYTES = 3_500_000
"""How many bytes of messages go into one transaction: DynamoDB's limit is 4 MB, attributes of the
list included."""


def send_to_groups(
    settings: Settings,
    outgoing: Mapping[int, Outgoing],
    results: dict[int, SendResult[Any]],
    halted: MutableMapping[str | None, DynamoMQError],
) -> Operation[None]:
    """Send messages to their groups, and add what became of each to ``results``, by place.

    Args:
        settings: the queue's.
        outgoing: the messages, by place.
        results: what became of them, by place.
        halted: why nothing more is sent to a group, and under ``None`` to any; it is added to.

    Raises:
        SetupError: table or credentials are not right, and nothing has been sent.
        AccessDeniedError: sending is not allowed, and nothing has been sent.
    """
    groups: dict[str, list[int]] = {}
    for place, entry in outgoing.items():
        groups.setdefault(str(entry.group), []).append(place)
    for group, places in groups.items():
        drafts = yield from _drafts(settings, {n: outgoing[n] for n in places}, results)
        for chunk in _chunks(drafts):
            stopped = halted.get(None) or halted.get(group)
            error = stopped or (yield from _sent(settings, group, chunk, outgoing, results))
            if error is None:
                continue
            if stopped is None:
                if isinstance(error, FATAL) and not _may_be_sent(error, results):
                    raise error
                if isinstance(error, (*FATAL, UnavailableError)):
                    halted[None] = with_doubt(error, in_doubt=False)  # nothing more is sent
                else:
                    halted[group] = overtaking(group)
            for place, draft in chunk.items():
                if place not in results:  # a duplicate is known to be one
                    results[place] = not_sent(str(draft["id"]), error)
        if len(drafts) < len(places):
            halted.setdefault(group, overtaking(group))


def _may_be_sent(error: DynamoMQError, results: Mapping[int, SendResult[Any]]) -> bool:
    """Tell whether some message was sent, or may have been, when an error came."""
    errors = [error, *(one.error for one in results.values())]
    return any(one is None or one.in_doubt for one in errors)


def overtaking(group: str) -> OrderError:
    """Return the error for a message that must not overtake one that could not be sent."""
    return OrderError(
        f"Not sent, because one before it in the message group {group!r} was not: it would "
        "overtake that.",
        remedy="Send that one first, then this one.",
    )


def _drafts(
    settings: Settings, entries: Mapping[int, Outgoing], results: dict[int, SendResult[Any]]
) -> Operation[dict[int, dict[str, Value]]]:
    """Return the messages of one group up to the first that can't be sent, as of now."""
    unnamed = sum(entry.id is None for entry in entries.values())
    moment = yield from ask(Tick(tokens=len(entries), ids=unnamed))
    fresh = iter(moment.ids)
    drafts: dict[int, dict[str, Value]] = {}
    failed = False
    for (place, entry), token in zip(entries.items(), moment.tokens, strict=True):
        id = next(fresh) if entry.id is None else entry.id
        try:
            if failed:
                raise overtaking(str(entry.group))
            drafts[place] = draft_of(settings, moment.now, token, entry, id)
        except DynamoMQError as error:
            results[place] = SendResult(id, error=error)
            failed = True
    return drafts


def _chunks(drafts: Mapping[int, dict[str, Value]]) -> Iterator[dict[int, dict[str, Value]]]:
    """Yield messages in order, as many as one transaction takes, each id once."""
    chunk: dict[int, dict[str, Value]] = {}
    ids: set[Value] = set()
    size = 0
    for place, draft in drafts.items():
        own = item_size(draft)
        if chunk and (
            len(chunk) == MOST_JOINING or size + own > _MOST_BYTES or str(draft["id"]) in ids
        ):
            yield chunk
            chunk, ids, size = {}, set(), 0
        chunk[place] = draft
        ids.add(str(draft["id"]))
        size += own
    if chunk:
        yield chunk


def _sent(
    settings: Settings,
    group: str,
    chunk: Mapping[int, dict[str, Value]],
    outgoing: Mapping[int, Outgoing],
    results: dict[int, SendResult[Any]],
) -> Operation[DynamoMQError | None]:
    """Send one chunk, and judge each of its messages; return what kept it from being sent.

    It begins now, however long those before it took.
    """
    begun = yield from ask(Tick())
    drafts = [
        draft_of(settings, begun.now, str(draft["token"]), outgoing[place], str(draft["id"]))
        for place, draft in chunk.items()
    ]
    try:
        answers = yield from append(settings, group, drafts, begun)
    except DynamoMQError as error:
        return error
    failure: DynamoMQError | None = None
    for place, (request, reply) in zip(chunk, answers, strict=True):
        if isinstance(reply, Failed):
            failure = reply.error  # of all of them that are not judged: the group was too busy
            continue
        try:
            message = yield from judged(settings, request, reply, begun.now, "raise")
        except DynamoMQError as error:
            results[place] = not_sent(request.id, error)
        else:
            results[place] = SendResult(request.id, message)
    return failure

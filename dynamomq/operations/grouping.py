"""Batches of messages into groups: each group's in order, as many as possible in one transaction.

A group's messages are sent together or, where there are too many, one transaction after the other
(spec: BATCH-4). When one can't be carried out the rest of its group is not sent: it would overtake
what comes before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dynamomq.errors import DynamoMQError
from dynamomq.operations.outgoing import FATAL, SendResult, not_sent
from dynamomq.operations.sending import MOST_JOINING, Outgoing, append, draft_of, judged
from dynamomq.operations.writing import Settings
from dynamomq.requests import Failed, Operation, Tick, ask
from dynamomq.values import Value, item_size

__all__ = ["send_to_groups"]

_MOST_BYTES = 3_500_000
"""How many bytes of messages go into one transaction: DynamoDB's limit is 4 MB, attributes of the
list included."""


def send_to_groups(
    settings: Settings, outgoing: Mapping[int, Outgoing], results: dict[int, SendResult[Any]]
) -> Operation[None]:
    """Send messages to their groups, and add what became of each to ``results``, by place.

    Raises:
        SetupError: table or credentials are not right, and nothing has been sent.
        AccessDeniedError: sending is not allowed, and nothing has been sent.
    """
    groups: dict[str, list[int]] = {}
    for place, entry in outgoing.items():
        groups.setdefault(str(entry.group), []).append(place)
    failure: DynamoMQError | None = None
    sent_before = bool(results)
    for group, places in groups.items():
        drafts, begun = yield from _drafts(settings, {n: outgoing[n] for n in places}, results)
        stopped = failure
        for chunk in _chunks(drafts):
            if stopped is None:
                try:
                    yield from _send(settings, group, chunk, begun, results)
                except DynamoMQError as error:
                    if isinstance(error, FATAL):
                        if not sent_before:
                            raise
                        failure = error
                    stopped = error
            if stopped is not None:
                for place, draft in chunk.items():
                    results[place] = not_sent(str(draft["id"]), stopped)
            sent_before = True


def _drafts(
    settings: Settings, entries: Mapping[int, Outgoing], results: dict[int, SendResult[Any]]
) -> Operation[tuple[dict[int, dict[str, Value]], int]]:
    """Return the messages of one group, and the time of their sending."""
    unnamed = sum(entry.id is None for entry in entries.values())
    moment = yield from ask(Tick(tokens=len(entries), ids=unnamed))
    ids = iter(moment.ids)
    drafts = {}
    for (place, entry), token in zip(entries.items(), moment.tokens, strict=True):
        id = next(ids) if entry.id is None else entry.id
        try:
            drafts[place] = draft_of(settings, moment.now, token, entry, id)
        except DynamoMQError as error:
            results[place] = SendResult(id, error=error)
    return drafts, moment.now


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


def _send(
    settings: Settings,
    group: str,
    chunk: Mapping[int, dict[str, Value]],
    begun: int,
    results: dict[int, SendResult[Any]],
) -> Operation[None]:
    """Send one chunk, and judge each of its messages."""
    drafts: Sequence[dict[str, Value]] = list(chunk.values())
    answers = yield from append(settings, group, drafts)
    for place, (request, reply) in zip(chunk, answers, strict=True):
        if isinstance(reply, Failed):
            raise reply.error  # of all that are not judged yet: the group was too busy
        try:
            message = yield from judged(settings, request, reply, begun, "raise")
        except DynamoMQError as error:
            results[place] = not_sent(request.id, error)
        else:
            results[place] = SendResult(request.id, message)

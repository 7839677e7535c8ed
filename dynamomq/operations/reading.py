"""What changes nothing: get, list, stats (spec: READ-1 to READ-4)."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from dynamomq.attributes import ID
from dynamomq.machine import INDEX_VIEWS, NO_MESSAGE, QueueType
from dynamomq.message import Message
from dynamomq.operations.operating import missing
from dynamomq.operations.writing import Settings, at, message_of, onlooker_view, persistently
from dynamomq.requests import Get, GetMany, Operation, Query, Scan, Tick, ask
from dynamomq.values import Item

PAGE = 100
"""How many messages a page of a listing holds (DynamoDB: ``BatchGetItem``)."""

_STATS_PAGE = 1000


@frozen
class QueueStats:
    """How many messages one of a table's queues holds, as far as they were counted.

    Of a message group that is the head; those behind it are in no queue yet.

    Attributes:
        ready: due, and in nobody's hands.
        delayed: not due yet.
        processing: held by a consumer.
        expired: delivered, and past the visibility timeout; receivable again.
        complete: whether all were counted; if not, the figures are lower bounds.
    """

    ready: int = 0
    delayed: int = 0
    processing: int = 0
    expired: int = 0
    complete: bool = True

    @property
    def total(self) -> int:
        """All that were counted."""
        return self.ready + self.delayed + self.processing + self.expired


@frozen
class Stats:
    """What the index showed of both queues; it may lag behind the table by a moment.

    Attributes:
        standard: the standard queue.
        dlq: the dead-letter queue.
    """

    standard: QueueStats = field(factory=QueueStats)
    dlq: QueueStats = field(factory=QueueStats)


def get(settings: Settings, id: str) -> Operation[Message[Any]]:
    """Read one message, strongly consistent; it conveys no right to acknowledge it.

    Raises:
        MessageNotFoundError: there is no such message.
    """
    moment = yield from ask(Tick())
    item = yield from persistently(Get(id))
    found = message_of(settings, item, moment.now)
    if found.state in NO_MESSAGE:
        raise missing(id)
    return onlooker_view(found)


def list_page(
    settings: Settings,
    source: QueueType | None,
    cursor: Item | None,
    *,
    partition: str | None = None,
) -> Operation[tuple[list[Message[Any]], Item | None]]:
    """Read one page of a listing, and where the next one starts.

    Args:
        settings: the queue's.
        source: a queue, in order of due time; ``None``: the whole table in no order, with
            messages that wait behind their group's head and tombstones.
        cursor: where to go on; ``None``: from the start.
        partition: which of the queue's index partitions; ``None``: that with the plain name, which
            is the only one unless the queue has shards.
    """
    moment = yield from ask(Tick())
    if source is None:
        page = yield from persistently(Scan(PAGE, cursor))
        items = list(page.entries)
    else:
        page = yield from persistently(Query(partition or source.value, None, PAGE, cursor))
        ids = tuple(str(entry[ID.name]) for entry in page.entries)
        found = (yield from persistently(GetMany(ids))) if ids else {}
        items = [found[id] for id in ids if id in found]
    messages = [message_of(settings, item, moment.now) for item in items]
    listed = [
        onlooker_view(message)
        for message in messages
        if message.state not in NO_MESSAGE and source in (None, message.queue)
    ]
    return listed, page.cursor


def stats(settings: Settings, *, limit: int) -> Operation[Stats]:
    """Count the messages of both queues by what the index shows, at most ``limit`` in each."""
    standard = yield from _count(settings, QueueType.STANDARD, limit)
    dlq = yield from _count(settings, QueueType.DLQ, limit)
    return Stats(standard, dlq)


def _count(settings: Settings, queue: QueueType, limit: int) -> Operation[QueueStats]:
    moment = yield from ask(Tick())
    now = at(settings, moment.now)
    counts = dict.fromkeys(INDEX_VIEWS, 0)
    left = limit
    for partition in settings.partitions(queue):
        more, cursor = True, None
        while more:
            # A page that is full names a next one, even where it was the last.
            query = Query(partition, None, min(left, _STATS_PAGE) or 1, cursor)
            page = yield from persistently(query)
            if page.entries and not left:
                return QueueStats(**counts, complete=False)
            for name, view in INDEX_VIEWS.items():
                counts[name] += sum(view.evaluate(entry, now) for entry in page.entries)
            left -= len(page.entries)
            cursor = page.cursor
            more = cursor is not None
    return QueueStats(**counts, complete=True)

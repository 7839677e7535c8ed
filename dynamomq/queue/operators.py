"""The part of ``Queue`` for those who operate it: they look, and edit what nobody holds."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from typing import Any, Literal, TypeVar

from dynamomq import operations
from dynamomq.attributes import DUE
from dynamomq.checks import (
    MAX_DELAY,
    Duration,
    check_callable,
    check_count,
    check_due,
    check_duration,
    check_flag,
    check_group,
    check_headers,
    check_id,
    check_rate,
    check_reason,
    check_source,
)
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations import (
    ConsumerInfo,
    PurgeResult,
    RedriveResult,
    RepairResult,
    Stats,
    operating,
    purgeable,
)
from dynamomq.queue.base import QueueBase
from dynamomq.values import Item

T = TypeVar("T")

_MOST_COUNTED = 10**9


class ForOperators(QueueBase[T]):
    """Reading, counting and editing."""

    def bury(self, id: str, *, reason: BaseException | str | None = None) -> Message[T]:
        """Put a message that nobody holds into the dead-letter queue (spec: OPERATOR-1).

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: somebody holds it, or it is there already.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
            InvalidArgumentError: the reason is neither an exception nor text.
        """
        check_reason("reason", reason)
        return self.run(operating.bury(self.settings, check_id(id), reason=reason))

    def redrive(self, id: str) -> Message[T]:
        """Bring a message back from the dead-letter queue, due at once (spec: OPERATOR-2).

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: it is not in the dead-letter queue, or somebody holds it.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        return self.run(operating.redrive(self.settings, check_id(id)))

    def update(self, id: str, data: T, *, headers: Mapping[str, str] | None = None) -> Message[T]:
        """Change what a message says that nobody holds (spec: OPERATOR-4).

        It keeps its place in its group, its due time, and the count of its deliveries.

        Args:
            id: the message's.
            data: the payload.
            headers: all headers, in place of those that there are; left out, they stay.

        Returns:
            The message as it is now.

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: somebody holds it, or it is deleted.
            PayloadError: the payload can't be stored exactly, or the message would be too large.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        encoded = self._codec.encode(data)
        return self.run(
            operating.update(self.settings, check_id(id), encoded, headers=_all_of(headers))
        )

    def annotate(self, id: str, headers: Mapping[str, str]) -> Message[T]:
        """Change the headers of a message that nobody holds, all of them (spec: OPERATOR-4).

        Returns:
            The message as it is now.

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: somebody holds it, or it is deleted.
            PayloadError: the message would be too large.
            InvalidArgumentError: the headers are no texts.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        if headers is None:
            raise InvalidArgumentError(
                "headers",
                headers,
                "they are not a mapping",
                remedy="Pass a dict of str to str; an empty one takes all headers away.",
            )
        return self.run(
            operating.annotate(self.settings, check_id(id), check_headers(headers) or {})
        )

    def reschedule(
        self, id: str, *, delay: Duration | None = None, due_at: datetime | None = None
    ) -> Message[T]:
        """Change when a message is due that nobody holds (spec: OPERATOR-5).

        Args:
            id: the message's.
            delay: seconds, or a ``timedelta``, from now; 0: at once.
            due_at: or the moment itself, as an aware ``datetime``; what is past is at once.

        Returns:
            The message as it is now.

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: somebody holds it, or it is deleted.
            InvalidArgumentError: the delay is out of range, or the datetime has no time zone.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        if (delay is None) == (due_at is None):
            beside = (
                "there is no due_at either" if due_at is None else "there is a due_at beside it"
            )
            raise InvalidArgumentError(
                "delay", delay, beside, remedy="Pass one of them; delay=0 is at once."
            )
        later = 0 if delay is None else check_duration("delay", delay, at_most=MAX_DELAY)
        moment = None if due_at is None else check_due(due_at)
        return self.run(
            operating.reschedule(
                self.settings, check_id(id), lambda now: now + later if moment is None else moment
            )
        )

    def cancel(self, id: str) -> Message[T]:
        """Withdraw a message that nobody holds (spec: OPERATOR-6).

        Its id stays taken for the deduplication window. In a group, the next one takes its place.

        Returns:
            The tombstone that is left of it.

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: somebody holds it, or it is deleted already.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        return self.run(operating.cancel(self.settings, check_id(id)))

    def purge(
        self,
        source: QueueType | Literal["STANDARD", "DLQ"] | None,
        *,
        states: Iterable[str] | None = None,
        older_than: Duration | None = None,
        dry_run: bool = False,
        progress: Callable[[PurgeResult], object] | None = None,
    ) -> PurgeResult:
        """Remove the messages of a queue, also those that somebody holds (spec: OPERATOR-8).

        They are counted first. What is sent, or arrives in the queue, after that is left alone. Of
        each message a tombstone is left for the deduplication window, so that no late repetition of
        its send brings it back; DynamoDB removes it some time later.

        Args:
            source: the queue; the standard queue with those that wait behind their group's head.
                ``None``: all messages, wherever they are, by a scan of the whole table.
            states: only messages in these states, such as ``{"STANDARD.READY", "WAITING"}``; left
                out, whatever is in the queue, ``MALFORMED`` items included.
            older_than: only messages that were sent so many seconds ago, or a ``timedelta``, or
                longer; left out, of any age.
            dry_run: whether to count only.
            progress: called with the counts so far: once when all are counted, and after each
                message. What it raises ends the purge.

        Returns:
            The counts.

        Raises:
            InvalidArgumentError: an argument is not acceptable; nothing was changed.
            DynamoMQError: the storage failed; a note says how far it came. Call again for the rest.
        """
        queue = None if source is None else check_source(source)
        return self.run(
            operations.purge(
                self.settings,
                queue,
                states=None if states is None else _states(states, purgeable(queue)),
                older_than=None
                if older_than is None
                else check_duration("older_than", older_than, at_most=MAX_DELAY),
                dry_run=check_flag("dry_run", dry_run),
                progress=check_callable("progress", progress),
            )
        )

    def redrive_all(
        self,
        where: Callable[[Message[T]], object] | None = None,
        *,
        limit: int | None = None,
        rate: float | None = None,
        dry_run: bool = False,
        progress: Callable[[RedriveResult], object] | None = None,
    ) -> RedriveResult:
        """Bring many messages back from the dead-letter queue (spec: OPERATOR-9).

        Those that have been there longest come first; members of a group go to its end in the order
        in which they had joined it. They are chosen and counted first: what is dead-lettered after
        that, once more or for the first time, stays.

        Args:
            where: a filter: it is called with each dead letter, and tells by true or false whether
                that is to be redriven. Left out, all are.
            limit: at most so many. Where one of a group is among them, the whole queue is read, and
                the filter asked about that group's others too.
            rate: at most so many a second.
            dry_run: whether to count only.
            progress: called with the counts so far: once when all are counted, and after each
                message. What it raises ends the redrive.

        Returns:
            The counts.

        Raises:
            FilterError: the filter raised; nothing was changed.
            InvalidArgumentError: an argument is not acceptable; nothing was changed.
            DynamoMQError: the storage failed; a note says how far it came. Call again for the rest.
        """
        return self.run(
            operations.redrive_all(
                self.settings,
                check_callable("where", where),
                limit=None
                if limit is None
                else check_count("limit", limit, at_least=1, at_most=_MOST_COUNTED),
                rate=None if rate is None else check_rate(rate),
                dry_run=check_flag("dry_run", dry_run),
                progress=check_callable("progress", progress),
            )
        )

    def repair_group(self, group: str, *, dry_run: bool = False) -> RepairResult:
        """Make the list of a message group whole that was damaged by hand (spec: GROUP-10).

        It reads the whole table: what no link leads to can't be found otherwise. No message is
        removed; afterwards each that is in the group is in its list, in the order in which they had
        joined it. Senders and receivers may go on meanwhile. Nothing is written where the list is
        whole.

        Args:
            group: the group's name.
            dry_run: whether to look only.

        Returns:
            What was wrong, the group's messages in order, and which items were written.

        Raises:
            InvalidArgumentError: there can't be such a group.
            ConflictError: others kept changing it, or several of its messages are held at once.
            DynamoMQError: the storage failed. Call again for the rest.
        """
        name = check_group(group)
        return self.run(
            operations.repair_group(self.settings, name, dry_run=check_flag("dry_run", dry_run))
        )

    def get(self, id: str) -> Message[T]:
        """Read a message; it conveys no right to acknowledge it (spec: READ-2).

        Raises:
            MessageNotFoundError: there is no such message.
        """
        return self.run(operations.get(self.settings, check_id(id)))

    def list(
        self, source: QueueType | Literal["STANDARD", "DLQ"] | None = QueueType.STANDARD
    ) -> Iterator[Message[T]]:
        """Read the messages of a queue, oldest due time first, page by page (spec: READ-3).

        What waits behind the head of its group is in no queue yet: only ``list(None)`` shows it.

        Args:
            source: the queue; ``None``: everything in the table, in no order, with the tombstones
                of deleted messages.

        Returns:
            An iterator over the messages that were there when their page was read, each once,
            whoever holds them. It reads a page when it gets there, and not before.

        Raises:
            InvalidArgumentError: there is no such queue.
        """
        return self._listed(None if source is None else check_source(source))

    def _listed(self, source: QueueType | None) -> Iterator[Message[T]]:
        listed: set[str] = set()
        if source is None:
            yield from self._listed_in(None, None, listed)
            return
        parts = [self._listed_in(source, one, listed) for one in self.settings.partitions(source)]
        yield from merge(*parts, key=_due_time)

    def _listed_in(
        self, source: QueueType | None, partition: str | None, listed: set[str]
    ) -> Iterator[Message[T]]:
        again = 0  # messages in a row that were listed before
        cursor: Item | None = None
        while True:
            page, cursor = self.run(
                operations.list_page(self.settings, source, cursor, partition=partition)
            )
            new = [message for message in page if message.id not in listed]
            listed.update(message.id for message in new)
            yield from new
            again = 0 if new else again + len(page)
            # What is extended meanwhile moves ahead of us, and there may be others behind it. But
            # more of them than there are means that they are extended over and over.
            if cursor is None or again > len(listed):
                return

    def stats(self, *, limit: int = 10_000) -> Stats:
        """Count the messages of both queues by state (spec: READ-4).

        Of a message group only the head counts: what waits behind it is in no queue yet, and not
        in the index that is counted. ``purge("STANDARD", dry_run=True)`` counts these as well, at
        the cost of reading each.

        Args:
            limit: how many messages to count at most in each queue, which bounds the cost (about
                one read unit for 60 messages). Where there are more, the result says so.
        """
        check_count("limit", limit, at_least=1, at_most=_MOST_COUNTED)
        return self.run(operations.stats(self.settings, limit=limit))

    def consumers(self) -> builtins.list[ConsumerInfo]:
        """Return the consumers that are at work, the longest-serving first (spec: CONSUMER-1).

        What they say of themselves is up to ten seconds old; one that died is listed until its
        lease ends, half a minute at most.
        """
        return self.run(operations.consumers())


def _all_of(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return headers that were checked; none at all are not the same as an empty mapping."""
    return None if headers is None else check_headers(headers) or {}


def _states(states: Iterable[str], possible: frozenset[str]) -> frozenset[str]:
    """Return the names of states that were checked."""
    remedy = f"Pass a set of some of: {', '.join(sorted(possible))}."
    if isinstance(states, str) or not isinstance(states, Iterable):
        raise InvalidArgumentError("states", states, "it is no set of states", remedy=remedy)
    chosen = [*states]
    for state in chosen:
        if state not in possible:
            reason = "there is no such state of a message there"
            raise InvalidArgumentError("states", state, reason, remedy=remedy)
    if not chosen:
        raise InvalidArgumentError("states", states, "no message is in none", remedy=remedy)
    return frozenset(chosen)


def _due_time(message: Message[Any]) -> str:
    return str(message.item.get(DUE.name))

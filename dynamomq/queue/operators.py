"""The part of ``Queue`` for those who operate it: they look, and edit what nobody holds."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Literal, TypeVar

from dynamomq import operations
from dynamomq.checks import (
    check_count,
    check_id,
    check_source,
)
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations import (
    ConsumerInfo,
    Stats,
)
from dynamomq.queue.base import QueueBase
from dynamomq.values import Item

__all__ = ["ForOperators"]

T = TypeVar("T")

_MOST_COUNTED = 10**9


class ForOperators(QueueBase[T]):
    """Reading, counting and editing."""

    def bury(self, id: str, *, reason: str | None = None) -> Message[T]:
        """Put a message that nobody holds into the dead-letter queue (spec: OPERATOR-1).

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: somebody holds it, or it is there already.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        return self.run(operations.bury(self.settings, check_id(id), reason=reason))

    def redrive(self, id: str) -> Message[T]:
        """Bring a message back from the dead-letter queue, due at once (spec: OPERATOR-2).

        Raises:
            MessageNotFoundError: there is no such message.
            IllegalTransitionError: it is not in the dead-letter queue, or somebody holds it.
            ConflictError: others kept changing it.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
        """
        return self.run(operations.redrive(self.settings, check_id(id)))

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
        again = 0  # messages in a row that were listed before
        cursor: Item | None = None
        while True:
            page, cursor = self.run(operations.list_page(self.settings, source, cursor))
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

"""The part of ``Queue`` that deals with many messages at once."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import TypeVar

from dynamomq import operations
from dynamomq.checks import (
    MAX_DELAY,
    MAX_VISIBILITY_TIMEOUT,
    Duration,
    check_duration,
    check_reason,
    check_several,
)
from dynamomq.errors import DynamoMQError
from dynamomq.message import Entry, Message
from dynamomq.operations import (
    BatchResult,
    SendResult,
)
from dynamomq.operations.grouping import overtaking
from dynamomq.queue.base import QueueBase

T = TypeVar("T")


class ManyAtOnce(QueueBase[T]):
    """Batches, and receiving for ever."""

    def send_batch(self, entries: Iterable[T | Entry[T]]) -> builtins.list[SendResult[T]]:
        """Send many messages, 25 a request (spec: BATCH-1).

        Those of a group are sent in order, up to 98 in one transaction (spec: BATCH-4).

        Args:
            entries: payloads, or an :class:`Entry` where there is more to say than the payload; any
                number.

        Returns:
            What became of each, in order. A failure takes nothing back from the others; but what
            comes after it in its group is not sent, which is an
            :class:`~dynamomq.errors.OrderError`. Look at ``ok``, or at ``error``, which is what
            ``send`` would have raised: a
            :class:`~dynamomq.errors.DuplicateMessageError` where the id is taken, by an earlier
            entry too.

        Raises:
            InvalidArgumentError: they are not several. (What an iterator of yours raises is passed
                on.) Nothing has been sent.
            SetupError: table or credentials are not right, and nothing has been sent.
            AccessDeniedError: sending is not allowed, and nothing has been sent.
            ClosedError: the queue was closed.
        """
        stopped: set[str | None] = set()  # groups of which one can't be sent
        outgoing = [
            self._outgoing_or_failure(entry, stopped)
            for entry in check_several("entries", entries, of="payloads")
        ]
        return self.run(operations.send_batch(self.settings, outgoing))

    def _outgoing_or_failure(
        self, entry: T | Entry[T], stopped: set[str | None]
    ) -> operations.Outgoing | SendResult[T]:
        whole: Entry[T] = entry if isinstance(entry, Entry) else Entry(entry)
        group = whole.group if isinstance(whole.group, str) else None
        try:
            if group in stopped:
                raise overtaking(str(group))
            return self.outgoing(whole)
        except DynamoMQError as error:
            if group is not None:
                stopped.add(group)
            return SendResult(whole.id if isinstance(whole.id, str) else "", error=error)

    def delete_batch(self, messages: Iterable[Message[T]]) -> builtins.list[BatchResult[T]]:
        """Acknowledge many messages, 25 a request (spec: BATCH-2).

        Args:
            messages: as they were received; any number.

        Returns:
            What became of each, in order; ``error`` is what ``delete`` would have raised.

        Raises:
            InvalidArgumentError: they are not several.
            SetupError: table or credentials are not right, and nothing has been changed.
            AccessDeniedError: it is not allowed, and nothing has been changed.
            ClosedError: the queue was closed.
        """
        return self.run(operations.delete_batch(self.settings, _several(messages)))

    def retry_batch(
        self,
        messages: Iterable[Message[T]],
        *,
        delay: Duration = 0,
        error: BaseException | str | None = None,
    ) -> builtins.list[BatchResult[T]]:
        """Give many messages back after a failure, 25 a request (spec: BATCH-2).

        Args:
            messages: as they were received; any number.
            delay: seconds, or a ``timedelta``, until they are due again.
            error: what failed; its type and text travel with each of them.

        Returns:
            What became of each, in order; ``error`` is what ``retry`` would have raised.

        Raises:
            InvalidArgumentError: the delay is out of range, or they are not several messages.
            SetupError: table or credentials are not right, and nothing has been changed.
            AccessDeniedError: it is not allowed, and nothing has been changed.
            ClosedError: the queue was closed.
        """
        later = check_duration("delay", delay, at_most=MAX_DELAY)
        check_reason("error", error)
        return self.run(
            operations.retry_batch(self.settings, _several(messages), delay=later, error=error)
        )

    def extend_batch(
        self, messages: Iterable[Message[T]], timeout: Duration
    ) -> builtins.list[BatchResult[T]]:
        """Hold many messages longer, 25 a request (spec: BATCH-2).

        Args:
            messages: as they were received; any number.
            timeout: until so long from now, never shorter than they are held already.

        Returns:
            Each message with its deadline, in order; ``error`` is what ``extend`` would have
            raised.

        Raises:
            InvalidArgumentError: the timeout is out of range, or they are not several messages.
            SetupError: table or credentials are not right, and nothing has been changed.
            AccessDeniedError: it is not allowed, and nothing has been changed.
            ClosedError: the queue was closed.
        """
        longer = check_duration("timeout", timeout, at_most=MAX_VISIBILITY_TIMEOUT, zero=False)
        return self.run(operations.extend_batch(self.settings, _several(messages), longer))

    def release_batch(self, messages: Iterable[Message[T]]) -> builtins.list[BatchResult[T]]:
        """Give back many messages that were not started, 25 a request (spec: BATCH-2).

        Returns:
            What became of each, in order; ``error`` is what ``release`` would have raised.

        Raises:
            InvalidArgumentError: they are not several.
            SetupError: table or credentials are not right, and nothing has been changed.
            AccessDeniedError: it is not allowed, and nothing has been changed.
            ClosedError: the queue was closed.
        """
        return self.run(operations.release_batch(self.settings, _several(messages)))


def _several(messages: Iterable[Message[T]]) -> list[Message[T]]:
    return check_several("messages", messages, of="messages")

"""``Queue.transaction()``: messages of one or several queues and rows of one's own, all or nothing.

And the lower level, for those whose own code calls ``TransactWriteItems``: the entries that send or
delete a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Literal, TypeVar

from dynamomq import operations
from dynamomq.checks import Duration
from dynamomq.drivers.inputs import RawEntry, action_input
from dynamomq.message import Entry, Message
from dynamomq.operations.parts import Part
from dynamomq.queue.base import QueueBase
from dynamomq.queue.transaction import Transaction, finishing, sending

T = TypeVar("T")


class InTransactions(QueueBase[T]):
    """Messages together with what is the user's own."""

    def transaction(self) -> Transaction[T]:
        """Collect sends, acknowledgements and rows of your own, and carry out all or none.

        Use it in a ``with`` block. Nothing is sent before the end of the block, and nothing at all
        if the block raises. At its end one ``TransactWriteItems`` carries out everything (spec:
        TRANSACT-1). It costs twice the write units of single writes, and may have 100 actions of
        4 MB together; with message groups two or three of them keep each group's list.

        Leaving the block raises what the single calls would raise: a
        :class:`~dynamomq.errors.DuplicateMessageError`,
        :class:`~dynamomq.errors.StaleReceiptError` or
        :class:`~dynamomq.errors.IllegalTransitionError` about a message; a
        :class:`~dynamomq.errors.TransactionConditionError` where a condition of your own did not
        hold; an :class:`~dynamomq.errors.InvalidArgumentError` where it is too large. In all these
        cases nothing took effect. An :class:`~dynamomq.errors.OutcomeUnknownError` or a
        :class:`~dynamomq.errors.ServiceError` says where that is not certain.

        Example:
            >>> from dynamomq import Attr, LocalEngine, Queue
            >>> engine = LocalEngine()
            >>> engine.create_table("accounts")
            >>> queue = Queue("mails", engine=engine)
            >>> queue.create_table()
            >>> with queue.transaction() as tx:
            ...     tx.put_row("accounts", {"id": "17"}, condition=Attr("id").absent())
            ...     sent = tx.send({"welcome": "17"})
            >>> sent.message.state
            'STANDARD.READY'
        """
        return Transaction(self)

    def send_item(
        self,
        data: T,
        *,
        id: str | None = None,
        delay: Duration = 0,
        due_at: datetime | None = None,
        group: str | None = None,
        headers: Mapping[str, str] | None = None,
        deduplication: Literal["id", "content"] = "id",
    ) -> list[RawEntry]:
        """Return what sends a message, as elements of ``TransactItems`` for your own request.

        The first puts the message; its id is in ``entry["Put"]["Item"]["id"]["S"]``. With a group
        there are others, which keep its list as it is read now; so use them at once, and make new
        ones if the request is cancelled. A ``TransactionCanceledException`` that shows a condition
        of the first to have failed means that the id is taken. Send no attempt later than 225
        seconds after this call: it could bring back a message that was deleted in the meantime.

        Args:
            data: the payload.
            id: as in :meth:`~dynamomq.Queue.send`, and so are the others.
            delay: see there.
            due_at: see there.
            group: see there.
            headers: see there.
            deduplication: see there.

        Raises:
            PayloadError: the payload can't be stored exactly, or is too large.
            InvalidArgumentError: id, delay, group or headers are not acceptable.
        """
        entry = Entry(data, id, delay, headers, due_at, group, deduplication)
        return self._entries(sending(self, entry))

    def delete_item(self, message: Message[T]) -> list[RawEntry]:
        """Return what deletes a message, as elements of ``TransactItems`` for your own request.

        The first deletes the message; for the head of a group there is a second one, which promotes
        the next. A ``TransactionCanceledException`` that shows the condition of the first to have
        failed means that the delivery is over, or that the group has changed: make new ones then.

        Args:
            message: as it was received.

        Raises:
            InvalidArgumentError: the message was not received from this queue.
        """
        return self._entries(finishing(self, "delete", message))

    def _entries(self, part: Part) -> list[RawEntry]:
        table = self._driver.table.name
        actions = self.run(operations.actions_of(table, [part]))
        return [deepcopy(action_input(action, table)) for action in actions]

"""One transaction: what is collected in its block, and carried out at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, overload

from attrs import define, field

from dynamomq import operations
from dynamomq.attributes import ID
from dynamomq.checks import MAX_DELAY, Duration, check_duration, check_reason
from dynamomq.effects import Effect
from dynamomq.errors import InvalidArgumentError, TransactionUsageError
from dynamomq.expressions import Condition
from dynamomq.machine import QueueType
from dynamomq.message import Entry, Message
from dynamomq.operations import holding
from dynamomq.operations.parts import Finishing, OwnPart, Part, Sending
from dynamomq.operations.rows import own_action
from dynamomq.queue.base import QueueBase
from dynamomq.requests import Foreign, Tick, ask
from dynamomq.values import Value, equal

T = TypeVar("T")
S = TypeVar("S")

_Finish: TypeAlias = Literal["delete", "retry", "move_to_dlq"]


@define(eq=False, repr=False)
class Sent(Generic[T]):
    """A message that a transaction sends.

    Attributes:
        id: its id, which is known at once: it may be part of what else the transaction writes.
    """

    id: str
    _message: Message[T] | None = field(default=None, init=False)

    @property
    def message(self) -> Message[T]:
        """The message as it was stored.

        Raises:
            TransactionUsageError: the transaction has not been carried out (yet).
        """
        if self._message is None:
            raise TransactionUsageError(
                f"Message {self.id!r} has not been sent: its transaction has not been carried out.",
                remedy="Look at it after the block.",
            )
        return self._message

    def __repr__(self) -> str:
        """Show the id."""
        return f"<Sent {self.id!r}>"


class Transaction(Generic[T]):
    """What is to be done together, all or nothing; made by :meth:`~dynamomq.Queue.transaction`.

    It is for one ``with`` block and one thread. Methods check what they are given, and send nothing
    (the first use of a queue may read what its clients have agreed on; a group's list is read at
    the end). Positions of actions, as errors tell them, are counted from 1 in the order of the
    calls.
    """

    def __init__(self, queue: QueueBase[T]) -> None:
        """Begin with nothing; see :meth:`~dynamomq.Queue.transaction`."""
        self._queue = queue
        self._parts: list[Part] = []
        self._sent: list[Sent[Any] | None] = []
        self._items = _Items()
        self._thread: int | None = None
        self._is_over = False

    def __repr__(self) -> str:
        """Show how much has been collected."""
        return f"<Transaction of {len(self._parts)} actions>"

    def __enter__(self) -> Self:
        """Begin the block.

        Raises:
            TransactionUsageError: it was begun before.
        """
        if self._thread is not None:
            raise TransactionUsageError(
                "A transaction is for one block.", remedy="Call queue.transaction() for each."
            )
        self._thread = threading.get_ident()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Carry out everything, unless the block has raised.

        Raises:
            DynamoMQError: see :meth:`~dynamomq.Queue.transaction`.
        """
        self._check_open()
        self._is_over = True
        if error is not None:
            return
        messages = self._queue.run(operations.carry_out(self._queue.table, self._parts))
        for sent, message in zip(self._sent, messages, strict=True):
            if sent is not None:
                sent._message = message

    # --- messages ----------------------------------------------------------------------------

    @overload
    def send(
        self,
        data: T,
        *,
        id: str | None = ...,
        delay: Duration = ...,
        due_at: datetime | None = ...,
        group: str | None = ...,
        headers: Mapping[str, str] | None = ...,
        deduplication: Literal["id", "content"] = ...,
    ) -> Sent[T]: ...
    @overload
    def send(
        self,
        data: S,
        *,
        queue: QueueBase[S],
        id: str | None = ...,
        delay: Duration = ...,
        due_at: datetime | None = ...,
        group: str | None = ...,
        headers: Mapping[str, str] | None = ...,
        deduplication: Literal["id", "content"] = ...,
    ) -> Sent[S]: ...
    def send(
        self,
        data: Any,
        *,
        queue: QueueBase[Any] | None = None,
        id: str | None = None,
        delay: Duration = 0,
        due_at: datetime | None = None,
        group: str | None = None,
        headers: Mapping[str, str] | None = None,
        deduplication: Literal["id", "content"] = "id",
    ) -> Sent[Any]:
        """Send a message (spec: SEND-1).

        Messages of one group join it in the order of the calls.

        Args:
            data: the payload.
            queue: the queue, if it is another one than the transaction's; on the same engine.
            id: as in :meth:`~dynamomq.Queue.send`, and so are the others.
            delay: see there.
            due_at: see there.
            group: see there.
            headers: see there.
            deduplication: see there.

        Returns:
            The message's id, and after the block the message.

        Raises:
            PayloadError: the payload can't be stored exactly, or is too large.
            InvalidArgumentError: an argument is not acceptable, or the transaction has an action
                on a message with this id.
        """
        self._check_open()
        entry = Entry(data, id, delay, headers, due_at, group, deduplication)
        part = sending(self._of(queue), entry)
        sent: Sent[Any] = Sent(part.id)
        self._add_message(part, sent)
        return sent

    def delete(self, message: Message[Any], *, queue: QueueBase[Any] | None = None) -> None:
        """Acknowledge a message (spec: HOLD-6).

        Args:
            message: as it was received.
            queue: the queue that it was received from, if that is not the transaction's.

        Raises:
            InvalidArgumentError: it was not received from the queue, or the transaction has an
                action on it.
        """
        self._finish("delete", message, queue)

    def retry(
        self,
        message: Message[Any],
        *,
        delay: Duration = 0,
        error: BaseException | str | None = None,
        queue: QueueBase[Any] | None = None,
    ) -> None:
        """Give a message back after a failure, to be received again later (spec: HOLD-4).

        Args:
            message: as it was received.
            delay: seconds, or a ``timedelta``, until it is due again.
            error: what failed; its type and text travel with the message.
            queue: the queue that it was received from, if that is not the transaction's.

        Raises:
            InvalidArgumentError: as for :meth:`delete`, or the delay is out of range.
        """
        self._finish("retry", message, queue, delay=delay, error=error)

    def move_to_dlq(
        self,
        message: Message[Any],
        *,
        error: BaseException | str | None = None,
        queue: QueueBase[Any] | None = None,
    ) -> None:
        """Put a message into the dead-letter queue, with the reason (spec: HOLD-7).

        Args:
            message: as it was received.
            error: what failed; its type and text travel with the message.
            queue: the queue that it was received from, if that is not the transaction's.

        Raises:
            InvalidArgumentError: as for :meth:`delete`.
            IllegalTransitionError: it was received from the dead-letter queue.
        """
        self._finish("move_to_dlq", message, queue, error=error)

    # --- rows of one's own -------------------------------------------------------------------

    def put_row(
        self,
        table: str,
        item: Mapping[str, Value],
        *,
        condition: Condition | None = None,
        show_item: bool = False,
    ) -> None:
        """Put an item of your own, in place of what is there.

        Args:
            table: the table's name.
            item: the whole item, in plain Python values; numbers are ``int`` or ``Decimal``.
            condition: what must hold of what is there, such as ``Attr("id").absent()``.
            show_item: whether the error is to show what is there, should the condition not hold.

        Raises:
            InvalidArgumentError: something can't be part of a request, the table is a queue's, or
                the transaction has an action on the same item.
        """
        self._own(own_action("Put", table, item, condition=condition, show_item=show_item))

    def update_row(
        self,
        table: str,
        key: Mapping[str, Value],
        update: Effect | Iterable[Effect],
        *,
        condition: Condition | None = None,
        show_item: bool = False,
    ) -> None:
        """Change an item of your own; one that is not there is made.

        Args:
            table: the table's name.
            key: the item's key.
            update: one change or several, such as ``Set("balance", Attr("balance") - 5)``; all
                see the item as it was before.
            condition: see :meth:`put_row`.
            show_item: see there.

        Raises:
            InvalidArgumentError: see :meth:`put_row`.
        """
        self._own(
            own_action(
                "Update", table, key, update=update, condition=condition, show_item=show_item
            )
        )

    def delete_row(
        self,
        table: str,
        key: Mapping[str, Value],
        *,
        condition: Condition | None = None,
        show_item: bool = False,
    ) -> None:
        """Remove an item of your own, if it is there.

        Args:
            table: the table's name.
            key: the item's key.
            condition: see :meth:`put_row`.
            show_item: see there.

        Raises:
            InvalidArgumentError: see :meth:`put_row`.
        """
        self._own(own_action("Delete", table, key, condition=condition, show_item=show_item))

    def check_row(
        self,
        table: str,
        key: Mapping[str, Value],
        condition: Condition,
        *,
        show_item: bool = False,
    ) -> None:
        """Make the transaction depend on an item that it does not change.

        It may be a message, but for members of a group whose list the transaction changes.

        Args:
            table: the table's name.
            key: the item's key.
            condition: what must hold of it, such as ``Attr("stock").ge(3)``.
            show_item: see :meth:`put_row`.

        Raises:
            InvalidArgumentError: see :meth:`put_row`.
        """
        self._own(
            own_action("ConditionCheck", table, key, condition=condition, show_item=show_item)
        )

    # --- collecting --------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._thread is None:
            raise TransactionUsageError(
                "The transaction has not begun.",
                remedy="Use it as `with queue.transaction() as tx:`.",
            )
        if self._is_over:
            raise TransactionUsageError(
                "The transaction is over.", remedy="Call queue.transaction() for another one."
            )
        if self._thread != threading.get_ident():
            raise TransactionUsageError(
                "The transaction belongs to another thread.",
                remedy="Collect what the threads have to say in the one that has begun it.",
            )

    def _of(self, queue: QueueBase[Any] | None) -> QueueBase[Any]:
        if queue is None:
            return self._queue
        if not isinstance(queue, QueueBase):
            raise InvalidArgumentError("queue", queue, "it is no queue", remedy="Pass a Queue.")
        if queue.engine is not self._queue.engine:
            raise InvalidArgumentError(
                "queue",
                queue,
                "it is on another engine, and no transaction spans two",
                remedy="Open both queues with one engine: Queue(…, engine=engine).",
            )
        return queue

    def _finish(
        self,
        trigger: _Finish,
        message: Message[Any],
        queue: QueueBase[Any] | None,
        *,
        delay: Duration = 0,
        error: BaseException | str | None = None,
    ) -> None:
        self._check_open()
        part = finishing(self._of(queue), trigger, message, delay=delay, error=error)
        self._add_message(part, None)

    def _add_message(self, part: Sending | Finishing, sent: Sent[Any] | None) -> None:
        key = {ID.name: part.id}
        self._items.add_queue(part.settings.table)
        self._items.add(part.settings.table, key, is_whole=False, argument="message", shown=part.id)
        self._append(part, sent)

    def _own(self, action: Foreign) -> None:
        self._check_open()
        self._items.add_queue(self._queue.table)
        if action.verb != "ConditionCheck":
            self._items.check_no_queue(action.table)
        names = ", ".join(action.attributes)  # not the values: an error must not quote a row
        self._items.add(
            action.table,
            action.attributes,
            is_whole=action.verb == "Put",
            argument="item",
            shown=names,
        )
        self._append(OwnPart(action), None)

    def _append(self, part: Part, sent: Sent[Any] | None) -> None:
        self._parts.append(part)
        self._sent.append(sent)


class _Items:
    """The items on which a transaction has actions: none twice, and none of a queue's own."""

    def __init__(self) -> None:
        self._keys: dict[str, frozenset[str]] = {}  # the names of a table's key, where known
        self._queues: set[str] = set()
        self._written: set[str] = set()  # tables with users' own rows
        self._items: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        self._count = 0

    def add_queue(self, table: str) -> None:
        """Learn that a table is a queue's.

        Raises:
            InvalidArgumentError: a row was to be written to it.
        """
        self._queues.add(table)
        self._keys[table] = frozenset({ID.name})
        if table in self._written:
            self.check_no_queue(table)

    def check_no_queue(self, table: str) -> None:
        """Refuse to write rows beside a queue's messages: one might be a message.

        Raises:
            InvalidArgumentError: the table is a queue's.
        """
        self._written.add(table)
        if table in self._queues:
            raise InvalidArgumentError(
                "table",
                table,
                "it is a queue's, and only the queue writes there",
                remedy="Keep rows in a table of your own; check_row() may look at a message.",
            )

    def add(
        self,
        table: str,
        attributes: Mapping[str, Any],
        *,
        is_whole: bool,
        argument: str,
        shown: object,
    ) -> None:
        """Note an item, by its key or as a whole.

        What is not known of a table is its key, as long as whole items are all that is put there:
        then it is left to DynamoDB to find that two of them are the same.

        Raises:
            InvalidArgumentError: there is an action on it already.
        """
        if not is_whole:
            self._keys.setdefault(table, frozenset(attributes))
        others = self._items.setdefault(table, [])
        for position, other in others:
            if self._is_same(table, attributes, other):
                raise InvalidArgumentError(
                    argument,
                    shown,
                    f"action {position} of the transaction is on this item of table {table!r}, and "
                    "no item can have two",
                    remedy="Make one action of them, or use two transactions.",
                )
        self._count += 1
        others.append((self._count, attributes))

    def _is_same(self, table: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        names = self._keys.get(table)
        return names is not None and all(equal(one.get(name), other.get(name)) for name in names)


# --- parts -----------------------------------------------------------------------------------


def sending(queue: QueueBase[Any], entry: Entry[Any]) -> Sending:
    """Return the part that sends a message.

    Raises:
        PayloadError: the payload can't be stored exactly, or is too large.
        InvalidArgumentError: something else is not acceptable.
    """
    outgoing = queue.outgoing(entry)
    moment = queue.run(ask(Tick(tokens=1, new_id=outgoing.id is None)))
    part = Sending(queue.settings, outgoing, outgoing.id or moment.id, moment.tokens[0])
    part.write(moment.now)  # for what it may raise
    return part


def finishing(
    queue: QueueBase[Any],
    trigger: _Finish,
    message: Message[Any],
    *,
    delay: Duration = 0,
    error: BaseException | str | None = None,
) -> Finishing:
    """Return the part that finishes a delivery.

    Raises:
        InvalidArgumentError: the message was not received from this queue, or the delay is out of
            range.
        IllegalTransitionError: there is no such transition from where it was received.
    """
    settings = queue.settings
    holding.check_held(settings, message)
    later = check_duration("delay", delay, at_most=MAX_DELAY)
    check_reason("error", error)
    rules: holding.Rules = {
        "delete": holding.DELETE,
        "retry": holding.RETRY,
        "move_to_dlq": {QueueType.STANDARD: holding.MOVE_TO_DLQ},
    }[trigger]
    extra = {
        "delete": holding.entombed(settings),
        "retry": holding.given_back(message, later, error),
        "move_to_dlq": holding.dead_lettered(settings, message, error),
    }[trigger]
    moment = queue.run(ask(Tick(tokens=1)))
    part = Finishing(settings, message, rules, extra, moment.tokens[0])
    part.write(moment.now)  # for what it may raise
    return part

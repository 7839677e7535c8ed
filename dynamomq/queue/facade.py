"""``Queue``: the operations as methods, typed in the payload."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from dynamomq import operations
from dynamomq.checks import (
    MAX_DELAY,
    MAX_VISIBILITY_TIMEOUT,
    MAX_WAIT,
    Duration,
    check_count,
    check_duration,
    check_flag,
    check_name,
    check_reason,
    check_source,
)
from dynamomq.drivers.base import Engine
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import QueueType
from dynamomq.message import Entry, Message
from dynamomq.operations import (
    MAX_RECEIVE,
    REREAD,
    Choices,
    Revision,
    Traffic,
)
from dynamomq.payload import codec_for
from dynamomq.queue.agreed import (
    MOST_RECEIVES,
    Agreed,
    checked_revision,
    optional_visibility,
    optional_window,
)
from dynamomq.queue.batches import ManyAtOnce
from dynamomq.queue.operators import ForOperators
from dynamomq.queue.transactions import InTransactions
from dynamomq.table import DEFAULT_INDEX, DEFAULT_TABLE, TableDefinition
from dynamomq.timestamps import SECOND

T = TypeVar("T")


class Queue(ManyAtOnce[T], InTransactions[T], ForOperators[T]):
    """A queue in a DynamoDB table, or in the embedded engine; generic in the payload's type.

    Making one sends nothing. It is safe to share among threads; after a fork, open another. Every
    method that talks to the storage may raise a :class:`~dynamomq.errors.ServiceError` or a
    :class:`~dynamomq.errors.SetupError`; the docstrings name what else they raise.

    Args:
        table: the table's name; each queue has a table of its own, for itself and its dead letters.
        payload: the type of the payloads: an attrs class, a dataclass, a TypedDict, anything that
            cattrs can structure. ``None``: JSON-like data.
        engine: where the table is; ``None``: DynamoDB, by boto3's own session and credential
            rules. ``LocalEngine("queue.db")`` keeps it in a file. The queue does not close it.
        session: a ``boto3.Session`` to use instead of the default one.
        client: a low-level ``boto3`` DynamoDB client to use instead of one of our own.
        endpoint_url: a DynamoDB endpoint other than the region's.
        region_name: an AWS region other than the configured one.
        index: the name of the table's index by queue and due time.
        visibility_timeout: how long a delivery lasts, in seconds or as a ``timedelta``: 1 ms to
            7 days. ``None``: as the queue's clients have agreed (see :meth:`create_table`), or
            30 seconds.
        max_receives: deliveries allowed before a message goes to the dead-letter queue, at most
            the agreed number. ``None``: as agreed, or any number.
        deduplication_window: how long the id of a deleted message stays taken: five minutes (so
            long a repeated request can arrive late) to 7 days, and at least as long as agreed.
            ``None``: as agreed, or five minutes.

    Raises:
        InvalidArgumentError: an argument is out of range.
        PayloadError: the payload's type can't be supported.

    Example:
        >>> from dynamomq import LocalEngine, Queue
        >>> queue = Queue("orders", engine=LocalEngine())
        >>> queue.create_table()
        >>> queue.send({"order": 17}).state
        'STANDARD.READY'
        >>> for message in queue.receive():
        ...     print(message.data)
        ...     queue.delete(message)
        {'order': 17}
    """

    @overload
    def __init__(
        self: Queue[Any],
        table: str = ...,
        *,
        payload: None = None,
        engine: Engine | None = ...,
        session: Any = ...,
        client: Any = ...,
        endpoint_url: str | None = ...,
        region_name: str | None = ...,
        index: str = ...,
        visibility_timeout: Duration | None = ...,
        max_receives: int | None = ...,
        deduplication_window: Duration | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        table: str = ...,
        *,
        payload: type[T],
        engine: Engine | None = ...,
        session: Any = ...,
        client: Any = ...,
        endpoint_url: str | None = ...,
        region_name: str | None = ...,
        index: str = ...,
        visibility_timeout: Duration | None = ...,
        max_receives: int | None = ...,
        deduplication_window: Duration | None = ...,
    ) -> None: ...
    def __init__(
        self,
        table: str = DEFAULT_TABLE,
        *,
        payload: type[T] | None = None,
        engine: Engine | None = None,
        session: Any = None,
        client: Any = None,
        endpoint_url: str | None = None,
        region_name: str | None = None,
        index: str = DEFAULT_INDEX,
        visibility_timeout: Duration | None = None,
        max_receives: int | None = None,
        deduplication_window: Duration | None = None,
    ) -> None:
        definition = TableDefinition(check_name("table", table), check_name("index", index))
        if max_receives is not None:
            check_count("max_receives", max_receives, at_least=1, at_most=MOST_RECEIVES)
        choices = Choices(
            table=definition.name,
            codec=codec_for(payload),
            visibility_timeout=optional_visibility(visibility_timeout),
            max_receives=max_receives,
            deduplication_window=optional_window(deduplication_window),
        )
        # A class has the methods of its objects, so the protocol alone would take it for an engine.
        if engine is not None and (isinstance(engine, type) or not isinstance(engine, Engine)):
            raise InvalidArgumentError(
                "engine",
                engine,
                "it is not an engine",
                remedy="Pass LocalEngine(path), or leave it out for DynamoDB.",
            )
        beside = (session, client, endpoint_url, region_name)
        if engine is not None and any(one is not None for one in beside):
            raise InvalidArgumentError(
                "engine",
                engine,
                "it decides where the table is, so session, client, endpoint_url and region_name "
                "have no effect beside it",
                remedy="Pass either.",
            )
        self._own_engine = engine is None
        self._engine = engine or DynamoDBEngine(
            session=session, client=client, endpoint_url=endpoint_url, region_name=region_name
        )
        self._driver = self._engine.open(definition)
        self._agreed = Agreed(choices, self._driver)
        self._traffic = {queue: Traffic() for queue in QueueType}

    def __repr__(self) -> str:
        """Show the table and the engine."""
        return f"<Queue {self.table!r} on {self._engine!r}>"

    def __enter__(self) -> Self:
        """Use the queue as a context manager that closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the queue."""
        self.close()

    def close(self) -> None:
        """Release connections that the queue opened itself; doing so again does no harm."""
        if self._own_engine:
            self._engine.close()

    def create_table(
        self,
        *,
        shards: int | None = None,
        visibility_timeout: Duration | None = None,
        max_receives: int | None = None,
        deduplication_window: Duration | None = None,
    ) -> None:
        """Create the table unless it exists, wait until it is active, and check its shape.

        What is given besides is agreed on for all clients of the queue from now on, and kept in
        the table; what is left out stays as it is. Clients that are at work hear of it within a
        minute (spec: AGREE-4).

        Args:
            shards: over how many partitions of the index the queue is spread: 1, at first, to
                1,000. The number can be raised at any time, and never be lowered (spec: SHARD-3).
            visibility_timeout: how long a delivery lasts where a client was not told otherwise.
            max_receives: deliveries allowed before a message goes to the dead-letter queue; 0:
                any number. Clients may allow fewer.
            deduplication_window: how long the id of a deleted message stays taken: five minutes
                to 7 days. Clients may choose a longer one.

        Raises:
            TableMismatchError: a table of this name exists and can't hold a queue.
            SettingsMismatchError: this queue object itself was given what would harm others then.
            InvalidArgumentError: an argument is out of range, or there are more shards already.
            ConflictError: others kept changing the agreement.
        """
        revision = checked_revision(
            shards=shards,
            visibility_timeout=visibility_timeout,
            max_receives=max_receives,
            deduplication_window=deduplication_window,
        )
        is_new = self.run(operations.create_table(self._driver.table))
        if revision != Revision():
            choices = self._agreed.choices
            self.run(operations.revise(choices, revision, at_once=is_new))
            self._agreed.forget()

    # --- the life of a message ---

    def send(
        self,
        data: T,
        *,
        id: str | None = None,
        delay: Duration = 0,
        due_at: datetime | None = None,
        group: str | None = None,
        headers: Mapping[str, str] | None = None,
        if_exists: Literal["raise", "return"] = "raise",
        deduplication: Literal["id", "content"] = "id",
    ) -> Message[T]:
        """Put a message into the queue (spec: SEND-1).

        Args:
            data: the payload.
            id: the message's id, which is also its deduplication key: 1 to 2,048 bytes, not
                beginning with ``$``. A fresh UUIDv7 if left out.
            delay: seconds, or a ``timedelta``, until it may be received; up to 100 years.
            due_at: from when on it may be received, instead of a delay: a ``datetime`` with a time
                zone; what is past is at once.
            group: the message group: its messages are received in the order in which they were
                sent, one at a time, each after the one before it was finished. 1 to 2,041 bytes,
                not beginning with ``$``.
            headers: text beside the payload.
            if_exists: what to do where the id is taken by a message, or by one that was deleted
                within the deduplication window: raise, or return that message.
            deduplication: by what a repetition is recognised: by its ``id``, or by its
                ``content``, whose SHA-256 then is the id (spec: DEDUP-4).

        Returns:
            The message as it was stored; in a group with its predecessor's id.

        Raises:
            DuplicateMessageError: the id is taken.
            OutcomeUnknownError: a reply was lost, this process paused for minutes, and the id is
                taken by a deleted message, which may be forgotten before all attempts arrive.
            PayloadError: the payload can't be stored exactly, or is too large.
            ConflictError: others kept changing the group.
            InvalidArgumentError: id, delay, group or headers are not acceptable.
        """
        if if_exists not in ("raise", "return"):
            raise InvalidArgumentError(
                "if_exists",
                if_exists,
                "there is no such choice",
                remedy="Pass 'raise' or 'return'.",
            )
        entry = Entry(data, id, delay, headers, due_at, group, deduplication)
        return self.run(operations.send(self.settings, self.outgoing(entry), if_exists=if_exists))

    def receive(
        self,
        max_messages: int = 1,
        *,
        visibility_timeout: Duration | None = None,
        wait: Duration = 0,
        source: QueueType | Literal["STANDARD", "DLQ"] = QueueType.STANDARD,
    ) -> list[Message[T]]:
        """Claim messages that are due, oldest first, and become their holder (spec: RECEIVE-1).

        Args:
            max_messages: at most so many, 1 to 250; 25 cost two requests.
            visibility_timeout: how long the delivery lasts; ``None``: the queue's.
            wait: how long to look for a first message, in seconds or as a ``timedelta``; up to a
                day.
            source: the queue to receive from.

        Where the queue has shards, each of them gives its oldest first. One look is a request for
        each shard in which there was something of late, and one for another in turn; before it
        returns an empty list, it has looked everywhere (spec: SHARD-4).

        Returns:
            Up to ``max_messages`` messages; an empty list if none could be claimed in time.

        Raises:
            InvalidArgumentError: an argument is out of range.
        """
        timeout = optional_visibility(visibility_timeout)
        queue = check_source(source)
        check_count("max_messages", max_messages, at_least=1, at_most=MAX_RECEIVE)
        left = check_duration("wait", wait, at_most=MAX_WAIT)
        while True:
            share = min(left, REREAD)  # then what is agreed on may have changed
            found = self.run(
                operations.receive(
                    self.settings,
                    source=queue,
                    max_messages=max_messages,
                    visibility_timeout=timeout,
                    wait=share,
                    traffic=self._traffic[queue],
                )
            )
            left -= share
            if found or left <= 0:
                return found

    def extend(self, message: Message[T], timeout: Duration) -> Message[T]:
        """Hold the message longer: until ``timeout`` from now, never shorter (spec: HOLD-3).

        Returns:
            The message with its deadline.

        Raises:
            StaleReceiptError: the delivery is over.
            InvalidArgumentError: the timeout is out of range, or the message was not received.
        """
        longer = check_duration("timeout", timeout, at_most=MAX_VISIBILITY_TIMEOUT, zero=False)
        return self.run(operations.extend(self.settings, message, longer))

    def retry(
        self,
        message: Message[T],
        *,
        delay: Duration = 0,
        error: BaseException | str | None = None,
    ) -> None:
        """Give the message back after a failure, to be received again later (spec: HOLD-4).

        Args:
            message: as it was received.
            delay: seconds, or a ``timedelta``, until it is due again.
            error: what failed; its type and text travel with the message.

        Raises:
            StaleReceiptError: the delivery is over.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
            InvalidArgumentError: the delay is out of range, the error is neither exception nor
                text, or the message was not received.
        """
        later = check_duration("delay", delay, at_most=MAX_DELAY)
        check_reason("error", error)
        self.run(operations.retry(self.settings, message, delay=later, error=error))

    def release(self, message: Message[T]) -> None:
        """Give back a message that was not started; the delivery does not count (spec: HOLD-5).

        Raises:
            StaleReceiptError: the delivery is over.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
            InvalidArgumentError: the message was not received.
        """
        self.run(operations.release(self.settings, message))

    @overload
    def delete(self, message: Message[T], *, receive_next: Literal[False] = ...) -> None: ...
    @overload
    def delete(
        self,
        message: Message[T],
        *,
        receive_next: Literal[True],
        visibility_timeout: Duration | None = ...,
    ) -> Message[T] | None: ...
    def delete(
        self,
        message: Message[T],
        *,
        receive_next: bool = False,
        visibility_timeout: Duration | None = None,
    ) -> Message[T] | None:
        """Acknowledge the message: it is done, and leaves the queue (spec: HOLD-6).

        Args:
            message: as it was received.
            receive_next: whether to receive the next message of its group in the same transaction,
                which saves a request for each message of a busy group (spec: GROUP-7).
            visibility_timeout: how long the next one's delivery lasts; ``None``: the queue's.

        Returns:
            With ``receive_next`` the next message of the group; ``None`` where there is none that
            can be received now.

        Raises:
            StaleReceiptError: the delivery is over, and the message is still there for others.
            ConflictError: others kept changing its group, and it is not deleted.
            InvalidArgumentError: the message was not received, or an argument is not acceptable.
        """
        if not check_flag("receive_next", receive_next):
            if visibility_timeout is not None:
                raise InvalidArgumentError(
                    "visibility_timeout",
                    visibility_timeout,
                    "nothing is received without receive_next",
                    remedy="Pass receive_next=True as well, or leave it out.",
                )
            self.run(operations.delete(self.settings, message))
            return None
        timeout = optional_visibility(visibility_timeout)
        return self.run(
            operations.delete_and_receive(self.settings, message, visibility_timeout=timeout)
        )

    def move_to_dlq(self, message: Message[T], *, error: BaseException | str | None = None) -> None:
        """Put the message into the dead-letter queue, with the reason (spec: HOLD-7).

        Raises:
            StaleReceiptError: the delivery is over.
            OutcomeUnknownError: the reply was lost, and the message has moved on since.
            IllegalTransitionError: it was received from the dead-letter queue.
            InvalidArgumentError: the message was not received.
        """
        check_reason("error", error)
        self.run(operations.move_to_dlq(self.settings, message, error=error))

    def stream(
        self,
        max_messages: int = 10,
        *,
        visibility_timeout: Duration | None = None,
        wait: Duration = 20,
        source: QueueType | Literal["STANDARD", "DLQ"] = QueueType.STANDARD,
        until_empty: bool = False,
    ) -> Generator[Message[T], None, None]:
        """Receive for ever: ``for message in queue.stream(): ...``, and delete each yourself.

        Messages are claimed several at once, and the deadlines of all begin with that: what the
        loop takes for ``max_messages`` of them must fit into the visibility timeout. What was
        claimed and not yielded is released when the loop is left. For handlers that run at the
        same time, and for heartbeats, use a :class:`~dynamomq.Consumer`.

        Args:
            max_messages: how many to claim at once.
            visibility_timeout: how long the deliveries last; ``None``: the queue's.
            wait: how long one look for messages goes on.
            source: the queue to receive from.
            until_empty: whether to end where there was nothing to receive for ``wait``.

        Raises:
            InvalidArgumentError: an argument is out of range.
        """
        check_count("max_messages", max_messages, at_least=1, at_most=MAX_RECEIVE)
        check_duration("wait", wait, at_most=MAX_WAIT)
        timeout = optional_visibility(visibility_timeout)
        receive = partial(
            self.receive,
            max_messages,
            visibility_timeout=None if timeout is None else timeout / SECOND,
            wait=wait,
            source=check_source(source),
        )
        return self._streamed(receive, until_empty=check_flag("until_empty", until_empty))

    def _streamed(
        self, receive: Callable[[], builtins.list[Message[T]]], *, until_empty: bool
    ) -> Generator[Message[T], None, None]:
        while True:
            batch = receive()
            if not batch and until_empty:
                return
            try:
                while batch:
                    yield batch.pop(0)
            finally:
                if batch:
                    self.release_batch(batch)

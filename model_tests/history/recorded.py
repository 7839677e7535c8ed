"""A queue that writes down what it is asked for, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dynamomq import (
    ConflictError,
    DuplicateMessageError,
    Entry,
    Message,
    OutcomeUnknownError,
    Queue,
    ServiceError,
    StaleReceiptError,
)
from dynamomq.checks import MAX_DELAY, check_duration
from dynamomq.timestamps import SECOND, parse_instant
from model_tests.history.log import Detail, Log, digest, payload_digest

R = TypeVar("R")

_UNCERTAIN = (OutcomeUnknownError, ConflictError, ServiceError)


def _nothing() -> None:
    """What usually happens between an answer and the line about it."""


class RecordedQueue:
    """The part of ``Queue`` that producers and consumers use, with every call in a log.

    What the queue refuses is written down and is no exception here.

    Attributes:
        timeout: the visibility timeout that the queue was made with; seconds.
        on_answer: called between the queue's answer and the line about it; a process that dies
            there has done something that it never writes down.
    """

    def __init__(self, queue: Queue[Any], log: Log, *, timeout: float) -> None:
        self.queue = queue
        self.log = log
        self.timeout = timeout
        self.on_answer: Callable[[], object] = _nothing

    def send(self, id: str, data: Any, *, delay: float = 0, group: str | None = None) -> bool:
        """Send; tell whether it was accepted or is there already."""
        call = self.log.new_call()
        self._begin_send(call, Entry(data, id=id, delay=delay, group=group))
        try:
            message = self.queue.send(data, id=id, delay=delay, group=group)
            self.on_answer()
        except DuplicateMessageError:
            self.log.write("send refused", call=call)
        except _UNCERTAIN as error:
            self.log.write("send unknown", call=call, error=type(error).__name__)
            return False
        else:
            self._note_accepted(call, message)
        return True

    def send_batch(self, entries: Sequence[Entry[Any]]) -> list[Entry[Any]]:
        """Send several, each with an id; return those that are perhaps not there."""
        calls = [self.log.new_call() for _ in entries]
        for call, entry in zip(calls, entries, strict=True):
            self._begin_send(call, entry)
        results = self.queue.send_batch(entries)
        self.on_answer()
        uncertain = []
        for call, entry, result in zip(calls, entries, results, strict=True):
            if result.message is not None:
                self._note_accepted(call, result.message)
            elif result.is_duplicate:
                self.log.write("send refused", call=call)
            else:
                self.log.write("send unknown", call=call, error=type(result.error).__name__)
                uncertain.append(entry)
        return uncertain

    def _begin_send(self, call: int, entry: Entry[Any]) -> None:
        self.log.write(
            "send begun",
            call=call,
            id=str(entry.id),
            payload=payload_digest(entry.data),
            delay=check_duration("delay", entry.delay, at_most=MAX_DELAY),
            **({} if entry.group is None else {"group": entry.group}),
        )

    def _note_accepted(self, call: int, message: Message[Any]) -> None:
        place = {} if message.group is None else {"previous": message.previous_id or ""}
        self.log.write("send accepted", call=call, **place)

    def receive(self, max_messages: int, *, wait: float = 0) -> list[Message[Any]]:
        """Receive; none where the storage fails."""
        self.log.write("receive begun", max_messages=max_messages)
        try:
            messages = self.queue.receive(max_messages, wait=wait)
        except ServiceError as error:
            self.log.write("receive unknown", error=type(error).__name__)
            return []
        for message in messages:
            note_delivery(self.log, message, timeout=self.timeout)
        self.log.write("receive done", messages=len(messages))
        return messages

    def extend(self, message: Message[Any], timeout: float) -> Message[Any] | None:
        """Extend; the message with its deadline, or ``None`` if that is not certain."""
        return self._ask(
            "extend",
            message,
            lambda: self.queue.extend(message, timeout),
            learned=lambda extended: {"deadline": deadline_of(extended)},
            timeout=round(timeout * SECOND),
        )

    def retry(self, message: Message[Any], *, delay: float, error: str) -> None:
        """Give back, to be delivered again later."""
        self._ask(
            "retry",
            message,
            lambda: self.queue.retry(message, delay=delay, error=error),
            delay=round(delay * SECOND),
        )

    def release(self, message: Message[Any]) -> None:
        """Give back what was not started."""
        self._ask("release", message, lambda: self.queue.release(message))

    def delete(self, message: Message[Any]) -> None:
        """Acknowledge."""
        self._ask("delete", message, lambda: self.queue.delete(message))

    def move_to_dlq(self, message: Message[Any], *, error: str) -> None:
        """Dead-letter."""
        self._ask("move_to_dlq", message, lambda: self.queue.move_to_dlq(message, error=error))

    def _ask(
        self,
        operation: str,
        message: Message[Any],
        action: Callable[[], R],
        *,
        learned: Callable[[R], dict[str, Detail]] = lambda _: {},
        **details: Detail,
    ) -> R | None:
        """Do what a holder may do, between two lines in the log."""
        call = self.log.new_call()
        receipt = digest(message.receipt or "")
        self.log.write(f"{operation} begun", call=call, id=message.id, receipt=receipt, **details)
        try:
            result = action()
            self.on_answer()
        except StaleReceiptError:
            self.log.write(f"{operation} stale", call=call)
        except _UNCERTAIN as error:
            self.log.write(f"{operation} unknown", call=call, error=type(error).__name__)
        else:
            self.log.write(f"{operation} done", call=call, **learned(result))
            return result
        return None


def note_delivery(log: Log, message: Message[Any], *, timeout: float) -> None:
    """Write down that a message was received, with the visibility timeout that was asked for."""
    place: dict[str, Detail] = {}
    if message.group is not None:
        place = {"group": message.group, **links_of(message)}
    log.write(
        "delivered",
        id=message.id,
        receipt=digest(message.receipt or ""),
        queue=str(message.queue),
        version=message.version,
        receive_count=message.receive_count,
        payload=payload_digest(message.data),
        timeout=round(timeout * SECOND),
        claimed=instant(message, "queue_peek_timestamp"),
        deadline=deadline_of(message),
        **place,
    )


def links_of(message: Message[Any]) -> dict[str, Detail]:
    """The ids of a message's neighbours in its group; empty where there is none."""
    return {"previous": message.previous_id or "", "next": message.next_id or ""}


def instant(message: Message[Any], attribute: str) -> int:
    """A timestamp of a message, exactly; nanoseconds since the epoch."""
    return parse_instant(str(message.item[attribute]))


def deadline_of(message: Message[Any]) -> int:
    """Until when its holder may work, by the holder's clock."""
    return instant(message, "queue_add_timestamp")

"""What becomes of each of the messages that are sent together."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from attrs import frozen

from dynamomq.errors import (
    AccessDeniedError,
    ClosedError,
    DuplicateMessageError,
    DynamoMQError,
    SetupError,
)
from dynamomq.message import Message
from dynamomq.operations.sending import with_remedy

T = TypeVar("T")

FATAL = (SetupError, AccessDeniedError, ClosedError)
"""What is about none of the messages, and does not go away by waiting. Where there is no doubt, it
says that nothing of a request was carried out."""


@frozen
class SendResult(Generic[T]):
    """What became of one message of ``send_batch``.

    Attributes:
        id: its id; empty where it was to have a fresh one and could not be encoded.
        message: as it was stored; ``None`` where it was not sent.
        error: why it was not; ``None`` where it was.
    """

    id: str
    message: Message[T] | None = None
    error: DynamoMQError | None = None

    @property
    def ok(self) -> bool:
        """Whether the message was sent."""
        return self.error is None

    @property
    def is_duplicate(self) -> bool:
        """Whether it was not sent because its id is taken."""
        return isinstance(self.error, DuplicateMessageError)


def not_sent(id: str, error: DynamoMQError) -> SendResult[Any]:
    """Return a failure. Entries of one request share its error, but not what to do about it."""
    return SendResult(id, error=with_remedy(error, id))

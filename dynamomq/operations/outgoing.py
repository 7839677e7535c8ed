"""Messages to be sent together, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
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
from dynamomq.operations.sending import IN_DOUBT, with_remedy
from dynamomq.values import Value

__all__ = ["FATAL", "Outgoing", "SendResult", "not_sent"]

T = TypeVar("T")

FATAL = (SetupError, AccessDeniedError, ClosedError)
"""What says that nothing of a request was carried out, and that nothing will be."""


@frozen
class Outgoing:
    """A message to be sent, its payload encoded.

    Attributes:
        data: the encoded payload.
        id: the message's id; ``None``: a fresh one.
        delay: nanoseconds until it is due.
        headers: text beside the payload.
        group: the message group; ``None``: none.
    """

    data: Value
    id: str | None = None
    delay: int = 0
    headers: Mapping[str, str] | None = None
    group: str | None = None


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
    if isinstance(error, IN_DOUBT):
        cause, error = error.__cause__, copy(error)
        error.__cause__ = cause
    return SendResult(id, error=with_remedy(error, id))

"""A shop whose orders and messages belong together: users' transactions under all that can go wrong.

Clerks take an order and send its message in one transaction; workers write an order's result and
delete its message in another, or pass it on. What runs are the library's own operations, one
request at a time, against the embedded engine, with its tables of rows. Replies and requests are
lost, repeated, held up and executed late; processes crash; deadlines pass. After every step the
ledger is compared with the queue: a row and its message are there both or neither, and a result is
written exactly as often as its message was deleted, which is once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, frozen

from dynamomq.message import Message
from dynamomq.operations.parts import Part
from dynamomq.requests import (
    Operation,
    Request,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.timestamps import SECOND

ORDERS, RESULTS = "orders", "results"
TIMEOUT = 10 * SECOND
SDK_ATTEMPTS = 3
LATE_WITHIN = 200 * SECOND  # after which no attempt is executed any more
GROUPS: Final = (None, "g", "h")
NEW = "attribute_not_exists(id)"

CERTAIN: Final = (
    "DuplicateMessageError",
    "IllegalTransitionError",
    "StaleReceiptError",
    "TransactionConditionError",
)
"""Errors that say for certain that nothing took effect."""

_FATES: Final = {
    "answered": 60,
    "reply lost": 12,
    "request lost": 4,
    "held up": 8,
    "timed out, executed": 4,
    "timed out": 3,
    "conflict": 4,
    "throttled": 3,
    "failed, executed": 3,
    "crash": 3,
    "crash, executed": 3,
}


@frozen(eq=False)
class Late:
    """An attempt that the network still holds."""

    request: Write | Transact | WriteBatch
    since: int


@frozen(eq=False)
class Call:
    """One transaction of somebody's.

    Attributes:
        what: for messages.
        marks: what it marks messages with, and which it is about: by id.
        parts: what it is to do.
    """

    what: str
    marks: dict[str, str]
    parts: list[Part]


@define(eq=False)
class Actor:
    """A clerk or a worker: makes one call after the other.

    Attributes:
        name: who.
        acts: what it does next; nothing: it has no more to do.
        operation: what is under way.
        request: what that waits for.
        call: the transaction that it is.
        attempts: of the SDK to have the request carried out.
        held: the message that it has received.
        doubt_since: since when an attempt of the present request may be executed unseen.
    """

    name: str
    acts: Callable[[Shop, Actor], bool]
    operation: Operation[Any] | None = None
    request: Request[Any] | None = None
    call: Call | None = None
    attempts: int = 0
    held: Message[Any] | None = None
    doubt_since: int | None = None
    calls: int = 0

    def crash(self) -> None:
        """Forget everything."""
        if self.operation is not None:
            self.operation.close()
        self.operation = self.request = self.call = self.held = self.doubt_since = None
        self.attempts = 0

"""What a handler is given: a message, and the right to it."""

from __future__ import annotations

from typing import TypeVar

from attrs import field, frozen

from dynamomq.consumer.leases import Lease
from dynamomq.message import Message

T = TypeVar("T")


@frozen(repr=False, eq=False)
class Delivery(Message[T]):
    """A message that was claimed for a handler.

    Attributes:
        lease: the right to it; ``delivery.lease.lost`` tells when that is gone.
    """

    lease: Lease = field(kw_only=True)

    @classmethod
    def of(cls, message: Message[T], lease: Lease) -> Delivery[T]:
        """Return a message with its lease."""
        return cls(message.item, message.state, message.codec, message.table, lease=lease)

    def will_end(self) -> None:
        """Note that a call of the holder's is about to end it."""
        self.lease.will_end()

    def goes_on(self, *, in_doubt: bool) -> None:
        """Note that such a call has failed, and whether it may have been executed all the same."""
        self.lease.goes_on(in_doubt=in_doubt)

    def has_ended(self, trigger: str) -> None:
        """Note that a call of the holder's, the handler's own included, has ended it."""
        self.lease.has_ended(trigger)

"""Messages sent, received and deleted, one or many in each call."""

from __future__ import annotations

from attrs import define, field

from dynamomq import Entry, Message, Queue


def way(batch: int) -> str:
    """Return the words for how many messages go into one call."""
    return "one at a time" if batch == 1 else f"batches of {batch}"


@define(eq=False)
class Traffic:
    """A sender and a receiver who do everything in one way.

    Attributes:
        queue: where.
        payload: what each message carries.
        batch: how many messages go into one call; 1: by the operations for one message.
        held: what was received and not yet deleted.
        deleted: how many messages are through.
    """

    queue: Queue[str]
    payload: str
    batch: int
    held: list[Message[str]] = field(factory=list)
    deleted: int = 0

    def send(self, count: int) -> None:
        """Send so many messages."""
        for start in range(0, count, self.batch):
            share = min(self.batch, count - start)
            if self.batch == 1:
                self.queue.send(self.payload)
            else:
                fill(self.queue, share, self.payload)

    def receive(self, count: int) -> None:
        """Receive so many messages, or what there is."""
        wanted = len(self.held) + count
        while len(self.held) < wanted:
            found = self.queue.receive(min(self.batch, wanted - len(self.held)))
            if not found:
                break
            self.held += found

    def delete(self) -> None:
        """Delete all that was received."""
        for start in range(0, len(self.held), self.batch):
            share = self.held[start : start + self.batch]
            if self.batch == 1:
                self.queue.delete(share[0])
            else:
                self.queue.delete_batch(share)
        self.deleted += len(self.held)
        self.held.clear()

    def check(self, count: int) -> None:
        """Make sure that so many messages went through, or the figures mean nothing."""
        if self.deleted != count:
            raise AssertionError(f"{self.deleted} messages went through instead of {count}")


def fill(queue: Queue[str], count: int, payload: str, *, delay: float = 0) -> None:
    """Send many messages as fast as it goes, or raise why they could not all be sent."""
    entries: list[str | Entry[str]] = [Entry(payload, delay=delay) if delay else payload] * count
    for result in queue.send_batch(entries):
        if result.error is not None:
            raise result.error

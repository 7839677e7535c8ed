"""Requests and capacity units of messages in groups, operation by operation: exact counts.

Beside them stands the same operation on a message without a group. What a holder does to a head
that stays a head costs the same; what changes a list is a transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from dynamomq import Entry, Message
from dynamomq.bench.metered import PAYLOAD, MeteredQueue, Place, Spent
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.operations.sending import MOST_JOINING

_COLUMNS = ("requests", "write units", "read units")
_LONGER = 7200  # seconds: beyond what a delivery lasts in the benchmark
_TRANSACTION = "TransactWriteItems"
_NO_UNITS = "–: DynamoDB Local reports wrong units for transactions, so none are shown."


@define(eq=False)
class _Group:
    """One group of a queue, or the messages without one, and who works through them."""

    metered: MeteredQueue
    name: str | None
    rows: dict[str, tuple[Spent, bool]] = field(factory=dict)
    _held: Message[str] | None = None

    @property
    def held(self) -> Message[str]:
        """The message that is being handled."""
        if self._held is None:
            raise AssertionError("nothing was received, so the figures mean nothing")
        return self._held

    def send(self) -> None:
        """Send a message."""
        self.metered.queue.send(PAYLOAD, group=self.name)

    def send_many(self) -> None:
        """Send as many messages as one transaction takes into a group."""
        entries = [Entry(PAYLOAD, group=self.name) for _ in range(MOST_JOINING)]
        if not all(result.ok for result in self.metered.queue.send_batch(entries)):
            raise AssertionError("not all were sent, so the figures mean nothing")

    def receive(self) -> None:
        """Receive a message."""
        self._held = next(iter(self.metered.queue.receive()), None)

    def hand_over(self) -> None:
        """Delete the message, and receive the next one."""
        self._held = self.metered.queue.delete(self.held, receive_next=True)

    def note(self, name: str, action: Callable[[], object], *, share: int = 1) -> None:
        """Do something and note what it cost, for each of the messages that share it."""
        before = self._transactions()
        spent = self.metered.cost(action).each(share)
        self.rows[name] = (spent, self._transactions() > before)

    def _transactions(self) -> int:
        return self.metered.meter.read().requests.get(_TRANSACTION, 0)

    def work_through(self) -> None:
        """Do all that can be done to messages, one at a time."""
        queue = self.metered.queue
        self.note("send, the only one", self.send)
        self.note("send, behind others", self.send)
        self.receive()
        self.note("extend", lambda: queue.extend(self.held, _LONGER))
        self.note("retry", lambda: queue.retry(self.held))
        self.note("receive", self.receive)
        self.note("delete", lambda: queue.delete(self.held))
        self.receive()
        self.note("delete, the last one", lambda: queue.delete(self.held))
        self.note(f"send_batch of {MOST_JOINING}, each", self.send_many, share=MOST_JOINING)
        self.receive()
        self.note("move_to_dlq", lambda: queue.move_to_dlq(self.held))
        if self.name is not None:
            self.receive()
            self.note("delete and receive the next", self.hand_over)
            queue.release(self.held)


def costs_of_groups(place: Place) -> Table:
    """Return what each operation costs in a group, and without one."""
    done = []
    for name in ("group", None):
        tell(f"{place.name}: {name or 'no group'}")
        with place.open() as metered:
            one = _Group(metered, name)
            one.work_through()
        done.append(one.rows)
    grouped, alone = done
    rows = [
        (name, *_cells(place, *grouped[name]), *_cells(place, *alone.get(name, (None, False))))
        for name in grouped
    ]
    hidden = any(row[2] is None for row in rows)
    return Table(
        f"A message of 200 bytes in a group, operation by operation, on {place.name}",
        ("", *_COLUMNS, *(f"no group: {column}" for column in _COLUMNS)),
        tuple(rows),
        (*place.notes, _NO_UNITS) if hidden else place.notes,
    )


def _cells(place: Place, spent: Spent | None, is_transaction: bool) -> tuple[Cell, ...]:
    if spent is None:
        return (None, None, None)
    hidden = is_transaction and not place.counts_transactions
    return (spent.requests, None if hidden else spent.writes, spent.reads)

"""Requests and capacity units of a message's life: exact, the same on every machine.

Beside them stands what the design allows.
"""

from __future__ import annotations

from attrs import frozen

from dynamomq.bench.metered import PAYLOAD, UNREPORTED, MeteredQueue, Place, Spent
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import Traffic, way

SIZES = {"200 B": 200, "1.5 KB": 1_500, "10 KB": 10_000}
"""Payloads, in bytes."""

WAYS = (1, 10, 25)
"""How many messages go into one call."""

_MESSAGES = 50  # in whole batches of any of the ways
_BUDGETS = {
    1: Spent(requests=4, writes=7, reads=0.5),
    25: Spent(requests=0.16, writes=7, reads=0.02),
}
_COLUMNS = ("requests", "write units", "read units", "refused writes")


@frozen
class Life:
    """What each step of a message's life costs, per message."""

    send: Spent
    receive: Spent
    delete: Spent

    @property
    def whole(self) -> Spent:
        """All steps together."""
        return self.send + self.receive + self.delete


def life(metered: MeteredQueue, payload: str, batch: int, *, messages: int = _MESSAGES) -> Life:
    """Send, receive and delete messages, ``batch`` in each call, and return the cost of one.

    Args:
        metered: an empty queue; it is empty again afterwards.
        payload: what each message carries.
        batch: how many go into one call; 1: by the operations for one message.
        messages: how many to average over, whole batches.
    """
    traffic = Traffic(metered.queue, payload, batch)
    spent = Life(
        send=metered.cost(lambda: traffic.send(messages)).each(messages),
        receive=metered.cost(lambda: traffic.receive(messages)).each(messages),
        delete=metered.cost(traffic.delete).each(messages),
    )
    traffic.check(messages)
    return spent


def costs_of_steps(place: Place) -> Table:
    """Return what sending, receiving and deleting 200 bytes costs, one at a time and in batches."""
    rows: list[tuple[Cell, ...]] = []
    for batch in (WAYS[0], WAYS[-1]):
        tell(f"{place.name}: steps, {way(batch)}")
        with place.open() as metered:
            spent = life(metered, PAYLOAD, batch)
        steps = {"send": spent.send, "receive": spent.receive, "delete": spent.delete}
        rows += [_row(f"{name}, {way(batch)}", step) for name, step in steps.items()]
        rows += [_row(f"together, {way(batch)}", spent.whole), _row("  budget", _BUDGETS[batch])]
    return _table(f"A message of 200 bytes, step by step, on {place.name}", rows, place)


def costs_by_size(place: Place) -> Table:
    """Return what a whole life costs, by payload and by how many messages share a call."""
    rows = []
    for size, length in SIZES.items():
        for batch in WAYS:
            tell(f"{place.name}: {size}, {way(batch)}")
            with place.open() as metered:
                spent = life(metered, "x" * length, batch)
            rows.append(_row(f"{size}, {way(batch)}", spent.whole))
    return _table(f"A message's life, by payload, on {place.name}", rows, place)


def _row(name: str, spent: Spent) -> tuple[Cell, ...]:
    # Every step writes: no units mean that nobody said how many.
    return (name, spent.requests, spent.writes or None, spent.reads, spent.refused)


def _table(title: str, rows: list[tuple[Cell, ...]], place: Place) -> Table:
    unreported = any(row[2] is None for row in rows)
    notes = (*place.notes, UNREPORTED) if unreported else place.notes
    return Table(title, ("per message", *_COLUMNS), tuple(rows), notes)

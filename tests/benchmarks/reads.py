"""What a receive reads, by what else is in the queue and not due: nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dynamomq import Queue
from dynamomq.bench.metered import PAYLOAD, MeteredQueue, Place, Spent
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import Traffic, fill

_BATCH = 25
_AT_ONCE = 250  # what one call may receive
_DELAY = 7 * 86_400  # seconds


def reads_behind_a_backlog(place: Place, backlogs: Iterable[int]) -> Table:
    """Return what a receive costs that has many messages before it which are not due.

    Args:
        place: where.
        backlogs: how many messages are in flight, or delayed; ascending.
    """
    rows: list[tuple[Cell, ...]] = []
    kinds: dict[str, Callable[[Queue[str], int], None]] = {"in flight": _hold, "delayed": _delay}
    for kind, add in kinds.items():
        with place.open() as metered:
            rows += _costs(metered, place, kind, add, backlogs)
    columns = ("", "one: requests", "read units", f"{_BATCH}: requests", "read units of 25")
    return Table(f"A receive, by what else is in the queue, on {place.name}", columns, tuple(rows))


def _costs(
    metered: MeteredQueue,
    place: Place,
    kind: str,
    add: Callable[[Queue[str], int], None],
    backlogs: Iterable[int],
) -> Iterator[tuple[Cell, ...]]:
    there = 0
    for backlog in backlogs:
        tell(f"{place.name}: {backlog:,} messages {kind}")
        add(metered.queue, backlog - there)
        there = backlog
        one, many = _receive(metered, 1), _receive(metered, _BATCH)
        yield f"{backlog:,} {kind}", one.requests, one.reads, many.requests, many.reads


def _receive(metered: MeteredQueue, count: int) -> Spent:
    """Return what receiving costs; the messages come and go."""
    traffic = Traffic(metered.queue, PAYLOAD, count)
    traffic.send(count)
    spent = metered.cost(lambda: traffic.receive(count))
    traffic.delete()
    traffic.check(count)
    return spent


def _hold(queue: Queue[str], count: int) -> None:
    hold(queue, count, PAYLOAD)


def _delay(queue: Queue[str], count: int) -> None:
    fill(queue, count, PAYLOAD, delay=_DELAY)


def hold(queue: Queue[str], count: int, payload: str) -> None:
    """Have so many more messages in flight; the queue has no others that are due."""
    fill(queue, count, payload)
    held = 0
    while held < count:
        held += len(queue.receive(min(_AT_ONCE, count - held)))

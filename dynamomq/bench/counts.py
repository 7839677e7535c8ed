"""Requests and capacity units: exact figures, the same on every machine.

They are DynamoDB's own (``ConsumedCapacity``); beside them stands what the design allows.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from dynamomq import Message, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import PAYLOAD, Spent, metered_queue
from dynamomq.bench.report import Cell, Table

__all__ = ["BATCH", "costs_of_a_message", "reads_behind_a_backlog"]

BATCH = 25
_LIFE_BUDGET = Spent(requests=4, writes=7, reads=0.5)
_BATCH_BUDGET = Spent(requests=2, writes=3 * BATCH, reads=0.5)
_FILLERS = 8  # threads
_DELAY = 3600  # seconds


def costs_of_a_message(endpoint: Endpoint, table: str | None = None) -> Table:
    """Return what messages of 200 bytes cost, one at a time, and received 25 at once.

    Args:
        endpoint: where DynamoDB is.
        table: a table to use, empty before and afterwards; ``None``: a temporary one.
    """
    with metered_queue(endpoint, table) as metered:
        queue = metered.queue
        held: list[Message[str]] = []
        send = metered.cost(lambda: _fill(queue, BATCH))
        receive = metered.cost(lambda: held.extend(queue.receive()[0] for _ in range(BATCH)))
        delete = metered.cost(lambda: _delete(queue, held))
        _fill(queue, BATCH)
        batch = metered.cost(lambda: held.extend(queue.receive(BATCH)))
        if len(held) != 2 * BATCH:
            raise AssertionError(f"{len(held)} messages were received instead of {2 * BATCH}")
    steps = {"send": send.each(BATCH), "receive": receive.each(BATCH), "delete": delete.each(BATCH)}
    life = (send + receive + delete).each(BATCH)
    return Table(
        "Cost of a message of 200 bytes",
        ("", "requests", "write units", "read units"),
        (
            *(_row(name, step) for name, step in steps.items()),
            _row("together", life),
            _row("  budget", _LIFE_BUDGET),
            _row(f"receive {BATCH} at once", batch),
            _row("  budget", _BATCH_BUDGET),
        ),
        () if batch.writes else ("–: DynamoDB Local does not report the write units of a batch.",),
    )


def _row(name: str, spent: Spent) -> tuple[Cell, ...]:
    unreported = spent.writes == 0 and name.startswith("receive")
    return (name, spent.requests, None if unreported else spent.writes, spent.reads)


def reads_behind_a_backlog(
    endpoint: Endpoint, table: str | None = None, *, backlog: int = 5000
) -> Table:
    """Return the read units of a receive that has many messages before it which are not due.

    Args:
        endpoint: where DynamoDB is.
        table: a table to use, empty before and afterwards; ``None``: a temporary one.
        backlog: how many messages are in flight, or delayed.
    """
    backlogs: dict[str, Callable[[Queue[str]], object]] = {
        "no other message": lambda _: None,
        f"{backlog:,} in flight": lambda queue: _hold(queue, backlog),
        f"{backlog:,} delayed": lambda queue: _fill(queue, backlog, delay=_DELAY),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, prepare in backlogs.items():
        with metered_queue(endpoint, table) as metered:
            prepare(metered.queue)
            metered.queue.send(PAYLOAD)
            one = metered.cost(metered.queue.receive)
            _fill(metered.queue, BATCH)
            many = metered.cost(partial(metered.queue.receive, BATCH))
            rows.append((name, one.reads, many.reads))
    return Table(
        "Read units of a receive, by what else is in the queue",
        ("", "one", f"{BATCH} at once"),
        tuple(rows),
    )


def _fill(queue: Queue[str], count: int, *, delay: float = 0) -> None:
    with ThreadPoolExecutor(_FILLERS) as pool:
        list(pool.map(lambda _: queue.send(PAYLOAD, delay=delay), range(count)))


def _hold(queue: Queue[str], count: int) -> None:
    _fill(queue, count)
    held = 0
    while held < count:
        held += len(queue.receive(BATCH))


def _delete(queue: Queue[str], messages: list[Message[str]]) -> None:
    for message in messages:
        queue.delete(message)

"""Messages a second: what a process gets through, on each engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dynamomq import Engine, LocalEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import PAYLOAD
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import fill

_BATCH = 25
_THREADS = (1, 4)
_TIMEOUT = 3600  # seconds


def speeds(endpoint: Endpoint | None, table: str | None = None, *, messages: int = 1000) -> Table:
    """Return how many messages of 200 bytes are sent, received and deleted in a second.

    Args:
        endpoint: where DynamoDB is; ``None``: leave it out.
        table: a table to use, empty before and afterwards; ``None``: a temporary one.
        messages: how many to send for each figure.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, engine, place in _engines(endpoint, table):
        tell(f"messages a second: {name}")
        queue = Queue(place, payload=str, engine=engine, visibility_timeout=_TIMEOUT)
        queue.create_table()
        rows += [(name, threads, *_rates(queue, messages, threads)) for threads in _THREADS]
    columns = ("", "threads", "send", "send in batches", f"receive {_BATCH}, delete {_BATCH}")
    return Table("Messages a second", columns, tuple(rows))


def _engines(endpoint: Endpoint | None, table: str | None) -> Iterator[tuple[str, Engine, str]]:
    """Yield each engine with its name and an empty table."""
    with LocalEngine() as engine:
        yield "embedded, in memory", engine, "bench"
    # Here, not in the folder for temporary files, which may be in memory.
    with tempfile.TemporaryDirectory(prefix="dynamomq-", dir=Path.cwd()) as folder:
        with LocalEngine(Path(folder, "normal.db"), durability="normal") as engine:
            yield "embedded, file, durability normal", engine, "bench"
        with LocalEngine(Path(folder, "full.db")) as engine:
            yield "embedded, file, durability full", engine, "bench"
    if endpoint is not None:
        remote = endpoint.engine()
        try:
            with endpoint.empty_table(table) as name:
                yield "DynamoDB", remote, name
        finally:
            remote.close()


def _rates(queue: Queue[str], messages: int, threads: int) -> tuple[Cell, ...]:
    """Return messages a second: sent, sent in batches, and all of them received and deleted."""

    def send(share: int) -> None:
        for _ in range(share):
            queue.send(PAYLOAD)

    def send_batches(share: int) -> None:
        fill(queue, share, PAYLOAD)

    def consume(_: int) -> None:
        while batch := queue.receive(_BATCH):
            queue.delete_batch(batch)

    share = messages // threads
    through = share * threads
    return (
        round(through / _seconds(send, share, threads)),
        round(through / _seconds(send_batches, share, threads)),
        round(2 * through / _seconds(consume, share, threads)),
    )


def _seconds(task: Callable[[int], None], share: int, threads: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(task, [share] * threads))
    return time.perf_counter() - began

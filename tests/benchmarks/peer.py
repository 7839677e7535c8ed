"""Our queue beside the request pattern of the original port in Go, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Semaphore

from botocore.config import Config

from dynamomq import Queue
from dynamomq.bench.counts import SIZES, life
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import PAYLOAD, Spent, on_dynamodb
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import fill
from tests.benchmarks.goport import GoPort
from tests.benchmarks.reads import hold

_LIVES = 5
_KB = "x" * 1_000
_RECEIVERS = (1, 2, 4, 8)
_REPEATED = "The Go port's requests, made again with boto3 from the description of its pattern."
_CONNECTIONS = Config(max_pool_connections=64, retries={"mode": "standard"})


def life_beside(endpoint: Endpoint) -> Table:
    """Return what a message's life costs in an empty queue, one at a time."""
    place = on_dynamodb(endpoint)
    rows: list[tuple[Cell, ...]] = []
    for size, length in SIZES.items():
        tell(f"beside the Go port: a life of {size}")
        with place.open() as metered:
            ours = life(metered, "x" * length, 1, messages=_LIVES).whole
        with _go_port(endpoint) as port:
            before = port.read()
            _live(port, "x" * length)
            theirs = (port.read() - before).each(_LIVES)
        rows.append((size, *_by_turns(ours, theirs), ours.writes, theirs.writes))
    columns = ("", *_columns("requests", "read units", "write units"))
    title = "A message's life, one at a time, beside the Go port"
    return Table(title, columns, tuple(rows), (_REPEATED,))


def reads_beside(endpoint: Endpoint, backlogs: Iterable[int] = (0, 1_000, 5_000)) -> Table:
    """Return what receiving one message of 1 KB costs behind others that are in flight."""
    rows: list[tuple[Cell, ...]] = []
    for backlog in backlogs:
        tell(f"beside the Go port: {backlog:,} in flight")
        with on_dynamodb(endpoint).open() as metered:
            hold(metered.queue, backlog, _KB)
            metered.queue.send(_KB)
            before = Spent.of(metered.meter.read())
            took = _milliseconds(metered.queue.receive)
            ours = Spent.of(metered.meter.read()) - before
        with _go_port(endpoint) as port:
            port.put_in_flight(_KB, backlog)
            port.send(_KB)
            before = port.read()
            their_time = _milliseconds(port.receive)
            theirs = port.read() - before
        rows.append((f"{backlog:,}", *_by_turns(ours, theirs), took, their_time))
    columns = ("in flight", *_columns("requests", "read units", "ms"))
    title = "One receive behind messages in flight, beside the Go port"
    return Table(title, columns, tuple(rows), (_REPEATED,), bars=columns[3:5])


def drain_beside(endpoint: Endpoint, *, messages: int = 400) -> Table:
    """Return how several receivers get through a backlog, each taking one message at a time."""
    rows: list[tuple[Cell, ...]] = []
    for receivers in _RECEIVERS:
        tell(f"beside the Go port: {receivers} receivers")
        with on_dynamodb(endpoint).open() as metered:
            fill(metered.queue, messages, PAYLOAD)
            before = Spent.of(metered.meter.read())
            ours = _drained(partial(_consume, metered.queue), receivers, messages)
            spent = (Spent.of(metered.meter.read()) - before).each(messages)
        with _go_port(endpoint) as port:
            for _ in range(messages):
                port.send(PAYLOAD)
            before = port.read()
            theirs = _drained(partial(_consume_port, port), receivers, messages)
            other = (port.read() - before).each(messages)
        rows.append((str(receivers), spent.refused, other.refused, round(ours), round(theirs)))
    columns = ("receivers", *_columns("failed claims/message", "messages/s"))
    notes = (
        _REPEATED,
        "Its receivers do not pause here; its consumers sleep for a second after each lost race.",
    )
    title = f"Draining {messages} messages, beside the Go port"
    return Table(title, columns, tuple(rows), notes, bars=columns[3:5])


def _columns(*figures: str) -> tuple[str, ...]:
    return tuple(name for figure in figures for name in (figure, f"Go port: {figure}"))


def _by_turns(ours: Spent, theirs: Spent) -> tuple[Cell, ...]:
    return (ours.requests, theirs.requests, ours.reads, theirs.reads)


@contextmanager
def _go_port(endpoint: Endpoint) -> Iterator[GoPort]:
    client = endpoint.client(_CONNECTIONS)
    with endpoint.empty_table() as table:
        port = GoPort(client, table)
        port.create_table()
        yield port
    client.close()


def _live(port: GoPort, payload: str) -> None:
    for _ in range(_LIVES):
        port.send(payload)
        port.delete(port.receive())


def _milliseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


def _drained(consume: Callable[[], bool], receivers: int, messages: int) -> float:
    """Have receivers take messages until all are through; return messages a second."""
    through = Semaphore(messages)

    def work(_: int) -> None:
        while through.acquire(blocking=False):
            while not consume():
                pass  # others were faster, and there is more

    began = time.perf_counter()
    with ThreadPoolExecutor(receivers) as pool:
        list(pool.map(work, range(receivers)))
    return messages / (time.perf_counter() - began)


def _consume(queue: Queue[str]) -> bool:
    found = queue.receive()
    for message in found:
        queue.delete(message)
    return bool(found)


def _consume_port(port: GoPort) -> bool:
    id = port.receive()
    if id is not None:
        port.delete(id)
    return id is not None

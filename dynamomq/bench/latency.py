"""From the call of send to the call of the handler, where there is little to do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from statistics import quantiles

from dynamomq import Consumer, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.consumer import Delivery

_CEILINGS = (0.5, 5.0)  # seconds
_FLOOR = 0.1
_PAUSES = {0.1: 100, 1.0: 30}  # seconds between messages on average: how many to send
_WARM_UP = 3


def latencies(
    endpoint: Endpoint,
    table: str | None = None,
    *,
    ceilings: Sequence[float] = _CEILINGS,
    pauses: Mapping[float, int] = _PAUSES,
) -> Table:
    """Return how long messages are on their way to a consumer that is idle most of the time.

    Args:
        endpoint: where DynamoDB is.
        table: a table to use, empty before and afterwards; ``None``: temporary ones.
        ceilings: the longest intervals between looks at an empty queue, in seconds.
        pauses: how many messages to send by the average pause between them, in seconds.
    """
    rows: list[tuple[Cell, ...]] = []
    for ceiling in ceilings:
        for pause, count in pauses.items():
            tell(f"latency: a message every {pause:g} s, polling up to every {ceiling:g} s")
            times = _measure(endpoint, table, ceiling, pause, count)
            cuts = quantiles(times, n=100, method="inclusive")
            rows.append(
                (f"every {pause:g} s, polls every {_FLOOR:g} to {ceiling:g} s", cuts[49], cuts[98])
            )
    return Table(
        "From send to handler, ms",
        ("a message", "p50", "p99"),
        tuple(rows),
        ("One consumer, in the sender's process; pauses between messages are random.",),
    )


def _measure(
    endpoint: Endpoint, table: str | None, ceiling: float, pause: float, count: int
) -> list[float]:
    """Send messages at random moments and return their times in milliseconds."""
    began: dict[str, float] = {}
    times: list[float] = []

    def handle(delivery: Delivery[str]) -> None:
        times.append(1000 * (time.perf_counter() - began[delivery.data]))

    engine = endpoint.engine()
    with endpoint.empty_table(table) as name:
        queue = Queue(name, payload=str, engine=engine)
        queue.create_table()
        consumer = Consumer(queue, handle, poll_interval=(_FLOOR, ceiling))
        thread = threading.Thread(target=consumer.run, kwargs={"signals": False})
        thread.start()
        for number in range(count + _WARM_UP):
            time.sleep(random.expovariate(1 / pause))  # messages come at random
            began[str(number)] = time.perf_counter()
            queue.send(str(number))
        while len(times) < count + _WARM_UP:
            time.sleep(_FLOOR)  # until the last have arrived
        consumer.stop()
        thread.join()
    engine.close()
    return times[_WARM_UP:]

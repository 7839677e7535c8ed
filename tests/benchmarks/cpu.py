"""Our CPU time beside that of the bare boto3 calls.

The bare calls are the very requests that the library made, recorded and made once more against
another table, where they have the same success: nothing has to be written twice and kept in step.
Both run in turns, so that a machine that slows down slows both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from statistics import median
from typing import Any

from botocore.config import Config

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import PAYLOAD
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import Traffic, way

_BATCH = 25
_BUDGETS = {1: 10.0, _BATCH: 25.0}  # per cent, by how many messages go into one call
_STEPS = ("send", "receive", "delete")
_TIMEOUT = 3600  # seconds


class _Recorder:
    """A boto3 client that takes down what it is asked."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def recording(**parameters: Any) -> Any:
            self.calls.append((name, parameters))
            return method(**parameters)

        # Found at once the next time: the recorder must not cost what it is to measure.
        setattr(self, name, recording)
        return recording


class _Race:
    """The library on one table, and its requests again on another."""

    def __init__(self, client: Any, table: str, other: str) -> None:
        self._client = _Recorder(client)
        self._again = client
        self._table, self._other = table, other
        engine = DynamoDBEngine(client=self._client)
        self._queue = Queue(table, payload=str, engine=engine, visibility_timeout=_TIMEOUT)
        self._times: dict[tuple[str, int], list[tuple[float, float]]] = {
            (step, batch): [] for batch in _BUDGETS for step in _STEPS
        }

    def prepare(self) -> None:
        """Create both tables."""
        self._queue.create_table()
        Queue(self._other, engine=DynamoDBEngine(client=self._again)).create_table()

    def round(self) -> None:
        """Measure 25 messages one at a time, then 25 in a batch."""
        for batch in _BUDGETS:
            traffic = Traffic(self._queue, PAYLOAD, batch)
            self._measure("send", batch, partial(traffic.send, _BATCH))
            self._measure("receive", batch, partial(traffic.receive, _BATCH))
            self._measure("delete", batch, traffic.delete)
            traffic.check(_BATCH)

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """Yield the medians of all rounds but the first, which warms up, in milliseconds."""
        for batch, budget in _BUDGETS.items():
            for step in _STEPS:
                yield _row(step, batch, self._times[step, batch][1:], budget)
            rounds = zip(*(self._times[step, batch][1:] for step in _STEPS), strict=True)
            yield _row("together", batch, [_sum(times) for times in rounds], budget)

    def _measure(self, step: str, batch: int, action: Callable[[], object]) -> None:
        self._client.calls.clear()
        ours = _cpu(action)
        self._times[step, batch].append((ours, self._repeat()))

    def _repeat(self) -> float:
        """Make the recorded calls on the other table and return the CPU time that they took."""
        prepared = [
            (getattr(self._again, name), self._elsewhere(parameters))
            for name, parameters in self._client.calls
        ]
        self._client.calls.clear()
        return _cpu(lambda: _call(prepared))

    def _elsewhere(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if "TableName" in parameters:
            return {**parameters, "TableName": self._other}
        statements = [
            {**one, "Statement": one["Statement"].replace(f'"{self._table}"', f'"{self._other}"')}
            for one in parameters["Statements"]
        ]
        return {**parameters, "Statements": statements}


def _row(
    step: str, batch: int, times: list[tuple[float, float]], budget: float
) -> tuple[Cell, ...]:
    ours, bare = (1000 * median(column) / _BATCH for column in zip(*times, strict=True))
    return (f"{step}, {way(batch)}", ours, bare, 100 * (ours / bare - 1), budget)


def _sum(times: Iterable[tuple[float, float]]) -> tuple[float, float]:
    ours, bare = (sum(column) for column in zip(*times, strict=True))
    return ours, bare


def _call(prepared: Iterable[tuple[Callable[..., Any], dict[str, Any]]]) -> None:
    for method, parameters in prepared:
        method(**parameters)


def _cpu(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def cpu_times(endpoint: Endpoint, *, messages: int = 500) -> Table:
    """Return the CPU time of each step per message, in milliseconds, ours and the bare calls'.

    Args:
        endpoint: where DynamoDB is; two temporary tables are made there.
        messages: how many to average over.
    """
    # As the engine sets up its own client, so that the comparison is about our work only.
    client = endpoint.client(Config(parameter_validation=False, retries={"mode": "standard"}))
    with endpoint.empty_table() as table, endpoint.empty_table() as other:
        race = _Race(client, table, other)
        race.prepare()
        for number in range(1 + max(messages // _BATCH, 1)):
            tell(f"CPU time: round {number}")
            race.round()
    client.close()
    return Table(
        "CPU time per message, ms",
        ("", "DynamoMQ", "bare boto3", "more, %", "budget"),
        tuple(race.rows()),
        ("bare boto3: the same requests, already put together, without looking at the replies.",),
    )

"""The benchmark's parts, by the names that the command line knows them by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from dynamomq.bench.contention import contention
from dynamomq.bench.counts import costs_by_size, costs_of_steps
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.latency import latencies
from dynamomq.bench.metered import Place, on_dynamodb
from dynamomq.bench.report import Table
from tests.benchmarks.cpu import cpu_times
from tests.benchmarks.embedded import embedded
from tests.benchmarks.groups import costs_of_groups
from tests.benchmarks.imports import import_times
from tests.benchmarks.peer import drain_beside, life_beside, reads_beside
from tests.benchmarks.prices import prices
from tests.benchmarks.reads import reads_behind_a_backlog
from tests.benchmarks.speed import speeds
from tests.benchmarks.versus import beside_a_bare_loop


@frozen
class Setting:
    """Where to measure, and how much.

    Attributes:
        endpoint: where DynamoDB is; ``None``: measure what needs none.
        table: a table to use, empty before and afterwards; ``None``: temporary ones.
        messages: how many to take times with.
        backlog: how many messages are in flight, or delayed, where the most are.
        consumers: how many share the queue, one figure for each row.
    """

    endpoint: Endpoint | None
    table: str | None
    messages: int
    backlog: int
    consumers: Sequence[int]

    def places(self) -> Iterator[Place]:
        """Yield where counts can be taken."""
        if self.endpoint is not None:
            yield on_dynamodb(self.endpoint, self.table)
        yield embedded()

    @property
    def backlogs(self) -> tuple[int, ...]:
        """An empty queue, a tenth of the backlog, and the whole."""
        return tuple(sorted({0, self.backlog // 10, self.backlog}))


_Part: TypeAlias = Callable[[Setting], Iterator[Table]]


def _counts(setting: Setting) -> Iterator[Table]:
    for place in setting.places():
        yield costs_of_steps(place)
        yield costs_by_size(place)


def _groups(setting: Setting) -> Iterator[Table]:
    for place in setting.places():
        yield costs_of_groups(place)


def _reads(setting: Setting) -> Iterator[Table]:
    for place in setting.places():
        yield reads_behind_a_backlog(place, setting.backlogs)


def _prices(_: Setting) -> Iterator[Table]:
    yield prices(embedded())


def _import(_: Setting) -> Iterator[Table]:
    yield import_times()


def _cpu(setting: Setting) -> Iterator[Table]:
    if setting.endpoint is not None:
        yield cpu_times(setting.endpoint, messages=setting.messages)


def _speed(setting: Setting) -> Iterator[Table]:
    yield speeds(setting.endpoint, setting.table, messages=setting.messages)


def _bare(setting: Setting) -> Iterator[Table]:
    if setting.endpoint is not None:
        yield beside_a_bare_loop(setting.endpoint, messages=setting.messages)


def _peer(setting: Setting) -> Iterator[Table]:
    if setting.endpoint is not None:
        yield life_beside(setting.endpoint)
        yield reads_beside(setting.endpoint)
        yield drain_beside(setting.endpoint)


def _latency(setting: Setting) -> Iterator[Table]:
    if setting.endpoint is not None:
        yield latencies(setting.endpoint, setting.table)


def _contention(setting: Setting) -> Iterator[Table]:
    if setting.endpoint is not None:
        yield contention(
            setting.endpoint,
            setting.table,
            messages=2 * setting.messages,
            consumers=setting.consumers,
        )


PARTS: Final[Mapping[str, _Part]] = {
    "counts": _counts,
    "groups": _groups,
    "reads": _reads,
    "prices": _prices,
    "import": _import,
    "cpu": _cpu,
    "speed": _speed,
    "bare": _bare,
    "peer": _peer,
    "latency": _latency,
    "contention": _contention,
}

WITHOUT_DYNAMODB: Final = frozenset({"import", "prices"})
"""Parts for which no DynamoDB need be started."""

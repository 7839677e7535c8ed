"""What one process of a run is to do, and the queue that all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from cattrs.preconf.json import make_converter

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.drivers.base import Engine, Surroundings
from model_tests.chaos.plan import Plan
from model_tests.history.log import SkewedClock

_CONVERTER = make_converter()

_DEDUPLICATION_WINDOW = 86_400  # seconds; longer than any run, so that tombstones stay


@attrs.frozen
class Assignment:
    """What a process is to do.

    Attributes:
        role: one of those that ``model_tests.chaos.worker`` knows.
        name: the process's, which no other has.
        plan: of the run.
        endpoint_url: DynamoDB's, as far as the process knows.
        table: the queue's table.
        folder: where its log goes.
        clock: its clock.
        deadly: the messages that kill whoever handles them.
        share: of the messages, which ones to send: from this one on, every so many-th.
    """

    role: str
    name: str
    plan: Plan
    endpoint_url: str
    table: str
    folder: Path
    clock: SkewedClock
    deadly: frozenset[str] = frozenset()
    share: tuple[int, int] = (0, 1)

    def to_json(self) -> str:
        """As an argument of a command line."""
        return _CONVERTER.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """What :meth:`to_json` wrote."""
        return _CONVERTER.loads(text, cls)

    def engine(self) -> DynamoDBEngine:
        """DynamoDB, by the process's own clock."""
        endpoint = Endpoint(self.endpoint_url)
        return DynamoDBEngine(
            session=endpoint.session,
            endpoint_url=endpoint.url,
            surroundings=Surroundings(clock=self.clock),
        )


def queue_of(plan: Plan, table: str, engine: Engine) -> Queue[Any]:
    """The queue that all processes of a run share."""
    return Queue(
        table,
        engine=engine,
        visibility_timeout=plan.visibility_timeout,
        max_receives=plan.max_receives,
        deduplication_window=_DEDUPLICATION_WINDOW,
    )

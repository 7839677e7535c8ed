"""The model of capacity units, against what DynamoDB Local reports for the same calls."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import asdict

from dynamomq import DynamoDBEngine, Queue
from dynamomq.drivers.meter import Meter, Usage
from tests.integration.scene import Script
from tests.support.modelled import ModelledEngine

SIZES = [0, 200, 400, 800, 1_500, 3_000, 4_000, 10_000, 60_000]
OPERATIONS = [
    "send",
    "delayed send",
    "receive",
    "extend",
    "retry",
    "retry with an error",
    "release",
    "delete",
    "move_to_dlq",
    "bury",
    "redrive",
    "receive of a dead letter",
    "delete of a dead letter",
    "exhaust",
    "get",
    "list",
]


def play(
    queue: Queue[str], script: Script, payload: str, mark: str
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every operation by its name, each as a call that is to be metered; a second apart."""
    held: list[Any] = []

    def receive(source: Any = "STANDARD") -> None:
        held[:] = queue.receive(source=source)
        assert held

    def send(key: str, **options: Any) -> Callable[[], Any]:
        return lambda: queue.send(payload, id=key + mark, **options)

    def again(name: str, call: Callable[[Any], Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
        yield "", receive
        yield name, lambda: call(held[0])

    yield "", queue.stats  # the first use of a queue looks at its table
    yield "send", send("one")
    yield "delayed send", send("later", delay=9_999)
    yield "receive", receive
    yield "extend", lambda: queue.extend(held[0], 60)
    yield "retry", lambda: queue.retry(held[0])
    yield from again("retry with an error", lambda one: queue.retry(one, error="x" * 900))
    yield from again("release", queue.release)
    yield "get", lambda: queue.get("one" + mark)
    yield "list", lambda: list(queue.list())
    yield from again("move_to_dlq", lambda one: queue.move_to_dlq(one, error="reason"))
    yield "redrive", lambda: queue.redrive("one" + mark)
    yield "bury", lambda: queue.bury("one" + mark, reason="reason")
    yield "receive of a dead letter", lambda: receive("DLQ")
    yield "delete of a dead letter", lambda: queue.delete(held[0])
    yield "", send("two")
    yield from again("delete", queue.delete)
    yield "", send("worn")
    for _ in range(3):
        yield "", receive
        script.advance(31)
    yield "exhaust", queue.receive


def costs(
    queue: Queue[str], script: Script, payload: str, mark: str, usage: Callable[[], Usage]
) -> dict[str, Counter[str]]:
    """What each operation cost by itself."""
    spent = {}
    for name, call in play(queue, script, payload, mark):
        script.advance(1)
        before = figures(usage())
        call()
        if name:
            spent[name] = figures(usage()) - before
    return spent


def figures(usage: Usage) -> Counter[str]:
    """Requests by name, and units by kind."""
    return Counter({**usage.requests, **asdict(usage.capacity), "refused": usage.refused})


@pytest.mark.engine("dynamodb-local", "local-memory")
@pytest.mark.parametrize(
    ("size", "mark"), [*((size, "") for size in SIZES), (200, "y" * 900), (200, "y" * 1_900)]
)
def test_the_model_charges_what_dynamodb_local_reports(
    dynamodb_client: Any, table_name: str, size: int, mark: str
) -> None:
    """Requests and units of every operation, table and index apart, reads and writes apart."""
    meter, script, other = Meter(), Script(), Script()
    engine = DynamoDBEngine(client=dynamodb_client, meter=meter, surroundings=script.surroundings())
    reported: Queue[str] = Queue(table_name, payload=str, engine=engine, max_receives=3)
    modelled = ModelledEngine(other.surroundings())
    computed: Queue[str] = Queue(table_name, payload=str, engine=modelled, max_receives=3)
    for queue in (reported, computed):
        queue.create_table()
    expected = costs(reported, script, "x" * size, mark, meter.read)
    assert sorted(expected) == sorted(OPERATIONS)
    assert costs(computed, other, "x" * size, mark, modelled.read) == expected

"""The planner: its figures against measured runs, its arithmetic, and bad input."""

from typing import Any

import pytest

from dynamomq import DynamoDBEngine, InvalidArgumentError, Queue
from dynamomq.drivers.meter import Capacity, Meter, Usage
from dynamomq.message import Entry
from dynamomq.planning import Plan, main, plan
from tests.integration.scene import Script
from tests.support.modelled import ModelledEngine

MESSAGES = 50
WITHIN = 0.1


def per_message(plan: Plan) -> tuple[float, float, float]:
    """A plan's write units, read units and requests per message, without the consumers' leases."""
    steps = plan.group_steps if plan.groups else plan.steps
    return (
        sum(step.writes for step in steps),
        sum(step.reads for step in steps),
        sum(step.requests for step in steps),
    )


def measured(before: Usage, after: Usage) -> tuple[float, float, float]:
    """What each of the messages has cost."""
    units = after.capacity + before.capacity.times(-1)
    return (
        (units.table_writes + units.index_writes) / MESSAGES,
        (units.table_reads + units.index_reads) / MESSAGES,
        (sum(after.requests.values()) - sum(before.requests.values())) / MESSAGES,
    )


def live(queue: Queue[str], script: Script, payload: str, *, batch: int, group: bool) -> None:
    """Send, receive and delete the messages."""
    for start in range(0, MESSAGES, batch):
        script.advance(0.01)
        name = f"group {start % 5}" if group else None
        ids = [f"{number:036}" for number in range(start, start + batch)]
        entries = [Entry(payload, id=id, group=name) for id in ids]
        if batch == 1:
            queue.send(payload, id=ids[0], group=name)
        else:
            queue.send_batch(entries)
    deleted = 0
    while deleted < MESSAGES:
        script.advance(0.01)
        held = queue.receive(batch)
        assert held
        if batch == 1:
            queue.delete(held[0])
        else:
            queue.delete_batch(held)
        deleted += len(held)


@pytest.mark.engine("dynamodb-local")
@pytest.mark.parametrize("size", [0, 200, 800, 1_500, 10_000])
def test_a_plan_agrees_with_what_dynamodb_local_reports(
    dynamodb_client: Any, table_name: str, size: int
) -> None:
    """Write units, read units and requests of whole lives, within 10 %."""
    meter, script = Meter(), Script()
    engine = DynamoDBEngine(client=dynamodb_client, meter=meter, surroundings=script.surroundings())
    queue = Queue(table_name, payload=str, engine=engine)
    queue.create_table(shards=1)
    queue.receive()  # the first look at what is agreed on
    before = meter.read()
    live(queue, script, "x" * size, batch=1, group=False)
    expected = per_message(plan(1, size))
    assert measured(before, meter.read()) == pytest.approx(expected, rel=WITHIN)


@pytest.mark.parametrize("size", [200, 1_500])
@pytest.mark.parametrize(("batch", "group"), [(1, False), (10, False), (25, False), (1, True)])
def test_a_plan_agrees_with_the_published_rules(size: int, batch: int, group: bool) -> None:
    """Batches and groups, whose units DynamoDB Local does not report, on the embedded engine."""
    script = Script()
    engine = ModelledEngine(script.surroundings())
    queue = Queue("jobs", payload=str, engine=engine)
    queue.create_table()
    queue.receive()
    before = engine.read()
    live(queue, script, "x" * size, batch=batch, group=group)
    expected = per_message(plan(1, size, batch=batch, groups=float(group)))
    assert measured(before, engine.read()) == pytest.approx(expected, rel=WITHIN)


@pytest.mark.parametrize(
    ("rate", "shards"), [(0, 1), (1, 1), (200, 1), (201, 2), (400, 2), (2_000, 10)]
)
def test_a_shard_takes_two_hundred_messages_a_second(rate: float, shards: int) -> None:
    """Four index units each, and four fifths of the thousand that a partition takes."""
    assert plan(rate, 200).shards == shards
    assert plan(rate, 10_000, groups=1).shards == shards


def test_a_month_follows_from_the_units() -> None:
    """Dollars are units a second, times the seconds of a month, times the prices."""
    made = plan(500, 800, consumers=4)
    assert made.write_units == pytest.approx(500 * 10 + 4 * 0.3)
    assert made.read_units == pytest.approx(500 * 0.5 + 4 * 0.05)
    month = 730 * 3600
    dollars = month * (made.write_units * 0.625 + made.read_units * 0.125) / 1e6
    assert made.dollars == pytest.approx(dollars)
    looks = 4 * (3 + 1) / 5
    idle = month * (4 * 0.3 * 0.625 + (4 * 0.05 + looks / 2) * 0.125) / 1e6
    assert made.idle_dollars == pytest.approx(idle)


def test_consumers_read_more_the_more_there_are() -> None:
    """To find its own among the others' messages each reads about as many times its batch."""
    few, many = (plan(1, 200, consumers=number, batch=10) for number in (1, 16))
    assert many.steps[1].reads > 4 * few.steps[1].reads


def test_groups_share_the_bill() -> None:
    """A plan with some messages in groups lies between those of none and of all."""
    none, some, every = (plan(100, 200, groups=share) for share in (0, 0.25, 1))
    assert some.write_units == pytest.approx(0.75 * none.write_units + 0.25 * every.write_units)


def test_the_arithmetic_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The program prints each factor and what comes of it, as the function's text has it."""
    options = "--rate 500 --payload 800 --consumers 4 --groups 0.2 --batch 10"
    assert main(options.split()) == 0
    shown = capsys.readouterr().out
    made = plan(500, 800, consumers=4, groups=0.2, batch=10)
    assert shown == f"{made}\n"
    for part in (
        "500/s x 4.00 index units = 2,000",
        "1,000, of which 80% are planned for: 3",
        f"{made.write_units:,.1f} x $0.625",
        f"= ${made.dollars:,.2f}",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("rate", value) for value in (-1, "5", True, None, float("nan"), 10**7 + 1)),
        *(("payload", value) for value in (-1, 1.5, 500_000)),
        *(("consumers", value) for value in (0, 1.5, 10_001)),
        *(("groups", value) for value in (-0.1, 1.1, "half")),
        *(("batch", value) for value in (0, 26, 1.5)),
    ],
)
def test_bad_input_is_refused(argument: str, value: Any) -> None:
    """The error names the argument and says what is needed."""
    arguments: dict[str, Any] = {"rate": 1, "payload": 100, argument: value}
    with pytest.raises(InvalidArgumentError) as error:
        plan(**arguments)
    assert error.value.argument == argument
    assert error.value.remedy


def test_what_no_queue_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """More than a thousand shards: the program says what to do, and ends with 2."""
    assert main(["--rate", "300000", "--payload", "10"]) == 2
    assert "several tables" in capsys.readouterr().err


def test_units_add_up() -> None:
    """Capacity is added and multiplied field by field."""
    one = Capacity(1, 2, 3, 4)
    assert one + one == one.times(2)

"""Message groups in chaos: several producers for each, consumers that die, and one order.

This is the short form of ``make chaos ARGS=groups``.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dynamomq import DynamoDBEngine, Queue
from model_tests.chaos.experiment import experiment
from model_tests.chaos.plan import EXPERIMENTS, Disturbance, Plan
from model_tests.history.checker import describe
from model_tests.history.plan import Place
from tests.support.figures import figures

SHORT = Plan(
    seed=1,
    messages=300,
    seconds=8.0,
    producers=2,
    workers=2,
    followers=1,
    groups=10,
    deadly=0,
    steal_after=0.2,
)


def test_groups_keep_their_order_in_chaos(
    dynamodb_endpoint: str,
    dynamodb_client: Any,
    table_name: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """FIFO, HEAD and the rest: first deliveries are in the accepted order, and nothing is lost.

    And there was enough of everything to mean something: failures, lists that were whole when
    somebody looked, messages that were received with their predecessor's deletion.
    """
    print(f"{SHORT}; logs in {tmp_path}")
    Queue(table_name, engine=DynamoDBEngine(client=dynamodb_client)).create_table()
    verdict = experiment(SHORT, Place(dynamodb_endpoint, dynamodb_client, table_name, tmp_path))
    assert not verdict.violations, describe(verdict.violations)

    rows = verdict.figures
    record_property("figures", figures("chaos in groups", rows))
    planned = SHORT.disturbances()
    assert rows["processes"]["killed"] >= planned.count(Disturbance.KILL)
    assert rows["processes"]["stopped"] >= planned.count(Disturbance.STOP)
    assert rows["outages"]["outages"] == planned.count(Disturbance.OUTAGE)
    failed = rows["writes that failed"]
    assert min(failed[fate] for fate in ("swallowed", "cut", "dropped", "late")) >= 4
    assert rows["groups"]["messages in the accepted order"] == SHORT.messages
    assert rows["groups"]["groups"] == SHORT.groups
    assert rows["deliveries"]["first"] == SHORT.messages
    assert rows["deliveries"]["again"] > 0
    assert rows["lists"]["messages in them"] > SHORT.groups
    assert rows["changes of lists"]["deliveries with the predecessor's deletion"] > 0
    assert rows["dead letters"]["dead letters"] > 0


@pytest.mark.parametrize("plan", [SHORT, EXPERIMENTS["groups"]], ids=["short", "full"])
def test_several_producers_send_into_each_group(plan: Plan) -> None:
    """Each group has messages of several producers, and of each several in a row."""
    groups = [plan.group_of(number) for number in range(plan.messages)]
    assert groups == [plan.group_of(number) for number in range(plan.messages)]
    senders = defaultdict(set)
    in_a_row: Counter[bool] = Counter()
    for number, group in enumerate(groups):
        senders[group].add(number % plan.producers)
        in_a_row[group in groups[number + plan.producers : number + plan.producers + 1]] += 1
    assert len(senders) == plan.groups
    assert all(len(producers) > 1 for producers in senders.values())
    assert in_a_row[True] > in_a_row[False]


def test_messages_need_no_groups() -> None:
    """In the other experiment there are none."""
    assert EXPERIMENTS["consumers"].group_of(7) is None

"""Real processes on one table, killed and paused: the properties hold over what they wrote down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynamomq import DynamoDBEngine, Queue
from model_tests.history.checker import describe
from model_tests.history.experiment import experiment
from model_tests.history.plan import Place, Plan
from model_tests.history.report import stale
from tests.support.figures import figures

SEED = 1


def test_properties_hold_for_real_processes(
    dynamodb_endpoint: str,
    dynamodb_client: Any,
    table_name: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """NO-LOSS to PROGRESS: producers and consumers that are killed and paused break no property."""
    plan = Plan(seed=SEED)
    print(f"{plan}; logs in {tmp_path}")
    Queue(table_name, engine=DynamoDBEngine(client=dynamodb_client)).create_table()
    place = Place(dynamodb_endpoint, dynamodb_client, table_name, tmp_path)
    verdict = experiment(plan, place)
    assert not verdict.violations, describe(verdict.violations)

    rows = verdict.figures
    record_property("figures", figures("real processes", rows))
    assert verdict.messages == plan.messages == rows["deliveries"]["first"]
    assert verdict.tally.killed > plan.kills
    assert verdict.tally.paused >= plan.pauses
    assert rows["deliveries"]["again"] > 0
    assert rows["sends"]["refused"] > 0
    assert stale(rows) > 0

"""Real processes on one table, killed and paused: the properties hold over what they wrote down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynamomq import DynamoDBEngine, Queue
from model_tests.history import table
from model_tests.history.checker import check, describe
from model_tests.history.log import read_logs
from model_tests.history.records import assemble
from model_tests.history.report import figures, stale
from model_tests.history.runner import Place, Plan, run
from tests.support.figures import figures as recorded

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
    tally = run(plan, Place(dynamodb_endpoint, dynamodb_client, table_name, tmp_path))
    history = assemble(read_logs(tmp_path))
    items = table.scan(dynamodb_client, table_name)
    table.save(items, tmp_path)

    violations = check(history, items, max_receives=plan.max_receives, drained=True)
    assert not violations, describe(violations)

    rows = figures(history, tally)
    record_property("figures", recorded("real processes", rows))
    assert len(history.messages) == plan.messages == rows["deliveries"]["first"]
    assert tally.killed > plan.kills
    assert tally.stopped >= plan.stops
    assert rows["deliveries"]["again"] > 0
    assert rows["sends"]["refused"] > 0
    assert stale(rows) > 0

"""Users' own actions mean the same on the embedded engine as on DynamoDB Local."""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

import pytest
from attrs import frozen

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import DynamoMQError
from dynamomq.requests import Committed, Foreign, Transact
from dynamomq.table import TableDefinition
from dynamomq.values import Item
from tests.contract.rows import Rows, dynamodb_rows, embedded_rows
from tests.integration.lockstep import exact
from tests.integration.random_expressions import KEYS, Expressions
from tests.support.figures import figures

SEED_VARIABLE = "DYNAMOMQ_EXPRESSION_SEEDS"
SEEDS: Final = tuple(int(seed) for seed in os.environ.get(SEED_VARIABLE, "1 2 3").split())
STEPS: Final = 300
MALFORMED: Final = "MalformedItemError"
LEAST: Final = {
    "committed": 0.15,
    "refused": 0.15,
    MALFORMED: 0.05,
    "RequestRejectedError": 0.1,
}


@frozen
class Side:
    """One engine: its driver, and its table of rows."""

    driver: Driver
    rows: Rows

    def take(self, actions: list[Foreign], token: str) -> object:
        """Carry out a transaction, and return what is comparable about the outcome."""
        try:
            reply = self.driver.execute(Transact(tuple(actions), token))
        except DynamoMQError as error:
            return type(error).__name__
        if isinstance(reply, Committed):
            return "committed"
        return ["refused" if one is None else [one.shown, exact(one.item)] for one in reply.reasons]

    def stored(self) -> dict[str, Item | None]:
        """All rows."""
        return {key: self.rows.row(key) for key in KEYS}


@pytest.fixture
def sides(dynamodb_endpoint: str, dynamodb_client: Any, table_name: str) -> Iterator[list[Side]]:
    """Both engines, with an empty table of rows each."""
    with LocalEngine() as local, closing(DynamoDBEngine(endpoint_url=dynamodb_endpoint)) as remote:
        table = TableDefinition(f"queue-{table_name}")
        yield [
            Side(local.open(table), embedded_rows(local, table_name)),
            Side(remote.open(table), dynamodb_rows(dynamodb_client, table_name)),
        ]


@pytest.mark.engine("local-memory", "dynamodb-local")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_actions_agree(
    seed: int,
    sides: list[Side],
    table_name: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Random conditions and updates hold, fail, change and are refused alike (spec: TRANSACT-2).

    And the run is worth something: each kind of outcome has a fair share.
    """
    expressions = Expressions(random.Random(seed), table_name)
    tally: Counter[str] = Counter()
    replay = f"{SEED_VARIABLE}={seed} python -m pytest {__file__}"
    for step in range(STEPS):
        actions = expressions.actions()
        local, remote = (side.take(actions, f"{seed}-{step}") for side in sides)
        if remote == MALFORMED and isinstance(local, list) and len(actions) > 1:
            # Of an item that lacks what an update needs, and a condition that does not hold,
            # DynamoDB Local tells the one, the embedded engine the other.
            remote = local
        assert local == remote, f"{actions}\nembedded: {local}\nDynamoDB: {remote}\n{replay}"
        stored = [exact(side.stored()) for side in sides]
        assert stored[0] == stored[1], f"{actions}\n{replay}"
        tally[local if isinstance(local, str) else "refused"] += 1
    record_property("figures", figures("users' actions on both engines", {"outcomes": dict(tally)}))
    for outcome, share in LEAST.items():
        assert tally[outcome] / STEPS >= share, tally

"""What groups cost: exact, and for what a holder does the same as without a group."""

from typing import Any

import pytest

from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import Place, on_dynamodb
from tests.benchmarks.embedded import embedded
from tests.benchmarks.groups import costs_of_groups

EXPECTED: dict[str, list[Any]] = {
    "send, the only one": [2, 5, 1, 1, 2, 0],
    "send, behind others": [2, 6, 1, 1, 2, 0],
    "extend": [1, 3, 0, 1, 3, 0],
    "retry": [1, 3, 0, 1, 3, 0],
    "receive": [2, 3, 0.5, 2, 3, 0.5],
    "delete": [1, 6, 0, 1, 2, 0],
    "delete, the last one": [1, 5, 0, 1, 2, 0],
    # 98 messages and the group's item, twice; and the head's entry in the index.
    "send_batch of 98, each": [2 / 98, 199 / 98, 1 / 98, 4 / 98, 2, 0],
    "move_to_dlq": [1, 7, 0, 1, 3, 0],
    "delete and receive the next": [2, 6, 1, None, None, None],
}
"""In a group and without: requests, write units, read units."""

TRANSACTIONS = {"send", "delete", "move_to_dlq", "send_batch of 98"}
"""Whose units DynamoDB Local does not report, or not rightly."""


def figures(place: Place) -> dict[Any, list[Any]]:
    """The figures of each row, by its name."""
    return {name: list(cells) for name, *cells in costs_of_groups(place).rows}


@pytest.mark.engine("local-memory")
def test_each_operation_costs_exactly_that() -> None:
    """Requests and units of every operation by the published rules, in a group and without."""
    found = figures(embedded())
    assert found.keys() == EXPECTED.keys()
    for name, expected in EXPECTED.items():
        assert found[name] == [None if one is None else pytest.approx(one) for one in expected]


def test_what_keeps_the_head_costs_the_same() -> None:
    """receive, extend and retry of a group's message are those of any other."""
    for name in ("receive", "extend", "retry"):
        *grouped, requests, writes, reads = EXPECTED[name]
        assert grouped == [requests, writes, reads]


@pytest.mark.engine("dynamodb-local")
def test_dynamodb_is_asked_as_often(dynamodb_endpoint: str) -> None:
    """The requests are the same on DynamoDB Local, and so are the units that it reports rightly."""
    place = on_dynamodb(Endpoint(dynamodb_endpoint))
    table = costs_of_groups(place)
    for name, requests, writes, reads, *others in table.rows:
        expected = EXPECTED[str(name)]
        assert [requests, reads] == pytest.approx([expected[0], expected[2]]), name
        is_transaction = str(name).partition(",")[0] in TRANSACTIONS or "next" in str(name)
        assert writes == (None if is_transaction else expected[1]), name
        assert others[0] == (expected[3] and pytest.approx(expected[3])), name
    assert "wrong units" in table.notes[-1]

"""What the tests of both benchmarks share: where counts are taken, and how a table is read."""

from typing import Any

from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import Place, on_dynamodb
from dynamomq.bench.report import Table
from tests.benchmarks.embedded import embedded

ONE = "one at a time"
FULL = "batches of 25"


def rows(table: Table) -> dict[Any, list[Any]]:
    """The figures of each row, by its name."""
    return {name: figures for name, *figures in table.rows}


def places(endpoint: Endpoint) -> list[Place]:
    """Where counts are taken."""
    return [on_dynamodb(endpoint), embedded()]

"""A queue of its own for every test, on each engine, under a clock that is moved by hand."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from dynamomq.drivers.base import Engine
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.requests import CreateTable
from dynamomq.table import TableDefinition
from tests.contract.engines import ALL, OpenQueue, Table
from tests.contract.rows import Rows, dynamodb_rows, embedded_rows
from tests.support.clock import ManualClock
from tests.support.fixtures import REGION, make_client

MOTO_ENDPOINT = f"https://dynamodb.{REGION}.amazonaws.com"


@pytest.fixture(params=ALL)
def engine(request: pytest.FixtureRequest) -> str:
    """The engine's name. A test for some engines only parametrises it, indirectly."""
    name: str = request.param
    return name


@pytest.fixture
def clock() -> ManualClock:
    """The time for the queue; it stands still until the test moves it."""
    return ManualClock()


@pytest.fixture(scope="session")
def moto_client(isolated_aws_environment: None) -> Iterator[Any]:  # noqa: ARG001 - first of all
    """A client that moto answers while it is mocking."""
    with closing(make_client(MOTO_ENDPOINT)) as client:
        yield client


@pytest.fixture
def aws_client(engine: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The low-level client of an engine that speaks DynamoDB's language."""
    if engine == "moto":
        with mock_aws():
            yield request.getfixturevalue("moto_client")
    else:
        yield request.getfixturevalue("dynamodb_client")


@pytest.fixture
def storage(
    engine: str, clock: ManualClock, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    """The engine itself, under the test's clock."""
    opened: LocalEngine | DynamoDBEngine
    if engine == "local-memory":
        opened = LocalEngine(surroundings=clock.surroundings())
    elif engine == "local-file":
        opened = LocalEngine(tmp_path / "queue.db", surroundings=clock.surroundings())
    else:
        opened = DynamoDBEngine(
            client=request.getfixturevalue("aws_client"),
            batches=False if engine == "moto" else None,
            surroundings=clock.surroundings(),
        )
    with closing(opened):
        yield opened


@pytest.fixture
def table(storage: Engine, table_name: str) -> Table:
    """The one table of the test, new and empty, as another program sees it."""
    driver = storage.open(TableDefinition(table_name))
    # What is new on a test engine is right and ready: create_table() would ask six times to be
    # sure, and test_table.py has that.
    driver.execute(CreateTable())
    return Table(driver)


@pytest.fixture
def rows(storage: Engine, table_name: str, request: pytest.FixtureRequest) -> Rows:
    """A table of the user's own, new and empty, on the same engine."""
    name = f"rows-{table_name}"
    if isinstance(storage, LocalEngine):
        return embedded_rows(storage, name)
    return dynamodb_rows(request.getfixturevalue("aws_client"), name)


@pytest.fixture
def open_queue(storage: Engine, table: Table) -> OpenQueue:
    """Opens queues, with any settings, on the table of the test."""

    def open_on_table(**settings: Any) -> Queue[Any]:
        return Queue(table.name, **{"engine": storage, **settings})

    return open_on_table


@pytest.fixture
def queue(open_queue: OpenQueue) -> Queue[Any]:
    """A queue with the defaults: 30 s of visibility timeout, any number of deliveries."""
    return open_queue()


@pytest.fixture
def held(queue: Queue[Any], clock: ManualClock) -> Message[Any]:
    """A message of id ``m`` in its first delivery, which began a second after its send."""
    queue.send({"n": 1}, id="m", headers={"trace": "abc"})
    clock.advance(1)
    (message,) = queue.receive()
    return message

"""The DynamoDB engine's connection: who makes and closes clients, and what a meter counts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.meter import Capacity, Meter
from dynamomq.errors import (
    ClosedError,
    InvalidArgumentError,
    ThrottledError,
)
from dynamomq.requests import (
    DescribeTable,
    Get,
    GetMany,
    Query,
    Request,
    Scan,
    WriteBatch,
)
from tests.support.scripted import ENDPOINT, TABLE, ScriptedClient, lost, opened, refusal
from tests.support.writes import receive, send

# --- the meter -------------------------------------------------------------------------------


def test_meter() -> None:
    """A meter counts calls, refusals and units, and only then are units asked for."""
    meter = Meter()
    units = {
        "Table": {"CapacityUnits": 1.0},
        "GlobalSecondaryIndexes": {"by-due": {"CapacityUnits": 2.0}},
    }
    taken = {"Error": {"Code": "DuplicateItem"}}
    driver, client = opened(
        {"ConsumedCapacity": units},
        lost(),
        {"Items": [], "ConsumedCapacity": units},
        {"Responses": [{}, taken], "ConsumedCapacity": [units, units]},
        refusal("ThrottlingException"),
        {"Responses": {TABLE.name: []}, "ConsumedCapacity": [{"Table": {"CapacityUnits": 0.5}}]},
        refusal("ResourceNotFoundException"),
        meter=meter,
    )
    requests: list[Request[Any]] = [
        send("a"),
        receive("a"),
        Query("DLQ", None, 1),
        WriteBatch((send("a"), send("b"))),
    ]
    for request in requests:
        driver.execute(request)
    with pytest.raises(ThrottledError):
        driver.execute(Scan(1))
    driver.execute(GetMany(("a",)))
    driver.execute(DescribeTable())
    usage = meter.read()
    assert usage.requests == {
        "PutItem": 1,
        "UpdateItem": 1,
        "Query": 1,
        "BatchExecuteStatement": 1,
        "Scan": 1,
        "BatchGetItem": 1,
        "DescribeTable": 1,
    }
    assert usage.refused == 2
    assert usage.capacity == Capacity(
        table_reads=1.5, index_reads=2.0, table_writes=3.0, index_writes=6.0
    )
    asked = [method for method, call in client.calls if call.get("ReturnConsumedCapacity")]
    assert asked == client.methods[:-1]


# --- the connection --------------------------------------------------------------------------


def test_repr_names_the_endpoint() -> None:
    """An engine shows where it is connected to, as soon as that is known."""
    assert repr(DynamoDBEngine(client=ScriptedClient())) == f"<DynamoDBEngine at {ENDPOINT}>"
    assert repr(DynamoDBEngine(endpoint_url="http://x")) == "<DynamoDBEngine at http://x>"
    assert repr(DynamoDBEngine()) == "<DynamoDBEngine at DynamoDB>"


def test_given_client_stays_open() -> None:
    """Closing the engine leaves a client open that was given, and refuses to use it further."""
    client = ScriptedClient()
    engine = DynamoDBEngine(client=client)
    driver = engine.open(TABLE)
    engine.close()
    engine.close()
    assert not client.closed
    with pytest.raises(ClosedError):
        driver.execute(Get("a"))
    with pytest.raises(ClosedError):
        engine.open(TABLE)


class RecordingSession:
    """A session that makes scripted clients and remembers how."""

    def __init__(self) -> None:
        self.made: list[tuple[ScriptedClient, tuple[Any, ...], dict[str, Any]]] = []

    def client(self, *args: Any, **kwargs: Any) -> ScriptedClient:
        """Make one."""
        made = ScriptedClient([{}] * 20)
        self.made.append((made, args, kwargs))
        return made


def test_own_client_is_made_once_and_closed() -> None:
    """The client is made at the first request, once among threads, and closed with the engine."""
    session = RecordingSession()
    engine = DynamoDBEngine(session=session, region_name="eu-west-1", endpoint_url="http://x")
    driver = engine.open(TABLE)
    assert session.made == []
    threads = [threading.Thread(target=driver.execute, args=(Get("a"),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    ((client, args, kwargs),) = session.made
    assert args == ("dynamodb",)
    assert (kwargs["region_name"], kwargs["endpoint_url"]) == ("eu-west-1", "http://x")
    assert kwargs["config"].user_agent_extra.startswith("dynamomq/")
    assert len(client.calls) == 8
    assert client.closed


def test_not_across_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child can't open queues on its parent's connections; unconnected, it can."""
    connected, fresh = DynamoDBEngine(client=ScriptedClient()), DynamoDBEngine()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(ClosedError, match="parent"):
        connected.open(TABLE)
    fresh.open(TABLE)


@pytest.mark.parametrize(
    "options",
    [
        {"client": ScriptedClient(), "region_name": "eu-west-1"},
        {"client": ScriptedClient(), "session": RecordingSession()},
        {"client": ScriptedClient(), "endpoint_url": "http://x"},
        {"session": RecordingSession(), "profile_name": "p"},
    ],
)
def test_options_that_contradict(options: dict[str, Any]) -> None:
    """What a given client or session decides already can't be said again."""
    with pytest.raises(InvalidArgumentError):
        DynamoDBEngine(**options)


def test_boto3_is_imported_late() -> None:
    """Importing the engine, and making one, does not pay for importing boto3."""
    program = (
        "import sys; from dynamomq.drivers.dynamodb import DynamoDBEngine; DynamoDBEngine(); "
        "sys.exit('boto3' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

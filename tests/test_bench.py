"""The benchmark for users: counts are exact, and asserted; times are only reported."""

import json
from typing import Any

import pytest

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.__main__ import main
from dynamomq.bench.contention import contention
from dynamomq.bench.counts import costs_by_size, costs_of_steps
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.latency import latencies
from dynamomq.bench.metered import UNREPORTED, on_dynamodb
from dynamomq.bench.report import Table
from tests.benchmarks.embedded import embedded
from tests.support.benchmarks import FULL, ONE, places, rows


@pytest.fixture
def endpoint(dynamodb_endpoint: str) -> Endpoint:
    """DynamoDB Local, as the benchmark sees it."""
    return Endpoint(dynamodb_endpoint)


@pytest.mark.engine("dynamodb-local", "local-memory")
def test_a_message_costs_four_requests_alone(endpoint: Endpoint) -> None:
    """One at a time: 4 requests, 7 write units, half a read unit; nothing is refused."""
    for place in places(endpoint):
        figures = rows(costs_of_steps(place))
        assert figures[f"send, {ONE}"] == [1, 2, 0, 0]
        assert figures[f"receive, {ONE}"] == [2, 3, 0.5, 0]
        assert figures[f"delete, {ONE}"] == [1, 2, 0, 0]
        assert figures[f"together, {ONE}"] == [4, 7, 0.5, 0]


@pytest.mark.engine("local-memory")
def test_a_message_costs_a_sixth_of_a_request_in_batches() -> None:
    """In full batches: 0.16 requests, 7 write units by the published rules, 0.02 read units."""
    figures = rows(costs_of_steps(embedded()))
    assert figures[f"send, {FULL}"] == pytest.approx([0.04, 2, 0, 0])
    assert figures[f"receive, {FULL}"] == pytest.approx([0.08, 3, 0.02, 0])
    assert figures[f"delete, {FULL}"] == pytest.approx([0.04, 2, 0, 0])
    assert figures[f"together, {FULL}"] == pytest.approx([0.16, 7, 0.02, 0])


@pytest.mark.engine("dynamodb-local")
def test_batches_make_the_same_requests_on_dynamodb(endpoint: Endpoint) -> None:
    """What DynamoDB Local does report of full batches is as on the embedded engine."""
    table = costs_of_steps(on_dynamodb(endpoint))
    requests, writes, reads, refused = rows(table)[f"together, {FULL}"]
    assert [requests, reads, refused] == pytest.approx([0.16, 0.02, 0])
    assert writes is None
    assert table.notes == (UNREPORTED,)


@pytest.mark.engine("local-memory")
def test_a_batch_saves_requests_and_a_payload_costs_the_table_only() -> None:
    """Units of a life grow with the payload by three writes of it, and by no batch."""
    figures = rows(costs_by_size(embedded()))
    units = {"200 B": 7, "1.5 KB": 10, "10 KB": 37}
    requests = {ONE: 4, "batches of 10": 0.4, FULL: 0.16}
    assert {name: row[:2] for name, row in figures.items()} == {
        f"{size}, {batch}": pytest.approx([calls, writes])
        for size, writes in units.items()
        for batch, calls in requests.items()
    }


@pytest.mark.engine("dynamodb-local")
def test_consumers_share_a_queue_in_every_way(
    endpoint: Endpoint, dynamodb_client: Any, table_name: str
) -> None:
    """All messages get through however they come; each costs its claims and acknowledgement.

    A table of one's own is used, and left empty.
    """
    table = contention(endpoint, table_name, messages=40, consumers=[2], settling=0, trickle=1)
    ways = ("an hour old", "fresh", "busy", "trickle", "and one frozen")
    assert list(rows(table)) == [f"2, {way}" for way in ways]
    assert all(requests > 0 for _, _, requests, _ in rows(table).values())
    assert dynamodb_client.scan(TableName=table_name)["Count"] == 0


@pytest.mark.engine("dynamodb-local")
def test_latency_is_measured_for_every_load(
    endpoint: Endpoint, dynamodb_client: Any, table_name: str
) -> None:
    """Every message reaches the handler; half of them take at most as long as the slowest.

    A table of one's own is used, and left empty.
    """
    figures = rows(latencies(endpoint, table_name, ceilings=[0.2], pauses={0.01: 5}))
    ((median, slowest),) = figures.values()
    assert 0 < median <= slowest
    assert dynamodb_client.scan(TableName=table_name)["Count"] == 0


@pytest.mark.engine("dynamodb-local")
def test_a_table_of_ones_own_is_emptied(
    endpoint: Endpoint,
    dynamodb_client: Any,
    table_name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A named table is used and kept, without what the benchmark put there."""
    Queue(table_name, engine=DynamoDBEngine(client=dynamodb_client)).create_table()
    arguments = ["counts", "--endpoint-url", str(endpoint), "--table", table_name, "--json"]
    assert main(arguments) == 0
    table, *_ = json.loads(capsys.readouterr().out)["tables"]
    first = table["rows"][0]
    assert (first["requests"], first["write units"], first["read units"]) == (1, 2, 0)
    assert dynamodb_client.scan(TableName=table_name)["Count"] == 0


@pytest.mark.engine("dynamodb-local")
def test_a_table_in_use_is_refused(
    endpoint: Endpoint,
    dynamodb_client: Any,
    table_name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where there are messages already, nothing is received and nothing deleted."""
    queue = Queue(table_name, engine=DynamoDBEngine(client=dynamodb_client))
    queue.create_table()
    message = queue.send("precious")
    assert main(["counts", "--endpoint-url", str(endpoint), "--table", table_name]) == 1
    assert "it is not empty" in capsys.readouterr().err
    assert queue.get(message.id).receive_count == 0


def test_tables_are_aligned() -> None:
    """Names to the left, figures to the right, what is missing as a dash; data keeps the types."""
    table = Table(
        "Costs", ("", "units"), (("send", 2), ("receive", 1234.5), ("x", None)), ("Note.",)
    )
    assert str(table).splitlines() == [
        "Costs",
        "",
        "              units",
        "  send            2",
        "  receive  1,234.50",
        "  x               –",
        "  Note.",
    ]
    assert table.data()["rows"] == [
        {"": "send", "units": 2},
        {"": "receive", "units": 1234.5},
        {"": "x", "units": None},
    ]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt part ends with the usage, before anything is measured."""
    with pytest.raises(SystemExit):
        main(["cuonts"])
    assert "'cuonts' is none of counts, latency, contention" in capsys.readouterr().err


def test_an_endpoint_needs_a_url(capsys: pytest.CaptureFixture[str]) -> None:
    """A name without a scheme is refused with an example, not with a traceback."""
    assert main(["counts", "--endpoint-url", "localhost:8000"]) == 1
    assert "it is no URL" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_counts_are_positive(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither nothing, nor less, nor a word can be measured."""
    with pytest.raises(SystemExit):
        main([f"--messages={count}"])
    assert f"'{count}' is not a whole number above 0" in capsys.readouterr().err


def test_it_does_not_run_just_anywhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a table and an endpoint nothing is measured: an AWS account would pay for it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB", raising=False)
    with pytest.raises(SystemExit):
        main(["counts"])
    assert "--table NAME" in capsys.readouterr().err

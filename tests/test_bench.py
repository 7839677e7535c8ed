"""The benchmark: its counts are exact, so they are asserted; its times are only reported."""

import json
from pathlib import Path
from typing import Any

import pytest

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.__main__ import main
from dynamomq.bench.counts import costs_of_a_message, reads_behind_a_backlog
from dynamomq.bench.cpu import cpu_times
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.report import Table
from dynamomq.bench.speed import speeds


@pytest.fixture
def endpoint(dynamodb_endpoint: str) -> Endpoint:
    """DynamoDB Local, as the benchmark sees it."""
    return Endpoint(dynamodb_endpoint)


def rows(table: Table) -> dict[Any, list[Any]]:
    """The figures of each row, by its name."""
    return {name: figures for name, *figures in table.rows}


@pytest.mark.engine("dynamodb-local")
def test_a_message_costs_four_requests(endpoint: Endpoint) -> None:
    """One at a time: 4 requests, 7 write units, half a read unit; 25 at once: 2 requests."""
    figures = rows(costs_of_a_message(endpoint))
    assert figures["send"] == [1, 2, 0]
    assert figures["receive"] == [2, 3, 0.5]
    assert figures["delete"] == [1, 2, 0]
    assert figures["together"] == [4, 7, 0.5]
    requests, _, reads = figures["receive 25 at once"]
    assert (requests, reads) == (2, 0.5)


@pytest.mark.engine("dynamodb-local")
def test_a_backlog_that_is_not_due_costs_nothing(endpoint: Endpoint) -> None:
    """A receive reads the same, whatever is in flight or delayed."""
    figures = rows(reads_behind_a_backlog(endpoint, backlog=200))
    assert figures == {
        "no other message": [0.5, 0.5],
        "200 in flight": [0.5, 0.5],
        "200 delayed": [0.5, 0.5],
    }


@pytest.mark.engine("dynamodb-local")
def test_times_are_measured_for_every_operation(endpoint: Endpoint) -> None:
    """The recorded requests succeed again on the second table; every figure is there."""
    figures = rows(cpu_times(endpoint, messages=25))
    assert list(figures) == ["send", "receive", "delete", "receive 25"]
    assert all(bare > 0 for _, bare, *_ in figures.values())


@pytest.mark.engine("local-memory", "local-file")
def test_speed_needs_no_dynamodb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded engine is measured by itself; the files it made are gone."""
    monkeypatch.chdir(tmp_path)
    assert len(speeds(None, messages=50).rows) == 6
    assert not list(tmp_path.iterdir())


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
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert table["rows"][0] == {"": "send", "requests": 1, "write units": 2, "read units": 0}
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
    assert "'cuonts' is none of counts, reads" in capsys.readouterr().err


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

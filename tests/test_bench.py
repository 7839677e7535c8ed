"""The benchmark: its counts are exact, so they are asserted; its times are only reported."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.__main__ import main
from dynamomq.bench.chart import picture
from dynamomq.bench.contention import contention
from dynamomq.bench.counts import costs_by_size, costs_of_steps
from dynamomq.bench.cpu import cpu_times
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.latency import latencies
from dynamomq.bench.metered import UNREPORTED, Place, embedded, on_dynamodb
from dynamomq.bench.peer import drain_beside, life_beside, reads_beside
from dynamomq.bench.prices import prices
from dynamomq.bench.reads import reads_behind_a_backlog
from dynamomq.bench.report import Table
from dynamomq.bench.speed import speeds
from dynamomq.bench.versus import beside_a_bare_loop


@pytest.fixture
def endpoint(dynamodb_endpoint: str) -> Endpoint:
    """DynamoDB Local, as the benchmark sees it."""
    return Endpoint(dynamodb_endpoint)


def rows(table: Table) -> dict[Any, list[Any]]:
    """The figures of each row, by its name."""
    return {name: figures for name, *figures in table.rows}


ONE = "one at a time"
FULL = "batches of 25"


def places(endpoint: Endpoint) -> list[Place]:
    """Where counts are taken."""
    return [on_dynamodb(endpoint), embedded()]


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


@pytest.mark.engine("dynamodb-local", "local-memory")
def test_a_backlog_that_is_not_due_costs_nothing(endpoint: Endpoint) -> None:
    """A receive reads the same, whatever is in flight or delayed."""
    for place in places(endpoint):
        figures = rows(reads_behind_a_backlog(place, (0, 1_000)))
        assert list(figures) == ["0 in flight", "1,000 in flight", "0 delayed", "1,000 delayed"]
        assert all(row == [2, 0.5, 2, 0.5] for row in figures.values())


@pytest.mark.engine("local-memory")
def test_ten_thousand_messages_that_are_not_due_cost_nothing() -> None:
    """Reads are flat in 10,000 messages in flight, and in 10,000 delayed ones."""
    figures = rows(reads_behind_a_backlog(embedded(), (10_000,)))
    assert all(row == [2, 0.5, 2, 0.5] for row in figures.values())


@pytest.mark.engine("local-memory")
def test_dollars_follow_from_the_units() -> None:
    """Units at their prices; SQS by the request, in batches of ten at most, 64 KB each."""
    figures = rows(prices(embedded()))
    assert figures[f"200 B, {ONE}"] == pytest.approx([7 * 0.625 + 0.5 * 0.125, 1.20, 1.50])
    assert figures["200 B, batches of 10"][1:] == pytest.approx([0.12, 0.15])
    assert figures["10 KB, batches of 10"][1] == pytest.approx(5 * 0.40 / 10)
    assert figures[f"200 B, {FULL}"][1:] == [None, None]


@pytest.mark.engine("dynamodb-local")
def test_times_are_measured_for_every_operation(endpoint: Endpoint) -> None:
    """The recorded requests succeed again on the second table; every figure is there."""
    figures = rows(cpu_times(endpoint, messages=25))
    steps = ("send", "receive", "delete", "together")
    assert list(figures) == [f"{step}, {batch}" for batch in (ONE, FULL) for step in steps]
    assert all(bare > 0 for _, bare, *_ in figures.values())


@pytest.mark.engine("dynamodb-local")
def test_a_bare_loop_runs_beside_ours(endpoint: Endpoint) -> None:
    """The queue written by hand gets all its messages through, one at a time and in batches."""
    figures = rows(beside_a_bare_loop(endpoint, messages=50))
    assert list(figures) == [ONE, FULL]
    assert all(figure > 0 for row in figures.values() for figure in row)


@pytest.mark.engine("dynamodb-local")
def test_the_go_port_makes_the_requests_of_its_pattern(endpoint: Endpoint) -> None:
    """A life takes five requests, and whole items in the index cost write units by size."""
    figures = rows(life_beside(endpoint))
    ours = {"200 B": [4, 0.5, 7], "1.5 KB": [4, 0.5, 10], "10 KB": [4, 0.5, 37]}
    theirs = {"200 B": [5, 1.5, 6], "1.5 KB": [5, 1.5, 12], "10 KB": [5, 2.5, 64]}
    assert {size: row[0::2] for size, row in figures.items()} == ours
    assert {size: row[1::2] for size, row in figures.items()} == theirs


@pytest.mark.engine("dynamodb-local")
def test_the_go_port_reads_past_what_is_in_flight(endpoint: Endpoint) -> None:
    """A receive behind 500 messages reads them all there, and none here."""
    figures = rows(reads_beside(endpoint, (0, 500)))
    assert figures["0"][:4] == [2, 2, 0.5, 0.5]
    requests, their_requests, reads, their_reads = figures["500"][:4]
    assert (requests, reads) == (2, 0.5)
    assert their_requests == 4  # three pages and the claim
    assert their_reads > 60


@pytest.mark.engine("dynamodb-local")
def test_receivers_drain_a_backlog_of_either(endpoint: Endpoint) -> None:
    """All messages get through, and a single receiver never loses a race."""
    figures = rows(drain_beside(endpoint, messages=40))
    assert list(figures) == ["1", "2", "4", "8"]
    assert figures["1"][:2] == [0, 0]


@pytest.mark.engine("dynamodb-local")
def test_consumers_share_a_queue_in_every_way(endpoint: Endpoint) -> None:
    """All messages get through however they come; each costs its claims and acknowledgement."""
    table = contention(endpoint, messages=40, consumers=[2], settling=0, trickle=1)
    ways = ("an hour old", "fresh", "busy", "trickle", "and one frozen")
    assert list(rows(table)) == [f"2, {way}" for way in ways]
    assert all(requests > 0 for _, _, requests, _ in rows(table).values())


@pytest.mark.engine("dynamodb-local")
def test_latency_is_measured_for_every_load(endpoint: Endpoint) -> None:
    """Every message reaches the handler; half of them take at most as long as the slowest."""
    figures = rows(latencies(endpoint, ceilings=[0.2], pauses={0.01: 5}))
    ((median, slowest),) = figures.values()
    assert 0 < median <= slowest


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


def test_tables_as_markdown_and_as_a_picture() -> None:
    """A table is a section of a page; a picture draws those that name columns for bars."""
    table = Table("Costs", ("", "units"), (("a < b", 2), ("x", None)), ("Note.",), bars=("units",))
    assert table.markdown().splitlines()[2:6] == [
        "|  | units |",
        "| --- | --- |",
        "| a < b | 2 |",
        "| x | – |",
    ]
    drawn = ElementTree.fromstring(picture([table, Table("Undrawn", ("",), ())]))
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["Costs", "units", "a < b", "2", "x", "0"]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt part ends with the usage, before anything is measured."""
    with pytest.raises(SystemExit):
        main(["cuonts"])
    assert "'cuonts' is none of counts, groups, reads" in capsys.readouterr().err


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

"""What measures the project runs; of its figures, counts are asserted and times only reported."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.report import Table
from tests.benchmarks.__main__ import main
from tests.benchmarks.chart import picture
from tests.benchmarks.cpu import cpu_times
from tests.benchmarks.embedded import embedded
from tests.benchmarks.peer import drain_beside, life_beside, reads_beside
from tests.benchmarks.prices import prices
from tests.benchmarks.reads import reads_behind_a_backlog
from tests.benchmarks.speed import speeds
from tests.benchmarks.versus import beside_a_bare_loop
from tests.support.benchmarks import FULL, ONE, places, rows


@pytest.fixture
def endpoint(dynamodb_endpoint: str) -> Endpoint:
    """DynamoDB Local, as the benchmark sees it."""
    return Endpoint(dynamodb_endpoint)


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


@pytest.mark.engine("local-memory", "local-file")
def test_speed_needs_no_dynamodb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded engine is measured by itself; the files it made are gone."""
    monkeypatch.chdir(tmp_path)
    assert len(speeds(None, messages=50).rows) == 6
    assert not list(tmp_path.iterdir())


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


def test_parts_without_dynamodb_start_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices need no DynamoDB; the picture is drawn into the file."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB", raising=False)
    assert main(["prices", "--picture", str(tmp_path / "prices.svg")]) == 0
    output = capsys.readouterr().out
    assert "Dollars for a million messages" in output
    assert "DynamoDB: " not in output
    assert (tmp_path / "prices.svg").read_text().startswith("<svg")

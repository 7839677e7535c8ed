"""What histories are written to, read from and told in: logs, timelines, and the command."""

from pathlib import Path

import pytest

from dynamomq.values import Item
from model_tests.history.__main__ import main
from model_tests.history.checker import describe
from model_tests.history.experiment import keep
from model_tests.history.log import (
    Detail,
    Event,
    Log,
    LogError,
    Moment,
    SkewedClock,
    encode,
    read_log,
    read_logs,
)
from model_tests.history.plan import Plan, Tally
from model_tests.history.records import Outcome, assemble
from model_tests.history.stories import ID, Story, ready, sent, tombstone


def test_a_timeline_tells_who_did_what_and_when() -> None:
    """The report of a violation has a line for each event, with real time and own clock."""
    story, anna, _ = sent()
    anna.receive(2, 1)
    (violation,) = story.check(None)
    head, *report = describe([violation]).splitlines()
    assert head == ID
    assert report[0].startswith("  NO-LOSS: producer's send")
    assert [line.split()[3:6] for line in report[1:3]] == [
        ["producer", "send", "begun"],
        ["producer", "send", "accepted"],
    ]
    assert report[3].split()[:5] == ["+1.000000", "s", "03:33:24.000000", "anna", "delivered"]
    assert "claimed=03:33:24.000000 deadline=03:33:34.000000" in report[3]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A log holds each event at once; several logs are read in the order of the shared clock."""
    with (
        Log(tmp_path, "one", SkewedClock(5, 7)) as one,
        Log(tmp_path, "two", SkewedClock(5)) as two,
    ):
        one.write("started")
        two.write("delivered", id=ID, version=2)
        one.write("finished")
        events = read_logs(tmp_path)
    names = [(event.process, event.name, dict(event.details)) for event in events]
    assert names == [
        ("one", "started", {}),
        ("two", "delivered", {"id": ID, "version": 2}),
        ("one", "finished", {}),
    ]
    assert [event.moment.skew for event in events] == [12, 5, 12]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """A process that is killed while it writes loses that line and no other."""
    whole = [encode(Event("one", Moment(n, n), "started", {})) for n in range(2)]
    path = tmp_path / "one.jsonl"
    path.write_bytes(b"".join(whole) + whole[0][:20])
    events, offset = read_log(path)
    assert [event.moment.monotonic for event in events] == [0, 1]
    path.write_bytes(b"".join(whole) + whole[0])
    assert [event.moment.monotonic for event in read_log(path, offset=offset)[0]] == [0]


def test_a_damaged_log_is_refused(tmp_path: Path) -> None:
    """A whole line that is no event is an error, and so is a folder without logs."""
    with pytest.raises(LogError, match="no logs"):
        read_logs(tmp_path)
    (tmp_path / "one.jsonl").write_bytes(b'{"process": "one"}\n')
    with pytest.raises(LogError, match="not an event"):
        read_logs(tmp_path)


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("delete begun", {"call": 1, "id": ID, "receipt": "nobody's"}),
        ("delete done", {"call": 1}),
        ("delete forgotten", {"call": 1}),
        ("delivered", {"id": ID}),
        ("send begun", {"call": "one", "id": ID, "payload": "", "delay": 0}),
    ],
)
def test_events_that_make_no_sense_are_refused(name: str, details: dict[str, Detail]) -> None:
    """A call without a delivery, an outcome without a call, an event without details: refused."""
    with pytest.raises(LogError, match="anna: "):
        assemble([Event("anna", Moment(0, 0), name, details)])


def test_a_call_without_an_outcome_is_uncertain() -> None:
    """What a process began before it died is possible, and not done."""
    story = Story()
    story.actor("producer").send("")
    (send,) = assemble(story.events).messages[ID].sends
    assert (send.outcome, send.is_done, send.is_possible) == (Outcome.UNKNOWN, False, True)


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "status", "text"),
    [
        (tombstone(3, 1), 0, "Violations: 0, of NO-LOSS, DEDUP, NO-DOUBLE"),
        (ready(2, 1), 1, "  PROGRESS: it is still there"),
    ],
    ids=["good", "bad"],
)
def test_a_run_can_be_judged_again(
    item: Item, status: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command judges a folder of logs; it reports what is wrong, and the status tells."""
    story, anna, _ = sent()
    anna.ask("delete", anna.receive(2, 1), "unknown")
    (tmp_path / "all.jsonl").write_bytes(b"".join(map(encode, story.events)))
    keep(tmp_path, Plan(seed=1), Tally(started=2), {ID: item})
    assert main(["--check", str(tmp_path)]) == status
    printed = capsys.readouterr().out
    assert text in printed
    assert "delete       0 done, 0 stale, 1 unknown" in printed


def test_without_a_run_there_is_nothing_to_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says that a folder holds no finished run."""
    assert main(["--check", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")

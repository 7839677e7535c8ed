"""The consumer in chaos: processes die, the network fails, and no promise is broken.

This is the short form of ``make chaos``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dynamomq import DynamoDBEngine, Queue
from model_tests.chaos.__main__ import main
from model_tests.chaos.experiment import Left, experiment
from model_tests.chaos.plan import EXPERIMENTS, Course, Disturbance, Plan
from model_tests.chaos.proxy import Count
from model_tests.chaos.run import Tally
from model_tests.history.checker import describe
from model_tests.history.log import encode
from model_tests.history.plan import Place
from model_tests.history.stories import ID, ready, sent, tombstone
from tests.support.figures import figures

SHORT = Plan(seed=1, messages=1200, seconds=24.0, deadly=1)


def test_consumers_keep_their_promises_in_chaos(
    dynamodb_endpoint: str,
    dynamodb_client: Any,
    table_name: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """NO-LOSS to DEAD-LETTERS: kills, stops, restarts and a bad network break no property.

    And each of them has happened often enough to mean something.
    """
    print(f"{SHORT}; logs in {tmp_path}")
    Queue(table_name, engine=DynamoDBEngine(client=dynamodb_client)).create_table()
    verdict = experiment(SHORT, Place(dynamodb_endpoint, dynamodb_client, table_name, tmp_path))
    assert not verdict.violations, describe(verdict.violations)

    rows = verdict.figures
    record_property("figures", figures("chaos", rows))
    planned = SHORT.disturbances()
    processes, writes, reads = (
        rows[name] for name in ("processes", "writes that failed", "reads that failed")
    )
    assert processes["killed"] >= planned.count(Disturbance.KILL)
    assert processes["stopped"] >= planned.count(Disturbance.STOP)
    assert processes["restarted"] >= planned.count(Disturbance.RESTART)
    assert rows["outages"]["outages"] == planned.count(Disturbance.OUTAGE)
    assert min(writes[fate] for fate in ("swallowed", "cut", "dropped", "late")) >= 20
    assert min(reads[fate] for fate in ("swallowed", "cut", "dropped", "late")) >= 2
    assert rows["messages"]["sent"] == rows["deliveries"]["first"] == SHORT.messages
    assert rows["deliveries"]["again"] >= SHORT.messages // 10
    assert rows["leases"]["extended"] > 0
    assert rows["leases"]["lost"] + rows["answers"]["stale"] > 0
    assert rows["dead letters"]["exhausted"] >= SHORT.deadly
    assert all(rows["handlers"][course] > 0 for course in Course)


# --- plans -----------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [SHORT, *EXPERIMENTS.values()], ids=["short", *EXPERIMENTS])
def test_a_plan_has_a_bit_of_everything(plan: Plan) -> None:
    """The seed decides which messages there are, how handlers end and how long they take."""
    payloads = plan.payloads()
    assert len(payloads) == plan.messages
    assert list(payloads) == list(plan.payloads())
    deadly = plan.deadly_ids(list(payloads))
    runs = [plan.run_of(id, 1, deadly=id in deadly) for id in payloads]
    assert runs == [plan.run_of(id, 1, deadly=id in deadly) for id in payloads]
    courses = [run.course for run in runs]
    assert courses.count(Course.DIE) == plan.deadly
    assert 0.08 <= courses.count(Course.FAIL) / plan.messages <= 0.14
    assert set(courses) == set(Course)
    longest = max(run.seconds for run in runs)
    assert plan.visibility_timeout < longest <= 2 * plan.visibility_timeout
    assert plan.disturbances() == plan.disturbances()
    assert set(plan.disturbances()) == set(Disturbance)
    assert plan.disturbances()[-1] is Disturbance.STOP


def test_messages_are_sent_at_once_and_then_bit_by_bit() -> None:
    """So there is a backlog first, and later whatever expires is received again soon."""
    dues = [SHORT.due(number) for number in range(SHORT.messages)]
    assert dues == sorted(dues)
    assert dues.count(0.0) >= SHORT.messages // 3
    assert dues[-1] <= SHORT.seconds


def test_more_messages_than_files_are_refused() -> None:
    """A run has as many real records as it says, or does not begin."""
    with pytest.raises(ValueError, match="small files are installed"):
        Plan(seed=1, messages=10_000_000).payloads()


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
def test_a_run_can_be_judged_again(
    good: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command judges a folder of logs; it reports what is wrong, and the status tells."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    if good:
        anna.note("handler begun", id=ID, receipt=held.receipt)
        anna.note("handler ended", id=ID, receipt=held.receipt, course=Course.SUCCEED)
        story.now += 1
        anna.ask("delete", held)
    (tmp_path / "all.jsonl").write_bytes(b"".join(map(encode, story.events)))
    item = tombstone(3, 1) if good else ready(2, 1)
    Left(SHORT, Tally(started=2), Count({"swallow": 3}, {}, 5), {ID: dict(item)}).keep(tmp_path)
    assert main(["--check", str(tmp_path)]) == (0 if good else 1)
    printed = capsys.readouterr().out
    assert "writes that failed  3 swallowed, 0 cut, 0 dropped, 0 late" in printed
    assert ("Violations: 0, of NO-LOSS" in printed) is good
    assert ("PROGRESS: it is still there" in printed) is not good


def test_an_unknown_experiment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The command says which ones there are."""
    with pytest.raises(SystemExit):
        main(["gruops"])
    assert "'gruops' is none of consumers, groups" in capsys.readouterr().err


def test_without_a_run_there_is_nothing_to_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says that a folder holds no finished run."""
    assert main(["--check", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")

"""A run and the verdict on it, which can be reached again from what the run left in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from dynamomq.values import Item, item_from_wire
from model_tests.history.checker import Violation, check
from model_tests.history.log import read_logs
from model_tests.history.plan import Place, Plan, Tally
from model_tests.history.records import assemble
from model_tests.history.report import Figures, figures
from model_tests.history.runner import run

_FILE = "run.json"


@frozen
class Verdict:
    """What came of a run.

    Attributes:
        plan: what the run was to be like.
        tally: what was done to processes.
        messages: how many messages the logs tell of.
        figures: what the run was like.
        violations: what was wrong.
    """

    plan: Plan
    tally: Tally
    messages: int
    figures: Figures
    violations: list[Violation]


def experiment(plan: Plan, place: Place) -> Verdict:
    """Run a plan, keep what it leaves behind in its folder, and judge it.

    Raises:
        RunError: it did not end in time.
        WorkerError: a process failed by itself.
    """
    tally = run(plan, place)
    keep(place.folder, plan, tally, scan(place.client, place.table))
    return judge(place.folder)


def keep(folder: Path, plan: Plan, tally: Tally, table: Mapping[str, Item]) -> None:
    """Keep beside the logs what else a verdict rests on."""
    left = {"plan": asdict(plan), "tally": asdict(tally), "table": table}
    (folder / _FILE).write_text(json.dumps(left, indent=1), encoding="utf-8")


def judge(folder: Path) -> Verdict:
    """Judge a run by its folder: the logs, and the table as it was left.

    Raises:
        OSError: there is no finished run in the folder.
        LogError: the logs can't be read.
    """
    left = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    plan, tally = Plan(**left["plan"]), Tally(**left["tally"])
    table: Mapping[str, Item] = left["table"]
    history = assemble(read_logs(folder))
    violations = check(history, table, max_receives=plan.max_receives, drained=True)
    return Verdict(plan, tally, len(history.messages), figures(history, tally), violations)


def scan(client: Any, table: str) -> dict[str, Item]:
    """All items of a table by id, read consistently; JSON has a form for all that is in them."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    items = [item_from_wire(item) for page in pages for item in page["Items"]]
    return {str(item["id"]): item for item in items}

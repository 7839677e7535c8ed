"""A run and the verdict on it, which can be reached again from what the run left in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from cattrs.preconf.json import make_converter

from dynamomq.values import Item
from model_tests.chaos import checker as consumers
from model_tests.chaos import order as groups
from model_tests.chaos.lists import GROUP_PREFIX
from model_tests.chaos.plan import Plan
from model_tests.chaos.proxy import ChaosProxy, Count, Weather
from model_tests.chaos.report import Figures, figures
from model_tests.chaos.run import Tally, run
from model_tests.history import checker as queues
from model_tests.history.checker import Violation, describe
from model_tests.history.experiment import scan
from model_tests.history.log import read_logs
from model_tests.history.plan import Place
from model_tests.history.records import History, assemble
from model_tests.history.runner import RunError

_FILE = "chaos.json"
_CONVERTER = make_converter()


@frozen
class Left:
    """What a run leaves behind beside its logs.

    Attributes:
        plan: what it was to be like.
        tally: what was done to processes.
        count: what became of requests.
        table: the messages, by id, as they are in the end.
        groups: the items of message groups that are left, by id.
    """

    plan: Plan
    tally: Tally
    count: Count
    table: Mapping[str, dict[str, Any]]
    groups: Mapping[str, dict[str, Any]] = field(factory=dict)

    def keep(self, folder: Path) -> None:
        """Keep it beside the logs."""
        (folder / _FILE).write_text(_CONVERTER.dumps(self), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Left:
        """What :meth:`keep` wrote."""
        return _CONVERTER.loads((folder / _FILE).read_text(encoding="utf-8"), cls)


@frozen
class Verdict:
    """What came of a run.

    Attributes:
        plan: what it was to be like.
        figures: what it was like.
        violations: what was wrong.
    """

    plan: Plan
    figures: Figures
    violations: list[Violation]


def experiment(plan: Plan, place: Place) -> Verdict:
    """Run a plan, keep what it leaves behind in its folder, and judge it.

    Raises:
        RunError: it did not end in time; the message says what is wrong with what it has left.
        WorkerError: a process failed by itself.
    """
    weather = Weather(plan.seed, longest=1.5 * plan.visibility_timeout)
    tally, failure = Tally(), None
    with ChaosProxy(place.endpoint_url, weather.fates) as proxy:
        try:
            run(plan, place, proxy, tally)
        except RunError as error:
            failure = error
        count = proxy.count()
    table = scan(place.client, place.table)  # by now, what was late has been executed
    messages = {id: dict(item) for id, item in table.items() if not id.startswith("$")}
    lists = {id: dict(item) for id, item in table.items() if id.startswith(GROUP_PREFIX)}
    Left(plan, tally, count, messages, lists).keep(place.folder)
    verdict = judge(place.folder)
    if failure is not None:
        raise RunError(f"{failure}\n{describe(verdict.violations)}") from failure
    return verdict


def judge(folder: Path) -> Verdict:
    """Judge a run by its folder: the logs, and the table as it was left.

    Raises:
        OSError: there is no finished run in the folder.
        LogError: the logs can't be read.
    """
    left = Left.read(folder)
    history = assemble(read_logs(folder))
    rows = figures(history, left.table, left.tally, left.count)
    return Verdict(left.plan, rows, check(history, left))


def properties_of(plan: Plan) -> tuple[str, ...]:
    """The ids of the properties that are checked."""
    of_groups = groups.PROPERTIES if plan.groups else ()
    return (*queues.PROPERTIES, *consumers.PROPERTIES, *of_groups)


def check(history: History, left: Left) -> list[Violation]:
    """Every violation of any property."""
    table: Mapping[str, Item] = left.table
    limit = left.plan.max_receives
    found = queues.check(history, table, max_receives=limit, drained=True)
    found += consumers.check(history, table, max_receives=limit)
    found += groups.check(history, [*table.values(), *left.groups.values()])
    return sorted(found, key=lambda violation: violation.id)

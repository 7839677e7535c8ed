"""Each step of a member meets the repair of its group's torn list, in generated worlds."""

from collections.abc import Callable

import pytest

from dynamomq.machine import MESSAGE
from dynamomq.operations import repairing
from model_tests.exhaustive import PAGE, report, row
from model_tests.simulator.pairs import Family
from model_tests.simulator.torn import BESIDE_REPAIR
from model_tests.test_exhaustive import speed
from tests.support.figures import figures

RecordProperty = Callable[[str, object], None]


@pytest.mark.parametrize("family", BESIDE_REPAIR, ids=lambda family: family.name)
def test_a_list_is_repaired_beside_any_step(
    family: Family, record_property: RecordProperty
) -> None:
    """All properties hold, and in the end the list can be repaired; the page states the counts."""
    found, scope = family.explore()
    assert found.violation is None, report(scope, found.way)
    for trigger in (family.name.partition(" ")[0], "mend"):
        assert found.counts[f"step: {trigger}"]
    counts = {"states": found.states, "transitions": found.transitions}
    record_property("figures", figures("torn lists", {family.name: counts}))
    record_property("figures", speed(found))
    rewrite = "the page is out of date: python -m model_tests.exhaustive --write"
    assert row(family, found) in PAGE.read_text(encoding="utf-8").splitlines(), rewrite


@pytest.mark.parametrize("trigger", ["send", "receive", "delete", "redrive", "cancel"])
def test_a_list_is_repaired_in_parts(trigger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a transaction takes fewer writes than a repair has, each part leaves the list no worse.

    After it, too, somebody can be received, and nobody is passed over; what comes between two parts
    is seen by the next one.
    """
    monkeypatch.setattr(repairing, "MAX_TRANSACTION", 2)
    (family,) = (one for one in BESIDE_REPAIR if one.name == f"{trigger} beside repair")
    found, scope = family.explore()
    assert found.violation is None, report(scope, found.way)


def test_each_step_that_is_asked_for_is_among_them() -> None:
    """Whatever a sender, a receiver, a holder or an operator does to a member of a group."""
    asked_for = {one.trigger for one in MESSAGE.transitions if one.by not in ("time", "upkeep")}
    met = {family.name.partition(" ")[0] for family in BESIDE_REPAIR}
    assert met == asked_for | {"advance"}

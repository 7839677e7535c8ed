"""All that can happen in small worlds, and that the search would find what is wrong."""

from collections.abc import Callable

import pytest

from dynamomq.requests import Get, GetMany, Query, Write, WriteBatch
from model_tests.exhaustive import PAGE, main, report, row
from model_tests.profiles import chosen
from model_tests.simulator import fates
from model_tests.simulator.index import Lag
from model_tests.simulator.scopes import DEEP, SCOPES
from model_tests.simulator.search import Found, Scope, explore
from tests.support.figures import figures

SEARCHED = SCOPES if chosen().is_repeatable else (*SCOPES, *DEEP)
BY_NAME = {scope.name: scope for scope in SEARCHED}
RecordProperty = Callable[[str, object], None]


@pytest.mark.parametrize("scope", SEARCHED, ids=BY_NAME)
def test_all_properties_hold_in_every_state(scope: Scope, record_property: RecordProperty) -> None:
    """Whatever happens within the scope's bounds, every property holds after every step.

    And what is said of the search is true: the page states these very counts.
    """
    found = explore(scope)
    assert found.violation is None, report(scope, found.way)
    assert_worth_something(scope, found)
    counts = {"states": found.states, "transitions": found.transitions}
    record_property("figures", figures("exhaustive search", {f"scope {scope.name}": counts}))
    record_property("figures", speed(found))
    rewrite = "the page is out of date: python -m model_tests.exhaustive --write"
    if scope in DEEP:
        return
    assert row(scope, found) in PAGE.read_text(encoding="utf-8").splitlines(), rewrite


def speed(found: Found) -> dict[str, object]:
    """Figures from which steps per second are reckoned."""
    counts = {"steps": found.transitions, "milliseconds": round(found.seconds * 1000)}
    return figures("speed", {"exhaustive search": counts})


def assert_worth_something(scope: Scope, found: Found) -> None:
    """Every fault that the bounds allow has happened, and a lagging index has shown its worst."""
    world = scope.begin()
    if world.rules.faults:
        kinds = (Get, GetMany, Query, Write, WriteBatch) if scope.name == "g" else (Query, Write)
        possible = {fate for kind in kinds for fate in fates.faults_of(kind)} - {fates.FROZEN}
        for fate in world.rules.kinds or possible:
            assert found.counts[f"fault: {fate.name}"], f"it never {fate.name}"
    if world.index.lag() is not Lag.NONE:
        assert found.seen["stale"], "the index was never stale"
        if not world.items:  # they are sent, and can be missed
            assert found.seen["missing"], "the index never missed anything"


@pytest.mark.usefixtures("careless_deletes")
def test_the_search_finds_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """With the receipt guard of delete dropped, the way to a violation is found, and told.

    The command in the report goes that way again and comes to the same end.
    """
    found = explore(BY_NAME["d"])
    assert found.violation is not None
    assert found.violation.property_id == "FENCED"
    told = report(BY_NAME["d"], found.way)
    assert "two.1.3.0" in told, "whose message it was"
    command = told.splitlines()[-1].removeprefix("replay: python -m model_tests.exhaustive ")
    assert main(command.split()) == 1
    assert str(found.violation) in capsys.readouterr().out


def test_a_way_without_violation_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells of a harmless way that nothing is wrong with it."""
    assert main(["d", "--way", "0.0.0.0"]) == 0
    assert "all properties hold" in capsys.readouterr().out


def test_a_way_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A way from another version of the simulator is no failure of a property."""
    assert main(["d", "--way", "0.0.7.0"]) == 2
    assert "no step 7.0" in capsys.readouterr().err


def test_a_scope_that_is_too_large_is_refused() -> None:
    """A search ends by itself where there are more states than anybody would wait for."""
    with pytest.raises(OverflowError, match="more than 50 states"):
        explore(BY_NAME["g"], most=50)

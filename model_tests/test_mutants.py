"""Must-fail mutants: every named defect makes the property fail that it breaks."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from model_tests.mutants.altering import Mutant
from model_tests.mutants.catalogue import MUTANTS
from model_tests.mutants.hunt import SEEDS, built_in, caught_again, hunt
from model_tests.mutants.page import PAGE, row, where_found
from model_tests.profiles import chosen
from tests.support.figures import figures

REWRITE = "Run `python -m model_tests.mutants --write`."
Record = Callable[[str, object], None]

PROPERTIES = {
    "NO-LOSS",
    "NO-DOUBLE",
    "FENCED",
    "MAX-RECEIVES",
    "NOT-EARLY",
    "REPEATABLE",
    "DEDUP",
    "FIFO",
    "HEAD",
    "VERSION",
    "PROGRESS",
    "HEARTBEAT",
    "SURRENDER",
    "REST",
    "DRAIN",
    "LEASE",
    "APART",
    "REPORT",
    "TRACE",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, record_property: Record) -> None:
    """The named property fails, and with the same decisions it holds without the defect.

    It does in the run, or scope, in which the page says so. In a deep run it is looked for anew,
    from the first run on, and the shortest story is that of the page.
    """
    page = PAGE.read_text(encoding="utf-8")
    where = where_found(mutant, page)
    assert where is not None, f"{mutant.name} is not on the page: {REWRITE}"
    kill = caught_again(mutant, where) if chosen().is_repeatable else hunt(mutant)
    assert kill is not None, f"it survives in {where}: {mutant.change} {REWRITE}"
    with built_in(mutant):
        broken = kill.story.error()
    assert broken is not None
    assert broken.property_id == mutant.breaks
    assert kill.story.error() is None
    if mutant.scope is not None or not chosen().is_repeatable:
        line = row(mutant, kill)
        assert line in page.splitlines(), f"{REWRITE} {PAGE.name} lacks\n{line}"
    counts = {"killed": 1, "steps": kill.steps}
    record_property("figures", figures("mutants", {name: {name: n} for name, n in counts.items()}))


def test_each_property_has_mutants() -> None:
    """No property is such that nothing makes it fail, and no two mutants have the same name."""
    assert {mutant.breaks for mutant in MUTANTS} == PROPERTIES
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)
    assert len({mutant.change for mutant in MUTANTS}) == len(names)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_defects_are_undone(mutant: Mutant) -> None:
    """After a mutant's run everything is as before, even if the run breaks off."""
    before = [getattr(place.owner, place.name) for place in mutant.places]
    with suppress(KeyError), built_in(mutant):
        for place, there in zip(mutant.places, before, strict=True):
            assert getattr(place.owner, place.name) is not there
        raise KeyError("whatever happens")
    assert [getattr(place.owner, place.name) for place in mutant.places] == before


def test_page_lists_no_others() -> None:
    """The page of the documentation has a line for each mutant, and no more."""
    page = PAGE.read_text(encoding="utf-8")
    listed = [line.split(" | ")[0][2:] for line in page.splitlines() if line.endswith("steps |")]
    assert listed == [mutant.name for mutant in MUTANTS]
    assert f"same {len(SEEDS)} random runs" in page

"""Must-fail mutants: every named defect makes the property fail that it breaks."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from model_tests.mutants.altering import Mutant
from model_tests.mutants.catalogue import MUTANTS
from model_tests.mutants.hunt import SEEDS, built_in, hunt
from model_tests.mutants.page import PAGE, row
from tests.support.figures import figures

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
    "REPORT",
    "TRACE",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, record_property: Record) -> None:
    """The named property fails, and with the same decisions it holds without the defect."""
    kill = hunt(mutant)
    assert kill is not None, f"it survives: {mutant.change}"
    with built_in(mutant):
        broken = kill.story.error()
    assert broken is not None
    assert broken.property_id == mutant.breaks
    assert kill.story.error() is None
    line = row(mutant, kill)
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert line in page, f"run `python -m model_tests.mutants --write`: {PAGE.name} lacks\n{line}"
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

"""Mutants of the correction of clocks, hunted where all of them are wrong by hours."""

from __future__ import annotations

from dynamomq.drivers.skew import ClockOffset
from model_tests.mutants import defects
from model_tests.mutants.altering import Alter, Mutant, Place
from model_tests.simulator.worlds import CORRECTED


def _mutant(name: str, change: str, name_of_method: str, alter: Alter) -> Mutant:
    place = Place(ClockOffset, name_of_method, alter)
    return Mutant(name, change, "PROGRESS", (place,), world=CORRECTED)


CLOCKS: tuple[Mutant, ...] = (
    _mutant(
        "clock-uncorrected",
        "The clock's offset is known, and not added.",
        "at",
        defects.uncorrected,
    ),
    _mutant(
        "clock-corrected-backward",
        "The clock's offset is subtracted.",
        "at",
        defects.subtracted,
    ),
    _mutant(
        "clock-by-the-hour",
        "The date of a reply is read as if it told the hour only.",
        "observe",
        defects.by_the_hour,
    ),
)
"""All of them."""

"""Random runs with message groups: their order, their lists, and all that changes them at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from dynamomq.machine import MESSAGE
from dynamomq.reserved import GROUP
from model_tests.simulator.worlds import GROUPED
from model_tests.tally import Tally
from model_tests.test_random import checked, seeds
from tests.support.figures import figures

RUNS = 150
"""At most: a run with groups is as long as three others."""

STEPS = {
    step.trigger for machine in (MESSAGE, GROUP) for step in machine.transitions if step.effects
}
NEVER = {"quarantine", "mend", "mend_last", "reset"}
"""Steps of items, and of lists, that no operation writes."""


def test_groups_keep_their_order(record_property: Callable[[str, object], None]) -> None:
    """FIFO, HEAD and all other properties hold where everybody changes the lists of a few groups.

    And the runs are worth something: every step of the machines is taken, each kind of fault
    happens, and of a transaction both a conflict and a repetition.
    """
    tally = Tally()
    for seed in itertools.islice(seeds(0), RUNS):
        tally.add(checked(seed, GROUPED))
    taken = tally.starting("step: ")
    record_property("figures", figures("groups", {**tally.rows, "steps of the machine": taken}))
    assert not tally.lacks()
    assert taken.keys() >= STEPS - NEVER
    assert tally.counts["known"] > 0, "no transaction was answered by its token"

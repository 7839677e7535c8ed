"""Random runs in which several things are done in one call, each judged like a call of its own."""

from __future__ import annotations

from collections.abc import Callable

from model_tests.simulator.calls import BATCHES
from model_tests.simulator.worlds import BATCHES as WORLD
from model_tests.tally import Tally
from model_tests.test_random import checked, seeds
from tests.support.figures import figures


def test_properties_hold_for_each_entry_of_a_batch(
    record_property: Callable[[str, object], None],
) -> None:
    """All properties hold for every entry, whatever becomes of the others and of the request.

    And the runs are worth something: all faults happen, among them those of parts of a batch, and
    of every kind of batch there are entries that succeed and entries that are refused.
    """
    tally = Tally()
    for seed in seeds(0):
        tally.add(checked(seed, WORLD))
    entries = {operation: tally.starting(f"{operation}: ") for operation in BATCHES}
    record_property("figures", figures("entries of batches", {**tally.rows, **entries}))
    assert tally.lacks() == ["send: done"], "all but that nobody sends one alone"
    for operation, endings in entries.items():
        assert endings["done"], operation
        assert "DuplicateMessageError" in endings or "StaleReceiptError" in endings, operation

"""A failure's steps become few."""

from collections.abc import Sequence

import pytest

from tests.support.shrinking import shrunk


@pytest.mark.parametrize("needed", [set(), {0}, {99}, {3, 50, 51}, set(range(100))])
def test_what_is_not_needed_is_left_out(needed: set[int]) -> None:
    """Only the steps without which there is no failure are kept, in their order."""

    def fails(steps: Sequence[int]) -> bool:
        return needed <= set(steps)

    assert shrunk(range(100), fails) == sorted(needed)


def test_few_trials_are_needed() -> None:
    """Two steps among a thousand take some dozens of trials, and not a thousand."""
    trials: list[int] = []

    def fails(steps: Sequence[int]) -> bool:
        trials.append(len(steps))
        return {300, 700} <= set(steps)

    assert shrunk(range(1000), fails) == [300, 700]
    assert len(trials) < 60

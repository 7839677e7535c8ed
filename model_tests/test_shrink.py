"""The shrinker: what it finds is short, it is bounded, and it repeats itself."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tests.simulator.shrink import shrink

DECISIONS = st.lists(st.integers(0, 20), max_size=40)


def test_tail_and_chunks_are_left_out() -> None:
    """Only what a failure needs is left, however much stands around it."""
    choices = [9] * 30 + [5] + [9] * 30 + [7] + [9] * 30
    assert shrink(choices, lambda tried: {5, 7} <= set(tried)) == [5, 7]


def test_decisions_become_harmless() -> None:
    """What must stand at its place, but does not matter, becomes 0."""
    assert shrink([8] * 16, lambda tried: len(tried) > 9 and tried[9] == 8) == [0] * 9 + [8]


def test_decisions_are_lowered() -> None:
    """A decision that can't be 0 becomes as low as it can be."""
    assert shrink([100, 17], lambda tried: any(value >= 6 for value in tried)) == [6]


def test_nothing_may_be_needed() -> None:
    """What fails in any case fails without a decision."""
    assert shrink([1, 2, 3], lambda _tried: True) == []


@pytest.mark.parametrize("budget", [0, 1, 10])
def test_budget_is_kept(budget: int) -> None:
    """The question is asked at most as often as allowed, and what is returned was found by then."""
    asked: list[list[int]] = []

    def fails(tried: Sequence[int]) -> bool:
        asked.append(list(tried))
        return sum(tried) >= 20

    shrunk = shrink([3] * 50, fails, budget)
    assert len(asked) <= budget
    assert shrunk in [[3] * 50, *asked]
    assert sum(shrunk) >= 20


@given(choices=DECISIONS, needed=st.integers(0, 20))
def test_result_fails_and_is_no_harder(choices: list[int], needed: int) -> None:
    """The result fails, is not longer, has no higher decisions, and comes out the same again."""

    def fails(tried: Sequence[int]) -> bool:
        return sum(tried) >= needed

    if not fails(choices):
        return
    shrunk = shrink(choices, fails)
    assert fails(shrunk)
    assert len(shrunk) <= len(choices)
    assert max(shrunk, default=0) <= max(choices, default=0)
    assert shrink(choices, fails) == shrunk
    assert 0 not in shrunk  # would not be needed

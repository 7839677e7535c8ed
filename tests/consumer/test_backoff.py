"""How long failed messages rest: bounds, for any numbers, and what is the same in every run."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq import Constant, DecorrelatedJitter, FullJitter, InvalidArgumentError, Setback
from dynamomq.consumer.backoff import MAX_REST

LONGEST = MAX_REST / timedelta(seconds=1)

seconds = st.floats(min_value=0, max_value=LONGEST)
failures = st.integers(min_value=1, max_value=10**9)
PRECISION = 1.001e-9
"""A duration is kept in whole nanoseconds."""

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


def setback(failures: int, chance: float = 0.5, id: str = "m") -> Setback:
    """A failed delivery."""
    return Setback(id, failures, ValueError("no"), chance)


@given(base=seconds, cap=seconds, floor=seconds, failures=failures, chance=chances)
def test_full_jitter_stays_within_its_bounds(
    base: float, cap: float, floor: float, failures: int, chance: float
) -> None:
    """The rest is at least the floor, and at most the cap, however many failures."""
    floor, cap = sorted((floor, cap))
    rest = FullJitter(base, cap, floor)(setback(failures, chance))
    assert rest >= floor - PRECISION
    assert rest <= cap + PRECISION
    assert rest <= max((base + PRECISION) * 2.0 ** min(failures - 1, 60), floor) + PRECISION


def test_the_floor_is_below_the_cap() -> None:
    """By itself it is; one that is not is refused, because one of the two is a mistake."""
    assert FullJitter(cap=0.05)(setback(1, 0.0)) == 0.05
    with pytest.raises(InvalidArgumentError, match=r"floor=10: it is above cap=1"):
        FullJitter(floor=10, cap=1)


def test_full_jitter_doubles_and_uses_all_of_its_range() -> None:
    """With the highest chance the rest is the bound: 1, 2, 4 … s, then the cap."""
    backoff = FullJitter(base=1, cap=10, floor=0)
    assert [backoff(setback(n, 1.0)) for n in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]
    assert backoff(setback(9, 0.0)) == 0
    assert backoff(setback(9, 0.25)) == 2.5


def test_full_jitter_has_a_floor_of_its_own() -> None:
    """The least chance does not make a failing message come back at once, in a busy loop."""
    assert FullJitter()(setback(1, 0.0)) == 0.1


@given(base=seconds, cap=seconds, failures=failures, id=st.text())
def test_decorrelated_jitter_stays_within_its_bounds(
    base: float, cap: float, failures: int, id: str
) -> None:
    """The rest is between base and cap, and at most three times the one before."""
    backoff = DecorrelatedJitter(base, cap)
    rest = backoff(setback(failures, id=id))
    assert min(base, cap) - PRECISION <= rest <= cap + PRECISION
    if failures > 1:
        before = backoff(setback(failures - 1, id=id))
        assert rest <= max(3 * before, base) + PRECISION


def test_decorrelated_jitter_is_the_same_for_a_message() -> None:
    """Each delivery draws what the ones before drew, in any process; other messages differ."""
    rests = [DecorrelatedJitter(1, 300)(setback(n)) for n in range(1, 8)]
    again = [DecorrelatedJitter(1, 300)(setback(n, chance=0.9)) for n in range(1, 8)]
    others = [DecorrelatedJitter(1, 300)(setback(n, id="other")) for n in range(1, 8)]
    assert rests == again
    assert not set(rests) & set(others)
    assert len(set(rests)) > 3


@given(delay=seconds, failures=failures, chance=chances)
def test_constant_is_constant(delay: float, failures: int, chance: float) -> None:
    """Neither failures nor chance change it."""
    assert Constant(delay)(setback(failures, chance)) == pytest.approx(delay, abs=PRECISION)


def test_durations_may_be_timedeltas() -> None:
    """Bounds are durations, as everywhere."""
    backoff = FullJitter(timedelta(minutes=1), timedelta(hours=1), timedelta(seconds=2))
    assert (backoff.base, backoff.cap, backoff.floor) == (60, 3600, 2)
    assert Constant(timedelta(milliseconds=1)).delay == 0.001


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", [], LONGEST * 2], ids=str)
def test_what_is_no_duration_is_refused_by_name(wrong: object) -> None:
    """Where the backoff is made, not when the first message fails."""
    value: float = wrong  # type: ignore[assignment]  # the point
    for argument in ("base", "cap", "floor"):
        with pytest.raises(InvalidArgumentError, match=argument):
            FullJitter(**{argument: value})
    for argument in ("base", "cap"):
        with pytest.raises(InvalidArgumentError, match=argument):
            DecorrelatedJitter(**{argument: value})
    with pytest.raises(InvalidArgumentError, match="delay"):
        Constant(value)

"""Whole schedules drawn by Hypothesis, which shrinks one that fails to a minimal interleaving.

A schedule is drawn as a string of bytes, one for each decision, and only then followed: drawing
while it is followed would cost a whole run for every attempt of the shrinker that draws too much.
"""

import shlex

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from model_tests.profiles import chosen
from model_tests.replay import PROGRAM, Run, main, report_of, shrunk
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.choices import Drawn
from model_tests.simulator.worlds import SMALL

STEPS = 80
FEW = 20  # decisions that are not harmless
LENGTHS = (50, 150)  # of schedules; what is missing is harmless

SCHEDULES = settings(
    # The phase that explains failures traces every line, and the timeline explains more.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    report_multiple_bugs=False,
)


def followed(schedule: bytes) -> Run:
    """Let the run take place that a schedule describes."""
    drawn = iter(schedule)
    return Run(Drawn(lambda most: next(drawn, 0) * (most + 1) >> 8), SMALL, STEPS).play()


def check(run: Run) -> None:
    """Fail with a report if a run has ended in a violation."""
    if run.error is not None:
        pytest.fail(report_of(shrunk(run)), pytrace=False)


SOME = st.binary(min_size=LENGTHS[0], max_size=LENGTHS[1])


@given(schedule=SOME)
@settings(SCHEDULES, max_examples=chosen().schedules, derandomize=chosen().is_repeatable)
def test_properties_hold_on_every_schedule(schedule: bytes) -> None:
    """All properties hold, whatever order and faults Hypothesis comes up with."""
    check(followed(schedule))


# --- and they would fail ---------------------------------------------------------------------


@pytest.mark.deep  # the mutant delete-unfenced must fail in any case, and test_rules.py shrinks
@pytest.mark.usefixtures("careless_deletes")
def test_a_missing_guard_is_found_shrunk_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the receipt guard of delete FENCED fails; few decisions show it, a command too."""

    @given(schedule=SOME)
    @settings(SCHEDULES, max_examples=200, derandomize=True, database=None)
    def explore(schedule: bytes) -> None:
        run = followed(schedule)
        if run.error is not None:
            failures.append(run)
            raise run.error

    failures: list[Run] = []
    with pytest.raises(ViolationError, match="FENCED"):
        explore()
    assert weight(failures[-1]) < min(weight(failures[0]), FEW)
    with pytest.raises(pytest.fail.Exception) as caught:
        check(failures[-1])
    *_, command = str(caught.value).splitlines()
    assert command.startswith(f"replay: {PROGRAM} ")
    assert main(shlex.split(command.partition(PROGRAM)[2])) == 1
    assert capsys.readouterr().out == f"{caught.value}\n"


def weight(run: Run) -> int:
    """How many of a run's decisions are not the most harmless ones."""
    return sum(choice > 0 for choice in run.chooser.taken)

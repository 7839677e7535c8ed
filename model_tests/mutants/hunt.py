"""The hunt for a mutant: run after run until its property fails; then that schedule, shortened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from attrs import frozen

from model_tests.mutants.altering import Mutant
from model_tests.replay import Run
from model_tests.simulator import runs, simulation
from model_tests.simulator.choices import Recorded, Seeded
from model_tests.simulator.scripts import Schedule, shortened
from model_tests.simulator.trace import TRACE

SEEDS = range(300)
"""The runs with which every mutant is hunted, and which the library itself passes."""

SHRINKING = 400
"""How many runs may be spent on a shorter schedule."""


@frozen
class Kill:
    """How a mutant was killed.

    Attributes:
        runs: how many it took.
        steps: how many those had.
        schedule: the shortest one found with which the property fails.
    """

    runs: int
    steps: int
    schedule: Schedule


def hunt(mutant: Mutant) -> Kill | None:
    """Run a mutant until its property fails; ``None``: it survives all seeds.

    Another property that fails first does not count, and other errors are raised.
    """
    steps = 0
    with built_in(mutant):
        for count, seed in enumerate(SEEDS, start=1):
            run = Run(Seeded(seed)).play()
            steps += runs.steps_of(run.simulation)
            if run.error is not None and run.error.property_id == mutant.breaks:
                found = Schedule(tuple(run.chooser.taken))
                return Kill(count, steps, shortened(found, mutant.breaks, SHRINKING))
    return None


def repeated(schedule: Schedule) -> Run:
    """Repeat a run, and keep its timeline."""
    return Run(Recorded(schedule.choices), steps=schedule.steps, timeline=True).play()


@contextmanager
def built_in(mutant: Mutant) -> Iterator[None]:
    """Have the mutant's defect in the library.

    Unless the mutant is to be found by the machine's diagram, that is not looked at: few mutants
    would get past it, and the properties are to show that they find them by themselves.
    """
    with mutant.applied():
        if mutant.breaks == TRACE:
            yield
        else:
            with mock.patch.object(simulation, "check_change"):
                yield

"""Saying what shall happen, instead of deciding between alternatives: for regressions and rules.

What was said is put on record as decisions, so that it is repeated like every other run.
"""

from __future__ import annotations

from collections.abc import Sequence

from model_tests.simulator.choices import Chooser, Weights
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import Mover
from model_tests.simulator.simulation import Simulation


class Steered(Chooser):
    """Decides as it is told.

    Attributes:
        wanted: the number of the next alternative, and of all after it until told otherwise.
    """

    def __init__(self, first: Sequence[int] = ()) -> None:
        """``first``: the first decisions, which make the world."""
        super().__init__()
        self.wanted = 0
        self._first = iter(first)

    def _decide(self, weights: Weights) -> int:
        return min(next(self._first, self.wanted), len(weights) - 1)


def possible(simulation: Simulation, mover: Mover) -> Sequence[Fate]:
    """Return what could happen if this one moves; nothing if it can't."""
    return simulation.fates(mover)[1] if mover in simulation.movers()[1] else ()


def steer(simulation: Simulation, chooser: Steered, mover: Mover, place: int) -> None:
    """Let one of the possible things happen to somebody, by its place among them.

    How the index lags meanwhile is as the chooser is told when this begins.

    Raises:
        ViolationError: a property does not hold.
    """
    weights, movers = simulation.movers()
    chances, fates = simulation.fates(mover)
    otherwise = chooser.wanted
    for alternatives, chooser.wanted in (weights, movers.index(mover)), (chances, place):
        chooser.pick(alternatives)
    chooser.wanted = otherwise
    simulation.take(mover, fates[place])

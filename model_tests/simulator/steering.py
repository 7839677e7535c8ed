"""Saying what shall happen, instead of deciding between alternatives: for regressions and rules.

What was said is put on record as decisions, so that it is repeated like every other run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from model_tests.simulator.choices import Chooser, Weights
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import Mover
from model_tests.simulator.simulation import Simulation

Wanted = Callable[[Fate], bool]


class Steered(Chooser):
    """Decides as it is told.

    Attributes:
        wanted: the number of the next alternative, and of all after it until told otherwise.
    """

    def __init__(self, wanted: int = 0) -> None:
        super().__init__()
        self.wanted = wanted

    def _decide(self, weights: Weights) -> int:
        return min(self.wanted, len(weights) - 1)


def can_move(simulation: Simulation, mover: Mover) -> Sequence[Fate]:
    """Return what could happen if this one moves; nothing if it can't."""
    return simulation.fates(mover)[1] if mover in simulation.movers()[1] else ()


def steer(simulation: Simulation, chooser: Steered, mover: Mover, wanted: Wanted) -> None:
    """Let the first thing that is wanted happen to somebody.

    Whatever the world decides meanwhile, such as how the index lags, is as harmless as the chooser
    says at the beginning.

    Raises:
        LookupError: that can't happen now.
        ViolationError: a property does not hold.
    """
    otherwise = chooser.wanted
    fates = can_move(simulation, mover)
    place = next((place for place, fate in enumerate(fates) if wanted(fate)), None)
    if place is None:
        raise LookupError(f"{mover} can't do that: {', '.join(map(str, fates)) or 'nothing'}")
    weights, movers = simulation.movers()
    chooser.wanted = movers.index(mover)
    chooser.pick(weights)
    chooser.wanted = place
    chooser.pick(simulation.fates(mover)[0])
    chooser.wanted = otherwise
    simulation.take(mover, fates[place])

"""Where decisions come from: a seed, a record, or Hypothesis; a run follows from nothing else."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import accumulate

Weights = Sequence[int]


class Chooser(ABC):
    """Decides between alternatives, of which the first is the most harmless, and keeps a record.

    Attributes:
        taken: the decisions so far; :class:`Recorded` repeats them.
    """

    def __init__(self) -> None:
        self.taken: list[int] = []

    def pick(self, weights: Weights) -> int:
        """The number of one of the alternatives."""
        if len(weights) == 1:
            return 0  # no decision
        choice = self._decide(weights)
        self.taken.append(choice)
        return choice

    @abstractmethod
    def _decide(self, weights: Weights) -> int:
        """Decide."""


class Seeded(Chooser):
    """Decides by chance, for each alternative as often as its weight says."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed).random

    def _decide(self, weights: Weights) -> int:
        left = self._random() * sum(weights)
        for number, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return number
        return len(weights) - 1


class Recorded(Chooser):
    """Decides as it was decided before; harmlessly where the record ends or does not fit."""

    def __init__(self, record: Sequence[int]) -> None:
        super().__init__()
        self._record = iter(record)

    def _decide(self, weights: Weights) -> int:
        return min(next(self._record, 0), len(weights) - 1)


class Drawn(Chooser):
    """Decides by what Hypothesis draws: small numbers, to which it shrinks, are harmless."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        """``draw(n)`` returns a number from 0 to n."""
        super().__init__()
        self._draw = draw

    def _decide(self, weights: Weights) -> int:
        bounds = list(accumulate(weights))
        drawn = self._draw(bounds[-1] - 1)
        return next(number for number, bound in enumerate(bounds) if drawn < bound)

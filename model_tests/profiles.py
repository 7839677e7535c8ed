"""How thorough the model tests are: environment variable ``DYNAMOMQ_MODEL``.

``dev``
    seconds.
``ci``
    the default: what the build runs, the same each time, about a minute of one core.
``deep``
    fresh seeds, until ``DYNAMOMQ_MODEL_MINUTES`` have passed; printed is from which seed on, and
    ``DYNAMOMQ_MODEL_SEED`` starts from the same one again. Hypothesis tries as many more examples.
"""

from __future__ import annotations

import os
import random

from attrs import frozen

VARIABLE = "DYNAMOMQ_MODEL"
MINUTES_VARIABLE = "DYNAMOMQ_MODEL_MINUTES"
SEED_VARIABLE = "DYNAMOMQ_MODEL_SEED"
NAME = os.environ.get(VARIABLE, "ci")


@frozen
class Profile:
    """How much is tried.

    Attributes:
        blocks: into how many tests the seeded random runs are divided.
        runs: how many there are in each; where there is a time limit: at least.
        schedules: how many whole schedules Hypothesis draws.
        stories: how many series of rules it draws.
        minutes: how long each block of random runs goes on; 0: no longer than its runs take.
    """

    blocks: int
    runs: int
    schedules: int
    stories: int
    minutes: float = 0

    @property
    def is_repeatable(self) -> bool:
        """Whether seeds and examples are the same each time."""
        return self.minutes == 0


def _deep(minutes: float) -> Profile:
    return Profile(2, 500, round(minutes * 600), round(minutes * 300), minutes)


def chosen() -> Profile:
    """Return the profile that the environment asks for.

    Raises:
        ValueError: there is no such profile.
    """
    match NAME:
        case "dev":
            return Profile(1, 250, 250, 100)
        case "ci":
            return Profile(4, 250, 600, 150)
        case "deep":
            return _deep(float(os.environ.get(MINUTES_VARIABLE, "60")))
        case unknown:
            raise ValueError(f"{VARIABLE}={unknown!r}: it is dev, ci or deep")


def first_seed() -> int:
    """Return the seed from which random runs count: a fresh one each time in ``deep``.

    It is kept in the environment, so that the processes that share the work agree on it.
    """
    if chosen().is_repeatable:
        return 0
    return int(os.environ.setdefault(SEED_VARIABLE, str(random.randrange(10**9, 10**10))))

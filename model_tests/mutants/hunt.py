"""The hunt for a mutant: until its property fails, in random runs or in a scope; and its story."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol
from unittest import mock

from attrs import frozen

from model_tests import exhaustive
from model_tests.mutants.altering import Mutant
from model_tests.replay import Run, report_of
from model_tests.simulator import runs, search, simulation, timeline
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.choices import Recorded, Seeded
from model_tests.simulator.scripts import Schedule, shortened
from model_tests.simulator.tales import Tale, tell
from model_tests.simulator.trace import TRACE
from model_tests.simulator.worlds import GROUPED, RANDOM, WORKERS, WORLDS

SEEDS = range(300)
"""The runs with which mutants are hunted."""

SEEDS_OF_LONG_RUNS = range(150)
"""The same where runs are long: each consumer has many threads, or many act at once."""

_LONG = (WORKERS, GROUPED)

SHRINKING = 400
"""How many runs may be spent on a shorter schedule."""

SHRINKING_LONG = 150
"""The same where runs are long."""


class Story(Protocol):
    """How a mutant fails: what repeats that."""

    @property
    def steps(self) -> int:
        """How many steps there are."""

    def error(self) -> ViolationError | None:
        """Go through it again, and return what fails."""

    def told(self, command: str) -> str:
        """Tell it, and name the command that tells it."""


@frozen
class Kill:
    """How a mutant was killed.

    Attributes:
        where: in which of the random runs, or in which scope.
        steps: how many it took.
        story: the shortest one found with which the property fails.
    """

    where: str
    steps: int
    story: Story


@frozen
class RunStory:
    """A random run, shortened."""

    schedule: Schedule
    world: str

    @property
    def steps(self) -> int:
        """How many steps there are before peace comes, or the violation."""
        return self.schedule.steps

    def _run(self) -> Run:
        choices = Recorded(self.schedule.choices)
        return Run(choices, self.world, self.steps, timeline=True).play()

    def error(self) -> ViolationError | None:
        """Repeat it, and return what fails."""
        return self._run().error

    def told(self, command: str) -> str:
        """Tell what happens in it."""
        return report_of(self._run(), command)


@frozen
class ScopeStory:
    """A way through a scope; none is shorter, since states are visited nearest first."""

    scope: search.Scope
    way: search.Way

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.way) // 2

    def error(self) -> ViolationError | None:
        """Go it again, as far as it goes without the defect, and return what fails."""
        with suppress(LookupError):
            return search.follow(self.scope, self.way)[1]
        return None

    def told(self, command: str) -> str:
        """Tell what happens on it; the command is another, which knows of no mutant."""
        return f"{exhaustive.report(self.scope, self.way)}\n(with the mutant: {command})"


@frozen
class TaleStory:
    """What happens in a tale, until a property fails or all is told."""

    tale: Tale
    steps: int

    def error(self) -> ViolationError | None:
        """Tell it again, and return what fails."""
        return tell(self.tale)[1]

    def told(self, command: str) -> str:
        """Tell what happens in it."""
        simulation, error = tell(self.tale)
        return f"{timeline.told(simulation)}\n\n{error}\n\nreplay: {command}"


def seeds_in(world: str) -> range:
    """Return the seeds of the runs in a world with which mutants are hunted."""
    return SEEDS_OF_LONG_RUNS if world in _LONG else SEEDS


def hunt(mutant: Mutant) -> Kill | None:
    """Look for what makes a mutant's property fail; ``None``: it survives.

    Another property that fails first does not count, and other errors are raised.
    """
    with built_in(mutant):
        if mutant.scope is not None:
            return _hunt_in_scope(mutant, mutant.scope)
        if mutant.tale is not None:
            return _hunt_in_tale(mutant, mutant.tale)
        return _hunt_in_runs(mutant)


def caught_again(mutant: Mutant, where: str) -> Kill | None:
    """Look for what makes a mutant's property fail only where that was found before.

    Args:
        mutant: the mutant.
        where: ``Kill.where`` of the hunt that found it.

    Returns:
        The kill, not shortened; ``None``: it survives there.
    """
    with built_in(mutant):
        if mutant.scope is not None:
            return _hunt_in_scope(mutant, mutant.scope)
        if mutant.tale is not None:
            return _hunt_in_tale(mutant, mutant.tale)
        number = int(where.split()[1])
        run = Run(Seeded(seeds_in(mutant.world)[number - 1]), mutant.world).play()
        if run.error is None or run.error.property_id != mutant.breaks:
            return None
        found = Schedule(tuple(run.chooser.taken), run.steps)
        return Kill(where, runs.steps_of(run.simulation), RunStory(found, mutant.world))


def _hunt_in_runs(mutant: Mutant) -> Kill | None:
    steps = 0
    for count, seed in enumerate(seeds_in(mutant.world), start=1):
        run = Run(Seeded(seed), mutant.world).play()
        steps += runs.steps_of(run.simulation)
        if run.error is not None and run.error.property_id == mutant.breaks:
            found = Schedule(tuple(run.chooser.taken), run.steps)
            stage = WORLDS[mutant.world]
            budget = SHRINKING_LONG if mutant.world in _LONG else SHRINKING
            short = shortened(found, mutant.breaks, budget, stage=stage)
            where = f"run {count}" + f" ({mutant.world})" * (mutant.world != RANDOM)
            return Kill(where, steps, RunStory(short, mutant.world))
    return None


def _hunt_in_scope(mutant: Mutant, name: str) -> Kill | None:
    scope = exhaustive.WORLDS[name]
    found = search.explore(scope)
    if found.violation is None or found.violation.property_id != mutant.breaks:
        return None
    return Kill(f"scope {name}", found.transitions, ScopeStory(scope, found.way))


def _hunt_in_tale(mutant: Mutant, tale: Tale) -> Kill | None:
    simulation, error = tell(tale)
    if error is None or error.property_id != mutant.breaks:
        return None
    steps = runs.steps_of(simulation)
    return Kill(f"tale {tale.__name__}", steps, TaleStory(tale, steps))


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

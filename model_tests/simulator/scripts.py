"""A run as a script, which says by name who moves and what happens then; made ever shorter.

Leaving a decision out of a schedule changes what all later ones mean. In a script each step keeps
its meaning, whatever is left out before it; where it does not fit any more, it is left out, too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from attrs import evolve, field, frozen

from model_tests.simulator import fates, runs
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.calls import Plan
from model_tests.simulator.choices import Chooser, Recorded, Weights
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import Mover
from model_tests.simulator.shrink import BUDGET, shrink, shrink_all
from model_tests.simulator.simulation import Simulation


@frozen
class Schedule:
    """What repeats a run: its decisions, and after how many steps peace comes."""

    choices: tuple[int, ...]
    steps: int = runs.STEPS


@frozen
class Step:
    """A step by name.

    Attributes:
        mover: who moves.
        what: what happens then.
        number: which of the alternatives of that name.
        rest: further decisions: how the changes reach the index.
        call: an actor's so-many-th call.
    """

    mover: Mover
    what: Hashable
    number: int
    rest: tuple[int, ...]
    call: int = field(eq=False)


@frozen
class Script:
    """A run by name.

    Attributes:
        setting: the decisions before the first step.
        steps: the steps.
        peaceful: whether peace comes after the last one.
    """

    setting: tuple[int, ...]
    steps: tuple[Step, ...]
    peaceful: bool


@frozen
class Performance:
    """What became of a script.

    Attributes:
        schedule: what repeats it.
        violation: what failed, if anything did.
    """

    schedule: Schedule
    violation: ViolationError | None

    def breaks(self, property_id: str) -> bool:
        """Tell whether this property has failed."""
        return self.violation is not None and self.violation.property_id == property_id


Stage = Callable[[Chooser], Simulation]
"""Where a script takes place: makes the world."""


def shortened(
    schedule: Schedule, property_id: str, budget: int = BUDGET, *, stage: Stage = runs.world
) -> Schedule:
    """Return the shortest schedule found that violates the same property.

    Args:
        schedule: one that does.
        property_id: the property.
        budget: how many runs may be made.
        stage: makes the world.
    """
    script = script_of(schedule, stage)
    best = schedule
    left = budget

    def fails(tried: Script) -> bool:
        nonlocal best, left
        if left == 0:
            return False
        left -= 1
        performance = perform(tried, stage)
        if performance.breaks(property_id):
            best = performance.schedule
        return performance.schedule is best

    def shorter(steps: Sequence[Step]) -> bool:
        return fails(evolve(script, steps=tuple(steps)))

    def tamer(setting: Sequence[int]) -> bool:
        return fails(evolve(script, setting=tuple(setting)))

    steps = shrink_all(script.steps, shorter, budget, tamer=_tamer, kin=(_whose, _which_call))
    script = evolve(script, steps=tuple(steps))
    shrink(script.setting, tamer, budget)
    return best


# --- from schedule to script, and back -------------------------------------------------------


def script_of(schedule: Schedule, stage: Stage = runs.world) -> Script:
    """Write down a run, up to a violation or to peace."""
    chooser = Recorded(schedule.choices)
    world = stage(chooser)
    setting, steps = tuple(chooser.taken), list[Step]()
    violation = None
    while len(steps) < schedule.steps and not world.is_over and violation is None:
        weights, movers = world.movers()
        mover = movers[chooser.pick(weights)]
        chances, found = world.fates(mover)
        choice = chooser.pick(chances)
        start = len(chooser.taken)
        violation = _taken(world, mover, found[choice])
        names = [_name(fate) for fate in found[: choice + 1]]
        call = world.actors[mover.actor].calls if mover.actor else 0
        rest = tuple(chooser.taken[start:])
        steps.append(Step(mover, names[-1], names.count(names[-1]), rest, call))
    return Script(setting, tuple(steps), peaceful=violation is None)


def perform(script: Script, stage: Stage = runs.world) -> Performance:
    """Let a script take place, as far as it fits."""
    chooser = _Prompted(script.setting)
    world = stage(chooser)
    count = 0
    violation = None
    for step in script.steps:
        weights, movers = world.movers()
        if step.mover not in movers:
            continue
        chances, found = world.fates(step.mover)
        places = [place for place, fate in enumerate(found) if _name(fate) == step.what]
        if len(places) < step.number:
            continue
        place = places[step.number - 1]
        chooser.say(movers.index(step.mover), weights)
        chooser.say(place, chances)
        chooser.prompts = [*step.rest]
        count += 1
        violation = _taken(world, step.mover, found[place])
        if violation is not None:
            break
    if violation is None and script.peaceful:
        chooser.prompts = []
        violation = _peace(world)
    return Performance(Schedule(tuple(chooser.taken), count), violation)


class _Prompted(Chooser):
    """Decides as it is told; harmlessly where it is told nothing."""

    def __init__(self, prompts: Sequence[int]) -> None:
        super().__init__()
        self.prompts = [*prompts]

    def say(self, choice: int, weights: Weights) -> None:
        """Decide so."""
        self.prompts = [choice]
        self.pick(weights)

    def _decide(self, weights: Weights) -> int:
        return min(self.prompts.pop(0), len(weights) - 1) if self.prompts else 0


def _taken(world: Simulation, mover: Mover, fate: Fate) -> ViolationError | None:
    try:
        world.take(mover, fate)
    except ViolationError as error:
        return error
    return None


def _peace(world: Simulation) -> ViolationError | None:
    try:
        runs.come_to_an_end(world)
    except ViolationError as error:
        return error
    return None


def _name(fate: Fate) -> Hashable:
    """What happens, without what depends on the steps before: payloads, and how long one slept."""
    if fate.name == fates.UNTIL_NEXT:
        return fate.name
    if not isinstance(fate.detail, Plan):
        return fate.name, fate.detail
    plan = fate.detail
    options = tuple(option for option in plan.options if option[0] != "data")
    return plan.operation, plan.id, options


# --- what to leave out, and what to tame -----------------------------------------------------

_ANSWERED = _name(fates.ANSWERED)
_FAULTS = frozenset(map(_name, fates.FAULTS))


def _whose(step: Step) -> Hashable:
    return step.mover


def _which_call(step: Step) -> Hashable:
    return step.mover, step.call


def _tamer(step: Step) -> Iterator[Step]:
    if step.what in _FAULTS:
        yield evolve(step, what=_ANSWERED, rest=())
    if any(step.rest):
        yield evolve(step, rest=())

"""A world of consumers that know of each other, or think so, and how it comes to an end.

Their entries lie: of dead processes, of such as never were, of one that shows itself and claims
nothing; some are removed, and the index shows all of them late. None of that may cost more than
time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import cached_property

from attrs import define, field, frozen

from dynamomq.machine import QueueType
from dynamomq.operations import RETRY_HORIZON, Claimer, Settings
from dynamomq.payload import codec_for
from dynamomq.timestamps import SECOND, format_instant, parse_instant
from dynamomq.values import Item
from model_tests.simulator import runs
from model_tests.simulator.actors import Actor, Choice, Operator, Producer
from model_tests.simulator.asked import ViolationError, is_entry
from model_tests.simulator.calls import Claiming, Outcome, Plan
from model_tests.simulator.choices import Chooser
from model_tests.simulator.foreman import Foreman
from model_tests.simulator.index import IndexView
from model_tests.simulator.rules import START, Rules
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.storage import BaseTable
from model_tests.simulator.workers import (
    BACKOFF,
    LATER,
    LIVES,
    LONGEST,
    STEAL_AFTER,
    TAKES_LONG,
    TIMEOUT,
    Process,
)

STEPS = 400
STEPS_TO_THE_END = 3000
LEAPS: tuple[tuple[int, ...], ...] = ((), (5 * SECOND,), (SECOND, 40 * SECOND))
ATTENDS_EVERY = 5 * SECOND

LONGEST_REST = max(round(BACKOFF.cap * SECOND), LATER, TIMEOUT)
"""How long nobody may have to wait for a message that nobody holds any more."""

PATIENCE_FOR_ONE = 3 * STEAL_AFTER * SECOND
"""How long a consumer leaves a message to each that seems to come before it, at most."""

PATIENCE_BESIDES = 100 * SECOND
"""For an introduction, pauses between looks, a rest after a lost race, and the one long handler."""

_CLOCK_DIFFERENCE = max(runs.OFFSETS) - min(runs.OFFSETS)


@define(eq=False)
class World:
    """What actors may know of their world, which must not keep it alive."""

    _simulation: weakref.ref[Simulation] | None = None

    def bind(self, simulation: Simulation) -> None:
        """Be about a world."""
        self._simulation = weakref.ref(simulation)

    def _there(self) -> Simulation | None:
        return self._simulation() if self._simulation else None

    def now(self) -> int:
        """Return the true time."""
        there = self._there()
        return there.time if there else START

    def entries(self) -> list[str]:
        """Return the ids of all consumers' entries."""
        there = self._there()
        return [id for id, item in there.items.items() if is_entry(item)] if there else []


# --- who lies --------------------------------------------------------------------------------


@frozen(slots=False)
class Meddler:
    """Makes entries of consumers that are not there, and removes those of others.

    Attributes:
        world: where.
        calls: how often at most.
    """

    world: World
    calls: int = 6

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Make one that ranks with the others, or is older, or makes no sense; remove any."""
        if actor.calls >= self.calls:
            return ()
        removals = [Plan("remove", id) for id in self.world.entries()]
        return [(1, plan) for plan in (*removals, *self._pretences)]

    @cached_property
    def _pretences(self) -> Sequence[Plan]:
        began = [format_instant(START + hours * 3600 * SECOND) for hours in (-2, -1, 24)]
        ids = [f"$consumer#STANDARD#{since}#{n}" for n, since in enumerate(began)]
        return [
            Plan("pretend", id, options=(("longer", seconds * SECOND),))
            for id in (*ids, "$consumer#makes#no#sense")
            for seconds in (3600, 5)
        ]


@frozen
class Idle:
    """Shows itself as a consumer that has time, and claims nothing.

    Attributes:
        claiming: its membership.
    """

    claiming: Claiming

    def choices(self, _actor: Actor) -> Sequence[Choice]:
        """Renew its lease."""
        return [(1, Plan("attend", claiming=self.claiming))]


@define(eq=False, slots=False)
class Idler(Actor):
    """One of those."""

    now: Callable[[], int] = field(kw_only=True)

    def end(self, outcome: Outcome) -> None:
        """Rest until it is time again."""
        super().end(outcome)
        self.wakes = self.now() + ATTENDS_EVERY


# --- the world -------------------------------------------------------------------------------


def crews(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """The same, with most of the messages in two groups."""
    return workers(chooser, timeline=timeline, groups=("g", "h", None))


def workers(
    chooser: Chooser, *, timeline: bool = False, groups: tuple[str | None, ...] = (None,)
) -> Simulation:
    """A world of two consumers' processes, producers, an operator, and who lies about consumers."""
    most = runs.MAX_RECEIVES[chooser.pick((4, 1, 2, 2))]
    offsets = [runs.OFFSETS[chooser.pick((4, 1, 1, 1, 1))] for _ in range(3)]
    leaps = LEAPS[chooser.pick((4, 1, 1))]
    settings = Settings("simulated", codec_for(None), TIMEOUT, most, runs.WINDOW)
    foreman = Foreman(
        most,
        max(runs.WINDOW, RETRY_HORIZON),
        TIMEOUT,
        longest=LONGEST,
        floor=round(BACKOFF.floor * SECOND),
    )
    world = World()
    processes = [
        Process(f"worker-{n + 1}", offset, settings, foreman, world.now)
        for n, offset in enumerate(offsets[:2])
    ]
    claimer = Claimer(settings, QueueType.STANDARD, TIMEOUT, STEAL_AFTER * SECOND, "host", 1)
    idler = Idler("idler", Idle(Claiming(claimer)), offsets[2], now=world.now)
    actors = [
        Actor("producer-1", Producer(runs.IDS[:2], (0, 3 * SECOND), groups=groups[:1])),
        Actor("producer-2", Producer((runs.IDS[2], None), groups=groups)),
        Actor("operator", Operator(runs.IDS, calls=4)),
        Actor("meddler", Meddler(world)),
        idler,
        *(thread for process in processes for thread in process.threads),
    ]
    simulation = Simulation(
        settings,
        Rules(leaps=leaps, offsets=runs.OFFSETS, jumps_left=2),
        IndexView(lambda: runs.LAGS[chooser.pick((40, 25, 17, 18))]),
        foreman,
        {actor.name: actor for actor in actors},
        BaseTable(),
        timeline=[] if timeline else None,
        ending=_Ending(settings, foreman, world, processes, idler, offsets[2]),
    )
    world.bind(simulation)
    weakref.finalize(simulation, _end_all, processes).atexit = False
    return simulation


def _end_all(processes: Sequence[Process]) -> None:
    for process in processes:
        process.end()


@frozen
class _Ending:
    """How such a world comes to an end: two sound processes are left, and one that shows itself."""

    settings: Settings
    foreman: Foreman
    world: World
    processes: list[Process]
    idler: Idler
    offset: int

    def __call__(self, simulation: Simulation) -> None:
        """Demand that they finish everything, and then end as they are told to."""
        survivors = [
            Process(name, offset, self.settings, self.foreman, self.world.now)
            for name, offset in (("survivor", self.offset), ("other", 0))
        ]
        self.processes.extend(survivors)
        threads = [thread for one in survivors for thread in one.threads]
        simulation.make_peace(*threads)
        peace = _Peace(simulation, [*threads, self.idler])
        demand = _Demand(simulation)
        peace.last_until(lambda: all(one.lives for one in survivors) and demand.is_met())
        for survivor in survivors:
            survivor.stop()
            survivor.lives = LIVES  # it does not begin again
        peace.last_until(lambda: all(one.consumer is None for one in survivors))


@define(eq=False)
class _Peace:
    """Nothing goes wrong any more; the first handler takes longer than the visibility timeout.

    Attributes:
        simulation: the world.
        movers: who moves, each in turn.
    """

    simulation: Simulation
    movers: list[Actor]
    _has_taken_long: bool = False

    def last_until(self, is_met: Callable[[], bool]) -> None:
        """Let everybody move until something is so."""
        now = self.simulation.time
        for _ in range(STEPS_TO_THE_END):
            awake = [one for one in self.movers if one.wakes <= now and not one.is_done]
            if awake:
                self.movers.remove(awake[0])
                self.movers.append(awake[0])
                self._move(awake[0])
            else:
                self.simulation.time = min(one.wakes for one in self.movers if one.wakes > now)
            now = self.simulation.time
            if is_met():
                return
        raise ViolationError("PROGRESS", f"after {STEPS_TO_THE_END} steps without faults no end")

    def _move(self, actor: Actor) -> None:
        fates = self.simulation.fates(actor.mover)[1]
        place = 0
        if TAKES_LONG in fates and not self._has_taken_long:
            self._has_taken_long, place = True, fates.index(TAKES_LONG)
        self.simulation.take(actor.mover, fates[place])


@define(eq=False)
class _Demand:
    """That nothing is left, and that nothing had to wait longer than all the lies can cost.

    Attributes:
        simulation: the world, in peace.
        deadline: the true time by which all must be finished.
    """

    simulation: Simulation
    deadline: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        now = self.simulation.time
        left = self._left()
        dues = [parse_instant(str(item["queue_add_timestamp"])) for item in left]
        latest = max(dues, default=now)
        if latest - now > LONGEST_REST + _CLOCK_DIFFERENCE:
            ids = ", ".join(str(item["id"]) for item in left)
            what = f"of {ids} one is not due for {(latest - now) / SECOND:g} s"
            raise ViolationError("PROGRESS", f"nobody lives who holds them, yet {what}")
        known = 1 + sum(map(is_entry, self.simulation.items.values()))
        patience = known * PATIENCE_FOR_ONE + PATIENCE_BESIDES
        self.deadline = max(latest, now) + _CLOCK_DIFFERENCE + patience

    def is_met(self) -> bool:
        """Tell whether nothing is left."""
        left = self._left()
        if left and self.simulation.time > self.deadline:
            ids = ", ".join(str(item["id"]) for item in left)
            raise ViolationError("PROGRESS", f"long after it was due there is still {ids}")
        return not left

    def _left(self) -> list[Item]:
        return [item for item in self.simulation.items.values() if runs.is_unfinished(item)]

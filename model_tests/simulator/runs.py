"""A random run: adversity for a while, then peace, in which all must come to a good end."""

from __future__ import annotations

from dynamomq.machine import QueueType
from dynamomq.operations import RETRY_HORIZON, Settings
from dynamomq.payload import codec_for
from dynamomq.timestamps import SECOND, parse_instant
from dynamomq.values import Item
from model_tests.simulator.actors import Actor, Consumer, Operator, Producer, Role
from model_tests.simulator.asked import ViolationError, is_message, is_no_message, queue_of
from model_tests.simulator.choices import Chooser
from model_tests.simulator.index import IndexView, Lag
from model_tests.simulator.lists import is_group
from model_tests.simulator.movers import KINDS
from model_tests.simulator.oracle import Oracle
from model_tests.simulator.rules import START, Rules
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.storage import BaseTable
from model_tests.simulator.triggers import edits

IDS = ("a", "b", "c")
TIMEOUT = 10 * SECOND
WINDOW = 300 * SECOND
WINDOWS = tuple(seconds * SECOND for seconds in (300, 10, 600))
OFFSETS = tuple(seconds * SECOND for seconds in (0, -1, 1, -4, 4))
HOURS = tuple(hours * 3600 * SECOND for hours in (0, -7, 2, -1, 9))
LEAPS = tuple(seconds * SECOND for seconds in (1, 5, 11, 60, 320))
MAX_RECEIVES = (None, 1, 2, 3)
STEPS = 150
STEPS_TO_THE_END = 60  # a message
LONGEST = 10 * SECOND  # of all delays and timeouts that anyone asks for
LAGS = (Lag.NONE, Lag.LATE, Lag.GAP, Lag.TWICE)
_EDITS = edits(bury=4, redrive=7)
"""Few messages are in the dead-letter queue: what can be done to those is tried more often."""
_CLOCK_DIFFERENCE = max(OFFSETS) - min(OFFSETS)


def world(chooser: Chooser, *, timeline: bool = False, corrected: bool = False) -> Simulation:
    """A world of producers, consumers and an operator, its settings and clocks drawn by chance.

    Clocks are wrong by seconds, and jump; or by hours, and are corrected.
    """
    roles: dict[str, Role] = {
        "producer-1": Producer(IDS[:2], delays=(0, 3 * SECOND)),
        "producer-2": Producer((*IDS[1:], None)),
        "consumer-1": Consumer(),
        "consumer-2": Consumer(),
        "consumer-3": Consumer(sources=(QueueType.STANDARD, QueueType.DLQ)),
        "operator": Operator(IDS, _EDITS, calls=14),
    }
    most = MAX_RECEIVES[chooser.pick((4, 1, 2, 2))]
    window = WINDOWS[chooser.pick((1, 1, 1))]
    offsets = HOURS if corrected else OFFSETS
    actors = {
        name: Actor(name, role, offsets[chooser.pick((4, 1, 1, 1, 1))])
        for name, role in roles.items()
    }
    for actor in actors.values() if corrected else ():
        actor.correct_clock(START)
    return Simulation(
        Settings("simulated", codec_for(None), TIMEOUT, most, window),
        Rules(leaps=LEAPS, offsets=() if corrected else OFFSETS),
        IndexView(lambda: LAGS[chooser.pick((40, 25, 17, 18))]),
        Oracle(most, max(window, RETRY_HORIZON), TIMEOUT),
        actors,
        BaseTable(),
        timeline=[] if timeline else None,
    )


def run(simulation: Simulation, chooser: Chooser, steps: int = STEPS) -> None:
    """Let happen what the chooser decides, for so many steps; then let peace come.

    Raises:
        ViolationError: a property does not hold.
    """
    adversity(simulation, chooser, steps)
    come_to_an_end(simulation)


def adversity(simulation: Simulation, chooser: Chooser, steps: int) -> None:
    """Let happen what the chooser decides, for so many steps.

    Raises:
        ViolationError: a property does not hold.
    """
    for _ in range(steps):
        if simulation.is_over:
            break
        step(simulation, chooser)


def step(simulation: Simulation, chooser: Chooser) -> None:
    """Let the chooser decide who moves, and what happens then.

    Raises:
        ViolationError: a property does not hold any more.
    """
    weights, movers = simulation.movers()
    mover = movers[chooser.pick(weights)]
    chances, fates = simulation.fates(mover)
    simulation.take(mover, fates[chooser.pick(chances)])


def steps_of(simulation: Simulation) -> int:
    """How many steps a world has taken."""
    return sum(simulation.counts[kind] for kind in KINDS)


def come_to_an_end(simulation: Simulation) -> None:
    """End all faults, let one sound consumer live, and demand that it finishes everything.

    Where clocks are corrected, its own is the most wrong of all.

    Raises:
        ViolationError: it does not, within a bounded number of steps (PROGRESS).
    """
    if simulation.ending is not None:
        simulation.ending(simulation)
        return
    role = Consumer(calls=10**6, batches=(10,), timeouts=(TIMEOUT,), ways=((1, "delete"),))
    sound = Actor("survivor", role)
    if any(actor.estimator is not None for actor in simulation.actors.values()):
        sound.offset = min(HOURS)
        sound.correct_clock(simulation.time)
    simulation.make_peace(sound)
    limit = STEPS_TO_THE_END * (1 + len(simulation.items))
    for _ in range(limit):
        left = [item for item in simulation.items.values() if is_unfinished(item)]
        survivor = simulation.actors["survivor"]
        if not left and survivor.execution is None:
            return
        if survivor.execution is None and not survivor.held:
            _wait_for(simulation, left, survivor)
        if survivor.wakes > simulation.time:
            simulation.time = survivor.wakes
        _, fates = simulation.fates(survivor.mover)
        simulation.take(survivor.mover, fates[0])
    ids = ", ".join(str(item["id"]) for item in left)
    raise ViolationError("PROGRESS", f"after {limit} steps without faults there are still {ids}")


def is_unfinished(item: Item) -> bool:
    """Tell whether it is a message that somebody has still to deal with."""
    is_other = is_no_message(item) or is_group(item)
    is_live = not is_other and is_message(item)
    return is_live and queue_of(item) != "DLQ"


def _wait_for(simulation: Simulation, items: list[Item], survivor: Actor) -> None:
    """Let time pass until the next message is due, which a clock far ahead may have put off."""
    items = [item for item in items if queue_of(item)]
    if not items:
        raise ViolationError("PROGRESS", "messages wait, and none of their groups has a head")
    found = {parse_instant(str(item["queue_add_timestamp"])): str(item["id"]) for item in items}
    latest, earliest = max(found), min(found)
    wait = latest - simulation.time
    difference = _CLOCK_DIFFERENCE
    if survivor.estimator is None:
        difference = max(difference, simulation.oracle.clock_difference())
    if wait > LONGEST + difference:
        what = f"nobody lives who holds {found[latest]}, yet it is not due for {wait / SECOND:g} s"
        raise ViolationError("PROGRESS", what)
    behind = -survivor.reckoning(simulation.time).nanoseconds
    by_its_clock = earliest + min(max(behind, 0), difference)
    simulation.time = max(simulation.time, by_its_clock)

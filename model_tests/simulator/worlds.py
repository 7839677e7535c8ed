"""The worlds that schedules are about; each is made by a function, its settings decided first.

``RANDOM`` is that of random runs, in which there is much to do. ``SMALL`` has fewer actors with
less to do, so that a schedule can be drawn and shrunk as a whole. In ``USERS`` everyone may call
anything that the machine has a trigger for: there rules decide, one call and one step at a time.
``CORRECTED`` is ``RANDOM`` with clocks that are wrong by hours, and corrected by the dates that the
storage's answers have, by the very estimator of the DynamoDB driver. In ``WORKERS`` those who
receive are consumers: the library's own runtime, with all its threads; in ``CREWS`` they are that,
and most messages are in groups. In ``BATCHES`` producers and consumers do several things in one
call. In ``GROUPED`` messages are sent into groups. ``STRANGE`` has strangers, shards, and clocks
that are far ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

from attrs import evolve, frozen

from dynamomq.machine import QueueType
from dynamomq.operations import RETRY_HORIZON, Settings
from dynamomq.payload import codec_for
from dynamomq.timestamps import SECOND
from model_tests.simulator import fleet, runs
from model_tests.simulator.actors import (
    ADVANCES,
    Actor,
    Choice,
    Consumer,
    Operator,
    Producer,
    Role,
)
from model_tests.simulator.batches import BatchConsumer, BatchProducer, Wholesaler
from model_tests.simulator.calls import Plan
from model_tests.simulator.choices import Chooser, Weights
from model_tests.simulator.index import IndexView
from model_tests.simulator.oracle import Oracle
from model_tests.simulator.rules import Rules
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.storage import BaseTable
from model_tests.simulator.strangers import DAMAGES
from model_tests.simulator.triggers import edits, ways
from tests.support.triggers import CALLED, WRITERS

IDS, LAGS = runs.IDS, runs.LAGS
GROUPS = ("g", "h", "i", "j", "k")
MEMBERS = tuple("abcdefghi")
STEPS_WITH_GROUPS = 400


class World(Protocol):
    """Makes a world."""

    def __call__(self, chooser: Chooser, *, timeline: bool = False) -> Simulation:
        """Make one, which may keep a timeline."""


# --- who may call anything -------------------------------------------------------------------

_DATA = "data"
_OPTIONS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "send": {_DATA: (None,), "delay": (0, 3 * SECOND), "group": (None, GROUPS[0])},
    "receive": {
        "source": tuple(QueueType),
        "max_messages": (1, 3),
        "visibility_timeout": (10 * SECOND, 4 * SECOND),
    },
    "extend": {"timeout": (10 * SECOND, 1 * SECOND)},
    "retry": {"delay": (0, 3 * SECOND)},
    "delete": {"receive_next": (False, True)},
    "update": {_DATA: (None,)},
    "reschedule": {"delay": (0, 3 * SECOND)},
}
"""What a call may be given, the most harmless first; each payload is a new one."""


@frozen
class User:
    """Calls whatever there is to call, on every id, and on what it holds or was last done with."""

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """All calls that make sense, and some that don't."""
        return [(1, plan) for trigger in CALLED for plan in _plans(trigger, actor)]


def _plans(trigger: str, actor: Actor) -> Iterable[Plan]:
    wanted = _OPTIONS.get(trigger, {})
    for values in product(*wanted.values()):
        options = tuple(zip(wanted, values, strict=True))
        if _DATA in wanted:
            options = ((_DATA, f"{actor.name}.{actor.calls}"), *options[1:])
        match WRITERS[trigger]:
            case "receiver":
                yield Plan(trigger, options=options)
            case "holder":
                for message in (*actor.held, *actor.done):
                    yield Plan(trigger, message=message, options=options)
            case _:
                for id in IDS:
                    yield Plan(trigger, id, options=options)


# --- worlds ----------------------------------------------------------------------------------


def users(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """A world in which everyone may call anything."""
    return _world(chooser, dict.fromkeys(("one", "two", "three"), User()), (1, 1, 1, 1), timeline)


def small(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """A world of one producer, two consumers, and an operator."""
    roles: dict[str, Role] = {
        "producer": Producer(IDS[:2], calls=3),
        "consumer-1": Consumer(calls=5),
        "consumer-2": Consumer(calls=5),
        "operator": Operator(IDS[:1], calls=1),
    }
    return _world(chooser, roles, (60, 25, 8, 7), timeline)


def batches(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """A world of producers and consumers that do several things in one call, and an operator."""
    roles: dict[str, Role] = {
        "producer-1": BatchProducer((*IDS[:2], None), delays=(0, 3 * SECOND)),
        "producer-2": BatchProducer((*IDS[1:], None)),
        "consumer-1": BatchConsumer(),
        "consumer-2": BatchConsumer(),
        "consumer-3": BatchConsumer(sources=(QueueType.STANDARD, QueueType.DLQ)),
        "operator": Operator(IDS, calls=6),
    }
    return _world(chooser, roles, (40, 25, 17, 18), timeline)


@frozen
class Stranger:
    """Somebody who writes into the table without regard to the specification.

    Attributes:
        ids: the messages that it damages, or makes another port's.
        calls: how often at most.
    """

    ids: tuple[str, ...]
    calls: int = 8

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Do it to any of them."""
        if actor.calls >= self.calls:
            return ()
        hows = [(("how", how),) for how in DAMAGES]
        damages = [Plan("damage", id, options=how) for id in self.ids for how in hows]
        return [(1, plan) for plan in (*damages, *(Plan("adopt", id) for id in self.ids))]


def strange(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """A world in which nothing is as it should be, in a queue of two shards.

    Some items are damaged, or another port's; one clock may be far ahead, and much time may pass at
    once; messages with and without groups are sent in the same calls; operators edit all messages
    of a queue at once.
    """
    roles: dict[str, Role] = {
        "producer-1": Producer((*IDS[:2], None)),
        "producer-2": BatchProducer((*MEMBERS[5:7], None), groups=(*GROUPS[:2], None), calls=10),
        "consumer-1": Consumer(ways=_WAYS),
        "consumer-2": BatchConsumer(),
        "consumer-3": Consumer(sources=tuple(QueueType)),
        "operator": Operator((*IDS, *MEMBERS[5:7]), _EDITS, calls=8),
        "wholesaler": Wholesaler(),
        "stranger": Stranger(IDS),
    }
    simulation = _world(chooser, roles, (40, 25, 17, 18), timeline)
    simulation.settings = evolve(simulation.settings, shards=2, visited=2)
    far = FAR[chooser.pick((2, 1, 1))]
    simulation.rules = evolve(simulation.rules, leaps=(*runs.LEAPS, 2 * RETRY_HORIZON))
    if far:
        simulation.actors["consumer-2"].set_clock(far)
        simulation.oracle.clock("consumer-2", far)
    return simulation


FAR = tuple(hours * 3600 * SECOND for hours in (0, 3, -3))
"""How wrong one clock is there."""

_WAYS: tuple[tuple[int, str | None], ...] = (
    *ways(delete=6, **{ADVANCES: 10}, extend=2, retry=3, release=2, move_to_dlq=2),
    (2, None),
)
_EDITS = edits(bury=4, redrive=7, cancel=2)


def groups(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """A world of message groups, up to five of them, which all producers send into.

    The fewer groups there are, the more often somebody changes the list that others are changing.
    Storage knows the tokens of transactions that it has carried out, or not.
    """
    some = GROUPS[: 1 + chooser.pick((4, 3, 1, 1, 2))]
    is_honoured = chooser.pick((2, 1)) == 1
    both = (QueueType.STANDARD, QueueType.DLQ)
    roles: dict[str, Role] = {
        "producer-1": Producer(MEMBERS[:3], groups=some, calls=9),
        "producer-2": Producer(MEMBERS[2:5], (0, 3 * SECOND), 9, some),
        "producer-3": Producer((*MEMBERS[5:7], None), groups=(*some, None), calls=9),
        "producer-4": BatchProducer((*MEMBERS[6:], None), groups=some, calls=18),
        "consumer-1": Consumer(20, ways=_WAYS),
        "consumer-2": Consumer(20, ways=_WAYS),
        "consumer-3": Consumer(20, ways=_WAYS, sources=both),
        "consumer-4": BatchConsumer(ways=_WAYS),
        "operator": Operator(MEMBERS, _EDITS, calls=20),
    }
    simulation = _world(chooser, roles, (60, 18, 11, 11), timeline)
    simulation.tokens.honoured = is_honoured
    return simulation


def _world(
    chooser: Chooser, roles: Mapping[str, Role], lags: Weights, timeline: bool
) -> Simulation:
    most = runs.MAX_RECEIVES[chooser.pick((1,) * len(runs.MAX_RECEIVES))]
    actors = {
        name: Actor(name, role, runs.OFFSETS[chooser.pick((4, 1, 1, 1, 1))])
        for name, role in roles.items()
    }
    return Simulation(
        Settings("simulated", codec_for(None), runs.TIMEOUT, most, runs.WINDOW),
        Rules(leaps=runs.LEAPS, offsets=runs.OFFSETS),
        IndexView(lambda: LAGS[chooser.pick(lags)]),
        Oracle(most, runs.WINDOW, runs.TIMEOUT),
        actors,
        BaseTable(),
        timeline=[] if timeline else None,
    )


def corrected(chooser: Chooser, *, timeline: bool = False) -> Simulation:
    """The world of random runs, but with clocks that are wrong by hours, and corrected."""
    return runs.world(chooser, timeline=timeline, corrected=True)


RANDOM, SMALL, USERS, CORRECTED, WORKERS = "random", "small", "users", "corrected", "workers"
BATCHES, GROUPED, STRANGE, CREWS = "batches", "groups", "strange", "crews"
WORLDS: Mapping[str, World] = {
    RANDOM: runs.world,
    SMALL: small,
    USERS: users,
    CORRECTED: corrected,
    WORKERS: fleet.workers,
    BATCHES: batches,
    GROUPED: groups,
    STRANGE: strange,
    CREWS: fleet.crews,
}


def steps_in(world: str) -> int:
    """Return how many steps a run of a world has before peace comes."""
    return {WORKERS: fleet.STEPS, CREWS: fleet.STEPS, GROUPED: STEPS_WITH_GROUPS}.get(
        world, runs.STEPS
    )

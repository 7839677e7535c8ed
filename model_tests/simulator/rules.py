"""What may happen in a run, and what has."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from dynamomq.operations import ARRIVES_WITHIN
from dynamomq.requests import Request
from dynamomq.timestamps import SECOND
from dynamomq.values import Item
from model_tests.simulator.calls import Answer, Call
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import Mover

START = 2_208_988_800 * SECOND  # 2040-01-01: the true time at which a run begins


@frozen
class Rules:
    """What may happen in a run, besides what actors do.

    Attributes:
        step: how long each step takes, in nanoseconds.
        faults: how many faults may happen; ``None``: any number.
        kinds: which; none: all.
        troubled: to whom; none: to anybody. In a search all others do what they do in one go, once
            they have begun to ask storage: only what they write matters, and when.
        leaps: by how much time may leap, in nanoseconds.
        leaps_left: how often it may; ``None``: any number of times.
        offsets: how far a clock may be off after a jump; none: clocks do not jump.
        jumps_left: how often one may; ``None``: any number of times.
        late_within: how long after it was sent an attempt may still be executed.
        search: whether states will be copied and compared. Then nothing happens that changes only
            the order of steps that do not matter to each other: see :meth:`Simulation.movers`.
    """

    step: int = SECOND // 1000
    faults: int | None = None
    kinds: frozenset[Fate] = frozenset()
    troubled: str = ""
    leaps: tuple[int, ...] = ()
    leaps_left: int | None = None
    offsets: tuple[int, ...] = ()
    jumps_left: int | None = None
    late_within: int = ARRIVES_WITHIN
    search: bool = False

    def spares(self, actor: str) -> bool:
        """Whether somebody meets no faults."""
        return self.troubled not in ("", actor)


@frozen
class Moved:
    """One entry of the timeline.

    Attributes:
        time: the true time.
        mover: who moved.
        call: its call, if it is an actor's.
        fate: what happened.
        request: what it had asked for.
        answer: what it was told.
        changes: items before and after.
    """

    time: int
    mover: Mover
    call: Call | None
    fate: Fate
    request: Request[Any] | None
    answer: Answer | None
    changes: tuple[tuple[Item | None, Item | None], ...]

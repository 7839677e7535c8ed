"""What the simulator has found, step by step, so that it would be found again.

Steps are told by name, not by seed or schedule: those mean something else after each change of
weights or alternatives, and would silently test nothing. So each regression also says how to take
its remedy out again, and a test demands that the violation then comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from unittest import mock

from attrs import frozen

from dynamomq.operations import sending
from dynamomq.timestamps import SECOND
from model_tests.mutants.defects import never, without_end
from model_tests.simulator import fates
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.fates import Fate
from model_tests.simulator.movers import EXPIRY, LATE, TIME, Mover
from model_tests.simulator.steering import Steered, possible, steer
from model_tests.simulator.worlds import SMALL, WORLDS

WORLD = SMALL
"""Where all of them take place."""

Step = tuple[Mover, str]
"""Who moves, and how what happens then begins, as the timeline tells it."""

_ANSWERED, _HELD_UP = fates.ANSWERED.name, fates.LATE.name
_MINUTE, _SECONDS = ((TIME, f"leaps {seconds * SECOND}") for seconds in (60, 11))


@frozen
class Regression:
    """A violation of the past.

    Attributes:
        name: what went wrong, in a few words.
        found: by what, and how it came about.
        breaks: the property that did not hold.
        remedies: the module and the name of each function that prevents it, and what is there if
            there is no remedy.
        steps: what must happen, where no clock is wrong and the index never lags.
    """

    name: str
    found: str
    breaks: str
    remedies: tuple[tuple[object, str, object], ...]
    steps: tuple[Step, ...]

    def choices(self) -> list[int]:
        """Return the steps as a schedule, until a property fails; to be made with the defect.

        Raises:
            LookupError: one of the steps can't be taken.
        """
        chooser = Steered()
        simulation = WORLDS[WORLD](chooser)
        with suppress(ViolationError):
            for mover, begin in self.steps:
                told = map(_told, possible(simulation, mover))
                place = next((n for n, what in enumerate(told) if what.startswith(begin)), None)
                if place is None:
                    raise LookupError(f"{self.name}: {mover} can't do that: {begin!r}")
                steer(simulation, chooser, mover, place)
        return chooser.taken

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Have the defect back, for the time being."""
        with ExitStack() as stack:
            for owner, name, without in self.remedies:
                stack.enter_context(mock.patch.object(owner, name, without))
            yield


def _told(fate: Fate) -> str:
    return fate.name if fate.detail is None else f"{fate.name} {fate.detail}"


def _call(who: str, what: str, *becomes: str) -> list[Step]:
    """Somebody calls something, and that happens to its requests."""
    mover = Mover("actor", who)
    return [(mover, f"calls {what}"), *((mover, fate) for fate in becomes)]


_DUPLICATE_SEND = Regression(
    name="a send refused as a duplicate takes effect",
    found="Random runs, seed 1896 of their first version: after a pause of minutes an attempt to "
    "send is held up, the SDK's next one is refused because of a tombstone, storage removes the "
    "tombstone, and then the first attempt is executed.",
    breaks="FENCED",
    remedies=((sending, "_is_over", never), (sending, "in_time", without_end)),
    steps=(
        *_call("producer", "send(a", _ANSWERED, _ANSWERED),
        *_call("consumer-1", "receive(", *[_ANSWERED] * 5),
        *_call("consumer-1", "delete(a", _ANSWERED, _ANSWERED),
        *_call("producer", "send(a", _ANSWERED),
        *[_MINUTE] * 9,
        *[_SECONDS] * 4,
        *[(Mover("actor", "producer"), fate) for fate in (_HELD_UP, _ANSWERED, _ANSWERED)],
        *[_SECONDS] * 2,
        (EXPIRY, "removes a"),
        (LATE, "executes"),
    ),
)

REGRESSIONS = (_DUPLICATE_SEND,)

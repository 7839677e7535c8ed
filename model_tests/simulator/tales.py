"""Tales of consumers: what happens is told by name, and nothing is left to chance.

For what random runs meet too seldom, among so many threads. Who is not spoken of does nothing; the
index lags in nothing, and no clock is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from model_tests.simulator.asked import ViolationError
from model_tests.simulator.attempts import writes_of
from model_tests.simulator.fates import Fate
from model_tests.simulator.index import Lag
from model_tests.simulator.runs import MAX_RECEIVES
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.steering import Steered
from model_tests.simulator.worlds import WORKERS, WORLDS

MAIN = "worker-1"
CLAIMS = f"{MAIN}.claims"
HANDS = (f"{MAIN}.hand-1", f"{MAIN}.hand-2")
THREADS = (MAIN, CLAIMS, f"{MAIN}.keeper", *HANDS)
MOST = 400


@define
class Teller:
    """Lets things happen in a world of consumers.

    Attributes:
        simulation: the world; there a message may be delivered twice.
    """

    simulation: Simulation = field(init=False)

    def __attrs_post_init__(self) -> None:
        chooser = Steered((MAX_RECEIVES.index(2),))
        self.simulation = WORLDS[WORKERS](chooser, timeline=True)
        self.simulation.index.lag = lambda: Lag.NONE

    def finds(self, name: str, begin: str = "") -> Fate | None:
        """Return the first thing that can happen to somebody and is told so; nothing if none."""
        for fate in self.simulation.fates(self.simulation.actors[name].mover)[1]:
            told = fate.name if fate.detail is None else f"{fate.name} {fate.detail}"
            if told.startswith(begin):
                return fate
        return None

    def take(self, name: str, begin: str = "") -> None:
        """Let that happen.

        Raises:
            LookupError: it can't.
        """
        fate = self.finds(name, begin)
        if fate is None:
            raise LookupError(f"{name} can't do that: {begin!r}")
        self.simulation.take(self.simulation.actors[name].mover, fate)

    def call(self, name: str, what: str) -> None:
        """Let somebody call something, and be answered."""
        self.take(name, f"calls {what}")
        self.go((name,), lambda: self.simulation.actors[name].execution is None)

    def go(self, names: Sequence[str], until: Callable[[], object], most: int = MOST) -> None:
        """Let some move in turn, and time pass where none can, until something is so.

        They do so many steps at most.
        """
        waiting = list(names)
        for _ in range(most):
            if until():
                return
            ready = [name for name in waiting if self._can(name)]
            if ready:
                waiting.remove(ready[0])
                waiting.append(ready[0])
                self.take(ready[0])
                continue
            now = self.simulation.time
            wakes = [self.simulation.actors[name].wakes for name in names]
            self.simulation.time = min((time for time in wakes if time > now), default=now)

    def _can(self, name: str) -> bool:
        actor = self.simulation.actors[name]
        return actor.wakes <= self.simulation.time and not actor.is_done

    def is_writing(self, name: str, trigger: str) -> bool:
        """Tell whether somebody asks for a write."""
        execution = self.simulation.actors[name].execution
        writes = writes_of(execution.request if execution else None)
        return any(write.rule.trigger == trigger for write in writes)

    def handling(self) -> list[str]:
        """Return who is about to handle a message."""
        return [name for name in HANDS if self._can(name) and self.finds(name, "handles")]


Tale = Callable[[Teller], None]
"""What happens."""


def tell(tale: Tale) -> tuple[Simulation, ViolationError | None]:
    """Let it happen; return the world then, and what is wrong in it."""
    teller = Teller()
    try:
        tale(teller)
    except ViolationError as violation:
        return teller.simulation, violation
    return teller.simulation, None


def ends_during_a_claim(teller: Teller) -> None:
    """A consumer is told to stop, and ends while the reply to a claim is still awaited."""
    teller.call("producer-1", "send(a")
    teller.go(THREADS, lambda: teller.is_writing(CLAIMS, "receive"))
    teller.take(CLAIMS, "its reply is lost")
    teller.take(MAIN, "is told to stop")
    others = [name for name in THREADS if name != CLAIMS]
    teller.go(others, lambda: teller.finds(MAIN, "exits"))


def cancelled_after_a_lost_reply(teller: Teller) -> None:
    """The reply to a retry is lost, and an operator cancels the message before the repetition."""
    teller.call("producer-1", "send(a")
    teller.go(THREADS, teller.handling)
    (hand,) = teller.handling()
    teller.take(hand, "handles (0, 'fails')")
    teller.go((hand,), lambda: teller.is_writing(hand, "retry"))
    teller.take(hand, "its reply is lost")
    teller.call("operator", "cancel(a")
    teller.go(THREADS, lambda: False, most=30)


def dies_with_two(teller: Teller) -> None:
    """A process dies of two messages that may be delivered once more, and claims them again."""
    for id in ("a", "b"):
        teller.call("producer-1", f"send({id}")
    teller.go(THREADS, lambda: len(teller.handling()) == len(HANDS))
    teller.take(HANDS[0], "crashes")
    teller.go(THREADS, lambda: False)

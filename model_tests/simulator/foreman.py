"""What consumers promise besides: judged by what their handlers see and their processes ask for.

An oracle that also knows which handler works on what, and when a consumer could not do what it has
to. Its clauses in the specification: HEARTBEAT, SURRENDER, REST, DRAIN, LEASE, APART, REPORT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Set
from typing import Any, Protocol

from attrs import define, field, frozen

from dynamomq.timestamps import SECOND
from model_tests.simulator.asked import RECEIVERS, Caller, Item, Name, fail, is_held
from model_tests.simulator.lives import Delivery
from model_tests.simulator.oracle import Oracle

Receipt = str
Life = tuple[str, int]  # a process, and which of its lives

_ROUNDING = SECOND // 1000
"""How far a time may be off that was a number of seconds."""

SETTLING = ("delete", "retry", "move_to_dlq", "release")


class Keeper(Protocol):
    """Whoever extends a consumer's deliveries."""

    def was_hindered(self, since: int, now: int) -> bool:
        """Tell whether anything kept it from that since a time."""


@frozen
class Work:
    """A handler at work.

    Attributes:
        life: in which process.
        since: when its message was claimed: the true time.
        keeper: who extends the delivery.
    """

    life: Life
    since: int
    keeper: Keeper

    def is_excused(self, longest: int, now: int) -> bool:
        """Tell whether others may take the message."""
        return now >= self.since + longest or self.keeper.was_hindered(self.since, now)


@define(eq=False)
class Foreman(Oracle):
    """Watches consumers, too.

    Attributes:
        longest: how long a delivery is extended in all, in nanoseconds.
        floor: how long a failed message rests at least, in nanoseconds.
        seen: how often a promise was put to the test, by its name.
    """

    longest: int = 0
    floor: int = 0
    seen: dict[str, int] = field(factory=dict)
    _at_work: dict[Receipt, Work] = field(factory=dict)
    _started: dict[Receipt, str] = field(factory=dict)  # how the handler has ended; empty: not yet
    _late: set[Receipt] = field(factory=set)  # asked for though known to be lost
    _lives_now: dict[str, int] = field(factory=dict)
    _claiming: dict[Name, Life] = field(factory=dict)
    _claimed: dict[Receipt, Life] = field(factory=dict)
    _troubled: set[Receipt] = field(factory=set)  # whose holder could not end it
    _lost: set[Receipt] = field(factory=set)  # as its consumer knows
    _running: set[Receipt] = field(factory=set)  # whose handler has not returned
    _risky: set[Receipt] = field(factory=set)  # the last delivery, after one without an answer
    _settled: dict[Life, dict[Receipt, str]] = field(factory=dict)  # by calls that have succeeded

    # --- what it is told of processes --------------------------------------------------------

    def born(self, process: str) -> None:
        """A process begins."""
        self._lives_now[process] = self._lives_now.get(process, 0) + 1

    def died(self, process: str) -> None:
        """A process is no more, and with it its handlers."""
        life = self._life_of(process)
        self._at_work = {key: work for key, work in self._at_work.items() if work.life != life}

    def started(
        self, process: str, receipt: Receipt, since: int, keeper: Keeper, time: int
    ) -> None:
        """A handler begins with a message, which was claimed at a time."""
        self._count("LEASE started")
        if time >= self._lasts_until(process, receipt):
            fail("LEASE", f"{process} starts a handler whose delivery is over: {receipt}")
        self._check_apart(process, receipt)
        self._at_work[receipt] = Work(self._life_of(process), since, keeper)
        self._started[receipt] = ""
        self._running.add(receipt)

    def returned(self, receipt: Receipt) -> None:
        """A handler has returned, or raised."""
        self._running.discard(receipt)

    def handled(self, receipt: Receipt, how: str, time: int) -> None:
        """A handler has ended."""
        work = self._at_work.pop(receipt, None)
        if work and time > work.since + self.timeout and not work.is_excused(self.longest, time):
            self._count("HEARTBEAT")
        self._started[receipt] = how

    def lost(self, process: str, receipt: Receipt, time: int) -> None:
        """A consumer says that a delivery is lost."""
        self._lost.add(receipt)
        ended = self._deliveries[receipt].ended
        in_time = time < self._lasts_until(process, receipt)
        if ended is not None and in_time and receipt not in self._troubled:
            fail("LEASE", f"{process} takes {receipt} for lost, which it has ended by {ended}")

    def believed(self, process: str, receipt: Receipt, until: int) -> None:
        """A consumer believes that a delivery is its own until a true time."""
        self._count("LEASE believed")
        if until > self._lasts_until(process, receipt) + _ROUNDING:
            more = (until - self._lasts_until(process, receipt)) / SECOND
            fail("LEASE", f"{process} believes in {receipt} for {more:.3f} s more than the table")

    def counted(self, process: str, succeeded: int, retried: int, dead_lettered: int) -> None:
        """A consumer has counted so many deliveries as ended in these ways."""
        settled = self._settled.get(self._life_of(process), {})
        over = self._started.keys() - self._running
        told = Counter(how for receipt, how in settled.items() if receipt in over)
        true = told["delete"], told["retry"], told["move_to_dlq"]
        self._count("REPORT")
        if (succeeded, retried, dead_lettered) != true:
            said = f"{(succeeded, retried, dead_lettered)} instead of {true}"
            fail("REPORT", f"{process} has counted {said} (deleted, retried, dead-lettered)")

    def concluded(self, process: str, time: int, named: Collection[str], unknown: int) -> None:
        """A consumer has ended.

        Args:
            process: where it ran.
            time: the true one.
            named: the messages of which it says that they are left.
            unknown: how many more it says a claim may bring in that is under way.
        """
        self._count("REPORT concluded")
        if unknown:
            self._count("REPORT unknown")
        untold = [
            delivery
            for delivery in self._held_by(process, time, but=self._lost)
            if delivery.id not in named and delivery.by not in self._failed
        ]
        if len(untold) > unknown:
            fail("REPORT", f"{process} does not tell that {len(untold)} messages are claimed")

    def claims_no_more(self, process: str, time: int, named: Collection[str]) -> None:
        """A consumer that has ended has heard of all that it has claimed."""
        self._check_named(process, time, named)

    def _check_named(self, process: str, time: int, named: Collection[str]) -> None:
        # What it has tried to give back in vain, after its end, it could tell nobody.
        for delivery in self._held_by(process, time, but=self._lost | self._troubled):
            if delivery.returned and delivery.id not in named:
                fail("REPORT", f"{process} still holds {delivery.id}, and does not say so")

    def _held_by(self, process: str, time: int, *, but: Set[Receipt]) -> Iterator[Delivery]:
        """Yield what a process has claimed, and still holds."""
        clock, life = time + self._clocks[process][0], self._life_of(process)
        for receipt, claimed in self._claimed.items():
            delivery = self._deliveries[receipt]
            current = self._lives[delivery.id].receipt == receipt and delivery.deadline > clock
            if claimed == life and current and receipt not in but:
                yield delivery

    def _lasts_until(self, process: str, receipt: Receipt) -> int:
        """Return until when a delivery lasts by the table, as a true time, at the latest."""
        return self._deliveries[receipt].deadline - self._clocks[process][1]

    def wanted(self, receipt: Receipt, *, lost: bool) -> None:
        """A consumer wants a delivery ended; whether it knows by then that it is lost."""
        if lost:
            self._late.add(receipt)

    def left(self, process: str, time: int) -> None:
        """A process has ended as it was told to, in peace, and says that all is done."""
        clock, life = time + self._clocks[process][0], self._life_of(process)
        self._count("DRAIN")
        for receipt, claimed in self._claimed.items():
            delivery = self._deliveries[receipt]
            if claimed != life or not delivery.returned or receipt in self._troubled | self._lost:
                continue
            held = self._lives[delivery.id].receipt == receipt and delivery.deadline > clock
            if held:
                fail("DRAIN", f"{process} ended, and {delivery.id} is still held by it")
            if receipt not in self._started and delivery.ended not in (None, "release"):
                what = f"to {delivery.ended} {delivery.id}, of which no handler knows"
                fail("DRAIN", f"{process} used a delivery {what}")

    # --- what it is told of calls ------------------------------------------------------------

    def began(self, call: Caller, time: int) -> None:
        """A call begins, at this true time."""
        super().began(call, time)
        operation, receipt = call.plan.operation, call.plan.receipt
        if operation in RECEIVERS:
            self._claiming[call.name] = self._life_of(process_of(call.actor))
        elif operation in SETTLING and receipt is not None:
            if receipt in self._late:
                fail("SURRENDER", f"{call}, which knows that its lease is lost")
            if self._started.get(receipt) == "fails":
                self._check_rest(call)

    def changed(
        self, time: int, call: Caller | None, request: str, old: Item | None, new: Item | None
    ) -> None:
        """A request of a call changed an item."""
        super().changed(time, call, request, old, new)
        receipt = old.get("receipt") if old is not None else None
        kept = new is not None and new.get("receipt") == receipt
        if receipt in self._at_work and not kept:
            self._check_taken_away(time, call, str(receipt))
        if call is not None and new is not None and call.name in self._claiming and is_held(new):
            self._claimed[str(new.get("receipt"))] = self._claiming[call.name]
            if self._is_risky(new):
                self._risky.add(str(new.get("receipt")))

    def ended(self, time: int, call: Caller, result: Any, error: str | None) -> None:
        """A call ended, at this true time, with a result or with an error of this name."""
        super().ended(time, call, result, error)
        receipt, operation = call.plan.receipt, call.plan.operation
        if receipt is None or receipt not in self._claimed or operation not in SETTLING:
            return
        if error is not None:
            self._troubled.add(receipt)
        else:
            self._settled.setdefault(self._claimed[receipt], {})[receipt] = operation

    # --- judgements --------------------------------------------------------------------------

    def _check_taken_away(self, time: int, call: Caller | None, receipt: Receipt) -> None:
        work = self._at_work[receipt]
        if call is not None and call.plan.receipt == receipt:
            return
        if work.is_excused(self.longest, time):
            self._count("HEARTBEAT excused")
            return
        id = self._deliveries[receipt].id
        fail("HEARTBEAT", f"{call} took {id} away from {work.life[0]}, which is at work on it")

    def _is_risky(self, item: Item) -> bool:
        """Tell whether a delivery is the last one, and nobody has said how that before it ended."""
        count = item.get("receive_count")
        if self.max_receives is None or not 1 < self.max_receives == count:
            return False
        told = item.get("errors", [])
        return not any(one.get("delivery") == count - 1 for one in told)

    def _check_apart(self, process: str, receipt: Receipt) -> None:
        if receipt not in self._risky:
            return
        self._count("APART")
        beside = [
            other
            for other, work in self._at_work.items()
            if work.life == self._life_of(process) and other in self._risky
        ]
        if beside:
            fail("APART", f"{process} handles {receipt} and {beside[0]}, the last time for both")

    def _check_rest(self, call: Caller) -> None:
        self._count("REST")
        operation, delay = call.plan.operation, dict(call.plan.options).get("delay", 0)
        if operation == "release" or (operation == "retry" and delay < self.floor):
            fail("REST", f"{call} gives a failed message no rest")

    def _count(self, name: str) -> None:
        self.seen[name] = self.seen.get(name, 0) + 1

    def _life_of(self, process: str) -> Life:
        return process, self._lives_now.get(process, 0)


def process_of(actor: str) -> str:
    """Return the process to which a thread belongs."""
    return actor.partition(".")[0]

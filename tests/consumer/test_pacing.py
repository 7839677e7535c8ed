"""When a consumer claims, waits and ends: any sequence of events, and tables of what is decided."""

import random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from dynamomq.consumer.pacing import Pace, Pacing
from dynamomq.errors import (
    AccessDeniedError,
    ClockError,
    ClosedError,
    ConflictError,
    CredentialsError,
    InternalError,
    StoreError,
    TableMismatchError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)

PACE = Pace(workers=4, batch_size=1, floor=0.1, ceiling=5, grace=30)
NEVER = 3600.0
"""No news but messages."""

PASSING = [
    ThrottledError("too fast"),
    UnavailableError("no answer"),
    InternalError("500"),
    ConflictError("in the way"),
    ClockError(20, 15),
]
FATAL = [
    TableNotFoundError("jobs"),
    TableMismatchError("jobs", ("no index",)),
    StoreError("jobs.db", "no such file"),
    AccessDeniedError("no"),
    ClosedError("closed"),
    RuntimeError("a mistake"),
    KeyboardInterrupt(),
]


def pacing(**changes: Any) -> Pacing:
    """Pacing for four workers."""
    return Pacing(evolve(PACE, **changes))


def brings(one: Pacing, now: float, count: int, chance: float = 0.5, news: float = NEVER) -> int:
    """Let a claim bring so many messages; return how many were asked for."""
    wanted = one.wanted(now)
    assert wanted, "nothing is wanted now"
    one.asked()
    if one.claimed(now, count, wanted, chance, news):
        for _ in range(-(-count // one.pace.batch_size)):
            one.started()
    return wanted


def pauses(one: Pacing, looks: int, chance: float) -> list[float]:
    """How long the pauses after looks at an empty queue are."""
    found, now = [], 0.0
    for _ in range(looks):
        brings(one, now, 0, chance)
        wakes = one.wakes()
        assert wakes is not None
        found.append(wakes - now)
        now = wakes
    return found


# --- claiming --------------------------------------------------------------------------------


def test_as_many_are_wanted_as_can_be_started() -> None:
    """Free workers times the size of a batch, and never more than one receive may return."""
    assert pacing().wanted(0) == 4
    assert pacing(batch_size=25).wanted(0) == 100
    assert pacing(workers=1000).wanted(0) == 250
    one = pacing(batch_size=25)
    brings(one, 0, 26)  # two workers
    one.finished(1)
    assert one.wanted(1) == 75


def test_while_all_are_busy_nothing_is_wanted() -> None:
    """Nor is there anything to wake for, until a worker has ended; then at once."""
    one = pacing()
    brings(one, 0, 4)
    assert (one.wanted(1), one.wakes()) == (0, None)
    one.finished(2)
    assert one.wanted(2) == 1


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.5, 0.99])
def test_pauses_grow_between_floor_and_ceiling(chance: float) -> None:
    """An empty queue is looked at ever less often, never more often nor less than was said."""
    found = pauses(pacing(), 30, chance)
    assert found[0] < 0.2
    assert found[-1] == pytest.approx(min(5, 5 * (0.5 + chance)))
    assert found == pytest.approx(sorted(found))
    assert all(0.1 - 1e-9 <= one <= 5 + 1e-9 for one in found)


def test_pauses_are_spread_by_chance() -> None:
    """Consumers that began together do not go on looking together."""
    assert pauses(pacing(), 12, 0.1)[-1] < pauses(pacing(), 12, 0.4)[-1]


def test_traffic_makes_pauses_short_again() -> None:
    """After one message the next empty look is followed by the shortest pause."""
    one = pacing()
    pauses(one, 30, 0.5)
    now = one.wakes() or 0.0
    brings(one, now, 1)
    later = one.wakes()
    assert later is not None
    assert later - now <= 0.15 + 1e-9


def test_a_full_claim_is_followed_by_the_next_at_once() -> None:
    """Where there was enough, there is more: no pause, as soon as a worker is free."""
    one = pacing()
    brings(one, 0, 4)
    one.finished(0)
    assert one.wanted(0) == 1


def test_news_that_no_message_announces_is_awaited() -> None:
    """What can be claimed a moment later shortens the pause, but not below the shortest."""
    one = pacing()
    pauses(one, 30, 0.5)
    now = one.wakes() or 0.0
    brings(one, now, 0, news=0.7)
    assert one.wakes() == pytest.approx(now + 0.7)
    brings(one, now + 0.7, 0, news=0.0)
    assert one.wakes() == pytest.approx(now + 0.8)


# --- outages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_an_outage_begins_once_and_ends(error: Exception) -> None:
    """Of failures in a row the first is the beginning; with the first success it is over."""
    one = pacing()
    assert [fails(one, error) for _ in range(5)] == [True, False, False, False, False]
    assert one.outage_since == 0
    assert not one.is_over(10**9)
    brings(one, one.wakes() or 0, 0)
    assert fails(one, error), "the next one begins"


def fails(one: Pacing, error: BaseException, chance: float = 1.0) -> bool:
    """Let the next claim fail; tell whether an outage began."""
    now = one.wakes() or 0.0
    assert one.wanted(now)
    one.asked()
    return one.claim_failed(now, error, chance)


def test_the_storage_is_asked_ever_less_often_while_it_fails() -> None:
    """0.2, 0.4, 0.8 s … up to five, times chance; and never without a pause."""
    one, waits = pacing(), []
    for _ in range(12):
        before = one.wakes() or 0.0
        fails(one, ThrottledError("too fast"))
        waits.append((one.wakes() or 0.0) - before)
    assert waits == pytest.approx([0.2 * 2**n for n in range(5)] + [5] * 7)
    fails(one, ThrottledError("too fast"), chance=0.0)
    assert one.wanted((one.wakes() or 0.0) - 0.05) == 0


@given(st.floats(1, 600), st.floats(0, 2), st.integers())
def test_after_an_outage_the_next_claim_follows_within_seconds(
    ends: float, takes: float, seed: int
) -> None:
    """However long it was, whatever chance says: five seconds, and what a failed claim takes."""
    one, now, chance = pacing(), 0.0, random.Random(seed)
    while now < ends:
        assert one.wanted(now)
        one.asked()
        one.claim_failed(now + takes, UnavailableError("no answer"), chance.random())
        now = max(now + takes, one.wakes() or 0.0)
    assert now <= ends + takes + 5.0


def test_the_end_of_a_handler_does_not_end_an_outage() -> None:
    """While the storage fails, a free worker is no reason to ask at once."""
    one = pacing()
    brings(one, 0, 2)
    fails(one, UnavailableError("no answer"))
    one.finished(0.11)
    assert one.wanted(0.11) == 0


@pytest.mark.parametrize("error", FATAL, ids=repr)
def test_what_waiting_does_not_mend_ends_the_consumer(error: BaseException) -> None:
    """Set-up, access and mistakes: no more claims; who still works has its grace."""
    one = pacing()
    brings(one, 0, 1)
    assert not fails(one, error)
    assert one.fatal is error
    assert one.wanted(10) == 0
    assert not one.is_over(10)
    one.finished(11)
    assert one.is_over(11)


def test_credentials_are_fatal_only_at_the_beginning() -> None:
    """Those that were good before are renewed by somebody; those that never were are not."""
    error = CredentialsError("none")
    one = pacing()
    assert not fails(one, error)
    assert one.fatal is error
    other = pacing()
    brings(other, 0, 0)
    assert fails(other, error)
    assert other.fatal is None


# --- the end ---------------------------------------------------------------------------------


def test_an_idle_consumer_ends_at_once() -> None:
    """Nothing is awaited."""
    one = pacing()
    assert not one.is_over(10**9)
    one.stop(0)
    assert one.is_over(0)


def test_handlers_have_their_grace() -> None:
    """It is over when the last has ended, or when the grace has."""
    one = pacing()
    brings(one, 0, 2)
    one.stop(10)
    assert (one.is_over(39.9), one.is_over(40)) == (False, True)
    assert one.wakes() == 40
    one.finished(11)
    assert not one.is_over(11)
    one.finished(12)
    assert one.is_over(12)


def test_a_claim_under_way_is_awaited_and_given_back() -> None:
    """What it brings is not started, and the consumer does not end before it is released."""
    one = pacing()
    one.asked()
    one.stop(0)
    assert not one.is_over(0)
    assert not one.claimed(1, 3, 4, 0.5, NEVER)
    assert not one.is_over(1)
    one.released()
    assert one.is_over(1)


@pytest.mark.parametrize("error", [*PASSING, *FATAL], ids=repr)
def test_a_claim_that_fails_meanwhile_holds_up_nothing(error: BaseException) -> None:
    """The end does not wait for the storage."""
    one = pacing()
    one.asked()
    one.stop(0)
    one.claim_failed(1, error, 0.5)
    assert one.is_over(1)


def test_orders_may_be_repeated() -> None:
    """Only one by force ends it at once, whoever works, and no later one takes that back."""
    one = pacing()
    brings(one, 0, 2)
    ends = []
    for now, force in ((0, False), (1, False), (2, True), (3, False)):
        one.stop(now, force=force)
        ends.append((one.is_forced, one.is_over(now)))
    assert ends == [(False, False), (False, False), (True, True), (True, True)]
    assert one.wakes() == 30, "the grace counts from the first order"


def test_an_order_after_an_error_changes_nothing() -> None:
    """It does not take away the grace of those who work."""
    one = pacing()
    brings(one, 0, 2)
    fails(one, TableNotFoundError("jobs"))
    one.stop(1)
    assert not one.is_forced
    assert not one.is_over(1)


# --- any sequence ----------------------------------------------------------------------------

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


class AnySequence(RuleBasedStateMachine):
    """A runtime that does whatever can happen, and what must hold then."""

    @initialize(
        workers=st.integers(1, 5),
        batch_size=st.sampled_from([1, 3, 250]),
        floor=st.floats(0.001, 1),
        more=st.floats(0, 10),
        grace=st.floats(0, 10),
    )
    def begin(self, workers: int, batch_size: int, floor: float, more: float, grace: float) -> None:
        """Any pace."""
        self.pacing = Pacing(Pace(workers, batch_size, floor, floor + more, grace))
        self.now = 100.0
        self.asked_for = 0
        self.unreleased = False
        self.stopped_at: float | None = None
        self.forced = False

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        """Any while."""
        self.now += seconds

    @rule()
    def wake(self) -> None:
        """The next moment at which there is something to decide."""
        self.now = max(self.now, self.pacing.wakes() or 0)

    @precondition(lambda self: self.pacing.wanted(self.now))
    @rule()
    def claim(self) -> None:
        """Ask for what is wanted."""
        one, pace = self.pacing, self.pacing.pace
        self.asked_for = one.wanted(self.now)
        assert 0 < self.asked_for <= min(250, (pace.workers - one.busy) * pace.batch_size)
        assert self.stopped_at is None
        assert not one.is_claiming
        one.asked()

    @precondition(lambda self: self.asked_for)
    @rule(share=st.floats(0, 1), chance=chances, news=st.floats(0, 100))
    def succeed(self, share: float, chance: float, news: float) -> None:
        """The claim brings some of them."""
        one, pace = self.pacing, self.pacing.pace
        count, wanted = round(share * self.asked_for), self.asked_for
        self.asked_for = 0
        starts = one.claimed(self.now, count, wanted, chance, news)
        assert starts == (self.stopped_at is None)
        assert one.outage_since is None
        if not starts:
            self.unreleased = count > 0
            return
        for _ in range(-(-count // pace.batch_size)):
            one.started()
        wakes = one.wakes()
        if not count and wakes is not None:
            assert pace.floor * 0.999 <= wakes - self.now <= pace.ceiling * 1.001

    @precondition(lambda self: self.asked_for)
    @rule(error=st.sampled_from([*PASSING, *FATAL]), chance=chances)
    def fail(self, error: BaseException, chance: float) -> None:
        """The claim fails."""
        before = self.pacing.outage_since
        self.asked_for = 0
        begins = self.pacing.claim_failed(self.now, error, chance)
        if error in FATAL:
            assert self.pacing.fatal is error
            self.stopped_at = self.now if self.stopped_at is None else self.stopped_at
        else:
            assert begins == (before is None)
            assert self.pacing.wanted(self.now) == 0

    @precondition(lambda self: self.unreleased)
    @rule()
    def release(self) -> None:
        """What came too late is given back."""
        self.unreleased = False
        self.pacing.released()

    @precondition(lambda self: self.pacing.busy)
    @rule()
    def finish(self) -> None:
        """A handler ends."""
        self.pacing.finished(self.now)

    @rule(force=st.booleans())
    def stop(self, force: bool) -> None:
        """Somebody wants an end."""
        self.forced = self.forced or force
        self.stopped_at = self.now if self.stopped_at is None else self.stopped_at
        self.pacing.stop(self.now, force=force)

    @invariant()
    def it_ends_when_it_should(self) -> None:
        """Over: after an order or an error, when all is done, forced, or the grace has ended."""
        one = self.pacing
        assert 0 <= one.busy <= one.pace.workers
        if self.stopped_at is None:
            assert not one.is_over(self.now)
            return
        assert one.wanted(self.now) == 0
        done = not one.busy and not self.asked_for and not self.unreleased
        late = self.now >= self.stopped_at + one.pace.grace
        assert one.is_over(self.now) == (done or late or self.forced)

    @invariant()
    def it_never_sleeps_for_ever(self) -> None:
        """Unless all workers are busy or an answer is awaited, there is a time to wake at."""
        one = self.pacing
        if not one.is_claiming and one.free:
            assert one.wakes() is not None


AnySequence.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestAnySequence = AnySequence.TestCase

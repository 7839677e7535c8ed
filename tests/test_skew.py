"""The estimate of the clock's offset: never off by more than it says, and soon good."""

from __future__ import annotations

import pytest
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from dynamomq.drivers.skew import DRIFT, SLACK, UNKNOWN, ClockOffset, Offset, Reading
from dynamomq.timestamps import SECOND

HOUR = 3600 * SECOND
START = 2_208_988_800 * SECOND
PHASES = 30  # parts of a second at which a round of replies is made

offsets = st.integers(-48 * HOUR, 48 * HOUR)
latencies = st.integers(0, 20 * SECOND) | st.integers(0, SECOND // 20)


@frozen
class Reply:
    """A pause, a request, and its reply; in nanoseconds.

    Attributes:
        pause: before the request.
        there: how long the request takes to where the time is read.
        back: how long the reply takes from there.
        error: by how much the server's clock is ahead of the others.
        drift: by how much our clock is too fast meanwhile, in parts per million.
    """

    pause: int
    there: int
    back: int
    error: int = 0
    drift: int = 0


replies = st.builds(
    Reply,
    st.integers(0, HOUR) | st.integers(0, SECOND),
    latencies,
    latencies,
    st.integers(-SLACK, SLACK),
    # The estimate reckons with our clock's seconds, which differ a little from the true ones.
    st.integers(-DRIFT + 1, DRIFT - 1),
)


@define
class World:
    """A service, a clock of ours, and the estimate that is made of their difference.

    Attributes:
        offset: the service's time minus ours: what is to be found.
        true: the service's time.
        asleep: for how long our machine was suspended so far.
    """

    offset: int
    true: int = START
    asleep: int = 0
    estimate: ClockOffset = field(factory=ClockOffset)

    @property
    def local(self) -> Reading:
        """What our clocks show."""
        return Reading(self.true - self.offset, self.true - self.asleep)

    def pass_time(self, duration: int, drift: int = 0) -> None:
        """Let time pass, while our clock is too fast by ``drift`` parts per million."""
        self.true += duration
        self.offset -= duration * drift // 1_000_000

    def suspend(self, duration: int) -> None:
        """Let time pass while our machine is suspended: its steady clock does not count it."""
        self.true += duration
        self.asleep += duration

    def reply(self, reply: Reply, jump: int = 0, sleep: int = 0) -> None:
        """Get a reply; under way our clock is set forward by ``jump``, or we are suspended."""
        self.pass_time(reply.pause, reply.drift)
        sent = self.local
        self.pass_time(reply.there, reply.drift)
        date = (self.true + reply.error) // SECOND * SECOND
        self.offset -= jump
        self.suspend(sleep)
        self.pass_time(reply.back, reply.drift)
        self.estimate.observe(date, sent=sent, received=self.local)

    def round(self, latency: int = 0) -> None:
        """Get replies that are made at all phases of a second, in half a minute."""
        for _ in range(PHASES + 1):
            self.reply(Reply(SECOND + SECOND // PHASES - latency, latency // 2, latency // 2))

    @property
    def found(self) -> Offset:
        """What is estimated."""
        return self.estimate.at(self.local)

    @property
    def error(self) -> int:
        """How far a corrected clock is off."""
        return abs(self.offset - self.found.nanoseconds)

    @property
    def uncertainty(self) -> int:
        """How far it is said to be off at most."""
        assert self.found.uncertainty is not None, "there has been a reply"
        return self.found.uncertainty


def best(latency: int = 0) -> int:
    """How good an estimate must be after a round of replies."""
    drifted = 2 * (PHASES + 2) * (SECOND + SECOND // PHASES) * DRIFT // 1_000_000
    return 2 * SLACK + SECOND // PHASES + latency + drifted


def test_without_a_reply_nothing_is_corrected() -> None:
    """As long as nothing is known, the clock is left as it is, and that is said."""
    assert ClockOffset().at(Reading(START, 0)) == UNKNOWN == Offset(0, None)


@given(offset=offsets, series=st.lists(replies, min_size=1, max_size=30))
def test_the_true_offset_is_within_the_bounds(offset: int, series: list[Reply]) -> None:
    """Whatever latencies, pauses, drift and servers' clocks are: it is as near as is said.

    Nor is the clock ever corrected by more than it is off, or in the wrong direction.
    """
    world = World(offset)
    for reply in series:
        world.reply(reply)
        assert world.error <= world.uncertainty
        low, high = sorted((0, world.offset))
        assert low <= world.found.nanoseconds <= high


@given(offset=offsets, series=st.lists(replies, max_size=10), idle=st.integers(0, 48 * HOUR))
def test_what_was_known_ages(offset: int, series: list[Reply], idle: int) -> None:
    """Without replies the estimate stays right while the clock drifts, by saying less."""
    world = World(offset)
    for reply in [*series, Reply(0, 0, 0)]:
        world.reply(reply)
    before, since = world.uncertainty, world.local
    world.pass_time(idle, DRIFT - 1)
    assert world.error <= world.uncertainty
    widened = 2 * ((world.local.wall - since.wall) * DRIFT // 1_000_000 + 2)
    assert before <= world.uncertainty <= before + widened


@given(offset=offsets, latency=st.integers(0, SECOND // 4))
def test_one_reply_tells_the_time_to_a_second(offset: int, latency: int) -> None:
    """After one reply the uncertainty is a second, the round trip, and the slack."""
    world = World(offset)
    world.reply(Reply(0, latency, latency))
    assert SECOND <= world.uncertainty <= SECOND + 2 * SLACK + 2 * latency + SECOND // 1000


@given(offset=offsets, latency=st.integers(0, SECOND // 4))
def test_thirty_replies_tell_it_to_a_fraction(offset: int, latency: int) -> None:
    """Replies at all phases of a second bring it down to little more than the slack."""
    world = World(offset)
    world.round(latency)
    assert world.error <= world.uncertainty <= best(latency)


@given(offset=st.integers(-SLACK, SLACK), series=st.lists(replies, max_size=10))
def test_a_clock_that_agrees_is_not_touched(offset: int, series: list[Reply]) -> None:
    """Within the slack of the service's clocks there is nothing to correct."""
    world = World(0)
    for reply in series:
        world.reply(Reply(reply.pause, reply.there, reply.back, error=offset))
        assert world.found.nanoseconds == 0


@given(
    offset=offsets,
    jump=st.one_of(st.integers(5 * SECOND, 48 * HOUR), st.integers(-48 * HOUR, -5 * SECOND)),
    latency=st.integers(0, SECOND // 4),
)
def test_a_jump_of_hours_is_mended_by_the_next_reply(offset: int, jump: int, latency: int) -> None:
    """After the clock was set, one reply is enough to be as good as after the first."""
    world = World(offset)
    world.round()
    world.offset -= jump
    world.reply(Reply(0, latency, latency))
    assert world.error <= world.uncertainty
    assert world.uncertainty <= SECOND + 2 * SLACK + 2 * latency + SECOND // 1000


@given(offset=offsets, jump=st.integers(-5 * SECOND, 5 * SECOND))
def test_a_small_jump_is_mended_by_a_round_of_replies(offset: int, jump: int) -> None:
    """One that is too small to contradict the next reply is found out by those that follow."""
    world = World(offset)
    world.round()
    world.offset -= jump
    world.round()
    assert world.error <= max(world.uncertainty, best())


@given(offset=offsets, jump=st.integers(-48 * HOUR, -10 * SECOND), latency=st.integers(0, SECOND))
def test_a_clock_set_back_during_a_request_makes_uncertain(
    offset: int, jump: int, latency: int
) -> None:
    """How long the request took is not known then: a minute is reckoned with, until the next."""
    world = World(offset)
    world.round()
    world.reply(Reply(0, latency, latency), jump)
    assert world.error <= world.uncertainty
    assert 60 * SECOND < world.uncertainty < 63 * SECOND
    world.reply(Reply(0, latency, latency))
    assert world.error <= world.uncertainty < 5 * SECOND


@pytest.mark.parametrize("jump", [-7 * HOUR, 7 * HOUR])
def test_a_jump_forward_or_back_is_followed_at_once(jump: int) -> None:
    """From then on a clock that was right is corrected by what it was set wrong."""
    world = World(0)
    world.round()
    world.offset -= jump
    world.reply(Reply(0, 0, 0))
    assert abs(world.found.nanoseconds + jump) <= SECOND + 2 * SLACK
    world.round()
    assert abs(world.found.nanoseconds + jump) <= best()


LIE = st.integers(5 * SECOND, 48 * HOUR) | st.integers(-48 * HOUR, -5 * SECOND)


@given(offset=offsets, lies=st.lists(LIE, min_size=1, max_size=5), latency=st.integers(0, SECOND))
def test_one_reply_that_contradicts_is_not_believed(
    offset: int, lies: list[int], latency: int
) -> None:
    """While our own clocks agree, replies with a wrong time, one now and then, move nothing."""
    world = World(offset)
    for lie in lies:
        world.round()
        world.reply(Reply(0, latency, latency, error=lie))
        assert world.error <= world.uncertainty <= best()


@given(offset=offsets, change=LIE)
def test_a_second_one_confirms_it(offset: int, change: int) -> None:
    """What two replies in a row say is believed, though nothing of ours shows why."""
    world = World(offset)
    world.round()
    for _ in range(2):
        world.reply(Reply(0, 0, 0, error=change))
    off = abs(world.offset + change - world.found.nanoseconds)
    assert off <= world.uncertainty < 2 * SECOND


jumps = st.integers(SECOND, 48 * HOUR)


@given(offset=offsets, jump=jumps, latency=st.integers(0, SECOND), sleeps=st.booleans())
def test_a_clock_set_forward_during_a_request_makes_uncertain(
    offset: int, jump: int, latency: int, sleeps: bool
) -> None:
    """It looks like a suspended machine, and the other way round; neither is guessed at."""
    world = World(offset)
    world.round()
    world.reply(Reply(0, latency, latency), *((0, jump) if sleeps else (jump, 0)))
    assert world.error <= world.uncertainty
    assert world.uncertainty >= jump
    world.reply(Reply(0, latency, latency))
    assert world.error <= world.uncertainty < 4 * SECOND


@given(offset=offsets, jump=jumps | jumps.map(lambda one: -one), sleeps=st.booleans())
def test_a_clock_set_between_replies_makes_uncertain(offset: int, jump: int, sleeps: bool) -> None:
    """The time is known badly at once, and not only from the next reply on."""
    world = World(offset)
    world.round()
    if sleeps:
        world.suspend(abs(jump))
    else:
        world.offset -= jump
    assert world.error <= world.uncertainty
    assert world.uncertainty >= abs(jump)

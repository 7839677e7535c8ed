"""Where a receiver of a queue with shards looks (SHARD-4), and what that costs: virtual time."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, field

from dynamomq import Queue, QueueType
from dynamomq.consumer.fetcher import Strategy, strategy_of
from dynamomq.consumer.pacing import Pace, Pacing
from dynamomq.errors import DynamoMQError, ThrottledError
from dynamomq.operations import Load, Traffic
from dynamomq.requests import Moment, Query
from dynamomq.testing import Chance, FaultyEngine
from dynamomq.timestamps import SECOND
from tests.support.clock import ManualClock
from tests.support.figures import figures
from tests.support.modelled import ModelledEngine

SHARDS = 16
NAMES = ("STANDARD", *(f"STANDARD.{shard}" for shard in range(SHARDS)))
NOW = 2 * 10**18
MOST_REQUESTS = 1.5
"""A poll of an idle queue of 16 shards, on average and after warm-up."""


# --- the order of looks ----------------------------------------------------------------------


def moment(seconds: float = 0, chance: float = 0.5) -> Moment:
    """A time."""
    return Moment(NOW + round(seconds * SECOND), (), "", chance)


def looked(traffic: Traffic, partitions: Sequence[str], at: Moment) -> Sequence[str]:
    """Look where it is time to, and find nothing."""
    due = traffic.due(partitions, at)
    for one in due:
        traffic.looked(one, at.now)
    return due


def test_the_only_partition_is_always_due() -> None:
    """Without shards nothing is remembered, and no pause is shortened."""
    traffic = Traffic()
    for seconds in (0, 0.1, 1):
        assert looked(traffic, NAMES[:1], moment(seconds)) == NAMES[:1]
    assert traffic.pause(3600 * SECOND) == 3600 * SECOND


def test_at_first_it_looks_everywhere() -> None:
    """In an order of its own: others begin elsewhere."""
    orders = [Traffic().due(NAMES, moment(chance=chance)) for chance in (0.1, 0.2, 0.3)]
    assert all(sorted(order) == sorted(NAMES) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_then_at_one_after_the_other() -> None:
    """Each poll looks at one that was not looked at for the longest; a round sees all."""
    traffic = Traffic()
    first = looked(traffic, NAMES, moment())
    turns = [looked(traffic, NAMES, moment(0.1 * (poll + 1))) for poll in range(len(NAMES))]
    assert [one for turn in turns for one in turn] == list(first)
    assert max(map(len, turns)) == 1


def test_who_was_away_looks_everywhere_again() -> None:
    """After a round without a look, all of them are due."""
    traffic = Traffic()
    looked(traffic, NAMES, moment())
    assert len(looked(traffic, NAMES, moment(4.9))) == 1
    assert len(looked(traffic, NAMES, moment(5))) == len(NAMES) - 1


def test_where_something_was_it_looks_each_time() -> None:
    """For a round after the last find, and before it looks elsewhere."""
    traffic = Traffic()
    looked(traffic, NAMES, moment())
    traffic.found("STANDARD.7", moment().now)
    traffic.found("STANDARD.3", moment().now)
    for seconds in (1, 2, 3, 4):
        due = looked(traffic, NAMES, moment(seconds))
        assert {*due[:2]} == {"STANDARD.3", "STANDARD.7"}
        assert len(due) == 3
    assert "STANDARD.7" not in looked(traffic, NAMES, moment(5))[:1]


def test_those_with_traffic_take_turns_and_forget_nobody() -> None:
    """Who is content with the first one that is due gets round to all of them."""
    traffic = Traffic()
    looked(traffic, NAMES, moment())
    seen = []
    for poll in range(200):
        at = moment(0.1 * poll)
        for one in ("STANDARD.1", "STANDARD.2"):
            traffic.found(one, at.now)
        first = traffic.due(NAMES, at)[0]
        traffic.looked(first, at.now)
        seen.append(first)
    assert {*seen} == {*NAMES}
    assert abs(seen.count("STANDARD.1") - seen.count("STANDARD.2")) <= 2
    assert seen.count("STANDARD.1") > 70


def test_new_shards_are_looked_at_soon() -> None:
    """They have never been, so it is their turn."""
    traffic = Traffic()
    looked(traffic, NAMES[:3], moment())
    assert {*looked(traffic, NAMES[:5], moment(0.1))} == {*NAMES[3:5]}


def test_a_clock_that_is_set_back_costs_a_look() -> None:
    """What was looked at in the future was not looked at."""
    traffic = Traffic()
    looked(traffic, NAMES, moment())
    traffic.found("STANDARD.1", moment().now)
    assert {*looked(traffic, NAMES, moment(-3600))} == {*NAMES}


# --- what idle polling costs -----------------------------------------------------------------


@define(eq=False)
class Spread:
    """A queue with 16 shards whose requests are counted, and the time."""

    clock: ManualClock = field(factory=lambda: ManualClock(chance=Chance(1)))
    engine: ModelledEngine = field(init=False)
    queue: Queue[Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.engine = ModelledEngine(self.clock.surroundings())
        self.queue = Queue("jobs", engine=self.engine)
        self.queue.create_table(shards=SHARDS)

    @property
    def requests(self) -> int:
        """All requests so far."""
        return sum(self.engine.read().requests.values())


def record(note: Callable[[str, object], None], way: str, requests: int, polls: int) -> None:
    """Have the figures shown at the end of the tests."""
    note("figures", figures("idle polling", {way: {"requests": requests, "polls": polls}}))


def test_an_idle_wait_costs_little_more_than_a_request_a_poll(
    record_property: Callable[[str, object], None],
) -> None:
    """receive(wait=…), again and again: its looks everywhere and all else included."""
    spread = Spread()
    spread.queue.receive(wait=20)
    before, polls = spread.requests, len(spread.clock.naps)
    for _ in range(9):
        assert spread.queue.receive(wait=20) == []
        polls -= 1  # the look before the first pause
    polls = len(spread.clock.naps) - polls
    assert polls > 9 * 20 / 5 * SHARDS / 2
    assert (spread.requests - before) / polls <= MOST_REQUESTS
    record(record_property, "receive(wait=20)", spread.requests - before, polls)


def test_a_wait_sees_every_shard_within_a_round() -> None:
    """Whatever shard a message comes into, who waits has it in five seconds and a pause."""
    spread = Spread()
    for number in range(2 * SHARDS):
        sent = spread.clock.now + 30 * SECOND
        spread.queue.send("payload", id=f"m{number}", delay=30)
        (message,) = spread.queue.receive(wait=60)
        assert message.id == f"m{number}"
        assert spread.clock.now - sent <= 6 * SECOND
        spread.queue.delete(message)


@pytest.mark.parametrize("steal_after", [SECOND, None], ids=["together", "alone"])
@pytest.mark.parametrize("ceiling", [5, 20])
def test_an_idle_consumer_costs_little_more_than_a_request_a_poll(
    ceiling: float, steal_after: int | None, record_property: Callable[[str, object], None]
) -> None:
    """The consumer's own pacing and strategy; its lease is renewed meanwhile."""
    spread = Spread()
    idle = Idle(spread, ceiling, steal_after)
    idle.last(2 * ceiling)
    before, idle.polls = spread.requests, 0
    idle.last(300)
    assert idle.polls > 300 / ceiling * SHARDS / 2
    assert (spread.requests - before) / idle.polls <= MOST_REQUESTS
    way = "alone" if steal_after is None else "together"
    record(record_property, f"consumer {way}, {ceiling} s", spread.requests - before, idle.polls)


@pytest.mark.parametrize("steal_after", [SECOND, None], ids=["together", "alone"])
def test_a_consumer_sees_every_shard_within_its_longest_pause(steal_after: int | None) -> None:
    """So a message waits no longer than without shards, wherever it is."""
    spread = Spread()
    idle = Idle(spread, 5, steal_after)
    idle.last(30)
    for number in range(SHARDS):
        sent = spread.clock.now
        spread.queue.send("payload", id=f"m{number}")
        assert idle.last(60) == [f"m{number}"]
        assert spread.clock.now - sent <= 6 * SECOND
        spread.clock.advance(7)


@define(eq=False)
class Idle:
    """What a consumer with eight workers does who have nothing to do."""

    spread: Spread
    ceiling: float
    steal_after: int | None
    polls: int = 0
    strategy: Strategy = field(init=False)
    pacing: Pacing = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.strategy = strategy_of(
            self.spread.queue,
            QueueType.STANDARD,
            None,
            self.steal_after,
            round(self.ceiling * SECOND),
        )
        self.pacing = Pacing(Pace(8, 1, 0.1, self.ceiling, 30))

    def last(self, seconds: float) -> list[str]:
        """Go on for so long, or until something is claimed; return the ids."""
        clock, queue = self.spread.clock, self.spread.queue
        until = clock.now + round(seconds * SECOND)
        while clock.now < until:
            self.polls += 1
            messages = queue.run(self.strategy.claim(8, Load()))
            news_in = self.strategy.looks_again(clock.now) / SECOND
            now = clock.now / SECOND
            self.pacing.claimed(now, len(messages), 8, queue.surroundings.chance(), news_in)
            wakes = self.pacing.wakes()
            assert wakes is not None
            clock.advance(max(0.001, wakes - now))
            if messages:
                queue.delete_batch(messages)
                return [message.id for message in messages]
        return []


# --- trouble ---------------------------------------------------------------------------------


def test_a_shard_that_can_not_be_read_does_not_stand_in_the_way() -> None:
    """A poll that fails is raised; the next one begins with another shard."""
    spread = Spread()
    hurt = "STANDARD.3"
    queue: Queue[Any] = Queue("jobs", engine=FaultyEngine(spread.engine))
    spread.queue.send_batch([f"payload {number}" for number in range(40)])
    store = queue._driver.store

    def failing(request: Any) -> Any:
        if isinstance(request, Query) and request.queue == hurt:
            raise ThrottledError("slow down")
        return store(request)

    queue._driver.store = failing  # type: ignore[method-assign]  # one shard's own trouble
    found: list[str] = []
    failures = 0
    for _ in range(80):
        try:
            found += [message.id for message in queue.receive()]
        except DynamoMQError:
            failures += 1
        spread.clock.advance(0.1)
    there = [one.id for one in spread.queue.list() if one.item["queue_type"] != hurt]
    assert sorted(found) == sorted(there)
    assert failures

"""What users test their own code with: time, chance, queues that are ready."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq import InvalidArgumentError, LocalEngine, Queue
from dynamomq.testing import Chance, Clock, QueueFactory
from tests.testing.acts import table_of

# --- time ------------------------------------------------------------------------------------


def test_a_clock_stands_still_until_it_is_moved() -> None:
    """It shows the same instant again and again, and moves either way, by seconds or timedelta."""
    clock = Clock(datetime(2024, 2, 28, 23, tzinfo=UTC))
    assert clock() == clock() == clock.now
    clock.advance(1800.5)
    clock.advance(timedelta(minutes=30))
    clock.advance(-0.5, nanoseconds=1_000)
    assert clock.moment() == datetime(2024, 2, 29, 0, 0, 0, 1, tzinfo=UTC)
    assert clock.moment(timedelta(days=1)) == datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC)


def test_sleeping_moves_the_clock() -> None:
    """A receive that waits in vain takes no time but the clock's; others may act meanwhile."""
    clock = Clock()
    with LocalEngine(surroundings=clock.surroundings()) as engine:
        queue = QueueFactory(engine)()
        before = clock.now
        assert queue.receive(wait=3600) == []
        assert clock.now - before == pytest.approx(3600 * 1e9)
        assert sum(clock.naps) == pytest.approx(3600)
        clock.while_asleep = lambda: queue.send("meanwhile")
        assert [message.data for message in queue.receive(wait=3600)] == ["meanwhile"]


@pytest.mark.parametrize("now", [datetime(2024, 2, 29), 1.5, "2024-02-29", -(10**30), 10**30])  # noqa: DTZ001 - that there is no time zone is the point
def test_a_clock_shows_instants_only(now: Any) -> None:
    """A datetime without time zone, a text, and what is beyond the calendar are refused."""
    with pytest.raises(InvalidArgumentError, match="now="):
        Clock(now)


@pytest.mark.parametrize("seconds", ["1", None, float("nan"), float("inf"), 10**400, 10**12])
def test_a_clock_moves_by_durations_only(seconds: Any) -> None:
    """What is no duration, or leads out of the calendar, is refused, and the clock stands still."""
    clock = Clock()
    before = clock.now
    with pytest.raises(InvalidArgumentError):
        clock.advance(seconds)
    assert clock.now == before


# --- chance ----------------------------------------------------------------------------------


@given(st.integers(0, 2**64 - 1))
def test_chance_has_the_form_of_chance(seed: int) -> None:
    """Tokens, ids and numbers look as in production, and hardly any two are equal."""
    chance, now = Chance(seed), Clock().now
    tokens = [chance.token() for _ in range(10)]
    assert all(re.fullmatch(r"[\w-]{22}", token) for token in tokens)
    assert len(set(tokens)) == len(tokens)
    assert all(0 <= chance.number() < 1 for _ in range(10))
    ids = [chance.new_id(now) for _ in range(10)]
    assert ids == sorted(set(ids))
    for id in map(UUID, ids):
        assert (id.version, id.variant, id.int >> 80) == (7, UUID(ids[0]).variant, now // 10**6)


def test_a_seed_decides_chance() -> None:
    """The same seed takes the same steps, down to every token; another seed takes others."""

    def life(seed: int) -> dict[str, Any]:
        clock = Clock(chance=Chance(seed))
        with LocalEngine(surroundings=clock.surroundings()) as engine:
            queue = QueueFactory(engine)(send=["a", "b", "c"])
            queue.receive(2, wait=5)
            return table_of(queue, engine)

    assert life(7) == life(7)
    assert life(7).keys().isdisjoint(life(8))


def test_without_a_seed_chance_is_real() -> None:
    """Two clocks that were given no chance share no token, so their engines may share a table."""
    first, second = (Clock().surroundings() for _ in range(2))
    assert first.token() != second.token()
    assert first.new_id(first.clock()) != second.new_id(second.clock())


@pytest.mark.parametrize("seed", ["7", 1.5, -1, True, None])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    """What is no seed is refused."""
    with pytest.raises(InvalidArgumentError, match="seed="):
        Chance(seed)


# --- queues ----------------------------------------------------------------------------------


def test_a_factory_makes_queues_that_are_ready() -> None:
    """The table is there and holds what was to be sent, in this order; settings are passed on."""
    clock = Clock(chance=Chance())
    with LocalEngine(surroundings=clock.surroundings()) as engine:
        make_queue = QueueFactory(engine)
        queue = make_queue("numbers", payload=int, send=range(5), visibility_timeout=5)
        assert_type(queue, Queue[int])
        received = queue.receive(10)
        assert [message.data for message in received] == [0, 1, 2, 3, 4]
        assert received[0].due_at == clock.moment(5)
        other = make_queue("numbers")
        assert_type(other, Queue[Any])
        assert (other.table, other.stats().standard.processing) == ("numbers", 5)

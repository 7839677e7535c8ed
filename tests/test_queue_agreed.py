"""How clients read and make what they agree on (AGREE-2, -4) when things go wrong."""

from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event, Thread
from typing import Any

import pytest

from dynamomq import (
    ConflictError,
    LocalEngine,
    Queue,
    TableNotFoundError,
    UnavailableError,
)
from dynamomq.drivers.base import Driver
from dynamomq.requests import Get, Request
from dynamomq.reserved import AGREEMENT_ID
from dynamomq.testing import Clock, Faults, FaultyEngine
from tests.integration.scene import Between, Fronted


@pytest.fixture
def clock() -> Clock:
    """The clients' time."""
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> Iterator[FaultyEngine]:
    """An engine in memory."""
    with closing(FaultyEngine(LocalEngine(surroundings=clock.surroundings()))) as opened:
        yield opened


@pytest.fixture
def faults(engine: FaultyEngine) -> Faults:
    """What goes wrong."""
    return engine.faults


@pytest.fixture
def operator(engine: FaultyEngine) -> Queue[Any]:
    """A queue whose clients have agreed on three deliveries."""
    queue: Queue[Any] = Queue("jobs", engine=engine)
    queue.create_table(max_receives=3)
    return queue


class Watched(Between):
    """Something happens after each look at what is agreed on."""

    def __init__(self, inner: Driver, then: Callable[[], object]) -> None:
        super().__init__(inner)
        self.then = then

    def store(self, request: Request[Any]) -> Any:
        """Pass the request on, and let it happen."""
        reply = super().store(request)
        if isinstance(request, Get) and request.id == AGREEMENT_ID:
            self.then()
        return reply


def watched(engine: FaultyEngine, then: Callable[[], object]) -> Queue[Any]:
    """A client whose looks are accompanied."""
    return Queue("jobs", engine=Fronted(engine, lambda driver: Watched(driver, then)))


# --- reading it ------------------------------------------------------------------------------


def test_the_first_look_is_repeated_where_the_storage_is_busy(
    operator: Queue[Any], engine: FaultyEngine, faults: Faults
) -> None:
    """Like every request, it is sent again."""
    assert operator.settings.max_receives == 3
    with faults.throttle("get", times=3):
        assert Queue("jobs", engine=engine).settings.max_receives == 3


def test_a_client_that_knows_nothing_does_nothing(
    operator: Queue[Any], engine: FaultyEngine, faults: Faults
) -> None:
    """Where the first look fails, so does the call; the next one looks again."""
    queue: Queue[Any] = Queue("jobs", engine=engine)
    with faults.time_out("get", executed=False), pytest.raises(UnavailableError):
        queue.send("payload", id="m")
    assert operator.stats().standard.total == 0
    queue.send("payload", id="m")
    assert queue.settings.max_receives == 3


def test_a_later_look_that_fails_changes_nothing(
    operator: Queue[Any], engine: FaultyEngine, faults: Faults, clock: Clock
) -> None:
    """The client goes on with what it knows, without a pause, and looks again in ten seconds."""
    queue: Queue[Any] = Queue("jobs", engine=engine)
    assert queue.settings.max_receives == 3
    operator.create_table(max_receives=2)
    clock.advance(60)
    with faults.time_out("get", executed=False):
        queue.send("payload")
    assert queue.settings.max_receives == 3
    assert clock.naps == []
    clock.advance(9.9)
    assert queue.settings.max_receives == 3
    clock.advance(0.1)
    assert queue.settings.max_receives == 2


def test_new_shards_are_used_in_time_although_looks_fail(
    operator: Queue[Any], engine: FaultyEngine, faults: Faults, clock: Clock
) -> None:
    """Who knows from when on there are more goes by that, whether it can look again or not."""
    operator.create_table(shards=4)
    queue: Queue[Any] = Queue("jobs", engine=engine)
    assert (queue.settings.shards, queue.settings.visited) == (1, 4)
    with faults.time_out("get", executed=False, times=15):
        for _ in range(15):
            clock.advance(10)
            assert queue.settings.visited == 4
        assert queue.settings.shards == 4
        for _ in range(5):
            clock.advance(10)
            assert queue.settings.shards == 4


def test_a_missing_table_is_named(engine: FaultyEngine) -> None:
    """The look at what is agreed on says what any request would say."""
    with pytest.raises(TableNotFoundError, match="absent"):
        Queue("absent", engine=engine).send("payload")


def test_nobody_waits_for_another_threads_look(
    operator: Queue[Any], engine: FaultyEngine, clock: Clock
) -> None:
    """While one thread looks again, the others go on with what is known."""
    looks, goes_on = Event(), Event()
    waits = False

    def wait() -> None:
        if waits:
            looks.set()
            assert goes_on.wait(20)

    queue = watched(engine, wait)
    assert queue.settings.max_receives == 3
    operator.create_table(max_receives=2)
    clock.advance(60)
    waits = True
    seen: list[int | None] = []
    other = Thread(target=lambda: seen.append(queue.settings.max_receives))
    other.start()
    assert looks.wait(20)
    assert queue.settings.max_receives == 3
    goes_on.set()
    other.join(20)
    assert seen == [2]
    assert queue.settings.max_receives == 2


# --- making it -------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", ["agree", "revise"])
def test_a_lost_reply_is_recognised(engine: FaultyEngine, faults: Faults, trigger: str) -> None:
    """It is refused by its own success, and finds that all is as it should be."""
    queue: Queue[Any] = Queue("jobs", engine=engine)
    queue.create_table()
    if trigger == "revise":
        queue.create_table(max_receives=9)
    with faults.lose_reply(trigger):
        queue.create_table(shards=4, max_receives=3)
    assert (queue.settings.visited, queue.settings.max_receives) == (4, 3)
    queue.create_table(max_receives=4)
    version = queue.run(read()).get("version")
    assert version == (2 if trigger == "agree" else 3)


def read() -> Any:
    """Read the item as it is."""
    item = yield Get(AGREEMENT_ID)
    return item


def test_two_operators_do_not_undo_each_others_changes(
    operator: Queue[Any], engine: FaultyEngine
) -> None:
    """Who is overtaken reads again, and changes only what it was asked to."""
    changes = [lambda: operator.create_table(visibility_timeout=7)]
    late = watched(engine, lambda: changes.pop()() if changes else None)
    late.create_table(deduplication_window=900)
    settings = operator.settings
    assert settings.visibility_timeout == 7 * 10**9
    assert settings.max_receives == 3
    assert settings.deduplication_window == 900 * 10**9


def test_who_is_always_overtaken_gives_up(operator: Queue[Any], engine: FaultyEngine) -> None:
    """After a few attempts the error says what to do; nothing was changed."""
    numbers = iter(range(10, 100))
    late = watched(engine, lambda: operator.create_table(max_receives=next(numbers)))
    with pytest.raises(ConflictError, match="again") as error:
        late.create_table(deduplication_window=900)
    assert "create_table()" in error.value.remedy
    assert operator.settings.deduplication_window == 300 * 10**9


def test_fewer_shards_are_refused_though_others_raise_them_meanwhile(
    operator: Queue[Any], engine: FaultyEngine
) -> None:
    """Of two who raise the number, the higher one counts, whoever comes first."""
    changes = [lambda: operator.create_table(shards=8)]
    late = watched(engine, lambda: changes.pop()() if changes else None)
    with pytest.raises(ValueError, match="the queue has 8"):
        late.create_table(shards=4)
    assert operator.settings.visited == 8

"""Faults strike batches: each entry is told what became of itself."""

from collections.abc import Callable
from contextlib import closing
from typing import Any, Literal

import pytest

from dynamomq import (
    BatchResult,
    Entry,
    Message,
    Queue,
    SendResult,
    StaleReceiptError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.errors import InternalError
from dynamomq.testing import Clock, Faults, FaultyEngine
from tests.testing.acts import TIMEOUT, reopened, table_of

Batch = Callable[[Queue[Any], list[Message[Any]]], list[BatchResult[Any]] | list[SendResult[Any]]]

BATCHES: dict[str, Batch] = {
    "send": lambda queue, _: queue.send_batch(Entry(id, id=id) for id in ("x", "y", "z")),
    "delete": lambda queue, held: queue.delete_batch(held),
    "retry": lambda queue, held: queue.retry_batch(held, error="no"),
    "release": lambda queue, held: queue.release_batch(held),
    "extend": lambda queue, held: queue.extend_batch(held, 600),
}
EVERY_BATCH = pytest.mark.parametrize("trigger", BATCHES)


@pytest.fixture
def held(queue: Queue[Any], clock: Clock) -> list[Message[Any]]:
    """Three messages that we hold."""
    queue.send_batch(Entry(id, id=id) for id in ("n", "o"))
    clock.advance(1)
    received = queue.receive(3)
    clock.advance(1)
    return received


def states(queue: Queue[Any]) -> dict[str, tuple[str, int]]:
    """Where each message is, and after how many writes."""
    return {message.id: (message.state, message.version) for message in queue.list(None)}


@EVERY_BATCH
@pytest.mark.parametrize(
    "strike",
    [
        lambda faults: faults.lose_reply("write_batch"),
        lambda faults: faults.fail("write_batch", executed=True),
        lambda faults: faults.fail("write_batch", executed=False, times=4),
        lambda faults: faults.conflict("write_batch"),
    ],
    ids=["reply lost", "fails executed", "fails", "conflict"],
)
def test_trouble_that_passes_is_not_noticed(
    queue: Queue[Any],
    faults: Faults,
    held: list[Message[Any]],
    trigger: str,
    strike: Callable[[Faults], Any],
) -> None:
    """WRITE-3: whatever the request met, each entry has taken place once, and is told so."""
    before = states(queue)
    with strike(faults):
        results = BATCHES[trigger](queue, held)
    assert [result.error for result in results] == [None] * 3
    after = states(queue)
    changed = {id: version for id, (_, version) in after.items() if after[id] != before.get(id)}
    if trigger == "send":
        assert changed == {"x": 1, "y": 1, "z": 1}
    else:
        assert changed == {message.id: message.version + 1 for message in held}


@EVERY_BATCH
def test_what_stays_throttled_fails_alone(
    queue: Queue[Any], faults: Faults, clock: Clock, held: list[Message[Any]], trigger: str
) -> None:
    """BATCH-3: four pauses later one entry has failed, the others have succeeded, once."""
    id = "y" if trigger == "send" else "n"
    naps = len(clock.naps)
    with faults.throttle(trigger, ids=[id], times=5):
        first, throttled, last = BATCHES[trigger](queue, held)
    assert first.ok
    assert last.ok
    assert isinstance(throttled.error, ThrottledError)
    assert len(clock.naps) == naps + 4
    assert states(queue).get(id) == (None if trigger == "send" else ("STANDARD.PROCESSING", 2))


@EVERY_BATCH
@pytest.mark.parametrize("executed", [True, False])
def test_no_reply_at_all_is_each_entrys_failure(
    queue: Queue[Any], faults: Faults, held: list[Message[Any]], trigger: str, executed: bool
) -> None:
    """Nothing is raised, and nobody guesses; called again, each entry takes place once at most."""
    with faults.time_out("write_batch", executed=executed):
        results = BATCHES[trigger](queue, held)
    assert [type(result.error) for result in results] == [UnavailableError] * 3
    again = BATCHES[trigger](queue, held)
    if trigger == "send" and executed:
        assert all(isinstance(one, SendResult) and one.is_duplicate for one in again)
    else:
        assert [result.error for result in again] == [None] * 3


def test_an_outage_ends_with_an_error_for_each(
    queue: Queue[Any], faults: Faults, held: list[Message[Any]]
) -> None:
    """After five attempts the storage's own failure is what each entry is told."""
    with faults.fail("write_batch", executed=False, times=5):
        results = queue.delete_batch(held)
    assert [type(result.error) for result in results] == [InternalError] * 3


def test_a_refusal_that_can_not_be_looked_at(
    queue: Queue[Any], faults: Faults, clock: Clock, held: list[Message[Any]]
) -> None:
    """Without the item nobody knows what the refusal means: that entry fails, no other does."""
    clock.advance(TIMEOUT)
    [theirs] = queue.receive()
    with faults.time_out("get_many", executed=False):
        results = queue.delete_batch(held)
    errors = {result.message.id: type(result.error) for result in results}
    assert errors == {"n": type(None), "o": type(None), "m": type(None)} | {
        theirs.id: UnavailableError
    }
    [again] = queue.delete_batch([one for one in held if one.id == theirs.id])
    assert isinstance(again.error, StaleReceiptError)


def test_a_crash_in_a_stream_keeps_what_was_claimed(
    queue: Queue[Any], faults: Faults, clock: Clock
) -> None:
    """A process that dies in its loop releases nothing: all comes again when its time is over."""
    queue.send("another", id="n")
    clock.advance(1)
    with faults.crash("delete"):
        for message in queue.stream(2, wait=0):
            queue.delete(message)
    _assert_held(queue, clock)


@pytest.mark.parametrize("how", ["closed", "collected", "never closed"])
def test_a_stream_that_outlives_its_process_releases_nothing(
    queue: Queue[Any], faults: Faults, clock: Clock, how: str
) -> None:
    """Whenever what is left of it is cleared away, the storage hears nothing, nor does the test."""
    queue.send("another", id="n")
    clock.advance(1)
    stream = queue.stream(2, wait=0)
    message = next(stream)
    with faults.crash("delete"):
        queue.delete(message)
    if how == "closed":
        stream.close()
    elif how == "collected":
        del stream
    _assert_held(queue, clock)


def test_a_crash_while_a_stream_releases(queue: Queue[Any], faults: Faults, clock: Clock) -> None:
    """Who dies at the release, after an error of its own, has released nothing."""
    queue.send("another", id="n")
    clock.advance(1)
    with (
        faults.crash("release") as fault,
        closing(queue.stream(2, wait=0)) as stream,
    ):
        next(stream)
        raise ZeroDivisionError
    assert fault.happened
    _assert_held(queue, clock)


def test_a_crash_after_half_a_batch(queue: Queue[Any], faults: Faults) -> None:
    """What was throttled is not repeated by the dead: one is claimed, and the other one waits."""
    queue.send("another", id="n")
    faults.throttle("receive", ids=["n"])
    with faults.crash("receive", nth=2):
        queue.receive(2)
    queue = reopened(queue)
    assert (queue.get("m").receive_count, queue.get("n").receive_count) == (1, 0)
    assert [message.id for message in queue.receive(2)] == ["n"]
    faults.check()


@EVERY_BATCH
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_a_batch_ends_all(
    queue: Queue[Any],
    faults: Faults,
    engine: FaultyEngine,
    held: list[Message[Any]],
    trigger: str,
    when: Literal["before", "after"],
) -> None:
    """It took place as a whole or not at all, and what the dead try instead does not."""
    before = table_of(queue, engine)
    table: dict[str, Any] = {}

    def act() -> None:
        try:
            BATCHES[trigger](queue, held)
        except BaseException:
            table.update(table_of(queue, engine.engine))
            for message in held:
                queue.release(message)
            raise

    with faults.crash("write_batch", when=when):
        act()
    assert table_of(queue, engine) == table
    assert (table == before) == (when == "before")


def _assert_held(queue: Queue[Any], clock: Clock) -> None:
    """Two messages come again when their time is over, not before, and the delivery counted."""
    queue = reopened(queue)
    clock.advance(TIMEOUT - 1)
    assert queue.receive(2) == []
    assert {message.version for message in queue.list()} == {2}
    clock.advance(1)
    assert [message.receive_count for message in queue.receive(2)] == [2, 2]

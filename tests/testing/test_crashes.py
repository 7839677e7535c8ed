"""A simulated crash ends the process: what is left of it reaches the storage no more."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any, Literal

import pytest

from dynamomq import ClosedError, InvalidArgumentError, Queue
from dynamomq.testing import Clock, Crash, Faults, FaultyEngine
from tests.testing.acts import TIMEOUT, reopened, work


def test_a_crash_before_delete_leaves_the_message(
    queue: Queue[Any], faults: Faults, clock: Clock
) -> None:
    """A consumer that dies after its handler leaves a held message; it comes again in time."""
    with faults.crash("delete"):
        work(queue)
    queue = reopened(queue)
    assert queue.get("m").state == "STANDARD.PROCESSING"
    assert work(queue) == []
    clock.advance(TIMEOUT)
    assert work(queue) == ["payload"]


def test_a_crash_after_delete_leaves_a_tombstone(
    queue: Queue[Any], faults: Faults, clock: Clock
) -> None:
    """The delete has taken place although nobody knows: the message never comes again."""
    with faults.crash("delete", when="after"):
        work(queue)
    queue = reopened(queue)
    assert queue.get("m").state == "DELETED"
    clock.advance(TIMEOUT)
    assert work(queue) == []


@pytest.mark.parametrize("max_messages", [1, 10])
def test_a_crash_after_receive_leaves_a_claim(
    queue: Queue[Any], faults: Faults, clock: Clock, max_messages: int
) -> None:
    """A claim that nobody got to know lasts until its deadline, in a batch too."""
    queue.send("another", id="n")
    with faults.crash("receive", when="after"):
        queue.receive(max_messages)
    queue = reopened(queue)
    assert queue.get("m").state == "STANDARD.PROCESSING"
    clock.advance(TIMEOUT)
    assert {message.data for message in queue.receive(10)} == {"payload", "another"}


def test_a_crash_is_not_handled_as_an_error(queue: Queue[Any], faults: Faults) -> None:
    """What code does about exceptions does nothing about a crash."""

    def careful_worker() -> None:
        try:
            work(queue)
        except Exception:  # noqa: BLE001 - as handlers do it
            pytest.fail("the crash was taken for an error")

    faults.crash("delete")
    with pytest.raises(Crash, match="right before its delete on table"):
        careful_worker()
    assert faults.unused == ()


def test_a_dead_process_sends_nothing(queue: Queue[Any], faults: Faults) -> None:
    """What runs while a crash unwinds can't reach the storage, nor can it later."""

    def tidy_worker() -> None:
        for message in queue.receive():
            try:
                queue.delete(message)
            finally:
                try:
                    raise ValueError
                except ValueError:
                    queue.release(message)

    with faults.crash("delete"):
        tidy_worker()
    with pytest.raises(Crash):
        queue.purge("STANDARD")
    [left] = reopened(queue).list()
    assert (left.state, left.version) == ("STANDARD.PROCESSING", 2)


def test_a_test_goes_on_with_a_queue_of_its_own(queue: Queue[Any], faults: Faults) -> None:
    """A queue from before the crash is dead for good, and the error says what to do."""
    with faults.crash("get"):
        queue.get("m")
    for _ in range(2):
        with pytest.raises(Crash, match=r"can't send its get .* with a queue that it opens after"):
            queue.get("m")
    assert reopened(queue).get("m").data == "payload"


def test_a_dead_process_opens_nothing(queue: Queue[Any], faults: Faults) -> None:
    """While its crash unwinds, no queue is opened, and the error says where to go on."""

    def go_on_too_early() -> None:
        try:
            queue.get("m")
        except Crash:
            reopened(queue)

    faults.crash("get")
    with pytest.raises(Crash, match=r"can't open table .* after the block"):
        go_on_too_early()
    assert reopened(queue).get("m").data == "payload"


def test_a_dead_process_closes_nothing(
    queue: Queue[Any], faults: Faults, engine: FaultyEngine
) -> None:
    """The storage outlives who wants to close it while the crash unwinds."""
    with faults.crash("get"), closing(engine):
        queue.get("m")
    assert reopened(queue).get("m").data == "payload"
    engine.close()
    with pytest.raises(ClosedError):
        reopened(queue).get("m")


def test_another_process_goes_on(queue: Queue[Any], faults: Faults, engine: FaultyEngine) -> None:
    """Who has another engine in front of the storage notices nothing, not even meanwhile."""
    other = Queue(engine=FaultyEngine(engine.engine))

    def die() -> None:
        try:
            queue.get("m")
        finally:
            other.send("meanwhile", id="n")

    with faults.crash("get"):
        die()
    assert other.get("n").data == "meanwhile"


def test_a_dead_process_uses_up_no_fault(queue: Queue[Any], faults: Faults, clock: Clock) -> None:
    """What it can't send is not counted: the next fault strikes the next process."""
    [held] = queue.receive()
    fault = faults.crash("release", nth=2)
    with faults.crash("get"):
        queue.get("m")
    for _ in range(3):
        with pytest.raises(Crash, match="has died"):
            queue.release(held)
    queue = reopened(queue)
    queue.release(held)
    clock.advance(1)
    [held] = queue.receive()
    with fault:
        queue.release(held)
    assert reopened(queue).get("m").state == "STANDARD.PROCESSING"


def test_the_threads_of_a_dead_process_send_nothing(queue: Queue[Any], faults: Faults) -> None:
    """A crash in one thread ends what the others would send, whenever they get to it."""
    [held] = queue.receive()
    died = Event()

    def heartbeat() -> None:
        assert died.wait(20)
        queue.extend(held, 60)

    with ThreadPoolExecutor(1) as pool:
        beat = pool.submit(heartbeat)
        with faults.crash("delete"):
            queue.delete(held)
        died.set()
        with pytest.raises(Crash, match="can't send its extend"):
            beat.result()
    assert reopened(queue).get("m").version == held.version


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_block_has_one_crash(
    queue: Queue[Any], faults: Faults, when: Literal["before", "after"]
) -> None:
    """A crash ends its block, so a block for several is refused at once, and arms nothing."""
    expected = r"times=2: a crash ends its block.*Use a block for each crash"
    with (
        pytest.raises(InvalidArgumentError, match=expected),
        faults.crash("get", when=when, times=2),
    ):
        pytest.fail("the block has begun")
    assert faults.unused == ()
    assert queue.get("m").data == "payload"


def test_several_crashes_are_armed_without_a_block(queue: Queue[Any], faults: Faults) -> None:
    """Without ``with``, crashes happen as often as they were asked for, to as many processes."""
    faults.crash("get", times=2)
    for _ in range(2):
        with pytest.raises(Crash, match="right before"):
            queue.get("m")
        queue = reopened(queue)
    assert queue.get("m").data == "payload"
    faults.check()

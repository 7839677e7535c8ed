"""A message that kills its process takes others with it; these must not become dead letters too."""

import threading
from typing import Any

import pytest

from dynamomq import Constant, Delivery, Message, Queue
from dynamomq.consumer.outcomes import Judge
from dynamomq.machine import QueueType
from dynamomq.payload import codec_for
from dynamomq.testing import FaultyEngine
from tests.consumer.support import PATIENCE, TABLE, eventually, opened, running


def message(receive_count: int, *failed: int) -> Message[Any]:
    """A message in this delivery, of which these earlier ones were answered by a failure."""
    errors = [{"type": "E", "message": "", "delivery": one} for one in failed]
    item: Any = {"id": "m", "receive_count": receive_count, "errors": errors}
    return Message(item, "STANDARD.PROCESSING", codec_for(None), TABLE)


def test_the_last_delivery_after_one_without_an_answer_is_risky() -> None:
    """One that is not the last, or comes after a failure that was told, is like any other."""
    judge = Judge(QueueType.STANDARD, 3, Constant(0))
    assert judge.is_risky(message(3))
    assert judge.is_risky(message(3, 1))
    assert not judge.is_risky(message(3, 1, 2))
    assert not judge.is_risky(message(2))
    assert not Judge(QueueType.STANDARD, 1, Constant(0)).is_risky(message(1))
    assert not Judge(QueueType.STANDARD, None, Constant(0)).is_risky(message(9))
    assert not Judge(QueueType.DLQ, 3, Constant(0)).is_risky(message(3))


def died(queue: Queue[Any], count: int) -> None:
    """Have so many messages received together by somebody who then died."""
    messages = queue.receive(count, visibility_timeout=0.01)
    assert len(messages) == count
    expired = "STANDARD.EXPIRED"
    eventually("their deadlines", lambda: {one.state for one in queue.list()} == {expired})


@pytest.mark.parametrize("cooperate", [True, False])
def test_risky_messages_are_handled_apart(storage: FaultyEngine, cooperate: bool) -> None:
    """One at a time in a process, beside any others; no delivery of the waiting ones is used up."""
    queue = opened(storage, send=4, max_receives=2)
    died(queue, 4)
    for number in range(3):
        queue.send("work", id=f"new-{number}")
    lock, at_work = threading.Lock(), set[str]()
    together: list[set[str]] = []

    def handle(delivery: Delivery[Any]) -> None:
        with lock:
            at_work.add(delivery.id)
            together.append({id for id in at_work if id.startswith("m")})
        threading.Event().wait(0.02)  # so that others may join
        with lock:
            at_work.discard(delivery.id)

    with running(queue, handle, concurrency=8, cooperate=cooperate) as consumer:
        eventually("the end of all", lambda: not queue.stats().standard.total)
        summary = consumer.stopped()
    assert max(map(len, together)) == 1
    assert (summary.succeeded, summary.dead_lettered, summary.abandoned) == (7, 0, ())
    assert {queue.get(f"m{number}").receive_count for number in range(4)} == {2}
    assert not queue.stats().dlq.total


def test_the_end_gives_back_what_waits_for_others_to_be_given_back(storage: FaultyEngine) -> None:
    """An order to stop that comes meanwhile leaves nothing held, and uses up no delivery."""
    queue = opened(storage, send=3, max_receives=2)
    died(queue, 3)
    release, is_known = queue.release_batch, threading.Event()

    def release_batch(messages: Any) -> Any:
        assert is_known.wait(PATIENCE)
        consumer.consumer.stop()
        return release(messages)

    queue.release_batch = release_batch  # type: ignore[method-assign]  # the moment is what matters
    with running(queue, print, concurrency=8) as consumer:
        is_known.set()
        summary = consumer.summary()
    assert (summary.succeeded, summary.abandoned) == (0, ())
    assert {queue.get(f"m{number}").receive_count for number in range(3)} == {1}
    assert not queue.stats().standard.processing

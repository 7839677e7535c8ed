"""Handlers of several messages at once: failures by message, and answers that are none."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from dynamomq import Delivery, Message, Queue, Reject, RetryAfter
from dynamomq.consumer.handlers import checked_failures
from dynamomq.payload import codec_for
from dynamomq.requests import Request, WriteBatch
from dynamomq.testing import FaultyEngine
from tests.consumer.support import PATIENCE, TABLE, Notes, eventually, opened, running_in_batches
from tests.integration.scene import Between, Fronted


def test_batches_are_as_large_as_can_be(storage: FaultyEngine) -> None:
    """Never more than batch_size, nobody waits for the rest, and all are deleted."""
    queue = opened(storage, send=12)
    sizes: list[int] = []

    def handle(deliveries: Sequence[Delivery[Any]]) -> None:
        sizes.append(len(deliveries))

    with running_in_batches(queue, handle, batch_size=5) as consumer:
        eventually("all messages", lambda: sum(sizes) >= 12)
        summary = consumer.stopped()
    assert (max(sizes), sum(sizes)) == (5, 12)
    assert summary.succeeded == 12
    assert queue.stats().standard.total == 0


def test_failures_are_reported_by_message(storage: FaultyEngine) -> None:
    """What is in the answer has failed, each in its own way; the others are done."""
    queue = opened(storage, send=5)
    notes = Notes()

    def handle(deliveries: Sequence[Delivery[Any]]) -> Mapping[str, BaseException]:
        if any(one.receive_count > 1 for one in deliveries):
            return {}
        return {"m1": ValueError("no"), "m2": Reject("never"), "m3": RetryAfter(3600)}

    with running_in_batches(queue, handle, batch_size=5, hooks=[notes]) as consumer:
        eventually("m1 again", lambda: queue.get("m1").state == "DELETED")
        summary = consumer.stopped()
    states = [queue.get(f"m{number}").state for number in range(5)]
    assert states == ["DELETED", "DELETED", "DLQ.READY", "STANDARD.READY", "DELETED"]
    assert (summary.succeeded, summary.retried, summary.dead_lettered) == (3, 2, 1)
    assert [note[0] for note in notes.about("m1")] == ["before", "failed", "before", "after"]
    assert notes.about("m0") == [("before", "m0", 1), ("after", "m0", 1)]


@pytest.mark.parametrize(
    "answer",
    [
        {"no message": ValueError("a mistyped id")},
        {"m0": "not an exception"},
        {"m0": ValueError},
        [],
        False,
        "m0",
        ValueError("returned, not raised"),
    ],
    ids=repr,
)
def test_a_wrong_answer_fails_the_batch(storage: FaultyEngine, answer: Any) -> None:
    """Nothing is acknowledged on the word of a handler that does not say what it means."""
    queue = opened(storage, send=2)
    answers = [answer, None]
    seen: list[list[tuple[str, int]]] = []

    def handle(deliveries: Sequence[Delivery[Any]]) -> Any:
        seen.append([(one.id, one.receive_count) for one in deliveries])
        return answers[min(len(seen) - 1, 1)]

    with running_in_batches(queue, handle) as consumer:
        eventually("another try", lambda: not queue.stats().standard.total)
        summary = consumer.stopped()
    assert seen[0] == [("m0", 1), ("m1", 1)]
    assert sorted(one for batch in seen[1:] for one in batch) == [("m0", 2), ("m1", 2)]
    assert (summary.retried, summary.succeeded) == (2, 2)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            {"m9": ValueError("no")},
            ValueError,
            "named 'm9', which is not in its batch of 2",
        ),
        ({"m0": ValueError}, TypeError, "gave the class ValueError for 'm0'"),
        ({"m0": "no"}, TypeError, "gave str for 'm0'"),
        (["m0"], TypeError, "this one returned list"),
    ],
    ids=str,
)
def test_what_is_wrong_with_an_answer_is_said(
    answer: Any, error: type[Exception], text: str
) -> None:
    """With the id that it is about, and what to do instead."""
    deliveries: list[Message[Any]] = [
        Message({"id": id}, "", codec_for(None), TABLE) for id in ("m0", "m1")
    ]
    with pytest.raises(error, match=text):
        checked_failures(answer, deliveries)


def test_an_exception_fails_all(storage: FaultyEngine) -> None:
    """A handler that raises has done nothing, as far as it says."""
    queue = opened(storage, send=3, max_receives=1)

    def handle(deliveries: Sequence[Delivery[Any]]) -> None:
        raise SystemExit(len(deliveries))

    with running_in_batches(queue, handle) as consumer:
        eventually("dead letters", lambda: queue.stats().dlq.ready == 3)
        summary = consumer.stopped()
    assert summary.dead_lettered == 3
    assert {queue.get(f"m{n}").errors[0].type for n in range(3)} == {"SystemExit"}


def test_acknowledgements_of_a_batch_are_repeated(storage: FaultyEngine) -> None:
    """What could not be deleted together is deleted one by one; nothing is handled again."""
    queue = opened(storage, send=6)
    seen: list[str] = []

    def handle(deliveries: Sequence[Delivery[Any]]) -> None:
        seen.extend(one.id for one in deliveries)

    storage.faults.time_out("delete", executed=False)
    with running_in_batches(queue, handle) as consumer:
        eventually("the end of all", lambda: not queue.stats().standard.total)
        summary = consumer.stopped()
    assert len(seen) == 6
    assert (summary.succeeded, summary.lost) == (6, 0)


def test_what_was_lost_is_not_acknowledged_with_the_rest(storage: FaultyEngine) -> None:
    """A batch whose time is over is delivered again, also if nobody else has received it."""
    queue = opened(storage, send=2, visibility_timeout=0.2)
    seen: list[list[int]] = []

    def handle(deliveries: Sequence[Delivery[Any]]) -> None:
        seen.append([one.receive_count for one in deliveries])
        if len(seen) == 1:
            assert all(one.lease.lost.wait(PATIENCE) for one in deliveries)

    with running_in_batches(queue, handle, heartbeat=False) as consumer:
        eventually("the end of all", lambda: not queue.stats().standard.total)
        summary = consumer.stopped()
    assert seen[0] == [1, 1]
    assert sorted(count for counts in seen[1:] for count in counts) == [2, 2]
    assert (summary.lost, summary.succeeded) == (2, 2)


class Counting(Between):
    """A storage that notes how many writes each request has."""

    sizes: ClassVar[list[int]] = []

    def store(self, request: Request[Any]) -> Any:
        """Note it, and carry it out."""
        if isinstance(request, WriteBatch):
            self.sizes.append(sum(one.rule.trigger == "delete" for one in request.writes))
        return super().store(request)


def test_a_batch_is_acknowledged_in_one_request(storage: FaultyEngine) -> None:
    """25 deletes, one request."""
    opened(storage, send=25)
    queue: Queue[Any] = Queue(TABLE, engine=Fronted(storage, Counting))
    Counting.sizes.clear()
    with running_in_batches(queue, lambda _: None) as consumer:
        eventually("the end of all", lambda: not queue.stats().standard.total)
        assert consumer.stopped().succeeded == 25
    assert [size for size in Counting.sizes if size] == [25]

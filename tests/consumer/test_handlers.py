"""What handlers do, and what becomes of their messages: threads, on the embedded engine."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from dynamomq import (
    BatchConsumer,
    Consumer,
    Delivery,
    InvalidArgumentError,
    Queue,
    Reject,
    RetryAfter,
)
from dynamomq.drivers.base import Driver
from dynamomq.requests import Request, Write, WriteBatch
from dynamomq.testing import FaultyEngine
from tests.consumer.support import PATIENCE, TABLE, Notes, behind, eventually, opened, running
from tests.integration.scene import Between, Fronted


class Odd(BaseException):
    """An error that is no ``Exception`` and can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def recurse() -> None:
    """Never end."""
    recurse()


def throw(error: BaseException) -> Callable[[], None]:
    """A function that raises."""

    def function() -> None:
        raise error

    return function


BLOW_UPS = {
    "Exception": throw(ValueError("no")),
    "SystemExit": throw(SystemExit(7)),
    "KeyboardInterrupt": throw(KeyboardInterrupt()),
    "GeneratorExit": throw(GeneratorExit()),
    "MemoryError": throw(MemoryError()),
    "RecursionError": recurse,
    "Odd": throw(Odd()),
}


def test_every_message_is_handled_and_deleted(storage: FaultyEngine) -> None:
    """50 messages, 4 workers: each is handled once, payload at hand, and leaves the queue."""
    queue = opened(storage, send=50)
    handled: list[int] = []

    def handle(delivery: Delivery[Any]) -> str:
        assert not delivery.lease.lost.is_set()
        handled.append(delivery.data["number"])
        return "whatever it returns"

    with running(queue, handle, concurrency=4) as consumer:
        eventually("all messages", lambda: len(handled) >= 50)
        summary = consumer.stopped()
    assert sorted(handled) == list(range(50))
    assert (summary.succeeded, summary.retried, summary.lost) == (50, 0, 0)
    assert (summary.reason, summary.exit_status, summary.error) == ("stopped", 0, None)
    assert queue.stats().standard.total == 0
    assert queue.get("m0").state == "DELETED"


@pytest.mark.parametrize("kind", BLOW_UPS)
def test_a_handler_that_blows_up_costs_one_delivery(storage: FaultyEngine, kind: str) -> None:
    """Whatever it raises: the message is delivered again, with the reason, by the same process."""
    queue = opened(storage, send=1)
    seen: list[Delivery[Any]] = []

    def handle(delivery: Delivery[Any]) -> None:
        seen.append(delivery)
        if len(seen) == 1:
            BLOW_UPS[kind]()

    with running(queue, handle, concurrency=1) as consumer:
        eventually("another delivery", lambda: len(seen) == 2)
        summary = consumer.stopped()
    assert [one.receive_count for one in seen] == [1, 2]
    assert (summary.retried, summary.succeeded, summary.exit_status) == (1, 1, 0)
    (failure,) = seen[1].errors
    assert failure.delivery == 1
    assert failure.type == {"Exception": "ValueError"}.get(kind, kind)
    assert "test_handlers.py" in failure.traceback


class Deadly(logging.Filter):
    """A filter of log records that ends each worker thread that logs a failure, at first."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def filter(self, record: logging.LogRecord) -> bool:
        """Raise what no worker can survive: its own report of that fails in the same way."""
        if threading.current_thread().name == "dynamomq-worker" and self.left:
            self.left -= 1
            raise SystemExit
        return True


async def wait_for_it(_: object) -> None:
    """Look like a handler."""


def yields(_: object) -> Iterator[None]:
    """Look like a handler."""
    yield


class Awaited:
    """Looks like a handler."""

    async def __call__(self, _: object) -> None:
        """Look like a call."""


@pytest.mark.parametrize(
    "handler", [wait_for_it, yields, Awaited(), partial(wait_for_it)], ids=range(4)
)
def test_handlers_that_would_not_run_are_refused(
    storage: FaultyEngine, handler: Callable[[object], object]
) -> None:
    """Calling them only makes an object: their messages would be deleted unhandled."""
    with pytest.raises(InvalidArgumentError, match="calling it runs nothing"):
        Consumer(opened(storage), handler)


class Shop:
    """Has a method that looks like a handler until one sees that it lacks its object."""

    def handle(self, _: object) -> None:
        """Look like a handler."""


@pytest.mark.parametrize(
    "handler",
    [
        lambda: None,
        lambda _message, _other: None,
        lambda _message, *, needed: needed,
        Shop.handle,
        partial(Shop.handle, Shop(), 1),
    ],
    ids=range(5),
)
@pytest.mark.parametrize("kind", [Consumer, BatchConsumer])
def test_handlers_of_another_number_of_arguments_are_refused(
    storage: FaultyEngine, kind: Any, handler: Any
) -> None:
    """Where the consumer is made, not message by message until all are dead letters."""
    with pytest.raises(InvalidArgumentError, match="it can't be called with one argument") as no:
        kind(opened(storage), handler)
    assert "functools.partial" in no.value.remedy


@pytest.mark.parametrize("handler", [Shop, dict], ids=str)
def test_a_class_is_no_handler(storage: FaultyEngine, handler: Any) -> None:
    """Calling it only makes an object: messages would be deleted unhandled."""
    with pytest.raises(InvalidArgumentError, match="it is a class"):
        Consumer(opened(storage), handler)


@pytest.mark.parametrize(
    "handler",
    [
        print,
        Shop().handle,
        partial(Shop.handle, Shop()),
        lambda *_: None,
        lambda _message, _more=1: None,
    ],
    ids=range(5),
)
def test_what_takes_a_message_is_a_handler(storage: FaultyEngine, handler: Any) -> None:
    """Functions of one argument, whatever else they may take."""
    Consumer(opened(storage), handler)


@pytest.mark.parametrize("handler", [wait_for_it, yields])
def test_what_did_not_run_is_not_acknowledged(
    storage: FaultyEngine, handler: Callable[[object], object]
) -> None:
    """A function that only returns a coroutine or a generator fails its delivery."""
    queue = opened(storage, send=1, max_receives=1)
    with running(queue, lambda delivery: handler(delivery)) as consumer:
        eventually("the failure", lambda: queue.get("m0").queue == "DLQ")
        assert consumer.stopped().succeeded == 0
    assert queue.get("m0").errors[-1].type == "TypeError"


class SlowToAnswer(Between):
    """Answers the first claim when its delivery is over."""

    answered = False

    def store(self, request: Request[Any]) -> Any:
        """Pass the request on; be slow once."""
        reply = self.inner.store(request)
        if isinstance(request, WriteBatch) and not self.answered:
            self.answered = True
            time.sleep(0.3)  # longer than the delivery lasts
        return reply


def test_a_delivery_that_is_over_is_not_started(storage: FaultyEngine) -> None:
    """A claim that was answered late is given back, and does not count: nobody has handled it."""
    settings: dict[str, Any] = {"visibility_timeout": 0.2, "max_receives": 1}
    queue = opened(storage, send=1, **settings)
    slow: Queue[Any] = Queue(queue.table, engine=Fronted(storage, SlowToAnswer), **settings)
    handled: list[str] = []
    with running(slow, lambda delivery: handled.append(delivery.id)) as consumer:
        eventually("the handler", lambda: handled)
        summary = consumer.stopped()
    assert handled == ["m0"]
    assert (summary.released, summary.succeeded, summary.lost) == (1, 1, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the point
def test_a_thread_that_dies_costs_one_delivery(storage: FaultyEngine) -> None:
    """Another one takes its place, also where it was the only one."""
    queue = opened(storage, send=1, visibility_timeout=0.2)
    seen: list[tuple[int, int | None]] = []

    def handle(delivery: Delivery[Any]) -> None:
        seen.append((delivery.receive_count, threading.current_thread().ident))
        if len(seen) == 1:
            raise ValueError("no")

    deadly = Deadly(2)
    logger = logging.getLogger("dynamomq.consumer")
    logger.addFilter(deadly)
    try:
        with running(queue, handle, concurrency=1) as consumer:
            eventually("another delivery", lambda: len(seen) == 2)
            summary = consumer.stopped()
    finally:
        logger.removeFilter(deadly)
    assert deadly.left == 0
    assert [count for count, _ in seen] == [1, 2]
    assert summary.succeeded == 1
    assert summary.reason == "stopped"


def test_instructions_decide(storage: FaultyEngine) -> None:
    """RetryAfter delays, Reject dead-letters at once; the reasons travel with the messages."""
    queue = opened(storage, send=2)
    notes = Notes()

    def handle(delivery: Delivery[Any]) -> None:
        raise RetryAfter(3600, "later") if delivery.id == "m0" else Reject("never")

    with running(queue, handle, hooks=[notes]) as consumer:
        eventually("both", lambda: queue.stats().dlq.ready and queue.stats().standard.delayed)
        summary = consumer.stopped()
    later, never = queue.get("m0"), queue.get("m1")
    assert later.due_at is not None
    assert later.updated_at is not None
    assert (later.due_at - later.updated_at).total_seconds() == pytest.approx(3600, abs=1e-3)
    assert [(one.type, one.message) for one in later.errors] == [("RetryAfter", "later")]
    assert never.state == "DLQ.READY"
    assert [(one.type, one.message) for one in never.errors] == [("Reject", "never")]
    assert (summary.retried, summary.dead_lettered, summary.succeeded) == (1, 1, 0)
    assert notes.about("m0")[-1] == ("failed", "m0", 1, "RetryAfter", "GiveBack")
    assert notes.about("m1")[-1] == ("failed", "m1", 1, "Reject", "PutAside")


def test_used_up_deliveries_end_in_the_dead_letter_queue(storage: FaultyEngine) -> None:
    """With max_receives=2 the second failure dead-letters, with both reasons."""
    queue = opened(storage, send=1, max_receives=2)

    def handle(delivery: Delivery[Any]) -> None:
        raise ValueError(f"delivery {delivery.receive_count}")

    with running(queue, handle) as consumer:
        eventually("a dead letter", lambda: queue.stats().dlq.ready)
        summary = consumer.stopped()
    assert (summary.retried, summary.dead_lettered) == (1, 1)
    assert [one.message for one in queue.get("m0").errors] == ["delivery 1", "delivery 2"]


def test_dead_letters_are_consumed(storage: FaultyEngine) -> None:
    """source="DLQ" handles what is there, and gives back what fails or is rejected there."""
    queue = opened(storage, send=3)
    for number in range(2):
        queue.bury(f"m{number}", reason="unwanted")
    seen: list[str] = []

    def handle(delivery: Delivery[Any]) -> None:
        seen.append(delivery.id)
        if delivery.id == "m0" and seen.count("m0") == 1:
            raise Reject("not yet")

    with running(queue, handle, source="DLQ") as consumer:
        eventually("both", lambda: len(seen) == 3)
        summary = consumer.stopped()
    assert sorted(seen) == ["m0", "m0", "m1"]
    assert (summary.succeeded, summary.retried, summary.dead_lettered) == (2, 1, 0)
    assert queue.get("m2").state == "STANDARD.READY"


# --- leases ----------------------------------------------------------------------------------


def test_heartbeats_keep_a_message(storage: FaultyEngine) -> None:
    """A handler that takes longer than the visibility timeout has its message to itself."""
    queue = opened(storage, send=1, visibility_timeout=1.5)
    seen: list[Delivery[Any]] = []

    def handle(delivery: Delivery[Any]) -> None:
        seen.append(delivery)
        # Extensions come after thirds of the timeout, so the fourth comes after its end.
        eventually("heartbeats", lambda: queue.get(delivery.id).version >= 6)
        assert not delivery.lease.lost.is_set()

    with running(queue, handle, concurrency=2) as consumer:
        eventually("its end", lambda: queue.get("m0").state == "DELETED")
        summary = consumer.stopped()
    assert [one.receive_count for one in seen] == [1]
    assert (summary.succeeded, summary.lost) == (1, 0)


def test_without_heartbeats_a_lease_is_lost(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The handler sees it, its result is not acknowledged, and another delivery follows."""
    queue = opened(storage, send=1, visibility_timeout=0.2)
    notes = Notes()
    saw_it: list[bool] = []

    def handle(delivery: Delivery[Any]) -> None:
        if delivery.receive_count == 1:
            saw_it.append(delivery.lease.lost.wait(PATIENCE))

    with running(queue, handle, concurrency=1, heartbeat=False, hooks=[notes]) as consumer:
        eventually("a success", lambda: queue.get("m0").state == "DELETED")
        summary = consumer.stopped()
    assert saw_it == [True]
    assert (summary.lost, summary.succeeded) == (1, 1)
    told = [("before", "m0", 1), ("lost", "m0", 1), ("before", "m0", 2), ("after", "m0", 2)]
    assert notes.about("m0") == told
    assert any("is lost" in record.message for record in caplog.records)


def test_a_message_in_other_hands_is_noticed(storage: FaultyEngine) -> None:
    """A heartbeat that is refused sets lease.lost; the old receipt acknowledges nothing."""
    queue = opened(storage, send=1, visibility_timeout=1)
    notes = Notes()
    started, ended = threading.Event(), threading.Event()

    def handle(delivery: Delivery[Any]) -> None:
        started.set()
        assert delivery.lease.lost.wait(PATIENCE)
        ended.set()

    with running(queue, handle, concurrency=1, hooks=[notes]) as consumer:
        assert started.wait(PATIENCE)
        far = "2040-01-01T00:00:00.000000000Z"
        behind(storage).change("m0", receipt="somebody else's", queue_add_timestamp=far)
        assert ended.wait(PATIENCE)
        summary = consumer.stopped()
    assert notes.about("m0") == [("before", "m0", 1), ("lost", "m0", 1)]
    assert (summary.lost, summary.succeeded) == (1, 0)
    item = behind(storage).item("m0")
    assert (item["receipt"], item["status"]) == ("somebody else's", "PROCESSING")


def test_a_failure_after_the_lease_was_lost_changes_nothing(storage: FaultyEngine) -> None:
    """Who raises then does not give back what another delivery is responsible for."""
    queue = opened(storage, send=1, visibility_timeout=0.2)
    seen: list[Delivery[Any]] = []

    def handle(delivery: Delivery[Any]) -> None:
        seen.append(delivery)
        if len(seen) == 1:
            assert delivery.lease.lost.wait(PATIENCE)
            raise RetryAfter(3600)

    with running(queue, handle, concurrency=1, heartbeat=False) as consumer:
        eventually("a success", lambda: queue.get("m0").state == "DELETED")
        summary = consumer.stopped()
    assert [one.receive_count for one in seen] == [1, 2]
    assert seen[1].errors == ()
    assert (summary.retried, summary.lost, summary.succeeded) == (0, 1, 1)


def test_a_delivery_is_a_message(storage: FaultyEngine) -> None:
    """It can be extended by hand, is hashable, and shows neither payload nor receipt."""
    queue: Queue[Any] = opened(storage)
    shown: list[str] = []

    def handle(delivery: Delivery[Any]) -> None:
        longer = queue.extend(delivery, 600)
        assert longer.due_at is not None
        assert delivery.due_at is not None
        assert longer.due_at > delivery.due_at
        assert {delivery: 1}[delivery] == 1
        shown.append(repr(delivery))
        consumer.consumer.stop()

    with running(queue, handle) as consumer:
        queue.send("work", id="m0")
        assert consumer.summary().succeeded == 1
    assert shown == ["<Message 'm0' STANDARD.PROCESSING receive_count=1>"]


class SlowDelete(Between):
    """A storage whose reply to a delete is so late that a heartbeat comes first."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.deleted, self.extended = threading.Event(), threading.Event()

    def store(self, request: Request[Any]) -> Any:
        """Carry it out, and wait where that is the point."""
        reply = super().store(request)
        trigger = request.rule.trigger if isinstance(request, Write) else ""
        if trigger == "delete":
            self.deleted.set()
            assert self.extended.wait(PATIENCE)
        elif trigger == "extend" and self.deleted.is_set():
            self.extended.set()
        return reply


def test_a_heartbeat_after_the_acknowledgement_is_no_loss(storage: FaultyEngine) -> None:
    """It is refused, because the message is deleted: that was ourselves, so nothing is lost."""
    opened(storage, send=1)
    slow: Queue[Any] = Queue(TABLE, engine=Fronted(storage, SlowDelete), visibility_timeout=1)
    notes = Notes()
    with running(slow, lambda _: None, concurrency=1, hooks=[notes]) as consumer:
        eventually("its end", lambda: any(note[0] == "after" for note in notes.all))
        summary = consumer.stopped()
    assert notes.about("m0") == [("before", "m0", 1), ("after", "m0", 1)]
    assert (summary.succeeded, summary.lost) == (1, 0)

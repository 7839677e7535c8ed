"""How a consumer ends: running handlers finish, what was not started is given back."""

import threading
from typing import Any

import pytest

from dynamomq import BatchConsumer, Consumer, Delivery, InvalidArgumentError, Queue
from dynamomq.drivers.base import Driver
from dynamomq.requests import Request, Write, WriteBatch
from dynamomq.testing import FaultyEngine
from tests.consumer.support import (
    PATIENCE,
    QUICK,
    TABLE,
    Notes,
    Running,
    behind,
    eventually,
    opened,
    running,
)
from tests.contract.engines import Meanwhile
from tests.integration.scene import Between, Fronted


def test_running_handlers_finish(storage: FaultyEngine) -> None:
    """stop() claims nothing more, waits for who works, and acknowledges what they did."""
    queue = opened(storage, send=5)
    started, go_on = threading.Semaphore(0), threading.Event()

    def handle(_: Delivery[Any]) -> None:
        started.release()
        assert go_on.wait(PATIENCE)

    with running(queue, handle, concurrency=2) as consumer:
        for _ in range(2):
            assert started.acquire(timeout=PATIENCE)
        consumer.consumer.stop()
        go_on.set()
        summary = consumer.summary()
    assert (summary.reason, summary.exit_status, summary.succeeded) == ("stopped", 0, 2)
    assert summary.abandoned == ()
    stats = queue.stats().standard
    assert (stats.ready, stats.processing) == (3, 0)


@pytest.mark.parametrize("cooperate", [True, False])
def test_what_was_not_started_is_given_back(storage: FaultyEngine, cooperate: bool) -> None:
    """Claimed when the order to stop was given already: released, and not counted."""
    queue = opened(storage, send=4)
    handled: list[str] = []
    consumers: list[Consumer[Any]] = []
    late: Queue[Any] = Queue(queue.table, engine=Meanwhile(storage, lambda: consumers[0].stop()))
    with Consumer(
        late, lambda one: handled.append(one.id), cooperate=cooperate, **QUICK
    ) as consumer:
        consumers.append(consumer)
        summary = Running(consumer).summary()
    items = [behind(storage).item(f"m{number}") for number in range(4)]
    assert handled == []
    assert {item["status"] for item in items} == {"READY"}
    assert {item["receive_count"] for item in items} == {0}
    assert {item["version"] for item in items} <= {1, 3}
    assert summary.released == sum(item["version"] == 3 for item in items)
    assert summary.released or cooperate, "they were not even claimed"
    assert (summary.reason, summary.exit_status) == ("stopped", 0)


@pytest.mark.parametrize("mends", [True, False])
def test_what_can_not_be_given_back_at_once_is_tried_again(
    storage: FaultyEngine, mends: bool
) -> None:
    """As long as the grace lasts; what is left then is named, and the exit status tells."""
    queue = opened(storage, send=2)
    consumers: list[Consumer[Any]] = []
    late: Queue[Any] = Queue(queue.table, engine=Meanwhile(storage, lambda: consumers[0].stop()))
    storage.faults.time_out("release", executed=False, times=1 if mends else 1000)
    consumer = Consumer(late, print, **{**QUICK, "grace": PATIENCE if mends else 0.2})
    consumers.append(consumer)
    summary = Running(consumer).summary()
    if mends:
        assert (summary.reason, summary.released, summary.abandoned) == ("stopped", 2, ())
        assert {queue.get(id).receive_count for id in ("m0", "m1")} == {0}
    else:
        assert (summary.reason, summary.exit_status) == ("grace ended", 3)
        assert sorted(summary.abandoned) == ["m0", "m1"]
        storage.faults.clear()


def test_others_are_told_when_the_end_begins(storage: FaultyEngine) -> None:
    """They need not leave a share of messages to one that claims nothing any more."""
    queue = opened(storage, send=1)
    started, go_on = threading.Event(), threading.Event()

    def handle(_: Delivery[Any]) -> None:
        started.set()
        assert go_on.wait(PATIENCE)

    with running(queue, handle) as consumer:
        assert started.wait(PATIENCE)
        assert queue.consumers()
        consumer.consumer.stop()
        eventually("its leaving", lambda: not queue.consumers())
        assert not consumer.results
        go_on.set()
        assert consumer.summary().succeeded == 1


def test_an_order_before_the_beginning_counts(storage: FaultyEngine) -> None:
    """A consumer that was stopped before it runs claims nothing."""
    queue = opened(storage, send=1)
    consumer = Consumer(queue, print, **QUICK)
    consumer.stop()
    assert consumer.run().reason == "stopped"
    assert behind(storage).item("m0")["version"] == 1


def test_a_handler_may_stop_its_consumer(storage: FaultyEngine) -> None:
    """And its own message is acknowledged like any other."""
    queue = opened(storage, send=1)
    with running(queue, lambda _: consumer.consumer.stop()) as consumer:
        assert consumer.summary().succeeded == 1


def test_what_still_runs_after_the_grace_is_named(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Its message is neither acknowledged nor given back: two handlers might run. Status 3."""
    queue = opened(storage, send=2)
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def handle(delivery: Delivery[Any]) -> None:
        if delivery.id == "m0":
            started.set()
            go_on.wait(PATIENCE)
            ended.set()

    with running(queue, handle, concurrency=2, grace=0.1) as consumer:
        assert started.wait(PATIENCE)
        eventually("the other one", lambda: queue.get("m1").state == "DELETED")
        summary = consumer.stopped()
        assert (summary.reason, summary.exit_status) == ("grace ended", 3)
        assert (summary.abandoned, summary.succeeded) == (("m0",), 1)
        assert not ended.is_set()
        item = behind(storage).item("m0")
        assert (item["status"], item["receive_count"]) == ("PROCESSING", 1)
        assert any("Still being handled" in one.getMessage() for one in caplog.records)
        go_on.set()
        assert ended.wait(PATIENCE)
        # Its thread still acknowledges what it has done in time, if the process lives that long.
        eventually("its end", lambda: queue.get("m0").state == "DELETED")


def test_an_order_by_force_ends_it_at_once(storage: FaultyEngine) -> None:
    """However long the grace is; an order that is only repeated does not. Status 4."""
    queue = opened(storage, send=1)
    started, go_on = threading.Event(), threading.Event()

    def handle(_: Delivery[Any]) -> None:
        started.set()
        go_on.wait(PATIENCE)

    with running(queue, handle, grace=86_400) as consumer:
        assert started.wait(PATIENCE)
        consumer.consumer.stop()
        consumer.consumer.stop()
        assert not consumer.results
        consumer.consumer.stop(force=True)
        summary = consumer.summary()
        assert (summary.reason, summary.exit_status) == ("forced", 4)
        assert summary.abandoned == ("m0",)
        go_on.set()
        eventually("its end", lambda: queue.get("m0").state == "DELETED")


class Held(Between):
    """A storage that carries a claim out, and keeps its answer until it may go."""

    def __init__(self, inner: Driver, claimed: threading.Event, go: threading.Event) -> None:
        super().__init__(inner)
        self.claimed, self.go = claimed, go

    def store(self, request: Request[Any]) -> Any:
        """Carry it out, and wait where that is the point."""
        reply = super().store(request)
        writes = request.writes if isinstance(request, WriteBatch) else (request,)
        if any(isinstance(one, Write) and one.rule.trigger == "receive" for one in writes):
            self.claimed.set()
            assert self.go.wait(PATIENCE)
        return reply


@pytest.mark.parametrize("force", [True, False])
def test_a_claim_under_way_is_told_of(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, force: bool
) -> None:
    """Nobody waits for its answer any more, but that it may have brought messages is not hidden.

    If the process lives on, they are given back.
    """
    queue = opened(storage, send=3)
    claimed, go = threading.Event(), threading.Event()
    held: Queue[Any] = Queue(TABLE, engine=Fronted(storage, lambda one: Held(one, claimed, go)))
    grace = 86_400 if force else 0
    with running(held, print, concurrency=5, grace=grace, cooperate=False) as consumer:
        assert claimed.wait(PATIENCE)
        consumer.consumer.stop(force=force)
        summary = consumer.summary()
    assert (summary.reason, summary.abandoned) == ("forced" if force else "grace ended", ())
    assert summary.maybe_claimed == 5
    assert any("A claim of up to 5 messages" in one.getMessage() for one in caplog.records)
    assert {queue.get(id).receive_count for id in ("m0", "m1", "m2")} == {1}
    go.set()
    eventually("their release", lambda: not queue.stats().standard.processing)
    assert {queue.get(id).receive_count for id in ("m0", "m1", "m2")} == {0}


def test_what_was_reported_and_not_heard_is_named(storage: FaultyEngine) -> None:
    """Messages that come in with the order to end at once are abandoned by name."""
    queue = opened(storage, send=2)
    consumers: list[Consumer[Any]] = []
    consumer = Consumer(queue, print, **{**QUICK, "cooperate": False})
    consumers.append(consumer)
    report = consumer._fetcher.report

    def with_an_order(news: Any) -> None:
        consumer.stop(force=True)  # so that it is heard first
        report(news)

    consumer._fetcher.report = with_an_order
    summary = Running(consumer).summary()
    assert summary.reason == "forced"
    assert len(summary.abandoned) + summary.released == 2
    assert summary.maybe_claimed == 0


def test_leaving_the_block_stops_it(storage: FaultyEngine) -> None:
    """Also a consumer that runs in another thread; what it does then has its grace."""
    queue = opened(storage, send=1)
    with running(queue, lambda _: None) as consumer:
        eventually("the message", lambda: queue.get("m0").state == "DELETED")
    assert consumer.summary().reason == "stopped"


def test_it_leaves_the_fleet(storage: FaultyEngine) -> None:
    """The entry is there while the consumer runs, and gone when run() returns."""
    queue = opened(storage)
    with running(queue, print, concurrency=3) as consumer:
        eventually("its entry", queue.consumers)
        (shown,) = queue.consumers()
        assert (shown.in_flight, shown.full) == (0, False)
        consumer.stopped()
    assert queue.consumers() == []


def test_it_runs_once(storage: FaultyEngine) -> None:
    """A consumer that has ended is not started again."""
    with running(opened(storage), print) as consumer:
        consumer.stopped()
        with pytest.raises(InvalidArgumentError, match="run already"):
            consumer.consumer.run()


class Failing(Notes):
    """Hooks that fail after each note, in every way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("before", "after", "failed", "lost", "idle"):
            return found

        def fails(*arguments: Any) -> None:
            found(*arguments)
            raise self.error

        return fails


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1)], ids=repr)
def test_hooks_that_fail_are_harmless(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """All others are told, every message is handled once, and the log names hook and event."""
    queue = opened(storage, send=3)
    failing, notes = Failing(error), Notes()

    def handle(delivery: Delivery[Any]) -> None:
        if delivery.id == "m2" and delivery.receive_count == 1:
            raise ValueError("no")

    with running(queue, handle, hooks=[failing, notes]) as consumer:
        eventually("the end of all", lambda: not queue.stats().standard.total)
        eventually("idleness", lambda: any(one[0] == "idle" for one in notes.all))
        summary = consumer.stopped()
    assert (summary.succeeded, summary.retried, summary.exit_status) == (3, 1, 0)
    for seen in (failing, notes):
        events = [note[0] for note in seen.about("m2")]
        assert events == ["before", "failed", "before", "after"]
    named = {one.getMessage() for one in caplog.records if "hook" in one.getMessage()}
    assert named == {f"The hook Failing.{e} failed." for e in ("before", "after", "failed", "idle")}


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("concurrency", 0),
        ("concurrency", 1001),
        ("concurrency", 2.5),
        ("source", "standard"),
        ("visibility_timeout", 0),
        ("visibility_timeout", -1),
        ("backoff", 5),
        ("max_lifetime", 0),
        ("grace", -1),
        ("grace", "30"),
        ("poll_interval", (0, 5)),
        ("poll_interval", (5, 1)),
        ("poll_interval", 1),
        ("poll_interval", (1, 2, 3)),
        ("poll_interval", (1, float("nan"))),
        ("steal_after", -1),
        ("handler", "work"),
        ("queue", "jobs"),
        ("batch_size", 0),
        ("batch_size", 251),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_named(storage: FaultyEngine, argument: str, value: Any) -> None:
    """Where the consumer is made: the argument, the value, and what would do."""
    kind = BatchConsumer if argument == "batch_size" else Consumer
    arguments = {"queue": opened(storage), "handler": print, argument: value}
    with pytest.raises(InvalidArgumentError) as refused:
        kind(**arguments)
    assert refused.value.argument == argument
    assert str(refused.value).startswith(f"{argument}=")
    assert refused.value.remedy

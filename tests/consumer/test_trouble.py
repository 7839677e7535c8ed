"""Storage in trouble: consumers wait, warn once, lose nothing; what waiting does not mend ends."""

import logging
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from dynamomq import Delivery, LocalEngine, Queue, TableNotFoundError
from dynamomq.consumer.fetcher import Fetcher
from dynamomq.operations import Claimer
from dynamomq.testing import Crash, FaultyEngine
from dynamomq.values import MAX_ITEM_BYTES, item_size
from tests.consumer.support import (
    PATIENCE,
    TABLE,
    Notes,
    behind,
    eventually,
    opened,
    running,
)


def messages_of(caplog: pytest.LogCaptureFixture, level: int, text: str) -> list[str]:
    """The records of the consumer with a level and a text."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == level and text in record.getMessage()
    ]


@pytest.mark.parametrize(
    ("kind", "times"), [("throttle", 12), ("fail", 12), ("conflict", 12), ("time_out", 3)]
)
def test_an_outage_is_one_warning(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, kind: str, times: int
) -> None:
    """Claims fail in a row: one warning, later the end of it, and every message is handled."""
    queue = opened(storage, send=20)
    more = {"executed": False} if kind in ("time_out", "fail") else {}
    getattr(storage.faults, kind)("query", times=times, **more)
    handled: set[str] = set()
    with running(queue, lambda delivery: handled.add(delivery.id), cooperate=False) as consumer:
        eventually("all messages", lambda: len(handled) == 20)
        summary = consumer.stopped()
    assert (summary.succeeded, summary.exit_status) == (20, 0)
    assert len(messages_of(caplog, logging.WARNING, "can't be used")) == 1
    assert len(messages_of(caplog, logging.WARNING, "can be used again")) == 1


@pytest.mark.parametrize("executed", [False, True])
def test_a_claim_without_an_answer_loses_nothing(storage: FaultyEngine, executed: bool) -> None:
    """Whether or not the claim was carried out, its messages are delivered (NO-LOSS)."""
    queue = opened(storage, send=4, visibility_timeout=0.3)
    handled: set[str] = set()
    storage.faults.time_out("receive", executed=executed)
    with running(queue, lambda delivery: handled.add(delivery.id)) as consumer:
        eventually("all messages", lambda: len(handled) == 4)
        eventually("the end of all", lambda: not queue.stats().standard.total)
        assert consumer.stopped().exit_status == 0


@pytest.mark.parametrize("executed", [False, True])
def test_an_acknowledgement_is_repeated(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, executed: bool
) -> None:
    """A delete that gets no answer is tried again while the message is ours: handled once."""
    queue = opened(storage, send=1)
    handled: list[str] = []
    storage.faults.time_out("delete", executed=executed, times=2)
    with running(queue, lambda delivery: handled.append(delivery.id)) as consumer:
        eventually("its end", lambda: not storage.faults.unused)
        summary = consumer.stopped()
    assert (handled, summary.succeeded, summary.lost) == (["m0"], 1, 0)
    assert queue.get("m0").state == "DELETED"
    assert messages_of(caplog, logging.WARNING, "Not settled yet")


def test_a_retry_is_repeated(storage: FaultyEngine) -> None:
    """The same for giving back: the failure is recorded, and the delivery counts once."""
    queue = opened(storage, send=1)

    def handle(delivery: Delivery[Any]) -> None:
        if delivery.receive_count == 1:
            raise ValueError("no")

    storage.faults.fail("retry", executed=False, times=6)
    with running(queue, handle) as consumer:
        eventually("its end", lambda: queue.get("m0").state == "DELETED")
        summary = consumer.stopped()
    assert (summary.retried, summary.succeeded) == (1, 1)


def test_heartbeats_survive_an_outage(storage: FaultyEngine) -> None:
    """An extension that fails is repeated sooner, so the lease is not lost by one failure."""
    queue = opened(storage, send=1, visibility_timeout=2)

    def handle(delivery: Delivery[Any]) -> None:
        eventually("an extension", lambda: queue.get(delivery.id).version >= 4)
        assert not delivery.lease.lost.is_set()

    storage.faults.time_out("extend", executed=False)
    with running(queue, handle) as consumer:
        eventually("its end", lambda: queue.get("m0").state == "DELETED")
        summary = consumer.stopped()
    assert (summary.succeeded, summary.retried, summary.lost) == (1, 0, 0)


def test_trouble_with_the_fleet_is_no_outage(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """Where entries can't be written, messages are claimed and handled all the same; one warning.

    Without an entry a consumer leaves messages to others for a moment, if there are others.
    """
    queue = opened(storage, send=10)
    storage.faults.time_out("write", executed=False)  # of the entry: claims are batches
    handled: set[str] = set()
    with running(queue, lambda delivery: handled.add(delivery.id)) as consumer:
        eventually("all messages", lambda: len(handled) == 10)
        assert consumer.stopped().succeeded == 10
    assert len(messages_of(caplog, logging.WARNING, "claiming goes on")) == 1
    assert not messages_of(caplog, logging.WARNING, "can't be used")


@pytest.mark.parametrize("beside", [True, False])
def test_one_that_heeds_nobody_warns_beside_others(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, beside: bool
) -> None:
    """Where others agree on who goes first, one line says that this one undoes it; else none."""
    queue = opened(storage)
    with ExitStack() as stack:
        if beside:
            stack.enter_context(running(queue, print))
            eventually("the other one's entry", queue.consumers)
        notes = Notes()
        alone = stack.enter_context(running(queue, print, cooperate=False, hooks=[notes]))
        eventually("some looks", lambda: len(notes.all) >= 3)
        alone.stopped()
    assert len(messages_of(caplog, logging.WARNING, "does not heed them")) == beside


def test_one_that_heeds_nobody_may_fail_to_look(storage: FaultyEngine) -> None:
    """What it has claimed before is handled, though it can't be told who else is there."""
    queue = opened(storage, send=1)
    storage.faults.time_out("query", executed=False, nth=2, times=1000)
    handled = threading.Event()
    with running(queue, lambda _: handled.set(), cooperate=False):
        assert handled.wait(PATIENCE)
    storage.faults.clear()


@pytest.mark.parametrize("cooperate", [True, False])
def test_a_missing_table_ends_the_consumer(
    caplog: pytest.LogCaptureFixture, cooperate: bool
) -> None:
    """With a clear error, in summary and log, and exit status 1."""
    queue: Queue[Any] = Queue(TABLE, engine=LocalEngine())
    with running(queue, print, cooperate=cooperate) as consumer:
        summary = consumer.summary()
    assert (summary.reason, summary.exit_status) == ("failed", 1)
    assert isinstance(summary.error, TableNotFoundError)
    assert TABLE in str(summary.error)
    said = f"The consumer ends: There is no table {TABLE!r}"
    assert len(messages_of(caplog, logging.ERROR, said)) == 1


class MistakeError(Exception):
    """A defect of the consumer's own."""


def defective(_: Claimer, wanted: int, load: object) -> Any:
    """A way of claiming that has a defect."""
    raise MistakeError(f"{wanted} {load}")


def test_who_works_when_it_fails_has_its_grace(
    storage: FaultyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fatal error, handlers that run may end, and are acknowledged if that is possible."""
    queue = opened(storage, send=1)
    is_known, has_failed = threading.Event(), threading.Event()

    def handle(delivery: Delivery[Any]) -> None:
        assert is_known.wait(PATIENCE)  # it may be quicker than the name is bound below
        monkeypatch.setattr(Claimer, "claim", defective)
        eventually("the error", lambda: running_one.consumer._pacing.fatal)
        has_failed.set()
        assert not delivery.lease.lost.is_set()

    with running(queue, handle, concurrency=2) as running_one:
        is_known.set()
        summary = running_one.summary()
    assert has_failed.is_set()
    assert isinstance(summary.error, MistakeError)
    assert (summary.reason, summary.succeeded, summary.retried) == ("failed", 1, 0)
    assert summary.abandoned == ()


def test_a_message_without_room_for_the_reason_is_given_back_without(
    storage: FaultyEngine,
) -> None:
    """Another port's message may be as large as an item can be: its failures hold up no worker."""
    queue = opened(storage, send=1, max_receives=2)
    item = behind(storage).item("m0")
    behind(storage).remove("m0")
    room = 250  # for a receipt, but not for a failure with a long text
    size = MAX_ITEM_BYTES - item_size(item) - room
    behind(storage).put({**item, "data": {"number": "x" * size}})
    counts: list[int] = []

    def handle(delivery: Delivery[Any]) -> None:
        counts.append(delivery.receive_count)
        raise ValueError("no" * 250)

    with running(queue, handle, concurrency=1) as consumer:
        eventually("a dead letter", lambda: queue.stats().dlq.ready)
        summary = consumer.stopped()
    assert counts == [1, 2]
    assert (summary.retried, summary.dead_lettered, summary.lost) == (1, 1, 0)
    assert queue.get("m0").errors == ()


@pytest.mark.parametrize("gives_up", ["before the farewell", "at any time"])
def test_the_end_comes_though_nothing_can_be_acknowledged(
    storage: FaultyEngine,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    gives_up: str,
) -> None:
    """A worker that keeps trying gives up with the grace; its message is named, and not lost.

    That is so, too, where it has given up, and ended, before the consumer says how it ended.
    """
    before, end = workers(), Fetcher.end

    def end_after_workers(claims: Fetcher[Any], within: float) -> int:
        eventually("the end of the worker", lambda: workers() <= before)
        return end(claims, within)

    if gives_up == "before the farewell":
        monkeypatch.setattr(Fetcher, "end", end_after_workers)
    queue = opened(storage, send=1, visibility_timeout=3600)
    storage.faults.time_out("delete", executed=False, times=1000)
    with running(queue, lambda _: None, grace=0.1) as consumer:
        eventually("a failure", lambda: messages_of(caplog, logging.WARNING, "Not settled yet"))
        summary = consumer.stopped()
    assert (summary.reason, summary.abandoned, summary.lost) == ("grace ended", ("m0",), 0)
    eventually("the end of the worker", lambda: workers() <= before)
    storage.faults.clear()
    assert queue.get("m0").state == "STANDARD.PROCESSING"


def workers() -> set[threading.Thread]:
    """The worker threads that live."""
    return {one for one in threading.enumerate() if one.name == "dynamomq-worker"}


# --- what the log says -----------------------------------------------------------------------


def test_payloads_and_receipts_are_never_logged(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level: ids and delivery numbers, in fields of the records; nothing of the content."""
    caplog.set_level(logging.DEBUG)
    queue = opened(storage, max_receives=2, visibility_timeout=0.2)
    for number in range(3):
        queue.send({"card": f"secret-{number}"}, id=f"m{number}", headers={"who": "secret-h"})
    receipts: set[str] = set()

    def handle(delivery: Delivery[Any]) -> None:
        receipts.add(delivery.receipt or "")
        if delivery.id == "m1":
            raise ValueError("no")
        if delivery.id == "m2" and delivery.receive_count == 1:
            delivery.lease.lost.wait(60)

    storage.faults.time_out("delete", executed=False)
    with running(queue, handle, heartbeat=False, hooks=[Notes()]) as consumer:
        eventually("the end of all", lambda: not queue.stats().standard.total)
        consumer.stopped()
    text = "\n".join(f"{caplog.handler.format(one)} {vars(one)}" for one in caplog.records)
    assert "secret" not in text
    assert not any(receipt in text for receipt in receipts)
    by_id = {one: getattr(one, "message_id", None) for one in caplog.records}
    assert set(by_id.values()) == {None, "m0", "m1", "m2"}
    unmarked = [one.getMessage() for one, id in by_id.items() if id is None]
    assert not [line for line in unmarked if "m0" in line or "m1" in line or "m2" in line]
    failures = [one for one in caplog.records if getattr(one, "error_type", "") == "ValueError"]
    assert [vars(one)["receive_count"] for one in failures] == [1, 2]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("on", ["query", "receive", "extend", "delete", "retry"])
def test_a_simulated_crash_ends_the_consumer(storage: FaultyEngine, on: str) -> None:
    """Whichever thread meets it: none sends anything more, and the consumer ends by itself.

    So nothing is acknowledged, given back or extended, and its entry among the consumers stays.
    """
    queue = opened(storage, send=1, visibility_timeout=2 if on == "extend" else 60)
    crash = storage.faults.crash(on)

    def handle(_: Delivery[Any]) -> None:
        if on == "extend":
            eventually("the crash", lambda: crash.happened)
        if on == "retry":
            raise ValueError

    with running(queue, handle) as consumer:
        summary = consumer.summary()
    assert isinstance(summary.error, Crash)
    assert (summary.reason, summary.succeeded, summary.retried) == ("failed", 0, 0)
    assert summary.released == 0
    item = behind(storage).item("m0")
    unclaimed, claimed = ("READY", 1), ("PROCESSING", 2)
    expected = unclaimed if on in ("query", "receive") else claimed
    assert (item["status"], item["version"]) == expected

"""Who ends a delivery, and what is said of one that nobody could end: handlers, others, time."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dynamomq import (
    Delivery,
    DynamoMQError,
    OutcomeUnknownError,
    Queue,
    Reject,
    RetryAfter,
    UnavailableError,
)
from dynamomq.consumer.leases import Lease, Leases, LeaseTerms
from dynamomq.testing import FaultyEngine
from tests.consumer.support import (
    TABLE,
    Notes,
    behind,
    opened,
    running,
    running_in_batches,
)


def in_transaction(verb: str, queue: Queue[Any], delivery: Delivery[Any]) -> None:
    """End a delivery in a transaction."""
    with queue.transaction() as tx:
        getattr(tx, verb)(delivery)


SETTLED: dict[str, tuple[Callable[[Queue[Any], Delivery[Any]], object], str, str]] = {
    "delete": (lambda queue, one: queue.delete(one), "succeeded", "DELETED"),
    "delete and receive": (
        lambda queue, one: queue.delete(one, receive_next=True),
        "succeeded",
        "DELETED",
    ),
    "delete batch": (lambda queue, one: queue.delete_batch([one]), "succeeded", "DELETED"),
    "delete together": (
        lambda queue, one: in_transaction("delete", queue, one),
        "succeeded",
        "DELETED",
    ),
    "retry": (lambda queue, one: queue.retry(one, delay=99), "retried", "STANDARD.READY"),
    "retry batch": (
        lambda queue, one: queue.retry_batch([one], delay=99),
        "retried",
        "STANDARD.READY",
    ),
    "retry together": (
        lambda queue, one: in_transaction("retry", queue, one),
        "retried",
        "STANDARD.READY",
    ),
    "release": (lambda queue, one: queue.release(one), "released", "STANDARD.READY"),
    "release batch": (
        lambda queue, one: queue.release_batch([one]),
        "released",
        "STANDARD.READY",
    ),
    "move to dlq": (lambda queue, one: queue.move_to_dlq(one), "dead_lettered", "DLQ.READY"),
    "move together": (
        lambda queue, one: in_transaction("move_to_dlq", queue, one),
        "dead_lettered",
        "DLQ.READY",
    ),
}


def counts(summary: Any) -> dict[str, int]:
    """What a summary counts, but for what is none."""
    names = ("succeeded", "retried", "dead_lettered", "lost", "released")
    return {name: getattr(summary, name) for name in names if getattr(summary, name)}


@pytest.mark.parametrize("batches", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("way", SETTLED)
def test_a_handler_may_end_its_delivery_itself(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, way: str, batches: bool
) -> None:
    """By any call, on any queue object: nothing more is asked for or warned of; counted as that."""
    queue = opened(storage)
    own: Queue[Any] = Queue(TABLE, engine=storage)
    end, counted, state = SETTLED[way]
    versions: list[int] = []
    notes = Notes()

    def handle(given: Any) -> None:
        (delivery,) = given if batches else [given]
        if not versions:
            end(own, delivery)
            versions.append(queue.get("m0").version)
            consumer.consumer.stop()

    run = running_in_batches if batches else running
    with run(queue, handle, concurrency=1, hooks=[notes]) as consumer:
        queue.send("work", id="m0", group="g" if way == "delete and receive" else None)
        summary = consumer.summary()
    found = queue.get("m0")
    assert (found.state, [found.version]) == (state, versions)
    assert counts(summary) == {counted: 1}
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    ended = [("after", "m0", 1)] if counted == "succeeded" else []
    assert notes.about("m0") == [("before", "m0", 1), *ended]


def test_a_handler_that_fails_after_it_has_ended_its_delivery(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """What it has done stands; the failure is logged, and changes nothing."""
    queue = opened(storage)

    def handle(delivery: Delivery[Any]) -> None:
        queue.retry(delivery, delay=99)
        consumer.consumer.stop()
        raise ValueError("no")

    with running(queue, handle) as consumer:
        queue.send("work", id="m0")
        summary = consumer.summary()
    assert counts(summary) == {"retried": 1}
    assert queue.get("m0").errors == ()
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert "after it had ended the delivery itself, by retry" in record.getMessage()


@pytest.mark.parametrize("executed", [None, True, False], ids=["certain", "executed", "not"])
@pytest.mark.parametrize("way", SETTLED)
def test_a_call_that_fails_for_certain_ends_nothing(
    storage: FaultyEngine, way: str, executed: bool | None
) -> None:
    """A refused extension tells of a loss again; not while the call may have been executed.

    Another such call that fails for certain changes nothing of that, nor does an extension.
    """
    queue = opened(storage)
    queue.send("work", id="m0", group="g" if way == "delete and receive" else None)
    queue.send("more", group="g")
    (message,) = queue.receive()
    leases = Leases(LeaseTerms(30, 600))
    delivery = Delivery.of(message, Lease.granted(0, leases.terms))
    leases.add(delivery, delivery.lease)
    verb = way.split()[0]
    trigger = "move_to_dlq" if verb == "move" else verb
    if executed is None:
        storage.faults.conflict(trigger, times=1000)
    else:
        storage.faults.time_out(trigger, executed=executed)
    with suppress(DynamoMQError):
        SETTLED[way][0](queue, delivery)
    storage.faults.clear()
    assert delivery.lease.ended_by is None
    storage.faults.conflict(trigger, times=1000)
    with suppress(DynamoMQError):
        SETTLED[way][0](queue, delivery)
    storage.faults.clear()
    storage.faults.time_out("extend", executed=False)
    with suppress(DynamoMQError):
        queue.extend(delivery, 60)
    assert leases.lose(delivery, 10) is (executed is None)


@pytest.mark.parametrize(
    ("executed", "raises", "counted", "state"),
    [
        (False, False, {"succeeded": 1}, "DELETED"),
        (True, False, {"succeeded": 1}, "DELETED"),
        (False, True, {"retried": 1}, "STANDARD.READY"),
        (True, True, {"lost": 1}, "DELETED"),
    ],
)
def test_a_handler_whose_own_delete_fails(
    storage: FaultyEngine, *, executed: bool, raises: bool, counted: dict[str, int], state: str
) -> None:
    """It is settled by what the handler does then: returns, and it is deleted, or raises."""
    queue = opened(storage)

    def handle(delivery: Delivery[Any]) -> None:
        consumer.consumer.stop()
        with storage.faults.time_out("delete", executed=executed), suppress(UnavailableError):
            queue.delete(delivery)
        if raises:
            raise RetryAfter(99, "it could not be deleted")

    with running(queue, handle, concurrency=1) as consumer:
        queue.send("work", id="m0")
        summary = consumer.summary()
    assert counts(summary) == counted
    assert queue.get("m0").state == state


def test_a_delivery_that_has_ended_is_neither_extended_nor_lost(storage: FaultyEngine) -> None:
    """A handler may go on for long after it has deleted its message: nothing is lost by that."""
    queue = opened(storage, visibility_timeout=0.1)
    lost: list[bool] = []

    def handle(delivery: Delivery[Any]) -> None:
        queue.delete(delivery)
        lost.append(delivery.lease.lost.wait(0.3))
        consumer.consumer.stop()

    notes = Notes()
    with running(queue, handle, hooks=[notes], poll_interval=(0.01, 0.02)) as consumer:
        queue.send("work", id="m0")
        summary = consumer.summary()
    assert (lost, counts(summary)) == ([False], {"succeeded": 1})
    assert notes.about("m0") == [("before", "m0", 1), ("after", "m0", 1)]
    assert behind(storage).item("m0")["version"] == 3


@pytest.mark.parametrize("error", [Reject("no amount"), RetryAfter(99, "later")], ids=repr)
def test_instructions_are_logged_without_a_traceback(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """A deliberate end is one line with its reason; where it was raised is no news."""
    queue = opened(storage)

    def handle(_: Delivery[Any]) -> None:
        consumer.consumer.stop()
        raise error

    with running(queue, handle) as consumer:
        queue.send("work", id="m0")
        consumer.summary()
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.exc_info is None
    assert str(error) in record.getMessage()


# --- why a delivery was not acknowledged -----------------------------------------------------

TERMS = LeaseTerms(timeout=30, longest=100)


def why(lease: Lease, now: float) -> str:
    """What is said of a lease that is lost at a time."""
    lease.lose(now)
    return lease.why_lost


def test_to_raise_timeouts_is_advised_only_where_that_helps() -> None:
    """What is said of a lost lease is what is known: time, lifetime, storage, others, a stop."""
    assert "Raise the visibility timeout" in why(
        Lease.granted(0, LeaseTerms(30, 100, extends=False)), 31
    )
    assert "somebody else" in why(Lease.granted(0, TERMS), 29)
    assert "the process was stopped" in why(Lease.granted(0, TERMS), 31)

    old = Lease.granted(0, TERMS)
    for time in (10, 20, 30, 40, 50, 60, 70, 80, 90):
        old.extended(time, TERMS)
    assert "Raise max_lifetime" in why(old, 121)

    hindered = Lease.granted(0, TERMS)
    assert [hindered.put_off(time, TERMS) for time in (10, 13, 16)] == [True, False, False]
    assert "the storage could not be used" in why(hindered, 31)


def test_an_unknown_outcome_is_not_told_as_a_lack_of_time(
    storage: FaultyEngine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what is known; nobody is told to raise timeouts; it does not count as done."""
    queue = opened(storage)

    def handle(_: Delivery[Any]) -> None:
        consumer.consumer.stop()
        raise ValueError("no")

    def retry(*_: object, **__: object) -> None:
        raise OutcomeUnknownError("It can't be told.", id="m0", trigger="retry")

    monkeypatch.setattr(queue, "retry", retry)
    with running(queue, handle) as consumer:
        queue.send("work", id="m0")
        summary = consumer.summary()
    assert counts(summary) == {"lost": 1}
    told = [one.getMessage() for one in caplog.records if "not acknowledged" in one.getMessage()]
    assert len(told) == 1
    assert "can't be told" in told[0]
    assert "imeout" not in told[0]

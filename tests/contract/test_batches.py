"""Batches: each entry is a single call of its own, and has a result of its own (spec: BATCH)."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from dynamomq.errors import (
    ClosedError,
    DuplicateMessageError,
    IllegalTransitionError,
    InvalidArgumentError,
    PayloadError,
    SetupError,
    StaleReceiptError,
    TableNotFoundError,
)
from dynamomq.message import Entry, Message
from dynamomq.operations import BatchResult
from dynamomq.queue import Queue
from dynamomq.requests import MAX_BATCH
from tests.contract.engines import OpenQueue, Table
from tests.contract.situations import OCCUPIED, TIMEOUT, after, arrange
from tests.support.clock import ManualClock

MANY = 2 * MAX_BATCH + 3
"""More than two requests hold."""

Batch = Callable[[Queue[Any], list[Any]], list[BatchResult[Any]]]
Single = Callable[[Queue[Any], Message[Any]], object]

BATCHES: dict[str, tuple[Batch, Single]] = {
    "delete": (
        lambda queue, messages: queue.delete_batch(messages),
        lambda queue, message: queue.delete(message),
    ),
    "retry": (
        lambda queue, messages: queue.retry_batch(messages, delay=5, error="no"),
        lambda queue, message: queue.retry(message, delay=5, error="no"),
    ),
    "extend": (
        lambda queue, messages: queue.extend_batch(messages, 90),
        lambda queue, message: queue.extend(message, 90),
    ),
    "release": (
        lambda queue, messages: queue.release_batch(messages),
        lambda queue, message: queue.release(message),
    ),
}
EVERY_BATCH = pytest.mark.parametrize("trigger", BATCHES)


def received(queue: Queue[Any], clock: ManualClock, number: int) -> list[Message[Any]]:
    """So many messages, sent one after the other and held since a second ago."""
    for one in range(number):
        queue.send(one, id=f"m{one:03}")
        clock.advance(nanoseconds=1)
    clock.advance(1)
    held = queue.receive(number)
    clock.advance(1)
    assert len(held) == number
    return held


# --- send ------------------------------------------------------------------------------------


def test_a_batch_sends_as_single_sends_do(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """BATCH-1: what a batch stores is what a send stores, but for the tokens."""
    queue.send({"n": 1}, id="single", delay=5, headers={"a": "b"})
    entries = [Entry({"n": 1}, id=f"m{n}", delay=5, headers={"a": "b"}) for n in range(2)]
    results = queue.send_batch(entries)
    single = table.item("single")
    for number, result in enumerate(results):
        assert result.message is not None
        item = table.item(f"m{number}")
        token = result.message.send_token
        assert item == after(single, id=f"m{number}", token=token, send_token=token)
        assert result.message == queue.get(f"m{number}")
    assert single["queue_add_timestamp"] == clock.text(5)


def test_any_number_of_payloads_is_sent(queue: Queue[Any]) -> None:
    """Plain payloads get ids of their own; results are in the order of the entries."""
    results = queue.send_batch({"n": number} for number in range(MANY))
    assert all(result.ok for result in results)
    messages = [result.message for result in results if result.message]
    assert [message.data["n"] for message in messages] == list(range(MANY))
    assert [message.id for message in messages] == [result.id for result in results]
    assert len({message.id for message in messages}) == MANY
    assert queue.stats().standard.ready == MANY


def test_nothing_is_sent_of_nothing(queue: Queue[Any], table: Table) -> None:
    """An empty batch is no error and no request."""
    assert queue.send_batch([]) == []
    assert queue.delete_batch([]) == []
    assert table.items() == {}


@pytest.mark.parametrize("state", OCCUPIED)
def test_an_id_that_is_taken_is_refused_in_a_batch(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """Wherever the message with the id is, its entry is a duplicate, and the others are sent."""
    arrange(state, queue, table, clock)
    before = table.item("m")
    first, taken, last = queue.send_batch([Entry(1, id="a"), Entry(2, id="m"), Entry(3, id="b")])
    assert (first.ok, last.ok) == (True, True)
    assert taken.is_duplicate
    assert taken.message is None
    assert isinstance(taken.error, DuplicateMessageError)
    assert (taken.error.id, taken.error.state) == ("m", state)
    assert table.item("m") == before
    assert (table.item("a")["data"], table.item("b")["data"]) == (1, 3)


def test_a_batch_sends_over_a_tombstone_whose_time_is_over(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """An insert minds a tombstone that storage has not removed yet; the entry is sent anyway."""
    arrange("forgotten", queue, table, clock)
    results = queue.send_batch([Entry("new", id="m"), Entry("other", id="a")])
    assert [result.error for result in results] == [None, None]
    assert (table.item("m")["data"], table.item("m")["version"]) == ("new", 1)


@pytest.mark.parametrize("between", [0, 1, MAX_BATCH])
def test_the_same_id_twice_is_sent_once(queue: Queue[Any], table: Table, between: int) -> None:
    """BATCH-1: the first is sent, the second is its duplicate, however far they are apart."""
    others: list[Any] = [Entry(n, id=f"other{n}") for n in range(between)]
    results = queue.send_batch([Entry("first", id="m"), *others, Entry("second", id="m")])
    assert [result.ok for result in results] == [True] * (between + 1) + [False]
    assert results[-1].is_duplicate
    assert table.item("m")["data"] == "first"


def test_what_can_not_be_sent_keeps_nothing_from_being_sent(
    queue: Queue[Any], table: Table
) -> None:
    """Payloads, ids, delays and headers that are no good fail alone, and nothing raises."""
    bad: list[tuple[Any, type[Exception]]] = [
        (object(), PayloadError),
        (Entry(object(), id="c"), PayloadError),
        ("x" * 400_000, PayloadError),
        (Entry(1, id=""), InvalidArgumentError),
        (Entry(1, delay=-1), InvalidArgumentError),
        (Entry(1, headers={"": "a"}), InvalidArgumentError),
    ]
    results = queue.send_batch([Entry(1, id="a"), *(entry for entry, _ in bad), Entry(2, id="b")])
    assert [type(result.error) for result in results[1:-1]] == [kind for _, kind in bad]
    assert not any(result.ok or result.message for result in results[1:-1])
    assert [result.id for result in results[1:3]] == ["", "c"]
    assert (results[0].ok, results[-1].ok) == (True, True)
    assert set(table.items()) == {"a", "b"}


# --- what holders do -------------------------------------------------------------------------


@EVERY_BATCH
def test_a_batch_does_what_single_calls_do(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str
) -> None:
    """BATCH-2: but for what tells messages apart, a batch leaves what the single call leaves."""
    batch, single = BATCHES[trigger]
    held = received(queue, clock, 3)
    single(queue, held[0])
    results = batch(queue, held[1:])
    assert [result.error for result in results] == [None, None]
    own = ("id", "data", "token", "send_token", "receipt", "creation_timestamp")
    alike = [
        {name: value for name, value in table.item(message.id).items() if name not in own}
        for message in held
    ]
    assert alike[1] == alike[0]
    assert alike[2] == alike[0]


@EVERY_BATCH
def test_any_number_of_messages_is_finished(
    queue: Queue[Any], clock: ManualClock, trigger: str
) -> None:
    """Results are in the order of the messages, over as many requests as it takes."""
    batch, _ = BATCHES[trigger]
    held = received(queue, clock, MANY)
    results = batch(queue, held)
    assert all(result.ok for result in results)
    assert [result.message.id for result in results] == [message.id for message in held]


@EVERY_BATCH
def test_a_stale_receipt_fails_alone(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str
) -> None:
    """BATCH-2: what somebody else holds by now is left to them; the others are finished."""
    batch, _ = BATCHES[trigger]
    held = received(queue, clock, 3)
    queue.release(held[1])
    (theirs,) = queue.receive()
    assert theirs.id == held[1].id
    before = table.item(theirs.id)
    results = batch(queue, held)
    assert [result.ok for result in results] == [True, False, True]
    error = results[1].error
    assert isinstance(error, StaleReceiptError)
    assert (error.id, error.state) == (theirs.id, "STANDARD.PROCESSING")
    assert results[1].message is held[1]
    assert table.item(theirs.id) == before


def test_refusals_are_judged_as_those_of_single_calls(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """BATCH-2: deleted again, or gone altogether, is success; what was given back is not held."""
    deleted, gone, released = received(queue, clock, 3)
    queue.delete(deleted)
    table.remove(gone.id)
    queue.release(released)
    assert [result.ok for result in queue.delete_batch([deleted, gone])] == [True, True]
    assert queue.release_batch([released])[0].ok
    (extended,) = queue.extend_batch([released], 60)
    assert isinstance(extended.error, IllegalTransitionError)
    (retried,) = queue.retry_batch([deleted])
    assert isinstance(retried.error, IllegalTransitionError)


@EVERY_BATCH
def test_the_same_message_twice_has_the_same_result(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str
) -> None:
    """A message that is given twice is finished once, and its result is told twice."""
    batch, _ = BATCHES[trigger]
    first, second = received(queue, clock, 2)
    one, _, again = batch(queue, [first, second, first])
    assert one.ok
    assert again is one
    assert table.item(first.id)["version"] == first.version + 1


def test_two_deliveries_of_one_message(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """An old and a new receipt of one message are two: only the old one is refused."""
    (old,) = received(queue, clock, 1)
    clock.advance(TIMEOUT)
    (new,) = queue.receive()
    results = queue.retry_batch([old, new])
    assert [type(result.error) for result in results] == [StaleReceiptError, type(None)]
    assert table.item(old.id)["version"] == new.version + 1


def test_extended_messages_have_their_deadlines(queue: Queue[Any], clock: ManualClock) -> None:
    """BATCH-2: the results are the messages with their new deadlines, never earlier ones."""
    near, far = received(queue, clock, 2)
    far = queue.extend(far, 600)
    results = queue.extend_batch([near, far], 90)
    assert [result.error for result in results] == [None, None]
    assert [result.message.due_at for result in results] == [clock.moment(90), far.due_at]
    assert all(result.ok for result in queue.delete_batch(result.message for result in results))


def test_what_is_not_held_fails_alone(queue: Queue[Any], clock: ManualClock) -> None:
    """What can't be acknowledged has an error of its own, and the others are deleted."""
    held, other = received(queue, clock, 2)
    strange = evolve(other, table="elsewhere")
    anything: list[Any] = [held, queue.get(other.id), strange, "a payload"]
    results = queue.delete_batch(anything)
    assert results[0].ok
    assert [type(result.error) for result in results[1:]] == [InvalidArgumentError] * 3
    assert queue.stats().standard.total == 1


@EVERY_BATCH
def test_dead_letters_are_finished_beside_other_messages(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str
) -> None:
    """BATCH-2: each entry follows the rule of its own queue, and stays in that unless deleted."""
    arrange("DLQ.READY", queue, table, clock)
    (alive,) = received(queue, clock, 1)
    (dead,) = queue.receive(source="DLQ")
    batch, _ = BATCHES[trigger]
    results = batch(queue, [alive, dead])
    assert [result.error for result in results] == [None, None]
    items = [table.item(message.id) for message in (alive, dead)]
    assert [item["version"] for item in items] == [alive.version + 1, dead.version + 1]
    queues = [item.get("queue_type") for item in items]
    assert queues == [None, None] if trigger == "delete" else queues == ["STANDARD", "DLQ"]


# --- what is wrong with the whole call -------------------------------------------------------


def test_arguments_of_the_whole_call_are_checked_first(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A delay or timeout that is out of range raises, and nothing is changed."""
    held = received(queue, clock, 2)
    before = table.items()
    with pytest.raises(InvalidArgumentError, match="delay"):
        queue.retry_batch(held, delay=-1)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        queue.extend_batch(held, 0)
    assert table.items() == before


@pytest.mark.parametrize("number", [1, 2, MANY])
def test_a_missing_table_raises(open_queue: OpenQueue, storage: Any, number: int) -> None:
    """Where nothing can be sent at all the call says so, with one entry as with many."""
    there = open_queue()
    elsewhere: Queue[Any] = Queue(f"{there.table}-missing", engine=storage)
    with pytest.raises(SetupError) as raised:
        elsewhere.send_batch(range(number))
    assert isinstance(raised.value, TableNotFoundError)


@pytest.mark.parametrize("engine", ["local-memory", "local-file"], indirect=True)
def test_a_closed_queue_raises(queue: Queue[Any], storage: Any) -> None:
    """After its engine was closed, a batch raises as a single call does."""
    storage.close()
    with pytest.raises(ClosedError):
        queue.send_batch([1, 2])


# --- one after the other ---------------------------------------------------------------------


def test_a_stream_yields_what_is_due_and_ends_when_there_is_no_more(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """All messages come, oldest first, and the loop ends with the queue empty."""
    for number in range(7):
        queue.send(number)
        clock.advance(1)
    seen = []
    for message in queue.stream(3, wait=0, until_empty=True):
        seen.append(message.data)
        queue.delete(message)
    assert seen == list(range(7))


def test_a_stream_that_is_left_releases_what_it_did_not_yield(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """What was claimed and not handed out can be received at once, its delivery not counted."""
    for number in range(3):
        queue.send(number, id=f"m{number}")
        clock.advance(1)
    stream = queue.stream(3, wait=0)
    first = next(stream)
    assert table.item("m2")["status"] == "PROCESSING"
    stream.close()
    left = [table.item(f"m{number}") for number in range(3)]
    assert [(item["status"], item["receive_count"]) for item in left] == [
        ("PROCESSING", 1),
        ("READY", 0),
        ("READY", 0),
    ]
    queue.delete(first)


@pytest.mark.parametrize("way", ["break", "raise"])
def test_a_loop_that_is_left_early_keeps_nothing_from_others(
    queue: Queue[Any], table: Table, clock: ManualClock, way: str
) -> None:
    """However a loop ends, what it did not get is due, and its earlier deliveries still count."""
    for message in received(queue, clock, 3):
        queue.retry(message)
        clock.advance(1)

    def loop() -> None:
        for _ in queue.stream(3, wait=0):
            if way == "raise":
                raise LookupError("in the loop")
            break

    if way == "raise":
        with pytest.raises(LookupError, match="in the loop"):
            loop()
    else:
        loop()
    counts = {id: (item["status"], item["receive_count"]) for id, item in table.items().items()}
    assert counts == {"m000": ("PROCESSING", 2), "m001": ("READY", 1), "m002": ("READY", 1)}


def test_a_stream_releases_only_what_is_still_its_own(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """What others have received since, because the loop took too long, is left to them."""
    for number in range(2):
        queue.send(number, id=f"m{number}")
        clock.advance(1)
    stream = queue.stream(2, wait=0)
    next(stream)
    clock.advance(TIMEOUT)
    assert len(queue.receive(2)) == 2
    before = table.items()
    stream.close()
    assert table.items() == before


def test_a_stream_of_dead_letters(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """It receives from the queue that it is told, for as long as it is told."""
    arrange("DLQ.READY", queue, table, clock)
    queue.send("alive", id="a")
    (dead,) = queue.stream(source="DLQ", visibility_timeout=90, wait=0, until_empty=True)
    assert dead.id == "m"
    assert dead.due_at == clock.moment(90)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_messages": 0},
        {"max_messages": 251},
        {"wait": -1},
        {"visibility_timeout": 0},
        {"source": "NONE"},
    ],
    ids=str,
)
def test_a_stream_checks_its_arguments_at_once(queue: Queue[Any], wrong: dict[str, Any]) -> None:
    """An argument that is out of range raises where the stream is made, not in the loop."""
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        queue.stream(**wrong)

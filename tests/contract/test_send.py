"""send: what is stored, how ids deduplicate, and for how long."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dynamomq.errors import DuplicateMessageError
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND
from tests.contract.engines import OpenQueue, Table
from tests.contract.situations import OCCUPIED, arrange
from tests.support.clock import ManualClock


def test_a_message_is_stored_whole(queue: Queue[Any], table: Table) -> None:
    """A send writes the ten shared attributes and two tokens, and nothing else."""
    sent = queue.send({"n": 1}, id="m")
    now = "2040-01-01T00:00:00.000000000Z"
    assert table.item("m") == {
        "id": "m",
        "data": {"n": 1},
        "status": "READY",
        "receive_count": 0,
        "queue_type": "STANDARD",
        "version": 1,
        "creation_timestamp": now,
        "last_updated_timestamp": now,
        "queue_add_timestamp": now,
        "queue_peek_timestamp": "",
        "token": sent.token,
        "send_token": sent.token,
    }


def test_send_returns_the_message_that_it_stored(queue: Queue[Any], clock: ManualClock) -> None:
    """What send returns is what get finds: a message that nobody has received yet."""
    sent = queue.send({"n": 1}, delay=5)
    assert sent == queue.get(sent.id)
    assert (sent.state, sent.data, sent.receive_count, sent.version) == (
        "STANDARD.READY",
        {"n": 1},
        0,
        1,
    )
    assert (sent.sent_at, sent.updated_at, sent.due_at) == (
        clock.moment(),
        clock.moment(),
        clock.moment(5),
    )
    assert (sent.received_at, sent.receipt, sent.errors, dict(sent.headers)) == (None, None, (), {})


@pytest.mark.parametrize("delay", [0, 0.25, 90, timedelta(days=400)])
def test_a_delay_moves_the_due_time(
    queue: Queue[Any], table: Table, clock: ManualClock, delay: float | timedelta
) -> None:
    """A delay, in seconds or as a timedelta, is added to now; the message is READY all the same."""
    queue.send(1, id="m", delay=delay)
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    item = table.item("m")
    assert (item["status"], item["queue_add_timestamp"]) == ("READY", clock.text(seconds))


def test_ids_are_made_up_in_the_order_of_time(queue: Queue[Any], clock: ManualClock) -> None:
    """Without an id each message gets a UUIDv7 of its send's millisecond."""
    ids = []
    for _ in range(3):
        ids.append(queue.send(1).id)
        clock.advance(0.001)
    uuids = [UUID(id) for id in ids]
    assert [uuid.version for uuid in uuids] == [7, 7, 7]
    assert [uuid.int >> 80 for uuid in uuids] == [clock.now // 10**6 - n for n in (3, 2, 1)]
    assert ids == sorted(ids)


@pytest.mark.parametrize("id", ["a", "order/17 ✓", "a$b", "x" * 2048, "é" * 1024])
def test_an_id_is_the_senders_own(queue: Queue[Any], id: str) -> None:
    """Any text of 1 to 2,048 bytes that is not reserved is an id, and finds the message again."""
    assert queue.send(1, id=id).id == id
    assert queue.get(id).id == id
    (received,) = queue.receive()
    assert received.id == id


@pytest.mark.parametrize("headers", [{"a": "1", "größe": ""}, {"x": "y" * 10_000}])
def test_headers_travel_with_the_message(queue: Queue[Any], headers: dict[str, str]) -> None:
    """Headers arrive as they were sent, the payload untouched, and stay through a retry."""
    assert queue.send("payload", headers=headers).headers == headers
    (first,) = queue.receive()
    queue.retry(first, delay=1)
    assert queue.get(first.id).headers == headers
    assert (first.data, first.headers) == ("payload", headers)


@pytest.mark.parametrize("headers", [None, {}])
def test_no_headers_are_no_attribute(
    queue: Queue[Any], table: Table, headers: dict[str, str] | None
) -> None:
    """A message without headers has no such attribute."""
    queue.send(1, id="m", headers=headers)
    assert "headers" not in table.item("m")


# --- deduplication ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", OCCUPIED)
def test_an_id_that_is_taken_is_refused(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """Wherever the message with this id is, a second send says so and changes nothing."""
    arrange(state, queue, table, clock)
    before = table.items()
    with pytest.raises(DuplicateMessageError) as refusal:
        queue.send("another", id="m")
    assert (refusal.value.id, refusal.value.state) == ("m", state)
    assert ("if_exists='return'" in str(refusal.value)) == (state != "FOREIGN")
    assert (refusal.value.taken_until is None) == (state != "DELETED")
    assert table.items() == before


@pytest.mark.parametrize("state", [state for state in OCCUPIED if state != "FOREIGN"])
def test_an_id_that_is_taken_can_return_its_message(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """On request the message that is there is returned, without its receipt; nothing changes."""
    arrange(state, queue, table, clock)
    before = table.items()
    found = queue.send("another", id="m", if_exists="return")
    assert (found.id, found.state, found.receipt) == ("m", state, None)
    assert found == queue.get("m")
    assert table.items() == before


def test_what_is_no_message_is_not_returned(queue: Queue[Any], table: Table) -> None:
    """An item that is no message blocks its id, and there is no message to return."""
    table.put({"id": "m", "note": "another program's"})
    with pytest.raises(DuplicateMessageError) as refusal:
        queue.send("another", id="m", if_exists="return")
    assert refusal.value.state == "FOREIGN"
    assert table.item("m") == {"id": "m", "note": "another program's"}


def delete_in_a_second(queue: Queue[Any], clock: ManualClock) -> Message[Any]:
    """Send, receive and delete message ``m``; the delete takes place a second after the send."""
    queue.send("first", id="m", headers={"a": "b"})
    (message,) = queue.receive()
    clock.advance(1)
    queue.delete(message)
    return message


@pytest.mark.parametrize(("window", "kept"), [(3600, 3600), (300, 300)])
def test_a_deleted_id_stays_taken_for_the_window(
    open_queue: OpenQueue, table: Table, clock: ManualClock, window: int, kept: int
) -> None:
    """A tombstone answers to the end of the window, and tells when that is."""
    queue = open_queue(deduplication_window=window)
    deleted = delete_in_a_second(queue, clock)
    clock.advance(kept, nanoseconds=-1)
    before = table.items()
    with pytest.raises(DuplicateMessageError, match=r"was deleted .* at") as refusal:
        queue.send("second", id="m")
    assert refusal.value.state == "DELETED"
    assert table.items() == before
    assert deleted.received_at is not None
    end = deleted.received_at + timedelta(seconds=1 + kept)
    assert refusal.value.taken_until == end
    assert f"taken until {end:%Y-%m-%d %H:%M:%S} UTC" in str(refusal.value)


@pytest.mark.parametrize("seconds", [0, 5, 299])
def test_a_short_window_that_others_agreed_on_is_five_minutes(
    open_queue: OpenQueue, table: Table, clock: ManualClock, seconds: int
) -> None:
    """A tombstone outlasts all repetitions of its send, whatever stands in the table."""
    open_queue().create_table(deduplication_window=300)
    table.change("$queue", deduplication_window=1000 * seconds)
    queue = open_queue(deduplication_window=300)
    delete_in_a_second(queue, clock)
    clock.advance(300, nanoseconds=-1)
    with pytest.raises(DuplicateMessageError):
        queue.send("second", id="m")


def test_after_the_window_an_id_is_free(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A tombstone whose time is over is replaced whole: nothing of it is left, no expiry."""
    delete_in_a_second(queue, clock)
    clock.advance(300)
    sent = queue.send("second", id="m")
    assert table.item("m") == sent.item
    assert sent.version == 1
    assert not {"expires_at", "receipt", "headers"} & sent.item.keys()
    (received,) = queue.receive()
    assert (received.data, received.receive_count) == ("second", 1)


def test_a_fraction_of_a_second_does_not_shorten_the_window(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """``expires_at`` is in whole seconds and rounded up: never short of the window."""
    clock.advance(nanoseconds=1)
    delete_in_a_second(queue, clock)
    assert table.item("m")["expires_at"] == clock.now // SECOND + 601


def test_messages_with_different_ids_are_different(queue: Queue[Any]) -> None:
    """Equal payloads are two messages; only the id deduplicates."""
    queue.send("same", id="a")
    queue.send("same", id="b")
    assert {message.id for message in queue.list()} == {"a", "b"}

"""Deduplication: by id and by content, for the window, in batches, and what a tombstone tells."""

from functools import partial
from typing import Any

import pytest
from attrs import frozen

from dynamomq.drivers.base import Engine
from dynamomq.errors import (
    DuplicateMessageError,
    IllegalTransitionError,
    InvalidArgumentError,
    OutcomeUnknownError,
    PayloadError,
)
from dynamomq.message import Entry
from dynamomq.payload import codec_for, fingerprint
from dynamomq.queue import Queue
from dynamomq.testing import FaultyEngine
from dynamomq.timestamps import SECOND
from tests.contract.engines import OpenQueue, Table
from tests.support.clock import ManualClock

WINDOW = 300
"""The default, in seconds."""


@frozen
class Order:
    """A payload of a declared type."""

    number: int
    total: float


def finish(queue: Queue[Any], clock: ManualClock) -> None:
    """Receive the one message that there is, and delete it a second later."""
    (message,) = queue.receive()
    clock.advance(1)
    queue.delete(message)


def fingerprint_of(payload: Any) -> str:
    """The id that a payload gets."""
    return fingerprint(codec_for().encode(payload))


# --- by content ------------------------------------------------------------------------------


def test_the_same_content_is_sent_once(queue: Queue[Any], table: Table) -> None:
    """DEDUP-4: the id is the content's, so the second send finds it taken, or returns the first."""
    payload = {"to": "Zoë", "parts": [1, 2.5, None], "tags": {"a", "b"}}
    sent = queue.send(payload, deduplication="content")
    assert sent.id == fingerprint_of(payload)
    before = table.items()
    again = {"tags": {"b", "a"}, "parts": [1, 2.5, None], "to": "Zoë"}
    with pytest.raises(DuplicateMessageError) as refusal:
        queue.send(again, deduplication="content")
    assert (refusal.value.id, refusal.value.state) == (sent.id, "STANDARD.READY")
    found = queue.send(again, deduplication="content", if_exists="return", delay=5)
    assert found == sent
    assert table.items() == before


def test_other_content_is_another_message(queue: Queue[Any]) -> None:
    """Payloads that differ are different messages; so are equal ones sent by id."""
    payloads: list[Any] = [{"n": 1}, {"n": "1"}, {"n": 2}, [], {}, None, "", "1", 1]
    ids = {queue.send(payload, deduplication="content").id for payload in payloads}
    ids |= {queue.send({"n": 1}).id for _ in range(2)}
    assert len(ids) == 11


def test_headers_delay_and_group_are_no_content(queue: Queue[Any]) -> None:
    """Only the payload counts."""
    queue.send("payload", deduplication="content", headers={"attempt": "1"})
    for more in ({"headers": {"attempt": "2"}}, {"delay": 60}, {"group": "g"}):
        arguments: dict[str, Any] = more
        with pytest.raises(DuplicateMessageError):
            queue.send("payload", deduplication="content", **arguments)


def test_content_is_what_is_stored(open_queue: OpenQueue) -> None:
    """An object of a declared type has the same content as the data that it is stored as."""
    sent = open_queue(payload=Order).send(Order(17, 2.0), deduplication="content")
    with pytest.raises(DuplicateMessageError) as refusal:
        open_queue().send({"total": 2, "number": 17}, deduplication="content")
    assert refusal.value.id == sent.id


def test_content_deduplicates_for_the_window(queue: Queue[Any], clock: ManualClock) -> None:
    """DEDUP-1: the content of a deleted message stays taken for as long as an id does."""
    queue.send("payload", deduplication="content")
    finish(queue, clock)
    clock.advance(WINDOW, nanoseconds=-1)
    with pytest.raises(DuplicateMessageError) as refusal:
        queue.send("payload", deduplication="content")
    assert refusal.value.state == "DELETED"
    clock.advance(1)
    assert queue.send("payload", deduplication="content").version == 1


def test_content_deduplicates_in_a_batch(queue: Queue[Any]) -> None:
    """Entries with the same content are duplicates of the first, in a group, too."""
    for group in (None, "g"):
        entries = [Entry([group, n], group=group, deduplication="content") for n in (1, 2, 1)]
        results = queue.send_batch(entries)
        assert [result.is_duplicate for result in results] == [False, False, True]
        assert [result.id for result in results] == [fingerprint_of([group, n]) for n in (1, 2, 1)]


@pytest.mark.parametrize(
    ("argument", "arguments"),
    [
        ("id", {"id": "m", "deduplication": "content"}),
        ("deduplication", {"deduplication": "none"}),
        ("deduplication", {"deduplication": None}),
    ],
)
def test_what_contradicts_itself_is_refused(
    queue: Queue[Any], table: Table, argument: str, arguments: dict[str, Any]
) -> None:
    """An id of one's own beside the content's, or a choice that there is not: nothing is sent."""
    with pytest.raises(InvalidArgumentError) as refusal:
        queue.send(1, **arguments)
    assert refusal.value.argument == argument
    (result,) = queue.send_batch([Entry(1, **arguments)])
    assert isinstance(result.error, InvalidArgumentError)
    assert table.items() == {}


# --- the window ------------------------------------------------------------------------------


def test_each_queue_has_its_own_window(open_queue: OpenQueue, clock: ManualClock) -> None:
    """The window is that of the queue object that deleted; a longer one than agreed is allowed."""
    ordinary, patient = open_queue(), open_queue(deduplication_window=3_600)
    for queue, id in ((ordinary, "a"), (patient, "b")):
        queue.send(1, id=id)
        finish(queue, clock)
    clock.advance(WINDOW)
    assert ordinary.send(2, id="a").version == 1
    with pytest.raises(DuplicateMessageError):
        ordinary.send(2, id="b")
    clock.advance(3_600 - WINDOW)
    assert ordinary.send(2, id="b").version == 1


def test_a_batch_over_tombstones_whose_time_is_over_succeeds(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """DEDUP-2: an insert meets an item and is refused; the put that follows knows that it is over.

    Storage removes tombstones late; until then they are in the table, and must be in nobody's way.
    """
    ids = [f"m{number}" for number in range(4)]
    queue.send_batch([Entry(1, id=id) for id in ids])
    held = queue.receive(10)
    clock.advance(1)
    queue.delete_batch(held)
    clock.advance(WINDOW, nanoseconds=-1)
    early = queue.send_batch([Entry(2, id=id) for id in ids])
    assert all(result.is_duplicate for result in early)
    clock.advance(nanoseconds=1)
    late = queue.send_batch([*(Entry(2, id=id) for id in ids[:2]), Entry(2, id="new")])
    late += queue.send_batch([Entry(2, id=id, group="g") for id in ids[2:]])
    assert all(result.ok for result in late)
    for result in late:
        assert result.message == queue.get(result.id)
        assert not {"expires_at", "receipt"} & table.item(result.id).keys()


@pytest.mark.parametrize("group", [None, "g"])
def test_a_refusal_by_a_tombstone_whose_time_ends_meanwhile_tells_nothing(
    open_queue: OpenQueue, storage: Engine, clock: ManualClock, group: str | None
) -> None:
    """WRITE-4: a first attempt may be executed yet, once storage has removed the tombstone."""
    faulty = FaultyEngine(storage)
    queue = open_queue(engine=faulty)
    queue.send(1, id="m")
    finish(queue, clock)
    clock.advance(WINDOW, nanoseconds=-1)  # the pause before the next attempt takes more
    with faulty.faults.fail("send", executed=False), pytest.raises(OutcomeUnknownError) as error:
        queue.send(2, id="m", group=group)
    assert error.value.id == "m"
    assert "'m'" in error.value.remedy
    clock.advance(1)
    assert queue.send(2, id="m", group=group).version == 1


def test_an_id_is_one_in_the_whole_queue(queue: Queue[Any]) -> None:
    """The group is no part of the key: an id that one group has, no other can have."""
    queue.send(1, id="m", group="g")
    for group in ("g", "h", None):
        with pytest.raises(DuplicateMessageError) as refusal:
            queue.send(2, id="m", group=group)
        assert refusal.value.state == "STANDARD.READY"
        assert queue.send(2, id="m", group=group, if_exists="return").data == 1
    queue.send(2, id="n", group="g")
    assert queue.send(3, id="n", group="h", if_exists="return").state == "WAITING"


# --- what a tombstone tells ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["delete", "cancel"])
@pytest.mark.parametrize("group", [None, "g"])
def test_a_tombstone_tells_when_it_was_made(
    queue: Queue[Any], table: Table, clock: ManualClock, how: str, group: str | None
) -> None:
    """DEDUP-3: get and send return it; it knows id and times, but neither payload nor headers."""
    sent = queue.send("secret", id="m", headers={"a": "b"}, group=group)
    assert sent.deleted_at is None
    clock.advance(5)
    (held,) = queue.receive()
    assert held.deleted_at is None
    queue.release(held)
    clock.advance(5)
    if how == "delete":
        finish(queue, clock)
    else:
        queue.cancel("m")
    moment = clock.moment()
    clock.advance(60)
    for found in (queue.get("m"), queue.send("secret", id="m", if_exists="return")):
        assert (found.state, found.deleted_at, found.sent_at) == ("DELETED", moment, sent.sent_at)
        assert (dict(found.headers), found.group, found.queue) == ({}, group, None)
        with pytest.raises(PayloadError, match="no payload"):
            found.data  # noqa: B018 - read for what it raises
    item = table.item("m")
    assert "secret" not in str(item)
    assert item["expires_at"] == (clock.now - 60 * SECOND) // SECOND + 2 * WINDOW


def test_a_tombstone_is_no_message_to_edit(queue: Queue[Any], table: Table) -> None:
    """Operators' edits name the state, and leave it alone."""
    queue.send(1, id="m")
    queue.cancel("m")
    before = table.items()
    later = partial(queue.reschedule, delay=60)
    for edit in (queue.cancel, queue.bury, queue.redrive, later):
        with pytest.raises(IllegalTransitionError) as refusal:
            edit("m")
        assert refusal.value.state == "DELETED"
    assert table.items() == before

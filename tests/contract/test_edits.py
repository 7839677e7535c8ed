"""Editing a message that nobody holds: update, annotate, cancel; bury of one that waits."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq.errors import PayloadError, StaleReceiptError
from dynamomq.message import Message
from dynamomq.operations import MAX_MESSAGE_BYTES
from dynamomq.queue import Queue
from dynamomq.values import item_size
from tests.contract.engines import OpenQueue, Table
from tests.contract.situations import TIMEOUT, after, arrange
from tests.support.clock import ManualClock
from tests.support.lists import orders

FREE = ("STANDARD.READY", "STANDARD.EXPIRED", "DLQ.READY", "DLQ.EXPIRED", "WAITING")
IN_EVERY_FREE_STATE = pytest.mark.parametrize("state", FREE)


def rewritten(before: dict[str, Any], clock: ManualClock, **changes: Any) -> dict[str, Any]:
    """What every edit leaves of an item, apart from its token: READY, and in nobody's hands."""
    upkeep = {"version": before["version"] + 1, "last_updated_timestamp": clock.text()}
    return after(before, without="receipt", **{"status": "READY", **upkeep, **changes})


def check_edited(table: Table, edited: Message[Any], expected: dict[str, Any]) -> None:
    """The item is as expected, with a token of its own, and the edit returned it."""
    item = table.item("m")
    assert item == after(expected, token=item["token"])
    assert item["token"] != expected["token"]
    assert edited.item == item


# --- update ----------------------------------------------------------------------------------


@IN_EVERY_FREE_STATE
def test_update_changes_what_a_message_says(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """Payload and headers are others; place, due time and the count of deliveries stay."""
    arrange(state, queue, table, clock)
    before = table.item("m")
    edited = queue.update("m", {"n": [2]}, headers={"trace": "2"})
    expected = rewritten(before, clock, data={"n": [2]}, headers={"trace": "2"})
    check_edited(table, edited, expected)
    assert (edited.data, dict(edited.headers)) == ({"n": [2]}, {"trace": "2"})
    assert edited == queue.get("m")


def test_update_leaves_the_headers_that_it_is_not_given(queue: Queue[Any]) -> None:
    """Without headers they stay; an empty mapping takes them away."""
    queue.send(1, id="m", headers={"trace": "1", "user": "7"})
    assert dict(queue.update("m", 2).headers) == {"trace": "1", "user": "7"}
    assert dict(queue.update("m", 3, headers={"user": "8"}).headers) == {"user": "8"}
    assert dict(queue.update("m", 4, headers={}).headers) == {}


def test_a_payload_of_none_is_a_payload(queue: Queue[Any]) -> None:
    """None replaces the payload like any other."""
    queue.send(1, id="m")
    queue.update("m", None)
    (received,) = queue.receive()
    assert received.data is None


@IN_EVERY_FREE_STATE
def test_update_replaces_what_another_port_has_encoded(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """With the payload goes what said how it was encoded; it can be read again."""
    arrange(state, queue, table, clock)
    table.change("m", data=b"\x28\xb5\x2f\xfd", codec="msgpack", encoding="zstd")
    with pytest.raises(PayloadError):
        _ = queue.get("m").data
    assert queue.update("m", {"n": 2}).data == {"n": 2}
    assert not {"codec", "encoding"} & table.item("m").keys()


def test_update_makes_a_poisonous_message_deliverable(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A payload that sent its message to the DLQ is mended there, and the message redriven."""
    queue.send(1, id="m")
    table.change("m", codec="unknown")
    assert queue.receive() == []
    queue.update("m", "mended")
    queue.redrive("m")
    clock.advance(1)
    (received,) = queue.receive()
    assert received.data == "mended"


# --- annotate --------------------------------------------------------------------------------


@IN_EVERY_FREE_STATE
def test_annotate_changes_the_headers_only(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """All headers are others; the payload stays as it is, whoever has encoded it."""
    arrange(state, queue, table, clock)
    table.change("m", codec="msgpack", encoding="zstd", headers={"old": "1"})
    before = table.item("m")
    edited = queue.annotate("m", {"note": "looked at"})
    check_edited(table, edited, rewritten(before, clock, headers={"note": "looked at"}))
    assert dict(edited.headers) == {"note": "looked at"}
    assert dict(queue.annotate("m", {}).headers) == {}


# --- who held it before ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda queue: queue.update("m", 2), id="update"),
        pytest.param(lambda queue: queue.annotate("m", {}), id="annotate"),
        pytest.param(lambda queue: queue.reschedule("m", delay=0), id="reschedule"),
        pytest.param(lambda queue: queue.cancel("m"), id="cancel"),
    ],
)
def test_a_holder_whose_deadline_has_passed_is_stale_after_an_edit(
    queue: Queue[Any],
    table: Table,
    held: Message[Any],
    clock: ManualClock,
    edit: Callable[[Queue[Any]], object],
) -> None:
    """FENCED: an edit takes an expired delivery from its holder, whose late writes do nothing."""
    clock.advance(TIMEOUT)
    edit(queue)
    before = table.items()
    for late in (queue.delete, queue.retry, queue.release):
        with pytest.raises(StaleReceiptError):
            late(held)
    with pytest.raises(StaleReceiptError):
        queue.extend(held, 60)
    assert table.items() == before


# --- size ------------------------------------------------------------------------------------


def filler(table: Table, size: int) -> str:
    """Text with which message ``m`` has this size in all, without its errors."""
    room = size - item_size(after(table.item("m"), without="errors", data=""))
    return "x" * room


def test_an_update_may_be_as_large_as_a_message(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """What send would take is taken: the room for failures is not for the payload to use."""
    queue.send("small", id="m")
    queue.bury("m", reason="x" * 500)
    payload = filler(table, MAX_MESSAGE_BYTES)
    assert queue.update("m", payload).data == payload
    queue.redrive("m")
    clock.advance(1)
    (received,) = queue.receive()
    assert received.data == payload


@pytest.mark.parametrize("state", ["STANDARD.READY", "DLQ.READY", "WAITING"])
def test_an_update_that_is_too_large_is_refused(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """A byte more, in payload or headers, is refused with the limit, and nothing is changed."""
    arrange(state, queue, table, clock)
    before = table.items()
    payload = filler(table, MAX_MESSAGE_BYTES + 1)
    edits: tuple[Callable[[], object], ...] = (
        lambda: queue.update("m", payload),
        lambda: queue.update("m", 1, headers={"x": payload}),
        lambda: queue.annotate("m", {"x": payload}),
    )
    for edit in edits:
        with pytest.raises(PayloadError, match=f"{MAX_MESSAGE_BYTES:,}"):
            edit()
    assert table.items() == before


def test_an_update_of_another_type_is_refused(open_queue: OpenQueue, table: Table) -> None:
    """What send would refuse is refused, and nothing is changed."""
    queue = open_queue(payload=list[int])
    queue.send([1], id="m")
    before = table.items()
    unfit: Any = ["one"]
    with pytest.raises(PayloadError):
        queue.update("m", unfit)
    assert table.items() == before


# --- cancel ----------------------------------------------------------------------------------


@IN_EVERY_FREE_STATE
def test_cancel_leaves_a_tombstone(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """Of a withdrawn message what remembers its id is left, and nothing of what it said."""
    arrange(state, queue, table, clock)
    before = table.item("m")
    left = queue.cancel("m")
    gone = ("queue_type", "data", "headers", "errors", "next_id", "previous_id")
    kept = {name: value for name, value in before.items() if name not in gone}
    item = table.item("m")
    assert item == rewritten(
        kept, clock, status="DELETED", token=item["token"], expires_at=item["expires_at"]
    )
    assert left == queue.get("m")
    assert (left.state, left.updated_at) == ("DELETED", clock.moment())
    assert queue.receive(10, source="DLQ") == []
    assert "m" not in [message.id for message in queue.receive(10)]


def test_a_cancelled_id_is_taken_for_the_window(queue: Queue[Any], clock: ManualClock) -> None:
    """DEDUP: within the window a send meets the tombstone; after it the id is free."""
    queue.send(1, id="m", delay=3600)
    queue.cancel("m")
    assert queue.send(2, id="m", if_exists="return").state == "DELETED"
    clock.advance(301)
    assert queue.send(2, id="m").data == 2


# --- bury of what waits ----------------------------------------------------------------------


def test_bury_takes_a_message_from_behind_its_head(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """It is in the DLQ, due at once, with the reason, and without the links of its list."""
    arrange("WAITING", queue, table, clock)
    buried = queue.bury("m", reason="unwanted")
    item = table.item("m")
    assert (item["queue_type"], item["queue_add_timestamp"]) == ("DLQ", clock.text())
    assert (buried.state, buried.group, buried.data) == ("DLQ.READY", "g", {"n": 1})
    assert [failure.message for failure in buried.errors] == ["unwanted"]
    assert orders(table.items()) == {"g": ["head"]}
    assert [message.id for message in queue.receive(10, source="DLQ")] == ["m"]

"""What changes nothing: get, list and stats."""

from typing import Any, Literal

import pytest

from dynamomq.errors import MessageNotFoundError, PayloadError
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations import QueueStats
from dynamomq.queue import Queue
from tests.contract.engines import BEYOND_MOTO, Table
from tests.contract.situations import OCCUPIED, TIMEOUT, after, arrange
from tests.support.clock import ManualClock

MESSAGES = tuple(state for state in OCCUPIED if state != "FOREIGN")


def ids(messages: list[Message[Any]]) -> list[str]:
    """The ids, in order."""
    return [message.id for message in messages]


# --- get -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", MESSAGES)
def test_reading_changes_nothing(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """A message in any state is shown as it is, less the receipt, and stays as it is."""
    arrange(state, queue, table, clock)
    before = table.items()
    found = queue.get("m")
    assert found.state == state
    assert found.item == after(before["m"], without="receipt")
    assert found.receipt is None
    listed = [message for source in QueueType for message in queue.list(source)]
    assert listed == ([] if found.queue is None else [found])
    assert list(queue.list(None)) == [found]
    queue.stats()
    assert table.items() == before


def test_the_state_changes_with_time_alone(
    queue: Queue[Any], held: Message[Any], clock: ManualClock
) -> None:
    """A delivery expires at its deadline, a tombstone at the end of its window, unwritten."""
    clock.advance(TIMEOUT, nanoseconds=-1)
    assert queue.get("m").state == "STANDARD.PROCESSING"
    clock.advance(nanoseconds=1)
    assert queue.get("m").state == "STANDARD.EXPIRED"
    queue.delete(held)
    clock.advance(300, nanoseconds=-1)
    assert queue.get("m").state == "DELETED"
    clock.advance(nanoseconds=1)
    with pytest.raises(MessageNotFoundError):
        queue.get("m")


@pytest.mark.parametrize("state", ["ABSENT", "FOREIGN", "forgotten"])
def test_get_of_no_message_says_so(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """An id that nothing, or no message, or only an old memory has is not found."""
    arrange(state, queue, table, clock)
    with pytest.raises(MessageNotFoundError) as refusal:
        queue.get("m")
    assert refusal.value.id == "m"
    assert refusal.value.remedy


def test_a_tombstone_has_no_payload(queue: Queue[Any], held: Message[Any]) -> None:
    """What is left of a deleted message says that its payload is gone."""
    queue.delete(held)
    with pytest.raises(PayloadError, match="no payload"):
        queue.get("m").data  # noqa: B018 - read for what it raises


# --- list ------------------------------------------------------------------------------------


def test_list_shows_a_queue_in_order_of_due_time(queue: Queue[Any], clock: ManualClock) -> None:
    """A listing holds all of a queue's messages, whoever holds them, and no other queue's."""
    for id, delay in {"held": 0, "later": 60, "soon": 10, "dead": 0, "done": 0}.items():
        queue.send(id, id=id, delay=delay)
        clock.advance(0.001)
    queue.bury("dead")
    (held, done) = queue.receive(2)
    queue.delete(done)
    listed = list(queue.list())
    assert ids(listed) == ["soon", "held", "later"]
    assert [message.data for message in listed] == ["soon", "held", "later"]
    assert [message.state for message in listed] == [
        "STANDARD.READY",
        "STANDARD.PROCESSING",
        "STANDARD.READY",
    ]
    assert {message.receipt for message in listed} == {None}
    assert ids(list(queue.list("DLQ"))) == ["dead"]
    assert held.id == "held"


def test_list_of_everything_shows_tombstones(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Without a queue the listing is of the whole table, except what is no message."""
    for id in ("ready", "dead", "done"):
        queue.send(id, id=id)
        clock.advance(1)
    queue.bury("dead")
    queue.receive()
    queue.delete(queue.receive()[0])
    table.put({"id": "$group#a", "tail_id": "x", "version": 1})
    table.put({"id": "foreign", "note": "another program's"})
    listed = {message.id: message for message in queue.list(None)}
    assert {id: message.state for id, message in listed.items()} == {
        "ready": "STANDARD.PROCESSING",
        "dead": "DLQ.READY",
        "done": "DELETED",
    }
    assert {message.receipt for message in listed.values()} == {None}


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
@pytest.mark.parametrize("source", ["STANDARD", None])
def test_list_goes_on_from_page_to_page(
    queue: Queue[Any], clock: ManualClock, source: Literal["STANDARD"] | None
) -> None:
    """A listing longer than a page holds each message once, in order where there is one."""
    sent = []
    for number in range(230):
        sent.append(queue.send(number, id=f"m{number:03}").id)
        clock.advance(0.001)
    listed = ids(list(queue.list(source)))
    assert (listed if source else sorted(listed)) == sent


@pytest.mark.parametrize("source", ["STANDARD", "DLQ", None])
def test_list_of_an_empty_queue_is_empty(
    queue: Queue[Any], source: Literal["STANDARD", "DLQ"] | None
) -> None:
    """Where there is nothing, nothing is listed."""
    assert list(queue.list(source)) == []


# --- stats -----------------------------------------------------------------------------------


def test_stats_count_by_state(queue: Queue[Any], clock: ManualClock) -> None:
    """Both queues are counted: what is ready, delayed, held, and past its deadline."""
    for number in range(10):
        queue.send(number, id=f"m{number}")
        clock.advance(0.001)
    queue.send(1, delay=3600)
    for number in (0, 1):
        queue.bury(f"m{number}")
    queue.receive(2)
    clock.advance(TIMEOUT)
    queue.receive(1, source="DLQ")
    queue.receive(3, visibility_timeout=3600)
    stats = queue.stats()
    assert stats.standard == QueueStats(ready=3, delayed=1, processing=3, expired=2)
    assert stats.standard.complete
    assert stats.standard.total == 9
    assert stats.dlq == QueueStats(ready=1, processing=1)


def test_stats_of_an_empty_table_are_zero(queue: Queue[Any]) -> None:
    """Where there is nothing, everything is counted, and it is nothing."""
    stats = queue.stats()
    assert stats.standard == stats.dlq == QueueStats(complete=True)
    assert stats.standard.total == 0


def test_stats_are_bounded(queue: Queue[Any], clock: ManualClock) -> None:
    """With a limit no more is counted in each queue, and the answer says that there is more."""
    for number in range(7):
        queue.send(number, id=f"m{number}")
        clock.advance(0.001)
    for number in range(3):
        queue.bury(f"m{number}")
    stats = queue.stats(limit=2)
    assert (stats.standard.total, stats.dlq.total) == (2, 2)
    assert not stats.standard.complete
    assert not stats.dlq.complete
    exact = queue.stats(limit=4)
    assert exact.standard == QueueStats(ready=4, complete=True)
    assert exact.dlq == QueueStats(ready=3, complete=True)

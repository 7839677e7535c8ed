"""Queues that are spread over several index partitions (SHARD-1 to SHARD-5), on all engines."""

from typing import Any
from zlib import crc32

import pytest

from dynamomq import Queue
from dynamomq.drivers.base import Engine
from dynamomq.message import Entry
from tests.contract.engines import OpenQueue, Table
from tests.support.clock import ManualClock

SHARDS = 3
LATER = 150  # seconds until senders use new shards


@pytest.fixture
def spread(open_queue: OpenQueue, clock: ManualClock) -> Queue[Any]:
    """A queue with three shards that are in use."""
    queue = open_queue()
    queue.create_table(shards=SHARDS)
    clock.advance(LATER)
    return queue


def place(name: str, key: str, shards: int = SHARDS) -> str:
    """The partition by the documented rule."""
    return f"{name}.{crc32(key.encode()) % shards}"


def fill(queue: Queue[Any], clock: ManualClock, count: int) -> list[str]:
    """Send messages, one a second; return their ids."""
    ids = [f"m{number}" for number in range(count)]
    for id in ids:
        queue.send("payload", id=id)
        clock.advance(1)
    return ids


def test_one_shard_has_the_plain_names(open_queue: OpenQueue, table: Table) -> None:
    """As in other ports, also where one shard is what was agreed on."""
    queue = open_queue()
    queue.create_table(shards=1)
    queue.send("payload", id="m")
    queue.bury("m")
    queue.send("payload", id="n")
    assert table.item("n")["queue_type"] == "STANDARD"
    assert table.item("m")["queue_type"] == "DLQ"


def test_a_new_table_is_spread_at_once(storage: Engine, table_name: str) -> None:
    """Where create_table has made the table, nobody can look elsewhere, so nobody waits."""
    queue: Queue[Any] = Queue(f"{table_name}-2", engine=storage)
    queue.create_table(shards=SHARDS)
    assert queue.settings.shards == SHARDS


def test_messages_go_where_their_ids_say(
    spread: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """The CRC-32 of the id decides, in single sends and in batches."""
    ids = fill(spread, clock, 6)
    spread.send_batch([Entry("payload", id=f"b{number}") for number in range(6)])
    for id in [*ids, *(f"b{number}" for number in range(6))]:
        assert table.item(id)["queue_type"] == place("STANDARD", id)


def test_all_shards_are_received_from(spread: Queue[Any], clock: ManualClock) -> None:
    """One call finds up to as many as are wanted, the oldest first; none is delivered twice."""
    ids = fill(spread, clock, 8)
    assert [message.id for message in spread.receive(25)] == ids
    assert spread.receive(25) == []


def test_one_at_a_time_finds_all(spread: Queue[Any], clock: ManualClock) -> None:
    """A loop that ends with the first empty receive has seen everything."""
    ids = fill(spread, clock, 8)
    found = []
    while batch := spread.receive():
        found += [message.id for message in batch]
        clock.advance(0.1)
    assert sorted(found) == ids


def test_the_dead_letter_queue_has_the_same_shards(
    spread: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A message keeps its number on the way into the dead-letter queue and back."""
    ids = fill(spread, clock, 4)
    held = {message.id: message for message in spread.receive(25)}
    for id in ids[:2]:
        spread.move_to_dlq(held[id])
    spread.release(held[ids[2]])
    spread.bury(ids[2])
    clock.advance(1)
    assert table.item(ids[0])["queue_type"] == place("DLQ", ids[0])
    assert table.item(ids[2])["queue_type"] == place("DLQ", ids[2])
    assert sorted(message.id for message in spread.receive(25, source="DLQ")) == ids[:3]
    clock.advance(31)
    spread.redrive(ids[2])
    assert table.item(ids[2])["queue_type"] == place("STANDARD", ids[2])


def test_listing_is_in_order_over_all_shards(spread: Queue[Any], clock: ManualClock) -> None:
    """The shards' messages are merged by their due times."""
    ids = fill(spread, clock, 8)
    assert [message.id for message in spread.list()] == ids
    assert sorted(message.id for message in spread.list(None)) == ids


@pytest.mark.parametrize("limit", [1, 7, 8, 9])
def test_all_shards_are_counted(spread: Queue[Any], clock: ManualClock, limit: int) -> None:
    """Up to the limit, which is for the queue; the result says whether there are more."""
    fill(spread, clock, 8)
    stats = spread.stats(limit=limit).standard
    assert (stats.ready, stats.complete) == (min(limit, 8), limit >= 8)


# --- raising the number ----------------------------------------------------------------------


def test_receivers_know_of_new_shards_before_senders(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """Senders go on as before for 150 s; receivers look into the new ones from their next look."""
    queue = open_queue()
    queue.send("payload", id="before")
    queue.create_table(shards=SHARDS)
    assert (queue.settings.shards, queue.settings.visited) == (1, SHARDS)
    clock.advance(LATER - 0.001)
    queue.send("payload", id="meanwhile")
    clock.advance(0.001)
    queue.send("payload", id="after")
    assert table.item("meanwhile")["queue_type"] == "STANDARD"
    assert table.item("after")["queue_type"] == place("STANDARD", "after")
    received = [message.id for message in queue.receive(25)]
    assert received == ["before", "meanwhile", "after"]


def test_raising_again_meanwhile_starts_from_what_is_used(
    open_queue: OpenQueue, clock: ManualClock
) -> None:
    """A second raise during the first one's wait leaves senders where they are until its own."""
    queue = open_queue()
    queue.create_table(shards=2)
    clock.advance(100)
    queue.create_table(shards=4)
    assert (queue.settings.shards, queue.settings.visited) == (1, 4)
    clock.advance(LATER)
    assert queue.settings.shards == 4
    queue.create_table(shards=8)
    assert (queue.settings.shards, queue.settings.visited) == (4, 8)


def test_a_group_stays_where_its_head_is(
    spread: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Raising moves no message of a group that is there, and the order is as before."""
    for number in range(4):
        spread.send(number, id=f"g{number}", group="g")
    first = place("STANDARD", "g")
    spread.create_table(shards=16)
    clock.advance(LATER)
    for number in range(4):
        assert table.item(f"g{number}").get("queue_type") == first
        (message,) = spread.receive()
        assert message.data == number
        spread.delete(message)
    spread.send("again", id="g4", group="g")
    assert table.item("g4")["queue_type"] == place("STANDARD", "g", 16)
    assert first != place("STANDARD", "g", 16), "the example shows nothing"


def test_a_client_that_knows_nothing_yet_loses_nothing(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """What a late receiver does not look for waits in its shard until it has looked again."""
    late, other = open_queue(), open_queue()
    assert late.receive() == []
    other.create_table(shards=SHARDS)
    table.change("$queue", shards_since=clock.text())  # as by a clock that is far ahead
    clock.advance(1)
    sender = open_queue()
    sender.send("payload", id="m")
    assert late.receive() == []
    clock.advance(60)
    assert [message.id for message in late.receive()] == ["m"]

"""What operations cost: requests and capacity units, as DynamoDB Local reports them.

They are deterministic, so they are the performance contract. (DynamoDB charges for refused writes
too, but does not report them; none are refused here.)
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

import pytest
from attrs import define

from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.meter import Capacity, Meter, Usage
from dynamomq.message import Entry
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, item_to_wire
from tests.integration.scene import Script
from tests.integration.strangers import legacy, legacy_received

CROWD = 5_000
SMALL = "x" * 200
LARGE = "x" * 10_000
NOT_YET = 3_600 * SECOND

pytestmark = pytest.mark.engine("dynamodb-local")


@define(eq=False)
class Metered:
    """A queue whose requests are counted, and its clock."""

    queue: Queue[Any]
    engine: DynamoDBEngine
    script: Script

    def usage(self, call: Callable[[], object]) -> Usage:
        """What a call costs, a second after the one before."""
        self.script.advance(1)
        meter = self.engine.meter = Meter()
        call()
        return meter.read()


@pytest.fixture
def metered(dynamodb_client: Any, table_name: str) -> Metered:
    """An empty queue."""
    script = Script(seed=crc32(table_name.encode()))  # DynamoDB remembers tokens of transactions
    engine = DynamoDBEngine(client=dynamodb_client, surroundings=script.surroundings())
    queue: Queue[Any] = Queue(table_name, engine=engine)
    queue.create_table()
    assert queue.settings.shards == 1  # the first look at what is agreed on, once a minute
    return Metered(queue, engine, script)


def test_what_is_agreed_on_is_read_once_a_minute(metered: Metered) -> None:
    """Whatever a client does, it reads the item ``$queue`` once a minute, for one read unit."""
    usages = [metered.usage(metered.queue.receive) for _ in range(150)]  # one each second
    reads = [usage.capacity.table_reads for usage in usages if usage.requests.get("GetItem")]
    assert reads == [1, 1]
    assert sum(usage.capacity.table_reads for usage in usages) == 2


def life(metered: Metered, payload: str) -> list[Usage]:
    """What send, receive and delete of one message cost."""
    held: list[Any] = []
    return [
        metered.usage(lambda: metered.queue.send(payload)),
        metered.usage(lambda: held.extend(metered.queue.receive())),
        metered.usage(lambda: metered.queue.delete(held[0])),
    ]


def units(usages: list[Usage]) -> Capacity:
    """All capacity units together."""
    return sum((usage.capacity for usage in usages), Capacity())


def test_life_of_a_message(metered: Metered) -> None:
    """Send, receive and delete cost at most 4 requests, 7 write units and half a read unit."""
    usages = life(metered, SMALL)
    assert [usage.requests for usage in usages] == [
        {"PutItem": 1},
        {"Query": 1, "UpdateItem": 1},
        {"UpdateItem": 1},
    ]
    total = units(usages)
    assert 0 < total.table_writes + total.index_writes <= 7
    assert 0 < total.table_reads + total.index_reads <= 0.5


def test_receive_of_many(metered: Metered) -> None:
    """Receiving 25 messages at once takes two requests: one query, one batch of claims."""
    for _ in range(25):
        metered.script.advance(0.001)
        metered.queue.send(SMALL)
    received: list[Any] = []
    usage = metered.usage(lambda: received.extend(metered.queue.receive(25)))
    assert len(received) == 25
    assert usage.requests == {"Query": 1, "BatchExecuteStatement": 1}


def test_life_in_full_batches(metered: Metered) -> None:
    """Sent, received and deleted 25 at once, messages cost four requests together: 0.16 each."""
    received: list[Any] = []
    entries = [Entry(SMALL, id=str(number)) for number in range(25)]
    usages = [
        metered.usage(lambda: metered.queue.send_batch(entries)),
        metered.usage(lambda: received.extend(metered.queue.receive(25))),
        metered.usage(lambda: metered.queue.delete_batch(received)),
    ]
    assert [usage.requests for usage in usages] == [
        {"BatchExecuteStatement": 1},
        {"Query": 1, "BatchExecuteStatement": 1},
        {"BatchExecuteStatement": 1},
    ]
    assert sum(usage.refused for usage in usages) == 0
    assert 0 < units(usages).index_reads <= 0.5
    assert metered.queue.stats().standard.total == 0


def test_what_refusals_in_a_batch_cost(metered: Metered) -> None:
    """Those that are finished too late cost one look, all together; a duplicate costs one put."""
    entries = [Entry(SMALL, id=str(number)) for number in range(10)]
    metered.queue.send_batch(entries)
    received = metered.queue.receive(10)
    metered.queue.release_batch(received)
    metered.queue.receive(10)
    sent = metered.usage(lambda: metered.queue.send_batch([*entries, SMALL]))
    assert sent.requests == {"BatchExecuteStatement": 1, "PutItem": 10}
    late = metered.usage(lambda: metered.queue.delete_batch(received))
    assert late.requests == {"BatchExecuteStatement": 1, "BatchGetItem": 1}


def in_flight(number: int, now: int) -> Item:
    """A message that somebody holds, sent before all others."""
    held = legacy_received(f"{number:05}", now - NOT_YET, now, data=SMALL, receipt="theirs")
    return {**held, "queue_add_timestamp": format_instant(now + NOT_YET + number)}


def delayed(number: int, now: int) -> Item:
    """A message that was sent before all others, and is not due yet."""
    item = legacy(f"{number:05}", now - NOT_YET, data=SMALL)
    return {**item, "queue_add_timestamp": format_instant(now + NOT_YET + number)}


def load(client: Any, table: str, items: list[Item]) -> None:
    """Store many items quickly."""
    requests = [{"PutRequest": {"Item": item_to_wire(item)}} for item in items]
    batches = [requests[start : start + 25] for start in range(0, len(requests), 25)]
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(
            lambda batch: client.batch_write_item(RequestItems={table: batch}), batches
        ):
            assert not answer["UnprocessedItems"]


@pytest.mark.parametrize("crowd", [in_flight, delayed], ids=lambda crowd: crowd.__name__)
@pytest.mark.parametrize("many", [1, 25])
def test_receive_reads_past_nobody(
    metered: Metered, dynamodb_client: Any, crowd: Callable[[int, int], Item], many: int
) -> None:
    """A receive costs the same, to the unit, with 5,000 messages that are not due ahead of it."""
    usages = []
    for number_ahead in (0, CROWD):
        now = metered.script.now
        load(dynamodb_client, metered.queue.table, [crowd(one, now) for one in range(number_ahead)])
        for _ in range(min(many, 2)):
            metered.script.advance(0.001)
            metered.queue.send(SMALL)
        usages.append(metered.usage(lambda: metered.queue.receive(many, visibility_timeout=9_999)))
    empty, crowded = usages
    assert crowded.requests == empty.requests
    assert crowded.capacity == empty.capacity
    assert empty.capacity.index_reads > 0


def test_payload_is_paid_for_in_the_table_only(metered: Metered) -> None:
    """A payload of 10 KB costs no more index units than one of 200 bytes, in a whole life."""
    small, large = (units(life(metered, payload)) for payload in (SMALL, LARGE))
    assert (large.index_reads, large.index_writes) == (small.index_reads, small.index_writes)
    assert large.table_writes >= small.table_writes + 2 * len(LARGE) // 1024


def test_a_successor_that_came_meanwhile_costs_a_request(metered: Metered) -> None:
    """A delete is planned from the message as received; others may have joined since: once more."""
    held: list[Any] = []
    metered.queue.send(SMALL, group="g")
    metered.usage(lambda: held.extend(metered.queue.receive()))
    metered.queue.send(SMALL, group="g")
    late = metered.usage(lambda: metered.queue.delete(held[0]))
    assert (late.requests, late.refused) == ({"TransactWriteItems": 2}, 2)
    metered.queue.send(SMALL, group="g")
    held[:] = metered.queue.receive()
    timely = metered.usage(lambda: metered.queue.delete(held[0]))
    assert (timely.requests, timely.refused) == ({"TransactWriteItems": 1}, 0)


def test_groups_share_no_transaction(metered: Metered) -> None:
    """A batch into two groups takes a look and a transaction for each, whatever their number."""
    entries = [Entry(SMALL, id=f"{group}{n}", group=group) for group in "ab" for n in range(40)]
    sent = metered.usage(lambda: metered.queue.send_batch(entries))
    assert sent.requests == {"GetItem": 2, "TransactWriteItems": 2}
    many = [Entry(SMALL, id=f"c{n}", group="c") for n in range(250)]
    sent = metered.usage(lambda: metered.queue.send_batch(many))
    assert sent.requests == {"GetItem": 3, "TransactWriteItems": 3}

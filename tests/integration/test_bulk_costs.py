"""What purge and redrive_all cost, in requests and read units, as DynamoDB Local reports them.

(It reports no write units for batches, and wrong ones for transactions.)
"""

from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest

from dynamomq import Entry
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.queue import Queue
from tests.integration.scene import Script
from tests.integration.test_costs import SMALL, Metered

pytestmark = pytest.mark.engine("dynamodb-local")

MANY = 50


@pytest.fixture
def metered(dynamodb_client: Any, table_name: str) -> Metered:
    """An empty queue; its tokens are its own, for the server remembers those of transactions."""
    script = Script(seed=crc32(table_name.encode()))
    engine = DynamoDBEngine(client=dynamodb_client, surroundings=script.surroundings())
    queue: Queue[Any] = Queue(table_name, engine=engine)
    queue.create_table()
    assert queue.settings.shards == 1  # the first look at what is agreed on, once a minute
    return Metered(queue, engine, script)


def fill(target: Metered, *, group: str | None, dead: bool) -> None:
    """Send many messages, and dead-letter them if that is wanted."""
    entries = [Entry(SMALL, id=f"m{number:03}", group=group) for number in range(MANY)]
    assert all(result.ok for result in target.queue.send_batch(entries))
    for entry in entries if dead else ():
        target.script.advance(0.001)
        target.queue.bury(str(entry.id))


ACTS: dict[str, tuple[bool, Callable[[Metered], object]]] = {
    "purge": (False, lambda target: target.queue.purge("STANDARD")),
    "redrive_all": (True, lambda target: target.queue.redrive_all()),
}


@pytest.mark.parametrize("act", ACTS)
def test_messages_without_a_group_share_requests(metered: Metered, act: str) -> None:
    """A query and a read find and count them; then 25 at a time are read again and written."""
    dead, call = ACTS[act]
    fill(metered, group=None, dead=dead)
    usage = metered.usage(lambda: call(metered))
    assert usage.requests == {"Query": 1, "BatchGetItem": 1 + 2, "BatchExecuteStatement": 2}
    assert usage.capacity.table_reads == 2 * MANY


def test_members_are_purged_in_a_transaction_each(metered: Metered) -> None:
    """25 are read at once; those behind the head are found from the end, and in the table.

    After ten steps from the end a page of the table is read; here that is the whole of it.
    """
    fill(metered, group="g", dead=False)
    usage = metered.usage(lambda: metered.queue.purge("STANDARD"))
    assert usage.requests == {
        "Query": 1,
        "BatchGetItem": 1 + 1 + 10 + 2,
        "Scan": 1,
        "TransactWriteItems": MANY,
    }


def test_members_are_redriven_in_a_transaction_each(metered: Metered) -> None:
    """25 are read at once, for each the end of its group, and it joins; the first likewise."""
    fill(metered, group="g", dead=True)
    usage = metered.usage(metered.queue.redrive_all)
    assert usage.requests == {
        "Query": 1,
        "BatchGetItem": 1 + 2,
        "GetItem": MANY,
        "TransactWriteItems": MANY,
    }

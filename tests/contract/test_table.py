"""The table: made once, refused where its shape is wrong, missed where it is missing."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from dynamomq.drivers.base import Engine
from dynamomq.errors import AccessDeniedError, TableMismatchError, TableNotFoundError
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.requests import DescribeTable, Request
from dynamomq.table import TableDefinition
from tests.contract.engines import BEYOND_MOTO, DYNAMODB, EMBEDDED, OpenQueue, Table
from tests.integration.scene import Between, Fronted
from tests.support.clock import ManualClock

INDEX = TableDefinition().index
ON_DYNAMODB = pytest.mark.parametrize("engine", DYNAMODB, indirect=True)
"""Tables of another shape can't be made in the embedded engine."""

Call = Callable[[Queue[Any], Message[Any]], object]

CALLS: dict[str, Call] = {
    "send": lambda queue, _: queue.send(1),
    "receive one": lambda queue, _: queue.receive(),
    "receive many": lambda queue, _: queue.receive(10, wait=5),
    "get": lambda queue, _: queue.get("m"),
    "list": lambda queue, _: list(queue.list()),
    "list all": lambda queue, _: list(queue.list(None)),
    "stats": lambda queue, _: queue.stats(),
    "bury": lambda queue, _: queue.bury("m"),
    "redrive": lambda queue, _: queue.redrive("m"),
    "extend": lambda queue, held: queue.extend(held, 60),
    "retry": lambda queue, held: queue.retry(held),
    "release": lambda queue, held: queue.release(held),
    "delete": lambda queue, held: queue.delete(held),
    "move_to_dlq": lambda queue, held: queue.move_to_dlq(held),
}
READ_THE_INDEX = ("receive one", "receive many", "list", "stats")


def test_creating_a_table_again_does_no_harm(
    queue: Queue[Any], table: Table, held: Message[Any]
) -> None:
    """create_table of a table that is there leaves it and what is in it alone."""
    before = table.items()
    queue.create_table()
    queue.create_table()
    assert table.items() == before
    queue.delete(held)


def test_tables_are_apart(storage: Engine, queue: Queue[Any]) -> None:
    """Two queues on one engine share nothing, not even ids."""
    other: Queue[Any] = Queue(f"{queue.table}-2", engine=storage)
    other.create_table()
    queue.send("one", id="m")
    other.send("two", id="m")
    assert [message.data for message in other.receive(10)] == ["two"]
    assert [message.data for message in queue.receive(10)] == ["one"]


def test_a_missing_table_is_named(storage: Engine, table_name: str, held: Message[Any]) -> None:
    """Every call on a table that does not exist says so, and how to make it."""
    missing: Queue[Any] = Queue(f"{table_name}-2", engine=storage)
    for call in CALLS.values():
        with pytest.raises(TableNotFoundError) as error:
            call(missing, evolve(held, table=missing.table))
        assert error.value.table == f"{table_name}-2"
        assert f"{table_name}-2" in str(error.value)
        assert "create_table()" in str(error.value)


def test_a_missing_index_is_named(
    open_queue: OpenQueue, table: Table, held: Message[Any], clock: ManualClock
) -> None:
    """Every call of a queue whose index is not there says which, a send too; nothing is stored."""
    before = table.items()
    elsewhere = open_queue(index="another-index")
    for call in CALLS.values():
        with pytest.raises(TableMismatchError, match="another-index"):
            call(elsewhere, held)
    assert clock.naps == []
    assert table.items() == before


class _Undescribed(Between):
    """Whoever asks may not describe the table."""

    asked = 0

    def store(self, request: Request[Any]) -> Any:
        if isinstance(request, DescribeTable):
            type(self).asked += 1
            raise AccessDeniedError("no dynamodb:DescribeTable")
        return super().store(request)


def test_who_may_not_describe_the_table_goes_on(
    open_queue: OpenQueue, storage: Engine, table: Table
) -> None:
    """It is asked for once, at the first use, and not needed: a missing index is told of later."""

    class Undescribed(_Undescribed):
        asked = 0

    queue = open_queue(engine=Fronted(storage, lambda inner: Undescribed(inner)))
    for number in range(3):
        queue.send(number)
    assert Undescribed.asked == 1
    assert len(table.items()) == 3


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_who_reads_the_index_is_told_all_the_same(
    open_queue: OpenQueue, storage: Engine, held: Message[Any]
) -> None:
    """What reads an index that the table does not have says which, described or not."""
    engine = Fronted(storage, _Undescribed)
    for name in READ_THE_INDEX:
        with pytest.raises(TableMismatchError, match="another-index"):
            CALLS[name](open_queue(engine=engine, index="another-index"), held)


def test_create_table_misses_the_index(open_queue: OpenQueue, table_name: str) -> None:
    """An existing table without the index is refused by create_table, which names it."""
    with pytest.raises(TableMismatchError) as error:
        open_queue(index="another-index").create_table()
    assert error.value.table == table_name
    assert error.value.differences == ("it has no index 'another-index'",)


# --- tables that others made -----------------------------------------------------------------

KEY = [("id", "S", "HASH")]
INDEX_KEY = [("queue_type", "S", "HASH"), ("queue_add_timestamp", "S", "RANGE")]
INDEX_KEY_SHOWN = "queue_type (S) + queue_add_timestamp (S)"
ENOUGH = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status", "receive_count"]}


def schema(key: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    """A key as ``CreateTable`` wants it."""
    return [{"AttributeName": name, "KeyType": kind} for name, _, kind in key]


def make_table(
    client: Any,
    name: str,
    *,
    key: list[tuple[str, str, str]] = KEY,
    indexes: dict[str, list[tuple[str, str, str]]] | None = None,
    projection: dict[str, Any] = ENOUGH,
    expiry: str | None = None,
) -> None:
    """Make a table as another program might; by default one that will do."""
    indexes = {INDEX: INDEX_KEY} if indexes is None else indexes
    types = {name: letter for one in (key, *indexes.values()) for name, letter, _ in one}
    secondary = [
        {"IndexName": index, "KeySchema": schema(one), "Projection": projection}
        for index, one in indexes.items()
    ]
    client.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": letter}
            for attribute, letter in types.items()
        ],
        KeySchema=schema(key),
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": secondary} if secondary else {}),
    )
    if expiry is not None:
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": expiry},
        )


def expiry_of(client: Any, name: str) -> str | None:
    """The attribute by which a table's items expire."""
    description = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    attribute: str | None = description.get("AttributeName")
    return attribute


@ON_DYNAMODB
@pytest.mark.parametrize(
    ("shape", "difference"),
    [
        (
            {"key": [("uid", "S", "HASH")]},
            "its primary key is uid (S) instead of id (S)",
        ),
        (
            {"key": [("id", "N", "HASH")]},
            "its primary key is id (N) instead of id (S)",
        ),
        (
            {"key": [("id", "S", "HASH"), ("version", "N", "RANGE")]},
            "its primary key is id (S) + version (N) instead of id (S)",
        ),
        ({"indexes": {}}, f"it has no index '{INDEX}'"),
        (
            {"indexes": {INDEX: [("queue_type", "S", "HASH")]}},
            f"the key of index '{INDEX}' is queue_type (S) instead of {INDEX_KEY_SHOWN}",
        ),
        (
            {"projection": {"ProjectionType": "KEYS_ONLY"}},
            f"index '{INDEX}' does not project receive_count, status",
        ),
        (
            {"projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status", "x"]}},
            f"index '{INDEX}' does not project receive_count, status",
        ),
        ({"expiry": "ttl"}, "its items expire by 'ttl' instead of 'expires_at'"),
    ],
)
def test_a_table_of_another_shape_is_refused(
    aws_client: Any, storage: Engine, table_name: str, shape: dict[str, Any], difference: str
) -> None:
    """create_table says what is wrong with a table that others made, and does not touch it."""
    make_table(aws_client, table_name, **shape)
    before = aws_client.describe_table(TableName=table_name)["Table"]
    with pytest.raises(TableMismatchError) as error:
        Queue(table_name, engine=storage).create_table()
    assert error.value.table == table_name
    assert error.value.differences == (difference,)
    assert difference in str(error.value)
    assert aws_client.describe_table(TableName=table_name)["Table"] == before
    assert expiry_of(aws_client, table_name) == shape.get("expiry")


@pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True)  # moto has its own words
@pytest.mark.parametrize(
    ("shape", "difference"),
    [
        ({"key": [("uid", "S", "HASH")]}, "its primary key is uid (S)"),
        ({"key": [("id", "N", "HASH")]}, "its primary key is id (N)"),
        ({"key": [*KEY, ("version", "N", "RANGE")]}, "its primary key is id (S) + version"),
        ({"indexes": {}}, f"it has no index '{INDEX}'"),
        (
            {"indexes": {INDEX: [("kind", "S", "HASH"), INDEX_KEY[1]]}},
            f"the key of index '{INDEX}' is kind (S)",
        ),
        ({"indexes": {INDEX: INDEX_KEY[:1]}}, f"the key of index '{INDEX}' is"),
        (
            {"indexes": {INDEX: [INDEX_KEY[0], ("queue_add_timestamp", "N", "RANGE")]}},
            f"the key of index '{INDEX}' is",
        ),
        ({"projection": {"ProjectionType": "KEYS_ONLY"}}, "does not project"),
    ],
)
def test_whoever_uses_a_table_of_another_shape_is_told(
    aws_client: Any,
    storage: Engine,
    table_name: str,
    held: Message[Any],
    shape: dict[str, Any],
    difference: str,
) -> None:
    """Not DynamoDB's words about keys, but what is wrong with the table; nothing is stored."""
    name = f"{table_name}-2"
    make_table(aws_client, name, **shape)
    queue: Queue[Any] = Queue(name, engine=storage)
    for call in CALLS.values():
        with pytest.raises(TableMismatchError) as error:
            call(queue, evolve(held, table=name))
        assert error.value.table == name
        assert difference in str(error.value)
        assert error.value.remedy
    assert aws_client.scan(TableName=name)["Items"] == []


@pytest.mark.parametrize("engine", EMBEDDED, indirect=True)
def test_whoever_uses_a_table_of_rows_is_told(storage: Any, held: Message[Any]) -> None:
    """In the embedded engine, too, a table that was made for rows is no queue's."""
    storage.create_table("rows")
    queue: Queue[Any] = Queue("rows", engine=storage)
    for call in CALLS.values():
        with pytest.raises(TableMismatchError, match="a table of your own"):
            call(queue, evolve(held, table="rows"))


@ON_DYNAMODB
def test_everything_that_is_wrong_is_said_at_once(
    aws_client: Any, storage: Engine, table_name: str
) -> None:
    """Several differences are all listed, so that nobody repairs a table by trial and error."""
    make_table(aws_client, table_name, key=[("uid", "S", "HASH")], indexes={}, expiry="ttl")
    with pytest.raises(TableMismatchError) as error:
        Queue(table_name, engine=storage).create_table()
    assert len(error.value.differences) == 3


@ON_DYNAMODB
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"projection": {"ProjectionType": "ALL"}},
        {
            "projection": {
                "ProjectionType": "INCLUDE",
                "NonKeyAttributes": ["status", "receive_count", "version"],
            }
        },
        {"indexes": {INDEX: INDEX_KEY, "another": [("status", "S", "HASH")]}},
        {"expiry": "expires_at"},
    ],
)
def test_a_table_that_has_more_than_enough_will_do(
    aws_client: Any, storage: Engine, table_name: str, shape: dict[str, Any]
) -> None:
    """Other indexes and wider projections do no harm; expiry is switched on where it was not."""
    make_table(aws_client, table_name, **shape)
    queue: Queue[Any] = Queue(table_name, engine=storage)
    queue.create_table()
    assert expiry_of(aws_client, table_name) == "expires_at"
    queue.send("payload")
    (message,) = queue.receive()
    assert message.data == "payload"


@ON_DYNAMODB
def test_names_are_free(aws_client: Any, storage: Engine, table_name: str) -> None:
    """Table and index have the names that the queue was given."""
    queue: Queue[Any] = Queue(table_name, engine=storage, index="by-due-time")
    queue.create_table()
    description = aws_client.describe_table(TableName=table_name)["Table"]
    assert [index["IndexName"] for index in description["GlobalSecondaryIndexes"]] == [
        "by-due-time"
    ]
    queue.send(1)
    assert len(queue.receive()) == 1

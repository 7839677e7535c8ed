"""The proxy that loses replies does lose them, between a real client and a real server."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.fixtures import make_client
from tests.support.http_messages import FramingError, read_message
from tests.support.proxy import ReplyEater

NEW_ITEM = {"Item": {"id": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(id)"}


@pytest.fixture
def table(dynamodb_client: Any, table_name: str) -> str:
    """An empty table with the string key ``id``."""
    dynamodb_client.create_table(
        TableName=table_name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return table_name


@pytest.fixture
def eater(dynamodb_endpoint: str) -> Iterator[ReplyEater]:
    """A proxy before DynamoDB Local."""
    with ReplyEater(dynamodb_endpoint) as eater:
        yield eater


@pytest.fixture
def client(eater: ReplyEater) -> Iterator[Any]:
    """A client behind the proxy, with the SDK's standard retries."""
    client = make_client(eater.endpoint_url)
    yield client
    client.close()


def test_a_swallowed_put_looks_like_a_failed_one(
    eater: ReplyEater, client: Any, table: str
) -> None:
    """A conditional PutItem whose reply is lost is repeated by the SDK and refused, though done."""
    lost = eater.swallow("PutItem")
    with pytest.raises(ClientError) as caught:
        client.put_item(TableName=table, **NEW_ITEM)
    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 1
    assert lost.count == 1
    assert (lost.exchanges[0].status, lost.exchanges[0].reply) == (200, {})
    assert "Item" in client.get_item(TableName=table, Key={"id": {"S": "a"}})


def test_another_client_acts_before_the_repetition(
    eater: ReplyEater, client: Any, dynamodb_client: Any, table: str
) -> None:
    """`between` runs after the execution and before the retry: here it makes the retry succeed."""
    key = {"TableName": table, "Key": {"id": {"S": "a"}}}
    deleted: list[Any] = []

    def delete() -> None:
        deleted.append(dynamodb_client.delete_item(**key, ReturnValues="ALL_OLD")["Attributes"])

    eater.swallow("PutItem", between=delete)
    reply = client.put_item(TableName=table, **NEW_ITEM)
    assert reply["ResponseMetadata"]["RetryAttempts"] == 1
    assert deleted == [NEW_ITEM["Item"]]


def test_only_what_matches_is_swallowed(eater: ReplyEater, client: Any, table: str) -> None:
    """Other operations, other parameters and later requests get their replies."""
    lost = eater.swallow("PutItem", when=lambda request: request["Item"]["id"]["S"] == "a")
    client.put_item(TableName=table, Item={"id": {"S": "b"}})
    client.get_item(TableName=table, Key={"id": {"S": "a"}})
    assert lost.count == 0
    retries = [
        client.put_item(TableName=table, Item={"id": {"S": "a"}})["ResponseMetadata"][
            "RetryAttempts"
        ]
        for _ in range(2)
    ]
    assert retries == [1, 0]
    assert lost.count == 1


def test_several_replies_in_a_row_are_swallowed(eater: ReplyEater, client: Any, table: str) -> None:
    """`times` replies are lost before the SDK gets through."""
    lost = eater.swallow("PutItem", times=2)
    reply = client.put_item(TableName=table, Item={"id": {"S": "a"}})
    assert reply["ResponseMetadata"]["RetryAttempts"] == 2
    assert lost.count == 2


def test_a_lost_request_executes_once_more(eater: ReplyEater, client: Any, table: str) -> None:
    """`repeat` delivers the very request again, after the client has long got its answer."""
    lost = eater.swallow("UpdateItem")
    client.update_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        UpdateExpression="ADD executions :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert lost.repeat().status == 200
    item = client.get_item(TableName=table, Key={"id": {"S": "a"}}, ConsistentRead=True)["Item"]
    assert item["executions"] == {"N": "3"}


def test_connections_are_kept(eater: ReplyEater, client: Any, table: str) -> None:
    """Requests share a connection, as without a proxy; only a lost reply costs one."""
    for _ in range(5):
        client.get_item(TableName=table, Key={"id": {"S": "a"}})
    assert eater.connections == 1
    eater.swallow("GetItem")
    client.get_item(TableName=table, Key={"id": {"S": "a"}})
    assert eater.connections == 2


def test_an_order_that_is_never_met_fails(dynamodb_endpoint: str) -> None:
    """A test that means to lose a reply and loses none does not pass."""
    eater = ReplyEater(dynamodb_endpoint)
    eater.swallow("PutItem")
    with pytest.raises(AssertionError, match="never came: PutItem"), eater:
        pass


def test_a_failing_callback_is_reported(dynamodb_endpoint: str, table: str) -> None:
    """What `between` raises, in a thread of the proxy, reaches the test."""

    def fail() -> None:
        raise ZeroDivisionError

    eater = ReplyEater(dynamodb_endpoint)
    eater.swallow("PutItem", between=fail)
    with (
        pytest.raises(ExceptionGroup) as caught,
        eater,
        contextlib.closing(make_client(eater.endpoint_url)) as client,
    ):
        client.put_item(TableName=table, Item={"id": {"S": "a"}})
    assert caught.group_contains(ZeroDivisionError)


LENGTH = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nX-Amz-Target: D.PutItem\r\n\r\nabc"
CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nab\r\n1;extension\r\nc\r\n0\r\nTrailer: t\r\n\r\n"
)
PLAIN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("raw", [LENGTH, CHUNKS, PLAIN_CHUNKS])
def test_messages_are_framed_exactly(raw: bytes) -> None:
    """A message of either framing ends where it ends: the next one follows at once."""
    stream = io.BytesIO(raw * 2)
    for _ in range(2):
        message = read_message(stream)
        assert message is not None
        assert (message.body, message.raw) == (b"abc", raw)
    assert read_message(stream) is None


@pytest.mark.parametrize("raw", [LENGTH, CHUNKS, PLAIN_CHUNKS])
def test_a_truncated_message_is_refused(raw: bytes) -> None:
    """Wherever a message is cut, it is refused rather than passed on as whole."""
    for end in range(1, len(raw)):
        with pytest.raises(FramingError):
            read_message(io.BytesIO(raw[:end]))

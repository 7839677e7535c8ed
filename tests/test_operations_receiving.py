"""What receive makes of replies that no engine gives on request."""

from typing import Any

import pytest

from dynamomq.errors import AccessDeniedError, DynamoMQError, ThrottledError
from dynamomq.message import Message
from dynamomq.operations import Settings, receive
from dynamomq.payload import codec_for
from dynamomq.requests import (
    Failed,
    GetMany,
    Moment,
    Operation,
    Page,
    Query,
    Request,
    Sleep,
    Tick,
    WriteBatch,
)

SETTINGS = Settings(
    table="jobs",
    codec=codec_for(None),
    visibility_timeout=30 * 10**9,
    max_receives=None,
    deduplication_window=300 * 10**9,
)
ENTRY: dict[str, Any] = {
    "id": "m",
    "queue_type": "STANDARD",
    "queue_add_timestamp": "2020-01-01T00:00:00.000000000Z",
    "status": "READY",
    "receive_count": 0,
}


def run(operation: Operation[list[Message[Any]]], failure: DynamoMQError) -> list[Message[Any]]:
    """Run an operation to its end where a message is due and every write of it fails."""
    reply: Any = None
    try:
        while True:
            reply = answer(operation.send(reply), failure)
    except StopIteration as stop:
        result: list[Message[Any]] = stop.value
        return result


def answer(request: Request[Any], failure: DynamoMQError) -> object:
    """The reply to one request."""
    match request:
        case Tick():
            return Moment(2 * 10**18, ("token",) * request.tokens, "id", 0.5)
        case Query():
            return Page((ENTRY,), None)
        case WriteBatch():
            return (Failed(failure),) * len(request.writes)
        case GetMany():
            return {}
        case Sleep():
            return None
    raise AssertionError(f"unexpected {request}")


@pytest.mark.parametrize(
    "failure", [ThrottledError("too fast"), AccessDeniedError("no PartiQL for you")]
)
def test_a_batch_that_fails_throughout_raises(failure: DynamoMQError) -> None:
    """Where every statement failed there is no answer: the reason is raised, nothing swallowed."""
    with pytest.raises(DynamoMQError) as error:
        run(receive(SETTINGS, max_messages=10), failure)
    assert error.value is failure

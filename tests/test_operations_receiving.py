"""What receive makes of replies that no engine gives on request."""

from collections.abc import Callable
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
    Refused,
    Request,
    Sleep,
    Tick,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.values import Item

SETTINGS = Settings(
    table="jobs",
    codec=codec_for(None),
    visibility_timeout=30 * 10**9,
    max_receives=None,
    deduplication_window=300 * 10**9,
)
NOW = 2 * 10**18
PAST, FUTURE = "2020-01-01T00:00:00.000000000Z", "2040-01-01T00:00:00.000000000Z"
ENTRY: Item = {
    "id": "m",
    "queue_type": "STANDARD",
    "queue_add_timestamp": PAST,
    "status": "READY",
    "receive_count": 0,
}
WHOLE: Item = {
    **ENTRY,
    "data": 1,
    "version": 1,
    "creation_timestamp": PAST,
    "last_updated_timestamp": PAST,
    "queue_peek_timestamp": "",
}
BUSY: Item = {"status": "PROCESSING", "receive_count": 1}
HELD: Item = {**WHOLE, **BUSY, "queue_add_timestamp": FUTURE, "receipt": "theirs"}


Answer = Callable[[Request[Any]], object]


def run(operation: Operation[list[Message[Any]]], answer: Answer) -> list[Message[Any]]:
    """Run an operation to its end, with these replies to its requests."""
    reply: Any = None
    try:
        while True:
            reply = answer(operation.send(reply))
    except StopIteration as stop:
        result: list[Message[Any]] = stop.value
        return result


def failing(failure: DynamoMQError) -> Answer:
    """A storage in which a message is due and every write of it fails."""

    def answer(request: Request[Any]) -> object:
        match request:
            case Tick():
                return Moment(NOW, ("token",) * request.tokens, "id", 0.5)
            case Query():
                return Page((ENTRY,), None)
            case WriteBatch():
                return (Failed(failure),) * len(request.writes)
            case GetMany():
                return {}
            case Sleep():
                return None
        raise AssertionError(f"unexpected {request}")

    return answer


@pytest.mark.parametrize(
    "failure", [ThrottledError("too fast"), AccessDeniedError("no PartiQL for you")]
)
def test_a_batch_that_fails_throughout_raises(failure: DynamoMQError) -> None:
    """Where every statement failed there is no answer: the reason is raised, nothing swallowed."""
    with pytest.raises(DynamoMQError) as error:
        run(receive(SETTINGS, max_messages=10), failing(failure))
    assert error.value is failure


@pytest.mark.parametrize(
    ("chance", "picks"), [(0.0, "0123"), (0.5, "0564"), (0.999, "0987")], ids=str
)
def test_after_a_lost_race_chance_picks(chance: float, picks: str) -> None:
    """The oldest is tried first; who loses that race tries any other, so that few meet again."""
    tried: list[str] = []
    entries = tuple({**ENTRY, "id": str(number)} for number in range(10))

    def answer(request: Request[Any]) -> object:
        match request:
            case Tick():
                return Moment(NOW, ("token",) * request.tokens, "id", chance)
            case Query():
                return Page(entries, None)
            case Write():
                tried.append(request.id)
                return Refused(HELD)
        raise AssertionError(f"unexpected {request}")

    assert run(receive(SETTINGS), answer) == []
    assert "".join(tried[:4]) == picks
    assert sorted(tried) == [str(number) for number in range(10)]


def test_after_a_lost_race_the_fresh_are_preferred() -> None:
    """An entry in delivery may be held all the same, so those that never were go first then."""
    tried: list[str] = []
    entries = tuple({**ENTRY, **BUSY, "id": f"held {number}"} for number in range(40))
    fresh = {**WHOLE, "id": "fresh"}

    def answer(request: Request[Any]) -> object:
        match request:
            case Tick():
                return Moment(NOW, ("token",) * request.tokens, "id", 0.5)
            case Query():
                found = (*entries, fresh)[: request.limit]
                return Page(found, fresh if len(found) == request.limit else None)
            case Write():
                tried.append(request.id)
                return Refused(HELD) if request.id != "fresh" else Written(fresh)
        raise AssertionError(f"unexpected {request}")

    assert [message.id for message in run(receive(SETTINGS), answer)] == ["fresh"]
    assert tried[0] == "held 0"
    assert tried[3:] == ["fresh"]

"""The reply to a transaction of a group is lost on the way from DynamoDB, and the SDK repeats it.

DynamoDB recognises the repetition by its token, and answers as it did before. Meanwhile others have
gone on; the caller is told what its transaction did all the same, and nothing is done twice.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from zlib import crc32

import pytest
from attrs import define, field, frozen

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.errors import DuplicateMessageError, IllegalTransitionError, UnavailableError
from dynamomq.message import Entry, Message
from dynamomq.queue import Queue
from dynamomq.table import TableDefinition
from dynamomq.values import Item
from tests.integration.lockstep import exact
from tests.integration.scene import Script, all_items
from tests.support.fixtures import make_client
from tests.support.lists import orders
from tests.support.proxy import ReplyEater

ATTEMPTS = 3  # of the SDK
EVERY = 5 * ATTEMPTS  # in each of ours
TIMEOUT = 30.0  # seconds
TRANSACTION = "TransactWriteItems"

pytestmark = pytest.mark.engine("dynamodb-local")


@define(eq=False)
class Stage:
    """A table with two clients, ours behind the proxy and another's, under one clock."""

    eater: ReplyEater
    script: Script
    ours: Queue[Any]
    others: Queue[Any]
    driver: Driver
    held: list[Message[Any]] = field(factory=list)

    def fill(self, *ids: str) -> None:
        """The other client sends messages into the group."""
        for id in ids:
            self.others.send(id, id=id, group="g")
            self.script.advance(1)

    def hold(self, *ids: str) -> None:
        """And we hold the first of them."""
        self.fill(*ids)
        self.held += self.ours.receive()
        self.script.advance(1)

    def finish(self) -> None:
        """The other client receives what is first, and deletes it."""
        self.script.advance(1)
        for message in self.others.receive():
            self.others.delete(message)

    def items(self) -> dict[str, Item]:
        """The whole table, by id."""
        return all_items(self.driver)


@pytest.fixture
def stage(dynamodb_endpoint: str, dynamodb_client: Any, table_name: str) -> Iterator[Stage]:
    """An empty table."""
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    with (
        ReplyEater(dynamodb_endpoint) as eater,
        closing(make_client(eater.endpoint_url, retries=retries)) as client,
    ):
        script = Script(seed=crc32(table_name.encode()))  # DynamoDB remembers tokens
        engines = [
            DynamoDBEngine(client=one, surroundings=script.surroundings())
            for one in (client, dynamodb_client)
        ]
        ours, others = (
            Queue[Any](table_name, engine=engine, visibility_timeout=TIMEOUT) for engine in engines
        )
        others.create_table()
        driver = engines[1].open(TableDefinition(table_name))
        yield Stage(eater, script, ours, others, driver)


Step = Callable[[Stage], object]


@frozen
class Case:
    """What we do, what others do before the SDK repeats it, and the list that this leads to.

    Attributes:
        prepare: what happened before.
        call: our call.
        between: what others do.
        order: the group's list in the end.
        again: what the call raises when it is made once more.
    """

    prepare: Step
    call: Step
    between: Step
    order: list[str]
    again: type[Exception] | None = None


def _send(stage: Stage) -> str:
    return stage.ours.send("new", id="new", group="g").id


def _send_many(stage: Stage) -> list[bool]:
    entries = [Entry(id, id=id, group="g") for id in ("new", "newer")]
    return [result.ok for result in stage.ours.send_batch(entries)]


def _finish_and_fill(stage: Stage) -> None:
    stage.finish()
    stage.fill("theirs")


def _finish_twice(stage: Stage) -> None:
    stage.finish()
    stage.finish()


def _dead(stage: Stage) -> None:
    stage.fill("a", "b")
    stage.others.bury("a")


CASES = {
    "first": Case(
        lambda stage: None,  # noqa: ARG005 - nothing was there before
        _send,
        lambda stage: stage.fill("theirs"),
        ["new", "theirs"],
        DuplicateMessageError,
    ),
    "first, and gone": Case(
        lambda stage: None,  # noqa: ARG005 - nothing was there before
        _send,
        lambda stage: stage.finish(),
        [],
        DuplicateMessageError,
    ),
    "append": Case(
        lambda stage: stage.fill("a"),
        _send,
        _finish_and_fill,
        ["new", "theirs"],
        DuplicateMessageError,
    ),
    "append many": Case(
        lambda stage: stage.fill("a"),
        _send_many,
        _finish_twice,
        ["newer"],
    ),
    "delete": Case(
        lambda stage: stage.hold("a", "b"),
        lambda stage: stage.ours.delete(*stage.held),
        lambda stage: stage.fill("theirs"),
        ["b", "theirs"],
    ),
    "delete, and the next one, too": Case(
        lambda stage: stage.hold("a", "b"),
        lambda stage: stage.ours.delete(*stage.held),
        lambda stage: stage.finish(),
        [],
    ),
    "cancel": Case(
        lambda stage: stage.fill("a", "b", "c"),
        lambda stage: stage.ours.cancel("b"),
        lambda stage: stage.others.cancel("a"),
        ["c"],
        IllegalTransitionError,
    ),
    "redrive": Case(
        _dead,
        lambda stage: stage.ours.redrive("a"),
        lambda stage: stage.finish(),
        ["a"],
        IllegalTransitionError,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_done_is_told(stage: Stage, name: str) -> None:
    """With its reply lost and others going on, the call succeeds, and was carried out once."""
    case = CASES[name]
    case.prepare(stage)
    lost = stage.eater.swallow(TRANSACTION, between=lambda: case.between(stage))
    case.call(stage)
    assert lost.count == 1
    items = stage.items()
    assert orders(items) == ({"g": case.order} if case.order else {})
    lost.repeat()
    assert exact(stage.items()) == exact(items)


@pytest.mark.parametrize("name", CASES)
def test_where_no_reply_comes_a_second_call_does_no_harm(stage: Stage, name: str) -> None:
    """With every reply lost it is not known; the second call finds it done, or says that it is."""
    case = CASES[name]
    case.prepare(stage)
    lost = stage.eater.swallow(TRANSACTION, times=EVERY)
    if case.call is _send_many:
        assert _send_many(stage) == [False, False]
    else:
        with pytest.raises(UnavailableError, match="not known"):
            case.call(stage)
    assert lost.count == EVERY
    items = stage.items()
    stage.script.advance(1)
    if case.again is None:
        case.call(stage)
    else:
        with pytest.raises(case.again):
            case.call(stage)
    assert exact(stage.items()) == exact(items)
    assert orders(items).keys() <= {"g"}


def test_the_next_message_is_ours_all_the_same(stage: Stage) -> None:
    """GROUP-7: the holder of what was claimed by the lost transaction can go on with it."""
    stage.hold("a", "b", "c")
    lost = stage.eater.swallow(TRANSACTION, between=lambda: stage.fill("theirs"))
    following = stage.ours.delete(*stage.held, receive_next=True)
    assert lost.count == 1
    assert following is not None
    assert (following.id, following.receive_count) == ("b", 1)
    stage.ours.delete(following)
    assert orders(stage.items()) == {"g": ["c", "theirs"]}

"""The reply to a whole batch is lost, the SDK repeats it, and each entry is told what happened."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from attrs import define

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.errors import (
    DuplicateMessageError,
    DynamoMQError,
    OutcomeUnknownError,
    StaleReceiptError,
    UnavailableError,
)
from dynamomq.message import Entry, Message
from dynamomq.operations import BatchResult
from dynamomq.queue import Queue
from dynamomq.table import TableDefinition
from dynamomq.values import Item
from tests.integration.lockstep import exact
from tests.integration.scene import Script, all_items
from tests.support.fixtures import make_client
from tests.support.proxy import ReplyEater

ATTEMPTS = 3  # of the SDK
EVERY = 5 * ATTEMPTS  # in each of ours
TIMEOUT = 30.0  # seconds
BATCH = "BatchExecuteStatement"

pytestmark = pytest.mark.engine("dynamodb-local")


@define(eq=False)
class Stage:
    """A table with two clients, ours behind the proxy and another's, under one clock."""

    eater: ReplyEater
    script: Script
    ours: Queue[Any]
    others: Queue[Any]
    driver: Driver

    def held(self, *ids: str) -> list[Message[Any]]:
        """Messages that we hold."""
        for id in ids:
            self.others.send(id, id=id)
            self.script.advance(0.001)
        held = self.ours.receive(len(ids))
        self.script.advance(1)
        assert [message.id for message in held] == list(ids)
        return held

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
        script = Script()
        engines = [
            DynamoDBEngine(client=one, surroundings=script.surroundings())
            for one in (client, dynamodb_client)
        ]
        ours, others = (
            Queue[Any](table_name, engine=engine, visibility_timeout=TIMEOUT) for engine in engines
        )
        others.create_table()
        yield Stage(eater, script, ours, others, engines[1].open(TableDefinition(table_name)))


def test_sent_once(stage: Stage) -> None:
    """BATCH-1, WRITE-3: what was sent is known as sent, what was taken before as a duplicate."""
    stage.others.send("theirs", id="b")
    lost = stage.eater.swallow(BATCH)
    results = stage.ours.send_batch(Entry("ours", id=id) for id in "abc")
    assert lost.count == 1
    assert [type(result.error) for result in results] == [
        type(None),
        DuplicateMessageError,
        type(None),
    ]
    items = stage.items()
    assert {id: item["data"] for id, item in items.items()} == {
        "a": "ours",
        "b": "theirs",
        "c": "ours",
    }
    lost.repeat()
    assert exact(stage.items()) == exact(items)


def test_sent_and_gone_since(stage: Stage) -> None:
    """WRITE-3: a message that others have deleted since is recognised by its tombstone."""

    def meanwhile() -> None:
        stage.script.advance(1)
        for message in stage.others.receive(10):
            stage.others.delete(message)

    lost = stage.eater.swallow(BATCH, between=meanwhile)
    results = stage.ours.send_batch(Entry("ours", id=id) for id in "ab")
    assert lost.count == 1
    assert [result.error for result in results] == [None, None]
    items = stage.items()
    assert {item["status"] for item in items.values()} == {"DELETED"}
    lost.repeat()
    assert exact(stage.items()) == exact(items)


Finish = Callable[[Queue[Any], list[Message[Any]]], list[BatchResult[Any]]]

FINISHES: dict[str, tuple[Finish, type[DynamoMQError] | None]] = {
    "delete": (lambda queue, messages: queue.delete_batch(messages), None),
    "retry": (lambda queue, messages: queue.retry_batch(messages), OutcomeUnknownError),
    "release": (lambda queue, messages: queue.release_batch(messages), OutcomeUnknownError),
    "extend": (lambda queue, messages: queue.extend_batch(messages, 60), None),
}
"""Each batch, and what it must report of a message that it gave up and another received since."""


@pytest.mark.parametrize("name", FINISHES)
def test_finished_once(stage: Stage, name: str) -> None:
    """BATCH-2, WRITE-3: each message is written once and known as finished, but for a stale one."""
    finish, _ = FINISHES[name]
    old, *held = stage.held("a", "b", "c")
    stage.others.send("next", id="d", delay=3600)
    stage.ours.retry(old)
    (taken,) = stage.others.receive()
    before = stage.items()
    lost = stage.eater.swallow(BATCH)
    results = finish(stage.ours, [old, *held])
    assert lost.count == 1
    assert [type(result.error) for result in results] == [
        StaleReceiptError if name in ("delete", "extend") else OutcomeUnknownError,
        type(None),
        type(None),
    ]
    items = stage.items()
    assert items["a"] == taken.item
    assert items["d"] == before["d"]
    assert [items[message.id]["version"] for message in held] == [
        message.version + 1 for message in held
    ]
    lost.repeat()
    assert exact(stage.items()) == exact(items)


@pytest.mark.parametrize("name", FINISHES)
def test_finished_and_moved_on(stage: Stage, name: str) -> None:
    """WRITE-4: what was given up, and received and given back by another since, is not known."""
    finish, unknown = FINISHES[name]
    held = stage.held("a", "b")

    def meanwhile() -> None:
        stage.script.advance(1)
        for message in stage.others.receive(10):
            stage.others.retry(message)

    lost = stage.eater.swallow(BATCH, between=meanwhile)
    results = finish(stage.ours, held)
    assert lost.count == 1
    assert [type(result.error) for result in results] == [unknown or type(None)] * 2
    items = stage.items()
    lost.repeat()
    assert exact(stage.items()) == exact(items)


def test_all_replies_lost(stage: Stage) -> None:
    """Every entry says that its outcome is not known; sent again by id, each is there once."""
    entries = [Entry("ours", id=id) for id in "ab"]
    lost = stage.eater.swallow(BATCH, times=EVERY)
    results = stage.ours.send_batch(entries)
    assert lost.count == EVERY
    for result in results:
        assert type(result.error) is UnavailableError
        assert f"id={result.id!r}" in result.error.remedy
    items = stage.items()
    assert set(items) == {"a", "b"}
    assert all(result.is_duplicate for result in stage.ours.send_batch(entries))
    assert exact(stage.items()) == exact(items)

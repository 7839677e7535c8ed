"""The DynamoDB engine's requests, one by one, against DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from attrs import evolve

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.errors import (
    TableNotFoundError,
)
from dynamomq.operations.groups import group_key
from dynamomq.requests import (
    CreateTable,
    DescribeTable,
    EnableExpiry,
    Failed,
    Get,
    GetMany,
    Query,
    Refused,
    Request,
    Scan,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.reserved import GROUP
from dynamomq.table import TableDefinition
from dynamomq.values import Value
from tests.support.fixtures import make_client
from tests.support.proxy import ReplyEater
from tests.support.writes import LATER, NOW, delete, receive, send


@pytest.fixture
def driver(dynamodb_endpoint: str, table_name: str) -> Iterator[Driver]:
    """A driver with a client of its own, on a table that it has created."""
    with closing(DynamoDBEngine(endpoint_url=dynamodb_endpoint)) as engine:
        driver = engine.open(TableDefinition(name=table_name))
        driver.execute(CreateTable())
        yield driver


def test_real_table_is_as_defined(driver: Driver) -> None:
    """The table that is created is described exactly as its definition says."""
    for _ in range(2):
        driver.execute(CreateTable())
        driver.execute(EnableExpiry())
    assert driver.execute(DescribeTable()) == driver.table.description()


def test_real_life_of_a_message(driver: Driver) -> None:
    """Each write leaves the item that the rule says, alone and in a batch; repeats are refused."""
    for write in (send("a"), receive("a"), delete("a")):
        before = driver.execute(Get("a"))
        after = write.specialised.apply(before, write.arguments)
        assert driver.execute(evolve(write, want_item=True)) == Written(after)
        assert driver.execute(write) == Refused(after)
        assert driver.execute(Get("a")) == after
    for make in (send, receive, delete):
        writes = tuple(evolve(make(id_), want_item=True) for id_ in "bcd")
        before_each = driver.execute(GetMany(("b", "c", "d")))
        expected = tuple(
            Written(write.specialised.apply(before_each.get(write.id), write.arguments))
            for write in writes
        )
        assert driver.execute(WriteBatch((*writes, make("a")))) == (
            *expected,
            Refused(None, shown=False),
        )


def test_real_pages(driver: Driver) -> None:
    """Following the cursor gives every entry of the index, and every item of a scan, once."""
    for n in range(5):
        driver.execute(send(f"{n}", due=NOW[:-5] + f"{n:04}Z"))
    for page_of, expected in (
        (lambda cursor: Query("STANDARD", LATER, 2, cursor), ["0", "1", "2", "3", "4"]),
        (lambda cursor: Scan(2, cursor), None),
    ):
        found: list[Value] = []
        page = driver.execute(page_of(None))
        found += [entry["id"] for entry in page.entries]
        while page.cursor is not None:
            page = driver.execute(page_of(page.cursor))
            found += [entry["id"] for entry in page.entries]
        assert (found if expected else sorted(map(str, found))) == ["0", "1", "2", "3", "4"]


def test_real_removal(driver: Driver) -> None:
    """What ends in no item is removed, once: such as the item that knows a group's tail."""
    group = group_key("g")
    driver.execute(Write(group, GROUP.rule("open"), {"id": group, "new_tail_id": "a"}))
    close = Write(group, GROUP.rule("close"), {"tail_id": "a"})
    assert driver.execute(close) == Written(None)
    assert driver.execute(close) == Refused(None)
    assert driver.execute(Get(group)) is None


def test_real_missing_table(dynamodb_endpoint: str, table_name: str) -> None:
    """Requests to a table that is not there say so, in batches for each write."""
    with closing(DynamoDBEngine(endpoint_url=dynamodb_endpoint)) as engine:
        driver = engine.open(TableDefinition(name=table_name))
        requests: list[Request[Any]] = [Get("a"), send("a"), Query("DLQ", None, 1)]
        for request in requests:
            with pytest.raises(TableNotFoundError):
                driver.execute(request)
        replies = driver.execute(WriteBatch((receive("a"), receive("b"))))
        assert all(
            isinstance(reply, Failed) and isinstance(reply.error, TableNotFoundError)
            for reply in replies
        )


def test_lost_reply_is_recognisable(
    driver: Driver, dynamodb_endpoint: str, table_name: str
) -> None:
    """After a lost reply the SDK's repetition is refused; the refusal says so, and shows our token.

    In a batch it says so too, without the item.
    """
    for id_ in "abc":
        driver.execute(send(id_))
    with ReplyEater(dynamodb_endpoint) as eater, closing(make_client(eater.endpoint_url)) as client:
        behind = DynamoDBEngine(client=client).open(TableDefinition(name=table_name))
        eater.swallow("UpdateItem")
        reply = behind.execute(receive("a"))
        assert isinstance(reply, Refused)
        assert reply.repeated
        assert (reply.item or {})["receipt"] == "claim-a"
        eater.swallow("BatchExecuteStatement")
        replies = behind.execute(WriteBatch((receive("b"), receive("c"))))
        assert replies == (Refused(None, repeated=True, shown=False),) * 2


def test_environment_names_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, dynamodb_endpoint: str
) -> None:
    """``AWS_ENDPOINT_URL_DYNAMODB`` counts, with a session of ours and with a given one."""
    driver.execute(send("a"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    for options in ({}, {"session": boto3.session.Session()}):
        with closing(DynamoDBEngine(**options)) as engine:
            assert engine.open(driver.table).execute(Get("a")) is not None

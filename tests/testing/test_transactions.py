"""Faults strike transactions as a whole, by the name of any write in them, or as ``transact``."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import ConflictError, InternalError, ThrottledError, UnavailableError
from dynamomq.attributes import ID
from dynamomq.drivers.base import Driver
from dynamomq.effects import Set
from dynamomq.expressions import TRUE, Arg
from dynamomq.machine import MESSAGE
from dynamomq.requests import (
    Cancelled,
    Committed,
    CreateTable,
    Elsewhere,
    Get,
    Refused,
    Transact,
    Write,
)
from dynamomq.reserved import GROUP
from dynamomq.rules import Rule, State, Transition
from dynamomq.table import TableDefinition
from dynamomq.testing import Fault, Faults, FaultyEngine, UnusedFaultError

OTHER = "another-table"


def send(id: str) -> Write:
    """A write of the name ``send``, of the least that an item can be."""
    absent = State("ABSENT", ID.absent(), "")
    step = Transition("send", "ABSENT", "STORED", "sender", TRUE, (Set(ID, Arg("id")),))
    return Write(id, Rule("send", "put", ((absent, step),)), {"id": id})


def open_group(group: str) -> Write:
    """The upkeep of a group's item that goes with its first message."""
    id = f"$group#{group}"
    return Write(id, GROUP.rule("open"), {"id": id, "new_tail_id": "a"})


LINK = Write("tail", MESSAGE.rule("link"), {"next_id": "a"})
SENT = Transact((send("a"), Elsewhere(OTHER, open_group("g"))), "token")

Arm = Callable[[Faults, str], Fault]


@pytest.fixture
def driver(engine: FaultyEngine) -> Driver:
    """The driver of a table, beside which there is another one."""
    tables = [engine.open(TableDefinition(name)) for name in ("orders", OTHER)]
    for table in tables:
        table.execute(CreateTable())
    return tables[0]


def took_place(engine: FaultyEngine) -> bool:
    """Whether ``SENT`` did, in both tables or in none."""
    tables = (engine.open(TableDefinition(name)) for name in ("orders", OTHER))
    found = [
        table.execute(Get(id)) is not None
        for table, id in zip(tables, ("a", "$group#g"), strict=True)
    ]
    assert len(set(found)) == 1, "half of the transaction took place"
    return found[0]


@pytest.mark.parametrize("name", ["transact", "send", "open"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_crash(engine: FaultyEngine, faults: Faults, driver: Driver, name: str, when: Any) -> None:
    """A process that dies before or after a transaction leaves nothing of it, or all."""
    with faults.crash(name, when=when):
        driver.execute(SENT)
    assert took_place(engine) == (when == "after")


@pytest.mark.parametrize(
    ("arm", "error", "executed"),
    [
        (lambda faults, on: faults.time_out(on, executed=True), UnavailableError, True),
        (lambda faults, on: faults.time_out(on, executed=False), UnavailableError, False),
        (lambda faults, on: faults.fail(on, executed=True), InternalError, True),
        (lambda faults, on: faults.fail(on, executed=False), InternalError, False),
        (lambda faults, on: faults.throttle(on), ThrottledError, False),
        (lambda faults, on: faults.throttle(on, ids=["a", "b"]), ThrottledError, False),
        (lambda faults, on: faults.conflict(on), ConflictError, False),
    ],
)
@pytest.mark.parametrize("name", ["transact", "send"])
def test_failures(
    engine: FaultyEngine,
    faults: Faults,
    driver: Driver,
    name: str,
    arm: Arm,
    error: type[Exception],
    executed: bool,
) -> None:
    """A transaction fails as any other request, and took place where the fault says so."""
    with arm(faults, name), pytest.raises(error, match="send, open on table 'orders'"):
        driver.execute(SENT)
    assert took_place(engine) == executed


def test_a_lost_reply(engine: FaultyEngine, faults: Faults, driver: Driver) -> None:
    """The repetition meets its own first success, as without DynamoDB's tokens, and is marked."""
    with faults.lose_reply("open"):
        reply = driver.execute(SENT)
    assert took_place(engine)
    assert isinstance(reply, Cancelled)
    assert reply.repeated
    assert all(reason is not None and reason.repeated for reason in reply.reasons)


def test_a_lost_reply_that_refuses(faults: Faults, driver: Driver) -> None:
    """A transaction that was refused both times keeps its reasons, marked as repeated."""
    request = Transact((LINK, open_group("g")), "token")
    with faults.lose_reply("link"):
        reply = driver.execute(request)
    assert reply == Cancelled((Refused(None, repeated=True), None), repeated=True)


def test_other_transactions_pass(engine: FaultyEngine, faults: Faults, driver: Driver) -> None:
    """A fault waits for a transaction that has such a write, on such a message."""
    fault = faults.crash("append")
    narrow = faults.throttle("send", ids=["b"])
    assert driver.execute(SENT) == Committed()
    assert took_place(engine)
    assert (fault.happened, narrow.happened) == (0, 0)
    with pytest.raises(UnusedFaultError):
        faults.check()


def test_each_transaction_counts_once(faults: Faults, driver: Driver) -> None:
    """However many writes of a trigger are in it, a transaction is one request."""
    with faults.conflict("send", nth=2):
        assert driver.execute(Transact((send("a"), send("b")), "first")) == Committed()
        with pytest.raises(ConflictError):
            driver.execute(Transact((send("c"), send("d")), "second"))
    assert driver.execute(Get("d")) is None

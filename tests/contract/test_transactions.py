"""Users' transactions: messages and rows take effect together or not at all (TRANSACT)."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dynamomq.drivers.base import Engine
from dynamomq.effects import Add, Remove, Set
from dynamomq.errors import (
    DuplicateMessageError,
    DynamoMQError,
    FailedAction,
    IllegalTransitionError,
    InvalidArgumentError,
    StaleReceiptError,
    TableNotFoundError,
    TransactionConditionError,
    TransactionUsageError,
)
from dynamomq.expressions import Attr
from dynamomq.message import Message
from dynamomq.queue import Queue, Transaction
from dynamomq.requests import CreateTable
from dynamomq.table import TableDefinition
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.rows import Rows
from tests.contract.situations import TIMEOUT
from tests.contract.test_group_races import persistent
from tests.contract.test_races import at_once
from tests.support.clock import ManualClock
from tests.support.lists import orders

ABSENT = Attr("pk").absent()
NAMES = ("a", "b", "c", "d")
TRANSACTIONS = 5


@pytest.fixture
def other(storage: Engine, table_name: str) -> Queue[Any]:
    """Another queue on the same engine."""
    name = f"other-{table_name}"
    storage.open(TableDefinition(name)).execute(CreateTable())
    return Queue(name, engine=storage)


Fill = Callable[[Transaction[Any]], object]


def carry_out(queue: Queue[Any], fill: Fill) -> None:
    """A block that does so."""
    with queue.transaction() as tx:
        fill(tx)


# --- together --------------------------------------------------------------------------------


def test_a_message_and_a_row_appear_together(queue: Queue[Any], rows: Rows) -> None:
    """TRANSACT-1: both are there after the block, and the message is what send would return."""
    with queue.transaction() as tx:
        tx.put_row(rows.name, {"pk": "17", "amount": 5})
        sent = tx.send({"order": "17"}, id="m", delay=3, headers={"trace": "abc"})
    assert rows.row("17") == {"pk": "17", "amount": 5}
    assert sent.id == "m"
    assert (sent.message.state, sent.message) == ("STANDARD.READY", queue.get("m"))
    assert (sent.message.data, dict(sent.message.headers)) == ({"order": "17"}, {"trace": "abc"})


def test_a_fresh_id_is_known_in_the_block(queue: Queue[Any], rows: Rows) -> None:
    """A row may name the message that is sent with it."""
    with queue.transaction() as tx:
        sent = tx.send(1)
        tx.put_row(rows.name, {"pk": "17", "message": sent.id})
    assert rows.row("17") == {"pk": "17", "message": sent.message.id}


def test_a_result_and_its_acknowledgement(
    queue: Queue[Any], rows: Rows, held: Message[Any], clock: ManualClock
) -> None:
    """TRANSACT-1: a message is deleted together with the row that is the effect of its work."""
    clock.advance(1)
    with queue.transaction() as tx:
        tx.put_row(rows.name, {"pk": held.id, "result": 42})
        tx.delete(held)
    assert rows.row("m") == {"pk": "m", "result": 42}
    clock.advance(2 * TIMEOUT)
    assert queue.receive() == []
    assert queue.get("m").state == "DELETED"


def test_each_way_of_finishing(queue: Queue[Any], clock: ManualClock) -> None:
    """What a transaction does to deliveries is what the single calls do."""
    for id in ("deleted", "retried", "rejected"):
        queue.send(id, id=id)
    messages = {message.id: message for message in queue.receive(10)}
    clock.advance(1)
    with queue.transaction() as tx:
        tx.delete(messages["deleted"])
        tx.retry(messages["retried"], delay=7, error="try again")
        tx.move_to_dlq(messages["rejected"], error=ValueError("no good"))
    assert queue.get("deleted").state == "DELETED"
    retried, rejected = queue.get("retried"), queue.get("rejected")
    assert (retried.state, retried.errors[0].message) == ("STANDARD.READY", "try again")
    assert (rejected.state, rejected.errors[0].type) == ("DLQ.READY", "ValueError")
    assert queue.receive() == []
    clock.advance(7)
    assert [message.id for message in queue.receive()] == ["retried"]


def test_several_queues(queue: Queue[Any], other: Queue[Any], rows: Rows) -> None:
    """TRANSACT-1: a message moves from one queue to another, and a row with it."""
    queue.send("work", id="m")
    (message,) = queue.receive()
    with queue.transaction() as tx:
        tx.delete(message)
        sent = tx.send(message.data, queue=other, id="m")
        tx.update_row(rows.name, {"pk": "moved"}, Add("amount", 1))
    assert queue.get("m").state == "DELETED"
    assert sent.message == other.get("m")
    assert rows.row("moved") == {"pk": "moved", "amount": 1}
    with queue.transaction() as tx:
        tx.delete(other.receive()[0], queue=other)
    assert other.get("m").state == "DELETED"


def test_every_action_of_ones_own(queue: Queue[Any], rows: Rows) -> None:
    """TRANSACT-2: rows are put, updated, deleted and checked, by plain Python values."""
    for pk in ("changed", "gone", "checked"):
        rows.put({"pk": pk, "size": 1})
    with queue.transaction() as tx:
        tx.put_row(rows.name, {"pk": "new", "tags": {"a", "b"}, "deep": [{"x": None}, b"\0", True]})
        tx.update_row(
            rows.name,
            {"pk": "changed"},
            Set("size", Attr("size") + 2),
            condition=Attr("size").lt(5),
        )
        tx.delete_row(rows.name, {"pk": "gone"}, condition=Attr("pk").exists())
        tx.check_row(rows.name, {"pk": "checked"}, Attr("size").eq(1))
    assert rows.row("new") == {"pk": "new", "tags": {"a", "b"}, "deep": [{"x": None}, b"\0", True]}
    assert rows.row("changed") == {"pk": "changed", "size": 3}
    assert rows.row("gone") is None
    assert rows.row("checked") == {"pk": "checked", "size": 1}


def test_rows_are_not_written_among_messages(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-2: a row of one's own can't hit a message; to look at one is allowed."""
    queue.send(1, id="m", group="g")
    before = table.items()
    key = {"id": "m"}
    writes: tuple[Callable[[Transaction[Any]], None], ...] = (
        lambda tx: tx.put_row(table.name, key),
        lambda tx: tx.delete_row(table.name, key),
        lambda tx: tx.update_row(table.name, key, Remove("next_id")),
    )
    for write in writes:
        with queue.transaction() as tx:
            with pytest.raises(InvalidArgumentError, match="only the queue") as refusal:
                write(tx)
            assert refusal.value.argument == "table"
    assert table.items() == before
    with queue.transaction() as tx:
        tx.check_row(table.name, key, Attr("id").exists())
        tx.send(2, id="n")
    assert queue.get("n").data == 2


def test_another_queue_that_takes_part_is_no_table_of_ones_own(
    queue: Queue[Any], other: Queue[Any]
) -> None:
    """TRANSACT-2: a queue is known by the first part that is about it."""
    with queue.transaction() as tx:
        tx.send(1, queue=other)
        with pytest.raises(InvalidArgumentError, match="only the queue"):
            tx.put_row(other.table, {"id": "row"})
    assert [message.data for message in other.list()] == [1]


def test_nothing_to_do(queue: Queue[Any], table: Table) -> None:
    """An empty transaction does nothing."""
    with queue.transaction():
        pass
    assert table.items() == {}


# --- groups ----------------------------------------------------------------------------------


def test_sends_to_one_group_join_in_order(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-3: several messages of one group are one change of its list, in order."""
    queue.send(0, id="g0", group="g")
    with queue.transaction() as tx:
        sent = [tx.send(number, id=f"g{number}", group="g") for number in (1, 2, 3)]
        tx.send("alone", id="h0", group="h")
    assert orders(table.items()) == {"g": ["g0", "g1", "g2", "g3"], "h": ["h0"]}
    assert [one.message.previous_id for one in sent] == ["g0", "g1", "g2"]
    assert sent[0].message.state == "WAITING"


Finish = Callable[[Transaction[Any], Message[Any]], object]
LEAVE: dict[str, Finish] = {
    "delete": lambda tx, message: tx.delete(message),
    "move_to_dlq": lambda tx, message: tx.move_to_dlq(message, error="no good"),
}
STAY: dict[str, Finish] = {"retry": lambda tx, message: tx.retry(message)}


@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("sends", [0, 1, 2])
@pytest.mark.parametrize("way", [*LEAVE, *STAY])
def test_a_group_that_loses_its_head_and_gains_a_tail(
    way: str, sends: int, before: int, queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """TRANSACT-3: what several parts do to one list is merged, however long the list is."""
    ids = [f"g{number}" for number in range(before + sends)]
    for id in ids[:before]:
        queue.send(id, id=id, group="g")
    (head,) = queue.receive()
    clock.advance(1)
    with queue.transaction() as tx:
        for id in ids[before:]:
            tx.send(id, id=id, group="g")
        {**LEAVE, **STAY}[way](tx, head)
    left = ids if way in STAY else ids[1:]
    assert orders(table.items()) == ({"g": left} if left else {})
    for id in left:
        (message,) = queue.receive(10)
        assert message.id == id
        queue.delete(message)
    assert queue.receive(10) == []


def test_a_list_that_has_changed_since_is_planned_anew(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-4: a head is deleted although others have joined since it was received."""
    queue.send(0, id="g0", group="g")
    (head,) = queue.receive()
    queue.send(1, id="g1", group="g")
    with queue.transaction() as tx:
        tx.delete(head)
        queue.send(2, id="g2", group="g")
        tx.send(3, id="g3", group="g")
    assert orders(table.items()) == {"g": ["g1", "g2", "g3"]}


def test_groups_of_several_queues(
    queue: Queue[Any], other: Queue[Any], table: Table, storage: Engine
) -> None:
    """TRANSACT-3: lists in different tables are kept in one transaction."""
    queue.send(0, id="a0", group="g")
    other.send(0, id="b0", group="g")
    with queue.transaction() as tx:
        tx.send(1, id="a1", group="g")
        tx.send(1, id="b1", group="g", queue=other)
        tx.delete(queue.receive()[0])
        tx.delete(other.receive()[0], queue=other)
    there = Table(storage.open(TableDefinition(other.table)))
    assert orders(table.items()) == {"g": ["a1"]}
    assert orders(there.items()) == {"g": ["b1"]}


# --- refused ---------------------------------------------------------------------------------


def test_a_block_that_raises_sends_nothing(queue: Queue[Any], table: Table, rows: Rows) -> None:
    """TRANSACT-1: an exception leaves the block as it is, and nothing was done."""
    sent = []

    def fill(tx: Transaction[Any]) -> None:
        sent.append(tx.send(1))
        tx.put_row(rows.name, {"pk": "17"})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carry_out(queue, fill)
    assert table.items() == {}
    assert rows.row("17") is None
    with pytest.raises(TransactionUsageError):
        _ = sent[0].message


def test_a_condition_of_ones_own(queue: Queue[Any], table: Table, rows: Rows) -> None:
    """TRANSACT-5: it is reported as the user's, by its position, and nothing took effect."""
    rows.put({"pk": "17", "balance": 3})

    def fill(tx: Transaction[Any]) -> None:
        tx.send(1, id="m")
        tx.update_row(
            rows.name,
            {"pk": "17"},
            Set("balance", Attr("balance") - 5),
            condition=Attr("balance").ge(5),
            show_item=True,
        )
        tx.check_row(rows.name, {"pk": "18"}, Attr("pk").exists(), show_item=True)

    with pytest.raises(TransactionConditionError, match="action 2, Update in table") as caught:
        carry_out(queue, fill)
    assert caught.value.final
    update, check = caught.value.failed
    assert update == FailedAction(2, "Update", rows.name, {"pk": "17", "balance": 3})
    assert check == FailedAction(3, "ConditionCheck", rows.name, None)
    assert table.items() == {}
    assert rows.row("17") == {"pk": "17", "balance": 3}


def test_the_item_is_shown_to_who_asked(queue: Queue[Any], rows: Rows) -> None:
    """Without ``show_item`` the error holds none."""
    rows.put({"pk": "17"})
    with pytest.raises(TransactionConditionError) as caught:
        carry_out(queue, lambda tx: tx.put_row(rows.name, {"pk": "17"}, condition=ABSENT))
    assert caught.value.failed == (FailedAction(1, "Put", rows.name, None),)


def refused(queue: Queue[Any], rows: Rows, fill: Fill) -> Any:
    """The error of a transaction that would also put a row; the row must not be there."""

    def fill_with_row(tx: Transaction[Any]) -> None:
        tx.put_row(rows.name, {"pk": "with it"})
        fill(tx)

    with pytest.raises(DynamoMQError) as caught:
        carry_out(queue, fill_with_row)
    assert rows.row("with it") is None
    return caught.value


@pytest.mark.parametrize("group", [None, "g"])
def test_a_taken_id(group: str | None, queue: Queue[Any], table: Table, rows: Rows) -> None:
    """TRANSACT-5: it is told as send tells it, also where the message is its group's last."""
    queue.send(1, id="m", group=group)
    before = table.items()
    error = refused(queue, rows, lambda tx: tx.send(2, id="m", group=group))
    assert isinstance(error, DuplicateMessageError)
    assert (error.id, error.state) == ("m", "STANDARD.READY")
    assert table.items() == before


@pytest.mark.parametrize("way", [*LEAVE, *STAY])
@pytest.mark.parametrize("group", [None, "g"])
def test_a_delivery_that_is_over(
    group: str | None, way: str, queue: Queue[Any], rows: Rows, clock: ManualClock
) -> None:
    """FENCED: a stale holder's transaction changes nothing, also where it is a group's head."""
    queue.send(1, id="m", group=group)
    (stale,) = queue.receive()
    clock.advance(TIMEOUT + 1)
    (present,) = queue.receive()

    def fill(tx: Transaction[Any]) -> None:
        {**LEAVE, **STAY}[way](tx, stale)
        tx.send(2, group=group)

    assert isinstance(refused(queue, rows, fill), StaleReceiptError)
    assert queue.get("m").version == present.version
    queue.delete(present)
    assert queue.receive(10) == []


def test_a_deletion_that_was_another_calls(
    queue: Queue[Any], rows: Rows, held: Message[Any]
) -> None:
    """TRANSACT-4: who deleted the message before is told so: the row would not be written."""
    queue.delete(held)
    error = refused(queue, rows, lambda tx: tx.delete(held))
    assert isinstance(error, IllegalTransitionError)
    assert error.state == "DELETED"


def test_a_message_that_is_gone(
    queue: Queue[Any], table: Table, rows: Rows, held: Message[Any]
) -> None:
    """TRANSACT-4: what is gone altogether does not count as deleted here: the row is missing."""
    table.remove("m")
    assert isinstance(refused(queue, rows, lambda tx: tx.delete(held)), StaleReceiptError)


def test_a_dead_letter_is_not_moved_again(
    queue: Queue[Any], rows: Rows, clock: ManualClock
) -> None:
    """What the machine does not have is refused in the block."""
    queue.send(1, id="m")
    queue.bury("m")
    clock.advance(1)
    (dead,) = queue.receive(source="DLQ")
    error = refused(queue, rows, lambda tx: tx.move_to_dlq(dead))
    assert isinstance(error, IllegalTransitionError)


def test_a_table_that_is_not_there(queue: Queue[Any], table: Table) -> None:
    """It is named, and nothing was sent."""

    def fill(tx: Transaction[Any]) -> None:
        tx.send(1)
        tx.put_row("no-such-table", {"pk": "17"})

    with pytest.raises(TableNotFoundError, match="no-such-table") as caught:
        carry_out(queue, fill)
    assert caught.value.table == "no-such-table"
    assert table.items() == {}


# --- wrong use -------------------------------------------------------------------------------


def test_a_transaction_is_for_one_block(queue: Queue[Any], table: Table) -> None:
    """It can't be used before, after, twice, or inside itself."""
    tx = queue.transaction()
    with pytest.raises(TransactionUsageError, match="not begun"):
        tx.send(1)
    with tx:
        tx.send(1, id="m")
        with pytest.raises(TransactionUsageError, match="one block"):
            tx.__enter__()
    for use in (lambda: tx.send(2), lambda: tx.put_row(table.name, {"id": "x"}), tx.__enter__):
        with pytest.raises(TransactionUsageError) as caught:
            use()
        assert caught.value.remedy
    assert list(table.items()) == ["m"]


def test_a_transaction_is_for_one_thread(queue: Queue[Any], table: Table) -> None:
    """Another thread's call is refused, and does not spoil the transaction."""
    errors: list[Exception] = []

    def use(tx: Transaction[Any]) -> None:
        try:
            tx.send(2)
        except TransactionUsageError as error:
            errors.append(error)

    with queue.transaction() as tx:
        tx.send(1, id="m")
        thread = threading.Thread(target=use, args=(tx,))
        thread.start()
        thread.join()
    assert "another thread" in str(errors[0])
    assert list(table.items()) == ["m"]


def test_queues_of_another_engine(
    queue: Queue[Any], open_queue: OpenQueue, held: Message[Any]
) -> None:
    """No transaction spans two engines, and what is no queue is none."""
    from dynamomq.drivers.local import LocalEngine

    with LocalEngine() as engine, queue.transaction() as tx:
        for stranger in (Queue("elsewhere", engine=engine), "elsewhere"):
            wrong: Any = stranger
            with pytest.raises(InvalidArgumentError) as caught:
                tx.send(1, queue=wrong)
            assert caught.value.argument == "queue"
        tx.delete(held, queue=open_queue())
    assert queue.get("m").state == "DELETED"


# --- races -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)  # it is not thread-safe
def test_transactions_that_race(queue: Queue[Any], table: Table, rows: Rows) -> None:
    """TRANSACT-1, TRANSACT-3: several threads add to one group and to one row: nothing is lost.

    Each one's messages are in the order in which it sent them, and the row counts them all.
    """

    def take_turn(name: str, number: int) -> None:
        with queue.transaction() as tx:
            for place in (0, 1):
                tx.send(number, id=f"{name}{number}.{place}", group="g")
            tx.update_row(rows.name, {"pk": "sum"}, Add("sent", 2))

    def produce(name: str) -> None:
        for number in range(TRANSACTIONS):
            persistent(partial(take_turn, name, number))

    assert at_once(*[partial(produce, name) for name in NAMES]) == [None] * len(NAMES)
    (order,) = orders(table.items()).values()
    assert len(order) == 2 * TRANSACTIONS * len(NAMES)
    for name in NAMES:
        own = [id for id in order if id.startswith(name)]
        assert own == [f"{name}{number}.{n}" for number in range(TRANSACTIONS) for n in (0, 1)]
    assert rows.row("sum") == {"pk": "sum", "sent": len(order)}

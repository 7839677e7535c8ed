"""What can't be part of a transaction is refused where it is added, or before anything is sent."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dynamomq.effects import Add, Discard, Remove, Set
from dynamomq.errors import InvalidArgumentError, PayloadError, RequestRejectedError
from dynamomq.expressions import FALSE, AnyOf, Arg, Attr, Constant, Plus
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.queue import Queue, Transaction
from dynamomq.values import Item, Value
from tests.contract.engines import BEYOND_MOTO, Table
from tests.contract.rows import Rows
from tests.support.clock import ManualClock
from tests.support.lists import orders

SECRET = "4711"
Fill = Callable[[Transaction[Any]], object]


def refused(queue: Queue[Any], fill: Fill) -> InvalidArgumentError:
    """The refusal of what a block adds; it goes on, and its transaction is carried out."""
    with queue.transaction() as tx, pytest.raises(InvalidArgumentError) as caught:
        fill(tx)
    assert caught.value.remedy
    return caught.value


def refused_at_the_end(queue: Queue[Any], fill: Fill) -> Exception:
    """The error of a whole transaction."""

    def carry_out() -> None:
        with queue.transaction() as tx:
            fill(tx)

    with pytest.raises((InvalidArgumentError, RequestRejectedError)) as caught:
        carry_out()
    return caught.value


# --- two actions on one item -----------------------------------------------------------------


def test_two_actions_on_one_message(queue: Queue[Any], table: Table, held: Message[Any]) -> None:
    """TRANSACT-2: the second one is refused in its line, and the first one stands."""

    def twice(tx: Transaction[Any]) -> None:
        tx.delete(held)
        tx.retry(held)

    error = refused(queue, twice)
    assert (error.argument, error.value) == ("message", "m")
    assert "no item can have two" in str(error)
    assert queue.get("m").state == "DELETED"

    def sends(tx: Transaction[Any]) -> None:
        tx.send(1, id="n")
        tx.send(2, id="n")

    assert refused(queue, sends).value == "n"
    assert table.item("n")["data"] == 1


def test_two_actions_on_one_row(queue: Queue[Any], rows: Rows) -> None:
    """TRANSACT-2: an item is known by its key, and a whole one by what its table's key is."""
    key = {"pk": "17"}
    changes: tuple[Fill, ...] = (
        lambda tx: tx.update_row(rows.name, key, Set("a", 1)),
        lambda tx: tx.delete_row(rows.name, key),
        lambda tx: tx.check_row(rows.name, key, Attr("pk").exists()),
        lambda tx: tx.put_row(rows.name, {"pk": "17", "a": 1}),
    )
    for second in changes:

        def both(tx: Transaction[Any], second: Fill = second) -> None:
            tx.update_row(rows.name, key, Set("b", 1))
            second(tx)

        assert refused(queue, both).argument == "item"
    assert rows.row("17") == {"pk": "17", "b": 1}


def test_two_whole_rows_of_one_key(queue: Queue[Any], rows: Rows) -> None:
    """Where nothing tells what the table's key is, it is storage that finds the two."""

    def both(tx: Transaction[Any]) -> None:
        tx.put_row(rows.name, {"pk": SECRET, "a": 1})
        tx.put_row(rows.name, {"pk": SECRET, "a": 2})

    error = refused_at_the_end(queue, both)
    assert isinstance(error, RequestRejectedError)
    assert SECRET not in str(error)
    assert rows.row(SECRET) is None


# --- too much --------------------------------------------------------------------------------


def test_too_many_actions(queue: Queue[Any], table: Table, rows: Rows) -> None:
    """TRANSACT-2: a hundred are the limit, and the error counts."""

    def many(tx: Transaction[Any]) -> None:
        for number in range(60):
            tx.send(number)
        for number in range(41):
            tx.put_row(rows.name, {"pk": f"{number}"})

    error = refused_at_the_end(queue, many)
    assert isinstance(error, InvalidArgumentError)
    assert error.value == 101
    assert "it has 101 actions; 100 may be" in str(error)
    assert table.items() == {}
    assert rows.row("0") is None


def test_too_many_actions_with_groups(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-3: what keeps the lists counts, and the error says so."""
    queue.send("first", id="g", group="g")

    def many(tx: Transaction[Any]) -> None:
        for number in range(99):
            tx.send(number, group="g")

    error = refused_at_the_end(queue, many)
    assert isinstance(error, InvalidArgumentError)
    assert "it has 101 actions, 2 of them for the lists of groups; 100 may be" in str(error)
    assert orders(table.items()) == {"g": ["g"]}


def test_as_many_actions_as_may_be(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-2: a hundred actions in one request."""
    with queue.transaction() as tx:
        sent = [tx.send(number, group="g") for number in range(99)]
    assert orders(table.items()) == {"g": [one.id for one in sent]}


def test_too_large(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-2: four megabytes are the limit, and the error says how many it would be."""

    def large(tx: Transaction[Any]) -> None:
        for _ in range(11):
            tx.send("x" * 390_000)

    error = refused_at_the_end(queue, large)
    assert isinstance(error, InvalidArgumentError)
    assert isinstance(error.value, int)
    assert 4_290_000 < error.value < 4_300_000
    assert "4,194,304 (4 MB) may be" in str(error)
    assert table.items() == {}


# --- what is no part of a request ------------------------------------------------------------


def test_bad_messages(queue: Queue[Any], table: Table, held: Message[Any]) -> None:
    """What the single calls refuse is refused in the block."""
    wrong: Any = "m"
    for argument, fill in (
        ("id", lambda tx: tx.send(1, id="$x")),
        ("delay", lambda tx: tx.send(1, delay=-1)),
        ("group", lambda tx: tx.send(1, group="")),
        ("headers", lambda tx: tx.send(1, headers={"a": 1})),
        ("message", lambda tx: tx.delete(wrong)),
        ("message", lambda tx: tx.delete(queue.get("m"))),
        ("delay", lambda tx: tx.retry(held, delay=-1)),
    ):
        assert refused(queue, fill).argument == argument
    with queue.transaction() as tx, pytest.raises(PayloadError):
        tx.send(object())
    assert list(table.items()) == ["m"]
    queue.delete(held)


def test_bad_rows(queue: Queue[Any], rows: Rows) -> None:
    """TRANSACT-2: plain values are refused if DynamoDB has no type for them; so are odd names."""
    wrong: Any = object()
    key = {"pk": "1"}
    for argument, fill in (
        ("table", lambda tx: tx.put_row("a table", key)),
        ("item", lambda tx: tx.put_row(rows.name, {})),
        ("item", lambda tx: tx.put_row(rows.name, wrong)),
        ("item", lambda tx: tx.put_row(rows.name, {"pk": "1", "price": 1.5})),
        ("item", lambda tx: tx.put_row(rows.name, {"": "1"})),
        *(("item", lambda tx, n=name: tx.put_row(rows.name, {"pk": "1", n: 1})) for name in ODD),
        *(
            ("attribute", lambda tx, n=name: tx.update_row(rows.name, key, Set(n, 1)))
            for name in ODD
        ),
        *(
            ("steps", lambda tx, n=name: tx.update_row(rows.name, key, Remove(N[n])))
            for name in ODD
        ),
        ("key", lambda tx: tx.delete_row(rows.name, {"pk": set()})),
    ):
        assert refused(queue, fill).argument == argument
    assert rows.row("1") is None


ODD = ("\ud800", "x" * 65_536, "é" * 32_768)
FLOAT: Any = 1.5
ONE: Any = 1
BYTES: Any = SECRET.encode()
N, L = Attr("n"), Attr("l")
TEXT, DEEP = Constant("x"), Plus(N, Plus(N, N))
BAD_CONDITIONS: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: "attribute_exists(pk)", "condition='str': it is no condition"),
    (lambda: N == ONE, "condition='bool': it is no condition"),
    (lambda: N.gt(FLOAT), "operand='float': it can't be stored: DynamoDB has no type for"),
    (lambda: N.is_in([]), "choices='list': nothing is to be chosen from"),
    (lambda: N.is_in(range(151)), "choices='range': they are more than 150"),
    (lambda: N.is_in(count()), "choices='count': they are more than 150"),
    (lambda: N.exists() | N.absent(), "condition='TRUE': it always holds"),
    (lambda: FALSE, "condition='FALSE': it never holds"),
    (lambda: N.eq(Arg("x")), "condition='FALSE': it never holds"),
    (lambda: N.eq(Attr("n")), "condition='=': it compares n with itself"),
    (lambda: N.lt([SECRET]), "condition='<': a value of type L can't be its operand"),
    (lambda: ~(L.exists() & N.begins_with(5)), "'begins_with': a value of type N can't be its op"),
    (lambda: N.begins_with(L.size()), "'begins_with': a size can't be its operand"),
    (lambda: N.eq(L + 1), "condition='=': + can't be its operand"),
    (lambda: N.has_type("number"), "letter='number': it is no type"),
    (lambda: L[-1].exists(), "steps=(-1,): it leads nowhere"),
    (lambda: L[FLOAT].exists(), "steps=(1.5,): it leads nowhere"),
    (lambda: Attr("").exists(), "name='': it is no name"),
    (lambda: Attr("m", ("a",) * 32).exists(), "steps=32: a path has at most 32 steps"),
    (
        lambda: AnyOf(tuple(N.eq(number) for number in range(2000))),  # and at once
        "more than 300 operators and functions",
    ),
)
BAD_UPDATES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: "SET n = 1", "update='str': it is no change"),
    (lambda: N, "update='Attr': it is no change"),
    (list, "update='update': it changes nothing"),
    (lambda: Set(BYTES, 1), "attribute='bytes': it is no attribute"),
    (lambda: Set("n", FLOAT), "operand='float': it can't be stored"),
    (lambda: [Set("n", 1), Remove("n")], "update='n': it is changed twice, also by that of n"),
    (lambda: [Remove(N["a"]), Set(N["a"]["b"], 1)], "'n.a': it is changed twice, also by that of"),
    (lambda: [Remove(L["a"]), Set(L[0], 1)], "update='l.a': l[0] takes a map for a list"),
    (lambda: Set("n", N + "x"), "update='+': a value of type S can't be its operand"),
    (lambda: Set("n", DEEP), "update='+': + can't be its operand"),
    (lambda: Set("n", N.size()), "update='SET': size can't be its operand"),
    (lambda: Set("l", L.append(L.append([1]))), "'list_append': list_append can't be its operand"),
    (lambda: Set("l", L.if_not_exists(L.append([1]))), "list_append can't be its operand"),
    (lambda: Set("l", L.prepend(TEXT)), "update='list_append': a value of type S can't be its op"),
    (lambda: Add("n", "x"), "update='ADD': a value of type S can't be its operand"),
    (lambda: Add("n", L), "update='ADD': it takes plain values only"),
    (lambda: Discard("n", 5), "update='DELETE': a value of type N can't be its operand"),
)


def test_bad_expressions(queue: Queue[Any], rows: Rows) -> None:
    """TRANSACT-2: what DynamoDB would refuse on any item is refused in the block, without values.

    That this is what it refuses is checked by ``tests/integration/test_expression_language.py``.
    """
    key = {"pk": "1"}
    fills: list[tuple[Fill, str]] = [
        *((lambda tx, m=make: tx.check_row(rows.name, key, m()), s) for make, s in BAD_CONDITIONS),
        *((lambda tx, m=make: tx.update_row(rows.name, key, m()), s) for make, s in BAD_UPDATES),
    ]
    for fill, complaint in fills:
        error = refused(queue, fill)
        assert complaint in str(error)
        assert SECRET not in str(error)
    assert rows.row("1") is None


def test_what_is_changed_after_the_call(queue: Queue[Any], rows: Rows) -> None:
    """A transaction has what its methods were given then."""
    item: Item = {"pk": "1", "l": [1]}
    values: list[Value] = [1]
    with queue.transaction() as tx:
        tx.put_row(rows.name, item)
        tx.update_row(rows.name, {"pk": "2"}, Set("l", values))
        item["l"] = values
        values.append(2)
    assert (rows.row("1"), rows.row("2")) == ({"pk": "1", "l": [1]}, {"pk": "2", "l": [1]})


MISFITS: dict[str, tuple[Callable[[Transaction[Any], str], object], str]] = {
    "a put without the key": (lambda tx, name: tx.put_row(name, {"x": SECRET}), "pk is missing"),
    "a key of another type": (lambda tx, name: tx.put_row(name, {"pk": 4711}), "pk is of type N"),
    "an empty key": (lambda tx, name: tx.put_row(name, {"pk": "", "x": SECRET}), "pk is empty"),
    "another key": (lambda tx, name: tx.delete_row(name, {"id": SECRET}), "id is not part of it"),
    "more than the key": (
        lambda tx, name: tx.update_row(name, {"pk": "1", "x": SECRET}, Set("a", Attr("pk"))),
        "x is not part of it",
    ),
    "a check without the key": (
        lambda tx, name: tx.check_row(name, {"id": SECRET}, Attr("pk").exists()),
        "pk is missing",
    ),
}


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)  # it has errors of its own
@pytest.mark.parametrize("case", MISFITS)
def test_a_row_that_does_not_fit_its_tables_key(
    queue: Queue[Any], table: Table, rows: Rows, case: str
) -> None:
    """The action, its table, the table's key and what is wrong are told; no value is shown."""
    fill, complaint = MISFITS[case]

    def both(tx: Transaction[Any]) -> None:
        tx.send({"card": SECRET})
        fill(tx, rows.name)

    error = refused_at_the_end(queue, both)
    assert isinstance(error, RequestRejectedError)
    assert "Action 2 of the transaction" in str(error)
    assert f"table {rows.name!r}" in str(error)
    assert "key, which is pk (S)" in str(error)
    assert complaint in str(error)
    assert error.remedy
    assert SECRET not in str(error)
    assert table.items() == {}


# --- the lower level -------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["moto", "dynamodb-local"], indirect=True)
def test_entries_are_the_machines_own_writes(
    queue: Queue[Any], table: Table, aws_client: Any, clock: ManualClock
) -> None:
    """TRANSACT-6: entries in low-level form do what the calls do, in any request."""
    for number in range(3):
        entries = queue.send_item({"n": number}, id=f"m{number}", group="g", delay=number)
        aws_client.transact_write_items(TransactItems=entries)
    assert orders(table.items()) == {"g": ["m0", "m1", "m2"]}
    (head,) = queue.receive()
    assert head.data == {"n": 0}
    clock.advance(1)
    aws_client.transact_write_items(TransactItems=queue.delete_item(head))
    assert queue.get("m0").state == "DELETED"
    assert orders(table.items()) == {"g": ["m1", "m2"]}
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        aws_client.transact_write_items(TransactItems=queue.delete_item(head))


def test_entries_of_bad_messages(queue: Queue[Any], held: Message[Any]) -> None:
    """TRANSACT-6: the lower level refuses what the calls refuse."""
    with pytest.raises(InvalidArgumentError):
        queue.send_item(1, id="$x")
    with pytest.raises(PayloadError):
        queue.send_item(object())
    with pytest.raises(InvalidArgumentError):
        queue.delete_item(queue.get("m"))
    assert len(queue.delete_item(held)) == 1


# --- looking at messages ---------------------------------------------------------------------

LOOKED_AT = ("first", "second", "third")


def _a_group(queue: Queue[Any]) -> Message[Any]:
    for id in LOOKED_AT:
        queue.send(id, id=id, group="g")
    queue.send("h", id="of another", group="h")
    for id in ("gone", "dead", "apart"):
        queue.send(id, id=id, group="g")
    queue.cancel("gone")
    queue.bury("dead")
    queue.bury("apart")
    return next(message for message in queue.receive(2) if message.group == "g")


def _look(tx: Transaction[Any], table: Table, id: str) -> None:
    tx.check_row(table.name, {"id": id}, Attr("id").exists())


@pytest.mark.parametrize(
    ("id", "change"),
    [
        *((id, "send") for id in LOOKED_AT),
        *((id, change) for id in LOOKED_AT[1:] for change in ("delete", "both")),
    ],
)
def test_looking_at_a_member_of_a_group_that_changes(
    queue: Queue[Any], table: Table, id: str, change: str
) -> None:
    """TRANSACT-2: wherever it is in the list; otherwise it would depend on what is behind it."""
    head = _a_group(queue)
    before = table.items()

    def fill(tx: Transaction[Any]) -> None:
        _look(tx, table, id)
        if change != "send":
            tx.delete(head)
        if change != "delete":
            tx.send(4, id="fourth", group="g")

    error = refused_at_the_end(queue, fill)
    assert isinstance(error, InvalidArgumentError)
    assert (error.argument, error.value) == ("key", id)
    assert "action 1" in str(error)
    assert table.items() == before


@pytest.mark.parametrize("id", ["$group#g", "$queue", "$consumer#x"])
def test_looking_at_what_is_no_message(queue: Queue[Any], table: Table, id: str) -> None:
    """TRANSACT-2: items of DynamoMQ's own are not to be depended on, whatever else is changed."""
    queue.send(1, id="m", group="g")
    before = table.items()

    def fill(tx: Transaction[Any]) -> None:
        tx.send(2, id="n")
        tx.check_row(table.name, {"id": id}, Attr("nothing").absent())

    error = refused_at_the_end(queue, fill)
    assert isinstance(error, InvalidArgumentError)
    assert (error.argument, error.value) == ("key", id)
    assert table.items() == before


@pytest.mark.parametrize("id", ["of another", "gone", "dead", "apart"])
def test_looking_at_other_messages(queue: Queue[Any], table: Table, id: str) -> None:
    """TRANSACT-2: members of other groups, tombstones and dead letters are in no list that changes.

    Dead letters wherever in their queue another port has put them.
    """
    head = _a_group(queue)
    table.change("apart", queue_type="DLQ-apart")
    assert (queue.get("apart").state, queue.get("apart").queue) == ("DLQ.READY", QueueType.DLQ)
    with queue.transaction() as tx:
        _look(tx, table, id)
        tx.delete(head)
        tx.send(4, id="fourth", group="g")
    assert queue.get("fourth").previous_id == "third"


def test_looking_at_a_member_of_a_group_that_stays(queue: Queue[Any], table: Table) -> None:
    """TRANSACT-2: nothing is written beside it, so it may be looked at."""
    head = _a_group(queue)
    with queue.transaction() as tx:
        _look(tx, table, "second")
        tx.retry(head)
        tx.send(4, id="fourth")
    assert queue.get("fourth").group is None

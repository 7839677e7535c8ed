"""The embedded engine keeps DynamoDB's rules: replies, refusals, limits, index, batches."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from dynamomq.attributes import ID
from dynamomq.drivers.local import LocalEngine
from dynamomq.drivers.local.records import query
from dynamomq.effects import Effect, Remove, Set
from dynamomq.errors import (
    MalformedItemError,
    RequestRejectedError,
    TableMismatchError,
    TableNotFoundError,
)
from dynamomq.expressions import TRUE, Append, Arg, Attr, Constant, Plus
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
from dynamomq.table import TableDefinition
from dynamomq.values import MAX_ITEM_BYTES, Item, Value, item_size
from tests.support.embedded import Table, custom_rule, put, update, written
from tests.support.naming import stable

VALUES: Item = {
    "text": 'q"uote\n\u2028\0ü🎈',
    "empty": "",
    "number": Decimal("-12.5"),
    "large": 10**37,
    "bytes": b"\x00\xff",
    "yes": True,
    "nothing": None,
    "list": [1, [b"inner", {"k": None}], {}],
    "map": {"B": {"S": "not a type letter"}, "SS": [{"N": "0"}]},
    "texts": {"a", "b"},
    "numbers": {Decimal(1), Decimal("2.5")},
    "blobs": {b"a", b"\x80"},
}


@pytest.fixture
def table() -> Iterator[Table]:
    """A table in memory."""
    with LocalEngine() as engine:
        yield Table(engine)


def refusal(table: Table, request: Request[Any]) -> str:
    """The message of the ValidationException with which the engine answers."""
    with pytest.raises(RequestRejectedError) as caught:
        table.do(request)
    assert caught.value.code == "ValidationException"
    return caught.value.message


# --- writes ----------------------------------------------------------------------------------


def test_a_life_follows_the_machine(table: Table) -> None:
    """Send, receive and delete succeed in turn, and each shows in the stored item."""
    sent = table.send("m", {"n": 1})
    assert (sent["status"], sent["receive_count"], sent["version"]) == ("READY", 0, 1)
    claimed = written(table.receive("m"))
    assert (claimed["status"], claimed["receive_count"], claimed["version"]) == ("PROCESSING", 1, 2)
    assert claimed == table.get("m")
    assert table.delete("m") == Written(None)
    tombstone = table.get("m") or {}
    assert (tombstone["status"], "data" in tombstone) == ("DELETED", False)


def test_a_refusal_shows_the_item_and_changes_nothing(table: Table) -> None:
    """Where the condition fails, the reply has the item as it is; here no reply was lost."""
    sent = table.send("m")
    assert table.do(table.sending("m", "other")) == Refused(sent, repeated=False, shown=True)
    assert table.receive("absent") == Refused(None, repeated=False, shown=True)
    assert table.get("m") == sent
    assert table.get("absent") is None


def test_replies_share_nothing_with_arguments(table: Table) -> None:
    """What a caller does to its payload or to a reply's item later changes nothing stored."""
    payload = {"list": [1]}
    sent = table.send("m", payload)
    payload["list"].append(2)
    assert sent["data"] == {"list": [1]}
    sent["data"] = "changed"
    assert (table.get("m") or {})["data"] == {"list": [1]}


def test_every_type_of_value_comes_back(table: Table) -> None:
    """All of DynamoDB's types are stored exactly, and survive an update of the item."""
    table.store({"id": "v", **VALUES})
    assert table.get("v") == {"id": "v", **VALUES}
    after = written(table.do(evolve(update("v", more=b"x"), want_item=True)))
    assert after == table.get("v") == {"id": "v", "more": b"x", **VALUES}


def test_numbers_come_back_normalised(table: Table) -> None:
    """A reply shows numbers as a later read does: DynamoDB keeps no trailing zeros."""
    reply = written(table.do(evolve(put({"id": "n", "v": Decimal("1.50")}), want_item=True)))
    assert str(reply["v"]) == str((table.get("n") or {})["v"]) == "1.5"
    table.store({"id": "n", "v": Decimal("2E+3")})
    assert repr((table.get("n") or {})["v"]) == "2000"


def test_an_update_of_nothing_creates_the_item_with_its_key(table: Table) -> None:
    """An update whose condition holds of an absent item stores key and effects, as in DynamoDB."""
    table.do(update("new", v=1))
    assert table.get("new") == {"id": "new", "v": 1}


def test_a_delete_removes_the_item(table: Table) -> None:
    """A write of kind delete leaves nothing, whether or not there was something."""
    table.store({"id": "d"})
    gone = Write("d", custom_rule("delete", [], TRUE), {}, True)
    assert table.do(gone) == table.do(gone) == Written(None)
    assert table.get("d") is None


@pytest.mark.parametrize("stored", [{}, {"v": "text"}, {"v": True}])
def test_effects_that_the_item_does_not_allow(table: Table, stored: Item) -> None:
    """Adding to what is missing or no number is refused as malformed, and nothing changes."""
    table.store({"id": "m", **stored})
    rule = custom_rule("update", [Set(Attr("v"), Plus(Attr("v"), Constant(1)))])
    with pytest.raises(MalformedItemError, match="custom") as caught:
        table.do(Write("m", rule, {}))
    assert caught.value.code == "ValidationException"
    assert table.get("m") == {"id": "m", **stored}


def test_sums_have_38_digits(table: Table) -> None:
    """A sum that needs more digits is refused and not rounded."""
    table.store({"id": "m", "v": 10**38 - 1})
    rule = custom_rule("update", [Set(Attr("v"), Plus(Attr("v"), Arg("by")))])
    assert "38" in refusal(table, Write("m", rule, {"by": Decimal("0.1")}))


# --- limits ----------------------------------------------------------------------------------


def nested(levels: int) -> Value:
    """A scalar in so many maps."""
    value: Value = "inner"
    for _ in range(levels):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    "item",
    [
        {"id": ""},
        {"id": "i" * 2049},
        {"id": "\ud800"},
        {"id": "k", "queue_type": ""},
        {"id": "k", "queue_type": 1},
        {"id": "k", "queue_type": "ü" * 1025},
        {"id": "k", "queue_add_timestamp": ""},
        {"id": "k", "queue_add_timestamp": None},
        {"id": "k", "queue_type": "Q", "queue_add_timestamp": "t" * 1025},
        {"id": "k", "v": "\ud800"},
        {"id": "k", "v": {"": 1}},
        {"id": "k", "v": set()},
        {"id": "k", "v": {1, "mixed"}},
        {"id": "k", "v": 1.5},
        {"id": "k", "v": Decimal("NaN")},
        {"id": "k", "v": Decimal("1E-131")},
        {"id": "k", "v": 10**126},
        {"id": "k", "v": 10**38 + 1},
        {"id": "k", "v": nested(32)},
    ],
    ids=stable,
)
def test_what_dynamodb_would_not_store(table: Table, item: Any) -> None:
    """Keys and values outside DynamoDB's rules are refused; nothing is stored."""
    refusal(table, put(item))
    assert table.do(Scan(10)).entries == ()


@pytest.mark.parametrize(
    "item",
    [
        {"id": "i" * 2048, "queue_type": "q" * 2048, "queue_add_timestamp": "t" * 1024},
        {"id": "k", "v": 10**125},
        {"id": "k", "v": Decimal("1E-130")},
        {"id": "k", "v": nested(31)},
        {"id": "k", "v": {"e": ["", b"", [], {}]}},
    ],
    ids=stable,
)
def test_what_dynamodb_just_stores(table: Table, item: Any) -> None:
    """Up to the very limits, everything is stored."""
    table.store(item)
    assert table.get(item["id"]) == item


@pytest.mark.parametrize("character", ["x", "ü", "🎈", "\n"])
def test_items_have_400_kb(table: Table, character: str) -> None:
    """An item may have 409,600 bytes and no more; the error says how many it would have."""
    filler = character * ((MAX_ITEM_BYTES - 10) // len(character.encode()))
    item: Item = {"id": "b", "v": filler}
    padding = "x" * (MAX_ITEM_BYTES - item_size(item) - len("pad"))
    item["pad"] = padding
    table.store(item)
    assert item_size(table.get("b") or {}) == MAX_ITEM_BYTES
    assert "409,601 bytes" in refusal(table, update("b", pad=f"{padding}x"))
    assert table.get("b") == item


@pytest.mark.parametrize("change", [Set(ID, Arg("to")), Set(ID, Constant("a")), Remove(ID)])
def test_the_key_stays(table: Table, change: Effect) -> None:
    """No write stores an item under another key than its own; an update may not even name it."""
    assert "key" in refusal(table, put({"id": "a"}, under="b"))
    table.store({"id": "a"})
    assert "key" in refusal(table, Write("a", custom_rule("update", [change]), {"to": "b"}))


V = Attr("v")


@pytest.mark.parametrize("operand", [True, None, [], {}, {"a"}, {1}, {b"a"}], ids=stable)
def test_values_that_have_no_order(table: Table, operand: Value) -> None:
    """A request that brings one to be ordered is refused, whatever the item is; = may have it."""
    for condition in (V.lt(Arg("x")), Constant(operand).ge(V), ~(V.gt(Arg("x")) | ID.absent())):
        write = Write("m", custom_rule("delete", [], condition), {"x": operand})
        assert "can't be its operand" in refusal(table, write)
    equality = custom_rule("delete", [], V.eq(Arg("x")))
    assert table.do(Write("m", equality, {"x": operand})) == Refused(None)


@pytest.mark.parametrize(
    "effects",
    [
        [Set(V, Plus(V, Arg("x")))],
        [Set(V, Plus(Constant("1"), V))],
        [Set(V, Append(Arg("x"), V))],
        [Set(V, Append(V, Constant(b"")))],
        [Set(V, Constant(1)), Remove(V)],
        [Set(V, Constant(1)), Set(V, Constant(1))],
        [],
    ],
    ids=repr,
)
def test_updates_that_are_wrong_on_any_item(table: Table, effects: list[Effect]) -> None:
    """A literal of the wrong type, two changes of one attribute, none at all: not even tried."""
    for condition in (ID.absent(), ID.exists()):
        with pytest.raises(RequestRejectedError) as caught:
            table.do(Write("m", custom_rule("update", effects, condition), {"x": "text"}))
        assert not isinstance(caught.value, MalformedItemError)


def test_an_attribute_is_not_compared_with_itself(table: Table) -> None:
    """DynamoDB wants two different operands."""
    assert "itself" in refusal(table, Write("m", custom_rule("delete", [], V.eq(V)), {}))


@pytest.mark.parametrize(
    "attribute", [{"queue_type": 1}, {"v": nested(32)}, {"v": "x" * MAX_ITEM_BYTES}], ids=stable
)
def test_a_put_is_checked_before_its_condition(table: Table, attribute: Item) -> None:
    """What could never be stored is refused where the condition does not hold, too."""
    whole = put({"id": "m", **attribute})
    (_, step), *_ = whole.rule.alternatives
    refusal(table, evolve(whole, rule=custom_rule("put", step.effects, ID.exists())))


def test_what_the_arguments_decide_comes_first(table: Table) -> None:
    """A write that its arguments rule out is refused like any other: DynamoDB never sees it."""
    condition = Arg("x").gt(Constant(1)) & V.lt(Constant(None))
    write = Write("m", custom_rule("delete", [], condition), {"x": 1})
    assert table.do(write) == Refused(None)
    assert "operand" in refusal(table, evolve(write, arguments={"x": 2}))


@pytest.mark.parametrize(
    "request_",
    [
        Get(""),
        Get("i" * 2049),
        GetMany(()),
        GetMany(("a", "a")),
        GetMany(tuple(str(number) for number in range(101))),
        Query("", None, 1),
        Query("Q", "", 1),
        Query("Q", None, 0),
        Query("Q", None, 1, {"id": "a"}),
        Query("Q", None, 1, {"id": "a", "queue_type": "R", "queue_add_timestamp": "t"}),
        Query("Q", "s", 1, {"id": "a", "queue_type": "Q", "queue_add_timestamp": "t"}),
        Scan(0),
        Query("Q", None, 1, {"id": "a", "queue_type": "Q", "queue_add_timestamp": "t", "v": 1}),
        Scan(1, {"id": 7}),
        Scan(1, {"id": "a", "v": 1}),
    ],
    ids=stable,
)
def test_reads_that_dynamodb_refuses(table: Table, request_: Request[Any]) -> None:
    """Reads outside DynamoDB's rules are refused rather than answered somehow."""
    refusal(table, request_)


# --- the index -------------------------------------------------------------------------------


def ids(entries: tuple[Item, ...]) -> str:
    """The ids in order."""
    return " ".join(str(entry["id"]) for entry in entries)


def test_the_index_has_a_queue_by_due_time(table: Table) -> None:
    """Entries come by due time, then by id; ``until`` is inclusive; other queues stay away."""
    for id_, delay in [("c", 5), ("b", 7), ("a", 7), ("d", 9)]:
        table.send(id_, delay=delay)
    table.store({"id": "x", "queue_type": "DLQ", "queue_add_timestamp": table.clock.text(1)})
    assert ids(table.due().entries) == "c a b d"
    assert ids(table.due(until=table.clock.text(7)).entries) == "c a b"
    assert ids(table.due(until=table.clock.text(4)).entries) == ""
    assert ids(table.due(queue="DLQ").entries) == "x"


def test_the_index_shows_keys_status_and_receive_count(table: Table) -> None:
    """An entry is projected, and its attributes are as the write left them, whatever their type."""
    table.send("m", "payload")
    due = table.clock.text()
    keys = {"id": "m", "queue_type": "STANDARD", "queue_add_timestamp": due}
    assert table.due().entries == ({**keys, "status": "READY", "receive_count": 0},)
    table.do(update("m", status=["odd"]))
    assert table.due().entries == ({**keys, "status": ["odd"], "receive_count": 0},)


def test_an_item_without_index_keys_is_not_in_the_index(table: Table) -> None:
    """An item is in the index exactly while it has both key attributes."""
    table.store({"id": "a", "queue_type": "STANDARD"})
    table.store({"id": "b", "queue_add_timestamp": "t"})
    table.send("m")
    assert ids(table.due().entries) == "m"
    table.receive("m")
    table.delete("m")
    assert table.due().entries == ()


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("bounded", [False, True])
def test_pages_of_a_query(table: Table, limit: int, *, bounded: bool) -> None:
    """Pages have ``limit`` entries, join without gap or repetition, and end without a cursor."""
    for id_, delay in zip("abcde", [1, 1, 1, 2, 3], strict=True):
        table.send(id_, delay=delay)
    until = table.clock.text(2) if bounded else None
    expected = "abcd" if bounded else "abcde"
    seen: list[Item] = []
    page = table.do(Query("STANDARD", until, limit))
    while page.cursor is not None:
        assert len(page.entries) == limit
        assert page.cursor.keys() == {"id", "queue_type", "queue_add_timestamp"}
        seen += page.entries
        page = table.do(Query("STANDARD", until, limit, page.cursor))
    assert len(page.entries) < limit
    assert ids((*seen, *page.entries)) == " ".join(expected)


def test_a_full_page_has_a_cursor_even_at_the_end(table: Table) -> None:
    """Like DynamoDB, the engine does not look beyond the limit."""
    table.send("a")
    due = table.clock.text()
    assert table.due(limit=1).cursor == {
        "id": "a",
        "queue_type": "STANDARD",
        "queue_add_timestamp": due,
    }
    assert table.due(limit=2).cursor is None
    assert table.do(Scan(1)).cursor == {"id": "a"}
    assert table.do(Scan(2)).cursor is None


def test_a_query_reads_the_covering_index_only(table: Table) -> None:
    """SQLite seeks to the partition, the position and the bound: nothing else is read."""
    statements: list[str] = []

    def explained(connection: sqlite3.Connection) -> str:
        connection.set_trace_callback(statements.append)
        query(connection, 1, "Q", until="u", after=("t", "a"), limit=5)
        connection.set_trace_callback(None)
        ((*_, plan),) = connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()
        return str(plan)

    plan = table.engine._store.read(explained)
    assert "USING COVERING INDEX item_by_due_time" in plan
    assert "queue_type=?" in plan
    assert "queue_add_timestamp<?" in plan
    assert "(queue_add_timestamp,id)>(?,?)" in plan


# --- other reads -----------------------------------------------------------------------------


def test_get_many_finds_what_exists(table: Table) -> None:
    """The reply holds the items that exist, by id."""
    one, two = table.send("1"), table.send("2")
    assert table.do(GetMany(("2", "nothing", "1"))) == {"1": one, "2": two}


def test_a_scan_reads_everything_in_pages(table: Table) -> None:
    """Pages join to the whole table; a page also ends after about a megabyte of items."""
    for number in range(8):
        table.store({"id": str(number), "v": "x" * 300_000})
    seen: list[Item] = []
    page = table.do(Scan(100))
    assert len(page.entries) == 4
    while page.cursor is not None:
        seen += page.entries
        page = table.do(Scan(3, page.cursor))
    assert ids((*seen, *page.entries)) == "0 1 2 3 4 5 6 7"


# --- batches ---------------------------------------------------------------------------------


def test_each_write_of_a_batch_stands_alone(table: Table) -> None:
    """In order: success shows the item if that is wanted, a refusal does not, the invalid fail.

    Each does so by itself.
    """
    table.send("a")
    table.send("taken")
    table.receive("taken", "somebody's")
    malformed = custom_rule("update", [Set(Attr("v"), Plus(Attr("v"), Constant(1)))])
    replies = table.do(
        WriteBatch(
            (
                table.receiving("a"),
                table.receiving("taken"),
                Write("a2", malformed, {}),
                put({"id": "big", "v": "x" * MAX_ITEM_BYTES}),
                put({"id": ""}),
                put({"id": "last"}),
            )
        )
    )
    first, refused, *failed, last = replies
    assert written(first) == table.get("a")
    assert refused == Refused(None, repeated=False, shown=False)
    assert [type(one.error) for one in failed if isinstance(one, Failed)] == [
        MalformedItemError,
        RequestRejectedError,
        RequestRejectedError,
    ]
    assert last == Written(None)
    assert table.do(GetMany(("a2", "big"))) == {}


def test_a_batch_is_one_transaction(table: Table) -> None:
    """However many writes, there is one commit, so one flush to the disk."""
    statements: list[str] = []
    table.engine._store.write(lambda one: one.set_trace_callback(statements.append))
    table.do(WriteBatch(tuple(table.sending(str(number)) for number in range(25))))
    assert statements.count("BEGIN IMMEDIATE") == 1
    assert statements.count("COMMIT") == 2  # the second ends the transaction that set the trace


@pytest.mark.parametrize("names", [[], ["a", "b", "a"], [str(number) for number in range(26)]])
def test_batches_that_dynamodb_refuses(table: Table, names: list[str]) -> None:
    """An empty batch, 26 writes, or one item twice: nothing of it is carried out."""
    refusal(table, WriteBatch(tuple(table.sending(name) for name in names)))
    assert table.do(Scan(10)).entries == ()


# --- tables ----------------------------------------------------------------------------------

EVERY_REQUEST: list[Request[Any]] = [
    Get("m"),
    GetMany(("m",)),
    Query("STANDARD", None, 1),
    Scan(1),
    put({"id": "m"}),
    WriteBatch((put({"id": "m"}),)),
    EnableExpiry(),
]


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda request: type(request).__name__)
def test_a_table_must_be_created(request_: Request[Any]) -> None:
    """A request to a table that was not created raises, as in DynamoDB; describing it does not."""
    with LocalEngine() as engine:
        driver = engine.open(TableDefinition("absent"))
        with pytest.raises(TableNotFoundError, match="'absent'"):
            driver.execute(request_)
        assert driver.execute(DescribeTable()) is None


def test_creating_again_keeps_everything(table: Table) -> None:
    """A table describes itself as its definition; creating it or its expiry twice does no harm."""
    definition = table.definition
    assert table.do(DescribeTable()) == evolve(definition.description(), expiry=None)
    table.send("m")
    for _ in range(2):
        table.do(CreateTable())
        table.do(EnableExpiry())
    assert table.do(DescribeTable()) == definition.description()
    assert table.get("m") is not None


def test_an_index_of_another_name_is_a_mismatch(table: Table) -> None:
    """Who opens a table with another index name is told so, by description and by query."""
    other = Table(table.engine, definition=evolve(table.definition, index="another"))
    found = other.do(DescribeTable())
    assert found is not None
    assert other.definition.differences(found) == ("it has no index 'another'",)
    with pytest.raises(TableMismatchError, match="no index 'another'"):
        other.due()


def test_tables_of_one_file_are_apart(table: Table) -> None:
    """The same id in two tables is two items."""
    other = Table(table.engine, definition=TableDefinition("other"))
    table.send("m", 1)
    other.send("m", 2)
    other.receive("m")
    assert [(one.get("m") or {})["data"] for one in (table, other)] == [1, 2]
    assert [one.due().entries[0]["status"] for one in (table, other)] == ["READY", "PROCESSING"]
    assert len(table.do(Scan(10)).entries) == 1


@pytest.mark.parametrize("name", ["ab", "a b c", "ä-table", "x" * 256])
def test_names_are_those_that_dynamodb_allows(name: str) -> None:
    """A table that could not move to DynamoDB is not created."""
    with LocalEngine() as engine:
        for definition in (TableDefinition(name), TableDefinition("table", name)):
            with pytest.raises(RequestRejectedError, match="3 to 255"):
                engine.open(definition).execute(CreateTable())

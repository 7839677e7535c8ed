"""Transactions at the level of requests: all actions take effect, or none does (spec: WRITE-1)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from dynamomq.attributes import ID, VERSION
from dynamomq.drivers.base import Driver, Engine
from dynamomq.effects import Effect, Set
from dynamomq.errors import MalformedItemError, RequestRejectedError, TableNotFoundError
from dynamomq.expressions import Arg, Attr, Comparison, Constant, Plus
from dynamomq.operations.rows import own_action
from dynamomq.requests import (
    MAX_TRANSACTION,
    Action,
    Cancelled,
    Committed,
    CreateTable,
    Elsewhere,
    Refused,
    Transact,
    Write,
)
from dynamomq.table import TableDefinition
from dynamomq.values import Item
from tests.contract.engines import BEYOND_MOTO, EMBEDDED, Table
from tests.support.embedded import custom_rule

BEYOND = pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
LARGE = "x" * 390_000

_COUNT_UP = Set(VERSION, Plus(VERSION, Constant(1)))

Do = Callable[..., Committed | Cancelled]


def put(id: str, **attributes: Any) -> Write:
    """A write of a whole item, where there is none."""
    item = {"id": id, **attributes}
    return Write(id, custom_rule("put", _assigned(item), ID.absent()), item)


def change(id: str, *more: Effect, **attributes: Any) -> Write:
    """A write that assigns attributes, where there is an item."""
    effects = [*_assigned(attributes), *more]
    return Write(id, custom_rule("update", effects, ID.exists()), attributes)


def remove(id: str) -> Write:
    """A write that takes the item away, where there is one."""
    return Write(id, custom_rule("delete", [], ID.exists()), {})


def _assigned(attributes: dict[str, Any]) -> list[Effect]:
    return [Set(Attr(name), Arg(name)) for name in attributes]


@pytest.fixture
def other(storage: Engine, table: Table) -> Table:
    """Another table of the same engine."""
    driver = storage.open(TableDefinition(f"{table.name}-other"))
    driver.execute(CreateTable())
    return Table(driver)


@pytest.fixture
def do(table: Table) -> Do:
    """Carries out actions in one transaction, by default with a token of its own."""
    numbers = count()

    def transact(*actions: Action, token: str = "") -> Committed | Cancelled:
        fresh = f"{table.name[-20:]}-{next(numbers)}"
        return table.driver.execute(Transact(actions, token or fresh))

    return transact


# --- all or nothing --------------------------------------------------------------------------


def test_all_actions_take_effect(do: Do, table: Table, other: Table) -> None:
    """Puts, updates and deletes, here and in another table, are done in one step."""
    gone: Item = {"id": "gone"}
    for place in (table, other):
        place.put({"id": "old", "n": 1})
        place.put(gone)
    reply = do(
        put("new", n=2),
        change("old", n=3),
        remove("gone"),
        *(Elsewhere(other.name, write) for write in (put("new"), change("old", n=4))),
    )
    assert reply == Committed()
    assert table.items() == {"new": {"id": "new", "n": 2}, "old": {"id": "old", "n": 3}}
    assert other.items() == {"new": {"id": "new"}, "old": {"id": "old", "n": 4}, "gone": gone}


def test_one_refusal_cancels_all(do: Do, table: Table, other: Table) -> None:
    """Where one condition does not hold, nothing is done, in no table, whatever its place is."""
    table.put({"id": "there", "n": 1})
    before = table.items()
    good = (put("new"), change("there", n=2), Elsewhere(other.name, put("new")))
    for place in range(len(good) + 1):
        actions = [*good[:place], remove("absent"), *good[place:]]
        reasons = tuple(Refused(None) if n == place else None for n in range(len(actions)))
        assert do(*actions) == Cancelled(reasons)
    assert (table.items(), other.items()) == (before, {})


def test_every_refusal_is_shown(do: Do, table: Table, other: Table) -> None:
    """Each action has its reason at its place, with the item that refused it, or that none did."""
    table.put({"id": "a", "n": 1})
    other.put({"id": "a", "text": "elsewhere"})
    reply = do(
        put("a", n=2), put("b"), Elsewhere(other.name, put("a")), change("c", n=1), remove("d")
    )
    shown = (Refused({"id": "a", "n": 1}), None, Refused({"id": "a", "text": "elsewhere"}))
    assert reply == Cancelled((*shown, Refused(None), Refused(None)))


def test_what_the_arguments_forbid_is_not_tried(do: Do, table: Table, other: Table) -> None:
    """A write that its arguments rule out is refused by the item as it is; no other is tried."""
    table.put({"id": "a", "n": 1})
    later = ID.exists() & Comparison("<", Arg("now"), Arg("n"))
    rule = custom_rule("update", [Set(Attr("n"), Arg("n"))], later)
    late, early = (Write("a", rule, {"n": 5, "now": now}) for now in (6, 4))
    absent = Elsewhere(other.name, Write("b", rule, {"n": 5, "now": 6}))
    expected = Cancelled((None, Refused({"id": "a", "n": 1}), Refused(None)))
    assert do(put("a2"), late, absent) == expected
    assert table.items() == {"a": {"id": "a", "n": 1}}
    assert do(put("a2"), early) == Committed()


@BEYOND
def test_of_racing_transactions_one_wins(do: Do, table: Table) -> None:
    """Two items are taken together, or not at all: of several threads one gets both."""
    with ThreadPoolExecutor(4) as pool:
        pairs = [("a", "b"), ("b", "a")] * 2
        replies = list(pool.map(lambda ids: do(*(put(id, by=ids[0]) for id in ids)), pairs))
    assert replies.count(Committed()) == 1
    winner = pairs[replies.index(Committed())][0]
    assert table.items() == {id: {"id": id, "by": winner} for id in ("a", "b")}


# --- what is refused as invalid --------------------------------------------------------------


@pytest.mark.parametrize("number", [0, MAX_TRANSACTION + 1])
def test_number_of_actions(do: Do, table: Table, number: int) -> None:
    """No action at all, or more than a hundred, are refused, and the error says how many."""
    with pytest.raises(RequestRejectedError, match=f"^{number} actions in one transaction"):
        do(*(put(f"{one}") for one in range(number)))
    assert table.items() == {}


def test_a_hundred_actions(do: Do, table: Table) -> None:
    """As many as DynamoDB takes are taken."""
    assert do(*(put(f"{one}") for one in range(MAX_TRANSACTION))) == Committed()
    assert len(table.items()) == MAX_TRANSACTION


@pytest.mark.parametrize("named", [True, False])
def test_an_item_twice(do: Do, table: Table, named: bool) -> None:
    """Two actions on one item are refused by name, also where one of them names the table."""
    again = remove("twice")
    second = Elsewhere(table.name, again) if named else again
    with pytest.raises(RequestRejectedError, match=r"2 actions .* are on the item 'twice'"):
        do(put("once"), put("twice"), second)
    assert table.items() == {}


def test_one_id_in_two_tables(do: Do, table: Table, other: Table) -> None:
    """Items of the same id in different tables are different items."""
    assert do(put("a"), Elsewhere(other.name, put("a"))) == Committed()
    assert table.items() == other.items() == {"a": {"id": "a"}}


@BEYOND
def test_more_than_4_mb(do: Do, table: Table) -> None:
    """Items of more than 4 MB together are refused, and the error says how much they have."""
    actions = [put(f"{one}", data=LARGE) for one in range(11)]
    with pytest.raises(RequestRejectedError, match=r"4,?290,?\d\d\d"):
        do(*actions)
    assert table.items() == {}


@BEYOND
def test_an_item_that_would_be_too_large(do: Do, table: Table) -> None:
    """An item that would grow past 400 KB stops all, unless a condition has stopped it already."""
    table.put({"id": "large", "data": LARGE})
    grown = change("large", more=LARGE)
    with pytest.raises(RequestRejectedError, match=r"400 KB|maximum allowed size"):
        do(put("new"), grown)
    assert do(put("new"), grown, remove("absent")) == Cancelled((None, None, Refused(None)))
    assert table.items() == {"large": {"id": "large", "data": LARGE}}


def test_an_item_that_lacks_what_an_effect_reads(do: Do, table: Table) -> None:
    """An update that can't be computed on the stored item stops all."""
    table.put({"id": "odd", "n": 1})
    with pytest.raises(MalformedItemError):
        do(put("new"), change("odd", _COUNT_UP))
    assert table.items() == {"odd": {"id": "odd", "n": 1}}


def test_an_unknown_table(do: Do, storage: Engine, table: Table) -> None:
    """A table that does not exist is named, be it the driver's own or another; nothing is done."""
    absent = f"{table.name}-absent"
    with pytest.raises(TableNotFoundError) as caught:
        do(put("new"), Elsewhere(absent, put("new")))
    assert caught.value.table == absent
    driver: Driver = storage.open(TableDefinition(absent))
    with pytest.raises(TableNotFoundError) as caught:
        driver.execute(
            Transact((Elsewhere(table.name, put("new")), put("new")), f"t-{absent[-30:]}")
        )
    assert caught.value.table == absent
    assert table.items() == {}


# --- repetitions -----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [*EMBEDDED, "moto"], indirect=True)
def test_a_repetition_without_tokens(do: Do, table: Table) -> None:
    """An engine that keeps no tokens tries again: the first success is what refuses the second."""
    assert do(put("a", n=1), token="the same") == Committed()
    assert do(put("a", n=1), token="the same") == Cancelled((Refused({"id": "a", "n": 1}),))
    assert table.items() == {"a": {"id": "a", "n": 1}}


@pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True)
def test_a_repetition_with_tokens(do: Do, table: Table) -> None:
    """With the token of a success, DynamoDB says so again and does nothing; a refusal uses none."""
    table.put({"id": "a", "version": 1})
    token = table.name[-30:]
    assert do(remove("b"), token=token) == Cancelled((Refused(None),))
    for _ in range(3):
        assert do(put("new"), change("a", _COUNT_UP), token=token) == Committed()
    assert table.item("a") == {"id": "a", "version": 2}
    with pytest.raises(RequestRejectedError, match="its token stood for other actions") as caught:
        do(put("another"), token=token)
    assert caught.value.code == "IdempotentParameterMismatchException"


# --- the user's own actions ------------------------------------------------------------------


def test_users_own_actions(do: Do, table: Table, other: Table) -> None:
    """What refuses a user's own action is shown if that asks."""
    stored: Item = {"id": "row", "n": 1}
    assert do(put("a"), own_action("Put", other.name, stored)) == Committed()
    assert other.items() == {"row": stored}
    key = {"id": "row"}
    reply = do(put("b"), own_action("ConditionCheck", other.name, key, condition=ID.absent()))
    assert reply == Cancelled((None, Refused(None, shown=False)))
    shown = own_action("Delete", other.name, key, condition=ID.absent(), show_item=True)
    reply = do(put("b"), shown)
    assert reply == Cancelled((None, Refused({"id": "row", "n": 1})))
    assert table.items() == {"a": {"id": "a"}}

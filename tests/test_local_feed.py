"""The embedded engine's change feed and the expiry of its items."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dynamomq.drivers.local import Change, LocalEngine
from dynamomq.requests import Refused, Scan, WriteBatch, Written
from dynamomq.table import TableDefinition
from dynamomq.values import Item, Value
from tests.support.clock import ManualClock
from tests.support.embedded import Table, put, update


@pytest.fixture
def clock() -> ManualClock:
    """The engine's time."""
    return ManualClock()


@pytest.fixture
def table(clock: ManualClock) -> Iterator[Table]:
    """A table in memory whose items expire."""
    with LocalEngine(surroundings=clock.surroundings()) as engine:
        yield Table(engine, clock, expiry=True)


# --- the feed --------------------------------------------------------------------------------


def test_a_change_has_the_item_before_and_after(table: Table) -> None:
    """Each write that took place is told once, in order, before it returns; refusals never."""
    changes: list[Change] = []
    table.engine.subscribe(changes.append)
    sent = table.send("m", {"n": 1})
    assert changes == [Change(table.definition.name, "m", None, sent)]
    assert isinstance(table.receive("nobody"), Refused)
    assert isinstance(table.do(table.sending("m")), Refused)
    table.receive("m")
    table.delete("m")
    assert [change.new for change in changes[:-1]] == [change.old for change in changes[1:]]
    assert changes[-1].new == table.get("m")
    assert len(changes) == 3


def test_a_batch_tells_each_write_that_took_place(table: Table) -> None:
    """Refused and failed writes of a batch are not in the feed; the others are, in order."""
    table.send("b")
    changes: list[Change] = []
    table.engine.subscribe(changes.append)
    batch = (table.sending("a"), table.sending("b"), put({"id": ""}), table.sending("c"))
    table.do(WriteBatch(batch))
    assert [change.id for change in changes] == ["a", "c"]


def test_a_subscription_ends(table: Table) -> None:
    """A listener hears nothing after it was taken away; the same one, added twice, goes singly."""
    heard: list[Change] = []
    unsubscribe = table.engine.subscribe(heard.append)
    table.engine.subscribe(heard.append)
    table.send("1")
    unsubscribe()
    unsubscribe()
    table.send("2")
    assert [change.id for change in heard] == ["1", "1", "2"]


def test_a_listener_may_write(table: Table) -> None:
    """What a listener writes is told after the present change, to all listeners in that order."""
    heard: list[str] = []

    def answer(change: Change) -> None:
        if change.id == "question":
            table.send("answer")

    table.engine.subscribe(answer)
    table.engine.subscribe(lambda change: heard.append(change.id))
    table.send("question")
    assert heard == ["question", "answer"]


def test_a_listener_that_raises(table: Table, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; neither the write nor the other listeners suffer from it."""

    def fail(change: Change) -> None:
        raise LookupError(change.id)

    heard: list[Change] = []
    table.engine.subscribe(fail)
    table.engine.subscribe(heard.append)
    table.send("m")
    assert table.get("m") is not None
    assert [change.id for change in heard] == ["m"]
    assert "A listener failed on a change of 'm'" in caplog.text


def test_a_late_listener(table: Table) -> None:
    """A listener hears what comes after it, and nothing that was left over before."""
    table.engine.subscribe(lambda _: None)()
    table.send("before")
    heard: list[Change] = []
    table.engine.subscribe(heard.append)
    table.send("after")
    assert [change.id for change in heard] == ["after"]


def test_threads_are_heard_in_the_order_of_their_commits(table: Table) -> None:
    """Under many threads each change begins where the last one of the item ended."""
    changes: list[Change] = []
    table.engine.subscribe(changes.append)

    def write(number: int) -> None:
        table.do(update(f"m{number % 3}", number=number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert len(changes) == 200
    for key in ("m0", "m1", "m2"):
        own = [change for change in changes if change.id == key]
        assert own[0].old is None
        assert [change.new for change in own[:-1]] == [change.old for change in own[1:]]
        assert own[-1].new == table.get(key)


def test_listeners_share_nothing_with_replies(table: Table) -> None:
    """A listener that changes what it was shown harms no reply and no stored item."""

    def vandalise(change: Change) -> None:
        assert change.new is not None
        change.new["data"] = "gone"

    table.engine.subscribe(vandalise)
    assert table.send("m", {"n": 1})["data"] == {"n": 1}


# --- expiry ----------------------------------------------------------------------------------


def tombstone(id_: str, expires_at: Value) -> Item:
    """An item that expires, unless ``expires_at`` is ``None``."""
    return {"id": id_} if expires_at is None else {"id": id_, "expires_at": expires_at}


def left(table: Table) -> set[str]:
    """The ids that are stored."""
    return {str(item["id"]) for item in table.do(Scan(1000)).entries}


def test_expired_items_go_with_a_later_write(table: Table, clock: ManualClock) -> None:
    """An item goes some time after its ``expires_at``, not before, and the feed tells it."""
    table.send("m")
    table.receive("m")
    table.delete("m")
    clock.advance(600)
    table.send("during its last second")
    assert "m" in left(table)
    changes: list[Change] = []
    table.engine.subscribe(changes.append)
    old = table.get("m")
    clock.advance(1)
    table.send("later")
    assert [change.id for change in changes] == ["later", "m"]
    assert changes[1] == Change(table.definition.name, "m", old, None)
    assert left(table) == {"during its last second", "later"}


@pytest.mark.parametrize("expires_at", [None, "1", True, [1], 10**30, -(10**30)])
def test_items_without_a_usable_time_stay(
    table: Table, clock: ManualClock, expires_at: Value
) -> None:
    """No item goes without a number of seconds in ``expires_at``."""
    table.store(tombstone("stays", expires_at))
    clock.advance(10**9)
    table.send("later")
    assert "stays" in left(table)


def test_nothing_expires_unasked(clock: ManualClock) -> None:
    """Only the tables for which expiry was enabled lose items."""
    with LocalEngine(surroundings=clock.surroundings()) as engine:
        asked = Table(engine, clock, expiry=True)
        unasked = Table(engine, clock, TableDefinition("unasked"))
        for one in (asked, unasked):
            one.store(tombstone("t", 1))
        for one in (unasked, asked):
            clock.advance(10)
            one.send("later")
        assert left(unasked) == {"t", "later"}
        assert left(asked) == {"later"}


def test_a_write_removes_few_items(table: Table, clock: ManualClock) -> None:
    """A backlog of expired items goes in bounded steps, one with each write, the oldest first."""
    now = clock.now // 10**9
    batch = [put(tombstone(f"{number:02}", now + 1 + number)) for number in range(60)]
    for start in (0, 20, 40):
        assert all(
            isinstance(one, Written)
            for one in table.do(WriteBatch(tuple(batch[start : start + 20])))
        )
    clock.advance(1000)
    remaining = []
    for number in range(4):
        table.send(f"w{number}")
        remaining.append(len([one for one in left(table) if not one.startswith("w")]))
    assert remaining == [35, 10, 0, 0]


def test_a_clock_that_was_set_back_does_not_stop_expiry(table: Table, clock: ManualClock) -> None:
    """After a jump from a far future, items still expire."""
    clock.advance(10**6)
    table.send("in the future")
    clock.advance(-(10**6))
    table.store(tombstone("t", 1))
    assert left(table) == {"in the future"}

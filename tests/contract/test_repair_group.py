"""repair_group: each kind of damage to a group's list, and what is whole afterwards (GROUP-10)."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import (
    ConflictError,
    DamagedGroupError,
    Finding,
    Flaw,
    InternalError,
    Queue,
    UnavailableError,
)
from dynamomq.drivers.base import Engine
from dynamomq.requests import GetMany, Transact
from dynamomq.testing import FaultyEngine
from tests.contract.engines import Meanwhile, OpenQueue, Table
from tests.support.clock import ManualClock
from tests.support.lists import orders

ITEM = "$group#g"


def send(queue: Queue[Any], clock: ManualClock, *ids: str) -> None:
    """Send messages to the group, a second apart."""
    for id in ids:
        queue.send(id, id=id, group="g")
        clock.advance(1)


def strip(table: Table, id: str, *names: str, **attributes: Any) -> None:
    """Take attributes away from an item, as it may be in a backup."""
    item = table.item(id)
    table.remove(id)
    table.put({name: value for name, value in item.items() if name not in names} | attributes)


def delivered(queue: Queue[Any]) -> list[str]:
    """The ids of the group's messages in the order in which they are delivered, one at a time."""
    ids = []
    while found := queue.receive(10):
        assert len(found) == 1, "two heads"
        ids.append(found[0].id)
        queue.delete(found[0])
    return ids


Damage = Callable[[Queue[Any], Table], None]


def remove(*ids: str) -> Damage:
    """Items are removed."""

    def damage(_: Queue[Any], table: Table) -> None:
        for id in ids:
            table.remove(id)

    return damage


def change(id: str, **attributes: Any) -> Damage:
    """An item is changed."""
    return lambda _, table: table.change(id, **attributes)


def all_of(*damages: Damage) -> Damage:
    """One thing after the other happens."""

    def damage(queue: Queue[Any], table: Table) -> None:
        for one in damages:
            one(queue, table)

    return damage


def sent_again(queue: Queue[Any], _: Table) -> None:
    """A message is sent."""
    queue.send("e", id="e", group="g")


def buried(queue: Queue[Any], _: Table) -> None:
    """The last one is dead-lettered."""
    queue.bury("d")


DAMAGE: dict[str, tuple[Damage, str, set[Flaw]]] = {
    "the head was removed": (remove("a"), "bcd", {Flaw.NO_HEAD}),
    "one in the middle was removed": (
        remove("b"),
        "acd",
        {Flaw.WRONG_NEXT, Flaw.WRONG_PREVIOUS},
    ),
    "the last one was removed": (
        remove("d"),
        "abc",
        {Flaw.WRONG_TAIL, Flaw.WRONG_NEXT},
    ),
    "the group's item was removed": (
        remove(ITEM),
        "abcd",
        {Flaw.NO_GROUP_ITEM},
    ),
    "a second list was begun": (
        all_of(remove(ITEM), sent_again),
        "abcde",
        {Flaw.SECOND_HEAD, Flaw.WRONG_NEXT, Flaw.WRONG_PREVIOUS},
    ),
    "the tail is a dead letter": (
        all_of(buried, change(ITEM, tail_id="d")),
        "abc",
        {Flaw.WRONG_TAIL},
    ),
    "the tail never was": (
        change(ITEM, tail_id="nobody"),
        "abcd",
        {Flaw.WRONG_TAIL},
    ),
    "the tail is odd": (change(ITEM, tail_id=7), "abcd", {Flaw.WRONG_TAIL}),
    "the tail is one in the middle": (
        change(ITEM, tail_id="b"),
        "abcd",
        {Flaw.WRONG_TAIL},
    ),
    "the group's item is odd": (
        lambda _, table: strip(table, ITEM, "tail_id", "sequence", version="two"),
        "abcd",
        {Flaw.WRONG_TAIL, Flaw.ODD_GROUP_ITEM, Flaw.LOW_SEQUENCE},
    ),
    "the group's item is of an older time": (
        change(ITEM, sequence=1),
        "abcd",
        {Flaw.LOW_SEQUENCE},
    ),
    "the group's item has no version": (
        lambda _, table: strip(table, ITEM, "version"),
        "abcd",
        {Flaw.ODD_GROUP_ITEM},
    ),
    "the group's item has an odd number": (
        change(ITEM, sequence="seven"),
        "abcd",
        {Flaw.ODD_GROUP_ITEM},
    ),
    "members and the group's item have odd numbers": (
        all_of(*(change(id, sequence="seven") for id in (*"abcd", ITEM))),
        "abcd",
        {Flaw.ODD_GROUP_ITEM},
    ),
    "a link to nowhere": (
        change("b", next_id="nobody"),
        "abcd",
        {Flaw.WRONG_NEXT},
    ),
    "a link from nowhere": (
        change("c", previous_id="nobody"),
        "abcd",
        {Flaw.WRONG_PREVIOUS},
    ),
    "an odd link": (change("b", next_id=7), "abcd", {Flaw.WRONG_NEXT}),
    "a circle": (change("d", next_id="b"), "abcd", {Flaw.WRONG_NEXT}),
    "a circle without a head": (
        all_of(
            remove("a"), change("d", next_id="b"), change("b", previous_id="d")
        ),
        "bcd",
        {Flaw.NO_HEAD, Flaw.WRONG_NEXT},
    ),
    "a message that was restored from before it joined": (
        lambda _, table: strip(table, "c", "next_id", "previous_id", queue_type="STANDARD"),
        "abcd",
        {Flaw.SECOND_HEAD, Flaw.WRONG_NEXT, Flaw.WRONG_PREVIOUS},
    ),
    "all members were removed": (
        remove(*"abcd"),
        "",
        {Flaw.NO_MEMBERS},
    ),
    "the head is no whole message": (
        lambda _, table: strip(table, "a", "receive_count"),
        "bcd",
        {Flaw.UNFIT, Flaw.NO_HEAD},
    ),
    "one that is no whole message leads astray": (
        lambda _, table: strip(table, "c", "receive_count", queue_type="STANDARD"),
        "abd",
        {Flaw.UNFIT, Flaw.WRONG_NEXT, Flaw.WRONG_PREVIOUS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_mended(queue: Queue[Any], table: Table, clock: ManualClock, case: str) -> None:
    """Every message is in the list, in order; a dry run says so; once more changes nothing."""
    send(queue, clock, *"abcd")
    damage, left, flaws = DAMAGE[case]
    damage(queue, table)
    before = table.items()
    looked = queue.repair_group("g", dry_run=True)
    assert table.items() == before
    assert {finding.flaw for finding in looked.findings} == flaws
    assert looked.members == tuple(left)
    assert not looked.is_whole
    mended = queue.repair_group("g")
    assert mended == looked
    after = table.items()
    changed = {id for id in {*before, *after} if before.get(id) != after.get(id)}
    assert changed == set(mended.changed)
    assert orders(table.items()) == ({"g": [*left]} if left else {})
    again = queue.repair_group("g")
    assert (again.is_whole, again.changed, again.members) == (True, (), tuple(left))
    assert table.items() == after
    send(queue, clock, "z")
    assert delivered(queue) == [*left, "z"]
    assert ITEM not in table.items()


def test_nothing_is_mended_where_nothing_is_wrong(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Neither in a whole list, of which a part has left or is held, nor in none, nor elsewhere."""
    send(queue, clock, *"abcd")
    queue.delete(*queue.receive())
    queue.receive()
    queue.bury("c")
    queue.send(1, id="alone")
    queue.send(1, id="other", group="h")
    before = table.items()
    result = queue.repair_group("g")
    assert (result.is_whole, result.members, result.changed) == (True, ("b", "d"), ())
    assert result.looked_at == len(before)
    assert queue.repair_group("never").members == ()
    assert table.items() == before


def test_what_was_sent_before_there_were_numbers_keeps_its_order(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """A list that is whole as it is linked stays so, though times say something else."""
    send(queue, clock, *"abc")
    for place, id in enumerate("abc"):
        strip(table, id, "sequence", creation_timestamp=f"2024-01-0{3 - place}T00:00:00.000000000Z")
    before = table.items()
    assert queue.repair_group("g").members == ("a", "b", "c")
    assert table.items() == before


def test_a_finding_tells_what_belongs_there(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """It names the item, what stands in it, and what should."""
    send(queue, clock, *"abc")
    table.remove("b")
    assert queue.repair_group("g", dry_run=True).findings == (
        Finding(Flaw.WRONG_NEXT, "a", found="b", right="c"),
        Finding(Flaw.WRONG_PREVIOUS, "c", found="b", right="a"),
    )


def test_a_number_that_is_lost_is_made_up_for_by_the_time(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Numbers are no lower than times, so one stands in for the other."""
    send(queue, clock, *"abcd")
    strip(table, "c", "sequence")
    table.remove("b")
    queue.repair_group("g")
    assert delivered(queue) == ["a", "c", "d"]


# --- beside others ---------------------------------------------------------------------------


def test_the_holder_keeps_its_message(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """What is held has been delivered, so it stays the first; its holder can finish it."""
    send(queue, clock, *"ab")
    table.remove(ITEM)
    send(queue, clock, *"cd")
    first, held = sorted(queue.receive(2), key=lambda message: message.id)
    queue.release(first)
    clock.advance(1)
    result = queue.repair_group("g")
    assert result.members == ("c", "a", "b", "d")
    queue.delete(held)
    assert delivered(queue) == ["a", "b", "d"]


def test_two_that_are_held_have_to_be_waited_for(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Neither can be taken from its holder, and only one can be the first: nothing is changed."""
    send(queue, clock, *"ab")
    table.remove(ITEM)
    send(queue, clock, *"cd")
    queue.receive(2)
    before = table.items()
    looked = queue.repair_group("g", dry_run=True)
    assert {finding.id for finding in looked.findings if finding.flaw is Flaw.HELD_TWICE} == {"c"}
    with pytest.raises(ConflictError, match="'a', 'c'"):
        queue.repair_group("g")
    assert table.items() == before
    clock.advance(3600)
    queue.repair_group("g")
    assert delivered(queue) == ["a", "b", "c", "d"]


MEANWHILE: dict[str, tuple[Callable[[Queue[Any]], object], str]] = {
    "send": (lambda queue: queue.send("z", id="z", group="g"), "abdz"),
    "receive": (lambda queue: queue.receive(), "abd"),
    "delete": (lambda queue: queue.delete(*queue.receive()), "bd"),
    "move_to_dlq": (lambda queue: queue.move_to_dlq(*queue.receive()), "bd"),
    "bury": (lambda queue: queue.bury("a"), "bd"),
    "update": (lambda queue: queue.update("a", 1), "abd"),
    "redrive": (lambda queue: queue.redrive("c"), "abdc"),
    "repair": (lambda queue: queue.repair_group("g"), "abd"),
}


@pytest.mark.parametrize("case", MEANWHILE)
def test_what_happens_meanwhile_is_kept(
    storage: Engine, open_queue: OpenQueue, queue: Queue[Any], table: Table, clock: ManualClock,
    case: str,
) -> None:  # fmt: skip
    """A plan holds only for what was read: who comes between is in the list, or has left it."""
    send(queue, clock, *"abcd")
    queue.bury("c")
    table.change("d", previous_id="c")
    table.change("a", next_id="nobody" if case == "send" else "b")
    action, left = MEANWHILE[case]
    meanwhile = Meanwhile(storage, lambda: action(queue), GetMany)
    result = open_queue(engine=meanwhile).repair_group("g")
    assert result.members == tuple(left)
    assert orders(table.items()) == {"g": [*left]}


def test_a_lost_reply_is_no_failure(
    storage: Engine, open_queue: OpenQueue, queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """What has been mended already is recognised by the list's being whole."""
    send(queue, clock, *"abc")
    table.remove("b")
    expected = queue.repair_group("g", dry_run=True)
    engine = FaultyEngine(storage)
    engine.faults.lose_reply("mend")
    assert open_queue(engine=engine).repair_group("g") == expected
    assert orders(table.items()) == {"g": ["a", "c"]}


def test_a_failure_leaves_a_list_that_can_be_mended(
    storage: Engine, open_queue: OpenQueue, queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """The error is the storage's; a later call does the rest."""
    send(queue, clock, *"abc")
    table.remove("b")
    engine = FaultyEngine(storage)
    engine.faults.fail("mend", executed=False, times=100)
    with pytest.raises(UnavailableError):
        open_queue(engine=engine).repair_group("g")
    queue.repair_group("g")
    assert orders(table.items()) == {"g": ["a", "c"]}


def test_a_failure_after_a_part_tells_of_it(
    storage: Engine, open_queue: OpenQueue, queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """``in_doubt``: the list was mended, and could not be looked at again."""
    send(queue, clock, *"abc")
    table.remove("b")
    engine = FaultyEngine(storage)

    def lose_sight() -> None:
        engine.faults.fail("get_many", executed=False, times=100)

    meanwhile = Meanwhile(engine, lose_sight, after=Transact)
    with pytest.raises(InternalError) as told:
        open_queue(engine=meanwhile).repair_group("g")
    assert told.value.in_doubt
    assert orders(table.items()) == {"g": ["a", "c"]}


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
def test_more_than_a_transaction_takes(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """A long list is mended from its head on; the group's item comes last."""
    ids = [f"{number:03}" for number in range(150)]
    send(queue, clock, *ids)
    for id in ids:
        table.change(id, next_id="nobody", previous_id="nobody")
    table.remove(ITEM)
    changed = queue.repair_group("g").changed
    assert (changed[0], changed[-1]) == ("000", ITEM)
    assert orders(table.items()) == {"g": ids}


# --- where it is told ------------------------------------------------------------------------


def test_the_error_names_the_remedy(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """Who is told of a damaged list is told what to call, whatever the group's name is."""
    send(queue, clock, *"ab")
    table.remove("b")
    (message,) = queue.receive()
    calls: tuple[Callable[[], object], ...] = (
        lambda: queue.send(1, group="g"),
        lambda: queue.delete(message),
        lambda: queue.delete(message, receive_next=True),
    )
    for call in calls:
        with pytest.raises(DamagedGroupError, match=r"queue\.repair_group\('g'\)"):
            call()
    queue.repair_group("g")
    queue.delete(message)

"""Batches and groups: each group's order, whatever else is in the batch (BATCH-4)."""

from itertools import product
from typing import Any

import pytest

from dynamomq.errors import (
    DuplicateMessageError,
    InvalidArgumentError,
    OrderError,
    PayloadError,
    StaleReceiptError,
)
from dynamomq.message import Entry
from dynamomq.queue import Queue
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.situations import TIMEOUT
from tests.contract.test_groups import fill, one
from tests.support.clock import ManualClock
from tests.support.lists import orders

MANY = 250
"""More than two transactions hold."""


def entries(group: str, *ids: str) -> list[Entry[str]]:
    """Messages to be sent into a group."""
    return [Entry(id, id=id, group=group) for id in ids]


# --- sending ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_many_are_sent_in_order(queue: Queue[Any], table: Table) -> None:
    """BATCH-4: 250 messages of one group become its list, in the order of the entries."""
    queue.send("first", id="first", group="g")
    ids = [f"m{number * 7 % MANY:03}" for number in range(MANY)]
    results = queue.send_batch(entries("g", *ids))
    assert [result.id for result in results] == ids
    assert all(result.ok for result in results)
    assert orders(table.items()) == {"g": ["first", *ids]}
    previous = [result.message.previous_id for result in results if result.message]
    assert previous == ["first", *ids[:-1]]


def test_what_a_batch_returns_is_what_it_stored(queue: Queue[Any]) -> None:
    """BATCH-1: each result's message is that of get."""
    for result in queue.send_batch(entries("g", "a", "b", "c")):
        assert result.message == queue.get(result.id)


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
def test_of_two_entries_with_one_id_the_first_is_sent(open_queue: OpenQueue, table: Table) -> None:
    """BATCH-1: in the order of the entries, wherever each of them goes; all batches of three."""
    where = [(id, group) for id in ("a", "b") for group in (None, "g", "h")]
    for wanted in product(where, repeat=3):
        queue = open_queue()
        results = queue.send_batch(
            [Entry(place, id=id, group=group) for place, (id, group) in enumerate(wanted)]
        )
        ids = [id for id, _ in wanted]
        assert [one.ok for one in results] == [id not in ids[:n] for n, id in enumerate(ids)]
        for id in {*ids}:
            assert queue.get(id).data == ids.index(id)
            assert queue.get(id).group == wanted[ids.index(id)][1]
        for id in table.items():
            table.remove(id)


def test_an_id_outside_of_its_group_and_in_it(queue: Queue[Any], table: Table) -> None:
    """BATCH-1, BATCH-4: the first entry wins, and what follows in its group stays behind it."""
    mixed = [
        Entry(0, id="x", group="g"),
        Entry(1, id="x"),
        Entry(2, id="y", group="h"),
        Entry(3, id="y", group="g"),
        Entry(4, id="z", group="g"),
    ]
    results = queue.send_batch(mixed)
    assert [one.ok for one in results] == [True, False, True, False, True]
    assert orders(table.items()) == {"g": ["x", "z"], "h": ["y"]}


def test_nothing_overtakes_across_an_id_that_comes_twice(queue: Queue[Any], table: Table) -> None:
    """BATCH-4: a group whose message could not be sent is not gone on with in a later request."""
    results = queue.send_batch(
        [
            Entry("0" * 500_000, id="large", group="g"),
            Entry(1, id="x"),
            Entry(2, id="x", group="h"),
            Entry(3, id="later", group="g"),
        ]
    )
    errors = [type(one.error) for one in results]
    assert errors == [PayloadError, type(None), DuplicateMessageError, OrderError]
    assert orders(table.items()) == {}


def test_groups_and_others_share_a_batch(queue: Queue[Any], table: Table) -> None:
    """Each group's messages keep their order among themselves; the others are as ever."""
    mixed: list[Any] = [
        *entries("g", "g1", "g2"),
        "free",
        *entries("h", "h1"),
        *entries("g", "g3"),
        Entry("named", id="named"),
        *entries("h", "h2"),
    ]
    results = queue.send_batch(mixed)
    assert [result.message and result.message.data for result in results] == [
        "g1",
        "g2",
        "free",
        "h1",
        "g3",
        "named",
        "h2",
    ]
    assert orders(table.items()) == {"g": ["g1", "g2", "g3"], "h": ["h1", "h2"]}
    assert {message.data for message in queue.list()} == {"g1", "free", "h1", "named"}


@pytest.mark.parametrize("state", ["elsewhere", "in the group", "its tail", "deleted"])
def test_duplicates_are_told_and_left_out(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """An id that is taken, wherever its message is, is a duplicate, and the others are sent."""
    fill(queue, clock, 2)
    taken = {"elsewhere": "x", "in the group": "g0", "its tail": "g1", "deleted": "y"}[state]
    queue.send("x", id="x", group="another")
    queue.send("y", id="y")
    queue.cancel("y")
    before = table.item(taken)
    first, duplicate, last = queue.send_batch(entries("g", "a", taken, "b"))
    assert (first.ok, last.ok) == (True, True)
    assert duplicate.is_duplicate
    assert isinstance(duplicate.error, DuplicateMessageError)
    assert (duplicate.error.id, duplicate.error.state) == (taken, queue.get(taken).state)
    assert orders(table.items())["g"] == ["g0", "g1", "a", "b"]
    assert {**table.item(taken), "version": 0} == {
        **before,
        "version": 0,
        **({"next_id": "a"} if state == "its tail" else {}),
    }


def test_an_id_twice_in_a_batch_is_sent_once(queue: Queue[Any], table: Table) -> None:
    """The second entry is a duplicate of the first, and takes no place in the list."""
    results = queue.send_batch(entries("g", "a", "b", "a", "c", "c"))
    assert [result.is_duplicate for result in results] == [False, False, True, False, True]
    assert orders(table.items()) == {"g": ["a", "b", "c"]}


def test_nothing_but_duplicates(queue: Queue[Any], table: Table) -> None:
    """A batch of which all is there already changes nothing."""
    queue.send_batch(entries("g", "a", "b"))
    before = table.items()
    assert all(result.is_duplicate for result in queue.send_batch(entries("g", "a", "b")))
    assert table.items() == before


def test_what_is_not_acceptable_is_told_and_left_out(queue: Queue[Any], table: Table) -> None:
    """BATCH-4: what can't be stored is not overtaken in its group, and costs no other group."""
    bad = [Entry({1: 2}, group="g"), Entry("b", group="")]
    results = queue.send_batch([*entries("g", "a"), *bad, *entries("g", "c"), *entries("h", "d")])
    assert [type(result.error) for result in results] == [
        type(None),
        PayloadError,
        InvalidArgumentError,
        OrderError,
        type(None),
    ]
    assert orders(table.items()) == {"g": ["a"], "h": ["d"]}


def test_what_is_too_large_is_not_overtaken(queue: Queue[Any], table: Table) -> None:
    """BATCH-4: that shows later than a payload's type; what follows is held back all the same."""
    large = Entry("x" * 500_000, id="large", group="g")
    results = queue.send_batch([*entries("g", "a"), large, *entries("g", "b"), *entries("h", "c")])
    errors = [type(result.error) for result in results]
    assert errors == [type(None), PayloadError, OrderError, type(None)]
    assert orders(table.items()) == {"g": ["a"], "h": ["c"]}


def test_large_messages_take_more_transactions(queue: Queue[Any], table: Table) -> None:
    """More than 4 MB in one group is split, in order (DynamoDB's limit for a transaction)."""
    ids = [f"m{number:02}" for number in range(12)]
    results = queue.send_batch([Entry("x" * 360_000, id=id, group="g") for id in ids])
    assert all(result.ok for result in results)
    order = []
    id: Any = ids[0]
    while id is not None:
        order.append(id)
        id = table.item(id).get("next_id")
    assert order == ids


# --- acknowledging ---------------------------------------------------------------------------


def test_a_batch_deletes_heads(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """BATCH-2: heads of groups and others are deleted each for itself, and the groups go on."""
    for group in "abc":
        fill(queue, clock, 2, group)
    queue.send("free", id="free")
    held = queue.receive(10)
    stale = next(message for message in held if message.id == "c0")
    queue.release(stale)
    results = queue.delete_batch([*held, held[0]])
    assert [result.ok for result in results] == [message.id != "c0" for message in [*held, held[0]]]
    (late,) = [result.error for result in results if result.error]
    assert "c0" in str(late)
    assert orders(table.items()) == {"a": ["a1"], "b": ["b1"], "c": ["c0", "c1"]}
    assert {message.id for message in queue.list()} == {"a1", "b1", "c0"}


@pytest.mark.parametrize("way", ["retry_batch", "release_batch", "extend_batch"])
def test_other_batches_keep_the_heads(
    queue: Queue[Any], table: Table, clock: ManualClock, way: str
) -> None:
    """What is given back or held longer stays its group's head."""
    for group in "ab":
        fill(queue, clock, 2, group)
    held = queue.receive(10)
    arguments = (60,) if way == "extend_batch" else ()
    assert all(result.ok for result in getattr(queue, way)(held, *arguments))
    assert orders(table.items()) == {"a": ["a0", "a1"], "b": ["b0", "b1"]}
    clock.advance(61)
    assert {message.id for message in queue.receive(10)} == {"a0", "b0"}


# --- delete, and receive the next one --------------------------------------------------------


def test_a_group_is_worked_through(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """GROUP-7: each delete hands over the next message of the group, in its first delivery."""
    fill(queue, clock, 4)
    message: Any = one(queue)
    seen = []
    while message is not None:
        seen.append((message.data, message.receive_count, message.state))
        assert message.item == table.item(message.id)
        message = queue.delete(message, receive_next=True)
    assert seen == [(number, 1, "STANDARD.PROCESSING") for number in range(4)]
    assert orders(table.items()) == {}


def test_the_next_one_is_held_as_if_received(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """It has a receipt and a deadline of its own; nobody else gets it before, and it can fail."""
    fill(queue, clock, 3)
    after = queue.delete(one(queue), receive_next=True, visibility_timeout=90)
    assert after is not None
    assert (after.id, after.received_at, after.due_at) == ("g1", clock.moment(), clock.moment(90))
    clock.advance(89)
    assert queue.receive(10) == []
    longer = queue.extend(after, 60)
    queue.retry(longer, error="no")
    clock.advance(1)
    again = one(queue)
    assert (again.id, again.receive_count, again.errors[-1].delivery) == ("g1", 2, 1)
    with pytest.raises(StaleReceiptError):
        queue.delete(after, receive_next=True)
    assert orders(table.items()) == {"g": ["g1", "g2"]}


def test_the_queues_timeout_is_the_next_ones(queue: Queue[Any], clock: ManualClock) -> None:
    """Without a timeout of its own the next delivery lasts as long as others do."""
    fill(queue, clock, 2)
    after = queue.delete(one(queue), receive_next=True)
    assert after is not None
    assert after.due_at == clock.moment(TIMEOUT)


@pytest.mark.parametrize("why", ["not due", "used up", "undecodable", "none"])
def test_a_next_one_that_cannot_be_received_is_not(
    open_queue: OpenQueue, table: Table, clock: ManualClock, why: str
) -> None:
    """The message is deleted all the same, and the next one is in the queue for what it is."""
    queue = open_queue(max_receives=2, payload=int)
    queue.send(0, id="g0", group="g")
    if why != "none":
        queue.send(1, id="g1", group="g", delay=60 if why == "not due" else 0)
    if why == "used up":
        table.change("g1", receive_count=2)
    elif why == "undecodable":
        table.change("g1", data="no number")
    assert queue.delete(one(queue), receive_next=True) is None
    assert queue.get("g0").state == "DELETED"
    assert orders(table.items()) == ({} if why == "none" else {"g": ["g1"]})
    assert queue.receive() == []
    if why == "not due":
        clock.advance(60)
        assert one(queue).id == "g1"
    elif why != "none":
        assert queue.get("g1").state == "DLQ.READY"
        assert orders(table.items()) == {}


def test_without_a_group_there_is_no_next_one(queue: Queue[Any]) -> None:
    """A message of no group is deleted, and nothing is received."""
    queue.send(1, id="a")
    queue.send(2, id="b")
    (message,) = queue.receive()
    assert queue.delete(message, receive_next=True) is None
    assert {queue.get(id).state for id in "ab"} == {"DELETED", "STANDARD.READY"}


def test_a_successor_that_came_meanwhile_is_received(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Planned from the message as it was received; where that is outdated, from what there is."""
    fill(queue, clock, 1)
    held = one(queue)
    queue.send("late", id="late", group="g")
    after = queue.delete(held, receive_next=True)
    assert after is not None
    assert after.id == "late"
    assert orders(table.items()) == {"g": ["late"]}


def test_a_timeout_without_a_next_one_is_refused(queue: Queue[Any], clock: ManualClock) -> None:
    """A visibility timeout says nothing where nothing is received: told, and nothing is deleted."""
    fill(queue, clock, 1)
    held: Any = one(queue)
    delete: Any = queue.delete
    for arguments in ({"visibility_timeout": 5}, {"receive_next": True, "visibility_timeout": 0}):
        with pytest.raises(InvalidArgumentError) as refusal:
            delete(held, **arguments)
        assert refusal.value.argument == "visibility_timeout"
    assert queue.get("g0").state == "STANDARD.PROCESSING"

"""Lists that somebody has damaged by hand: that is told from a race, and blocks nobody else."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dynamomq.errors import DamagedGroupError
from dynamomq.message import Entry
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND
from tests.contract.engines import Table
from tests.support.clock import ManualClock


@pytest.fixture
def broken(queue: Queue[Any], table: Table) -> None:
    """A group of two whose second message is not there any more."""
    queue.send(1, id="first", group="g")
    queue.send(2, id="second", group="g")
    table.remove("second")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("trigger", ["delete", "move_to_dlq", "receive_next"])
def test_the_holder_is_told(queue: Queue[Any], table: Table, trigger: str) -> None:
    """GROUP-6: who can't finish a head hears what is missing, not that others were faster."""
    (message,) = queue.receive()
    before = table.items()
    finish: dict[str, Any] = {
        "delete": lambda: queue.delete(message),
        "move_to_dlq": lambda: queue.move_to_dlq(message),
        "receive_next": lambda: queue.delete(message, receive_next=True),
    }
    with pytest.raises(DamagedGroupError, match=r"'first'.*'second'"):
        finish[trigger]()
    assert table.items() == before


@pytest.mark.usefixtures("broken")
def test_the_sender_is_told(queue: Queue[Any], table: Table) -> None:
    """GROUP-6: who can't join hears which message is missing; other groups go on."""
    before = table.items()
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        queue.send(3, id="third", group="g")
    assert table.items() == before
    assert queue.send(4, group="h").state == "STANDARD.READY"


@pytest.mark.usefixtures("broken")
def test_who_sends_the_missing_message_again_is_told(queue: Queue[Any], table: Table) -> None:
    """GROUP-6: its id is that of the group's last message, which is not there: that is no race."""
    before = table.items()
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        queue.send(2, id="second", group="g")
    new, missing, after = queue.send_batch(
        [Entry(3, id="third", group="h"), Entry(2, id="second", group="g"), Entry(4, group="g")]
    )
    assert new.ok
    assert isinstance(missing.error, DamagedGroupError)
    assert not after.ok
    assert {id: item for id, item in table.items().items() if id in before} == before


@pytest.mark.usefixtures("broken")
def test_the_operator_is_told(queue: Queue[Any], table: Table) -> None:
    """GROUP-6: the head can't be withdrawn either, and nothing is changed."""
    before = table.items()
    for edit in (queue.cancel, queue.bury):
        with pytest.raises(DamagedGroupError, match=r"'first'.*'second'"):
            edit("first")
    assert table.items() == before


def _sent_in_batch(queue: Queue[Any]) -> None:
    for result in queue.send_batch([Entry(3, id="third", group="g"), Entry(4, group="g")]):
        if isinstance(result.error, DamagedGroupError):
            raise result.error
        assert result.error is not None


def _sent_with_rows(queue: Queue[Any]) -> None:
    with queue.transaction() as tx:
        tx.send(3, id="third", group="g")


def _given_back(queue: Queue[Any]) -> None:
    """The head stays, and is the last one that the group's item names."""
    (head,) = queue.receive()
    with queue.transaction() as tx:
        tx.retry(head)
        tx.send(3, id="third", group="g")


def _deleted(queue: Queue[Any]) -> None:
    """The head leaves, and the last one is promoted in the same transaction."""
    (head,) = queue.receive()
    with queue.transaction() as tx:
        tx.delete(head)
        tx.send(3, id="third", group="g")


JOIN: dict[str, Callable[[Queue[Any]], object]] = {
    "send": lambda queue: queue.send(3, id="third", group="g"),
    "send_batch": _sent_in_batch,
    "redrive": lambda queue: queue.redrive("dead"),
    "transaction": _sent_with_rows,
    "transaction that deletes": _deleted,
}


@pytest.mark.parametrize("join", JOIN.values(), ids=JOIN)
def test_who_joins_behind_what_is_not_the_last_one(
    queue: Queue[Any], table: Table, join: Callable[[Queue[Any]], object]
) -> None:
    """GROUP-6: it would cut off what is behind that; it is told, and the link stays."""
    for id in ("first", "second", "behind", "dead"):
        queue.send(id, id=id, group="g")
    queue.bury("dead")
    table.change("$group#g", tail_id="second")  # as in a table that was restored
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        join(queue)
    assert queue.get("second").next_id == "behind"
    assert queue.get("dead").state == "DLQ.READY"
    assert "third" not in table.items()


def test_who_joins_behind_a_head_that_is_not_the_last_one(queue: Queue[Any], table: Table) -> None:
    """GROUP-6: the same where the head gets its link with the write that gives it back."""
    queue.send(1, id="first", group="g")
    queue.send(2, id="second", group="g")
    table.change("$group#g", tail_id="first")
    with pytest.raises(DamagedGroupError, match=r"'g'.*'first'"):
        _given_back(queue)
    assert queue.get("first").next_id == "second"
    assert queue.get("first").state == "STANDARD.PROCESSING"


@pytest.mark.parametrize("edit", ["cancel", "bury"])
@pytest.mark.parametrize(
    ("neighbour", "link"), [("first", {"next_id": "third"}), ("third", {"previous_id": "first"})]
)
def test_who_leaves_from_between_others_that_know_nothing_of_it(
    queue: Queue[Any], table: Table, edit: str, neighbour: str, link: dict[str, Any]
) -> None:
    """GROUP-6: their links are not replaced by what it takes for them."""
    for id in ("first", "second", "third"):
        queue.send(id, id=id, group="g")
    table.change(neighbour, **link)
    before = table.items()
    with pytest.raises(DamagedGroupError, match=rf"'second'.*'{neighbour}'"):
        getattr(queue, edit)("second")
    assert table.items() == before


def test_the_last_one_leaves_from_behind_one_that_has_another_next(
    queue: Queue[Any], table: Table
) -> None:
    """GROUP-6: the predecessor keeps that link."""
    for id in ("first", "second", "third"):
        queue.send(id, id=id, group="g")
    table.change("second", next_id="first")
    before = table.items()
    with pytest.raises(DamagedGroupError, match=r"'third'.*'second'"):
        queue.cancel("third")
    assert table.items() == before


def test_a_dead_letter_comes_back_without_old_links(queue: Queue[Any], table: Table) -> None:
    """OPERATOR-5: whatever another port has left in it."""
    queue.send(1, id="first", group="g")
    queue.bury("first")
    table.change("first", next_id="second", previous_id="zeroth")
    queue.redrive("first")
    found = queue.get("first")
    assert (found.next_id, found.previous_id) == (None, None)
    queue.send(2, id="second", group="g")
    queue.bury("second")
    table.change("second", next_id="third")
    queue.redrive("second")
    found = queue.get("second")
    assert (found.next_id, found.previous_id) == (None, "first")


def test_a_dead_letter_that_is_taken_for_the_last_one(queue: Queue[Any], table: Table) -> None:
    """GROUP-6: who redrives it, or sends, is told; nothing is planned anew in vain."""
    queue.send(1, id="first", group="g")
    queue.send(2, id="second", group="g")
    queue.bury("second")
    table.change("$group#g", tail_id="second")
    before = table.items()
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        queue.redrive("second")
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        queue.send(3, id="third", group="g")
    assert table.items() == before


@pytest.mark.parametrize("tail", [{}, {"tail_id": 3}], ids=["nothing", "no text"])
def test_an_item_of_a_group_that_names_nobody(
    queue: Queue[Any], table: Table, tail: dict[str, Any]
) -> None:
    """GROUP-6: who can't join hears what is wrong; a purge removes what it can still find."""
    queue.send(0, id="dead", group="g")
    queue.bury("dead")
    queue.send(1, id="first", group="g")
    queue.send(2, id="second", group="g")
    table.remove("$group#g")
    table.put({"id": "$group#g", "version": 1, **tail})
    before = table.items()
    joining: list[Callable[[], object]] = [
        lambda: queue.send(3, group="g"),
        lambda: queue.redrive("dead"),
        lambda: _sent_in_transaction(queue),
    ]
    for join in joining:
        with pytest.raises(DamagedGroupError, match=r"'g'.*tail_id"):
            join()
    (result,) = queue.send_batch([Entry(3, group="g")])
    assert isinstance(result.error, DamagedGroupError)
    assert queue.redrive_all().failed == 1
    assert table.items() == before
    assert queue.purge("STANDARD").purged == 1


def _sent_in_transaction(queue: Queue[Any]) -> None:
    with queue.transaction() as transaction:
        transaction.send(3, group="g")


def _first_error(queue: Queue[Any]) -> None:
    entries = [Entry(3, id="third", group="g"), Entry(2, id="second", group="g")]
    for result in queue.send_batch(entries):
        if result.error is not None:
            raise result.error


def _second_with_rows(queue: Queue[Any]) -> None:
    with queue.transaction() as tx:
        tx.send(2, id="second", group="g")


def _second_in_place_of_the_head(queue: Queue[Any]) -> None:
    (head,) = queue.receive()
    with queue.transaction() as tx:
        tx.delete(head)
        tx.send(2, id="second", group="g")


AGAIN: dict[str, Callable[[Queue[Any]], object]] = {
    "send": lambda queue: queue.send(2, id="second", group="g"),
    "send_batch": _first_error,
    "transaction": _second_with_rows,
    "transaction that deletes": _second_in_place_of_the_head,
}


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_the_last_one_that_is_missing_is_sent_again(
    queue: Queue[Any], table: Table, clock: ManualClock, again: Callable[[Queue[Any]], object]
) -> None:
    """GROUP-6: the group takes it for its last message; that is told after one pause."""
    begun = clock.now
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        again(queue)
    assert clock.now - begun < SECOND
    assert "second" not in table.items()
    assert queue.get("first").next_id == "second"


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("join", [_sent_with_rows, _deleted, _given_back])
def test_a_transaction_is_told(
    queue: Queue[Any], table: Table, clock: ManualClock, join: Callable[[Queue[Any]], object]
) -> None:
    """GROUP-6: as the single calls are, after one pause."""
    begun = clock.now
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"):
        join(queue)
    assert clock.now - begun < SECOND
    assert "third" not in table.items()


@pytest.mark.usefixtures("broken")
def test_a_transaction_that_only_deletes_is_told(queue: Queue[Any], table: Table) -> None:
    """GROUP-6: its head can't leave."""
    (head,) = queue.receive()
    before = table.items()
    with pytest.raises(DamagedGroupError, match=r"'g'.*'second'"), queue.transaction() as tx:
        tx.delete(head)
    assert table.items() == before


@pytest.mark.parametrize(
    "sequence", ["seven", Decimal("1.5"), True], ids=["text", "fraction", "truth"]
)
@pytest.mark.parametrize("join", JOIN.values(), ids=JOIN)
def test_a_group_item_whose_number_is_none(
    queue: Queue[Any], table: Table, join: Callable[[Queue[Any]], object], sequence: object
) -> None:
    """GROUP-6: it is told as damage, not as a race; who repairs the list gives it a number."""
    queue.send(1, id="first", group="g")
    queue.send(2, id="dead", group="g")
    queue.bury("dead")
    table.change("$group#g", sequence=sequence)
    before = table.items()
    with pytest.raises(DamagedGroupError, match=r"'g'.*sequence"):
        join(queue)
    assert {id for id, item in table.items().items() if before.get(id) != item} <= {"first"}
    queue.repair_group("g")
    queue.send(4, id="fourth", group="g")
    assert queue.get("first").next_id == "fourth"


@pytest.mark.parametrize("lost", ["tail_id", "version"])
@pytest.mark.parametrize(
    "join",
    [*JOIN.values(), lambda queue: queue.send_item(3, group="g")],
    ids=[*JOIN, "send_item"],
)
def test_a_group_item_that_does_not_say_what_is_last(
    queue: Queue[Any], table: Table, lost: str, join: Callable[[Queue[Any]], object]
) -> None:
    """GROUP-6: it is told as damage, and nothing is changed."""
    queue.send(1, id="first", group="g")
    queue.send(2, id="dead", group="g")
    queue.bury("dead")
    item = table.item("$group#g")
    table.remove("$group#g")
    table.put({name: value for name, value in item.items() if name != lost})
    with pytest.raises(DamagedGroupError, match=rf"'g'.*{lost}"):
        join(queue)
    assert table.items().keys() == {"$group#g", "first", "dead"}


def _deleted_in_a_transaction(queue: Queue[Any]) -> None:
    (head,) = queue.receive()
    with queue.transaction() as tx:
        tx.delete(head)


LEAVE: dict[str, Callable[[Queue[Any]], object]] = {
    "delete": lambda queue: queue.delete(queue.receive()[0]),
    "delete and receive": lambda queue: queue.delete(queue.receive()[0], receive_next=True),
    "move_to_dlq": lambda queue: queue.move_to_dlq(queue.receive()[0]),
    "cancel": lambda queue: queue.cancel("first"),
    "bury": lambda queue: queue.bury("first"),
    "transaction": _deleted_in_a_transaction,
    "transaction that sends": _deleted,
}


@pytest.mark.parametrize("leave", LEAVE.values(), ids=LEAVE)
def test_a_head_whose_link_passes_over_others(
    queue: Queue[Any], table: Table, leave: Callable[[Queue[Any]], object]
) -> None:
    """GROUP-6: it is told, and nobody between is left behind."""
    for id in ("first", "second", "last"):
        queue.send(id, id=id, group="g")
    table.change("first", next_id="last")
    with pytest.raises(DamagedGroupError, match=r"'g'.*'last'"):
        leave(queue)
    assert queue.get("first").next_id == "last"
    assert [queue.get(id).state for id in ("second", "last")] == ["WAITING"] * 2
    queue.repair_group("g")
    assert queue.get("first").next_id == "second"


@pytest.mark.parametrize("leave", LEAVE.values(), ids=LEAVE)
def test_a_head_that_is_linked_to_itself(
    queue: Queue[Any], table: Table, leave: Callable[[Queue[Any]], object]
) -> None:
    """GROUP-6: no transaction can have it twice; it is told as damage, and stays."""
    queue.send(1, id="first", group="g")
    table.change("first", next_id="first")
    with pytest.raises(DamagedGroupError, match=r"'first'.*'g'"):
        leave(queue)
    assert queue.get("first").next_id == "first"
    assert table.items().keys() == {"$group#g", "first"}


@pytest.mark.parametrize(
    "links",
    [{"previous_id": "second"}, {"next_id": "second"}, {"previous_id": "third"}],
    ids=["behind itself", "before itself", "twice beside another"],
)
@pytest.mark.parametrize("edit", ["cancel", "bury"])
def test_one_that_waits_and_is_linked_in_a_circle(
    queue: Queue[Any], table: Table, edit: str, links: dict[str, Any]
) -> None:
    """GROUP-6: the same."""
    for id in ("first", "second", "third"):
        queue.send(id, id=id, group="g")
    table.change("second", **links)
    stored = table.items()
    with pytest.raises(DamagedGroupError, match=r"'second'.*'g'"):
        getattr(queue, edit)("second")
    assert table.items() == stored

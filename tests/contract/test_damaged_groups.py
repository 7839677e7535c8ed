"""Lists that somebody has damaged by hand: that is told from a race, and blocks nobody else."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import Entry
from dynamomq.errors import DamagedGroupError
from dynamomq.queue import Queue
from tests.contract.engines import Table


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

"""What a message is to those who have it: a value, of one table, theirs until it is taken."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen

from dynamomq.drivers.base import Engine
from dynamomq.errors import InvalidArgumentError, StaleReceiptError
from dynamomq.message import MAX_FAILURES, Message
from dynamomq.queue import Queue
from dynamomq.requests import CreateTable
from dynamomq.table import TableDefinition
from tests.contract.engines import OpenQueue, Table
from tests.contract.situations import NEVER_DELETED, TIMEOUT
from tests.contract.test_hold import ACTIONS
from tests.support.clock import ManualClock

# --- a value ---------------------------------------------------------------------------------


def test_messages_are_equal_if_their_items_are(queue: Queue[Any], held: Message[Any]) -> None:
    """A message equals another reading of the same item, and differs from one of another time."""
    (first, second) = queue.get("m"), queue.get("m")
    assert first == second
    assert first is not second
    assert first != held  # which shows its receipt
    queue.extend(held, 60)
    assert queue.get("m") != first


def test_messages_can_be_members_of_sets(queue: Queue[Any], held: Message[Any]) -> None:
    """Equal messages count once, in sets and as keys, whatever their payloads hold."""
    other = queue.send({"a list": [1, 2], "a map": {}}, id="other")
    messages = {queue.get("m"), queue.get("m"), other, queue.get("other")}
    assert sorted(message.id for message in messages) == ["m", "other"]
    assert {held: "mine"}[held] == "mine"
    assert held not in messages


# --- of one table ----------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", ACTIONS)
def test_a_message_belongs_to_its_table(
    queue: Queue[Any], storage: Engine, held: Message[Any], trigger: str
) -> None:
    """Through a queue of another table a message is refused, even if that has its like."""
    name = f"{queue.table}-2"
    storage.open(TableDefinition(name)).execute(CreateTable())
    elsewhere: Queue[Any] = Queue(name, engine=storage)
    elsewhere.send({"n": 1}, id="m")
    elsewhere.receive()
    before = (queue.get("m"), elsewhere.get("m"))
    with pytest.raises(InvalidArgumentError, match="queue that it was received from") as refusal:
        ACTIONS[trigger](elsewhere, held)
    assert refusal.value.argument == "message"
    assert repr(queue.table) in str(refusal.value)
    assert repr(name) in str(refusal.value)
    assert (queue.get("m"), elsewhere.get("m")) == before
    ACTIONS[trigger](queue, held)


# --- nobody's any more -----------------------------------------------------------------------


@pytest.mark.parametrize("max_messages", [1, 10])
def test_the_holder_of_an_exhausted_message_is_told_so(
    open_queue: OpenQueue,
    table: Table,
    held: Message[Any],
    clock: ManualClock,
    max_messages: int,
) -> None:
    """Once another's receive found its deliveries used up, the slow holder is refused (FENCED)."""
    clock.advance(TIMEOUT)
    strict = open_queue(max_receives=1)
    assert strict.receive(max_messages) == []
    clock.advance(1)
    before = table.items()
    for trigger, action in ACTIONS.items():
        with pytest.raises(StaleReceiptError, match=trigger) as refusal:
            action(strict, held)
        assert (refusal.value.id, refusal.value.state) == ("m", "DLQ.READY")
        assert table.items() == before


# --- its failures ----------------------------------------------------------------------------


class UnspeakableError(Exception):
    """An exception that has no text: asking for it raises."""

    def __str__(self) -> str:
        raise RecursionError


@pytest.mark.parametrize("trigger", ["retry", "move_to_dlq"])
def test_a_reason_whose_text_can_not_be_had_is_recorded(
    queue: Queue[Any], held: Message[Any], trigger: str
) -> None:
    """Whatever the exception's ``__str__`` does, the message is given up, with its type."""
    getattr(queue, trigger)(held, error=UnspeakableError())
    found = queue.get("m")
    assert found.state == ("STANDARD.READY" if trigger == "retry" else "DLQ.READY")
    (failure,) = found.errors
    assert (failure.type, failure.message) == ("UnspeakableError", "its text can't be had")


@frozen
class Life:
    """What can happen to a message; one queue allows any number of deliveries, the other one."""

    lax: Queue[Any]
    strict: Queue[Any]
    clock: ManualClock

    def retry(self) -> None:
        """It is received, and given back with a reason."""
        self.lax.retry(self.lax.receive()[0], error="retried")

    def dead_letter(self) -> None:
        """It is received, and put aside with a reason."""
        self.lax.move_to_dlq(self.lax.receive()[0], error="dead-lettered")

    def exhaust(self) -> None:
        """It is received and forgotten, and the next receiver finds its deliveries used up."""
        self.lax.receive()
        self.clock.advance(TIMEOUT)
        assert self.strict.receive() == []

    def bury(self) -> None:
        """An operator puts it aside with a reason."""
        self.lax.bury("m", reason="buried")

    def redrive(self) -> None:
        """An operator brings it back."""
        self.lax.redrive("m")


LIVES: dict[str, tuple[Callable[[Life], None], ...]] = {
    "exhausted again and again": (Life.exhaust, Life.redrive),
    "retried and exhausted": (*(Life.retry,) * 6, Life.exhaust, Life.redrive),
    "buried and exhausted": (Life.bury, Life.redrive, Life.exhaust, Life.redrive),
    "everything": (
        *(Life.retry, Life.bury, Life.redrive, Life.dead_letter, Life.redrive),
        *(Life.retry, Life.exhaust, Life.redrive),
    ),
}
"""What happens to a message, over and over."""


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
@pytest.mark.parametrize("life", LIVES)
def test_failures_are_bounded(
    open_queue: OpenQueue, table: Table, clock: ManualClock, life: str
) -> None:
    """Never more than the last five failures are shown, nor more than one more stored."""
    queue = open_queue()
    queue.send(1, id="m")
    message = Life(queue, open_queue(max_receives=1), clock)
    for _ in range(8):
        for step in LIVES[life]:
            clock.advance(1)
            step(message)
            shown, stored = queue.get("m").errors, table.item("m")["errors"]
            assert len(shown) <= MAX_FAILURES
            assert len(stored) <= MAX_FAILURES + 1
            assert [failure.message for failure in shown] == [
                failure["message"] for failure in stored[-MAX_FAILURES:]
            ]
    assert len(shown) == MAX_FAILURES - 1  # after a redrive there is room for one more


def test_a_long_list_of_failures_is_cut(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """A list that another program let grow is shown in part, and cut by a redrive."""
    queue = open_queue(max_receives=1)
    queue.send(1, id="m")
    table.change("m", errors=[{"type": "OSError", "message": f"{n}"} for n in range(100)])
    queue.receive()
    clock.advance(TIMEOUT)
    assert queue.receive() == []
    messages = [failure.message for failure in queue.get("m").errors]
    assert messages == ["96", "97", "98", "99", NEVER_DELETED]
    clock.advance(1)
    queue.redrive("m")
    assert len(table.item("m")["errors"]) == MAX_FAILURES - 1

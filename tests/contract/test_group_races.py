"""Several threads at one group: its list stays whole, and nothing in it is lost or doubled."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from dynamomq.errors import ConflictError, DynamoMQError
from dynamomq.message import Entry, Message
from dynamomq.queue import Queue
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.test_groups import fill, one
from tests.contract.test_races import at_once
from tests.support.clock import ManualClock
from tests.support.lists import orders

pytestmark = pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)

PRODUCERS, EACH = 4, 8


@pytest.fixture
def queue(open_queue: OpenQueue) -> Queue[Any]:
    """A queue whose deliveries outlast all pauses, which move everybody's clock."""
    return open_queue(visibility_timeout=timedelta(days=7))


def persistent(call: Callable[[], object]) -> None:
    """Call again as long as others were in the way every time: then nothing was changed."""
    while True:
        try:
            call()
        except ConflictError:
            continue
        return


def produce(queue: Queue[Any], name: str) -> None:
    """Send numbered messages into the group, one after the other."""
    for number in range(EACH):
        persistent(partial(queue.send, number, id=f"{name}{number}", group="g"))


def test_producers_race_for_the_tail(queue: Queue[Any], table: Table) -> None:
    """HEAD: what 4 threads send is one list, in which each one's messages keep their order."""
    names = "abcd"[:PRODUCERS]
    outcomes = at_once(*[partial(produce, queue, name) for name in names])
    assert outcomes == [None] * PRODUCERS
    order = orders(table.items())["g"]
    for name in names:
        own = [id for id in order if id.startswith(name)]
        assert own == [f"{name}{number}" for number in range(EACH)]
    assert len(order) == PRODUCERS * EACH


def test_batches_race_for_the_tail(queue: Queue[Any], table: Table) -> None:
    """Whole batches go in one after the other, each together."""
    batches = [[Entry(n, id=f"{name}{n}", group="g") for n in range(5)] for name in "abcd"]
    outcomes = at_once(*[partial(queue.send_batch, batch) for batch in batches])
    sent = [name for name, results in zip("abcd", outcomes, strict=True) if _all_sent(results)]
    order = orders(table.items())["g"]
    assert sorted({id[0] for id in order}) == sent
    assert order == [f"{id[0]}{n}" for id in order[::5] for n in range(5)]


def _all_sent(results: Any) -> bool:
    assert len({result.ok for result in results}) == 1
    return bool(results[0].ok)


@pytest.mark.parametrize("leave", ["delete", "move_to_dlq", "receive_next"])
def test_a_sender_meets_the_last_one_leaving(queue: Queue[Any], table: Table, leave: str) -> None:
    """A message that joins while the group's only one leaves is its head, or is being held."""
    ways: dict[str, Callable[[Message[Any]], object]] = {
        "delete": queue.delete,
        "move_to_dlq": queue.move_to_dlq,
        "receive_next": partial(queue.delete, receive_next=True),
    }
    for number in range(10):
        group = f"g{number}"
        queue.send("old", id=f"old{number}", group=group)
        held = one(queue)
        next_one, sent = at_once(
            partial(ways[leave], held), partial(queue.send, "new", id=f"new{number}", group=group)
        )
        assert isinstance(sent, Message)
        assert not isinstance(next_one, DynamoMQError)
        assert orders(table.items()) == {group: [sent.id]}
        queue.delete(next_one if isinstance(next_one, Message) else one(queue))
    assert orders(table.items()) == {}


def test_neighbours_leave_at_once(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """A held head, and those next to it and to each other: all leave, and the rest stays whole."""
    fill(queue, clock, 7)
    held = one(queue)
    outcomes = at_once(
        partial(persistent, partial(queue.delete, held)),
        *[partial(persistent, partial(queue.cancel, f"g{number}")) for number in (1, 2, 3, 5, 6)],
    )
    assert outcomes == [None] * 6
    assert orders(table.items()) == {"g": ["g4"]}
    assert one(queue).id == "g4"


def test_consumers_and_producers_share_a_group(queue: Queue[Any], table: Table) -> None:
    """FIFO: with 2 threads sending and 3 receiving, messages come in the order of the list."""
    total = 2 * EACH
    handled: list[str] = []  # appended to while the message is held, so one at a time

    def consume() -> None:
        while len(handled) < total:
            for message in queue.receive():
                handled.append(message.id)
                predecessors.append(message.previous_id)
                persistent(partial(queue.delete, message))

    predecessors: list[str | None] = []
    outcomes = at_once(
        *[partial(produce, queue, name) for name in "ab"], *[consume for _ in range(3)]
    )
    assert outcomes == [None] * 5
    assert len(handled) == len(set(handled)) == total
    for name in "ab":
        assert [id for id in handled if id[0] == name] == [f"{name}{n}" for n in range(EACH)]
    for before, previous in zip(handled, predecessors[1:], strict=False):
        assert previous in (before, None)  # None: the group was empty when it was sent
    assert orders(table.items()) == {}

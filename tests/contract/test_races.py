"""Several threads at the same messages: one wins, and the others get a clear answer or nothing."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, TypeVar

import pytest

from dynamomq.errors import (
    ContentionError,
    DuplicateMessageError,
    DynamoMQError,
    IllegalTransitionError,
    StaleReceiptError,
)
from dynamomq.message import Message
from dynamomq.queue import Queue
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.situations import TIMEOUT
from tests.support.clock import ManualClock

pytestmark = pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)

R = TypeVar("R")
THREADS = 8


def at_once(*actions: Callable[[], R]) -> list[R | DynamoMQError]:
    """Start all actions at the same moment, each in a thread; return results and refusals."""
    start = Barrier(len(actions))

    def run(action: Callable[[], R]) -> R | DynamoMQError:
        start.wait(timeout=30)
        try:
            return action()
        except DynamoMQError as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@pytest.mark.parametrize("max_messages", [1, 10])
def test_one_message_has_one_receiver(queue: Queue[Any], table: Table, max_messages: int) -> None:
    """Of 8 threads that receive, exactly one gets the message, and the others nothing."""
    queue.send("payload", id="m")
    outcomes = at_once(*[lambda: queue.receive(max_messages)] * THREADS)
    winners = [message for found in outcomes if isinstance(found, list) for message in found]
    assert sum(isinstance(found, list) for found in outcomes) == THREADS
    assert [message.id for message in winners] == ["m"]
    item = table.item("m")
    assert (item["version"], item["receive_count"]) == (2, 1)
    assert item["receipt"] == winners[0].receipt


def test_8_threads_drain_a_queue(queue: Queue[Any], table: Table) -> None:
    """Of 200 messages each is delivered once and deleted once, and nothing is left.

    (An empty answer may be bad luck in too many races; the end is when nothing is ready.)
    """
    sent = [queue.send(number, id=f"m{number}").id for number in range(200)]

    def drain() -> list[str]:
        done = []
        while (messages := queue.receive()) or queue.stats().standard.ready:
            for message in messages:
                queue.delete(message)
                done.append(message.id)
        return done

    outcomes = at_once(*[drain] * THREADS)
    delivered = [id for done in outcomes if isinstance(done, list) for id in done]
    assert sum(isinstance(done, list) for done in outcomes) == THREADS, outcomes
    assert sorted(delivered) == sorted(sent)
    assert {item["version"] for item in table.items().values()} == {3}
    assert queue.stats().standard.total == 0


def test_batches_do_not_overlap(queue: Queue[Any]) -> None:
    """Two threads that receive in batches share the messages between them."""
    sent = {queue.send(number).id for number in range(50)}
    received: Counter[str] = Counter()
    while received.total() < len(sent):
        outcomes = at_once(*[lambda: queue.receive(25)] * 2)
        for found in outcomes:
            assert isinstance(found, list), found
            received.update(message.id for message in found)
    assert received == Counter(sent)


def test_one_id_is_sent_once(queue: Queue[Any], table: Table) -> None:
    """Of 8 sends of one id exactly one is accepted, whole (DEDUP)."""
    outcomes = at_once(*[partial(queue.send, number, id="m") for number in range(THREADS)])
    accepted = [sent for sent in outcomes if isinstance(sent, Message)]
    assert len(accepted) == 1
    assert sum(isinstance(one, DuplicateMessageError) for one in outcomes) == THREADS - 1
    assert table.item("m") == accepted[0].item


def test_a_late_holder_or_the_next_receiver_wins(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """After the deadline a delete and a receive race: never do both succeed (FENCED)."""
    for number in range(10):
        id = queue.send(number).id
        (held,) = queue.receive()
        clock.advance(TIMEOUT)
        deleted, received = at_once(partial(delete, queue, held), partial(receive_ids, queue))
        if deleted == [id]:
            assert (received, queue.get(id).state) == ([], "DELETED")
        else:
            assert isinstance(deleted, StaleReceiptError)
            assert (received, queue.get(id).state) == ([id], "STANDARD.PROCESSING")
            table.remove(id)


def delete(queue: Queue[Any], message: Message[Any]) -> list[str]:
    """Delete a message, and return its id."""
    queue.delete(message)
    return [message.id]


def receive_ids(queue: Queue[Any]) -> list[str]:
    """Receive a message, and return its id."""
    return [message.id for message in queue.receive()]


def test_one_operator_wins(queue: Queue[Any], table: Table) -> None:
    """Of 8 operators who bury a message one does, and the others learn that it is done."""
    queue.send(1, id="m")
    outcomes = at_once(*[lambda: queue.bury("m", reason="unwanted")] * THREADS)
    assert sum(isinstance(one, Message) for one in outcomes) == 1
    assert sum(isinstance(one, IllegalTransitionError) for one in outcomes) == THREADS - 1
    assert table.item("m")["version"] == 2
    assert len(queue.get("m").errors) == 1


def test_a_message_is_exhausted_once(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """8 threads that find the deliveries used up dead-letter the message once."""
    queue = open_queue(max_receives=1)
    queue.send(1, id="m")
    queue.receive()
    clock.advance(TIMEOUT)
    outcomes = at_once(*[queue.receive] * THREADS)
    assert outcomes == [[]] * THREADS
    assert table.item("m")["version"] == 3
    assert len(queue.get("m").errors) == 1


def test_poison_is_quarantined_once(queue: Queue[Any], table: Table) -> None:
    """8 threads that meet a malformed item repair it once."""
    queue.send(1, id="m")
    table.change("m", receive_count="many")
    outcomes = at_once(*[queue.receive] * THREADS)
    assert outcomes == [[]] * THREADS
    assert table.item("m")["version"] == 2
    assert len(queue.get("m").errors) == 1


def test_extensions_do_not_lose_each_other(
    queue: Queue[Any], held: Message[Any], clock: ManualClock
) -> None:
    """Of extensions that race, the longest counts, whichever comes last."""
    outcomes = at_once(*[partial(queue.extend, held, seconds) for seconds in range(31, 39)])
    assert not any(isinstance(one, ContentionError) for one in outcomes)
    due = queue.get("m").due_at
    assert due is not None
    assert (due - clock.moment()).total_seconds() == pytest.approx(38, abs=1e-3)

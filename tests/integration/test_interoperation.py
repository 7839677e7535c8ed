"""Items of the Go port live on under ours: ten attributes, no receipt, no token, its timestamps.

Its timestamps are ``RFC3339Nano``: without trailing zeros, so that their order as text differs from
their order in time within one second.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from attrs import define

from dynamomq.drivers.base import Driver, Engine
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import DuplicateMessageError, IllegalTransitionError
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND, parse_instant
from dynamomq.values import Item, item_to_wire, type_letter
from tests.integration.scene import Script, all_items
from tests.integration.strangers import TEN, legacy, legacy_received, nano
from tests.support.embedded import put

TIMEOUT = 30  # seconds
TYPES = {
    "id": "S",
    "status": "S",
    "receive_count": "N",
    "queue_type": "S",
    "version": "N",
    "creation_timestamp": "S",
    "last_updated_timestamp": "S",
    "queue_add_timestamp": "S",
    "queue_peek_timestamp": "S",
}
"""The types of the table's definition; ``data`` is of any."""


@define(eq=False)
class Shared:
    """A table that a legacy program writes to, too."""

    queue: Queue[Any]
    script: Script
    driver: Driver
    put: Callable[[Item], object]

    def item(self, key: str = "old") -> Item:
        """An item as it is stored."""
        return all_items(self.driver)[key]

    def receive(self, **options: Any) -> Message[Any]:
        """Receive the one message that is due."""
        (message,) = self.queue.receive(10, **options)
        return message


@pytest.fixture(params=["local-memory", "dynamodb-local"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine's name."""
    name: str = request.param
    return name


@pytest.fixture
def shared(engine: str, table_name: str, request: pytest.FixtureRequest) -> Iterator[Shared]:
    """A table, on each engine."""
    script = Script()
    with ExitStack() as stack:
        storage: Engine
        if engine == "local-memory":
            storage = stack.enter_context(LocalEngine(surroundings=script.surroundings()))
        else:
            client = request.getfixturevalue("dynamodb_client")
            storage = DynamoDBEngine(client=client, surroundings=script.surroundings())
        driver = storage.open(TableDefinition(table_name))

        def store(item: Item) -> None:
            if engine == "local-memory":
                driver.execute(put(item))
            else:
                client.put_item(TableName=table_name, Item=item_to_wire(item))

        queue: Queue[Any] = Queue(
            table_name, engine=storage, visibility_timeout=TIMEOUT, max_receives=3
        )
        queue.create_table()
        yield Shared(queue, script, driver, store)


# --- every operation -------------------------------------------------------------------------


def test_legacy_items_are_exactly_the_ten_attributes(shared: Shared) -> None:
    """What these tests store is what the Go port stores; ours reads it as a message that is due."""
    item = legacy("old", parse_instant("2024-01-31T09:05:05.5Z"))
    assert item.keys() == TEN
    assert item["queue_add_timestamp"] == "2024-01-31T09:05:05.5Z"
    shared.put(item)
    message = shared.queue.get("old")
    assert message.state == "STANDARD.READY"
    assert message.data == item["data"]
    assert (message.version, message.receive_count, message.received_at) == (1, 0, None)
    assert [one.id for one in shared.queue.list()] == ["old"]
    assert shared.queue.stats().standard.ready == 1


Finish = Callable[[Shared, Message[Any]], object]

FINISHES: dict[str, tuple[Finish, str, int, int]] = {
    "extend": (lambda s, m: s.queue.extend(m, 60), "STANDARD.PROCESSING", 3, 1),
    "retry": (lambda s, m: s.queue.retry(m, delay=5, error="no luck"), "STANDARD.READY", 3, 1),
    "release": (lambda s, m: s.queue.release(m), "STANDARD.READY", 3, 0),
    "delete": (lambda s, m: s.queue.delete(m), "DELETED", 3, 1),
    "move_to_dlq": (lambda s, m: s.queue.move_to_dlq(m, error="no use"), "DLQ.READY", 3, 0),
}
"""What a holder does; the state, version and count after it."""


@pytest.mark.parametrize("at_once", [1, 10])
@pytest.mark.parametrize("trigger", FINISHES)
def test_legacy_message_is_received_and_finished(
    trigger: str, at_once: int, shared: Shared
) -> None:
    """A legacy message is received, alone or in a batch, and then everything its holder may do."""
    for key in ("old", "older") if at_once > 1 else ("old",):
        shared.put(legacy(key, shared.script.now))
    shared.script.advance(1)
    held = {message.id: message for message in shared.queue.receive(at_once)}
    assert held["old"].receive_count == 1
    assert held["old"].version == 2
    finish, state, version, count = FINISHES[trigger]
    shared.script.advance(1)
    finish(shared, held["old"])
    message = shared.queue.get("old")
    assert (message.state, message.version, message.receive_count) == (state, version, count)
    assert message.sent_at == held["old"].sent_at


def test_legacy_message_is_buried_and_redriven(shared: Shared) -> None:
    """An operator's edits need no token: the version stands in for it."""
    shared.put(legacy("old", shared.script.now))
    shared.script.advance(1)
    assert shared.queue.bury("old", reason="not wanted").state == "DLQ.READY"
    shared.put(legacy("dead", shared.script.now, queue_type="DLQ", version=7))
    assert shared.queue.redrive("dead").state == "STANDARD.READY"
    assert shared.item("dead")["version"] == 8


def test_legacy_dead_letter_is_received(shared: Shared) -> None:
    """A legacy message in the dead-letter queue is received from there, and deleted."""
    shared.put(legacy("old", shared.script.now, queue_type="DLQ"))
    shared.script.advance(1)
    message = shared.receive(source="DLQ")
    shared.queue.delete(message)
    assert shared.queue.get("old").state == "DELETED"


def test_legacy_message_is_exhausted(shared: Shared) -> None:
    """A legacy message that used up its deliveries goes to the dead-letter queue."""
    shared.put(legacy("old", shared.script.now, receive_count=3, version=9))
    shared.script.advance(1)
    assert shared.queue.receive() == []
    message = shared.queue.get("old")
    assert (message.state, message.version, message.receive_count) == ("DLQ.READY", 10, 0)


def test_legacy_id_is_taken(shared: Shared) -> None:
    """A send with a legacy message's id is refused, or returns that message."""
    shared.put(legacy("old", shared.script.now))
    with pytest.raises(DuplicateMessageError) as caught:
        shared.queue.send({}, id="old")
    assert caught.value.state == "STANDARD.READY"
    assert shared.queue.send({}, id="old", if_exists="return").version == 1
    assert shared.item().keys() == TEN


# --- held by a legacy consumer ---------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0, SECOND // 2, SECOND // 4, 123_456_789])
def test_legacy_delivery_holds_its_message(fraction: int, shared: Shared) -> None:
    """A delivery without receipt lasts until its start plus our visibility timeout, to a second.

    Its due time has long passed: a legacy consumer does not move it.
    """
    began = shared.script.now + fraction
    shared.put(legacy_received("old", began - 60 * SECOND, began))
    deadline = began + TIMEOUT * SECOND
    for instant in (began, deadline - 1):
        shared.script.now = instant
        assert shared.queue.get("old").state == "STANDARD.PROCESSING"
        assert shared.queue.receive() == []
        assert shared.queue.receive(10) == []
        with pytest.raises(IllegalTransitionError):
            shared.queue.bury("old")
    assert shared.item()["version"] == 2
    shared.script.now = deadline + SECOND
    assert shared.queue.get("old").state == "STANDARD.EXPIRED"
    message = shared.receive()
    assert (message.receive_count, message.version) == (2, 3)


def test_our_receive_ends_a_legacy_delivery(shared: Shared) -> None:
    """Received by us, it is held by receipt: the legacy rule does not apply to it any more."""
    shared.put(legacy_received("old", shared.script.now - SECOND, shared.script.now))
    shared.script.advance(TIMEOUT + 1)
    shared.receive(visibility_timeout=1)
    shared.script.advance(1)
    assert shared.queue.get("old").state == "STANDARD.EXPIRED"
    assert shared.receive().receive_count == 3


# --- timestamps of any width -----------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0, SECOND // 10, SECOND // 2, 250_000_000, 999_999_999])
def test_legacy_due_time_is_never_early(fraction: int, shared: Shared) -> None:
    """A message with a shorter timestamp is not delivered early, and late by at most a second."""
    due = shared.script.now + 10 * SECOND + fraction
    shared.put(legacy("old", shared.script.now, queue_add_timestamp=nano(due)))
    shared.script.now = due - 1
    assert shared.queue.receive() == []
    assert shared.queue.receive(10) == []
    shared.script.now = due + SECOND
    assert shared.receive().id == "old"


@pytest.mark.parametrize("seed", range(3))
def test_mixed_widths_misorder_within_a_second_only(seed: int, shared: Shared) -> None:
    """Messages of both ports come in order of their due times, but for those within a second."""
    chance = random.Random(seed)
    now = shared.script.now
    dues: dict[str, int] = {}
    for number in range(40):
        key = f"{number:02}"
        dues[key] = now + chance.randrange(4_000) * SECOND // 1_000
        if chance.random() < 0.5:
            shared.put(legacy(key, now, queue_add_timestamp=nano(dues[key])))
        else:
            shared.queue.send(number, id=key, delay=(dues[key] - now) / SECOND)
    shared.script.advance(5)
    order = [message.id for _ in range(40) for message in shared.queue.receive()]
    assert sorted(order) == sorted(dues)
    latest = 0
    for key in order:
        assert dues[key] > latest - SECOND
        latest = max(latest, dues[key])


# --- the other way round ---------------------------------------------------------------------


def test_our_items_have_the_ten_attributes(shared: Shared) -> None:
    """All through its life a message of ours has the ten attributes, of the types all ports share.

    (A tombstone is in no queue and has no payload.)
    """
    queue, seen = shared.queue, []

    def look(state: str) -> None:
        item = shared.item("new")
        letters = {name: type_letter(item[name]) for name in TYPES.keys() & item.keys()}
        assert letters == {name: TYPES[name] for name in letters}
        gone = set() if state != "DELETED" else {"data", "queue_type"}
        assert item.keys() & TEN == TEN - gone
        assert queue.get("new").state == state
        seen.append(item["version"])
        shared.script.advance(1)

    queue.send({"number": 1}, id="new")
    look("STANDARD.READY")
    queue.extend(shared.receive(), 60)
    look("STANDARD.PROCESSING")
    shared.script.advance(60)
    queue.retry(shared.receive(), error="no luck")
    look("STANDARD.READY")
    queue.release(shared.receive())
    look("STANDARD.READY")
    queue.move_to_dlq(shared.receive())
    look("DLQ.READY")
    queue.redrive("new")
    look("STANDARD.READY")
    queue.bury("new")
    look("DLQ.READY")
    queue.delete(shared.receive(source="DLQ"))
    look("DELETED")
    assert seen == [1, 3, 5, 7, 9, 10, 11, 13]

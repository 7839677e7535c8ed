"""What all clients of a queue have agreed on (AGREE-1 to AGREE-4)."""

from typing import Any

import pytest

from dynamomq import InvalidArgumentError, Queue, SettingsMismatchError, TableMismatchError
from dynamomq.drivers.base import Engine
from dynamomq.timestamps import SECOND
from tests.contract.engines import OpenQueue, Table
from tests.support.clock import ManualClock

AGREED: dict[str, Any] = {"visibility_timeout": 7.5, "max_receives": 4, "deduplication_window": 900}


def effective(queue: Queue[Any]) -> tuple[float, int | None, float]:
    """A client's visibility timeout, deliveries, and window."""
    settings = queue.settings
    return (
        settings.visibility_timeout / SECOND,
        settings.max_receives,
        settings.deduplication_window / SECOND,
    )


# --- making it -------------------------------------------------------------------------------


def test_nothing_is_agreed_on_by_itself(storage: Engine, table_name: str, table: Table) -> None:
    """create_table without arguments writes no item; each client has the defaults."""
    queue: Queue[Any] = Queue(table_name, engine=storage)
    queue.create_table()
    assert table.items() == {}
    assert effective(queue) == (30, None, 300)
    assert (queue.settings.shards, queue.settings.visited) == (1, 1)


def test_the_item_is_the_documented_one(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """Durations in milliseconds, 0 for any number, and no attribute that an index shows."""
    open_queue().create_table(shards=4, visibility_timeout=7.5)
    assert table.items() == {
        "$queue": {
            "id": "$queue",
            "shards": 4,
            "previous_shards": 1,
            "shards_since": clock.text(150),
            "max_receives": 0,
            "visibility_timeout": 7500,
            "deduplication_window": 300_000,
            "version": 1,
            "creation_timestamp": clock.text(),
            "last_updated_timestamp": clock.text(),
        }
    }


def test_clients_go_by_what_was_agreed_on(open_queue: OpenQueue, clock: ManualClock) -> None:
    """A delivery lasts so long, and counts, as the queue's clients have agreed."""
    open_queue().create_table(visibility_timeout=7, max_receives=2)
    queue = open_queue()
    queue.send("payload", id="m")
    for _ in range(2):
        (message,) = queue.receive()
        assert message.due_at == clock.moment(7)
        clock.advance(7)
    assert queue.receive() == []
    assert queue.get("m").state == "DLQ.READY"


def test_only_what_is_given_is_revised(open_queue: OpenQueue) -> None:
    """Each call of create_table changes what it names, and nothing else."""
    queue = open_queue()
    queue.create_table(**AGREED)
    queue.create_table(max_receives=3)
    assert effective(queue) == (7.5, 3, 900)
    queue.create_table(visibility_timeout=8, deduplication_window=600)
    assert effective(queue) == (8, 3, 600)
    queue.create_table(max_receives=0)
    assert effective(queue) == (8, None, 600)
    queue.create_table()
    assert effective(queue) == (8, None, 600)


def test_agreeing_again_writes_nothing(open_queue: OpenQueue, table: Table) -> None:
    """What is agreed on already is left as it is."""
    queue = open_queue()
    queue.create_table(shards=3, **AGREED)
    before = table.items()
    queue.create_table(shards=3, **AGREED)
    queue.create_table(max_receives=4)
    assert table.items() == before


# --- hearing of it ---------------------------------------------------------------------------


def test_clients_hear_of_it_within_a_minute(open_queue: OpenQueue, clock: ManualClock) -> None:
    """A client that is at work looks again every minute; who revises it knows at once."""
    working, operator = open_queue(), open_queue()
    assert effective(working) == (30, None, 300)
    clock.advance(1)
    operator.create_table(**AGREED)
    assert effective(operator) == (7.5, 4, 900)
    clock.advance(58.9)
    assert effective(working) == (30, None, 300)
    clock.advance(0.1)
    assert effective(working) == (7.5, 4, 900)


def test_a_clock_that_is_set_back_makes_it_look(open_queue: OpenQueue, clock: ManualClock) -> None:
    """Otherwise an hour might pass until what was read counts as old."""
    working = open_queue()
    assert effective(working) == (30, None, 300)
    open_queue().create_table(**AGREED)
    clock.advance(-3600)
    assert effective(working) == (7.5, 4, 900)


def test_who_waits_for_long_hears_of_it_too(open_queue: OpenQueue, clock: ManualClock) -> None:
    """One receive that waits goes by what was agreed on meanwhile."""
    waiting, operator = open_queue(), open_queue()
    operator.send("payload", delay=100)
    clock.while_asleep = lambda: operator.create_table(visibility_timeout=7)
    (message,) = waiting.receive(wait=120)
    assert message.due_at == clock.moment(7)


# --- what a client may choose itself ---------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"visibility_timeout": 99}, (99, 4, 900)),
        ({"visibility_timeout": 0.1}, (0.1, 4, 900)),
        ({"max_receives": 1}, (7.5, 1, 900)),
        ({"max_receives": 4}, (7.5, 4, 900)),
        ({"deduplication_window": 900}, (7.5, 4, 900)),
        ({"deduplication_window": 3600}, (7.5, 4, 3600)),
    ],
)
def test_what_harms_nobody_is_the_clients_own(
    open_queue: OpenQueue, own: dict[str, Any], expected: object
) -> None:
    """Any visibility timeout, fewer deliveries, a longer window."""
    open_queue().create_table(**AGREED)
    assert effective(open_queue(**own)) == expected


@pytest.mark.parametrize(
    ("setting", "own", "shown", "agreed"),
    [("max_receives", 5, "5", "4"), ("deduplication_window", 899, "899 s", "900 s")],
)
def test_what_would_harm_others_is_refused(
    open_queue: OpenQueue, table: Table, setting: str, own: int, shown: str, agreed: str
) -> None:
    """More deliveries or a shorter window: the error has both values, and what to do."""
    open_queue().create_table(**AGREED)
    before = table.items()
    queue = open_queue(**{setting: own})
    for call in (lambda: queue.send("payload"), queue.receive):
        with pytest.raises(SettingsMismatchError) as error:
            call()
        assert (error.value.setting, error.value.own, error.value.agreed) == (
            setting,
            shown,
            agreed,
        )
        assert f"{setting}={shown}" in str(error.value)
        assert f"create_table({setting}=" in error.value.remedy
    assert table.items() == before


def test_who_is_at_work_goes_by_the_stricter_of_both(
    open_queue: OpenQueue, clock: ManualClock
) -> None:
    """AGREE-3: what operators agree on meanwhile does not stop a client, nor lose what it holds."""
    operator, client = open_queue(), open_queue(max_receives=5, deduplication_window=400)
    operator.create_table()
    client.send("payload")
    (message,) = client.receive(visibility_timeout=120)
    operator.create_table(max_receives=3, deduplication_window=900)
    clock.advance(61)
    assert client.settings.max_receives == 3
    assert client.settings.deduplication_window == 900 * SECOND
    client.delete(message)
    with pytest.raises(SettingsMismatchError):
        open_queue(max_receives=5).receive()  # who only begins can still be mended


def test_an_agreement_that_vanishes_still_counts(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """Removed by hand, it leaves messages in shards: who knows of them goes on looking there."""
    queue = open_queue()
    queue.create_table(shards=4)
    assert queue.settings.visited == 4
    table.remove("$queue")
    clock.advance(61)
    assert queue.settings.visited == 4


def test_nobody_agrees_on_what_he_contradicts(open_queue: OpenQueue, table: Table) -> None:
    """A queue that was told otherwise itself can't agree on it; nothing is changed."""
    queue = open_queue(max_receives=9)
    with pytest.raises(SettingsMismatchError):
        queue.create_table(max_receives=5)
    assert table.items() == {}


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("shards", value) for value in (0, -1, 1.5, "4", True, 1001, 2)),
        *(("visibility_timeout", value) for value in (0, -1, "1", 7 * 86_400 + 1)),
        *(("max_receives", value) for value in (-1, 1.5, "3", 10**9 + 1)),
        *(("deduplication_window", value) for value in (-1, "1", 0, 299, 7 * 86_400 + 1)),
    ],
)
def test_bad_agreements_are_refused(
    open_queue: OpenQueue, table: Table, argument: str, value: Any
) -> None:
    """Shards are 1 to 1,000 and never fewer than before; and nothing is changed."""
    queue = open_queue()
    queue.create_table(shards=3)
    before = table.items()
    with pytest.raises(InvalidArgumentError) as error:
        queue.create_table(**{argument: value})
    assert (error.value.argument, error.value.value) == (argument, value)
    assert error.value.remedy
    assert table.items() == before


@pytest.mark.parametrize(
    "change",
    [
        {"shards": "four"},
        {"shards": 0},
        {"shards": 1001},
        {"previous_shards": 4},
        {"shards_since": "soon"},
        {"visibility_timeout": 0},
        {"max_receives": -1},
    ],
)
def test_what_is_no_agreement_is_named(
    open_queue: OpenQueue, table: Table, change: dict[str, Any]
) -> None:
    """Where some other program has written into the item, the error says where and what."""
    open_queue().create_table(shards=3)
    table.change("$queue", **change)
    with pytest.raises(TableMismatchError, match=r"\$queue") as error:
        open_queue().send("payload")
    (name,) = change
    assert name in str(error.value)


def test_the_item_is_no_message(open_queue: OpenQueue, table: Table) -> None:
    """It is neither listed nor counted, and nobody receives it."""
    queue = open_queue()
    queue.create_table(shards=2)
    assert list(table.items()) == ["$queue"]
    assert [*queue.list(), *queue.list(None), *queue.receive(10)] == []
    stats = queue.stats()
    assert stats.standard.total == stats.dlq.total == 0

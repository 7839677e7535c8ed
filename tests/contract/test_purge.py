"""purge: by queue, state and age, counted first, whatever happens meanwhile (OPERATOR-7, 8)."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dynamomq import Entry, PurgeResult, Queue
from dynamomq.drivers.base import Driver, Engine
from dynamomq.errors import (
    AccessDeniedError,
    DuplicateMessageError,
    InvalidArgumentError,
    StaleReceiptError,
    ThrottledError,
)
from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.requests import GetMany, Request, Scan
from dynamomq.testing import FaultyEngine
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.integration.scene import Between, Fronted
from tests.support.clock import ManualClock
from tests.support.lists import orders

HOUR = 3600
AT_HOME = {
    "held": "STANDARD.PROCESSING",
    "expired": "STANDARD.EXPIRED",
    "ready": "STANDARD.READY",
    "g0": "STANDARD.READY",
    "g1": "WAITING",
    "g2": "WAITING",
    "malformed": "MALFORMED",
    "delayed": "STANDARD.READY",
}
DEAD = {"dead held": "DLQ.PROCESSING", "dead": "DLQ.READY", "dead g": "DLQ.READY"}
EVERYWHERE = {**AT_HOME, **DEAD}


@pytest.fixture
def full(queue: Queue[Any], table: Table, clock: ManualClock) -> Queue[Any]:
    """A queue whose messages are in the states of EVERYWHERE, a tombstone, and a foreign item."""
    queue.send(0, id="deleted")
    queue.delete(*queue.receive())
    queue.send(0, id="held")
    queue.receive(visibility_timeout=HOUR)
    queue.send(0, id="expired")
    queue.receive(visibility_timeout=1)
    queue.send(0, id="dead held")
    queue.bury("dead held")
    clock.advance(2)
    queue.receive(source="DLQ", visibility_timeout=HOUR)
    queue.send(0, id="dead")
    queue.bury("dead")
    queue.send(0, id="dead g", group="g")
    queue.bury("dead g")
    queue.send(0, id="ready")
    for number in range(3):
        queue.send(number, id=f"g{number}", group="g")
    queue.send(0, id="malformed")
    table.change("malformed", version="one")
    queue.send(0, id="delayed", delay=HOUR)
    table.put({"id": "foreign", "note": "another program's"})
    clock.advance(1)
    return queue


def states(queue: Queue[Any]) -> dict[str, str]:
    """The states of all messages but the one that was deleted at the start, by id."""
    return {message.id: message.state for message in queue.list(None) if message.id != "deleted"}


def check_purged(
    queue: Queue[Any], table: Table, result: PurgeResult, *chosen: str, before: dict[str, str]
) -> None:
    """Exactly the chosen messages are tombstones; all others are as they were; lists are whole."""
    assert result == PurgeResult(len(chosen), len(chosen))
    assert states(queue) == {**before, **dict.fromkeys(chosen, "DELETED")}
    orders(table.items())


def in_states(*names: str) -> list[str]:
    """The ids of messages in these states."""
    return [id for id, state in EVERYWHERE.items() if state in names]


# --- what is chosen --------------------------------------------------------------------------


def test_the_messages_are_in_all_states(full: Queue[Any], table: Table) -> None:
    """What these tests purge is what they say."""
    assert states(full) == EVERYWHERE
    assert orders(table.items()) == {"g": ["g0", "g1", "g2"]}


@pytest.mark.parametrize(
    ("source", "chosen"),
    [("STANDARD", AT_HOME), (QueueType.DLQ, DEAD), (None, EVERYWHERE)],
    ids=["STANDARD", "DLQ", "all"],
)
def test_a_whole_queue_is_purged(
    full: Queue[Any], table: Table, source: Any, chosen: dict[str, str]
) -> None:
    """Whoever holds them, whether they are due, and however malformed; the other queue stays."""
    result = full.purge(source)
    check_purged(full, table, result, *chosen, before=EVERYWHERE)
    if source != "DLQ":
        assert orders(table.items()) == {}
        assert "$group#g" not in table.items()
    assert full.purge(source) == PurgeResult(0)
    assert table.item("foreign") == {"id": "foreign", "note": "another program's"}


@pytest.mark.parametrize(
    ("source", "chosen"),
    [
        ("STANDARD", ("STANDARD.PROCESSING",)),
        ("STANDARD", ("STANDARD.EXPIRED", "MALFORMED")),
        ("STANDARD", ("WAITING",)),
        ("DLQ", ("DLQ.READY",)),
        (None, ("DLQ.PROCESSING", "WAITING")),
        (None, ("MALFORMED", "STANDARD.EXPIRED")),
    ],
    ids=str,
)
def test_states_are_chosen(
    full: Queue[Any], table: Table, source: Any, chosen: tuple[str, ...]
) -> None:
    """Only messages in the chosen states are removed."""
    result = full.purge(source, states=chosen)
    check_purged(full, table, result, *in_states(*chosen), before=EVERYWHERE)


def test_a_purged_head_lets_the_next_one_move_up(full: Queue[Any], table: Table) -> None:
    """Where only heads are chosen, those behind them are left, and are the heads then."""
    full.purge("STANDARD", states=["STANDARD.READY"])
    assert orders(table.items()) == {"g": ["g1", "g2"]}
    assert states(full)["g1"] == "STANDARD.READY"


@pytest.mark.parametrize("source", ["STANDARD", None], ids=["by index", "by scan"])
def test_a_malformed_head_keeps_none_of_its_group_back(
    queue: Queue[Any], table: Table, source: Any
) -> None:
    """OPERATOR-7: the next one can't leave the list before it does, but afterwards."""
    for number in range(4):
        queue.send(number, id=f"g{number}", group="g")
    table.change("g0", receive_count="none")
    assert queue.purge(source) == PurgeResult(4, 4)
    assert set(states(queue).values()) == {"DELETED"}
    assert "$group#g" not in table.items()


@pytest.mark.parametrize("source", ["STANDARD", None], ids=["by index", "by scan"])
def test_age_counts_from_the_send(
    queue: Queue[Any], table: Table, clock: ManualClock, source: Any
) -> None:
    """Of what was sent that long ago, to the microsecond, and whatever has happened since."""
    for id in ("old", "retried", "g0", "g1"):
        queue.send(0, id=id, group=id[0] if id[0] == "g" else None)
    held = next(one for one in queue.receive(10) if one.id == "retried")
    clock.advance(10)
    queue.retry(held)
    queue.send(0, id="young")
    queue.send(0, id="g2", group="g")
    before = states(queue)
    clock.advance(50 - 1e-6)
    assert queue.purge(source, older_than=60) == PurgeResult(0)
    clock.advance(1e-6)
    result = queue.purge(source, older_than=timedelta(minutes=1))
    check_purged(
        queue,
        table,
        result,
        "old",
        "retried",
        "g0",
        "g1",
        before={**before, "g2": "STANDARD.READY"},
    )


def test_what_has_no_age_is_not_old(full: Queue[Any], table: Table, clock: ManualClock) -> None:
    """An item without the time of its send is left alone by a purge that asks for age."""
    table.change("malformed", creation_timestamp=17)
    clock.advance(10 * HOUR)
    result = full.purge("STANDARD", older_than=HOUR)
    assert result.purged == len(AT_HOME) - 1
    assert states(full)["malformed"] == "MALFORMED"


# --- what is counted, and what is left -------------------------------------------------------


@pytest.mark.parametrize("source", ["STANDARD", "DLQ", None])
def test_a_dry_run_counts_and_changes_nothing(full: Queue[Any], table: Table, source: Any) -> None:
    """It says how many a purge would be about; that is what the purge then is about."""
    before = table.items()
    shown: list[PurgeResult] = []
    counted = full.purge(source, dry_run=True, progress=shown.append)
    assert (shown, counted.purged) == ([counted], 0)
    assert table.items() == before
    assert full.purge(source).matched == counted.matched > 0


def test_progress_is_told_after_the_count_and_after_each(full: Queue[Any]) -> None:
    """The first word is how many there are, before any is gone; the last is the result."""
    shown: list[PurgeResult] = []
    result = full.purge(None, progress=shown.append)
    assert shown == [PurgeResult(len(EVERYWHERE), n) for n in range(len(EVERYWHERE) + 1)]
    assert shown[-1] == result


def test_a_tombstone_is_left(full: Queue[Any], clock: ManualClock) -> None:
    """DEDUP: a late repetition of the send does not bring a purged message back."""
    full.purge("STANDARD")
    with pytest.raises(DuplicateMessageError):
        full.send(0, id="ready")
    clock.advance(301)
    assert full.send(0, id="ready").state == "STANDARD.READY"


def test_to_its_holder_a_purged_message_is_gone(
    queue: Queue[Any], table: Table, held: Message[Any]
) -> None:
    """FENCED: the delivery is over, and nothing that the holder does changes anything."""
    queue.purge("STANDARD")
    before = table.items()
    for late in (queue.retry, queue.release, queue.move_to_dlq, queue.delete):
        with pytest.raises(StaleReceiptError):
            late(held)
    assert table.items() == before


# --- what happens meanwhile ------------------------------------------------------------------


def once(action: Callable[[], object]) -> Callable[[PurgeResult], None]:
    """A progress that acts when the messages are counted and none is removed yet."""

    def progress(result: PurgeResult) -> None:
        if not result.purged and not result.moved:
            action()

    return progress


def test_what_moves_on_meanwhile_is_passed_over(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """What was received, deleted, buried or promoted after the count is not chosen any more."""
    for id in ("received", "deleted", "buried", "left"):
        queue.send(0, id=id)
        clock.advance(1)
    queue.send(0, id="h0", group="h")
    queue.send(0, id="h1", group="h")

    def meanwhile() -> None:
        received, deleted = queue.receive(2)
        assert (received.id, deleted.id) == ("received", "deleted")
        queue.delete(deleted)
        queue.bury("buried")
        queue.bury("h0")
        queue.send(0, id="new")

    result = queue.purge("STANDARD", states={"STANDARD.READY", "WAITING"}, progress=once(meanwhile))
    assert result == PurgeResult(matched=6, purged=2, moved=4)
    assert states(queue) == {
        "received": "STANDARD.PROCESSING",
        "buried": "DLQ.READY",
        "left": "DELETED",
        "h0": "DLQ.READY",
        "h1": "DELETED",  # the head by then, but chosen all the same
        "new": "STANDARD.READY",
    }
    orders(table.items())


def test_members_that_join_meanwhile_stay(queue: Queue[Any], table: Table) -> None:
    """What is sent into a group after the count is left, and is its head in the end."""
    for number in range(3):
        queue.send(number, id=f"g{number}", group="g")
    result = queue.purge("STANDARD", progress=once(lambda: queue.send(3, id="g3", group="g")))
    assert result == PurgeResult(3, 3)
    assert orders(table.items()) == {"g": ["g3"]}
    assert [message.id for message in queue.receive(10)] == ["g3"]


class _Busy(Between):
    """Others do something before each reading of messages."""

    def __init__(self, inner: Driver, action: Callable[[], object]) -> None:
        super().__init__(inner)
        self._action = action

    def store(self, request: Request[Any]) -> Any:
        if isinstance(request, GetMany):
            self._action()
        return super().store(request)


def test_consumers_do_not_hide_what_waits_behind_their_messages(
    open_queue: OpenQueue, storage: Engine, queue: Queue[Any], table: Table
) -> None:
    """While a group is counted, its messages leave at the head: all others are found."""
    for number in range(8):
        queue.send(number, id=f"g{number}", group="g")
    done: list[Message[Any]] = []

    def consume() -> None:
        if len(done) < 4:
            done.extend(queue.receive())
            queue.delete(done[-1])

    operator = open_queue(engine=Fronted(storage, lambda inner: _Busy(inner, consume)))
    result = operator.purge("STANDARD")
    assert [message.id for message in done] == ["g0", "g1", "g2", "g3"]
    assert result.purged == 4
    assert orders(table.items()) == {}


def test_operators_do_not_hide_what_waits_before_what_they_remove(
    open_queue: OpenQueue, storage: Engine, queue: Queue[Any], table: Table
) -> None:
    """Members leave a group while it is counted, unseen as yet: all others are found."""
    for number in range(9):
        queue.send(number, id=f"g{number}", group="g")
    ahead = iter([None, None, "g8", "g7", None, "g5", None, "g4"])  # the heads, the ends, g8, …

    def remove() -> None:
        id = next(ahead, None)
        if id is not None:
            queue.cancel(id)

    operator = open_queue(engine=Fronted(storage, lambda inner: _Busy(inner, remove)))
    result = operator.purge("STANDARD")
    assert result.purged == 5
    assert orders(table.items()) == {}


def test_nothing_is_delivered_because_of_a_purge(queue: Queue[Any], clock: ManualClock) -> None:
    """A group is purged from its end: none of its members moves up only to be removed."""
    for number in range(4):
        queue.send(number, id=f"g{number}", group="g")
    clock.advance(1)
    queue.receive()
    received: list[Message[Any]] = []
    queue.purge("STANDARD", progress=lambda _: received.extend(queue.receive(10)))
    assert received == []


def test_what_progress_raises_ends_the_purge(full: Queue[Any]) -> None:
    """An operator can stop it; what was removed by then is removed, and the rest is as it was."""

    class StopError(Exception):
        """The operator's."""

    def stop(result: PurgeResult) -> None:
        if result.purged == 2:
            raise StopError

    with pytest.raises(StopError):
        full.purge("STANDARD", states={"WAITING", "STANDARD.EXPIRED"}, progress=stop)
    assert Counter(states(full).values())["DELETED"] == 2


def test_a_failure_says_how_far_it_came(
    open_queue: OpenQueue, storage: Engine, table: Table
) -> None:
    """The storage's error is raised with a note; another call goes on with the rest."""
    faulty = FaultyEngine(storage)
    queue = open_queue(engine=faulty)
    for number in range(4):
        queue.send(number, id=f"g{number}", group="g")
    faulty.faults.throttle("purge", nth=3, times=1000)
    with pytest.raises(ThrottledError) as failure:
        queue.purge("STANDARD")
    faulty.faults.clear()
    assert "2 of 4" in failure.value.__notes__[0]
    assert orders(table.items()) == {"g": ["g0", "g1"]}
    assert queue.purge("STANDARD") == PurgeResult(2, 2)


# --- many ------------------------------------------------------------------------------------


class _Counting(Between):
    """Counts the requests to the storage."""

    requests = 0

    def store(self, request: Request[Any]) -> Any:
        type(self).requests += 1
        return super().store(request)


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
@pytest.mark.parametrize("source", ["STANDARD", None], ids=["by index", "by scan"])
@pytest.mark.parametrize("group", [None, "g"], ids=["no groups", "a group"])
def test_a_purge_costs_what_there_is(
    open_queue: OpenQueue, storage: Engine, source: Any, group: str | None
) -> None:
    """Twice as many messages take twice as many requests: it is not quadratic."""

    class Counting(_Counting):
        requests = 0

    def front(inner: Driver) -> Driver:
        return Counting(inner)

    queue = open_queue(engine=Fronted(storage, front))
    costs = []
    for amount in (100, 200, 400):
        for number in range(amount):
            queue.send(number, group=group)
        Counting.requests = 0
        assert queue.purge(source).purged == amount
        costs.append(Counting.requests)
    assert costs[2] - costs[1] == pytest.approx(2 * (costs[1] - costs[0]), abs=4)
    most = 0.15 if group is None else 1.2  # a transaction each; 25 are read at once
    assert costs[2] <= most * 400


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
@pytest.mark.parametrize("others", [0, 1500])
@pytest.mark.parametrize("length", [9, 400])
def test_a_long_group_is_not_counted_one_by_one(
    open_queue: OpenQueue, storage: Engine, length: int, others: int
) -> None:
    """Each link costs a request, so the table is read, too; the less of both decides."""

    class Counting(_Counting):
        requests = 0

    queue = open_queue(engine=Fronted(storage, lambda inner: Counting(inner)))
    for start in range(0, others, 250):
        queue.send_batch(range(start, start + 250))
    for number in range(length):
        queue.send(number, id=f"g{number:03}", group="g")
    if others:
        queue.send(0, id="another", group="h")
    Counting.requests = 0
    assert queue.purge("STANDARD", states={"WAITING"}, dry_run=True).matched == length - 1
    assert Counting.requests <= 45 + others // 50


class _Denied(Between):
    """Whoever asks may not scan."""

    def store(self, request: Request[Any]) -> Any:
        if isinstance(request, Scan):
            raise AccessDeniedError("no dynamodb:Scan")
        return super().store(request)


@pytest.mark.parametrize("engine", ["local-memory"], indirect=True)
def test_who_may_not_scan_purges_long_groups_all_the_same(
    open_queue: OpenQueue, storage: Engine, table: Table
) -> None:
    """Only a purge of the whole table needs that permission."""
    queue = open_queue(engine=Fronted(storage, _Denied))
    for number in range(30):
        queue.send(number, group="g")
    assert queue.purge("STANDARD") == PurgeResult(30, 30)
    assert orders(table.items()) == {}


def test_what_a_consumer_takes_meanwhile_is_found_by_the_table_too(
    open_queue: OpenQueue, storage: Engine, queue: Queue[Any], table: Table
) -> None:
    """While a long group is counted, messages leave at its head and join at its end."""
    for number in range(30):
        queue.send(number, id=f"g{number:02}", group="g")
    done: list[Message[Any]] = []

    def consume() -> None:
        if len(done) < 6:
            done.extend(queue.receive())
            queue.delete(done[-1])

    operator = open_queue(engine=Fronted(storage, lambda inner: _Busy(inner, consume)))
    result = operator.purge("STANDARD")
    assert len(done) == 6
    assert result.purged == 24
    assert orders(table.items()) == {}


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_hundreds_are_purged(queue: Queue[Any], table: Table) -> None:
    """Over pages and batches, in and out of groups."""
    for start in range(0, 200, 25):
        queue.send_batch(range(start, start + 25))
    for group in "abc":
        queue.send_batch([Entry(number, group=group) for number in range(30)])
    assert queue.purge("STANDARD") == PurgeResult(290, 290)
    assert queue.stats().standard.total == 0
    assert orders(table.items()) == {}


def test_all_shards_are_purged(open_queue: OpenQueue, table: Table) -> None:
    """Messages of every partition, and the groups in them, are found by the index."""
    queue = open_queue()
    queue.create_table(shards=4)
    queue = open_queue()
    for number in range(12):
        queue.send(number)
        queue.send(number, group=f"g{number % 3}")
    assert queue.purge("STANDARD") == PurgeResult(24, 24)
    assert orders(table.items()) == {}


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "chosen", "named"),
    [
        (None, ("DELETED",), "DELETED"),
        (None, ("READY",), "READY"),
        (None, ["DLQ.READY", 5], 5),
        ("STANDARD", ("DLQ.READY",), "DLQ.READY"),
        ("DLQ", ("WAITING",), "WAITING"),
        (None, set(), set()),
        (None, "WAITING", "WAITING"),
        (None, 5, 5),
    ],
    ids=str,
)
def test_states_that_make_no_sense_are_refused(
    full: Queue[Any], table: Table, source: Any, chosen: Any, named: object
) -> None:
    """Unknown states, those of another queue, none at all: refused with what there is."""
    before = table.items()
    with pytest.raises(InvalidArgumentError) as refusal:
        full.purge(source, states=chosen)
    assert (refusal.value.argument, refusal.value.value) == ("states", named)
    assert "MALFORMED" in refusal.value.remedy
    assert table.items() == before

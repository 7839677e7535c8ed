"""redrive_all: dead letters brought back in bulk, by filter and at a rate (OPERATOR-7, 9)."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import Entry, FilterError, Message, Queue, RedriveResult
from dynamomq.drivers.base import Engine
from dynamomq.errors import PayloadError, RequestRejectedError, UnavailableError
from dynamomq.testing import FaultyEngine
from dynamomq.values import MAX_ITEM_BYTES, item_size
from tests.contract.engines import BEYOND_MOTO, OpenQueue, Table
from tests.contract.situations import after
from tests.support.clock import ManualClock
from tests.support.lists import orders

HOUR = 3600


def bury(queue: Queue[Any], clock: ManualClock, *ids: str, **arguments: Any) -> None:
    """Send messages, and dead-letter each, a second apart."""
    for id in ids:
        queue.send(id, id=id, **arguments)
        queue.bury(id, reason=f"bad {id}")
        clock.advance(1)


def ids(queue: Queue[Any], source: Any = "STANDARD") -> list[str]:
    """The ids of what is in a queue, in order."""
    return [message.id for message in queue.list(source)]


# --- which -----------------------------------------------------------------------------------


def test_all_are_redriven(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """Each as by redrive, in the order in which they were dead-lettered."""
    bury(queue, clock, "c", "a", "b")
    queue.send(0, id="alive")
    clock.advance(1)
    before = {id: table.item(id) for id in "abc"}
    assert queue.redrive_all() == RedriveResult(3, 3)
    for id in "abc":
        item = table.item(id)
        expected = after(
            before[id],
            queue_type="STANDARD",
            version=3,
            last_updated_timestamp=clock.text(),
            queue_add_timestamp=clock.text(),
            token=item["token"],
        )
        assert item == expected
        assert item["token"] != before[id]["token"]
    assert ids(queue, "DLQ") == []
    assert queue.redrive_all() == RedriveResult(0)


WHERE: dict[str, tuple[Callable[[Message[Any]], object], list[str]]] = {
    "an error's text": (lambda message: message.errors[-1].message == "bad b", ["b"]),
    "an error's type": (lambda message: message.errors[-1].type == "TimeoutError", ["late"]),
    "a header": (lambda message: message.headers.get("tenant") == "7", ["tenant"]),
    "a group": (lambda message: message.group == "g", ["g0"]),
    "the payload": (lambda message: message.data in ("a", "late"), ["a", "late"]),
    "age": (lambda message: message.sent_at and message.sent_at.second < 2, ["a", "b"]),
    "what is true enough": (lambda message: message.headers, ["tenant"]),
    "none": (lambda _: None, []),
}


@pytest.mark.parametrize("case", WHERE)
def test_a_filter_chooses(queue: Queue[Any], table: Table, clock: ManualClock, case: str) -> None:
    """It sees the whole message, and what is true for it is redriven; the rest stays as it is."""
    bury(queue, clock, "a", "b")
    bury(queue, clock, "tenant", headers={"tenant": "7"})
    bury(queue, clock, "g0", group="g")
    queue.send("late", id="late")
    queue.move_to_dlq(*queue.receive(), error=TimeoutError("too late"))
    where, chosen = WHERE[case]
    before = table.items()
    assert queue.redrive_all(where) == RedriveResult(len(chosen), len(chosen))
    assert sorted(ids(queue)) == sorted(chosen)
    kept = {id: item for id, item in table.items().items() if id not in (*chosen, "$group#g")}
    assert kept == {id: item for id, item in before.items() if id not in chosen}


def test_a_filter_is_asked_once_about_each_before_anything_changes(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """It sees messages as they are in the DLQ, without the receipts of their holders."""
    bury(queue, clock, "a", "b", "c")
    queue.receive(source="DLQ")
    asked: list[Message[Any]] = []

    def where(message: Message[Any]) -> bool:
        assert ids(queue) == [], "something has been redriven already"
        asked.append(message)
        return True

    queue.redrive_all(where)
    assert [(message.id, message.state) for message in asked] == [
        ("b", "DLQ.READY"),
        ("c", "DLQ.READY"),
        ("a", "DLQ.PROCESSING"),
    ]
    assert {message.receipt for message in asked} == {None}


def test_a_limit_takes_those_that_have_been_there_longest(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """A few first, to see whether the fix works; a filter's choice is limited, too."""
    bury(queue, clock, "e", "d", "c", "b", "a")
    assert queue.redrive_all(limit=2) == RedriveResult(2, 2)
    assert sorted(ids(queue)) == ["d", "e"]
    assert queue.redrive_all(lambda message: message.id != "c", limit=1) == RedriveResult(1, 1)
    assert ids(queue, "DLQ") == ["c", "a"]


def test_held_messages_are_passed_over(queue: Queue[Any], clock: ManualClock) -> None:
    """What a consumer of the DLQ holds is counted and left to it; what has expired is not."""
    bury(queue, clock, "held", "expired", "ready")
    queue.receive(source="DLQ", visibility_timeout=HOUR)
    queue.receive(source="DLQ", visibility_timeout=1)
    clock.advance(1)
    assert queue.redrive_all(limit=2) == RedriveResult(matched=2, redriven=2)
    assert queue.redrive_all() == RedriveResult(matched=1, held=1)
    assert queue.get("held").state == "DLQ.PROCESSING"


def test_what_is_not_due_is_redriven_all_the_same(queue: Queue[Any], clock: ManualClock) -> None:
    """A dead letter that its consumer has put off comes back, due at once."""
    bury(queue, clock, "m")
    queue.retry(*queue.receive(source="DLQ"), delay=HOUR)
    clock.advance(1)
    assert queue.redrive_all() == RedriveResult(1, 1)
    assert queue.get("m").due_at == clock.moment()


def test_a_dry_run_counts_and_changes_nothing(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """It says what a redrive would be about."""
    bury(queue, clock, "a", "b", "c")
    queue.receive(source="DLQ")
    before = table.items()
    shown: list[RedriveResult] = []
    counted = queue.redrive_all(lambda message: message.id != "b", dry_run=True)
    assert counted == RedriveResult(matched=2, held=1)
    assert queue.redrive_all(dry_run=True, progress=shown.append) == RedriveResult(3, held=1)
    assert shown == [RedriveResult(3, held=1)]
    assert table.items() == before


# --- groups ----------------------------------------------------------------------------------


def test_members_go_to_the_tail_in_the_order_in_which_they_had_joined(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """FIFO, OPERATOR-9: behind those that are there, in whatever order they were dead-lettered."""
    for number in range(4):
        queue.send(number, id=f"g{number}", group="g")
    queue.send(0, id="h0", group="h")
    for id in ("g2", "h0", "g0", "g1"):
        clock.advance(1)
        queue.bury(id)
    assert queue.redrive_all() == RedriveResult(4, 4)
    assert orders(table.items()) == {"g": ["g3", "g0", "g1", "g2"], "h": ["h0"]}


@pytest.mark.parametrize("limit", [None, 3])
def test_the_order_of_a_group_is_not_that_of_clocks(
    queue: Queue[Any], table: Table, clock: ManualClock, limit: int | None
) -> None:
    """TIME-4, OPERATOR-9: those who send and put aside go by clocks that are 80 ms apart."""
    for number in range(6):
        clock.advance(-0.08 if number % 2 else 0.08)
        queue.send(number, id=f"m{number}", group="g")
    clock.advance(1)
    for number in range(6):
        (message,) = queue.receive()
        clock.advance(-0.08 if number % 2 else 0.08)
        queue.move_to_dlq(message)
        clock.advance(0.01 if number % 2 else 0)
    clock.advance(1)
    assert queue.redrive_all(limit=limit).redriven == (limit or 6)
    assert orders(table.items()) == {"g": [f"m{number}" for number in range(limit or 6)]}
    queue.redrive_all()
    assert orders(table.items()) == {"g": [f"m{number}" for number in range(6)]}


def test_what_has_come_and_gone_since_a_group_was_read_was_there_before(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """OPERATOR-9: a member that left in between leaves the tail as it was, but not its number."""
    queue.send(0, id="a", group="g")
    queue.send(1, id="b", group="g")
    queue.bury("b")
    clock.advance(-60)
    queue.send(2, id="c", group="g")
    for id in ("c", "a"):
        queue.bury(id)
    queue.redrive_all()
    assert orders(table.items()) == {"g": ["a", "b", "c"]}


def test_dead_letters_without_a_sequence_come_first(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """LEGACY: those that another port has sent, in the order in which they were dead-lettered."""
    for id in ("a", "b", "c"):
        queue.send(id, id=id, group="g")
    for id in ("c", "a", "b"):
        clock.advance(1)
        queue.bury(id)
    table.change("c", sequence="odd")
    queue.redrive_all()
    assert orders(table.items()) == {"g": ["c", "a", "b"]}


def test_a_limit_takes_the_first_of_a_group_however_many_are_dead(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """OPERATOR-9: also where that was put aside last; and of others those dead for longest."""
    for number in range(120):
        queue.send(number, id=f"g{number:03}", group="g")
    bury(queue, clock, "free")
    for number in reversed(range(120)):
        clock.advance(0.001)
        queue.bury(f"g{number:03}")
    bury(queue, clock, "late")
    assert queue.redrive_all(lambda _: True, limit=2) == RedriveResult(2, 2)
    assert sorted(ids(queue)) == ["free", "g000"]


def test_a_group_begins_anew_with_its_dead_letters(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Where nothing is left of the group, the first to come back is its head; at a rate, too."""
    for number in range(30):
        queue.send(number, id=f"g{number}", group="g")
        queue.bury(f"g{number}")
        clock.advance(0.001)
    assert queue.redrive_all(rate=40) == RedriveResult(30, 30)
    assert orders(table.items()) == {"g": [f"g{number}" for number in range(30)]}


# --- pace ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "amount", "least"), [(2, 5, 2), (0.1, 3, 20), (50, 30, 0.48), (400, 60, 0.125)]
)
def test_a_rate_is_kept(
    queue: Queue[Any], clock: ManualClock, rate: float, amount: int, least: float
) -> None:
    """At most so many a second: the last begins when those before it have had their time."""
    queue.send_batch([Entry(number, id=f"m{number}") for number in range(amount)])
    for number in range(amount):
        queue.bury(f"m{number}")
    begun = clock.moment()
    assert queue.redrive_all(rate=rate).redriven == amount
    taken = (clock.moment() - begun).total_seconds()
    assert least <= taken <= amount / rate


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_upsets_no_rate(
    queue: Queue[Any], clock: ManualClock, jump: float
) -> None:
    """Nothing is made up for, and nothing waited for, that was a clock's."""
    bury(queue, clock, "a", "b", "c", "d")

    def in_the_first_nap() -> None:
        if len(clock.naps) == 1:
            clock.advance(jump)

    clock.while_asleep = in_the_first_nap
    queue.redrive_all(rate=1)
    assert clock.naps == [1, 1, 1]


def test_progress_is_told_after_the_count_and_after_each(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """The first word is how many there are; the last is the result."""
    bury(queue, clock, "a", "b", "c")
    shown: list[RedriveResult] = []
    result = queue.redrive_all(progress=shown.append)
    assert shown == [RedriveResult(3, number) for number in range(4)]
    assert shown[-1] == result


# --- what happens meanwhile ------------------------------------------------------------------


def once(action: Callable[[], object]) -> Callable[[RedriveResult], None]:
    """A progress that acts when the messages are counted and none is redriven yet."""
    left = [action]

    def progress(_: RedriveResult) -> None:
        if left:
            left.pop()()

    return progress


def test_what_moves_on_meanwhile_is_passed_over(queue: Queue[Any], clock: ManualClock) -> None:
    """Redriven, cancelled, or received by others since the count: counted, and left alone."""
    bury(queue, clock, "received", "redriven", "cancelled", "left")

    def meanwhile() -> None:
        queue.receive(source="DLQ")
        queue.redrive("redriven")
        queue.cancel("cancelled")
        bury(queue, clock, "new")

    result = queue.redrive_all(progress=once(meanwhile))
    assert result == RedriveResult(matched=4, redriven=1, held=1, moved=2)
    assert ids(queue, "DLQ") == ["new", "received"]


def test_what_was_judged_and_then_edited_is_passed_over(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """The filter has not seen what it says now; without a filter that does not matter."""
    bury(queue, clock, "a", "b")
    edit = once(lambda: queue.update("a", "another"))
    assert queue.redrive_all(lambda _: True, progress=edit) == RedriveResult(2, 1, moved=1)
    edit = once(lambda: queue.update("a", "yet another"))
    assert queue.redrive_all(progress=edit) == RedriveResult(1, 1)


def test_what_comes_back_stays(queue: Queue[Any], clock: ManualClock) -> None:
    """Messages that fail again at once are not redriven again and again by the same call."""
    bury(queue, clock, "a", "b", "c")

    def fail_again(_: RedriveResult) -> None:
        clock.advance(1)
        for message in queue.receive(10):
            queue.move_to_dlq(message, error="again")

    assert queue.redrive_all(rate=1, progress=fail_again) == RedriveResult(3, 3)
    assert sorted(ids(queue, "DLQ")) == ["a", "b", "c"]


# --- failures --------------------------------------------------------------------------------


def test_a_filter_that_raises_changes_nothing(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """The error names the message and has the cause; nothing was redriven before."""
    bury(queue, clock, "a", "b", "c")
    before = table.items()
    with pytest.raises(FilterError) as failure:
        queue.redrive_all(lambda message: {"a": True}[message.id])
    assert failure.value.id == "b"
    assert isinstance(failure.value.__cause__, KeyError)
    assert all(word in str(failure.value) for word in ("'b'", "KeyError", "nothing was changed"))
    assert table.items() == before


def test_a_filter_meets_what_can_not_be_read(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """A payload that is not of the declared type raises in a filter that reads it, and says so."""
    bury(open_queue(), clock, "a")
    queue = open_queue(payload=int)
    with pytest.raises(FilterError) as failure:
        queue.redrive_all(lambda message: message.data > 1)
    assert isinstance(failure.value.__cause__, PayloadError)
    assert table.item("a")["queue_type"] == "DLQ"


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_one_that_can_not_be_written_keeps_none_back(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Another port's item without room for a token is counted, with the reason, and stays."""
    bury(queue, clock, "a", "b", "c")
    bare = {name: value for name, value in table.item("b").items() if "token" not in name}
    del bare["errors"]
    table.remove("b")
    room = MAX_ITEM_BYTES - item_size(after(bare, data="", queue_type="STANDARD"))
    table.put(after(bare, data="x" * room))
    result = queue.redrive_all()
    assert (result.matched, result.redriven, result.failed) == (3, 2, 1)
    ((id, error),) = result.errors
    assert id == "b"
    assert isinstance(error, RequestRejectedError)
    assert ids(queue, "DLQ") == ["b"]


def test_a_failure_says_how_far_it_came(
    open_queue: OpenQueue, storage: Engine, clock: ManualClock
) -> None:
    """The storage's error is raised with a note; another call goes on with the rest."""
    faulty = FaultyEngine(storage)
    queue = open_queue(engine=faulty)
    bury(queue, clock, "a", "b", "c")
    faulty.faults.time_out("redrive", executed=False, nth=2)
    with pytest.raises(UnavailableError) as failure:
        queue.redrive_all(rate=1)
    assert "1 of 3" in failure.value.__notes__[0]
    assert queue.redrive_all() == RedriveResult(2, 2)


# --- many ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_hundreds_are_redriven(queue: Queue[Any], clock: ManualClock) -> None:
    """Over pages and batches; a filter's choice, and then the rest."""
    queue.send_batch(range(210))
    clock.advance(1)
    for message in queue.receive(210):
        queue.move_to_dlq(message)
    assert queue.redrive_all(lambda message: message.data % 2) == RedriveResult(105, 105)
    assert queue.redrive_all() == RedriveResult(105, 105)
    stats = queue.stats()
    assert (stats.standard.total, stats.dlq.total) == (210, 0)


def test_all_shards_are_redriven_in_one_order(
    open_queue: OpenQueue, table: Table, clock: ManualClock
) -> None:
    """The dead letters of all partitions, those first that have been dead for longest."""
    open_queue().create_table(shards=3)
    clock.advance(HOUR)
    queue = open_queue()
    names = [f"m{number}" for number in range(9)]
    bury(queue, clock, *names)
    assert len({item["queue_type"] for id, item in table.items().items() if id in names}) > 1
    assert queue.redrive_all(limit=4).redriven == 4
    assert sorted(ids(queue)) == names[:4]
    assert queue.redrive_all().redriven == 5

"""Delays and schedules: from a millisecond to the year 9999, and reschedule."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from dynamomq.errors import InvalidArgumentError
from dynamomq.message import Entry
from dynamomq.queue import Queue
from tests.contract.engines import Table
from tests.contract.situations import arrange
from tests.contract.test_edits import IN_EVERY_FREE_STATE, check_edited, rewritten
from tests.support.clock import ManualClock

HOUR = 3600.0
DELAYS = (
    0.001,
    0.25,
    1,
    90.5,
    HOUR,
    timedelta(days=1),
    timedelta(days=16),  # past the 15 minutes, or the days, of other queues
    timedelta(days=400),
    timedelta(days=36_525),
)
SHORTEST = timedelta(microseconds=1)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def ids(queue: Queue[Any], **arguments: Any) -> list[str]:
    """The ids of what can be received."""
    return [message.id for message in queue.receive(10, **arguments)]


def check_due(queue: Queue[Any], clock: ManualClock, due: datetime, source: str) -> None:
    """NOT-EARLY: message ``m`` can be received from its due time on, and not a moment before."""
    clock.advance(due - clock.moment() - SHORTEST)
    assert ids(queue, source=source) == []
    clock.advance(SHORTEST)
    assert ids(queue, source=source) == ["m"]


# --- send ------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", DELAYS, ids=str)
def test_a_delayed_message_is_received_when_it_is_due(
    queue: Queue[Any], table: Table, clock: ManualClock, delay: float | timedelta
) -> None:
    """From milliseconds to a century, to the moment; storage's own expiry has no part in it."""
    sent = queue.send(1, id="m", delay=delay)
    whole = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
    assert sent.due_at == clock.moment() + whole
    assert "expires_at" not in table.item("m")
    check_due(queue, clock, clock.moment() + whole, "STANDARD")


def test_messages_are_received_in_the_order_of_their_due_times(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """Delays and schedules share one order, whatever was sent first."""
    now = clock.moment()
    queue.send(1, id="third", delay=3)
    queue.send(1, id="first", due_at=now + timedelta(seconds=1))
    queue.send(1, id="fourth", due_at=now + timedelta(seconds=3, microseconds=1))
    queue.send(1, id="second", delay=timedelta(seconds=2))
    clock.advance(10)
    assert ids(queue) == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=11))], ids=str
)
def test_a_due_time_is_a_moment_wherever_it_is_told(
    queue: Queue[Any], table: Table, clock: ManualClock, zone: timezone
) -> None:
    """An aware datetime of any zone is stored in UTC, and kept to the microsecond."""
    due = clock.moment() + timedelta(hours=7, microseconds=1)
    sent = queue.send(1, id="m", due_at=due.astimezone(zone))
    assert sent.due_at == due
    assert table.item("m")["queue_add_timestamp"] == clock.text(7 * HOUR, nanoseconds=1_000)
    check_due(queue, clock, due, "STANDARD")


@pytest.mark.parametrize("ago", [timedelta(microseconds=1), timedelta(days=3_650)], ids=str)
def test_what_is_past_is_due_at_once(queue: Queue[Any], clock: ManualClock, ago: timedelta) -> None:
    """A due time that has passed is now: such a message overtakes none that is waiting already."""
    queue.send(1, id="before")
    clock.advance(1)
    assert queue.send(1, id="m", due_at=clock.moment() - ago).due_at == clock.moment()
    assert ids(queue) == ["before", "m"]


def test_the_last_moment_of_the_year_9999_is_a_due_time(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """There is no earlier limit; such a message just waits, and can be brought forward."""
    assert queue.send(1, id="m", due_at=LAST).due_at == LAST
    clock.advance(timedelta(days=365_000))
    assert ids(queue) == []
    assert queue.stats().standard.delayed == 1
    queue.reschedule("m", delay=0)
    assert ids(queue) == ["m"]


NO_MOMENTS: dict[str, Any] = {
    "naive": datetime(2050, 1, 1),  # noqa: DTZ001 - the point: it has no time zone
    "a date": date(2050, 1, 1),
    "text": "2050-01-01T00:00:00Z",
    "a number": 2_524_608_000,
    "after 9999": LAST.replace(tzinfo=timezone(-timedelta(hours=1))),
}


@pytest.mark.parametrize("case", NO_MOMENTS)
def test_what_names_no_moment_is_refused(queue: Queue[Any], table: Table, case: str) -> None:
    """A due time without a zone, of another type, or past 9999: refused, and nothing is changed."""
    queue.send(1, id="n", delay=HOUR)
    before = table.items()
    value = NO_MOMENTS[case]
    calls: tuple[Callable[[], object], ...] = (
        lambda: queue.send(1, id="m", due_at=value),
        lambda: queue.reschedule("n", due_at=value),
    )
    for call in calls:
        with pytest.raises(InvalidArgumentError) as refusal:
            call()
        assert refusal.value.argument == "due_at"
        assert refusal.value.remedy
    (result,) = queue.send_batch([Entry(1, due_at=value)])
    assert isinstance(result.error, InvalidArgumentError)
    assert table.items() == before


def test_a_delay_and_a_due_time_exclude_each_other(
    queue: Queue[Any], table: Table, clock: ManualClock
) -> None:
    """Both at once are refused, and nothing is changed."""
    queue.send(1, id="n")
    before = table.items()
    both: dict[str, Any] = {"delay": 5, "due_at": clock.moment(10)}
    calls: tuple[Callable[[], object], ...] = (
        lambda: queue.send(1, **both),
        lambda: queue.reschedule("n", **both),
        lambda: queue.reschedule("n"),  # neither: nobody means "now" by that
    )
    for call in calls:
        with pytest.raises(InvalidArgumentError, match="due_at"):
            call()
    assert table.items() == before


# --- reschedule ------------------------------------------------------------------------------


@IN_EVERY_FREE_STATE
@pytest.mark.parametrize("later", [0, 0.001, 5 * HOUR])
def test_reschedule_moves_the_due_time_only(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str, later: float
) -> None:
    """The message stays where it is, with its payload and its count of deliveries."""
    arrange(state, queue, table, clock)
    before = table.item("m")
    edited = queue.reschedule("m", delay=later)
    check_edited(table, edited, rewritten(before, clock, queue_add_timestamp=clock.text(later)))
    assert edited == queue.get("m")


@pytest.mark.parametrize("source", ["STANDARD", "DLQ"])
@pytest.mark.parametrize("by", ["delay", "due_at"])
def test_a_message_is_brought_forward_and_put_off(
    queue: Queue[Any], clock: ManualClock, source: str, by: str
) -> None:
    """Later, earlier, and later again, in either queue: what counts is the last one."""
    queue.send(1, id="m", delay=10 * HOUR)
    if source == "DLQ":
        queue.bury("m")
    due = clock.moment()
    for hours in (20, 1, 3):
        clock.advance(1)
        later = timedelta(hours=hours)
        due = clock.moment() + later
        when: dict[str, Any] = {"delay": later} if by == "delay" else {"due_at": due}
        assert queue.reschedule("m", **when).due_at == due
    check_due(queue, clock, due, source)


def test_a_rescheduled_message_takes_its_new_place(queue: Queue[Any], clock: ManualClock) -> None:
    """The order of receiving is that of the new due times."""
    for number in range(3):
        queue.send(number, id=f"m{number}")
        clock.advance(1)
    queue.reschedule("m0", delay=1)
    clock.advance(1)
    assert ids(queue) == ["m1", "m2", "m0"]


def test_what_is_rescheduled_into_the_past_is_due_at_once(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """A moment that has passed is now."""
    queue.send(1, id="m", delay=HOUR)
    clock.advance(1)
    assert queue.reschedule("m", due_at=clock.moment(-60)).due_at == clock.moment()
    assert ids(queue) == ["m"]


def test_an_expired_message_can_be_put_off(queue: Queue[Any], clock: ManualClock) -> None:
    """Its next delivery waits for the new due time, and counts after the ones before."""
    queue.send(1, id="m")
    queue.receive(visibility_timeout=1)
    clock.advance(1)
    due = queue.reschedule("m", delay=HOUR).due_at
    assert due is not None
    clock.advance(HOUR - 1)
    assert ids(queue) == []
    clock.advance(1)
    (again,) = queue.receive()
    assert again.receive_count == 2


def test_a_waiting_message_keeps_its_new_due_time_for_when_it_is_the_head(
    queue: Queue[Any], clock: ManualClock
) -> None:
    """It keeps its place in the group; once it is the head, it and those behind it wait."""
    for number in range(3):
        queue.send(number, id=f"g{number}", group="g")
    clock.advance(1)
    due = queue.reschedule("g1", delay=HOUR).due_at
    (head,) = queue.receive(10)
    queue.delete(head)
    assert queue.receive(10) == []
    clock.advance(HOUR)
    assert clock.moment() == due
    (head,) = queue.receive(10)
    assert head.id == "g1"
    queue.delete(head)
    assert ids(queue) == ["g2"]

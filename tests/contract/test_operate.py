"""What an operator does to a message that nobody holds: bury and redrive; and what is refused.

What update, annotate, reschedule and cancel do is in test_edits.py and test_schedules.py.
"""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq.errors import IllegalTransitionError, MessageNotFoundError
from dynamomq.machine import MESSAGE
from dynamomq.message import Message
from dynamomq.queue import Queue
from tests.contract.engines import Table
from tests.contract.situations import OCCUPIED, TIMEOUT, after, arrange
from tests.support.clock import ManualClock
from tests.support.triggers import OPERATORS, call, sources

Edit = Callable[[Queue[Any]], Message[Any]]


def _edit(trigger: str) -> Edit:
    return lambda queue: call(queue, trigger, "m")


EDITS: dict[str, Edit] = {
    **{trigger: _edit(trigger) for trigger in OPERATORS},
    "bury": lambda queue: queue.bury("m", reason="unwanted"),
}
_STANDARD = {"STANDARD.READY", "STANDARD.EXPIRED"}
_DLQ = {"DLQ.READY", "DLQ.EXPIRED"}
_FREE = {*_STANDARD, *_DLQ, "WAITING"}
LEGAL = {
    **{trigger: {*sources(trigger)} for trigger in OPERATORS},
    "bury": {*_STANDARD, "WAITING"},
    "redrive": _DLQ,
    "update": _FREE,
    "annotate": _FREE,
    "reschedule": _FREE,
    "cancel": _FREE,
}
EVERY_EDIT = pytest.mark.parametrize("trigger", EDITS)

_EDITING = ("annotate", "cancel", "purge", "reschedule", "update")
ALLOWED = {
    "STANDARD.READY": {*_EDITING, "bury", "exhaust", "receive"},
    "STANDARD.PROCESSING": {"delete", "extend", "move_to_dlq", "purge", "release", "retry"},
    "STANDARD.EXPIRED": {
        *(*_EDITING, "bury", "exhaust", "receive"),
        *("delete", "extend", "move_to_dlq", "release", "retry"),
    },
    "DLQ.READY": {*_EDITING, "receive", "redrive"},
    "DLQ.PROCESSING": {"delete", "extend", "purge", "release", "retry"},
    "DLQ.EXPIRED": {
        *(*_EDITING, "receive", "redrive"),
        *("delete", "extend", "release", "retry"),
    },
    "WAITING": {*_EDITING, "bury"},
    "DELETED": set(),
    "MALFORMED": {"quarantine"},
}
"""What a refusal names as legal from each state: the design's table, read from the other side."""

KNOWN = frozenset(trigger for legal in ALLOWED.values() for trigger in legal)


@pytest.mark.parametrize("state", sorted(_STANDARD))
def test_bury_dead_letters_what_nobody_holds(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """A buried message starts anew in the DLQ, with the reason, and in nobody's hands."""
    arrange(state, queue, table, clock)
    before = table.item("m")
    buried = queue.bury("m", reason="unwanted")
    item = table.item("m")
    expected = after(
        before,
        without="receipt",
        status="READY",
        queue_type="DLQ",
        receive_count=0,
        version=before["version"] + 1,
        last_updated_timestamp=clock.text(),
        queue_add_timestamp=clock.text(),
        queue_peek_timestamp="",
        token=item["token"],
        errors=[
            {
                "type": "Rejected",
                "message": "unwanted",
                "delivery": before["receive_count"],
                "when": clock.text(),
            }
        ],
    )
    assert item == expected
    assert item["token"] != before["token"]
    assert buried == queue.get("m")
    assert (buried.state, buried.receipt) == ("DLQ.READY", None)


def test_bury_takes_a_message_before_it_is_due(queue: Queue[Any], clock: ManualClock) -> None:
    """A delayed message can be buried, and is due in the DLQ at once."""
    queue.send(1, id="m", delay=1000)
    clock.advance(1)
    buried = queue.bury("m")
    assert (buried.due_at, buried.errors) == (clock.moment(), ())
    assert [message.id for message in queue.receive(source="DLQ")] == ["m"]


@pytest.mark.parametrize("state", sorted(LEGAL["redrive"]))
def test_redrive_starts_a_message_anew(
    queue: Queue[Any], table: Table, clock: ManualClock, state: str
) -> None:
    """A redriven message is as good as new, apart from its age, version and recorded failures."""
    arrange(state, queue, table, clock)
    before = table.item("m")
    redriven = queue.redrive("m")
    item = table.item("m")
    expected = after(
        before,
        without="receipt",
        status="READY",
        queue_type="STANDARD",
        receive_count=0,
        version=before["version"] + 1,
        last_updated_timestamp=clock.text(),
        queue_add_timestamp=clock.text(),
        queue_peek_timestamp="",
        token=item["token"],
    )
    assert item == expected
    assert item["token"] != before["token"]
    assert redriven == queue.get("m")
    assert [failure.message for failure in redriven.errors] == ["unwanted"]
    (again,) = queue.receive()
    assert (again.receive_count, again.data) == (1, {"n": 1})


@pytest.mark.parametrize(
    ("trigger", "state"),
    [
        (trigger, state)
        for trigger in EDITS
        for state in (*OCCUPIED, "WAITING")
        if state not in LEGAL[trigger]
    ],
)
def test_an_edit_out_of_place_is_refused(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str, state: str
) -> None:
    """From any other state the edit is refused, with what would be legal, and changes nothing."""
    arrange(state, queue, table, clock)
    before = table.items()
    if state == "FOREIGN":
        with pytest.raises(MessageNotFoundError):
            EDITS[trigger](queue)
    else:
        with pytest.raises(IllegalTransitionError) as refusal:
            EDITS[trigger](queue)
        error = refusal.value
        assert (error.id, error.state, error.trigger) == ("m", state, trigger)
        assert KNOWN.intersection(error.legal) == ALLOWED[state]
        assert error.legal == MESSAGE.legal_triggers(state)
        assert error.legal == tuple(sorted(error.legal))
        assert all(word in str(error) for word in ("'m'", state, trigger, *error.legal))
    assert table.items() == before


@EVERY_EDIT
@pytest.mark.parametrize("state", ["ABSENT", "forgotten"])
def test_an_edit_of_nothing_is_refused(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str, state: str
) -> None:
    """No message has the id, or one had it long ago: there is nothing to edit, nor to create."""
    arrange(state, queue, table, clock)
    before = table.items()
    with pytest.raises(MessageNotFoundError) as refusal:
        EDITS[trigger](queue)
    assert refusal.value.id == "m"
    assert "'m'" in str(refusal.value)
    assert table.items() == before


def test_a_message_goes_back_and_forth(queue: Queue[Any], clock: ManualClock) -> None:
    """Bury and redrive undo each other as often as one likes; the version counts each write."""
    queue.send(1, id="m")
    for round_ in range(1, 4):
        clock.advance(1)
        queue.bury("m", reason=f"round {round_}")
        clock.advance(1)
        assert queue.redrive("m").version == 1 + 2 * round_
    assert len(queue.get("m").errors) == 3
    assert [message.id for message in queue.receive()] == ["m"]


def test_edits_do_not_wait_for_the_clock(queue: Queue[Any], table: Table) -> None:
    """A message's own time moves with each write, even where the clock stands still (TIME-2)."""
    times = [queue.send(1, id="m").item["last_updated_timestamp"]]
    for edit in (queue.bury, queue.redrive, queue.bury):
        edit("m")
        times.append(table.item("m")["last_updated_timestamp"])
    assert times == sorted(set(map(str, times)))


def test_the_holder_of_a_held_message_is_safe_from_operators(
    queue: Queue[Any], held: Message[Any], clock: ManualClock
) -> None:
    """A refused edit takes nothing from the holder, who finishes in peace."""
    clock.advance(TIMEOUT - 1)
    with pytest.raises(IllegalTransitionError):
        queue.bury("m")
    queue.delete(held)
    assert queue.get("m").state == "DELETED"

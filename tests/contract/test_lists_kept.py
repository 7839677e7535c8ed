"""Whatever users do to a member of a group, its list is whole afterwards, with the right members.

The cases are generated: each trigger of a holder or an operator, from each kind of its states, on
the first of three messages, the one in the middle, and the last.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from dynamomq.errors import IllegalTransitionError, StaleReceiptError
from dynamomq.message import Message
from dynamomq.operations.writing import state_of
from dynamomq.queue import Queue
from tests.contract.engines import Table
from tests.contract.situations import TIMEOUT
from tests.support.clock import ManualClock
from tests.support.lists import orders
from tests.support.triggers import HOLDERS, OPERATORS, call, destinations, sources

OTHERS = {"first": ([], ["x", "y"]), "middle": (["x"], ["y"]), "last": (["x", "y"], [])}
"""Who is before a message, and behind it."""

IN_EVERY_PLACE_BEHIND = pytest.mark.parametrize("place", ["middle", "last"])


def is_listed(state: str) -> bool:
    """Whether a message of a group that is in this state is in the group's list."""
    return state == "WAITING" or state.startswith("STANDARD.")


def sent(queue: Queue[Any], clock: ManualClock, *ids: str) -> None:
    """Messages are sent into the group."""
    for id in ids:
        queue.send(0, id=id, group="g")
    clock.advance(1)


def received(queue: Queue[Any], clock: ManualClock, source: Any = "STANDARD") -> Message[Any]:
    """The one message that is due is received."""
    (message,) = queue.receive(source=source)
    clock.advance(1)
    return message


def arrange(queue: Queue[Any], clock: ManualClock, state: str, place: str) -> Message[Any] | str:
    """Bring message ``m`` into a state, from its place in a group of three."""
    before, behind = OTHERS[place]
    sent(queue, clock, *before, "m", *behind)
    where, _, how = state.partition(".")
    if where == "DLQ":
        queue.bury("m")
        clock.advance(1)
    if how not in ("PROCESSING", "EXPIRED"):
        return "m"
    message = received(queue, clock, where)
    clock.advance(TIMEOUT if how == "EXPIRED" else 0)
    return message


def order(table: Table) -> list[str]:
    """The group's messages, in order; the list is whole."""
    return orders(table.items())["g"]


def kinds(trigger: str) -> Iterator[str]:
    """The states in which a trigger does different things to a message of a group."""
    seen = set()
    for state in sources(trigger):
        kind = state.partition(".")[0], destinations(trigger, state)
        if state != "MALFORMED" and kind not in seen:
            seen.add(kind)
            yield state


CASES = [
    pytest.param(trigger, state, place, id=f"{trigger}-{state}-{place}")
    for trigger in (*HOLDERS, *OPERATORS)
    for state in kinds(trigger)
    for place in OTHERS
    if (state == "WAITING") == (place != "first") or trigger == "redrive"
]


@pytest.mark.parametrize(("trigger", "state", "place"), CASES)
def test_a_list_is_kept(
    queue: Queue[Any], table: Table, clock: ManualClock, trigger: str, state: str, place: str
) -> None:
    """What leaves the list is no longer in it, what joins is the last, all others stay in order."""
    subject = arrange(queue, clock, state, place)
    members = [*OTHERS[place][0], *(["m"] if is_listed(state) else []), *OTHERS[place][1]]
    assert order(table) == members
    call(queue, trigger, subject if trigger in HOLDERS else "m")
    assert state_of(queue.settings, table.item("m"), clock.now) in destinations(trigger, state)
    remains = any(map(is_listed, destinations(trigger, state)))
    others = [id for id in members if id != "m"]
    joins = remains and not is_listed(state)
    assert order(table) == ([*others, "m"] if joins else members if remains else others)


@IN_EVERY_PLACE_BEHIND
def test_what_is_illegal_for_one_that_waits_leaves_the_list(
    queue: Queue[Any], table: Table, clock: ManualClock, place: str
) -> None:
    """A call that is for heads of groups only is refused for others, and changes nothing."""
    arrange(queue, clock, "WAITING", place)
    before = table.items()
    for trigger in (one for one in OPERATORS if "WAITING" not in sources(one)):
        with pytest.raises(IllegalTransitionError):
            call(queue, trigger, "m")
        assert table.items() == before, trigger


@IN_EVERY_PLACE_BEHIND
def test_who_held_a_message_does_nothing_to_it_behind_others(
    queue: Queue[Any], table: Table, clock: ManualClock, place: str
) -> None:
    """A delivery is over once the message is behind others of its group again: put aside and back.

    The receipt changes nothing any more, least of all the list.
    """
    before, behind = OTHERS[place]
    sent(queue, clock, "m", *before)
    held = received(queue, clock)
    clock.advance(TIMEOUT)
    queue.bury("m")
    queue.redrive("m")
    sent(queue, clock, *behind)
    assert order(table) == [*before, "m", *behind]
    items = table.items()
    for trigger in HOLDERS:
        with pytest.raises(StaleReceiptError):
            call(queue, trigger, held)
        assert table.items() == items, trigger

"""What message groups promise, checked over a history and the table that it left behind.

CHAIN
    The accepted order is one: whoever reads a message's place reads the same, no two messages have
    the same place, and every message that was accepted has one.
APPEND
    It is the senders' order: what is sent after another one was accepted comes after it, and so
    does what comes after it in the same batch.
FIFO
    Messages are first delivered in the accepted order, and none before its predecessor has left the
    group: deleted or dead-lettered, by a holder, or for want of deliveries.
HEAD
    At any time at most one message of a group is in the standard queue, and from it links lead
    through all the others to the one that the group's item names.
ONE-AT-A-TIME
    Deliveries of a group do not overlap: the next message is delivered when the holder of the one
    before has asked to give it up, or when somebody has found that delivery to be over.

As elsewhere, what is not known is allowed, and instants are those between which something must have
happened. Nobody may withdraw messages from the middle of a group in such a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from attrs import frozen

from dynamomq.values import Item
from model_tests.chaos.chain import Group, Member, Sight, groups_of
from model_tests.chaos.lists import lists_of, problems_of, unlinked
from model_tests.history.checker import Violation
from model_tests.history.log import Event, Moment
from model_tests.history.records import GIVING_UP, Delivery, History, Outcome
from model_tests.history.timeline import Timeline

_LEAVING = ("delete", "move_to_dlq")

Problems = Iterator[tuple[str, str]]
"""Messages, each with what is wrong with it."""


@frozen
class _Case:
    """One group, with all that is known about it."""

    group: Group
    timeline: Timeline


def check(history: History, table: Iterable[Item]) -> list[Violation]:
    """Every violation of what groups promise.

    Args:
        history: of all processes that used the table.
        table: all that it holds in the end, the groups' items among it.
    """
    timeline = Timeline.of(history.events)
    found = [
        (rule, id, f"in {name}: {problem}")
        for name, group in sorted(groups_of(history).items())
        for rule, find in _CHECKS
        for id, problem in find(_Case(group, timeline))
    ]
    found += [("HEAD", id, problem) for id, problem in _lists(history.events, timeline, table)]
    events = {id: message.events for id, message in history.messages.items()}
    return [
        Violation(rule, id, problem, timeline.lines(events.get(id, ())))
        for rule, id, problem in found
    ]


# --- CHAIN and APPEND: the accepted order ----------------------------------------------------


def _chain(case: _Case) -> Problems:
    """Each message has one place, and each place one message."""
    members = case.group.members
    behind: dict[str, str] = {}
    placed = {member.id for member in case.group.order}
    for id, member in sorted(members.items()):
        if len(member.previous) != 1:
            if member.was_there:
                yield id, _places(member)
            continue
        (previous,) = member.previous
        if previous and previous not in members:
            yield id, f"it is behind {previous!r}, which is no message of the group"
        elif previous in behind:
            yield id, f"it is behind {previous!r}, and so is {behind[previous]!r}"
        elif id not in placed:
            yield id, f"it is behind {previous!r}, and no link leads there from a first message"
        if previous:
            behind[previous] = id


def _places(member: Member) -> str:
    if not member.previous:
        return "it was accepted, and nobody has read its place"
    read = (
        f"behind {previous!r} ({', '.join(sorted(who))})" if previous else f"first ({_and(who)})"
        for previous, who in sorted(member.previous.items())
    )
    return f"its place was read as {' and as '.join(read)}"


def _and(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _append(case: _Case) -> Problems:
    """Who was accepted before another one's sending began comes before it in the group."""
    latest: Member | None = None  # of those so far, the one whose sending began last
    latest_of: dict[str, Member] = {}  # the same for each sender
    for member in case.group.order:
        if not member.message.sends:
            continue
        sender = member.message.sends[0].process
        known_by = _known_by(member)
        if latest is not None and known_by < _begun(latest):
            problem = (
                f"it was accepted by {case.timeline.real(known_by)}, and comes behind "
                f"{latest.id!r}, whose sending began at {case.timeline.real(_begun(latest))}"
            )
            yield member.id, problem
        before = latest_of.get(sender, member)
        if _begun(member) < _begun(before):
            yield member.id, f"{sender} sent it before {before.id!r}, and it comes behind that"
        if latest is None or _begun(member) > _begun(latest):
            latest = member
        latest_of[sender] = max(before, member, key=_begun)


def _begun(member: Member) -> int:
    return member.message.sends[0].begun.monotonic


def _known_by(member: Member) -> int:
    """When it had been accepted for certain."""
    told = [
        send.ended.monotonic
        for send in member.message.sends
        if send.ended is not None and send.outcome is not Outcome.UNKNOWN
    ]
    return min([*told, member.first_seen])


# --- FIFO, HEAD and ONE-AT-A-TIME: the order of deliveries -----------------------------------


def _fifo(case: _Case) -> Problems:
    """Deliveries follow the accepted order, and each its predecessor's leaving."""
    yield from _in_turn(case, only_deliveries=True)
    for earlier, later in _deliveries_in_turn(case):
        first = later.message.deliveries[0]
        if not any(_leavings(earlier, by=first.seen.monotonic)):
            problem = f"nobody can have finished its predecessor {earlier.id!r} by then"
            yield later.id, f"{case.timeline.delivery(first)}, although {problem}"


def _leavings(member: Member, *, by: int) -> Iterator[Moment]:
    """When somebody began what may have taken a message out of its group's list by an instant."""
    for call in member.message.calls(*_LEAVING):
        if call.is_possible and call.begun.monotonic <= by:
            yield call.begun
    yield from _exhausts(member, by=by)


def _exhausts(member: Member, *, by: int) -> Iterator[Moment]:
    for event in member.message.events:
        if event.name == "exhaust begun" and event.moment.monotonic <= by:
            yield event.moment


def _deliveries_in_turn(case: _Case) -> Iterator[tuple[Member, Member]]:
    """Each message with its successor, where that was delivered."""
    for earlier, later in pairwise(case.group.order):
        if later.message.deliveries:
            yield earlier, later


def _head(case: _Case) -> Problems:
    """Messages are in the standard queue one after the other."""
    if not any(_in_turn(case, only_deliveries=True)):  # that would be FIFO's
        yield from _in_turn(case, only_deliveries=False)


def _in_turn(case: _Case, *, only_deliveries: bool) -> Problems:
    """Each message was seen in the standard queue after all that come before it."""
    last: tuple[Member, Sight] | None = None
    for member in case.group.order:
        sights = [one for one in member.sights if one.delivery or not only_deliveries]
        if not sights:
            continue
        first = min(sights, key=lambda sight: sight.until)
        if last is not None and first.until < last[1].since:
            predecessor = f"{last[0].id!r}: of that one, {_seen(last[1], case.timeline)}"
            yield member.id, f"{_seen(first, case.timeline)}, before its predecessor {predecessor}"
        latest = max(sights, key=lambda sight: sight.since)
        if last is None or latest.since > last[1].since:
            last = member, latest


def _seen(sight: Sight, timeline: Timeline) -> str:
    if sight.delivery is not None:
        return timeline.delivery(sight.delivery)
    return (
        f"{sight.process} saw it in the standard queue between {timeline.real(sight.since)} and "
        f"{timeline.real(sight.until)}"
    )


def _one_at_a_time(case: _Case) -> Problems:
    """A predecessor's last delivery was given up, or was over when the message was exhausted.

    It is over by the clock of whoever exhausts the message; so deliveries may overlap by as much as
    clocks differ.
    """
    for earlier, later in _deliveries_in_turn(case):
        first = later.message.deliveries[0]
        last = _last_before(earlier, first.seen.monotonic)
        if last is None or not any(_leavings(earlier, by=first.seen.monotonic)):
            continue  # that is FIFO's
        given_up = [call for call in last.called(*GIVING_UP) if call.is_possible]
        if any(call.begun.monotonic <= first.seen.monotonic for call in given_up):
            continue
        exhausts = _exhausts(earlier, by=first.seen.monotonic)
        if not any(moment.clock >= last.deadline for moment in exhausts):
            deadline = case.timeline.clock(last.deadline)
            problem = (
                f"of its predecessor {earlier.id!r}, {case.timeline.delivery(last)}; by then "
                f"nobody can have found that over, whose deadline is {deadline}"
            )
            yield later.id, f"{case.timeline.delivery(first)}; {problem}"


def _last_before(member: Member, monotonic: int) -> Delivery | None:
    """A message's last delivery, of those that may have begun before an instant."""
    deliveries = [one.delivery for one in member.sights if one.delivery and one.since <= monotonic]
    return max(deliveries, key=lambda delivery: delivery.version, default=None)


# --- HEAD: the lists as the table has them ---------------------------------------------------


def _lists(events: Iterable[Event], timeline: Timeline, table: Iterable[Item]) -> Problems:
    """Lists were whole whenever somebody looked, and are so in the end."""
    for event in events:
        if event.name == "list broken":
            when = timeline.real(event.moment.monotonic)
            yield str(event.details["group"]), f"at {when}: {event.details['problem']}"
    items = list(table)
    for group, one in sorted(lists_of(items).items()):
        for problem in problems_of(one):
            yield group, f"in the end: {problem}"
    yield from unlinked(items)


_CHECKS: tuple[tuple[str, Callable[[_Case], Problems]], ...] = (
    ("CHAIN", _chain),
    ("APPEND", _append),
    ("FIFO", _fifo),
    ("HEAD", _head),
    ("ONE-AT-A-TIME", _one_at_a_time),
)

PROPERTIES = tuple(name for name, _ in _CHECKS)
"""The ids of the properties that are checked here."""

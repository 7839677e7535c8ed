"""The arithmetic of versions: does the history account for every write to a message?

Every write adds one to the version, and every claim one to the count of deliveries as well. So
between two points of a message's life

    growth of the version - growth of the count = writes other than claims

whatever number of claims nobody wrote down, because their processes died. A release counts twice on
the right: it writes, and takes a delivery back. The writes other than claims are the holder's, and
those whose outcome is not known may be among them or not. Nor is it known of an extension whose
holder was told that it came too late: an earlier attempt may have been in time, its reply lost.

In a message group there are writes of its upkeep, too: one when the message gets a successor,
unless they were sent together, and one when it becomes its group's head, unless that was part of a
claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from attrs import frozen

from dynamomq.values import Item
from model_tests.history.records import Call, Delivery, MessageHistory


@frozen
class Mismatch:
    """Writes between two points of a message's life that nobody accounts for, or that are missing.

    Attributes:
        since: the version at the first point.
        until: the version at the second point.
        found: how many writes there have been, claims apart.
        accounted: how many there can have been, by what the processes wrote down.
    """

    since: int
    until: int
    found: int
    accounted: frozenset[int]

    def __str__(self) -> str:
        known = " or ".join(map(str, sorted(self.accounted))) or "no such change"
        return (
            f"from version {self.since} to {self.until} there were {self.found} writes (without "
            f"claims; a release counts twice), and the history accounts for {known}"
        )


@frozen
class _Point:
    """A version of a message that somebody has seen, and what its holder then asked for."""

    version: int
    receive_count: int
    queue: str
    calls: Sequence[Call] = ()
    deadline: int = 0
    seen: int = 0
    """When its holder wrote it down, on the shared clock."""
    upkeep: frozenset[int] = frozenset({0})
    """How many writes of its group's upkeep there can have been since the point before."""


def mismatches(
    message: MessageHistory,
    item: Item | None,
    max_receives: int | None,
    *,
    also: Sequence[Call] = (),
) -> Iterator[Mismatch]:
    """Find the writes that the history does not account for.

    Args:
        message: its history.
        item: what the table holds in the end.
        max_receives: the limit that all consumers had.
        also: calls to be taken for possible, whatever their outcome.
    """
    points = [_sent()] if any(send.is_possible for send in message.sends) else []
    before: Delivery | None = None
    for delivery in message.deliveries:
        points.append(_delivered(delivery, before))
        before = delivery
    for earlier, later in pairwise(points):
        if later.version <= earlier.version:
            yield Mismatch(earlier.version, later.version, 0, frozenset())
        elif later.queue == earlier.queue:
            yield from _compare(earlier, later, _sums(earlier, also, by=later.seen))
    if points and item is not None:
        upkeep = _upkeep_at_the_end(message, before)
        yield from _to_the_end(points[-1], item, max_receives, also, upkeep)


def _sent() -> _Point:
    return _Point(version=1, receive_count=0, queue="STANDARD")


def _delivered(delivery: Delivery, before: Delivery | None) -> _Point:
    return _Point(
        delivery.version,
        delivery.receive_count,
        delivery.queue,
        delivery.calls,
        delivery.first_deadline,
        delivery.seen.monotonic,
        _upkeep(delivery, before),
    )


def _upkeep(delivery: Delivery, before: Delivery | None) -> frozenset[int]:
    if before is None:  # since it was sent
        return frozenset(range(1 + bool(delivery.previous) + bool(delivery.next)))
    return frozenset({int(delivery.next != before.next)})


def _upkeep_at_the_end(message: MessageHistory, last: Delivery | None) -> frozenset[int]:
    if not message.group or (last is not None and last.next):
        return frozenset({0})
    return frozenset({0, 1} if last is not None else {0, 1, 2})


def _to_the_end(
    last: _Point,
    item: Item,
    max_receives: int | None,
    also: Sequence[Call],
    upkeep: frozenset[int],
) -> Iterator[Mismatch]:
    version, count = item.get("version"), item.get("receive_count")
    if not isinstance(version, int) or not isinstance(count, int):
        return
    queue = str(item.get("queue_type", last.queue))  # a tombstone is in none
    if queue == last.queue:
        end = _Point(version, count, queue, upkeep=upkeep)
        yield from _compare(last, end, _sums(last, also))
        return
    # The way into the dead-letter queue has set the count to 0. It was moved there, by its last
    # holder; or it was exhausted, by one more write, after all deliveries that it might have.
    calls = _sums(last, also)
    accounted: set[int] = set()
    if any(call.operation == "move_to_dlq" for call in _counting(last, also)):
        accounted |= calls
    if max_receives is not None:
        accounted |= {writes + 1 + max_receives - last.receive_count for writes in calls}
    grown = version - last.version
    accounted = {writes + more for writes in accounted for more in upkeep}
    if grown not in accounted:
        yield Mismatch(last.version, version, grown, frozenset(accounted))


def _compare(earlier: _Point, later: _Point, accounted: frozenset[int]) -> Iterator[Mismatch]:
    grown = later.version - earlier.version
    found = grown - (later.receive_count - earlier.receive_count)
    accounted = frozenset(writes + more for writes in accounted for more in later.upkeep)
    if found not in accounted:
        yield Mismatch(earlier.version, later.version, found, accounted)


def _counting(point: _Point, also: Sequence[Call], by: int | None = None) -> list[Call]:
    """Calls that may have written by an instant, or at any time."""
    return [
        call
        for call in dict.fromkeys((*point.calls, *also))
        if call.is_possible or call in also or _may_have_been_in_time(call, by)
    ]


def _may_have_been_in_time(call: Call, by: int | None) -> bool:
    return call.operation == "extend" and (by is None or call.begun.monotonic < by)


def _sums(point: _Point, also: Sequence[Call], by: int | None = None) -> frozenset[int]:
    """How many writes its calls can have made, for every way in which they can have ended."""
    sums = {0}
    deadline = point.deadline
    for call in _counting(point, also, by):
        cost = 2 if call.operation == "release" else 1
        if call.deadline is not None:
            cost = int(call.deadline > deadline)  # what moves no deadline is not written
            deadline = max(deadline, call.deadline)
        with_it = {writes + cost for writes in sums}
        sums = with_it if call.is_done else sums | with_it
    return frozenset(sums)

"""The properties of the queue, checked over a history and the table that it left behind.

What each check rests on:

* **Real time** is the shared monotonic clock. A process's own clock differs from it by a constant,
  which its events show, so the difference of two processes' clocks is known.
* **Order** is the order of versions (see ``records``).
* **What is not known is allowed**: a call whose outcome is missing may or may not have taken
  effect, and a process that died while it received may hold a delivery that nobody wrote down.

What is outside: operators' edits (a history with them would need their events), what message groups
promise (``model_tests.chaos.order``), and ids that are used again after the deduplication window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from attrs import frozen

from dynamomq.values import Item
from model_tests.history.log import payload_digest
from model_tests.history.records import (
    GIVING_UP,
    HOLDERS_CALLS,
    Call,
    Delivery,
    History,
    MessageHistory,
    Outcome,
)
from model_tests.history.timeline import Timeline
from model_tests.history.versions import Mismatch, mismatches

STANDARD, DLQ = "STANDARD", "DLQ"


@frozen
class Violation:
    """A property that does not hold.

    Attributes:
        property: its id (design: the properties), such as ``NO-DOUBLE``.
        id: the message.
        explanation: who, when and what.
        timeline: everything that the history has about the message, a line each.
    """

    property: str
    id: str
    explanation: str
    timeline: tuple[str, ...]


def describe(violations: Sequence[Violation]) -> str:
    """A report: for each message what is wrong with it, and its timeline."""
    lines = []
    for id, group in groupby(violations, key=lambda violation: violation.id):
        wrong = list(group)
        lines += [id, *(f"  {one.property}: {one.explanation}" for one in wrong)]
        lines += [f"    {line}" for line in wrong[0].timeline]
    return "\n".join(lines)


@frozen
class _Case:
    """One message, with all that is known about it.

    Attributes:
        message: its history.
        item: what the table holds in the end; ``None``: nothing.
        max_receives: the limit that all consumers had; ``None``: none.
        drained: whether the run went on until everything should have been done.
        timeline: writes down instants.
    """

    message: MessageHistory
    item: Item | None
    max_receives: int | None
    drained: bool
    timeline: Timeline

    @property
    def is_deleted(self) -> bool:
        """Whether there is nothing in the table, or only a tombstone."""
        return self.item is None or self.item.get("status") == "DELETED"

    @property
    def queue(self) -> object:
        """Which queue the message is in, in the end."""
        return None if self.item is None else self.item.get("queue_type")

    def mismatches(self, *, also: Sequence[Call] = ()) -> Iterator[Mismatch]:
        """The writes that the history does not account for."""
        return mismatches(self.message, self.item, self.max_receives, also=also)


Problems = Iterator[str]


def check(
    history: History,
    table: Mapping[str, Item],
    *,
    max_receives: int | None = None,
    drained: bool = False,
) -> list[Violation]:
    """Every violation of every property, message by message.

    Args:
        history: of all processes that used the table.
        table: all items that it holds in the end, by id.
        max_receives: the limit that all consumers had.
        drained: whether a healthy consumer went on until nothing was left to do; PROGRESS is
            checked only then.
    """
    timeline = Timeline.of(history.events)
    violations = []
    for id in sorted({*history.messages, *table}):
        message = history.messages.get(id) or MessageHistory(id)
        case = _Case(message, table.get(id), max_receives, drained, timeline)
        violations += [
            Violation(name, id, problem, timeline.lines(message.events))
            for name, find in _CHECKS
            for problem in find(case)
        ]
    return violations


# --- NO-LOSS and DEDUP: what was sent --------------------------------------------------------


def _no_loss(case: _Case) -> Problems:
    """An accepted message is there, as it was sent, until a holder deletes it."""
    message = case.message
    accepted = [send for send in message.sends if send.is_done]
    possible = accepted or [send for send in message.sends if send.is_possible]
    if not possible:
        if message.deliveries or not case.is_deleted:
            yield "it is delivered or in the table, but nobody can have sent it"
        return
    sent = {send.payload for send in possible}
    for delivery in message.deliveries:
        if delivery.payload not in sent:
            yield f"{case.timeline.delivery(delivery)}, with another payload than was sent"
    if case.item is not None and not case.is_deleted:
        if payload_digest(case.item.get("data")) not in sent:
            yield "the table holds another payload than was sent"
        return
    proof = _proof_of_acceptance(case)
    if proof and not any(call.is_possible for call in message.calls("delete")):
        yield (f"{proof}, and it is gone although nobody who had received it can have deleted it")


def _proof_of_acceptance(case: _Case) -> str:
    """How it is known that the message was there at some time; empty if it is not known.

    Where no sender was told so, a delivery proves it, and so does the refusal of a duplicate.
    """
    message = case.message
    accepted = [send for send in message.sends if send.is_done]
    refused = [send for send in message.sends if send.outcome is Outcome.REFUSED]
    if accepted:
        return case.timeline.call(accepted[0])
    if message.deliveries:
        return f"{case.timeline.delivery(message.deliveries[0])}, so it had been accepted"
    if refused:
        return f"{case.timeline.call(refused[0])}, so another send of it had been accepted"
    return ""


def _dedup(case: _Case) -> Problems:
    """Of all sends with one id at most one is accepted, and none is refused without a reason."""
    accepted = [send for send in case.message.sends if send.is_done]
    if len(accepted) > 1:
        sends = "; ".join(map(case.timeline.call, accepted))
        yield f"of these sends only one can be accepted: {sends}"
    for send in case.message.sends:
        if send.outcome is Outcome.REFUSED and not _can_be_duplicate(send, case.message):
            yield f"{case.timeline.call(send)}, although no other send of it can have come before"


def _can_be_duplicate(refused: Call, message: MessageHistory) -> bool:
    return any(
        other.is_possible and _before(other.begun.monotonic, refused)
        for other in message.sends
        if other is not refused
    )


def _before(monotonic: int, call: Call) -> bool:
    return call.ended is None or monotonic < call.ended.monotonic


# --- NO-DOUBLE and NOT-EARLY: when it was delivered ------------------------------------------


def _no_double(case: _Case) -> Problems:
    """A delivery begins after the deadline of the one before, unless that was given up.

    And the deadline is the one that its holder asked for.
    """
    for delivery in case.message.deliveries:
        yield from _wrong_deadlines(delivery, case.timeline)
    for earlier, later in case.message.pairs():
        given_up = [call for call in earlier.called(*GIVING_UP) if call.is_possible]
        if any(_explains(call, later) for call in given_up):
            continue
        if any(call.is_done for call in given_up):
            continue  # then the new due time counts (NOT-EARLY), or the call was not fenced
        problem = _too_early(later, earlier.deadline, earlier.seen.skew)
        if problem:
            yield (
                f"{case.timeline.delivery(earlier)}, with the deadline "
                f"{case.timeline.clock(earlier.deadline)}; {case.timeline.delivery(later)}, "
                f"claimed at {case.timeline.clock(later.claimed)}: {problem}"
            )


def _wrong_deadlines(delivery: Delivery, timeline: Timeline) -> Problems:
    """Deadlines that the holder was told, and that don't fit the timeouts that it asked for.

    An extension is counted from some instant during the call. It leaves a deadline that is later
    already: the delivery's own, or one by an earlier extension, be its outcome unknown.
    """
    latest = delivery.first_deadline
    if latest != delivery.claimed + delivery.timeout:
        yield (
            f"{timeline.delivery(delivery)}, claimed at {timeline.clock(delivery.claimed)} with "
            f"the deadline {timeline.clock(latest)}, although {_seconds(delivery.timeout)} were "
            f"asked for"
        )
    for call in delivery.called("extend"):
        if call.ended is None or not call.is_possible:
            continue
        earliest = call.begun.clock + call.timeout
        latest = max(latest, call.ended.clock + call.timeout)
        if call.deadline is not None and not earliest <= call.deadline <= latest:
            yield (
                f"{timeline.call(call)}, with the deadline {timeline.clock(call.deadline)}, "
                f"although {_seconds(call.timeout)} were asked for: it must be from "
                f"{timeline.clock(earliest)} to {timeline.clock(latest)}"
            )


def _explains(given_up: Call, later: Delivery) -> bool:
    """Whether a later delivery may be what became of a message that was given up."""
    return given_up.begun.monotonic < later.seen.monotonic and not _too_early(
        later, given_up.earliest_due, given_up.begun.skew
    )


def _not_early(case: _Case) -> Problems:
    """Nothing is delivered before its due time, by the claimer's clock."""
    sends = [send for send in case.message.sends if send.is_done]
    sends = sends or [send for send in case.message.sends if send.is_possible]
    if sends:
        first_due = min(sends, key=lambda send: send.earliest_due)
        for delivery in case.message.deliveries[:1]:
            yield from _early_after(first_due, delivery, case.timeline)
    for earlier, later in case.message.pairs():
        for call in earlier.called("retry", "release", "move_to_dlq"):
            if call.is_done and call.begun.monotonic < later.seen.monotonic:
                yield from _early_after(call, later, case.timeline)


def _early_after(call: Call, delivery: Delivery, timeline: Timeline) -> Problems:
    problem = _too_early(delivery, call.earliest_due, call.begun.skew)
    if problem:
        yield (
            f"{timeline.call(call)}, so it was due at {timeline.clock(call.earliest_due)} or "
            f"later; {timeline.delivery(delivery)}, claimed at {timeline.clock(delivery.claimed)}: "
            f"{problem}"
        )


def _too_early(delivery: Delivery, instant: int, skew: int) -> str:
    """Why a delivery comes before an instant on another process's clock; empty if it does not.

    By the claimer's clock it must not come earlier at all; in real time it may, by as much as the
    claimer's clock is ahead of the other.
    """
    if delivery.claimed < instant:
        return f"{_seconds(instant - delivery.claimed)} too early by the claimer's clock"
    early = instant - skew - delivery.seen.monotonic
    ahead = max(0, delivery.seen.skew - skew)
    if early > ahead:
        return (
            f"{_seconds(early)} too early in real time, and the claimer's clock is only "
            f"{_seconds(ahead)} ahead"
        )
    return ""


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.6f} s"


# --- FENCED: what a stale receipt could do ---------------------------------------------------


def _fenced(case: _Case) -> Problems:
    """A call under a receipt that is over changes nothing, and says so."""
    deliveries = case.message.deliveries
    for number, earlier in enumerate(deliveries[:-1]):
        later = min(deliveries[number + 1 :], key=lambda one: one.seen.monotonic)
        for call in earlier.calls:
            if call.is_done and (reason := _not_fenced(call, later)):
                yield (
                    f"{case.timeline.delivery(earlier)}; {case.timeline.delivery(later)}; "
                    f"{case.timeline.call(call)}, {reason}"
                )
    yield from _done_without_effect(case)
    yield from _same_receipts(case)
    yield from _stale_but_effective(case)


def _done_without_effect(case: _Case) -> Problems:
    """What the last holder was told is done, and the table knows nothing of it."""
    if case.is_deleted:
        return
    for delivery in case.message.deliveries[-1:]:
        for call in delivery.called("delete"):
            if call.is_done and not _is_sent_anew(call, case.message):
                yield f"{case.timeline.call(call)}, and yet it is still there: {case.item}"
        for call in delivery.called("move_to_dlq"):
            if call.is_done and case.queue == STANDARD:
                yield f"{case.timeline.call(call)}, and yet it is in {STANDARD}: {case.item}"


def _is_sent_anew(removed: Call, message: MessageHistory) -> bool:
    """Whether a send, other than the one that was delivered, may have come afterwards."""
    possible = [send for send in message.sends if send.is_possible]
    return len(possible) > 1 and any(_before(removed.begun.monotonic, send) for send in possible)


def _stale_but_effective(case: _Case) -> Problems:
    """Stale calls without which the end, or the version, can't be explained."""
    message = case.message
    deletes = message.calls("delete")
    if case.is_deleted and deletes and not any(call.is_possible for call in deletes):
        yield f"{case.timeline.call(deletes[-1])}, and yet it is gone: nobody else deleted it"
        return
    calls = message.calls(*HOLDERS_CALLS)
    stale = [call for call in calls if call.outcome is Outcome.REFUSED]
    unexplained = list(case.mismatches())
    if unexplained and not any(case.mismatches(also=stale)):
        told = "; ".join(map(case.timeline.call, stale))
        yield f"{told}; but {unexplained[0]}, unless it did change something"


def _not_fenced(call: Call, later: Delivery) -> str:
    if call.begun.monotonic > later.seen.monotonic:
        return "which succeeded although the later delivery had begun"
    if call.operation == "delete":
        return "which reported success, and yet it was delivered again"
    if call.operation == "move_to_dlq" and later.queue == STANDARD:
        return "which reported success, and yet it was delivered from the standard queue"
    return ""


def _same_receipts(case: _Case) -> Problems:
    for number, delivery in enumerate(case.message.deliveries):
        for other in case.message.deliveries[:number]:
            if other.receipt == delivery.receipt:
                yield (
                    f"{case.timeline.delivery(other)} and {case.timeline.delivery(delivery)} with "
                    f"the same receipt"
                )


# --- MAX-RECEIVES, VERSION, PROGRESS ---------------------------------------------------------


def _max_receives(case: _Case) -> Problems:
    """The deliveries from the standard queue are counted, and there are not too many."""
    deliveries = [one for one in case.message.deliveries if one.queue == STANDARD]
    limit = case.max_receives
    counted = 0
    for number, delivery in enumerate(deliveries):
        if number and not any(c.is_possible for c in deliveries[number - 1].called("release")):
            counted += 1
        if delivery.receive_count <= counted:
            yield (
                f"{case.timeline.delivery(delivery)}, as number {delivery.receive_count}, although "
                f"{counted} deliveries before it count"
            )
        if limit is not None and delivery.receive_count > limit:
            yield (
                f"{case.timeline.delivery(delivery)}, as number {delivery.receive_count}, although "
                f"only {limit} are allowed"
            )


def _version(case: _Case) -> Problems:
    """The version counts exactly the writes that the history knows of, or must assume."""
    yield from map(str, case.mismatches())


def _progress(case: _Case) -> Problems:
    """After a drain, whatever is left is in the dead-letter queue."""
    if case.drained and not case.is_deleted and case.queue != DLQ:
        yield f"it is still there: {case.item}"


_CHECKS: tuple[tuple[str, Callable[[_Case], Problems]], ...] = (
    ("NO-LOSS", _no_loss),
    ("DEDUP", _dedup),
    ("NO-DOUBLE", _no_double),
    ("NOT-EARLY", _not_early),
    ("FENCED", _fenced),
    ("MAX-RECEIVES", _max_receives),
    ("VERSION", _version),
    ("PROGRESS", _progress),
)

PROPERTIES = tuple(name for name, _ in _CHECKS)
"""The ids of the properties that are checked."""

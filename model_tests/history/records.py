"""The life of each message, put together from the events of all processes.

A call that has begun and whose outcome is not in the log, because its process died or was told
that the outcome is unknown, may or may not have taken effect. Deliveries are in the order of their
versions: every write to a message counts in it, whereas clocks differ, and a process that was
paused may write a delivery down long after the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise

from attrs import define, field, frozen

from dynamomq.machine import MESSAGE
from model_tests.history.log import Detail, Event, LogError, Moment

HOLDERS_CALLS = tuple(
    dict.fromkeys(one.trigger for one in MESSAGE.transitions if one.by == "holder")
)
GIVING_UP = ("retry", "release", "delete", "move_to_dlq")


class Outcome(StrEnum):
    """What came of a call."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


_OUTCOMES = {
    "accepted": Outcome.DONE,
    "done": Outcome.DONE,
    "refused": Outcome.REFUSED,
    "stale": Outcome.REFUSED,
    "unknown": Outcome.UNKNOWN,
}


@define(eq=False)
class Call:
    """What a process asked the queue for.

    Attributes:
        operation: ``send``, ``extend``, ``retry``, ``release``, ``delete`` or ``move_to_dlq``.
        process: who asked.
        id: the message.
        begun: when.
        ended: when it was told the outcome; ``None`` if it died before.
        outcome: what it was told; ``UNKNOWN`` if nothing.
        receipt: the digest of the receipt that it used; empty for a send.
        payload: the digest of what it sent.
        delay: after how long the message is to be due; nanoseconds.
        timeout: how much longer an extension is to let the holder work; nanoseconds.
        deadline: what an extension was told; nanoseconds since the epoch, by the holder's clock.
        group: the message group that a send was for; empty: none.
        previous: the predecessor there that an accepted send was told, empty for the first; or
            ``None``.
    """

    operation: str
    process: str
    id: str
    begun: Moment
    ended: Moment | None = None
    outcome: Outcome = Outcome.UNKNOWN
    receipt: str = ""
    payload: str = ""
    delay: int = 0
    timeout: int = 0
    deadline: int | None = None
    group: str = ""
    previous: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it took effect for certain."""
        return self.outcome is Outcome.DONE

    @property
    def is_possible(self) -> bool:
        """Whether it may have taken effect."""
        return self.outcome is not Outcome.REFUSED

    @property
    def earliest_due(self) -> int:
        """Before when, by the caller's clock, the message must not be delivered because of it."""
        return self.begun.clock + self.delay


@define(eq=False)
class Delivery:
    """One claim of a message, as its holder wrote it down.

    Attributes:
        process: the holder.
        id: the message.
        seen: when the holder wrote it down; the claim was earlier.
        receipt: the receipt's digest.
        queue: where it was received from, ``STANDARD`` or ``DLQ``.
        version: the message's, after the claim.
        receive_count: the message's, after the claim.
        payload: the digest of what was delivered.
        timeout: how long the delivery was to last, as the holder asked; nanoseconds.
        claimed: when, by the holder's clock; nanoseconds since the epoch.
        first_deadline: until when, by the holder's clock, before any extension.
        calls: what the holder asked for with this receipt, in order.
        group: its message group; empty: none.
        previous: its predecessor there, at that time; empty: none.
        next: its successor there, at that time; empty: none.
    """

    process: str
    id: str
    seen: Moment
    receipt: str
    queue: str
    version: int
    receive_count: int
    payload: str
    timeout: int
    claimed: int
    first_deadline: int
    calls: list[Call] = field(factory=list)
    group: str = ""
    previous: str = ""
    next: str = ""

    @property
    def deadline(self) -> int:
        """Until when the holder was told that it may work, extensions included."""
        told = [call.deadline for call in self.calls if call.is_done and call.deadline is not None]
        return max([self.first_deadline, *told])

    def called(self, *operations: str) -> list[Call]:
        """What its holder asked for, out of these."""
        return [call for call in self.calls if call.operation in operations]


@define(eq=False)
class MessageHistory:
    """Everything that processes wrote down about one message.

    Attributes:
        id: the message's.
        sends: whoever tried to send it, in the order of the shared clock.
        deliveries: in the order of their versions.
        events: all of it as it was written down, for timelines.
    """

    id: str
    sends: list[Call] = field(factory=list)
    deliveries: list[Delivery] = field(factory=list)
    events: list[Event] = field(factory=list)

    @property
    def group(self) -> str:
        """The message group that it was sent to; empty: none."""
        return next((send.group for send in self.sends), "")

    def calls(self, *operations: str) -> list[Call]:
        """What any of its holders asked for, out of these."""
        return [call for delivery in self.deliveries for call in delivery.called(*operations)]

    def pairs(self) -> Iterable[tuple[Delivery, Delivery]]:
        """Each delivery with the next one."""
        return pairwise(self.deliveries)


@frozen
class History:
    """A whole run.

    Attributes:
        events: in the order of the shared clock.
        messages: by id.
    """

    events: Sequence[Event]
    messages: dict[str, MessageHistory]


def assemble(events: Iterable[Event]) -> History:
    """Put the messages' lives together.

    Raises:
        LogError: an outcome without a beginning, a call under a receipt that its process never got,
            or an event that lacks a detail.
    """
    ordered = sorted(events, key=lambda event: event.moment.monotonic)
    assembly = _Assembly()
    for event in ordered:
        try:
            assembly.add(event)
        except KeyError as error:
            raise LogError(f"{event.process}: {event.name} lacks, or refers to, {error}") from error
    for message in assembly.messages.values():
        message.deliveries.sort(key=lambda delivery: (delivery.version, delivery.claimed))
    return History(ordered, assembly.messages)


class _Assembly:
    def __init__(self) -> None:
        self.messages: dict[str, MessageHistory] = {}
        self._deliveries: dict[tuple[str, str], Delivery] = {}  # by process and receipt
        self._calls: dict[tuple[str, int], Call] = {}  # by process and number

    def add(self, event: Event) -> None:
        """Take in one event; they come in the order of time."""
        operation, _, phase = event.name.partition(" ")
        if event.name == "delivered":
            self._deliver(event)
        elif operation in ("send", *HOLDERS_CALLS) and phase == "begun":
            self._begin(event, operation)
        elif operation in ("send", *HOLDERS_CALLS):
            self._end(event, _OUTCOMES[phase])
        elif "id" in event.details:
            self._message(event, _text(event, "id"))

    def _message(self, event: Event, id: str) -> MessageHistory:
        message = self.messages.setdefault(id, MessageHistory(id))
        message.events.append(event)
        return message

    def _deliver(self, event: Event) -> None:
        delivery = Delivery(
            process=event.process,
            id=_text(event, "id"),
            seen=event.moment,
            receipt=_text(event, "receipt"),
            queue=_text(event, "queue"),
            version=_number(event, "version"),
            receive_count=_number(event, "receive_count"),
            payload=_text(event, "payload"),
            timeout=_number(event, "timeout"),
            claimed=_number(event, "claimed"),
            first_deadline=_number(event, "deadline"),
            group=str(event.details.get("group", "")),
            previous=str(event.details.get("previous", "")),
            next=str(event.details.get("next", "")),
        )
        self._deliveries[event.process, delivery.receipt] = delivery
        self._message(event, delivery.id).deliveries.append(delivery)

    def _begin(self, event: Event, operation: str) -> None:
        call = Call(operation, event.process, _text(event, "id"), event.moment)
        message = self._message(event, call.id)
        if operation == "send":
            call.payload = _text(event, "payload")
            call.delay = _number(event, "delay")
            call.group = str(event.details.get("group", ""))
            message.sends.append(call)
        else:
            call.receipt = _text(event, "receipt")
            call.delay = _number(event, "delay") if operation == "retry" else 0
            call.timeout = _number(event, "timeout") if operation == "extend" else 0
            self._deliveries[event.process, call.receipt].calls.append(call)
        self._calls[event.process, _number(event, "call")] = call

    def _end(self, event: Event, outcome: Outcome) -> None:
        call = self._calls[event.process, _number(event, "call")]
        call.ended = event.moment
        call.outcome = outcome
        if call.operation == "extend" and call.is_done:
            call.deadline = _number(event, "deadline")
        if "previous" in event.details:
            call.previous = _text(event, "previous")
        self._message(event, call.id)


def _text(event: Event, name: str) -> str:
    return str(event.details[name])


def _number(event: Event, name: str) -> int:
    value: Detail = event.details[name]
    if not isinstance(value, int):
        raise LogError(f"{event.process}: {event.name} has no number as {name}: {value!r}")
    return value

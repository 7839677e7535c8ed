"""A history in words: instants that can be compared by eye, and lines for what happened."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from dynamomq.timestamps import format_instant
from model_tests.history.log import Detail, Event
from model_tests.history.records import Call, Delivery, Outcome

_INSTANTS = ("claimed", "deadline")
_DURATIONS = ("delay", "timeout")


@frozen
class Timeline:
    """Writes instants as seconds since the run began.

    Attributes:
        start: the shared clock at the first event; nanoseconds.
    """

    start: int

    @classmethod
    def of(cls, events: Iterable[Event]) -> Timeline:
        """The timeline of a run."""
        return cls(min((event.moment.monotonic for event in events), default=0))

    def real(self, monotonic: int) -> str:
        """An instant of the shared clock: real time since the run began."""
        return f"{(monotonic - self.start) / 1e9:+.6f} s"

    def clock(self, instant: int) -> str:
        """An instant of a process's own clock: the time of day, to the microsecond."""
        return format_instant(instant)[11:26]

    def call(self, call: Call) -> str:
        """Whose call, when, and what it was told."""
        told = {
            Outcome.DONE: "accepted" if call.operation == "send" else "done",
            Outcome.REFUSED: "refused" if call.operation == "send" else "stale",
            Outcome.UNKNOWN: "outcome unknown",
        }
        outcome = "never learned the outcome"
        if call.ended is not None:
            outcome = f"{told[call.outcome]} at {self.real(call.ended.monotonic)}"
        delay = f", delay {call.delay / 1e9:g} s" if call.delay else ""
        begun = self.real(call.begun.monotonic)
        return f"{call.process}'s {call.operation} at {begun} ({outcome}{delay})"

    def delivery(self, delivery: Delivery) -> str:
        """Who received it, when."""
        return (
            f"{delivery.process} received it (version {delivery.version}, noted at "
            f"{self.real(delivery.seen.monotonic)})"
        )

    def lines(self, events: Iterable[Event]) -> tuple[str, ...]:
        """A line for each event: real time, own clock, process, what."""
        return tuple(
            f"{self.real(event.moment.monotonic):>14}  {self.clock(event.moment.clock)}  "
            f"{event.process:12} {event.name:18} {self._details(event)}".rstrip()
            for event in events
        )

    def _details(self, event: Event) -> str:
        return " ".join(
            f"{name}={self._detail(name, value)}"
            for name, value in event.details.items()
            if name != "id"
        )

    def _detail(self, name: str, value: Detail) -> Detail:
        if name in _INSTANTS and isinstance(value, int):
            return self.clock(value)
        return f"{value / 1e9:g}s" if name in _DURATIONS and isinstance(value, int) else value

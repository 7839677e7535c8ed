"""The workers' own account of what they did with each record, kept apart from the queue's."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from time import monotonic

from attrs import frozen


class Outcome(StrEnum):
    """How a delivery ended."""

    DELETED = "deleted"
    RETRIED = "retried"
    DEAD_LETTERED = "dead-lettered"
    RELEASED = "released"
    """Given back unopened, because the demonstration was stopped."""


@frozen
class Entry:
    """One delivery.

    Attributes:
        outcome: how it ended.
        evidence: what it rests on: the hash that was computed, or the reason of the refusal.
    """

    outcome: Outcome
    evidence: str


class Ledger:
    """Entries by message id, in the order of the deliveries; safe to share among threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._entries: dict[str, list[Entry]] = {}
        self._counts: Counter[Outcome] = Counter()
        self._sent = 0
        self._last = monotonic()

    def note_sent(self) -> None:
        """Count a message that was sent."""
        with self._lock:
            self._sent += 1

    def note(self, id: str, outcome: Outcome, evidence: str) -> None:
        """Write down how a delivery ended, after the queue has confirmed it."""
        with self._lock:
            self._entries.setdefault(id, []).append(Entry(outcome, evidence))
            self._counts[outcome] += 1
            self._last = monotonic()

    @property
    def sent(self) -> int:
        """How many messages were sent."""
        return self._sent

    @property
    def last(self) -> float:
        """When the last entry was made, on the monotonic clock."""
        return self._last

    @property
    def settled(self) -> int:
        """How many messages have met their end."""
        return self._counts[Outcome.DELETED] + self._counts[Outcome.DEAD_LETTERED]

    def counts(self) -> Mapping[Outcome, int]:
        """Return how often each outcome occurred."""
        with self._lock:
            return Counter(self._counts)

    def entries(self) -> Mapping[str, Sequence[Entry]]:
        """Return all entries."""
        with self._lock:
            return {id: tuple(entries) for id, entries in self._entries.items()}

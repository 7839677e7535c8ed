"""Mutants of raising the number of shards, hunted where that happens while others work."""

from __future__ import annotations

from dynamomq.machine import QueueType
from dynamomq.operations import Settings, agreement
from dynamomq.operations.agreement import Agreement
from dynamomq.timestamps import SECOND
from model_tests.mutants.altering import Mutant, Place, replaced_by

# --- what is wrong ---------------------------------------------------------------------------


def _at_once(self: Agreement, _now: int) -> int:
    """Use new shards as soon as one knows of them."""
    return self.shards


def _only_numbered(self: Settings, queue: QueueType) -> tuple[str, ...]:
    """Look at the numbered partitions only, where there are any."""
    if self.visited == 1:
        return (queue.value,)
    return tuple(f"{queue.value}.{shard}" for shard in range(self.visited))


def _only_used(self: Settings, queue: QueueType) -> tuple[str, ...]:
    """Look where senders send now."""
    shards = range(self.shards) if self.shards > 1 else ()
    return (queue.value, *(f"{queue.value}.{shard}" for shard in shards))


# --- what finds it ---------------------------------------------------------------------------


def _mutant(name: str, change: str, scope: str, *places: Place) -> Mutant:
    return Mutant(name, change, "PROGRESS", places, scope=scope)


SHARDS: tuple[Mutant, ...] = (
    _mutant(
        "shards-used-at-once",
        "Senders use new shards as soon as they know of them.",
        "u",
        Place(Agreement, "used_by_senders", replaced_by(_at_once)),
    ),
    _mutant(
        "shards-used-too-soon",
        "Senders use new shards half a minute after they were agreed on.",
        "u",
        Place(agreement, "SPREADS_AFTER", replaced_by(30 * SECOND)),
    ),
    _mutant(
        "plain-name-forgotten",
        "Receivers of a queue with shards do not look where its first messages are.",
        "v",
        Place(Settings, "partitions", replaced_by(_only_numbered)),
    ),
    _mutant(
        "shards-looked-at-when-used",
        "Receivers look into new shards only from when on senders use them.",
        "u",
        Place(Settings, "partitions", replaced_by(_only_used)),
    ),
)
"""All of them."""

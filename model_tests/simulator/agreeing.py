"""Calls of clients that go by what all have agreed on, as ``dynamomq.queue.agreed`` has them do.

In other worlds everybody has the same settings from the beginning. Here each client knows what it
has read, and since when; before a call it looks again if that is a minute old.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from dynamomq import operations
from dynamomq.operations import Choices, Look, Revision, Settings
from dynamomq.requests import Operation, Tick, ask
from dynamomq.timestamps import SECOND


@frozen(repr=False)
class Knowledge:
    """What a client has read, and when.

    Attributes:
        look: what it has read.
        since: when it began to, by its clock.
    """

    look: Look
    since: int

    def __repr__(self) -> str:
        settings = self.look.settings
        return f"{settings.shards} of {settings.visited} shards, for {self.look.valid / SECOND:g} s"

    def holds(self, now: int) -> bool:
        """Tell whether it need not look again."""
        return self.since <= now < self.since + self.look.valid


def by_agreement(
    settings: Settings,
    known: Knowledge,
    operation: Callable[..., Operation[Any]],
    subject: Sequence[Any],
) -> Operation[Any]:
    """Call an operation by what is known, after another look if it is time for that."""
    moment = yield from ask(Tick())
    look = known.look
    if not known.holds(moment.now):
        look = yield from operations.look(_choices(settings), look.agreement)
    return (yield from operation(look.settings, *subject))


def look_again(settings: Settings, *, known: Knowledge | None) -> Operation[Knowledge]:
    """Look, and return what is known then."""
    moment = yield from ask(Tick())
    before = None if known is None else known.look.agreement
    return Knowledge((yield from operations.look(_choices(settings), before)), moment.now)


def raise_shards(settings: Settings, *, shards: int) -> Operation[Any]:
    """Raise the number of shards."""
    return operations.revise(_choices(settings), Revision(shards=shards))


def _choices(settings: Settings) -> Choices:
    """Return what every client here was told: what the world's settings are, shards apart."""
    return Choices(
        settings.table,
        settings.codec,
        settings.visibility_timeout,
        settings.max_receives,
        settings.deduplication_window,
    )

"""Those who do several things in one call: each is judged like a call of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from attrs import evolve, frozen

from dynamomq.machine import QueueType
from dynamomq.message import Message
from model_tests.simulator.actors import Actor, Choice, Consumer, sending
from model_tests.simulator.calls import Plan

TOGETHER = ("delete", "extend", "retry", "release")
"""What a consumer can do with several messages at once."""


@frozen
class BatchProducer:
    """Sends two messages at once, now and then under the same id.

    Attributes:
        ids: under which ids; ``None``: under a fresh one.
        delays: by how much it may delay the second one, in nanoseconds.
        calls: how many messages it tries to send at most.
        groups: into which groups; ``None``: into none.
    """

    ids: tuple[str | None, ...]
    delays: tuple[int, ...] = (0,)
    calls: int = 12
    groups: tuple[str | None, ...] = (None,)

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Send any two."""
        if actor.calls >= self.calls:
            return ()
        one, other = (f"{actor.name}.{actor.calls + number}" for number in range(2))
        return [
            (1, Plan("send_batch", entries=(sending(first, one, 0, group), second)))
            for first in self.ids
            for group in self.groups
            for second in self._seconds(other, group)
        ]

    def _seconds(self, data: str, group: str | None) -> Iterator[Plan]:
        """The second ones, into the same group most of the time."""
        for id, delay in product(self.ids, self.delays):
            yield sending(id, data, delay, group)
        if len(self.groups) > 1:
            other = self.groups[self.groups.index(group) - 1]
            yield sending(self.ids[0], data, 0, other)


@frozen
class Wholesaler:
    """An operator who edits all messages of a queue at once.

    Attributes:
        calls: how often at most.
    """

    calls: int = 6

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Bring all dead letters back, or now and then remove all that is in a queue."""
        if actor.calls >= self.calls:
            return ()
        purges = [Plan("purge_all", options=(("source", queue),)) for queue in QueueType]
        return [(6, Plan("redrive_all")), *((1, purge) for purge in purges)]


@frozen(slots=False)
class BatchConsumer(Consumer):
    """Receives messages, and finishes those that it has one by one, or all at once."""

    calls: int = 24
    batches: tuple[int, ...] = (3, 1)

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Do what others do, or the like with all messages; with finished ones now and then."""
        found = list(super().choices(actor))
        if found and len(actor.held) > 1:
            found += self._together(6, actor.held)
        if found and actor.held and actor.done:
            found += self._together(2, (*actor.done, *actor.held))
        return found

    def _together(self, times: int, messages: Sequence[Message[Any]]) -> Iterator[Choice]:
        for weight, way in self.ways:
            if way not in TOGETHER:
                continue
            for _, plan in self._ways(weight, way, messages[0]):
                assert plan is not None, "only who forgets has no plan"
                entries = tuple(evolve(plan, message=message) for message in messages)
                together = Plan(f"{way}_batch", options=plan.options, entries=entries)
                yield weight * times, together

"""Those who do several things in one call: each is judged like a call of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from attrs import evolve, frozen

from dynamomq.message import Message
from model_tests.simulator.actors import Actor, Choice, Consumer
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
    """

    ids: tuple[str | None, ...]
    delays: tuple[int, ...] = (0,)
    calls: int = 12

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Send any two."""
        if actor.calls >= self.calls:
            return ()
        return [
            (1, Plan("send_batch", entries=tuple(_sends(actor, [(first, 0), (second, delay)]))))
            for first, second in product(self.ids, repeat=2)
            for delay in self.delays
        ]


def _sends(actor: Actor, wanted: Sequence[tuple[str | None, int]]) -> Iterator[Plan]:
    for number, (id, delay) in enumerate(wanted):
        data = f"{actor.name}.{actor.calls + number}"
        yield Plan("send", id, options=(("data", data), ("delay", delay)))


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

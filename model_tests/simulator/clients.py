"""Clients of a queue whose number of shards is raised, and who watches them.

What is promised (SHARD-3): when a sender uses a new shard, whoever has looked in time looks there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from attrs import define, evolve, field, frozen

from dynamomq.machine import QueueType
from dynamomq.operations import REREAD, Settings
from dynamomq.operations.agreement import SPREADS_AFTER
from model_tests.simulator.actors import Actor, Choice, sending
from model_tests.simulator.agreeing import Knowledge
from model_tests.simulator.asked import Caller, Item, fail, instant, is_agreement
from model_tests.simulator.calls import Outcome, Plan
from model_tests.simulator.oracle import Oracle


@define(eq=False, slots=False)
class Client(Actor):
    """An actor that knows what it has read of the agreement."""

    known: Knowledge = field(kw_only=True)

    @cached_property
    def known_digest(self) -> tuple[object, ...]:
        """What its future depends on."""
        return (*super().known_digest, self.known)

    def _ended(self, plan: Plan, outcome: Outcome) -> None:
        if plan.operation == "look":
            self.known = outcome.result or self.known
        else:
            super()._ended(plan, outcome)


def _by(client: Actor, plan: Plan) -> Plan:
    """Return a plan that goes by what the client knows."""
    assert isinstance(client, Client), "others know nothing"
    return evolve(plan, options=(*plan.options, ("known", client.known)))


@frozen
class ShardSender:
    """Sends messages, one after the other, into a group or into none."""

    ids: tuple[str, ...]
    group: str | None = None

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Send the next one."""
        if actor.calls >= len(self.ids):
            return ()
        id = self.ids[actor.calls]
        return [(1, _by(actor, sending(id, f"{actor.name}.{actor.calls}", group=self.group)))]


@frozen
class ShardReceiver:
    """Looks what is agreed on, or receives, and deletes what it has."""

    calls: int

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Delete, or receive, or look."""
        if actor.calls >= self.calls:
            return ()
        for message in actor.held:
            return [(1, _by(actor, Plan("delete", message=message)))]
        receive = Plan("receive", options=(("max_messages", 1), ("source", QueueType.STANDARD)))
        return [(1, _by(actor, receive)), (1, _by(actor, Plan("look")))]


@frozen
class Raiser:
    """Raises the number of shards, once."""

    shards: int

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Raise it."""
        if actor.calls:
            return ()
        return [(1, Plan("raise_shards", options=(("shards", self.shards),)))]


@define(eq=False)
class Watch(Oracle):
    """An oracle that knows, too, what each client knows.

    A revision that is written long after its time was read keeps its promise no more: whoever sent
    it was frozen, or an attempt came late. Then messages wait until all have looked again, and
    nothing else happens (that is judged at the end).
    """

    known: dict[str, Knowledge] = field(factory=dict)
    came_late: bool = False

    def copy(self) -> Watch:
        """An oracle that knows the same, and goes its own way."""
        other = super().copy()
        assert isinstance(other, Watch), "a copy is of the same class"
        other.known = dict(self.known)
        return other

    def _digested(self) -> tuple[object, ...]:
        return (*super()._digested(), frozenset(self.known.items()), self.came_late)

    def changed(
        self, time: int, call: Caller | None, request: str, old: Item | None, new: Item | None
    ) -> None:
        """A request of a call changed an item: into which partition has it put a message?"""
        super().changed(time, call, request, old, new)
        if is_agreement(new) and new is not None:
            late = time - instant(new["last_updated_timestamp"])
            self.came_late = late > SPREADS_AFTER - 2 * REREAD
            return
        before, after = (str((one or {}).get("queue_type", "")) for one in (old, new))
        if after and after != before and not self.came_late:
            for name, known in self.known.items():
                if known.holds(time) and after not in _looked_at(known.look.settings):
                    fail("PROGRESS", f"{call} used {after}, where {name} would not look")

    def ended(self, time: int, call: Caller, result: Any, error: str | None) -> None:
        """A call ended: who has looked knows something else now."""
        super().ended(time, call, result, error)
        if call.plan.operation == "look" and result is not None:
            self.known[call.actor] = result


def _looked_at(settings: Settings) -> tuple[str, ...]:
    return tuple(one for queue in QueueType for one in settings.partitions(queue))

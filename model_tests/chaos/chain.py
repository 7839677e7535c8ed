"""The accepted order of each message group, put together from what was read of its messages.

Whoever reads a message that is in its group's list reads ``previous_id``, the message behind which
it was accepted; as long as nobody withdraws messages from the middle, that never changes. So these
links make chains. A chain ends where the group was empty; the next message that is accepted begins
another one, whose place in time is that of its first message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from attrs import define, field, frozen

from model_tests.history.checker import STANDARD
from model_tests.history.log import Event
from model_tests.history.records import Delivery, History, MessageHistory, Outcome


@frozen
class Sight:
    """Proof that a message was in the standard queue at some instant between two.

    Attributes:
        since: the earliest, on the shared clock; nanoseconds.
        until: the latest.
        process: who saw it.
        delivery: as whose holder; ``None``: otherwise.
    """

    since: int
    until: int
    process: str
    delivery: Delivery | None = None


@define(eq=False)
class Member:
    """A message of a group.

    Attributes:
        message: its history.
        previous: the predecessors that were read, each with the processes that read it.
        sights: when it was in the standard queue.
    """

    message: MessageHistory
    previous: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    sights: list[Sight] = field(factory=list)

    @property
    def id(self) -> str:
        """The message's id."""
        return self.message.id

    @property
    def was_there(self) -> bool:
        """Whether it is known to have been accepted."""
        told = any(send.outcome is not Outcome.UNKNOWN for send in self.message.sends)
        return told or bool(self.message.deliveries or self.previous)

    @property
    def first_seen(self) -> int:
        """By when it was in the standard queue for certain; never: the end of time."""
        return min((sight.until for sight in self.sights), default=1 << 63)


@define(eq=False)
class Group:
    """A message group.

    Attributes:
        name: its name.
        members: its messages by id, those that may never have been accepted among them.
        order: those that are in the accepted order, in it.
        chains: how many chains there are: how often the group was begun.
    """

    name: str
    members: dict[str, Member] = field(factory=dict)
    order: list[Member] = field(factory=list)
    chains: int = 0


def groups_of(history: History) -> dict[str, Group]:
    """All groups of a run, each with its messages in their accepted order, as far as it is one."""
    groups: dict[str, Group] = {}
    for message in history.messages.values():
        if message.group:
            group = groups.setdefault(message.group, Group(message.group))
            group.members[message.id] = _member(message)
    for group in groups.values():
        _put_in_order(group)
    return groups


def _member(message: MessageHistory) -> Member:
    member = Member(message)
    for send in message.sends:
        if send.previous is not None:
            member.previous[send.previous].add(f"{send.process}, who sent it,")
    for delivery in message.deliveries:
        if delivery.queue == STANDARD:
            member.previous[delivery.previous].add(delivery.process)
    for event in message.events:
        if event.name == "listed":
            member.previous[str(event.details["previous"])].add(event.process)
    member.sights = sorted(_sights(message), key=lambda sight: sight.until)
    return member


def _sights(message: MessageHistory) -> Iterator[Sight]:
    for delivery in message.deliveries:
        if delivery.queue != STANDARD:
            continue
        since = delivery.claimed - delivery.seen.skew
        yield Sight(since, delivery.seen.monotonic, delivery.process, delivery)
        for call in delivery.called("extend", "retry", "release"):
            if call.is_done and call.ended is not None:
                yield Sight(call.begun.monotonic, call.ended.monotonic, call.process)
    yield from map(_look, _heads(message.events))


def _heads(events: Iterable[Event]) -> Iterator[Event]:
    return (one for one in events if one.name == "listed" and one.details["queue"] == STANDARD)


def _look(event: Event) -> Sight:
    begun = event.moment.monotonic
    return Sight(begun, begun + int(event.details["lasted"]), event.process)


def _put_in_order(group: Group) -> None:
    """Follow the links from those that have no predecessor; the rest is left out."""
    successors: dict[str, list[Member]] = defaultdict(list)
    for member in group.members.values():
        if len(member.previous) == 1:
            (previous,) = member.previous
            successors[previous].append(member)
    firsts = sorted(successors[""], key=lambda member: member.first_seen)
    group.chains = len(firsts)
    for first in firsts:
        group.order += _chain(first, successors)


def _chain(first: Member, successors: Mapping[str, list[Member]]) -> Iterator[Member]:
    one: Member | None = first
    while one is not None:
        yield one
        behind = successors.get(one.id, [])
        one = behind[0] if behind else None

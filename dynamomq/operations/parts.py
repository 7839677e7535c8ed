"""The parts of a user's transaction, and the plan that makes one request of them.

Each part is one action. Where messages of groups are among them, more is written with them: what
keeps the groups' lists. Of one group several parts may change the list, but no item may be in a
request twice; so what they do to a list is planned together (spec: TRANSACT-3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, evolve, field, frozen

from dynamomq.attributes import GROUP_ID, ID
from dynamomq.checks import RESERVED_PREFIX
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import place_of
from dynamomq.message import Message
from dynamomq.operations.groups import group_key, joining, leaving, role_for
from dynamomq.operations.holding import (
    Extra,
    Rules,
    planned_by,
    to_plan_from,
    write_of,
)
from dynamomq.operations.sending import Outgoing, draft_of, put_of
from dynamomq.operations.writing import Settings, persistently
from dynamomq.requests import (
    Action,
    Elsewhere,
    Foreign,
    GetMany,
    Operation,
    Refused,
    Write,
)
from dynamomq.values import Item, Value


@frozen
class Sending:
    """A message to be sent.

    Attributes:
        settings: those of its queue.
        outgoing: the message.
        id: its id.
        token: what its send marks it with, in every plan.
    """

    settings: Settings
    outgoing: Outgoing = field(eq=False)
    id: str
    token: str

    @property
    def group(self) -> str | None:
        """The group at whose end it is put."""
        return self.outgoing.group

    def write(self, now: int, place: Mapping[str, Value] | None = None) -> Write:
        """Return what sends it, to its place in the group.

        Raises:
            PayloadError: the message would be larger than an item can be.
        """
        draft = draft_of(self.settings, now, self.token, self.outgoing, self.id)
        return put_of(self.settings, draft, place)


@frozen
class Finishing:
    """A delivery to be finished: by delete, retry or move_to_dlq.

    Attributes:
        settings: those of its queue.
        message: as it was received.
        rules: those of the trigger.
        extra: the arguments of the trigger.
        token: what the write marks the message with, in every plan.
    """

    settings: Settings
    message: Message[Any]
    rules: Rules = field(eq=False)
    extra: Extra = field(eq=False)
    token: str

    @property
    def id(self) -> str:
        """The message's id."""
        return self.message.id

    @property
    def group(self) -> str | None:
        """The group whose list it is in."""
        return self.message.group if place_of(self.message.item) else None

    @property
    def trigger(self) -> str:
        """By which step it is finished."""
        (trigger,) = {rule.trigger for rule in self.rules.values()}
        return trigger

    def write(self, instant: int) -> Write:
        """Return what finishes it.

        Raises:
            IllegalTransitionError: there is no such transition from the message's queue.
        """
        return write_of(self.settings, self.rules, self.message, self.extra, instant, self.token)


@frozen
class OwnPart:
    """An action of the user's own."""

    action: Foreign = field(eq=False)


Part: TypeAlias = Sending | Finishing | OwnPart

View: TypeAlias = Mapping[tuple[str, str], Item]
"""Items as they were read, by table and id."""

_MOST_READ = 100


@frozen
class Plan:
    """One request.

    Attributes:
        actions: one for each part, in order; then what keeps the lists.
        writes: those of the parts that are not the user's own, by place.
        instants: when each of these takes place, by place.
        groups: for each action, the group whose list it belongs to; ``None``: none.
        view: what it was planned from.
    """

    actions: tuple[Action, ...]
    writes: Mapping[int, Write]
    instants: Mapping[int, int]
    groups: tuple[str | None, ...]
    view: View


# --- looking ---------------------------------------------------------------------------------


def look_at(home: str, parts: Sequence[Part]) -> Operation[View]:
    """Read what the lists of all groups are planned from, strongly consistent.

    Args:
        home: the table of requests that name none.
        parts: those of the transaction.
    """
    looked_at = _looked_at(home, parts)
    wanted: dict[tuple[str, str], None] = {}
    for part in parts:
        if isinstance(part, OwnPart) or part.group is None:
            continue
        wanted[part.settings.table, group_key(part.group)] = None
        if isinstance(part, Finishing):
            wanted[part.settings.table, part.id] = None
    tables = {table for table, _ in wanted}
    wanted |= {item: None for item in looked_at.values() if item[0] in tables}
    return (yield from read(home, wanted))


def _looked_at(home: str, parts: Sequence[Part]) -> dict[int, tuple[str, str]]:
    """Return which items of queues the user's own checks are about, by place.

    Raises:
        InvalidArgumentError: one is no message, but DynamoMQ's own.
    """
    queues = {home, *(part.settings.table for part in parts if not isinstance(part, OwnPart))}
    found: dict[int, tuple[str, str]] = {}
    for place, part in enumerate(parts):
        if not isinstance(part, OwnPart):
            continue
        table, id = part.action.table, part.action.attributes.get(ID.name)
        if table not in queues or not isinstance(id, str):
            continue
        if id.startswith(RESERVED_PREFIX):
            raise _not_to_be_checked(place, id, "it is no message, but DynamoMQ's own")
        found[place] = table, id
    return found


def _not_to_be_checked(place: int, id: str, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        "key",
        id,
        f"action {place + 1} of the transaction looks at this item, and {why}",
        remedy="Look at it with get() before, or at a row of your own; or use two transactions.",
    )


def read(home: str, items: Iterable[tuple[str, str]]) -> Operation[View]:
    """Read items by table and id, strongly consistent; the view has those that exist."""
    tables: dict[str, list[str]] = {}
    for table, id in items:
        tables.setdefault(table, []).append(id)
    view: dict[tuple[str, str], Item] = {}
    for table, ids in tables.items():
        for start in range(0, len(ids), _MOST_READ):
            chunk = tuple(ids[start : start + _MOST_READ])
            found = yield from persistently(GetMany(chunk, None if table == home else table))
            view |= {(table, id): item for id, item in found.items()}
    return view


# --- planning --------------------------------------------------------------------------------


def plan_of(home: str, parts: Sequence[Part], view: View, begun: int, now: int) -> Plan:
    """Return the request that carries out all parts, as far as the lists are as they were read.

    Args:
        home: the table of writes that name none.
        parts: those of the transaction.
        view: what was read of their groups.
        begun: when the first plan was made: messages are sent as of then.
        now: the time, in nanoseconds since the epoch.

    Raises:
        InvalidArgumentError: the user looks at a message whose group's list is changed.
    """
    planner = _Planner(view, begun, now)
    lists: dict[tuple[str, str], dict[int, Sending | Finishing]] = {}
    for place, part in enumerate(parts):
        if isinstance(part, OwnPart):
            continue
        planner.add(place, part)
        if part.group is not None:
            lists.setdefault((part.settings.table, part.group), {})[place] = part
    for (_, group), members in lists.items():
        planner.keep_list(group, members)
    kept = {(table, write.id) for table, _, write in planner.upkeep}
    changed = {(table, group) for table, group, _ in planner.upkeep}
    for place, (table, id) in _looked_at(home, parts).items():
        item = view.get((table, id), {})
        if (table, id) in kept or (place_of(item) and (table, item[GROUP_ID.name]) in changed):
            raise _not_to_be_checked(place, id, "the list of its message group is changed as well")
    actions: list[Action] = [
        part.action
        if isinstance(part, OwnPart)
        else _action(home, part.settings.table, planner.writes[place])
        for place, part in enumerate(parts)
    ]
    actions += [_action(home, table, write) for table, _, write in planner.upkeep]
    groups = [None if isinstance(part, OwnPart) else part.group for part in parts]
    groups += [group for _, group, _ in planner.upkeep]
    return Plan(tuple(actions), planner.writes, planner.instants, tuple(groups), view)


def _action(home: str, table: str, write: Write) -> Action:
    return write if table == home else Elsewhere(table, write)


@define
class _Planner:
    """Collects the writes of one plan.

    Attributes:
        view: what was read.
        begun: when the first plan was made.
        now: the time.
        writes: by place.
        instants: by place.
        upkeep: what else is written, in which table, and for which group.
    """

    view: View
    begun: int
    now: int
    writes: dict[int, Write] = field(factory=dict)
    instants: dict[int, int] = field(factory=dict)
    upkeep: list[tuple[str, str, Write]] = field(factory=list)

    def add(self, place: int, part: Sending | Finishing) -> None:
        """Add the write of one part, without regard to others."""
        if isinstance(part, Sending):
            self.instants[place] = self.begun
            self.writes[place] = part.write(self.begun)
            return
        instant = self.instants[place] = part.message.not_before(self.now)
        self.writes[place] = part.write(instant)

    def keep_list(self, group: str, parts: Mapping[int, Sending | Finishing]) -> None:
        """Let the parts of one group keep its list together."""
        settings = next(iter(parts.values())).settings
        sends = {place: part for place, part in parts.items() if isinstance(part, Sending)}
        head, staying, when = self._holders(parts)
        upkeep: Iterable[Write] = () if head is None else leaving(settings, when, head)
        if sends:
            plan = joining(
                settings,
                when,
                group,
                self.view.get((settings.table, group_key(group))),
                [part.id for part in sends.values()],
                head=head,
                staying=None if staying is None else self.writes[staying].id,
            )
            for (place, part), where in zip(sends.items(), plan.places, strict=True):
                self.writes[place] = part.write(self.begun, where)
            if staying is not None:
                linked = self.writes[staying]
                self.writes[staying] = evolve(
                    linked, arguments={**linked.arguments, **plan.tail_link}
                )
            upkeep = plan.upkeep
        self.upkeep += [(settings.table, group, write) for write in upkeep]

    def _holders(
        self, parts: Mapping[int, Sending | Finishing]
    ) -> tuple[Item | None, int | None, int]:
        """Find what happens to the group's head: it leaves, or is written and stays; and when.

        Of several deliveries one can be the present one; the writes of the others are refused.
        """
        for place, part in parts.items():
            item = self._held(place, part) if isinstance(part, Finishing) else None
            if item is None or isinstance(part, Sending):
                continue
            if role_for(self.writes[place], item) != "leaves":
                return None, place, self.instants[place]
            self.writes[place] = planned_by(self.writes[place], item)
            return item, None, self.instants[place]
        return None, None, self.now

    def _held(self, place: int, part: Finishing) -> Item | None:
        """Return a message as it was read, if its delivery can still be finished."""
        item = self.view.get((part.settings.table, part.id))
        return to_plan_from(self.writes[place], part.message, Refused(item))

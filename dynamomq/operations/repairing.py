"""Repair a group's list that somebody has damaged by hand (spec: GROUP-10).

Members that nothing leads to can only be found by looking through the whole table; what has joined
since is found by links. Each write is bound to the item as it was read, and all of them make one
transaction as far as they fit: so whatever happens beside makes it refuse, and it is planned anew.
A list that takes several is made whole from its head on, and is no worse after each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attrs import evolve, frozen

from dynamomq.attributes import GROUP_ID, ID, NEXT_ID, PREVIOUS_ID, TAIL_ID
from dynamomq.errors import ConflictError
from dynamomq.machine import DAMAGED, LISTED, place_of
from dynamomq.message import Message
from dynamomq.operations.aside import quarantine
from dynamomq.operations.commit import Anew, commit
from dynamomq.operations.groups import busy_group, group_key
from dynamomq.operations.mending import Finding, Flaw, Mending, mending_of
from dynamomq.operations.survey import chunks
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    in_time,
    message_of,
    persistently,
    transact,
)
from dynamomq.requests import (
    MAX_TRANSACTION,
    Committed,
    GetMany,
    Operation,
    Scan,
    Tick,
    Transact,
    Write,
    ask,
)
from dynamomq.values import MAX_KEY_BYTES, Item, item_size

_ITEMS = 1000
"""How many items of the table are read at once."""

_KEYS = 100
"""How many items are read by their ids at once (DynamoDB: ``BatchGetItem``)."""

_MOST_BYTES = 3_500_000
"""How large the items of one transaction may be together; DynamoDB's limit is 4 MB."""


@frozen
class RepairResult:
    """What was found of a group's list, and what has been mended.

    Attributes:
        group: the group's name.
        members: the ids of its messages, in the order in which they are delivered from now on.
        findings: what was wrong, as it was found first; none where the list is whole.
        changed: the ids of the items that were written, or with a dry run would be; also where that
            is in doubt. The group's own begins with ``$group#``.
        looked_at: how many items of the table have been looked at.
    """

    group: str
    members: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    changed: tuple[str, ...] = ()
    looked_at: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing was wrong."""
        return not self.findings

    def with_changes(self, ids: Iterable[str]) -> RepairResult:
        """Return the result once more items are written."""
        return evolve(self, changed=tuple(dict.fromkeys((*self.changed, *ids))))


def repair_group(
    settings: Settings, group: str, *, dry_run: bool = False
) -> Operation[RepairResult]:
    """Find what is wrong with a group's list, and make it whole.

    No message is removed, and none is delivered that is not first. Where it is carried out again,
    or finds the list whole, nothing is changed.

    Args:
        settings: the queue's.
        group: the group's name.
        dry_run: whether to look only.

    Raises:
        ConflictError: others kept changing the group, or several of its messages are held.
    """
    ids, looked_at = yield from _members(group)

    def attempt(result: RepairResult, doubt: Doubt) -> Operation[RepairResult | Anew[RepairResult]]:
        view = yield from doubt.told(_look(settings, group, ids))
        mending = mending_of(settings, view.now, group, view.members, view.known)
        unfit = tuple(Finding(Flaw.UNFIT, message.id) for message in view.unfit)
        planned = (*(one.id for one in view.unfit), *(write.id for write in mending.writes))
        result = evolve(
            result,
            members=mending.members,
            findings=result.findings or (*unfit, *mending.findings),
        )
        if dry_run or not (planned or mending.held):
            return result.with_changes(planned)
        if mending.held:
            raise doubt.of(_held(group, mending.held))
        written, holds = yield from _carried_out(settings, view, mending, doubt)
        doubt.exists = doubt.exists or holds  # whatever the call is told now, a part of it is done
        return Anew(result.with_changes(written), at_once=holds)

    nothing = RepairResult(group, looked_at=looked_at)
    return (yield from commit(nothing, attempt, lambda _: busy_group(group)))


def _carried_out(
    settings: Settings, view: _View, mending: Mending, doubt: Doubt
) -> Operation[tuple[tuple[str, ...], bool]]:
    """Write the next part of a plan; return what may have been written, and whether it held."""
    if view.unfit:
        aside = quarantine(settings, view.unfit[0], keeps_list=False)
        token = yield from doubt.told(aside)
        return ((), False) if token is None else ((view.unfit[0].id,), True)
    writes = _as_many_as_fit(mending.writes, view.sizes)
    moment = yield from ask(Tick(tokens=1))
    request = in_time(Transact(writes, moment.tokens[0]), moment)
    reply = yield from doubt.told(transact(request))
    ids = tuple(write.id for write in writes)
    if isinstance(reply, Committed):
        return ids, True
    return ids if reply.repeated else (), False


def _held(group: str, ids: Sequence[str]) -> ConflictError:
    return ConflictError(
        f"Of the message group {group!r} several messages are held at once: "
        f"{', '.join(map(repr, ids))}. Only one of them can be the first.",
        remedy="Wait until their deliveries are over, then call again.",
    )


def _as_many_as_fit(writes: Sequence[Write], sizes: dict[str, int]) -> tuple[Write, ...]:
    """Return the first writes of a plan, as many as one transaction takes.

    So the list is whole from its head on, as far as the parts have come, and behind that as it was.
    Where the first one is not the head yet, it is made that by the first part, and whoever else can
    be received has to wait from then on: somebody always can, and nobody beside it.
    """
    size = 0
    for number, write in enumerate(writes):
        size += sizes.get(write.id, 0)
        if number == MAX_TRANSACTION or (number and size > _MOST_BYTES):
            return tuple(writes[:number])
    return tuple(writes)


# --- looking ---------------------------------------------------------------------------------


@frozen
class _View:
    """A group as it was read.

    Attributes:
        now: when.
        known: the group's item.
        members: its messages.
        unfit: what is in the queue under its name, and no whole message.
        sizes: of the items, in bytes.
    """

    now: int
    known: Item | None
    members: tuple[Message[Any], ...]
    unfit: tuple[Message[Any], ...]
    sizes: dict[str, int]


def _members(group: str) -> Operation[tuple[tuple[str, ...], int]]:
    """Look through the whole table for what bears the group's name; tell also how much that is."""
    found: list[str] = []
    looked_at = 0
    cursor: Item | None = None
    while True:
        page = yield from persistently(Scan(_ITEMS, cursor))
        found += [str(item[ID.name]) for item in page.entries if item.get(GROUP_ID.name) == group]
        looked_at += len(page.entries)
        cursor = page.cursor
        if cursor is None:
            return tuple(found), looked_at


def _look(settings: Settings, group: str, ids: Sequence[str]) -> Operation[_View]:
    """Read the group's item and its members, strongly consistent, and what their links lead to."""
    key = group_key(group)
    items: dict[str, Item] = {}
    asked: set[str] = set()
    ahead = [key, *ids]
    while ahead := [id for id in dict.fromkeys(ahead) if id not in asked]:
        asked.update(ahead)
        led: list[str] = []
        for some in chunks(ahead, _KEYS):
            found = yield from persistently(GetMany(tuple(some)))
            items |= found
            for item in found.values():
                if item.get(GROUP_ID.name) == group or item[ID.name] == key:
                    led += _named_by(item)
        ahead = led
    moment = yield from ask(Tick())
    known = items.pop(key, None)
    messages = [
        message_of(settings, item, moment.now)
        for item in items.values()
        if item.get(GROUP_ID.name) == group
    ]
    return _View(
        moment.now,
        known,
        tuple(one for one in messages if one.state in LISTED),
        tuple(one for one in messages if one.state in DAMAGED and place_of(one.item)),
        {id: item_size(item) for id, item in items.items()},
    )


def _named_by(item: Item) -> Iterator[str]:
    for link in (NEXT_ID, PREVIOUS_ID, TAIL_ID):
        id = item.get(link.name)
        if isinstance(id, str) and 0 < len(id.encode()) <= MAX_KEY_BYTES:
            yield id

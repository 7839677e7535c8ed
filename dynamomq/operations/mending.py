"""What is wrong with a group's list, and which writes make it whole (spec: GROUP-10).

The members are given, with what is stored of each. They come in the order of the numbers under
which they joined; but one that is held has been delivered, so it is the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from dynamomq.attributes import (
    CREATED,
    ID,
    NEXT_ID,
    PREVIOUS_ID,
    QUEUE_TYPE,
    SEQUENCE,
    TAIL_ID,
    TOKEN,
    VERSION,
)
from dynamomq.machine import HELD, MESSAGE, QueueType, place_of
from dynamomq.message import Message
from dynamomq.operations.groups import group_key, odd_attributes, sequence_of
from dynamomq.operations.writing import Settings, at
from dynamomq.requests import Write
from dynamomq.reserved import GROUP
from dynamomq.timestamps import parse_instant
from dynamomq.values import Item, Value

_MEND, _MEND_LAST = (MESSAGE.rule(trigger) for trigger in ("mend", "mend_last"))
_OPEN, _RESET, _CLEAR = (GROUP.rule(trigger) for trigger in ("open", "reset", "clear"))


class Flaw(StrEnum):
    """What can be wrong with a group's list."""

    NO_HEAD = "no head"
    SECOND_HEAD = "second head"
    WRONG_NEXT = "wrong next"
    WRONG_PREVIOUS = "wrong previous"
    NO_GROUP_ITEM = "no group item"
    WRONG_TAIL = "wrong tail"
    ODD_GROUP_ITEM = "odd group item"
    NO_MEMBERS = "no members"
    LOW_SEQUENCE = "low sequence"
    UNFIT = "unfit"
    HELD_TWICE = "held twice"


@frozen
class Finding:
    """Something that is wrong with a group's list.

    Attributes:
        flaw: what.
        id: the item in which it shows: a message's, or that of the group.
        found: the id that stands there; ``None``: none does.
        right: the id that belongs there; ``None``: none does.
    """

    flaw: Flaw
    id: str
    found: str | None = None
    right: str | None = None


@frozen
class Mending:
    """How a list is made whole.

    Attributes:
        members: the ids of all members, in order.
        findings: what is wrong.
        writes: what mends it, in an order in which the first ones may be all that takes effect: the
            members from the first one on, then the group's item.
        held: the members that are held, where there are several; then nothing can be mended.
    """

    members: tuple[str, ...]
    findings: tuple[Finding, ...]
    writes: tuple[Write, ...]
    held: tuple[str, ...] = field(default=())


def mending_of(
    settings: Settings, now: int, group: str, members: Sequence[Message[Any]], known: Item | None
) -> Mending:
    """Return how a group's list is made whole.

    Args:
        settings: the queue's.
        now: the time, in nanoseconds since the epoch.
        group: the group's name.
        members: all messages that belong in its list, as they are stored.
        known: the group's item, as it is stored.
    """
    by_id = {message.id: message for message in members}
    order = _order([message.item for message in members])
    held = [id for id in order if by_id[id].state in HELD]
    if held and order[0] != held[0]:  # it has been delivered, so it comes first
        order = [held[0], *(id for id in order if id != held[0])]
    places = [*zip(order, [None, *order], [*order[1:], None], strict=False)]
    findings, own = _of_group(group, known, order, by_id)
    if order and not any(_is_head(by_id[id].item) for id in order):
        findings.append(Finding(Flaw.NO_HEAD, order[0]))
    wrong = {findings[0].right} if own else set[str | None]()
    for id, before, after in places:
        flaws = [*_flaws(by_id[id].item, before, after)]
        findings += flaws
        if flaws or (before is None and not _is_head(by_id[id].item)):
            wrong.update(_bound(id, before, after))
    if len(held) > 1:
        findings += [Finding(Flaw.HELD_TWICE, id, right=order[0]) for id in held[1:]]
        return Mending(tuple(order), tuple(findings), (), tuple(held))
    writes = [
        _mended(settings, now, group, by_id[id].item, before, after)
        for id, before, after in places
        if id in wrong
    ]
    if writes and not _is_head(by_id[order[0]].item):  # in one go with all who can be received
        writes.sort(key=lambda write: write.id != order[0] and not _is_head(by_id[write.id].item))
    return Mending(tuple(order), tuple(findings), (*writes, *own))


# --- in which order --------------------------------------------------------------------------


def _order(items: Sequence[Item]) -> list[str]:
    """Return the members' ids in order; a list that is whole as it is linked stays so.

    A message that was sent before there were numbers may have been redriven since, and only links
    tell. Otherwise numbers say the order, and where there are none, times.
    """
    linked = _linked(items)
    if len(linked) == len(items):
        return linked
    return [str(item[ID.name]) for item in sorted(items, key=_joined)]


def _linked(items: Sequence[Item]) -> list[str]:
    """Return the ids to which links lead from the only head, as far as they lead back, too."""
    ahead = {str(item[ID.name]): item for item in items}
    heads = [id for id, item in ahead.items() if _is_head(item)]
    linked: list[str] = []
    id: Value = heads[0] if len(heads) == 1 else None
    while isinstance(id, str) and (item := ahead.pop(id, None)) is not None:
        if linked and item.get(PREVIOUS_ID.name) != linked[-1]:
            break
        linked.append(id)
        id = item.get(NEXT_ID.name)
    return linked


def _joined(item: Item) -> tuple[int, str, str]:
    return _number(item), str(item[CREATED.name]), str(item[ID.name])


def _number(item: Item) -> int:
    """Return the number under which a message joined; without one, the time at which it was sent.

    Numbers are no lower than times, so one stands in for the other as far as clocks agree.
    """
    number = sequence_of(item)
    if number is not None:
        return number
    try:
        return parse_instant(str(item[CREATED.name]))
    except ValueError:
        return 0


# --- what is wrong ---------------------------------------------------------------------------


def _is_head(item: Item) -> bool:
    return place_of(item) == "head"


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _flaws(item: Item, before: str | None, after: str | None) -> Iterator[Finding]:
    id, onward, previous = str(item[ID.name]), item.get(NEXT_ID.name), item.get(PREVIOUS_ID.name)
    if before is not None and _is_head(item):
        yield Finding(Flaw.SECOND_HEAD, id, found=id, right=before)
    if onward != after:
        yield Finding(Flaw.WRONG_NEXT, id, _text(onward), after)
    if before is not None and previous != before:
        yield Finding(Flaw.WRONG_PREVIOUS, id, _text(previous), before)


def _bound(id: str, before: str | None, after: str | None) -> tuple[str | None, ...]:
    """Return what is written where a member is wrong: its neighbours, too.

    What was read of these may be of another moment, and outdated; their writes would be refused.
    """
    return id, before, after


def _place(settings: Settings, group: str, item: Item, before: str | None) -> dict[str, Value]:
    if before is not None:
        return {"previous_id": before}
    here = item.get(QUEUE_TYPE.name)
    return {"partition": here or settings.partition(QueueType.STANDARD, group)}


def _mended(
    settings: Settings, now: int, group: str, item: Item, before: str | None, after: str | None
) -> Write:
    arguments: dict[str, Value] = {
        **at(settings, now),
        "group": group,
        "seen_version": item[VERSION.name],
        **_place(settings, group, item, before),
    }
    if TOKEN.name in item:
        arguments["seen_token"] = item[TOKEN.name]
    if after is not None:
        arguments["next_id"] = after
    return Write(str(item[ID.name]), _MEND_LAST if after is None else _MEND, arguments)


def _of_group(
    group: str, known: Item | None, order: Sequence[str], by_id: Mapping[str, Message[Any]]
) -> tuple[list[Finding], list[Write]]:
    """Return what is wrong with the group's item, and what mends it."""
    key = group_key(group)
    if not order:
        if known is None:
            return [], []
        left = Finding(Flaw.NO_MEMBERS, key, found=_text(known.get(TAIL_ID.name)))
        return [left], [Write(key, _CLEAR, _as_read(known))]
    tail, last = order[-1], _last(by_id[id].item for id in order)
    new: dict[str, Value] = {"new_tail_id": tail, "sequence": last}
    if known is None:
        opened = Write(key, _OPEN, {"id": key, **new})
        return [Finding(Flaw.NO_GROUP_ITEM, key, right=tail)], [opened]
    found = known.get(TAIL_ID.name)
    findings = []
    if found != tail:
        findings.append(Finding(Flaw.WRONG_TAIL, key, _text(found), tail))
    odd = odd_attributes(known)
    if {VERSION.name, SEQUENCE.name} & {*odd}:
        findings.append(Finding(Flaw.ODD_GROUP_ITEM, key, right=tail))
    if SEQUENCE.name not in odd and (sequence_of(known) or 0) < last:
        findings.append(Finding(Flaw.LOW_SEQUENCE, key, right=tail))
    if not findings:
        return [], []
    new["sequence"] = max(last, sequence_of(known) or 0)
    version = known.get(VERSION.name)
    new["version"] = version + 1 if isinstance(version, int) and VERSION.name not in odd else 1
    return findings, [Write(key, _RESET, {**_as_read(known), **new})]


def _last(items: Iterable[Item]) -> int:
    return max(sequence_of(item) or 0 for item in items)


def _as_read(known: Item) -> dict[str, Value]:
    names = {TAIL_ID.name: "tail_id", VERSION.name: "seen_version"}
    return {argument: known[name] for name, argument in names.items() if name in known}

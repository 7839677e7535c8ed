"""The list of a message group: what else is written where a message joins or leaves it.

Only a group's head is in a queue's index. The others wait behind it, each linked with its
neighbours, and the item ``$group#<group>`` names the last one. What changes the list is one
transaction, planned from what was read and guarded so that the plan still holds: otherwise it
changes nothing, and is planned anew (spec: GROUP-1 to GROUP-6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from attrs import field, frozen

from dynamomq.attributes import (
    GROUP_ID,
    ID,
    LINKS,
    NEXT_ID,
    PREVIOUS_ID,
    QUEUE_TYPE,
    SEQUENCE,
    TAIL_ID,
    VERSION,
)
from dynamomq.checks import GROUP_PREFIX
from dynamomq.errors import ConflictError, DamagedGroupError
from dynamomq.machine import MESSAGE, QueueType, beside, place_of
from dynamomq.message import Message
from dynamomq.operations.commit import PLANS
from dynamomq.operations.writing import Settings, at, damaged_group, persistently
from dynamomq.requests import Get, Operation, Refused, Write
from dynamomq.reserved import GROUP
from dynamomq.rules import Role, Rule
from dynamomq.values import Item, Value

_BEFORE = "previous_id"
_PROMOTE, _LINK, _UNLINK = (MESSAGE.rule(trigger) for trigger in ("promote", "link", "unlink"))
_OPEN, _APPEND, _CLOSE = (GROUP.rule(trigger) for trigger in ("open", "append", "close"))


def group_key(group: str) -> str:
    """Return the id of the item that knows a group's last message."""
    return f"{GROUP_PREFIX}{group}"


def read_group(group: str) -> Operation[Item | None]:
    """Read the item of a group, strongly consistent; ``None``: the group has no messages.

    Raises:
        DamagedGroupError: it names no last message.
    """
    known = yield from persistently(Get(group_key(group)))
    tail_of(known)
    return known


def tail_of(known: Item | None) -> str | None:
    """Return the id of a group's last message, by its item; ``None``: it has none.

    Raises:
        DamagedGroupError: the item does not say.
    """
    if known is None:
        return None
    tail = known.get(TAIL_ID.name)
    odd = odd_attributes(known)
    if odd or not isinstance(tail, str):
        group = str(known[ID.name]).removeprefix(GROUP_PREFIX)
        raise damaged_group(
            group,
            f"The message group {group!r} can't be joined: {' and '.join(odd)} of its item is "
            "missing, or of another type.",
        )
    return tail


def odd_attributes(known: Item) -> tuple[str, ...]:
    """Return what is missing of a group's item, or is of another type; ports may leave numbers out.

    What joins is bound to these attributes: it would be refused for ever, as if others came first.
    """
    is_odd = {
        TAIL_ID: not isinstance(known.get(TAIL_ID.name), str),
        VERSION: not _is_whole(known.get(VERSION.name)),
        SEQUENCE: SEQUENCE.name in known and sequence_of(known) is None,
    }
    return tuple(attribute.name for attribute, wrong in is_odd.items() if wrong)


def _is_whole(value: Value) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def sequence_of(item: Item | None) -> int | None:
    """Return when a message joined its group, or the last one did; ``None``: that is not known."""
    sequence = (item or {}).get(SEQUENCE.name)
    return sequence if _is_whole(sequence) else None


def busy_group(group: str) -> ConflictError:
    """Return the error for a change of a group that others kept making impossible."""
    return ConflictError(
        f"The message group {group!r} was changed by others {PLANS} times in a row, each time "
        "before this call could.",
        remedy="Call again.",
    )


def busy_group_of(item: Item) -> ConflictError:
    """Return that error for the group of an item."""
    return busy_group(str(item.get(GROUP_ID.name)))


def damage_at_tail(
    group: str, tail: str | None, upkeep: Sequence[Write], reasons: Sequence[Refused | None]
) -> DamagedGroupError | None:
    """Tell what is wrong with a group that could not be joined; ``None``: others have changed it.

    It is damaged where its item still names that last message, but that is not there, or not the
    last. All was judged at one moment, so this was no race.

    Args:
        group: the group's name.
        tail: the id of its last message, as it was read.
        upkeep: what would have been written beside the messages that join.
        reasons: why it was not.
    """
    refused = {write.id for write, reason in zip(upkeep, reasons, strict=True) if reason}
    if tail in refused and group_key(group) not in refused:
        return tail_has_left(group, str(tail))
    return None


def tail_has_left(group: str, id: str) -> DamagedGroupError:
    """Return the error for a group whose item names a message that is not the last in its list."""
    return damaged_group(
        group,
        f"The message group {group!r} can't be joined: its item names {id!r} as the last message, "
        "which is missing, not in the group, or not the last.",
    )


def changes_list(rule: Rule, message: Message[Any]) -> bool:
    """Tell whether a step on a message changes its group's list, so more is written with it."""
    role = rule.role(message.state)
    if role == "joins":
        return message.group is not None
    return role == "leaves" and place_of(message.item) is not None


def role_for(request: Write, item: Item) -> Role:
    """Return what a write does to a group's list, for an item as it was found."""
    return request.rule.role(MESSAGE.state_of(item, request.arguments).name)


def links(item: Item) -> dict[str, Value]:
    """Return a message's place in its group's list as arguments: what the plan has seen.

    The predecessor belongs to it only while the message waits; a head has none any more.
    """
    seen = {plan: item[link.name] for link, plan in LINKS if link.name in item}
    if place_of(item) != "behind":
        seen.pop(_BEFORE, None)
    return seen


def dead_letters_of(settings: Settings, item: Item) -> str:
    """Return the partition of the dead-letter queue that goes with the place of a message.

    Args:
        settings: the queue's.
        item: the message's item, or its entry in the index.
    """
    if place_of(item) == "behind":  # it is in no partition yet
        return settings.partition(QueueType.DLQ, str(item[GROUP_ID.name]))
    return beside(str(item.get(QUEUE_TYPE.name)), QueueType.DLQ)


# --- leaving ---------------------------------------------------------------------------------


def leaving(settings: Settings, now: int, item: Item) -> list[Write]:
    """Return the upkeep for a message that leaves its group's list, besides its own write.

    Args:
        settings: the queue's.
        now: the time of the transaction, in nanoseconds since the epoch.
        item: the message, as it was read; its own write is guarded by its :func:`links`.

    Raises:
        DamagedGroupError: it is linked to itself, or twice to the same one.
    """
    place = place_of(item)
    if place is None:
        return []
    group, id = str(item[GROUP_ID.name]), str(item[ID.name])
    before, after = item.get(PREVIOUS_ID.name), item.get(NEXT_ID.name)
    beside = [one for one in (before if place == "behind" else None, after) if one is not None]
    if len({id, *map(str, beside)}) <= len(beside):
        raise damaged_group(
            group,
            f"Message {id!r} can't leave the message group {group!r}: it is linked in a circle.",
        )
    if place == "head":
        return [_after_head(settings, now, item, group, id)]
    upkeep = []
    if before is not None:
        successor = {} if after is None else {"next_id": after}
        rule = _LINK if successor else _UNLINK
        seen: dict[str, Value] = {"seen_next_id": id}
        upkeep.append(_write(settings, now, str(before), rule, {**successor, **seen}))
    if after is not None:
        predecessor = {} if before is None else {"previous_id": before, "seen_previous_id": id}
        upkeep.append(_write(settings, now, str(after), _LINK, predecessor))
    else:
        upkeep.append(_moved_tail(group, id, before))
    return upkeep


def _after_head(settings: Settings, now: int, head: Item, group: str, id: str) -> Write:
    after = head.get(NEXT_ID.name)
    if after is None:
        return Write(group_key(group), _CLOSE, {"tail_id": id})
    return _write(settings, now, str(after), _PROMOTE, in_place_of(head))


def in_place_of(head: Item) -> dict[str, Value]:
    """Return what a successor is told of the head whose place it takes."""
    return {"partition": head[QUEUE_TYPE.name], "seen_previous_id": head[ID.name]}


def _moved_tail(group: str, id: str, before: Value) -> Write:
    if before is None:
        return Write(group_key(group), _CLOSE, {"tail_id": id})
    return Write(group_key(group), _APPEND, {"tail_id": id, "new_tail_id": before})


def _write(settings: Settings, now: int, id: str, rule: Rule, own: Mapping[str, Value]) -> Write:
    return Write(id, rule, {**at(settings, now), **own})


# --- joining ---------------------------------------------------------------------------------


@frozen
class Joining:
    """How messages join a group's list, all in one transaction.

    Attributes:
        places: for each message, in order, the arguments of its own write that say its place.
        upkeep: what else is written.
        tail_link: what a last message that is written in the same transaction anyway, and stays,
            gets as an argument; it is not in the upkeep then.
    """

    places: tuple[dict[str, Value], ...]
    upkeep: tuple[Write, ...]
    tail_link: dict[str, Value] = field(factory=dict)


def joining(
    settings: Settings,
    now: int,
    group: str,
    known: Item | None,
    ids: Sequence[str],
    *,
    head: Item | None = None,
    staying: str | None = None,
) -> Joining:
    """Plan how messages join a group's list at its end.

    Args:
        settings: the queue's.
        now: the time of the transaction, in nanoseconds since the epoch.
        group: the group's name.
        known: its item, as it was read.
        ids: the messages that join, in order; one at least.
        head: the message that leaves the list at its head in the same transaction, as it was read.
        staying: the id of a message that the transaction writes anyway, and that stays.
    """
    tail = tail_of(known)
    if head is None:
        place: dict[str, Value] = {"partition": settings.partition(QueueType.STANDARD, group)}
        after, last = None, tail
    else:
        place, after = in_place_of(head), head.get(NEXT_ID.name)
        last = tail if after is not None else None
    first: dict[str, Value] = {"next_id": ids[0]}
    upkeep = []
    if after is not None:
        own = first if after == last else {}
        upkeep.append(_write(settings, now, str(after), _PROMOTE, {**place, **own}))
    if last is not None and last not in (after, staying):
        upkeep.append(_write(settings, now, last, _LINK, first))
    before = max(sequence_of(known) or 0, now)
    upkeep.append(_new_tail(group, tail, ids[-1], before + len(ids)))
    places = []
    for number, previous in enumerate([last, *ids[:-1]]):
        where: dict[str, Value] = {"group": group, "sequence": before + number + 1}
        is_first = previous is None
        where |= {"partition": place["partition"]} if is_first else {"previous_id": previous}
        where |= {"next_id": ids[number + 1]} if number + 1 < len(ids) else {}
        places.append(where)
    is_linked = staying is not None and last == staying
    return Joining(tuple(places), tuple(upkeep), first if is_linked else {})


def _new_tail(group: str, tail: str | None, id: str, sequence: int) -> Write:
    new: dict[str, Value] = {"new_tail_id": id, "sequence": sequence}
    if tail is None:
        return Write(group_key(group), _OPEN, {"id": group_key(group), **new})
    return Write(group_key(group), _APPEND, {"tail_id": tail, **new})

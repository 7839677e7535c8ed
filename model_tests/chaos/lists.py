"""The lists of message groups, as a table holds them: are they whole?

This knows the table, and nothing of the operations that keep the lists. A group's only head is in
the standard queue; from it ``next_id`` leads through all messages of the group, and ``previous_id``
back; the item ``$group#<group>`` names the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, field

from dynamomq.values import Item

GROUP_PREFIX = "$group#"


@define
class GroupList:
    """A group's part of a table.

    Attributes:
        tail: the last message, as the group's item says; ``None``: there is no such item.
        members: its messages that are neither deleted nor dead letters, by id.
    """

    tail: str | None = None
    members: dict[str, Item] = field(factory=dict)


def lists_of(items: Iterable[Item]) -> dict[str, GroupList]:
    """The lists of a table, by group; those that have nothing left are not among them."""
    lists: dict[str, GroupList] = {}
    for item in items:
        id, group = str(item["id"]), item.get("message_group_id")
        if id.startswith(GROUP_PREFIX):
            lists.setdefault(id.removeprefix(GROUP_PREFIX), GroupList()).tail = str(item["tail_id"])
        elif group is not None and is_listed(item):
            lists.setdefault(str(group), GroupList()).members[id] = item
    return lists


def is_listed(item: Item) -> bool:
    """Whether a message of a group is in its list: neither deleted nor a dead letter."""
    return item.get("status") != "DELETED" and not is_in(item, "DLQ")


def is_in(item: Item, queue: str) -> bool:
    """Whether a message is in a queue, in whichever of its shards."""
    return str(item.get("queue_type", "")).partition(".")[0] == queue


def problems_of(one: GroupList) -> Iterator[str]:
    """What is wrong with a list."""
    if not one.members:
        if one.tail is not None:
            yield f"the group's item names {one.tail!r} as its last message, and there is none"
        return
    heads = [id for id, item in one.members.items() if is_in(item, "STANDARD")]
    if len(heads) != 1:
        yield f"it has {len(heads)} heads, {heads}, with {len(one.members)} messages"
        return
    walked: list[str] = []
    yield from _walk(heads[0], one.members, walked)
    if left := sorted(one.members.keys() - set(walked)):
        yield f"from its head {heads[0]!r} no link leads to {left}"
    if one.tail != walked[-1]:
        yield f"its last message is {walked[-1]!r}, and the group's item names {one.tail!r}"


def links_of(one: GroupList) -> set[str]:
    """The messages to which links lead: from one to the next, and from the group's item."""
    links = {str(item["next_id"]) for item in one.members.values() if "next_id" in item}
    return links if one.tail is None else {*links, one.tail}


def _walk(head: str, members: Mapping[str, Item], walked: list[str]) -> Iterator[str]:
    """Walk from the head to the end, and note whom one meets."""
    walked.append(head)
    while (following := members[walked[-1]].get("next_id")) is not None:
        id = str(following)
        if id not in members:
            yield f"{walked[-1]!r} links to {id!r}, which is not in the list"
            return
        if id in walked:
            yield f"{walked[-1]!r} links back to {id!r}"
            return
        back = members[id].get("previous_id")
        if back != walked[-1]:
            yield f"{walked[-1]!r} links to {id!r}, which names {back!r} as its predecessor"
        walked.append(id)


def unlinked(items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """Messages that are in no list any more and have kept a link: id and what is wrong."""
    for item in items:
        kept = [name for name in ("previous_id", "next_id") if name in item]
        if kept and not is_listed(item):
            yield str(item["id"]), f"it has left its group's list and kept {_and(kept)}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)

"""The lists of message groups in a table, checked whole: what every operation has to keep."""

from collections.abc import Mapping
from typing import Any

from dynamomq.values import Item

GROUP_ITEM = "$group#"


def orders(items: Mapping[str, Item]) -> dict[str, list[str]]:
    """The ids of each group's messages, in order, of a table whose lists are all whole (HEAD).

    The head is in the index, and nobody else; links lead from it to the tail and back; the group's
    item names the tail, and is there exactly while there are messages; what has left has no links.

    Args:
        items: all that is in the table, by id.
    """
    members: dict[str, dict[str, Any]] = {}
    for id, item in items.items():
        if _is_listed(item):
            members.setdefault(str(item["message_group_id"]), {})[id] = item
        elif "message_group_id" in item:
            assert not {"next_id", "previous_id"} & item.keys(), f"{id!r} has left with its links"
    tails = {
        id.removeprefix(GROUP_ITEM): item["tail_id"]
        for id, item in items.items()
        if id.startswith(GROUP_ITEM)
    }
    assert tails.keys() == members.keys(), "a group has its item exactly while it has messages"
    return {group: _order(group, inside, tails[group]) for group, inside in members.items()}


def _is_listed(item: Item) -> bool:
    is_dead = str(item.get("queue_type")).startswith("DLQ")
    return "message_group_id" in item and "expires_at" not in item and not is_dead


def _order(group: str, members: Mapping[str, Any], tail: Any) -> list[str]:
    heads = [id for id, item in members.items() if "queue_type" in item]
    assert len(heads) == 1, f"group {group!r} has the heads {heads}"
    order = heads
    while (after := members[order[-1]].get("next_id")) is not None:
        assert after in members, f"{order[-1]!r} is followed by {after!r}, which is not there"
        assert after not in order, f"the list of group {group!r} is a cycle"
        numbers = [members[id].get("sequence", 0) for id in (order[-1], after)]
        assert numbers == sorted(numbers), f"{after!r} is numbered as if it came earlier"
        assert members[after]["previous_id"] == order[-1], f"{after!r} does not lead back"
        order.append(after)
    assert set(order) == members.keys(), f"group {group!r} has messages that nothing leads to"
    assert order[-1] == tail, f"group {group!r} ends with {order[-1]!r}, but its item says {tail!r}"
    return order

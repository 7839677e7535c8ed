"""A watcher: reads the accepted order from the table while others work, strongly consistent.

It reads DynamoDB directly, past the bad network, because it is no part of what is tested. Again and
again, for a fifth of its time, it looks at all messages that are in groups' lists, and writes down

``listed``
    id, group, previous and next (its neighbours; empty where there is none), queue (``STANDARD``
    for a head, else empty), version, lasted (the look, in nanoseconds; it began at the event's
    time). A message that has not changed since the last look is left out, unless it is a head.
``lists seen``
    intact: how many lists were found whole, messages: how many were in them.
``list broken``
    group, problem

A look is not atomic. But a list of which two looks in a row show the same versions was like that
between the two, as a whole; only such lists are judged.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from dynamomq.timestamps import SECOND
from dynamomq.values import Item, item_from_wire
from model_tests.chaos.lists import GroupList, is_in, lists_of, problems_of
from model_tests.history.log import Log

_PAUSE = 0.2  # seconds between two looks, at least
_SHARE = 5  # of the time, one in so many parts is for looking
_NAMES = {
    "#id": "id",
    "#group": "message_group_id",
    "#previous": "previous_id",
    "#next": "next_id",
    "#queue": "queue_type",
    "#status": "status",
    "#version": "version",
    "#tail": "tail_id",
}
_IN_LISTS = (
    "attribute_exists(#tail) or (attribute_exists(#group) and #status <> :deleted "
    "and (attribute_not_exists(#queue) or not begins_with(#queue, :dead)))"
)
_VALUES = {":deleted": {"S": "DELETED"}, ":dead": {"S": "DLQ"}}


def watch(client: Any, table: str, log: Log, told: threading.Event) -> None:
    """Look and write down until told to end."""
    watcher = _Watcher(log)
    while not told.is_set():
        seconds = watcher.look(client, table) / SECOND
        told.wait(max(_PAUSE, (_SHARE - 1) * seconds))


class _Watcher:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._lists: Mapping[str, GroupList] = {}

    def look(self, client: Any, table: str) -> int:
        """Look once; return how long that took, in nanoseconds."""
        begun = self._log.now()
        pages = client.get_paginator("scan").paginate(
            TableName=table,
            ConsistentRead=True,
            FilterExpression=_IN_LISTS,
            ProjectionExpression=", ".join(_NAMES),
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues=_VALUES,
        )
        items = [item_from_wire(item) for page in pages for item in page["Items"]]
        lasted = self._log.now().monotonic - begun.monotonic
        known = {id: item for one in self._lists.values() for id, item in one.members.items()}
        lists = lists_of(items)
        for group, one in lists.items():
            for id, item in one.members.items():
                if is_in(item, "STANDARD") or item != known.get(id):
                    self._log.write_at(
                        begun,
                        "listed",
                        id=id,
                        group=group,
                        previous=str(item.get("previous_id", "")),
                        next=str(item.get("next_id", "")),
                        queue="STANDARD" if is_in(item, "STANDARD") else "",
                        version=_version(item),
                        lasted=lasted,
                    )
        self._judge(lists)
        self._lists = lists
        return lasted

    def _judge(self, lists: Mapping[str, GroupList]) -> None:
        steady = {group: one for group, one in lists.items() if one == self._lists.get(group)}
        broken = {group: list(problems_of(one)) for group, one in steady.items()}
        for group, problems in broken.items():
            for problem in problems:
                self._log.write("list broken", group=group, problem=problem)
        whole = [one for group, one in steady.items() if not broken[group]]
        messages = sum(len(one.members) for one in whole)
        self._log.write("lists seen", intact=len(whole), messages=messages)


def _version(item: Item) -> int:
    version = item.get("version")
    return version if isinstance(version, int) else 0

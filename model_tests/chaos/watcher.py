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

A look takes time, in which lists change. So it is judged by itself only whether a message has one
place; whether a list is whole is seen by a transaction that reads all of it, after each look for a
few groups in turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from dynamomq.requests import MAX_TRANSACTION
from dynamomq.timestamps import SECOND
from dynamomq.values import Item, item_from_wire
from model_tests.chaos.lists import (
    GROUP_PREFIX,
    GroupList,
    is_in,
    links_of,
    lists_of,
    problems_of,
)
from model_tests.history.log import Log, Moment

_PAUSE = 0.2  # seconds between two looks, at least
_SHARE = 5  # of the time, one in so many parts is for looking
_AT_ONCE = 5  # lists that are read as a whole after each look
_ATTEMPTS = 5  # to read one
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
_PROJECTION = {
    "ProjectionExpression": ", ".join(_NAMES),
    "ExpressionAttributeNames": _NAMES,
}
_VALUES = {":deleted": {"S": "DELETED"}, ":dead": {"S": "DLQ"}}


def watch(client: Any, table: str, log: Log, told: threading.Event) -> None:
    """Look and write down until told to end."""
    watcher = _Watcher(client, table, log)
    while not told.is_set():
        seconds = watcher.look() / SECOND
        told.wait(max(_PAUSE, (_SHARE - 1) * seconds))


class _Watcher:
    def __init__(self, client: Any, table: str, log: Log) -> None:
        self._client = client
        self._table = table
        self._log = log
        self._known: dict[str, Item] = {}
        self._turn = 0

    def look(self) -> int:
        """Look once; return how long that took, in nanoseconds."""
        begun = self._log.now()
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            ConsistentRead=True,
            FilterExpression=_IN_LISTS,
            ExpressionAttributeValues=_VALUES,
            **_PROJECTION,
        )
        lists = lists_of(item_from_wire(item) for page in pages for item in page["Items"])
        lasted = self._log.now().monotonic - begun.monotonic
        members = {id: item for one in lists.values() for id, item in one.members.items()}
        for id, item in members.items():
            if is_in(item, "STANDARD") or item != self._known.get(id):
                self._note(item, begun, lasted)
        self._known = members
        self._judge(lists)
        return lasted

    def _note(self, item: Item, begun: Moment, lasted: int) -> None:
        self._log.write_at(
            begun,
            "listed",
            id=str(item["id"]),
            group=str(item["message_group_id"]),
            previous=str(item.get("previous_id", "")),
            next=str(item.get("next_id", "")),
            queue="STANDARD" if is_in(item, "STANDARD") else "",
            version=str(item.get("version", "")),
            lasted=lasted,
        )

    def _judge(self, lists: Mapping[str, GroupList]) -> None:
        """Read the lists of the groups whose turn it is, each as a whole."""
        groups = sorted(lists)
        chosen = [*groups[self._turn :], *groups[: self._turn]][:_AT_ONCE]
        self._turn = (self._turn + _AT_ONCE) % max(1, len(groups))
        whole: list[GroupList] = []
        for group in chosen:
            one = whole_list(self._client, self._table, group, lists[group].members)
            problems = [] if one is None else list(problems_of(one))
            for problem in problems:
                self._log.write("list broken", group=group, problem=problem)
            if one is not None and not problems:
                whole.append(one)
        messages = sum(len(one.members) for one in whole)
        self._log.write("lists seen", intact=len(whole), messages=messages)


def whole_list(client: Any, table: str, group: str, known: Iterable[str]) -> GroupList | None:
    """Read a group's list in one transaction; ``None`` if it is too long, or grows too fast.

    Args:
        client: a low-level client.
        table: the queue's table.
        group: the group.
        known: messages that were in the list a moment ago. Who has joined it since is found by
            the links that lead there.
    """
    ids = set(known)
    for _ in range(_ATTEMPTS):
        keys = [f"{GROUP_PREFIX}{group}", *sorted(ids)]
        if len(keys) > MAX_TRANSACTION:
            return None
        reads = [
            {"Get": {"TableName": table, "Key": {"id": {"S": key}}, **_PROJECTION}} for key in keys
        ]
        try:
            answers = client.transact_get_items(TransactItems=reads)["Responses"]
        except client.exceptions.TransactionCanceledException:
            continue  # it is being changed just now
        found = lists_of(item_from_wire(one["Item"]) for one in answers if one.get("Item"))
        whole = found.get(group, GroupList())
        beyond = links_of(whole) - ids
        if not beyond:
            return whole
        ids |= beyond
    return None

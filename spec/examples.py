"""One typical item for each state, and the arguments with which an operation meets it.

The test vectors are built from these, and the property tests start their random walks here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Final

from dynamomq.attributes import ARGUMENTS
from dynamomq.machine import MESSAGE, QueueType, beside
from dynamomq.reserved import AGREEMENT, AGREEMENT_ID, CONSUMER, GROUP
from dynamomq.rules import Rule, StateMachine
from dynamomq.timestamps import SECOND, format_instant, parse_instant
from dynamomq.values import Item, Value, type_letter
from spec.trees import arguments_read

Arguments = dict[str, Value]

MACHINES: Final[dict[str, StateMachine]] = {
    machine.name: machine for machine in (MESSAGE, GROUP, CONSUMER, AGREEMENT)
}

_NOW = parse_instant("2024-01-31T09:05:04.12Z")
NOW: Final = format_instant(_NOW)
_NUMBER: Final = _NOW + 1
RETRY_HORIZON: Final = 300
FORGOTTEN_EPOCH: Final = _NOW // SECOND + RETRY_HORIZON
VISIBILITY_TIMEOUT: Final = 30
GROUP_ITEM: Final = "$group#customer-7"
AGREEMENT_ITEM: Final = AGREEMENT_ID
CONSUMER_ITEM: Final = f"$consumer#STANDARD#{NOW}#consumer-1"


def at(seconds: int, nanoseconds: int = 0, *, since: str = NOW) -> str:
    """Return the timestamp that is so much later than another one."""
    return format_instant(parse_instant(since) + seconds * SECOND + nanoseconds)


# --- items -----------------------------------------------------------------------------------

LEGACY_ATTRIBUTES: Final = (
    "id",
    "data",
    "status",
    "receive_count",
    "queue_type",
    "version",
    "creation_timestamp",
    "last_updated_timestamp",
    "queue_add_timestamp",
    "queue_peek_timestamp",
)
"""The ten attributes that every port knows; an item with these only is a *legacy* item."""

_FAILURE: Final[Value] = {
    "type": "TimeoutError",
    "message": "the warehouse did not answer",
    "when": at(-60),
    "delivery": 3,
}


def _ready(queue: str) -> Item:
    return {
        "id": "order-1",
        "data": {"article": "A-7", "pieces": 3},
        "status": "READY",
        "receive_count": 0,
        "queue_type": queue,
        "version": 1,
        "creation_timestamp": at(-300),
        "last_updated_timestamp": at(-300),
        "queue_add_timestamp": at(-300),
        "queue_peek_timestamp": "",
        "token": "token-of-send",
        "send_token": "token-of-send",
    }


def _received(queue: str, seconds_ago: int) -> Item:
    return {
        **_ready(queue),
        "status": "PROCESSING",
        "receive_count": 1,
        "version": 2,
        "last_updated_timestamp": at(-seconds_ago),
        "queue_add_timestamp": at(VISIBILITY_TIMEOUT - seconds_ago),
        "queue_peek_timestamp": at(-seconds_ago),
        "token": "token-of-receive",
        "receipt": "token-of-receive",
    }


def _dead(item: Item) -> Item:
    return {**item, "version": 7, "errors": [_FAILURE]}


def behind(item: Item) -> Item:
    """Return a message as the last of its group, behind another one, so in no queue yet."""
    without_queue = {name: value for name, value in item.items() if name != "queue_type"}
    return {**without_queue, "message_group_id": "customer-7", "previous_id": "order-0"}


def followed(item: Item) -> Item:
    """Return a message as the head of its group, with another one behind it."""
    return {**item, "message_group_id": "customer-7", "next_id": "order-2"}


_TOMBSTONE: Final[Item] = {
    **{k: v for k, v in _received("", 60).items() if k not in ("queue_type", "data")},
    "status": "DELETED",
    "version": 3,
    "last_updated_timestamp": at(-50),
    "token": "token-of-delete",
    "expires_at": FORGOTTEN_EPOCH + 240,
}

_CONSUMER: Final[Item] = {
    "id": CONSUMER_ITEM,
    "queue_type": "$CONSUMERS",
    "status": "READY",
    "version": 4,
    "creation_timestamp": NOW,
    "last_updated_timestamp": at(20),
    "queue_add_timestamp": at(30),
    "expires_at": _NOW // SECOND + 3630,
    "host": "worker-7",
    "pid": 4711,
    "in_flight": 3,
    "rate": Decimal("12.5"),
}

_AGREEMENT: Final[Item] = {
    "id": AGREEMENT_ITEM,
    "version": 2,
    "creation_timestamp": at(-86_400),
    "last_updated_timestamp": at(-300),
    "shards": 4,
    "previous_shards": 1,
    "shards_since": at(-150),
    "max_receives": 5,
    "visibility_timeout": 30_000,
    "deduplication_window": 300_000,
}

ITEMS: Final[dict[str, Item | None]] = {
    "ABSENT": None,
    "WAITING": behind(_ready("")),
    "STANDARD.READY": _ready("STANDARD"),
    "STANDARD.PROCESSING": _received("STANDARD", 10),
    "STANDARD.EXPIRED": _received("STANDARD", 40),
    "DLQ.READY": _dead(_ready("DLQ")),
    "DLQ.PROCESSING": _dead(_received("DLQ", 10)),
    "DLQ.EXPIRED": _dead(_received("DLQ", 40)),
    "DELETED": _TOMBSTONE,
    "MALFORMED": {**_ready("STANDARD"), "receive_count": "none yet"},
    "FOREIGN": {"id": GROUP_ITEM, "tail_id": "order-2", "version": 2, "sequence": _NUMBER - 1},
}
"""A typical message in each state, at ``NOW``."""

EXAMPLES: Final[dict[str, dict[str, Item | None]]] = {
    MESSAGE.name: ITEMS,
    GROUP.name: {"ABSENT": None, "OPEN": ITEMS["FOREIGN"]},
    CONSUMER.name: {
        "ABSENT": None,
        "AVAILABLE": _CONSUMER,
        "FULL": {**_CONSUMER, "status": "PROCESSING"},
    },
    AGREEMENT.name: {"ABSENT": None, "AGREED": _AGREEMENT},
}
"""The same for each machine, by its name."""


def legacy(item: Item) -> Item:
    """Return an item as the Go port writes it: ten attributes, ``RFC3339Nano`` timestamps.

    Such a port does not move ``queue_add_timestamp`` when it receives.
    """
    bare = {name: item[name] for name in LEGACY_ATTRIBUTES if name in item}
    if item["status"] == "PROCESSING":
        bare["queue_add_timestamp"] = item["creation_timestamp"]
    return {
        name: _without_zeros(value) if isinstance(value, str) else value
        for name, value in bare.items()
    }


def _without_zeros(text: str) -> str:
    return re.sub(r"\.?0*Z$", "Z", text) if text.endswith("Z") else text


# --- arguments -------------------------------------------------------------------------------


def clock(now: str = NOW) -> Arguments:
    """Return the arguments that tell the time."""
    instant = parse_instant(now)
    return {
        "now": now,
        "forgotten_epoch": instant // SECOND + RETRY_HORIZON,
        "legacy_horizon": format_instant(instant - VISIBILITY_TIMEOUT * SECOND),
    }


def _plan(item: Item) -> Arguments:
    names = {"message_group_id": "group", "next_id": "next_id", "previous_id": "previous_id"}
    return {argument: item[name] for name, argument in names.items() if name in item}


def _as_seen(item: Item) -> Arguments:
    if "token" in item:
        return {"seen_token": item["token"]}
    return {"seen_version": item.get("version", 0)}


def _mended(item: Item) -> Arguments:
    """What is passed of a message, exactly as it was seen: one that waits goes on doing so."""
    seen = {"seen_version": item.get("version"), "seen_token": item.get("token")}
    place = _into(QueueType.STANDARD, item) if "queue_type" in item else {"previous_id": "order-0"}
    known = {name: value for name, value in seen.items() if value is not None}
    return {**known, "group": "customer-7", **place}


def _into(queue: QueueType, item: Item) -> Arguments:
    """Return the partition into which a message goes that leaves where it is."""
    here = item.get("queue_type", QueueType.STANDARD.value)
    return {"partition": beside(str(here), queue)}


def _own(trigger: str, item: Item, now: str) -> Arguments:
    """What an operation would pass to this trigger beside the time, having seen this item."""
    holder: Arguments = {"receipt": item.get("receipt", "receipt-of-nobody")}
    until: Arguments = {"expires_at": parse_instant(now) // SECOND + 2 * RETRY_HORIZON}
    errors: Arguments = {"errors": [_FAILURE]}
    standard, dead = _into(QueueType.STANDARD, item), _into(QueueType.DLQ, item)
    builders: dict[str, Callable[[], Arguments]] = {
        "send": lambda: {
            "id": "order-1",
            "data": {"article": "A-7", "pieces": 3},
            "due": now,
            **standard,
        },
        "receive": lambda: {"due": at(VISIBILITY_TIMEOUT, since=now), "max_receives": 3},
        "advance": lambda: {
            "due": at(VISIBILITY_TIMEOUT, since=now),
            "max_receives": 3,
            "seen_version": item.get("version", 0),
            "seen_previous_id": "order-0",
            **standard,
        },
        "exhaust": lambda: {"max_receives": 1, "failure": [_FAILURE], **dead, **_plan(item)},
        "quarantine": lambda: {
            **errors,
            **dead,
            "version": 2,
            "creation_timestamp": at(-300),
            **_plan(item),
        },
        "extend": lambda: {**holder, "due": at(60, since=now)},
        "retry": lambda: {**holder, **errors, "due": at(5, since=now)},
        "release": lambda: {**holder, "due": now},
        "delete": lambda: {**holder, **until, **_plan(item)},
        "move_to_dlq": lambda: {**holder, **errors, **dead, **_plan(item)},
        "bury": lambda: {**_as_seen(item), **errors, **dead, **_plan(item)},
        "redrive": lambda: {**_as_seen(item), **standard, **_plan(item)},
        "update": lambda: {**_as_seen(item), "data": {"article": "A-8", "pieces": 1}},
        "annotate": lambda: {**_as_seen(item), "headers": {"priority": "high"}},
        "reschedule": lambda: {**_as_seen(item), "due": at(3600, since=now)},
        "cancel": lambda: {**_as_seen(item), **until, **_plan(item)},
        "purge": lambda: {**_as_seen(item), **until, **_plan(item)},
        "promote": lambda: {**standard, "seen_previous_id": "order-0"},
        "link": lambda: {"next_id": "order-3"},
        "mend": lambda: {**_mended(item), "next_id": "order-3"},
        "mend_last": lambda: _mended(item),
        "unlink": lambda: {"seen_next_id": "order-2"},
    }
    if trigger in builders:
        return builders[trigger]()
    return _of_other_items(item, now).get(trigger) or _anything(item, now)


def _of_other_items(item: Item, now: str) -> dict[str, Arguments]:
    """What is passed to the triggers of the items whose ids are reserved."""
    load: Arguments = {
        "due": at(60, since=now),
        "expires_at": parse_instant(now) // SECOND + 3660,
        "in_flight": 0,
        "rate": 0,
    }
    agreed: Arguments = {
        "shards": 8,
        "previous_shards": item.get("shards", 1),
        "shards_since": at(150, since=now),
        "max_receives": 5,
        "visibility_timeout": 30_000,
        "deduplication_window": 300_000,
    }
    return {
        "open": {"id": GROUP_ITEM, "new_tail_id": "order-2", "sequence": _NUMBER},
        "append": {"tail_id": "order-2", "new_tail_id": "order-3", "sequence": _NUMBER},
        "close": {"tail_id": "order-2"},
        "reset": {
            "tail_id": "order-2",
            "seen_version": 2,
            "new_tail_id": "order-3",
            "sequence": _NUMBER,
            "version": 3,
        },
        "clear": {"tail_id": "order-2", "seen_version": 2},
        "register": {**load, "id": CONSUMER_ITEM, "host": "worker-7", "pid": 4711},
        "renew": load,
        "fill": load,
        "withdraw": {},
        "agree": {**agreed, "id": AGREEMENT_ITEM},
        "revise": {**agreed, "seen_version": item.get("version", 0)},
    }


def _anything(item: Item, now: str) -> Arguments:
    """What a trigger without a builder of its own may read: something sensible for each argument.

    So a transition that is new to the machine has vectors before anybody has written cases for it.
    """
    return {
        "receipt": item.get("receipt", "receipt-of-nobody"),
        **_as_seen(item),
        **_plan(item),
        **_into(QueueType.STANDARD, item),
        "due": at(60, since=now),
        "max_receives": 3,
        "expires_at": parse_instant(now) // SECOND + 2 * RETRY_HORIZON,
        "data": {"article": "A-8", "pieces": 1},
        "headers": {"priority": "high"},
        "errors": [_FAILURE],
        "failure": [_FAILURE],
    }


@cache
def reads(rule: Rule) -> frozenset[str]:
    """Return the names of the arguments that a rule's conditions and effects read."""
    return frozenset(
        name
        for state, transition in rule.alternatives
        for name in arguments_read(state.predicate, transition.guard, *transition.effects)
    )


def arguments_for(rule: Rule, item: Item | None, now: str = NOW) -> Arguments:
    """Return what an operation that has seen this item would pass.

    Only arguments that the rule reads are given, as a driver would be given them, and only of
    their declared type (EXPR-3): of an attribute of another type an operation has no plan.
    """
    given: Arguments = {
        **clock(now),
        "token": "fresh-token",
        **_own(rule.trigger, item or {}, now),
    }
    wanted = reads(rule)
    return {name: value for name, value in given.items() if name in wanted and _typed(name, value)}


def _typed(name: str, value: Value) -> bool:
    declared = ARGUMENTS[name].partition(":")[0]
    return declared in ("any", type_letter(value))

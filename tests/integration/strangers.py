"""Items that this library did not write: another port's, broken ones, leftovers."""

import random
from collections.abc import Callable

from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, Value

TEN = frozenset(
    {
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
    }
)
"""The attributes that all ports share, and all that the Go port writes."""


def nano(instant: int) -> str:
    """An instant as Go's ``RFC3339Nano`` has it: without trailing zeros."""
    text = format_instant(instant).removesuffix("Z")
    return f"{text.rstrip('0').removesuffix('.')}Z"


def legacy(key: str, sent: int, **changes: Value) -> Item:
    """A message as the Go port sends it at an instant."""
    item: Item = {
        "id": key,
        "data": {"id": key, "data": {"data1": "Data 1"}},
        "status": "READY",
        "receive_count": 0,
        "queue_type": "STANDARD",
        "version": 1,
        "creation_timestamp": nano(sent),
        "last_updated_timestamp": nano(sent),
        "queue_add_timestamp": nano(sent),
        "queue_peek_timestamp": "",
    }
    return {**item, **changes}


def legacy_received(key: str, sent: int, received: int, **changes: Value) -> Item:
    """The same, held by a legacy consumer since an instant."""
    held: Item = {
        "status": "PROCESSING",
        "receive_count": 1,
        "version": 2,
        "last_updated_timestamp": nano(received),
        "queue_peek_timestamp": nano(received),
    }
    return legacy(key, sent, **{**held, **changes})


def without(item: Item, *names: str) -> Item:
    """The item without some attributes."""
    return {name: value for name, value in item.items() if name not in names}


def malformed(key: str, now: int, chance: random.Random) -> Item:
    """An item in a queue's index that lacks, or mistypes, what a message needs."""
    fit = legacy(key, now - SECOND, queue_type=chance.choice(("STANDARD", "DLQ")))
    return chance.choice(
        [
            without(fit, "version"),
            without(fit, "data"),
            without(fit, "status"),
            without(fit, "creation_timestamp", "last_updated_timestamp", "version"),
            without({**fit, "receive_count": 9}, "queue_peek_timestamp"),
            {**fit, "receive_count": "many"},
            {**fit, "version": "one"},
            {**fit, "queue_peek_timestamp": 5},
            {**fit, "status": "LOST"},
            {**fit, "errors": "none"},
            {
                **fit,
                "queue_type": "STANDARD",
                "status": "PROCESSING",
                "data": None,
                "version": None,
            },
        ]
    )


def stranger(key: str, now: int, chance: random.Random) -> Item:
    """Any item that a random test may meet, well-formed or not."""
    second = now // SECOND
    makers: list[Callable[[], Item]] = [
        lambda: legacy(key, now - chance.randrange(3 * SECOND)),
        lambda: legacy(key, now // SECOND * SECOND),
        lambda: legacy(key, now, queue_type="DLQ"),
        lambda: legacy(key, now - 9 * SECOND, receive_count=7),
        lambda: legacy(key, now - 5 * SECOND, receive_count=3),
        lambda: legacy_received(key, now - 99 * SECOND, now - 31 * SECOND, receive_count=3),
        lambda: legacy_received(key, now - 40 * SECOND, now - chance.randrange(60 * SECOND)),
        lambda: without(legacy(key, now, message_group_id="g", previous_id="p"), "queue_type"),
        lambda: legacy(key, now, message_group_id="g", next_id="n", token="seen"),
        lambda: _tombstone(key, now, second + chance.choice((-5, 0, 5, 300))),
        lambda: {"id": key, "kind": "something else"},
        lambda: malformed(key, now, chance),
        lambda: malformed(key, now, chance),
        lambda: malformed(key, now, chance),
    ]
    return chance.choice(makers)()


def _tombstone(key: str, now: int, expires_at: int) -> Item:
    item = without(legacy(key, now - SECOND, status="DELETED"), "queue_type", "data")
    return {**item, "expires_at": expires_at, "receipt": "old", "send_token": "old"}

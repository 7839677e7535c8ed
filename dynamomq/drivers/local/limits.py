"""DynamoDB's limits on keys, items and requests, as the embedded engine enforces them.

Without them a queue that works here would fail on the day it moves to DynamoDB.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from dynamomq.attributes import DUE, ID, QUEUE_TYPE
from dynamomq.errors import RequestRejectedError, shorten
from dynamomq.values import (
    MAX_ITEM_BYTES,
    MAX_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    Item,
    Value,
    ValueRuleError,
    check_value,
    item_size,
    to_wire,
)

INVALID = "ValidationException"
"""DynamoDB's error code for requests that break its rules."""

_KEY_LIMITS = {
    ID.name: MAX_KEY_BYTES,
    QUEUE_TYPE.name: MAX_KEY_BYTES,
    DUE.name: MAX_SORT_KEY_BYTES,
}
_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_LONGEST_CHARACTER = 4


def rejected(message: str, remedy: str = "") -> RequestRejectedError:
    """Return the error for a request that DynamoDB would refuse as invalid."""
    return RequestRejectedError(message, code=INVALID, remedy=remedy)


def check_name(kind: str, name: str) -> None:
    """Refuse a name that DynamoDB would not give to a table or index."""
    if not _NAME.fullmatch(name):
        raise rejected(
            f"{shorten(name)} can't be the name of {kind}.",
            "Use 3 to 255 of the characters a-z, A-Z, 0-9, '_', '-' and '.'.",
        )


def check_key(attribute: str, value: Value) -> None:
    """Refuse a value that can't be the key attribute ``id``, ``queue_type`` or the due time.

    DynamoDB documents a value of another type as a type mismatch, as here; DynamoDB Local lets an
    update (not a put) store one, and leaves the item out of the index.
    """
    if not isinstance(value, str):
        raise rejected(f"The key attribute {attribute} must be text, not {type(value).__name__}.")
    if not value:
        raise rejected(f"The key attribute {attribute} must not be empty.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise rejected(f"The key attribute {attribute} is not valid Unicode.") from None
    if size > _KEY_LIMITS[attribute]:
        raise rejected(
            f"The key attribute {attribute} has {size:,} bytes; {_KEY_LIMITS[attribute]:,} may be."
        )


def typed_changes(old: Item | None, new: Item) -> dict[str, dict[str, Any]]:
    """Return those attributes, in typed form, that are not the old item's own.

    Raises:
        RequestRejectedError: DynamoDB would not store one of them.
    """
    before = old or {}
    typed = {}
    for name, value in new.items():
        if name in before and before[name] is value:
            continue
        try:
            check_value(value)
        except ValueRuleError as error:
            raise rejected(f"The attribute {name} can't be stored: {error}.") from error
        if name in _KEY_LIMITS:
            check_key(name, value)
        typed[name] = to_wire(value)
    return typed


def check_size(item: Item, text: str) -> None:
    """Refuse an item of more than 400 KB; ``text``, its JSON form, is always larger than it."""
    if len(text) * _LONGEST_CHARACTER <= MAX_ITEM_BYTES:
        return
    size = item_size(item)
    if size > MAX_ITEM_BYTES:
        raise rejected(
            f"The item would have {size:,} bytes; {MAX_ITEM_BYTES:,} (400 KB) may be.",
            "Store the payload elsewhere and send a reference to it.",
        )


def check_limit(limit: int) -> None:
    """Refuse a page of less than one entry."""
    if limit < 1:
        raise rejected(f"A page of {limit} entries; it must be at least 1.")


def check_together(keys: Collection[str], limit: int) -> None:
    """Refuse too few or too many keys in one request, and the same key twice."""
    if not 1 <= len(keys) <= limit:
        raise rejected(f"{len(keys)} items in one request; it may be 1 to {limit}.")
    if len(set(keys)) < len(keys):
        raise rejected("The same item is in one request twice.")

"""How tables and items lie in the embedded engine's file: the rows, and the SQL that moves them.

An item is stored as the typed JSON that DynamoDB's own tools speak, bytes as base64, so that it can
be read with the ``sqlite3`` command and loaded into DynamoDB as it is.
"""

from __future__ import annotations

import json
import math
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from dynamomq.attributes import DUE, EXPIRES_AT, ID, QUEUE_TYPE, RECEIVE_COUNT, STATUS
from dynamomq.errors import MalformedItemError, shorten
from dynamomq.values import Item, Value, from_wire, item_from_wire

_AT_ONCE = 25
_PROJECTED = (STATUS.name, RECEIVE_COUNT.name)
_LARGEST_INTEGER = 2**63 - 1
_AFTER_ALL_TEXT = b""
"""SQLite orders every blob after every text: the bound of a query without one."""


# --- an item as text -------------------------------------------------------------------------


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"no stored value: {type(value).__name__}")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_base64).encode


_decode = json.JSONDecoder().raw_decode


def to_json(typed: Mapping[str, Any]) -> str:
    """Return the text of an item in DynamoDB's typed form, which may hold bytes."""
    return _encode(typed)


def typed_in(text: str, table: str, key: str) -> dict[str, Any]:
    """Return the typed item that :func:`to_json` wrote, but bytes still as base64.

    Args:
        text: what is stored.
        table: the name of the table, for an error's text, as below.
        key: the item's key; of a user's own table, as text.

    Raises:
        MalformedItemError: it is no JSON; somebody has changed it by hand, or the disk has.
    """
    with suppress(*_UNREADABLE):
        if not text.isascii():
            text.encode()  # fails where the file's bytes were no UTF-8
        typed, end = _decode(text)
        if isinstance(typed, dict) and end == len(text):
            return typed
    raise _damaged(table, key)


def item_of(typed: Mapping[str, Any], text: str, table: str, key: str) -> Item:
    """Return the item that :func:`typed_in` read from a text; raises what that does."""
    with suppress(*_UNREADABLE):
        return _plain(typed, text)
    raise _damaged(table, key)


def item_in(text: str, table: str, key: str) -> Item:
    """Return the item in a text, its numbers as DynamoDB gives them back; raises as above."""
    return item_of(typed_in(text, table, key), text, table, key)


_UNREADABLE: Final = (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)


def _damaged(table: str, key: str) -> MalformedItemError:
    return MalformedItemError(
        f"The row of {shorten(key)} in table {table!r} is damaged: it holds no item's JSON.",
        code="DamagedRow",
        remedy="Somebody has changed the file by hand, or the disk has: repair the row with the "
        "sqlite3 command, or delete it there.",
    )


def _plain(typed: Mapping[str, Any], text: str) -> Item:
    if '{"B' not in text:  # then there are no bytes in it, as in most items
        return item_from_wire(typed)
    return {name: _from_text(value) for name, value in typed.items()}


@lru_cache(maxsize=1024)
def _projected(text: str) -> Item:
    """Return what the index shows besides the keys: nothing, where that is damaged.

    Entries differ in little but key and due time, so most were decoded before.
    """
    with suppress(MalformedItemError):
        return item_in(text, "", "")
    return {}


def _from_text(typed: Mapping[str, Any]) -> Value:
    ((letter, inner),) = typed.items()
    if letter == "B":
        return b64decode(inner)
    if letter == "BS":
        return {b64decode(member) for member in inner}
    if letter == "L":
        return [_from_text(value) for value in inner]
    if letter == "M":
        return {name: _from_text(value) for name, value in inner.items()}
    return from_wire(typed)


# --- tables ----------------------------------------------------------------------------------


class TableRow(NamedTuple):
    """A table as it was created: its key in the file, its index, whether items expire."""

    number: int
    index_name: str
    expires: bool


def create_table(connection: sqlite3.Connection, name: str, index: str) -> None:
    """Add a table, unless there already is one of this name."""
    connection.execute(
        "INSERT OR IGNORE INTO queue_table (name, index_name) VALUES (?, ?)", (name, index)
    )


def find_table(connection: sqlite3.Connection, name: str) -> TableRow | None:
    """Look a table up."""
    row = connection.execute(
        "SELECT number, index_name, expires FROM queue_table WHERE name = ?", (name,)
    ).fetchone()
    return None if row is None else TableRow(row[0], row[1], bool(row[2]))


def enable_expiry(connection: sqlite3.Connection, table: int) -> None:
    """Note that a table's items expire."""
    connection.execute("UPDATE queue_table SET expires = 1 WHERE number = ?", (table,))


# --- items -----------------------------------------------------------------------------------


class Found(NamedTuple):
    """What is stored under a key of an existing table; ``number`` is ``None`` where nothing is."""

    table: int
    number: int | None
    text: str | None


def find(connection: sqlite3.Connection, table: str, key: str) -> Found | None:
    """Look up table and item in one step; ``None`` where there is no such table."""
    row = connection.execute(
        "SELECT queue_table.number, item.number, item FROM queue_table LEFT JOIN item"
        " ON table_number = queue_table.number AND id = ? WHERE name = ?",
        (key, table),
    ).fetchone()
    return None if row is None else Found._make(row)


def save(
    connection: sqlite3.Connection, found: Found, item: Item, typed: Mapping[str, Any], text: str
) -> None:
    """Store an item (given plain, typed and as text) where :func:`find` looked."""
    projected = to_json({name: typed[name] for name in _PROJECTED if name in typed})
    expires_at = _expiry(item.get(EXPIRES_AT.name))
    columns = (item.get(QUEUE_TYPE.name), item.get(DUE.name), projected, expires_at, text)
    if found.number is None:
        connection.execute(
            "INSERT INTO item (table_number, id, queue_type, queue_add_timestamp, projected,"
            " expires_at, item) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (found.table, item[ID.name], *columns),
        )
    else:
        connection.execute(
            "UPDATE item SET queue_type = ?, queue_add_timestamp = ?, projected = ?,"
            " expires_at = ?, item = ? WHERE number = ?",
            (*columns, found.number),
        )


def remove(connection: sqlite3.Connection, number: int) -> None:
    """Delete an item."""
    connection.execute("DELETE FROM item WHERE number = ?", (number,))


def query(
    connection: sqlite3.Connection,
    table: int,
    queue: str,
    *,
    until: str | None,
    after: tuple[str, str],
    limit: int,
) -> list[Item]:
    """Read index entries by due time, then id: those after (due time, id), up to ``until``."""
    rows = connection.execute(
        "SELECT id, queue_add_timestamp, projected FROM item"
        " WHERE table_number = ? AND queue_type = ? AND queue_add_timestamp <= ?"
        " AND (queue_add_timestamp, id) > (?, ?) ORDER BY queue_add_timestamp, id LIMIT ?",
        (table, queue, _AFTER_ALL_TEXT if until is None else until, *after, limit),
    ).fetchall()  # at once: a statement under way would keep the connection in the past
    return [
        {ID.name: key, QUEUE_TYPE.name: queue, DUE.name: due, **_projected(projected)}
        for key, due, projected in rows
    ]


def scan(
    connection: sqlite3.Connection, table: int, name: str, *, after: str, limit: int, enough: int
) -> tuple[list[Item], bool]:
    """Read items by id, and tell whether it stopped before the end.

    Args:
        connection: where to read.
        table: the table's number.
        name: the table's name.
        after: the id after which to start.
        limit: at most so many items.
        enough: stop after so many characters of stored text.

    Raises:
        MalformedItemError: one of them is damaged.
    """
    items: list[Item] = []
    size = 0
    while len(items) < limit and size < enough:
        few = min(limit - len(items), _AT_ONCE)
        rows = connection.execute(
            "SELECT id, item FROM item WHERE table_number = ? AND id > ? ORDER BY id LIMIT ?",
            (table, after, few),
        ).fetchall()
        for after, text in rows:
            items.append(item_in(text, name, after))
            size += len(text)
            if size >= enough:
                break
        if len(rows) < few:
            break
    return items, len(items) == limit or size >= enough


def expired(
    connection: sqlite3.Connection, table: int, *, before: int, limit: int
) -> list[tuple[int, str, str]]:
    """Return number, id and text of items that expired before this epoch second, oldest first."""
    return connection.execute(
        "SELECT number, id, item FROM item WHERE table_number = ? AND expires_at < ?"
        " ORDER BY expires_at LIMIT ?",
        (table, before, limit),
    ).fetchall()


def _expiry(value: Value) -> int | None:
    """Return the second by which an item expires; never, if that is no number or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return math.ceil(value) if -_LARGEST_INTEGER < value < _LARGEST_INTEGER else None

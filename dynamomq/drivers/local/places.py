"""Where an item of a user's own lies: in a table of theirs, or beside a queue's messages.

A table of a user's own has the key that it was created with, of one or two attributes; it has no
index and nothing in it expires. Its rows are the key and the item, both as typed JSON.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from dynamomq.attributes import ID
from dynamomq.drivers.local import records
from dynamomq.drivers.local.limits import check_size, rejected, typed_changes
from dynamomq.drivers.local.writer import Transaction
from dynamomq.errors import TableNotFoundError
from dynamomq.values import (
    MAX_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    Item,
    Value,
    ValueRuleError,
    check_value,
    item_to_wire,
    to_wire,
    type_letter,
)

Key = Mapping[str, str]
"""The attributes of a table's key, in order, each with the letter of its type: S, N or B."""

_KEY_OF_A_QUEUE: Final[Key] = {ID.name: "S"}
_MAX_BYTES: Final = (MAX_KEY_BYTES, MAX_SORT_KEY_BYTES)  # of a key's first and second attribute


# --- tables ----------------------------------------------------------------------------------


def create_own_table(connection: sqlite3.Connection, name: str, key: Key) -> Key | None:
    """Add a table of a user's own, unless there is one; return its key, ``None``: a queue's."""
    if records.find_table(connection, name) is not None:
        return None
    connection.execute(
        "INSERT OR IGNORE INTO own_table (name, key) VALUES (?, ?)", (name, json.dumps(key))
    )
    return _own_table(connection, name)[1]


def is_own(connection: sqlite3.Connection, name: str) -> bool:
    """Tell whether a table is a user's own."""
    found = connection.execute("SELECT 1 FROM own_table WHERE name = ?", (name,)).fetchone()
    return found is not None


def _own_table(connection: sqlite3.Connection, name: str) -> tuple[int, Key]:
    """Return a table's number and key.

    Raises:
        TableNotFoundError: there is no such table.
    """
    row = connection.execute("SELECT number, key FROM own_table WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise TableNotFoundError(name)
    return row[0], json.loads(row[1])


def key_of(connection: sqlite3.Connection, table: str) -> Key:
    """Return the key of a table, a queue's or a user's own.

    Raises:
        TableNotFoundError: there is no such table.
    """
    if records.find_table(connection, table) is not None:
        return _KEY_OF_A_QUEUE
    return _own_table(connection, table)[1]


# --- keys ------------------------------------------------------------------------------------


def key_text(key: Key, attributes: Mapping[str, Value]) -> str:
    """Return the key attributes of an item as text.

    Raises:
        RequestRejectedError: one of them is missing, or can't be in the key.
    """
    typed = {}
    for (name, letter), most in zip(key.items(), _MAX_BYTES, strict=False):
        if name not in attributes:
            raise rejected(
                f"The key attribute {name} is missing.", f"The key is {', '.join(key)}: pass all."
            )
        value = attributes[name]
        _check_key(name, value, letter, most)
        typed[name] = to_wire(value)
    return records.to_json(typed)


def _check_key(name: str, value: Value, letter: str, most: int) -> None:
    try:
        check_value(value)
        if type_letter(value) != letter:
            raise ValueRuleError(f"its type must be {letter}, not {type_letter(value)}")
    except ValueRuleError as error:
        raise rejected(f"The key attribute {name} is not right: {error}.") from error
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes) and not 1 <= len(value) <= most:
        raise rejected(
            f"The key attribute {name} has {len(value):,} bytes; it may be 1 to {most:,}."
        )


# --- items -----------------------------------------------------------------------------------


def check_storable(connection: sqlite3.Connection, table: str, item: Item) -> None:
    """Refuse an item that DynamoDB would not store in a table that exists.

    Raises:
        RequestRejectedError: an attribute's value is not valid, or the item is too large.
    """
    if records.find_table(connection, table) is None:
        _on_its_own(item)
    else:
        _in_queue(item)


def _in_queue(item: Item) -> tuple[dict[str, Any], str]:
    """Return an item in typed form and as text."""
    typed = typed_changes(None, item)
    text = records.to_json(typed)
    check_size(item, text)
    return typed, text


def _on_its_own(item: Item) -> str:
    """Return as text an item of a table whose attributes mean nothing to us."""
    for name, value in item.items():
        try:
            check_value(value)
        except ValueRuleError as error:
            raise rejected(f"The attribute {name} can't be stored: {error}.") from error
    text = records.to_json(item_to_wire(item))
    check_size(item, text)
    return text


# --- places ----------------------------------------------------------------------------------


class Place(ABC):
    """Where one item lies, within a transaction.

    Attributes:
        item: what is there; ``None``: nothing.
    """

    item: Item | None

    @abstractmethod
    def prepared(self, new: Item | None) -> Callable[[], None]:
        """Return what puts another item there, or removes it; nothing happens yet.

        Raises:
            RequestRejectedError: DynamoDB would not store that item.
        """


def place_of(transaction: Transaction, table: str, attributes: Mapping[str, Value]) -> Place:
    """Return the place of the item with these key attributes.

    Raises:
        TableNotFoundError: there is no such table.
        RequestRejectedError: a key attribute is missing, or can't be in the key.
    """
    connection = transaction.connection
    if records.find_table(connection, table) is None:
        number, key = _own_table(connection, table)
        return _OwnPlace(connection, table, number, key_text(key, attributes))
    key_text(_KEY_OF_A_QUEUE, attributes)
    found = records.find(connection, table, str(attributes[ID.name]))
    if found is None:
        raise TableNotFoundError(table)
    return _QueuePlace(transaction, table, str(attributes[ID.name]), found)


class _QueuePlace(Place):
    """In a queue's table, beside its messages."""

    def __init__(self, transaction: Transaction, table: str, id: str, found: records.Found) -> None:
        self.item = None if found.text is None else records.item_in(found.text, table, id)
        self._transaction = transaction
        self._table = table
        self._id = id
        self._found = found

    def prepared(self, new: Item | None) -> Callable[[], None]:
        if new is None:
            return self._remove
        typed, text = _in_queue(new)
        return partial(self._save, new, typed, text)

    def _save(self, new: Item, typed: Mapping[str, Any], text: str) -> None:
        records.save(self._transaction.connection, self._found, new, typed, text)
        self._note(text)

    def _remove(self) -> None:
        if self._found.number is not None:
            records.remove(self._transaction.connection, self._found.number)
            self._note(None)

    def _note(self, text: str | None) -> None:
        self._transaction.changes.append((self._table, self._id, self._found.text, text))


class _OwnPlace(Place):
    """In a table of a user's own."""

    def __init__(self, connection: sqlite3.Connection, name: str, table: int, key: str) -> None:
        self._connection = connection
        self._row = (table, key)
        found = connection.execute(
            "SELECT item FROM own_item WHERE table_number = ? AND key = ?", self._row
        ).fetchone()
        self.item = None if found is None else records.item_in(found[0], name, key)

    def prepared(self, new: Item | None) -> Callable[[], None]:
        if new is None:
            return self._remove
        return partial(self._save, _on_its_own(new))

    def _save(self, text: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO own_item (table_number, key, item) VALUES (?, ?, ?)",
            (*self._row, text),
        )

    def _remove(self) -> None:
        self._connection.execute(
            "DELETE FROM own_item WHERE table_number = ? AND key = ?", self._row
        )

"""Tables of users' own in the embedded engine's file: for rows that a transaction writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from dynamomq.checks import check_name
from dynamomq.drivers.local.places import Key, create_own_table, place_of
from dynamomq.drivers.local.store import Store
from dynamomq.drivers.local.writer import Transaction, Writer
from dynamomq.errors import InvalidArgumentError
from dynamomq.values import Item, Value

KeyDefinition: TypeAlias = "Sequence[str] | Mapping[str, Literal['S', 'N', 'B']]"
"""The attributes of a table's key: one, or two; texts, unless their types are given."""

_LETTERS: Final = ("S", "N", "B")
_MOST: Final = 2


class OwnTables:
    """The part of ``LocalEngine`` for tables that hold no queue.

    They are there so that a transaction can write a user's rows together with messages, as it does
    on DynamoDB. Rows are written by ``Queue.transaction()``; here they are read, and put for tests.
    """

    _store: Store
    _writer: Writer

    def create_table(self, name: str, key: KeyDefinition = ("id",)) -> None:
        """Create a table of your own; nothing happens where there is one with this key.

        Args:
            name: the table's name.
            key: the attributes of its key, one or two: ``("account", "entry")``. They are text
                unless types are given: ``{"account": "S", "entry": "N"}``.

        Raises:
            InvalidArgumentError: it can't be a name or a key, or the table exists with another key
                or holds a queue.
        """
        check_name("name", name)
        wanted = _checked_key(key)
        found = self._store.write(lambda connection: create_own_table(connection, name, wanted))
        if found is None:
            raise InvalidArgumentError(
                "name", name, "there is a queue in this table", remedy="Choose another name."
            )
        if list(found.items()) != list(wanted.items()):
            raise InvalidArgumentError(
                "key",
                key,
                f"the table {name!r} exists, and its key is {dict(found)}",
                remedy="Use that, or another name.",
            )

    def get_item(self, table: str, key: Mapping[str, Value]) -> Item | None:
        """Read a row of a table; ``None``: there is none.

        Args:
            table: a table of your own, or a queue's.
            key: the key attributes, such as ``{"id": "17"}``.

        Raises:
            InvalidArgumentError: an argument is of the wrong type.
            TableNotFoundError: there is no such table.
            RequestRejectedError: it is not the table's key.
        """
        check_name("table", table)
        _check_attributes("key", key)
        return self._store.read(
            lambda connection: place_of(Transaction(connection, table), table, key).item
        )

    def put_item(self, table: str, item: Item) -> None:
        """Store a row, whatever was there before; no part of any transaction.

        Raises:
            InvalidArgumentError: an argument is of the wrong type.
            TableNotFoundError: there is no such table.
            RequestRejectedError: DynamoDB would not store it.
        """
        check_name("table", table)
        _check_attributes("item", item)
        self._writer.run(
            table, lambda transaction: place_of(transaction, table, item).prepared(item)()
        )


def _check_attributes(argument: str, attributes: object) -> None:
    if not isinstance(attributes, Mapping) or not all(
        isinstance(name, str) and name for name in attributes
    ):
        raise InvalidArgumentError(
            argument,
            type(attributes).__name__,  # not the values, which may be secrets
            "attributes are wanted",
            remedy="Pass a dict from names to values, such as {'id': '17'}.",
        )


def _checked_key(key: KeyDefinition) -> Key:
    typed: dict[Any, Any] = {}
    if isinstance(key, Mapping):
        typed = dict(key)
    elif isinstance(key, list | tuple) and all(isinstance(name, str) for name in key):
        typed = dict.fromkeys(key, "S")
    if (
        not 1 <= len(typed) <= _MOST
        or len(typed) != len(key)
        or not all(isinstance(name, str) and name for name in typed)
        or not all(letter in _LETTERS for letter in typed.values())
    ):
        raise InvalidArgumentError(
            "key",
            key,
            "it is no key",
            remedy="Pass one or two names, as in ('account', 'entry'), or names with types S, N "
            "or B, as in {'account': 'S', 'entry': 'N'}.",
        )
    return typed

"""How the embedded engine writes: the machine's expressions, evaluated inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from dynamomq.attributes import ID
from dynamomq.drivers.local import records
from dynamomq.drivers.local.feed import Call, Change, Feed
from dynamomq.drivers.local.limits import INVALID, check_key, check_size, rejected, typed_changes
from dynamomq.drivers.local.store import Store
from dynamomq.errors import MalformedItemError, TableNotFoundError
from dynamomq.expressions import EffectError
from dynamomq.requests import Refused, Write, WriteReply, Written
from dynamomq.rules import Specialised
from dynamomq.timestamps import SECOND
from dynamomq.validity import InvalidExpressionError, check_arguments
from dynamomq.values import Item, ValueRuleError, item_from_wire

R = TypeVar("R")

_SWEEP_EVERY: Final = 1 * SECOND
_SWEEP_SIZE: Final = 25


class Transaction:
    """The writes of one transaction, and what they changed.

    Attributes:
        connection: where the transaction is open.
        table: the name of the table that writes are to unless they say otherwise.
        changes: (table, id, item before, item after) of every write that took place, items as text.
    """

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        """Begin without changes."""
        self.connection = connection
        self.table = table
        self.changes: list[tuple[str, str, str | None, str | None]] = []

    def write(self, write: Write, rule: Specialised) -> WriteReply:
        """Carry out one conditional write; where it raises, it has changed nothing.

        Raises:
            TableNotFoundError: there is no such table.
            RequestRejectedError: DynamoDB would not store the item after the write.
            MalformedItemError: the stored item lacks what the write's effects need.
        """
        ready = self.examine(self.table, write, rule)
        return ready if isinstance(ready, Refused) else self.carry_out(ready)

    def examine(self, table: str, write: Write, rule: Specialised) -> Refused | Ready:
        """Decide on one conditional write, and change nothing yet; raises what ``write`` does."""
        found, typed, old = self._find(table, write.id)
        if not rule.admits(write.arguments):  # with DynamoDB, such a write is not even sent
            return Refused(old)
        # A whole item is known beforehand, and refused whether or not the condition holds.
        whole = checked(write, rule)
        if not rule.condition.evaluate(old or {}, write.arguments):
            return Refused(old)
        return Ready(write, table, found, whole or _after(write, rule, old, typed))

    def carry_out(self, ready: Ready) -> Written:
        """Carry out what was decided, in the same transaction."""
        write, table, found, after = ready
        if after is None:
            if found.number is not None:
                records.remove(self.connection, found.number)
                self.changes.append((table, write.id, found.text, None))
            return Written(None)
        records.save(self.connection, found, after.item, after.typed, after.text)
        self.changes.append((table, write.id, found.text, after.text))
        if not write.want_item:
            return Written(None)
        # As stored, not as computed: numbers normalised, and nothing shared with the arguments.
        return Written({**after.item, **item_from_wire(after.changed)})

    def item(self, table: str, key: str) -> Item | None:
        """Return the item as it is.

        Raises:
            TableNotFoundError: there is no such table.
            RequestRejectedError: no item can have this key.
        """
        return self._find(table, key)[2]

    def _find(self, table: str, key: str) -> tuple[records.Found, dict[str, Any], Item | None]:
        """Return what is stored under a key: as it lies there, typed, and plain."""
        check_key(ID.name, key)
        found = records.find(self.connection, table, key)
        if found is None:
            raise TableNotFoundError(table)
        if found.text is None:
            return found, {}, None
        typed = records.typed_in(found.text, table, key)
        return found, typed, records.item_of(typed, found.text, table, key)

    def remove_expired(self, table: int, now: int) -> int:
        """Remove up to ``_SWEEP_SIZE`` items that expired before an epoch second; say how many."""
        gone = records.expired(self.connection, table, before=now, limit=_SWEEP_SIZE)
        for number, key, text in gone:
            records.remove(self.connection, number)
            self.changes.append((self.table, key, text, None))
        return len(gone)

    def told(self) -> list[Change]:
        """Return the changes as listeners want them."""
        return [
            Change(table, key, _item(old, table, key), _item(new, table, key))
            for table, key, old, new in self.changes
        ]


def _item(text: str | None, table: str, key: str) -> Item | None:
    """Return an item; of one that is damaged, and goes now, its key is known."""
    with suppress(MalformedItemError):
        return None if text is None else records.item_in(text, table, key)
    return {ID.name: key}


class _After(NamedTuple):
    """An item as a write leaves it, in all its forms, and those attributes that are not the old."""

    item: Item
    typed: dict[str, Any]
    text: str
    changed: dict[str, Any]


class Ready(NamedTuple):
    """A write whose condition holds: to which table, what lies there, and what it leaves."""

    write: Write
    table: str
    found: records.Found
    after: _After | None


def checked(write: Write, rule: Specialised) -> _After | None:
    """Refuse a write that is invalid on any item; return what it leaves if that is known already.

    Raises:
        RequestRejectedError: it is.
    """
    try:
        check_arguments(rule, write.arguments)
    except InvalidExpressionError as error:
        raise rejected(f"{write.rule.trigger} of {write.id!r}: {error}.") from error
    return _after(write, rule, None, {}) if rule.kind == "put" else None


def _after(
    write: Write, rule: Specialised, old: Item | None, typed: Mapping[str, Any]
) -> _After | None:
    """Return what a write that applies leaves; ``None`` where it removes the item.

    Raises:
        RequestRejectedError: DynamoDB would not store that.
        MalformedItemError: the old item (plain, and typed) lacks what the effects need.
    """
    new = _computed(write, rule, old)
    if new is None:
        return None
    changed = typed_changes(old, new)
    whole = {name: changed[name] if name in changed else typed[name] for name in new}
    text = records.to_json(whole)
    check_size(new, text)
    return _After(new, whole, text, changed)


def _computed(write: Write, rule: Specialised, old: Item | None) -> Item | None:
    if rule.kind == "update" and any(effect.attribute == ID for effect in rule.effects):
        raise rejected(f"{write.rule.trigger} of {write.id!r} would change the item's key.")
    # An update of an item that does not exist creates it, and it has its key from the start.
    before: Item = {ID.name: write.id} if old is None else old
    try:
        new = rule.apply(before, write.arguments)
    except EffectError as error:
        raise MalformedItemError(
            f"{write.rule.trigger} can't be carried out on the stored item {write.id!r}: {error}.",
            code=INVALID,
        ) from error
    except ValueRuleError as error:
        raise rejected(f"{write.rule.trigger} of {write.id!r} can't be stored: {error}.") from error
    if new is not None and new.get(ID.name) != write.id:
        raise rejected(f"{write.rule.trigger} of {write.id!r} has another key in its item.")
    return new


class Writer:
    """Runs transactions, tells the change feed, and removes what has expired."""

    def __init__(self, store: Store, feed: Feed, clock: Callable[[], int]) -> None:
        """Bind it to the file, the feed and the clock (nanoseconds since the epoch)."""
        self._store = store
        self._feed = feed
        self._clock = clock
        self._next_sweep = 0

    def run(self, table: str, work: Callable[[Transaction], R]) -> R:
        """Run ``work`` in a transaction: if it raises, nothing of it happened."""
        calls: list[Call] = []

        def carry_out(connection: sqlite3.Connection) -> R:
            transaction = Transaction(connection, table)
            result = work(transaction)
            if transaction.changes:
                self._sweep(connection, transaction)
                if self._feed.wanted:
                    calls.extend(self._feed.calls(transaction.told()))
            return result

        result = self._store.write(carry_out, partial(self._feed.queue, iter(calls)))
        if self._feed.wanted:
            self._feed.tell()
        return result

    def _sweep(self, connection: sqlite3.Connection, transaction: Transaction) -> None:
        """Remove a few expired items of the table that is written anyway, about once a second.

        A deleted message leaves one item to expire and took three writes. So a full batch, and the
        next one with the next write, keeps up with any load.
        """
        now = self._clock()
        if (
            now < self._next_sweep <= now + _SWEEP_EVERY
        ):  # else it is due, or the clock was set back
            return
        self._next_sweep = now + _SWEEP_EVERY
        table = records.find_table(connection, transaction.table)
        if table is not None and table.expires:
            removed = transaction.remove_expired(table.number, now // SECOND)
            if removed == _SWEEP_SIZE:
                self._next_sweep = now

"""What the actions of a transaction must be like before any storage is asked.

DynamoDB refuses the same, but some of the endpoints that stand in for it don't, and its messages
count nothing and name no item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from dynamomq.errors import RequestRejectedError
from dynamomq.requests import MAX_TRANSACTION, Action, Elsewhere, Foreign, Write
from dynamomq.values import type_letter

_INVALID = "ValidationException"


def _own_writes(actions: Sequence[Action], table: str) -> Iterator[tuple[int, str, Write]]:
    """Yield place, table and write of each action that is not the user's own.

    Args:
        actions: all actions.
        table: the table that those belong to which name no other.
    """
    for place, action in enumerate(actions):
        if isinstance(action, Elsewhere):
            yield place, action.table, action.write
        elif not isinstance(action, Foreign):
            yield place, table, action


def check_actions(actions: Sequence[Action], table: str) -> None:
    """Refuse too few or too many actions, and two on one item.

    Raises:
        RequestRejectedError: saying how many, or which item.
    """
    if not 1 <= len(actions) <= MAX_TRANSACTION:
        raise RequestRejectedError(
            f"{len(actions)} actions in one transaction; it may be 1 to {MAX_TRANSACTION}.",
            code=_INVALID,
        )
    items = Counter((where, write.id) for _, where, write in _own_writes(actions, table))
    for (where, id), number in items.items():
        if number > 1:
            raise RequestRejectedError(
                f"{number} actions of one transaction are on the item {id!r} of table {where!r}; "
                "it may be one.",
                code=_INVALID,
            )


def check_fit(place: int, action: Foreign, key: Mapping[str, str]) -> None:
    """Refuse a user's own action that does not have the key of its table.

    Args:
        place: where in the transaction it is, counted from 0.
        action: the action.
        key: the attributes of the table's key, each with the letter of its type.

    Raises:
        RequestRejectedError: naming the action, the table, its key, and what is wrong.
    """
    attributes = action.attributes
    wrong = [f"{name} is missing" for name in key if name not in attributes]
    for name, letter in key.items():
        if name not in attributes:
            continue
        if (given := type_letter(attributes[name])) != letter:
            wrong.append(f"{name} is of type {given}")
        elif attributes[name] in ("", b""):
            wrong.append(f"{name} is empty")
    if action.verb != "Put":
        wrong += [f"{name} is not part of it" for name in attributes if name not in key]
    if wrong:
        what = "an item with" if action.verb == "Put" else "just"
        shown = " + ".join(f"{name} ({letter})" for name, letter in key.items())
        raise RequestRejectedError(
            f"Action {place + 1} of the transaction, {action}, "
            f"does not fit the table's key, which is {shown}: {', '.join(wrong)}.",
            code=_INVALID,
            remedy=f"Pass {what} the key's attributes, of these types.",
        )


def inadmissible(actions: Sequence[Action], table: str) -> dict[int, tuple[str, str]]:
    """Return table and id of each write whose arguments alone forbid it, by its place.

    DynamoDB compares nothing but attributes, so what the arguments decide is decided before.
    """
    return {
        place: (where, write.id)
        for place, where, write in _own_writes(actions, table)
        if not write.specialised.admits(write.arguments)
    }


def tables_of(actions: Sequence[Action], table: str) -> tuple[str, ...]:
    """Return the tables that a transaction is about, in the order of its actions."""
    return tuple(dict.fromkeys(_table_of(action, table) for action in actions))


def foreign_tables(actions: Sequence[Action]) -> frozenset[str]:
    """Return those tables of a transaction in which it has users' own actions."""
    return frozenset(action.table for action in actions if isinstance(action, Foreign))


def _table_of(action: Action, table: str) -> str:
    return table if isinstance(action, Write) else action.table

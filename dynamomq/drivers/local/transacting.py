"""Transactions of the embedded engine: all conditions are tried first, then all is done or nothing.

There are no tokens by which DynamoDB knows a repetition: a transaction that is sent again is tried
again, as DynamoDB does after ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from attrs import frozen

from dynamomq.attributes import ID
from dynamomq.drivers.actions import check_actions, inadmissible
from dynamomq.drivers.local.foreign import decide, read_action
from dynamomq.drivers.local.limits import check_key, rejected
from dynamomq.drivers.local.places import key_text
from dynamomq.drivers.local.writer import Transaction, checked
from dynamomq.errors import RequestRejectedError
from dynamomq.requests import (
    Cancelled,
    Committed,
    Elsewhere,
    Foreign,
    Refused,
    Transact,
    Write,
)
from dynamomq.values import item_size

_MAX_BYTES: Final = 4 * 1024 * 1024


@frozen
class Plan:
    """What an action does if no other stands in the way.

    Attributes:
        size: the bytes of the item that it leaves.
        carry_out: does it.
    """

    size: int
    carry_out: Callable[[], object]


Try: TypeAlias = Callable[[], Refused | Plan]
"""Finds out whether an action's condition holds."""


def transact(transaction: Transaction, request: Transact) -> Committed | Cancelled:
    """Carry out all actions, or none.

    Raises:
        TableNotFoundError: one of the tables does not exist.
        RequestRejectedError: DynamoDB would refuse the transaction as invalid, or not store one of
            the items that it would leave.
        MalformedItemError: a stored item lacks what the effects need.
    """
    actions = request.actions
    check_actions(actions, transaction.table)
    if forbidden := inadmissible(actions, transaction.table):
        refused = {place: Refused(transaction.item(*key)) for place, key in forbidden.items()}
        return Cancelled(tuple(refused.get(place) for place in range(len(actions))))
    tries = _tries(transaction, request)
    decisions = [_decision(one) for one in tries]
    refusals = tuple(one if isinstance(one, Refused) else None for one in decisions)
    if any(refusals):
        return Cancelled(refusals)
    for one in decisions:
        if isinstance(one, RequestRejectedError):
            raise one
    plans = [one for one in decisions if isinstance(one, Plan)]
    _check_size(sum(plan.size for plan in plans))
    for plan in plans:
        plan.carry_out()
    return Committed()


def _tries(transaction: Transaction, request: Transact) -> list[Try]:
    """Refuse what is invalid on any item, for no condition is tried then; return how to try all."""
    tries: list[Try] = []
    items: dict[tuple[str, str], list[int]] = {}
    for place, action in enumerate(request.actions):
        if isinstance(action, Foreign):
            key = read_action(transaction, place, action)
            items.setdefault((action.table, key), []).append(place + 1)
            tries.append(partial(_try_own, transaction, action))
            continue
        table = transaction.table
        if isinstance(action, Elsewhere):
            table, action = action.table, action.write
        check_key(ID.name, action.id)
        checked(action, action.specialised)
        key = key_text({ID.name: "S"}, {ID.name: action.id})
        items.setdefault((table, key), []).append(place + 1)
        tries.append(partial(_try_write, transaction, table, action))
    for (table, _), places in items.items():
        if len(places) > 1:
            numbers = ", ".join(map(str, places))  # not the key, which is a row's
            raise rejected(
                f"Actions {numbers} of the transaction are on one item of table {table!r}; it may "
                "be one."
            )
    return tries


def _try_write(transaction: Transaction, table: str, write: Write) -> Refused | Plan:
    ready = transaction.examine(table, write, write.specialised)
    if isinstance(ready, Refused):
        return ready
    size = 0 if ready.after is None else item_size(ready.after.item)
    return Plan(size, partial(transaction.carry_out, ready))


def _try_own(transaction: Transaction, action: Foreign) -> Refused | Plan:
    decided = decide(transaction, action)
    if isinstance(decided, Refused):
        return decided
    new, carry_out = decided
    return Plan(0 if new is None else item_size(new), carry_out)


def _decision(attempt: Try) -> Refused | Plan | RequestRejectedError:
    """Try an action; an error counts only if no condition cancels the transaction anyway."""
    try:
        return attempt()
    except RequestRejectedError as error:
        return error


def _check_size(size: int) -> None:
    if size > _MAX_BYTES:
        raise rejected(
            f"The items of the transaction would have {size:,} bytes together; {_MAX_BYTES:,} "
            "(4 MB) may be.",
            "Store the payloads elsewhere, or use several transactions.",
        )

"""Transactions of the embedded engine: all conditions are tried first, then all is done or nothing.

There are no tokens by which DynamoDB knows a repetition: a transaction that is sent again is tried
again, as DynamoDB does after ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import frozen

from dynamomq.attributes import ID
from dynamomq.drivers.actions import check_actions, inadmissible, own_writes
from dynamomq.drivers.local.limits import check_key, rejected
from dynamomq.drivers.local.writer import Transaction, checked
from dynamomq.errors import RequestRejectedError
from dynamomq.requests import (
    Action,
    Cancelled,
    Committed,
    Elsewhere,
    Foreign,
    Refused,
    Transact,
)
from dynamomq.values import item_size

__all__ = ["Plan", "transact"]

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
    _check_writes(request, transaction.table)
    decisions = [_decision(transaction, action) for action in actions]
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


def _check_writes(request: Transact, table: str) -> None:
    """Refuse what is invalid on any item: no condition is tried then."""
    for _, _, write in own_writes(request.actions, table):
        check_key(ID.name, write.id)
        checked(write, write.specialised)


def _decision(transaction: Transaction, action: Action) -> Refused | Plan | RequestRejectedError:
    """Try an action; an error counts only if no condition cancels the transaction anyway."""
    try:
        if isinstance(action, Foreign):
            return _foreign(transaction, action)
        table = transaction.table
        if isinstance(action, Elsewhere):
            table, action = action.table, action.write
        ready = transaction.examine(table, action, action.specialised)
    except RequestRejectedError as error:
        return error
    if isinstance(ready, Refused):
        return ready
    size = 0 if ready.after is None else item_size(ready.after.item)
    return Plan(size, partial(transaction.carry_out, ready))


def _foreign(transaction: Transaction, action: Foreign) -> Refused | Plan:  # noqa: ARG001 - to come
    """Try an action that is the user's own."""
    raise rejected(
        "The embedded engine has no tables but those of queues, so it can't carry out a user's own "
        "action."
    )


def _check_size(size: int) -> None:
    if size > _MAX_BYTES:
        raise rejected(
            f"The items of the transaction would have {size:,} bytes together; {_MAX_BYTES:,} "
            "(4 MB) may be.",
            "Store the payloads elsewhere, or use several transactions.",
        )

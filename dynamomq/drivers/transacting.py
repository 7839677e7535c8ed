"""A transaction as the input of ``TransactWriteItems``, and its cancellation as a reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynamomq.drivers.connection import REFUSED, Answer
from dynamomq.drivers.failures import is_passing, stem
from dynamomq.drivers.inputs import action_input
from dynamomq.requests import Action, Cancelled, Foreign, Refused, Transact
from dynamomq.values import item_from_wire


def transact_input(request: Transact, table: str) -> dict[str, Any]:
    """Return the parameters of a transaction; ``table`` is that of the writes which name none."""
    return {
        "TransactItems": [action_input(action, table) for action in request.actions],
        "ClientRequestToken": request.token,
    }


def cancelled(request: Transact, answer: Answer, *, repeated: bool) -> Cancelled:
    """Return the reply to a transaction that conditions have cancelled."""
    told = answer["CancellationReasons"]
    pairs = zip(request.actions, told, strict=True)
    reasons = (_refusal(action, reason, repeated=repeated) for action, reason in pairs)
    in_conflict = any(is_passing(reason.get("Code", "")) for reason in told)
    return Cancelled(tuple(reasons), repeated, in_conflict)


def _refusal(action: Action, reason: Mapping[str, Any], *, repeated: bool) -> Refused | None:
    if stem(reason.get("Code", "")) not in REFUSED:
        return None
    item = reason.get("Item")
    # Our own writes ask for the item, so where they are not shown any, there is none.
    shown = item is not None or not isinstance(action, Foreign)
    return Refused(item_from_wire(item) if item else None, repeated, shown)

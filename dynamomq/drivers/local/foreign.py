"""Users' own actions in a transaction: ``Put``, ``Update``, ``Delete`` and ``ConditionCheck``.

What is invalid on any item is refused before anything is tried; then each is tried on the item that
is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dynamomq.drivers.actions import check_fit
from dynamomq.drivers.local.limits import INVALID, rejected
from dynamomq.drivers.local.places import check_storable, key_of, key_text, place_of
from dynamomq.drivers.local.writer import Transaction
from dynamomq.drivers.wire import own_expressions
from dynamomq.errors import MalformedItemError
from dynamomq.expressions import EffectError
from dynamomq.requests import Foreign, Refused
from dynamomq.validity import InvalidExpressionError, check_expressions
from dynamomq.values import Item, ValueRuleError

_MAX_EXPRESSION_BYTES: Final = 4096


def read_action(transaction: Transaction, place: int, action: Foreign) -> str:
    """Return the key of an action's item, as text.

    Args:
        transaction: which it is part of.
        place: where in it, counted from 0.
        action: the action.

    Raises:
        TableNotFoundError: there is no such table.
        RequestRejectedError: it is invalid, whatever the item is.
    """
    key = key_of(transaction.connection, action.table)
    check_fit(place, action, key)
    text = key_text(key, action.attributes)
    if action.verb == "Put":
        check_storable(transaction.connection, action.table, action.attributes)
    try:
        check_expressions(action.rule)
    except InvalidExpressionError as error:
        raise rejected(f"{action}: {error}.") from error
    texts = own_expressions(action.rule)
    size = max(len(one.encode()) for one in (texts.condition, texts.update))
    if size > _MAX_EXPRESSION_BYTES:
        raise rejected(
            f"{action}: an expression of {size:,} bytes; {_MAX_EXPRESSION_BYTES:,} may be."
        )
    return text


def decide(
    transaction: Transaction, action: Foreign
) -> Refused | tuple[Item | None, Callable[[], None]]:
    """Try an action; return the item that it leaves, and what carries it out.

    Raises:
        RequestRejectedError: DynamoDB would not store that item.
        MalformedItemError: the stored item lacks what the update needs.
    """
    place = place_of(transaction, action.table, action.attributes)
    if not action.rule.condition.evaluate(place.item or {}, {}):
        shown = action.shows and place.item is not None
        return Refused(place.item if shown else None, shown=shown)
    if action.verb == "ConditionCheck":
        return None, lambda: None
    new = _new(action, place.item)
    return new, place.prepared(new)


def _new(action: Foreign, old: Item | None) -> Item | None:
    if action.verb == "Put":
        return action.attributes
    names = {effect.attribute.name for effect in action.rule.effects}
    if changed := sorted(names & action.attributes.keys()):
        raise rejected(f"The {action} would change the item's key ({changed[0]}).")
    try:
        return action.rule.apply(action.attributes if old is None else old, {})
    except EffectError as error:
        raise MalformedItemError(
            f"The {action} can't be carried out on the stored item: {error}.", code=INVALID
        ) from error
    except ValueRuleError as error:
        raise rejected(f"What the {action} leaves can't be stored: {error}.") from error

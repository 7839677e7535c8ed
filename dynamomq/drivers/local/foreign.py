"""Users' own actions in a transaction: ``Put``, ``Update``, ``Delete`` and ``ConditionCheck``.

They come as DynamoDB takes them, in its low-level form. What is invalid on any item is refused
before anything is tried; then each is tried on the item that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from dynamomq.drivers.actions import check_fit
from dynamomq.drivers.local.language import (
    ExpressionError,
    Placeholders,
    Update,
    parse_condition,
    parse_update,
)
from dynamomq.drivers.local.limits import INVALID, rejected
from dynamomq.drivers.local.places import check_storable, key_of, key_text, place_of
from dynamomq.drivers.local.writer import Transaction
from dynamomq.errors import MalformedItemError
from dynamomq.expressions import TRUE, Condition, EffectError
from dynamomq.requests import Foreign, Refused
from dynamomq.values import Item, ValueRuleError, item_from_wire


@frozen
class OwnAction:
    """A user's own action, as it was read.

    Attributes:
        verb: ``Put``, ``Update``, ``Delete`` or ``ConditionCheck``.
        table: the table's name.
        key: the item's key as text.
        attributes: the item to be put; else its key.
        condition: what must hold of the item that is there.
        update: what an update changes.
        shows: whether a refusal is to show the item.
    """

    verb: str
    table: str
    key: str
    attributes: Item
    condition: Condition
    update: Update
    shows: bool

    def decide(self, transaction: Transaction) -> Refused | tuple[Item | None, Callable[[], None]]:
        """Try the action; return the item that it leaves, and what carries it out.

        Raises:
            RequestRejectedError: DynamoDB would not store that item.
            MalformedItemError: the stored item lacks what the update needs.
        """
        place = place_of(transaction, self.table, self.attributes)
        if not self.condition.evaluate(place.item or {}, {}):
            shown = self.shows and place.item is not None
            return Refused(place.item if shown else None, shown=shown)
        if self.verb == "ConditionCheck":
            return None, lambda: None
        new = self._new(place.item)
        return new, place.prepared(new)

    def _new(self, old: Item | None) -> Item | None:
        if self.verb == "Put":
            return self.attributes
        if self.verb == "Delete":
            return None
        if changed := sorted(self.update.attributes & self.attributes.keys()):
            raise rejected(f"The {self} would change the item's key ({changed[0]}).")
        try:
            return self.update.apply(self.attributes if old is None else old)
        except EffectError as error:
            raise MalformedItemError(
                f"The {self} can't be carried out on the stored item: {error}.", code=INVALID
            ) from error
        except ValueRuleError as error:
            raise rejected(f"What the {self} leaves can't be stored: {error}.") from error

    def __str__(self) -> str:
        return f"{self.verb} of {self.key} in table {self.table!r}"


def read_action(transaction: Transaction, place: int, action: Foreign) -> OwnAction:
    """Read an action; ``place`` says where in the transaction it is, counted from 0.

    Raises:
        TableNotFoundError: there is no such table.
        RequestRejectedError: it is invalid, whatever the item is.
    """
    ((verb, parameters),) = action.entry.items()
    table = str(parameters["TableName"])
    try:
        attributes = item_from_wire(parameters["Item" if verb == "Put" else "Key"])
    except ValueRuleError as error:
        raise rejected(f"{verb} in table {table!r}: {error}.") from error
    key = key_of(transaction.connection, table)
    check_fit(place, action.entry, key)
    text = key_text(key, attributes)
    if verb == "Put":
        check_storable(transaction.connection, table, attributes)
    condition, update = _expressions(verb, table, parameters)
    return OwnAction(
        verb,
        table,
        text,
        attributes,
        condition,
        update,
        parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD",
    )


def _expressions(verb: str, table: str, parameters: Mapping[str, Any]) -> tuple[Condition, Update]:
    what = "ExpressionAttribute…"
    condition: Condition = TRUE
    update = Update(())
    try:
        placeholders = Placeholders(
            parameters.get("ExpressionAttributeNames", {}),
            item_from_wire(parameters.get("ExpressionAttributeValues", {})),
        )
        if "UpdateExpression" in parameters:
            what = "UpdateExpression"
            update = parse_update(parameters[what], placeholders)
        if "ConditionExpression" in parameters:
            what = "ConditionExpression"
            condition = parse_condition(parameters[what], placeholders)
        what = "expressions"
        placeholders.check_all_used()
    except (ExpressionError, ValueRuleError) as error:
        raise rejected(f"{verb} in table {table!r}: {what} {error}.") from error
    return condition, update

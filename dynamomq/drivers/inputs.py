"""Conditional writes as the input of API calls: of their own, or as parts of a transaction."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from dynamomq.attributes import ID
from dynamomq.drivers import wire
from dynamomq.requests import Action, Elsewhere, Foreign, Verb, Write
from dynamomq.values import item_to_wire

RawEntry: TypeAlias = dict[str, dict[str, Any]]
"""An element of ``TransactItems``, such as ``{"Put": {"TableName": "orders", "Item": {…}}}``."""

_VERBS: Final[dict[str, Verb]] = {"put": "Put", "update": "Update", "delete": "Delete"}


def action_input(action: Action, table: str) -> RawEntry:
    """Return an action of a transaction; ``table`` is that of a write which names none.

    The caller must not change what is in the parameters: the texts are kept.
    """
    if isinstance(action, Foreign):
        return {action.verb: _own_input(action)}
    if isinstance(action, Elsewhere):
        table, action = action.table, action.write
    verb, parameters = write_input(action, table)
    return {verb: parameters}


def write_input(write: Write, table: str) -> tuple[Verb, dict[str, Any]]:
    """Return what DynamoDB calls the write, and its parameters; a refusal is to show the item.

    An operation of its own is called ``PutItem``, and so on. The caller may add to the parameters,
    but must not change what is in them: the texts are kept. Arguments that the rule does not admit
    are not told from others: the caller asks before.
    """
    rule = write.specialised
    texts = wire.expressions(rule)
    parameters: dict[str, Any] = {
        "TableName": table,
        "ConditionExpression": texts.condition,
        "ExpressionAttributeNames": texts.names,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    values = texts.values(write.arguments)
    if values:
        parameters["ExpressionAttributeValues"] = values
    if rule.kind == "put":
        parameters["Item"] = item_to_wire(write.whole_item)
    else:
        parameters["Key"] = key_input(write.id)
    if rule.kind == "update":
        parameters["UpdateExpression"] = texts.update
    return _VERBS[rule.kind], parameters


def _own_input(action: Foreign) -> dict[str, Any]:
    """Return the parameters of a user's own action; what is empty must not be among them."""
    texts = wire.own_expressions(action.rule)
    parameters = {
        "ConditionExpression": texts.condition,
        "UpdateExpression": texts.update,
        "ExpressionAttributeNames": texts.names,
        "ExpressionAttributeValues": texts.values({}),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD" if action.shows else "",
    }
    return {
        "TableName": action.table,
        "Item" if action.verb == "Put" else "Key": item_to_wire(action.attributes),
        **{name: value for name, value in parameters.items() if value},
    }


def key_input(id: str) -> dict[str, wire.Typed]:
    """Return an item's key, typed."""
    return {ID.name: {"S": id}}

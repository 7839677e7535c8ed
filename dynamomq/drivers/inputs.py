"""One conditional write as the input of an API call: of its own, or as a part of a transaction."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from dynamomq.attributes import ID
from dynamomq.drivers import wire
from dynamomq.requests import Write
from dynamomq.values import item_to_wire

Verb: TypeAlias = Literal["Put", "Update", "Delete"]
"""What DynamoDB calls a write; an operation of its own is called ``PutItem``, and so on."""

_VERBS: Final[dict[str, Verb]] = {"put": "Put", "update": "Update", "delete": "Delete"}


def write_input(write: Write, table: str) -> tuple[Verb, dict[str, Any]]:
    """Return what DynamoDB calls the write, and its parameters; a refusal is to show the item.

    The caller may add to the parameters, but must not change what is in them: the texts are kept.
    Arguments that the rule does not admit are not told from others: the caller asks before.
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


def key_input(id: str) -> dict[str, wire.Typed]:
    """Return an item's key, typed."""
    return {ID.name: {"S": id}}

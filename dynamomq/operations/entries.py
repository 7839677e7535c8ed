"""Users' own actions in a transaction, in DynamoDB's low-level form (spec: TRANSACT-2).

They are made from plain values, or checked where users bring them in that form. What DynamoDB would
not even read is refused here, on every engine alike, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from decimal import Decimal, DecimalException
from typing import Any, Final, Literal, TypeAlias

from dynamomq.checks import check_flag, check_name
from dynamomq.errors import InvalidArgumentError
from dynamomq.values import Value, ValueRuleError, check_value, item_from_wire, to_wire

__all__ = ["RawEntry", "Verb", "checked_entry", "entry_of", "raw_item"]

Verb: TypeAlias = Literal["Put", "Update", "Delete", "ConditionCheck"]

RawEntry: TypeAlias = dict[str, dict[str, Any]]
"""An element of ``TransactItems``, such as ``{"Put": {"TableName": "orders", "Item": {…}}}``."""

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "Put": ("TableName", "Item"),
    "Update": ("TableName", "Key", "UpdateExpression"),
    "Delete": ("TableName", "Key"),
    "ConditionCheck": ("TableName", "Key", "ConditionExpression"),
}
_POSSIBLE: Final = (
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
)
_TEXTS: Final = ("TableName", "UpdateExpression", "ConditionExpression")
_REMEDY: Final = (
    "See DynamoDB's TransactWriteItems, or use put_row(), update_row(), delete_row(), check_row()."
)


def raw_item(entry: Mapping[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any], bool]:
    """Return table and attributes of an entry, typed, and whether these are the whole item."""
    ((_, parameters),) = entry.items()
    is_whole = "Item" in parameters
    return parameters["TableName"], parameters["Item" if is_whole else "Key"], is_whole


# --- from plain values -----------------------------------------------------------------------


def entry_of(
    verb: Verb,
    table: str,
    attributes: Mapping[str, Value],
    *,
    update: str | None = None,
    condition: str | None = None,
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Value] | None = None,
    show_item: bool = False,
) -> RawEntry:
    """Return an action in low-level form.

    Args:
        verb: what is done.
        table: the table's name.
        attributes: the item to be put; else its key.
        update: the ``UpdateExpression``.
        condition: the ``ConditionExpression``.
        names: what the ``#names`` in both stand for.
        values: what the ``:values`` in both stand for.
        show_item: whether the error is to show the item that refuses the action.

    Raises:
        InvalidArgumentError: something can't be part of a request; it is named.
    """
    what = "item" if verb == "Put" else "key"
    parameters: dict[str, Any] = {
        "TableName": check_name("table", table),
        "Item" if verb == "Put" else "Key": _attributes(what, attributes),
    }
    for name, argument, text in (
        ("UpdateExpression", "update", update),
        ("ConditionExpression", "condition", condition),
    ):
        if text is not None or name in _NEEDED[verb]:
            parameters[name] = _text(argument, text)
    if names is not None and (given := _names("names", names)):
        parameters["ExpressionAttributeNames"] = given
    if values is not None and (typed := _typed("values", values)):
        parameters["ExpressionAttributeValues"] = typed
    if check_flag("show_item", show_item):
        parameters["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return {verb: parameters}


def _attributes(argument: str, attributes: object) -> dict[str, Any]:
    typed = _typed(argument, attributes)
    if not typed:
        raise InvalidArgumentError(
            argument, attributes, "attributes are wanted", remedy="Pass those of the key at least."
        )
    return typed


def _typed(argument: str, attributes: object) -> dict[str, Any]:
    if not isinstance(attributes, Mapping):
        raise InvalidArgumentError(
            argument,
            type(attributes).__name__,
            "attributes are wanted",
            remedy="Pass a dict from names to values.",
        )
    typed = {}
    for name, value in attributes.items():
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(
                argument, name, "it is no attribute's name", remedy="Names are text."
            )
        try:
            check_value(value)
            typed[name] = to_wire(value)
        except ValueRuleError as error:
            raise InvalidArgumentError(
                argument,
                name,  # not the value, which may be a secret
                f"its value can't be stored: {error}",
                remedy="Numbers are int or Decimal; see the types of DynamoDB.",
            ) from error
    return typed


def _text(argument: str, text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgumentError(
            argument, text, "it is no expression", remedy="Pass text, such as 'amount > :least'."
        )
    return text


def _names(argument: str, names: object) -> dict[str, str]:
    if not isinstance(names, Mapping) or not all(
        isinstance(text, str) and text for pair in names.items() for text in pair
    ):
        raise InvalidArgumentError(
            argument,
            names,
            "they are no mapping from text to text",
            remedy="Pass {'#placeholder': 'attribute'}.",
        )
    return dict(names)


# --- in low-level form -----------------------------------------------------------------------


def checked_entry(entry: object) -> RawEntry:
    """Return a copy of an entry that a user has made.

    Raises:
        InvalidArgumentError: it is none; what is wrong with it is said.
    """
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise _refused(type(entry).__name__, "it is not one action")
    ((verb, parameters),) = entry.items()
    if verb not in _NEEDED or not isinstance(parameters, Mapping):
        raise _refused(verb, f"the action is not one of {', '.join(_NEEDED)}")
    needed = _NEEDED[verb]
    for name in needed:
        if name not in parameters:
            raise _refused(verb, f"it lacks {name}")
    for name, value in parameters.items():
        if name not in needed and name not in _POSSIBLE:
            raise _refused(name, f"{verb} has no such parameter")
        _check_parameter(name, value)
    return {verb: deepcopy(dict(parameters))}


def _check_parameter(name: str, value: object) -> None:
    if name in _TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise _refused(name, "it is no text")
    elif name == "ExpressionAttributeNames":
        _names(name, value)
    elif name == "ReturnValuesOnConditionCheckFailure":
        if value not in ("ALL_OLD", "NONE"):
            raise _refused(name, "it is neither ALL_OLD nor NONE")
    else:
        _check_typed(name, value)


def _check_typed(parameter: str, attributes: object) -> None:
    if not isinstance(attributes, Mapping) or not attributes:
        raise _refused(parameter, "attributes are wanted")
    for name, typed in attributes.items():
        if not isinstance(name, str) or not name or not _is_typed(typed):
            raise _refused(
                name, f"its value in {parameter} is not in low-level form, such as {{'S': 'text'}}"
            )
    try:
        for value in item_from_wire(attributes).values():
            check_value(value)
    except ValueRuleError as error:
        raise _refused(parameter, str(error)) from error


def _refused(value: object, reason: str) -> InvalidArgumentError:
    return InvalidArgumentError("entry", value, reason, remedy=_REMEDY)


def _is_typed(typed: object) -> bool:
    if not isinstance(typed, Mapping) or len(typed) != 1:
        return False
    ((letter, inner),) = typed.items()
    return letter in _FORMS and _FORMS[letter](inner)


def _is_number(inner: object) -> bool:
    try:
        return isinstance(inner, str) and Decimal(inner).is_finite()
    except DecimalException:
        return False


def _is_text(inner: object) -> bool:
    return isinstance(inner, str)


def _is_bytes(inner: object) -> bool:
    return isinstance(inner, bytes)


def _is_list(member: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda inner: isinstance(inner, list) and all(map(member, inner))


def _is_map(inner: object) -> bool:
    return isinstance(inner, Mapping) and all(
        isinstance(name, str) and _is_typed(value) for name, value in inner.items()
    )


_FORMS: Final[Mapping[str, Callable[[object], bool]]] = {
    "S": _is_text,
    "N": _is_number,
    "B": _is_bytes,
    "BOOL": lambda inner: isinstance(inner, bool),
    "NULL": lambda inner: inner is True,
    "L": _is_list(_is_typed),
    "M": _is_map,
    "SS": _is_list(_is_text),
    "NS": _is_list(_is_number),
    "BS": _is_list(_is_bytes),
}
"""What stands beside the letter of each type."""

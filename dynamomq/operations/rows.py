"""Users' own actions in a transaction (spec: TRANSACT-2).

What DynamoDB would refuse whatever the item is, is refused here, on every engine alike, in the line
that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dynamomq.checks import check_flag, check_name
from dynamomq.effects import Effect
from dynamomq.errors import InvalidArgumentError
from dynamomq.expressions import FALSE, TRUE, Condition
from dynamomq.paths import plain_name
from dynamomq.requests import Foreign, Verb
from dynamomq.rules import Kind, Specialised
from dynamomq.validity import InvalidExpressionError, check_condition, check_expressions
from dynamomq.values import (
    Item,
    Value,
    ValueRuleError,
    check_member_name,
    check_value,
    from_wire,
    to_wire,
)

_KINDS: Final[Mapping[Verb, Kind]] = {"Put": "put", "Update": "update", "Delete": "delete"}


def own_action(
    verb: Verb,
    table: str,
    attributes: Mapping[str, Value],
    *,
    update: Effect | Iterable[Effect] = (),
    condition: Condition | None = None,
    show_item: bool = False,
) -> Foreign:
    """Return an action.

    Args:
        verb: what is done.
        table: the table's name.
        attributes: the item to be put; else its key.
        update: what an update changes.
        condition: what must hold of the item that is there; ``None``: nothing.
        show_item: whether the error is to show the item that refuses the action.

    Raises:
        InvalidArgumentError: something can't be part of a request; it is named.
    """
    check_name("table", table)
    item = _item("item" if verb == "Put" else "key", attributes)
    effects = _effects(update) if verb == "Update" else ()
    try:
        rule = Specialised(_KINDS.get(verb, "delete"), _condition(condition), effects, ())
        if verb == "ConditionCheck" and rule.condition == TRUE:
            raise _refused("condition", "TRUE", "it always holds", _CONDITION)
        check_expressions(rule)
    except InvalidExpressionError as error:
        argument = "update" if error.is_update else "condition"
        raise _refused(argument, error.subject, error.reason, _EXPRESSIONS) from error
    return Foreign(verb, table, item, rule, check_flag("show_item", show_item))


def _item(argument: str, attributes: object) -> Item:
    if not isinstance(attributes, Mapping) or not attributes:
        raise _refused(
            argument, type(attributes).__name__, "attributes are wanted", "Pass a dict of them."
        )
    item: Item = {}
    for name, value in attributes.items():
        try:
            check_member_name(name)
        except ValueRuleError as error:
            kind = type(name).__name__
            reason = f"a name of an attribute can't be stored: {error}"
            raise _refused(argument, kind, reason, "Names are text.") from error
        try:
            check_value(value)
            item[plain_name(name)] = from_wire(to_wire(value))  # a copy
        except ValueRuleError as error:
            raise InvalidArgumentError(
                argument,
                name,  # not the value, which may be a secret
                f"its value can't be stored: {error}",
                remedy="Numbers are int or Decimal; see the types of DynamoDB.",
            ) from error
    return item


def _condition(condition: object) -> Condition:
    if condition is None:
        return TRUE
    if not isinstance(condition, Condition):
        raise _refused("condition", type(condition).__name__, "it is no condition", _CONDITION)
    check_condition(condition)  # as it was written: to fold what is too large would take too long
    folded = condition.specialise(frozenset())
    if folded == FALSE:
        raise _refused("condition", "FALSE", "it never holds", _CONDITION)
    return folded


def _effects(update: object) -> tuple[Effect, ...]:
    changes = update if isinstance(update, Iterable) and not isinstance(update, str) else (update,)
    effects = []
    for one in changes:
        if not isinstance(one, Effect):
            raise _refused("update", type(one).__name__, "it is no change", _UPDATE)
        effects.append(one)
    return tuple(effects)


def _refused(argument: str, value: object, reason: str, remedy: str) -> InvalidArgumentError:
    return InvalidArgumentError(argument, value, reason, remedy=remedy)


_CONDITION: Final = (
    "Make one of dynamomq.Attr, such as Attr('stock').ge(3); see the page on transactions."
)
_UPDATE: Final = "Pass Set, Add, Remove or Discard, such as Set('stock', Attr('stock') - 3)."
_EXPRESSIONS: Final = "DynamoDB has no such expression; see the page on transactions."

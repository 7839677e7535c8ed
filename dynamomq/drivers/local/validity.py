"""What DynamoDB refuses about a write whatever the item is: it reads the expressions first.

A value of the request that an operator can't have makes the request invalid, even where the
condition would not hold; the same value in an item only makes a comparison false. What depends on
nothing but the rule is found once for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from attrs import frozen

from dynamomq.drivers.local.limits import rejected
from dynamomq.effects import Set
from dynamomq.expressions import (
    MISSING,
    AllOf,
    AnyOf,
    Append,
    Arg,
    Arguments,
    Comparison,
    Condition,
    Constant,
    Not,
    Operand,
    Plus,
)
from dynamomq.rules import Specialised
from dynamomq.values import type_letter

_CACHED = 1024
_ORDERED: Final = ("S", "N", "B")


@frozen
class _Demand:
    """What an operator wants of a value that the request brings."""

    operator: str
    operand: Operand
    letters: tuple[str, ...]


def check_expressions(rule: Specialised, arguments: Arguments) -> None:
    """Refuse a write that DynamoDB could not even try.

    Raises:
        RequestRejectedError: it is invalid on any item.
    """
    for demand in _demands(rule):
        value = demand.operand.value({}, arguments)
        if value is not MISSING and (letter := type_letter(value)) not in demand.letters:
            raise rejected(f"A value of type {letter} can't be an operand of {demand.operator}.")


@lru_cache(maxsize=_CACHED)
def _demands(rule: Specialised) -> tuple[_Demand, ...]:
    """Return what the rule wants of arguments and constants.

    Raises:
        RequestRejectedError: no arguments can make it valid.
    """
    demands: list[_Demand] = []
    for comparison in _comparisons(rule.condition):
        if comparison.left == comparison.right:
            raise rejected(f"{comparison.operator} compares {comparison.left} with itself.")
        if comparison.operator != "=":
            sides = (comparison.left, comparison.right)
            demands += _of_literals(comparison.operator, sides, _ORDERED)
    if rule.kind == "update":
        changed = [effect.attribute for effect in rule.effects]
        if not changed:
            raise rejected("An update changes nothing.")
        if len(set(changed)) < len(changed):
            raise rejected("An update changes an attribute twice.")
    for effect in rule.effects:
        operand = effect.operand if isinstance(effect, Set) else None
        if isinstance(operand, Plus):
            demands += _of_literals("+", (operand.left, operand.right), ("N",))
        elif isinstance(operand, Append):
            demands += _of_literals("list_append", (operand.left, operand.right), ("L",))
    return tuple(demands)


def _of_literals(
    operator: str, operands: Iterable[Operand], letters: tuple[str, ...]
) -> Iterator[_Demand]:
    for operand in operands:
        if isinstance(operand, Arg | Constant):
            yield _Demand(operator, operand, letters)


def _comparisons(condition: Condition) -> Iterator[Comparison]:
    match condition:
        case Comparison():
            yield condition
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _comparisons(part)
        case Not(part):
            yield from _comparisons(part)

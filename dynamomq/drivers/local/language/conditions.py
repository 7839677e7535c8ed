"""``ConditionExpression``: what must hold of an item before it is written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from attrs import frozen

from dynamomq.drivers.local.language.operands import Parser, Placed, Size
from dynamomq.drivers.local.language.paths import Path
from dynamomq.drivers.local.language.placeholders import Placeholders
from dynamomq.drivers.local.language.tokens import error_at
from dynamomq.expressions import (
    MISSING,
    AllOf,
    AnyOf,
    Arguments,
    Comparison,
    Condition,
    Constant,
    Missing,
    Not,
    Operand,
)
from dynamomq.values import Item, Value, equal, ordered, type_letter

__all__ = ["BeginsWith", "Contains", "IsThere", "IsType", "parse_condition"]

_MAX_CHOICES: Final = 100
_ORDERED: Final = ("S", "N", "B")
_SIZED: Final = ("S", "B", "SS", "NS", "BS", "L", "M")
_TYPES: Final = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")


# --- what only users' expressions say --------------------------------------------------------


class _Test(Condition):
    """A condition that has no arguments of the machine to be specialised for."""

    __slots__ = ()

    def specialise(self, given: frozenset[str]) -> Condition:
        """Stay as it is."""
        return self

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Tell whether it holds."""
        return self.holds(item)

    @abstractmethod
    def holds(self, item: Item) -> bool:
        """Tell whether it holds of the item alone."""


@frozen
class IsThere(_Test):
    """``attribute_exists``: a path leads somewhere."""

    path: Path

    def holds(self, item: Item) -> bool:
        """Go there."""
        return self.path.value(item, {}) is not MISSING


@frozen
class IsType(_Test):
    """``attribute_type``: what is there is of a type."""

    operand: Operand
    letter: str

    def holds(self, item: Item) -> bool:
        """Compare the types."""
        found = self.operand.value(item, {})
        return found is not MISSING and type_letter(found) == self.letter


@frozen
class BeginsWith(_Test):
    """``begins_with``: a text or byte string begins with another one."""

    whole: Operand
    beginning: Operand

    def holds(self, item: Item) -> bool:
        """Compare."""
        whole, beginning = self.whole.value(item, {}), self.beginning.value(item, {})
        if isinstance(whole, str) and isinstance(beginning, str):
            return whole.startswith(beginning)
        if isinstance(whole, bytes) and isinstance(beginning, bytes):
            return whole.startswith(beginning)
        return False


@frozen
class Contains(_Test):
    """``contains``: a text has another one in it, or a set or list has a member."""

    whole: Operand
    part: Operand

    def holds(self, item: Item) -> bool:
        """Look for the part."""
        whole, part = self.whole.value(item, {}), self.part.value(item, {})
        return not isinstance(part, Missing) and _contains(whole, part)


def _contains(whole: Value | Missing, part: Value) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, bytes):
        return isinstance(part, bytes) and part in whole
    if isinstance(whole, set):
        # A number's type matters (True is no 1), its Python class does not (5 is Decimal(5)).
        single = isinstance(part, str | bytes | int | Decimal) and not isinstance(part, bool)
        return single and any(equal(member, part) for member in whole)
    return isinstance(whole, list) and any(equal(member, part) for member in whole)


# --- the grammar -----------------------------------------------------------------------------


def parse_condition(text: str, placeholders: Placeholders) -> Condition:
    """Read a condition.

    Raises:
        ExpressionError: it is none; saying where in the text, and why.
    """
    return _ConditionParser(text, placeholders).whole()


class _ConditionParser(Parser):
    """From the loosest operator to the tightest: OR, AND, NOT, then comparisons and functions.

    What stands in parentheses is a condition or an operand, which shows at its end only; so both
    are read in the same way.
    """

    def whole(self) -> Condition:
        condition = self._condition(self._any_of())
        self.need_end()
        return condition

    def _any_of(self) -> Condition | Placed:
        first = self._all_of()
        if not self.next.is_keyword("OR"):
            return first
        parts = [self._condition(first)]
        while self.takes_keyword("OR"):
            self.count_operator()
            parts.append(self._condition(self._all_of()))
        return AnyOf(tuple(parts))

    def _all_of(self) -> Condition | Placed:
        first = self._negation()
        if not self.next.is_keyword("AND"):
            return first
        parts = [self._condition(first)]
        while self.takes_keyword("AND"):
            self.count_operator()
            parts.append(self._condition(self._negation()))
        return AllOf(tuple(parts))

    def _negation(self) -> Condition | Placed:
        if not self.takes_keyword("NOT"):
            return self._test()
        self.count_operator()
        return Not(self._condition(self._negation()))

    def _test(self) -> Condition | Placed:
        first = self._primary()
        if isinstance(first, Condition):
            return first
        if self.next.kind == "sign" and self.next.text in _COMPARISONS:
            return self._comparison(first)
        if self.takes_keyword("BETWEEN"):
            return self._between(first)
        return self._choice(first) if self.takes_keyword("IN") else first

    def _primary(self) -> Condition | Placed:
        if self.next.is_sign("("):
            return self.grouped(self._any_of)
        position = self.next.position
        if self.is_at_function:
            return self._function(self.take().text, position)
        if self.next.kind == ":value":
            return Placed(self.constant(), position)
        return Placed(self.path(), position)

    def _condition(self, found: Condition | Placed) -> Condition:
        return found if isinstance(found, Condition) else self.unexpected("an operator")

    def _operand(self) -> Placed:
        position = self.next.position
        found = self._primary()
        if isinstance(found, Condition):
            raise error_at(position, "an operand is wanted, not a condition")
        return found

    # --- operators ---------------------------------------------------------------------------

    def _comparison(self, left: Placed) -> Condition:
        self.count_operator()
        operator = self.take().text
        right = self._operand()
        if operator not in ("=", "<>"):
            for side in (left, right):
                side.want(_ORDERED, operator)
        _want_distinct(operator, left, (right,))
        return _COMPARISONS[operator](left.operand, right.operand)

    def _between(self, middle: Placed) -> Condition:
        self.count_operator()
        lower = self._operand()
        if not self.takes_keyword("AND"):
            self.unexpected("AND")
        upper = self._operand()
        for operand in (middle, lower, upper):
            operand.want(_ORDERED, "BETWEEN")
        _want_distinct("BETWEEN", middle, (lower, upper))
        _check_bounds(lower, upper)
        return AllOf(
            (
                Comparison(">=", middle.operand, lower.operand),
                Comparison("<=", middle.operand, upper.operand),
            )
        )

    def _choice(self, one: Placed) -> Condition:
        self.count_operator()
        position = self.next.position
        self.need_sign("(")
        choices = list(self.separated(self._operand))
        self.need_sign(")")
        if len(choices) > _MAX_CHOICES:
            raise error_at(position, f"IN has {len(choices)} operands; it may have {_MAX_CHOICES}")
        _want_distinct("IN", one, choices)
        return AnyOf(tuple(Comparison("=", one.operand, other.operand) for other in choices))

    # --- functions ---------------------------------------------------------------------------

    def _function(self, name: str, position: int) -> Condition | Placed:
        if name not in _OPERANDS:
            raise error_at(position, f"conditions have no function {name}")
        first, *others = self.arguments_of(name, self._operand, _OPERANDS[name])
        if name == "size":
            first.want(_SIZED, name)
            return Placed(Size(first.operand), position)
        if name == "attribute_exists":
            return IsThere(first.path(name))
        if name == "attribute_not_exists":
            return Not(IsThere(first.path(name)))
        (second,) = others
        if name == "attribute_type":
            return IsType(first.operand, _type_named(second))
        _want_distinct(name, first, others)
        if name == "contains":
            return Contains(first.operand, second.operand)
        for operand in (first, second):
            operand.want(("S", "B"), name)
        return BeginsWith(first.operand, second.operand)


_OPERANDS: Final = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
"""How many operands each function has."""


def _differs(left: Operand, right: Operand) -> Condition:
    return Not(Comparison("=", left, right))


_COMPARISONS: Final[dict[str, Callable[[Operand, Operand], Condition]]] = {
    "<>": _differs,
    "=": lambda left, right: Comparison("=", left, right),
    "<": lambda left, right: Comparison("<", left, right),
    "<=": lambda left, right: Comparison("<=", left, right),
    ">": lambda left, right: Comparison(">", left, right),
    ">=": lambda left, right: Comparison(">=", left, right),
}


def _want_distinct(operator: str, first: Placed, others: Sequence[Placed]) -> None:
    for other in others:
        if isinstance(first.operand, Path) and first.operand == other.operand:
            raise error_at(other.position, f"{operator} compares {first.operand} with itself")


def _check_bounds(lower: Placed, upper: Placed) -> None:
    """Refuse bounds of which the text alone tells that nothing is between them."""
    if not isinstance(lower.operand, Constant) or not isinstance(upper.operand, Constant):
        return
    order = ordered(lower.operand.constant, upper.operand.constant)
    if order is None:
        raise error_at(upper.position, "the bounds of BETWEEN are of different types")
    if order > 0:
        raise error_at(upper.position, "the upper bound of BETWEEN is less than the lower one")


def _type_named(operand: Placed) -> str:
    letter = operand.operand.constant if isinstance(operand.operand, Constant) else None
    if not isinstance(letter, str) or letter not in _TYPES:
        raise error_at(
            operand.position, f"attribute_type wants a :value that is one of {', '.join(_TYPES)}"
        )
    return letter

"""What DynamoDB refuses about a write whatever the item is: it reads the expressions first.

A value of the request that an operator can't have makes the request invalid, even where the
condition would not hold; the same value in an item only makes a comparison false. What depends on
nothing but the rule is found once for each of the machine's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import combinations
from typing import Final, NoReturn

from attrs import define, field, frozen

from dynamomq.effects import Add, Discard, Effect, Set
from dynamomq.expressions import (
    MAX_OPERATORS,
    AllOf,
    AnyOf,
    Append,
    Arg,
    Arguments,
    Attr,
    BeginsWith,
    Comparison,
    Condition,
    Constant,
    Contains,
    Exists,
    HasType,
    IfNotExists,
    Minus,
    Not,
    Operand,
    Plus,
    Size,
)
from dynamomq.paths import MISSING
from dynamomq.rules import Specialised
from dynamomq.values import TYPES, type_letter

_CACHED: Final = 1024
_ORDERED: Final = ("S", "N", "B")
_SETS: Final = ("SS", "NS", "BS")


class InvalidExpressionError(ValueError):
    """A condition or an update is invalid on any item.

    Attributes:
        subject: the operator, or what is changed.
        reason: what is wrong with it.
        is_update: whether it is the update.
    """

    def __init__(self, subject: str, reason: str) -> None:
        """Say what is wrong, without values."""
        super().__init__(f"{subject}: {reason}")
        self.subject = subject
        self.reason = reason
        self.is_update = False


@frozen
class _Demand:
    """What an operator wants of a value that the request brings."""

    operator: str
    operand: Operand
    letters: Collection[str]

    def check(self, arguments: Arguments) -> None:
        """Refuse a value of another type.

        Raises:
            InvalidExpressionError: it is.
        """
        value = self.operand.value({}, arguments)
        if value is not MISSING and (letter := type_letter(value)) not in self.letters:
            raise InvalidExpressionError(
                self.operator, f"a value of type {letter} can't be its operand"
            )


def check_arguments(rule: Specialised, arguments: Arguments) -> None:
    """Refuse a write of the machine's that DynamoDB could not even try.

    Raises:
        InvalidExpressionError: it is invalid on any item.
    """
    for demand in _demands(rule):
        demand.check(arguments)


@lru_cache(maxsize=_CACHED)
def _demands(rule: Specialised) -> tuple[_Demand, ...]:
    return (*_of_condition(rule.condition), *_of_effects(rule))


def check_expressions(rule: Specialised) -> None:
    """Refuse a write of a user's own that DynamoDB could not even try.

    Raises:
        InvalidExpressionError: it is invalid on any item.
    """
    check_condition(rule.condition)
    try:
        for demand in _of_effects(rule):
            demand.check({})
    except InvalidExpressionError as error:
        error.is_update = True
        raise


def check_condition(condition: Condition) -> None:
    """Refuse a condition of a user's own that DynamoDB could not even try.

    Raises:
        InvalidExpressionError: it is invalid on any item.
    """
    for demand in _of_condition(condition):
        demand.check({})


def _of_condition(condition: Condition) -> list[_Demand]:
    """Return what a condition wants of arguments and constants.

    Raises:
        InvalidExpressionError: no arguments can make it valid.
    """
    reader = _Reader()
    reader.condition(condition)
    return reader.demands


def _of_effects(rule: Specialised) -> list[_Demand]:
    """Return what effects want of arguments and constants.

    Raises:
        InvalidExpressionError: no arguments can make them valid.
    """
    reader = _Reader()
    if rule.kind == "update":
        _check_places(rule.effects)
    for effect in rule.effects:
        reader.effect(effect)
    return reader.demands


def _check_places(effects: Iterable[Effect]) -> None:
    places = [effect.attribute for effect in effects]
    if not places:
        raise InvalidExpressionError("update", "it changes nothing")
    for one, other in combinations(places, 2):
        if one.name != other.name:
            continue
        pairs = zip(one.steps, other.steps, strict=False)
        different = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if different is None:
            raise InvalidExpressionError(str(one), f"it is changed twice, also by that of {other}")
        if type(different[0]) is not type(different[1]):
            raise InvalidExpressionError(str(one), f"{other} takes a map for a list")


@define
class _Reader:
    """Reads one expression.

    Attributes:
        demands: what it wants of arguments and constants.
    """

    demands: list[_Demand] = field(factory=list)
    _operators: int = 0

    # --- conditions --------------------------------------------------------------------------

    def condition(self, condition: Condition) -> None:
        """Read a condition."""
        match condition:
            case AllOf(parts) | AnyOf(parts):
                self._count(max(0, len(parts) - 1))
                for part in parts:
                    self.condition(part)
                return
            case Not(part):
                if not isinstance(part, Exists):
                    self._count()
                self.condition(part)
                return
            case Comparison(operator, left, right):
                self._compared(operator, left, right)
                if operator != "=":
                    self._of_literals(operator, (left, right), _ORDERED)
            case Exists():
                pass
            case HasType(_, letter):
                if letter not in TYPES:
                    _refuse("attribute_type", f"a type is one of {', '.join(TYPES)}")
            case BeginsWith(attribute, beginning):
                self._compared("begins_with", attribute, beginning)
                if isinstance(beginning, Size):
                    _refuse("begins_with", "a size can't be its operand")
                self._of_literals("begins_with", (beginning,), ("S", "B"))
            case Contains(attribute, part):
                self._compared("contains", attribute, part)
            case _:
                _refuse("condition", f"{type(condition).__name__} can't be part of it")
        self._count()

    def _compared(self, operator: str, left: Operand, right: Operand) -> None:
        for side in (left, right):
            if isinstance(side, Size):
                self._count()
            elif not isinstance(side, Attr | Arg | Constant):
                _refuse(operator, f"{_NAMES.get(type(side), 'that')} can't be its operand")
        if isinstance(left, Attr) and left == right:
            _refuse(operator, f"it compares {left} with itself")

    # --- updates -----------------------------------------------------------------------------

    def effect(self, effect: Effect) -> None:
        """Read an effect."""
        match effect:
            case Set(_, operand):
                self._assigned("SET", operand)
            case Add(_, operand):
                self._literal("ADD", operand, ("N", *_SETS))
            case Discard(_, operand):
                self._literal("DELETE", operand, _SETS)

    def _literal(self, operator: str, operand: Operand, letters: Collection[str]) -> None:
        if not isinstance(operand, Arg | Constant):
            _refuse(operator, "it takes plain values only")
        self._count()
        self._of_literals(operator, (operand,), letters)

    def _assigned(self, operator: str, operand: Operand) -> None:
        name = _NAMES.get(type(operand), "that")
        match operand:
            case Attr() | Arg() | Constant():
                pass
            case Plus(left, right) | Minus(left, right) if operator == "SET":
                self._computed(name, left, right)
                self._of_literals(name, (left, right), ("N",))
            case Append(left, right) if operator not in ("list_append", "if_not_exists"):
                self._computed(name, left, right)
                self._of_literals(name, (left, right), ("L",))
            case IfNotExists(attribute, otherwise):
                self._computed(name, attribute, otherwise)
            case _:
                _refuse(operator, f"{name} can't be its operand")

    def _computed(self, name: str, *operands: Operand) -> None:
        self._count()
        for operand in operands:
            self._assigned(name, operand)

    # --- both --------------------------------------------------------------------------------

    def _of_literals(
        self, operator: str, operands: Iterable[Operand], letters: Collection[str]
    ) -> None:
        self.demands += [
            _Demand(operator, operand, letters)
            for operand in operands
            if isinstance(operand, Arg | Constant)
        ]

    def _count(self, number: int = 1) -> None:
        self._operators += number
        if self._operators > MAX_OPERATORS:
            _refuse("expression", f"it has more than {MAX_OPERATORS} operators and functions")


_NAMES: Final[dict[type, str]] = {
    Plus: "+",
    Minus: "-",
    Append: "list_append",
    IfNotExists: "if_not_exists",
    Size: "size",
}


def _refuse(subject: str, reason: str) -> NoReturn:
    raise InvalidExpressionError(subject, reason)

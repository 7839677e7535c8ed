"""Guards and effects as data: a small typed syntax tree over an item and an operation's arguments.

The state machine is written in these trees, and everything else reads them: the DynamoDB driver
prints them as expressions, the local engine evaluates them, the specification exports them. They
are values: two trees built alike are equal, and a tree has no truth value of its own (asking for
one raises, because ``if attribute.eq(x)`` would always hold).

Users write the conditions and updates of their own rows in the same trees: ``Attr("stock").ge(3)``.

Semantics are DynamoDB's (spec: EXPR-1 to EXPR-4): a comparison with a missing attribute or with
another type is false, negation is two-valued, and all operands of effects see the item as it was
before the write. An argument may be left out; then a comparison with it is false, ``Given`` is
false, and ``Same`` asks for absence.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Final, Literal, NoReturn

from attrs import cmp_using, evolve, field, frozen

from dynamomq.errors import InvalidArgumentError
from dynamomq.paths import MISSING, Missing, Step, check_path, member, plain_name, plain_steps
from dynamomq.values import (
    TYPES,
    Item,
    Value,
    ValueRuleError,
    add_numbers,
    check_value,
    equal,
    from_wire,
    ordered,
    to_wire,
    type_letter,
)

Arguments = Mapping[str, Value]
Operator = Literal["=", "<", "<=", ">", ">="]


MAX_OPERATORS: Final = 300
"""Operators and functions of one expression, ``AND`` and ``OR`` among them."""

MAX_CHOICES: Final = MAX_OPERATORS // 2
"""Values of one ``is_in``: each is a comparison, and between them are as many ``OR`` less one."""

_ORDER: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class EffectError(ValueError):
    """An effect can't be computed: an attribute is missing, or of the wrong type."""


# --- operands --------------------------------------------------------------------------------


class Operand(ABC):
    """Something with a value: an attribute, an argument, a literal, or a computation of them."""

    __slots__ = ()

    @abstractmethod
    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the value, or ``MISSING`` where there is none."""

    def eq(self, operand: Operand | Value) -> Comparison:
        """Equal, in type and value."""
        return Comparison("=", self, as_operand(operand))

    def ne(self, operand: Operand | Value) -> Condition:
        """Different in value or type, or missing: whatever ``eq`` is not."""
        return ~self.eq(operand)

    def lt(self, operand: Operand | Value) -> Comparison:
        """Less than; false where the types differ or have no order."""
        return Comparison("<", self, as_operand(operand))

    def le(self, operand: Operand | Value) -> Comparison:
        """At most."""
        return Comparison("<=", self, as_operand(operand))

    def gt(self, operand: Operand | Value) -> Comparison:
        """Greater than."""
        return Comparison(">", self, as_operand(operand))

    def ge(self, operand: Operand | Value) -> Comparison:
        """At least."""
        return Comparison(">=", self, as_operand(operand))

    def between(self, lower: Operand | Value, upper: Operand | Value) -> Condition:
        """At least ``lower`` and at most ``upper``."""
        return self.ge(as_operand(lower, "lower")) & self.le(as_operand(upper, "upper"))

    def is_in(self, choices: Iterable[Operand | Value]) -> Condition:
        """Equal to one of the choices.

        Raises:
            InvalidArgumentError: there are none, more than 150, or they are text.
        """
        given: object = choices
        several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
        few = list(islice(choices, MAX_CHOICES + 1)) if several else []
        kind = type(given).__name__
        if len(few) > MAX_CHOICES:
            reason = f"they are more than {MAX_CHOICES}"
            raise InvalidArgumentError("choices", kind, reason, remedy="Ask for fewer values.")
        equalities = [self.eq(as_operand(one, "choices")) for one in few]
        if not equalities:
            raise InvalidArgumentError(
                "choices",
                kind,
                "nothing is to be chosen from",
                remedy="Pass a list with at least one value.",
            )
        return AnyOf(tuple(equalities))

    def __add__(self, other: Operand | Value) -> Plus:
        """The sum of two numbers, to be assigned."""
        return Plus(self, as_operand(other))

    def __radd__(self, other: Value) -> Plus:
        """The sum of two numbers, to be assigned."""
        return Plus(as_operand(other), self)

    def __sub__(self, other: Operand | Value) -> Minus:
        """The difference of two numbers, to be assigned."""
        return Minus(self, as_operand(other))

    def __rsub__(self, other: Value) -> Minus:
        """The difference of two numbers, to be assigned."""
        return Minus(as_operand(other), self)

    def __bool__(self) -> NoReturn:
        """Refuse: ``Attr("a") and …`` would drop the first half without a word."""
        raise TypeError("an operand has no truth value; ask for attribute.eq(True), or exists()")


def as_operand(value: Operand | Value, argument: str = "operand") -> Operand:
    """Return an operand as it is, and a plain value as one; ``argument`` is for the error.

    Raises:
        InvalidArgumentError: DynamoDB has no such value; numbers are ``int`` or ``Decimal``.
    """
    if isinstance(value, Operand):
        return value
    try:
        check_value(value)
        return Constant(from_wire(to_wire(value)))  # a copy
    except ValueRuleError as error:
        raise InvalidArgumentError(
            argument,
            type(value).__name__,  # not the value, which may be a secret
            f"it can't be stored: {error}",
            remedy="Numbers are int or Decimal; see the types of DynamoDB.",
        ) from error


class ListOperand(Operand):
    """What may be a list, and be joined with another one."""

    __slots__ = ()

    def append(self, operand: Operand | Value) -> Append:
        """The list with another one behind it, to be assigned."""
        return Append(self, as_operand(operand))

    def prepend(self, operand: Operand | Value) -> Append:
        """The list with another one before it, to be assigned."""
        return Append(as_operand(operand), self)


@frozen
class Attr(ListOperand):
    """An attribute of an item, or a place in it: ``Attr("orders")[2]["price"]``.

    Attributes:
        name: the attribute's; dots and reserved words in it mean nothing.
        steps: the way from there, through maps (by name) and lists (by index).
    """

    name: str = field(converter=plain_name)
    steps: tuple[Step, ...] = field(default=(), converter=plain_steps)
    __iter__ = None  # else Python would try one index after the other

    def __attrs_post_init__(self) -> None:
        """Refuse what is no name and no index.

        Raises:
            InvalidArgumentError: DynamoDB has no such attribute, or no such place.
        """
        check_path(self.name, self.steps)

    def __getitem__(self, step: Step) -> Attr:
        """Return the place of a map's member or a list's element."""
        return evolve(self, steps=(*self.steps, step))

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return what is there; ``MISSING`` where the way does not lead anywhere."""
        found = item.get(self.name, MISSING)
        for step in self.steps:
            found = member(found, step)
        return found

    def exists(self) -> Exists:
        """Hold where the item has the attribute."""
        return Exists(self)

    def absent(self) -> Not:
        """Hold where the item lacks the attribute."""
        return Not(Exists(self))

    def has_type(self, letter: str) -> HasType:
        """Hold where the attribute exists and is of the DynamoDB type (``"S"``, ``"N"``, …).

        Raises:
            InvalidArgumentError: DynamoDB has no such type.
        """
        if letter not in TYPES:
            raise InvalidArgumentError(
                "letter", letter, "it is no type", remedy=f"Pass one of {', '.join(TYPES)}."
            )
        return HasType(self, letter)

    def begins_with(self, operand: Operand | Value) -> BeginsWith:
        """Hold where the attribute is text (or bytes) that begins so."""
        return BeginsWith(self, as_operand(operand))

    def contains(self, operand: Operand | Value) -> Contains:
        """Hold where the attribute is text with this in it, or a set or list with this member."""
        return Contains(self, as_operand(operand))

    def size(self) -> Size:
        """How long it is, to be compared: ``Attr("tags").size().lt(5)``."""
        return Size(self)

    def if_not_exists(self, operand: Operand | Value) -> IfNotExists:
        """What is there, or something else where that is nothing; to be assigned."""
        return IfNotExists(self, as_operand(operand))

    def __str__(self) -> str:
        """Show the path: ``orders[2].price``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps)
        return self.name + "".join(steps)


@frozen
class Arg(Operand):
    """The value of an argument of the operation."""

    name: str

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the argument, if it was given."""
        return arguments.get(self.name, MISSING)


@frozen
class Constant(Operand):
    """A fixed value; another one is the same if type and value are (``True`` is not 1)."""

    constant: Value = field(eq=cmp_using(eq=equal))

    def __hash__(self) -> int:
        """Equal values are the same; of lists, maps and sets only the type counts."""
        value = self.constant
        return hash(type(value) if isinstance(value, list | dict | set) else value)

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the value itself."""
        return self.constant


@frozen
class Size(Operand):
    """How long a text, byte string, set, list or map is; a text is counted in UTF-16 units."""

    attribute: Attr

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the size; ``MISSING`` where nothing is there that has one."""
        found = self.attribute.value(item, arguments)
        if isinstance(found, str):
            return len(found.encode("utf-16-le")) // 2
        return len(found) if isinstance(found, bytes | list | dict | set) else MISSING


@frozen
class Plus(Operand):
    """The sum of two numbers."""

    left: Operand
    right: Operand

    def value(self, item: Item, arguments: Arguments) -> Value:
        """Return the sum.

        Raises:
            EffectError: one of the two is missing or not a number.
        """
        left = number_of(self.left, item, arguments)
        return add_numbers(left, number_of(self.right, item, arguments))


@frozen
class Minus(Operand):
    """The difference of two numbers."""

    left: Operand
    right: Operand

    def value(self, item: Item, arguments: Arguments) -> Value:
        """Return the difference.

        Raises:
            EffectError: one of the two is missing or not a number.
        """
        left = number_of(self.left, item, arguments)
        return add_numbers(left, -number_of(self.right, item, arguments))


@frozen
class IfNotExists(ListOperand):
    """An attribute's value, or another value where the item lacks the attribute."""

    attribute: Attr
    otherwise: Operand

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the attribute's value or the other one."""
        present = self.attribute.value(item, arguments)
        return self.otherwise.value(item, arguments) if present is MISSING else present

    def __str__(self) -> str:
        """Show both; what is missing is no constant."""
        return f"if_not_exists({self.attribute}, {self.otherwise})"


@frozen
class Append(Operand):
    """Two lists, one after the other."""

    left: Operand
    right: Operand

    def value(self, item: Item, arguments: Arguments) -> Value:
        """Return the joined list.

        Raises:
            EffectError: one of the two is missing or not a list.
        """
        left = required(self.left, item, arguments)
        right = required(self.right, item, arguments)
        if not isinstance(left, list) or not isinstance(right, list):
            raise EffectError("an operand of list_append is not a list")
        return [*left, *right]


def required(operand: Operand, item: Item, arguments: Arguments) -> Value:
    """Return an operand's value.

    Raises:
        EffectError: it has none.
    """
    found = operand.value(item, arguments)
    if found is MISSING:
        raise EffectError(f"{operand} has no value")
    return found


def number_of(operand: Operand, item: Item, arguments: Arguments) -> int | Decimal:
    """Return an operand's value, which must be a number.

    Raises:
        EffectError: it is missing, or something else.
    """
    found = required(operand, item, arguments)
    if type(found) is int or type(found) is Decimal:  # a boolean is an int to isinstance
        return found
    shown = operand if isinstance(operand, Attr) else "an operand"  # a value may be a secret
    raise EffectError(f"{shown} is not a number")


# --- conditions ------------------------------------------------------------------------------


class Condition(ABC):
    """Something that holds, or not, of an item and the arguments."""

    __slots__ = ()

    @abstractmethod
    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Tell whether the condition holds; an absent item is the empty one."""

    def specialise(self, given: frozenset[str]) -> Condition:
        """Fold what is decided by *which* arguments are given (not by their values)."""
        return self

    @property
    def about_item(self) -> bool:
        """Whether the item matters; if not, the arguments alone decide."""
        return True

    def __and__(self, other: Condition) -> Condition:
        """Both hold.

        Raises:
            InvalidArgumentError: the other one is no condition.
        """
        return all_of((self, _as_condition(other)))

    def __or__(self, other: Condition) -> Condition:
        """At least one holds; flat, without repetitions, and no more is simplified.

        Raises:
            InvalidArgumentError: the other one is no condition.
        """
        parts = _alternatives(self)
        parts += tuple(one for one in _alternatives(_as_condition(other)) if one not in parts)
        if TRUE in parts:
            return TRUE
        return parts[0] if len(parts) == 1 else AnyOf(parts)

    __rand__ = __and__  # reached only by what is no condition
    __ror__ = __or__

    def __invert__(self) -> Condition:
        """It does not hold."""
        return negation(self)

    def __bool__(self) -> NoReturn:
        """Refuse: a condition is a description, it has no truth value without an item."""
        raise TypeError("a condition has no truth value; join conditions with &, | and ~")


def _as_condition(other: Condition) -> Condition:
    given: object = other
    if not isinstance(given, Condition):
        raise InvalidArgumentError(
            "condition",
            type(given).__name__,
            "it is no condition, and can't be joined with one",
            remedy="Pass one made of dynamomq.Attr, such as Attr('open').eq(True).",
        )
    return other


@frozen
class Comparison(Condition):
    """Two operands compared; false where either is missing or their types differ."""

    operator: Operator
    left: Operand
    right: Operand

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Compare by DynamoDB's rules."""
        left = self.left.value(item, arguments)
        right = self.right.value(item, arguments)
        if left is MISSING or right is MISSING:
            return False
        if self.operator == "=":
            return equal(left, right)
        order = ordered(left, right)
        return order is not None and _ORDER[self.operator](order, 0)

    def specialise(self, given: frozenset[str]) -> Condition:
        """Be false where an argument that is compared is not given."""
        sides = (self.left, self.right)
        left_out = any(isinstance(side, Arg) and side.name not in given for side in sides)
        return FALSE if left_out else self

    @property
    def about_item(self) -> bool:
        """Whether one side is an attribute."""
        return isinstance(self.left, Attr) or isinstance(self.right, Attr)


@frozen
class Exists(Condition):
    """The item has the attribute."""

    attribute: Attr

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Look for the attribute."""
        return self.attribute.value(item, arguments) is not MISSING


@frozen
class HasType(Condition):
    """The item has the attribute, and it is of this DynamoDB type."""

    attribute: Attr
    letter: str

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Compare the type of the stored value."""
        found = self.attribute.value(item, arguments)
        return found is not MISSING and type_letter(found) == self.letter


@frozen
class BeginsWith(Condition):
    """The attribute is text, or bytes, with this beginning."""

    attribute: Attr
    beginning: Operand

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Compare the beginnings."""
        whole = self.attribute.value(item, arguments)
        beginning = self.beginning.value(item, arguments)
        if isinstance(whole, str) and isinstance(beginning, str):
            return whole.startswith(beginning)
        if isinstance(whole, bytes) and isinstance(beginning, bytes):
            return whole.startswith(beginning)
        return False


@frozen
class Contains(Condition):
    """The attribute is text, or bytes, with this in it, or a set or list with this member."""

    attribute: Attr
    part: Operand

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Look for the part."""
        whole, part = self.attribute.value(item, arguments), self.part.value(item, arguments)
        if isinstance(part, Missing):
            return False
        if isinstance(whole, str):
            return isinstance(part, str) and part in whole
        if isinstance(whole, bytes):
            return isinstance(part, bytes) and part in whole
        if isinstance(whole, list | set):
            return any(equal(member, part) for member in whole)
        return False


@frozen
class Given(Condition):
    """The caller gave this argument."""

    argument: str

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Look for the argument."""
        return self.argument in arguments

    def specialise(self, given: frozenset[str]) -> Condition:
        """Be decided."""
        return TRUE if self.argument in given else FALSE

    @property
    def about_item(self) -> bool:
        """The item does not matter."""
        return False


@frozen
class Same(Condition):
    """The attribute is as the plan says: equal to the argument, or absent where none is given."""

    attribute: Attr
    argument: str

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Compare, or look for absence."""
        return self.specialise(frozenset(arguments)).evaluate(item, arguments)

    def specialise(self, given: frozenset[str]) -> Condition:
        """Become a comparison or a test for absence."""
        if self.argument in given:
            return self.attribute.eq(Arg(self.argument))
        return self.attribute.absent()


@frozen
class AllOf(Condition):
    """All parts hold; without parts, always true."""

    parts: tuple[Condition, ...]

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Evaluate the parts until one fails."""
        return all(part.evaluate(item, arguments) for part in self.parts)

    def specialise(self, given: frozenset[str]) -> Condition:
        """Specialise the parts."""
        return all_of(part.specialise(given) for part in self.parts)

    @property
    def about_item(self) -> bool:
        """Whether any part is."""
        return any(part.about_item for part in self.parts)


@frozen
class AnyOf(Condition):
    """At least one part holds; without parts, never true."""

    parts: tuple[Condition, ...]

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Evaluate the parts until one holds."""
        return any(part.evaluate(item, arguments) for part in self.parts)

    def specialise(self, given: frozenset[str]) -> Condition:
        """Specialise the parts."""
        return any_of(part.specialise(given) for part in self.parts)

    @property
    def about_item(self) -> bool:
        """Whether any part is."""
        return any(part.about_item for part in self.parts)


@frozen
class Not(Condition):
    """The part does not hold."""

    part: Condition

    def evaluate(self, item: Item, arguments: Arguments) -> bool:
        """Negate."""
        return not self.part.evaluate(item, arguments)

    def specialise(self, given: frozenset[str]) -> Condition:
        """Specialise the part."""
        return negation(self.part.specialise(given))

    @property
    def about_item(self) -> bool:
        """Whether the part is."""
        return self.part.about_item


TRUE: Final = AllOf(())
FALSE: Final = AnyOf(())


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """Return the parts that must all hold: those of an ``AllOf``, or the condition alone."""
    return condition.parts if isinstance(condition, AllOf) else (condition,)


def _alternatives(condition: Condition) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, AnyOf) else (condition,)


def all_of(parts: Iterable[Condition]) -> Condition:
    """Join with AND: flat, without repetitions, decided where a part is."""
    flat: dict[Condition, None] = {}
    for part in parts:
        flat.update(dict.fromkeys(conjuncts(part)))
    if FALSE in flat:
        return FALSE
    return next(iter(flat)) if len(flat) == 1 else AllOf(tuple(flat))


def any_of(parts: Iterable[Condition]) -> Condition:
    """Join with OR, and simplify: what all alternatives demand is demanded once.

    Two steps, each an equivalence of two-valued logic: alternatives that differ only in that one
    demands X and the other NOT X become one without it; conjuncts common to all are factored out.
    """
    alternatives: list[tuple[Condition, ...]] = []
    for part in parts:
        for one in _alternatives(part):
            if conjuncts(one) not in alternatives:
                alternatives.append(conjuncts(one))
    if () in alternatives:
        return TRUE
    while (merged := _merge_complements(alternatives)) is not None:
        alternatives = merged
    if not alternatives:
        return FALSE
    common = [part for part in alternatives[0] if all(part in other for other in alternatives[1:])]
    rest = [all_of(p for p in parts_ if p not in common) for parts_ in alternatives]
    either = TRUE if TRUE in rest else AnyOf(tuple(rest))
    return all_of((*common, either))


def _merge_complements(
    alternatives: list[tuple[Condition, ...]],
) -> list[tuple[Condition, ...]] | None:
    """Merge one pair (A AND X), (A AND NOT X) into (A); ``None`` where there is no such pair."""
    for i, left in enumerate(alternatives):
        for right in alternatives[i + 1 :]:
            only_left = [part for part in left if part not in right]
            only_right = [part for part in right if part not in left]
            if len(only_left) == len(only_right) == 1 and (negation(only_left[0]) == only_right[0]):
                without = tuple(part for part in left if part != only_left[0])
                rest = [one for one in alternatives if one not in (left, right, without)]
                return [*rest[:i], without, *rest[i:]]
    return None


def negation(condition: Condition) -> Condition:
    """Return the opposite, without double negation."""
    if isinstance(condition, Not):
        return condition.part
    if condition == TRUE:
        return FALSE
    return TRUE if condition == FALSE else Not(condition)

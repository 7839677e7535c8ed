"""Random writes: conditions and effects of every kind that DynamoDB can say, on a known item.

A write is drawn by chance and then looked at: one that is to take place is drawn until its
condition holds of the item. So about half of the writes take place, however odd the conditions.
"""

import random
from collections.abc import Callable
from typing import Final, get_args

from attrs import define, field

from dynamomq.attributes import DUE, ID, QUEUE_TYPE, RECEIVE_COUNT, STATUS
from dynamomq.effects import Effect, Remove, Set
from dynamomq.expressions import (
    TRUE,
    AllOf,
    AnyOf,
    Append,
    Arg,
    Attr,
    Comparison,
    Condition,
    Constant,
    Exists,
    Given,
    HasType,
    IfNotExists,
    Not,
    Operand,
    Operator,
    Plus,
    Same,
)
from dynamomq.paths import MISSING
from dynamomq.requests import Write
from dynamomq.rules import Kind
from dynamomq.values import MAX_KEY_BYTES, MAX_SORT_KEY_BYTES, Item, Value, type_letter
from tests.integration.random_values import LETTERS, ORDERED, TEXTS, Values
from tests.support.embedded import custom_rule

QUEUES: Final = ("STANDARD", "DLQ", "Ü🎈")
TIES: Final = ("t", "t1", "t\ue000", "t🎈")  # due times that several items have
KEYS: Final = (QUEUE_TYPE, DUE)
LONGEST: Final = {QUEUE_TYPE: "q" * MAX_KEY_BYTES, DUE: "t" * MAX_SORT_KEY_BYTES}
WRONG_KEYS: Final[tuple[Value, ...]] = ("", 1, None, True, b"t", ["t"])
ATTRIBUTES: Final = (*KEYS, STATUS, RECEIVE_COUNT, *map(Attr, "abcdef"))
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)
ARGUMENTS: Final = ("p", "q", "r", "s")
LEFT_OUT: Final = Arg("left_out")
TRIES: Final = 12


def sayable(write: Write) -> bool:
    """Tell whether DynamoDB has words for it: a condition there must be, about attributes."""
    try:
        return write.specialised.condition != TRUE
    except ValueError:
        return False


@define
class Writes:
    """Makes writes by a source of chance; values come from the item, or from anywhere."""

    chance: random.Random
    values: Values = field(init=False)
    _item: Item = field(factory=dict, init=False)
    _arguments: dict[str, Value] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.values = Values(self.chance)

    def write(self, kind: Kind, key: str, item: Item | None) -> Write:
        """A write under a key, where ``item`` is now."""
        wanted = self._happens(0.6)
        tries = 0
        while True:
            write = self._draw(kind, key, item or {})
            if sayable(write):
                tries += 1
                if write.specialised.applies_to(item, write.arguments) == wanted or tries == TRIES:
                    return write

    def _draw(self, kind: Kind, key: str, item: Item) -> Write:
        self._item = item
        self._arguments = {name: self._value() for name in ARGUMENTS if self._happens(0.8)}
        effects: list[Effect] = []
        if kind == "put":
            effects = self._whole_item(key)
        elif kind == "update":
            effects = self._changes(key)
        condition = self._condition()
        if self._happens(0.1):  # a part that the arguments decide alone
            left, right = map(Arg, self.chance.sample(ARGUMENTS, 2))
            condition &= Comparison(self.chance.choice(OPERATORS), left, right)
        rule = custom_rule(kind, effects, condition)
        return Write(key, rule, self._arguments, want_item=self._happens(0.7))

    # --- small choices -----------------------------------------------------------------------

    def _happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def _attribute(self, letter: str | None = None) -> Attr:
        """An attribute; mostly one that the item has, of this type."""
        fit = [
            one
            for one in ATTRIBUTES
            if one.name in self._item and letter in (None, type_letter(self._item[one.name]))
        ]
        return self.chance.choice(fit if fit and self._happens(0.85) else ATTRIBUTES)

    def _value(self) -> Value:
        return self._value_like(self._attribute()) if self._happens(0.5) else self.values.any()

    def _value_like(self, attribute: Attr) -> Value:
        if attribute.name not in self._item:
            return self.values.any()
        return self.values.like(self._item[attribute.name])

    def _given(self, value: Value) -> Arg:
        """A further argument with this value."""
        argument = Arg(f"v{len(self._arguments)}")
        self._arguments[argument.name] = value
        return argument

    def _literal(self, value: Value) -> Arg | Constant:
        return self._given(value) if self._happens(0.6) else Constant(value)

    # --- conditions --------------------------------------------------------------------------

    def _condition(self, levels: int = 3) -> Condition:
        if not levels or self._happens(0.35):
            return self._leaf()
        parts = tuple(self._condition(levels - 1) for _ in range(self.chance.randint(1, 3)))
        return self.chance.choice((AllOf(parts), AnyOf(parts), Not(parts[0])))

    def _leaf(self) -> Condition:
        attribute = self._attribute()
        leaves: list[tuple[int, Callable[[], Condition]]] = [
            (10, lambda: self._comparison(attribute)),
            (2, lambda: Exists(attribute)),
            (2, lambda: Not(Exists(attribute))),
            (3, lambda: HasType(attribute, self._letter(attribute))),
            (2, lambda: Same(attribute, self._given(self._value_like(attribute)).name)),
            (1, lambda: Same(attribute, self.chance.choice(ARGUMENTS))),
            (1, lambda: Given(self.chance.choice(ARGUMENTS))),
        ]
        weights = [weight for weight, _ in leaves]
        (leaf,) = self.chance.choices([make for _, make in leaves], weights)
        return leaf()

    def _letter(self, attribute: Attr) -> str:
        if attribute.name in self._item and self._happens(0.5):
            return type_letter(self._item[attribute.name])
        return self.chance.choice(LETTERS)

    def _comparison(self, attribute: Attr) -> Condition:
        operand: Operand
        match self.chance.randrange(10):
            case 0 | 1 | 2:
                letter = type_letter(self._item.get(attribute.name))
                operand = self._attribute(letter)
                if operand == attribute and self._happens(0.8):  # which DynamoDB refuses
                    operand = Attr("never")
            case 3:
                operand = Arg(self.chance.choice(ARGUMENTS))
            case _:
                operand = self._literal(self._value_like(attribute))
        compared = operand.value({}, self._arguments)
        orderable = compared is MISSING or type_letter(compared) in ORDERED
        operator: Operator = "="
        if orderable or self._happens(0.02):  # which DynamoDB refuses too
            operator = self.chance.choice(OPERATORS)
        sides = (attribute, operand) if self._happens(0.8) else (operand, attribute)
        return Comparison(operator, *sides)

    # --- effects -----------------------------------------------------------------------------

    def _whole_item(self, key: str) -> list[Effect]:
        present = [one for one in ATTRIBUTES if self._happens(0.8 if one in KEYS else 0.5)]
        item: list[Effect] = [Set(ID, self._given(key))]
        item += [Set(one, self._literal(self._assigned(one))) for one in present]
        if self._happens(0.1):
            item.append(Set(Attr("g"), LEFT_OUT, optional=True))
        return item

    def _changes(self, key: str) -> list[Effect]:
        attributes = self.chance.sample(ATTRIBUTES, self.chance.randint(1, 4))
        changes = [self._change(one) for one in attributes]
        if self._happens(0.02):  # what DynamoDB refuses
            wrong = (Set(ID, self._literal(key)), Remove(ID), Remove(attributes[0]))
            changes.append(self.chance.choice(wrong))
        return changes

    def _change(self, attribute: Attr) -> Effect:
        if self._happens(0.15):
            return Remove(attribute)
        if self._happens(0.1):
            return Set(attribute, LEFT_OUT, optional=True)
        if attribute in KEYS:
            value = self._literal(self._assigned(attribute))
            return Set(attribute, value if self._happens(0.8) else IfNotExists(attribute, value))
        return Set(attribute, self._operand(attribute))

    def _assigned(self, attribute: Attr) -> Value:
        """A value that fits the attribute, mostly."""
        if attribute in KEYS and self._happens(0.04):
            longest = LONGEST[attribute]
            return self.chance.choice((*WRONG_KEYS, longest, f"{longest}x"))
        if attribute == QUEUE_TYPE:
            return self.chance.choice(QUEUES)
        if attribute == DUE and self._happens(0.5):
            return self.chance.choice(TIES)
        if attribute == DUE:
            return f"due {self.chance.randrange(10**5):05}{self.chance.choice(TEXTS)}"
        if self._happens(0.3):  # so that there is something to add and append to
            return self.values.of(self.chance.choice("NL"))
        return self._value()

    def _operand(self, attribute: Attr) -> Operand:
        match self.chance.randrange(10):
            case 0 | 1 | 2:
                return self._literal(self._assigned(attribute))
            case 3:
                return self._attribute()
            case 4:
                return IfNotExists(self._attribute(), self._literal(self.values.any()))
            case 5 | 6 | 7:
                return Plus(*self._two("N", 1))
        return Append(*self._two("L", []))

    def _two(self, letter: str, otherwise: Value) -> tuple[Operand, Operand]:
        """Two operands of a type, mostly: an attribute, and an attribute or a literal."""
        if self._happens(0.02):  # mostly refused by DynamoDB, whatever the item is
            return self._attribute(letter), self._literal(self.values.any())
        if self._happens(0.02):
            return self._literal(self.values.of(letter)), self._literal(self.values.of(letter))
        attribute = self._attribute(letter)
        left: Operand = attribute
        if attribute.name not in self._item and self._happens(0.9):
            left = IfNotExists(attribute, Constant(otherwise))
        right: Operand = self._literal(self._addend(letter))
        if self._happens(0.2):
            right = self._attribute(letter)
        return (left, right) if self._happens(0.7) else (right, left)

    def _addend(self, letter: str) -> Value:
        """Mostly a small number, because few sums of odd ones have only 38 digits."""
        small = letter == "N" and self._happens(0.7)
        return self.chance.randint(-3, 3) if small else self.values.of(letter, 1)

"""Random actions of users' own: conditions and updates of every form, mostly valid ones.

Names, values and paths are few, so that expressions meet what items hold; now and then an operator
has what it can't have, so that both engines have something to refuse.
"""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from attrs import define, field

from dynamomq.effects import Add, Discard, Effect, Remove, Set
from dynamomq.expressions import (
    TRUE,
    Append,
    Attr,
    Condition,
    Constant,
    HasType,
    Minus,
    Operand,
    Plus,
    all_of,
    any_of,
)
from dynamomq.requests import Foreign, Verb
from dynamomq.rules import Kind, Specialised
from dynamomq.values import Item, Value

KEYS: Final = ("k1", "k2", "k3")
NAMES: Final = ("n", "s", "b", "t", "z", "l", "m", "q", "w", "status", "a.b")
LIST, MAP = Attr("l"), Attr("m")
PATHS: Final = (
    LIST[0],
    LIST[1],
    LIST[2][0],
    LIST[9],
    MAP["a"],
    MAP["k"]["x"],
    MAP["zz"],
    MAP["k"],
    MAP[0],
    Attr("n")["x"],
    LIST["a"],
)
VALUES: Final[tuple[Value, ...]] = (
    0,
    1,
    5,
    -3,
    Decimal("1.5"),
    10**37,
    Decimal("1E-120"),
    "",
    "a",
    "ab",
    "abc",
    "ü🎈",
    b"",
    b"a",
    b"ab",
    True,
    False,
    None,
    [],
    [1, "a", [5]],
    ["a"],
    {},
    {"a": 1, "k": {"x": "a"}},
    {"a", "b"},
    {"b", "c"},
    {1, 5},
    {b"a"},
)
LISTS: Final[tuple[Value, ...]] = ([], [1, "a", [5]], [3, {"a": 1}, [0, 9], "x"])
MAPS: Final[tuple[Value, ...]] = ({}, {"a": 1, "k": {"x": "a"}}, {"k": {"x": {"a", "b"}}})
ORDERS: Final = (Operand.lt, Operand.le, Operand.gt, Operand.ge)
TYPES: Final = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
KINDS: Final[dict[Verb, Kind]] = {
    "Put": "put",
    "Update": "update",
    "Delete": "delete",
    "ConditionCheck": "delete",
}


@define(eq=False)
class Expressions:
    """Makes the actions of one seed.

    Attributes:
        chance: where all choices come from.
        table: the name of the table.
        key: the name of its key attribute.
    """

    chance: random.Random
    table: str
    key: str = "pk"
    _is_alone: bool = field(default=True, init=False)

    def actions(self) -> list[Foreign]:
        """One to three actions, on items of their own."""
        keys = self.chance.sample(KEYS, k=self.chance.choice((1, 1, 1, 2, 3)))
        self._is_alone = len(keys) == 1
        return [self.action(key) for key in keys]

    def action(self, key: str) -> Foreign:
        """An action on the item of this key."""
        verb = self.chance.choices(list(KINDS), weights=(3, 6, 1, 5))[0]
        attributes: Item = {self.key: key}
        if verb == "Put":
            attributes = {**self.item(), **attributes}
        effects = self.update() if verb == "Update" else ()
        condition: Condition = TRUE
        if verb == "ConditionCheck" or self._happens(0.3):
            condition = self.condition(2)
        if verb == "ConditionCheck" and condition == TRUE:
            condition = Attr(self.key).exists()
        rule = Specialised(KINDS[verb], condition, effects, ())
        return Foreign(verb, self.table, attributes, rule, shows=self._happens(0.5))

    def item(self) -> Item:
        """Attributes, most of the type that expressions take them for."""
        usual: Item = {
            "n": self.chance.choice((0, 1, 5, Decimal("1.5"))),
            "s": self.chance.choice(("", "a", "abc", "ü🎈")),
            "b": self.chance.choice((b"", b"ab")),
            "t": self._happens(0.5),
            "z": None,
            "l": self.chance.choice(LISTS),
            "m": self.chance.choice(MAPS),
            "q": self.chance.choice(({"a"}, {"a", "b"}, {1, 5})),
            "status": self.chance.choice(("a", 5)),
        }
        kept = {name: value for name, value in usual.items() if self._happens(0.85)}
        if self._happens(0.2):
            kept[self.chance.choice(NAMES)] = self.chance.choice(VALUES)
        return kept

    # --- conditions --------------------------------------------------------------------------

    def condition(self, depth: int) -> Condition:
        """A condition; ``depth`` bounds how deep AND, OR and NOT are in each other."""
        kind = self.chance.randrange(10)
        if depth and kind < 4:
            join = self.chance.choice((all_of, any_of))
            return join([self.condition(depth - 1) for _ in range(self.chance.choice((2, 2, 3)))])
        if depth and kind == 4:
            return ~self.condition(depth - 1)
        make: Callable[[], Condition] = self.chance.choice(
            (self._equality, self._order, self._between, self._in, self._test, self._test)
        )
        return make()

    def _equality(self) -> Condition:
        left, right = self._operand(), self._operand()
        return left.eq(right) if self._happens(0.5) else left.ne(right)

    def _order(self) -> Condition:
        pool = self._ordered()
        return self.chance.choice(ORDERS)(self._operand(pool), self._operand(pool))

    def _between(self) -> Condition:
        pool = self._ordered()
        middle, lower, upper = (self._operand(pool) for _ in range(3))
        return middle.between(lower, upper)

    def _ordered(self) -> Sequence[Value]:
        """Values of one type that has an order; or, once in a while, any."""
        if self._happens(0.15):
            return VALUES
        return self.chance.choice(((1, 5), ("", "a", "abc"), (b"", b"ab")))

    def _in(self) -> Condition:
        return self._operand().is_in(self._operand() for _ in range(self.chance.randint(1, 3)))

    def _test(self) -> Condition:
        path, kind = self._path(), self.chance.randrange(5)
        if kind == 0:
            return path.exists()
        if kind == 1:
            return path.absent()
        if kind == 2:
            return HasType(path, self.chance.choice(TYPES) if self._happens(0.9) else "Q")
        if kind == 3:
            return path.contains(self._operand())
        return path.begins_with(self._operand(("", "a", "ab") if self._happens(0.8) else VALUES))

    def _operand(self, pool: Sequence[Value] = VALUES) -> Operand:
        kind = self.chance.randrange(10)
        if kind < 5:
            return self._path()
        if kind < 9:
            return Constant(self.chance.choice(pool))
        return self._path().size()

    # --- updates -----------------------------------------------------------------------------

    def update(self) -> tuple[Effect, ...]:
        """One change, or several of one or two kinds."""
        makers: tuple[Callable[[], Effect], ...] = (
            lambda: Set(self._path(), self._assigned()),
            lambda: Remove(self._path()),
            lambda: Add(self._path(), self._addend()),
            lambda: Discard(self._path(), self.chance.choice(VALUES[-4:])),
        )
        chosen = self.chance.sample(makers, k=self.chance.choice((1, 1, 1, 2)))
        return tuple(make() for make in chosen for _ in range(self.chance.choice((1, 1, 2))))

    def _addend(self) -> Value:
        pool: Sequence[Value] = (1, -3, Decimal("1.5"), {"a", "b"}, {1, 5})
        return self.chance.choice(pool if self._happens(0.8) else VALUES)

    def _assigned(self) -> Operand:
        if self._happens(0.1):
            return self._nested(2)
        kind = self.chance.randrange(10)
        if kind < 3:
            return Constant(self.chance.choice(VALUES))
        if kind == 3:
            return self._path() if self._happens(0.8) else self._path().size()
        if kind < 7:
            numbers = (1, 5, -3, Decimal("1.5"))
            return self._computed(
                self.chance.choice((Plus, Minus)),
                Attr("n"),
                numbers if self._happens(0.9) else VALUES,
            )
        if kind < 9:
            return self._joined(LISTS if self._happens(0.9) else VALUES)
        return self._path().if_not_exists(self.chance.choice(VALUES))

    def _computed(
        self, operator: Callable[[Operand, Operand], Operand], usual: Attr, pool: Sequence[Value]
    ) -> Operand:
        value = Constant(self.chance.choice(pool))
        left: Operand = usual if self._happens(0.6) else self._path().if_not_exists(value)
        if self._happens(0.03):
            left = operator(left, value)
        sides = [left, value]
        if self._happens(0.3):
            sides.reverse()
        return operator(*sides)

    def _joined(self, pool: Sequence[Value]) -> Operand:
        """Two lists, as users ask for them."""
        value = self.chance.choice(pool)
        left = LIST if self._happens(0.6) else self._path().if_not_exists(value)
        joined = left.prepend(value) if self._happens(0.3) else left.append(value)
        return Append(joined, Constant(value)) if self._happens(0.03) else joined

    def _nested(self, depth: int) -> Operand:
        """Operators in one another, of which most may not be so."""
        if not depth:
            return self.chance.choice((Attr("n"), LIST, Constant(1), Constant([1])))
        left, right = self._nested(depth - 1), self._nested(depth - 1)
        operator = self.chance.choice((Plus, Minus, Append, None))
        return operator(left, right) if operator else self._path().if_not_exists(right)

    # --- words -------------------------------------------------------------------------------

    def _path(self) -> Attr:
        if self._happens(0.35):
            return self.chance.choice(PATHS)
        if self._is_alone and self._happens(0.02):
            return Attr(
                self.key
            )  # can't be changed; of several problems engines tell different ones
        return Attr(self.chance.choice(NAMES))

    def _happens(self, probability: float) -> bool:
        return self.chance.random() < probability

"""Random actions of users' own: conditions and updates of every form, mostly valid ones.

Names, values and paths are few, so that expressions meet what items hold; now and then something is
broken, so that both engines have something to refuse.
"""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from attrs import define, field

from dynamomq.values import Item, Value, item_to_wire, to_wire

KEYS: Final = ("k1", "k2", "k3")
NAMES: Final = ("n", "s", "b", "t", "z", "l", "m", "q", "w", "status", "size")
RESERVED: Final = ("status", "size")  # need a #placeholder; size is a function's name, too
PATHS: Final = (
    "l[0]",
    "l[1]",
    "l[2][0]",
    "l[9]",
    "m.a",
    "m.k.x",
    "m.zz",
    "m.k",
    "m[0]",
    "n.x",
    "l.a",
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
COMPARISONS: Final = ("=", "<>", "<", "<=", ">", ">=")
TYPES: Final = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
VERBS: Final = ("Put", "Update", "Delete", "ConditionCheck")


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
    _names: dict[str, str] = field(factory=dict, init=False)
    _values: dict[str, Value] = field(factory=dict, init=False)
    _is_alone: bool = field(default=True, init=False)

    def actions(self) -> list[dict[str, Any]]:
        """One to three actions, on items of their own."""
        keys = self.chance.sample(KEYS, k=self.chance.choice((1, 1, 1, 2, 3)))
        self._is_alone = len(keys) == 1
        return [self.action(key) for key in keys]

    def action(self, key: str) -> dict[str, Any]:
        """An element of ``TransactItems``."""
        self._names, self._values = {}, {}
        verb = self.chance.choices(VERBS, weights=(3, 6, 1, 5))[0]
        parameters: dict[str, Any] = {"TableName": self.table}
        if verb == "Put":
            parameters["Item"] = item_to_wire({**self.item(), self.key: key})
        else:
            parameters["Key"] = {self.key: {"S": key}}
        if verb == "Update":
            parameters["UpdateExpression"] = self._broken(self.update())
        if verb == "ConditionCheck" or self._happens(0.3):
            parameters["ConditionExpression"] = self._broken(self.condition(2))
        if self._names:
            parameters["ExpressionAttributeNames"] = dict(self._names)
        if self._values:
            parameters["ExpressionAttributeValues"] = item_to_wire(self._values)
        if self._happens(0.5):
            parameters["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return {verb: parameters}

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

    def condition(self, depth: int) -> str:
        """A condition; ``depth`` bounds how deep AND, OR and NOT are in each other."""
        kind = self.chance.randrange(10)
        if depth and kind < 4:
            operator = self.chance.choice((" AND ", " OR ", " and "))
            parts = [self.condition(depth - 1) for _ in range(self.chance.choice((2, 2, 3)))]
            text = operator.join(parts)
            return f"({text})" if self._happens(0.5) else text
        if depth and kind == 4:
            inner = self.condition(depth - 1)
            return f"NOT ({inner})" if self._happens(0.5) else f"NOT {inner}"
        return self._choose(
            self._comparison, self._comparison, self._between, self._in, self._test, self._test
        )

    def _comparison(self) -> str:
        operator = self.chance.choice(COMPARISONS)
        pool = VALUES if operator in ("=", "<>") else self._ordered()
        return f"{self._operand(pool)} {operator} {self._operand(pool)}"

    def _between(self) -> str:
        pool = self._ordered()
        middle, lower, upper = (self._operand(pool) for _ in range(3))
        return f"{middle} BETWEEN {lower} AND {upper}"

    def _ordered(self) -> Sequence[Value]:
        """Values of one type that has an order; or, once in a while, any."""
        if self._happens(0.05):
            return VALUES
        return self.chance.choice(((1, 5), ("", "a", "abc"), (b"", b"ab")))

    def _in(self) -> str:
        choices = ", ".join(self._operand() for _ in range(self.chance.randint(1, 3)))
        return f"{self._operand()} IN ({choices})"

    def _test(self) -> str:
        name = self.chance.choice(
            (
                "attribute_exists",
                "attribute_not_exists",
                "attribute_type",
                "begins_with",
                "contains",
            )
        )
        if name in ("attribute_exists", "attribute_not_exists"):
            return f"{name}({self._path()})"
        if name == "attribute_type":
            letter = self.chance.choice(TYPES) if self._happens(0.95) else "Q"
            return f"{name}({self._path()}, {self._value(letter)})"
        pool = ("", "a", "ab") if name == "begins_with" and self._happens(0.9) else VALUES
        return f"{name}({self._path()}, {self._operand(pool)})"

    def _operand(self, pool: Sequence[Value] = VALUES) -> str:
        kind = self.chance.randrange(10)
        if kind < 5:
            return self._path()
        if kind < 9:
            return self._value(self.chance.choice(pool))
        return f"size({self._path()})"

    # --- updates -----------------------------------------------------------------------------

    def update(self) -> str:
        """Clauses in any order, mostly each verb once."""
        makers: dict[str, Callable[[], str]] = {
            "SET": lambda: f"{self._path()} = {self._assigned()}",
            "REMOVE": self._path,
            "ADD": lambda: f"{self._path()} {self._value(self._addend())}",
            "DELETE": lambda: f"{self._path()} {self._value(self.chance.choice(VALUES[-4:]))}",
        }
        verbs = self.chance.sample(list(makers), k=self.chance.choice((1, 1, 1, 2)))
        if self._happens(0.02):
            verbs *= 2
        return " ".join(
            f"{verb} {', '.join(makers[verb]() for _ in range(self.chance.choice((1, 1, 2))))}"
            for verb in verbs
        )

    def _addend(self) -> Value:
        pool: Sequence[Value] = (1, -3, Decimal("1.5"), {"a", "b"}, {1, 5})
        return self.chance.choice(pool if self._happens(0.9) else VALUES)

    def _assigned(self) -> str:
        kind = self.chance.randrange(10)
        if kind < 3:
            return self._value(self.chance.choice(VALUES))
        if kind == 3:
            return self._path()
        if kind < 7:
            number = self._value(self.chance.choice((1, 5, -3, Decimal("1.5"))))
            left = "n" if self._happens(0.6) else f"if_not_exists({self._path()}, {number})"
            sides = [left, number]
            if self._happens(0.3):
                sides.reverse()
            return f" {self.chance.choice('+-')} ".join(sides)
        if kind < 9:
            added = self._value(self.chance.choice(LISTS))
            left = "l" if self._happens(0.6) else f"if_not_exists({self._path()}, {added})"
            return f"list_append({left}, {added})"
        return f"if_not_exists({self._path()}, {self._value(self.chance.choice(VALUES))})"

    # --- words -------------------------------------------------------------------------------

    def _path(self) -> str:
        if self._happens(0.35):
            return self.chance.choice(PATHS)
        name = self.chance.choice(NAMES)
        if self._is_alone and self._happens(0.02):
            name = (
                self.key
            )  # which can't be changed; of several problems engines tell different ones
        if name not in RESERVED and self._happens(0.8):
            return name
        if name in RESERVED and self._happens(0.03):
            return name  # and be refused, if it is a reserved word
        self._names[f"#{name}"] = name
        return f"#{name}"

    def _value(self, value: Value) -> str:
        for placeholder, known in self._values.items():
            if to_wire(known) == to_wire(value):
                return placeholder
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def _broken(self, text: str) -> str:
        """The text, once in a while without one of its characters or with one more."""
        if not self._happens(0.03):
            return text
        place = self.chance.randrange(len(text))
        return text[:place] + self.chance.choice(("", "(", ")", ",", "x", " ")) + text[place + 1 :]

    def _happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def _choose(self, *makers: Callable[[], str]) -> str:
        return self.chance.choice(makers)()

"""Random stored values, odd ones first: what engines may keep, compare or order differently.

The pools are small, so that equal values meet; sets are never iterated, so that a seed gives the
same values in every process.
"""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeVar

from attrs import frozen

from dynamomq.values import Value, number_text, type_letter

T = TypeVar("T")

TEXTS: Final = (
    "",
    "a",
    "b",
    "ab",
    "a\0",
    "ü",
    # UTF-8, which decides, and UTF-16, which Java knows, order the next five differently.
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\U00010000",
    "🎈",
    "9",
    "10",
    "READY",
    "'single' and \"double\"",
    "line\n\u2028",
)
NUMBERS: Final[tuple[int | Decimal, ...]] = (
    0,
    Decimal("-0"),
    1,
    Decimal("1.0"),
    -1,
    2,
    Decimal("1.50"),
    Decimal("0.1"),
    100,
    Decimal("1E+2"),
    2**53 + 1,
    2**63,
    10**37,
    10**38 - 1,
    1 - 10**38,
    Decimal("12345678901234567890.123456789012345678"),
    Decimal("1E-130"),
    Decimal("-1E-130"),
    10**125,
    Decimal("9.9999999999999999999999999999999999999E+125"),
    Decimal("-9.9999999999999999999999999999999999999E+125"),
)
BLOBS: Final = (b"", b"a", b"ab", b"\0", b"\x7f", b"\x80", b"\xff", "🎈".encode())
NAMES: Final = ("k", "S", "N", "ü", "a b")
LETTERS: Final = ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
WEIGHTS: Final = (3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
ORDERED: Final = ("S", "N", "B")
MAX_LEVELS: Final = 3
DEEPEST: Final = 31  # lists or maps in each other; DynamoDB counts the scalar as one more level


def look_alike(value: Value) -> Value:
    """A value of another type that careless code takes for this one."""
    match value:
        case bool():
            return int(value)
        case int() | Decimal():
            return bool(value) if value in (0, 1) else number_text(value)
        case str():
            return value.encode()
        case bytes():
            return value.decode(errors="replace")
        case [first, *others]:
            return [look_alike(first), *others]
        case set():
            return sorted(value, key=repr)
    return None if value else ""


@frozen
class Values:
    """Makes values by a source of chance."""

    chance: random.Random

    def any(self, levels: int = MAX_LEVELS) -> Value:
        """A value of any type; containers nest, seldom to the very limit."""
        if levels == MAX_LEVELS and self.chance.random() < 0.01:
            return self._deep(self.chance.choice((DEEPEST, DEEPEST, DEEPEST + 1)))
        letters, weights = (LETTERS, WEIGHTS) if levels else (ORDERED, None)
        (letter,) = self.chance.choices(letters, weights)
        return self.of(letter, levels)

    def of(self, letter: str, levels: int = MAX_LEVELS) -> Value:
        """A value of a type, named as DynamoDB does."""
        make: dict[str, Callable[[], Value]] = {
            "S": lambda: self.chance.choice(TEXTS),
            "N": lambda: self.chance.choice(NUMBERS),
            "B": lambda: self.chance.choice(BLOBS),
            "BOOL": lambda: self.chance.random() < 0.5,
            "NULL": lambda: None,
            "L": lambda: [self.any(levels - 1) for _ in range(self.chance.randrange(3))],
            "M": lambda: {name: self.any(levels - 1) for name in self._some(NAMES)},
            "SS": lambda: set(self._some(TEXTS) or TEXTS[:1]),
            "NS": lambda: set(map(Decimal, self._some(NUMBERS) or NUMBERS[:1])),
            "BS": lambda: set(self._some(BLOBS) or BLOBS[:1]),
        }
        return make[letter]()

    def like(self, value: Value) -> Value:
        """The same value (a number perhaps spelt differently), a look-alike, or one of its type."""
        choice = self.chance.random()
        if choice < 0.5:
            return Decimal(value) if type(value) is int else value
        return look_alike(value) if choice < 0.6 else self.of(type_letter(value))

    def _some(self, pool: tuple[T, ...]) -> list[T]:
        return self.chance.sample(pool, self.chance.randrange(min(4, len(pool) + 1)))

    def _deep(self, levels: int) -> Value:
        value: Value = "inner"
        for _ in range(levels):
            value = [value] if self.chance.random() < 0.5 else {"k": value}
        return value

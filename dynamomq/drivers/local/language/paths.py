"""Paths into documents: ``orders[2].price`` is the map member of a list element of an attribute."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from dynamomq.expressions import MISSING, Arguments, Missing, Operand
from dynamomq.values import Item, Value

__all__ = ["Path", "Step"]

Step: TypeAlias = str | int
"""A name in a map (or of an attribute), or an index into a list."""


@frozen
class Path(Operand):
    """What an item holds in some place.

    Attributes:
        steps: the attribute's name, then the way from there.
    """

    steps: tuple[Step, ...]

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return what is there; ``MISSING`` where the way does not lead anywhere."""
        found: Value | Missing = item
        for step in self.steps:
            found = _member(found, step)
        return found

    def overlaps(self, other: Path) -> bool:
        """Tell whether one of the two leads to the other, or both to the same."""
        return all(one == two for one, two in zip(self.steps, other.steps, strict=False))

    def conflicts(self, other: Path) -> bool:
        """Tell whether they take the same thing for a map and for a list."""
        for one, two in zip(self.steps, other.steps, strict=False):
            if one != two:
                return type(one) is not type(two)
        return False

    def __str__(self) -> str:
        first, *others = self.steps
        return str(first) + "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in others
        )


def _member(whole: Value | Missing, step: Step) -> Value | Missing:
    if isinstance(step, str):
        return whole.get(step, MISSING) if isinstance(whole, dict) else MISSING
    return whole[step] if isinstance(whole, list) and step < len(whole) else MISSING

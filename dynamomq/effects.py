"""Effects as data: what a write does to an item, one attribute at a time (spec: EXPR-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from attrs import frozen

from dynamomq.expressions import MISSING, Arg, Arguments, Attr, EffectError, Operand
from dynamomq.values import Item

__all__ = ["Effect", "Remove", "Set", "apply_effects"]


class Effect(ABC):
    """What a write does to one attribute."""

    __slots__ = ()

    attribute: Attr

    @abstractmethod
    def left_out(self, given: frozenset[str]) -> bool:
        """Tell whether the effect does not happen because its argument is not given."""


@frozen
class Set(Effect):
    """Assign a value to an attribute; with ``optional``, only where the argument was given."""

    attribute: Attr
    operand: Operand
    optional: bool = False

    def left_out(self, given: frozenset[str]) -> bool:
        """Tell whether this assignment does not happen, its argument not being given."""
        operand = self.operand
        return self.optional and isinstance(operand, Arg) and operand.name not in given


@frozen
class Remove(Effect):
    """Take an attribute away, if the item has it."""

    attribute: Attr

    def left_out(self, given: frozenset[str]) -> bool:
        """Tell that a removal always happens."""
        return False


def apply_effects(effects: Iterable[Effect], item: Item, arguments: Arguments) -> Item:
    """Return the item after the effects; every operand sees the item as it was before.

    Raises:
        EffectError: an operand is missing or of the wrong type; DynamoDB would refuse the update.
    """
    after = dict(item)
    for effect in effects:
        if not isinstance(effect, Set):
            after.pop(effect.attribute.name, None)
            continue
        value = effect.operand.value(item, arguments)
        if value is not MISSING:
            after[effect.attribute.name] = value
        elif not effect.left_out(frozenset(arguments)):
            raise EffectError(f"{effect.operand} has no value")
    return after

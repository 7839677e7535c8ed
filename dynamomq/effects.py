"""Effects as data: what a write does to an item, one attribute at a time (spec: EXPR-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from attrs import field, frozen

from dynamomq.errors import InvalidArgumentError
from dynamomq.expressions import (
    Arg,
    Arguments,
    Attr,
    EffectError,
    Operand,
    as_operand,
    number_of,
    required,
)
from dynamomq.paths import MISSING, Missing, member
from dynamomq.values import Item, Value, add_numbers, type_letter


def as_attr(attribute: str | Attr) -> Attr:
    """Return an attribute as it is, or by its name.

    Raises:
        InvalidArgumentError: it is neither.
    """
    if isinstance(attribute, Attr):
        return attribute
    try:
        return Attr(attribute)
    except InvalidArgumentError:
        kind = type(attribute).__name__  # not what it is, which may be a secret
        raise InvalidArgumentError(
            "attribute", kind, "it is no attribute", remedy="Pass its name, or an Attr."
        ) from None


class Effect(ABC):
    """What a write does to one attribute, or to a place in it."""

    __slots__ = ()

    attribute: Attr

    @abstractmethod
    def outcome(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return what is in the place after the effect; ``MISSING``: nothing.

        Raises:
            EffectError: an operand is missing or of the wrong type.
        """

    def left_out(self, given: frozenset[str]) -> bool:
        """Tell whether the effect does not happen because its argument is not given."""
        return False


@frozen
class Set(Effect):
    """Assign a value: ``Set("stock", Attr("stock") - 3)``.

    Attributes:
        attribute: where; by name, or a place in an attribute.
        operand: what: a plain value, an attribute, or what is computed of them.
        optional: whether it happens only where the argument (of the machine) was given.
    """

    attribute: Attr = field(converter=as_attr)
    operand: Operand = field(converter=as_operand)
    optional: bool = field(default=False)

    @optional.validator
    def _check_optional(self, _: object, value: object) -> None:
        if not isinstance(value, bool):
            raise InvalidArgumentError("optional", value, "it is no flag", remedy="Leave it out.")

    def outcome(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the operand's value."""
        value = self.operand.value(item, arguments)
        if value is MISSING:
            if self.left_out(frozenset(arguments)):
                return self.attribute.value(item, arguments)
            raise EffectError(f"{self.operand} has no value")
        return value

    def left_out(self, given: frozenset[str]) -> bool:
        """Tell whether this assignment does not happen, its argument not being given."""
        operand = self.operand
        return self.optional and isinstance(operand, Arg) and operand.name not in given


@frozen
class Remove(Effect):
    """Take an attribute away, or a member of a map or list, if it is there."""

    attribute: Attr = field(converter=as_attr)

    def outcome(self, item: Item, arguments: Arguments) -> Missing:
        """Return that nothing is left."""
        return MISSING


@frozen
class Add(Effect):
    """Add to a number, or members to a set; what is not there counts as 0, or as no members."""

    attribute: Attr = field(converter=as_attr)
    operand: Operand = field(converter=as_operand)

    def outcome(self, item: Item, arguments: Arguments) -> Value:
        """Return the sum, or all members."""
        value, present = _both(self, item, arguments)
        if isinstance(present, Missing):
            return value
        if isinstance(value, set) and isinstance(present, set):
            joined: Value = present | value  # type: ignore[operator]  # sets of one type
            return joined
        return add_numbers(
            number_of(self.attribute, item, arguments), number_of(self.operand, item, arguments)
        )


@frozen
class Discard(Effect):
    """Take members out of a set, those that are there; a set without members is no attribute.

    DynamoDB calls it ``DELETE``.
    """

    attribute: Attr = field(converter=as_attr)
    operand: Operand = field(converter=as_operand)

    def outcome(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the members that stay."""
        value, present = _both(self, item, arguments)
        if not isinstance(present, set) or not isinstance(value, set):
            return MISSING
        rest: Value = present - value
        return rest or MISSING


def _both(effect: Add | Discard, item: Item, arguments: Arguments) -> tuple[Value, Value | Missing]:
    """Return what is added or taken away, and what is there: if one is a set, both are."""
    value = required(effect.operand, item, arguments)
    present = effect.attribute.value(item, arguments)
    is_set = isinstance(value, set) and not isinstance(present, Missing)
    if is_set and type_letter(value) != type_letter(present):
        raise EffectError(f"{effect.attribute} is not a set of the same type")
    return value, present


def apply_effects(effects: Iterable[Effect], item: Item, arguments: Arguments) -> Item:
    """Return the item after the effects; every operand sees the item as it was before.

    Raises:
        EffectError: an operand is missing or of the wrong type, or there is no place for a value;
            DynamoDB would refuse the update.
    """
    after = dict(item)
    inside: list[tuple[Attr, Value | Missing]] = []
    for effect in effects:
        attribute, value = effect.attribute, effect.outcome(item, arguments)
        if attribute.steps:
            inside.append((attribute, value))
        elif value is MISSING:
            after.pop(attribute.name, None)
        else:
            after[attribute.name] = value
    # Elements of lists keep their places until all is assigned; what is assigned beyond a list's
    # end is appended in the order of the indexes; what is last is removed first.
    inside.sort(key=_order)
    assigned = [change for change in inside if change[1] is not MISSING]
    removed = [change for change in reversed(inside) if change[1] is MISSING]
    for attribute, _ in inside:
        # The place must have been there before: what is appended at once has no inside yet.
        if Attr(attribute.name, attribute.steps[:-1]).value(item, arguments) is MISSING:
            raise EffectError(f"the item has no place for {attribute}")
    for attribute, value in (*assigned, *removed):
        changed = _changed(after.get(attribute.name, MISSING), attribute, 0, value)
        # An element that was not there is not removed, though another may be in its place now.
        if value is not MISSING or attribute.value(item, arguments) is not MISSING:
            after[attribute.name] = changed
    return after


def _order(change: tuple[Attr, object]) -> tuple[tuple[int, str], ...]:
    """Return a key that orders places by the indexes of list elements."""
    attribute, _ = change
    way = (attribute.name, *attribute.steps)
    return tuple((step, "") if isinstance(step, int) else (-1, step) for step in way)


def _changed(whole: Value | Missing, attribute: Attr, depth: int, new: Value | Missing) -> Value:
    """Return a copy of what ``depth`` steps lead to, with a new value where all steps lead to."""
    step = attribute.steps[depth]
    if depth + 1 < len(attribute.steps):
        new = _changed(member(whole, step), attribute, depth + 1, new)
    if isinstance(whole, list) and isinstance(step, int):
        # Beyond the end, this appends.
        return [*whole[:step], *([] if isinstance(new, Missing) else [new]), *whole[step + 1 :]]
    if not isinstance(whole, dict) or not isinstance(step, str):
        raise EffectError(f"the item has no place for {attribute}")
    if isinstance(new, Missing):
        return {name: value for name, value in whole.items() if name != step}
    return {**whole, step: new}

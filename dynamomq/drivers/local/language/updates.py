"""``UpdateExpression``: what is to be changed in an item."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from decimal import Decimal
from functools import partial
from typing import Final, Literal, TypeAlias

from attrs import frozen

from dynamomq.drivers.local.language.operands import Parser, Placed
from dynamomq.drivers.local.language.paths import Path
from dynamomq.drivers.local.language.placeholders import Placeholders
from dynamomq.drivers.local.language.tokens import error_at
from dynamomq.expressions import (
    MISSING,
    Append,
    Arguments,
    EffectError,
    Missing,
    Operand,
    Plus,
)
from dynamomq.values import Item, Value, add_numbers, type_letter

__all__ = ["Change", "Minus", "PathOr", "Update", "parse_update"]

_Verb: TypeAlias = Literal["SET", "REMOVE", "ADD", "DELETE"]

_VERBS: Final[tuple[_Verb, ...]] = ("SET", "REMOVE", "ADD", "DELETE")
_SETS: Final = ("SS", "NS", "BS")


# --- what is assigned ------------------------------------------------------------------------


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
        left, right = (side.value(item, arguments) for side in (self.left, self.right))
        return add_numbers(_number(self.left, left), -_number(self.right, right))


def _number(operand: Operand, found: Value | Missing) -> int | Decimal:
    if found is MISSING:
        raise EffectError(f"{operand} has no value")
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        raise EffectError(f"{operand} is not a number")
    return found


@frozen
class PathOr(Operand):
    """``if_not_exists``: what a path leads to, or something else where that is nothing."""

    path: Path
    otherwise: Operand

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the one or the other."""
        found = self.path.value(item, arguments)
        return self.otherwise.value(item, arguments) if found is MISSING else found

    def __str__(self) -> str:
        return f"if_not_exists({self.path}, {self.otherwise})"


# --- what is changed -------------------------------------------------------------------------


@frozen
class Change:
    """One change.

    Attributes:
        verb: what kind of change.
        path: what is changed.
        operand: what is assigned, added or taken away; ``None`` where something is removed.
    """

    verb: _Verb
    path: Path
    operand: Operand | None = None

    def new_value(self, item: Item) -> Value | Missing:
        """Return what is to be in the place after the change; ``MISSING``: nothing.

        Raises:
            EffectError: the item is not such that this can be told.
        """
        if self.operand is None:
            return MISSING
        value = self.operand.value(item, {})
        if isinstance(value, Missing):
            raise EffectError(f"{self.operand} has no value")
        if self.verb == "SET":
            return value
        present = self.path.value(item, {})
        if self.verb == "ADD":
            return _added(self.path, present, value)
        return _taken_away(self.path, present, value)


@frozen
class Update:
    """All changes of one expression; they see the item as it was before."""

    changes: tuple[Change, ...]

    @property
    def attributes(self) -> frozenset[str]:
        """The names of the attributes that are changed, in whatever depth."""
        return frozenset(str(change.path.steps[0]) for change in self.changes)

    def apply(self, item: Item) -> Item:
        """Return the item after the update.

        Raises:
            EffectError: the item lacks or mistypes what the expression needs.
        """
        values = [(change.path, change.new_value(item)) for change in self.changes]
        after = deepcopy(item)
        # Elements of lists keep their places until all is assigned; what is assigned beyond a
        # list's end is appended in the order of the indexes; what is last is removed first.
        values.sort(key=lambda pair: _place_in_order(pair[0]))
        for path, value in values:
            if not isinstance(value, Missing):
                _put(after, path, deepcopy(value))
        for path, value in reversed(values):
            if isinstance(value, Missing):
                _take(after, path)
        return after


def _place_in_order(path: Path) -> tuple[tuple[int, str], ...]:
    """Return a key that orders paths by the indexes of list elements."""
    return tuple((step, "") if isinstance(step, int) else (-1, step) for step in path.steps)


def _added(path: Path, present: Value | Missing, value: Value) -> Value:
    if present is MISSING:
        return value
    if isinstance(value, set):
        return _together(path, present, value)
    if isinstance(value, int | Decimal):
        return add_numbers(_number(path, present), value)
    raise EffectError(f"{path} can't be added to")


def _together(path: Path, present: Value | Missing, value: Value) -> Value:
    if isinstance(present, set) and isinstance(value, set) and _same_type(present, value):
        joined: Value = present | value  # type: ignore[operator]  # sets of one type, as just seen
        return joined
    raise EffectError(f"{path} is not a set of the same type")


def _taken_away(path: Path, present: Value | Missing, value: Value) -> Value | Missing:
    if isinstance(present, Missing):
        return MISSING
    if isinstance(present, set) and isinstance(value, set) and _same_type(present, value):
        rest: Value = present - value
        return rest or MISSING
    raise EffectError(f"{path} is not a set of the same type")


def _same_type(left: Value, right: Value) -> bool:
    return type_letter(left) == type_letter(right)


def _put(item: Item, path: Path, value: Value) -> None:
    parent, step = _parent(item, path), path.steps[-1]
    if isinstance(parent, list) and isinstance(step, int):
        parent[step : step + 1] = [value]  # beyond the end, this appends
    elif isinstance(parent, dict) and isinstance(step, str):
        parent[step] = value
    else:
        raise EffectError(f"the item has no place for {path}")


def _take(item: Item, path: Path) -> None:
    parent, step = _parent(item, path), path.steps[-1]
    if isinstance(parent, list) and isinstance(step, int):
        del parent[step : step + 1]
    elif isinstance(parent, dict) and isinstance(step, str):
        parent.pop(step, None)
    else:
        raise EffectError(f"the item has no place for {path}")


def _parent(item: Item, path: Path) -> Value | Missing:
    return Path(path.steps[:-1]).value(item, {}) if len(path.steps) > 1 else item


# --- the grammar -----------------------------------------------------------------------------


def parse_update(text: str, placeholders: Placeholders) -> Update:
    """Read an update.

    Raises:
        ExpressionError: it is none; saying where in the text, and why.
    """
    return _UpdateParser(text, placeholders).whole()


class _UpdateParser(Parser):
    """Up to four clauses, each a verb and its changes."""

    def whole(self) -> Update:
        changes: list[Change] = []
        seen: set[_Verb] = set()
        while self.next.kind != "end":
            position, verb = self.next.position, self._verb()
            if verb in seen:
                raise error_at(position, f"there is a {verb} clause already")
            seen.add(verb)
            for change, start in self.separated(partial(self._change, verb)):
                _want_apart(change, changes, start)
                changes.append(change)
        return Update(tuple(changes))

    def _verb(self) -> _Verb:
        for verb in _VERBS:
            if self.takes_keyword(verb):
                return verb
        return self.unexpected(f"one of {', '.join(_VERBS)}")

    def _change(self, verb: _Verb) -> tuple[Change, int]:
        position, path = self.next.position, self.path()
        if verb == "REMOVE":
            return Change(verb, path), position
        if verb == "SET":
            self.need_sign("=")
            return Change(verb, path, self._value().operand), position
        self.count_operator()
        operand = Placed(self.constant(), self.previous.position)
        operand.want((*_SETS, "N") if verb == "ADD" else _SETS, verb)
        return Change(verb, path, operand.operand), position

    def _value(self) -> Placed:
        """Read what is assigned: an operand, or a sum or difference of two."""
        left = self._operand()
        for sign, operator in (("+", Plus), ("-", Minus)):
            if self.takes_sign(sign):
                self.count_operator()
                right = self._operand()
                for side in (left, right):
                    side.want(("N",), sign)
                return Placed(operator(left.operand, right.operand), left.position)
        return left

    def _operand(self) -> Placed:
        position = self.next.position
        if self.next.is_sign("("):
            return self.grouped(self._value)
        if self.is_at_function:
            return self._function(self.take().text, position)
        if self.next.kind == ":value":
            return Placed(self.constant(), position)
        return Placed(self.path(), position)

    def _function(self, name: str, position: int) -> Placed:
        if name == "if_not_exists":
            path, otherwise = self.arguments_of(name, self._operand, 2)
            return Placed(PathOr(path.path(name), otherwise.operand), position)
        if name == "list_append":
            first, second = self.arguments_of(name, self._operand, 2)
            for side in (first, second):
                if isinstance(side.operand, Append):
                    raise error_at(side.position, "list_append can't be an operand of itself")
                side.want(("L",), name)
            return Placed(Append(first.operand, second.operand), position)
        raise error_at(position, f"updates have no function {name}")


def _want_apart(change: Change, others: Iterable[Change], position: int) -> None:
    """Refuse a change where another one is made already."""
    for other in others:
        if change.path.overlaps(other.path):
            raise error_at(position, f"{change.path} overlaps with {other.path}")
        if change.path.conflicts(other.path):
            raise error_at(position, f"{change.path} conflicts with {other.path}")

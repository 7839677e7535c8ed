"""Rules as text for DynamoDB: expressions for single writes, PartiQL for batches.

A rule's text depends only on *which* arguments are given, so it is made once for each
:class:`~dynamomq.rules.Specialised` and kept; a request only fills in values. Values never become
part of a text. Both languages have the same grammar of conditions and differ in how they write an
attribute, a value and a test for absence, so one class holds what is common (:class:`_Language`)
and two small ones the rest.

Only what AWS documents is used. Where PartiQL has no documented form (``if_not_exists``, an update
that may make a new item), :func:`statement` answers ``None``, and the write is sent alone.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from functools import cached_property, lru_cache
from itertools import chain, count
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from dynamomq.attributes import ID
from dynamomq.effects import Add, Discard, Set
from dynamomq.expressions import (
    TRUE,
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
from dynamomq.rules import Specialised
from dynamomq.values import Value, to_wire, type_letter

Typed: TypeAlias = dict[str, Any]
"""A value as the low-level API speaks it: ``{"S": "text"}``."""

Source: TypeAlias = "str | Typed"
"""Where a placeholder has its value from: an argument, by name, or a constant."""

_MAX_STATEMENT = 8192
_RETURNING = " RETURNING ALL NEW *"
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9_]+")
_LONGEST_WORD = 100  # of a placeholder's name, for which DynamoDB has a limit of 255 characters
_CACHED = 1024  # rules by sets of given arguments; the machine's own are some fifty


@frozen
class Expressions:
    """A rule in DynamoDB's expression language.

    Attributes:
        condition: the ``ConditionExpression``.
        update: the ``UpdateExpression``; empty where the write is no update.
        names: the ``ExpressionAttributeNames``.
        sources: where each placeholder has its value from.
    """

    condition: str
    update: str
    names: Mapping[str, str]
    sources: Mapping[str, Source]

    def values(self, arguments: Arguments) -> dict[str, Typed]:
        """Return the ``ExpressionAttributeValues`` of one request; empty if there are none."""
        return {
            placeholder: to_wire(arguments[source]) if isinstance(source, str) else source
            for placeholder, source in self.sources.items()
        }


@frozen
class Statement:
    """A rule as a PartiQL statement on one table.

    Attributes:
        text: the statement, each value a ``?``; an update returns the item after it.
        sources: where each ``?`` but the key's has its value from.
        key_place: which ``?`` is the item's key; ``None`` in an ``INSERT``, where the key is an
            attribute like any other.
    """

    text: str
    sources: tuple[Source, ...]
    key_place: int | None

    @cached_property
    def silent(self) -> str:
        """The statement that returns nothing: less to send, and to read."""
        return self.text.removesuffix(_RETURNING)

    def parameters(self, key: str, arguments: Arguments) -> list[Typed]:
        """Return the ``Parameters`` of one request."""
        values = [
            to_wire(arguments[source]) if isinstance(source, str) else source
            for source in self.sources
        ]
        if self.key_place is not None:
            values.insert(self.key_place, {"S": key})
        return values


@lru_cache(maxsize=_CACHED)
def expressions(rule: Specialised) -> Expressions:
    """Return a rule's expressions.

    Raises:
        ValueError: the rule has no condition, or one that DynamoDB can't say.
    """
    language = _ExpressionLanguage()
    return _texts(rule, language, language.condition(rule.condition))


def own_expressions(rule: Specialised) -> Expressions:
    """Return the expressions of a user's own action, whose condition is empty if it always holds.

    They are not kept: they are as many as there are values, and hold them.

    Raises:
        ValueError: the rule has a condition or an effect that DynamoDB can't say.
    """
    language = _OwnLanguage()
    condition = "" if rule.condition == TRUE else language.condition(rule.condition)
    return _texts(rule, language, condition)


def _texts(rule: Specialised, language: _ExpressionLanguage, condition: str) -> Expressions:
    update = _changes(rule, language) if rule.kind == "update" else ""
    names = {placeholder: name for name, placeholder in language.names.items()}
    return Expressions(condition, update, names, language.sources)


@lru_cache(maxsize=_CACHED)
def statement(rule: Specialised, table: str) -> Statement | None:
    """Return a rule as PartiQL; ``None`` where it can't be said so and must be a single write.

    A put becomes an ``INSERT``, which is stricter than the rule: it is refused by any item that is
    there, even one that the rule would let it replace.

    Raises:
        ValueError: the rule has no condition, or one that DynamoDB can't say.
    """
    language = _PartiQL()
    target, key = _quoted(table, '"'), language.attribute(ID)
    key_place = None
    if rule.kind == "update" and _documented(rule) and not _allows_absent_item(rule):
        changes = _changes(rule, language)
        key_place = len(language.sources)
        condition = language.condition(rule.condition, within="AND")
        text = f"UPDATE {target} {changes} WHERE {key}=? AND {condition}{_RETURNING}"
    elif rule.kind == "put" and _allows_absent_item(rule):
        members = [
            _quoted(effect.attribute.name, "'") + ": " + language.operand(effect.operand)
            for effect in rule.effects
            if isinstance(effect, Set)
        ]
        text = f"INSERT INTO {target} VALUE {{{', '.join(members)}}}"
    else:
        return None
    if len(text.encode()) > _MAX_STATEMENT:
        return None
    return Statement(text, tuple(language.sources), key_place)


def _changes(rule: Specialised, language: _Language) -> str:
    """Write all assignments, then all removals, and what else there is."""
    clauses: dict[str, list[str]] = {"SET": [], "REMOVE": [], "ADD": [], "DELETE": []}
    for effect in rule.effects:
        target = language.attribute(effect.attribute)
        match effect:
            case Set(_, operand):
                clauses["SET"].append(f"{target}{language.assigns}{language.operand(operand)}")
            case Add(_, operand):
                clauses["ADD"].append(f"{target} {language.operand(operand)}")
            case Discard(_, operand):
                clauses["DELETE"].append(f"{target} {language.operand(operand)}")
            case _:
                clauses["REMOVE"].append(target)
    return " ".join(
        f"{verb} {language.separator.format(verb).join(changes)}"
        for verb, changes in clauses.items()
        if changes
    )


def _allows_absent_item(rule: Specialised) -> bool:
    """Tell whether a write may meet no item, whatever its arguments are.

    A put that may is an ``INSERT``. An update that may has no statement, since PartiQL's ``UPDATE``
    never makes an item.

    Without arguments is as good as with any: no comparison with a missing attribute ever holds.
    """
    return rule.condition.evaluate({}, {})


def _documented(rule: Specialised) -> bool:
    """Tell whether PartiQL's documentation knows all that the effects need."""
    if any(isinstance(effect, Add | Discard) for effect in rule.effects):
        return False
    operands = [effect.operand for effect in rule.effects if isinstance(effect, Set)]
    for operand in operands:
        if isinstance(operand, IfNotExists):
            return False
        if isinstance(operand, Plus | Append):
            operands += [operand.left, operand.right]
    return True


class _Language(ABC):
    """What both languages have in common: operators, functions, parentheses.

    Attributes:
        assigns: what stands between an attribute and its new value.
        separator: what stands between two changes; ``{}`` is the clause's verb.
    """

    assigns: str
    separator: str

    @abstractmethod
    def name(self, name: str) -> str:
        """Write the name of an attribute, or of a map's member."""

    def attribute(self, attribute: Attr) -> str:
        """Write an attribute, or the path to a place in it."""
        return self.name(attribute.name) + "".join(
            f"[{step}]" if isinstance(step, int) else f".{self.name(step)}"
            for step in attribute.steps
        )

    @abstractmethod
    def argument(self, argument: Arg) -> str:
        """Write a placeholder for an argument."""

    @abstractmethod
    def constant(self, value: Value) -> str:
        """Write a placeholder for a fixed value."""

    @abstractmethod
    def exists(self, attribute: Attr, *, wanted: bool) -> str:
        """Write a test that the item has the attribute, or lacks it."""

    @abstractmethod
    def has_type(self, condition: HasType) -> str:
        """Write a test of an attribute's type."""

    def operand(self, operand: Operand) -> str:
        """Write an operand."""
        match operand:
            case Attr():
                return self.attribute(operand)
            case Arg():
                return self.argument(operand)
            case Constant():
                return self.constant(operand.constant)
            case Plus(left, right):
                return f"{self.operand(left)} + {self.operand(right)}"
            case Minus(left, right):
                return f"{self.operand(left)} - {self.operand(right)}"
            case Size(attribute):
                return f"size({self.attribute(attribute)})"
            case IfNotExists(attribute, otherwise):
                return f"if_not_exists({self.attribute(attribute)}, {self.operand(otherwise)})"
            case Append(left, right):
                return f"list_append({self.operand(left)}, {self.operand(right)})"
        raise ValueError(f"DynamoDB has no way to say {operand}")

    def condition(self, condition: Condition, within: Literal["AND", "OR", ""] = "") -> str:
        """Write a condition; AND within OR has parentheses too, so nobody needs to know which wins.

        Args:
            condition: what to write.
            within: the operator that it is an operand of.
        """
        match condition:
            case AllOf((part,)) | AnyOf((part,)):
                return self.condition(part, within)
            case AllOf(parts) if parts:
                text = " AND ".join(self.condition(part, "AND") for part in parts)
                return f"({text})" if within == "OR" else text
            case AnyOf(parts) if parts:
                text = " OR ".join(self.condition(part, "OR") for part in parts)
                return f"({text})" if within == "AND" else text
            case Not(Exists(attribute)):
                return self.exists(attribute, wanted=False)
            case Not(part):
                return f"NOT ({self.condition(part)})"
            case Exists(attribute):
                return self.exists(attribute, wanted=True)
            case HasType():
                return self.has_type(condition)
            case BeginsWith(attribute, beginning):
                return f"begins_with({self.attribute(attribute)}, {self.operand(beginning)})"
            case Contains(attribute, part):
                return f"contains({self.attribute(attribute)}, {self.operand(part)})"
            case Comparison(operator, left, right):
                return f"{self.operand(left)} {operator} {self.operand(right)}"
        # What is always true or false, and what the arguments alone decide, is folded away before.
        raise ValueError(f"DynamoDB has no way to say {condition}")


class _ExpressionLanguage(_Language):
    """Names and values have placeholders, and those that occur are collected.

    Every name has one, since DynamoDB reserves several hundred words (``status`` among them).
    """

    assigns = " = "
    separator = ", "

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.sources: dict[str, Source] = {}

    def name(self, name: str) -> str:
        if name not in self.names:
            self.names[name] = _placeholder("#", name, self.names.values())
        return self.names[name]

    def argument(self, argument: Arg) -> str:
        return self._value(argument.name, argument.name)

    def constant(self, value: Value) -> str:
        return self._value(_word(value), to_wire(value))

    def exists(self, attribute: Attr, *, wanted: bool) -> str:
        function = "attribute_exists" if wanted else "attribute_not_exists"
        return f"{function}({self.attribute(attribute)})"

    def has_type(self, condition: HasType) -> str:
        attribute = self.attribute(condition.attribute)
        return f"attribute_type({attribute}, {self.constant(condition.letter)})"

    def _value(self, word: str, source: Source) -> str:
        for placeholder, known in self.sources.items():
            if known == source:
                return placeholder
        placeholder = _placeholder(":", word, self.sources)
        self.sources[placeholder] = source
        return placeholder


class _OwnLanguage(_ExpressionLanguage):
    """As users' values are nobody else's business, they give placeholders no names."""

    def constant(self, value: Value) -> str:
        return self._value("v", to_wire(value))


class _PartiQL(_Language):
    """Names are quoted; values are ``?``, in the order of the text."""

    assigns = "="
    separator = " {} "

    def __init__(self) -> None:
        self.sources: list[Source] = []

    def name(self, name: str) -> str:
        return _quoted(name, '"')

    def argument(self, argument: Arg) -> str:
        self.sources.append(argument.name)
        return "?"

    def constant(self, value: Value) -> str:
        self.sources.append(to_wire(value))
        return "?"

    def exists(self, attribute: Attr, *, wanted: bool) -> str:
        return f"{self.attribute(attribute)} IS {'NOT ' if wanted else ''}MISSING"

    def has_type(self, condition: HasType) -> str:
        return f"attribute_type({self.attribute(condition.attribute)}, '{condition.letter}')"


def _quoted(name: str, mark: str) -> str:
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"


def _word(constant: Value) -> str:
    """Return a readable name for a fixed value: ``READY``, ``n1``, ``minus1``, ``empty_L``."""
    if isinstance(constant, int) and not isinstance(constant, bool):
        return f"n{constant}" if constant >= 0 else f"minus{-constant}"
    if isinstance(constant, str) and constant:
        return constant
    letter = type_letter(constant)
    return letter if constant or constant is None else f"empty_{letter}"


def _placeholder(mark: str, word: str, taken: Container[str]) -> str:
    """Return a placeholder that is still free: ``#a_b``, then ``#a_b_2``, and so on.

    Of a long word it has the beginning; what else begins so gets another number.
    """
    stem = mark + _NO_WORD.sub("_", word)[:_LONGEST_WORD]
    numbered = (f"{stem}_{number}" for number in count(2))
    return next(one for one in chain([stem], numbered) if one not in taken)

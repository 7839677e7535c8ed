"""Guards and effects as JSON: the language-neutral form of ``dynamomq.expressions``."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from dynamomq.effects import Effect, Remove, Set
from dynamomq.expressions import (
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
    Plus,
    Same,
)
from dynamomq.values import Value, item_to_wire, to_wire

Tree = dict[str, Any]


def condition_tree(condition: Condition) -> Tree:
    """Return a condition as JSON; each node is an object whose first key names its kind."""
    match condition:
        case AllOf(parts):
            return {"all": [condition_tree(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [condition_tree(part) for part in parts]}
        case Not(part):
            return {"not": condition_tree(part)}
        case Comparison(operator, left, right):
            return {"compare": operator, "left": operand_tree(left), "right": operand_tree(right)}
        case Exists(attribute):
            return {"exists": attribute.name}
        case HasType(attribute, letter):
            return {"has_type": attribute.name, "type": letter}
        case Given(argument):
            return {"given": argument}
        case Same(attribute, argument):
            return {"same": attribute.name, "argument": argument}
    raise TypeError(f"no JSON form for {condition}")


def operand_tree(operand: Operand) -> Tree:
    """Return an operand as JSON; constants are in DynamoDB's typed form."""
    match operand:
        case Attr(name):
            return {"attribute": name}
        case Arg(name):
            return {"argument": name}
        case Constant(constant):
            return {"constant": value_json(constant)}
        case Plus(left, right):
            return {"plus": [operand_tree(left), operand_tree(right)]}
        case Append(left, right):
            return {"list_append": [operand_tree(left), operand_tree(right)]}
        case IfNotExists(attribute, otherwise):
            return {"if_not_exists": attribute.name, "otherwise": operand_tree(otherwise)}
    raise TypeError(f"no JSON form for {operand}")


def effect_trees(effects: Iterable[Effect]) -> list[Tree]:
    """Return effects as JSON, in the machine's order (which has no meaning)."""
    return [_effect_tree(effect) for effect in effects]


def _effect_tree(effect: Effect) -> Tree:
    match effect:
        case Set(attribute, operand, optional):
            tree = {"set": attribute.name, "to": operand_tree(operand)}
            return {**tree, "optional": True} if optional else tree
        case Remove(attribute):
            return {"remove": attribute.name}
    raise TypeError(f"no JSON form for {effect}")


def arguments_read(*trees: Condition | Effect | Operand) -> set[str]:
    """Return the names of all arguments that conditions and effects read."""
    return {name for tree in trees for name in _arguments_in(tree)}


def _arguments_in(node: object) -> Iterator[str]:
    if isinstance(node, Arg):
        yield node.name
    elif isinstance(node, tuple):
        for part in node:
            yield from _arguments_in(part)
    elif isinstance(node, Given | Same):
        yield node.argument
    elif attrs.has(kind := type(node)):
        for field in attrs.fields(kind):
            yield from _arguments_in(getattr(node, field.name))


def value_json(value: Value) -> Tree:
    """Return a value in DynamoDB's typed form as JSON: binary in base64, sets sorted."""
    return _plain(to_wire(value))


def item_json(item: Mapping[str, Value]) -> Tree:
    """Return an item in DynamoDB's typed form as JSON, attributes sorted."""
    return {name: _plain(typed) for name, typed in sorted(item_to_wire(item).items())}


def _plain(typed: Mapping[str, Any]) -> Tree:
    ((letter, inner),) = typed.items()
    if letter == "B":
        return {"B": base64.b64encode(inner).decode()}
    if letter == "M":
        return {"M": {name: _plain(value) for name, value in sorted(inner.items())}}
    if letter == "L":
        return {"L": [_plain(value) for value in inner]}
    if letter == "BS":
        return {"BS": sorted(base64.b64encode(member).decode() for member in inner)}
    return {letter: sorted(inner) if letter in ("SS", "NS") else inner}

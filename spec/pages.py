"""The machine as tables for people: what is inserted into documents between markers."""

from __future__ import annotations

from collections.abc import Iterable

from dynamomq.attributes import ARGUMENTS
from dynamomq.effects import Effect, Set
from dynamomq.expressions import (
    FALSE,
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
    conjuncts,
)
from dynamomq.machine import MESSAGE
from dynamomq.reserved import AGREEMENT, CONSUMER, GROUP
from dynamomq.rules import StateMachine, Transition
from spec.diagram import group_diagram, life_diagram, operators_diagram

_EMPTY = "–"
_NAME = "well-formed"
_WELL_FORMED = [
    part
    for part in conjuncts(MESSAGE.states[1].predicate)
    if all(part in conjuncts(state.predicate) for state in MESSAGE.states if "." in state.name)
]
"""What every message in a queue or on the way to one must be; said once, not in each row."""


def sections() -> dict[str, str]:
    """Return the text of each generated section, by the name in its markers."""
    return {
        "state-diagram": life_diagram(),
        "operators-diagram": operators_diagram(),
        "group-diagram": group_diagram(),
        "states": _states(MESSAGE),
        "transition-table": _summary(MESSAGE),
        "transitions": _transitions(MESSAGE),
        "group-states": _states(GROUP),
        "group-transitions": _transitions(GROUP),
        "consumer-states": _states(CONSUMER),
        "consumer-transitions": _transitions(CONSUMER),
        "agreement-states": _states(AGREEMENT),
        "agreement-transitions": _transitions(AGREEMENT),
        "arguments": _arguments(),
        "recognition": _recognition(),
    }


# --- tables ----------------------------------------------------------------------------------


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in lines
    )


def _states(machine: StateMachine) -> str:
    has_facts = any(state.facts for state in machine.states)
    table = _table(
        ("state", "meaning", *["facts"] * has_facts, "predicate"),
        (
            (
                f"`{one.name}`",
                one.doc,
                *[", ".join(sorted(one.facts)) or _EMPTY] * has_facts,
                _code(one.predicate),
            )
            for one in machine.states
        ),
    )
    if _NAME not in table:
        return table
    demands = " and ".join(_condition(part, inside=True) for part in _WELL_FORMED)
    return f"{table}\n*{_NAME}*: `{demands}`.\n"


def _summary(machine: StateMachine) -> str:
    """One row for each trigger and destination: who, and from where."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in machine.transitions:
        if one.by != "upkeep":
            rows.setdefault((one.trigger, one.by, one.destination), []).append(one.source)
    return _table(
        ("trigger", "by", "from", "to"),
        (
            (f"`{trigger}`", by, ", ".join(sources), destination)
            for (trigger, by, destination), sources in rows.items()
        ),
    )


def _transitions(machine: StateMachine) -> str:
    """One row for each set of transitions that differ only in their source."""
    rows: dict[Transition, list[str]] = {}
    for one in machine.transitions:
        stays = one.source == one.destination and one.by == "upkeep"
        key = Transition(
            one.trigger,
            "",
            "(the same)" if stays else one.destination,
            one.by,
            one.guard,
            one.effects,
            role=one.role,
        )
        rows.setdefault(key, []).append(one.source)
    has_roles = any(one.role != "none" for one in machine.transitions)
    return _table(
        ("trigger", "by", "from", "to", *["in its list"] * has_roles, "guard", "effects"),
        (
            (
                f"`{one.trigger}`",
                one.by,
                ", ".join(sources),
                one.destination,
                *[_EMPTY if one.role == "none" else one.role] * has_roles,
                _code(one.guard),
                "; ".join(f"`{_effect(effect)}`" for effect in one.effects) or _EMPTY,
            )
            for one, sources in rows.items()
        ),
    )


def _recognition() -> str:
    """One row for all triggers whose writes are recognised in the same way."""
    rows: dict[tuple[Condition, Condition], list[str]] = {}
    for machine in (MESSAGE, CONSUMER):
        for trigger in machine.triggers:
            own = [one for one in machine.transitions if one.trigger == trigger]
            for trace, done in {(one.trace, one.done): None for one in own}:
                rows.setdefault((trace, done), []).append(f"`{trigger}`")
    return _table(
        ("trigger", "trace", "nothing is left to do in the destination where"),
        (
            (", ".join(triggers), _code(trace), _EMPTY if done == FALSE else _code(done))
            for (trace, done), triggers in rows.items()
            if trace != FALSE
        ),
    )


def _arguments() -> str:
    rows = (text.split(": ", 1) for text in ARGUMENTS.values())
    return _table(
        ("argument", "type", "meaning"),
        ((f"`:{name}`", *row) for name, row in zip(ARGUMENTS, rows, strict=True)),
    )


# --- expressions for people ------------------------------------------------------------------


def _code(condition: Condition) -> str:
    text = _condition(condition)
    return f"`{text}`" if text else _EMPTY


def _condition(condition: Condition, *, inside: bool = False) -> str:
    match condition:
        case AllOf(parts) if set(_WELL_FORMED) < set(parts):
            others = (part for part in parts if part not in _WELL_FORMED)
            rest = " and ".join(_condition(part, inside=True) for part in others)
            return f"({_NAME} and {rest})" if inside else f"{_NAME} and {rest}"
        case AllOf(parts) | AnyOf(parts):
            word = " and " if isinstance(condition, AllOf) else " or "
            text = word.join(_condition(part, inside=True) for part in parts)
            return f"({text})" if inside and len(parts) > 1 else text
        case Not(Exists(attribute)):
            return f"{attribute.name} is absent"
        case Not(Given(argument)):
            return f":{argument} is not given"
        case Not(part):
            return f"not {_condition(part, inside=True)}"
        case Comparison(operator, left, right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case Exists(attribute):
            return f"{attribute.name} exists"
        case HasType(attribute, letter):
            return f"{attribute.name} is {letter}"
        case Given(argument):
            return f":{argument} is given"
        case Same(attribute, argument):
            return f"{attribute.name} is as :{argument}"
    raise TypeError(f"no words for {condition}")


def _operand(operand: Operand) -> str:
    match operand:
        case Attr(name):
            return name
        case Arg(name):
            return f":{name}"
        case Constant(constant):
            return "null" if constant is None else str(constant) or '""'
        case Plus(left, Constant(int(number))) if number < 0:
            return f"{_operand(left)} - {-number}"
        case Plus(left, right):
            return f"{_operand(left)} + {_operand(right)}"
        case Append(left, right):
            return f"{_operand(left)} followed by {_operand(right)}"
        case IfNotExists(attribute, otherwise):
            return f"({attribute.name} or {_operand(otherwise)})"
    raise TypeError(f"no words for {operand}")


def _effect(effect: Effect) -> str:
    if not isinstance(effect, Set):
        return f"remove {effect.attribute.name}"
    text = f"{effect.attribute.name} = {_operand(effect.operand)}"
    return f"{text}, if given" if effect.optional else text

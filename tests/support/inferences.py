"""What asks something of a message's state that the machine is to tell: found in a file's source.

The machine tells what is true of a state (``HELD``, ``LISTED``, ``states_with``), what a step does
to a list (``rule.role``), whether it ends a delivery, where in a list an item is (``place_of``),
and to which queue a partition belongs (``queue_of``). Whoever finds that out in another way
may differ.
"""

import ast
from collections.abc import Iterator

from dynamomq.machine import MESSAGE, QueueType, Status
from dynamomq.reserved import RESERVED
from tests.support.source import SourceFile

NAMES = {state.name for machine in (MESSAGE, *RESERVED) for state in machine.states} | {*Status}
"""What states and statuses are called."""

_TELLING = ("state", "source", "destination")
_OF_A_RULE = ("sources", "destinations", "alternatives")
_QUEUES = tuple(queue.value for queue in QueueType)


def inferences(source: SourceFile) -> Iterator[tuple[int, str]]:
    """Each place where something is inferred, with its line, and what is done there."""
    for node in ast.walk(source.tree):
        found = [
            *(_of_names(node) if node not in source.docstrings else ()),
            *(_of_comparison(node) if isinstance(node, ast.Compare) else ()),
            *(_of_call(node) if isinstance(node, ast.Call) else ()),
            *(_of_attribute(node) if isinstance(node, ast.Attribute) else ()),
        ]
        for what in found:
            yield getattr(node, "lineno", 0), what


def _of_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES:
        yield f"names the state or status {node.value!r}"


def _of_comparison(node: ast.Compare) -> Iterator[str]:
    sides = [node.left, *node.comparators]
    for operator, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True):
        names = {_last_name(left), _last_name(right)}
        attributes = {side.attr for side in (left, right) if isinstance(side, ast.Attribute)}
        if isinstance(operator, ast.Eq | ast.NotEq) and attributes & {*_TELLING}:
            yield "compares a state; ask for a fact of it"
        if _last_name(left) == "trigger" and _is_written_out(right):
            yield "tells steps apart by their trigger; ask what the step does"
        if isinstance(operator, ast.Is | ast.IsNot) and names & {"rule", "rules"}:
            yield "tells rules apart; ask what the step does"
        if isinstance(operator, ast.In | ast.NotIn) and _is_queue_type(left):
            yield "asks whether queue_type is there; ask place_of() or queue_of()"
        if isinstance(operator, ast.Is | ast.IsNot) and _reads_queue_type(left):
            yield "asks whether queue_type is there; ask place_of() or queue_of()"


def _of_call(node: ast.Call) -> Iterator[str]:
    if not isinstance(node.func, ast.Attribute):
        return
    of, method = node.func.value, node.func.attr
    first = node.args[0] if node.args else None
    if method in ("startswith", "endswith", "partition", "rpartition", "split"):
        text = str(first.value) if isinstance(first, ast.Constant) else ""
        if isinstance(of, ast.Attribute) and of.attr in _TELLING:
            yield "takes a state's name to pieces; ask for its queue, or a fact"
        elif (method, text) == ("partition", ".") or text.startswith(_QUEUES):
            yield "takes a partition to pieces; ask queue_of()"


def _of_attribute(node: ast.Attribute) -> Iterator[str]:
    is_of_rule = node.attr in _OF_A_RULE and isinstance(node.value, ast.Call)
    if is_of_rule and _last_name(node.value) == "rule":
        yield f"reads {node.attr} of a rule that it looks up; ask for states_with() a fact"
    if node.attr == "transitions" and _last_name(node.value) == "MESSAGE":
        yield "looks through the transitions; ask a state or a rule"


def _last_name(node: ast.AST | None) -> str | None:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case ast.Call(func=function):
            return _last_name(function)
    return None


def _is_written_out(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str()):
            return True
        case ast.Tuple(elts=members) | ast.List(elts=members) | ast.Set(elts=members):
            return any(map(_is_written_out, members))
    return False


def _is_queue_type(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=within, attr="name"):
            return _last_name(within) == "QUEUE_TYPE"
        case ast.Constant(value="queue_type"):
            return True
    return False


def _reads_queue_type(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="get"), args=[first, *_]):
            return _is_queue_type(first)
    return False

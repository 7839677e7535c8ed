"""The state diagrams, drawn in Mermaid by the package ``transitions`` from the machine's tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from transitions.extensions import HierarchicalGraphMachine

from dynamomq.machine import HELD, MESSAGE, QueueType
from dynamomq.reserved import GROUP
from dynamomq.rules import StateMachine, Transition


class _Drawing:
    """The model that the graph machine wants; it gives it its method ``get_graph``."""


def life_diagram() -> str:
    """Draw a message's life: without operators' edits, and with the dead-letter queue as one box.

    Left out is what a reader can add by a rule: inside the dead-letter queue things are as in the
    standard queue, and from EXPIRED a holder may do what it may from PROCESSING.
    """
    shown = [
        one
        for one in MESSAGE.transitions
        if (one.by in ("sender", "receiver", "holder", "time") or one.trigger in _MOVES)
        and not (one.by == "holder" and one.source not in HELD)
        and not {one.source, one.destination} <= _DEAD
    ]
    return _mermaid(MESSAGE, shown, folded=("DLQ",))


def operators_diagram() -> str:
    """Draw where an operator can put a message that nobody holds, each queue as one box.

    Left out are ``purge``, which removes a message from wherever it is, and what leaves it there.
    """
    tombstones = MESSAGE.states_with("tombstone")
    shown = [
        one
        for one in MESSAGE.transitions
        if one.by == "operator"
        and one.trigger != "purge"
        and (one.role in ("joins", "leaves") or one.destination in tombstones)
    ]
    return _mermaid(MESSAGE, shown, folded=("STANDARD", "DLQ"))


def group_diagram() -> str:
    """Draw the life of the item that knows a group's tail."""
    return _mermaid(GROUP, GROUP.transitions)


_MOVES = ("redrive", "promote")
"""What neither a sender, a receiver nor a holder does, but belongs to every message's life."""

_DEAD = {state.name for state in MESSAGE.states if state.queue == QueueType.DLQ}


def _mermaid(
    machine: StateMachine, chosen: Collection[Transition], folded: Collection[str] = ()
) -> str:
    """Draw some transitions, with parallel ones as one arrow, and the states that they touch."""

    def box(state: str) -> str:
        family = state.partition(".")[0]
        return family if family in folded else state

    arrows: dict[tuple[str, str], dict[str, None]] = {}
    for one in chosen:
        ends = (_node(box(one.source)), _node(box(one.destination)))
        arrows.setdefault(ends, {})[one.trigger] = None
    touched = {box(end) for one in chosen for end in (one.source, one.destination)}
    boxes = dict.fromkeys(box(state.name) for state in machine.states)
    drawing = _Drawing()
    HierarchicalGraphMachine(
        drawing,
        states=_nested(name for name in boxes if name in touched),
        transitions=[
            {"trigger": ", ".join(triggers), "source": source, "dest": destination}
            for (source, destination), triggers in arrows.items()
        ],
        initial=next(iter(arrows))[0],
        auto_transitions=False,
        graph_engine="mermaid",
    )
    text: str = drawing.get_graph().draw(None)  # type: ignore[attr-defined] # given by the machine
    return f"```mermaid\n{_without_style(text)}```\n"


def _node(state: str) -> str:
    return state.replace(".", "_")


def _nested(names: Iterable[str]) -> list[str | dict[str, object]]:
    families: dict[str, list[str]] = {}
    for name in names:
        parent, _, child = name.partition(".")
        families.setdefault(parent, []).extend([child] if child else [])
    return [
        {"name": name, "children": children} if children else name
        for name, children in families.items()
    ]


def _without_style(text: str) -> str:
    """Leave colours to the reader's theme, and out what says that the machine stands somewhere."""
    _, _, body = text.rpartition("---\n")
    styled = ("classDef ", "Class ", "[*] ")
    lines = [line.rstrip() for line in body.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.strip().startswith(styled))

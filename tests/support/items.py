"""Hypothesis strategies: stored items of every kind, and arguments to meet them with.

Values come from small pools in which boundaries are frequent and equal values meet: the due time
is often exactly ``now``, the receipt is often the one that the item has. A random walk starts from
the typical item of a state (``spec.examples``), so that every state and every transition is reached
by construction and not by luck.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

from hypothesis import strategies as st

from dynamomq.effects import Set
from dynamomq.rules import Rule
from dynamomq.values import Item, Value
from spec.examples import EXAMPLES, FORGOTTEN_EPOCH, Arguments, arguments_for, at, legacy, reads
from spec.trees import arguments_read

MESSAGE_ITEMS: Final = EXAMPLES["message"]

TOKENS: Final = ("token-of-send", "token-of-receive", "token-of-delete")
IDS: Final = ("order-0", "order-1", "order-2")
GROUPS: Final = ("customer-7", "customer-8")
TIMES: Final = (
    *(at(seconds) for seconds in (-300, -30, -10, 0, 20, 30, 60)),
    *(at(seconds, by) for seconds in (-30, 0, 30) for by in (-1, 1)),
)
LEGACY_TIMES: Final = ("2024-01-31T09:04:34Z", "2024-01-31T09:05:04.12Z", "2024-01-31T09:05:04Z")
MISTYPED: Final[tuple[Value, ...]] = (
    None,
    True,
    7,
    Decimal("0.5"),
    "text",
    "",
    b"bytes",
    [],
    {},
    {"text"},
)

_POOLS: Final[Mapping[str, tuple[Value, ...]]] = {
    "data": ({"article": "A-7"}, "text", 7, None),
    "status": ("READY", "PROCESSING", "DELETED"),
    "receive_count": (0, 1, 2, 3, 4),
    "queue_type": (
        "STANDARD",
        "DLQ",
        "FASTER",
        "STANDARD.3",
        "DLQ.3",
        "STANDARD-3",
        "DLQ-3",
        "STANDARD/3",
    ),
    "version": (0, 1, 7, Decimal("1.5")),
    "creation_timestamp": (*TIMES, *LEGACY_TIMES),
    "last_updated_timestamp": (*TIMES, *LEGACY_TIMES),
    "queue_add_timestamp": (*TIMES, *LEGACY_TIMES),
    "queue_peek_timestamp": ("", *TIMES, *LEGACY_TIMES),
    "receipt": TOKENS,
    "token": TOKENS,
    "send_token": TOKENS,
    "message_group_id": GROUPS,
    "next_id": IDS,
    "previous_id": IDS,
    "expires_at": (FORGOTTEN_EPOCH - 1, FORGOTTEN_EPOCH, FORGOTTEN_EPOCH + 1),
    "headers": ({}, {"trace": "7"}),
    "errors": ([], [{"type": "OSError"}]),
    "tail_id": IDS,
}
"""For each attribute, values of the right type, few enough to meet their like."""

_ARGUMENT_POOLS: Final[Mapping[str, tuple[Value, ...]]] = {
    "due": TIMES,
    "receipt": TOKENS,
    "seen_token": TOKENS,
    "seen_version": (0, 1, 7),
    "max_receives": (1, 2, 3, 10**15),
    "expires_at": (FORGOTTEN_EPOCH + 1, FORGOTTEN_EPOCH + 300),
    "data": ({"article": "A-7"}, "text", 7, None),
    "headers": ({}, {"trace": "7"}),
    "codec": ("json",),
    "encoding": ("gzip",),
    "errors": ([], [{"type": "OSError"}]),
    "group": GROUPS,
    "next_id": IDS,
    "previous_id": IDS,
    "tail_id": IDS,
    "partition": (
        "STANDARD",
        "DLQ",
        "FASTER",
        "STANDARD.3",
        "DLQ.3",
        "STANDARD-3",
        "DLQ-3",
        "STANDARD/3",
    ),
}


@cache
def _needed(rule: Rule) -> set[str]:
    """The arguments without which a rule's effects can't be computed."""
    return {
        name
        for _, transition in rule.alternatives
        for effect in transition.effects
        if isinstance(effect, Set) and not effect.optional
        for name in arguments_read(effect.operand)
    }


def _one_of(pool: Sequence[Value]) -> st.SearchStrategy[Value]:
    return st.sampled_from(pool)


def typical(state: str) -> Item:
    """Return a message's typical item in a state; an empty one where there is none."""
    return dict(MESSAGE_ITEMS[state] or {})


_ATTRIBUTE: Final = st.sampled_from(sorted(_POOLS))
_RIGHT: Final = _ATTRIBUTE.flatmap(lambda name: st.tuples(st.just(name), _one_of(_POOLS[name])))
_WRONG: Final = st.tuples(_ATTRIBUTE, st.sampled_from(MISTYPED))
_CHANGES: Final = st.lists(_RIGHT | _RIGHT | _WRONG, max_size=4).map(dict[str, Value])


@st.composite
def items(draw: st.DrawFn, state: str | None = None) -> Item | None:
    """A stored item, or ``None``: well-formed, legacy, malformed, tombstone, foreign.

    Args:
        draw: Hypothesis's.
        state: the state from whose typical item to start; any by default. The item need not be in
            that state any more.
    """
    name = state or draw(st.sampled_from(sorted(MESSAGE_ITEMS)))
    start = MESSAGE_ITEMS[name]
    if start is None and draw(st.booleans()):
        return None
    item = dict(start or typical("DELETED"))
    if "status" in item and draw(st.integers(0, 4)) == 0:
        item = legacy(item)
    for attribute in draw(st.lists(_ATTRIBUTE, max_size=2)):
        item.pop(attribute, None)
    return {**item, **draw(_CHANGES)}


@st.composite
def arguments(draw: st.DrawFn, rule: Rule, item: Item | None) -> Arguments:
    """The arguments with which an operation meets an item: mostly fitting, some of them not.

    Always fresh is ``token`` (WRITE-2).
    """
    given = arguments_for(rule, item)
    wanted = [name for name in sorted(reads(rule)) if name in _ARGUMENT_POOLS]
    for name in draw(st.lists(st.sampled_from(wanted), max_size=2)) if wanted else ():
        if name in given and name not in _needed(rule) and draw(st.booleans()):
            del given[name]
        else:
            given[name] = draw(st.sampled_from(_ARGUMENT_POOLS[name]))
    return given

"""Whoever writes into the table without regard to the specification: by hand, or another port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynamomq.attributes import (
    CODEC,
    ENCODING,
    NEXT_ID,
    PEEKED,
    QUEUE_TYPE,
    RECEIVE_COUNT,
    SEND_TOKEN,
    TOKEN,
    VERSION,
)
from dynamomq.effects import Set
from dynamomq.expressions import Arg, Attr
from dynamomq.machine import QueueType
from dynamomq.operations import Settings
from dynamomq.requests import Get, Operation, Write, ask
from dynamomq.values import Item
from tests.support.embedded import custom_rule

DAMAGES: dict[str, Callable[[Item], Item]] = {
    "without a count": lambda item: _without(item, RECEIVE_COUNT),
    "with a text for a version": lambda item: {**item, VERSION.name: "one"},
    "without a beginning": lambda item: _without(item, PEEKED),
    "without a count or a token": lambda item: _without(item, RECEIVE_COUNT, TOKEN),
}
"""What may be wrong with an item in a queue, so that it is no message any more."""


def damage(settings: Settings, id: str, how: str) -> Operation[None]:
    """Take something away from an item that is in a queue, if it is."""
    yield from _rewritten(settings, id, DAMAGES[how])


def adopt(settings: Settings, id: str, *, was_sent: bool = True) -> Operation[None]:
    """Make a message one of another port: without tokens, its payload in a form of its own.

    Args:
        settings: the queue's.
        id: the message.
        was_sent: whether one of us has sent it, who may look for the token of that.
    """
    tokens = (TOKEN,) if was_sent else (TOKEN, SEND_TOKEN)
    labels = {CODEC.name: "gob", ENCODING.name: "snappy"}
    yield from _rewritten(settings, id, lambda item: {**_without(item, *tokens), **labels})


TEARS: dict[str, Callable[[Item, Item], Item | None]] = {
    "is gone": lambda _, __: None,
    "leads nowhere": lambda item, _: {**item, NEXT_ID.name: "nobody"},
    "leads on too far": lambda item, behind: {
        **_without(item, NEXT_ID),
        **({NEXT_ID.name: behind[NEXT_ID.name]} if NEXT_ID.name in behind else {}),
    },
    "can't be received": lambda item, _: _without(item, QUEUE_TYPE),
    "is a second head": lambda item, _: {**item, QUEUE_TYPE.name: QueueType.STANDARD.value},
}
"""What may be wrong with an item of a group's list: the group's own, or a member's.

It is made of what is stored of that, and of the one behind it.
"""


def tear(_settings: Settings, id: str, how: str) -> Operation[None]:
    """Change an item of a group's list, as if by hand."""
    item = yield from ask(Get(id))
    behind = yield from ask(Get(str((item or {}).get(NEXT_ID.name))))
    new = None if item is None else TEARS[how](item, behind or {})
    effects = [Set(Attr(name), Arg(name)) for name in new or {}]
    yield from ask(Write(id, custom_rule("delete" if new is None else "put", effects), new or {}))


def _without(item: Item, *attributes: Attr) -> Item:
    names = {attribute.name for attribute in attributes}
    return {name: value for name, value in item.items() if name not in names}


def _rewritten(_settings: Settings, id: str, change: Callable[[Item], Item]) -> Operation[None]:
    item: Any = yield from ask(Get(id))
    if item is None or QUEUE_TYPE.name not in item or not isinstance(item[VERSION.name], int):
        return
    new = change({**item, VERSION.name: item[VERSION.name] + 1})
    effects = [Set(Attr(name), Arg(name)) for name in new]
    rule = custom_rule("put", effects, VERSION.eq(Arg("seen")))
    yield from ask(Write(id, rule, {**new, "seen": item[VERSION.name]}))

"""By which names the requests to a storage are addressed: the machine's triggers, and their kinds.

``delete`` is a write that carries out the trigger, alone, in a batch or in a transaction; ``query``
is any request of the class ``Query``, whatever it is for.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from dynamomq import requests
from dynamomq.checks import check_id
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import MESSAGE
from dynamomq.requests import Elsewhere, Request, Sleep, Tick, Transact, Write, WriteBatch
from dynamomq.reserved import RESERVED


def _kinds() -> set[str]:
    """Return the kinds of requests that reach a storage."""
    defined = vars(requests).values()
    kinds = {one for one in defined if isinstance(one, type) and issubclass(one, Request)}
    return {_snake_case(kind.__name__) for kind in kinds - {Request, Tick, Sleep}}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


# Time's own steps are no requests.
_WRITTEN = {
    step.trigger
    for machine in (MESSAGE, *RESERVED)
    for step in machine.transitions
    if step.by != "time"
}

NAMES: Final = tuple(sorted(_WRITTEN | _kinds()))
"""All names, sorted."""

_WRITES = _WRITTEN | {_snake_case(kind.__name__) for kind in (Write, WriteBatch, Transact)}


def check_request_name(argument: str, name: object) -> str:
    """Return a name by which requests are addressed.

    Raises:
        InvalidArgumentError: no request has this name.
    """
    if name not in NAMES:
        raise InvalidArgumentError(
            argument, name, "no request has this name", remedy=f"Pass one of {', '.join(NAMES)}."
        )
    return str(name)


def check_ids(argument: str, ids: object, name: str) -> frozenset[str]:
    """Return ids of messages, the writes to which are meant among the requests of a name.

    Raises:
        InvalidArgumentError: these are not ids, or requests of this name do not write.
    """
    if name not in _WRITES:
        raise InvalidArgumentError(
            argument, ids, f"{name} is not a write, so it strikes no message alone"
        )
    if isinstance(ids, str) or not isinstance(ids, Collection) or not ids:
        raise InvalidArgumentError(
            argument, ids, "these are not ids", remedy="Pass a list, such as ['order-17']."
        )
    return frozenset(check_id(one) for one in ids)


def names_of(request: Request[Any]) -> frozenset[str]:
    """Return all names by which a request is addressed."""
    return frozenset({_snake_case(type(request).__name__), *_triggers(request)})


def places_of(request: Request[Any], name: str, ids: frozenset[str]) -> frozenset[int]:
    """Return where in a request the writes are that a name addresses, to messages with these ids.

    A write that is a request of its own is at 0. In a transaction the user's own do not count.
    """
    whole = name == _snake_case(type(request).__name__)
    return frozenset(
        place
        for place, write in enumerate(_writes(request))
        if write.id in ids and (whole or name == write.rule.trigger)
    )


def described(request: Request[Any]) -> str:
    """Return what a request is for an error message: what it does, or its kind."""
    return ", ".join(dict.fromkeys(_triggers(request))) or _snake_case(type(request).__name__)


def _triggers(request: Request[Any]) -> list[str]:
    return [write.rule.trigger for write in _writes(request)]


def _writes(request: Request[Any]) -> tuple[Write, ...]:
    """Return the writes that a request consists of, but not the user's own in a transaction."""
    match request:
        case Write():
            return (request,)
        case WriteBatch(writes):
            return writes
        case Transact(actions):
            bare = (one.write if isinstance(one, Elsewhere) else one for one in actions)
            return tuple(one for one in bare if isinstance(one, Write))
    return ()

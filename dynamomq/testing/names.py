"""By which names the requests to a storage are addressed: the machine's triggers, and their kinds.

``delete`` is a write that carries out the trigger, alone or in a batch; ``query`` is any request of
the class ``Query``, whatever it is for.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dynamomq import requests
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import MESSAGE
from dynamomq.requests import Request, Sleep, Tick, Write, WriteBatch

__all__ = ["NAMES", "check_request_name", "described", "names_of"]


def _kinds() -> set[str]:
    """Return the kinds of requests that reach a storage."""
    named = [getattr(requests, name) for name in requests.__all__]
    kinds = {one for one in named if isinstance(one, type) and issubclass(one, Request)}
    return {_snake_case(kind.__name__) for kind in kinds - {Request, Tick, Sleep}}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


# Time's own steps are no requests.
_WRITTEN = {step.trigger for step in MESSAGE.transitions if step.by != "time"}

NAMES: Final = tuple(sorted(_WRITTEN | _kinds()))
"""All names, sorted."""


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


def names_of(request: Request[Any]) -> frozenset[str]:
    """Return all names by which a request is addressed."""
    return frozenset({_snake_case(type(request).__name__), *_triggers(request)})


def described(request: Request[Any]) -> str:
    """Return what a request is for an error message: what it does, or its kind."""
    return ", ".join(dict.fromkeys(_triggers(request))) or _snake_case(type(request).__name__)


def _triggers(request: Request[Any]) -> list[str]:
    if isinstance(request, Write):
        return [request.rule.trigger]
    if isinstance(request, WriteBatch):
        return [write.rule.trigger for write in request.writes]
    return []

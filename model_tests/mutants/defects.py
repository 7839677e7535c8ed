"""Functions that stand in for the library's own where a mutant is no change of a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from dynamomq.attributes import RECEIPT
from dynamomq.errors import UnavailableError
from dynamomq.expressions import Attr
from dynamomq.message import Message
from dynamomq.operations import Settings, send
from dynamomq.requests import Moment, Operation, Refused, Tick, Write, WriteReply, ask
from dynamomq.timestamps import SECOND
from dynamomq.values import Item
from model_tests.mutants.altering import Alter

_Writing = Callable[[Write], Operation[WriteReply]]

# --- what a refusal tells --------------------------------------------------------------------


def _refusals(change: Callable[[Refused], Refused]) -> Alter:
    """Change what the writing function of an operation is told when it is refused."""

    def alter(write: _Writing) -> _Writing:
        def changed(request: Write) -> Operation[WriteReply]:
            reply = yield from write(request)
            return change(reply) if isinstance(reply, Refused) else reply

        return changed

    return alter


def without(attribute: Attr) -> Alter:
    """Refusals do not show this attribute of the item, by which a success would be recognised."""

    def change(refused: Refused) -> Refused:
        shown = refused.item or {}
        kept = {name: value for name, value in shown.items() if name != attribute.name}
        return evolve(refused, item=kept if shown else None)

    return _refusals(change)


first_attempts = _refusals(lambda refused: evolve(refused, repeated=False))
"""No refusal says that the request had been repeated."""

# --- senders ---------------------------------------------------------------------------------

_ATTEMPTS = 5


def with_new_tokens(request: Write) -> Operation[WriteReply]:
    """Write, each time anew under another token when the reply is lost."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return (yield from ask(request))
        except UnavailableError:
            if attempt == _ATTEMPTS:
                raise
        moment = yield from ask(Tick(tokens=1))
        request = evolve(request, arguments={**request.arguments, "token": moment.tokens[0]})
    raise AssertionError("unreachable: the last attempt returns or raises")


def send_again(settings: Settings, data: Any, **options: Any) -> Operation[Message[Any]]:
    """Send, and once more when the reply is lost, where no id is given under another one."""
    try:
        return (yield from send(settings, data, **options))
    except UnavailableError:
        return (yield from send(settings, data, **options))


# --- receivers -------------------------------------------------------------------------------


def takes_all_for_its_own(second_look: Callable[..., Operation[Any]]) -> Callable[..., Any]:
    """Take whoever's delivery for one's own when a claim is refused."""

    def changed(self: Any, request: Write, item: Item | None, moment: Moment) -> Operation[Any]:
        if item is not None:
            item = {**item, RECEIPT.name: request.arguments["token"]}
        return (yield from second_look(self, request, item, moment))

    return changed


def looks_at_nothing(_unclear: object) -> Operation[Item]:
    """Read none of the items behind the statements of a batch that did not succeed."""
    yield from ask(Tick())
    return {}


def leaves_it(_self: object, _id: str) -> Operation[None]:
    """Do nothing about a message that has used up its deliveries."""
    yield from ask(Tick())


# --- time ------------------------------------------------------------------------------------


def own_clock(_seen: Message[Any], now: int, **_options: int) -> int:
    """Return the time by one's own clock, whatever has been seen."""
    return now


def expires_at_once(_settings: Settings, instant: int) -> int:
    """Return now as the end of a tombstone."""
    return instant // SECOND


# --- judgements ------------------------------------------------------------------------------


def always(*_: object) -> bool:
    """Say yes."""
    return True


def never(*_: object, **__: object) -> bool:
    """Say no."""
    return False

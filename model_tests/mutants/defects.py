"""Functions that stand in for the library's own where a mutant is no change of a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from dynamomq.attributes import ID, RECEIPT
from dynamomq.drivers.skew import ClockOffset, Offset, Reading
from dynamomq.errors import UnavailableError
from dynamomq.expressions import Attr
from dynamomq.machine import NO_MESSAGE
from dynamomq.message import Message
from dynamomq.operations import RETRY_HORIZON, Settings, send
from dynamomq.operations.operating import missing
from dynamomq.operations.writing import message_of, onlooker_view, persistently
from dynamomq.requests import Get, Moment, Operation, Refused, Tick, Write, WriteReply, ask
from dynamomq.rules import Rule
from dynamomq.timestamps import SECOND, format_instant
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

# --- how late attempts may be ------------------------------------------------------------------


def without_end(request: Any, _: Moment) -> Any:
    """Leave a write as it is: attempts at it may be sent however late."""
    return request


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


_MINUTE = 60 * SECOND
_HOUR = 60 * _MINUTE


def up_to_an_hour(not_before: Callable[[Message[Any], int], int]) -> Callable[..., int]:
    """Go by the own clock where the message's time is more than an hour ahead of that."""

    def changed(message: Message[Any], now: int) -> int:
        later = not_before(message, now)
        return later if later - now < 3600 * SECOND else now

    return changed


def own_clock(_seen: Message[Any], now: int, **_options: int) -> int:
    """Return the time by one's own clock, whatever has been seen."""
    return now


def by_own_clock(trigger: str) -> Alter:
    """Have one of an operator's triggers act at the operator's own time."""

    def alter(plan_of: Callable[..., Operation[Any]]) -> Callable[..., Operation[Any]]:
        def changed(
            settings: Settings, edit: Any, seen: Any, now: int, *doubt: Any
        ) -> Operation[Any]:
            plan = yield from plan_of(settings, edit, seen, now, *doubt)
            if plan is None or edit.rule.trigger != trigger:
                return plan
            arguments = {**plan.request.arguments, "now": format_instant(now)}
            return evolve(plan, request=evolve(plan.request, arguments=arguments))

        return changed

    return alter


def expires_at_once(_settings: Settings, instant: int) -> int:
    """Return now as the end of a tombstone."""
    return instant // SECOND


def uncorrected(
    at: Callable[[ClockOffset, Reading], Offset],
) -> Callable[[ClockOffset, Reading], Offset]:
    """Know the clock's offset, and do not add it."""
    return lambda self, now: evolve(at(self, now), nanoseconds=0)


def subtracted(
    at: Callable[[ClockOffset, Reading], Offset],
) -> Callable[[ClockOffset, Reading], Offset]:
    """Have the clock's offset with the wrong sign."""

    def changed(self: ClockOffset, now: Reading) -> Offset:
        offset = at(self, now)
        return evolve(offset, nanoseconds=-offset.nanoseconds)

    return changed


def by_the_hour(observe: Callable[..., None]) -> Callable[..., None]:
    """Learn from the hour of a date."""

    def changed(self: ClockOffset, date: int, **clocks: Reading) -> None:
        observe(self, date // _HOUR * _HOUR, **clocks)

    return changed


def ahead(at: Callable[[Settings, int], Any]) -> Callable[[Settings, int], Any]:
    """Tell the machine a time that is a minute ahead."""
    return lambda settings, now: at(settings, now + _MINUTE)


def puts_aside_ahead(put_aside: Callable[..., Any]) -> Callable[..., Any]:
    """Put messages aside at a time that is a minute ahead."""

    def changed(
        settings: Settings, item: Item, rule: Rule, moment: Moment, *own: Any, **reason: str
    ) -> Any:
        later = evolve(moment, now=moment.now + _MINUTE)
        return put_aside(settings, item, rule, later, *own, **reason)

    return changed


def expires_with_its_window(settings: Settings, instant: int) -> int:
    """Return the end of a tombstone that is kept as if no request could be late."""
    return -(-(instant + settings.deduplication_window + RETRY_HORIZON) // SECOND)


# --- what calls do and return ----------------------------------------------------------------


def among_operations(name: str, alter: Alter) -> Alter:
    """Alter the operation of this name, as it is called."""
    return lambda there: {**there, name: alter(there[name])}


def given(option: str, change: Callable[[int], int]) -> Alter:
    """Let an operation be given another value of an option than was asked for."""

    def alter(operation: Callable[..., Any]) -> Callable[..., Any]:
        return lambda settings, **options: operation(
            settings, **{**options, option: change(options[option])}
        )

    return alter


def edits_nothing(
    settings: Settings, _rule: Rule, id: str, _extra: object = None
) -> Operation[Message[Any]]:
    """Look at a message, and return it as if it had been edited."""
    moment = yield from ask(Tick(tokens=1))
    item = yield from persistently(Get(id))
    seen = message_of(settings, item, moment.now)
    if seen.state in NO_MESSAGE:
        raise missing(id)
    return onlooker_view(seen)


def extends_nothing(
    _settings: Settings, message: Message[Any], *, timeout: int
) -> Operation[Message[Any]]:
    """Return the delivery as it was."""
    assert timeout, "some was asked for"
    yield from ask(Tick())
    return message


def renames(send: Callable[..., Operation[Message[Any]]]) -> Callable[..., Any]:
    """Send, and return the message under another id."""

    def changed(*arguments: Any, **options: Any) -> Operation[Message[Any]]:
        sent = yield from send(*arguments, **options)
        return evolve(sent, item={**sent.item, ID.name: f"{sent.id}'"})

    return changed


# --- judgements ------------------------------------------------------------------------------


def always(*_: object) -> bool:
    """Say yes."""
    return True


def believes_the_state(trigger: str) -> Alter:
    """Take a message for finished by oneself when it is in the state that one wanted it in."""

    def alter(took_effect: Callable[..., bool]) -> Callable[..., bool]:
        def changed(request: Write, message: Message[Any], found: Message[Any]) -> bool:
            rule = request.rule
            so = rule.trigger == trigger and found.state in rule.destinations
            return so or took_effect(request, message, found)

        return changed

    return alter


def never(*_: object, **__: object) -> bool:
    """Say no."""
    return False

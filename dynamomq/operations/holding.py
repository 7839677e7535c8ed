"""What the holder of a delivery does with it: extend, retry, release, delete, move_to_dlq.

All are fenced by the receipt (spec: HOLD-1): a stale one changes nothing. A refusal is judged by
the item that refused: it may be the echo of our own success, whose reply was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from attrs import evolve

from dynamomq.attributes import LINKS, RECEIPT
from dynamomq.errors import (
    DynamoMQError,
    IllegalTransitionError,
    InvalidArgumentError,
    OutcomeUnknownError,
    StaleReceiptError,
)
from dynamomq.machine import DAMAGED, MESSAGE, TOMBSTONES, QueueType
from dynamomq.message import Message
from dynamomq.operations.commit import Anew, commit, together
from dynamomq.operations.groups import (
    busy_group_of,
    changes_list,
    dead_letters_of,
    leaving,
    links,
    role_for,
)
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    at,
    expiry,
    illegal,
    in_time,
    is_gone,
    message_of,
    was_overtaken,
)
from dynamomq.requests import Operation, Refused, Tick, Write, WriteReply, Written, ask
from dynamomq.rules import Rule
from dynamomq.timestamps import format_instant
from dynamomq.values import Item, Value

R = TypeVar("R")
T = TypeVar("T")
Rules: TypeAlias = dict[QueueType, Rule]
"""A trigger's rule for each queue in which there is one."""

Extra: TypeAlias = Callable[[int], dict[str, Value]]
"""The arguments of one trigger beyond the common ones, for the time of the write."""

_Finished: TypeAlias = tuple[Write, WriteReply, int]
"""The write of a holder that took effect, its reply, and its time."""


def _by_queue(trigger: str) -> Rules:
    return {queue: MESSAGE.rule(trigger, queue=queue) for queue in QueueType}


EXTEND = _by_queue("extend")
RETRY = _by_queue("retry")
RELEASE = _by_queue("release")
DELETE = _by_queue("delete")
MOVE_TO_DLQ = MESSAGE.rule("move_to_dlq")

_PLACE = frozenset(plan for _, plan in LINKS)


def extend(settings: Settings, message: Message[T], timeout: int) -> Operation[Message[T]]:
    """Move the deadline to ``timeout`` nanoseconds from now, never earlier than it is.

    Returns:
        The message with its deadline: the new one, or the present one if that is later.

    Raises:
        StaleReceiptError: the delivery is over.
        IllegalTransitionError: the message was given back with this very receipt.
    """
    extra = due_in(timeout)
    request, reply, now = yield from _finish(settings, EXTEND, message, extra)
    return extended(settings, request, message, reply, now)


def retry(
    settings: Settings, message: Message[T], *, delay: int, error: BaseException | str | None = None
) -> Operation[None]:
    """Give the message back after a failure; it is due again after ``delay`` nanoseconds.

    Raises:
        StaleReceiptError: the delivery is over.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    extra = given_back(message, delay, error)
    yield from _finish(settings, RETRY, message, extra)


def release(settings: Settings, message: Message[T]) -> Operation[None]:
    """Give back a message that was never started; the delivery does not count.

    Raises:
        StaleReceiptError: the delivery is over.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    yield from _finish(settings, RELEASE, message, due_in(0))


def delete(settings: Settings, message: Message[T]) -> Operation[None]:
    """Acknowledge: the work is done, the message leaves the queue; a tombstone remembers it.

    Deleting again with one's own receipt is success, and so is deleting what is gone altogether.
    Where the message is the head of a group, the next one is promoted in the same transaction.

    Raises:
        StaleReceiptError: the delivery is over, and the message is still there for others.
        ConflictError: others kept changing its group.
    """
    yield from _finish(settings, DELETE, message, entombed(settings))


def move_to_dlq(
    settings: Settings, message: Message[T], *, error: BaseException | str | None = None
) -> Operation[None]:
    """Put the message into the dead-letter queue, with the reason.

    Raises:
        StaleReceiptError: the delivery is over.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
        IllegalTransitionError: it was received from the dead-letter queue.
    """
    rules = {QueueType.STANDARD: MOVE_TO_DLQ}
    yield from _finish(settings, rules, message, dead_lettered(settings, message, error))


def due_in(duration: int) -> Extra:
    """Return the arguments of what moves the due time, so many nanoseconds from now."""
    return lambda now: {"due": format_instant(now + duration)}


def given_back(message: Message[T], delay: int, error: BaseException | str | None) -> Extra:
    """Return the arguments of retry."""
    return lambda now: {**due_in(delay)(now), **_errors(message, error, now)}


def dead_lettered(
    settings: Settings, message: Message[T], error: BaseException | str | None
) -> Extra:
    """Return the arguments of move_to_dlq."""
    return lambda now: {
        "partition": dead_letters_of(settings, message.item),
        **_errors(message, error, now),
    }


def entombed(settings: Settings) -> Extra:
    """Return the arguments of delete."""
    return lambda now: {"expires_at": expiry(settings, now)}


def _errors(message: Message[T], error: BaseException | str | None, now: int) -> dict[str, Value]:
    return {} if error is None else {"errors": message.failures_with(error, now)}


def told_of(rules: Rules, message: Message[T], call: Operation[R]) -> Operation[R]:
    """Carry out a holder's call; where it was to end the delivery and has not, tell the message.

    Raises:
        DynamoMQError: what it raises.
    """
    try:
        return (yield from call)
    except DynamoMQError as error:
        tell_failure(rules, message, error)
        raise


def tell_failure(rules: Rules, message: Message[T], error: DynamoMQError) -> None:
    """Tell a message that a call was to end its delivery, and has failed."""
    if any(rule.ends_delivery for rule in rules.values()):
        message.goes_on(in_doubt=error.in_doubt)


def _finish(
    settings: Settings, rules: Rules, message: Message[T], extra: Extra
) -> Operation[_Finished]:
    """Write the transition; return if it took effect, now or by an earlier attempt; else raise."""
    check_held(settings, message)
    return (yield from told_of(rules, message, _finished(settings, rules, message, extra)))


def _finished(
    settings: Settings, rules: Rules, message: Message[T], extra: Extra
) -> Operation[_Finished]:
    """Do so. Where the message leaves its group's list, that is planned from what was received.

    If others have joined the group since, it is planned anew.
    """
    leaves = leaves_list(rules, message)

    def attempt(item: Item, doubt: Doubt) -> Operation[_Finished | Anew[Item]]:
        moment = yield from ask(Tick(tokens=1))
        now = message.not_before(moment.now)
        request = write_of(settings, rules, message, extra, now, moment.tokens[0])
        request = in_time(planned_by(request, item) if leaves else request, moment)
        upkeep = leaving(settings, now, item) if leaves else ()
        reply = yield from doubt.told(together(request, upkeep, leaving=item))
        found = to_plan_from(request, message, reply)
        if found is not None:
            return Anew(found, at_once=item is message.item)
        check_effect(settings, request, message, reply, now)
        return request, reply, now

    return commit(message.item, attempt, busy_group_of)


def leaves_list(rules: Rules, message: Message[T]) -> bool:
    """Tell whether a holder's trigger takes a message out of its group's list."""
    return message.queue in rules and changes_list(rules[message.queue], message)


def planned_by(request: Write, item: Item) -> Write:
    """Return a write that is guarded by a message's place in its group's list as it was read."""
    unlinked = _unlinked(request)
    return evolve(unlinked, arguments={**unlinked.arguments, **links(item)})


def _unlinked(request: Write) -> Write:
    others = {name: value for name, value in request.arguments.items() if name not in _PLACE}
    return evolve(request, arguments=others)


def to_plan_from(request: Write, message: Message[T], reply: WriteReply) -> Item | None:
    """Return the item as it is now, where nothing but the plan of the group's list is outdated."""
    item = reply.item
    if isinstance(reply, Written) or item is None or item.get(RECEIPT.name) != message.receipt:
        return None
    is_leaving = role_for(request, item) == "leaves"
    again = planned_by(request, item) if is_leaving else _unlinked(request)
    return item if again.specialised.applies_to(item, again.arguments) else None


def write_of(
    settings: Settings, rules: Rules, message: Message[T], extra: Extra, now: int, token: str
) -> Write:
    """Return the write of a transition by its holder.

    Raises:
        IllegalTransitionError: there is no such transition from the message's queue.
    """
    if message.queue not in rules:
        (trigger,) = {rule.trigger for rule in rules.values()}
        raise illegal(trigger, message, message.state)
    if rules[message.queue].ends_delivery:
        message.will_end()
    arguments: dict[str, Value] = {
        **at(settings, now),
        "token": token,
        "receipt": message.receipt,
        **extra(now),
    }
    return Write(message.id, rules[message.queue], arguments)


def check_effect(
    settings: Settings, request: Write, message: Message[T], reply: WriteReply, now: int
) -> None:
    """Tell the message if the write took effect, now or by an earlier attempt, and so ended it.

    Raises:
        StaleReceiptError: the delivery is over.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
        IllegalTransitionError: the message was given back with this very receipt.
    """
    if isinstance(reply, Refused):
        found = message_of(settings, reply.item, now)
        if not _took_effect(request, message, found):
            raise refusal(request.rule, message, found, repeated=reply.repeated)
    if request.rule.ends_delivery:
        message.has_ended(request.rule.trigger)


def extended(
    settings: Settings, request: Write, message: Message[T], reply: WriteReply, now: int
) -> Message[T]:
    """Return a message whose extension took effect, with its deadline."""
    if isinstance(reply, Refused):  # already due later than that, by us
        found = message_of(settings, reply.item, now)
        return evolve(message, item=found.item, state=found.state)
    item = request.specialised.apply(message.item, request.arguments) or {}
    return evolve(message, item=item)


def check_held(settings: Settings, message: object) -> None:
    """Refuse what can't be acknowledged, before anything is sent."""
    remedy = "Only what receive() returned can be acknowledged, extended or given back."
    if not isinstance(message, Message):
        kind = type(message).__name__  # not the value: it may be a payload
        raise InvalidArgumentError("message", kind, "it is no message", remedy=remedy)
    if message.receipt is None or message.queue is None:
        raise InvalidArgumentError("message", message, "it is not held", remedy=remedy)
    if message.table != settings.table:
        raise InvalidArgumentError(
            "message",
            message,
            f"it is in table {message.table!r}, not in {settings.table!r}",
            remedy="Use the queue that it was received from.",
        )


def _took_effect(request: Write, message: Message[T], found: Message[Any]) -> bool:
    """Tell from the item that refused the write whether what it asked for is so already."""
    if is_gone(message, found):
        return _is_final(request.rule)
    if request.rule.ends_delivery and request.recognises(found.item):
        return True  # wherever the upkeep of its group's list has moved it since
    return request.rule.done.evaluate(found.item, request.arguments)


def _is_final(rule: Rule) -> bool:
    """Tell whether a step leaves only a tombstone, which no later write can change."""
    return rule.destinations <= TOMBSTONES


def refusal(
    rule: Rule, message: Message[T], found: Message[Any], *, repeated: bool
) -> StaleReceiptError | OutcomeUnknownError | IllegalTransitionError:
    """Return the error that says what is known.

    A delete that had been executed would have left our tombstone, so a foreign receipt is proof
    that it was not; and whether an extension was does not matter to one who finds the delivery
    over. The others give the message up: who finds it in other hands after several writes can't
    tell whether one of them was this; nor can who finds it damaged, under whatever receipt.
    """
    trigger = rule.trigger
    matters = rule.ends_delivery and not _is_final(rule)
    is_unknown = repeated and matters and not was_overtaken(message, found)
    if found.receipt == message.receipt and not is_gone(message, found):
        if is_unknown and found.state in DAMAGED:
            return _unknown(trigger, message, "damaged", "was given up by this request before")
        return illegal(trigger, message, found.state)
    if is_unknown:
        what = f"{found.state} under another receipt"
        return _unknown(trigger, message, what, "was given up by this request or by its deadline")
    return StaleReceiptError(
        f"The delivery of message {message.id!r} is over (it is {found.state}): {trigger} came "
        "too late.",
        id=message.id,
        state=found.state,
        remedy="Treat the work as not acknowledged. If handlers need more time, raise the "
        "visibility timeout or call extend().",
    )


def _unknown(trigger: str, message: Message[T], state: str, what: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The reply to {trigger} of message {message.id!r} was lost, and the message is {state} by "
        f"now: whether it {what} can't be told.",
        id=message.id,
        trigger=trigger,
        remedy="Another delivery is responsible for it; do not repeat the request.",
    )

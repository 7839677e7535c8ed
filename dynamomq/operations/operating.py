"""What an operator does to a message that nobody holds (spec: OPERATOR-1 to OPERATOR-6).

The message is read first, and the write is bound to the token that was seen: whatever happens in
between makes it refuse, and it is planned anew. So a late repetition can undo nothing that came
later, nor hit a new message with the same id. Where a group's list changes with it, that is part of
the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import evolve, frozen

from dynamomq.attributes import (
    DATA,
    ERRORS,
    HEADERS,
    NEXT_ID,
    PREVIOUS_ID,
    RECEIPT,
    SEQUENCE,
)
from dynamomq.errors import (
    ConflictError,
    DamagedGroupError,
    MessageNotFoundError,
    OutcomeUnknownError,
)
from dynamomq.machine import MESSAGE, NO_MESSAGE, QueueType
from dynamomq.message import MAX_FAILURES, Message
from dynamomq.operations.commit import PLANS, Anew, commit, together
from dynamomq.operations.groups import (
    damage_at_tail,
    dead_letters_of,
    joining,
    leaving,
    read_group,
    tail_has_left,
    tail_of,
)
from dynamomq.operations.holding import planned_by
from dynamomq.operations.sending import check_size
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    at,
    expiry,
    illegal,
    in_time,
    message_of,
    onlooker_view,
    persistently,
    was_overtaken,
)
from dynamomq.requests import Get, Operation, Refused, Tick, Write, Written, ask
from dynamomq.rules import Role, Rule
from dynamomq.timestamps import format_instant
from dynamomq.values import Item, Value

_BURY, _UPDATE, _ANNOTATE, _RESCHEDULE, _CANCEL = (
    MESSAGE.rule(trigger) for trigger in ("bury", "update", "annotate", "reschedule", "cancel")
)
REDRIVE = MESSAGE.rule("redrive")
PURGE = MESSAGE.rule("purge")
_COMES_AND_GOES = frozenset(one.name for one in (ERRORS, RECEIPT, NEXT_ID, PREVIOUS_ID, SEQUENCE))
"""What a message has room for beside its content."""

Extra: TypeAlias = Callable[[Message[Any], int], dict[str, Value]]
"""Returns the arguments of one trigger beyond the common ones, for the message as it was seen and
the time of the write."""


@frozen
class Edit:
    """An operator's trigger on one message.

    Attributes:
        rule: the trigger's.
        id: the message's.
        token: one for all attempts and plans, so that any of them can be told by it.
        extra: the arguments of this trigger.
    """

    rule: Rule
    id: str
    token: str
    extra: Extra

    def is_done(self, found: Message[Any]) -> bool:
        """Tell whether a message bears the trace of one of its attempts."""
        return self.rule.trace.evaluate(found.item, {"token": self.token})


@frozen
class Plan:
    """What an edit is to write.

    Attributes:
        request: the message's own write.
        upkeep: what goes with it in the list of its group, in the same transaction.
        now: the time of both, in nanoseconds since the epoch.
        role: what becomes of the message's place in that list.
    """

    request: Write
    upkeep: Sequence[Write]
    now: int
    role: Role

    def damage(self, reasons: Sequence[Refused | None]) -> DamagedGroupError | None:
        """Tell what is wrong with a group that a message could not join (:func:`damage_at_tail`).

        Args:
            reasons: why the upkeep was refused.
        """
        own = self.request.arguments
        if self.role != "joins" or "previous_id" not in own:
            return None
        return damage_at_tail(str(own["group"]), str(own["previous_id"]), self.upkeep, reasons)

    def is_legal_for(self, item: Item) -> bool:
        """Tell whether the machine allows the write on an item."""
        return self.request.specialised.applies_to(item, self.request.arguments)


def bury(
    settings: Settings, id: str, *, reason: BaseException | str | None = None
) -> Operation[Message[Any]]:
    """Put a message that nobody holds into the dead-letter queue, and return it.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: somebody holds it, or it is in the dead-letter queue already.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """

    def extra(seen: Message[Any], now: int) -> dict[str, Value]:
        errors = {} if reason is None else {"errors": seen.failures_with(reason, now)}
        return {"partition": dead_letters_of(settings, seen.item), **errors}

    return (yield from _edit(settings, _BURY, id, extra))


def redrive(settings: Settings, id: str) -> Operation[Message[Any]]:
    """Bring a message back from the dead-letter queue, due at once, and return it.

    A member of a group goes to the end of its group.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: it is not in the dead-letter queue, or somebody holds it.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    return (yield from _edit(settings, REDRIVE, id, redriven))


def redriven(seen: Message[Any], _: int) -> dict[str, Value]:
    """Return the arguments of redrive."""
    # Exhausting appends without knowing the list's length; here the list is cut again.
    latest = seen.latest_failures(MAX_FAILURES - 1)
    return {"errors": latest} if latest else {}


def update(
    settings: Settings, id: str, data: Value, *, headers: Mapping[str, str] | None = None
) -> Operation[Message[Any]]:
    """Change what a message says, and return it; it keeps its place and its due time.

    Args:
        settings: the queue's.
        id: the message's.
        data: the encoded payload.
        headers: all headers; ``None``: as they are.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: somebody holds it.
        PayloadError: it would be too large.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    changes: dict[str, Value] = {DATA.name: data}
    if headers is not None:
        changes[HEADERS.name] = dict(headers)
    return (yield from _edit(settings, _UPDATE, id, _changed(changes)))


def annotate(settings: Settings, id: str, headers: Mapping[str, str]) -> Operation[Message[Any]]:
    """Change a message's headers, all of them, and return it.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: somebody holds it.
        PayloadError: it would be too large.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    changes: dict[str, Value] = {HEADERS.name: dict(headers)}
    return (yield from _edit(settings, _ANNOTATE, id, _changed(changes)))


def _changed(changes: dict[str, Value]) -> Extra:
    """Return the arguments of what changes a message's content; it has to fit like a new one."""

    def extra(seen: Message[Any], _: int) -> dict[str, Value]:
        kept = {name: value for name, value in seen.item.items() if name not in _COMES_AND_GOES}
        check_size({**kept, **changes})
        return changes

    return extra


def reschedule(settings: Settings, id: str, due: Callable[[int], int]) -> Operation[Message[Any]]:
    """Change when a message is due, and return it.

    Args:
        settings: the queue's.
        id: the message's.
        due: returns the new due time for the time of the write, in nanoseconds since the epoch.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: somebody holds it.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """

    def extra(_: Message[Any], now: int) -> dict[str, Value]:
        return {"due": format_instant(max(due(now), now))}

    return (yield from _edit(settings, _RESCHEDULE, id, extra))


def cancel(settings: Settings, id: str) -> Operation[Message[Any]]:
    """Withdraw a message that nobody holds; its id stays taken for a while. Return what is left.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: somebody holds it, or it is deleted already.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    return (yield from _edit(settings, _CANCEL, id, entombed(settings)))


def purge_one(settings: Settings, id: str) -> Operation[Message[Any]]:
    """Remove a message, even one that somebody holds: to its holder the delivery is over.

    A tombstone is left, so that no late repetition of its send brings it back.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: it is deleted already, or not a whole message.
        ConflictError: others kept changing it.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    return (yield from _edit(settings, PURGE, id, entombed(settings)))


def entombed(settings: Settings) -> Extra:
    """Return the arguments of cancel and purge."""
    return lambda _seen, now: {"expires_at": expiry(settings, now)}


def missing(id: str) -> MessageNotFoundError:
    """Return the error for an id that no message has."""
    return MessageNotFoundError(
        f"There is no message {id!r} (any more).",
        id=id,
        remedy="It may have been deleted, or the id may be of another queue.",
    )


def _nothing_else(_seen: Message[Any], _now: int) -> dict[str, Value]:
    return {}


def _edit(
    settings: Settings, rule: Rule, id: str, extra: Extra = _nothing_else
) -> Operation[Message[Any]]:
    moment = yield from ask(Tick(tokens=1))
    return (yield from perform(settings, Edit(rule, id, moment.tokens[0], extra)))


def perform(
    settings: Settings,
    edit: Edit,
    in_doubt: Message[Any] | None = None,
    view: dict[str, Item] | None = None,
) -> Operation[Message[Any]]:
    """Carry out an operator's trigger on the message as it is read now, and return it edited.

    Where an earlier attempt with the same token has succeeded, that is recognised.

    Args:
        settings: the queue's.
        edit: the trigger, and its arguments.
        in_doubt: the message as the first plan saw it that may have been executed; ``None``: none
            has been made that may have.
        view: items that were read a moment ago: what is there is not read again for the first
            plan, and what is written is noted there. A plan from what has changed since is refused.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: the trigger is not legal in its state.
        ConflictError: others kept changing it.
        DamagedGroupError: its group's list is damaged.
        OutcomeUnknownError: the request was repeated, and the message has moved on since.
    """
    trigger, id = edit.rule.trigger, edit.id

    def attempt(known: _Known, doubt: Doubt) -> Operation[Message[Any] | Anew[_Known]]:
        item = view.pop(id, None) if view else None
        if item is None:
            item = yield from doubt.told(persistently(Get(id)))
        moment = yield from ask(Tick())
        seen = message_of(settings, item, moment.now)
        if edit.is_done(seen):  # an earlier plan was carried out after all
            return onlooker_view(seen)
        known.check(trigger, seen)
        plan = yield from plan_of(settings, edit, seen, moment.now, doubt)
        if plan is None:
            if seen.item == known.member:  # it was there, unchanged, when the group was read
                raise doubt.of(tail_has_left(str(seen.group), id))
            return Anew(evolve(known, member=seen.item))
        leaves = seen.item if plan.role == "leaves" else None
        request = in_time(plan.request, moment)
        reply = yield from doubt.told(
            together(request, plan.upkeep, leaving=leaves, damage=plan.damage)
        )
        if isinstance(reply, Written):
            _note(view or {}, plan.upkeep)
            return _edited(settings, plan, seen)
        found = message_of(settings, reply.item, plan.now)
        if edit.is_done(found):  # the echo of our own success
            return _edited(settings, plan, seen)
        if doubt.exists and known.in_doubt is None:
            known = evolve(known, in_doubt=seen)
        known.check(trigger, found)
        return Anew(known)

    def busy(_: _Known) -> ConflictError:
        return ConflictError(
            f"Message {id!r} was changed by others {PLANS} times in a row, each time before "
            f"{trigger} could be carried out.",
            remedy="Try again.",
        )

    known = _Known(in_doubt)
    return (yield from commit(known, attempt, busy, doubt=Doubt(in_doubt is not None)))


@frozen
class _Known:
    """What earlier plans of an edit have shown.

    Attributes:
        in_doubt: the message as the first plan saw it that may have been executed; ``None``: none.
        member: the message as it was when its group took it for its last member, though it was not.
    """

    in_doubt: Message[Any] | None = None
    member: Item | None = None

    def check(self, trigger: str, found: Message[Any]) -> None:
        """Give up where an attempt may have been executed, and others have come since.

        Raises:
            OutcomeUnknownError: they have.
        """
        if self.in_doubt is not None and _has_moved_on(self.in_doubt, found):
            raise _unknown(trigger, self.in_doubt.id, found.state)


def _note(view: dict[str, Item], written: Sequence[Write]) -> None:
    """Let items that were read before a write be as they are after it."""
    for write in written:
        if write.id in view:
            before = view.pop(write.id)
            after = write.specialised.apply(before, write.arguments)
            view |= {} if after is None else {write.id: after}


def _has_moved_on(seen: Message[Any], found: Message[Any]) -> bool:
    """Tell whether a message was edited since it was seen, maybe by us: upkeep does not count."""
    is_untouched = found.token == seen.token and found.token is not None
    return not is_untouched and not was_overtaken(seen, found)


def plan_of(
    settings: Settings, edit: Edit, seen: Message[Any], now: int, doubt: Doubt
) -> Operation[Plan | None]:
    """Plan an edit of a message as it was seen; ``doubt`` is what earlier plans have left.

    Returns:
        The plan; ``None`` where the message has joined its group's list since it was seen.

    Raises:
        MessageNotFoundError: there is no such message.
        IllegalTransitionError: the trigger is not legal in its state.
    """
    if seen.state in NO_MESSAGE:
        raise missing(edit.id)
    if seen.state not in edit.rule.sources:
        raise illegal(edit.rule.trigger, seen, seen.state)
    now = seen.not_before(now)
    first = Write(edit.id, edit.rule, _arguments(settings, edit, seen, now))
    plan = yield from doubt.told(_in_its_place(settings, first, seen, now))
    if plan is not None and not plan.is_legal_for(seen.item):
        raise illegal(edit.rule.trigger, seen, seen.state)
    return plan


def _in_its_place(
    settings: Settings, request: Write, seen: Message[Any], now: int
) -> Operation[Plan | None]:
    """Return the write with its place in a group's list, and the upkeep of that list."""
    role = request.rule.role(seen.state)
    if role == "stays":
        return Plan(request, (), now, role)
    if role != "joins":
        upkeep = leaving(settings, now, seen.item) if role == "leaves" else ()
        return Plan(planned_by(request, seen.item), upkeep, now, role)
    if seen.group is None:
        place: dict[str, Value] = {"partition": settings.partition(QueueType.STANDARD, seen.id)}
        return Plan(evolve(request, arguments={**request.arguments, **place}), (), now, role)
    known = yield from read_group(seen.group)
    if tail_of(known) == seen.id:
        return None
    new = joining(settings, now, seen.group, known, [seen.id])
    request = evolve(request, arguments={**request.arguments, **new.places[0]})
    return Plan(request, new.upkeep, now, role)


def _arguments(settings: Settings, edit: Edit, seen: Message[Any], now: int) -> dict[str, Value]:
    known: dict[str, Value] = {"seen_version": seen.version}
    if seen.token is not None:
        known["seen_token"] = seen.token
    return {**at(settings, now), "token": edit.token, **known, **edit.extra(seen, now)}


def _edited(settings: Settings, plan: Plan, seen: Message[Any]) -> Message[Any]:
    after = plan.request.specialised.apply(seen.item, plan.request.arguments)
    return onlooker_view(message_of(settings, after, plan.now))


def _unknown(trigger: str, id: str, state: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"The reply to {trigger} of message {id!r} was lost, and the message has been changed "
        f"since (it is {state}): whether {trigger} took effect in between can't be told.",
        id=id,
        trigger=trigger,
        remedy="Look at the message with get() before you decide what to do.",
    )

"""A user's own transaction: messages and rows, all or nothing (spec: TRANSACT-1 to TRANSACT-5).

One ``TransactWriteItems`` carries out all parts. It is planned anew where nothing but the list of a
group has changed meanwhile; any other refusal is told as the single call would tell it, or as the
user's own condition. When a reply was lost, a refusal may be the echo of our own success: since
all took effect or nothing, the mark of this transaction on any one message proves all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from dynamomq.errors import (
    ConflictError,
    DamagedGroupError,
    DynamoMQError,
    FailedAction,
    InvalidArgumentError,
    OutcomeUnknownError,
    TransactionConditionError,
)
from dynamomq.message import Message
from dynamomq.operations.commit import PLANS, Anew, commit
from dynamomq.operations.groups import group_key
from dynamomq.operations.holding import refusal, tell_failure, to_plan_from
from dynamomq.operations.parts import (
    Finishing,
    OwnPart,
    Part,
    Plan,
    Sending,
    View,
    look_at,
    plan_of,
    read,
)
from dynamomq.operations.sending import advised, judged
from dynamomq.operations.writing import (
    RETRY_HORIZON,
    Doubt,
    damaged_group,
    in_time,
    is_gone,
    message_of,
    transact,
)
from dynamomq.requests import (
    MAX_TRANSACTION,
    Action,
    Cancelled,
    Committed,
    Elsewhere,
    Foreign,
    Moment,
    Operation,
    Refused,
    Tick,
    Transact,
    Write,
    ask,
)
from dynamomq.values import Item, item_size

MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
"""How large the items of one transaction may be together."""

_Sign: TypeAlias = DynamoMQError | Literal["ours", "as planned"]
"""What a message tells about a transaction that was refused: it has the transaction's mark; nothing
stands against its part; or why that part could not be carried out."""

_Sent: TypeAlias = list[Message[Any] | None]
"""For each part of a transaction the message that it sent."""

_NAME: Final = "transaction"


def carry_out(home: str, parts: Sequence[Part]) -> Operation[_Sent]:
    """Carry out all parts, or none; without parts, do nothing.

    Args:
        home: the table that the operation runs on.
        parts: what is to be done, each on another item.

    Returns:
        For each part the message that it sent; ``None`` for other parts.

    Raises:
        DuplicateMessageError: the id of a message to be sent is taken.
        StaleReceiptError: a delivery that was to be finished is over.
        IllegalTransitionError: a delivery was finished already, by another call of its holder.
        TransactionConditionError: conditions of the user's own did not hold.
        OutcomeUnknownError: a reply was lost, and it can't be told whether the transaction took
            effect.
        DamagedGroupError: the list of a group is damaged.
        ConflictError: others kept changing a group, or items of the user's.
        InvalidArgumentError: there are too many actions, or they are too large.
    """
    if not parts:
        return []
    _check_number(len(parts), 0)

    def attempt(known: _Known, doubt: Doubt) -> Operation[_Sent | Anew[_Known]]:
        plan, moment = yield from doubt.told(_planned(home, parts, known.first))
        if known.view == plan.view and known.damage is not None:  # this was no race
            raise doubt.of(known.damage)
        first = known.first or moment
        # Messages let nothing pass a second time. Without any, all plans are the same, and have
        # the same token, so that storage does not.
        (token,) = (moment if plan.writes else first).tokens
        request = in_time(Transact(plan.actions, token), first)
        reply = yield from doubt.told(_tried(home, parts, plan, request))
        if isinstance(reply, Committed):
            _tell_messages(parts)
            return [_sent(part, plan.writes.get(place)) for place, part in enumerate(parts)]
        judge = _Judge(home, parts, plan, first.now, doubt)
        if (yield from judge.took_effect(reply)):
            _tell_messages(parts)
            return (yield from judge.messages())
        return Anew(_Known(first, plan.view, _damage(plan, reply)))

    try:
        sent: Operation[_Sent] = commit(_Known(), attempt, lambda _: _busy())
        return (yield from sent)
    except DynamoMQError as error:
        for part in parts:
            if isinstance(part, Finishing):
                tell_failure(part.rules, part.message, error)
        raise advised(error, _IN_DOUBT) from error.__cause__


@frozen
class _Known:
    """What earlier plans of a transaction have left.

    Attributes:
        first: when the first one was made; ``None``: this is it.
        view: what the last one was made from.
        damage: what its refusal tells of a group, if nothing has changed since.
    """

    first: Moment | None = None
    view: View | None = None
    damage: DamagedGroupError | None = None


def actions_of(home: str, parts: Sequence[Part]) -> Operation[tuple[Action, ...]]:
    """Return the actions that carry out some parts, for somebody else's request.

    They are planned from the lists of groups as they are now, and refused once these have changed.
    """
    view = yield from look_at(home, parts)
    moment = yield from ask(Tick())
    return plan_of(home, parts, view, moment.now, moment.now).actions


def _tell_messages(parts: Sequence[Part]) -> None:
    """Tell those that were to be finished that they have been."""
    for part in parts:
        if isinstance(part, Finishing):
            part.message.has_ended(part.trigger)


# --- sending it ------------------------------------------------------------------------------


def _planned(
    home: str, parts: Sequence[Part], first: Moment | None
) -> Operation[tuple[Plan, Moment]]:
    """Plan the transaction by the lists of groups as they are now; return when that is, too.

    Args:
        home: the table that the operation runs on.
        parts: those of the transaction.
        first: when the first plan was made; ``None``: this is it.
    """
    view = yield from look_at(home, parts)
    moment = yield from ask(Tick(tokens=1))
    plan = plan_of(home, parts, view, (first or moment).now, moment.now)
    _check_number(len(parts), len(plan.actions) - len(parts))
    _check_size(plan)
    return plan, moment


def _busy() -> ConflictError:
    return ConflictError(
        f"Others changed the items of the transaction {PLANS} times in a row; the last attempt "
        "changed nothing.",
        remedy="Carry it out again.",
    )


def _check_number(parts: int, upkeep: int) -> None:
    if parts + upkeep > MAX_TRANSACTION:
        lists = f", {upkeep} of them for the lists of groups" if upkeep else ""
        raise InvalidArgumentError(
            _NAME,
            parts + upkeep,
            f"it has {parts + upkeep} actions{lists}; {MAX_TRANSACTION} may be",
            remedy="Use several transactions, or send_batch() for what need not be together.",
        )


def _check_size(plan: Plan) -> None:
    """Refuse what is too large, as far as that shows before anything is sent: whole items do."""
    size = sum(map(_bytes_of, plan.actions))
    if size > MAX_TRANSACTION_BYTES:
        raise InvalidArgumentError(
            _NAME,
            size,
            f"its items have {size:,} bytes together; {MAX_TRANSACTION_BYTES:,} (4 MB) may be",
            remedy="Store large payloads elsewhere, or use several transactions.",
        )


def _bytes_of(action: Action) -> int:
    if isinstance(action, Foreign):
        return item_size(action.attributes) if action.verb == "Put" else 0
    write = action.write if isinstance(action, Elsewhere) else action
    return item_size(write.whole_item) if write.rule.kind == "put" else 0


def _tried(
    home: str, parts: Sequence[Part], plan: Plan, request: Transact
) -> Operation[Committed | Cancelled]:
    """Send one plan. It is refused unsent where a part's item is in a list in another role.

    Then the id of a message to be sent is taken, or the list was changed while it was read.
    """
    items = [_item_of(home, action) for action in plan.actions]
    upkeep = set(items[len(parts) :])
    twice = {place: items[place] for place in plan.writes if items[place] in upkeep}
    if twice:
        found = yield from read(home, twice.values())
        reasons = {place: Refused(found.get(item)) for place, item in twice.items()}
        return Cancelled(tuple(reasons.get(place) for place in range(len(items))))
    return (yield from transact(request))


def _damage(plan: Plan, reply: Cancelled) -> DamagedGroupError | None:
    """Return what a refused plan tells of a group, if nothing of it has changed meanwhile.

    That a group is to be opened tells nothing: of what is absent there are no versions.
    """
    refused: dict[str, list[str]] = {}
    for action, group, reason in zip(plan.actions, plan.groups, reply.reasons, strict=True):
        if group is None or reason is None or isinstance(action, Foreign):
            continue
        write = action.write if isinstance(action, Elsewhere) else action
        if write.rule.kind != "put" or write.id != group_key(group):
            refused.setdefault(group, []).append(write.id)
    if reply.in_conflict:
        return None
    for group, ids in refused.items():
        return damaged_group(
            group,
            f"The message group {group!r} can't be changed: its items "
            f"{', '.join(map(repr, ids))} are missing, or not linked as the others say.",
        )
    return None


def _item_of(home: str, action: Action) -> tuple[str, str]:
    if isinstance(action, Elsewhere):
        return action.table, action.write.id
    return home, action.id if isinstance(action, Write) else ""


_IN_DOUBT: Final = (
    "Carry out the same block again, its messages with the same ids: should an attempt have been "
    "executed, the messages refuse a second one. Without messages, look at your items first."
)


# --- judging a refusal -----------------------------------------------------------------------


@frozen
class _Judge:
    """Tells from the items that refused a transaction what has become of it.

    Attributes:
        home: the table that the operation runs on.
        parts: those of the transaction.
        plan: the one that was refused.
        begun: when the first plan was made.
        doubt: whether an attempt of this plan, or of an earlier one, may have been executed.
    """

    home: str
    parts: Sequence[Part]
    plan: Plan
    begun: int
    doubt: Doubt

    def took_effect(self, reply: Cancelled) -> Operation[bool]:
        """Tell whether the transaction has taken effect before; if not, it is to be planned anew.

        Raises:
            DynamoMQError: it can't take effect; or that it has not can't be told.
        """
        reasons = dict(enumerate(reply.reasons[: len(self.parts)]))
        refused = {place: one for place, one in reasons.items() if one is not None}
        shown = {place: refused[place].item for place in self.plan.writes if place in refused}
        if (yield from self._is_ours(shown)):
            return True
        failed = tuple(
            _failed(place, part.action, refused[place])
            for place, part in enumerate(self.parts)
            if isinstance(part, OwnPart) and place in refused
        )
        if not failed:
            return False
        if self.doubt.exists:
            if not self.plan.writes:
                raise _unknown("it has no messages that could tell")
            if (yield from self._is_ours((yield from self._read()))):
                return True
        # Receipts do not come back, and ids stay taken; but a row may change as it likes.
        raise TransactionConditionError(failed, final=not self.doubt.exists)

    def messages(self) -> Operation[list[Message[Any] | None]]:
        """Return what was sent by a transaction that took effect before, as it is."""
        items = yield from self._read()
        messages: list[Message[Any] | None] = []
        for place, part in enumerate(self.parts):
            if not isinstance(part, Sending):
                messages.append(None)
                continue
            write, item = self.plan.writes[place], items[place]
            if item is None:  # come and gone
                messages.append(_sent(part, write))
                continue
            message = yield from judged(part.settings, write, Refused(item), self.begun, "raise")
            messages.append(message)
        return messages

    def _read(self) -> Operation[dict[int, Item | None]]:
        """Read the messages that the parts are about."""
        items = {
            place: (part.settings.table, part.id)
            for place, part in enumerate(self.parts)
            if not isinstance(part, OwnPart)
        }
        found = yield from self.doubt.told(read(self.home, items.values()))
        return {place: found.get(item) for place, item in items.items()}

    def _is_ours(self, items: Mapping[int, Item | None]) -> Operation[bool]:
        """Tell whether a message bears the transaction's mark.

        Raises:
            DynamoMQError: none does, and one of them stands against its part.
        """
        errors = []
        for place, item in items.items():
            sign = yield from self._sign(place, item)
            if sign == "ours":
                return True
            if isinstance(sign, DynamoMQError):
                errors.append(sign)
        certain = [error for error in errors if not isinstance(error, OutcomeUnknownError)]
        for error in (*certain, *errors):
            raise error
        return False

    def _sign(self, place: int, item: Item | None) -> Operation[_Sign]:
        part, write = self.parts[place], self.plan.writes[place]
        if write.recognises(item):
            return "ours"
        if isinstance(part, Sending):
            return (yield from self._sign_of_send(part, write, item))
        if isinstance(part, Finishing):
            return self._sign_of_finish(part, write, item, self.plan.instants[place])
        raise AssertionError("unreachable: users' own parts have no writes")

    def _sign_of_send(self, part: Sending, write: Write, item: Item | None) -> Operation[_Sign]:
        if item is None:
            later = yield from ask(Tick())
            if self.doubt.exists and later.now - self.begun > RETRY_HORIZON:
                return _unknown(f"message {part.id!r} may have come and gone")
            return "as planned"
        reply = Refused(item, repeated=self.doubt.exists)
        if write.specialised.applies_to(item, write.arguments):
            return "as planned"
        try:
            yield from judged(part.settings, write, reply, self.begun, "raise")
        except DynamoMQError as error:
            return error
        return "ours"

    def _sign_of_finish(
        self, part: Finishing, write: Write, item: Item | None, instant: int
    ) -> _Sign:
        found = message_of(part.settings, item, instant)
        if to_plan_from(write, part.message, Refused(item)) is not None:
            return "as planned"
        if self.doubt.exists and is_gone(part.message, found):
            return _unknown(f"message {part.id!r} is gone")
        return refusal(write.rule, part.message, found, repeated=self.doubt.exists)


def _failed(place: int, action: Foreign, refused: Refused) -> FailedAction:
    return FailedAction(place + 1, action.verb, action.table, refused.item)


def _unknown(why: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "The reply to a transaction was lost, and the next attempt was refused: whether the first "
        f"one took effect can't be told, for {why}.",
        id="",
        trigger=_NAME,
        remedy="Look at your own items before you decide what to do.",
    )


def _sent(part: Part, write: Write | None) -> Message[Any] | None:
    if not isinstance(part, Sending) or write is None:
        return None
    (state,) = write.specialised.destinations
    return Message(write.whole_item, state, part.settings.codec, part.settings.table)

"""What an operator does to many messages, whatever it is (spec: OPERATOR-7).

First the messages are surveyed and counted; then each is edited as it is by then, by the same plan
as a single one, up to 25 in a request. What has moved on meanwhile is passed over and counted. A
member of a group's list has a transaction of its own, one after the other; what that changes in the
members beside it is known, so 25 are read at once. Where the storage is busy, the operation waits,
and goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from dynamomq.errors import (
    ContentionError,
    DynamoMQError,
    IllegalTransitionError,
    MessageNotFoundError,
    RequestRejectedError,
)
from dynamomq.machine import HELD
from dynamomq.message import Message
from dynamomq.operations.groups import changes_list
from dynamomq.operations.operating import Edit, Extra, perform, plan_of
from dynamomq.operations.survey import chunks
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    in_time,
    message_of,
    pause,
    persistently,
    write_batch,
)
from dynamomq.requests import (
    MAX_BATCH,
    Failed,
    GetMany,
    Operation,
    Sleep,
    Tick,
    Write,
    WriteBatch,
    Written,
    ask,
)
from dynamomq.rules import Rule
from dynamomq.timestamps import SECOND

_MOST_ERRORS = 100
_MOST_TRIES = 30
"""How often the same messages are tried while the storage is busy: for about half a minute."""

_PARTS_OF_A_SECOND = 4  # at a rate, so that what is done is spread over the second

Alone: TypeAlias = Callable[[Message[Any], Edit], Operation[object]]
"""Carries out an edit of a message, as it was seen, in a request of its own."""


class MovedOnError(Exception):
    """A message is not, or not any more, one that is to be edited. It never reaches a user."""


_PASSED_OVER = (
    MovedOnError,
    MessageNotFoundError,
    IllegalTransitionError,
    ContentionError,
    RequestRejectedError,
)
"""What is about one message, and says nothing about the others. All else ends the operation."""


@define
class Tally:
    """How far an operation on many messages has come.

    Attributes:
        report: called after each message.
        matched: how many messages it is about.
        done: how many have been edited.
        held: how many were passed over because somebody holds them.
        moved: how many were passed over because they have moved on.
        failed: how many could not be edited.
        errors: the first hundred of these, with the reason.
    """

    report: Callable[[Tally], object]
    matched: int = 0
    done: int = 0
    held: int = 0
    moved: int = 0
    failed: int = 0
    errors: list[tuple[str, DynamoMQError]] = field(factory=list)

    def count(self) -> None:
        """Count a message that has been edited."""
        self.done += 1
        self.report(self)

    def pass_over(self, id: str, error: Exception) -> None:
        """Count a message that has not."""
        if isinstance(error, IllegalTransitionError) and error.state in HELD:
            self.held += 1
        elif isinstance(error, ContentionError | RequestRejectedError):
            self.failed += 1
            if len(self.errors) < _MOST_ERRORS:
                self.errors.append((id, error))
        else:
            self.moved += 1
        self.report(self)


@frozen
class Task:
    """What is to be done to each of many messages.

    Attributes:
        rule: the trigger's.
        extra: its arguments for a message as it is by now; it raises MovedOnError where that is not
            to be edited.
        alone: returns how a message is edited that can't be edited as it is; ``None`` for one that
            can.
    """

    rule: Rule
    extra: Extra
    alone: Callable[[Message[Any]], Alone | None] = lambda _seen: None


def work_off(
    settings: Settings,
    task: Task,
    ids: Sequence[str],
    tally: Tally,
    *,
    rate: float | None = None,
) -> Operation[None]:
    """Edit messages, one after the other or many in a request, and count what becomes of them.

    Args:
        settings: the queue's.
        task: what is done to them.
        ids: of the messages.
        tally: where they are counted.
        rate: at most so many a second; ``None``: as fast as it goes.

    Raises:
        DynamoMQError: what is not about one message alone; a note says how far it came.
    """
    size = MAX_BATCH if rate is None else max(1, min(MAX_BATCH, int(rate / _PARTS_OF_A_SECOND)))
    due = 0
    try:
        for some in chunks(ids, size):
            if rate is not None:
                now = yield from _wait_until(due, at_most=size / rate)
                due = now + round(len(some) / rate * SECOND)
            yield from _edit_all(settings, task, some, tally)
    except DynamoMQError as error:
        error.add_note(
            f"Before that, {task.rule.trigger} was carried out for {tally.done:,} of "
            f"{tally.matched:,} messages; another call goes on with the rest."
        )
        raise


def _wait_until(due: int, *, at_most: float) -> Operation[int]:
    """Wait until a time, or so many seconds if clocks were set back; return the time then."""
    now = (yield from ask(Tick())).now
    if now >= due:
        return now
    yield from ask(Sleep(min((due - now) / SECOND, at_most)))
    return (yield from ask(Tick())).now


def _edit_all(settings: Settings, task: Task, ids: Sequence[str], tally: Tally) -> Operation[None]:
    """Edit up to 25 messages; where the storage is only busy, go on with those that are left."""
    moment = yield from ask(Tick(tokens=len(ids)))
    left = {
        id: Edit(task.rule, id, token, task.extra)
        for id, token in zip(ids, moment.tokens, strict=True)
    }
    doubts: dict[str, Message[Any]] = {}
    tries, before = 0, len(left)
    while left:
        try:
            yield from _edit_some(settings, task, left, doubts, tally)
        except DynamoMQError as error:
            tries = tries + 1 if len(left) == before else 1
            if not error.retryable or tries == _MOST_TRIES:
                raise
            before = len(left)
            yield from pause(tries)


def _edit_some(
    settings: Settings,
    task: Task,
    left: dict[str, Edit],
    doubts: dict[str, Message[Any]],
    tally: Tally,
) -> Operation[None]:
    """Edit messages; those that the common request did not edit, once more alone.

    Args:
        settings: the queue's.
        task: what is done to them.
        left: the edits, by id; what is settled is taken out.
        doubts: the messages of which an attempt may have been executed, as the first such saw them.
        tally: where they are counted.
    """
    moment = yield from ask(Tick())
    view = {**(yield from persistently(GetMany(tuple(left))))}
    together: list[tuple[Message[Any], Write]] = []
    alone: dict[str, tuple[Message[Any], Operation[object]]] = {}
    for id, edit in [*left.items()]:
        seen = message_of(settings, view.get(id), moment.now)
        own = task.alone(seen)
        if id in doubts:
            alone[id] = seen, perform(settings, edit, doubts[id], view)
            continue
        if own is not None:
            alone[id] = seen, own(seen, edit)
            continue
        if changes_list(task.rule, seen):
            alone[id] = seen, perform(settings, edit, view=view)
            continue
        try:
            plan = yield from plan_of(settings, edit, seen, moment.now, Doubt())
        except _PASSED_OVER as error:
            del left[id]
            tally.pass_over(id, error)
        else:
            if plan is None:
                alone[id] = seen, perform(settings, edit)
            else:
                together.append((seen, in_time(plan.request, moment)))
    if together:
        replies = yield from write_batch(WriteBatch(tuple(request for _, request in together)))
        for (seen, request), reply in zip(together, replies, strict=True):
            id = request.id
            if isinstance(reply, Written):
                del left[id]
                tally.count()
                continue
            # The same token: if it was carried out after all, that is recognised.
            if reply.error.in_doubt if isinstance(reply, Failed) else reply.repeated:
                doubts[id] = seen
            alone[id] = seen, perform(settings, left[id], doubts.get(id))
    for id, (seen, operation) in alone.items():
        try:
            yield from operation
        except _PASSED_OVER as error:
            del left[id]
            tally.pass_over(id, error)
        except DynamoMQError as error:
            if error.in_doubt:
                doubts.setdefault(id, seen)
            raise
        else:
            del left[id]
            tally.count()

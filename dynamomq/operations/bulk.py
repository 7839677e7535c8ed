"""What an operator does to many messages, whatever it is (spec: OPERATOR-7).

First the messages are surveyed and counted; then each is edited as it is by then, by the same plan
as a single one, up to 25 in a request. What has moved on meanwhile is passed over and counted. A
member of a group's list has a transaction of its own, one after the other.
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
from dynamomq.operations.operating import Edit, Extra, perform, plan_of
from dynamomq.operations.survey import chunks
from dynamomq.operations.writing import (
    Doubt,
    Settings,
    in_time,
    message_of,
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

__all__ = ["Alone", "MovedOnError", "Tally", "Task", "work_off"]

_MOST_ERRORS = 100
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
        alone: returns how a message is edited that can't be in one request with others; ``None``
            for one that can.
    """

    rule: Rule
    extra: Extra
    alone: Callable[[Message[Any]], Alone | None]


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
            yield from _edit_some(settings, task, some, tally)
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


def _edit_some(settings: Settings, task: Task, ids: Sequence[str], tally: Tally) -> Operation[None]:
    """Edit up to 25 messages; those that the common request did not edit, once more alone."""
    moment = yield from ask(Tick(tokens=len(ids)))
    items = yield from persistently(GetMany(tuple(ids)))
    together: list[tuple[Edit, Message[Any], Write]] = []
    alone: list[tuple[Edit, Operation[object]]] = []
    for id, token in zip(ids, moment.tokens, strict=True):
        edit = Edit(task.rule, id, token, task.extra)
        seen = message_of(settings, items.get(id), moment.now)
        own = task.alone(seen)
        if own is not None:
            alone.append((edit, own(seen, edit)))
            continue
        try:
            plan = yield from plan_of(settings, edit, seen, moment.now, Doubt())
        except _PASSED_OVER as error:
            tally.pass_over(id, error)
        else:
            if plan is None:
                alone.append((edit, perform(settings, edit)))
            else:
                together.append((edit, seen, in_time(plan.request, moment)))
    if together:
        batch = WriteBatch(tuple(request for _, _, request in together))
        replies = yield from write_batch(batch)
        for (edit, seen, _), reply in zip(together, replies, strict=True):
            if isinstance(reply, Written):
                tally.count()
            else:  # the same token: if it was carried out after all, that is recognised
                doubtful = reply.error.in_doubt if isinstance(reply, Failed) else reply.repeated
                alone.append((edit, perform(settings, edit, seen if doubtful else None)))
    for edit, operation in alone:
        try:
            yield from operation
        except _PASSED_OVER as error:
            tally.pass_over(edit.id, error)
        else:
            tally.count()

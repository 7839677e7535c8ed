"""What an operator does to many messages, whatever it is (spec: OPERATOR-7).

First the messages are surveyed and counted; then each is edited as it is by then, by the same plan
as a single one, up to 25 in a request. What has moved on meanwhile is passed over and counted. A
member of a group's list has a transaction of its own, one after the other; what that changes in the
members beside it is known, so 25 are read at once. Where the storage is busy, the operation waits,
and goes on where it was. What can't leave a damaged list is tried once more at the end: the cause
may have been purged by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from dynamomq.errors import (
    ContentionError,
    DamagedGroupError,
    DynamoMQError,
    IllegalTransitionError,
    MessageNotFoundError,
    RequestRejectedError,
    with_doubt,
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

Alone: TypeAlias = Callable[[Message[Any], Edit, bool], Operation[object]]
"""Carries out an edit of a message, as it was seen, in a request of its own; it is told whether an
earlier attempt may have been executed."""


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
        stopped_by: the error that ``report`` has raised; ``None``: none.
    """

    report: Callable[[Tally], object]
    matched: int = 0
    done: int = 0
    held: int = 0
    moved: int = 0
    failed: int = 0
    errors: list[tuple[str, DynamoMQError]] = field(factory=list)
    stopped_by: Exception | None = None

    def count(self, edited: int = 1) -> None:
        """Count messages that have been edited, one after the other."""
        after = self.done + edited
        try:
            while self.done < after:
                self.done += 1
                self._tell()
        finally:
            self.done = after  # also where nobody wants to hear of the others

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
        self._tell()

    def _tell(self) -> None:
        try:
            self.report(self)
        except Exception as error:
            self.stopped_by = error
            raise


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
        DynamoMQError: what is not about one message alone. It is in doubt where any message was
            edited before, and a note says how far it came.
    """
    size = MAX_BATCH if rate is None else max(1, min(MAX_BATCH, int(rate / _PARTS_OF_A_SECOND)))
    due = 0
    work = _Work(settings, task, tally)
    later: dict[str, Edit] = {}
    try:
        for some in chunks(ids, size):
            if rate is not None:
                now = yield from _wait_until(due, at_most=size / rate)
                due = now + round(len(some) / rate * SECOND)
            moment = yield from ask(Tick(tokens=len(some)))
            drawn = zip(some, moment.tokens, strict=True)
            edits = {id: Edit(task.rule, id, token, task.extra) for id, token in drawn}
            yield from _edit_all(work, edits, later)
        for again in chunks([*later.items()], size):
            yield from _edit_all(work, dict(again), None)
    except DynamoMQError as error:
        told = error
        if error is not tally.stopped_by:  # that is the caller's own
            told = with_doubt(error, in_doubt=error.in_doubt or tally.done > 0)
        told.add_note(
            f"Before that, {task.rule.trigger} was carried out for {tally.done:,} of "
            f"{tally.matched:,} messages; another call goes on with the rest."
        )
        raise told from error.__cause__


def _wait_until(due: int, *, at_most: float) -> Operation[int]:
    """Wait until a time, or so many seconds if clocks were set back; return the time then."""
    now = (yield from ask(Tick())).now
    if now >= due:
        return now
    yield from ask(Sleep(min((due - now) / SECOND, at_most)))
    return (yield from ask(Tick())).now


@frozen
class _Work:
    """What is done, and what is known of it so far.

    Attributes:
        settings: the queue's.
        task: what is done to the messages.
        tally: where they are counted.
        doubts: the messages of which an attempt may have been executed, as the first such saw them.
    """

    settings: Settings
    task: Task
    tally: Tally
    doubts: dict[str, Message[Any]] = field(factory=dict)


def _edit_all(work: _Work, left: dict[str, Edit], later: dict[str, Edit] | None) -> Operation[None]:
    """Edit up to 25 messages; where the storage is only busy, go on with those that are left."""
    tries, before = 0, len(left)
    while left:
        try:
            yield from _edit_some(work, left, later)
        except DynamoMQError as error:
            tries = tries + 1 if len(left) == before else 1
            if error is work.tally.stopped_by or not error.retryable or tries == _MOST_TRIES:
                raise
            before = len(left)
            yield from pause(tries)


def _edit_some(
    work: _Work, left: dict[str, Edit], later: dict[str, Edit] | None
) -> Operation[None]:
    """Edit messages; those that the common request did not edit, once more alone.

    Args:
        work: what is done.
        left: the edits, by id; what is settled is taken out.
        later: where those go that can't leave a damaged list yet; ``None``: they have failed.
    """
    settings, task, tally, doubts = work.settings, work.task, work.tally, work.doubts
    moment = yield from ask(Tick())
    view = {**(yield from persistently(GetMany(tuple(left))))}
    together: list[tuple[Message[Any], Write]] = []
    alone: dict[str, tuple[Message[Any], Operation[object]]] = {}
    for id, edit in [*left.items()]:
        seen = message_of(settings, view.get(id), moment.now)
        own = task.alone(seen)
        if own is not None:
            alone[id] = seen, own(seen, edit, id in doubts)
            continue
        if id in doubts:
            alone[id] = seen, perform(settings, edit, doubts[id], view)
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
                raise AssertionError("unreachable: what joins a group's list goes alone")
            together.append((seen, in_time(plan.request, moment)))
    if together:
        alone |= yield from _edit_together(work, left, together)
    for id, (seen, operation) in alone.items():
        try:
            yield from operation
        except _PASSED_OVER as error:
            edit = left.pop(id)
            is_stuck = task.rule.role(seen.state) == "leaves"
            if later is None or not is_stuck or not isinstance(error, DamagedGroupError):
                tally.pass_over(id, error)
                continue
            later[id] = edit
            if error.in_doubt:
                doubts.setdefault(id, seen)
        except DynamoMQError as error:
            if error.in_doubt:
                doubts.setdefault(id, seen)
            raise
        else:
            del left[id]
            tally.count()


def _edit_together(
    work: _Work, left: dict[str, Edit], together: Sequence[tuple[Message[Any], Write]]
) -> Operation[dict[str, tuple[Message[Any], Operation[object]]]]:
    """Edit messages in one request; return how those are edited alone that it did not edit."""
    alone: dict[str, tuple[Message[Any], Operation[object]]] = {}
    replies = yield from write_batch(WriteBatch(tuple(request for _, request in together)))
    written = 0
    for (seen, request), reply in zip(together, replies, strict=True):
        id = request.id
        if isinstance(reply, Written):
            del left[id]
            written += 1
            continue
        # The same token: if it was carried out after all, that is recognised.
        if reply.error.in_doubt if isinstance(reply, Failed) else reply.repeated:
            work.doubts[id] = seen
        alone[id] = seen, perform(work.settings, left[id], work.doubts.get(id))
    work.tally.count(written)
    return alone

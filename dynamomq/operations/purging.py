"""Purge: remove messages by queue, state and age (spec: OPERATOR-8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from dynamomq.attributes import ID
from dynamomq.errors import DynamoMQError
from dynamomq.machine import DAMAGED, MESSAGE, QueueType
from dynamomq.message import Message
from dynamomq.operations.aside import quarantine
from dynamomq.operations.bulk import Alone, MovedOnError, Tally, Task, work_off
from dynamomq.operations.operating import PURGE, Edit, entombed, perform
from dynamomq.operations.survey import in_queue, in_table
from dynamomq.operations.writing import Settings
from dynamomq.requests import Operation, Tick, ask
from dynamomq.timestamps import datetime_of
from dynamomq.values import Value

R = TypeVar("R")

_WAITING = MESSAGE.states_with("waiting")


@frozen
class PurgeResult:
    """What a purge has come to; while it is under way, how far it has come.

    Attributes:
        matched: how many messages it is about; they are counted before the first is removed.
        purged: how many have been removed.
        moved: how many were passed over, since they are not any more in one of the chosen states:
            deleted, received, redriven meanwhile.
        failed: how many could not be removed.
        errors: the first hundred of these: ids and reasons.
    """

    matched: int
    purged: int = 0
    moved: int = 0
    failed: int = 0
    errors: tuple[tuple[str, DynamoMQError], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, tally: Tally) -> PurgeResult:
        """Return the result that a tally shows."""
        moved = tally.moved + tally.held
        return cls(tally.matched, tally.done, moved, tally.failed, tuple(tally.errors))


def purgeable(source: QueueType | None) -> frozenset[str]:
    """Return the states whose messages can be purged from a queue; ``None``: from the table.

    What waits behind its group's head belongs to the standard queue.
    """
    legal = PURGE.sources | DAMAGED
    if source is None:
        return legal
    others = {one.name for one in MESSAGE.states if one.queue not in (None, source)}
    return legal - others - (_WAITING if source is QueueType.DLQ else frozenset())


@frozen
class _Choice:
    """Which messages are to be purged."""

    source: QueueType | None
    states: frozenset[str]
    horizon: datetime | None  # sent at or before that

    def __call__(self, message: Message[Any]) -> bool:
        """Tell whether a message is one of them."""
        if message.state not in self.states:
            return False
        if self.source not in (None, message.queue or QueueType.STANDARD):
            return False
        sent = message.sent_at
        return self.horizon is None or (sent is not None and sent <= self.horizon)


def purge(
    settings: Settings,
    source: QueueType | None,
    *,
    states: frozenset[str] | None = None,
    older_than: int | None = None,
    dry_run: bool = False,
    progress: Callable[[PurgeResult], object] | None = None,
) -> Operation[PurgeResult]:
    """Remove messages, also those that somebody holds; tombstones are left.

    Args:
        settings: the queue's.
        source: a queue; ``None``: the whole table.
        states: only messages in these states; ``None``: in any.
        older_than: only messages sent at least so many nanoseconds ago; ``None``: of any age.
        dry_run: whether to count only.
        progress: called when they have been counted, and after each.
    """
    now = (yield from ask(Tick())).now
    horizon = None if older_than is None else datetime_of(now - older_than)
    choice = _Choice(source, states or purgeable(source), horizon)
    if source is None:
        found = yield from in_table(settings, choice)
    else:
        waiting = bool(choice.states & _WAITING)
        found = yield from in_queue(settings, source, choice, behind_heads=waiting)
    tally = Tally(lambda tally: progress and progress(PurgeResult.of(tally)), len(found))
    tally.report(tally)
    if not dry_run:
        # As they were found, each group's last one first: none is promoted, and received, before
        # its turn.
        yield from work_off(settings, _task(settings, choice), [*found], tally)
    return PurgeResult.of(tally)


def _task(settings: Settings, choice: _Choice) -> Task:
    tombstone = entombed(settings)

    def extra(seen: Message[Any], now: int) -> dict[str, Value]:
        if not choice(seen):
            raise MovedOnError
        return tombstone(seen, now)

    aside: dict[str, str] = {}  # the tokens with which items are made whole messages first

    def unfit(seen: Message[Any], edit: Edit, in_doubt: bool) -> Operation[object]:
        """Make it a whole message first; nobody may write in between."""
        id = seen.id
        is_aside = _bears(aside, seen)
        if not is_aside:
            if id not in aside:
                aside[id] = (yield from ask(Tick(tokens=1))).tokens[0]
            if (yield from _with_token(aside[id], quarantine(settings, seen))) is None:
                raise MovedOnError

        def unless_changed(seen: Message[Any], now: int) -> dict[str, Value]:
            if not _bears(aside, seen):
                raise MovedOnError
            return tombstone(seen, now)

        as_seen = seen if in_doubt and is_aside else None
        return (yield from perform(settings, evolve(edit, extra=unless_changed), as_seen))

    def alone(seen: Message[Any]) -> Alone | None:
        is_unfit = seen.state in DAMAGED and choice(seen)
        return unfit if is_unfit or _bears(aside, seen) else None

    return Task(PURGE, extra, alone)


def _bears(tokens: dict[str, str], seen: Message[Any]) -> bool:
    """Tell whether a message is as our own write has left it."""
    return seen.token is not None and tokens.get(str(seen.item.get(ID.name))) == seen.token


def _with_token(token: str, operation: Operation[R]) -> Operation[R]:
    """Carry out an operation that draws a token first: this one, so that repetitions are told."""
    try:
        request = next(operation)
        drawn = yield from ask(request)
        request = operation.send(evolve(drawn, tokens=(token,)))
        while True:
            try:
                reply = yield request
            except Exception as error:  # noqa: BLE001 -- it is the operation's to judge
                request = operation.throw(error)
            else:
                request = operation.send(reply)
    except StopIteration as end:
        result: R = end.value
        return result

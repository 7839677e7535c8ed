"""Redrive in bulk: many messages back from the dead-letter queue (spec: OPERATOR-9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from attrs import define, field, frozen

from dynamomq.errors import DynamoMQError, FilterError
from dynamomq.machine import HELD, QueueType
from dynamomq.message import Message
from dynamomq.operations.bulk import MovedOnError, Tally, Task, work_off
from dynamomq.operations.groups import sequence_of
from dynamomq.operations.operating import REDRIVE, redriven
from dynamomq.operations.survey import Survey, in_queue
from dynamomq.operations.writing import Settings, onlooker_view
from dynamomq.requests import Operation
from dynamomq.values import Value

Where = Callable[[Message[Any]], object]
"""A filter: tells, by what is true or false, whether a dead letter is to be redriven."""


@frozen
class RedriveResult:
    """What a redrive in bulk has come to; while it is under way, how far it has come.

    Attributes:
        matched: how many dead letters the filter chose, those that are held included; they are
            counted before the first is redriven.
        redriven: how many have been brought back.
        held: how many were passed over because somebody holds them.
        moved: how many were passed over because others have changed or removed them meanwhile.
        failed: how many could not be brought back.
        errors: the first hundred of these: ids and reasons.
    """

    matched: int
    redriven: int = 0
    held: int = 0
    moved: int = 0
    failed: int = 0
    errors: tuple[tuple[str, DynamoMQError], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, tally: Tally) -> RedriveResult:
        """Return the result that a tally shows."""
        counts = tally.matched, tally.done, tally.held, tally.moved, tally.failed
        return cls(*counts, tuple(tally.errors))


def redrive_all(
    settings: Settings,
    where: Where | None = None,
    *,
    limit: int | None = None,
    rate: float | None = None,
    dry_run: bool = False,
    progress: Callable[[RedriveResult], object] | None = None,
) -> Operation[RedriveResult]:
    """Bring messages back from the dead-letter queue, those first that have been there longest.

    Members of a group come back in the order in which they had joined it.

    Args:
        settings: the queue's.
        where: which of them; ``None``: all. It is asked about each before the first is redriven.
        limit: at most so many; ``None``: any number.
        rate: at most so many a second; ``None``: as fast as it goes.
        dry_run: whether to count only.
        progress: called when they have been counted, and after each.

    Raises:
        FilterError: the filter raised; nothing was changed.
    """
    tally = Tally(lambda tally: progress and progress(RedriveResult.of(tally)))
    choice = _Choice(where, limit, tally)
    found = yield from in_queue(settings, QueueType.DLQ, choice.takes, is_enough=choice.is_enough)
    tally.report(tally)
    if not dry_run:
        task = _task(found if where else None)
        yield from work_off(settings, task, choice.ids(), tally, rate=rate)
    return RedriveResult.of(tally)


@define
class _Choice:
    """Which dead letters are redriven, and in which order.

    Attributes:
        where: the filter.
        limit: at most so many.
        tally: where they are counted.
        number: how many are to be redriven.
        groups: how many of each group.
        candidates: those that may be among them, with groups and sequences, by due time.
    """

    where: Where | None
    limit: int | None
    tally: Tally
    number: int = 0
    groups: Counter[str] = field(factory=Counter)
    candidates: list[tuple[str, str | None, int]] = field(factory=list)

    def takes(self, message: Message[Any]) -> bool:
        """Tell whether a message is one of them, or may be in the place of one of its group."""
        if message.queue is not QueueType.DLQ or message.state not in REDRIVE.sources | HELD:
            return False
        if self._is_full and message.group not in self.groups:
            return False  # nor is anything that is in no group
        if self.where is not None and not _chosen(self.where, message):
            return False
        is_held = message.state in HELD
        if not self._is_full:
            self.tally.matched += 1
            self.tally.held += is_held
            self.number += not is_held
            self.groups.update([message.group] if message.group and not is_held else [])
        if not is_held:
            sequence = sequence_of(message.item) or 0
            self.candidates.append((message.id, message.group, sequence))
        return not is_held

    @property
    def _is_full(self) -> bool:
        return self.number == self.limit

    def is_enough(self) -> bool:
        """Tell whether to look no further: only a group's first ones may be among the last."""
        return self._is_full and not self.groups

    def ids(self) -> list[str]:
        """Return those to be redriven, in order.

        Those first that have been dead for longest; but where it is a group's turn, that of its
        dead letters which had joined it first. When they died is told by the clocks of those who
        put them aside; in which order they joined is not.
        """
        lines: dict[str, list[tuple[int, str]]] = {}
        for id, group, sequence in self.candidates:
            if group is not None:
                lines.setdefault(group, []).append((sequence, id))
        lined_up = {
            group: iter(sorted(line, key=itemgetter(0))[: self.groups[group]])
            for group, line in lines.items()
        }
        ids = []
        for id, group, _ in self.candidates:
            if group is None:
                ids.append(id)
            elif first := next(lined_up[group], None):
                ids.append(first[1])
        return ids


def _chosen(where: Where, message: Message[Any]) -> bool:
    try:
        return bool(where(onlooker_view(message)))
    except Exception as error:
        raise FilterError(message.id, error) from error


def _task(judged: Survey | None) -> Task:
    """Return what is done to each; of messages that were judged, only if they are as they were."""

    def extra(seen: Message[Any], now: int) -> dict[str, Value]:
        if judged is not None and judged[seen.id] != seen.version:
            raise MovedOnError
        return redriven(seen, now)

    return Task(REDRIVE, extra)

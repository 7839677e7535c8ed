"""What can become of a request, and of whoever made it."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from dynamomq.errors import (
    AccessDeniedError,
    ConflictError,
    DynamoMQError,
    InternalError,
    RequestRejectedError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.requests import Failed, Request, Sleep, Tick, Transact, Write, WriteBatch
from model_tests.simulator.calls import Answer


@frozen
class Fate:
    """What happens.

    Attributes:
        name: as the timeline tells it.
        detail: what it happens to, or how much.
        executes: whether the request takes place (in a batch: each write that is not spared).
        answers: whether the reply arrives.
        error: what is raised instead.
        settles: whether that error says for certain that this attempt was not executed.
        spared: in a batch: which writes fail by themselves; -1: every second one.
        failure: how these fail.
        fails_late: whether they are executed all the same.
        is_fault: whether a friendly world would not do this.
    """

    name: str
    detail: Any = None
    executes: bool = False
    answers: bool = False
    error: type[DynamoMQError] | None = None
    settles: bool = False
    spared: int | None = None
    failure: type[DynamoMQError] = ThrottledError
    fails_late: bool = False
    is_fault: bool = False

    def spares(self, place: int) -> bool:
        """Whether the write at this place of a batch fails by itself."""
        return self.spared == place or (self.spared == -1 and place % 2 == 1)

    @property
    def is_doubtful(self) -> bool:
        """Whether the caller can't know if this attempt was executed, or will be."""
        return not self.answers and not self.settles

    def answer(self, *, in_doubt: bool) -> Answer:
        """The error as an answer; a timeout where none is named: the last attempt's."""
        kind = self.error or UnavailableError
        return Answer(error=lambda: self._made(kind, in_doubt), key=(kind.__name__, in_doubt))

    def answer_to_one(self, *, repeated: bool) -> Answer:
        """What a batch says of a write that failed by itself.

        Args:
            repeated: whether an attempt before may have been executed, or may be yet.
        """
        in_doubt = repeated or self.failure not in _SETTLING
        failed = Failed(self._made(self.failure, in_doubt))
        return Answer(failed, key=(self.failure.__name__, in_doubt))

    def _made(self, kind: type[DynamoMQError], in_doubt: bool) -> DynamoMQError:
        told = f"simulated: {self.name}"
        if issubclass(kind, RequestRejectedError):
            error: DynamoMQError = kind(told, code="ValidationException")
        else:
            error = kind(told)
        error.in_doubt = in_doubt
        return error


_SETTLING = (ThrottledError, ConflictError)
"""What one write of a batch fails with for certain."""

ANSWERED = Fate("is answered", executes=True, answers=True)

REPLY_LOST = Fate("its reply is lost", executes=True, is_fault=True)
REQUEST_LOST = Fate("is lost", is_fault=True)
LATE = Fate("is held up", is_fault=True)
TIMED_OUT = Fate("times out, executed", executes=True, error=UnavailableError, is_fault=True)
TIMED_OUT_UNSENT = Fate("times out, not executed", error=UnavailableError, is_fault=True)
THROTTLED = Fate("is throttled", error=ThrottledError, settles=True, is_fault=True)
CONFLICT = Fate("meets a transaction", error=ConflictError, settles=True, is_fault=True)
DENIED = Fate("is denied", error=AccessDeniedError, settles=True, is_fault=True)
BROKEN = Fate("fails inside", error=InternalError, is_fault=True)
BROKEN_AFTER = Fate("fails inside, executed", executes=True, error=InternalError, is_fault=True)
FIRST_FAILS = Fate("fails for one", executes=True, answers=True, spared=0, is_fault=True)
FIRST_FAILS_LATE = Fate(
    "fails for one, executed",
    executes=True,
    answers=True,
    spared=0,
    failure=UnavailableError,
    fails_late=True,
    is_fault=True,
)
REFUSED = Fate("is refused as a whole", error=RequestRejectedError, settles=True, is_fault=True)
SOME_FAIL = Fate("fails for some", executes=True, answers=True, spared=-1, is_fault=True)

FROZEN = Fate("freezes", is_fault=True)
WAITS = Fate("waits for another time")
CRASHED = Fate("crashes", is_fault=True)
CRASHED_AFTER = Fate("crashes, the request being executed", executes=True, is_fault=True)

FAULTS = tuple(one for one in list(vars().values()) if isinstance(one, Fate) and one.is_fault)
"""All that a friendly world would not do."""

UNTIL_NEXT = "leaps to the next who wakes:"

Weighted = tuple[tuple[int, Fate], ...]

_AT_ANY_TIME: Weighted = ((1, CRASHED), (3, FROZEN))
_READING: Weighted = ((60, ANSWERED), (2, THROTTLED), (1, TIMED_OUT_UNSENT), (1, BROKEN))
_WRITING: Weighted = (
    (70, ANSWERED),
    (8, REPLY_LOST),
    (3, REQUEST_LOST),
    (8, LATE),
    (4, TIMED_OUT),
    (2, TIMED_OUT_UNSENT),
    (3, THROTTLED),
    (2, CONFLICT),
    (1, DENIED),
    (1, BROKEN),
    (2, BROKEN_AFTER),
    (2, CRASHED_AFTER),
)
_CONTENDED: Weighted = ((25, CONFLICT),)
_IN_BATCHES: Weighted = ((5, FIRST_FAILS), (5, FIRST_FAILS_LATE), (5, SOME_FAIL), (5, REFUSED))


def _split(*weighted: tuple[int, Fate]) -> tuple[tuple[int, ...], tuple[Fate, ...]]:
    return tuple(weight for weight, _ in weighted), tuple(fate for _, fate in weighted)


_BY_REQUEST: dict[type[object], tuple[tuple[int, ...], tuple[Fate, ...]]] = {
    Tick: _split((70, ANSWERED), *_AT_ANY_TIME),
    Sleep: _split((70, ANSWERED), *_AT_ANY_TIME),
    Write: _split(*_WRITING, *_AT_ANY_TIME),
    WriteBatch: _split(*_WRITING, *_IN_BATCHES, *_AT_ANY_TIME),
    Transact: _split(*_WRITING, *_AT_ANY_TIME),
}
_WHERE_CONTENDED = _split(*_WRITING, *_CONTENDED, *_AT_ANY_TIME)
_BY_OTHERS = _split(*_READING, *_AT_ANY_TIME)
_HARMLESS = _split((1, ANSWERED))


def faults_of(kind: type[object]) -> frozenset[Fate]:
    """All that can go wrong with a kind of request."""
    return frozenset(fate for fate in _BY_REQUEST.get(kind, _BY_OTHERS)[1] if fate.is_fault)


def of(
    request: Request[Any], *, faulty: bool, contended: bool = False
) -> tuple[tuple[int, ...], tuple[Fate, ...]]:
    """What can become of a request, with weights; the first is what should.

    Where others are about the same item, a transaction among them, they are likely to collide.
    """
    if faulty and contended:
        return _WHERE_CONTENDED
    return _BY_REQUEST.get(type(request), _BY_OTHERS) if faulty else _HARMLESS

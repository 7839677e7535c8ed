"""What becomes of a message after its handler: every verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from dynamomq import (
    Constant,
    FullJitter,
    InvalidArgumentError,
    Message,
    QueueType,
    Reject,
    RetryAfter,
    Setback,
)
from dynamomq.checks import MAX_DELAY
from dynamomq.consumer.outcomes import Done, GiveBack, Judge, PutAside
from dynamomq.payload import codec_for
from dynamomq.timestamps import SECOND
from dynamomq.values import Item

JUDGE = Judge(QueueType.STANDARD, 3, Constant(7))
ERROR = ValueError("no")
KINDS = [ERROR, SystemExit(1), KeyboardInterrupt(), RecursionError(), BaseException()]


def message(receive_count: int = 1) -> Message[Any]:
    """A message in this delivery."""
    item: Item = {"id": "m", "receive_count": receive_count}
    return Message(item, "STANDARD.PROCESSING", codec_for(None), "jobs")


def test_success_is_done() -> None:
    """A handler that returns is done, in whatever delivery, of whatever queue."""
    for count in (1, 3, 4):
        assert JUDGE.verdict(message(count), None, 0.5) == Done()
    assert evolve(JUDGE, source=QueueType.DLQ).verdict(message(), None, 0.5) == Done()


@pytest.mark.parametrize("error", KINDS, ids=repr)
def test_whatever_is_raised_gives_back(error: BaseException) -> None:
    """Every exception is a failure, after which the message rests as the backoff says."""
    assert JUDGE.verdict(message(), error, 0.5) == GiveBack(7 * SECOND, error)


def test_used_up_deliveries_put_aside() -> None:
    """The last delivery that max_receives allows ends in the dead-letter queue at once."""
    verdicts = [JUDGE.verdict(message(count), ERROR, 0.5) for count in (1, 2, 3, 4)]
    assert [type(one) for one in verdicts] == [GiveBack, GiveBack, PutAside, PutAside]
    assert verdicts[-1] == PutAside(ERROR)


def test_without_a_limit_messages_are_always_given_back() -> None:
    """max_receives=None never puts aside."""
    judge = evolve(JUDGE, max_receives=None)
    assert isinstance(judge.verdict(message(10**6), ERROR, 0.5), GiveBack)


def test_reject_puts_aside_at_once() -> None:
    """Reject does not wait until deliveries are used up; its reason travels with the message."""
    error = Reject("no such customer")
    assert JUDGE.verdict(message(), error, 0.5) == PutAside(error)
    assert str(error) == "no such customer"
    assert str(Reject()) == "rejected"


def test_retry_after_says_how_long() -> None:
    """RetryAfter takes the place of the backoff, but not of the limit."""
    error = RetryAfter(60)
    assert JUDGE.verdict(message(), error, 0.5) == GiveBack(60 * SECOND, error)
    assert JUDGE.verdict(message(), RetryAfter(0), 0.5) != JUDGE.verdict(message(), ERROR, 0.5)
    assert JUDGE.verdict(message(3), error, 0.5) == PutAside(error)
    assert RetryAfter(timedelta(minutes=1)).delay == 60 * SECOND


@pytest.mark.parametrize("delay", [-1, float("nan"), "soon", MAX_DELAY * 2], ids=str)
def test_retry_after_is_checked_where_it_is_raised(delay: Any) -> None:
    """A wrong delay is the handler's mistake, and shows there."""
    with pytest.raises(InvalidArgumentError, match="delay"):
        RetryAfter(delay)


@pytest.mark.parametrize("error", [ERROR, Reject("no"), RetryAfter(0)], ids=repr)
def test_dead_letters_are_always_given_back(error: BaseException) -> None:
    """From the dead-letter queue there is nowhere else to go, and there is no limit there."""
    judge = evolve(JUDGE, source=QueueType.DLQ)
    assert isinstance(judge.verdict(message(100), error, 0.5), GiveBack)


def broken(_: Setback) -> float:
    """A backoff that fails."""
    raise LookupError("no such table")


@pytest.mark.parametrize(
    "backoff",
    [
        broken,
        lambda _: float("nan"),
        lambda _: float("inf"),
        lambda _: -1.0,
        lambda _: "soon",
        lambda _: None,
        lambda _: 10**400,
    ],
)
def test_a_backoff_that_is_wrong_is_replaced(backoff: Callable[[Setback], Any]) -> None:
    """Whatever a user's function does, the message rests, as with the default."""
    verdict = evolve(JUDGE, backoff=backoff).verdict(message(2), ValueError("no"), 0.75)
    setback = Setback("m", 2, ERROR, 0.75)
    assert isinstance(verdict, GiveBack)
    assert verdict.delay == FullJitter()(setback) * SECOND


@dataclass(frozen=True)
class Frozen(Exception):  # noqa: N818 - what matters is that it refuses every assignment
    """An exception that can't be annotated."""

    code: int


def test_an_exception_that_takes_no_notes_is_judged_too() -> None:
    """That the backoff failed is noted on the error where that is possible, and only there."""
    judge = evolve(JUDGE, backoff=broken)
    noted = ValueError("no")
    judge.verdict(message(), noted, 0.5)
    assert "LookupError" in noted.__notes__[0]
    assert isinstance(judge.verdict(message(), Frozen(1), 0.5), GiveBack)


def test_a_rest_has_a_longest() -> None:
    """A backoff that doubles for ever loses no message: a rest is a week at most."""
    verdict = evolve(JUDGE, max_receives=None, backoff=lambda one: 2.0**one.failures).verdict(
        message(99), ERROR, 0.5
    )
    assert isinstance(verdict, GiveBack)
    assert timedelta(seconds=verdict.delay / SECOND) == timedelta(days=7)
    assert judge_of(RetryAfter(timedelta(days=365))) == timedelta(days=365)


def judge_of(error: BaseException) -> timedelta:
    """How long a message rests after an error."""
    verdict = JUDGE.verdict(message(), error, 0.5)
    assert isinstance(verdict, GiveBack)
    return timedelta(seconds=verdict.delay / SECOND)


def test_the_backoff_is_told_what_happened() -> None:
    """Id, number of deliveries, error and chance; never less than one delivery."""
    seen: list[Setback] = []

    def backoff(setback: Setback) -> float:
        seen.append(setback)
        return 0

    judge = evolve(JUDGE, backoff=backoff)
    judge.verdict(message(2), ERROR, 0.25)
    judge.verdict(message(0), ERROR, 0.25)  # what an odd writer has stored
    assert seen == [Setback("m", 2, ERROR, 0.25), Setback("m", 1, ERROR, 0.25)]

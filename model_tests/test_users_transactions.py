"""Users' transactions under crashes, lost replies and late attempts: both or neither, and once."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

import pytest

from dynamomq.operations import commit, transactions
from dynamomq.operations.writing import Doubt
from dynamomq.requests import Cancelled, Committed, Operation, Transact, ask
from model_tests.profiles import chosen, first_seed
from model_tests.shop import TELLING, WAYS, Shop
from model_tests.simulator.asked import ViolationError
from tests.support.figures import figures

STEPS = 200
RUNS = 100
SEED_VARIABLE = "DYNAMOMQ_SHOP_SEED"


def seeds() -> Iterator[int]:
    """As many seeds as the profile says, or for as long as it says; or the one to be replayed."""
    if SEED_VARIABLE in os.environ:
        yield int(os.environ[SEED_VARIABLE])
        return
    profile, until = chosen(), time.monotonic() + chosen().minutes * 60
    for number in itertools.count():
        if number >= min(profile.runs, RUNS) and time.monotonic() >= until:
            return
        yield first_seed() + number


def play(seed: int) -> Counter[str]:
    """Let a run take place; say what happened if a row and its message do not agree."""
    shop = Shop(random.Random(seed))
    try:
        shop.run(STEPS)
    except ViolationError as error:
        for line in shop.timeline:
            error.add_note(line)
        error.add_note(f"replay: {SEED_VARIABLE}={seed} python -m pytest {__file__}")
        raise
    finally:
        shop.close()
    return shop.counts


def play_all(those: Iterable[int]) -> Counter[str]:
    """Let several runs take place, and add up what happened."""
    counts: Counter[str] = Counter()
    for seed in those:
        counts.update(play(seed))
    return counts


def test_rows_and_messages_agree(record_property: Callable[[str, object], None]) -> None:
    """TRANSACT-1, TRANSACT-4: a row and its message appear both or neither; a result once.

    Whatever is lost, repeated, held up or crashes, and however often a message is delivered. What a
    call says of its outcome is so. And the runs are worth something: all faults happen, and every
    kind of call succeeds, is refused, and is left in doubt.
    """
    counts = play_all(seeds())
    rows: dict[str, dict[str, int]] = {}
    for name, number in sorted(counts.items()):
        kind, _, outcome = name.partition(": ")
        rows.setdefault(kind, {})[outcome] = number
    record_property("figures", figures("users' transactions", rows))
    if SEED_VARIABLE in os.environ:
        return
    assert len(rows["fate"]) == 12
    for kind in ("take order", "delete", "pass on", "retry"):
        assert rows[kind]["done"], kind
    assert rows["take order"]["DuplicateMessageError"]
    assert rows["take order"]["TransactionConditionError"]
    assert rows["delete"]["StaleReceiptError"]
    assert rows["retry"]["OutcomeUnknownError"]


def play_meetings(*numbers: int) -> Counter[str]:
    """Let each transaction meet each series of so many faults; of fewer first."""
    counts: Counter[str] = Counter()
    series = (fates for number in numbers for fates in itertools.product(TELLING, repeat=number))
    for fates, way in itertools.product(series, WAYS):
        shop = Shop(random.Random(0), number=2)
        try:
            shop.meet(way, fates)
        except ViolationError as error:
            error.add_note("\n".join(shop.timeline))
            raise
        finally:
            shop.close()
        counts.update(shop.counts)
    return counts


def test_any_three_faults_may_meet() -> None:
    """TRANSACT-1, TRANSACT-3: the same where a transaction meets any three faults, one by one.

    Its message is in a group, so that it may be planned anew; what was sent for an earlier plan may
    arrive when all is over. Nothing is left to chance, so what is in doubt is so in each run.
    """
    counts = play_meetings(3)
    for way in WAYS:
        told = {name for name in counts if name.startswith(_CALLS[way])}
        assert {f"{_CALLS[way]}: {name}" for name in ("done", "AccessDeniedError")} <= told
        assert f"{_CALLS[way]}: UnavailableError" in told
    assert counts["take order: TransactionConditionError"]


_CALLS = {"take": "take order", "delete": "delete", "pass on": "pass on", "retry": "retry"}


# --- must fail -------------------------------------------------------------------------------


def _one_by_one(request: Transact) -> Operation[Committed | Cancelled]:
    """Carry out the actions of a transaction in requests of their own."""
    replies = []
    for place, action in enumerate(request.actions):
        reply = yield from ask(Transact((action,), f"{request.token}-{place}"))
        replies.append(reply.reasons[0] if isinstance(reply, Cancelled) else None)
    return Cancelled(tuple(replies)) if any(replies) else Committed()


def _never_ours(*_: Any) -> Operation[bool]:
    """Find no mark of the transaction on any message."""
    yield from ()
    return False


def _always_ours(*_: Any) -> Operation[bool]:
    """Take every refusal for the echo of our own success."""
    yield from ()
    return True


class _Forgetful(Doubt):
    """Doubt that ends where a plan is made anew."""

    def told(self, operation: Operation[Any]) -> Operation[Any]:
        if getattr(operation, "__name__", "") == transactions._planned.__name__:
            self.exists = False
        return super().told(operation)


DEFECTS: dict[str, tuple[object, str, object]] = {
    "one by one": (transactions, "transact", _one_by_one),
    "an echo is not recognised": (transactions._Judge, "_is_ours", _never_ours),
    "every refusal is an echo": (transactions._Judge, "_is_ours", _always_ours),
    "doubt ends with a plan": (commit, "Doubt", _Forgetful),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_found(name: str) -> None:
    """With an essential part of transactions broken, the checks find it, by no chance."""
    owner, attribute, broken = DEFECTS[name]
    with mock.patch.object(owner, attribute, broken), pytest.raises(ViolationError):
        play_meetings(1, 2, 3)

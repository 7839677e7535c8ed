"""Mutants of the consumer, and of how consumers share the work; hunted where consumers receive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from dynamomq.attributes import UPDATED
from dynamomq.consumer import Consumer, Delivery, backoff, leases
from dynamomq.consumer.fetcher import Fetcher, Released
from dynamomq.consumer.heartbeat import Heartbeat
from dynamomq.consumer.outcomes import GiveBack
from dynamomq.consumer.pacing import Pacing
from dynamomq.consumer.worker_pool import WorkerPool
from dynamomq.errors import IllegalTransitionError, OutcomeUnknownError, StaleReceiptError
from dynamomq.operations import claiming, membership
from model_tests.mutants.altering import Alter, Mutant, Place, replaced_by, rules
from model_tests.simulator import tales
from model_tests.simulator.worlds import WORKERS

_Method = Callable[..., Any]

# --- what is wrong ---------------------------------------------------------------------------


def _acknowledges(note_lost: _Method) -> _Method:
    def changed(self: WorkerPool[Any], delivery: Any, *why: str) -> None:
        self.queue.delete(delivery)
        note_lost(self, delivery, *why)

    return changed


def _without_floor(_call: _Method) -> _Method:
    def changed(self: backoff.FullJitter, setback: backoff.Setback) -> float:
        return setback.chance * min(self.cap, self.base * 2.0 ** (setback.failures - 1))

    return changed


def _releases_failures(give_up: _Method) -> _Method:
    def changed(self: WorkerPool[Any], delivery: Any, verdict: Any) -> None:
        if isinstance(verdict, GiveBack):
            self.queue.release(delivery)
        else:
            give_up(self, delivery, verdict)

    return changed


def _drops(_release: _Method) -> _Method:
    return lambda _self, messages: Released(len(messages))


def _retries(_release: _Method) -> _Method:
    def changed(self: Fetcher[Any], messages: Sequence[Any]) -> Released:
        for message in messages:
            self.queue.retry(message)
        return Released(len(messages))

    return changed


def _ends_before_releasing(claimed: _Method) -> _Method:
    def changed(self: Pacing, *news: Any) -> Any:
        starts = claimed(self, *news)
        self.is_claiming = False
        return starts

    return changed


def _says_that_all_is_done(reason: _Method) -> _Method:
    return lambda self, _abandoned: reason(self, False)


def _without_farewell(end: _Method) -> _Method:
    return lambda self, _within: end(self, 0.0)


def _never_steals(choose: _Method) -> _Method:
    def changed(self: Any, wanted: int, now: int) -> Any:
        ours, _ = choose(self, wanted, now)
        return ours, []

    return changed


def _counts_from_now(_extend: _Method) -> _Method:
    def changed(self: Heartbeat[Any], due: Sequence[Any]) -> None:
        terms = self.leases.terms
        for delivery, error in zip(due, self._errors_of_extending(due, terms.timeout), strict=True):
            now = self.queue.surroundings.monotonic()
            if error is None:
                self.leases.extended(delivery, now, terms)
            elif isinstance(error, StaleReceiptError | IllegalTransitionError):
                if self.leases.lose(delivery, now):
                    self.lost(delivery)
            else:
                self.leases.put_off(delivery, now)

    return changed


def _forgets_what_comes_late(is_reported: _Method) -> _Method:
    return lambda self, claimed: is_reported(self, claimed) or True


def _without_doubt(persistently: _Method) -> _Method:
    def changed(self: WorkerPool[Any], delivery: Any, write: Callable[[], None]) -> bool:
        def believed() -> None:
            with suppress(OutcomeUnknownError):
                write()

        return bool(persistently(self, delivery, believed))

    return changed


def _forgets_what_is_under_way(end: _Method) -> _Method:
    return lambda self, within: end(self, within) and 0


# --- what finds it ---------------------------------------------------------------------------


def _mutant(
    name: str,
    change: str,
    breaks: str,
    owner: object,
    where: str,
    alter: Alter,
    tale: tales.Tale | None = None,
) -> Mutant:
    return Mutant(name, change, breaks, (Place(owner, where, alter),), tale=tale, world=WORKERS)


CONSUMERS: tuple[Mutant, ...] = (
    _mutant(
        "consumer-without-heartbeat",
        "A consumer extends no delivery, however long its handler takes.",
        "HEARTBEAT",
        leases.Leases,
        "due",
        replaced_by(lambda _self, _now: []),
    ),
    _mutant(
        "consumer-acknowledges-what-is-lost",
        "A consumer deletes the message of which it knows that the lease is lost.",
        "SURRENDER",
        WorkerPool,
        "_note_lost",
        _acknowledges,
    ),
    _mutant(
        "backoff-without-floor",
        "A failed message may be delivered again at once.",
        "REST",
        backoff.FullJitter,
        "__call__",
        _without_floor,
    ),
    _mutant(
        "consumer-releases-failures",
        "A consumer gives a failed message back as if no handler had seen it.",
        "REST",
        WorkerPool,
        "_give_up",
        _releases_failures,
    ),
    _mutant(
        "shutdown-drops-claims",
        "A consumer that stops keeps what it has claimed and not started.",
        "REPORT",
        Fetcher,
        "_release",
        _drops,
    ),
    _mutant(
        "shutdown-uses-deliveries",
        "A consumer that stops gives back what it has not started as if that had failed.",
        "DRAIN",
        Fetcher,
        "_release",
        _retries,
    ),
    Mutant(
        "shutdown-does-not-wait",
        "A consumer that stops says that all is done before its messages have been given back.",
        "DRAIN",
        (
            Place(Pacing, "claimed", _ends_before_releasing),
            Place(Consumer, "_reason", _says_that_all_is_done),
            Place(Fetcher, "end", _without_farewell),
        ),
        world=WORKERS,
    ),
    _mutant(
        "claimer-never-steals",
        "A consumer leaves messages to others that rank first, for ever.",
        "PROGRESS",
        claiming._Partition,
        "_choose",
        _never_steals,
    ),
    _mutant(
        "keeper-counts-from-now",
        "A consumer counts an extension from its answer, not from before it was asked for.",
        "LEASE",
        Heartbeat,
        "_extend",
        _counts_from_now,
    ),
    _mutant(
        "consumer-ends-what-has-ended",
        "A consumer goes on with a delivery that its handler has ended itself.",
        "REPORT",
        Delivery,
        "has_ended",
        replaced_by(lambda _self, _trigger: None),
    ),
    _mutant(
        "end-forgets-what-comes-late",
        "A consumer keeps what a claim brings in after its end, though its process lives on.",
        "REPORT",
        Fetcher,
        "_is_reported",
        _forgets_what_comes_late,
    ),
    _mutant(
        "crew-starts-what-is-over",
        "A handler is started without a look at the time of its delivery.",
        "LEASE",
        WorkerPool,
        "_still_held",
        replaced_by(lambda _self, deliveries: list(deliveries)),
    ),
    _mutant(
        "crew-believes-in-success",
        "A consumer counts as done what nobody knows to be done.",
        "REPORT",
        WorkerPool,
        "_persistently",
        _without_doubt,
        tales.cancelled_after_a_lost_reply,
    ),
    _mutant(
        "keeper-loses-what-ends",
        "A consumer takes a delivery for lost that it is just ending itself.",
        "LEASE",
        Delivery,
        "will_end",
        replaced_by(lambda _self: None),
    ),
    _mutant(
        "end-forgets-what-is-under-way",
        "A consumer that ends does not tell of the claim that is still under way.",
        "REPORT",
        Fetcher,
        "end",
        _forgets_what_is_under_way,
        tales.ends_during_a_claim,
    ),
    _mutant(
        "last-deliveries-together",
        "A consumer handles messages together, each for the last time, whose process has died.",
        "APART",
        Consumer,
        "_to_be_apart",
        replaced_by(lambda _self, _messages: ()),
        tales.dies_with_two,
    ),
    _mutant(
        "renew-keeps-time",
        "The renewal of a consumer's lease does not say when it was.",
        "TRACE",
        membership,
        "_RENEW",
        rules(unchanged=[UPDATED]),
    ),
)
"""All of them."""

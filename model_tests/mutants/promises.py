"""More mutants: what a call promises to its caller, and what a write must leave of an item."""

from __future__ import annotations

from collections.abc import Iterable

from dynamomq.attributes import (
    CODEC,
    DATA,
    DUE,
    ENCODING,
    ERRORS,
    RECEIPT,
    RECEIVE_COUNT,
    SEND_TOKEN,
    TOKEN,
    UPDATED,
)
from dynamomq.effects import Remove, Set
from dynamomq.expressions import Constant
from dynamomq.message import Message
from dynamomq.operations import aside, claims, holding, operating
from model_tests.mutants import defects
from model_tests.mutants.altering import Mutant, Place, replaced_by, rules
from model_tests.mutants.defects import among_operations
from model_tests.simulator import calls

_IN_2100 = Set(DUE, Constant("2100-01-01T00:00:00.000000000Z"))


def _kept() -> Iterable[Mutant]:
    """What a write must take away, or go by, found where any two faults meet."""
    yield Mutant(
        "quarantine-keeps-receipt",
        "What is no whole message is put aside with the receipt of whoever held it.",
        "FENCED",
        (Place(aside, "_QUARANTINE", rules(unchanged=[RECEIPT])),),
        scope="quarantine:MALFORMED:alone",
    )
    for name, owner, rule, source in (
        ("delete", holding, "DELETE", "DLQ.PROCESSING"),
        ("cancel", operating, "_CANCEL", "STANDARD.READY"),
        ("purge", operating, "PURGE", "STANDARD.READY"),
    ):
        yield Mutant(
            f"{name}-keeps-form",
            f"The tombstone that {name} leaves says in which form the payload was.",
            "DEDUP",
            (Place(owner, rule, rules(unchanged=[CODEC, ENCODING])),),
            scope=f"{name}:{source}:alone:foreign",
        )
    yield Mutant(
        "purge-by-own-clock",
        "purge acts at the operator's own time, though the message's is later.",
        "REPEATABLE",
        (Place(operating, "plan_of", defects.by_own_clock("purge")),),
        scope="purge:STANDARD.READY:alone:rival",
    )


def _told() -> Iterable[Mutant]:
    """What a call returns is so, and is what was asked for."""
    yield Mutant(
        "operators-do-nothing",
        "An edit is reported as done, but nothing is written.",
        "FENCED",
        (Place(operating, "_edit", replaced_by(defects.edits_nothing)),),
    )
    for trigger in ("extend", "delete"):
        yield Mutant(
            f"{trigger}-believes-the-state",
            f"{trigger} is reported as done where the message is so already, by whomever.",
            "FENCED",
            (Place(holding, "_took_effect", defects.believes_the_state(trigger)),),
        )
    for name, change, breaks, operation, alter in (
        (
            "extend-does-nothing",
            "extend returns the delivery as it was.",
            "NO-DOUBLE",
            "extend",
            replaced_by(defects.extends_nothing),
        ),
        (
            "receive-for-less",
            "receive holds messages for a fifth of the time that was asked for.",
            "NO-DOUBLE",
            "receive",
            defects.given("visibility_timeout", lambda timeout: timeout // 5),
        ),
        (
            "receive-more",
            "receive returns more messages than were asked for.",
            "PROGRESS",
            "receive",
            defects.given("max_messages", lambda most: most + 2),
        ),
        (
            "send-returns-another",
            "send returns the message under another id than it has.",
            "NO-LOSS",
            "send",
            defects.renames,
        ),
    ):
        place = Place(calls, "OPERATIONS", among_operations(operation, alter))
        yield Mutant(name, change, breaks, (place,))


def _times() -> Iterable[Mutant]:
    """A write's time is somebody's, never goes back, and due times follow from it."""
    yield Mutant(
        "operators-ahead",
        "Operators act by a clock that is a minute ahead, and take what is held.",
        "NOT-EARLY",
        (Place(operating, "at", defects.ahead),),
    )
    yield Mutant(
        "exhaust-ahead",
        "A message is put aside by a clock that is a minute ahead.",
        "NOT-EARLY",
        (Place(claims, "put_aside", defects.puts_aside_ahead),),
    )
    yield Mutant(
        "holders-turn-back-time",
        "Holders and operators act by their own clocks, though the message's time is later.",
        "REPEATABLE",
        (Place(Message, "not_before", replaced_by(defects.own_clock)),),
        scope="j",
    )
    yield Mutant(
        "operators-up-to-an-hour",
        "Who finds a message's time more than an hour ahead goes by the own clock.",
        "REPEATABLE",
        (Place(Message, "not_before", defects.up_to_an_hour),),
        scope="aa",
    )
    yield Mutant(
        "retry-in-2100",
        "A message that is given back is due in the year 2100.",
        "PROGRESS",
        (Place(holding, "RETRY", rules(instead=[_IN_2100])),),
    )
    yield Mutant(
        "tombstone-for-the-window-only",
        "A tombstone counts for the deduplication window, even if requests may arrive later.",
        "DEDUP",
        tuple(
            Place(module, "expiry", replaced_by(defects.expires_with_its_window))
            for module in (holding, operating)
        ),
    )


def _items() -> Iterable[Mutant]:
    """Each write leaves what it should of an item, and no more."""

    def mutant(
        name: str, change: str, breaks: str, place: Place, scope: str | None = None
    ) -> Mutant:
        return Mutant(name, change, breaks, (place,), scope=scope)

    yield mutant(
        "retry-forgets-why",
        "retry does not keep the reason that it is given.",
        "NO-LOSS",
        Place(holding, "RETRY", rules(unchanged=[ERRORS])),
    )
    yield mutant(
        "delete-keeps-data",
        "A tombstone keeps the payload.",
        "DEDUP",
        Place(holding, "DELETE", rules(unchanged=[DATA])),
    )
    yield mutant(
        "delete-forgets-the-send",
        "A tombstone does not keep the token of the send.",
        "DEDUP",
        Place(holding, "DELETE", rules(instead=[Remove(SEND_TOKEN)])),
        scope="c",
    )
    yield mutant(
        "bury-keeps-receipt",
        "bury leaves the receipt of a delivery that has expired.",
        "FENCED",
        Place(operating, "_BURY", rules(unchanged=[RECEIPT])),
        scope="e",
    )
    yield mutant(
        "redrive-keeps-count",
        "redrive keeps the number of deliveries.",
        "MAX-RECEIVES",
        Place(operating, "REDRIVE", rules(unchanged=[RECEIVE_COUNT])),
        scope="r",
    )
    yield mutant(
        "redrive-keeps-receipt",
        "redrive leaves the receipt of a delivery that has expired.",
        "TRACE",
        Place(operating, "REDRIVE", rules(unchanged=[RECEIPT])),
    )
    yield mutant(
        "retry-keeps-token",
        "retry leaves the token of the write before.",
        "TRACE",
        Place(holding, "RETRY", rules(unchanged=[TOKEN])),
    )
    yield mutant(
        "receive-keeps-time",
        "receive does not say when it was.",
        "TRACE",
        Place(claims, "_RECEIVE", rules(unchanged=[UPDATED])),
    )


PROMISES: tuple[Mutant, ...] = (*_kept(), *_told(), *_times(), *_items())
"""All of them."""

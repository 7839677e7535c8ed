"""The mutants: what is wrong in each, and which property must find it."""

from __future__ import annotations

from collections.abc import Iterable

from dynamomq import operations
from dynamomq.attributes import (
    DUE,
    EXPIRES_AT,
    ID,
    PEEKED,
    QUEUE_TYPE,
    RECEIPT,
    RECEIVE_COUNT,
    SEND_TOKEN,
    STATUS,
    VERSION,
)
from dynamomq.effects import Remove, Set
from dynamomq.expressions import Arg, Constant, IfNotExists, Plus
from dynamomq.operations import batching, claims, commit, holding, operating, sending, writing
from model_tests.mutants import defects
from model_tests.mutants.altering import (
    Mutant,
    Place,
    only_from,
    replaced_by,
    rules,
    where,
)
from model_tests.mutants.batches import BATCHES
from model_tests.mutants.clocks import CLOCKS
from model_tests.mutants.consumers import CONSUMERS
from model_tests.mutants.groups import GROUPS
from model_tests.mutants.promises import PROMISES
from model_tests.mutants.shards import SHARDS

_UNCOUNTED = Set(RECEIVE_COUNT, Constant(0))
_DUE_AT_ONCE = Set(DUE, Arg("now"))
_SEEN = "seen_token"


def _fenced() -> Iterable[Mutant]:
    """Who holds a message no more must not change it, nor be told something that is not so."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "FENCED", places)

    for trigger in ("extend", "retry", "release", "delete", "move_to_dlq"):
        yield mutant(
            f"{trigger}-unfenced",
            f"{trigger} does not ask for the receipt.",
            Place(holding, trigger.upper(), rules(unasked=[RECEIPT])),
        )
    yield mutant(
        "delete-unconditional",
        "delete removes whatever is there.",
        Place(holding, "DELETE", rules(unasked=[RECEIPT], any_state=True)),
    )
    yield mutant(
        "receipt-of-the-first",
        "A delivery has the receipt of the one before, if there was one.",
        Place(claims, "_RECEIVE", rules(instead=[Set(RECEIPT, IfNotExists(RECEIPT, _TOKEN))])),
    )
    yield Mutant(
        "update-keeps-receipt",
        "An edit of a message whose delivery has expired leaves the receipt.",
        "FENCED",
        (Place(operating, "_UPDATE", rules(unchanged=[RECEIPT])),),
        scope="e",
    )
    yield mutant(
        "holder-believes-refusals",
        "A refusal counts as one, though it is the echo of the holder's own success.",
        Place(holding, "_took_effect", replaced_by(defects.never)),
    )
    yield mutant(
        "holder-believes-in-success",
        "A refusal counts as the echo of the holder's own success, though it is none.",
        Place(holding, "_took_effect", replaced_by(defects.always)),
    )
    yield mutant(
        "holder-overtaken",
        "A holder that finds the message in other hands says that its repeated request failed.",
        Place(holding, "was_overtaken", replaced_by(defects.always)),
    )
    yield Mutant(
        "operator-overtaken",
        "An edit whose repetition finds the message changed by others is planned anew.",
        "FENCED",
        (Place(operating, "was_overtaken", replaced_by(defects.always)),),
        scope="e",
    )
    yield Mutant(
        "holder-trusts-what-is-damaged",
        "A holder that finds the message damaged says that its repeated request failed.",
        "FENCED",
        (Place(holding, "DAMAGED", replaced_by(frozenset())),),
        scope="ac",
    )
    yield mutant(
        "repetitions-unnoticed",
        "No refusal says that the request had been repeated.",
        *(Place(module, "write", defects.first_attempts) for module in _WRITING),
    )


def _no_double() -> Iterable[Mutant]:
    """A message is in the hands of one holder at a time."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "NO-DOUBLE", places)

    yield mutant(
        "receive-what-the-index-shows",
        "receive claims what the index shows, without a condition.",
        Place(claims, "_RECEIVE", rules(unasked=[DUE, RECEIVE_COUNT], any_state=True)),
    )
    yield mutant(
        "receive-what-is-held",
        "receive leaves it to the reader's clock whether a delivery has expired.",
        Place(claims, "_RECEIVE", rules(also_from=["PROCESSING"])),
    )
    yield mutant(
        "extend-shortens",
        "extend moves the deadline to whenever it is asked to, earlier too.",
        Place(holding, "EXTEND", rules(unasked=[DUE])),
    )
    yield mutant(
        "receive-takes-all-for-its-own",
        "receive takes the message that refused its claim for its own, whoever holds it.",
        Place(claims.Claim, "_second_look", defects.takes_all_for_its_own),
    )
    yield Mutant(
        "cancel-what-is-held",
        "cancel withdraws a message that somebody holds.",
        "NO-DOUBLE",
        (Place(operating, "_CANCEL", rules(also_from=["PROCESSING"])),),
        scope="e",
    )


def _not_early() -> Iterable[Mutant]:
    """A message is not delivered before it is due."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "NOT-EARLY", places)

    yield mutant(
        "receive-before-due",
        "receive leaves it to the index whether a message is due.",
        Place(claims, "_RECEIVE", rules(unasked=[DUE])),
    )
    yield mutant(
        "retry-at-once",
        "retry forgets the delay.",
        Place(holding, "RETRY", rules(instead=[_DUE_AT_ONCE])),
    )
    yield mutant(
        "reschedule-at-once",
        "reschedule makes the message due now, whatever it was asked for.",
        Place(operating, "_RESCHEDULE", rules(instead=[_DUE_AT_ONCE])),
    )
    yield mutant(
        "send-at-once",
        "send forgets the delay.",
        Place(sending, "_SEND", rules(instead=[_DUE_AT_ONCE])),
    )


def _max_receives() -> Iterable[Mutant]:
    """A message is delivered as often as it may be, and then put aside."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "MAX-RECEIVES", places)

    yield mutant(
        "receive-beyond-the-limit",
        "receive leaves it to the index whether deliveries are left.",
        Place(claims, "_RECEIVE", rules(unasked=[RECEIVE_COUNT])),
    )
    yield Mutant(
        "exhaust-before-the-limit",
        "exhaust leaves it to the index whether deliveries are left.",
        "MAX-RECEIVES",
        (Place(claims, "_EXHAUST", rules(unasked=[RECEIVE_COUNT])),),
        scope="exhaust:STANDARD.READY:alone:rival",
    )
    for trigger in ("retry", "extend"):
        yield mutant(
            f"{trigger}-forgets-deliveries",
            f"{trigger} sets the number of deliveries to 0.",
            Place(holding, trigger.upper(), rules(instead=[_UNCOUNTED])),
        )
    yield mutant(
        "receive-forgets-deliveries",
        "receive counts each delivery as the first.",
        Place(claims, "_RECEIVE", rules(instead=[Set(RECEIVE_COUNT, Constant(1))])),
    )
    yield mutant(
        "release-counts",
        "A released delivery counts.",
        Place(holding, "RELEASE", rules(unchanged=[RECEIVE_COUNT])),
    )
    yield mutant(
        "release-counts-twice",
        "A release takes off two deliveries.",
        Place(
            holding,
            "RELEASE",
            rules(instead=[Set(RECEIVE_COUNT, Plus(RECEIVE_COUNT, Constant(-2)))]),
        ),
    )


def _no_loss() -> Iterable[Mutant]:
    """An accepted message stays until it is deleted or cancelled."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "NO-LOSS", places)

    yield mutant(
        "send-over-messages",
        "send puts its message over whatever has the id.",
        Place(sending, "_SEND", rules(any_state=True)),
    )
    yield mutant(
        "send-expires",
        "send marks the message to expire, as if it were a tombstone.",
        Place(sending, "_SEND", rules(instead=[Set(EXPIRES_AT, Constant(0))])),
    )
    yield mutant(
        "exhaust-removes",
        "A message that has used up its deliveries is removed.",
        Place(claims, "_EXHAUST", rules(kind="delete")),
    )


def _dedup() -> Iterable[Mutant]:
    """An id is accepted once in a window, and again after it."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "DEDUP", places)

    yield mutant(
        "delete-without-tombstone",
        "delete removes the item.",
        Place(holding, "DELETE", rules(kind="delete")),
    )
    yield mutant(
        "tombstone-expires-at-once",
        "A tombstone's time is over when it is made.",
        Place(holding, "expiry", replaced_by(defects.expires_at_once)),
    )
    yield mutant(
        "send-over-tombstones",
        "send does not mind a tombstone whose time is not over.",
        Place(sending, "_SEND", where("ABSENT", ID.absent() | QUEUE_TYPE.absent())),
    )
    yield mutant(
        "send-minds-old-tombstones",
        "send minds a tombstone that storage has not removed, though its time is over.",
        Place(sending, "_SEND", where("ABSENT", ID.absent())),
    )
    yield mutant(
        "receive-overwrites-send-token",
        "receive overwrites the token of the send.",
        Place(claims, "_RECEIVE", rules(instead=[Set(SEND_TOKEN, _TOKEN)])),
    )
    yield mutant(
        "send-believes-refusals",
        "A refusal counts as one, though it is the echo of the sender's own success.",
        Place(sending, "write", defects.without(SEND_TOKEN)),
    )
    yield mutant(
        "send-under-new-tokens",
        "A send whose reply is lost is repeated under another token.",
        Place(sending, "write", replaced_by(defects.with_new_tokens)),
    )
    yield mutant(
        "send-under-new-ids",
        "A send whose reply is lost is repeated under another id.",
        Place(operations, "send", replaced_by(defects.send_again)),
    )


def _repeatable() -> Iterable[Mutant]:
    """A request that is repeated changes nothing more, and knows that it has succeeded."""

    def mutant(name: str, change: str, *places: Place) -> Mutant:
        return Mutant(name, change, "REPEATABLE", places)

    yield mutant(
        "update-unseen",
        "update does not ask for the token that the operator saw.",
        Place(operating, "_UPDATE", rules(unasked=[_SEEN])),
    )
    yield mutant(
        "receive-believes-refusals",
        "A refusal counts as one, though it is the echo of the receiver's own success.",
        Place(claims, "write", defects.without(RECEIPT)),
    )
    yield mutant(
        "batch-believes-refusals",
        "In a batch, the items behind refused claims are not looked at.",
        Place(claims, "_items_behind", replaced_by(defects.looks_at_nothing)),
    )


def _in_time() -> Iterable[Mutant]:
    """No attempt is sent when what would refuse it may be gone."""

    def mutant(name: str, change: str, module: object, scope: str) -> Mutant:
        place = Place(module, "in_time", replaced_by(defects.without_end))
        return Mutant(name, change, "REPEATABLE", (place,), scope=scope)

    yield mutant("send-however-late", "A send is repeated however late.", sending, "w")
    yield mutant(
        "batch-however-late", "What is sent in a batch is repeated however late.", batching, "x"
    )
    yield mutant("join-however-late", "A message joins its group however late.", sending, "y")


def _others() -> Iterable[Mutant]:
    """Versions, progress, and the machine's own diagram."""
    for name, trigger in (("extend", "EXTEND"), ("release", "RELEASE")):
        yield Mutant(
            f"{name}-keeps-version",
            f"{name} does not raise the version.",
            "VERSION",
            (Place(holding, trigger, rules(unchanged=[VERSION])),),
        )
    yield Mutant(
        "retry-leaves-the-queue",
        "retry takes the message out of the index.",
        "PROGRESS",
        (Place(holding, "RETRY", rules(instead=[Remove(QUEUE_TYPE)])),),
    )
    yield Mutant(
        "receive-only-what-is-ready",
        "receive does not claim messages whose delivery has expired.",
        "PROGRESS",
        (Place(claims, "_RECEIVE", only_from("READY")),),
    )
    yield Mutant(
        "exhaust-never",
        "A message that has used up its deliveries stays where it is.",
        "PROGRESS",
        (Place(claims.Claim, "_exhaust", replaced_by(defects.leaves_it)),),
    )
    yield Mutant(
        "extend-begins-anew",
        "extend sets the beginning of the delivery.",
        "TRACE",
        (Place(holding, "EXTEND", rules(instead=[Set(PEEKED, Arg("now"))])),),
    )
    yield Mutant(
        "release-to-nowhere",
        "A released message is as if it were held.",
        "TRACE",
        (Place(holding, "RELEASE", rules(unchanged=[STATUS])),),
    )


_TOKEN = Arg("token")
_WRITING = (sending, claims, commit, writing)

MUTANTS: tuple[Mutant, ...] = (
    *_no_loss(),
    *_no_double(),
    *_fenced(),
    *_max_receives(),
    *_not_early(),
    *_repeatable(),
    *_dedup(),
    *_in_time(),
    *_others(),
    *PROMISES,
    *CLOCKS,
    *CONSUMERS,
    *BATCHES,
    *GROUPS,
    *SHARDS,
)
"""All of them."""

"""Mutants of message groups, hunted where producers, consumers and operators change their lists.

Some guards stand in for each other: whoever leaves as the last one asks both that nobody has joined
behind it and that it is the tail. Such a pair is taken away together.
"""

from __future__ import annotations

from dynamomq.attributes import (
    NEXT_ID,
    RECEIPT,
    UPDATED,
    VERSION,
)
from dynamomq.effects import Set
from dynamomq.expressions import Arg
from dynamomq.operations import (
    aside,
    commit,
    following,
    grouping,
    groups,
    holding,
    mending,
    operating,
    sending,
    writing,
)
from model_tests.mutants.altering import Mutant, Place, as_if, replaced_by, rules
from model_tests.mutants.defects import never
from model_tests.mutants.group_defects import (
    Forgetful,
    behind_the_head,
    by_plain_name,
    certain,
    in_doubt,
    it_alone,
    knows_nothing,
    last_first,
    nobody,
    nothing_else,
    one_by_one,
    under_a_new_token,
    unnumbered,
    without,
)
from model_tests.simulator.worlds import GROUPED

# --- what finds it ---------------------------------------------------------------------------


def _mutant(
    name: str, change: str, breaks: str, *places: Place, scope: str | None = None
) -> Mutant:
    return Mutant(name, change, breaks, places, scope=scope, world=GROUPED)


_LEAVING_NEXT = rules(unasked=["next_id"])
_NO_TAIL = rules(unasked=["tail_id"])
_HOLDERS = (
    Place(holding, "DELETE", _LEAVING_NEXT),
    Place(holding, "MOVE_TO_DLQ", _LEAVING_NEXT),
)
_IN_SPITE_OF_OTHERS = rules(unasked=["previous_id"])
_SEEN = ("seen_next_id", "seen_previous_id")
_ANY_LINK = tuple(Place(groups, name, rules(unasked=_SEEN)) for name in ("_LINK", "_UNLINK"))

_AS_IF_UNREAD = rules(unasked=["seen_version", "seen_token"])

GROUPS: tuple[Mutant, ...] = (
    _mutant(
        "mend-unguarded",
        "Who repairs a list does not ask whether its members are still as they were read.",
        "REPEATABLE",
        Place(mending, "_MEND", _AS_IF_UNREAD),
        Place(mending, "_MEND_LAST", _AS_IF_UNREAD),
        scope="ae",
    ),
    _mutant(
        "mend-alone",
        "Who repairs a list does not ask whether the neighbours of a wrong member are as read.",
        "HEAD",
        Place(mending, "_bound", replaced_by(it_alone)),
        scope="ad",
    ),
    _mutant(
        "append-unguarded",
        "append does not ask whether the tail is still the one that was read.",
        "HEAD",
        Place(groups, "_APPEND", _NO_TAIL),
    ),
    _mutant(
        "append-over-links",
        "append does not ask for the tail, nor link whether there is somebody behind it already.",
        "HEAD",
        Place(groups, "_APPEND", _NO_TAIL),
        Place(groups, "_LINK", rules(unasked=["seen_next_id"])),
    ),
    _mutant(
        "open-unguarded",
        "open does not ask whether the group has messages by now.",
        "HEAD",
        Place(groups, "_OPEN", rules(any_state=True)),
    ),
    _mutant(
        "leave-without-next",
        "delete and move_to_dlq do not ask who the next one is, nor does that whom it follows.",
        "FIFO",
        *_HOLDERS,
        Place(groups, "_PROMOTE", rules(unasked=["seen_previous_id"])),
        scope="p",
    ),
    _mutant(
        "leave-blindly",
        "delete and move_to_dlq ask neither who is next nor, closing the group, who is last.",
        "HEAD",
        *_HOLDERS,
        Place(groups, "_CLOSE", _NO_TAIL),
    ),
    _mutant(
        "promote-whatever-was-next",
        "delete and move_to_dlq do not ask who is next, and promote what is gone.",
        "HEAD",
        *_HOLDERS,
        Place(groups, "_PROMOTE", rules(any_state=True, unasked=_SEEN)),
        scope="o",
    ),
    _mutant(
        "withdraw-by-an-old-plan",
        "cancel and bury ask neither for the predecessor, nor whether the message still waits, nor "
        "whose links they replace.",
        "HEAD",
        Place(operating, "_CANCEL", _IN_SPITE_OF_OTHERS),
        Place(operating, "_BURY", _IN_SPITE_OF_OTHERS),
        *_ANY_LINK,
        scope="p",
    ),
    _mutant(
        "link-what-is-gone",
        "cancel and bury do not ask for the neighbours, and link what is gone, whatever its links.",
        "HEAD",
        Place(operating, "_CANCEL", rules(unasked=["previous_id", "next_id"])),
        Place(operating, "_BURY", rules(unasked=["previous_id", "next_id"])),
        Place(groups, "_LINK", rules(any_state=True, unasked=_SEEN)),
        Place(groups, "_UNLINK", rules(unasked=_SEEN)),
        scope="p",
    ),
    _mutant(
        "delete-promotes-nobody",
        "delete and move_to_dlq do not promote the next one.",
        "HEAD",
        Place(holding, "leaving", without("promote")),
    ),
    _mutant(
        "delete-leaves-the-group-open",
        "The last message of a group leaves, and the group's item stays.",
        "HEAD",
        Place(holding, "leaving", without("close")),
    ),
    _mutant(
        "dead-letters-listed",
        "Whoever deletes takes a shard's dead letter for a member of its group's list.",
        "HEAD",
        Place(holding, "DELETE", as_if("leaves")),
        Place(groups, "place_of", by_plain_name),
        scope="delete:DLQ.PROCESSING:first",
    ),
    _mutant(
        "edit-and-join",
        "An edit puts a message at the end of its group's list, though it is in there already.",
        "HEAD",
        Place(operating, "_RESCHEDULE", as_if("joins")),
        scope="reschedule:STANDARD.READY:first",
    ),
    _mutant(
        "exhaust-without-its-list",
        "A head that has used up its deliveries is put aside, and nobody is promoted.",
        "HEAD",
        Place(aside, "leaving", replaced_by(nothing_else)),
        scope="s",
    ),
    _mutant(
        "withdraw-without-its-list",
        "cancel, bury and purge do not link the neighbours.",
        "HEAD",
        Place(operating, "leaving", replaced_by(nothing_else)),
    ),
    _mutant(
        "transactions-piecemeal",
        "What belongs together is written one by one.",
        "HEAD",
        Place(sending, "transact", replaced_by(one_by_one)),
        Place(writing, "transact", replaced_by(one_by_one)),
    ),
    _mutant(
        "redrive-behind-the-head",
        "redrive puts a message behind the head, in front of all that wait.",
        "FIFO",
        Place(operating, "_in_its_place", behind_the_head),
        Place(
            operating,
            "REDRIVE",
            rules(instead=[Set(NEXT_ID, Arg("next_id"), optional=True)]),
        ),
        scope="p",
    ),
    _mutant(
        "send-batch-backward",
        "The messages of a batch join their group in the opposite order.",
        "FIFO",
        Place(grouping, "_chunks", last_first),
    ),
    _mutant(
        "number-by-the-clock",
        "What joins a group is numbered by its sender's clock, whoever is there already.",
        "FIFO",
        Place(groups, "sequence_of", replaced_by(unnumbered)),
        Place(groups, "_APPEND", rules(unasked=["sequence"])),
    ),
    _mutant(
        "send-batch-overtakes",
        "What comes after a part of a batch that could not be sent to its group is sent.",
        "FIFO",
        Place(grouping, "overtaking", replaced_by(nobody)),
        scope="z",
    ),
    _mutant(
        "leave-forgets-doubt",
        "Who leaves a group plans anew as if no earlier plan could be carried out yet.",
        "FENCED",
        Place(commit, "Doubt", replaced_by(Forgetful)),
        scope="move_to_dlq:STANDARD.PROCESSING:first:rival",
    ),
    _mutant(
        "join-forgets-doubt",
        "Who sends to a group plans anew as if no earlier plan could be carried out yet.",
        "DEDUP",
        Place(commit, "Doubt", replaced_by(Forgetful)),
        scope="ab",
    ),
    _mutant(
        "together-certain",
        "The refusal of a write with upkeep does not say that it may be an echo.",
        "FENCED",
        Place(holding, "together", certain),
        scope="move_to_dlq:STANDARD.PROCESSING:first:rival",
    ),
    _mutant(
        "verdicts-in-doubt",
        "A holder who is told for certain that the call came too late is told of doubt, too.",
        "FENCED",
        Place(holding, "commit", in_doubt),
        scope="delete:STANDARD.PROCESSING:first:rival",
    ),
    _mutant(
        "request-forgets-doubt",
        "What a request is told last says nothing of the attempts before.",
        "FENCED",
        Place(writing, "Doubt", replaced_by(Forgetful)),
        scope="bury:WAITING:middle:rival",
    ),
    _mutant(
        "advance-under-new-tokens",
        "delete claims the next message under another token where it plans anew.",
        "REPEATABLE",
        Place(following, "_claim_of_next", under_a_new_token),
        scope="advance:WAITING:middle",
    ),
    _mutant(
        "promote-past-others",
        "Whoever takes the head out of its list lets the next one go first, whomever that follows.",
        "FIFO",
        Place(groups, "_PROMOTE", rules(unasked=["seen_previous_id"])),
        scope="torn:move_to_dlq:STANDARD.PROCESSING:first:a:leads-on-too-far",
    ),
    _mutant(
        "advance-past-others",
        "delete claims the next message, whomever that follows.",
        "FIFO",
        Place(following, "_ADVANCE", rules(unasked=["seen_previous_id"])),
        scope="torn:advance:WAITING:middle:a:leads-on-too-far",
    ),
    _mutant(
        "advance-unseen",
        "delete claims the next message as it was read, whatever has become of it.",
        "NO-LOSS",
        Place(following, "_ADVANCE", rules(unasked=["seen_version"])),
        scope="o",
    ),
    _mutant(
        "advance-unnoticed",
        "delete does not find out that it has claimed the next message when the reply was lost.",
        "REPEATABLE",
        Place(following, "_claimed_before", replaced_by(knows_nothing)),
        scope="o",
    ),
    _mutant(
        "link-keeps-version",
        "link does not raise the version.",
        "VERSION",
        Place(groups, "_LINK", rules(unchanged=[VERSION])),
    ),
    _mutant(
        "link-turns-back-time",
        "link sets the message's time, which may be later.",
        "REPEATABLE",
        Place(groups, "_LINK", rules(instead=[Set(UPDATED, Arg("now"))])),
        scope="q",
    ),
    _mutant(
        "purge-without-tombstone",
        "purge removes the item.",
        "DEDUP",
        Place(operating, "PURGE", rules(kind="delete")),
    ),
    Mutant(
        "purge-keeps-receipt",
        "purge leaves the receipt to whoever held the message.",
        "FENCED",
        (Place(operating, "PURGE", rules(unchanged=[RECEIPT])),),
    ),
    _mutant(
        "bury-unseen",
        "bury does not ask for the token that the operator saw.",
        "REPEATABLE",
        Place(operating, "_BURY", rules(unasked=["seen_token", "seen_version"])),
        scope="r",
    ),
    _mutant(
        "edit-forgets-its-plans",
        "An edit that is planned anew forgets that an earlier plan may be carried out yet.",
        "REPEATABLE",
        Place(operating, "_has_moved_on", replaced_by(never)),
        scope="t",
    ),
    _mutant(
        "redrive-unseen",
        "redrive does not ask for the token that the operator saw.",
        "REPEATABLE",
        Place(operating, "REDRIVE", rules(unasked=["seen_token", "seen_version"])),
        scope="r",
    ),
)
"""All of them."""

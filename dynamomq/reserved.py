"""The machines of the table's other items, those whose ids begin with ``$``, in the same form.

``$group#<group>`` knows the last message of a group's list; ``$consumer#<id>`` shows that a
consumer is there; ``$queue`` holds what all clients of a queue have agreed on.
"""

from __future__ import annotations

from typing import Final

from dynamomq.attributes import (
    CREATED,
    DEDUPLICATION_WINDOW,
    DUE,
    EXPIRES_AT,
    HOST,
    ID,
    IN_FLIGHT,
    MAX_RECEIVES,
    PREVIOUS_SHARDS,
    PROCESS,
    QUEUE_TYPE,
    RATE,
    SEQUENCE,
    SHARDS,
    SHARDS_SINCE,
    STATUS,
    TAIL_ID,
    UPDATED,
    VERSION,
    VISIBILITY_TIMEOUT,
)
from dynamomq.effects import Set
from dynamomq.expressions import TRUE, Arg, Constant, Given, Not, Plus, Same
from dynamomq.machine import Status
from dynamomq.rules import State, StateMachine, steps

_ONE = Constant(1)
_READY, _PROCESSING = Constant(Status.READY.value), Constant(Status.PROCESSING.value)

# --- the item that knows a group's tail ------------------------------------------------------

_PLANNED_TAIL = TAIL_ID.eq(Arg("tail_id"))
_LATER = Not(Given("sequence")) | SEQUENCE.absent() | SEQUENCE.lt(Arg("sequence"))
"""What joins is later than all that have joined: also than those that have come and gone since the
tail was read, and left it as it was."""

_AS_READ = Same(TAIL_ID, "tail_id") & Same(VERSION, "seen_version")
"""Exactly as whoever mends the group's list has read it, be it as odd as it may."""

_NEW_TAIL = (
    Set(TAIL_ID, Arg("new_tail_id")),
    Set(SEQUENCE, Arg("sequence"), optional=True),
)

GROUP: Final = StateMachine(
    "group",
    (
        State("ABSENT", ID.absent(), "The group has no messages."),
        State("OPEN", ID.exists(), "The group has messages; the item names the last one."),
    ),
    (
        *steps(
            "open",
            "upkeep",
            "ABSENT",
            "OPEN",
            TRUE,
            (Set(ID, Arg("id")), *_NEW_TAIL, Set(VERSION, _ONE)),
        ),
        *steps(
            "append",
            "upkeep",
            "OPEN",
            "OPEN",
            _PLANNED_TAIL & _LATER,
            (*_NEW_TAIL, Set(VERSION, Plus(VERSION, _ONE))),
        ),
        *steps("close", "upkeep", "OPEN", "ABSENT", _PLANNED_TAIL),
        *steps(
            "reset",
            "upkeep",
            "OPEN",
            "OPEN",
            _AS_READ,
            (*_NEW_TAIL, Set(VERSION, Arg("version"))),
        ),
        *steps("clear", "upkeep", "OPEN", "ABSENT", _AS_READ),
    ),
)
"""The item ``$group#<group>``: it moves only in the transactions that change the group's list.

``reset`` and ``clear`` mend it where somebody has damaged it.
"""

# --- the item by which a consumer shows that it is there -------------------------------------

CONSUMERS: Final = "$CONSUMERS"
"""The index partition of the consumers' entries; their due times are their leases' ends."""

_LEASED = (
    Set(DUE, Arg("due")),
    Set(UPDATED, Arg("now")),
    Set(EXPIRES_AT, Arg("expires_at")),
    Set(IN_FLIGHT, Arg("in_flight")),
    Set(RATE, Arg("rate")),
)
_REGISTERED = (
    Set(ID, Arg("id")),
    Set(QUEUE_TYPE, Constant(CONSUMERS)),
    Set(STATUS, _READY),
    Set(VERSION, _ONE),
    Set(CREATED, Arg("now")),
    Set(HOST, Arg("host")),
    Set(PROCESS, Arg("pid")),
    *_LEASED,
)
_RENEWED = (*_LEASED, Set(VERSION, Plus(VERSION, _ONE)))
_LONGER = DUE.lt(Arg("due"))
_SHOWN = ("AVAILABLE", "FULL")

# fmt: off
_CONSUMER_TRANSITIONS = (
    *steps("register", "receiver", "ABSENT", "AVAILABLE", TRUE, _REGISTERED),
    *steps("renew", "receiver", _SHOWN, "AVAILABLE", _LONGER, (*_RENEWED, Set(STATUS, _READY))),
    *steps("fill", "receiver", _SHOWN, "FULL", _LONGER, (*_RENEWED, Set(STATUS, _PROCESSING))),
    *steps("withdraw", "receiver", _SHOWN, "ABSENT"),
)
# fmt: on

CONSUMER: Final = StateMachine(
    "consumer",
    (
        State("ABSENT", ID.absent(), "The consumer is not there, or no more."),
        State(
            "AVAILABLE",
            ID.exists() & STATUS.eq(_READY),
            "It has free workers, or had some a moment ago: others leave it its share.",
            frozenset({"available"}),
        ),
        State(
            "FULL",
            ID.exists() & Not(STATUS.eq(_READY)),
            "All its workers have been busy for a while: its share is for others.",
        ),
    ),
    _CONSUMER_TRANSITIONS,
    ((Set(DUE, Arg("due")), DUE.eq(Arg("due"))),),  # only the consumer itself writes its entry
)
"""The item ``$consumer#<id>``: a hint to other consumers, and a line in the list of the fleet.

It promises nothing, and nothing but efficiency rests on it: conditions of messages never read it.
"""

# --- the item that holds what all clients have agreed on --------------------------------------

AGREEMENT_ID: Final = "$queue"

_AGREED = (
    Set(SHARDS, Arg("shards")),
    Set(PREVIOUS_SHARDS, Arg("previous_shards")),
    Set(SHARDS_SINCE, Arg("shards_since")),
    Set(MAX_RECEIVES, Arg("max_receives")),
    Set(VISIBILITY_TIMEOUT, Arg("visibility_timeout")),
    Set(DEDUPLICATION_WINDOW, Arg("deduplication_window")),
    Set(UPDATED, Arg("now")),
)
_MADE = (Set(ID, Arg("id")), Set(CREATED, Arg("now")), Set(VERSION, _ONE), *_AGREED)
_REVISED = (*_AGREED, Set(VERSION, Plus(VERSION, _ONE)))
_NO_FEWER = VERSION.eq(Arg("seen_version")) & SHARDS.le(Arg("shards"))
"""Shards are never taken away: what is in them would not be looked for any more."""

AGREEMENT: Final = StateMachine(
    "agreement",
    (
        State("ABSENT", ID.absent(), "Nothing is agreed: one shard, and each client's defaults."),
        State("AGREED", ID.exists(), "All clients go by it, and read it again now and then."),
    ),
    (
        *steps("agree", "operator", "ABSENT", "AGREED", TRUE, _MADE),
        *steps("revise", "operator", "AGREED", "AGREED", _NO_FEWER, _REVISED),
    ),
)
"""The item ``$queue``."""

RESERVED: Final = (GROUP, CONSUMER, AGREEMENT)
"""All machines but the message's."""

"""THE state machine: what may happen to a message, as data, and nothing else.

A *state* is a predicate over the stored item and the operation's arguments (among them ``now``):
at any time an item is in exactly one. A *transition* has a trigger, a source, a destination, a
*guard* over item and arguments, and *effects*. A write of trigger T is allowed exactly where, for
one of T's transitions, the source's predicate and the guard hold; it then has that transition's
effects and leaves the item in its destination. Everything else in DynamoMQ reads these tables: the
DynamoDB driver compiles them into condition and update expressions, the local engine evaluates
them, the documentation and ``spec/machine.json`` are generated from them.

To add a transition, add an entry here and a method on ``Queue`` (see CONTRIBUTING).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Literal

from dynamomq.attributes import (
    CODEC,
    CREATED,
    DATA,
    DUE,
    ENCODING,
    ERRORS,
    EXPIRES_AT,
    GROUP_ID,
    HEADERS,
    ID,
    NEXT_ID,
    PEEKED,
    PREVIOUS_ID,
    QUEUE_TYPE,
    RECEIPT,
    RECEIVE_COUNT,
    SEND_TOKEN,
    SEQUENCE,
    STATUS,
    TOKEN,
    UPDATED,
    VERSION,
)
from dynamomq.effects import Effect, Remove, Set
from dynamomq.expressions import (
    Append,
    Arg,
    Condition,
    Constant,
    Exists,
    Given,
    HasType,
    IfNotExists,
    Not,
    Operand,
    Plus,
    Same,
    all_of,
    conjuncts,
)
from dynamomq.rules import Fact, State, StateMachine, steps
from dynamomq.values import Item, Value


class QueueType(StrEnum):
    """The two queues of a table: the attribute ``queue_type``."""

    STANDARD = "STANDARD"
    DLQ = "DLQ"


class Status(StrEnum):
    """The attribute ``status``; together with the queue and the due time it makes the state."""

    READY = "READY"
    PROCESSING = "PROCESSING"
    DELETED = "DELETED"


_READY, _PROCESSING, _DELETED = (Constant(status.value) for status in Status)

# --- a queue's index partitions ---------------------------------------------------------------


_PARTITIONS = {queue: (queue.value, f"{queue.value}/") for queue in QueueType}
"""A partition of a queue's index is its name, or with shards its name, a dot and a number.

As texts these are from the name up to the name and a slash, which is next to the dot.
"""


def _is_of(operand: Operand, queue: QueueType) -> Condition:
    first, end = _PARTITIONS[queue]
    return operand.ge(Constant(first)) & operand.lt(Constant(end))


def queue_of(partition: Value) -> QueueType | None:
    """Return the queue that a partition of the index belongs to; ``None``: to none."""
    if isinstance(partition, str):
        for queue, (first, end) in _PARTITIONS.items():
            if first <= partition < end:
                return queue
    return None


def beside(partition: str, queue: QueueType) -> str:
    """Return the partition of a queue that goes with another one's: ``DLQ.3`` to ``STANDARD.3``."""
    _, dot, shard = partition.partition(".")
    return f"{queue.value}{dot}{shard}"


# --- states ----------------------------------------------------------------------------------

_WELL_FORMED = all_of(
    [
        VERSION.has_type("N"),
        RECEIVE_COUNT.has_type("N"),
        DUE.has_type("S"),
        PEEKED.has_type("S"),
        CREATED.has_type("S"),
        UPDATED.has_type("S"),
        DATA.exists(),
        ERRORS.absent() | ERRORS.has_type("L"),
    ]
)
_IN_INDEX = _is_of(QUEUE_TYPE, QueueType.STANDARD) | _is_of(QUEUE_TYPE, QueueType.DLQ)
_BUSY = STATUS.eq(_PROCESSING)
_LEGACY = RECEIPT.absent() | PEEKED.ge(DUE)
_HELD = DUE.gt(Arg("now")) | (_LEGACY & PEEKED.gt(Arg("legacy_horizon")))
"""Until the deadline; a legacy consumer sets no receipt, nor a due time after the beginning of its
delivery, so that counts from its beginning."""
_TOMBSTONE = STATUS.eq(_DELETED) & QUEUE_TYPE.absent()
_FORGOTTEN = EXPIRES_AT.le(Arg("forgotten_epoch"))
"""Its time is over, but storage keeps it for the retry horizon: then no send that it has refused
can be executed any more."""

_WAITING = all_of([_WELL_FORMED, STATUS.eq(_READY), QUEUE_TYPE.absent(), GROUP_ID.has_type("S")])


def faults(item: Item) -> tuple[str, ...]:
    """Return what makes an item MALFORMED: the names of attributes that are missing or mistyped."""
    wrong = [part for part in conjuncts(_WELL_FORMED) if not part.evaluate(item, {})]
    named = [part.attribute.name for part in wrong if isinstance(part, HasType | Exists)]
    errors = [ERRORS.name] if len(named) < len(wrong) else []
    status = [] if item.get(STATUS.name) in (Status.READY, Status.PROCESSING) else [STATUS.name]
    return (*named, *errors, *status)


def place_of(item: Item) -> Literal["head", "behind"] | None:
    """Return where in the list of its group an item is; ``None``: in none.

    That does not depend on the time. What is damaged keeps its place in the standard queue.
    """
    if not isinstance(item.get(GROUP_ID.name), str):
        return None
    if queue_of(item.get(QUEUE_TYPE.name)) is QueueType.STANDARD:
        return "head"
    return "behind" if _WAITING.evaluate(item, {}) else None


def receipt_of(item: Item) -> str | None:
    """Return the receipt of an item's latest delivery; ``None``: that made none.

    A legacy consumer leaves the receipt of the delivery before, and a due time that was over.
    """
    receipt, began, due = item.get(RECEIPT.name), item.get(PEEKED.name), item.get(DUE.name)
    if (
        isinstance(began, str)
        and isinstance(due, str)
        and began >= due
        and _BUSY.evaluate(item, {})
    ):
        return None
    return receipt if isinstance(receipt, str) else None


INDEX_VIEWS: Final[dict[str, Condition]] = {
    "ready": STATUS.eq(_READY) & DUE.le(Arg("now")),
    "delayed": STATUS.eq(_READY) & DUE.gt(Arg("now")),
    "processing": _BUSY & DUE.gt(Arg("now")),
    "expired": _BUSY & DUE.le(Arg("now")),
}
"""What an index entry tells about a message, without reading it: for counting, never for claims.

(A legacy consumer's delivery counts as expired here: the entry does not show when it began.)
"""


def _state(
    name: str, predicate: Condition, doc: str, *facts: Fact, queue: QueueType | None = None
) -> State:
    """A state of messages; what else is true of them."""
    return State(name, predicate, doc, frozenset(("message", *facts)), queue)


def _queue_states(queue: QueueType, *facts: Fact) -> Iterable[State]:
    here = all_of([_WELL_FORMED, _is_of(QUEUE_TYPE, queue)])
    ready, busy = here & STATUS.eq(_READY), all_of([here, _BUSY, _HELD])
    expired = all_of([here, _BUSY, Not(_HELD)])
    until_due = "Received when it is due."
    until_deadline = "Held by the consumer that received it, until its deadline."
    again = "The visibility timeout has passed: receivable again; until then the holder may finish."
    yield _state(f"{queue}.READY", ready, until_due, *facts, queue=queue)
    yield _state(f"{queue}.PROCESSING", busy, until_deadline, "held", *facts, queue=queue)
    yield _state(f"{queue}.EXPIRED", expired, again, *facts, queue=queue)


_MESSAGE_STATES = [
    State(
        "ABSENT",
        ID.absent() | (_TOMBSTONE & _FORGOTTEN),
        "No such message, or one that was deleted long enough ago.",
    ),
    _state(
        "WAITING", _WAITING, "Behind its group's head, so in no queue yet.", "listed", "waiting"
    ),
    *_queue_states(QueueType.STANDARD, "listed"),
    *_queue_states(QueueType.DLQ),
    _state(
        "DELETED",
        all_of([ID.exists(), _TOMBSTONE, Not(_FORGOTTEN)]),
        "Done; a tombstone remembers the id and the last receipt for a while.",
        "tombstone",
    ),
    _state(
        "MALFORMED",
        all_of(
            [
                ID.exists(),
                _IN_INDEX,
                Not(_WELL_FORMED & (STATUS.eq(_READY) | _BUSY)),
            ]
        ),
        "In a queue, but an attribute that every message needs is missing or of another type.",
        "damaged",
    ),
    State(
        "FOREIGN",
        all_of([ID.exists(), Not(_IN_INDEX), Not(_TOMBSTONE), Not(_WAITING)]),
        "Some other item of the table; not a message.",
    ),
]

# --- guards ----------------------------------------------------------------------------------

_DUE_NOW = DUE.le(Arg("now"))
_LASTS = Arg("due").gt(Arg("now"))
_HOLDER = RECEIPT.eq(Arg("receipt")) & PEEKED.lt(DUE)
"""Whose delivery it is; not if a legacy consumer has received the message since and left the
receipt, and a due time that was over."""
_DELIVERIES_LEFT = RECEIVE_COUNT.lt(Arg("max_receives"))
_DELIVERIES_USED_UP = RECEIVE_COUNT.ge(Arg("max_receives"))

_AS_SEEN = Same(TOKEN, "seen_token") & (Given("seen_token") | Same(VERSION, "seen_version"))
"""Nobody but a group's upkeep has written since the operator looked. An item that never got a token
(another port's) is told by its version instead."""

_NEXT_AS_PLANNED = Same(GROUP_ID, "group") & Same(NEXT_ID, "next_id")
_LEAVES_LIST = _NEXT_AS_PLANNED & Not(Given("previous_id"))
"""The head of a group leaves its list, or a message that is in none, with the successor that the
plan saw. What it knows of its predecessor, which has left before, is no part of a plan."""

_LEAVES_FROM_BEHIND = all_of(
    [_NEXT_AS_PLANNED, Same(PREVIOUS_ID, "previous_id"), Given("previous_id")]
)
"""A message that waits leaves, with both neighbours that the plan saw. The plan does not hold any
more once it is the head: the neighbour that was before it may be behind it by then."""

_LAST = Not(Given("next_id")) | NEXT_ID.absent()
"""Who gets a successor has none: what is behind a message is not cut off."""

_LINKS_AS_PLANNED = all_of(
    [
        Not(Given("next_id")) | Same(NEXT_ID, "seen_next_id"),
        Not(Given("previous_id")) | Same(PREVIOUS_ID, "seen_previous_id"),
    ]
)
"""A link is replaced only where it is the one that the plan takes it for, or there is none yet."""

_IS_NEXT = PREVIOUS_ID.eq(Arg("seen_previous_id"))
"""Who takes the head's place follows it: nobody between them is passed over."""

_IN_STANDARD = _is_of(Arg("partition"), QueueType.STANDARD)
_IN_DLQ = _is_of(Arg("partition"), QueueType.DLQ)
_IS_HEAD = Not(Given("previous_id")) & _IN_STANDARD
_JOINS_LIST = Given("group") & Given("previous_id")
_SAME_GROUP = Same(GROUP_ID, "group")

_MAY_CLAIM = _DELIVERIES_LEFT & _LASTS
_MAY_EXHAUST = all_of([_DELIVERIES_USED_UP, _LEAVES_LIST, _IN_DLQ])
_MAY_QUARANTINE = _LEAVES_LIST & _IN_DLQ
_MAY_EXTEND = _HOLDER & DUE.lt(Arg("due")) & _LASTS
_MAY_RETRY = _HOLDER & _LAST
_MAY_LEAVE = _HOLDER & _LEAVES_LIST
_MAY_DEAD_LETTER = _MAY_LEAVE & _IN_DLQ
_MAY_WITHDRAW = _AS_SEEN & _LEAVES_LIST
_MAY_WITHDRAW_WAITING = _AS_SEEN & _LEAVES_FROM_BEHIND
_MAY_BURY = _MAY_WITHDRAW & _IN_DLQ
_MAY_BURY_WAITING = _MAY_WITHDRAW_WAITING & _IN_DLQ
_MAY_REDRIVE_FIRST = all_of([_IS_HEAD, _AS_SEEN, _SAME_GROUP])
_MAY_REDRIVE_BEHIND = all_of([_JOINS_LIST, _AS_SEEN, _SAME_GROUP, GROUP_ID.has_type("S")])
_MAY_RESCHEDULE = _AS_SEEN & Arg("due").ge(Arg("now"))
_MAY_ADVANCE = all_of(
    [VERSION.eq(Arg("seen_version")), _IS_NEXT, _DUE_NOW, _MAY_CLAIM, _IN_STANDARD]
)
"""Exactly as it was read, so that what is claimed is known without reading it again."""

_AS_READ = all_of([VERSION.eq(Arg("seen_version")), Same(TOKEN, "seen_token"), _SAME_GROUP])
"""Exactly as whoever mends a group's list has read it."""

_OF_GROUP = _AS_READ & GROUP_ID.has_type("S")
_MAY_LEAD = _OF_GROUP & _IS_HEAD
_MAY_FOLLOW = _OF_GROUP & Given("previous_id")

_MAY_PROMOTE = all_of([_IN_STANDARD, _IS_NEXT, _LAST])
_MAY_UNLINK = NEXT_ID.eq(Arg("seen_next_id"))

# --- effects ---------------------------------------------------------------------------------

_ONE = Constant(1)
_UPKEEP = (Set(VERSION, Plus(VERSION, _ONE)),)
"""What the upkeep of a group's list does. It leaves a message its token, so that operators' edits
survive it, and its own time: that never goes back, and whoever keeps a list has not seen it."""

_WRITE = (*_UPKEEP, Set(UPDATED, Arg("now")), Set(TOKEN, Arg("token")))
"""What every other write does."""

_NOBODYS = (Remove(RECEIPT),)
_NO_LINKS = (Remove(NEXT_ID), Remove(PREVIOUS_ID))
_NEXT = Set(NEXT_ID, Arg("next_id"), optional=True)
"""Where a message that is written anyway gets a successor in the same transaction."""


def _into_dlq(errors: Operand, *, optional: bool = False) -> tuple[Effect, ...]:
    return (
        Set(QUEUE_TYPE, Arg("partition")),
        Set(STATUS, _READY),
        Set(RECEIVE_COUNT, Constant(0)),
        Set(PEEKED, Constant("")),
        Set(DUE, Arg("now")),
        Set(ERRORS, errors, optional=optional),
        *_NO_LINKS,
    )


_FAILED = (*_into_dlq(Arg("errors"), optional=True), *_WRITE)
_BURIED = (*_FAILED, *_NOBODYS)
_EXHAUSTED = (
    *_into_dlq(Append(IfNotExists(ERRORS, Constant([])), Arg("failure"))),
    *_NOBODYS,
    *_WRITE,
)
_REPAIRED = (
    *_into_dlq(Arg("errors")),
    Set(VERSION, Arg("version")),
    Set(CREATED, Arg("creation_timestamp")),
    Set(DATA, IfNotExists(DATA, Constant(None))),
    Set(UPDATED, Arg("now")),
    Set(TOKEN, Arg("token")),
    *_NOBODYS,
)
_RETURNED = (Set(STATUS, _READY), Set(DUE, Arg("due")))
_CLAIMED = (
    Set(STATUS, _PROCESSING),
    Set(RECEIVE_COUNT, Plus(RECEIVE_COUNT, _ONE)),
    Set(PEEKED, Arg("now")),
    Set(DUE, Arg("due")),
    Set(RECEIPT, Arg("token")),
    *_WRITE,
)
_EXTENDED = (Set(DUE, Arg("due")), *_WRITE)
_RETRIED = (*_RETURNED, Set(ERRORS, Arg("errors"), optional=True), _NEXT, *_WRITE)
_RELEASED = (Set(RECEIVE_COUNT, Plus(RECEIVE_COUNT, Constant(-1))), *_RETURNED, *_WRITE)
_RESCHEDULED = (*_RETURNED, *_NOBODYS, *_WRITE)
_EDITED = (Set(STATUS, _READY), *_NOBODYS, *_WRITE)
_ANNOTATED = (Set(HEADERS, Arg("headers")), *_EDITED)
_UPDATED = (
    Set(DATA, Arg("data")),
    Remove(CODEC),
    Remove(ENCODING),
    Set(HEADERS, Arg("headers"), optional=True),
    *_EDITED,
)
_ENTOMBED = (
    Set(STATUS, _DELETED),
    Set(EXPIRES_AT, Arg("expires_at")),
    *(Remove(attribute) for attribute in (QUEUE_TYPE, DATA, HEADERS, CODEC, ENCODING, ERRORS)),
    *_NO_LINKS,
    *_WRITE,
)
_CANCELLED = (*_ENTOMBED, *_NOBODYS)
_PLACE = (Set(SEQUENCE, Arg("sequence"), optional=True),)
_SENT = (
    Set(ID, Arg("id")),
    Set(DATA, Arg("data")),
    Set(STATUS, _READY),
    Set(RECEIVE_COUNT, Constant(0)),
    Set(VERSION, _ONE),
    Set(CREATED, Arg("now")),
    Set(UPDATED, Arg("now")),
    Set(DUE, Arg("due")),
    Set(PEEKED, Constant("")),
    Set(TOKEN, Arg("token")),
    Set(SEND_TOKEN, Arg("token")),
    Set(GROUP_ID, Arg("group"), optional=True),
    Set(HEADERS, Arg("headers"), optional=True),
    Set(CODEC, Arg("codec"), optional=True),
    Set(ENCODING, Arg("encoding"), optional=True),
    _NEXT,
    *_PLACE,
)
_TO_STANDARD = (Set(QUEUE_TYPE, Arg("partition")),)
_BEHIND = (Set(PREVIOUS_ID, Arg("previous_id")),)
_REDRIVEN = (
    Set(STATUS, _READY),
    Set(RECEIVE_COUNT, Constant(0)),
    Set(PEEKED, Constant("")),
    Set(DUE, Arg("now")),
    Set(ERRORS, Arg("errors"), optional=True),
    Remove(NEXT_ID),
    *_PLACE,
    *_NOBODYS,
)
_FIRST_SENT = (*_SENT, *_TO_STANDARD)
_SENT_BEHIND = (*_SENT, *_BEHIND)
_REDRIVEN_FIRST = (*_REDRIVEN, Remove(PREVIOUS_ID), *_TO_STANDARD, *_WRITE)
_REDRIVEN_BEHIND = (*_REDRIVEN, Remove(QUEUE_TYPE), *_BEHIND, *_WRITE)
_PROMOTED = (*_TO_STANDARD, _NEXT, *_UPKEEP)
_ADVANCED = (*_TO_STANDARD, _NEXT, *_CLAIMED)
_LINKED = (_NEXT, Set(PREVIOUS_ID, Arg("previous_id"), optional=True), *_UPKEEP)
_LED = (*_TO_STANDARD, *_UPKEEP)
_FOLLOWS = (Set(STATUS, _READY), Remove(QUEUE_TYPE), *_NOBODYS, *_BEHIND, *_UPKEEP)
_ON = (Set(NEXT_ID, Arg("next_id")),)
_NO_FURTHER = (Remove(NEXT_ID),)

# --- recognition -----------------------------------------------------------------------------

_OURS = RECEIPT.eq(Arg("receipt"))
"""It has been ended under this receipt: by this write, or by another call of the same holder."""

_LONG_ENOUGH = _HOLDER & DUE.ge(Arg("due"))

_TRACES = (
    (Set(SEND_TOKEN, Arg("token")), SEND_TOKEN.eq(Arg("token"))),
    (Set(RECEIPT, Arg("token")), RECEIPT.eq(Arg("token")) & PEEKED.lt(DUE)),
    (Set(TOKEN, Arg("token")), TOKEN.eq(Arg("token"))),
)
"""What is set to the token of a write tells of it: the send's for as long as there is the message,
the receipt as long as the delivery is the latest one, the token until the next write."""

# --- the table -------------------------------------------------------------------------------

_S_READY, _S_PROCESSING, _S_EXPIRED = (f"STANDARD.{s}" for s in ("READY", "PROCESSING", "EXPIRED"))
_D_READY, _D_PROCESSING, _D_EXPIRED = (f"DLQ.{s}" for s in ("READY", "PROCESSING", "EXPIRED"))
_S_HELD, _D_HELD = (_S_PROCESSING, _S_EXPIRED), (_D_PROCESSING, _D_EXPIRED)
_S_FREE, _D_FREE = (_S_READY, _S_EXPIRED), (_D_READY, _D_EXPIRED)
_S_LISTED = (_S_READY, *_S_HELD)
_LISTED = ("WAITING", *_S_LISTED)
_UNHELD = ("WAITING", *_S_FREE)
_IN_A_QUEUE = (_S_READY, *_S_HELD, _D_READY, *_D_HELD)


# fmt: off
_MESSAGE_TRANSITIONS = [
    *steps("send", "sender", "ABSENT", _S_READY, _IS_HEAD, _FIRST_SENT),
    *steps("send", "sender", "ABSENT", "WAITING", _JOINS_LIST, _SENT_BEHIND),

    *steps("receive", "receiver", _S_READY, _S_PROCESSING, _DUE_NOW & _MAY_CLAIM, _CLAIMED),
    *steps("receive", "receiver", _S_EXPIRED, _S_PROCESSING, _MAY_CLAIM, _CLAIMED),
    *steps("receive", "receiver", _D_READY, _D_PROCESSING, _DUE_NOW & _LASTS, _CLAIMED),
    *steps("receive", "receiver", _D_EXPIRED, _D_PROCESSING, _LASTS, _CLAIMED),
    *steps("exhaust", "receiver", _S_READY, _D_READY, _DUE_NOW & _MAY_EXHAUST, _EXHAUSTED),
    *steps("exhaust", "receiver", _S_EXPIRED, _D_READY, _MAY_EXHAUST, _EXHAUSTED),
    *steps("advance", "upkeep", "WAITING", _S_PROCESSING, _MAY_ADVANCE, _ADVANCED),
    *steps("quarantine", "receiver", "MALFORMED", _D_READY, _MAY_QUARANTINE, _REPAIRED),

    *steps("expire", "time", _S_PROCESSING, _S_EXPIRED),
    *steps("expire", "time", _D_PROCESSING, _D_EXPIRED),
    *steps("forget", "time", "DELETED", "ABSENT"),

    *steps("extend", "holder", _S_HELD, _S_PROCESSING, _MAY_EXTEND, _EXTENDED, _LONG_ENOUGH),
    *steps("extend", "holder", _D_HELD, _D_PROCESSING, _MAY_EXTEND, _EXTENDED, _LONG_ENOUGH),
    *steps("retry", "holder", _S_HELD, _S_READY, _MAY_RETRY, _RETRIED, _OURS),
    *steps("retry", "holder", _D_HELD, _D_READY, _MAY_RETRY, _RETRIED, _OURS),
    *steps("release", "holder", _S_HELD, _S_READY, _HOLDER, _RELEASED, _OURS),
    *steps("release", "holder", _D_HELD, _D_READY, _HOLDER, _RELEASED, _OURS),
    *steps("delete", "holder", _S_HELD, "DELETED", _MAY_LEAVE, _ENTOMBED, _OURS),
    *steps("delete", "holder", _D_HELD, "DELETED", _HOLDER, _ENTOMBED, _OURS),
    *steps("move_to_dlq", "holder", _S_HELD, _D_READY, _MAY_DEAD_LETTER, _FAILED, _OURS),

    *steps("bury", "operator", _S_FREE, _D_READY, _MAY_BURY, _BURIED),
    *steps("bury", "operator", "WAITING", _D_READY, _MAY_BURY_WAITING, _BURIED),
    *steps("redrive", "operator", _D_FREE, _S_READY, _MAY_REDRIVE_FIRST, _REDRIVEN_FIRST),
    *steps("redrive", "operator", _D_FREE, "WAITING", _MAY_REDRIVE_BEHIND, _REDRIVEN_BEHIND),
    *steps("update", "operator", _S_FREE, _S_READY, _AS_SEEN, _UPDATED),
    *steps("update", "operator", _D_FREE, _D_READY, _AS_SEEN, _UPDATED),
    *steps("update", "operator", "WAITING", "WAITING", _AS_SEEN, _UPDATED),
    *steps("annotate", "operator", _S_FREE, _S_READY, _AS_SEEN, _ANNOTATED),
    *steps("annotate", "operator", _D_FREE, _D_READY, _AS_SEEN, _ANNOTATED),
    *steps("annotate", "operator", "WAITING", "WAITING", _AS_SEEN, _ANNOTATED),
    *steps("reschedule", "operator", _S_FREE, _S_READY, _MAY_RESCHEDULE, _RESCHEDULED),
    *steps("reschedule", "operator", _D_FREE, _D_READY, _MAY_RESCHEDULE, _RESCHEDULED),
    *steps("reschedule", "operator", "WAITING", "WAITING", _MAY_RESCHEDULE, _RESCHEDULED),
    *steps("cancel", "operator", _S_FREE, "DELETED", _MAY_WITHDRAW, _CANCELLED),
    *steps("cancel", "operator", "WAITING", "DELETED", _MAY_WITHDRAW_WAITING, _CANCELLED),
    *steps("cancel", "operator", _D_FREE, "DELETED", _AS_SEEN, _CANCELLED),
    *steps("purge", "operator", _IN_A_QUEUE, "DELETED", _MAY_WITHDRAW, _CANCELLED),
    *steps("purge", "operator", "WAITING", "DELETED", _MAY_WITHDRAW_WAITING, _CANCELLED),

    *steps("promote", "upkeep", "WAITING", _S_READY, _MAY_PROMOTE, _PROMOTED),
    *steps("link", "upkeep", _LISTED, "=", _LINKS_AS_PLANNED, _LINKED),
    *steps("unlink", "upkeep", _LISTED, "=", _MAY_UNLINK, (Remove(NEXT_ID), *_UPKEEP)),

    *steps("mend", "upkeep", "WAITING", _S_READY, _MAY_LEAD, (*_LED, *_ON)),
    *steps("mend", "upkeep", _S_LISTED, "=", _MAY_LEAD, (*_LED, *_ON)),
    *steps("mend", "upkeep", _UNHELD, "WAITING", _MAY_FOLLOW, (*_FOLLOWS, *_ON)),
    *steps("mend_last", "upkeep", "WAITING", _S_READY, _MAY_LEAD, (*_LED, *_NO_FURTHER)),
    *steps("mend_last", "upkeep", _S_LISTED, "=", _MAY_LEAD, (*_LED, *_NO_FURTHER)),
    *steps("mend_last", "upkeep", _UNHELD, "WAITING", _MAY_FOLLOW, (*_FOLLOWS, *_NO_FURTHER)),
]
# fmt: on

MESSAGE: Final = StateMachine(
    "message", tuple(_MESSAGE_STATES), tuple(_MESSAGE_TRANSITIONS), _TRACES
)
"""A message's whole life."""

NO_MESSAGE: Final = frozenset(one.name for one in MESSAGE.states) - MESSAGE.states_with("message")
"""The states of an id that no message has."""

DAMAGED: Final = MESSAGE.states_with("damaged")
"""The states that no step leads to: somebody else has written to the item."""

TOMBSTONES: Final = MESSAGE.states_with("tombstone")
"""The states in which only the id is left; there only time changes anything."""

HELD: Final = MESSAGE.states_with("held")
"""The states in which somebody holds a message."""

LISTED: Final = MESSAGE.states_with("listed")
"""The states of the members of a group's list; see also :func:`place_of`."""

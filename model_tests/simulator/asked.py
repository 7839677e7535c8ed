"""What a call asked for, and whether the item that it left agrees: judged item by item.

What needs no memory of the run is here; the oracle remembers, and judges the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn, Protocol

from dynamomq.timestamps import SECOND, parse_instant

Item = Mapping[str, Any]
Name = tuple[str, int]  # of a call: whose, and the how many-th

RECEIVERS = ("receive", "claim")
HINTS = ("attend", "leave", "pretend", "remove", "look", "raise_shards", "damage", "adopt", "tear")
"""Operations that are about consumers, or about what all have agreed on, not about messages."""

STRANGERS = ("damage", "adopt", "tear")
"""What is written without regard to the specification."""

WHOLESALE = ("purge_all", "redrive_all", "repair_group")
"""What an operator does to all messages of a queue, or of a group."""

PURGES = ("purge", "purge_all")
"""What an operator does even to a message that somebody holds."""

REMOVERS = ("delete", "cancel", *PURGES)
"""Who may end a message's life."""

KEEPS_DUE = ("update", "annotate")
"""What an operator does to a message that leaves it due when it was."""

NOTHING_DONE = (
    "DuplicateMessageError",
    "IllegalTransitionError",
    "MessageNotFoundError",
    "StaleReceiptError",
)
"""Errors that say for certain that the call has changed nothing."""

_TAKEN = ("DuplicateMessageError", "OutcomeUnknownError")

LONGER = {"send": "delay", "retry": "delay", "extend": "timeout", "reschedule": "delay"}
"""By which option an operation puts the due time off; all others make it now."""

_FAILURES_KEPT = 4  # at least, besides a new one

_FOLLOWING = SECOND // 1000
"""How far a message's time may get ahead of all clocks: each write is later than the one before by
a nanosecond at least, and there are not as many writes as that makes."""


class ViolationError(AssertionError):
    """A property does not hold.

    Attributes:
        property_id: which.
    """

    def __init__(self, property_id: str, what: str) -> None:
        super().__init__(f"{property_id}: {what}")
        self.property_id = property_id


class Asked(Protocol):
    """What the oracle wants to know of a plan: see ``calls.Plan``."""

    @property
    def operation(self) -> str:
        """The operation's name."""

    @property
    def id(self) -> str | None:
        """The message, if it was named by its id."""

    @property
    def by(self) -> str | None:
        """Who calls it: a sender, receiver, holder or operator; ``None``: whoever is no user."""

    @property
    def receipt(self) -> str | None:
        """The receipt under which the call acts."""

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """Its further arguments."""

    @property
    def reason(self) -> str | None:
        """Why a delivery failed, or a message is put aside, if that is said."""


class Caller(Protocol):
    """What the oracle wants to know of a call: see ``calls.Call``."""

    @property
    def actor(self) -> str:
        """Who calls."""

    @property
    def name(self) -> Name:
        """What tells the call from all others."""

    @property
    def plan(self) -> Asked:
        """What was called."""

    @property
    def is_entry(self) -> bool:
        """Whether it belongs to a batch, and is told what came of it when all of that is over."""


def fail(property_id: str, what: str) -> NoReturn:
    """Raise that a property does not hold."""
    raise ViolationError(property_id, what)


# --- items -----------------------------------------------------------------------------------


def is_entry(item: Item | None) -> bool:
    """Tell whether it is no message, but a line in the list of consumers."""
    return item is not None and str(item["id"]).startswith("$consumer#")


def is_no_message(item: Item | None) -> bool:
    """Tell whether it is an item that says something about clients, not about messages."""
    return is_entry(item) or is_agreement(item)


def is_agreement(item: Item | None) -> bool:
    """Tell whether it is no message, but what all clients have agreed on."""
    return item is not None and item["id"] == "$queue"


def is_message(item: Item | None) -> bool:
    """Tell whether there is a message, not a tombstone or nothing."""
    return item is not None and str(item["status"]) != "DELETED"


def is_held(item: Item) -> bool:
    """Tell whether it was received and not given up, however long ago."""
    return str(item["status"]) == "PROCESSING"


def queue_of(item: Item) -> str:
    """Return the queue that it is in; empty: none."""
    return str(item.get("queue_type", "")).partition(".")[0]


@lru_cache(maxsize=1024)  # the same few again and again
def instant(text: str) -> int:
    """Return the instant that a stored text names."""
    return parse_instant(text)


# --- judgements ------------------------------------------------------------------------------


def longer(plan: Asked) -> int:
    """Return by how much an operation is to put the due time off, in nanoseconds."""
    option = LONGER.get(plan.operation)
    return int(dict(plan.options)[option]) if option else 0


def is_next(call: Caller, old: Item, new: Item) -> bool:
    """Tell whether the one who deletes a message has claimed the next one of its group."""
    return call.plan.operation == "delete" and is_held(new) and not is_held(old)


def check_version(call: Caller, old: Item | None, new: Item | None, *, sent: bool) -> None:
    """Each write counts; a send begins anew."""
    if new is None:
        return
    before = 0 if old is None or sent or not is_message(old) else old["version"]
    if isinstance(before, int) and new["version"] != before + 1:
        fail("VERSION", f"{call} made version {new['version']} of version {before}")


def check_subject(call: Caller, old: Item) -> None:
    """An operator's call changes the message that it is about."""
    if call.plan.id != old["id"] and call.plan.operation not in WHOLESALE:
        fail("FENCED", f"{call} changed {old['id']}")


def check_receipt(call: Caller, old: Item) -> None:
    """A holder changes what it holds under its own receipt."""
    if not is_held(old) or old.get("receipt") != call.plan.receipt:
        now = f"{old['status']} under {old.get('receipt')}"
        fail("FENCED", f"{call} changed the message, which is {now}")


def check_number(call: Caller, number: int) -> None:
    """Whoever is given more than it asked for can't finish all of it in time."""
    if number > dict(call.plan.options).get("max_messages", 1):
        fail("PROGRESS", f"{call} returned {number} messages")


def check_deadline(call: Caller, new: Item, timeout: int) -> None:
    """A claim lasts as long as it was asked to, or else as the queue says."""
    began, due = new["queue_peek_timestamp"], new["queue_add_timestamp"]
    if instant(due) != instant(began) + dict(call.plan.options).get("visibility_timeout", timeout):
        fail("NO-DOUBLE", f"{call} at {began} ends at {due}, not when it was asked to")


def check_time(call: Caller, old: Item | None, new: Item, latest: int) -> None:
    """A write's time is one that some clock has shown (spec: TIME-2).

    And an operator, who has seen the very item, goes by its time where that is later. A receiver
    has seen an entry of the index only, and a holder may not know of its own extension.
    """
    has_seen = call.plan.by == "operator" and is_message(old)
    before = "" if old is None or not has_seen else old["last_updated_timestamp"]
    if before and new["last_updated_timestamp"] < before:
        fail("REPEATABLE", f"{call} acted at {new['last_updated_timestamp']}, after {before}")
    if instant(new["last_updated_timestamp"]) > latest + _FOLLOWING:
        fail(
            "NOT-EARLY",
            f"{call} acted at {new['last_updated_timestamp']}, which no clock has shown",
        )


def check_due(call: Caller, old: Item | None, new: Item) -> None:
    """The message is due no later than was asked for, from the time of the write."""
    due = new.get("queue_add_timestamp")
    if due is None:
        fail("PROGRESS", f"{call} left the message without a due time")
    if call.plan.operation in KEEPS_DUE and old is not None:
        latest = instant(old["queue_add_timestamp"])
    else:
        latest = instant(new["last_updated_timestamp"]) + longer(call.plan)
    if instant(due) > latest:
        fail("PROGRESS", f"{call} made it due at {due}, later than was asked for")


def check_failures(call: Caller, old: Item, new: Item, *, exhausted: bool) -> None:
    """The reason that is given is kept, and so are the last ones that were given before."""
    before, after = old.get("errors", []), new.get("errors", [])
    reason = call.plan.reason
    if exhausted or reason is not None:
        if not after or (reason is not None and after[-1]["message"] != reason):
            fail("NO-LOSS", f"{call} did not keep why")
        after = after[:-1]
    last = before[len(before) - len(after) :]
    if after != last or len(after) < min(len(before), _FAILURES_KEPT):
        fail("NO-LOSS", f"{call} dropped what was known of earlier failures")


def check_none_overtakes(entries: Iterable[tuple[Caller, str | None]]) -> None:
    """Of a batch's messages for one group none is sent once one before it was not.

    Unless that one's id was taken: by a message that came before all of them, or may have.
    """
    missing: dict[object, Caller] = {}
    for call, error in entries:
        group = dict(call.plan.options).get("group")
        if group is None or error in _TAKEN:
            continue
        if error is not None:
            missing.setdefault(group, call)
        elif group in missing:
            fail("FIFO", f"{call} was sent, though {missing[group]} before it was not")


_CONTENT = ("data", "headers", "codec", "encoding", "errors", "queue_type")


def check_tombstone(call: Caller, new: Item) -> None:
    """A tombstone remembers that the id is taken, not what the message was."""
    for name in _CONTENT:
        if name in new:
            fail("DEDUP", f"{call} left a tombstone with {name} in it")


def check_put_aside(call: Caller, old: Item, new: Item) -> None:
    """What is no whole message goes to the dead letters, as one, nobody's, and with the reason."""
    if queue_of(new) != "DLQ" or is_held(new):
        fail("FENCED", f"{call} changed an item that is no message")
    if "receipt" in new:
        fail("FENCED", f"{call} left the receipt of a delivery that is over")
    if new["data"] != old.get("data") or not new.get("errors"):
        fail("NO-LOSS", f"{call} did not keep the payload, or why it put it aside")


def is_unreadable(item: Item) -> bool:
    """Tell whether its payload is stored in a form that nobody here knows."""
    return "codec" in item or "encoding" in item

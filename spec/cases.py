"""The cases behind the test vectors: what is tried on which transition, and what must come out.

A case changes the typical item of a transition's source, or the arguments, and says by hand
whether the write must take place. What it then writes is computed by the machine, reviewed once,
and frozen in ``spec/vectors/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, Literal

from attrs import field, frozen

from dynamomq.rules import Transition, Writer
from dynamomq.timestamps import parse_instant
from dynamomq.values import Item, Value
from spec.examples import (
    CONSUMER_ITEM,
    EXAMPLES,
    FORGOTTEN_EPOCH,
    GROUP_ITEM,
    ITEMS,
    NOW,
    at,
    followed,
    legacy,
)


class Gone(Enum):
    """Marks an attribute or an argument that a case leaves out."""

    GONE = "gone"


GONE: Final = Gone.GONE
Outcome = Literal["written", "refused"]
Form = Literal["typical", "legacy", "head"]


@frozen
class Case:
    """One attempt at a transition.

    Attributes:
        name: what is special about it.
        outcome: whether the write must take place.
        item: changes to the source's typical item.
        arguments: changes to what an operation that saw the item would pass.
        form: the item as usual, as the Go port writes it, or as the head of a group with a
            successor.
        sources: only transitions from these states; all where empty.
        destination: only transitions into this state; any where empty.
    """

    name: str
    outcome: Outcome
    item: Mapping[str, Value | Gone] = field(factory=dict)
    arguments: Mapping[str, Value | Gone] = field(factory=dict)
    form: Form = "typical"
    sources: tuple[str, ...] = ()
    destination: str = ""

    def belongs_to(self, transition: Transition) -> bool:
        """Tell whether the case is about this transition."""
        return (not self.sources or transition.source in self.sources) and (
            not self.destination or transition.destination == self.destination
        )

    def item_in(self, machine: str, state: str) -> Item | None:
        """Return the stored item before the attempt."""
        item = EXAMPLES[machine][state]
        if item is not None and self.form != "typical":
            item = legacy(item) if self.form == "legacy" else followed(item)
        return changed(item, self.item) if self.item else item


def changed(values: Item | None, changes: Mapping[str, Value | Gone]) -> Item:
    """Return the values with some replaced, added or left out."""
    merged = {**(values or {}), **changes}
    return {name: value for name, value in merged.items() if not isinstance(value, Gone)}


def _taken(when: str) -> dict[str, Value | Gone]:
    """What a legacy consumer writes that claims a message, due since then at the latest."""
    return {"queue_peek_timestamp": when, "queue_add_timestamp": when}


READY: Final = ("STANDARD.READY", "DLQ.READY")
STANDARD: Final = ("STANDARD.READY", "STANDARD.PROCESSING", "STANDARD.EXPIRED")
HELD: Final = ("STANDARD.PROCESSING", "DLQ.PROCESSING")
EXPIRED: Final = ("STANDARD.EXPIRED", "DLQ.EXPIRED")
_OTHER_GROUP: Final[dict[str, Value | Gone]] = {"group": "customer-8"}

_HOLDER: Final = (
    Case("the holder, in time or late", "written"),
    Case("a message of a group, with a successor", "written", form="head", sources=STANDARD),
    Case("a stale receipt", "refused", arguments={"receipt": "token-of-an-earlier-receive"}),
    Case("claimed by a legacy consumer, without receipt", "refused", item={"receipt": GONE}),
    Case("claimed by a legacy consumer since, the receipt left", "refused", item=_taken(at(-10))),
    Case("a receipt of another type", "refused", item={"receipt": 7}, arguments={"receipt": "7"}),
)
# fmt: off
_OPERATOR: Final = (
    Case("as the operator saw it", "written"),
    Case("legacy, the version standing in for the token", "written", form="legacy",
         sources=(*READY, *EXPIRED)),
    Case("legacy, written to since it was seen", "refused", form="legacy",
         arguments={"seen_version": 99}, sources=(*READY, *EXPIRED)),
    Case("written to since it was seen", "refused", arguments={"seen_token": "an-older-token"}),
    Case("has a token by now, seen without", "refused",
         arguments={"seen_token": GONE, "seen_version": 1}),
)
_LEAVING_LIST: Final = (
    Case("the head, with its successor as planned", "written", form="head", sources=STANDARD),
    Case("a successor has come since", "refused", form="head", arguments={"next_id": GONE},
         sources=STANDARD),
    Case("another successor than planned", "refused", form="head",
         arguments={"next_id": "order-9"}, sources=STANDARD),
    Case("no successor any more", "refused", arguments={"next_id": "order-2"},
         sources=(*STANDARD, "WAITING")),
    Case("another predecessor than planned", "refused", arguments={"previous_id": "order-9"},
         sources=(*STANDARD, "WAITING")),
    Case("another group than planned", "refused", form="head", arguments=_OTHER_GROUP,
         sources=STANDARD),
)
# fmt: on
_LEASE: Final = (
    Case("a longer lease", "written"),
    Case("no longer than it is", "refused", item={"queue_add_timestamp": at(60)}),
    Case("its entry has expired", "refused", item={"id": GONE}),
)
_IN_GROUP: Final = {"message_group_id": "customer-7"}
_BEHIND: Final = {"previous_id": "order-0"}
_LEADS: Final[dict[str, Value | Gone]] = {"previous_id": GONE, "partition": "STANDARD"}
_NOT_MENDED: Final[dict[str, dict[str, Value | Gone]]] = {
    "written to since": {"seen_version": 99},
    "another message under the same id": {"seen_token": "an-older-token"},
    "another group": {"group": "customer-8"},
    "into the dead-letter queue": {**_LEADS, "partition": "DLQ"},
}
_MENDED: Final = (
    *(
        Case("the first, as it is", "written", item=_IN_GROUP, sources=(state,), destination=state)
        for state in STANDARD
    ),
    Case(
        "one that waits is the first",
        "written",
        arguments=_LEADS,
        destination="STANDARD.READY",
        sources=("WAITING",),
    ),
    Case(
        "behind another one",
        "written",
        item=_IN_GROUP,
        arguments={**_BEHIND, "partition": GONE},
        destination="WAITING",
    ),
    *(
        Case(name, "refused", item=_IN_GROUP, arguments=arguments)
        for name, arguments in _NOT_MENDED.items()
    ),
)
_FOLLOWED: Final = {"next_id": "order-2"}
_PASSING_OVER = (
    Case("behind another one than the head", "refused", item={"previous_id": "order-9"}),
    Case("behind nobody", "refused", item={"previous_id": GONE}),
)
_CLOSER: Final[dict[str, Value | Gone]] = {
    "next_id": GONE,
    "previous_id": "order-9",
    "seen_previous_id": "order-0",
}
_USED_UP: Final = {"receive_count": 3}
_AGAIN: Final = {"max_receives": 3}

# fmt: off
CASES: Final[dict[str, tuple[Case, ...]]] = {
    "send": (
        Case("a new id", "written", destination="STANDARD.READY"),
        Case("delayed", "written", arguments={"due": at(60)}, destination="STANDARD.READY"),
        Case("with headers and an encoding", "written", destination="STANDARD.READY",
             arguments={"headers": {"trace": "7"}, "codec": "json", "encoding": "gzip"}),
        Case("the first of its group", "written", arguments={"group": "customer-7"},
             destination="STANDARD.READY"),
        Case("the first of several in its group", "written", destination="STANDARD.READY",
             arguments={"group": "customer-7", "next_id": "order-2"}),
        Case("into a shard", "written", arguments={"partition": "STANDARD.3"},
             destination="STANDARD.READY"),
        Case("into the dead-letter queue", "refused", arguments={"partition": "DLQ.3"},
             destination="STANDARD.READY"),
        Case("one of several behind the tail", "written", destination="WAITING",
             arguments={"group": "customer-7", "previous_id": "order-0", "next_id": "order-2"}),
        Case("the id of a tombstone whose time is over", "written", destination="STANDARD.READY",
             item={**(ITEMS["DELETED"] or {}), "expires_at": FORGOTTEN_EPOCH}),
        Case("the id of a tombstone that still counts", "refused", destination="STANDARD.READY",
             item={**(ITEMS["DELETED"] or {}), "expires_at": FORGOTTEN_EPOCH + 1}),
        Case("behind the tail of its group", "written", destination="WAITING",
             arguments={"group": "customer-7", "previous_id": "order-0"}),
        Case("a predecessor but no group", "refused", destination="WAITING",
             arguments={"previous_id": "order-0"}),
        Case("behind a tail, on a tombstone whose time is over", "written", destination="WAITING",
             item={**(ITEMS["DELETED"] or {}), "expires_at": FORGOTTEN_EPOCH},
             arguments={"group": "customer-7", "previous_id": "order-0"}),
        Case("behind a tail, on a tombstone that still counts", "refused", destination="WAITING",
             item={**(ITEMS["DELETED"] or {}), "expires_at": FORGOTTEN_EPOCH + 1},
             arguments={"group": "customer-7", "previous_id": "order-0"}),
    ),
    "receive": (
        Case("due", "written"),
        Case("due this nanosecond", "written", item={"queue_add_timestamp": NOW}),
        Case("due in a nanosecond", "refused", item={"queue_add_timestamp": at(0, 1)}),
        Case("a timeout of nothing", "refused", arguments={"due": NOW}),
        Case("the last delivery allowed", "written", item={"receive_count": 2}, sources=STANDARD),
        Case("max_receives used up", "refused", item={"receive_count": 3}, sources=STANDARD),
        Case("the head of a group", "written", form="head", sources=STANDARD),
        Case("in a shard", "written", item={"queue_type": "STANDARD.3"}, sources=STANDARD),
        Case("in a shard of the dead-letter queue", "written", item={"queue_type": "DLQ.3"},
             sources=("DLQ.READY", "DLQ.EXPIRED")),
        Case("in no queue's partition", "refused", item={"queue_type": "STANDARD/3"},
             sources=STANDARD),
        Case("legacy", "written", form="legacy"),
        Case("a legacy consumer's timeout passes this nanosecond", "written", form="legacy",
             item={"queue_peek_timestamp": at(-30)}, sources=EXPIRED),
        Case("held by a legacy consumer for a nanosecond more", "refused", form="legacy",
             item={"queue_peek_timestamp": at(-30, 1)}, sources=EXPIRED),
        Case("so, an older receipt left", "refused", item=_taken(at(-30, 1)), sources=EXPIRED),
        Case("no longer, the same", "written", item=_taken(at(-30)), sources=EXPIRED),
    ),
    "exhaust": (
        Case("more deliveries than allowed", "written", item={"receive_count": 4},
             arguments=_AGAIN),
        Case("just as many deliveries as allowed", "written", item=_USED_UP, arguments=_AGAIN),
        Case("a delivery left", "refused", item={"receive_count": 2}, arguments=_AGAIN),
        Case("due in a nanosecond", "refused", arguments=_AGAIN,
             item={**_USED_UP, "queue_add_timestamp": at(0, 1)}),
        Case("failures before are kept", "written", arguments=_AGAIN,
             item={**_USED_UP, "errors": [{"type": "OSError", "message": "no route"}]}),
        Case("the head, with its successor as planned", "written", form="head", item=_USED_UP,
             arguments=_AGAIN),
        Case("a successor has come since", "refused", form="head", item=_USED_UP,
             arguments={**_AGAIN, "next_id": GONE}),
        Case("in a shard", "written", arguments=_AGAIN,
             item={**_USED_UP, "queue_type": "STANDARD.3"}),
        Case("into no dead-letter queue", "refused", item=_USED_UP,
             arguments={**_AGAIN, "partition": "STANDARD"}),
        Case("legacy", "written", form="legacy", item=_USED_UP, arguments=_AGAIN),
    ),
    "advance": (
        Case("as it was read", "written"),
        Case("one with a successor", "written", item=_FOLLOWED),
        Case("into a shard", "written", arguments={"partition": "STANDARD.3"}),
        Case("written to since it was read", "refused", arguments={"seen_version": 99}),
        *_PASSING_OVER,
        Case("due in a nanosecond", "refused", item={"queue_add_timestamp": at(0, 1)}),
        Case("max_receives used up", "refused", item={"receive_count": 3}),
        Case("a timeout of nothing", "refused", arguments={"due": NOW}),
        Case("already in the queue", "refused", item={"queue_type": "STANDARD"}),
    ),
    "quarantine": (
        Case("a count of another type", "written"),
        Case("without payload", "written", item={"data": GONE}),
        Case("in the dead-letter queue", "written", item={"queue_type": "DLQ"}),
        Case("only the attributes that put it into the index", "written",
             item={name: GONE for name in ITEMS["MALFORMED"] or {}
                   if name not in ("id", "queue_type", "queue_add_timestamp")}),
        Case("no known status", "written", item={"status": "UNREADY", "receive_count": 0}),
        Case("failures of another type", "written", item={"errors": "none", "receive_count": 0}),
        Case("nothing wrong with it", "refused", item={"receive_count": 0}),
        Case("no known queue", "refused", item={"queue_type": "FASTER"}),
        Case("of a group, but not as planned", "refused", item=_FOLLOWED,
             arguments={"next_id": GONE}),
    ),
    "extend": (
        *_HOLDER,
        Case("to a later time by a nanosecond", "written", arguments={"due": at(60)},
             item={"queue_add_timestamp": at(60, -1)}, sources=HELD),
        Case("to the same time", "refused", arguments={"due": at(60)},
             item={"queue_add_timestamp": at(60)}),
        Case("to an earlier time", "refused", arguments={"due": at(60)},
             item={"queue_add_timestamp": at(61)}),
        Case("to now", "refused", arguments={"due": NOW}),
    ),
    "retry": (
        *_HOLDER,
        Case("without an account of the failure", "written", arguments={"errors": GONE}),
        Case("with a successor from now on", "written", arguments={"next_id": "order-3"},
             sources=STANDARD),
        Case("with another successor", "refused", item=_FOLLOWED, arguments={"next_id": "order-3"},
             sources=STANDARD),
    ),
    "release": (*_HOLDER,),
    "delete": (*_HOLDER, *_LEAVING_LIST),
    "move_to_dlq": (
        *_HOLDER,
        *_LEAVING_LIST,
        Case("without an account of the failure", "written", arguments={"errors": GONE}),
    ),
    "bury": (*_OPERATOR, *_LEAVING_LIST),
    "redrive": (
        Case("as the operator saw it", "written", destination="STANDARD.READY"),
        Case("legacy, the version standing in for the token", "written", form="legacy",
             destination="STANDARD.READY"),
        Case("written to since it was seen", "refused", destination="STANDARD.READY",
             arguments={"seen_token": "an-older-token"}),
        Case("of a group, but not as planned", "refused", item=_IN_GROUP, arguments={"group": GONE},
             destination="STANDARD.READY"),
        Case("the first of its group", "written", item=_IN_GROUP, destination="STANDARD.READY"),
        Case("the first, with links that another port has left", "written",
             item={**_IN_GROUP, "next_id": "order-2", "previous_id": "order-0"},
             arguments={"next_id": GONE, "previous_id": GONE}, destination="STANDARD.READY"),
        Case("behind the tail of its group", "written", item=_IN_GROUP, arguments=_BEHIND,
             destination="WAITING"),
        Case("behind a tail, written to since it was seen", "refused", item=_IN_GROUP,
             arguments={**_BEHIND, "seen_token": "an-older-token"}, destination="WAITING"),
        Case("behind the tail of another group", "refused", item=_IN_GROUP,
             arguments={**_BEHIND, "group": "customer-8"}, destination="WAITING"),
        Case("a predecessor but no group", "refused", arguments=_BEHIND, destination="WAITING"),
        Case("with links that another port has left", "written", destination="WAITING",
             item={**_IN_GROUP, "next_id": "order-2"}, arguments=_BEHIND),
    ),
    "update": (
        *_OPERATOR,
        Case("and its headers", "written", arguments={"headers": {"priority": "high"}}),
        Case("encoded by another port", "written", item={"codec": "proto", "encoding": "gzip"}),
    ),
    "annotate": (
        *_OPERATOR,
        Case("in place of others", "written", item={"headers": {"trace": "7"}}),
        Case("encoded by another port", "written", item={"codec": "proto", "encoding": "gzip"}),
    ),
    "reschedule": (*_OPERATOR, Case("to now", "written", arguments={"due": NOW}),
                   Case("to the past", "refused", arguments={"due": at(-1)})),
    "cancel": (*_OPERATOR, *_LEAVING_LIST),
    "purge": (
        Case("links as planned", "written"),
        *_OPERATOR,
        *_LEAVING_LIST,
        Case("a successor that was not planned", "refused", item=_FOLLOWED,
             arguments={"next_id": GONE}),
        Case("a group that was not planned", "refused", item={"message_group_id": "customer-7"},
             arguments={"group": GONE}),
    ),
    "promote": (
        Case("its predecessor leaves", "written"),
        Case("one with a successor", "written", item=_FOLLOWED),
        Case("with a successor from now on", "written", arguments={"next_id": "order-2"}),
        Case("with another successor", "refused", item=_FOLLOWED, arguments={"next_id": "order-3"}),
        Case("into a shard", "written", arguments={"partition": "STANDARD.3"}),
        Case("into the dead-letter queue", "refused", arguments={"partition": "DLQ"}),
        Case("no message of a group", "refused", item={"message_group_id": GONE}),
        *_PASSING_OVER,
        Case("already in the queue", "refused", item={"queue_type": "STANDARD"}),
    ),
    "link": (
        Case("a successor", "written"),
        Case("it has one", "refused", item=_FOLLOWED),
        Case("in the place of another", "written", item=_FOLLOWED,
             arguments={"seen_next_id": "order-2"}),
        Case("in the place of another, but not as planned", "refused", item=_FOLLOWED,
             arguments={"seen_next_id": "order-9"}),
        Case("another predecessor", "written", item={"previous_id": "order-0"}, arguments=_CLOSER),
        Case("another predecessor, but not as planned", "refused", arguments=_CLOSER,
             item={"previous_id": "order-1"}),
        Case("not a message", "refused", item={"version": "one"}),
    ),
    "unlink": (
        Case("its successor leaves", "written", item=_FOLLOWED),
        Case("once more", "refused"),
        Case("another one is behind it", "refused", item={"next_id": "order-3"}),
        Case("not a message", "refused", item={"version": "one"}),
    ),
    "mend": _MENDED,
    "mend_last": _MENDED,
    "reset": (
        Case("another tail", "written"),
        Case("the item as it was read, odd as it was", "written",
             {"tail_id": GONE, "version": "two"}, {"tail_id": GONE, "seen_version": "two"}),
        Case("a message has joined since", "refused", item={"version": 3, "tail_id": "order-9"}),
        Case("a message has come and gone since", "refused", item={"version": 4}),
    ),
    "clear": (
        Case("nobody is left", "written"),
        Case("a message has come and gone since", "refused", item={"version": 4}),
        Case("another tail", "refused", item={"tail_id": "order-9"}),
    ),
    "open": (
        Case("the group's first message", "written"),
        Case("the group has messages", "refused", item=ITEMS["FOREIGN"] or {}),
        Case("an item with this id", "refused", item={"id": GROUP_ITEM}),
    ),
    "append": (
        Case("the tail as planned", "written"),
        Case("another tail than planned", "refused", arguments={"tail_id": "order-1"}),
        Case("the tail is unknown", "refused", item={"tail_id": GONE}),
        Case("the last one leaves", "written", arguments={"sequence": GONE}),
        Case("nobody is numbered", "written", item={"sequence": GONE}),
        Case("as many have joined since", "refused",
             item={"sequence": parse_instant(NOW) + 1}),
    ),
    "close": (
        Case("the last message leaves", "written"),
        Case("another message has come", "refused", arguments={"tail_id": "order-1"}),
        Case("the tail is unknown", "refused", item={"tail_id": GONE}),
    ),
    "register": (
        Case("a consumer begins", "written"),
        Case("once more", "refused", item=EXAMPLES["consumer"]["AVAILABLE"] or {}),
        Case("an item with this id", "refused", item={"id": CONSUMER_ITEM}),
    ),
    "renew": _LEASE,
    "fill": _LEASE,
    "withdraw": (
        Case("a consumer ends", "written"),
        Case("whatever it said last", "written", item={"in_flight": 0, "host": GONE}),
        Case("it has gone", "refused", item={"id": GONE}),
    ),
    "agree": (
        Case("for the first time", "written"),
        Case("one shard, any number of deliveries", "written",
             arguments={"shards": 1, "max_receives": 0}),
        Case("somebody was faster", "refused", item=EXAMPLES["agreement"]["AGREED"] or {}),
    ),
    "revise": (
        Case("more shards", "written"),
        Case("as many shards", "written", arguments={"shards": 4}),
        Case("fewer shards", "refused", arguments={"shards": 3}),
        Case("revised since it was read", "refused", arguments={"seen_version": 1}),
    ),
}
# fmt: on


_BY_WRITER: Final[dict[Writer, tuple[Case, ...]]] = {"holder": _HOLDER, "operator": _OPERATOR}


def cases_of(transition: Transition) -> Iterable[Case]:
    """Return the cases of one transition; for a new trigger, those of everybody like its writer."""
    usual = _BY_WRITER.get(transition.by, (Case("as planned", "written"),))
    cases = CASES.get(transition.trigger, usual)
    return (case for case in cases if case.belongs_to(transition))

"""The vocabulary of the machine: an item's attributes, and the arguments of operations.

Their stored names and types are fixed: all ports share them (spec: TABLE-3).
"""

from __future__ import annotations

from typing import Final

from dynamomq.expressions import Attr

ID = Attr("id")
DATA = Attr("data")
STATUS = Attr("status")
RECEIVE_COUNT = Attr("receive_count")
QUEUE_TYPE = Attr("queue_type")
VERSION = Attr("version")
CREATED = Attr("creation_timestamp")
UPDATED = Attr("last_updated_timestamp")
DUE = Attr("queue_add_timestamp")
PEEKED = Attr("queue_peek_timestamp")
RECEIPT = Attr("receipt")
TOKEN = Attr("token")
SEND_TOKEN = Attr("send_token")
GROUP_ID = Attr("message_group_id")
NEXT_ID = Attr("next_id")
PREVIOUS_ID = Attr("previous_id")
SEQUENCE = Attr("sequence")
EXPIRES_AT = Attr("expires_at")
HEADERS = Attr("headers")
CODEC = Attr("codec")
ENCODING = Attr("encoding")
ERRORS = Attr("errors")
TAIL_ID = Attr("tail_id")
HOST = Attr("host")
PROCESS = Attr("pid")
IN_FLIGHT = Attr("in_flight")
RATE = Attr("rate")
SHARDS = Attr("shards")
PREVIOUS_SHARDS = Attr("previous_shards")
SHARDS_SINCE = Attr("shards_since")
MAX_RECEIVES = Attr("max_receives")
VISIBILITY_TIMEOUT = Attr("visibility_timeout")
DEDUPLICATION_WINDOW = Attr("deduplication_window")

LINKS: Final = ((GROUP_ID, "group"), (NEXT_ID, "next_id"), (PREVIOUS_ID, "previous_id"))
"""A message's place in its group's list, and the arguments that say it as planned."""

ARGUMENTS: Final[dict[str, str]] = {
    "id": "S: the message's id",
    "now": "S: the client's present time, fixed-width RFC 3339",
    "forgotten_epoch": "N: now + the retry horizon, in whole seconds since 1970, rounded down: "
    "tombstones that storage may remove by then are over",
    "legacy_horizon": "S: now - the queue's visibility timeout: where a delivery without receipt "
    "(a legacy consumer's) that began later still holds the message",
    "due": "S: the new due time. send: now + delay; receive, extend: now + visibility timeout; "
    "retry: now + delay; reschedule: as asked; register, renew, fill: the end of the lease",
    "token": "S: fresh for this write; how a repeated request recognises that it has succeeded",
    "partition": "S: the index partition that the message is put into: the queue's name, or with "
    "shards the name, a dot and a number",
    "receipt": "S: what the delivery's receive returned",
    "seen_token": "S: the item's token as the operator saw it; left out where it had none",
    "seen_version": "N: the item's version as the operator saw it",
    "max_receives": "N: deliveries allowed before the dead-letter queue; agreed on, 0: any number",
    "expires_at": "N: epoch seconds until which a tombstone, or a consumer's entry, is kept",
    "data": "any: the payload",
    "headers": "M: the message's headers",
    "codec": "S: how the payload is encoded, where it is not the default",
    "encoding": "S: how the encoded payload is compressed, where it is",
    "errors": "L: the whole list of the last failures, newest last",
    "failure": "L: one failure, to be appended to the list",
    "version": "N: the seen version + 1, or 1 where there was none that could be read",
    "creation_timestamp": "S: the seen one, or now where there was none that could be read",
    "group": "S: the message group; left out for a message without one",
    "next_id": "S: the successor in the group's list, as planned; left out where there is none. "
    "send, promote, advance, retry: the one that it gets in the same transaction",
    "previous_id": "S: the predecessor in the group's list, as planned; left out for a head",
    "seen_next_id": "S: the successor whose place another one takes; left out where there is none",
    "seen_previous_id": "S: the predecessor whose place another one takes. promote, advance: the "
    "head that leaves",
    "sequence": "N: higher than that of every message that was in the group when this one joined. "
    "open, append: that of the last one that joins; left out where none does",
    "tail_id": "S: the group's last message, as planned",
    "new_tail_id": "S: the group's last message after this write",
    "host": "S: the name of the machine that a consumer runs on",
    "pid": "N: the number of its process there",
    "in_flight": "N: how many messages it is working on",
    "rate": "N: how many messages a second it has finished of late",
    "shards": "N: over how many index partitions each queue is spread",
    "previous_shards": "N: how many there were before",
    "shards_since": "S: from when on senders use the present number, and not the previous one",
    "visibility_timeout": "N: how long a delivery lasts unless said otherwise, in milliseconds",
    "deduplication_window": "N: how long the id of a deleted message stays taken, in milliseconds",
}
"""Every argument that a guard or effect may read: its type and meaning."""

"""The operations: everything that a queue does, written once, without I/O.

Each is a generator that yields requests and is sent replies (see ``dynamomq.requests``). The same
code runs against DynamoDB, against the embedded engine, and under the simulator of the model
tests; it knows no clock, no randomness and no network.
"""

from __future__ import annotations

from dynamomq.operations.agreement import (
    MAX_SHARDS,
    REREAD,
    Agreement,
    Choices,
    Look,
    Revision,
    look,
    revise,
)
from dynamomq.operations.batching import (
    BatchResult,
    delete_batch,
    extend_batch,
    release_batch,
    retry_batch,
    send_batch,
)
from dynamomq.operations.claiming import Claimer
from dynamomq.operations.following import delete_and_receive
from dynamomq.operations.holding import delete, extend, move_to_dlq, release, retry
from dynamomq.operations.membership import ConsumerInfo, Load, consumers, members
from dynamomq.operations.mending import Finding, Flaw
from dynamomq.operations.outgoing import SendResult
from dynamomq.operations.purging import PurgeResult, purge, purgeable
from dynamomq.operations.reading import QueueStats, Stats, get, list_page, stats
from dynamomq.operations.receiving import MAX_RECEIVE, poll, receive
from dynamomq.operations.redriving import RedriveResult, Where, redrive_all
from dynamomq.operations.repairing import RepairResult, repair_group
from dynamomq.operations.sending import MAX_MESSAGE_BYTES, Outgoing, send
from dynamomq.operations.tables import check_table, create_table
from dynamomq.operations.traffic import Traffic
from dynamomq.operations.transactions import actions_of, carry_out
from dynamomq.operations.writing import ARRIVES_WITHIN, RETRY_HORIZON, SENT_WITHIN, Settings

__all__ = [
    "ARRIVES_WITHIN",
    "MAX_MESSAGE_BYTES",
    "MAX_RECEIVE",
    "MAX_SHARDS",
    "REREAD",
    "RETRY_HORIZON",
    "SENT_WITHIN",
    "Agreement",
    "BatchResult",
    "Choices",
    "Claimer",
    "ConsumerInfo",
    "Finding",
    "Flaw",
    "Load",
    "Look",
    "Outgoing",
    "PurgeResult",
    "QueueStats",
    "RedriveResult",
    "RepairResult",
    "Revision",
    "SendResult",
    "Settings",
    "Stats",
    "Traffic",
    "Where",
    "actions_of",
    "carry_out",
    "check_table",
    "consumers",
    "create_table",
    "delete",
    "delete_and_receive",
    "delete_batch",
    "extend",
    "extend_batch",
    "get",
    "list_page",
    "look",
    "members",
    "move_to_dlq",
    "poll",
    "purge",
    "purgeable",
    "receive",
    "redrive_all",
    "release",
    "release_batch",
    "repair_group",
    "retry",
    "retry_batch",
    "revise",
    "send",
    "send_batch",
    "stats",
]

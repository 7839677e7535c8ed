"""DynamoMQ: a message queue on Amazon DynamoDB, and on one machine.

``Queue`` is where to start. The storage is DynamoDB, or a ``LocalEngine`` for development, tests
and small deployments.
"""

from __future__ import annotations

from dynamomq.consumer import (
    BatchConsumer,
    Constant,
    Consumer,
    DecorrelatedJitter,
    Delivery,
    FullJitter,
    Hooks,
    Lease,
    Reject,
    RetryAfter,
    Setback,
    Summary,
)
from dynamomq.drivers.base import Engine
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import (
    AccessDeniedError,
    CallerError,
    ClockError,
    ClosedError,
    ConflictError,
    ContentionError,
    CredentialsError,
    DuplicateMessageError,
    DynamoMQError,
    IllegalTransitionError,
    InternalError,
    InvalidArgumentError,
    MalformedItemError,
    MessageNotFoundError,
    OutcomeUnknownError,
    PayloadError,
    RequestRejectedError,
    ServiceError,
    SetupError,
    StaleReceiptError,
    StoreError,
    TableMismatchError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.machine import QueueType
from dynamomq.message import Entry, Failure, Message
from dynamomq.operations import BatchResult, ConsumerInfo, QueueStats, SendResult, Stats
from dynamomq.queue import Queue

__all__ = [
    "AccessDeniedError",
    "BatchConsumer",
    "BatchResult",
    "CallerError",
    "ClockError",
    "ClosedError",
    "ConflictError",
    "Constant",
    "Consumer",
    "ConsumerInfo",
    "ContentionError",
    "CredentialsError",
    "DecorrelatedJitter",
    "Delivery",
    "DuplicateMessageError",
    "DynamoDBEngine",
    "DynamoMQError",
    "Engine",
    "Entry",
    "Failure",
    "FullJitter",
    "Hooks",
    "IllegalTransitionError",
    "InternalError",
    "InvalidArgumentError",
    "Lease",
    "LocalEngine",
    "MalformedItemError",
    "Message",
    "MessageNotFoundError",
    "OutcomeUnknownError",
    "PayloadError",
    "Queue",
    "QueueStats",
    "QueueType",
    "Reject",
    "RequestRejectedError",
    "RetryAfter",
    "SendResult",
    "ServiceError",
    "Setback",
    "SetupError",
    "StaleReceiptError",
    "Stats",
    "StoreError",
    "Summary",
    "TableMismatchError",
    "TableNotFoundError",
    "ThrottledError",
    "UnavailableError",
]

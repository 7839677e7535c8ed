"""DynamoMQ: a message queue on Amazon DynamoDB, and on one machine.

``Queue`` is where to start. The storage is DynamoDB, or a ``LocalEngine`` for development, tests
and small deployments.
"""

from __future__ import annotations

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
from dynamomq.message import Failure, Message
from dynamomq.operations import ConsumerInfo, QueueStats, Stats
from dynamomq.queue import Queue

__all__ = [
    "AccessDeniedError",
    "CallerError",
    "ClockError",
    "ClosedError",
    "ConflictError",
    "ConsumerInfo",
    "ContentionError",
    "CredentialsError",
    "DuplicateMessageError",
    "DynamoDBEngine",
    "DynamoMQError",
    "Engine",
    "Failure",
    "IllegalTransitionError",
    "InternalError",
    "InvalidArgumentError",
    "LocalEngine",
    "MalformedItemError",
    "Message",
    "MessageNotFoundError",
    "OutcomeUnknownError",
    "PayloadError",
    "Queue",
    "QueueStats",
    "QueueType",
    "RequestRejectedError",
    "ServiceError",
    "SetupError",
    "StaleReceiptError",
    "Stats",
    "StoreError",
    "TableMismatchError",
    "TableNotFoundError",
    "ThrottledError",
    "UnavailableError",
]

"""One call to DynamoDB: boto3's client, made when first needed, its errors translated, counted.

boto3 is imported when the first request needs it: it costs some 0.3 s, which a program that uses
the embedded engine need not pay.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias

from botocore.exceptions import ClientError, InvalidConfigError

from dynamomq.drivers.attempts import CONNECT_TIMEOUT, calling, lead_of, watch
from dynamomq.drivers.doubt import may_be_executed, was_repeated
from dynamomq.drivers.failures import SDK_ERRORS, Attempt, discreet, stem, translated
from dynamomq.drivers.meter import Capacity, Meter
from dynamomq.drivers.replies import attend, awaiting, check_members
from dynamomq.drivers.service_clock import ServiceClock
from dynamomq.errors import ClosedError
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND

Answer: TypeAlias = Mapping[str, Any]
"""What the low-level client returns: boto3 has no types, so here its ``Any`` enters."""

_METHODS: Final = {
    "BatchExecuteStatement": "batch_execute_statement",
    "BatchGetItem": "batch_get_item",
    "CreateTable": "create_table",
    "DeleteItem": "delete_item",
    "DescribeTable": "describe_table",
    "DescribeTimeToLive": "describe_time_to_live",
    "GetItem": "get_item",
    "PutItem": "put_item",
    "Query": "query",
    "Scan": "scan",
    "TransactWriteItems": "transact_write_items",
    "UpdateItem": "update_item",
    "UpdateTimeToLive": "update_time_to_live",
}
_READS: Final = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})
_WRITES: Final = frozenset(
    {"BatchExecuteStatement", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"}
)
_METERED: Final = _READS | _WRITES  # what can report the capacity that it consumed

REFUSED: Final = frozenset({"ConditionalCheckFailed", "DuplicateItem"})
"""The codes (their stems) of a write whose condition does not hold."""


REPEATED: Final = "Repeated"
"""The key of an answer before which an attempt may have been executed."""


class Client(Protocol):
    """What is needed of boto3's low-level DynamoDB client: its methods, by their own names."""

    @property
    def meta(self) -> Any:
        """Return what the client knows of itself, its endpoint among it."""

    def get_item(self, *args: Any, **kwargs: Any) -> Any:
        """Call ``GetItem``; all other operations in the same way."""

    def close(self) -> None:
        """Close all connections."""


class Session(Protocol):
    """What is needed of a boto3 session."""

    def client(self, *args: Any, **kwargs: Any) -> Any:
        """Make a low-level client."""


class Connection:
    """A client that is shared by all drivers of an engine, and by threads; not across a fork.

    Attributes:
        lead: how long an attempt may wait for its connection, in nanoseconds.
    """

    def __init__(
        self,
        *,
        session: Session | None,
        client: Client | None,
        region_name: str | None,
        endpoint_url: str | None,
        profile_name: str | None,
        clock: ServiceClock | None = None,
    ) -> None:
        """Note what to connect to; see :class:`~dynamomq.drivers.dynamodb.DynamoDBEngine`.

        ``clock`` is to learn the service's time from all answers.
        """
        self._clock = clock
        self._session = session
        self._region_name = region_name
        self._endpoint_url = endpoint_url
        self._profile_name = profile_name
        self._lock = threading.Lock()
        self._client = client
        self.lead = CONNECT_TIMEOUT * SECOND
        if client is not None:
            self.lead = lead_of(client)
            watch(client)
            attend(client)
        self._owns_client = client is None
        self._process = os.getpid()
        self._closed = False

    def send(
        self,
        operation: str,
        table: TableDefinition,
        parameters: dict[str, Any],
        meter: Meter | None = None,
    ) -> Answer:
        """Call the API. A refused condition is an answer too: it has the key ``Error``.

        An answer before which an attempt may have been executed has the key ``Repeated``.

        Args:
            operation: the API's operation, such as ``UpdateItem``.
            table: what it is about, for error messages.
            parameters: the operation's input; this call may add to it.
            meter: counts the call, and has DynamoDB report the capacity units.

        Raises:
            ServiceError: DynamoDB, or the way to it, failed.
            SetupError: the table, the credentials or the permissions are not right.
            ConflictError: a transaction was changing the same item.
            ClosedError: the connection was closed.
        """
        if meter is not None and operation in _METERED:
            parameters["ReturnConsumedCapacity"] = "INDEXES"
        answer: Answer = {}
        sent = self._clock.read() if self._clock is not None else None
        try:
            with calling() as attempts:
                answer = self._reply(operation, parameters)
        except SDK_ERRORS as error:
            if isinstance(error, ClientError):
                answer = error.response
            parts = parameters.get("TransactItems", ())
            failure = translated(error, self.attempt(operation, table), parts)
            failure.in_doubt = operation in _WRITES and may_be_executed(error, attempts)
            raise failure from discreet(error)
        finally:
            if self._clock is not None and sent is not None:
                self._clock.heed(answer, sent)
            if meter is not None:
                capacity = _capacity(answer, reads=operation in _READS)
                meter.count(operation, refused=_refusals(answer), capacity=capacity)
        if operation in _WRITES and was_repeated(answer, attempts):
            return {**answer, REPEATED: True}
        return answer

    def _reply(self, operation: str, parameters: dict[str, Any]) -> Answer:
        """Return a whole reply of DynamoDB's that tells what was done, or what was refused."""
        client = self._client or self._connected()
        try:
            with awaiting():
                answer: Answer = getattr(client, _METHODS[operation])(**parameters)
        except ClientError as error:
            if not _refusals(error.response):
                raise
            answer = error.response
        check_members(operation, parameters, answer)
        return answer

    def attempt(self, operation: str, table: TableDefinition) -> Attempt:
        """Describe a call for an error message."""
        return Attempt(operation, table, self.endpoint)

    @property
    def endpoint(self) -> str:
        """The URL that requests go to, as far as it is known before the first one."""
        meta = getattr(self._client, "meta", None)
        url: str | None = getattr(meta, "endpoint_url", None)
        return url or self._endpoint_url or "DynamoDB"

    def check_usable(self) -> None:
        """Refuse to go on with connections that are closed, or that belong to another process.

        Raises:
            ClosedError: they are.
        """
        if self._closed:
            raise ClosedError("The engine was closed.", remedy="Make a new one.")
        if self._client is not None and self._process != os.getpid():
            # Two processes that talk on the same connections would read each other's replies.
            raise ClosedError(
                "This engine was connected by the parent process.",
                remedy="After a fork, make an engine of its own in each process.",
            )

    def close(self) -> None:
        """Close the connections, unless the client was given; later requests raise an error.

        A second call does nothing.
        """
        with self._lock:
            client, self._client = self._client, None
            self._closed = True
        if client is not None and self._owns_client:
            client.close()

    def _connected(self) -> Client:
        """Return the client, made now unless another thread was faster."""
        with self._lock:
            self.check_usable()
            if self._client is None:
                self._client = self._connect()
                self._process = os.getpid()
            return self._client

    def _connect(self) -> Client:
        import boto3

        session = self._session or boto3.session.Session(profile_name=self._profile_name)
        try:
            client: Client = session.client(
                "dynamodb",
                region_name=self._region_name,
                endpoint_url=self._endpoint_url,
                config=_config(),
            )
        except ValueError as error:  # about an endpoint in the environment, or in ~/.aws
            text = str(error)
            told = "an endpoint is no URL" if "@" in text else text  # it may have a password
            raise InvalidConfigError(error_msg=told) from None
        watch(client)
        attend(client)
        return client


def _config() -> Any:
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_TIMEOUT,
        # DynamoDB answers within milliseconds or not at all; botocore would wait for 60 s.
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        # One for each thread, or urllib3 closes connections after one use; 10 would be too few
        # for a consumer's workers, of which there may be 1,000, and unused ones cost nothing.
        max_pool_connections=1024,
        # Requests are built here, from typed values, and DynamoDB checks them anyway: botocore's
        # own check in between would cost several times the CPU of all that this package does.
        parameter_validation=False,
        user_agent_extra=f"dynamomq/{_version()}",
    )


def _version() -> str:
    from importlib import metadata  # here, because it is slow to import and seldom needed

    try:
        return metadata.version("dynamomq")
    except metadata.PackageNotFoundError:
        return "source"


def _refusals(answer: Answer) -> int:
    """Count the refused writes: a single one is itself the error, of several there is a list."""
    responses = answer.get("Responses", ())
    replies = (answer, *responses) if isinstance(responses, list) else (answer,)
    codes = [one["Error"]["Code"] for one in replies if "Error" in one]
    codes += [reason.get("Code", "") for reason in answer.get("CancellationReasons", ())]
    return sum(stem(code) in REFUSED for code in codes)


def _capacity(answer: Answer, *, reads: bool) -> Capacity:
    """Add up what an answer says about capacity: one report, or a list of them."""
    reports = answer.get("ConsumedCapacity", ())
    table = index = 0.0
    for report in (reports,) if isinstance(reports, Mapping) else reports:
        # The repetition of a transaction that has taken place is a read, and charged as one.
        reads = reads or report.get("ReadCapacityUnits", 0.0) > 0
        table += report.get("Table", {}).get("CapacityUnits", 0.0)
        for one in report.get("GlobalSecondaryIndexes", {}).values():
            index += one["CapacityUnits"]
    if reads:
        return Capacity(table_reads=table, index_reads=index)
    return Capacity(table_writes=table, index_writes=index)

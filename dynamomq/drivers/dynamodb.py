"""Queues on Amazon DynamoDB, through boto3's low-level client.

``DynamoDBEngine`` owns the connection and hands out a driver for each table. A driver turns
requests into API calls: rules become texts once (``wire.py``), so that a call costs little more
than boto3 itself; ``connection.py`` makes the call, and what boto3 raises becomes our errors there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from attrs import evolve

from dynamomq.attributes import DUE, ID, QUEUE_TYPE
from dynamomq.checks import Duration, check_duration
from dynamomq.drivers import wire
from dynamomq.drivers.actions import (
    check_actions,
    check_fit,
    foreign_tables,
    inadmissible,
    tables_of,
)
from dynamomq.drivers.attempts import looked_at
from dynamomq.drivers.base import CLOCK_LIMIT, Driver, Surroundings, checked_surroundings
from dynamomq.drivers.connection import REFUSED, REPEATED, Answer, Client, Connection, Session
from dynamomq.drivers.descriptions import described
from dynamomq.drivers.doubt import is_settled
from dynamomq.drivers.failures import from_code, stem
from dynamomq.drivers.inputs import key_input, write_input
from dynamomq.drivers.meter import Meter
from dynamomq.drivers.options import check_choices, check_connection
from dynamomq.drivers.service_clock import ServiceClock
from dynamomq.drivers.transacting import cancelled, transact_input
from dynamomq.errors import (
    AccessDeniedError,
    DynamoMQError,
    RequestRejectedError,
    TableMismatchError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
    with_doubt,
)
from dynamomq.requests import (
    BatchReply,
    Cancelled,
    Committed,
    CreateTable,
    DescribeTable,
    EnableExpiry,
    Failed,
    Foreign,
    Get,
    GetMany,
    Page,
    Query,
    Refused,
    Request,
    Scan,
    Transact,
    Write,
    WriteBatch,
    WriteReply,
    Written,
)
from dynamomq.table import TableDefinition, TableDescription
from dynamomq.timestamps import SECOND
from dynamomq.values import Item, item_from_wire, item_to_wire

_MAX_LIMIT: Final = timedelta(days=1)
_BATCH_GET: Final = 100
_FRUITLESS: Final = 6
_BACKOFF: Final = 0.05  # seconds; doubled with each fruitless attempt

_RANGES: Final[Mapping[tuple[str, ...], str]] = {
    (":since",): " AND #due >= :since",
    (":until",): " AND #due <= :until",
    (":since", ":until"): " AND #due BETWEEN :since AND :until",
}
_ABOUT_KEYS: Final = re.compile(r"\b(keys?|schema)\b", re.IGNORECASE)
_ON_ITEMS: Final = frozenset({"BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"})
_NO_SUCH_OPERATION: Final = frozenset({"NotImplemented", "UnknownOperation"})


class DynamoDBEngine:
    """DynamoDB as a storage for queues.

    Region, credentials and endpoint follow boto3's usual rules: arguments, then the environment
    (``AWS_PROFILE``, ``AWS_ENDPOINT_URL_DYNAMODB``, …), then ``~/.aws``. The client is made when
    the first request needs it. An engine is safe to share among threads, not across a fork.

    Attributes:
        batches: whether several writes may go into one request (``BatchExecuteStatement``);
            ``None`` as long as it is not known. Turns false where the endpoint has no such
            operation.
        meter: counts requests where there is one; attached, it makes DynamoDB report the capacity
            units of each request.
        surroundings: where time and chance come from; with the service's time, if that corrects
            the clock.
    """

    def __init__(
        self,
        *,
        session: Session | None = None,
        client: Client | None = None,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        profile_name: str | None = None,
        batches: bool | None = None,
        meter: Meter | None = None,
        clock_correction: bool | None = None,
        clock_limit: Duration = CLOCK_LIMIT / SECOND,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Note where to connect to; nothing is read or sent yet.

        Args:
            session: a boto3 session to make the client with; one of our own by default, because
                boto3's default session is not thread-safe.
            client: a low-level client to use instead of making one; closing it stays yours. Its
                ``Config`` applies: give it retries, and a connection for each thread. However many
                attempts it makes, none at a write is sent later than 225 seconds, less its
                ``connect_timeout`` (two minutes at most), after that was begun. The replies to the
                engine's calls, and only these, are judged before the client reads them.
            region_name: the AWS region.
            endpoint_url: another endpoint than AWS's, such as DynamoDB Local's.
            profile_name: a profile of the AWS configuration files.
            batches: false for an endpoint that gets ``BatchExecuteStatement`` wrong (moto does),
                or a role that may not use PartiQL: then each write is a request of its own.
            meter: counts requests.
            clock_correction: whether the local clock is corrected by the service's time, which
                each reply tells. By default it is, unless ``surroundings`` bring their own clock:
                that is for tests, and shows what it is meant to show.
            clock_limit: how far off the time may be for messages to be received; else ``receive``
                raises ``ClockError``. One reply tells it to about a second.
            surroundings: another source of time and chance, for tests.

        Raises:
            InvalidArgumentError: ``client`` or ``session`` together with what it already decides;
                or an argument is of the wrong type, or out of range; or the client's
                ``connect_timeout`` is too long.
        """
        check_connection(
            session=session,
            client=client,
            region_name=region_name,
            endpoint_url=endpoint_url,
            profile_name=profile_name,
        )
        check_choices(batches=batches, meter=meter, clock_correction=clock_correction)
        self.batches = batches
        self.meter = meter
        limit = check_duration("clock_limit", clock_limit, at_most=_MAX_LIMIT, zero=False)
        if clock_correction is None:
            clock_correction = surroundings is None
        self.surroundings = checked_surroundings(surroundings)
        clock = ServiceClock(self.surroundings) if clock_correction else None
        if clock is not None:
            self.surroundings = evolve(self.surroundings, offset=clock.offset, clock_limit=limit)
        self._connection = Connection(
            session=session,
            client=client,
            region_name=region_name,
            endpoint_url=endpoint_url,
            profile_name=profile_name,
            clock=clock,
        )

    def __repr__(self) -> str:
        """Show where the engine is connected to."""
        return f"<DynamoDBEngine at {self._connection.endpoint}>"

    def open(self, table: TableDefinition) -> DynamoDBDriver:
        """Return a driver for one table; nothing is sent yet.

        Raises:
            ClosedError: the engine was closed, or its connections belong to the parent process.
        """
        self._connection.check_usable()
        return DynamoDBDriver(self, self._connection, table)

    def close(self) -> None:
        """Close the connections, unless the client was given; later requests raise an error.

        A second call does nothing.
        """
        self._connection.close()


class DynamoDBDriver(Driver):
    """Carries out requests on one table of DynamoDB."""

    def __init__(
        self, engine: DynamoDBEngine, connection: Connection, table: TableDefinition
    ) -> None:
        """Bind the driver to its engine and table; see :meth:`DynamoDBEngine.open`."""
        super().__init__(table, engine.surroundings)
        self._engine = engine
        self._connection = connection
        self.lead = connection.lead
        self._answers: dict[type[Request[Any]], Callable[[Any], Any]] = {
            Get: self._get,
            GetMany: self._get_many,
            Query: self._query,
            Scan: self._scan,
            Write: self._write,
            WriteBatch: self._write_batch,
            Transact: self._transact,
            CreateTable: self._create_table,
            DescribeTable: self._describe_table,
            EnableExpiry: self._enable_expiry,
        }

    def store(self, request: Request[Any]) -> Any:
        """Carry out a request to the storage.

        Raises:
            ServiceError: DynamoDB, or the way to it, failed.
            SetupError: the table, the credentials or the permissions are not right.
            ConflictError: a transaction was changing the same item.
            ClosedError: the engine was closed.
        """
        with looked_at(partial(self.check_in_time, request)):
            return self._answers[type(request)](request)

    def _send(self, operation: str, parameters: dict[str, Any]) -> Answer:
        try:
            return self._connection.send(operation, self.table, parameters, self._engine.meter)
        except RequestRejectedError as error:
            about_keys = _ABOUT_KEYS.search(error.message) and operation in _ON_ITEMS
            if about_keys and not error.in_doubt:
                self._check_shape(error)
            raise

    def _check_shape(self, error: RequestRejectedError) -> None:
        """Raise what is wrong with the table, if that is why it refuses requests.

        Raises:
            TableMismatchError: another program made it, for something else.
        """
        try:
            found = self._describe_table(DescribeTable())
        except DynamoMQError:
            return  # it may not be allowed; the refusal itself says what it can
        if found is not None and (differences := self.table.differences(found)):
            raise TableMismatchError(self.table.name, differences) from error.__cause__

    # --- reading -----------------------------------------------------------------------------

    def _get(self, request: Get) -> Item | None:
        answer = self._send(
            "GetItem",
            {"TableName": self.table.name, "Key": key_input(request.id), "ConsistentRead": True},
        )
        item = answer.get("Item")
        return None if item is None else item_from_wire(item)

    def _get_many(self, request: GetMany) -> dict[str, Item]:
        if request.table is not None:
            return self._beside(request.table)._get_many(evolve(request, table=None))
        ids = tuple(dict.fromkeys(request.ids))
        items: list[Item] = []
        for start in range(0, len(ids), _BATCH_GET):
            items += self._get_batch(ids[start : start + _BATCH_GET])
        return {str(item[ID.name]): item for item in items}

    def _get_batch(self, ids: Sequence[str]) -> Iterator[Item]:
        """Read up to 100 items; DynamoDB may leave some for later when it is busy."""
        keys: Mapping[str, Any] = {
            self.table.name: {"Keys": [key_input(id_) for id_ in ids], "ConsistentRead": True}
        }
        fruitless = 0
        while keys:
            answer = self._send("BatchGetItem", {"RequestItems": keys})
            found = answer.get("Responses", {}).get(self.table.name, ())
            yield from map(item_from_wire, found)
            keys = answer.get("UnprocessedKeys") or {}
            fruitless = 0 if found else fruitless + 1
            if keys:
                self._back_off(fruitless)

    def _back_off(self, fruitless: int) -> None:
        if fruitless == _FRUITLESS:
            raise ThrottledError(
                f"DynamoDB put off BatchGetItem on table {self.table.name!r} {fruitless} times.",
                remedy="Call again later, or raise the table's capacity limit.",
            )
        self.surroundings.sleep(self.surroundings.chance() * _BACKOFF * 2**fruitless)

    def _query(self, request: Query) -> Page:
        parameters: dict[str, Any] = {
            "TableName": self.table.name,
            "IndexName": self.table.index,
            "KeyConditionExpression": "#queue = :queue",
            "ExpressionAttributeNames": {"#queue": QUEUE_TYPE.name},
            "ExpressionAttributeValues": {":queue": {"S": request.queue}},
            "Limit": request.limit,
        }
        bounds = {":since": request.since, ":until": request.until}
        given = {name: {"S": bound} for name, bound in bounds.items() if bound is not None}
        if given:
            parameters["KeyConditionExpression"] += _RANGES[tuple(given)]
            parameters["ExpressionAttributeNames"]["#due"] = DUE.name
            parameters["ExpressionAttributeValues"].update(given)
        return self._page("Query", parameters, request.cursor)

    def _scan(self, request: Scan) -> Page:
        parameters = {"TableName": self.table.name, "ConsistentRead": True, "Limit": request.limit}
        return self._page("Scan", parameters, request.cursor)

    def _page(self, operation: str, parameters: dict[str, Any], cursor: Item | None) -> Page:
        if cursor is not None:
            parameters["ExclusiveStartKey"] = item_to_wire(cursor)
        answer = self._send(operation, parameters)
        last = answer.get("LastEvaluatedKey")
        return Page(
            tuple(map(item_from_wire, answer["Items"])),
            item_from_wire(last) if last else None,
        )

    # --- writing -----------------------------------------------------------------------------

    def _write(self, write: Write) -> WriteReply:
        rule = write.specialised
        if not rule.admits(write.arguments):
            # DynamoDB compares nothing but attributes; what the arguments decide is decided here.
            return Refused(self._get(Get(write.id)))
        verb, parameters = write_input(write, self.table.name)
        if rule.kind == "update":
            parameters["ReturnValues"] = "ALL_NEW" if write.want_item else "NONE"
        answer = self._send(f"{verb}Item", parameters)
        if "Error" in answer:
            item = answer.get("Item")
            return Refused(item_from_wire(item) if item else None, repeated=REPEATED in answer)
        if not write.want_item or rule.kind == "delete":
            return Written(None)
        return Written(
            write.whole_item if rule.kind == "put" else item_from_wire(answer["Attributes"])
        )

    def _write_batch(self, batch: WriteBatch) -> tuple[BatchReply, ...]:
        """Send together what can be; a write that would be alone is better off as a single one."""
        statements: dict[int, wire.Statement] = {}
        if self._engine.batches is not False:
            for place, write in enumerate(batch.writes):
                rule = write.specialised
                statement = wire.statement(rule, self.table.name)
                if statement is not None and rule.admits(write.arguments):
                    statements[place] = statement
        replies: dict[int, BatchReply] = {}
        if len(statements) > 1:
            replies.update(self._execute_statements(batch, statements))
        replies.update(
            self._write_singly(
                {n: write for n, write in enumerate(batch.writes) if n not in replies}
            )
        )
        return tuple(replies[place] for place in range(len(batch.writes)))

    def _execute_statements(
        self, batch: WriteBatch, statements: Mapping[int, wire.Statement]
    ) -> dict[int, BatchReply]:
        """Send a batch; the replies are empty where the endpoint has no such operation.

        Where an attempt before may have been executed all the same, that is raised as well.
        """
        writes = [batch.writes[place] for place in statements]
        parameters = {
            "Statements": [
                {
                    "Statement": statement.text if write.want_item else statement.silent,
                    "Parameters": statement.parameters(write.id, write.arguments),
                }
                for write, statement in zip(writes, statements.values(), strict=True)
            ]
        }
        try:
            answer = self._send("BatchExecuteStatement", parameters)
        except RequestRejectedError as error:
            if self._engine.batches is None and stem(error.code) in _NO_SUCH_OPERATION:
                self._engine.batches = False
                if not error.in_doubt:
                    return {}
            raise
        repeated = REPEATED in answer
        return {
            place: self._batch_reply(write, response, repeated=repeated)
            for place, write, response in zip(statements, writes, answer["Responses"], strict=True)
        }

    def _batch_reply(self, write: Write, response: Answer, *, repeated: bool) -> BatchReply:
        error = response.get("Error")
        if error is None:
            if not write.want_item:
                return Written(None)
            # An INSERT returns nothing, and an item is put as a whole: it is known.
            item = response.get("Item")
            return Written(write.whole_item if item is None else item_from_wire(item))
        if stem(error["Code"]) in REFUSED:
            return Refused(None, repeated=repeated, shown=False)
        attempt = self._connection.attempt("BatchExecuteStatement", self.table)
        failure = from_code(error["Code"], error.get("Message", ""), attempt)
        failure.in_doubt = repeated or not is_settled(error["Code"])
        return Failed(failure)

    def _write_singly(self, writes: Mapping[int, Write]) -> Iterator[tuple[int, BatchReply]]:
        """Write one after the other; each fails alone, as in a batch."""
        failure: UnavailableError | None = None
        for place, write in writes.items():
            if failure is not None:
                # Each would take its time to fail in the same way, while claims already won wait.
                yield place, Failed(failure)
                continue
            try:
                yield place, self._write(write)
            except UnavailableError as error:
                failure = with_doubt(error, in_doubt=False)  # nothing more is sent
                yield place, Failed(error)
            except DynamoMQError as error:
                yield place, Failed(error)

    # --- transactions ------------------------------------------------------------------------

    def _transact(self, request: Transact) -> Committed | Cancelled:
        check_actions(request.actions, self.table.name)
        if forbidden := inadmissible(request.actions, self.table.name):
            found = {place: self._beside(t).store(Get(id)) for place, (t, id) in forbidden.items()}
            reasons = (
                Refused(found[place]) if place in found else None
                for place in range(len(request.actions))
            )
            return Cancelled(tuple(reasons))
        try:
            answer = self._send("TransactWriteItems", transact_input(request, self.table.name))
        except TableNotFoundError as error:
            raise with_doubt(self._missing(request), in_doubt=error.in_doubt) from error
        except RequestRejectedError as error:
            if _ABOUT_KEYS.search(error.message) and not error.in_doubt:
                self._check_keys(request)
            raise
        if "Error" in answer:
            return cancelled(request, answer, repeated=REPEATED in answer)
        return Committed()

    def _missing(self, request: Transact) -> TableNotFoundError:
        """Return which table a transaction did not find, as far as that can be told."""
        for table in tables_of(request.actions, self.table.name):
            try:
                self._beside(table)._send("DescribeTable", {"TableName": table})
            except TableNotFoundError as error:
                if table in foreign_tables(request.actions):
                    error.remedy = "It is your own: check its name, the region and the endpoint."
                return error
            except DynamoMQError:
                continue  # the error that led here says more
        return TableNotFoundError(self.table.name)

    def _check_keys(self, request: Transact) -> None:
        """Raise the reason for a refusal if it is an action without the key of its table."""
        keys: dict[str, Mapping[str, str] | None] = {}
        for place, action in enumerate(request.actions):
            if isinstance(action, Foreign):
                if action.table not in keys:
                    keys[action.table] = self._beside(action.table)._key()
                if (key := keys[action.table]) is not None:
                    check_fit(place, action, key)

    def _key(self) -> Mapping[str, str] | None:
        """Return the table's key, if we may know it."""
        try:
            found = self._describe_table(DescribeTable())
        except DynamoMQError:
            return None
        return None if found is None else dict(found.key)

    def _beside(self, table: str) -> DynamoDBDriver:
        return self._engine.open(evolve(self.table, name=table))

    # --- the table ---------------------------------------------------------------------------

    def _create_table(self, request: CreateTable) -> None:
        try:
            self._send("CreateTable", self.table.create_table_input())
        except RequestRejectedError as error:
            if stem(error.code) != "ResourceInUse":
                raise

    def _describe_table(self, request: DescribeTable) -> TableDescription | None:
        try:
            table = self._send("DescribeTable", {"TableName": self.table.name})["Table"]
        except TableNotFoundError:
            return None
        return described(table, self._expiry() if request.expiry else None)

    def _expiry(self) -> str | None:
        """Return the attribute by which items expire; ``None`` too where we may not know it."""
        try:
            answer = self._send("DescribeTimeToLive", {"TableName": self.table.name})
        except AccessDeniedError:
            return None
        described = answer["TimeToLiveDescription"]
        on = described["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
        name: str | None = described.get("AttributeName") if on else None
        return name

    def _enable_expiry(self, request: EnableExpiry) -> None:
        try:
            self._send("UpdateTimeToLive", self.table.expiry_input())
        except RequestRejectedError as error:
            if "already enabled" not in error.message:
                raise

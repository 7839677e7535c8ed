"""The requests of the original port in Go, made again with boto3 to be counted beside ours.

Only the pattern is that port's: which requests it makes, in which order, on which items. Its index
is sorted by the time of sending and holds whole items. A send looks for a duplicate and then puts
unconditionally; a receive reads on from the oldest message, past those that are invisible, and
claims by version; a delete has no condition.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from dynamomq.bench.metered import Spent
from dynamomq.timestamps import format_instant

_INDEX = "queueing-index-queue_type-sent_at"
_PAGE = 250
_TIMEOUT = 30 * 10**9  # nanoseconds
_HOUR = 3600 * 10**9
_WRITE_BATCH = 25
_KEYS = {"id": "HASH"}
_INDEX_KEYS = {"queue_type": "HASH", "sent_at": "RANGE"}


class GoPort:
    """A queue as that port keeps it, in a table of its own; safe to share among threads."""

    def __init__(self, client: Any, table: str) -> None:
        """Start counting; nothing is sent yet."""
        self._client = client
        self._table = table
        self._lock = threading.Lock()
        self._spent = Spent(0, 0, 0)

    def create_table(self) -> None:
        """Create the table with its index, which projects everything."""
        self._client.create_table(
            TableName=self._table,
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in (*_KEYS, *_INDEX_KEYS)
            ],
            KeySchema=_schema(_KEYS),
            GlobalSecondaryIndexes=[
                {
                    "IndexName": _INDEX,
                    "KeySchema": _schema(_INDEX_KEYS),
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self._client.get_waiter("table_exists").wait(TableName=self._table)

    def read(self) -> Spent:
        """Return what all calls have cost so far."""
        with self._lock:
            return self._spent

    def send(self, payload: str) -> None:
        """Look for a message with the same id, and put."""
        item = _item(payload)
        self._call("get_item", Key={"id": item["id"]}, ConsistentRead=True)
        self._call("put_item", Item=item)

    def receive(self) -> Any | None:
        """Claim the oldest visible message; return its id, or ``None`` after a lost race.

        Raises:
            LookupError: there is none.
        """
        now = time.time_ns()
        for item in self._oldest_first():
            if item["invisible_until_at"]["S"] <= format_instant(now):
                return self._claim(item, now)
        raise LookupError("no visible message")

    def delete(self, id: Any) -> None:
        """Remove a message, whoever holds it."""
        self._call("delete_item", Key={"id": id})

    def put_in_flight(self, payload: str, count: int) -> None:
        """Have so many messages in flight that were sent before all others; not counted."""
        until = format_instant(time.time_ns() + _HOUR)
        items = [{**_item(payload), "invisible_until_at": {"S": until}} for _ in range(count)]
        for start in range(0, count, _WRITE_BATCH):
            puts = [{"PutRequest": {"Item": one}} for one in items[start : start + _WRITE_BATCH]]
            left = {self._table: puts}
            while left:
                left = self._client.batch_write_item(RequestItems=left)["UnprocessedItems"]

    def _oldest_first(self) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {}
        while True:
            page = self._call(
                "query",
                IndexName=_INDEX,
                KeyConditionExpression="queue_type = :queue",
                ExpressionAttributeValues={":queue": {"S": "STANDARD"}},
                Limit=_PAGE,
                **more,
            )
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _claim(self, item: dict[str, Any], now: int) -> Any | None:
        try:
            self._call(
                "update_item",
                Key={"id": item["id"]},
                UpdateExpression="SET receive_count = receive_count + :one, "
                "version = version + :one, updated_at = :now, received_at = :now, "
                "invisible_until_at = :until",
                ConditionExpression="version = :seen",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":now": {"S": format_instant(now)},
                    ":until": {"S": format_instant(now + _TIMEOUT)},
                    ":seen": item["version"],
                },
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return item["id"]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        refused = 0
        answer: dict[str, Any] = {}
        try:
            answer = getattr(self._client, method)(
                TableName=self._table, ReturnConsumedCapacity="TOTAL", **parameters
            )
        except ClientError:
            refused = 1
            raise
        finally:
            units = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0)
            reads = units if method in ("get_item", "query") else 0
            with self._lock:
                self._spent += Spent(1, units - reads, reads, refused)
        return answer


def _schema(keys: dict[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()]


def _item(payload: str) -> dict[str, dict[str, str]]:
    now = format_instant(time.time_ns())
    return {
        "id": {"S": str(uuid.uuid4())},
        "data": {"S": payload},
        "receive_count": {"N": "0"},
        "queue_type": {"S": "STANDARD"},
        "version": {"N": "1"},
        "created_at": {"S": now},
        "updated_at": {"S": now},
        "sent_at": {"S": now},
        "received_at": {"S": ""},
        "invisible_until_at": {"S": ""},
    }

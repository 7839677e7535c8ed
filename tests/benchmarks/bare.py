"""A queue written by hand on boto3: the fewest requests that are safe at all, and nothing else.

It claims by a condition and acknowledges with a receipt, as it must. It checks nothing, types
nothing, repeats nothing by itself, recognises no lost reply, knows no dead letters and remembers no
deleted id: the price of all that is the distance between it and the library.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from dynamomq.timestamps import format_instant

_TIMEOUT = 3600 * 10**9  # nanoseconds


class BareQueue:
    """Messages in a table with the library's key and index; its attributes are fewer."""

    def __init__(self, client: Any, table: str, index: str) -> None:
        """Note what to talk to."""
        self._client = client
        self._table = table
        self._index = index
        self._insert = (
            f"INSERT INTO \"{table}\" VALUE {{'id': ?, 'data': ?, 'queue_type': 'STANDARD', "
            "'queue_add_timestamp': ?}"
        )
        self._claim = (
            f'UPDATE "{table}" SET queue_add_timestamp = ? SET receipt = ? '
            "WHERE id = ? AND queue_add_timestamp <= ? RETURNING ALL NEW *"
        )
        self._remove = f'DELETE FROM "{table}" WHERE id = ? AND receipt = ?'

    def send(self, payload: str) -> None:
        """Put one message."""
        self._client.put_item(
            TableName=self._table,
            Item={
                "id": _fresh(),
                "data": {"S": payload},
                "queue_type": {"S": "STANDARD"},
                "queue_add_timestamp": _instant(),
            },
            ConditionExpression="attribute_not_exists(id)",
        )

    def receive(self) -> tuple[Any, Any]:
        """Claim the oldest message that is due; return its id and the receipt."""
        now, receipt = _instant(), _fresh()
        (candidate,) = self._due(1, now)
        answer = self._client.update_item(
            TableName=self._table,
            Key={"id": candidate["id"]},
            UpdateExpression="SET queue_add_timestamp = :until, receipt = :receipt",
            ConditionExpression="queue_add_timestamp <= :now",
            ExpressionAttributeValues={
                ":until": _instant(_TIMEOUT),
                ":receipt": receipt,
                ":now": now,
            },
            ReturnValues="ALL_NEW",
        )
        return answer["Attributes"]["id"], receipt

    def delete(self, held: tuple[Any, Any]) -> None:
        """Remove a message that we hold."""
        id, receipt = held
        self._client.delete_item(
            TableName=self._table,
            Key={"id": id},
            ConditionExpression="receipt = :receipt",
            ExpressionAttributeValues={":receipt": receipt},
        )

    def send_batch(self, payloads: list[str]) -> None:
        """Put up to 25 messages in one request."""
        now = _instant()
        self._execute(self._insert, [[_fresh(), {"S": payload}, now] for payload in payloads])

    def receive_batch(self, count: int) -> list[tuple[Any, Any]]:
        """Claim up to 25 messages in two requests."""
        now, until = _instant(), _instant(_TIMEOUT)
        claims = [[until, _fresh(), entry["id"], now] for entry in self._due(count, now)]
        replies = self._execute(self._claim, claims)
        return [(reply["Item"]["id"], reply["Item"]["receipt"]) for reply in replies]

    def delete_batch(self, held: list[tuple[Any, Any]]) -> None:
        """Remove up to 25 messages that we hold in one request."""
        self._execute(self._remove, [list(one) for one in held])

    def _due(self, count: int, now: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.query(
            TableName=self._table,
            IndexName=self._index,
            KeyConditionExpression="queue_type = :queue AND queue_add_timestamp <= :now",
            ExpressionAttributeValues={":queue": {"S": "STANDARD"}, ":now": now},
            Limit=count,
        )["Items"]
        return found

    def _execute(self, statement: str, rows: list[list[Any]]) -> list[dict[str, Any]]:
        answer = self._client.batch_execute_statement(
            Statements=[{"Statement": statement, "Parameters": row} for row in rows]
        )
        replies: list[dict[str, Any]] = answer["Responses"]
        failed = [reply["Error"] for reply in replies if "Error" in reply]
        if failed:
            raise AssertionError(f"nobody else is here, and yet: {failed[0]}")
        return replies


def _fresh() -> dict[str, str]:
    return {"S": uuid.uuid4().hex}


def _instant(later: int = 0) -> dict[str, str]:
    return {"S": format_instant(time.time_ns() + later)}

"""What counts as a reply of DynamoDB: whole, and its own.

botocore takes what it gets. Of a reply that was cut it makes an empty success, or an error whose
text is the rest of an item; a proxy's page becomes a success without content, or an error of
DynamoDB's. So each reply is judged before botocore reads it, by its length, its checksum, and the
headers that DynamoDB gives to all of its replies; and what botocore has read is judged by whether
the members are there that every reply of the operation has.

What fails is no reply: nothing is read off it, neither an outcome nor the time, and of its body
nothing is ever shown. Whether the request was executed is then not known.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from zlib import crc32

_JSON: Final = "application/x-amz-json-1.0"
_PLAIN_JSON: Final = "application/json"  # moto's errors; only with DynamoDB's checksum
_REQUEST_ID: Final = "x-amzn-requestid"
_CHECKSUM: Final = "x-amz-crc32"

_MEMBERS: Final = {
    "BatchExecuteStatement": "Responses",
    "BatchGetItem": "Responses",
    "DescribeTable": "Table",
    "DescribeTimeToLive": "TimeToLiveDescription",
    "Query": "Items",
    "Scan": "Items",
}
"""What is in every reply of an operation, be it empty."""

_ours = threading.local()


class NoReplyError(Exception):
    """What came back is no whole reply of DynamoDB's.

    Attributes:
        reason: why not; never what was in it.
        status: the HTTP status.
    """

    def __init__(self, reason: str, status: int) -> None:
        """Keep both."""
        super().__init__(reason, status)
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


def attend(client: Any) -> None:
    """Have a low-level client judge the replies to our calls; other users' it leaves alone."""
    events = getattr(client.meta, "events", None)
    if events is not None:  # else it is no client of boto3's, but something of a test's
        events.register("before-parse.dynamodb", _judge, unique_id="dynamomq-replies")


@contextmanager
def awaiting() -> Iterator[None]:
    """Mark the calls of this thread as ours, also where one is made within another."""
    before, _ours.calling = getattr(_ours, "calling", False), True
    try:
        yield
    finally:
        _ours.calling = before


def _judge(response_dict: Mapping[str, Any], **_: Any) -> None:
    """Handle botocore's event: a reply has come, and is to be read next."""
    if not getattr(_ours, "calling", False):
        return
    status, body = response_dict["status_code"], response_dict["body"]
    reason = _flaw(status, response_dict["headers"], body)
    if reason is not None:
        raise NoReplyError(reason, status)


def _flaw(status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return why this is no whole reply of DynamoDB's; ``None`` if it is one."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    length, checksum = headers.get("content-length"), headers.get(_CHECKSUM)
    is_theirs = kind == _JSON or (kind == _PLAIN_JSON and checksum is not None)
    if not is_theirs or not headers.get(_REQUEST_ID):
        return f"HTTP status {status} without DynamoDB's headers, so something between has answered"
    if length is not None and length.strip() != str(len(body)):
        return f"it ended after {len(body)} bytes, which is not its length"
    if checksum is not None and checksum.strip() != str(crc32(body)):
        return f"the checksum of its {len(body)} bytes is wrong"
    # Refusals have no checksum, and a proxy may remove the length: what was cut is no JSON.
    is_proved = checksum is not None or (length is not None and status < 300)
    return None if is_proved or _is_object(body) else f"its {len(body)} bytes are no JSON object"


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def check_members(operation: str, parameters: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Check that the members are there which every reply of an operation has.

    Args:
        operation: the API's operation.
        parameters: its input.
        answer: what the client returned, or the response of an error that says what was refused.

    Raises:
        NoReplyError: one is missing, or does not answer all of what was asked.
    """
    if not _is_complete(operation, parameters, answer):
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise NoReplyError("a part of it is missing", status)


def _is_complete(operation: str, parameters: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    if "Error" in answer:
        reasons = answer.get("CancellationReasons")
        return reasons is None or len(reasons) == len(parameters.get("TransactItems", reasons))
    if operation in _MEMBERS and _MEMBERS[operation] not in answer:
        return False
    if operation == "BatchExecuteStatement":
        return len(answer["Responses"]) == len(parameters["Statements"])
    if operation == "BatchGetItem":  # each table's keys are found, or left for later
        told = {*answer["Responses"], *(answer.get("UnprocessedKeys") or ())}
        return told >= {*parameters["RequestItems"]}
    wanted = operation == "UpdateItem" and parameters.get("ReturnValues") == "ALL_NEW"
    return not wanted or "Attributes" in answer

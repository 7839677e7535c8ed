"""A real client of boto3's whose replies come from a script, byte for byte, and from no network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from typing import Any
from zlib import crc32

from attrs import define, evolve, field, frozen
from boto3.session import Session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from tests.support.fixtures import REGION

ENDPOINT = "http://dynamodb.test"
JSON = "application/x-amz-json-1.0"


@frozen
class Raw:
    """A reply as it comes from the network."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)

    def cut(self, length: int) -> Raw:
        """What is left where the connection ended after so many bytes of the body."""
        return evolve(self, body=self.body[:length])

    def without(self, *names: str) -> Raw:
        """The same where something on the way has removed headers."""
        return evolve(self, headers={k: v for k, v in self.headers.items() if k not in names})


def reply(body: Mapping[str, Any], status: int = 200, **more: str) -> Raw:
    """A reply of DynamoDB's; its refusals have no checksum in DynamoDB Local, so here neither."""
    text = json.dumps(body, ensure_ascii=False).encode()
    headers = {
        "Date": "Tue, 24 Nov 2026 20:45:28 GMT",
        "x-amzn-RequestId": "60a62ea5-87bd-49e6-a884-85e0f21b1e47",
        "Content-Type": JSON,
        "Content-Length": str(len(text)),
    }
    if status == 200:
        headers["x-amz-crc32"] = str(crc32(text))
    return Raw(text, status, headers | more)


def refused(code: str, status: int = 400, **more: Any) -> Raw:
    """An error of DynamoDB's."""
    kind = f"com.amazonaws.dynamodb.v20120810#{code}"
    return reply({"__type": kind, "Message": "That can't be.", **more}, status)


def page(status: int, text: str = "<html>Please log in.</html>", **headers: str) -> Raw:
    """What a proxy or a gateway says of its own."""
    body = text.encode()
    about = {"Content-Type": "text/html", "Content-Length": str(len(body))}
    return Raw(body, status, about | headers)


@define(eq=False)
class Wire:
    """A client, and what it will get to read: one reply, or failure, for each attempt."""

    replies: list[Raw | Exception] = field(factory=list)
    while_away: Callable[[], object] = lambda: None
    client: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        retries = {"mode": "standard", "total_max_attempts": 3}
        config = Config(retries=retries, parameter_validation=False)
        self.client = _session().client("dynamodb", endpoint_url=ENDPOINT, config=config)
        self.client.meta.events.register("before-send.dynamodb", self._answer)

    def _answer(self, **_: Any) -> AWSResponse:
        self.while_away()
        raw = self.replies.pop(0)
        if isinstance(raw, Exception):
            raise raw
        return AWSResponse(ENDPOINT, raw.status, raw.headers, _Stream(raw.body))


@cache  # it has read the description of DynamoDB, which takes long
def _session() -> Session:
    return Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


class _Stream(BytesIO):
    """What botocore reads a body from."""

    def stream(self, **_: Any) -> Any:
        yield self.read()

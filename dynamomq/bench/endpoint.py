"""A DynamoDB endpoint to try things on, and tables of one's own there."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from dynamomq import CredentialsError, DynamoDBEngine, InvalidArgumentError
from dynamomq.attributes import ID
from dynamomq.drivers.meter import Meter

_BATCH = 25
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class Endpoint:
    """Where DynamoDB, or a stand-in for it, answers.

    Credentials and region follow boto3's usual rules. Outside AWS, where they are only a matter of
    form, made-up ones take the place of those that are missing.

    Attributes:
        url: the endpoint's URL; ``None``: AWS's own, for the region.
        session: the boto3 session for it.
        is_aws: whether AWS answers there, and no stand-in.
    """

    def __init__(self, url: str | None) -> None:
        """Find credentials and region; nothing is sent to the endpoint.

        Raises:
            InvalidArgumentError: the URL is none.
            CredentialsError: AWS is meant, and region or credentials are missing.
        """
        parts = urlsplit(url or "")
        host = parts.hostname
        if url is not None and (parts.scheme not in ("http", "https") or not host):
            raise InvalidArgumentError(
                "endpoint_url", url, "it is no URL", remedy="Write it as http://localhost:8000."
            )
        self.url = url
        self.session: Any = boto3.session.Session()
        self.is_aws = host is None or host.endswith(_AWS)
        if not self.is_aws:
            self.session = self._completed()
        if self.session.region_name is None or self.session.get_credentials() is None:
            raise CredentialsError(
                "AWS needs a region and credentials, and they are not configured.",
                remedy="Set AWS_PROFILE and AWS_DEFAULT_REGION, or name another endpoint.",
            )

    def _completed(self) -> Any:
        # Nobody's laptop is an EC2 instance: do not wait for its metadata service.
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        made_up = {}
        if self.session.get_credentials() is None:
            made_up = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        region = self.session.region_name or "us-east-1"
        return boto3.session.Session(region_name=region, **made_up)

    def __str__(self) -> str:
        """Return the URL, or the name of the region."""
        return self.url or f"DynamoDB in {self.session.region_name}"

    def engine(self, meter: Meter | None = None) -> DynamoDBEngine:
        """Return an engine; closing it is the caller's."""
        return DynamoDBEngine(session=self.session, endpoint_url=self.url, meter=meter)

    def client(self, config: Any = None) -> Any:
        """Return a low-level boto3 client."""
        return self.session.client("dynamodb", endpoint_url=self.url, config=config)

    @contextmanager
    def empty_table(self, name: str | None = None) -> Iterator[str]:
        """Yield the name of a table without messages.

        Args:
            name: a table to use, which is emptied in the end; ``None``: a new one, which does not
                exist yet and is deleted in the end.

        Raises:
            InvalidArgumentError: the named table is not empty.
        """
        client = self.client()
        try:
            if name is None:
                yield from _temporary(client)
            else:
                yield from _emptied(client, name)
        finally:
            client.close()


def _temporary(client: Any) -> Iterator[str]:
    name = f"dynamomq-{uuid.uuid4().hex[:12]}"
    try:
        yield name
    finally:
        try:
            client.delete_table(TableName=name)
        except client.exceptions.ResourceNotFoundException:
            pass  # the block did not get as far as creating it
        except EndpointConnectionError:
            pass  # nobody is there, and the block has said so
        except (BotoCoreError, ClientError) as error:
            print(f"Table {name} could not be deleted: {error}", file=sys.stderr)


def _emptied(client: Any, name: str) -> Iterator[str]:
    if any(_ids(client, name)):
        raise InvalidArgumentError(
            "table",
            name,
            "it is not empty, and the benchmark would receive what is in it",
            remedy="Name another one.",
        )
    try:
        yield name
    finally:
        # Everything in it came from here, tombstones and messages in flight among it.
        while batch := list(islice(_ids(client, name), _BATCH)):
            requests = [{"DeleteRequest": {"Key": key}} for key in batch]
            client.batch_write_item(RequestItems={name: requests})


def _ids(client: Any, table: str) -> Iterator[dict[str, Any]]:
    """Read the keys of all items, page by page; of none where there is no such table."""
    try:
        for page in client.get_paginator("scan").paginate(
            TableName=table, ProjectionExpression=ID.name, ConsistentRead=True
        ):
            yield from page["Items"]
    except client.exceptions.ResourceNotFoundException:
        return

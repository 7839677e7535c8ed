"""Fixtures for tests that talk to a DynamoDB endpoint.

Each process has one server (with pytest-xdist, each worker): it starts with the first test that
asks for it. Tests share it and keep apart by table names.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support import dynamodb_local

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@pytest.fixture(scope="session", autouse=True)
def isolated_aws_environment() -> Iterator[None]:
    """No test sees the developer's AWS account, profile or endpoints, nor the metadata service."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"):
            patch.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, "/dev/null")
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """The URL of DynamoDB Local (or ``$DYNAMOMQ_TEST_ENDPOINT``)."""
    with dynamodb_local.running() as endpoint_url:
        yield endpoint_url


@pytest.fixture(scope="session")
def dynamodb_client(
    dynamodb_endpoint: str,
    isolated_aws_environment: None,  # noqa: ARG001 - the client must not see the developer's own
) -> Iterator[Any]:
    """A low-level boto3 client for ``dynamodb_endpoint``, safe to share among threads."""
    client = make_client(dynamodb_endpoint)
    yield client
    client.close()


@pytest.fixture
def table_name() -> str:
    """A table name that no other test has, on this endpoint or any."""
    return f"test-{uuid.uuid4()}"


def make_client(endpoint_url: str, **config: Any) -> Any:
    """A low-level client for ``endpoint_url``, standard retries unless ``config`` says otherwise.

    ``config`` goes to ``botocore.config.Config``. Close the client after use: warnings are errors,
    and an abandoned connection warns.
    """
    settings: dict[str, Any] = {
        "retries": {"mode": "standard"},
        "connect_timeout": 5,
        "read_timeout": 30,
        "max_pool_connections": 32,
    }
    # A session of its own: boto3's default session is not thread-safe.
    session = boto3.session.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION
    )
    return session.client(
        "dynamodb", endpoint_url=endpoint_url, config=Config(**(settings | config))
    )

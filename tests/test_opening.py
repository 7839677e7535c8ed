"""Queues and engines are not opened with what can't work: it is named at once, and no secret."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

import dynamomq
from dynamomq import DynamoDBEngine, InvalidArgumentError, LocalEngine, Queue, errors
from tests.support.fixtures import REGION
from tests.support.scripted import ScriptedClient

SECRET = "hunter2"
DB: Any = b"q.db"


@pytest.mark.parametrize(
    "given",
    ["x", b"queue.db", 5, LocalEngine, Path("q.db")],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_engine_is_refused(given: Any) -> None:
    """A path, an engine's class and the like are no engines; the error says what to pass."""
    with pytest.raises(InvalidArgumentError, match="it is not an engine") as refusal:
        Queue("orders", engine=given)
    assert (refusal.value.argument, refusal.value.value) == ("engine", given)
    assert "LocalEngine(path)" in refusal.value.remedy


def resource() -> Any:
    """boto3's high-level object, which is easily mistaken for a client."""
    return boto3.session.Session(region_name=REGION).resource("dynamodb")


@pytest.mark.parametrize(
    "make_one", [lambda: "x", lambda: 5, resource], ids=["text", "a number", "a resource"]
)
def test_what_is_no_client_is_refused(make_one: Callable[[], Any]) -> None:
    """Only a low-level DynamoDB client will do, which has the operations as methods."""
    given = make_one()
    for make in (Queue, DynamoDBEngine):
        with pytest.raises(InvalidArgumentError, match="not a boto3 DynamoDB client") as refusal:
            make(client=given)
        assert refusal.value.argument == "client"


@pytest.mark.parametrize("session", ["default", 5, object()], ids=["a name", "5", "an object"])
def test_what_is_no_session_is_refused(session: Any) -> None:
    """A session makes clients; the name of a profile is none."""
    for make in (Queue, DynamoDBEngine):
        with pytest.raises(InvalidArgumentError, match="not a boto3") as refusal:
            make(session=session)
        assert refusal.value.argument == "session"


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:8000", "localhost", "//localhost:8000", "ftp://localhost", ""),
        *("http://", "http://:8000", "http:localhost", "http://localhost:port", "http://h:0"),
        *("http://localhost:70000", "http://[::1", b"http://localhost:8000", 8000),
    ],
    ids=str,
)
def test_what_is_no_url_is_refused(url: Any) -> None:
    """An endpoint without scheme, host or a real port is refused before boto3 stumbles over it."""
    for make in (Queue, DynamoDBEngine):
        with pytest.raises(InvalidArgumentError, match="not an HTTP URL") as refusal:
            make(endpoint_url=url)
        assert (refusal.value.argument, refusal.value.value) == ("endpoint_url", url)
        assert "http://localhost:8000" in refusal.value.remedy


@pytest.mark.parametrize("scheme", ["http://", "https://", "ftp://", "//", ""])
@pytest.mark.parametrize("user", ["admin:", "", ":", "a@b:"])
def test_passwords_in_urls_are_refused_and_not_shown(scheme: str, user: str) -> None:
    """Errors name endpoints, so a URL must hold no password; this error does not show it either."""
    with pytest.raises(InvalidArgumentError, match="user or a password") as refusal:
        Queue("orders", endpoint_url=f"{scheme}{user}{SECRET}@localhost:8000")
    assert SECRET not in f"{refusal.value} {refusal.value!r} {refusal.value.value}"
    assert refusal.value.__context__ is None
    assert refusal.value.value == "localhost:8000"


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "https://dynamodb.eu-west-1.amazonaws.com", "http://[::1]:80/"]
)
def test_urls_are_accepted(url: str) -> None:
    """With scheme and host, by name or address, an endpoint is taken as it is."""
    assert url in repr(DynamoDBEngine(endpoint_url=url))


def test_anything_with_the_operations_is_a_client() -> None:
    """A wrapper around a client, or a fake one, will do."""
    assert Queue("orders", client=ScriptedClient()).table == "orders"


@pytest.mark.parametrize("path", [None, DB, 5, "", "a\0b", ["q.db"]], ids=repr)
def test_what_is_no_path_is_refused(path: Any) -> None:
    """A file is named by text or a ``Path``; nothing is created meanwhile."""
    with pytest.raises(InvalidArgumentError, match="it names no file") as refusal:
        LocalEngine(path)
    assert (refusal.value.argument, refusal.value.value) == ("path", path)
    assert refusal.value.remedy


@pytest.mark.parametrize("seconds", ["10", None, 0, -1, 3601, float("nan"), float("inf"), [10]])
def test_what_is_no_busy_timeout_is_refused(seconds: Any, tmp_path: Path) -> None:
    """It is a number of seconds, more than none and at most an hour."""
    with pytest.raises(InvalidArgumentError, match="not in 0 to 3600 s") as refusal:
        LocalEngine(tmp_path / "q.db", busy_timeout=seconds)
    assert refusal.value.argument == "busy_timeout"
    assert refusal.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("durability", ["FULL", "off", None, 1, ["full"]], ids=repr)
def test_what_is_no_durability_is_refused(durability: Any, tmp_path: Path) -> None:
    """There are two, by name."""
    with pytest.raises(InvalidArgumentError, match="no such durability") as refusal:
        LocalEngine(tmp_path / "q.db", durability=durability)
    assert refusal.value.argument == "durability"
    assert refusal.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_every_error_can_be_imported_from_the_package() -> None:
    """Whatever the library raises can be caught by a name of ``dynamomq``."""
    names = {name for name in errors.__all__ if name[0].isupper()}
    assert "StoreError" in names
    assert names <= set(dynamomq.__all__)
    for name in names:
        assert getattr(dynamomq, name) is getattr(errors, name)

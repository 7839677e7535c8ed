"""What boto3 raises becomes one of our errors: the right one, with a remedy, without payloads."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore import exceptions as sdk

from dynamomq.attributes import ID
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.failures import Attempt, from_code, translated
from dynamomq.errors import (
    AccessDeniedError,
    ConflictError,
    CredentialsError,
    DynamoMQError,
    InternalError,
    MalformedItemError,
    RequestRejectedError,
    TableMismatchError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.queue import Queue
from dynamomq.requests import Get, Request, Write
from tests.support.embedded import custom_rule
from tests.support.scripted import ENDPOINT, TABLE, opened, refusal

WRITE = Attempt("UpdateItem", TABLE, ENDPOINT)
READ = Attempt("GetItem", TABLE, ENDPOINT)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ProvisionedThroughputExceededException", "", ThrottledError),
        ("ProvisionedThroughputExceeded", "", ThrottledError),
        ("ThrottlingException", "", ThrottledError),
        ("ThrottlingError", "", ThrottledError),
        ("RequestLimitExceeded", "", ThrottledError),
        ("TransactionConflictException", "", ConflictError),
        ("TransactionConflict", "", ConflictError),
        ("InternalServerError", "", InternalError),
        ("ServiceUnavailable", "", InternalError),
        ("UnrecognizedClientException", "", CredentialsError),
        ("InvalidSignatureException", "", CredentialsError),
        ("ExpiredTokenException", "", CredentialsError),
        ("MissingAuthenticationToken", "", CredentialsError),
        ("AccessDeniedException", "", AccessDeniedError),
        ("AccessDenied", "", AccessDeniedError),
        ("ResourceNotFoundException", "Requested resource not found", TableNotFoundError),
        ("ResourceNotFound", "", TableNotFoundError),
        (
            "ValidationException",
            "The table does not have the specified index: by-due",
            TableMismatchError,
        ),
        (
            "ValidationException",
            "Cannot read from backfilling global secondary index: by-due",
            UnavailableError,
        ),
        (
            "ValidationException",
            "The provided expression refers to an attribute that does not exist in the item",
            MalformedItemError,
        ),
        (
            "ValidationError",
            "An operand in the update expression has an incorrect data type",
            MalformedItemError,
        ),
        (
            "ValidationException",
            "Item size to update has exceeded the maximum allowed size",
            RequestRejectedError,
        ),
        ("SomethingNewException", "Never heard of.", RequestRejectedError),
    ],
)
def test_codes(code: str, message: str, kind: type[DynamoMQError]) -> None:
    """Each code, of a request or of a statement in a batch, has its error, which says what to do.

    What the caller can mend has a remedy.
    """
    error = from_code(code, message, WRITE)
    assert type(error) is kind
    assert error.remedy or code == "SomethingNewException"


def test_unknown_failure_of_the_service() -> None:
    """An unknown code is the service's fault if the HTTP status says so."""
    assert type(from_code("Odd", "", WRITE, 503)) is InternalError
    assert type(from_code("Odd", "", WRITE, 400)) is RequestRejectedError


def test_rejection_keeps_the_code() -> None:
    """A rejected request carries DynamoDB's code and words."""
    error = from_code("ValidationException", "No sense.", WRITE)
    assert isinstance(error, RequestRejectedError)
    assert error.code == "ValidationException"
    assert error.message == (
        "DynamoDB refused UpdateItem on table 'orders' (ValidationException): No sense."
    )


def test_long_texts_are_cut() -> None:
    """However much the service says, the message stays readable."""
    assert len(str(from_code("ValidationException", "x" * 10_000, WRITE))) < 500


def test_denied_action_is_named() -> None:
    """The action that is missing in the policy is taken from the message, else from the call."""
    message = "User: arn:aws:iam::1:user/u is not authorized to perform: dynamodb:Query on resource"
    error = from_code("AccessDeniedException", message, READ)
    assert "dynamodb:Query on table 'orders'" in error.message
    assert "arn:" not in str(error)
    assert "dynamodb:GetItem" in from_code("AccessDeniedException", "", READ).message


def test_denied_batches_have_another_way() -> None:
    """Who may not use PartiQL is told of the switch that does without."""
    message = "… is not authorized to perform: dynamodb:PartiQLUpdate on …"
    assert "batches=False" in from_code("AccessDenied", message, WRITE).remedy


def test_missing_index_is_named() -> None:
    """A table without the index is a mismatch that names both."""
    message = "The table does not have the specified index: by-due"
    error = from_code("ValidationException", message, READ)
    assert isinstance(error, TableMismatchError)
    assert error.differences == ("it has no index 'by-due'",)


def _network_errors() -> list[Exception]:
    one: dict[str, Any] = {"endpoint_url": ENDPOINT, "error": "boom"}
    return [
        sdk.EndpointConnectionError(**one),
        sdk.ConnectTimeoutError(**one),
        sdk.ReadTimeoutError(**one),
        sdk.ConnectionClosedError(**one),
        sdk.SSLError(**one),
        sdk.ProxyConnectionError(proxy_url="http://proxy", **one),
        sdk.HTTPClientError(**one),
    ]


@pytest.mark.parametrize("error", _network_errors(), ids=lambda one: type(one).__name__)
def test_network(error: Exception) -> None:
    """What never came back names the endpoint and, for a write only, says what is not known."""
    raised = []
    removal = Write("a", custom_rule("delete", (), ID.exists()), {})
    requests: tuple[Request[Any], ...] = (Get("a"), removal)
    for request in requests:
        driver, _ = opened(error)
        with pytest.raises(UnavailableError, match=type(error).__name__) as caught:
            driver.execute(request)
        assert ENDPOINT in caught.value.message
        raised.append(caught.value)
    read, written = raised
    assert written.in_doubt
    assert "not known" in str(written)
    assert not read.in_doubt
    assert "not known" not in str(read)


@pytest.mark.parametrize(
    "error",
    [
        sdk.NoCredentialsError(),
        sdk.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        sdk.CredentialRetrievalError(provider="p", error_msg="secret"),
        sdk.TokenRetrievalError(provider="p", error_msg="secret"),
        sdk.UnauthorizedSSOTokenError(),
        sdk.SSOTokenLoadError(error_msg="secret"),
        sdk.NoRegionError(),
        sdk.ProfileNotFound(profile="no-such"),
        sdk.ConfigParseError(path="f", error="e"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_credentials(error: Exception) -> None:
    """What is wrong with the set-up of credentials comes with a remedy, and shows no secret."""
    ours = translated(error, READ)
    assert type(ours) is CredentialsError
    assert ours.remedy
    assert "secret" not in str(ours)


def test_refusal_by_the_sdk_shows_no_payload() -> None:
    """The SDK's own refusals quote values, so their text stays out."""
    error = sdk.ParamValidationError(report="Invalid type for Item.data, value: my-payload")
    ours = translated(error, WRITE)
    assert type(ours) is RequestRejectedError
    assert "my-payload" not in str(ours)


def test_signature_texts_stay_out() -> None:
    """The text of a signature error can hold the signed request, key id included."""
    text = "The Canonical String was AKIASOMETHING"
    assert "AKIA" not in str(from_code("InvalidSignatureException", text, READ))


def test_cause_is_chained() -> None:
    """The driver raises our error from boto3's, which has all details."""
    cause = refusal("ThrottlingException", "Rate exceeded")
    driver, _ = opened(cause)
    with pytest.raises(ThrottledError) as caught:
        driver.execute(Get("a"))
    assert caught.value.__cause__ is cause


def _without_credentials(patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_ACCESS_KEY_ID")
    patch.delenv("AWS_SECRET_ACCESS_KEY")


def _without_region(patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_DEFAULT_REGION")


def _with_unknown_profile(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_PROFILE", "no-such-profile")


def _with_half_of_credentials(patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_SECRET_ACCESS_KEY")


def _with_an_odd_region(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_DEFAULT_REGION", "no region")


def _with_an_odd_endpoint(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000")


SPOILT = (
    (_without_credentials, "No usable AWS credentials"),
    (_with_half_of_credentials, "No usable AWS credentials"),
    (_without_region, "No AWS region"),
    (_with_unknown_profile, "no-such-profile"),
    (_with_an_odd_region, "no region"),
    (_with_an_odd_endpoint, "localhost:8000"),
)


def told(call: Callable[[], object]) -> list[str]:
    """The lines of the traceback that a program shows which such a call ends."""
    try:
        call()
    except DynamoMQError as error:
        assert len(str(error).splitlines()) == 1
        assert error.remedy
        return "".join(traceback.format_exception(error)).splitlines()
    return pytest.fail("no error")


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
def test_a_bad_environment_is_told_briefly(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None], said: str
) -> None:
    """One line says what to do, the last one; above it is no way through boto3, nor through us."""
    spoil(monkeypatch)
    with Queue[Any]("orders") as queue:
        lines = told(queue.stats)
    assert said in lines[-1]
    assert len(lines) <= 30
    assert not [line for line in lines if "site-packages" in line]


def test_an_unreachable_endpoint_is_told_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint, the system's own reason, and what to do; no way through boto3."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # noqa: ARG005 - its shape
    with Queue[Any]("orders", endpoint_url="http://127.0.0.1:9") as queue:
        lines = told(queue.stats)
    assert "http://127.0.0.1:9" in lines[-1]
    assert any("Connection refused" in line for line in lines)
    assert len(lines) <= 30
    assert not [line for line in lines if "site-packages" in line]


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
def test_bad_environment(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None], said: str
) -> None:
    """With the real SDK, a bad environment is an error at the first request, not before."""
    spoil(monkeypatch)
    with closing(DynamoDBEngine()) as engine:
        driver = engine.open(TABLE)
        with pytest.raises(CredentialsError, match=said):
            driver.execute(Get("a"))


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real SDK, an endpoint that nobody serves is named; its pauses are cut short."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # noqa: ARG005 - its shape
    with closing(DynamoDBEngine(endpoint_url="http://127.0.0.1:9")) as engine:
        driver = engine.open(TABLE)
        with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9"):
            driver.execute(Get("a"))

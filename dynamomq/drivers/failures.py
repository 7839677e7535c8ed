"""What boto3 raises, in DynamoMQ's words.

DynamoDB names a failure by a code, ``…Exception`` or ``…Error`` for a whole request and without
(or with another ending) for one statement of a batch; the table here goes by what is left when the
ending is taken away. The SDK has exception classes of its own for what never reached DynamoDB. The
caller chains the cause, which keeps the response, but no text that could quote what was sent.

Messages name tables, actions and endpoints. They never show a payload or a credential; the
service's own words are passed on only where DynamoDB puts neither into them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen
from botocore import exceptions as sdk

from dynamomq.drivers.replies import NoReplyError
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
from dynamomq.table import TableDefinition

SDK_ERRORS: Final = (sdk.BotoCoreError, sdk.ClientError, NoReplyError)
"""The roots of all that boto3 raises by design, and what we raise within it."""

_LONGEST = 300
_NO_CAUSE = "None"  # the code of those actions of a cancelled transaction that were all right
_QUOTED: Final = re.compile(
    r"(?<=Value ').*(?=' at ')|(?<=numeric value: ).*|(?<=collection \[).*(?=\])", re.DOTALL
)
"""Where DynamoDB's own words quote what was sent."""

_CREDENTIALS: Final = (
    sdk.NoCredentialsError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.MetadataRetrievalError,
    sdk.NoAuthTokenError,
    sdk.RefreshWithMFAUnsupportedError,
    sdk.SSOError,
    sdk.TokenRetrievalError,
    sdk.UnknownCredentialError,
)
_CONFIGURATION: Final = (
    sdk.ConfigNotFound,
    sdk.ConfigParseError,
    sdk.InvalidConfigError,
    sdk.InvalidRegionError,
    sdk.ProfileNotFound,
)
NETWORK: Final = (
    sdk.ChecksumError,
    sdk.ConnectionError,
    sdk.HTTPClientError,
    sdk.IncompleteReadError,
    NoReplyError,
)
"""What is raised where no reply came that counts."""

_SLOW: Final = (sdk.ConnectTimeoutError, sdk.ReadTimeoutError)
"""Failures of the network that have taken their time: those the SDK has repeated long enough."""

TOO_LARGE: Final = 413
"""The HTTP status of what was not passed on: it is an answer, whoever gives it."""


@frozen
class Attempt:
    """What was being done when it failed.

    Attributes:
        operation: the API's operation, such as ``UpdateItem``.
        table: the table that it was about.
        endpoint: the URL that it was sent to.
    """

    operation: str
    table: TableDefinition
    endpoint: str

    def __str__(self) -> str:
        return f"{self.operation} on table {self.table.name!r}"


def stem(code: str) -> str:
    """Return a code without its ending: ``ThrottlingException`` and ``ThrottlingError`` agree."""
    return code.removesuffix("Exception").removesuffix("Error")


def translated(
    error: Exception, attempt: Attempt, parts: Sequence[Mapping[str, Any]] = ()
) -> DynamoMQError:
    """Return our error for one that boto3 raised; raise it ``from`` that one.

    Args:
        error: what boto3 raised.
        attempt: what was being done.
        parts: if that was a transaction, the entries of its ``TransactItems``.
    """
    if isinstance(error, sdk.ClientError):
        reasons = error.response.get("CancellationReasons", ())
        if causes := list(_causes(reasons, parts, attempt)):
            return next((one for one in causes if not one.retryable), causes[0])
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return from_code(details.get("Code", ""), details.get("Message", ""), attempt, status)
    if isinstance(error, sdk.NoRegionError):
        return CredentialsError(
            "No AWS region is configured.",
            remedy="Pass region_name, set AWS_DEFAULT_REGION, or set a region in the AWS profile.",
        )
    if isinstance(error, _CREDENTIALS) or type(error).__name__.startswith("Login"):
        return CredentialsError(
            f"No usable AWS credentials were found ({type(error).__name__}).",
            remedy="Log in (`aws sso login`, `aws configure`), set AWS_PROFILE or the AWS_… "
            "variables, or give the process a role.",
        )
    if isinstance(error, _CONFIGURATION):
        # These name the profile, region or file that is wrong, and nothing secret.
        return CredentialsError(
            f"The AWS configuration can't be used: {_sentence(str(error))}",
            remedy="Check profile_name, AWS_PROFILE and the files in ~/.aws.",
        )
    if isinstance(error, NETWORK):
        return _unreachable(error, attempt)
    # Left are refusals by the SDK itself, whose texts may quote the values that were sent.
    return RequestRejectedError(
        f"The AWS SDK refused {attempt} ({type(error).__name__}).", code=type(error).__name__
    )


def discreet(error: Exception) -> Exception:
    """Return an error of boto3's as the short cause of ours.

    It is without the text in which it may quote what was sent, and without the way through boto3 by
    which it came, which is forty lines and more; of an error of the system the text is kept.
    """
    root, met = _behind(error), {id(error)}
    while (inner := _behind(root)) is not root and id(root) not in met:  # there may be a circle
        met.add(id(root))
        root = inner
    if isinstance(root, OSError) and root is not error:
        error.add_note(f"{type(root).__name__}: {root}")
    error.__cause__ = error.__traceback__ = None  # and its context is not shown then
    if isinstance(error, sdk.ClientError):
        error.args = (f"{error.operation_name}: {error.response.get('Error', {}).get('Code')}",)
    elif not isinstance(error, (*_CONFIGURATION, *NETWORK, sdk.NoRegionError)):
        error.args = (type(error).__name__,)
    return error


def _behind(error: BaseException) -> BaseException:
    """Return what an error came from, which is itself where there is nothing else."""
    return error.__cause__ or error.__context__ or error


def _unreachable(error: Exception, attempt: Attempt) -> DynamoMQError:
    """Return the error for a request that was not answered, or not by DynamoDB."""
    if isinstance(error, NoReplyError) and error.status == TOO_LARGE:
        return RequestRejectedError(
            f"{attempt} is too large for what is between here and DynamoDB (HTTP status 413).",
            code=str(TOO_LARGE),
            remedy="Send less at once, or raise the limit of the proxy or gateway.",
        )
    if isinstance(error, NoReplyError):
        unavailable = UnavailableError(
            f"What {attempt.endpoint} replied to {attempt} is no whole reply of DynamoDB: "
            f"{error.reason}.",
            remedy="Check the endpoint, and proxies and gateways on the way; then call again.",
        )
    else:
        unavailable = UnavailableError(
            f"{attempt.endpoint} could not be reached for {attempt} ({type(error).__name__}).",
            remedy="Check the region, the endpoint and the network; then call again.",
        )
    unavailable.retryable = not isinstance(error, _SLOW)
    return unavailable


def from_code(code: str, message: str, attempt: Attempt, status: int = 400) -> DynamoMQError:
    """Return our error for one of DynamoDB's codes.

    Args:
        code: of the request, or of one statement of a batch.
        message: what DynamoDB says beside the code.
        attempt: what was being done.
        status: the HTTP status, where the whole request failed.
    """
    maker = _BY_STEM.get(stem(code))
    if maker is None:
        maker = _internal if status >= 500 else _rejected
    return maker(code, message, attempt)


def is_passing(code: str) -> bool:
    """Tell whether what DynamoDB names by a code goes away by itself."""
    return _BY_STEM.get(stem(code)) in (_conflict, _in_progress, _internal, _replicated, _throttled)


def _causes(
    reasons: Sequence[Mapping[str, str]], parts: Sequence[Mapping[str, Any]], whole: Attempt
) -> Iterator[DynamoMQError]:
    """Yield an error for each action that made DynamoDB cancel a transaction."""
    for place, reason in enumerate(reasons):
        code = reason.get("Code", _NO_CAUSE)
        if code != _NO_CAUSE:
            # DynamoDB Local may give one reason for all: then it is not known whose it is.
            placed = len(reasons) == len(parts)
            attempt = _part_of(whole, parts, place) if placed else whole
            yield from_code(code, reason.get("Message", ""), attempt)


def _part_of(whole: Attempt, parts: Sequence[Mapping[str, Any]], place: int) -> Attempt:
    """Describe one action of a transaction: its place, its verb and its table."""
    ((verb, parameters),) = parts[place].items()
    return evolve(
        whole,
        operation=f"action {place + 1} of {len(parts)} in {whole.operation} ({verb})",
        table=evolve(whole.table, name=parameters["TableName"]),
    )


def _throttled(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return ThrottledError(
        f"DynamoDB throttled {attempt} ({code}).",
        remedy="Call again later, or raise the capacity limits of the table and its index.",
    )


def _conflict(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return ConflictError(
        f"Another transaction that is changing the same item was in the way of {attempt}.",
        remedy="Call again.",
    )


def _in_progress(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return ConflictError(
        f"An earlier attempt of {attempt} is still being carried out.", remedy="Call again."
    )


def _replicated(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return ConflictError(
        f"A write to the same item in another Region was in the way of {attempt}.",
        remedy="Call again; let only one Region write to a queue at a time.",
    )


def _mismatch(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return RequestRejectedError(
        f"DynamoDB refused {attempt} ({code}): in the last ten minutes its token stood for other "
        "actions.",
        code=code,
        remedy="Use a fresh token for each transaction.",
    )


def _internal(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return InternalError(f"DynamoDB failed to carry out {attempt} ({code}).", remedy="Call again.")


def _unauthenticated(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - the message can hold the signed request
    expired = "Expired" in code
    return CredentialsError(
        f"DynamoDB does not accept the AWS credentials in use ({code}).",
        remedy="They have expired: log in again; check the clock of this machine."
        if expired
        else "Check that they belong to this account, region and endpoint, and are still active.",
    )


def _denied(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    match = re.search(r"not authorized to perform: ([\w:*]+)", message)
    action = match[1] if match else f"dynamodb:{attempt.operation}"
    remedy = f"Allow {action} on the table (and on its index) in the policy of the role in use."
    if action.startswith("dynamodb:PartiQL"):
        remedy += " Or use engine=DynamoDBEngine(batches=False), which makes do without it."
    where = re.search(r"on resource: \S*:table/([\w.-]+)", message)
    table = where[1] if where else attempt.table.name  # a transaction may be about several
    return AccessDeniedError(
        f"The AWS credentials in use do not allow {action} on table {table!r}.",
        remedy=remedy,
    )


def _no_resource(code: str, message: str, attempt: Attempt) -> DynamoMQError:  # noqa: ARG001 - shape
    return TableNotFoundError(attempt.table.name)


_MALFORMED: Final = re.compile(
    r"refers to an attribute that does not exist"
    r"|operand in the update expression has an incorrect data type"
    r"|document path provided in the update expression is invalid"
)


def _rejected(code: str, message: str, attempt: Attempt) -> DynamoMQError:
    index = attempt.table.index
    if "does not have the specified index" in message:
        return TableMismatchError(attempt.table.name, (f"it has no index {index!r}",))
    if "backfilling" in message:
        return UnavailableError(
            f"Index {index!r} of table {attempt.table.name!r} is still being built.",
            remedy="Call again later.",
        )
    text = f"DynamoDB refused {attempt} ({code}): {_sentence(message)}"
    if _MALFORMED.search(message):
        return MalformedItemError(
            text, code=code, remedy="The item lacks or mistypes an attribute that the write reads."
        )
    too_large = "exceeded the maximum allowed size" in message
    remedy = "Keep large payloads elsewhere and send a reference to them." if too_large else ""
    return RequestRejectedError(text, code=code, remedy=remedy)


def _sentence(text: str) -> str:
    text = _QUOTED.sub("…", text)
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"{short.rstrip('.')}."


_BY_STEM: Final[dict[str, Callable[[str, str, Attempt], DynamoMQError]]] = {
    **dict.fromkeys(
        (
            "LimitExceeded",
            "ProvisionedThroughputExceeded",
            "RequestLimitExceeded",
            "RequestThrottled",
            "Throttled",
            "Throttling",
            "TooManyRequests",
        ),
        _throttled,
    ),
    "TransactionConflict": _conflict,
    "TransactionInProgress": _in_progress,
    "ReplicatedWriteConflict": _replicated,
    "IdempotentParameterMismatch": _mismatch,
    **dict.fromkeys(("InternalFailure", "InternalServer", "ServiceUnavailable"), _internal),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "IncompleteSignature",
            "InvalidClientTokenId",
            "InvalidSignature",
            "MissingAuthenticationToken",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClient",
        ),
        _unauthenticated,
    ),
    "AccessDenied": _denied,
    "NotImplemented": _rejected,
    "ResourceNotFound": _no_resource,
}

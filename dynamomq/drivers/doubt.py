"""Whether a request may have been executed, or may be yet: decided here, for every reply and error.

boto3 sends a request several times, and shows what the last attempt came to. Whether there is doubt
all of them decide: an attempt to which no reply came may be executed at any time, whatever the
others are told. So each is noted on its way (see ``attempts.py``; spec: WRITE-3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore import exceptions as sdk

from dynamomq.drivers.failures import NETWORK, TOO_LARGE, stem
from dynamomq.drivers.replies import NoReplyError

Attempts = Sequence[bool]
"""The attempts of one request, each with whether it may have been executed, or may be yet."""

_UNSENT: Final = (
    sdk.ConnectTimeoutError,
    sdk.EndpointConnectionError,
    sdk.ProxyConnectionError,
)
"""There was no connection over which anything could have been sent."""

_UNSETTLED: Final = frozenset(
    {
        "InternalFailure",
        "InternalServer",
        "ReplicatedWriteConflict",  # of the replicas of a global table, one may keep the write
        "RequestTimeout",
        "ServiceUnavailable",
        "TransactionInProgress",  # an earlier attempt with the same token
    }
)
"""The codes (their stems) after which a request may have been executed, or may be yet."""

_REQUEST_TIMEOUT: Final = 408
_SERVERS_FAULT: Final = 500


def is_settled(code: str, status: int = 400) -> bool:
    """Tell whether an error says for certain that the request was not executed.

    Args:
        code: DynamoDB's, of a request, or of one write of a batch.
        status: the HTTP status, where the whole request failed.
    """
    return (
        _SERVERS_FAULT > status >= 400
        and status != _REQUEST_TIMEOUT
        and stem(code) not in _UNSETTLED
    )


def was_repeated(answer: Mapping[str, Any], attempts: Attempts) -> bool:
    """Tell whether an attempt before the one that was answered may have been executed."""
    retries: int = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    if len(attempts) != retries + 1:  # of some client that does not tell of them
        return retries > 0
    return any(attempts[:-1])


def may_be_executed(error: Exception, attempts: Attempts) -> bool:
    """Tell whether a request that ended with an error may have been executed, or may be yet."""
    if isinstance(error, sdk.ClientError):
        answer = error.response
        return was_repeated(answer, attempts) or not _settles(answer)
    if isinstance(error, NoReplyError) and error.status == TOO_LARGE:
        return any(attempts[:-1])
    if attempts:
        return any(attempts)
    return isinstance(error, NETWORK)  # how often it was sent is not known


def is_open(answer: Mapping[str, Any] | None, exception: Exception | None) -> bool:
    """Tell whether an attempt that came to an answer, or to an exception, may be executed."""
    return not isinstance(exception, _UNSENT) if answer is None else not _settles(answer)


def _settles(answer: Mapping[str, Any]) -> bool:
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return is_settled(answer.get("Error", {}).get("Code", ""), status)

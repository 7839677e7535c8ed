"""Each attempt of the SDK at a request of ours: looked at before it is sent (spec: WRITE-8), noted.

boto3 repeats by itself, by its configuration for many minutes, and the process may be suspended
between two attempts. But it tells of each before it sends it, and an error raised then ends the
call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dynamomq.drivers.doubt import Attempts, is_open
from dynamomq.errors import InvalidArgumentError
from dynamomq.timestamps import SECOND

CONNECT_TIMEOUT: Final = 5
"""How many seconds an attempt may wait for its connection, where the client is ours."""

_LONGEST: Final = 120
"""The same where it is not; its default is 60."""

_UNIQUE: Final = "dynamomq-attempts"


class _Present(threading.local):
    """What this thread is about.

    Attributes:
        check: told whether an attempt before may be executed; raises if this one must not be sent.
        attempts: those of the present call, each with whether it may be executed.
    """

    check: Callable[[bool], None] | None = None

    def __init__(self) -> None:
        """Begin without attempts."""
        self.attempts: list[bool] = []


_present = _Present()


def watch(client: Any) -> None:
    """Have a low-level client's attempts at our requests looked at; others' it leaves alone."""
    events = getattr(client.meta, "events", None)
    if events is not None:  # else it is no client of boto3's, but something of a test's
        # First, for others may send the request themselves, as moto does.
        events.register_first("before-send.dynamodb", _look, unique_id=_UNIQUE)
        events.register("response-received.dynamodb", _note, unique_id=f"{_UNIQUE}-answered")


def lead_of(client: Any) -> int:
    """Return how long an attempt of a client may wait for its connection, in nanoseconds.

    Raises:
        InvalidArgumentError: so long that no attempt could be known to arrive in time.
    """
    config = getattr(client.meta, "config", None)
    timeout = CONNECT_TIMEOUT if config is None else config.connect_timeout
    if timeout is None or timeout > _LONGEST:
        raise InvalidArgumentError(
            "client",
            client,
            f"its connect_timeout is {timeout}, but no attempt at a write may wait longer than "
            f"{_LONGEST} seconds for its connection",
            remedy=f"Make it with botocore.config.Config(connect_timeout={CONNECT_TIMEOUT}).",
        )
    return round(timeout * SECOND)


@contextmanager
def looked_at(check: Callable[[bool], None]) -> Iterator[None]:
    """Have all attempts of this thread's calls looked at.

    Args:
        check: told of each whether one before may be executed; raises if it must not be sent.
    """
    before, _present.check = _present.check, check
    try:
        yield
    finally:
        _present.check = before


@contextmanager
def calling() -> Iterator[Attempts]:
    """Note the attempts of a call, none so far.

    While it is under way, a hook of the SDK's or the handler of a signal may make another one.
    """
    before, _present.attempts = _present.attempts, []
    try:
        yield _present.attempts
    finally:
        _present.attempts = before


def _look(**_: Any) -> None:
    """Handle botocore's event: an attempt is about to be sent."""
    if _present.check is not None:
        _present.check(any(_present.attempts))
        _present.attempts.append(True)  # until it is answered


def _note(parsed_response: Mapping[str, Any] | None, exception: Exception | None, **_: Any) -> None:
    """Handle botocore's event: an attempt has come to something."""
    if _present.attempts:
        _present.attempts[-1] = is_open(parsed_response, exception)

"""What send makes of replies that no engine gives on request."""

from typing import Any, Literal

import pytest

from dynamomq.errors import (
    AccessDeniedError,
    ConflictError,
    DuplicateMessageError,
    DynamoMQError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
    with_doubt,
)
from dynamomq.operations import RETRY_HORIZON, Outgoing, Settings, send
from dynamomq.payload import codec_for
from dynamomq.requests import Moment, Refused, Sleep, Tick, Write
from dynamomq.timestamps import SECOND
from dynamomq.values import Item

SETTINGS = Settings("jobs", codec_for(None), 30 * SECOND, None, 300 * SECOND)
NOW = 2 * 10**18
PAUSE = 60 * SECOND  # between the time that a send starts from, and the reply
LATEST = (NOW + PAUSE + RETRY_HORIZON) // SECOND
"""The epoch second until which an attempt of the send may still be executed."""

STAMP = "2033-05-18T03:33:20.000000000Z"
TOMBSTONE: Item = {
    "id": "m",
    "status": "DELETED",
    "receive_count": 1,
    "version": 3,
    "creation_timestamp": STAMP,
    "last_updated_timestamp": STAMP,
    "queue_add_timestamp": STAMP,
    "queue_peek_timestamp": STAMP,
    "send_token": "theirs",
}


def outcome(refused: Refused, if_exists: Literal["raise", "return"] = "raise") -> object:
    """What a send comes to whose one write is refused so."""
    operation = send(SETTINGS, Outgoing(1, "m"), if_exists=if_exists)
    reply: Any = None
    now = NOW
    try:
        while True:
            request = operation.send(reply)
            if isinstance(request, Tick):
                reply = Moment(now, ("ours",) * request.tokens, "", 0.0)
                now += PAUSE
            else:
                assert isinstance(request, Write)
                reply = refused
    except StopIteration as stop:
        result: object = stop.value
        return result
    except DynamoMQError as error:
        return error


@pytest.mark.parametrize("if_exists", ["raise", "return"])
def test_a_repeated_send_does_not_trust_a_tombstone_that_may_go(
    if_exists: Literal["raise", "return"],
) -> None:
    """SEND-3, WRITE-4: an attempt under way may be executed when storage has removed it.

    So neither "it is a duplicate" nor "it is the one that exists" would be true. A tombstone that
    stands until no attempt can arrive any more is believed, and so is one that refuses the first
    attempt.
    """
    going = {**TOMBSTONE, "expires_at": LATEST}
    error = outcome(Refused(going, repeated=True), if_exists)
    assert isinstance(error, OutcomeUnknownError)
    assert (error.id, error.trigger) == ("m", "send")
    assert "id='m'" in error.remedy

    staying = {**TOMBSTONE, "expires_at": LATEST + 1}
    for refused in (Refused(staying, repeated=True), Refused(going)):
        assert not isinstance(outcome(refused, if_exists), OutcomeUnknownError)


def test_a_repeated_send_trusts_a_message_that_is_there() -> None:
    """SEND-3: a message that has the id refuses every attempt, and its tombstone will."""
    living = {**TOMBSTONE, "status": "READY", "queue_type": "STANDARD", "data": 2}
    assert isinstance(outcome(Refused(living, repeated=True)), DuplicateMessageError)


def test_a_repeated_send_recognises_its_own_message_even_deleted() -> None:
    """WRITE-3: the send token is on the tombstone, too: it was accepted, whatever came later."""
    ours = {**TOMBSTONE, "send_token": "ours", "expires_at": LATEST}
    sent = outcome(Refused(ours, repeated=True))
    assert getattr(sent, "id", None) == "m"


@pytest.mark.parametrize(
    "kind", [ConflictError, ThrottledError, UnavailableError, AccessDeniedError]
)
def test_a_send_that_fails_says_under_which_id_to_send_again(kind: type[DynamoMQError]) -> None:
    """WRITE-3: an attempt may have been executed; a new call without its id would send it twice.

    Whatever the error is: what counts is that it says so. Where it does not, nothing was sent.
    """
    for in_doubt in (True, False):
        with pytest.raises(kind) as raised:
            fail_to_send(kind, in_doubt=in_doubt)
        assert raised.value.in_doubt == in_doubt
        assert ("id='fresh'" in raised.value.remedy) == in_doubt


def fail_to_send(kind: type[DynamoMQError], *, in_doubt: bool) -> None:
    """Send under a fresh id, and let each attempt fail."""
    operation = send(SETTINGS, Outgoing(1))
    request = operation.send(None)
    while True:
        if isinstance(request, Write):
            request = operation.throw(with_doubt(kind("simulated"), in_doubt=in_doubt))
        elif isinstance(request, Tick):
            request = operation.send(Moment(NOW, ("ours",) * request.tokens, "fresh", 0.0))
        else:
            assert isinstance(request, Sleep)
            request = operation.send(None)

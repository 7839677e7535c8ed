"""However often a write is repeated, by the SDK too, no attempt is sent late (spec: WRITE-8)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from attrs import evolve
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from dynamomq.drivers.base import Surroundings
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import InvalidArgumentError, UnavailableError
from dynamomq.operations import (
    ARRIVES_WITHIN,
    RETRY_HORIZON,
    SENT_WITHIN,
    Outgoing,
    Settings,
    send,
    send_batch,
)
from dynamomq.operations.writing import CLOCKS_WITHIN
from dynamomq.payload import codec_for
from dynamomq.requests import Request, Transact, WriteBatch
from dynamomq.timestamps import SECOND
from tests.support.embedded import Table
from tests.support.scripted import TABLE

SETTINGS = Settings(TABLE.name, codec_for(None), 30 * SECOND, None, 300 * SECOND)
SLOW = 60  # seconds that an attempt waits for its reply

MODES: dict[str, dict[str, Any]] = {
    "boto3's default": {},
    "standard": {"retries": {"mode": "standard", "total_max_attempts": 30}},
    "adaptive": {"retries": {"mode": "adaptive", "total_max_attempts": 30}},
    "legacy": {"retries": {"mode": "legacy", "total_max_attempts": 30}},
    "quick to connect": {"connect_timeout": 1, "retries": {"total_max_attempts": 30}},
}


class BlackHole:
    """A client's network, in which everything is lost and an attempt takes a minute.

    Attributes:
        seconds: the uptime.
        sent: the uptime at which each attempt was sent.
    """

    def __init__(self, **config: Any) -> None:
        """Make a client with this configuration."""
        self.seconds = 1000.0
        self.sent: list[float] = []
        self.client = boto3.client(
            "dynamodb",
            region_name="eu-west-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=Config(**config),
        )
        surroundings = Surroundings(uptime=lambda: self.seconds, sleep=lambda _: None)
        self.driver = DynamoDBEngine(client=self.client, surroundings=surroundings).open(TABLE)
        self.client.meta.events.register_last("before-send.dynamodb", self._lose)

    def _lose(self, **_: Any) -> None:
        self.sent.append(self.seconds)
        self.seconds += SLOW
        raise ReadTimeoutError(endpoint_url="https://dynamodb.test")


@pytest.fixture(autouse=True)
def _quick_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize("mode", MODES)
def test_no_attempt_is_sent_too_late(mode: str) -> None:
    """Whatever the client's configuration, and however often we repeat on top of it.

    The bound counts until an attempt is on its way: the client's connect_timeout is taken off.
    """
    hole = BlackHole(**MODES[mode])
    latest = 1000 + SENT_WITHIN / SECOND - MODES[mode].get("connect_timeout", 60)
    with pytest.raises(UnavailableError):
        hole.driver.run(send(SETTINGS, Outgoing(1, id="m")))
    assert len(hole.sent) > 1
    assert latest - SLOW < hole.sent[-1] <= latest


def test_a_batch_gives_up_all_its_messages_together() -> None:
    """What a batch repeats singly has the time of the batch: it is not added up."""
    hole = BlackHole(connect_timeout=1)
    entries = [Outgoing(1, id=f"m{number}") for number in range(25)]
    results = hole.driver.run(send_batch(SETTINGS, entries))
    assert all(isinstance(result.error, UnavailableError) for result in results)
    assert hole.sent[-1] <= 1000 + SENT_WITHIN / SECOND


def test_a_request_that_was_held_up_is_not_sent() -> None:
    """A process that was suspended between planning a write and sending it does not send it."""
    hole = BlackHole()
    operation = send(SETTINGS, Outgoing(1, id="m"))
    request = operation.send(hole.driver.execute(next(operation)))
    hole.seconds += SENT_WITHIN / SECOND
    with pytest.raises(UnavailableError, match=r"PutItem|Write"):
        hole.driver.execute(request)
    assert not hole.sent


def test_calls_of_others_are_left_alone() -> None:
    """The client is somebody's own: what they send by it, even in between, knows no bound."""
    hole = BlackHole(retries={"total_max_attempts": 8})
    with pytest.raises(UnavailableError):
        hole.driver.run(send(SETTINGS, Outgoing(1, id="m")))
    hole.sent.clear()
    with pytest.raises(ReadTimeoutError):
        hole.client.put_item(TableName="orders", Item={"id": {"S": "1"}})
    assert len(hole.sent) == 8


@pytest.mark.parametrize("timeout", [None, 121])
def test_a_client_that_waits_too_long_for_connections_is_refused(timeout: int | None) -> None:
    """Nobody could say when its attempts are on their way: told at once, with what to do."""
    with pytest.raises(InvalidArgumentError, match=r"connect_timeout.*connect_timeout=5"):
        BlackHole(connect_timeout=timeout)


def test_the_horizon_is_the_sum_of_its_parts() -> None:
    """WRITE-5: sent in time, under way no longer than is assumed, and clocks that differ."""
    assert SENT_WITHIN + ARRIVES_WITHIN + CLOCKS_WITHIN == RETRY_HORIZON
    assert SENT_WITHIN > 120 * SECOND  # the longest connect_timeout leaves time for a repetition


@pytest.mark.parametrize("kind", ["single", "batch", "transaction"])
def test_what_waited_too_long_for_its_turn_is_not_written(kind: str) -> None:
    """In the embedded engine others may write for minutes: a tombstone would be over when made."""
    uptimes = iter([0.0, 300.0])  # when it is asked for, and when its turn has come
    surroundings = Surroundings(uptime=lambda: next(uptimes))
    with LocalEngine(surroundings=surroundings) as engine:
        table = Table(engine)
        write = evolve(table.sending("m"), send_by=SECOND)
        requests: dict[str, Request[Any]] = {
            "single": write,
            "batch": WriteBatch((write,)),
            "transaction": Transact((write,), "token", write.send_by),
        }
        with pytest.raises(UnavailableError, match="late"):
            table.do(requests[kind])
        assert table.get("m") is None

"""The service's time: read off replies and errors, told to operations, and warned of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pytest
from attrs import evolve

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import ClockError, InvalidArgumentError, ThrottledError
from dynamomq.queue import Queue
from dynamomq.requests import Get, Moment, Tick
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND
from tests.support.clock import ManualClock
from tests.support.scripted import TABLE, ScriptedClient, lost, opened, refusal
from tests.support.writes import receive

HOUR = 3600
LOGGER = "dynamomq.clock"

Answer = Mapping[str, Any]


@pytest.fixture
def clock() -> ManualClock:
    """Our clock, which stands still."""
    return ManualClock()


def dated(clock: ManualClock, seconds: float = 0, **answer: Any) -> Answer:
    """An answer of a service whose clock is ahead of ours by so much."""
    date = formatdate((clock.now + round(seconds * SECOND)) // SECOND, usegmt=True)
    return {"ResponseMetadata": {"HTTPHeaders": {"date": date}, "RetryAttempts": 0}, **answer}


def corrected(clock: ManualClock, *answers: Answer | Exception, **options: Any) -> Driver:
    """A driver whose clock is corrected."""
    surroundings = evolve(clock.surroundings(), monotonic=lambda: 0.0)
    driver, _ = opened(*answers, clock_correction=True, surroundings=surroundings, **options)
    return driver


def the_time(driver: Driver, tick: Tick | None = None) -> Moment:
    """What an operation is told."""
    return driver.execute(tick or Tick())


# --- corrected time --------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-5, 3])
def test_operations_are_told_the_services_time(clock: ManualClock, hours: int) -> None:
    """Before the first reply they are told the local time, and then the service's."""
    driver = corrected(clock, dated(clock, hours * HOUR))
    before = the_time(driver)
    assert (before.now, before.uncertainty) == (clock.now, None)
    driver.execute(Get("a"))
    after = the_time(driver)
    assert after.uncertainty is not None
    assert abs(after.now - clock.now - hours * HOUR * SECOND) <= after.uncertainty < 2 * SECOND


def test_ids_are_of_the_corrected_time(clock: ManualClock) -> None:
    """A fresh id, which begins with the time, has the service's."""
    driver = corrected(clock, dated(clock, 7 * HOUR))
    driver.execute(Get("a"))
    moment = the_time(driver, Tick(new_id=True))
    assert int(moment.id.replace("-", "")[:12], 16) == moment.now // 1_000_000


@pytest.mark.parametrize("error", [refusal("ThrottlingException"), lost(), lost(retries=1)])
def test_errors_tell_the_time_too(clock: ManualClock, error: Any) -> None:
    """Whether a request fails, is refused or was repeated: the reply has a date."""
    metadata = dict(dated(clock, HOUR))["ResponseMetadata"]
    error.response["ResponseMetadata"] |= {"HTTPHeaders": metadata["HTTPHeaders"]}
    driver = corrected(clock, error)
    with suppress(ThrottledError):
        driver.execute(receive("a"))
    assert the_time(driver).now > clock.now + (HOUR - 2) * SECOND


def test_the_round_trip_is_reckoned_with(clock: ManualClock) -> None:
    """A reply that took ten seconds tells the time to no better than eleven."""
    answer = dated(clock, HOUR)

    class SlowClient(ScriptedClient):
        def get_item(self, **parameters: Any) -> Any:
            clock.advance(10)
            return self.__getattr__("get_item")(**parameters)

    surroundings = clock.surroundings()
    engine = DynamoDBEngine(
        client=SlowClient([answer]), clock_correction=True, surroundings=surroundings
    )
    driver = engine.open(TABLE)
    driver.execute(Get("a"))
    assert 11 * SECOND < (the_time(driver).uncertainty or 0) < 12 * SECOND


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"HTTPHeaders": {}},
        {"HTTPHeaders": {"date": ""}},
        {"HTTPHeaders": {"date": "yesterday"}},
        {"HTTPHeaders": {"date": "Tue, 99 Nov 2026 99:00:00 GMT"}},
        {"HTTPHeaders": {"date": "Tue, 24 Nov 99999999 11:00:00 GMT"}},
    ],
)
def test_without_a_date_nothing_is_corrected(clock: ManualClock, metadata: Any) -> None:
    """A reply that does not say when it was made, or not so that it can be read, is ignored."""
    driver = corrected(clock, {"ResponseMetadata": metadata})
    driver.execute(Get("a"))
    assert (the_time(driver).now, the_time(driver).uncertainty) == (clock.now, None)


# --- whose clock is corrected ----------------------------------------------------------------


def test_a_clock_that_is_brought_along_is_left_alone(clock: ManualClock) -> None:
    """Surroundings with a clock of their own are for tests, which decide what time it is."""
    driver, _ = opened(dated(clock, HOUR), surroundings=clock.surroundings())
    driver.execute(Get("a"))
    assert (the_time(driver).now, the_time(driver).uncertainty) == (clock.now, None)


@pytest.mark.parametrize(
    ("options", "is_corrected"), [({}, True), ({"clock_correction": False}, False)]
)
def test_the_computers_clock_is_corrected_unless_that_is_off(
    clock: ManualClock, options: dict[str, Any], is_corrected: bool
) -> None:
    """By default it is; ``clock_correction=False`` switches it off."""
    driver, _ = opened(dated(clock), **options)
    driver.execute(Get("a"))
    assert (the_time(driver).now > clock.now - 2 * SECOND) == is_corrected
    assert (the_time(driver).uncertainty is not None) == is_corrected


def test_the_embedded_engine_has_no_other_clock() -> None:
    """There the storage's time is ours."""
    driver = LocalEngine().open(TableDefinition())
    assert the_time(driver, Tick(claims=True)).uncertainty is None


# --- who can't tell the time does not claim --------------------------------------------------


def test_nothing_is_claimed_while_the_time_is_not_known_well_enough(clock: ManualClock) -> None:
    """Beyond the limit a receive raises, saying both figures; reading and sending go on."""
    driver = corrected(clock, dated(clock), clock_limit=1)
    driver.execute(Get("a"))
    with pytest.raises(ClockError, match=r"known to 1\.1 s only \(clock_limit: 1 s\)") as caught:
        the_time(driver, Tick(tokens=1, claims=True))
    assert (caught.value.limit, caught.value.retryable) == (1, True)
    assert 1 < caught.value.uncertainty < 1.2
    assert the_time(driver, Tick(tokens=1)).now == clock.now


def test_one_reply_is_enough_for_the_usual_limit(clock: ManualClock) -> None:
    """Neither before the first reply nor after it a claim is held up."""
    driver = corrected(clock, dated(clock))
    for _ in range(2):
        assert the_time(driver, Tick(claims=True)).now == clock.now
        if the_time(driver).uncertainty is None:
            driver.execute(Get("a"))


@pytest.mark.parametrize("most", [1, 5])
def test_receive_raises_it_before_it_claims(clock: ManualClock, most: int) -> None:
    """A receive has looked at the index by then, and has written nothing."""
    entry = {
        "id": {"S": "a"},
        "queue_type": {"S": "STANDARD"},
        "queue_add_timestamp": {"S": clock.text()},
        "receive_count": {"N": "0"},
    }
    undescribed = refusal("AccessDeniedException")
    client = ScriptedClient([dated(clock), undescribed, dated(clock, Items=[entry])])
    engine = DynamoDBEngine(
        client=client, clock_correction=True, clock_limit=1, surroundings=clock.surroundings()
    )
    with pytest.raises(ClockError):
        Queue("orders", engine=engine).receive(most)
    # What is agreed on; whether the table is right, which it is not allowed to ask; the index.
    assert client.methods == ["get_item", "describe_table", "query"]


@pytest.mark.parametrize("limit", [0, -1, "long", 10**6])
def test_the_limit_is_a_duration(limit: Any) -> None:
    """What is none, or more than a day, is refused at once."""
    with pytest.raises(InvalidArgumentError, match="clock_limit"):
        DynamoDBEngine(clock_limit=limit)


# --- warnings --------------------------------------------------------------------------------


def test_a_wrong_clock_is_warned_of_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, and again only after it was right in between; never one that is off by less."""
    ahead = [0, 2, 2, -5, 0, 0.9, 0, -7]
    driver = corrected(clock, *[dated(clock)] * len(ahead))
    told, right = [], clock.now
    with caplog.at_level(logging.INFO, LOGGER):
        for hours in ahead:
            clock.now = right - round(hours * HOUR * SECOND)
            driver.execute(Get("a"))
            told.append([(one.levelname, one.getMessage()[:52]) for one in caplog.records])
            caplog.clear()
    behind = ("WARNING", "The local clock is at least 7199.9 s behind the serv")
    again = ("INFO", "The local clock agrees with the service's again.")
    assert told[:5] == [[], [behind], [], [], [again]]
    assert [[level for level, _ in one] for one in told[5:]] == [["WARNING"], ["INFO"], ["WARNING"]]
    assert "ahead of" in told[7][0][1]


def test_a_reply_that_contradicts_all_others_is_not_warned_of(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A server whose clock is wrong says nothing about ours; two replies in a row do."""
    ahead = [0, 2, 0, -2, 0, 2, 2]
    driver = corrected(clock, *(dated(clock, hours * HOUR) for hours in ahead))
    warnings = []
    for _ in ahead:
        driver.execute(Get("a"))
        warnings.append(len(caplog.records))
    assert warnings == [0, 0, 0, 0, 0, 0, 1]


def test_a_clock_that_may_be_right_is_not_warned_of(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What the replies' whole seconds and the slack can explain is no reason to warn."""
    driver = corrected(clock, *(dated(clock, seconds) for seconds in (-1.9, 0.9, 0, 1.9)))
    for _ in range(4):
        driver.execute(Get("a"))
    assert caplog.records == []

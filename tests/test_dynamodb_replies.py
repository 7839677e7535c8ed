"""What counts as a reply of DynamoDB, by a real client of boto3's that reads it off the wire.

What is cut, damaged or somebody else's is none: in doubt for a write, worth repeating for all, and
of its content nothing is ever shown.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import closing, suppress
from traceback import format_exception
from typing import Any

import pytest
from attrs import define, evolve, field, frozen
from botocore import exceptions as sdk

from dynamomq.drivers.base import Driver, Surroundings
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.errors import (
    ClockError,
    DynamoMQError,
    InternalError,
    MessageNotFoundError,
    RequestRejectedError,
    UnavailableError,
)
from dynamomq.queue import Queue
from dynamomq.requests import (
    Cancelled,
    Committed,
    DescribeTable,
    Get,
    GetMany,
    Query,
    Refused,
    Request,
    Scan,
    Transact,
    WriteBatch,
    Written,
)
from dynamomq.timestamps import SECOND, parse_instant
from dynamomq.values import Item
from tests.support.answering import Raw, Wire, page, refused, reply
from tests.support.clock import ManualClock
from tests.support.scripted import TABLE
from tests.support.writes import delete, receive, send

SECRET = "sécret"  # two bytes for one letter: a cut may fall between them
ITEM = {"id": {"S": "a"}, "payload": {"S": SECRET}}
READ: Item = {"id": "a", "payload": SECRET}
CONDITION = "ConditionalCheckFailedException"


@frozen
class Case:
    """A request and the whole reply to it, and what the driver makes of that."""

    name: str
    request: Request[Any]
    reply: Raw
    result: Any

    def __str__(self) -> str:
        return self.name

    @property
    def writes(self) -> bool:
        """Whether the request changes something."""
        return not isinstance(self.request, Get | GetMany | Query | Scan)


NONE, THIS = {"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": ITEM}
CANCELLED = "TransactionCanceledException"
BATCH = WriteBatch((send("a"), receive("b")))
PAIR = Transact((send("a"), delete("b")), "token")

CASES = [
    Case("get", Get("a"), reply({"Item": ITEM}), READ),
    Case("get-nothing", Get("a"), reply({}), None),
    Case("get-many", GetMany(("a",)), reply({"Responses": {TABLE.name: [ITEM]}}), {"a": READ}),
    Case("query", Query("STANDARD", None, 1), reply({"Items": [ITEM], "Count": 1}), None),
    Case("scan", Scan(1), reply({"Items": [ITEM], "LastEvaluatedKey": {"id": {"S": "a"}}}), None),
    Case("put", send("a"), reply({}), Written(None)),
    Case("put-refused", send("a"), refused(CONDITION, Item=ITEM), Refused(READ)),
    Case("update", receive("a"), reply({"Attributes": ITEM}), Written(READ)),
    Case("update-refused", receive("a"), refused(CONDITION, Item=ITEM), Refused(READ)),
    Case("batch", BATCH, reply({"Responses": [{}, {"Item": ITEM}]}), None),
    Case("transact", PAIR, reply({}), Committed()),
    Case(
        "transact-cancelled",
        PAIR,
        refused(CANCELLED, CancellationReasons=[NONE, THIS]),
        Cancelled((None, Refused(READ))),
    ),
]


@define(eq=False)
class Place:
    """A driver, and the wire that it reads."""

    wire: Wire
    driver: Driver

    def execute(self, request: Request[Any], *replies: Raw | Exception) -> Any:
        """Carry out a request that gets these replies."""
        self.wire.replies[:] = replies
        result = self.driver.execute(request)
        assert not self.wire.replies, "all are asked for"
        return result

    def fails(self, request: Request[Any], *replies: Raw | Exception) -> DynamoMQError:
        """Carry out one that fails; the error, which shows nothing of any item."""
        with pytest.raises(DynamoMQError) as caught:
            self.execute(request, *replies)
        shown = "".join(format_exception(caught.value)) + repr(caught.value)
        assert SECRET not in shown
        assert "cret" not in shown
        return caught.value


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A driver whose replies are scripted; what is not sent in a batch is not asked."""
    wire = Wire()
    with closing(wire.client):
        engine = DynamoDBEngine(client=wire.client)
        yield Place(wire, engine.open(TABLE))


@pytest.fixture
def fresh() -> Iterator[Place]:
    """The same with a client of its own, whose quota of repetitions is not used up."""
    wire = Wire()
    with closing(wire.client):
        yield Place(wire, DynamoDBEngine(client=wire.client).open(TABLE))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # noqa: ARG005 - its shape


def is_doubtful(error: DynamoMQError, case: Case) -> bool:
    """Whether it says what has to be said of a reply that did not come."""
    assert type(error) is UnavailableError
    assert error.retryable
    return ("not known" in str(error)) == error.in_doubt == case.writes


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_reply_that_was_cut_is_none(place: Place, case: Case) -> None:
    """Wherever it is cut: nobody takes it for a success, for a refusal, or for an empty table."""
    for length in range(len(case.reply.body)):
        assert is_doubtful(place.fails(case.request, case.reply.cut(length)), case)
    result = place.execute(case.request, case.reply)
    assert case.result is None or result == case.result


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("lacks", ["Content-Length", "x-amz-crc32"])
def test_either_length_or_checksum_tells_it(place: Place, case: Case, lacks: str) -> None:
    """Where something on the way has removed one of the two, or an error has none, also then."""
    poorer = case.reply.without(lacks)
    for length in (*range(0, len(poorer.body), 7), len(poorer.body) - 1):
        assert is_doubtful(place.fails(case.request, poorer.cut(length)), case)
    place.execute(case.request, poorer)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("before", [1, 2])
def test_the_last_attempt_may_be_the_one_that_was_cut(
    fresh: Place, case: Case, before: int
) -> None:
    """Whatever attempts of the SDK there were before: what is cut is no answer to any."""
    for length in {0, 1, len(case.reply.body) // 2, len(case.reply.body) - 1}:
        busy = [refused("InternalServerError", 500)] * before
        assert is_doubtful(fresh.fails(case.request, *busy, case.reply.cut(length)), case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_damaged_reply_is_none(place: Place, case: Case) -> None:
    """A wrong byte is found by the checksum; and in an error, which has none, if it is no JSON."""
    for at in (0, len(case.reply.body) - 1):
        body = bytearray(case.reply.body)
        body[at] ^= 0x80
        damaged = Raw(bytes(body), case.reply.status, case.reply.headers)
        assert is_doubtful(place.fails(case.request, damaged), case)


FOREIGN = [
    page(200),
    page(302, Location="https://login.test"),
    page(403),
    page(404),
    page(502),
    page(503, "<html>cret</html>"),
    page(200, "{}", **{"Content-Type": "application/json"}),
    page(400, '{"__type": "ValidationException"}', **{"Content-Type": "application/json"}),
    page(
        400, '{"__type": "AccessDeniedException"}', **{"Content-Type": "application/x-amz-json-1.0"}
    ),
    page(200, "", **{"x-amzn-RequestId": "1"}),
    page(200, "[]", **{"x-amzn-RequestId": "1", "Content-Type": "application/json"}),
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda one: f"{one.status}-{one.body[:12]!r}")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_not_dynamodbs_is_no_reply(place: Place, case: Case, foreign: Raw) -> None:
    """A page of a proxy says neither that something was done, nor that it was refused."""
    error = place.fails(case.request, foreign)
    assert is_doubtful(error, case)
    assert str(foreign.status) in error.message


def test_too_large_is_an_answer_whoever_gives_it(place: Place) -> None:
    """What a proxy does not pass on for its size is refused for certain, and so can be split."""
    error = place.fails(BATCH, page(413))
    assert isinstance(error, RequestRejectedError)
    assert (error.code, error.retryable) == ("413", False)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (Get("a"), refused("InternalServerError", 500)),
        (send("a"), refused("ServiceUnavailable", 503)),
    ],
)
def test_dynamodbs_own_failures_are_told_as_before(
    fresh: Place, request_: Request[Any], answer: Raw
) -> None:
    """An internal failure of DynamoDB's is told as one."""
    assert type(fresh.fails(request_, answer, answer, answer)) is InternalError


@pytest.mark.parametrize(
    ("request_", "incomplete"),
    [
        (BATCH, reply({"Responses": [{}]})),
        (BATCH, reply({"Responses": [{}, {}, {}]})),
        (BATCH, reply({})),
        (Query("STANDARD", None, 1), reply({"Count": 1})),
        (Scan(1), reply({})),
        (GetMany(("a",)), reply({})),
        (GetMany(("a",)), reply({"Responses": {}})),
        (GetMany(("a",)), reply({"Responses": {"another": [ITEM]}, "UnprocessedKeys": {}})),
        (receive("a"), reply({})),
        (DescribeTable(), reply({})),
        (PAIR, refused(CANCELLED, CancellationReasons=[THIS])),
    ],
)
def test_all_that_was_asked_must_be_answered(
    place: Place, request_: Request[Any], incomplete: Raw
) -> None:
    """A reply without the members that every one has, or for fewer writes than were sent."""
    error = place.fails(request_, incomplete)
    assert type(error) is UnavailableError
    assert error.retryable


def test_what_is_put_off_may_be_all(place: Place) -> None:
    """A batch of reads of which DynamoDB has done nothing yet is no incomplete reply."""
    keys = {TABLE.name: {"Keys": [{"id": {"S": "a"}}]}}
    later = reply({"Responses": {}, "UnprocessedKeys": keys})
    whole = reply({"Responses": {TABLE.name: [ITEM]}})
    assert place.execute(GetMany(("a",)), later, whole) == {"a": READ}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 validation error: Value '{}' at 'id' failed to satisfy constraint", "failed to satis"),
        ("The parameter cannot be converted to a numeric value: {}", "cannot be converted"),
        ("Input collection [x, {}, {}] contains duplicates.", "contains duplicates"),
    ],
)
def test_dynamodbs_words_are_shown_but_not_what_they_quote(
    place: Place, text: str, shown: str
) -> None:
    """Neither our text nor that of the error it is chained to quotes what was sent."""
    said = {"__type": "x#ValidationException", "Message": text.replace("{}", SECRET)}
    error = place.fails(send("a"), reply(said, 400))
    assert shown in error.message
    assert error.__cause__ is not None


def test_the_error_can_be_pickled(place: Place) -> None:
    """With what it was caused by."""
    error = place.fails(Get("a"), page(200))
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.retryable, str(copy)) == (True, str(error))
    assert str(copy.__cause__) == str(error.__cause__)


def test_calls_of_others_are_left_alone(place: Place) -> None:
    """A client that others use too treats their calls as it always did."""
    place.wire.replies[:] = [page(200)]
    answer = place.wire.client.get_item(TableName="theirs", Key={"id": {"S": "a"}})
    assert "Item" not in answer


def test_each_engine_of_a_client_judges_once(place: Place) -> None:
    """However many engines share a client, a reply is judged once."""
    others = [DynamoDBEngine(client=place.wire.client) for _ in range(3)]
    assert isinstance(place.fails(Get("a"), page(200)), UnavailableError)
    for one in others:
        one.close()
    assert isinstance(place.fails(Get("a"), page(200)), UnavailableError)


NO_AGREEMENT = reply({})
UNDESCRIBED = refused("AccessDeniedException")
"""The replies to what a queue asks at its first use: what is agreed on, and how the table is."""

# --- the time --------------------------------------------------------------------------------


@define(eq=False)
class Clocked:
    """A queue that goes by the replies' time, and how far our clock has been set."""

    wire: Wire
    set_by: int = 0
    queue: Queue[Any] = field(init=False)
    surroundings: Surroundings = field(init=False)

    def __attrs_post_init__(self) -> None:
        clock = ManualClock(parse_instant("2026-11-24T20:45:28Z"))
        ours = evolve(
            clock.surroundings(),
            clock=lambda: clock.now + self.set_by,
            monotonic=lambda: clock.now / SECOND,
        )
        engine = DynamoDBEngine(client=self.wire.client, surroundings=ours, clock_correction=True)
        self.surroundings = engine.surroundings
        self.queue = Queue(TABLE.name, engine=engine)

    @property
    def correction(self) -> float:
        """What is added to our clock, in seconds."""
        return self.surroundings.offset(self.surroundings.clock()).nanoseconds / SECOND


@pytest.fixture
def clocked() -> Iterator[Clocked]:
    """A queue whose clock is right until it is set."""
    wire = Wire([NO_AGREEMENT, UNDESCRIBED])
    with closing(wire.client):
        yield Clocked(wire)


@pytest.mark.parametrize("status", [200, 403, 503])
def test_whoever_is_not_dynamodb_does_not_tell_the_time(clocked: Clocked, status: int) -> None:
    """A page of a proxy whose clock is wrong by hours moves nothing, however often it comes."""
    wrong = page(status, Date="Tue, 24 Nov 2026 22:45:28 GMT")
    clocked.wire.replies += [wrong] * 4 + [reply({})]
    with pytest.raises(MessageNotFoundError):
        clocked.queue.get("a")
    assert clocked.correction == 0


ENTRY = {
    "id": {"S": "a"},
    "queue_type": {"S": "STANDARD"},
    "queue_add_timestamp": {"S": "2026-11-24T20:45:20.000000000Z"},
    "receive_count": {"N": "0"},
}


@pytest.mark.parametrize("forward", [7200, -7200])
def test_a_clock_set_during_a_request_claims_nothing(clocked: Clocked, forward: int) -> None:
    """The look at the index was under way when it was set: nothing is claimed until a next reply.

    By a clock two hours ahead, messages would be taken that others hold.
    """
    wire = clocked.wire

    def set_clock() -> None:
        if len(wire.replies) == 1:
            clocked.set_by = forward * SECOND

    wire.replies += [reply({"Items": [ENTRY]})]
    wire.while_away = set_clock
    with pytest.raises(ClockError):
        clocked.queue.receive()
    assert not wire.replies, "it looked, and wrote nothing"
    wire.while_away = lambda: None
    wire.replies += [NO_AGREEMENT, reply({})]
    with suppress(MessageNotFoundError):
        clocked.queue.get("a")
    assert abs(clocked.correction + forward) < 2


# --- a queue that meets with such replies ----------------------------------------------------


@pytest.fixture
def queue() -> Iterator[tuple[Queue[Any], Wire]]:
    """A queue whose replies are scripted, and whose pauses take no time."""
    wire = Wire([NO_AGREEMENT, UNDESCRIBED])
    clock = ManualClock()
    with closing(wire.client):
        engine = DynamoDBEngine(client=wire.client, surroundings=clock.surroundings())
        yield Queue(TABLE.name, engine=engine), wire


@pytest.mark.parametrize("spoilt", [reply({"Item": ITEM}).cut(0), page(200), page(503)])
@pytest.mark.parametrize("times", [1, 4, 5])
def test_a_message_that_exists_is_never_said_to_be_missing(
    queue: tuple[Queue[Any], Wire], spoilt: Raw, times: int
) -> None:
    """A read is repeated, five times at most; then it is the way to DynamoDB that is to blame."""
    jobs, wire = queue
    wire.replies += [spoilt] * times + [reply({})] * (times < 5)
    with pytest.raises(MessageNotFoundError if times < 5 else UnavailableError):
        jobs.get("a")
    assert not wire.replies


@pytest.mark.parametrize("spoilt", [reply({}).cut(0), page(200), page(503)])
def test_a_send_that_may_have_been_stored_is_sent_again(
    queue: tuple[Queue[Any], Wire], spoilt: Raw
) -> None:
    """A page with status 200 is no stored message: the send goes on until DynamoDB has replied."""
    jobs, wire = queue
    wire.replies += [spoilt, reply({})]
    assert jobs.send({"n": 1}, id="a").id == "a"
    assert not wire.replies


def test_what_is_agreed_on_is_not_taken_for_nothing(queue: tuple[Queue[Any], Wire]) -> None:
    """A client that goes by no agreement, since the reply was cut, would harm the others."""
    jobs, wire = queue
    wire.replies[:] = [reply({"Item": ITEM}).cut(3), page(200), NO_AGREEMENT]
    wire.replies += [UNDESCRIBED, reply({})]
    assert jobs.send({"n": 1}, id="a").id == "a"
    assert not wire.replies


def _failures(url: str = "http://dynamodb.test") -> list[Exception]:
    return [
        sdk.EndpointConnectionError(endpoint_url=url, error="refused"),
        sdk.ConnectionClosedError(endpoint_url=url, error="reset"),
    ]


@pytest.mark.parametrize("failure", _failures(), ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("times", [12, 15])
def test_connections_that_are_refused_or_lost_are_repeated(
    queue: tuple[Queue[Any], Wire], failure: Exception, times: int
) -> None:
    """Three attempts of the SDK in each of five of ours; what remains is raised."""
    jobs, wire = queue
    wire.replies += [failure] * times + [reply({})] * (times < 15)
    with pytest.raises(MessageNotFoundError if times < 15 else UnavailableError):
        jobs.get("a")
    assert not wire.replies
    wire.replies += [failure] * 4 + [reply({})]
    assert jobs.send({"n": 1}, id="a").id == "a"
    assert not wire.replies


def test_timeouts_are_repeated_by_the_sdk_only(queue: tuple[Queue[Any], Wire]) -> None:
    """They have taken long enough: a caller is not made to wait five times as long."""
    jobs, wire = queue
    wire.replies += [sdk.ReadTimeoutError(endpoint_url="http://dynamodb.test", error="")] * 3
    with pytest.raises(UnavailableError):
        jobs.get("a")
    assert not wire.replies

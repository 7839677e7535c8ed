"""Whether a write may have been executed: all attempts of a real SDK decide, not the last one.

What comes back is scripted, attempt by attempt; what the SDK makes of it is its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import frozen
from botocore import exceptions as sdk

from dynamomq.attributes import GROUP_ID, ID, NEXT_ID, TAIL_ID
from dynamomq.drivers.base import Driver, Surroundings
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.effects import Add, Set
from dynamomq.errors import (
    ConflictError,
    DamagedGroupError,
    DynamoMQError,
    OutcomeUnknownError,
    StaleReceiptError,
    UnavailableError,
)
from dynamomq.expressions import Arg, Attr
from dynamomq.message import Message
from dynamomq.operations import (
    Outgoing,
    Settings,
    carry_out,
    delete_batch,
    repair_group,
    retry_batch,
    send,
    send_batch,
)
from dynamomq.operations.holding import move_to_dlq
from dynamomq.operations.operating import bury
from dynamomq.operations.parts import OwnPart
from dynamomq.operations.rows import own_action
from dynamomq.payload import codec_for
from dynamomq.requests import (
    Cancelled,
    Get,
    Operation,
    Refused,
    Request,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.timestamps import SECOND
from dynamomq.values import Item, item_to_wire
from tests.support.answering import ENDPOINT, Raw, Wire, page, refused, reply
from tests.support.embedded import custom_rule
from tests.support.items import typical
from tests.support.scripted import TABLE

NAME = Attr("name")
SETTINGS = Settings(TABLE.name, codec_for(None), 30 * SECOND, None, 300 * SECOND)
UPDATE = Write("a", custom_rule("update", [Set(NAME, Arg("n"))], ID.exists()), {"n": 1})
COUNT = OwnPart(own_action("Update", "rows", {"id": "r"}, update=Add("n", 1)))
WRITES: dict[str, Request[Any]] = {
    "single": UPDATE,
    "batch": WriteBatch((UPDATE, Write("b", UPDATE.rule, {"n": 1}))),
    "transaction": Transact((UPDATE,), "token"),
}


@frozen
class Comes:
    """What an attempt comes to.

    Attributes:
        back: the reply, or what fails.
        in_doubt: whether the attempt may have been executed all the same.
    """

    back: Raw | Exception
    in_doubt: bool


LOST = sdk.ReadTimeoutError(endpoint_url=ENDPOINT)
REPEATED = {
    "read timeout": Comes(LOST, True),
    "closed": Comes(sdk.ConnectionClosedError(endpoint_url=ENDPOINT), True),
    "500": Comes(refused("InternalServerError", 500), True),
    "503": Comes(refused("ServiceUnavailable", 503), True),
    "in progress": Comes(refused("TransactionInProgressException"), True),
    "refused": Comes(sdk.EndpointConnectionError(endpoint_url=ENDPOINT), False),
    "no connection": Comes(sdk.ConnectTimeoutError(endpoint_url=ENDPOINT), False),
    "throttled": Comes(refused("ThrottlingException"), False),
    "over capacity": Comes(refused("ProvisionedThroughputExceededException"), False),
}
"""What the SDK repeats."""

LAST = {
    **REPEATED,
    "conflict": Comes(refused("TransactionConflictException"), False),
    "replicas": Comes(refused("ReplicatedWriteConflictException"), True),
    "denied": Comes(refused("AccessDeniedException"), False),
    "expired": Comes(refused("ExpiredTokenException"), False),
    "invalid": Comes(refused("ValidationException"), False),
    "no table": Comes(refused("ResourceNotFoundException"), False),
    "408": Comes(refused("RequestTimeout", 408), True),
    "429": Comes(refused("TooManyRequestsException", 429), False),
    "page": Comes(page(502), True),
    "too large": Comes(page(413), False),
}


@pytest.fixture(autouse=True)
def _quick_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


def told(request: Request[Any], *attempts: Comes) -> Any:
    """Return what a request is told, be it an error; the last attempt's for ever.

    The client is a fresh one: the SDK stops repeating where too much has failed.
    """
    wire = Wire([one.back for one in attempts] + [attempts[-1].back] * 3)
    try:
        return _driver(wire).execute(request)
    except DynamoMQError as error:
        return error


def _driver(wire: Wire) -> Driver:
    return DynamoDBEngine(client=wire.client, clock_correction=False).open(TABLE)


@pytest.mark.parametrize("kind", WRITES)
def test_the_only_attempt_decides(kind: str) -> None:
    """One kind of reply, however often: in doubt if that leaves doubt, else certain."""
    for name, last in LAST.items():
        error = told(WRITES[kind], last)
        assert error.in_doubt == last.in_doubt, name
        assert ("not known" in str(error)) == last.in_doubt, name


@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("first", ["closed", "500", "in progress", "refused", "throttled"])
def test_all_attempts_decide(kind: str, first: str) -> None:
    """An attempt that may have been executed stays so, whatever the next one is told."""
    for name, last in LAST.items():
        error = told(WRITES[kind], REPEATED[first], last)
        assert error.in_doubt == (REPEATED[first].in_doubt or last.in_doubt), name


@pytest.mark.parametrize("first", REPEATED.values(), ids=REPEATED)
def test_a_refusal_says_whether_it_may_be_an_echo(first: Comes) -> None:
    """Only where an attempt before may have been executed: a throttle is no repetition."""
    over = Comes(refused("ConditionalCheckFailedException"), False)
    assert told(WRITES["single"], first, over) == Refused(None, repeated=first.in_doubt)
    no = {"Code": "ConditionalCheckFailed", "Message": "no"}
    both = reply({"Responses": [{"Error": no}, {"Error": {"Code": "ThrottlingError"}}]})
    refusal, failure = told(WRITES["batch"], first, Comes(both, False))
    assert refusal == Refused(None, repeated=first.in_doubt, shown=False)
    assert failure.error.in_doubt == first.in_doubt
    whole = Comes(refused("TransactionCanceledException", CancellationReasons=[no]), False)
    cancelled = told(WRITES["transaction"], first, whole)
    assert cancelled == Cancelled((Refused(None, repeated=first.in_doubt),), first.in_doubt)


def test_there_is_no_doubt_about_reading() -> None:
    """Nobody needs to know whether something was read."""
    for name, last in LAST.items():
        assert not told(Get("a"), REPEATED["read timeout"], last).in_doubt, name


def test_a_call_within_a_call_leaves_its_attempts_alone() -> None:
    """A hook of the SDK's, or the handler of a signal, may use a queue while another call waits."""
    inner = _driver(Wire([reply({})] * 3))

    def call(**_: Any) -> None:
        inner.execute(Get("another"))

    wire = Wire([refused("ThrottlingException"), LOST, LOST])
    wire.client.meta.events.register("needs-retry.dynamodb", call)
    with pytest.raises(UnavailableError) as told:
        _driver(wire).execute(UPDATE)
    assert told.value.in_doubt


def test_a_call_within_a_call_does_not_end_the_judging_of_replies() -> None:
    """What a proxy says to the outer one is still no reply."""
    inner = _driver(Wire([reply({})]))
    wire = Wire([page(200)], while_away=lambda: inner.execute(Get("another")))
    with pytest.raises(UnavailableError, match="no whole reply"):
        _driver(wire).execute(UPDATE)


# --- what callers are told -------------------------------------------------------------------

ENDING = ("denied", "expired", "invalid", "no table", "page")
"""What our own repetition does not mend, or only after a while."""


def run(operation: Operation[Any], *attempts: Comes) -> Any:
    """Return what an operation comes to, be it an error."""
    wire = Wire([one.back for one in attempts] + [attempts[-1].back] * 60)
    try:
        return _driver(wire).run(operation)
    except DynamoMQError as error:
        return error


@pytest.mark.parametrize("last", ENDING)
def test_a_send_in_doubt_tells_its_id(last: str) -> None:
    """Without an id of the caller's own: attempt 1 may be there, and attempt 2 ended the call."""
    error = run(send(SETTINGS, Outgoing(1)), REPEATED["closed"], LAST[last])
    assert error.in_doubt
    assert "Send again with id='" in error.remedy
    certain = run(send(SETTINGS, Outgoing(1)), REPEATED["throttled"], LAST[last])
    assert ("Send again" in certain.remedy) == certain.in_doubt == LAST[last].in_doubt


@pytest.mark.parametrize("last", ["denied", "expired", "no table"])
def test_a_batch_raises_only_where_nothing_was_sent(last: str) -> None:
    """Where the SDK's first attempt may have been executed, each entry is told so, with its id."""
    entries = [Outgoing(n) for n in range(3)]
    results = run(send_batch(SETTINGS, entries), REPEATED["read timeout"], LAST[last])
    assert [result.error.in_doubt for result in results] == [True] * 3
    assert all(f"id={result.id!r}" in result.error.remedy for result in results)
    error = run(send_batch(SETTINGS, entries), REPEATED["refused"], LAST[last])
    assert isinstance(error, DynamoMQError)
    assert not error.in_doubt
    held = [_held("a"), _held("b")]
    results = run(delete_batch(SETTINGS, held), REPEATED["closed"], LAST[last])
    assert [result.error.in_doubt for result in results] == [True] * 2


def test_a_loser_of_a_race_is_told_so() -> None:
    """A write that met only throttles and conflicts before somebody else's was not executed."""
    taken = {**_held("a").item, "receipt": "theirs", "version": 9}
    over = refused("ConditionalCheckFailedException", Item=item_to_wire(taken))
    error = run(
        move_to_dlq(SETTINGS, _held("a")),
        LAST["throttled"],
        LAST["conflict"],
        Comes(over, False),
    )
    assert type(error) is StaleReceiptError


def test_rows_alone_are_repeated_under_one_token() -> None:
    """Without messages nothing but the token keeps a transaction from being executed twice."""
    tokens: list[str] = []

    def heed(request: Any, **_: Any) -> None:
        tokens.append(json.loads(request.body)["ClientRequestToken"])

    reason = {"Code": "TransactionConflict", "Message": "busy"}
    busy = refused("TransactionCanceledException", CancellationReasons=[reason])
    wire = Wire([LOST, busy, busy, busy, reply({})])
    wire.client.meta.events.register_first("before-send.dynamodb.TransactWriteItems", heed)
    _driver(wire).run(carry_out(TABLE.name, [COUNT]))
    assert len(tokens) == 5
    assert len(set(tokens)) == 1


def test_a_conflict_after_a_lost_reply_is_in_doubt() -> None:
    """However many plans meet another transaction: the error that ends them tells of the first."""
    error = run(carry_out(TABLE.name, [COUNT]), REPEATED["closed"], LAST["conflict"])
    assert isinstance(error, ConflictError)
    assert error.in_doubt
    assert "look at your items first" in error.remedy
    error = run(carry_out(TABLE.name, [COUNT]), REPEATED["throttled"], LAST["conflict"])
    assert not error.in_doubt
    assert "look at your items" not in error.remedy


@pytest.mark.parametrize("first", ["closed", "throttled"])
def test_an_operation_that_is_not_known_after_a_lost_reply(first: str) -> None:
    """What is then written singly knows that all of it may have been executed before."""
    taken = {**_held("a").item, "receipt": "theirs", "version": 9}
    over = Comes(refused("ConditionalCheckFailedException", Item=item_to_wire(taken)), False)
    unknown = Comes(refused("UnknownOperationException"), False)
    held = [_held("a"), _held("b")]
    results = run(retry_batch(SETTINGS, held, delay=0), REPEATED[first], unknown, over)
    told = OutcomeUnknownError if REPEATED[first].in_doubt else StaleReceiptError
    assert [type(result.error) for result in results] == [told] * 2


HEAD = {**typical("STANDARD.READY"), ID.name: "a", GROUP_ID.name: "g", NEXT_ID.name: "b"}
HELD_HEAD = {**HEAD, **typical("STANDARD.PROCESSING"), ID.name: "a", "receipt": "ours"}
GROUP: Item = {ID.name: "$group#g", TAIL_ID.name: "b", "version": 1}
DAMAGED: dict[str, tuple[Callable[[], Operation[Any]], list[Raw], list[Raw]]] = {
    "finish": (
        lambda: move_to_dlq(SETTINGS, _message(HELD_HEAD)),
        [],
        [reply({"Item": item_to_wire(HELD_HEAD)})],
    ),
    "edit": (
        lambda: bury(SETTINGS, "a"),
        [reply({"Item": item_to_wire(HEAD)})],
        [reply({"Item": item_to_wire(HEAD)})],
    ),
    "join": (
        lambda: send(SETTINGS, Outgoing(1, group="g")),
        [reply({"Item": item_to_wire(GROUP)})],
        [],
    ),
}
"""What meets a list whose second message is missing, and what is read before and after that."""


@pytest.mark.parametrize("first", ["closed", "throttled"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_of_a_group_does_not_end_doubt(kind: str, first: str) -> None:
    """An attempt before may be under way, and executed once the list has been mended."""
    operation, before, after = DAMAGED[kind]
    no, fine = {"Code": "ConditionalCheckFailed", "Message": "no"}, {"Code": "None"}
    reasons = [fine, no] if kind != "join" else [fine, no, fine]
    cancelled = refused("TransactionCanceledException", CancellationReasons=reasons)
    wire = Wire([*before, REPEATED[first].back, cancelled, *after])
    with pytest.raises(DamagedGroupError) as told:
        _driver(wire).run(operation())
    assert told.value.in_doubt == REPEATED[first].in_doubt
    assert not wire.replies


@pytest.mark.parametrize("first", ["closed", "throttled"])
def test_a_repair_that_is_given_up_knows_of_its_first_attempt(first: str) -> None:
    """However many plans come after it: it may be executed yet."""
    alone = item_to_wire({name: value for name, value in HEAD.items() if name != NEXT_ID.name})
    found = reply({"Responses": {TABLE.name: [alone]}, "UnprocessedKeys": {}})
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "no"}]
    cancelled = refused("TransactionCanceledException", CancellationReasons=reasons)
    again = [found, cancelled] * 19
    wire = Wire([reply({"Items": [alone]}), found, REPEATED[first].back, cancelled, *again])
    quick = Surroundings(sleep=lambda _: None)
    driver = DynamoDBEngine(client=wire.client, surroundings=quick).open(TABLE)
    with pytest.raises(ConflictError) as told:
        driver.run(repair_group(SETTINGS, "g"))
    assert told.value.in_doubt == REPEATED[first].in_doubt
    assert not wire.replies


def _held(id: str) -> Message[Any]:
    item = {**typical("STANDARD.PROCESSING"), "id": id, "receipt": "ours", "version": 3}
    return _message(item)


def _message(item: Item) -> Message[Any]:
    return Message(item, "STANDARD.PROCESSING", SETTINGS.codec, SETTINGS.table)

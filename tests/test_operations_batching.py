"""What batches make of replies that no engine gives on request: lost ones, partial failures."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import define, field

from dynamomq.drivers.base import Surroundings, too_late
from dynamomq.errors import (
    AccessDeniedError,
    ClosedError,
    ConflictError,
    DuplicateMessageError,
    DynamoMQError,
    InternalError,
    OutcomeUnknownError,
    RequestRejectedError,
    StaleReceiptError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.message import Message
from dynamomq.operations import (
    RETRY_HORIZON,
    SENT_WITHIN,
    BatchResult,
    Outgoing,
    SendResult,
    Settings,
    delete_batch,
    extend_batch,
    release_batch,
    retry_batch,
    send_batch,
)
from dynamomq.payload import codec_for
from dynamomq.requests import (
    MAX_BATCH,
    BatchReply,
    Committed,
    Failed,
    GetMany,
    Moment,
    Operation,
    Refused,
    Request,
    Sleep,
    Tick,
    Transact,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, item_to_wire
from tests.support.scripted import lost, opened

SETTINGS = Settings("jobs", codec_for(None), 30 * SECOND, None, 300 * SECOND)
NOW = 2 * 10**18
STAMP = format_instant(NOW - SECOND)
UNSEEN = Refused(None, shown=False)


def held(id: str, **changes: Any) -> Item:
    """A message that we hold, as it is stored; or what has become of it."""
    return {
        "id": id,
        "data": 1,
        "status": "PROCESSING",
        "queue_type": "STANDARD",
        "receive_count": 1,
        "version": 2,
        "creation_timestamp": STAMP,
        "last_updated_timestamp": STAMP,
        "queue_add_timestamp": format_instant(NOW + 30 * SECOND),
        "queue_peek_timestamp": STAMP,
        "token": "ours",
        "receipt": "ours",
        "send_token": "sent",
        **changes,
    }


def theirs(id: str, *, version: int) -> Item:
    """The message in somebody else's hands, after so many writes."""
    return held(id, version=version, receipt="theirs", token="theirs", receive_count=2)


def message(id: str) -> Message[Any]:
    """A message that we hold."""
    return Message(held(id), "STANDARD.PROCESSING", SETTINGS.codec, SETTINGS.table)


def message_of_group(id: str) -> Message[Any]:
    """The head of a group of its own, which we hold."""
    item = held(id, message_group_id=f"group of {id}")
    return Message(item, "STANDARD.PROCESSING", SETTINGS.codec, SETTINGS.table)


def outgoing(number: int) -> list[Outgoing]:
    """So many messages to be sent."""
    return [Outgoing(place, id=f"m{place}") for place in range(number)]


@define
class Storage:
    """Answers from a script, one answer for each request; an error is raised.

    Attributes:
        answers: replies, errors, or what makes one of them of the request. The last one is given
            for ever.
        passing: how many nanoseconds a request takes.
        asked: the requests so far.
    """

    answers: Sequence[Any]
    passing: int = 0
    asked: list[Request[Any]] = field(factory=list)
    now: int = NOW
    _ticks: int = 0

    def run(self, operation: Operation[Any]) -> Any:
        """Run an operation to its end."""
        request = next(operation)
        try:
            while True:
                answer = self._answer(request)
                if isinstance(answer, DynamoMQError):
                    request = operation.throw(answer)
                else:
                    request = operation.send(answer)
        except StopIteration as stop:
            return stop.value

    def _answer(self, request: Request[Any]) -> Any:
        if isinstance(request, Tick):
            self._ticks += 1
            ids = tuple(f"fresh{number}" for number in range(request.ids))
            tokens = (f"token{self._ticks}",) * request.tokens
            return Moment(self.now, tokens, "", 0.0, ids=ids, monotonic=self.now)
        if isinstance(request, Sleep):
            return None
        place = min(len(self.asked), len(self.answers) - 1)
        self.asked.append(request)
        self.now += self.passing
        answer = self.answers[place]
        return answer(request) if callable(answer) else answer

    @property
    def batches(self) -> list[tuple[str, ...]]:
        """The ids in each batch that was asked for."""
        return [
            tuple(write.id for write in request.writes)
            for request in self.asked
            if isinstance(request, WriteBatch)
        ]


def done(request: WriteBatch) -> tuple[BatchReply, ...]:
    """All of a batch succeeds."""
    return (Written(None),) * len(request.writes)


def each(reply: BatchReply) -> Callable[[WriteBatch], tuple[BatchReply, ...]]:
    """All of a batch gets the same reply."""
    return lambda request: (reply,) * len(request.writes)


# --- send ------------------------------------------------------------------------------------


def test_a_refused_insert_is_decided_by_the_single_write() -> None:
    """BATCH-1: it is sent alone, the very same write; what was written in the batch is not."""
    storage = Storage([(Written(None), UNSEEN), Written(None)])
    results = storage.run(send_batch(SETTINGS, outgoing(2)))
    assert [result.error for result in results] == [None, None]
    batch, alone = storage.asked
    assert isinstance(batch, WriteBatch)
    assert alone is batch.writes[1]


@pytest.mark.parametrize("first", [ThrottledError("busy"), ConflictError("busy")], ids=repr)
def test_a_batch_that_was_executed_recognises_its_own_messages(first: DynamoMQError) -> None:
    """WRITE-3: after a lost reply both are refused by themselves, and both have been sent."""

    def ours(request: Write) -> Refused:
        return Refused({**request.whole_item, "version": 1})

    storage = Storage([first, each(UNSEEN), ours, ours])
    results = storage.run(send_batch(SETTINGS, outgoing(2)))
    assert [(result.id, result.error) for result in results] == [("m0", None), ("m1", None)]


def test_a_lost_reply_of_the_batch_is_remembered_by_the_single_write() -> None:
    """SEND-3: a tombstone that may go before all attempts have arrived proves nothing.

    The single write is refused in its first attempt; but the batch before it was repeated.
    """
    tombstone = {**held("m0"), "status": "DELETED", "send_token": "theirs"}
    del tombstone["queue_type"], tombstone["data"]
    tombstone["expires_at"] = (NOW + 90 * SECOND + RETRY_HORIZON) // SECOND
    for repeated, expected in ((True, "OutcomeUnknownError"), (False, "DuplicateMessageError")):
        storage = Storage(
            [each(Refused(None, shown=False, repeated=repeated)), Refused(tombstone)],
            passing=60 * SECOND,
        )
        (result,) = storage.run(send_batch(SETTINGS, outgoing(1)))
        assert type(result.error).__name__ == expected


def test_each_error_says_what_to_do_about_its_own_entry() -> None:
    """Entries share a failure, but each is told its own id: to be sent again under that.

    Of those that were not even sent after it, there is no doubt.
    """
    storage = Storage([UnavailableError("gone")])
    results: list[SendResult[Any]] = storage.run(send_batch(SETTINGS, outgoing(30)))
    assert not any(result.ok for result in results)
    for place, result in enumerate(results):
        assert isinstance(result.error, UnavailableError)
        assert result.error.in_doubt == (place < MAX_BATCH)
        assert (f"id='m{place}':" in result.error.remedy) == (place < MAX_BATCH)


@pytest.mark.parametrize("between", [0, 1, MAX_BATCH + 1])
def test_an_id_is_in_no_request_twice(between: int) -> None:
    """BATCH-1: entries with the same id go one after the other, in their order."""
    entries = [Outgoing(0, id="m"), *outgoing(between), Outgoing(1, id="m")]
    storage = Storage([done])
    assert len(storage.run(send_batch(SETTINGS, entries))) == len(entries)
    assert all(len(set(batch)) == len(batch) for batch in storage.batches)
    sent = [write.arguments["data"] for write in _writes(storage) if write.id == "m"]
    assert sent == [0, 1]


def _writes(storage: Storage) -> list[Write]:
    batches = [request for request in storage.asked if isinstance(request, WriteBatch)]
    return [write for batch in batches for write in batch.writes]


# --- what holders do -------------------------------------------------------------------------

RETRIED = {"status": "READY", "version": 3, "token": "token1"}


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (held("m", **RETRIED), None),
        (theirs("m", version=3), StaleReceiptError),  # one write, theirs: so ours was none
        (theirs("m", version=4), OutcomeUnknownError),
    ],
)
def test_a_refusal_after_a_lost_reply_is_judged_by_the_item(
    found: Item, error: type[Exception] | None
) -> None:
    """BATCH-2, WRITE-4: as for a single retry: ours after all, overtaken, or not to be known."""
    storage = Storage([InternalError("lost"), each(UNSEEN), {"m": found}])
    (result,) = storage.run(retry_batch(SETTINGS, [message("m")], delay=0))
    assert type(result.error) is (error or type(None))
    assert [type(request) for request in storage.asked] == [WriteBatch, WriteBatch, GetMany]


@pytest.mark.parametrize("operation", [delete_batch, release_batch])
def test_what_is_refused_is_read_in_one_request(operation: Any) -> None:
    """BATCH-2: the items behind all refusals of a batch are read together, the others not."""
    refused = {id: theirs(id, version=4) for id in ("b", "c")}
    storage = Storage([(Written(None), UNSEEN, UNSEEN), refused])
    results = storage.run(operation(SETTINGS, [message(id) for id in "abc"]))
    assert [type(result.error) for result in results] == [
        type(None),
        StaleReceiptError,
        StaleReceiptError,
    ]
    assert storage.asked[1:] == [GetMany(("b", "c"))]


def test_items_that_can_not_be_read_take_nothing_back() -> None:
    """What was deleted stays so; whoever was refused is told that it is not known why."""
    storage = Storage([(Written(None), UNSEEN), UnavailableError("gone")])
    results: list[BatchResult[Any]] = storage.run(
        delete_batch(SETTINGS, [message("a"), message("b")])
    )
    assert [result.ok for result in results] == [True, False]
    assert isinstance(results[1].error, UnavailableError)


def test_only_what_failed_is_sent_again() -> None:
    """BATCH-3: throttled entries are sent again alone, with nothing that has succeeded."""
    busy = Failed(ThrottledError("busy"))
    storage = Storage([(Written(None), busy, Written(None)), (Written(None),)])
    results = storage.run(extend_batch(SETTINGS, [message(id) for id in "abc"], 60 * SECOND))
    assert all(result.ok for result in results)
    assert storage.batches == [("a", "b", "c"), ("b",)]


# --- what both share -------------------------------------------------------------------------


def test_a_failure_takes_nothing_back_and_nothing_more_is_sent() -> None:
    """What the first request did is told; after one that waiting does not mend there is no more."""
    storage = Storage([done, UnavailableError("gone")])
    results = storage.run(send_batch(SETTINGS, outgoing(4 * MAX_BATCH)))
    assert [result.ok for result in results] == [True] * MAX_BATCH + [False] * 3 * MAX_BATCH
    assert [len(batch) for batch in storage.batches] == [MAX_BATCH] * 2


FATAL = [TableNotFoundError("jobs"), AccessDeniedError("no"), ClosedError("closed")]


@pytest.mark.parametrize("error", FATAL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("singly", [False, True])
@pytest.mark.parametrize("number", [1, 30])
def test_what_prevents_all_raises(error: DynamoMQError, singly: bool, number: int) -> None:
    """Before anything is carried out the call raises, whether the batch fails or each of it."""
    answer = each(Failed(error)) if singly else error
    with pytest.raises(type(error)):
        Storage([answer]).run(send_batch(SETTINGS, outgoing(number)))
    messages = [message(f"m{place}") for place in range(number)]
    with pytest.raises(type(error)):
        Storage([answer]).run(delete_batch(SETTINGS, messages))


@pytest.mark.parametrize("error", FATAL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("singly", [False, True])
def test_what_prevents_the_rest_does_not_raise(error: DynamoMQError, singly: bool) -> None:
    """After something was carried out, such an error is the result of the others."""
    storage = Storage([done, each(Failed(error)) if singly else error])
    results = storage.run(send_batch(SETTINGS, outgoing(3 * MAX_BATCH)))
    assert [result.error for result in results] == [None] * MAX_BATCH + [error] * 2 * MAX_BATCH
    assert len(storage.batches) == 2


@pytest.mark.parametrize("error", FATAL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("in_doubt", [False, True])
def test_what_prevents_the_rest_does_not_raise_after_a_group_has_moved_on(
    error: DynamoMQError, in_doubt: bool
) -> None:
    """Also where a role may write in transactions, but not in batches; and where that is in doubt.

    A caller who takes the error for "nothing has been changed" would be wrong.
    """
    lost = InternalError("lost")
    head, plain = message_of_group("a"), [message("b"), message("c")]
    for rest in (plain, [message_of_group("d")]):
        storage = Storage([*([lost] * 5 if in_doubt else [Committed()]), error])
        results = storage.run(delete_batch(SETTINGS, [head, *rest]))
        assert results[0].error == (lost if in_doubt else None)
        assert not any(result.ok or result.error.in_doubt for result in results[1:])


def test_after_one_group_that_can_not_be_reached_no_other_is_tried() -> None:
    """Each would take half a minute to fail in the same way; there may be hundreds."""
    storage = Storage([UnavailableError("gone")])
    messages = [message_of_group("a"), message_of_group("b"), message("c")]
    results = storage.run(delete_batch(SETTINGS, messages))
    assert [result.error.in_doubt for result in results] == [True, False, False]
    assert len(storage.asked) == 1
    busy = Storage([InternalError("busy")])
    results = busy.run(delete_batch(SETTINGS, messages))
    assert [result.error.in_doubt for result in results] == [True] * 3


def test_one_entry_that_is_denied_does_not_raise() -> None:
    """Where one write of a batch is not allowed, and the other took place, nothing is raised."""
    denied = AccessDeniedError("no")
    storage = Storage([(Written(None), Failed(denied))])
    results = storage.run(send_batch(SETTINGS, outgoing(2)))
    assert [result.error for result in results] == [None, denied]


def test_an_entry_begins_when_its_batch_is_sent() -> None:
    """WRITE-5: however long the batches before took, deadlines and tombstones count from then.

    A tombstone made by the time of the call would be over before a late repetition can arrive.
    """
    slow = 2 * RETRY_HORIZON
    number = 2 * MAX_BATCH + 1
    deletes = Storage([done], passing=slow)
    deletes.run(delete_batch(SETTINGS, [message(f"m{place}") for place in range(number)]))
    sends = Storage([done], passing=slow)
    sends.run(send_batch(SETTINGS, outgoing(number)))
    for place in (0, MAX_BATCH, 2 * MAX_BATCH):
        began = NOW + slow * (place // MAX_BATCH)
        assert (
            _writes(deletes)[place].arguments["expires_at"] == (began + 2 * RETRY_HORIZON) // SECOND
        )
        assert _writes(sends)[place].arguments["due"] == format_instant(began)


@pytest.mark.parametrize("in_doubt", [True, False])
def test_halves_know_of_the_doubt_that_the_whole_has_left(in_doubt: bool) -> None:
    """BATCH-5: where an attempt before the refusal was lost, all of it may have been executed."""
    refused = RequestRejectedError("Too many.", code="413")
    refused.in_doubt = in_doubt
    found = {id: theirs(id, version=4) for id in ("a", "b")}
    storage = Storage([refused, (UNSEEN,), (UNSEEN,), found])
    results = storage.run(retry_batch(SETTINGS, [message(id) for id in "ab"], delay=0))
    expected = OutcomeUnknownError if in_doubt else StaleReceiptError
    assert [type(result.error) for result in results] == [expected] * 2
    assert storage.batches == [("a", "b"), ("a",), ("b",)]


def test_what_is_not_sent_once_more_is_in_doubt_for_each() -> None:
    """WRITE-8: a batch whose reply was lost, and whose entries are then too late, tells each so."""
    repeated = Refused(None, repeated=True, shown=False)
    storage = Storage([each(repeated), too_late("Write", again=False)])
    results: list[SendResult[Any]] = storage.run(send_batch(SETTINGS, outgoing(2)))
    for place, result in enumerate(results):
        assert isinstance(result.error, UnavailableError)
        assert result.error.in_doubt
        assert f"id='m{place}'" in result.error.remedy
    assert len(storage.asked) == 3  # not one more attempt at either


def test_messages_of_a_group_begin_when_their_transaction_is_sent() -> None:
    """BATCH-4, WRITE-8: however long those before took; else the last of many were not sent."""
    slow = RETRY_HORIZON

    def answer(request: Request[Any]) -> Any:
        return Committed() if isinstance(request, Transact) else None

    storage = Storage([answer], passing=slow)
    entries = [Outgoing(place, id=f"m{place}", group="g") for place in range(2 * 98 + 1)]
    assert all(result.ok for result in storage.run(send_batch(SETTINGS, entries)))
    sent = [request for request in storage.asked if isinstance(request, Transact)]
    assert len(sent) == 3
    for number, request in enumerate(sent):
        began = NOW + 2 * number * slow  # its group's last message is read before
        put = request.actions[0]
        assert isinstance(put, Write)
        assert put.arguments["due"] == format_instant(began)
        assert request.send_by == put.send_by == began + SENT_WITHIN


# --- down to what DynamoDB answers -----------------------------------------------------------


def _responses(*codes: str | None, retries: int = 0) -> dict[str, Any]:
    """The answer to a batch: an error's code for each statement, or success."""
    return {
        "Responses": [{"Error": {"Code": code}} if code else {} for code in codes],
        "ResponseMetadata": {"RetryAttempts": retries},
    }


def test_statements_that_fail_are_sent_again_and_judged() -> None:
    """BATCH-3, WRITE-3: those that failed within the storage may have been executed all the same.

    So the refusal that one of them meets when it is sent again is judged by the item: it is ours.
    """
    ours = held("b", status="READY", version=3)
    driver, client = opened(
        _responses(None, "InternalServerError", "ThrottlingError", "ConditionalCheckFailed"),
        _responses("ConditionalCheckFailed", None),
        {"Responses": {"orders": [item_to_wire(ours), item_to_wire(theirs("d", version=3))]}},
        surroundings=Surroundings(clock=lambda: NOW, sleep=lambda _: None),
    )
    results = driver.run(retry_batch(SETTINGS, [message(id) for id in "abcd"], delay=0))
    assert [type(result.error) for result in results] == [type(None)] * 3 + [StaleReceiptError]
    assert client.methods == ["batch_execute_statement"] * 2 + ["batch_get_item"]
    _, (_, again), (_, look) = client.calls
    for id, statement in zip("bc", again["Statements"], strict=True):
        assert {"S": id} in statement["Parameters"]
    assert look["RequestItems"]["orders"]["Keys"] == [{"id": {"S": id}} for id in "bd"]


def test_inserts_that_are_refused_are_put() -> None:
    """BATCH-1: DuplicateItem says nothing of the item; the put shows it, or takes place."""
    driver, client = opened(
        _responses(None, "DuplicateItem", "DuplicateItem"),
        {},
        lost(Item=item_to_wire(theirs("m2", version=3))),
        surroundings=Surroundings(clock=lambda: NOW, sleep=lambda _: None),
    )
    results = driver.run(send_batch(SETTINGS, outgoing(3)))
    assert [type(result.error) for result in results] == [
        type(None),
        type(None),
        DuplicateMessageError,
    ]
    assert client.methods == ["batch_execute_statement", "put_item", "put_item"]

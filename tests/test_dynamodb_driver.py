"""The DynamoDB engine: requests become the right calls, answers the right replies.

A scripted client plays DynamoDB, because no server can be made to throttle on demand.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from dynamomq.drivers.base import Surroundings
from dynamomq.errors import (
    ConflictError,
    MalformedItemError,
    RequestRejectedError,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.requests import (
    CreateTable,
    DescribeTable,
    EnableExpiry,
    Failed,
    Get,
    GetMany,
    Page,
    Query,
    Refused,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.reserved import GROUP
from dynamomq.table import TableDescription
from dynamomq.values import Item, item_to_wire
from tests.support.scripted import TABLE, lost, opened, refusal
from tests.support.writes import BEFORE, LATER, NOW, delete, exhaust, receive, send

# --- single writes ---------------------------------------------------------------------------


def test_update() -> None:
    """An update is conditional, asks for the item that refuses it, and for the new one if told."""
    driver, client = opened({"Attributes": item_to_wire({"id": "a"})}, {})
    assert driver.execute(receive("a")) == Written({"id": "a"})
    assert driver.execute(evolve(receive("a"), want_item=False)) == Written(None)
    (method, first), (_, second) = client.calls
    assert method == "update_item"
    assert first["TableName"] == "orders"
    assert first["Key"] == {"id": {"S": "a"}}
    assert first["UpdateExpression"].startswith("SET #status = :PROCESSING")
    assert first["ConditionExpression"].startswith("attribute_type(#version, :N) AND")
    assert first["ExpressionAttributeValues"][":due"] == {"S": LATER}
    assert first["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert (first["ReturnValues"], second["ReturnValues"]) == ("ALL_NEW", "NONE")
    assert "ReturnConsumedCapacity" not in first


def test_put() -> None:
    """A put sends the whole item, and can show it although DynamoDB does not return it."""
    driver, client = opened({}, {})
    reply = driver.execute(evolve(send("a"), want_item=True))
    method, parameters = client.calls[0]
    assert method == "put_item"
    assert parameters["Item"] == item_to_wire(reply.item or {})
    assert parameters["Item"]["send_token"] == {"S": "sent-a"}
    assert parameters["ConditionExpression"].startswith("attribute_not_exists(#id) OR ")
    assert "Key" not in parameters
    assert driver.execute(send("a")) == Written(None)


def test_delete_and_nothing_unused() -> None:
    """A removal is conditional too; where no value occurs, none is sent."""
    driver, client = opened({}, {})
    close = Write("$group#g", GROUP.rule("close"), {"tail_id": "a"})
    open_ = Write("$group#g", GROUP.rule("open"), {"id": "$group#g", "new_tail_id": "a"})
    assert driver.execute(close) == Written(None)
    driver.execute(open_)
    assert client.methods == ["delete_item", "put_item"]
    assert (
        client.calls[0][1]["ConditionExpression"] == "attribute_exists(#id) AND #tail_id = :tail_id"
    )
    assert "ExpressionAttributeValues" not in client.calls[1][1]


def test_refusal_shows_the_item() -> None:
    """The reply to a refused write is the item that refused it; or that there is none."""
    driver, _ = opened(lost(Item=item_to_wire({"id": "a", "token": "t"})), lost())
    assert driver.execute(receive("a")) == Refused({"id": "a", "token": "t"})
    assert driver.execute(receive("a")) == Refused(None, shown=True)


def test_refusal_after_a_repetition() -> None:
    """Where the SDK sent the request more than once, the refusal may echo our own success."""
    driver, _ = opened(lost(retries=1), lost(retries=0))
    assert driver.execute(receive("a")) == Refused(None, repeated=True)
    assert driver.execute(receive("a")) == Refused(None, repeated=False)


def test_preconditions_are_checked_before() -> None:
    """A write that its arguments rule out is refused by the item as it is, and never sent."""
    driver, client = opened({"Item": item_to_wire({"id": "a"})})
    assert driver.execute(receive("a", due=BEFORE)) == Refused({"id": "a"})
    assert client.methods == ["get_item"]


# --- reads -----------------------------------------------------------------------------------


def test_get() -> None:
    """A read is strongly consistent; no item is ``None``."""
    driver, client = opened({"Item": item_to_wire({"id": "a"})}, {})
    assert driver.execute(Get("a")) == {"id": "a"}
    assert driver.execute(Get("a")) is None
    assert client.calls[0][1] == {
        "TableName": "orders",
        "Key": {"id": {"S": "a"}},
        "ConsistentRead": True,
    }


def _found(*ids: str, later: tuple[str, ...] = ()) -> dict[str, Any]:
    """An answer to ``BatchGetItem``."""
    keys = {"orders": {"Keys": [{"id": {"S": id_}} for id_ in later], "ConsistentRead": True}}
    items = [item_to_wire({"id": id_}) for id_ in ids]
    return {"Responses": {"orders": items}, "UnprocessedKeys": keys if later else {}}


def test_get_many_in_parts() -> None:
    """Ids are asked for once each, a hundred at a time, strongly consistent."""
    driver, client = opened(_found("0", "7"), _found("100"))
    ids = tuple(str(n) for n in range(101))
    assert driver.execute(GetMany((*ids, "7"))) == {i: {"id": i} for i in ("0", "7", "100")}
    requests = [call["RequestItems"]["orders"] for _, call in client.calls]
    assert [len(request["Keys"]) for request in requests] == [100, 1]
    assert all(request["ConsistentRead"] for request in requests)


def test_get_many_again_for_what_was_put_off() -> None:
    """Keys that DynamoDB leaves for later are asked for again, after a pause."""
    pauses: list[float] = []
    driver, client = opened(
        _found("a", later=("b",)),
        _found(later=("b",)),
        _found("b"),
        surroundings=Surroundings(sleep=pauses.append, chance=lambda: 0.5),
    )
    assert driver.execute(GetMany(("a", "b"))) == {"a": {"id": "a"}, "b": {"id": "b"}}
    assert client.calls[1][1]["RequestItems"]["orders"]["Keys"] == [{"id": {"S": "b"}}]
    assert pauses == [0.025, 0.05]


def test_get_many_gives_up() -> None:
    """After six answers without a single item the table counts as throttled."""
    put_off = [_found(later=("a",))] * 6
    surroundings = Surroundings(sleep=lambda _: None, chance=lambda: 1)
    driver, client = opened(*put_off, surroundings=surroundings)
    with pytest.raises(ThrottledError):
        driver.execute(GetMany(("a",)))
    assert len(client.calls) == 6


def test_query() -> None:
    """A query reads a queue's part of the index in order, up to a due time, page by page."""
    cursor: Item = {"id": "a", "queue_type": "STANDARD", "queue_add_timestamp": BEFORE}
    answer = {"Items": [item_to_wire(cursor)], "LastEvaluatedKey": item_to_wire(cursor)}
    driver, client = opened(answer, {"Items": []})
    assert driver.execute(Query("STANDARD", NOW, 1)) == Page((cursor,), cursor)
    assert driver.execute(Query("STANDARD", None, 1, cursor)) == Page((), None)
    first, second = (parameters for _, parameters in client.calls)
    assert first == {
        "TableName": "orders",
        "IndexName": "by-due",
        "KeyConditionExpression": "#queue = :queue AND #due <= :until",
        "ExpressionAttributeNames": {"#queue": "queue_type", "#due": "queue_add_timestamp"},
        "ExpressionAttributeValues": {":queue": {"S": "STANDARD"}, ":until": {"S": NOW}},
        "Limit": 1,
    }
    assert second["KeyConditionExpression"] == "#queue = :queue"
    assert second["ExclusiveStartKey"] == item_to_wire(cursor)


# --- batches ---------------------------------------------------------------------------------


def _statements(*responses: dict[str, Any], retries: int = 0) -> dict[str, Any]:
    """An answer to ``BatchExecuteStatement``."""
    return {"Responses": list(responses), "ResponseMetadata": {"RetryAttempts": retries}}


def _error(code: str, message: str = "") -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}}


def test_batch_replies() -> None:
    """Each statement has its own reply, in order; only success shows the item, if it is wanted."""
    driver, client = opened(
        _statements(
            {"Item": item_to_wire({"id": "a"})},
            _error("ConditionalCheckFailed"),
            {},
            _error("DuplicateItem"),
            _error("ThrottlingError"),
            _error("TransactionConflict"),
            _error("ValidationError", "refers to an attribute that does not exist in the item"),
            _error("ResourceNotFound"),
        )
    )
    c = evolve(send("c"), want_item=True)
    writes = (receive("a"), receive("b"), c, send("d"), *map(receive, "efgh"))
    replies = driver.execute(WriteBatch(writes))
    assert replies[0] == Written({"id": "a"})
    assert replies[1] == replies[3] == Refused(None, repeated=False, shown=False)
    assert replies[2] == Written(c.specialised.apply(None, c.arguments))
    failures = [type(reply.error) for reply in replies[4:] if isinstance(reply, Failed)]
    assert failures == [ThrottledError, ConflictError, MalformedItemError, TableNotFoundError]
    ((method, parameters),) = client.calls
    assert method == "batch_execute_statement"
    kinds = [one["Statement"].split()[0] for one in parameters["Statements"]]
    assert kinds == ["UPDATE", "UPDATE", "INSERT", "INSERT", *["UPDATE"] * 4]


def test_items_that_nobody_wants_are_not_sent() -> None:
    """A batch that is only written returns nothing: less to send and to read."""
    driver, client = opened(_statements({}, {}))
    assert driver.execute(WriteBatch((delete("a"), send("b")))) == (Written(None),) * 2
    ((_, parameters),) = client.calls
    assert not any("RETURNING" in one["Statement"] for one in parameters["Statements"])


def test_batch_refusal_after_a_repetition() -> None:
    """Where the SDK repeated a batch, each refusal in it may echo our own success."""
    answer = _statements(*[_error("ConditionalCheckFailed")] * 2, retries=2)
    driver, _ = opened(answer)
    replies = driver.execute(WriteBatch((receive("a"), receive("b"))))
    assert replies == (Refused(None, repeated=True, shown=False),) * 2


def test_batch_of_one_is_a_single_write() -> None:
    """One statement costs as much as a single write, which shows the item that refuses it."""
    driver, client = opened(lost(Item=item_to_wire({"id": "a"})))
    assert driver.execute(WriteBatch((receive("a"),))) == (Refused({"id": "a"}),)
    assert client.methods == ["update_item"]


def test_what_can_not_be_in_a_batch_goes_alone() -> None:
    """Writes that have no statement, or are ruled out, keep their place among the replies."""
    a, b, c = (item_to_wire({"id": id_}) for id_ in "abc")
    driver, client = opened(_statements({"Item": a}, {"Item": b}), {"Attributes": c}, {})
    writes = (exhaust("c"), receive("a"), receive("x", due=BEFORE), receive("b"))
    assert driver.execute(WriteBatch(writes)) == (
        Written(None),
        Written({"id": "a"}),
        Refused(None),
        Written({"id": "b"}),
    )
    assert client.methods == ["batch_execute_statement", "update_item", "get_item"]


@pytest.mark.parametrize("code", ["UnknownOperationException", "NotImplemented"])
def test_endpoint_without_batches(code: str) -> None:
    """An endpoint that knows no batches gets single writes, and is not asked a second time."""
    item = {"Attributes": item_to_wire({"id": "a"})}
    driver, client = opened(refusal(code), item, lost(), item, item)
    batch = WriteBatch((receive("a"), receive("b")))
    assert driver.execute(batch) == (Written({"id": "a"}), Refused(None))
    assert driver.execute(batch) == (Written({"id": "a"}), Written({"id": "a"}))
    assert client.methods == ["batch_execute_statement", *["update_item"] * 4]


def test_batches_can_be_switched_off_or_insisted_on() -> None:
    """``batches=False`` never sends one; ``batches=True`` lets the endpoint's refusal through."""
    driver, client = opened({}, {}, batches=False)
    driver.execute(WriteBatch((evolve(send("a")), send("b"))))
    assert client.methods == ["put_item", "put_item"]
    driver, _ = opened(refusal("UnknownOperationException"), batches=True)
    with pytest.raises(RequestRejectedError):
        driver.execute(WriteBatch((send("a"), send("b"))))


def test_single_writes_of_a_batch_fail_alone() -> None:
    """One write's error leaves the others their chance; an unreachable service, none."""
    throttled, gone = refusal("ThrottlingException"), refusal("InternalServerError")
    driver, client = opened(throttled, {}, gone, batches=False)
    replies = driver.execute(WriteBatch(tuple(map(send, "abcd"))))
    kinds = [type(one.error) if isinstance(one, Failed) else type(one) for one in replies]
    assert kinds[:2] == [ThrottledError, Written]
    assert all(issubclass(kind, UnavailableError) for kind in kinds[2:])
    assert len(client.calls) == 3


# --- the table -------------------------------------------------------------------------------


def test_create_table_twice() -> None:
    """Creating a table that exists does nothing; another refusal is an error."""
    driver, client = opened({}, refusal("ResourceInUseException"), refusal("ValidationException"))
    for _ in range(2):
        driver.execute(CreateTable())
    assert client.calls[0] == ("create_table", TABLE.create_table_input())
    with pytest.raises(RequestRejectedError):
        driver.execute(CreateTable())


def _described(status: str = "ACTIVE", index_status: str = "ACTIVE") -> dict[str, Any]:
    """An answer to ``DescribeTable``, with an index that projects everything besides ours."""
    made = TABLE.create_table_input()
    (ours,) = made["GlobalSecondaryIndexes"]
    other = {
        "IndexName": "other",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    indexes = [ours | {"IndexStatus": index_status}, other]
    return {"Table": made | {"TableStatus": status, "GlobalSecondaryIndexes": indexes}}


def _expiring(status: str) -> dict[str, Any]:
    return {"TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": "expires_at"}}


def _describe(*answers: Any) -> TableDescription:
    described = opened(*answers)[0].execute(DescribeTable())
    assert described is not None
    return described


def test_describe_table() -> None:
    """A description tells keys, indexes, projections and expiry."""
    described = _describe(_described(), _expiring("ENABLED"))
    assert described.indexes["other"] == (("id", "S"),)
    assert described.projections["other"] == "ALL"
    assert TABLE.differences(described) == ()
    ours = TABLE.description()
    assert evolve(described, indexes=ours.indexes, projections=ours.projections) == ours


def test_describe_table_that_is_not_there() -> None:
    """No table is ``None``, not an error."""
    driver, _ = opened(refusal("ResourceNotFoundException"))
    assert driver.execute(DescribeTable()) is None


@pytest.mark.parametrize(
    ("table", "index", "active"),
    [
        ("ACTIVE", "ACTIVE", True),
        ("UPDATING", "ACTIVE", True),
        ("CREATING", "CREATING", False),
        ("ACTIVE", "CREATING", False),
        ("DELETING", "ACTIVE", False),
    ],
)
def test_active(table: str, index: str, active: bool) -> None:
    """A table is usable when it and all its indexes are."""
    assert _describe(_described(table, index), _expiring("ENABLED")).active is active


@pytest.mark.parametrize(
    ("answer", "expiry"),
    [
        (_expiring("ENABLED"), "expires_at"),
        (_expiring("ENABLING"), "expires_at"),
        (_expiring("DISABLED"), None),
        ({"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}, None),
        (refusal("AccessDeniedException"), None),
    ],
)
def test_expiry(answer: Any, expiry: str | None) -> None:
    """Expiry is what is on; a role that may not ask is told that there is none."""
    assert _describe(_described(), answer).expiry == expiry


def test_enable_expiry_twice() -> None:
    """Enabling what is on already is fine; another refusal is an error."""
    on = refusal("ValidationException", "TimeToLive is already enabled")
    other = refusal("ValidationException", "TimeToLive is active on a different AttributeName")
    driver, client = opened({}, on, other)
    for _ in range(2):
        driver.execute(EnableExpiry())
    assert client.calls[0] == ("update_time_to_live", TABLE.expiry_input())
    with pytest.raises(RequestRejectedError):
        driver.execute(EnableExpiry())

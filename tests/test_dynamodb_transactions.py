"""``TransactWriteItems``: what is sent, and what becomes of all that can cancel a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dynamomq.attributes import ID
from dynamomq.drivers.meter import Capacity, Meter
from dynamomq.effects import Set
from dynamomq.errors import (
    AccessDeniedError,
    ConflictError,
    DynamoMQError,
    InternalError,
    MalformedItemError,
    RequestRejectedError,
    TableNotFoundError,
    ThrottledError,
)
from dynamomq.expressions import TRUE, Arg, Attr, Comparison
from dynamomq.requests import Cancelled, Committed, Elsewhere, Foreign, Refused, Transact, Write
from dynamomq.rules import Specialised
from dynamomq.values import item_to_wire
from tests.support.embedded import custom_rule
from tests.support.scripted import opened, refusal

NAME = Attr("name")
REFUSED = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
FINE = {"Code": "None"}

PUT = Write("a", custom_rule("put", [Set(ID, Arg("id"))], ID.absent()), {"id": "a"})
UPDATE = Write(
    "b", custom_rule("update", [Set(NAME, Arg("name"))], ID.exists()), {"name": "secret"}
)
DELETE = Write("c", custom_rule("delete", [], NAME.eq(Arg("name"))), {"name": "secret"})
ROW = Foreign("Put", "rows", {"key": 1}, Specialised("put", TRUE, (), ()))
ALL = Transact((PUT, Elsewhere("invoices", UPDATE), DELETE, ROW), "token")


def cancellation(*reasons: Mapping[str, Any], retries: int = 0) -> ClientError:
    """What boto3 raises where a transaction is cancelled."""
    codes = ", ".join(str(reason["Code"]) for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons [{codes}]"
    return refusal(
        "TransactionCanceledException", message, retries=retries, CancellationReasons=list(reasons)
    )


def because(code: str, message: str = "", *, place: int = 1) -> ClientError:
    """A cancellation of ``ALL`` for one reason, by its second action unless said otherwise."""
    reasons: list[dict[str, str]] = [FINE] * len(ALL.actions)
    reasons[place] = {"Code": code, "Message": message}
    return cancellation(*reasons)


# --- what is sent ----------------------------------------------------------------------------


def test_actions() -> None:
    """Each write keeps its condition and asks for what refuses it; the token goes along."""
    driver, client = opened({})
    assert driver.execute(ALL) == Committed()
    ((method, parameters),) = client.calls
    assert method == "transact_write_items"
    assert parameters.keys() == {"TransactItems", "ClientRequestToken"}
    assert parameters["ClientRequestToken"] == "token"
    put, update, delete, row = parameters["TransactItems"]
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    names, values = {"#name": "name"}, {":name": {"S": "secret"}}
    assert put == {
        "Put": {
            "TableName": "orders",
            "Item": {"id": {"S": "a"}},
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id"},
            **shown,
        }
    }
    assert update == {
        "Update": {
            "TableName": "invoices",
            "Key": {"id": {"S": "b"}},
            "UpdateExpression": "SET #name = :name",
            "ConditionExpression": "attribute_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id", **names},
            "ExpressionAttributeValues": values,
            **shown,
        }
    }
    assert delete == {
        "Delete": {
            "TableName": "orders",
            "Key": {"id": {"S": "c"}},
            "ConditionExpression": "#name = :name",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            **shown,
        }
    }
    assert row == {"Put": {"TableName": "rows", "Item": {"key": {"N": "1"}}}}


def test_preconditions_are_checked_before() -> None:
    """A write that its arguments rule out is refused by the item as it is; nothing is sent."""
    condition = ID.exists() & Comparison("<", Arg("now"), Arg("due"))
    rule = custom_rule("update", [Set(NAME, Arg("due"))], condition)
    late = Write("d", rule, {"now": 2, "due": 1})
    driver, client = opened({"Item": item_to_wire({"id": "d"})}, {})
    reply = driver.execute(Transact((PUT, late, Elsewhere("invoices", late), ROW), "token"))
    assert reply == Cancelled((None, Refused({"id": "d"}), Refused(None), None))
    assert [(method, call["TableName"]) for method, call in client.calls] == [
        ("get_item", "orders"),
        ("get_item", "invoices"),
    ]


# --- conditions ------------------------------------------------------------------------------


def test_refusals_show_their_items() -> None:
    """Our own writes have asked, so no item means that there is none; the user's may not have."""
    item = item_to_wire({"id": "a", "n": 1})
    driver, _ = opened(
        cancellation({**REFUSED, "Item": item}, REFUSED, FINE, REFUSED),
        cancellation(FINE, FINE, REFUSED, {**REFUSED, "Item": {"key": {"N": "1"}}}),
    )
    shown = Refused({"id": "a", "n": 1})
    unsaid = Refused(None, shown=False)
    assert driver.execute(ALL) == Cancelled((shown, Refused(None), None, unsaid))
    assert driver.execute(ALL) == Cancelled((None, None, Refused(None), Refused({"key": 1})))


def test_a_refusal_outweighs_all_else() -> None:
    """Where a condition does not hold, that is told, and that another transaction was about."""
    conflict = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    driver, _ = opened(cancellation(conflict, REFUSED, FINE, FINE))
    cancelled = Cancelled((None, Refused(None), None, None), in_conflict=True)
    assert driver.execute(ALL) == cancelled


@pytest.mark.parametrize(
    "code", ["ThrottlingError", "ProvisionedThroughputExceeded", "InternalServerError"]
)
def test_what_passes_is_told_beside_a_refusal(code: str) -> None:
    """Of an action that was throttled nothing is known, so a refusal proves no damage."""
    driver, _ = opened(cancellation({"Code": code, "Message": ""}, REFUSED, FINE, FINE))
    cancelled = Cancelled((None, Refused(None), None, None), in_conflict=True)
    assert driver.execute(ALL) == cancelled


def test_a_refusal_after_a_repetition() -> None:
    """Where the SDK sent the transaction more than once, the refusal may echo its own success."""
    driver, _ = opened(cancellation(REFUSED, FINE, FINE, FINE, retries=1))
    again = Refused(None, repeated=True)
    assert driver.execute(ALL) == Cancelled((again, None, None, None), repeated=True)


# --- everything else -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("TransactionConflict", "Transaction is ongoing for the item", ConflictError),
        ("ProvisionedThroughputExceeded", "", ThrottledError),
        ("ThrottlingError", "Throughput exceeds the current capacity", ThrottledError),
        ("ItemCollectionSizeLimitExceeded", "Collection size exceeded.", RequestRejectedError),
        ("ValidationError", "Item size has exceeded the maximum allowed", RequestRejectedError),
        (
            "ValidationError",
            "An operand in the update expression has an incorrect data type",
            MalformedItemError,
        ),
    ],
)
def test_reasons(code: str, message: str, kind: type[DynamoMQError]) -> None:
    """A reason that is no condition is an error that names the action and its table."""
    error = because(code, message)
    driver, _ = opened(error)
    with pytest.raises(kind) as caught:
        driver.execute(ALL)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    assert "action 2 of 4 in TransactWriteItems (Update) on table 'invoices'" in str(caught.value)
    assert caught.value.retryable == (kind in (ConflictError, ThrottledError))


def test_what_a_repetition_can_not_mend_comes_first() -> None:
    """Of several reasons that one is raised which calling again would meet again."""
    conflict = {"Code": "TransactionConflict"}
    invalid = {"Code": "ValidationError", "Message": "Type mismatch for key"}
    driver, _ = opened(
        cancellation(conflict, FINE, FINE, invalid),
        refusal("AccessDeniedException"),  # to be told the key of the table
        cancellation(conflict, FINE, conflict, FINE),
    )
    with pytest.raises(RequestRejectedError, match=r"action 4 of 4 .*'rows'.*Type mismatch"):
        driver.execute(ALL)
    with pytest.raises(ConflictError, match="action 1 of 4"):
        driver.execute(ALL)


def test_a_cancellation_without_reasons() -> None:
    """A cancellation that does not say why is passed on with DynamoDB's words."""
    driver, _ = opened(refusal("TransactionCanceledException", "Transaction cancelled"))
    with pytest.raises(RequestRejectedError, match="Transaction cancelled"):
        driver.execute(ALL)


def test_a_reason_without_a_place() -> None:
    """DynamoDB Local may give one reason for all actions: then no action is named."""
    message = "Cannot update attribute id. This attribute is part of the key"
    reason = cancellation({"Code": "ValidationError", "Message": message})
    driver, _ = opened(reason, refusal("AccessDeniedException"))
    with pytest.raises(RequestRejectedError, match=message) as caught:
        driver.execute(ALL)
    assert "refused TransactWriteItems on table 'orders'" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("TransactionInProgressException", ConflictError, "still being carried out"),
        ("TransactionConflictException", ConflictError, "Another transaction"),
        ("IdempotentParameterMismatchException", RequestRejectedError, "token stood for other"),
        ("ThrottlingException", ThrottledError, "throttled TransactWriteItems"),
        ("InternalServerError", InternalError, "Whether it took effect is not known"),
        ("ValidationException", RequestRejectedError, "ValidationException"),
    ],
)
def test_codes(code: str, kind: type[DynamoMQError], words: str) -> None:
    """What concerns the transaction as a whole is an error of the right kind."""
    driver, _ = opened(refusal(code))
    with pytest.raises(kind, match=words) as caught:
        driver.execute(ALL)
    assert caught.value.remedy or code == "ValidationException"


@pytest.mark.parametrize(
    "message",
    [
        "The parameter cannot be converted to a numeric value: secret",
        "1 validation error detected: Value 'secret' at 'transactItems' failed to satisfy it",
    ],
)
def test_values_are_not_quoted(message: str) -> None:
    """Where DynamoDB quotes what was sent, our error leaves that out."""
    for error in (because("ValidationError", message), refusal("ValidationException", message)):
        driver, _ = opened(error)
        with pytest.raises(RequestRejectedError, match=r"numeric value|transactItems") as caught:
            driver.execute(ALL)
        assert "secret" not in str(caught.value)


def test_denied_table_is_named() -> None:
    """Of several tables, the error names the one that may not be written."""
    message = (
        "User: arn:aws:iam::1:user/u is not authorized to perform: dynamodb:PutItem on resource: "
        "arn:aws:dynamodb:eu-central-1:1:table/rows because no policy allows it"
    )
    driver, _ = opened(refusal("AccessDeniedException", message))
    with pytest.raises(AccessDeniedError, match="dynamodb:PutItem on table 'rows'"):
        driver.execute(ALL)


def test_missing_table_is_looked_for() -> None:
    """DynamoDB does not say which of the tables is missing, so they are asked for, in order."""
    missing = refusal("ResourceNotFoundException", "Requested resource not found")
    denied = refusal("AccessDeniedException")
    driver, client = opened(missing, {}, denied, missing)
    with pytest.raises(TableNotFoundError) as caught:
        driver.execute(ALL)
    assert caught.value.table == "rows"
    asked = [call["TableName"] for _, call in client.calls[1:]]
    assert asked == ["orders", "invoices", "rows"]
    driver, _ = opened(missing, denied, denied, denied)
    with pytest.raises(TableNotFoundError) as caught:
        driver.execute(ALL)
    assert caught.value.table == "orders"


# --- costs -----------------------------------------------------------------------------------


def test_meter() -> None:
    """A transaction is one request; its refusals count each; its capacity is all tables'."""
    meter = Meter()
    index = {"GlobalSecondaryIndexes": {"by-due": {"CapacityUnits": 4.0}}}
    answer = {
        "ConsumedCapacity": [
            {"TableName": "orders", "Table": {"CapacityUnits": 4.0}, **index},
            {"TableName": "invoices", "Table": {"CapacityUnits": 2.0}},
        ]
    }
    driver, client = opened(answer, cancellation(REFUSED, FINE, REFUSED, FINE), meter=meter)
    driver.execute(ALL)
    driver.execute(ALL)
    assert client.calls[0][1]["ReturnConsumedCapacity"] == "INDEXES"
    usage = meter.read()
    assert usage.requests == {"TransactWriteItems": 2}
    assert usage.refused == 2
    assert usage.capacity == Capacity(table_writes=6.0, index_writes=4.0)


def test_a_repetition_costs_reads() -> None:
    """DynamoDB answers the repetition of a success by reading, and charges that."""
    meter = Meter()
    report = {"TableName": "orders", "Table": {"CapacityUnits": 4.0}, "ReadCapacityUnits": 4.0}
    driver, _ = opened({"ConsumedCapacity": [report]}, meter=meter)
    driver.execute(ALL)
    assert meter.read().capacity == Capacity(table_reads=4.0)

"""The texts that rules become, as DynamoDB Local takes them: it knows them, and means the same."""

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dynamomq.attributes import ARGUMENTS
from dynamomq.drivers import wire
from dynamomq.effects import Set
from dynamomq.expressions import (
    AllOf,
    AnyOf,
    Arg,
    Attr,
    Comparison,
    Condition,
    Constant,
    Exists,
    HasType,
    Not,
    Operand,
    Operator,
)
from dynamomq.values import Item, item_to_wire
from tests.test_wire import THERE, long_rule, rule_of, specialised_cases


@pytest.fixture(scope="module")
def wire_table(dynamodb_client: Any) -> Iterator[str]:
    """A table with the key ``id`` and no index."""
    name = f"test-{uuid.uuid4()}"
    dynamodb_client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    dynamodb_client.delete_table(TableName=name)


def test_rules_are_accepted(dynamodb_client: Any, wire_table: str) -> None:
    """DynamoDB Local parses every text: a condition that does not hold is the worst it says."""
    arguments: Item = dict.fromkeys(ARGUMENTS, "2024")
    arguments |= {name: 1 for name, kind in ARGUMENTS.items() if kind.startswith("N")}
    arguments |= {name: [] for name, kind in ARGUMENTS.items() if kind.startswith("L")}
    refused = dynamodb_client.exceptions.ConditionalCheckFailedException
    statements = 0
    for number, (heading, rule) in enumerate(specialised_cases()):
        arguments["id"] = f"{number}"
        texts = wire.expressions(rule)
        parameters: dict[str, Any] = {
            "TableName": wire_table,
            "ConditionExpression": texts.condition,
            "ExpressionAttributeNames": texts.names,
        }
        if values := texts.values(arguments):
            parameters["ExpressionAttributeValues"] = values
        if rule.kind == "put":
            item = item_to_wire(rule.apply(None, arguments) or {})
            dynamodb_client.put_item(Item=item, **parameters)
        elif rule.kind == "delete":
            with pytest.raises(refused):
                dynamodb_client.delete_item(Key={"id": {"S": f"{number}"}}, **parameters)
        else:
            with pytest.raises(refused):
                dynamodb_client.update_item(
                    Key={"id": {"S": f"{number}"}}, UpdateExpression=texts.update, **parameters
                )
        statement = wire.statement(rule, wire_table)
        if statement is not None:
            statements += 1
            answer = dynamodb_client.batch_execute_statement(
                Statements=[
                    {
                        "Statement": statement.text,
                        "Parameters": statement.parameters(f"{number}", arguments),
                    }
                ]
            )
            expected = "DuplicateItem" if rule.kind == "put" else "ConditionalCheckFailed"
            assert answer["Responses"][0]["Error"]["Code"] == expected, heading
    assert statements > 20


def test_long_texts_are_accepted(dynamodb_client: Any, wire_table: str) -> None:
    """DynamoDB Local stores long constants under long names, each under its own."""
    rule, names, constants = long_rule()
    texts = wire.expressions(rule)
    answer = dynamodb_client.update_item(
        TableName=wire_table,
        Key={"id": {"S": "long"}},
        ConditionExpression=texts.condition,
        UpdateExpression=texts.update,
        ExpressionAttributeNames=texts.names,
        ExpressionAttributeValues=texts.values({}),
        ReturnValues="ALL_NEW",
    )
    stored = {name: answer["Attributes"][name]["S"] for name in names}
    assert stored == dict(zip(names, constants, strict=True))


# --- what the texts mean ---------------------------------------------------------------------

NUMBERS = itertools.count()
ORDERED: st.SearchStrategy[Any] = st.sampled_from(["", "a", "b", 0, 1, -1, b"a"])
SMALL: st.SearchStrategy[Any] = ORDERED | st.sampled_from([True, False, None])
OPERATORS: st.SearchStrategy[Operator] = st.sampled_from(["<", "<=", ">", ">="])
ATTRIBUTES = st.sampled_from([Attr("p"), Attr("q"), Attr("size")])


def compared(operator: Operator, left: Attr, right: Operand) -> Condition:
    """A comparison; DynamoDB refuses to compare an attribute with itself."""
    assume(left != right)
    return Comparison(operator, left, right)


LEAVES: st.SearchStrategy[Condition] = st.one_of(
    st.builds(compared, st.just("="), ATTRIBUTES, ATTRIBUTES | SMALL.map(Constant)),
    st.builds(compared, st.just("="), ATTRIBUTES, st.just(Arg("any"))),
    # Values that have no order may stand in the item, but DynamoDB refuses them in a request.
    st.builds(compared, OPERATORS, ATTRIBUTES, ATTRIBUTES | ORDERED.map(Constant)),
    st.builds(compared, OPERATORS, ATTRIBUTES, st.just(Arg("ordered"))),
    ATTRIBUTES.map(Exists),
    st.builds(HasType, ATTRIBUTES, st.sampled_from(["S", "N", "BOOL", "NULL", "B"])),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    condition=CONDITIONS,
    item=st.dictionaries(st.sampled_from(["p", "q", "size"]), SMALL),
    arguments=st.fixed_dictionaries({"any": SMALL, "ordered": ORDERED}),
)
def test_texts_mean_what_the_trees_mean(
    dynamodb_client: Any, wire_table: str, condition: Condition, item: Item, arguments: Item
) -> None:
    """DynamoDB Local decides a printed condition as ``evaluate`` decides the tree (EXPR-1…4).

    Both languages, on random conditions, items and arguments.
    """
    rule = rule_of(AllOf((THERE, condition)), Set(Attr("done"), Constant(1)))
    key = f"{next(NUMBERS)}"
    stored = item_to_wire(item | {"id": key, "there": 1})
    dynamodb_client.put_item(TableName=wire_table, Item=stored)
    texts, statement = wire.expressions(rule), wire.statement(rule, wire_table)
    assert statement is not None
    answer = dynamodb_client.batch_execute_statement(
        Statements=[
            {"Statement": statement.text, "Parameters": statement.parameters(key, arguments)}
        ]
    )
    in_batch = "Error" not in answer["Responses"][0]
    dynamodb_client.put_item(TableName=wire_table, Item=stored)
    try:
        dynamodb_client.update_item(
            TableName=wire_table,
            Key={"id": {"S": key}},
            ConditionExpression=texts.condition,
            UpdateExpression=texts.update,
            ExpressionAttributeNames=texts.names,
            ExpressionAttributeValues=texts.values(arguments),
        )
    except dynamodb_client.exceptions.ConditionalCheckFailedException:
        alone = False
    else:
        alone = True
    expected = condition.evaluate(item, arguments)
    assert (alone, in_batch) == (expected, expected)

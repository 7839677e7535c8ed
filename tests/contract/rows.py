"""A table of the user's own, beside the queue's, on each engine."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from dynamomq.drivers.local import LocalEngine
from dynamomq.values import Item, item_from_wire, item_to_wire

KEY = "pk"


@frozen
class Rows:
    """A table whose key is the text ``pk``.

    Attributes:
        name: the table's.
        get: reads a row by its key attributes.
        put: stores a row.
    """

    name: str
    get: Callable[[Item], Item | None]
    put: Callable[[Item], object]

    def row(self, pk: str) -> Item | None:
        """The row of this key; ``None``: there is none."""
        return self.get({KEY: pk})


def embedded_rows(engine: LocalEngine, name: str) -> Rows:
    """Create the table on the embedded engine."""
    engine.create_table(name, key=(KEY,))
    return Rows(
        name, lambda key: engine.get_item(name, key), lambda item: engine.put_item(name, item)
    )


def dynamodb_rows(client: Any, name: str) -> Rows:
    """Create the table at a DynamoDB endpoint."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def get(key: Item) -> Item | None:
        answer = client.get_item(TableName=name, Key=item_to_wire(key), ConsistentRead=True)
        return item_from_wire(answer["Item"]) if "Item" in answer else None

    return Rows(name, get, lambda item: client.put_item(TableName=name, Item=item_to_wire(item)))

"""What DynamoDB tells of a table, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynamomq.table import TableDescription


def described(table: Mapping[str, Any], expiry: str | None) -> TableDescription:
    """Return the answer to ``DescribeTable`` as a description; ``expiry`` is told by another."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    indexes = table.get("GlobalSecondaryIndexes", ())
    usable = {table["TableStatus"], *(one.get("IndexStatus", "ACTIVE") for one in indexes)}
    return TableDescription(
        name=table["TableName"],
        active=usable <= {"ACTIVE", "UPDATING"},
        key=_key(table["KeySchema"], types),
        indexes={one["IndexName"]: _key(one["KeySchema"], types) for one in indexes},
        projections={one["IndexName"]: _projection(one["Projection"]) for one in indexes},
        expiry=expiry,
    )


def _key(
    schema: Sequence[Mapping[str, str]], types: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    ordered = sorted(schema, key=lambda one: one["KeyType"])  # HASH, then RANGE
    return tuple((one["AttributeName"], types[one["AttributeName"]]) for one in ordered)


def _projection(described: Mapping[str, Any]) -> str | frozenset[str]:
    kind: str = described["ProjectionType"]
    return frozenset(described["NonKeyAttributes"]) if kind == "INCLUDE" else kind

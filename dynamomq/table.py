"""The table definition that all ports share (spec: TABLE-1 to TABLE-4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from dynamomq.attributes import DUE, EXPIRES_AT, ID, QUEUE_TYPE, RECEIVE_COUNT, STATUS

DEFAULT_TABLE = "dynamo-mq-table"
DEFAULT_INDEX = "dynamo-mq-index-queue_type-queue_add_timestamp"

_KEY = ((ID.name, "S"),)
_INDEX_KEY = ((QUEUE_TYPE.name, "S"), (DUE.name, "S"))
_PROJECTED = frozenset({STATUS.name, RECEIVE_COUNT.name})


@frozen
class TableDescription:
    """A table as the storage describes it.

    Attributes:
        name: the table's name.
        active: whether the table and all its indexes can be used now.
        key: its primary key: (attribute, type letter) of the partition key, then of any sort key.
        indexes: the same of each global secondary index, by name.
        projections: what each index projects: ``ALL``, ``KEYS_ONLY``, or the names of the
            non-key attributes.
        expiry: the attribute by which items expire; ``None`` where none is set.
    """

    name: str
    active: bool
    key: tuple[tuple[str, str], ...]
    indexes: Mapping[str, tuple[tuple[str, str], ...]]
    projections: Mapping[str, str | frozenset[str]]
    expiry: str | None


@frozen
class TableDefinition:
    """A queue's table: names are free, everything else is fixed.

    Attributes:
        name: the table's name.
        index: the name of the index by queue and due time.
    """

    name: str = DEFAULT_TABLE
    index: str = DEFAULT_INDEX

    def create_table_input(self) -> dict[str, Any]:
        """Return the input of DynamoDB's ``CreateTable`` (billed per request)."""
        return {
            "TableName": self.name,
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": letter}
                for name, letter in (*_KEY, *_INDEX_KEY)
            ],
            "KeySchema": _key_schema(_KEY),
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": self.index,
                    "KeySchema": _key_schema(_INDEX_KEY),
                    "Projection": {
                        "ProjectionType": "INCLUDE",
                        "NonKeyAttributes": sorted(_PROJECTED),
                    },
                }
            ],
            "BillingMode": "PAY_PER_REQUEST",
        }

    def expiry_input(self) -> dict[str, Any]:
        """Return the input of DynamoDB's ``UpdateTimeToLive``."""
        return {
            "TableName": self.name,
            "TimeToLiveSpecification": {"Enabled": True, "AttributeName": EXPIRES_AT.name},
        }

    def description(self) -> TableDescription:
        """Return how a table that is just right describes itself."""
        return TableDescription(
            name=self.name,
            active=True,
            key=_KEY,
            indexes={self.index: _INDEX_KEY},
            projections={self.index: _PROJECTED},
            expiry=EXPIRES_AT.name,
        )

    def differences(self, found: TableDescription) -> tuple[str, ...]:
        """Return what makes an existing table unusable as a queue, a phrase each; or nothing.

        A table may have more than is needed: other indexes, a projection of more attributes.
        """
        wrong = []
        if found.key != _KEY:
            wrong.append(f"its primary key is {_shown(found.key)} instead of {_shown(_KEY)}")
        index_key = found.indexes.get(self.index)
        if index_key is None:
            wrong.append(f"it has no index {self.index!r}")
        elif index_key != _INDEX_KEY:
            wrong.append(
                f"the key of index {self.index!r} is {_shown(index_key)} instead of "
                f"{_shown(_INDEX_KEY)}"
            )
        else:
            projection = found.projections[self.index]
            missing = _PROJECTED - projection if isinstance(projection, frozenset) else frozenset()
            if projection == "KEYS_ONLY" or missing:
                wrong.append(
                    f"index {self.index!r} does not project {', '.join(sorted(_PROJECTED))}"
                )
        if found.expiry not in (None, EXPIRES_AT.name):
            wrong.append(f"its items expire by {found.expiry!r} instead of {EXPIRES_AT.name!r}")
        return tuple(wrong)


def _key_schema(key: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [
        {"AttributeName": name, "KeyType": kind}
        for (name, _), kind in zip(key, ("HASH", "RANGE"), strict=False)
    ]


def _shown(key: tuple[tuple[str, str], ...]) -> str:
    return " + ".join(f"{name} ({letter})" for name, letter in key)

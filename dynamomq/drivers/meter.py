"""What a storage was asked to do, counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Capacity:
    """Capacity units that requests consumed.

    Attributes:
        table_reads: read units of the table itself.
        table_writes: write units of the table itself.
        index_reads: read units of its indexes.
        index_writes: write units of its indexes.
    """

    table_reads: float = 0.0
    table_writes: float = 0.0
    index_reads: float = 0.0
    index_writes: float = 0.0

    def __add__(self, other: Capacity) -> Capacity:
        """Add up, field by field."""
        return Capacity(
            self.table_reads + other.table_reads,
            self.table_writes + other.table_writes,
            self.index_reads + other.index_reads,
            self.index_writes + other.index_writes,
        )

    def times(self, factor: float) -> Capacity:
        """Multiply, field by field."""
        return Capacity(
            self.table_reads * factor,
            self.table_writes * factor,
            self.index_reads * factor,
            self.index_writes * factor,
        )


@frozen
class Usage:
    """A meter's reading.

    Attributes:
        requests: how often each operation of the storage's API was called, such as ``UpdateItem``;
            with DynamoDB once however often the SDK had to repeat it.
        refused: writes whose condition did not hold.
        capacity: the units that the storage reported. DynamoDB charges for refused writes too, but
            does not report them; DynamoDB Local reports nothing for batches of statements.
    """

    requests: Mapping[str, int] = field(factory=dict)
    refused: int = 0
    capacity: Capacity = Capacity()


_NOTHING = Capacity()


class Meter:
    """Counts requests, refused writes and capacity units; safe to share among threads."""

    def __init__(self) -> None:
        """Start from zero."""
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._refused = 0
        self._capacity = _NOTHING

    def count(self, operation: str, *, refused: int = 0, capacity: Capacity = _NOTHING) -> None:
        """Count one request.

        Args:
            operation: its name in the storage's API, such as ``UpdateItem``.
            refused: how many of its writes were refused because their condition did not hold.
            capacity: the units that it consumed.
        """
        with self._lock:
            self._requests[operation] += 1
            self._refused += refused
            self._capacity += capacity

    def read(self) -> Usage:
        """Return all that was counted so far."""
        with self._lock:
            return Usage(dict(self._requests), self._refused, self._capacity)

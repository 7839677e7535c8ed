"""What one request costs by AWS's published rules, computed from the items that it touches.

DynamoDB Local reports no capacity for a batch of statements, and the embedded engine reports none
at all. What they would have cost follows from the items before and after:

- A write costs the table one unit per KB of the larger of the two items.
- It costs the index one unit per KB where an entry comes, goes or shows another projected
  attribute, the sum of both where the entry's key changes, and nothing where the entry stays.
- In a transaction the table's units count twice, the index's do not.
- A strongly consistent read costs one unit per 4 KB, an eventually consistent one half of that; a
  page of a query is rounded up as a whole.

A test compares this with what DynamoDB Local reports for every operation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import evolve

from dynamomq.attributes import DUE, ID, QUEUE_TYPE, RECEIVE_COUNT, STATUS
from dynamomq.drivers.meter import Capacity
from dynamomq.values import Item, item_size

_WRITE_BLOCK = 1024
_READ_BLOCK = 4096
_INDEX_KEY = (QUEUE_TYPE.name, DUE.name)
_INDEX_ENTRY = (ID.name, *_INDEX_KEY, STATUS.name, RECEIVE_COUNT.name)


def write_capacity(old: Item | None, new: Item | None) -> Capacity:
    """Return the units of one write that took place.

    Args:
        old: the item before; ``None`` where there was none.
        new: the item after; ``None`` where it was removed.
    """
    table = max(_blocks(old or {}), _blocks(new or {}))
    return Capacity(
        table_writes=table, index_writes=_index_units(index_entry(old), index_entry(new))
    )


def in_transaction(alone: Capacity) -> Capacity:
    """Return the units of a write that is part of a transaction, by those that it had alone."""
    return evolve(alone, table_writes=2 * alone.table_writes)


def get_capacity(items: Iterable[Item | None]) -> Capacity:
    """Return the units of strongly consistent reads; looking for what is not there costs one."""
    return Capacity(table_reads=sum(_blocks(item or {}, _READ_BLOCK) for item in items))


def page_capacity(entries: Iterable[Item]) -> Capacity:
    """Return the units of one page of a query of the index."""
    size = sum(item_size(entry) for entry in entries)
    return Capacity(index_reads=_rounded(size, _READ_BLOCK) / 2)


def scan_capacity(items: Iterable[Item]) -> Capacity:
    """Return the units of one strongly consistent page of a scan of the table."""
    return Capacity(table_reads=_rounded(sum(map(item_size, items)), _READ_BLOCK))


def _index_units(old: Item | None, new: Item | None) -> int:
    if old == new:
        return 0
    if old is None or new is None:
        return _blocks(old or new or {})
    if any(old[name] != new[name] for name in _INDEX_KEY):
        return _blocks(old) + _blocks(new)  # one entry is deleted, another put
    return max(_blocks(old), _blocks(new))


def index_entry(item: Item | None) -> Item | None:
    """Return an item's entry in the index; ``None`` where it has none."""
    if item is None or not all(name in item for name in _INDEX_KEY):
        return None
    return {name: item[name] for name in _INDEX_ENTRY if name in item}


def _blocks(item: Item, block: int = _WRITE_BLOCK) -> int:
    return _rounded(item_size(item), block)


def _rounded(size: int, block: int) -> int:
    return max(1, math.ceil(size / block))

"""The table as a run left it: read once, kept beside the logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dynamomq.values import Item, item_from_wire

_FILE = "table.json"


def scan(client: Any, table: str) -> dict[str, Item]:
    """All items by id, read consistently."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    items = [item_from_wire(item) for page in pages for item in page["Items"]]
    return {str(item["id"]): item for item in items}


def save(items: dict[str, Item], folder: Path) -> None:
    """Keep the items of a run; they hold nothing that JSON has no form for."""
    (folder / _FILE).write_text(json.dumps(items, indent=1), encoding="utf-8")


def load(folder: Path) -> dict[str, Item]:
    """What :func:`save` kept."""
    items: dict[str, Item] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return items

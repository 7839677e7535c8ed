"""What consumers do in these tests, and what is left in the table."""

from typing import Any

from dynamomq import Engine, Queue
from dynamomq.requests import Scan
from dynamomq.table import TableDefinition

TIMEOUT = 30.0
"""How long a delivery lasts by default, in seconds."""


def work(queue: Queue[Any]) -> list[Any]:
    """What a consumer does: receive, handle, delete; returns what it has handled."""
    handled = []
    for message in queue.receive():
        handled.append(message.data)
        queue.delete(message)
    return handled


def table_of(queue: Queue[Any], engine: Engine) -> dict[str, Any]:
    """All that a queue's table holds, by id."""
    page = engine.open(TableDefinition(queue.table)).execute(Scan(1000))
    return {str(item["id"]): item for item in page.entries}


def reopened(queue: Queue[Any]) -> Queue[Any]:
    """A queue's table as the next process opens it."""
    return Queue(queue.table, engine=queue.engine)

"""Ways to bring message ``m`` into each state, and what a write is to leave of an item."""

from collections.abc import Callable, Mapping
from typing import Any

from dynamomq.queue import Queue
from tests.contract.engines import Table
from tests.support.clock import ManualClock

NEVER_DELETED = (
    "never deleted in 1 delivery; one that was not answered may have ended with its process, "
    "perhaps for another message"
)
"""Why a message is in the dead-letter queue that has used up its only delivery."""

TIMEOUT = 30
"""The visibility timeout of the fixture ``queue``, in seconds."""

Arrange = Callable[[Queue[Any], Table, ManualClock], object]


def _ready(queue: Queue[Any], _table: Table, clock: ManualClock) -> None:
    queue.send({"n": 1}, id="m")
    clock.advance(1)


def _processing(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _ready(queue, table, clock)
    queue.receive()
    clock.advance(1)


def _expired(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _processing(queue, table, clock)
    clock.advance(TIMEOUT)


def _dead(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _ready(queue, table, clock)
    queue.bury("m", reason="unwanted")
    clock.advance(1)


def _dead_processing(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _dead(queue, table, clock)
    queue.receive(source="DLQ")
    clock.advance(1)


def _dead_expired(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _dead_processing(queue, table, clock)
    clock.advance(TIMEOUT)


def _waiting(queue: Queue[Any], _table: Table, clock: ManualClock) -> None:
    queue.send(0, id="head", group="g")
    queue.send({"n": 1}, id="m", group="g")
    clock.advance(1)


def _deleted(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _ready(queue, table, clock)
    queue.delete(queue.receive()[0])
    clock.advance(1)


def _malformed(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _ready(queue, table, clock)
    table.change("m", version="one")


def _foreign(_queue: Queue[Any], table: Table, _clock: ManualClock) -> None:
    table.put({"id": "m", "note": "another program's"})


def _forgotten(queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    _deleted(queue, table, clock)
    clock.advance(302)


_SITUATIONS: dict[str, Arrange] = {
    "STANDARD.READY": _ready,
    "STANDARD.PROCESSING": _processing,
    "STANDARD.EXPIRED": _expired,
    "DLQ.READY": _dead,
    "DLQ.PROCESSING": _dead_processing,
    "DLQ.EXPIRED": _dead_expired,
    "WAITING": _waiting,
    "DELETED": _deleted,
    "MALFORMED": _malformed,
    "FOREIGN": _foreign,
    "ABSENT": lambda queue, table, clock: None,  # noqa: ARG005 - nothing was ever sent
    "forgotten": _forgotten,
}

OCCUPIED = tuple(state for state in _SITUATIONS if state not in ("ABSENT", "WAITING", "forgotten"))
"""The states in which an id is taken, and there is nothing else in the table."""


def arrange(state: str, queue: Queue[Any], table: Table, clock: ManualClock) -> None:
    """Bring message ``m`` into a state; ``forgotten`` is a tombstone whose time is over."""
    _SITUATIONS[state](queue, table, clock)


def after(item: Mapping[str, Any], *, without: str = "", **changes: Any) -> dict[str, Any]:
    """An item with some attributes changed, ``without`` one, and the others as they were."""
    return {name: value for name, value in {**item, **changes}.items() if name != without}

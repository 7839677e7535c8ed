"""create_table: make the table, or make sure that the one that is there will do."""

from __future__ import annotations

from dynamomq.errors import DynamoMQError, TableMismatchError, UnavailableError
from dynamomq.operations.writing import persistently
from dynamomq.requests import CreateTable, DescribeTable, EnableExpiry, Operation, Sleep, ask
from dynamomq.table import TableDefinition

_POLL_SECONDS = 1.0
_POLLS = 300


def create_table(definition: TableDefinition) -> Operation[bool]:
    """Create the table unless it exists, wait until it can be used, and check its shape.

    Calling it again, or from several processes at once, does no harm.

    Returns:
        Whether it did not exist.

    Raises:
        TableMismatchError: a table of this name exists and can't hold a queue.
        UnavailableError: the table did not become active within five minutes.
    """
    is_new = False
    for poll in range(_POLLS):
        found = yield from persistently(DescribeTable())
        if found is None:
            yield from persistently(CreateTable())
            is_new = True
        elif differences := definition.differences(found):
            raise TableMismatchError(definition.name, differences)
        elif found.active:
            if found.expiry is None:
                yield from persistently(EnableExpiry())
            return is_new
        if poll:
            yield from ask(Sleep(_POLL_SECONDS))
    raise UnavailableError(
        f"Table {definition.name!r} is still not active after {_POLLS * _POLL_SECONDS:.0f} s.",
        remedy="Wait for it, and call create_table() again.",
    )


def check_table(definition: TableDefinition) -> Operation[None]:
    """Do nothing if the table can hold the queue, or that can't be told (spec: AGREE-2).

    It asks once. Who may not describe the table, or gets no answer, goes on.

    Raises:
        TableMismatchError: it can't.
    """
    try:
        found = yield from ask(DescribeTable(expiry=False))
    except TableMismatchError:
        raise
    except DynamoMQError:
        return
    if found is not None and (differences := definition.differences(found)):
        raise TableMismatchError(definition.name, differences)

"""What all parts of ``Queue`` stand on: settings, surroundings, and running operations."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from dynamomq.checks import (
    MAX_DELAY,
    check_due,
    check_duration,
    check_group,
    check_headers,
    check_id,
)
from dynamomq.drivers.base import Driver, Engine, Surroundings
from dynamomq.errors import InvalidArgumentError
from dynamomq.message import Entry
from dynamomq.operations import Outgoing, Settings
from dynamomq.payload import Codec, fingerprint
from dynamomq.queue.agreed import Agreed
from dynamomq.requests import Operation

T = TypeVar("T")
R = TypeVar("R")


class QueueBase(Generic[T]):
    """A queue's settings, engine and driver."""

    _agreed: Agreed
    _engine: Engine
    _driver: Driver

    @property
    def table(self) -> str:
        """The table's name."""
        return self._driver.table.name

    @property
    def engine(self) -> Engine:
        """Where the table is."""
        return self._engine

    @property
    def settings(self) -> Settings:
        """What the queue's operations need to know: as given, and as agreed (spec: AGREE-2).

        The first use reads what is agreed on, and so does one a minute or more after that.

        Raises:
            SettingsMismatchError: the queue was given what would harm other clients.
            DynamoMQError: it can't be read, for the first time.
        """
        return self._agreed.settings()

    @property
    def _codec(self) -> Codec[Any]:
        return self._agreed.choices.codec

    @property
    def surroundings(self) -> Surroundings:
        """Where the queue's time and chance come from."""
        return self._driver.surroundings

    def run(self, operation: Operation[R]) -> R:
        """Carry out an operation on the queue's table; methods do, and so do runtimes.

        Raises:
            DynamoMQError: what the operation raises.
        """
        return self._driver.run(operation)

    def outgoing(self, entry: Entry[T]) -> Outgoing:
        """Return a message to be sent as the operations want it; methods do so.

        Raises:
            PayloadError: the payload can't be stored exactly.
            InvalidArgumentError: something else is not acceptable.
        """
        id = None if entry.id is None else check_id(entry.id, fresh=True)
        if entry.due_at is not None and entry.delay:
            raise InvalidArgumentError(
                "delay", entry.delay, "there is a due_at beside it", remedy="Pass either."
            )
        if entry.deduplication not in ("id", "content"):
            raise InvalidArgumentError(
                "deduplication",
                entry.deduplication,
                "there is no such choice",
                remedy="Pass 'id' or 'content'.",
            )
        data = self._codec.encode(entry.data)
        if entry.deduplication == "content":
            if id is not None:
                raise InvalidArgumentError(
                    "id",
                    id,
                    "with deduplication by content the id is the content's",
                    remedy="Leave the id out, or use deduplication='id'.",
                )
            id = fingerprint(data)
        return Outgoing(
            data,
            id,
            check_duration("delay", entry.delay, at_most=MAX_DELAY),
            check_headers(entry.headers),
            None if entry.group is None else check_group(entry.group),
            None if entry.due_at is None else check_due(entry.due_at),
        )

"""What all parts of ``Queue`` stand on: settings, surroundings, and running operations."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from dynamomq.checks import (
    MAX_VISIBILITY_TIMEOUT,
    Duration,
    check_duration,
)
from dynamomq.drivers.base import Driver, Surroundings
from dynamomq.operations import Settings
from dynamomq.payload import Codec
from dynamomq.queue.agreed import Agreed
from dynamomq.requests import Operation

__all__ = ["QueueBase", "visibility"]

T = TypeVar("T")
R = TypeVar("R")


class QueueBase(Generic[T]):
    """A queue's settings and driver."""

    _agreed: Agreed
    _driver: Driver

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
    def _settings(self) -> Settings:
        return self.settings

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


def visibility(value: Duration) -> int:
    """Return a visibility timeout in nanoseconds."""
    return check_duration("visibility_timeout", value, at_most=MAX_VISIBILITY_TIMEOUT, zero=False)

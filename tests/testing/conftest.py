"""A queue with one message, on an engine in memory whose faults a test can arm."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from dynamomq import LocalEngine, Queue
from dynamomq.testing import Chance, Clock, Faults, FaultyEngine, QueueFactory


@pytest.fixture
def clock() -> Clock:
    """The queues' time."""
    return Clock(chance=Chance())


@pytest.fixture
def engine(clock: Clock) -> Iterator[FaultyEngine]:
    """An engine in memory."""
    with closing(FaultyEngine(LocalEngine(surroundings=clock.surroundings()))) as opened:
        yield opened


@pytest.fixture
def faults(engine: FaultyEngine) -> Faults:
    """What goes wrong."""
    return engine.faults


@pytest.fixture
def queue(engine: FaultyEngine) -> Queue[Any]:
    """A queue that holds one message, with the id ``m``."""
    opened = QueueFactory(engine)()
    opened.send("payload", id="m")
    return opened

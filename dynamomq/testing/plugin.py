"""Fixtures for pytest, for projects that ask for them.

Name the module in the top ``conftest.py``, or on the command line with ``-p``::

    pytest_plugins = ["dynamomq.testing.plugin"]

Each test gets an engine in memory, a clock that stands still, and the same chance in every run. A
test that passes although a fault that it armed did not happen fails: it has tested nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

import pytest

from dynamomq.drivers.local import LocalEngine
from dynamomq.testing.chance import Chance
from dynamomq.testing.clock import Clock
from dynamomq.testing.engine import FaultyEngine
from dynamomq.testing.factory import QueueFactory
from dynamomq.testing.fault import UnusedFaultError
from dynamomq.testing.faults import Faults

__all__ = [
    "make_queue",
    "pytest_runtest_call",
    "queue_clock",
    "queue_engine",
    "queue_faults",
]

_ARMED = pytest.StashKey[Faults]()


@pytest.fixture
def queue_clock() -> Clock:
    """The time of the test's queues: it stands still until it is moved, and sleeping moves it."""
    return Clock(chance=Chance())


@pytest.fixture
def queue_engine(queue_clock: Clock, request: pytest.FixtureRequest) -> Iterator[FaultyEngine]:
    """An engine in memory, under ``queue_clock``, on which ``queue_faults`` can be armed."""
    engine = FaultyEngine(LocalEngine(surroundings=queue_clock.surroundings()))
    request.node.stash[_ARMED] = engine.faults
    with closing(engine):
        yield engine


@pytest.fixture
def queue_faults(queue_engine: FaultyEngine) -> Faults:
    """What goes wrong between the test's queues and ``queue_engine``."""
    return queue_engine.faults


@pytest.fixture
def make_queue(queue_engine: FaultyEngine) -> QueueFactory:
    """Makes queues on ``queue_engine``; takes the arguments of ``Queue``, and messages to send."""
    return QueueFactory(queue_engine)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that passes although a fault that it armed did not happen."""
    result = yield
    faults = item.stash.get(_ARMED, None)
    if faults is not None and faults.unused:
        pytest.fail(str(UnusedFaultError(faults.unused)), pytrace=False)
    return result

"""An engine for every test of the runtime."""

from collections.abc import Iterator

import pytest

from dynamomq.testing import FaultyEngine
from tests.consumer.support import engine


@pytest.fixture
def storage() -> Iterator[FaultyEngine]:
    """An engine in memory with faults; a fault that is armed has to happen."""
    with engine() as opened:
        yield opened

"""The embedded engine as a place to take counts: its units are those of the published rules."""

from collections.abc import Iterator
from contextlib import contextmanager

from dynamomq.bench.metered import MeteredQueue, Place, open_queue
from tests.support.modelled import ModelledEngine


def embedded() -> Place:
    """Return the embedded engine in memory, with units by the published rules."""

    @contextmanager
    def opened() -> Iterator[MeteredQueue]:
        engine = ModelledEngine()
        try:
            yield open_queue("bench", engine, engine)
        finally:
            engine.close()

    note = "Units: computed by AWS's published rules from the items before and after each write."
    return Place("the embedded engine", opened, (note,))

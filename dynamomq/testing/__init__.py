"""For tests of code that uses queues: time that is moved by hand, and faults on request.

The engine under test is a real one, the embedded one as a rule, so a queue behaves as it does in
production. What a test decides is the time (:class:`Clock`), chance (:class:`Chance`), and what
goes wrong between queue and storage (:class:`FaultyEngine`). Fixtures for pytest are in
``dynamomq.testing.plugin``, which is loaded only where it is asked for.
"""

from __future__ import annotations

from dynamomq.testing.chance import Chance
from dynamomq.testing.clock import Clock
from dynamomq.testing.engine import FaultyEngine
from dynamomq.testing.factory import QueueFactory
from dynamomq.testing.fault import Crash, Fault, UnusedFaultError
from dynamomq.testing.faults import Faults

__all__ = [
    "Chance",
    "Clock",
    "Crash",
    "Fault",
    "Faults",
    "FaultyEngine",
    "QueueFactory",
    "UnusedFaultError",
]

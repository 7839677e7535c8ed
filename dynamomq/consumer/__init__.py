"""The worker runtime: handlers around a queue (see ``runtime.py``).

What it decides is in modules without I/O, which the model tests drive too: when to claim and when
to end (``pacing.py``), what becomes of a message (``outcomes.py``, ``backoff.py``), how long it
is ours (``leases.py``). What others do with it is in ``hooks.py``.
"""

from __future__ import annotations

from dynamomq.consumer.backoff import Backoff, Constant, DecorrelatedJitter, FullJitter, Setback
from dynamomq.consumer.delivery import Delivery
from dynamomq.consumer.hooks import Hooks
from dynamomq.consumer.leases import Lease
from dynamomq.consumer.outcomes import Done, GiveBack, PutAside, Reject, RetryAfter, Verdict
from dynamomq.consumer.runtime import BatchConsumer, Consumer
from dynamomq.consumer.summary import Summary

__all__ = [
    "Backoff",
    "BatchConsumer",
    "Constant",
    "Consumer",
    "DecorrelatedJitter",
    "Delivery",
    "Done",
    "FullJitter",
    "GiveBack",
    "Hooks",
    "Lease",
    "PutAside",
    "Reject",
    "RetryAfter",
    "Setback",
    "Summary",
    "Verdict",
]

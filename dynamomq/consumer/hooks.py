"""Where logging, metrics and tracing take part in a consumer's work."""

from __future__ import annotations

from typing import Any

from dynamomq.consumer.delivery import Delivery
from dynamomq.consumer.outcomes import Verdict


class Hooks:
    """Override what you need; everything here does nothing.

    They are called in the thread that handles the message (``lost`` and ``idle`` in others), so
    they must be safe to call from several threads and should be quick. What they raise is logged
    and changes nothing.
    """

    def before(self, delivery: Delivery[Any]) -> None:
        """Be told that the handler is about to be called."""

    def after(self, delivery: Delivery[Any]) -> None:
        """Be told that the message was handled and acknowledged."""

    def failed(self, delivery: Delivery[Any], error: BaseException, verdict: Verdict) -> None:
        """Be told what the handler raised, and what becomes of the message."""

    def lost(self, delivery: Delivery[Any]) -> None:
        """Be told that the delivery's time is over, or that the message is in other hands."""

    def idle(self, seconds: float) -> None:
        """Be told that nothing could be claimed, for so long by now."""

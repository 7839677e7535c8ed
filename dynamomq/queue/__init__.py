"""``Queue``: the operations as methods, typed in the payload."""

from dynamomq.queue.facade import Queue

__all__ = ["Queue"]

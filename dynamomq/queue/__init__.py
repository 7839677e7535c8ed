"""``Queue``: the operations as methods, typed in the payload."""

from dynamomq.queue.facade import Queue
from dynamomq.queue.transaction import Sent, Transaction

__all__ = ["Queue", "Sent", "Transaction"]

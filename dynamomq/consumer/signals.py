"""Signals that end a consumer, while it runs in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat

from attrs import define

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

ONE_ORDER = 1.0
"""Signals within so many seconds of an order are its echoes: a process may get SIGTERM for itself,
and again with its process group."""


@define
class Orders:
    """Tells orders from their echoes.

    Attributes:
        last_at: when the last order came, in seconds by a monotonic clock; ``None``: none has.
    """

    last_at: float | None = None

    def is_new(self, now: float) -> bool:
        """Tell whether a signal that comes now is an order, not the echo of the last one."""
        if self.last_at is not None and now < self.last_at + ONE_ORDER:
            return False
        self.last_at = now
        return True


@contextmanager
def obeyed(
    stop: Callable[[], None], give_up: Callable[[], None], monotonic: Callable[[], float]
) -> Iterator[None]:
    """Have the first SIGTERM or SIGINT call one function, and those after it the other.

    Echoes of an order call none. Elsewhere than in the main thread, do nothing. The functions must
    be safe to call at any point of the main thread's own work.

    Args:
        stop: is called with the first order.
        give_up: is called with those that come later.
        monotonic: tells the time, in seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    orders, functions = Orders(), chain([stop], repeat(give_up))

    def obey(_number: int, _frame: object) -> None:
        if orders.is_new(monotonic()):
            next(functions)()

    before = {one: signal.signal(one, obey) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)

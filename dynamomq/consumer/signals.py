"""Signals that end a consumer, while it runs in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat

__all__ = ["obeyed"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def obeyed(stop: Callable[[], None], give_up: Callable[[], None]) -> Iterator[None]:
    """Have the first SIGTERM or SIGINT call one function, and those after it the other.

    Elsewhere than in the main thread, do nothing. The functions must be safe to call at any point
    of the main thread's own work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    orders = chain([stop], repeat(give_up))
    before = {one: signal.signal(one, lambda *_: next(orders)()) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)

"""Signals that end a consumer, while it runs in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["obeyed"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def obeyed(stop: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call a function; elsewhere than in the main thread, do nothing.

    The function must be safe to call at any point of the main thread's own work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, lambda *_: stop()) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)

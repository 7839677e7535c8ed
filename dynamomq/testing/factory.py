"""Queues for tests, ready for use in one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, overload

from dynamomq.drivers.base import Engine
from dynamomq.queue import Queue
from dynamomq.table import DEFAULT_TABLE

T = TypeVar("T")


class QueueFactory:
    """Makes queues on one engine: their table is created, and messages are sent if wanted.

    Two calls with the same table make two queues on it, as two processes have them.

    Attributes:
        engine: where the tables are.
    """

    def __init__(self, engine: Engine) -> None:
        """Keep the engine; it stays the caller's to close."""
        self.engine = engine

    @overload
    def __call__(
        self,
        table: str = ...,
        *,
        payload: None = None,
        send: Iterable[Any] = ...,
        **settings: Any,
    ) -> Queue[Any]: ...
    @overload
    def __call__(
        self, table: str = ..., *, payload: type[T], send: Iterable[T] = ..., **settings: Any
    ) -> Queue[T]: ...
    def __call__(
        self,
        table: str = DEFAULT_TABLE,
        *,
        payload: type[Any] | None = None,
        send: Iterable[Any] = (),
        **settings: Any,
    ) -> Queue[Any]:
        """Open a queue.

        Args:
            table: the table's name.
            payload: the type of the payloads; ``None``: JSON-like data.
            send: payloads to send, in this order.
            settings: other arguments of ``Queue``, such as ``visibility_timeout``.

        Returns:
            The queue, with its table and these messages in it.
        """
        queue = Queue(table, payload=payload, engine=self.engine, **settings)
        queue.create_table()
        for data in send:
            queue.send(data)
        return queue

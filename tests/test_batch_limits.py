"""Batches that are refused as a whole, such as by a proxy that takes fewer (spec: BATCH-5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from dynamomq import Entry, LocalEngine, Queue
from dynamomq.drivers.base import Driver
from dynamomq.errors import AccessDeniedError, DynamoMQError, RequestRejectedError
from dynamomq.requests import Request, WriteBatch
from dynamomq.table import TableDefinition
from tests.consumer.support import eventually, running


@define
class Narrow:
    """An engine that refuses a batch of which it does not like something, as a whole.

    Attributes:
        refusal: returns why a batch is refused; ``None``: it is not.
        inner: the engine behind it.
        sizes: of the batches that it has taken.
    """

    refusal: Callable[[WriteBatch], DynamoMQError | None]
    inner: LocalEngine = field(factory=LocalEngine)
    sizes: list[int] = field(factory=list)

    def open(self, table: TableDefinition) -> Driver:
        """Open a table."""
        return _NarrowDriver(self, self.inner.open(table))

    def close(self) -> None:
        """Close."""
        self.inner.close()


class _NarrowDriver(Driver):
    def __init__(self, engine: Narrow, driver: Driver) -> None:
        super().__init__(driver.table, driver.surroundings)
        self._engine, self._driver = engine, driver

    def store(self, request: Request[Any]) -> Any:
        if isinstance(request, WriteBatch):
            error = self._engine.refusal(request)
            if error is not None:
                raise error
            self._engine.sizes.append(len(request.writes))
        return self._driver.store(request)


def at_most(limit: int) -> Callable[[WriteBatch], DynamoMQError | None]:
    """Refuse batches of more writes than that."""

    def refusal(batch: WriteBatch) -> DynamoMQError | None:
        too_many = len(batch.writes) > limit
        return RequestRejectedError("Too many.", code="413") if too_many else None

    return refusal


def never_with(id: str) -> Callable[[WriteBatch], DynamoMQError | None]:
    """Refuse batches with a write to this message, however few there are."""

    def refusal(batch: WriteBatch) -> DynamoMQError | None:
        is_guilty = id in [write.id for write in batch.writes]
        return RequestRejectedError("No.", code="ValidationException") if is_guilty else None

    return refusal


def opened(engine: Narrow) -> Queue[Any]:
    """A queue on it."""
    queue: Queue[Any] = Queue("orders", engine=engine)
    queue.create_table()
    return queue


@pytest.mark.parametrize("limit", [1, 4, 24])
def test_everything_works_behind_a_limit(limit: int) -> None:
    """Messages are sent, received, extended, given back and deleted, in more requests."""
    engine = Narrow(at_most(limit))
    with opened(engine) as queue:
        assert all(one.ok for one in queue.send_batch(range(30)))
        messages = queue.receive(30)
        assert len({message.id for message in messages}) == 30
        assert all(one.ok for one in queue.extend_batch(messages, 60))
        assert all(one.ok for one in queue.release_batch(messages))
        assert all(one.ok for one in queue.delete_batch(queue.receive(30)))
        assert queue.purge("STANDARD").purged == 0
    assert max(engine.sizes) <= limit


def test_a_consumer_works_behind_a_limit() -> None:
    """All messages are handled, each once."""
    handled: list[int] = []
    with opened(Narrow(at_most(4))) as queue:
        queue.send_batch(range(50))
        with running(queue, lambda message: handled.append(message.data), concurrency=10):
            eventually("all to be handled", lambda: len(handled) == 50)
    assert sorted(handled) == [*range(50)]


def test_the_guilty_one_is_told_alone() -> None:
    """What the refusal is about fails, and nothing else."""
    with opened(Narrow(never_with("m7"))) as queue:
        results = queue.send_batch([Entry(n, id=f"m{n}") for n in range(25)])
    failed = [one for one in results if not one.ok]
    assert [one.id for one in failed] == ["m7"]
    assert isinstance(failed[0].error, RequestRejectedError)


def test_what_no_splitting_mends_is_not_split() -> None:
    """A denied action is denied for one as well: told at once."""
    asked: list[int] = []

    def refusal(batch: WriteBatch) -> DynamoMQError | None:
        asked.append(len(batch.writes))
        return AccessDeniedError("No.")

    with opened(Narrow(refusal)) as queue, pytest.raises(AccessDeniedError):
        queue.send_batch(range(25))
    assert asked == [25]

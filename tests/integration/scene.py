"""What integration tests set up: time and chance that they decide, engines that they watch."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field

from dynamomq.drivers.base import Driver, Engine, Surroundings
from dynamomq.requests import Request, Scan
from dynamomq.table import TableDefinition
from dynamomq.values import Item
from tests.support.clock import ManualClock


@define(eq=False)
class Script(ManualClock):
    """Time and chance by script: the same calls get the same answers, on any engine."""

    seed: int = 0
    ids: Callable[[], str] | None = None  # instead of numbered ones
    _tokens: int = field(default=0, init=False)
    _random: random.Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def surroundings(self) -> Surroundings:
        """What a driver needs."""
        return Surroundings(
            clock=self,
            sleep=self.sleep,
            token=self._token,
            chance=self._random.random,
            new_id=self._new_id,
            uptime=lambda: 0.0,  # whatever the clock shows, no attempt is too late to be sent
        )

    def _token(self) -> str:
        self._tokens += 1
        return f"token-{self.seed}-{self._tokens:06}"

    def _new_id(self, now: int) -> str:
        return f"id-{now}" if self.ids is None else self.ids()


class Between(Driver):
    """A driver in front of another one: subclasses see each request to the storage, and its reply.

    Time and chance are the inner driver's own.
    """

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner.table, inner.surroundings)
        self.inner = inner

    def store(self, request: Request[Any]) -> Any:
        """Pass the request on."""
        return self.inner.store(request)


@define(eq=False)
class Fronted:
    """An engine whose drivers get another driver put in front."""

    engine: Engine
    front: Callable[[Driver], Driver]

    def open(self, table: TableDefinition) -> Driver:
        """Open a driver of the engine, behind the front."""
        return self.front(self.engine.open(table))

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()


def all_items(driver: Driver) -> dict[str, Item]:
    """The whole table, by id."""
    return {str(item["id"]): item for item in _scanned(driver)}


def _scanned(driver: Driver) -> Iterator[Item]:
    page = driver.execute(Scan(limit=500))
    yield from page.entries
    while page.cursor is not None:
        page = driver.execute(Scan(limit=500, cursor=page.cursor))
        yield from page.entries

"""Reading page by page on two engines, which may order differently what has no order.

DynamoDB promises nothing about entries of an index that are due at the same time, nor about the
order of a scan; the embedded engine goes by id. So what is compared is: how many entries a page
has, their due times one by one, whether there is a cursor, and the entries themselves as soon as
all that are due at one time have been seen.
"""

from collections.abc import Mapping
from itertools import groupby

from attrs import define, evolve, field

from dynamomq.attributes import DUE, ID, QUEUE_TYPE
from dynamomq.drivers.base import Driver
from dynamomq.requests import Page, Query, Scan
from dynamomq.values import Item


@define(eq=False)
class Reader:
    """One engine's part in a walk.

    Attributes:
        cursor: where the next page starts.
        unsettled: entries read but not compared: others that are due then may be yet to come.
    """

    cursor: Item | None = None
    unsettled: list[Item] = field(factory=list)

    def read(self, driver: Driver, first: Query | Scan) -> Page:
        """Read the next page."""
        page: Page = driver.execute(evolve(first, cursor=self.cursor))
        self.cursor = page.cursor
        self.unsettled += page.entries
        return page

    def settled(self, *, by_due: bool) -> list[Item]:
        """Take what is complete; items of one due time by id."""
        groups = [list(group) for _, group in groupby(self.unsettled, _due if by_due else _all)]
        self.unsettled = groups.pop() if groups and self.cursor is not None else []
        return [item for group in groups for item in sorted(group, key=_id)]


@define(eq=False)
class Walk:
    """A query or scan and its pages, at the same place on both engines.

    Attributes:
        first: the request for the first page.
    """

    first: Query | Scan
    readers: tuple[Reader, Reader] = field(factory=lambda: (Reader(), Reader()))
    started: bool = False
    _writes: int = 0

    @property
    def by_due(self) -> bool:
        """Whether it goes along the index."""
        return isinstance(self.first, Query)

    @property
    def ended(self) -> bool:
        """Whether there is no further page."""
        return self.started and self.readers[0].cursor is None

    def stage(self, writes: int) -> str:
        """What the next page is; ``writes`` is how many there have been so far."""
        if not self.started:
            return "first"
        return "next" if writes == self._writes else "next, after writes"

    def step(self, drivers: tuple[Driver, Driver], writes: int) -> tuple[Page, list[object]]:
        """Read a page on both.

        Args:
            drivers: the two engines.
            writes: how many writes there have been so far.

        Returns:
            The first engine's page, and what of both must be equal.
        """
        self.started, self._writes = True, writes
        pages = [
            reader.read(driver, self.first)
            for reader, driver in zip(self.readers, drivers, strict=True)
        ]
        seen: list[object] = [
            (
                len(page.entries),
                [_due(entry) for entry in page.entries] if self.by_due else None,
                page.cursor is not None,
                reader.settled(by_due=self.by_due),
            )
            for page, reader in zip(pages, self.readers, strict=True)
        ]
        return pages[0], seen

    def may_go_on(self, items: Mapping[str, Item], writes: int) -> bool:
        """Tell whether the next pages can be equal, after writes in between.

        They can where both stand behind the same entry, and no other one is due at that time now:
        by id it could be on the one side of it, and in DynamoDB's order on the other.
        """
        if writes == self._writes:
            return True
        left, right = self.readers
        if left.cursor != right.cursor or left.cursor is None or not self.by_due:
            return False
        passed = {_id(entry) for entry in left.unsettled}
        if passed != {_id(entry) for entry in right.unsettled}:
            return False
        place = {name.name: left.cursor[name.name] for name in (QUEUE_TYPE, DUE)}
        now = {key for key, item in items.items() if all(item.get(n) == place[n] for n in place)}
        return now <= passed


def _id(item: Item) -> str:
    return str(item[ID.name])


def _due(item: Item) -> str:
    return str(item[DUE.name])


def _all(_: Item) -> None:
    """Return what all items of a scan have in common: nothing tells which comes first."""

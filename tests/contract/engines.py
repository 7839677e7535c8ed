"""The engines that the contract suite runs on, and how a test reaches behind a queue's back."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from dynamomq.attributes import ID
from dynamomq.drivers.base import Driver, Engine
from dynamomq.effects import Set
from dynamomq.expressions import TRUE, Arg, Attr
from dynamomq.queue import Queue
from dynamomq.requests import Get, Query, Request, Scan, Write, Written
from dynamomq.rules import Rule, State, Transition
from dynamomq.table import TableDefinition
from dynamomq.values import Item

EMBEDDED = ("local-memory", "local-file")
DYNAMODB = ("dynamodb-local", "moto")
ALL = (*EMBEDDED, *DYNAMODB)

# What moto is spared, and why; each such test is parametrised with these engines only.
# * Threads: moto is not thread-safe; two winners of one conditional update have been seen.
# * Hundreds of messages: it reads the whole table for each query, which takes seconds.
# * A missing index: it answers with the code for a missing table.
# * Numbers of more than 38 digits with the zeros at the end: it can't read them back.
# * Writes that DynamoDB refuses for the size or the digits of what they leave: it stores them.
# Nor can it run batches of PartiQL statements (it reports success for a false condition), so there
# the queue writes one message a request: the same tests, by DynamoDBEngine's other way.
BEYOND_MOTO = (*EMBEDDED, "dynamodb-local")

OpenQueue = Callable[..., Queue[Any]]
"""Opens a queue on the test's table; takes the settings of ``Queue``."""


def _rule(trigger: str, kind: Any, source: State, names: Mapping[str, object]) -> Rule:
    effects = tuple(Set(Attr(name), Arg(name)) for name in names)
    return Rule(trigger, kind, ((source, Transition(trigger, "", "", "upkeep", TRUE, effects)),))


_ABSENT = State("ABSENT", ID.absent(), "Nothing is stored under the id.")
_PRESENT = State("PRESENT", ID.exists(), "Something is.")


@frozen
class Table:
    """The test's table as other programs see it: items, whatever they are."""

    driver: Driver

    @property
    def name(self) -> str:
        """The table's name."""
        return self.driver.table.name

    def put(self, item: Item) -> None:
        """Store a new item as it is."""
        rule = _rule("put", "put", _ABSENT, item)
        self._write(Write(str(item[ID.name]), rule, item))

    def change(self, id: str, **attributes: Any) -> None:
        """Overwrite attributes of an item, and nothing else."""
        self._write(Write(id, _rule("change", "update", _PRESENT, attributes), attributes))

    def remove(self, id: str) -> None:
        """Take an item away for good."""
        self._write(Write(id, _rule("remove", "delete", _PRESENT, {}), {}))

    def item(self, id: str) -> dict[str, Any]:
        """The item as it is stored."""
        found = self.driver.execute(Get(id))
        assert found is not None, f"there is no item {id!r}"
        return found

    def items(self) -> dict[str, Item]:
        """All that is stored, by id."""
        page = self.driver.execute(Scan(limit=1000))
        assert page.cursor is None, "more than a page"
        return {str(item[ID.name]): item for item in page.entries}

    def _write(self, request: Write) -> None:
        reply = self.driver.execute(request)
        assert isinstance(reply, Written), f"{request.rule.trigger} was refused by {reply.item}"


@frozen
class Meanwhile:
    """An engine on which something happens between a look at the index and what follows.

    Attributes:
        engine: the engine.
        action: what happens.
        after: after the first request of which kind.
    """

    engine: Engine
    action: Callable[[], object]
    after: type[Request[Any]] = Query

    def open(self, table: TableDefinition) -> Driver:
        """The engine's driver, which calls the action after the first such request."""
        return _MeanwhileDriver(self.engine.open(table), [self.action], self.after)

    def close(self) -> None:
        """Leave the engine to its owner."""


class _MeanwhileDriver(Driver):
    def __init__(
        self, driver: Driver, actions: list[Callable[[], object]], after: type[Request[Any]]
    ) -> None:
        super().__init__(driver.table, driver.surroundings)
        self._driver = driver
        self._actions = actions
        self._after = after

    def store(self, request: Request[Any]) -> Any:
        reply = self._driver.store(request)
        if isinstance(request, self._after) and self._actions:
            self._actions.pop()()
        return reply

"""What tests of the embedded engine share: a table, and the machine's writes on it."""

from collections.abc import Iterable
from typing import Any, TypeVar

from attrs import define, field

from dynamomq.attributes import ID
from dynamomq.drivers.local import LocalEngine
from dynamomq.effects import Effect, Set
from dynamomq.expressions import TRUE, Arg, Attr, Condition
from dynamomq.machine import MESSAGE
from dynamomq.requests import (
    CreateTable,
    EnableExpiry,
    Get,
    Page,
    Query,
    Request,
    Write,
    WriteReply,
    Written,
)
from dynamomq.rules import Kind, Rule, State, Transition
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND
from dynamomq.values import Item
from tests.support.clock import ManualClock

R = TypeVar("R")

_SEND = MESSAGE.rule("send")
_RECEIVE = MESSAGE.rule("receive", queue="STANDARD")
_DELETE = MESSAGE.rule("delete")


def custom_rule(kind: Kind, effects: Iterable[Effect], condition: Condition = TRUE) -> Rule:
    """A rule that the machine does not have."""
    step = Transition("custom", "ANY", "ANY", "operator", TRUE, tuple(effects))
    return Rule("custom", kind, ((State("ANY", condition, ""), step),))


def put(item: Item, *, under: str | None = None) -> Write:
    """A write that stores exactly this item, whatever is there."""
    rule = custom_rule("put", [Set(Attr(name), Arg(name)) for name in item])
    return Write(str(item[ID.name]) if under is None else under, rule, item)


def update(id: str, **attributes: Any) -> Write:
    """A write that assigns attributes, whatever is there."""
    rule = custom_rule("update", [Set(Attr(name), Arg(name)) for name in attributes])
    return Write(id, rule, attributes)


@define
class Table:
    """A table of an engine, created, with the messages' writes at the time of a clock."""

    engine: LocalEngine
    clock: ManualClock = field(factory=ManualClock)
    definition: TableDefinition = field(factory=TableDefinition)
    expiry: bool = False

    def __attrs_post_init__(self) -> None:
        """Create the table."""
        self.do(CreateTable())
        if self.expiry:
            self.do(EnableExpiry())

    def do(self, request: Request[R]) -> R:
        """Carry out a request."""
        return self.engine.open(self.definition).execute(request)

    def get(self, id: str) -> Item | None:
        """The stored item."""
        return self.do(Get(id))

    def store(self, item: Item) -> None:
        """Store an item as it is."""
        assert isinstance(self.do(put(item)), Written)

    def due(self, *, queue: str = "STANDARD", limit: int = 100, until: str | None = None) -> Page:
        """A page of the index."""
        return self.do(Query(queue, until, limit))

    def _arguments(self, **arguments: Any) -> Item:
        now = self.clock.text()
        return {
            "now": now,
            "forgotten_epoch": self.clock.now // SECOND + 300,
            "legacy_horizon": now,
            **arguments,
        }

    def sending(self, id: str, data: Any = "payload", *, delay: float = 0) -> Write:
        """The machine's send."""
        due = self.clock.text(delay)
        arguments = self._arguments(
            id=id, partition="STANDARD", token=f"sent {id}", due=due, data=data
        )
        return Write(id, _SEND, arguments, True)

    def receiving(self, id: str, token: str = "receipt") -> Write:
        """The machine's receive, for 30 seconds."""
        due = self.clock.text(30)
        return Write(id, _RECEIVE, self._arguments(token=token, due=due, max_receives=9), True)

    def deleting(self, id: str, receipt: str = "receipt") -> Write:
        """The machine's delete, with a tombstone of five minutes."""
        expires_at = self.clock.now // SECOND + 600
        return Write(
            id, _DELETE, self._arguments(token="gone", receipt=receipt, expires_at=expires_at)
        )

    def send(self, id: str, data: Any = "payload", *, delay: float = 0) -> Item:
        """Send, and return the stored item."""
        return written(self.do(self.sending(id, data, delay=delay)))

    def receive(self, id: str, token: str = "receipt") -> WriteReply:
        """Receive one message."""
        return self.do(self.receiving(id, token))

    def delete(self, id: str, receipt: str = "receipt") -> WriteReply:
        """Delete one message."""
        return self.do(self.deleting(id, receipt))


def written(reply: object) -> Item:
    """The item of a reply that must show one."""
    assert isinstance(reply, Written), reply
    assert reply.item is not None
    return reply.item

"""The base table: the embedded engine, asked for one write at a time, and what each one changed.

A transaction is made of that: its conditions are about different items, so each can be judged by
itself, and if one does not hold, nothing of it is kept.
"""

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field, frozen

from dynamomq.drivers.local import Change, LocalEngine
from dynamomq.drivers.local.engine import LocalDriver
from dynamomq.requests import CreateTable, Refused, Write, WriteReply
from dynamomq.table import TableDefinition
from dynamomq.values import Item
from tests.support.embedded import custom_rule, put

Items = Mapping[str, Item]

_REMOVAL = custom_rule("delete", ())


@frozen
class Effect:
    """What a write came to: its reply, and the item after it (``None``: there is none)."""

    reply: WriteReply
    new: Item | None
    changed: bool


@define(eq=False)
class BaseTable:
    """Carries out writes on items that are given, by the embedded engine.

    The engine holds what the last writes left. Where the item that is given is another one, because
    a search went back to an earlier state, it is put there first.

    Attributes:
        remember: whether the same write to the same item will be asked for again and again, as a
            search does; then equal items are one object, and each pair is carried out once.
    """

    remember: bool = False
    _driver: LocalDriver = field(init=False)
    _changes: list[Change] = field(factory=list, init=False)
    _stored: dict[str, Item] = field(factory=dict, init=False)
    _known: dict[tuple[int, int], Effect] = field(factory=dict, init=False)
    _kept: dict[str, Item] = field(factory=dict, init=False)
    _held: list[object] = field(factory=list, init=False)  # so that no identity is used again

    def __attrs_post_init__(self) -> None:
        engine = LocalEngine()
        engine.subscribe(self._changes.append)
        self._driver = engine.open(TableDefinition())
        self._driver.execute(CreateTable())

    def carry_out(
        self, items: Items, writes: Sequence[Write], *, inserts: bool = False
    ) -> Sequence[Effect]:
        """Carry out writes on the items that they are about: all of them, or none.

        All conditions are judged by the items as they were before. Which of them is refused is said
        of each.

        Args:
            items: the base table.
            writes: what is to be done; no item twice.
            inserts: whether a put is an insert, which is refused by any item.
        """
        ids = [write.id for write in writes]
        assert len(set(ids)) == len(ids), f"DynamoDB refuses to write an item twice: {ids}"
        effects = [self._write(items.get(write.id), write, insert=inserts) for write in writes]
        if any(isinstance(effect.reply, Refused) for effect in effects):
            return [evolve(effect, changed=False) for effect in effects]
        return effects

    def _write(self, old: Item | None, write: Write, *, insert: bool) -> Effect:
        if insert and old is not None and write.rule.kind == "put":
            return Effect(Refused(old), old, changed=False)
        if not self.remember:
            return self._carried_out(write, old)
        key = (id(old), id(write))
        if key not in self._known:
            self._known[key] = self._carried_out(write, old)
            self._held += [old, write]
        return self._known[key]

    def remove(self, items: Items, id: str) -> Effect:
        """Take an item away, as DynamoDB's expiry does."""
        return self._carried_out(Write(id, _REMOVAL, {}), items.get(id))

    def _carried_out(self, write: Write, old: Item | None) -> Effect:
        self._restore(write.id, old)
        self._changes.clear()
        reply = self._driver.execute(write)
        new = old
        for change in self._changes:
            new = self._same(change.new)
        if new is None:
            self._stored.pop(write.id, None)
        else:
            self._stored[write.id] = new
        return Effect(reply, new, bool(self._changes))

    def _restore(self, id: str, item: Item | None) -> None:
        if self._stored.get(id) is item:
            return
        self._driver.execute(Write(id, _REMOVAL, {}) if item is None else put(item))

    def _same(self, item: Item | None) -> Item | None:
        if item is None or not self.remember:
            return item
        return self._kept.setdefault(repr(sorted(item.items())), item)

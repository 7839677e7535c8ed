"""What the lockstep of requests overlooks, all of it, and why.

Each is a row of the table in ``docs/reference/engines.md``. Nothing else is overlooked: neither in
replies nor in what is stored.
"""

from typing import Final

from attrs import evolve

from dynamomq.attributes import DUE, ID, QUEUE_TYPE
from dynamomq.effects import Effect, apply_effects
from dynamomq.expressions import Arguments, Attr, EffectError
from dynamomq.requests import Refused, Write, Written
from dynamomq.values import (
    MAX_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    Item,
    Value,
    ValueRuleError,
    check_value,
    item_from_wire,
    item_to_wire,
)
from tests.support.embedded import custom_rule

NEVER: Final = Attr("never").exists()
"""The condition of all writes in a batch that names an item twice, or has too many writes.

It is refused as a whole, but DynamoDB Local has carried out statements by the time it finds out.
"""

_INDEX_KEYS: Final = {QUEUE_TYPE.name: MAX_KEY_BYTES, DUE.name: MAX_SORT_KEY_BYTES}


def let_through(write: Write, item: Item | None, *, batched: bool = False) -> bool:
    """Tell whether DynamoDB Local would store what DynamoDB can't.

    In an update: keys of the index that are no text, or have more than 2,048 or 1,024 bytes (it
    leaves the item out of the index). In an ``INSERT``: values that are nested too deep.
    """
    rule = write.specialised
    if rule.kind == "put":
        return batched and not all(map(_flat, write.whole_item.values()))
    if not rule.applies_to(item, write.arguments):
        return False
    try:
        after = rule.apply(item or {ID.name: write.id}, write.arguments) or {}
    except ValueError:  # the effects can't be computed at all
        return False
    return not all(_fits(after, name) or after[name] == "" for name in after)


def _fits(item: Item, name: str) -> bool:
    """Tell whether an attribute can be a key of the index, if it is one."""
    value, limit = item[name], _INDEX_KEYS.get(name)
    if limit is None:
        return True
    return isinstance(value, str) and 0 < len(value.encode()) <= limit


def _flat(value: Value) -> bool:
    try:
        check_value(value)
    except ValueRuleError:
        return False
    return True


def ambiguous(write: Write, item: Item | None) -> bool:
    """Tell whether two effects of a write fail for different reasons.

    Neither AWS nor the embedded engine promises which of the two errors is raised.
    """
    before = item or {ID.name: write.id}
    faults = {_fault(effect, before, write.arguments) for effect in write.specialised.effects}
    return len(faults - {""}) > 1


def possible(write: Write, item: Item | None) -> bool:
    """Tell whether a write's effects could take place, whether or not its condition holds.

    In a transaction DynamoDB Local finds that out before it tries any condition, and refuses the
    whole request. As AWS documents it, and as the embedded engine does it, it is the reason of one
    action, beside the refusals of others, and only where the action's own condition holds.
    """
    rule, before = write.specialised, item or {ID.name: write.id}
    if rule.kind == "update" and any(effect.attribute == ID for effect in rule.effects):
        return False
    return not any(_fault(effect, before, write.arguments) for effect in rule.effects)


def _fault(effect: Effect, before: Item, arguments: Arguments) -> str:
    """Say why an effect can't take place: the old item does not allow it, or the new value."""
    name = effect.attribute.name
    try:
        after = apply_effects([effect], before, arguments)
    except EffectError:
        return "old item"
    except ValueRuleError:
        return "new value"
    if name not in after or (_flat(after[name]) and _fits(after, name)):
        return ""
    return "new value"


def as_batched(write: Write) -> Write:
    """A write that means the same alone and in a batch, where it becomes a PartiQL statement.

    An ``UPDATE`` is refused where there is no item, whatever its rule would allow; an ``INSERT``
    is refused by any item, and that is all its condition. The embedded engine does what rules say.
    """
    ((state, transition),) = write.rule.alternatives
    kind = write.rule.kind
    if kind == "delete" or not write.specialised.condition.evaluate({}, write.arguments):
        return write
    condition = ID.absent() if kind == "put" else state.predicate & ID.exists()
    return evolve(write, rule=custom_rule(kind, transition.effects, condition))


def as_stored(written: Written) -> Written:
    """A reply whose item has numbers as DynamoDB gives them back.

    DynamoDB does not show what a put has stored: its driver shows what it sent, such as 1.50 where
    a read gives 1.5. The embedded engine shows what it has stored.
    """
    item = written.item
    return written if item is None else Written(item_from_wire(item_to_wire(item)))


def unshown(refused: Refused) -> Refused:
    """A batch's refusal without the item.

    DynamoDB's driver shows it where it had to send the write alone; the embedded engine never does.
    """
    return evolve(refused, item=None, shown=False)

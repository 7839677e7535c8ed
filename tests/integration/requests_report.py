"""What a difference between the engines prints: the requests that lead to it, as few as will do."""

from collections.abc import Callable, Iterable

from dynamomq.drivers import wire
from dynamomq.errors import shorten
from dynamomq.requests import Get, GetMany, Transact, Write, WriteBatch
from tests.integration.requests_lockstep import (
    DifferenceError,
    RequestLockstep,
    Step,
    writes_of,
)
from tests.integration.walks import Walk
from tests.support.shrinking import shrunk

LAST_STEPS = 20


def report(
    difference: DifferenceError, lockstep: RequestLockstep, make: Callable[[], RequestLockstep]
) -> str:
    """Describe a difference, and what leads to it on empty tables.

    Args:
        difference: what the latest step brought to light.
        lockstep: where.
        make: makes another one, with empty tables.
    """
    *before, last = lockstep.asked
    title, steps = f"the last {LAST_STEPS} steps", lockstep.asked[-LAST_STEPS:]
    writes = _writes(before, _ids(last))
    if _differs(make(), [*writes, last]):
        few = shrunk(writes, lambda kept: _differs(make(), [*kept, last]))
        title, steps = "these steps are enough", [*few, last]
    lines = "\n".join(_described(step) for step in steps)
    return f"step {len(lockstep.asked)}: {difference}\n{title}:\n{lines}"


def _differs(lockstep: RequestLockstep, steps: Iterable[Step]) -> bool:
    try:
        for step in steps:
            lockstep.take(step)
    except DifferenceError:
        return True
    return False


def _writes(steps: Iterable[Step], ids: set[str]) -> list[Step]:
    """What writes these items, or any if none is named; writes out of their batches."""
    parts: list[Step] = []
    for step in steps:
        parts += step.writes if isinstance(step, WriteBatch) else (step,)
    written = [one for one in parts if isinstance(one, Write | Transact)]
    return [one for one in written if not ids or ids & _ids(one)]


def _ids(step: Step) -> set[str]:
    match step:
        case Write() | WriteBatch() | Transact():
            return {write.id for write in writes_of(step)}
        case Get():
            return {step.id}
        case GetMany(ids):
            return set(ids)
    return set()


def _described(step: Step) -> str:
    match step:
        case Walk(first):
            return f"- the next page of {first}"
        case WriteBatch() | Transact():
            kind = "batch" if isinstance(step, WriteBatch) else "transaction"
            return "\n".join([f"- a {kind} of", *(f"  {_described(w)}" for w in writes_of(step))])
        case Write():
            return _described_write(step)
    return f"- {step}"


def _described_write(write: Write) -> str:
    rule = write.specialised
    texts = wire.expressions(rule)
    values = texts.values(write.arguments).items()
    given = ", ".join(f"{name}={shorten(value)}" for name, value in values)
    alone = [str(condition) for condition in rule.preconditions]
    item = write.whole_item if rule.kind == "put" else {}
    stored = ", ".join(f"{name}={shorten(value)}" for name, value in item.items())
    return (
        f"- {rule.kind} {shorten(write.id)} {texts.update or stored}"
        f"\n      if {' and '.join([texts.condition, *alone])}\n      where {given}"
    )

"""What happened, for people: who did what when, what came of it, and what became of the items."""

from collections.abc import Iterable, Mapping
from typing import Any

from dynamomq.requests import (
    Cancelled,
    Committed,
    Failed,
    Get,
    GetMany,
    Moment,
    Page,
    Query,
    Refused,
    Request,
    Sleep,
    Tick,
    Transact,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.timestamps import SECOND, parse_instant
from dynamomq.values import Item
from model_tests.simulator.attempts import writes_of
from model_tests.simulator.calls import Answer, Call
from model_tests.simulator.rules import START, Moved
from model_tests.simulator.simulation import Simulation

_SHOWN = (
    "queue_type",
    "status",
    "receive_count",
    "version",
    "queue_add_timestamp",
    "receipt",
    "token",
    "previous_id",
    "next_id",
    "tail_id",
)


def told(simulation: Simulation) -> str:
    """The timeline of a run that kept one."""
    lines: list[str] = []
    call: Call | None = None
    for moved in simulation.timeline or ():
        if moved.call is not None and moved.call != call:
            lines.append(f"{_when(moved.time)}  -- {moved.call}")
        call = moved.call or call
        lines += _lines(moved)
    offsets = ", ".join(
        f"{actor.name} {actor.offset / SECOND:+g} s" for actor in simulation.actors.values()
    )
    return "\n".join([*lines, f"clocks, compared with the true time: {offsets}"])


def _lines(moved: Moved) -> Iterable[str]:
    what = f"{_request(moved.request)}: " if moved.request is not None else ""
    detail = moved.fate.detail
    if moved.mover.kind == "time":
        detail = f"{detail / SECOND:g} s"
    elif moved.mover.kind == "clocks":
        detail = f"{detail[0]}'s to {detail[1] / SECOND:+g} s"
    fate = moved.fate.name if detail is None else f"{moved.fate.name} {detail}"
    answer = f" -> {_answer(moved.answer)}" if moved.answer is not None else ""
    yield f"{_when(moved.time)}  {moved.mover!s:<12} {what}{fate}{answer}"
    for old, new in moved.changes:
        yield f"{'':14}{_item(old)}"
        yield f"{'':11}=> {_item(new)}"


def _when(time: int) -> str:
    return f"{(time - START) / SECOND:9.3f} s"


def _request(request: Request[Any]) -> str:
    match request:
        case Write(id, rule):
            return f"{rule.trigger} of {id}"
        case WriteBatch(writes):
            return f"a batch of {', '.join(map(_request, writes))}"
        case Transact():
            return f"a transaction of {', '.join(map(_request, writes_of(request)))}"
        case Tick():
            return "the time"
        case Sleep(seconds):
            return f"sleep {seconds:.3f} s"
        case Get(id):
            return f"get {id}"
        case GetMany(ids):
            return f"get {', '.join(ids)}"
        case Query(queue, _, limit):
            return f"query {queue}, at most {limit}"
    return str(request)


def _answer(answer: Answer) -> str:
    if answer.error is not None:
        return type(answer.error()).__name__
    value = answer.value
    return ", ".join(map(_value, value)) if isinstance(value, tuple) else _value(value)


def _value(value: Any) -> str:
    match value:
        case Moment(now):
            return _when(now).strip()
        case Page(entries):
            return f"[{', '.join(map(_entry, entries))}]"
        case Written():
            return "written"
        case Refused(_, repeated, shown):
            more = (" (repeated)" if repeated else "") + ("" if shown else " (not shown)")
            return f"refused{more}"
        case Committed():
            return "all written"
        case Cancelled(reasons, repeated):
            refused = sum(reason is not None for reason in reasons)
            return f"nothing written, {refused} refused" + " (repeated)" * repeated
        case Failed(error):
            return f"failed: {type(error).__name__}"
        case None:
            return "nothing"
    return "the item" if isinstance(value, Mapping) else str(value)


def _entry(entry: Item) -> str:
    shown = (entry.get(name) for name in ("status", "queue_add_timestamp"))
    return " ".join([str(entry["id"]), *(_attribute(one) for one in shown if one is not None)])


def _item(item: Item | None) -> str:
    if item is None:
        return "nothing"
    shown = [f"{name}={_attribute(item[name])}" for name in _SHOWN if name in item]
    return f"{item['id']!s}: {' '.join(shown)}"


def _attribute(value: Any) -> str:
    text = str(value)
    return _instant(text) if text.endswith("Z") and text[:2].isdigit() else text


def _instant(text: str) -> str:
    return f"{(parse_instant(text) - START) / SECOND:.3f}s"

"""Which consumers are there: the entries by which they show themselves (spec: CONSUMER-1).

An entry is a hint and a line in a list. It may be stale, missing or wrong; no message's condition
reads it, so nothing but efficiency rests on it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from attrs import frozen

from dynamomq.attributes import DUE, HOST, ID, IN_FLIGHT, PROCESS, RATE
from dynamomq.expressions import Attr
from dynamomq.machine import QueueType
from dynamomq.operations.writing import in_time, persistently, write
from dynamomq.requests import GetMany, Operation, Query, Tick, Write, Written, ask
from dynamomq.reserved import CONSUMER, CONSUMERS
from dynamomq.timestamps import SECOND, datetime_of, format_instant, parse_instant
from dynamomq.values import Item, Value

LEASE = 30 * SECOND
"""How long an entry counts after its last renewal, in nanoseconds."""

_MARGIN = 15 * SECOND  # by which clocks may differ
_KEPT = 3600 * SECOND  # how long after the lease storage removes the entry of one that died
_PREFIX = "$consumer"
_MOST = 1000  # entries in a page; a queue with more consumers than that has other troubles
_PAGE = 100  # items that can be read at once

_AVAILABLE = CONSUMER.states_with("available")
_REGISTER = CONSUMER.rule("register")
_RENEW = {False: CONSUMER.rule("renew"), True: CONSUMER.rule("fill")}
_WITHDRAW = CONSUMER.rule("withdraw")


@frozen
class Load:
    """How busy a consumer is.

    Attributes:
        in_flight: how many messages it is working on.
        rate: how many messages a second it has finished of late.
        full: whether all its workers have been busy for a while.
    """

    in_flight: int = 0
    rate: float = 0.0
    full: bool = False


@frozen
class Member:
    """A consumer, as the others rank it.

    Attributes:
        id: its entry's id.
        since: when it began, in nanoseconds since the epoch.
        available: whether it has free workers.
    """

    id: str
    since: int
    available: bool


@frozen
class ConsumerInfo:
    """A consumer, as operators want to see it; up to ten seconds old.

    Attributes:
        id: its entry's id.
        source: the queue that it receives from.
        host: the machine that it runs on.
        pid: its process there.
        since: when it began (UTC).
        in_flight: how many messages it was working on.
        rate: how many messages a second it had finished of late.
        full: whether all its workers had been busy for a while.
        lease_until: until when it counts as alive (UTC).
    """

    id: str
    source: QueueType
    host: str
    pid: int
    since: datetime
    in_flight: int
    rate: float
    full: bool
    lease_until: datetime


def join(source: QueueType, host: str, pid: int) -> Operation[Member]:
    """Make an entry for a consumer that begins.

    Raises:
        ServiceError: whether there is an entry now is not known; it does no harm.
    """
    moment = yield from ask(Tick(tokens=1))
    id = "#".join((_PREFIX, source.value, format_instant(moment.now), moment.tokens[0]))
    arguments: dict[str, Value] = {
        **_lease(moment.now, Load()),
        "id": id,
        "host": host,
        "pid": pid,
    }
    yield from write(in_time(Write(id, _REGISTER, arguments), moment))
    return Member(id, moment.now, available=True)


def renew(member: Member, load: Load) -> Operation[bool]:
    """Prolong a consumer's lease and say how busy it is; tell whether its entry shows that now.

    If not, the entry is there no more, or it was made by a clock that was ahead of today's.
    """
    moment = yield from ask(Tick())
    lease = _lease(moment.now, load)
    request = in_time(Write(member.id, _RENEW[load.full], lease), moment)
    reply = yield from write(request)
    return isinstance(reply, Written) or request.recognises(reply.item)


def leave(member: Member) -> Operation[None]:
    """Remove a consumer's entry; one that is gone already does no harm."""
    yield from write(Write(member.id, _WITHDRAW, {}))


def members(source: QueueType) -> Operation[tuple[Member, ...]]:
    """Return the consumers of a queue whose leases last, as the index shows them.

    An entry whose lease ends later than any can was made by a wrong clock, and is left out.
    """
    moment = yield from ask(Tick())
    since, until = moment.now, moment.now + LEASE + _MARGIN
    query = Query(CONSUMERS, format_instant(until), _MOST, since=format_instant(since))
    page = yield from persistently(query)
    found = (_member(source, entry) for entry in page.entries)
    return tuple({member.id: member for member in found if member is not None}.values())


def consumers() -> Operation[list[ConsumerInfo]]:
    """Return all consumers whose leases last, those of both queues, the longest-serving first."""
    moment = yield from ask(Tick())
    page = yield from persistently(Query(CONSUMERS, None, _MOST, since=format_instant(moment.now)))
    ids = tuple(dict.fromkeys(str(entry[ID.name]) for entry in page.entries))
    found: list[ConsumerInfo] = []
    for start in range(0, len(ids), _PAGE):
        items = yield from persistently(GetMany(ids[start : start + _PAGE]))
        found += filter(None, map(_info, items.values()))
    return sorted(found, key=lambda one: (one.since, one.id))


def _lease(now: int, load: Load) -> dict[str, Value]:
    return {
        "now": format_instant(now),
        "due": format_instant(now + LEASE),
        "expires_at": (now + LEASE + _KEPT) // SECOND,
        "in_flight": load.in_flight,
        "rate": Decimal(str(round(load.rate, 1))),
    }


def _origin(id: object) -> tuple[QueueType, int] | None:
    """Read from an entry's id which queue the consumer receives from, and since when."""
    parts = str(id).split("#")
    try:
        _, source, since, _ = parts
        return QueueType(source), parse_instant(since)
    except ValueError:
        return None  # whoever wrote that, it is no consumer that we know to rank


def _is_available(entry: Item) -> bool:
    return CONSUMER.state_of(entry, {}).name in _AVAILABLE


def _member(source: QueueType, entry: Item) -> Member | None:
    origin = _origin(entry[ID.name])
    if origin is None or origin[0] is not source:
        return None
    return Member(str(entry[ID.name]), origin[1], _is_available(entry))


def _info(item: Item) -> ConsumerInfo | None:
    origin = _origin(item[ID.name])
    if origin is None:
        return None
    try:
        lease_until = datetime_of(parse_instant(str(item[DUE.name])))
    except ValueError:
        return None
    source, since = origin
    return ConsumerInfo(
        id=str(item[ID.name]),
        source=source,
        host=str(item.get(HOST.name, "")),
        pid=int(_number(item, PROCESS)),
        since=datetime_of(since),
        in_flight=int(_number(item, IN_FLIGHT)),
        rate=float(_number(item, RATE)),
        full=not _is_available(item),
        lease_until=lease_until,
    )


def _number(item: Item, attribute: Attr) -> int | float | Decimal:
    value = item.get(attribute.name)
    return value if isinstance(value, int | float | Decimal) else 0

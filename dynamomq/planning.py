"""What a queue will need: from messages a second to shards, capacity units and dollars a month.

    python -m dynamomq.planning --rate 500 --payload 800 --consumers 4

The figures are not guessed: the machine's own transitions are applied to a message of that size,
and AWS's published rules say what writing the items costs (``capacity.py``). The text that is
printed has the arithmetic, so that it can be followed, and redone for other prices.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from dynamomq.capacity import (
    get_capacity,
    in_transaction,
    index_entry,
    page_capacity,
    write_capacity,
)
from dynamomq.checks import check_count
from dynamomq.drivers.meter import Capacity
from dynamomq.errors import InvalidArgumentError
from dynamomq.machine import MESSAGE
from dynamomq.operations import MAX_MESSAGE_BYTES, MAX_SHARDS
from dynamomq.operations.claiming import candidates
from dynamomq.operations.fellows import RENEWAL
from dynamomq.operations.traffic import ROUND
from dynamomq.requests import MAX_BATCH
from dynamomq.reserved import GROUP
from dynamomq.rules import Rule
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, Value, item_size

__all__ = ["PARTITION_LIMIT", "READ_UNIT", "USED", "WRITE_UNIT", "Plan", "Step", "main", "plan"]

# us-east-1, 2026, on demand; dollars for a million.
WRITE_UNIT: Final = 0.625
"""Dollars for a million write units."""
READ_UNIT: Final = 0.125
"""Dollars for a million read units."""

PARTITION_LIMIT: Final = 1_000
"""Write units a second that DynamoDB takes for one value of an index's partition key."""

USED: Final = 0.8
"""How much of that limit is planned for: messages come in bursts, and not evenly spread."""

_MONTH = 730 * 3600  # seconds, as AWS reckons
_PRESENT = Capacity(table_writes=1, index_writes=2, index_reads=0.5)  # a consumer's renewal
_MOST_A_SECOND = 10**7
_MOST_CONSUMERS = 10_000


@frozen
class Step:
    """What one step of a message's life costs, per message.

    Attributes:
        name: the operation.
        units: capacity units.
        requests: API calls; less than one in batches.
    """

    name: str
    units: Capacity
    requests: float

    @property
    def writes(self) -> float:
        """Write units of table and index."""
        return self.units.table_writes + self.units.index_writes

    @property
    def reads(self) -> float:
        """Read units of table and index."""
        return self.units.table_reads + self.units.index_reads


@frozen
class Plan:
    """What a queue will need; ``str()`` shows how it was reckoned.

    Attributes:
        rate: messages a second.
        groups: the share of them that is in message groups.
        batch: how many share one call.
        consumers: how many processes receive.
        item_bytes: the size of a message's item, at its largest.
        steps: what a message costs that has no group.
        group_steps: what one costs in a group that has others before and behind it.
    """

    rate: float
    groups: float
    batch: int
    consumers: int
    item_bytes: int
    steps: tuple[Step, ...]
    group_steps: tuple[Step, ...]

    @property
    def index_units(self) -> float:
        """Write units a second that the index takes, in all shards together."""
        return self._units.index_writes

    @property
    def shards(self) -> int:
        """Over how many index partitions to spread the queue (``create_table(shards=…)``)."""
        return max(1, math.ceil(self.index_units / (PARTITION_LIMIT * USED)))

    @property
    def requests(self) -> float:
        """API calls a second."""
        return sum(rate * step.requests for rate, step in self._steps())

    @property
    def write_units(self) -> float:
        """Write units a second."""
        return self._units.table_writes + self._units.index_writes + self._present_writes

    @property
    def read_units(self) -> float:
        """Read units a second."""
        reads = self._units.table_reads + self._units.index_reads
        return reads + self._renewals * _PRESENT.index_reads

    @property
    def dollars(self) -> float:
        """A month's bill for these units, on demand, in us-east-1."""
        return _month(self.write_units, self.read_units)

    @property
    def idle_dollars(self) -> float:
        """A month's bill where nothing is sent, and the consumers wait."""
        return _month(self._present_writes, self._renewals * _PRESENT.index_reads + self._looks / 2)

    def __str__(self) -> str:
        """Return the arithmetic as text."""
        return "\n".join(self._lines())

    def _steps(self) -> Iterator[tuple[float, Step]]:
        """Yield each step, with how often a second it is taken."""
        yield from ((self.rate * (1 - self.groups), step) for step in self.steps)
        yield from ((self.rate * self.groups, step) for step in self.group_steps)

    @property
    def _units(self) -> Capacity:
        """All messages' units a second."""
        units = Capacity()
        for rate, step in self._steps():
            units += step.units.times(rate)
        return units

    @property
    def _renewals(self) -> float:
        """How often a second some consumer renews its lease."""
        return self.consumers * SECOND / RENEWAL

    @property
    def _present_writes(self) -> float:
        return self._renewals * (_PRESENT.table_writes + _PRESENT.index_writes)

    @property
    def _looks(self) -> float:
        """How many looks a second idle consumers take together."""
        partitions = 1 if self.shards == 1 else self.shards + 1
        return self.consumers * partitions * SECOND / ROUND

    # --- the text ----------------------------------------------------------------------------

    def _lines(self) -> Iterator[str]:
        how = "one at a time" if self.batch == 1 else f"{self.batch} in each call"
        yield f"Messages: {self.rate:,.10g} a second, {how}; consumers: {self.consumers:,}."
        yield f"A message is an item of up to {self.item_bytes:,} bytes."
        if self.groups < 1:
            yield from _table("Units per message", self.steps)
        if self.groups:
            name = f"Units per message in a group ({self.groups:.0%}; transactions count twice)"
            yield from _table(name, self.group_steps)
        yield ""
        each = self.index_units / self.rate if self.rate else 0.0
        yield (
            f"Shards: {self.rate:,.10g}/s x {each:.2f} index units = {self.index_units:,.0f} a "
            f"second; a shard takes {PARTITION_LIMIT:,}, of which {USED:.0%} are planned for: "
            f"{self.shards:,}"
        )
        yield (
            f"Consumers: {self.consumers:,} leases, renewed every {RENEWAL / SECOND:.0f} s, for "
            f"{_PRESENT.table_writes + _PRESENT.index_writes:.0f} write units each: "
            f"{self._present_writes:,.1f} a second"
        )
        yield f"Requests:    {self.requests:>12,.1f} a second"
        yield f"Write units: {self.write_units:>12,.1f} a second"
        yield f"Read units:  {self.read_units:>12,.1f} a second, at most"
        yield ""
        yield (
            f"A month: {_MONTH:,} s x ({self.write_units:,.1f} x ${WRITE_UNIT} + "
            f"{self.read_units:,.1f} x ${READ_UNIT}) / 1,000,000 = ${self.dollars:,.2f}"
        )
        yield (
            f"Idle, the consumers look {self._looks:,.1f} times a second, for "
            f"${self.idle_dollars:,.2f} a month"
        )
        yield "(on demand, us-east-1, 2026; storage, transfer, retries and extensions come on top)"


def _table(title: str, steps: Sequence[Step]) -> Iterator[str]:
    yield ""
    yield f"{title}:"
    yield f"  {'':10}{'table':>8}{'index':>8}{'reads':>8}{'requests':>10}"
    for step in (*steps, _together(steps)):
        units = step.units
        yield (
            f"  {step.name:10}{units.table_writes:>8g}{units.index_writes:>8g}"
            f"{step.reads:>8.3g}{step.requests:>10.3g}"
        )


def _together(steps: Sequence[Step]) -> Step:
    units = sum((step.units for step in steps), Capacity())
    return Step("together", units, sum(step.requests for step in steps))


def _month(writes: float, reads: float) -> float:
    """Return a month's bill for so many units a second."""
    return _MONTH * (writes * WRITE_UNIT + reads * READ_UNIT) / 1e6


# --- planning --------------------------------------------------------------------------------


def plan(
    rate: float, payload: int, *, consumers: int = 1, groups: float = 0.0, batch: int = 1
) -> Plan:
    """Plan a queue in which every message is sent, received once and deleted.

    Args:
        rate: messages a second: for the bill on average, for the shards at the worst.
        payload: the size of a payload as it is stored, in bytes.
        consumers: how many processes receive.
        groups: which share of the messages is in message groups, from 0 to 1.
        batch: how many messages are sent, received and deleted in one call, up to 25; those in
            groups are sent and deleted one by one.

    Raises:
        InvalidArgumentError: an argument is out of range, or no number of shards is enough.

    Example:
        >>> made = plan(500, 800, consumers=4)
        >>> made.shards, round(made.write_units), round(made.dollars)
        (3, 5001, 8297)
    """
    _check_number("rate", rate, _MOST_A_SECOND)
    check_count("payload", payload, at_least=0, at_most=MAX_MESSAGE_BYTES)
    check_count("consumers", consumers, at_least=1, at_most=_MOST_CONSUMERS)
    _check_number("groups", groups, 1)
    check_count("batch", batch, at_least=1, at_most=MAX_BATCH)
    life = _Life("x" * payload)
    made = Plan(
        rate,
        groups,
        batch,
        consumers,
        life.item_bytes,
        life.steps(batch, consumers),
        life.group_steps(batch, consumers),
    )
    if made.shards > MAX_SHARDS:
        raise InvalidArgumentError(
            "rate",
            rate,
            f"{made.shards:,} shards would be needed, and a queue has {MAX_SHARDS:,} at most",
            remedy="Spread the messages over several tables.",
        )
    return made


def _check_number(argument: str, value: object, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InvalidArgumentError(
            argument, value, f"a number from 0 to {most:,} is needed", remedy="Pass one of these."
        )


# --- a message's life ------------------------------------------------------------------------

_NOW = format_instant(0)
_ARGUMENTS: Final[dict[str, Value]] = {
    "id": "x" * 36,  # a UUID, as all ids here
    "now": _NOW,
    "due": _NOW,
    "forgotten_epoch": 0,
    "legacy_horizon": _NOW,
    "token": "x" * 22,
    "receipt": "x" * 22,
    "partition": "STANDARD.123",
    "max_receives": 10,
    "expires_at": 10**9,
}
_GROUP = "x" * 36
_NEIGHBOUR: Final[dict[str, Value]] = {"next_id": "x" * 36}


class _Life:
    """A typical message, step by step; each is the machine's own transition."""

    def __init__(self, payload: str) -> None:
        self._data: dict[str, Value] = {"data": payload}
        self._sent = _after(None, MESSAGE.rule("send"), self._data)
        self._received = _after(self._sent, _RECEIVE, _LATER)
        self._deleted = _after(self._received, _DELETE)

    @property
    def item_bytes(self) -> int:
        """The size of the item while it is held."""
        return item_size(self._received)

    def steps(self, batch: int, consumers: int) -> tuple[Step, ...]:
        """Return what a message costs that has no group."""
        received = self._receiving(self._sent, self._received, batch, consumers)
        return (
            Step("send", write_capacity(None, self._sent), 1 / batch),
            Step("receive", received, 2 / batch),
            Step("delete", write_capacity(self._received, self._deleted), 1 / batch),
        )

    def group_steps(self, batch: int, consumers: int) -> tuple[Step, ...]:
        """Return what a message costs that is sent behind another one, and has one behind it."""
        behind: dict[str, Value] = {**self._data, "group": _GROUP, "previous_id": "x" * 36}
        waiting = _after(None, MESSAGE.rule("send"), behind)
        linked = _after(waiting, MESSAGE.rule("link"), _NEIGHBOUR)
        head = _after(linked, MESSAGE.rule("promote"), {"seen_previous_id": "x" * 36})
        held = _after(head, _RECEIVE, _LATER)
        gone = _after(held, _DELETE)
        tail: dict[str, Value] = {"id": f"$group#{_GROUP}", "new_tail_id": "x" * 36}
        group = _after(None, GROUP.rule("open"), tail)
        sending = [(None, waiting), (waiting, linked), (group, group)]
        deleting = [(held, gone), (linked, head)]
        return (
            Step("send", get_capacity([group]) + _transacted(sending), 2),
            Step("receive", self._receiving(head, held, batch, consumers), 2 / batch),
            Step("delete", _transacted(deleting), 1),
        )

    def _receiving(self, free: Item, held: Item, batch: int, consumers: int) -> Capacity:
        """Return a claim's units, and its share of a look at as many as a consumer reads."""
        read = batch if consumers == 1 else candidates(batch, consumers)
        looked = page_capacity([index_entry(free) or {}] * read)
        return write_capacity(free, held) + Capacity(index_reads=looked.index_reads / batch)


_RECEIVE = MESSAGE.rule("receive", queue="STANDARD")
_DELETE = MESSAGE.rule("delete")
_LATER: Final[dict[str, Value]] = {"due": format_instant(30 * SECOND)}


def _after(item: Item | None, rule: Rule, own: dict[str, Value] | None = None) -> Item:
    """Return an item after a transition."""
    arguments = {**_ARGUMENTS, **(own or {})}
    return rule.specialised(arguments).apply(item, arguments) or {}


def _transacted(writes: Sequence[tuple[Item | None, Item]]) -> Capacity:
    """Return the units of a transaction that turns items into others."""
    return sum((in_transaction(write_capacity(old, new)) for old, new in writes), Capacity())


# --- the command line ------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a plan; return the exit status.

    Args:
        arguments: the command line's; ``None``: this process's own.
    """
    options = _parser().parse_args(arguments)
    try:
        print(plan(**vars(options)))
    except InvalidArgumentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dynamomq.planning",
        description="Reckon what a queue needs: shards, capacity units, dollars a month.",
    )
    parser.add_argument("--rate", type=float, required=True, metavar="N", help="messages a second")
    parser.add_argument(
        "--payload", type=int, required=True, metavar="BYTES", help="the size of a payload"
    )
    parser.add_argument(
        "--consumers",
        type=int,
        default=1,
        metavar="N",
        help="processes that receive (default: %(default)s)",
    )
    parser.add_argument(
        "--groups",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="the share of messages in groups, from 0 to 1 (default: %(default)g)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=1,
        metavar="N",
        help="messages in one call, up to 25 (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Two engines in lockstep: the same calls, at the same time, with the same luck, on both.

After each call both must have asked their storage for the same things, got the same answers,
returned or raised the same, and hold the same items.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen

from dynamomq.attributes import DUE, EXPIRES_AT, ID
from dynamomq.drivers.base import Driver, Engine
from dynamomq.errors import DynamoMQError, IllegalTransitionError, MessageNotFoundError
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.requests import GetMany, Page, Query, Refused, Request, Write, WriteBatch, Written
from dynamomq.timestamps import SECOND
from dynamomq.values import Item, type_letter
from tests.integration.scene import Between, Fronted, Script, all_items

VISIBILITY_TIMEOUT = 30.0  # seconds
MAX_RECEIVES = 3

Tally = Counter[tuple[str, str]]
"""How many writes of a trigger were ``written``, how many ``refused``."""


@frozen
class Call:
    """A call of one of ``Queue``'s methods, for both engines."""

    method: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(factory=dict)

    def on(self, queue: Queue[Any]) -> object:
        """Make the call; a listing is read to its end."""
        result = getattr(queue, self.method)(*self.arguments, **self.options)
        return list(result) if self.method == "list" else result

    def __str__(self) -> str:
        options = [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{self.method}({', '.join([*map(repr, self.arguments), *options])})"


@frozen
class Move:
    """A call, and perhaps another consumer's, which is made within it, before one of its writes."""

    call: Call
    between: Call | None = None
    before_write: int = 0

    def __str__(self) -> str:
        if self.between is None:
            return str(self.call)
        return f"{self.call}, and before its write number {self.before_write}: {self.between}"


def outcome_of(call: Call, queue: Queue[Any]) -> object:
    """Make a call; return its result, or the error that it raised."""
    try:
        return call.on(queue)
    except DynamoMQError as error:
        return error


def exact(value: object) -> object:
    """The value in a form whose equality is strict about types, so that differences can't hide."""
    match value:
        case Message(item=item, state=state):
            return ("message", state, exact(item))
        case DynamoMQError():
            return (type(value).__name__, exact(vars(value)))
        case dict():
            return {name: exact(value[name]) for name in sorted(value)}
        case list() | tuple():
            return [exact(one) for one in value]
        case set() | frozenset():
            return ("set", sorted(map(repr, value)))
        case None | bool() | int() | Decimal() | str() | bytes():
            return (type_letter(value), value)
    return value


class Watch(Between):
    """Notes what operations ask for and are told, counts writes, lets another act in between."""

    def __init__(self, inner: Driver, script: Script) -> None:
        super().__init__(inner)
        self._script = script
        self.tally: Tally = Counter()
        self.trace: list[object] = []
        self.outcome_between: object = None
        self.touched: dict[str, None] = {}  # the ids of what was written, or was to be
        self.calls = 0  # of the queue's methods, the other consumer's included
        self._queue: Queue[Any] | None = None
        self._move: Move | None = None
        self._writes = 0

    def expect(self, move: Move, queue: Queue[Any]) -> None:
        """Start on a move; ``queue`` is where the other consumer makes its call."""
        self._move, self._queue, self._writes = move, queue, 0
        self.trace.clear()
        self.touched.clear()
        self.outcome_between = None
        self.calls += 1

    def store(self, request: Request[Any]) -> Any:
        """Pass a request on."""
        if isinstance(request, Write | WriteBatch):
            self._let_other_act()
        self._script.now += 1  # so that no two writes happen at the same time
        reply = self.inner.store(request)
        self.trace.append(_asked(request))
        if isinstance(reply, Page):
            reply = _fair(reply, request, self._script.now // SECOND)
            self.trace.append([exact(entry) for entry in reply.entries])
        for write, answer in _writes(request, reply):
            verdict = _VERDICTS[type(answer)]
            self.tally[write.rule.trigger, verdict] += 1
            self.trace.append((write.rule.trigger, verdict))
            self.touched[write.id] = None
        return reply

    def _let_other_act(self) -> None:
        move, queue = self._move, self._queue
        self._writes += 1
        if move and queue and move.between and self._writes > move.before_write:
            self._move = None  # once, and not within the other's own call
            self.calls += 1
            self.outcome_between = outcome_of(move.between, queue)


_VERDICTS: dict[type, str] = {Written: "written", Refused: "refused"}


def _writes(request: Request[Any], reply: Any) -> list[tuple[Write, object]]:
    if isinstance(request, Write):
        return [(request, reply)]
    return list(zip(request.writes, reply, strict=True)) if isinstance(request, WriteBatch) else []


def _asked(request: Request[Any]) -> object:
    match request:
        case Write():
            return (request.id, request.rule.trigger, exact(dict(request.arguments)))
        case WriteBatch(writes):
            return [_asked(write) for write in writes]
    return request


def _fair(page: Page, request: Request[Any], second: int) -> Page:
    """Put entries in an order that both engines can have, where theirs is their own business."""
    by_due = isinstance(request, Query)
    dues = [str(entry.get(DUE.name)) for entry in page.entries]
    if page.cursor is not None:
        assert by_due, "a page of a scan has no order that could be compared"
        assert len(set(dues)) == len(dues), "a page may have ended among entries due at one time"
        return page
    entries = [entry for entry in page.entries if not _may_be_gone(entry, second)]
    first = DUE.name if by_due else ID.name
    return Page(tuple(sorted(entries, key=lambda one: (str(one[first]), str(one[ID.name])))), None)


class Side:
    """One of the two engines."""

    def __init__(
        self, name: str, engine: Engine, table: str, script: Script, put: Callable[[Item], object]
    ) -> None:
        self.name = name
        self.put = put  # stores an item as it is
        self.script = script
        watches: list[Watch] = []
        fronted = Fronted(engine, lambda inner: _watch(inner, script, watches))
        self.queue: Queue[Any] = Queue(
            table,
            engine=fronted,
            visibility_timeout=VISIBILITY_TIMEOUT,
            max_receives=MAX_RECEIVES,
        )
        (self.watch,) = watches
        self.queue.create_table()

    def make(self, move: Move) -> object:
        """Make a move; a refusal before any write counts as one of its trigger."""
        self.watch.expect(move, self.queue)
        before = self.watch.tally.total()
        outcome = outcome_of(move.call, self.queue)
        planned = isinstance(outcome, IllegalTransitionError | MessageNotFoundError)
        if planned and move.call.method != "get" and self.watch.tally.total() == before:
            self.watch.tally[move.call.method, "refused"] += 1
        return outcome

    def items(self) -> dict[str, Item]:
        """All items."""
        return self._certain(all_items(self.watch.inner))

    def touched(self) -> dict[str, Item]:
        """The items that the latest move wrote, or would have written."""
        ids = tuple(self.watch.touched)
        return self._certain(self.watch.inner.execute(GetMany(ids)) if ids else {})

    def _certain(self, items: Mapping[str, Item]) -> dict[str, Item]:
        """Leave out tombstones that storage may have removed: one side may do so earlier."""
        second = self.script.now // SECOND
        return {key: item for key, item in items.items() if not _may_be_gone(item, second)}


def _watch(inner: Driver, script: Script, watches: list[Watch]) -> Watch:
    watches.append(Watch(inner, script))
    return watches[-1]


def _may_be_gone(item: Item, second: int) -> bool:
    expires_at = item.get(EXPIRES_AT.name)
    return isinstance(expires_at, int) and expires_at <= second


@define(eq=False)
class Lockstep:
    """Both engines; a difference fails the test with the moves that led to it."""

    left: Side
    right: Side
    replay: str  # the command that repeats the run
    log: list[str] = field(factory=list)

    def make(self, move: Move) -> object:
        """Make a move on both; compare what they did, and the touched items afterwards.

        Returns:
            What the call returned, or the error that it raised.
        """
        self.log.append(str(move))
        left, right = self.left.make(move), self.right.make(move)
        self.same("requests and replies", *(side.watch.trace for side in self.sides))
        between = [exact(side.watch.outcome_between) for side in self.sides]
        self.same("the other's outcomes", *between)
        self.same("outcomes", exact(left), exact(right))
        self.same("clocks", *(side.script.now for side in self.sides))
        self.same("items", *(exact(side.touched()) for side in self.sides))
        return left

    def put(self, item: Item) -> None:
        """Store an item as it is in both tables, as another program might."""
        self.log.append(f"put {item}")
        for side in self.sides:
            side.put(item)

    def compare_tables(self) -> None:
        """Compare all items."""
        self.same("tables", *(exact(side.items()) for side in self.sides))

    def pass_time(self, seconds: float) -> None:
        """Move both clocks."""
        self.log.append(f"{seconds:g} s pass")
        for side in self.sides:
            side.script.advance(seconds)

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return self.left, self.right

    def same(self, what: str, left: object, right: object) -> None:
        """Fail unless both are equal."""
        if left != right:
            recent = "\n".join(f"  {line}" for line in self.log[-25:])
            raise AssertionError(
                f"{what} differ after {len(self.log)} moves:\n{self.left.name}: {left}\n"
                f"{self.right.name}: {right}\nthe last moves:\n{recent}\nreplay: {self.replay}"
            )

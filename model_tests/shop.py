"""A shop whose orders and messages belong together: users' transactions where all goes wrong.

Clerks take an order and send its message in one transaction, while the door is open; workers write
an order's result and delete its message in another, or pass it on. What runs are the library's own
operations, one request at a time, against the embedded engine, with its tables of rows. Replies and
requests are lost, repeated, held up and executed late; processes crash; deadlines pass. After every
step the ledger is compared with the queue: a row and its message are there both or neither, and a
result is written exactly as often as its message was deleted, which is once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from attrs import define, evolve, field, frozen

from dynamomq.drivers.base import Driver, too_late
from dynamomq.drivers.local import LocalEngine
from dynamomq.effects import Add, Effect, Set
from dynamomq.errors import (
    AccessDeniedError,
    ConflictError,
    DynamoMQError,
    InternalError,
    ThrottledError,
    TransactionConditionError,
    UnavailableError,
)
from dynamomq.expressions import Attr
from dynamomq.message import Message
from dynamomq.operations import ARRIVES_WITHIN, Outgoing, Settings, carry_out, receive
from dynamomq.operations.holding import DELETE, RETRY, entombed, given_back
from dynamomq.operations.parts import Finishing, OwnPart, Part, Sending
from dynamomq.operations.rows import own_action
from dynamomq.payload import codec_for
from dynamomq.requests import (
    Cancelled,
    CreateTable,
    Moment,
    Operation,
    Refused,
    Request,
    Scan,
    Sleep,
    Tick,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.table import TableDefinition
from dynamomq.timestamps import SECOND
from dynamomq.values import Item
from model_tests.simulator.asked import ViolationError
from tests.support.clock import ManualClock
from tests.support.lists import orders as lists_of

ORDERS, RESULTS, DOORS = "orders", "results", "doors"
TIMEOUT = 10 * SECOND
SDK_ATTEMPTS = 3
GROUPS: Final = (None, "g", "h")
NEW = Attr("id").absent()
OPEN = Attr("open").eq(True)

CERTAIN: Final = (
    "DuplicateMessageError",
    "IllegalTransitionError",
    "StaleReceiptError",
    "TransactionConditionError",
)
"""Errors that say for certain that nothing took effect."""

_FATES: Final = {
    "answered": 60,
    "reply lost": 12,
    "request lost": 4,
    "held up": 8,
    "timed out, executed": 4,
    "timed out": 3,
    "conflict": 4,
    "throttled": 3,
    "denied": 1,
    "failed, executed": 3,
    "crash": 3,
    "crash, executed": 3,
}

TELLING: Final = ("reply lost", "held up", "conflict", "denied", "door closes")
"""What stands for all faults where each may meet each other: what is executed, at once or when all
is over, without a reply; what ends a plan; what ends a call; and a user's condition that fails."""

WAYS: Final = ("take", "delete", "pass on", "retry")
"""What a clerk and a worker do in a transaction."""

_FINISHING: Final = ("delete", "delete", "pass on", "retry", "forget")

_WRITING: Final = (Write, WriteBatch, Transact)


@frozen(eq=False)
class Late:
    """An attempt that the network still holds."""

    request: Request[Any]
    since: int


@frozen(eq=False)
class Call:
    """A transaction of somebody's.

    Attributes:
        what: for messages.
        parts: what it does.
    """

    what: str
    parts: tuple[Part, ...]

    def marks(self) -> Iterator[tuple[str, str, str]]:
        """Id, attribute and value of what a message that it has sent or deleted bears for good."""
        for part in self.parts:
            if isinstance(part, Sending):
                yield part.id, "send_token", part.token
            elif isinstance(part, Finishing) and part.rules is DELETE:
                yield part.id, "token", part.token


@define(eq=False)
class Actor:
    """A clerk or a worker, who makes one call after the other.

    Attributes:
        name: who.
        orders: the orders that a clerk still has to take; a worker has none.
        operation: what is under way.
        request: what that waits for.
        call: the transaction that it is; ``None``: it is no transaction.
        attempts: of the SDK to have the request carried out.
        held: the message that a worker has received.
    """

    name: str
    orders: list[int] = field(factory=list)
    operation: Operation[Any] | None = None
    request: Request[Any] | None = None
    call: Call | None = None
    attempts: int = 0
    held: Message[Any] | None = None

    @property
    def is_clerk(self) -> bool:
        """Whether it takes orders."""
        return self.name.startswith("clerk")

    def crash(self) -> None:
        """Forget what is under way; a clerk's orders are on paper."""
        if self.operation is not None:
            self.operation.close()
        self.operation = self.request = self.call = self.held = None
        self.attempts = 0


@define(eq=False)
class Shop:
    """A shop, and all that happens in it.

    Attributes:
        chance: who decides.
        number: how many orders there are.
        timeline: what has happened.
        counts: how often what has.
    """

    chance: random.Random
    number: int = 4
    timeline: list[str] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)
    actors: list[Actor] = field(init=False)
    _clock: ManualClock = field(factory=ManualClock, init=False)
    _engine: LocalEngine = field(init=False)
    _driver: Driver = field(init=False)
    _settings: Settings = field(init=False)
    _late: list[Late] = field(factory=list, init=False)
    _fresh: int = field(default=0, init=False)
    _is_peaceful: bool = field(default=False, init=False)
    _refused: list[Call] = field(factory=list, init=False)
    _ways: Sequence[str] = field(default=_FINISHING, init=False)
    _script: Iterator[str] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        # The network executes what was sent in time, however late it is then: no clock runs there.
        timeless = evolve(self._clock.surroundings(), uptime=lambda: 0.0)
        self._engine = LocalEngine(surroundings=timeless)
        for table in (ORDERS, RESULTS, DOORS):
            self._engine.create_table(table)
        self._driver = self._engine.open(TableDefinition("queue"))
        self._driver.execute(CreateTable())
        self._open_door(is_open=True)
        self._settings = Settings("queue", codec_for(None), TIMEOUT, None, 300 * SECOND)
        numbers = range(self.number)
        self.actors = [Actor(f"clerk-{n}", [*numbers[n:], *numbers[:n]]) for n in (0, 1)]
        self.actors += [Actor(f"worker-{n}") for n in range(3)]

    # --- what happens ------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Let chance decide so many steps, and then let everything come to a good end.

        Raises:
            ViolationError: a row and its message do not agree, or something does not end.
        """
        for _ in range(steps):
            self._step()
        self._come_to_an_end()

    def meet(self, way: str, fates: Sequence[str]) -> None:
        """Let the attempts of one transaction meet these fates, one after the other.

        What is held up arrives when all has ended.

        Args:
            way: which transaction, of ``WAYS``.
            fates: what its first attempts meet; the others are answered.

        Raises:
            ViolationError: a row and its message do not agree, or what was told is not so.
        """
        clerk, worker = self.actors[1], self.actors[-1]  # whose first order is in a group
        if way != "take":
            self._is_peaceful = True
            self._go_on(clerk)
            self._go_on(worker)
            self._is_peaceful, self._ways = False, (way,)
        self._script = iter(fates)
        self._go_on(clerk if way == "take" else worker)
        self._come_to_an_end()

    def _go_on(self, actor: Actor) -> None:
        """Let somebody begin something, and nobody else do anything until that has ended."""
        self._move(actor)
        while actor.operation is not None:
            self._move(actor)
            self._check()

    def _step(self) -> None:
        self._clock.advance(0.001)
        weights = (60, 9 if self._late else 0, 3, 2)
        (kind,) = self.chance.choices(("actor", "late", "time", "door"), weights)
        if kind == "door":
            self._open_door(is_open=self.chance.random() < 0.6)
        elif kind == "late":
            self._execute_late(self.chance.randrange(len(self._late)))
        elif kind == "time":
            self._leap()
        else:
            self._move(self.chance.choice(self.actors))
        self._check()

    def _leap(self) -> None:
        seconds = self.chance.choice((1, 4, 11))
        latest = self._clock() + seconds * SECOND - ARRIVES_WITHIN
        if all(late.since > latest for late in self._late):
            self._clock.advance(seconds)
            self._note("time", f"leaps by {seconds} s")

    def _open_door(self, *, is_open: bool) -> None:
        self._engine.put_item(DOORS, {"id": "door", "open": is_open})
        self._note("door", "opens" if is_open else "closes")

    def _execute_late(self, place: int) -> None:
        request = self._late.pop(place).request
        if not self._is_peaceful and self.chance.random() < 0.2:
            self._note("late", "is lost")
            return
        self._note("late", f"is executed: {self._execute(request, repeated=True)}")

    def _move(self, actor: Actor) -> None:
        if actor.operation is None:
            self._begin(actor)
        elif isinstance(actor.request, Tick):
            self._answer(actor, self._moment(actor.request))
        elif isinstance(actor.request, Sleep):
            self._clock.advance(actor.request.seconds)
            self._answer(actor, None)
        elif isinstance(actor.request, _WRITING):
            self._write(actor, actor.request, self._fate())
        elif actor.request is not None:
            self._answer(actor, self._driver.execute(actor.request))

    def _fate(self) -> str:
        if self._is_peaceful:
            return "answered"
        if self._script is not None:
            fate = next(self._script, "answered")
            if fate == "door closes":
                self._open_door(is_open=False)
            return "answered" if fate == "door closes" else fate
        (fate,) = self.chance.choices(list(_FATES), list(_FATES.values()))
        self.counts[f"fate: {fate}"] += 1
        return fate

    def _write(self, actor: Actor, request: Request[Any], fate: str) -> None:
        """One attempt of the SDK to have something written."""
        if request.send_by is not None and self._clock() > request.send_by:
            self._fail(actor, too_late(type(request).__name__, again=actor.attempts > 0))
            return
        reply: Any = None
        if fate == "answered" or fate == "reply lost" or fate.endswith("executed"):
            reply = self._execute(request, repeated=actor.attempts > 0)
        if fate == "held up":
            self._late.append(Late(request, self._clock()))
        self._note(actor.name, f"{_shown(request)} {fate}: {reply}")
        if fate == "answered":
            self._answer(actor, reply)
            return
        if fate.startswith("crash"):
            actor.crash()
        elif fate in ("reply lost", "request lost", "held up"):
            actor.attempts += 1
            if actor.attempts == SDK_ATTEMPTS:
                self._fail(actor, UnavailableError("simulated"))
        else:
            failure = _ERRORS[fate]("simulated")
            failure.in_doubt = failure.in_doubt or actor.attempts > 0
            self._fail(actor, failure)

    def _execute(self, request: Request[Any], *, repeated: bool) -> Any:
        try:
            reply = self._driver.store(request)
        except DynamoMQError as error:
            raise ViolationError("TRACE", f"{_shown(request)} is invalid: {error}") from error
        if not repeated:
            return reply
        if isinstance(reply, Cancelled):
            return evolve(reply, repeated=True)
        return evolve(reply, repeated=True) if isinstance(reply, Refused) else reply

    def _moment(self, tick: Tick) -> Moment:
        self._fresh += 1
        tokens = tuple(f"t{self._fresh}.{n}" for n in range(tick.tokens))
        ids = tuple(f"i{self._fresh}.{n}" for n in range(tick.ids))
        now, chance = self._clock(), self.chance.random()
        return Moment(now, tokens, f"i{self._fresh}", chance, ids=ids, monotonic=now)

    # --- operations --------------------------------------------------------------------------

    def _begin(self, actor: Actor) -> None:
        if actor.is_clerk:
            if not actor.orders:
                return
            call = self._taking(actor.orders[0])
        elif actor.held is None:
            actor.operation = receive(self._settings)
            self._advance(actor, lambda operation: next(operation))
            return
        elif (chosen := self._finishing(actor.held)) is None:
            actor.held = None
            return
        else:
            call = chosen
        actor.call = call
        actor.operation = carry_out(self._settings.table, call.parts)
        self._note(actor.name, f"begins to {call.what}")
        self._advance(actor, lambda operation: next(operation))

    def _taking(self, order: int) -> Call:
        id = f"m{order}"
        outgoing = Outgoing({"order": order}, id, group=GROUPS[order % len(GROUPS)])
        row = own_action("Put", ORDERS, {"id": f"o{order}"}, condition=NEW)
        door = own_action("ConditionCheck", DOORS, {"id": "door"}, condition=OPEN)
        send = Sending(self._settings, outgoing, id, self._token())
        return Call(f"take order {order}", (OwnPart(row), OwnPart(door), send))

    def _finishing(self, message: Message[Any]) -> Call | None:
        way = "delete" if self._is_peaceful else self.chance.choice(self._ways)
        if way == "forget":
            return None
        rules, extra = DELETE, entombed(self._settings)
        row = message.id
        update: list[Effect] = [Add("times", 1)]
        parts: list[Part] = []
        if way == "retry":
            rules, extra, row = RETRY, given_back(message, 0, "again"), f"retried {message.id}"
        elif way == "pass on" and message.id.startswith("m"):
            update.append(Set("passed", 1))
            id = f"f{message.id}"
            outgoing = Outgoing(message.data, id, group=message.group)
            parts.append(Sending(self._settings, outgoing, id, self._token()))
        result = own_action("Update", RESULTS, {"id": row}, update=update)
        parts += [
            OwnPart(result),
            Finishing(self._settings, message, rules, extra, self._token()),
        ]
        self.chance.shuffle(parts)
        return Call(f"{way} {message.id}", tuple(parts))

    def _token(self) -> str:
        self._fresh += 1
        return f"mark{self._fresh}"

    def _answer(self, actor: Actor, reply: Any) -> None:
        actor.attempts = 0
        self._advance(actor, lambda operation: operation.send(reply))

    def _fail(self, actor: Actor, error: DynamoMQError) -> None:
        actor.attempts = 0
        self._advance(actor, lambda operation: operation.throw(error))

    def _advance(self, actor: Actor, go_on: Callable[[Operation[Any]], Request[Any]]) -> None:
        assert actor.operation is not None, "only what is under way goes on"
        try:
            actor.request = go_on(actor.operation)
        except StopIteration as stop:
            self._end(actor, stop.value, None)
        except DynamoMQError as error:
            self._end(actor, None, error)

    def _end(self, actor: Actor, result: Any, error: DynamoMQError | None) -> None:
        call, name = actor.call, type(error).__name__ if error else "done"
        actor.operation = actor.request = actor.call = None
        if call is None:
            actor.held = result[0] if result else None
            return
        self._note(actor.name, f"{call.what}: {name}")
        self.counts[f"{call.what.rpartition(' ')[0]}: {name}"] += 1
        is_final = not isinstance(error, TransactionConditionError) or error.final
        is_over = error is None or (name in CERTAIN and is_final)
        if error is None:
            self._check_took_effect(call)
        elif not error.in_doubt:
            self._refused.append(call)
        if isinstance(error, TransactionConditionError):
            return  # the door is closed: again later
        if is_over and actor.is_clerk:
            actor.orders.pop(0)
        elif is_over or name == "OutcomeUnknownError":
            actor.held = None

    # --- judging -----------------------------------------------------------------------------

    def _items(self) -> dict[str, Item]:
        return {str(item["id"]): item for item in self._driver.execute(Scan(1000)).entries}

    def _check_took_effect(self, call: Call) -> None:
        items = self._items()
        for id, name, mark in call.marks():
            if items.get(id, {}).get(name) != mark:
                raise ViolationError("TRANSACT", f"{call.what} succeeded, but did not: {id}")

    def _check(self) -> None:
        """Rows and messages agree, and calls that were refused have done nothing."""
        items = self._items()
        lists_of(items)
        for call in self._refused:
            for id, name, mark in call.marks():
                if items.get(id, {}).get(name) == mark:
                    raise ViolationError("TRANSACT", f"{call.what} was refused, yet did {id}")
        for order in range(self.number):
            row, message = self._engine.get_item(ORDERS, {"id": f"o{order}"}), f"m{order}"
            if (row is not None) != (message in items):
                raise ViolationError("TRANSACT", f"order {order}: row {row}, message not so")
        for id, item in items.items():
            if not id.startswith("$"):
                self._check_result(id, items, is_deleted="expires_at" in item)

    def _check_result(self, id: str, items: dict[str, Item], *, is_deleted: bool) -> None:
        result = self._engine.get_item(RESULTS, {"id": id}) or {}
        if result.get("times", 0) != int(is_deleted):
            raise ViolationError("TRANSACT", f"{id}: deleted {is_deleted}, and its row {result}")
        if ("passed" in result) != (f"f{id}" in items):
            raise ViolationError("TRANSACT", f"{id}: passed on by its row {result}, or not")

    def _come_to_an_end(self) -> None:
        """End all faults; everybody dies, and others finish what there is to do."""
        self._is_peaceful = True
        self._open_door(is_open=True)
        for actor in self.actors:
            actor.crash()
        while self._late:
            self._execute_late(0)
            self._check()
        self._clock.advance(60)
        for _ in range(2_000):
            if not any(actor.orders for actor in self.actors) and self._is_finished():
                return
            for actor in self.actors:
                self._clock.advance(0.001)
                self._move(actor)
                self._check()
        raise ViolationError("PROGRESS", "without faults, not everything comes to an end")

    def _is_finished(self) -> bool:
        messages = [item for id, item in self._items().items() if not id.startswith("$")]
        return len(messages) >= self.number and all("expires_at" in item for item in messages)

    def close(self) -> None:
        """Close the engine."""
        for actor in self.actors:
            actor.crash()
        self._engine.close()

    def _note(self, who: str, what: str) -> None:
        self.timeline.append(f"{self._clock() / SECOND % 10_000:9.3f}  {who}: {what}")


_ERRORS: Final[dict[str, type[DynamoMQError]]] = {
    "timed out, executed": UnavailableError,
    "timed out": UnavailableError,
    "conflict": ConflictError,
    "throttled": ThrottledError,
    "denied": AccessDeniedError,
    "failed, executed": InternalError,
}


def _shown(request: Request[Any]) -> str:
    if isinstance(request, Transact):
        return f"a transaction of {len(request.actions)}"
    return request.rule.trigger if isinstance(request, Write) else type(request).__name__

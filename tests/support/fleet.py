"""Consumers that claim from one embedded table under virtual time, request by request."""

from collections.abc import Callable, Generator, Iterator
from hashlib import sha256
from itertools import count
from typing import Any

from attrs import define, field

from dynamomq import LocalEngine, Message, Queue, QueueType
from dynamomq.drivers.base import Driver
from dynamomq.operations import Claimer, Load
from dynamomq.requests import (
    Operation,
    Query,
    Refused,
    Request,
    Sleep,
    Tick,
    Write,
    WriteBatch,
)
from dynamomq.reserved import CONSUMERS
from dynamomq.table import TableDefinition
from dynamomq.testing import Chance
from dynamomq.timestamps import SECOND
from tests.support.clock import ManualClock

TABLE = "jobs"
TIMEOUT = 3600
"""How long deliveries last, in seconds: none comes to its end by itself."""

Fault = Callable[[Request[Any]], None]
"""Raises where a request is to fail."""


def score(consumer: str, message: str) -> bytes:
    """CONSUMER-2, in words of its own: the first eight bytes of SHA-256(consumer NUL message)."""
    return sha256(consumer.encode() + b"\x00" + message.encode()).digest()[:8]


def is_of_the_fleet(request: Request[Any]) -> bool:
    """Whether a request is about consumers, not about messages."""
    if isinstance(request, Query):
        return request.queue == CONSUMERS
    return isinstance(request, Write) and request.id.startswith("$consumer")


@define(eq=False)
class Member:
    """One consumer: what it claims with, what it sent, and what it has."""

    claimer: Claimer
    driver: Driver
    fault: Fault | None = None
    requests: list[Request[Any]] = field(factory=list)
    has: list[str] = field(factory=list)
    lost: int = 0

    @property
    def id(self) -> str:
        """Its entry's id."""
        assert self.claimer.me is not None
        return self.claimer.me.id

    def claim(self, wanted: int = 1, load: Load | None = None) -> list[str]:
        """Claim, and return the ids of what was claimed."""
        found = self.run(self.claimer.claim(wanted, load or Load()))
        ids = [message.id for message in found]
        self.has += ids
        return ids

    def attend(self, load: Load | None = None) -> None:
        """Do what has to be done now and then."""
        self.run(self.claimer.attend(load or Load()))

    def leave(self) -> None:
        """End."""
        self.run(self.claimer.leave())

    def run(self, operation: Operation[Any]) -> Any:
        """Run an operation to its end."""
        steps = self.steps(operation)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value

    def steps(self, operation: Operation[Any]) -> Generator[Request[Any], None, Any]:
        """Run an operation, pausing after each request to the storage."""
        reply: Any = None
        error: Exception | None = None
        while True:
            try:
                request = operation.throw(error) if error else operation.send(reply)
            except StopIteration as stop:
                return stop.value
            reply, error = None, None
            try:
                reply = self._carry_out(request)
            except Exception as raised:  # noqa: BLE001 - it is the operation's
                error = raised
            if not isinstance(request, Tick | Sleep):
                yield request

    def _carry_out(self, request: Request[Any]) -> Any:
        if not isinstance(request, Tick | Sleep):
            self.requests.append(request)
            if self.fault is not None:
                self.fault(request)
        reply = self.driver.execute(request)
        if isinstance(request, WriteBatch):
            self.lost += sum(isinstance(one, Refused) for one in reply)
        return reply

    def taken(self) -> list[Request[Any]]:
        """The requests since the last look."""
        requests, self.requests = self.requests, []
        return requests


@define(eq=False)
class Fleet:
    """A table, the time, and consumers that begin when they are told to."""

    clock: ManualClock = field(factory=lambda: ManualClock(chance=Chance(1)))
    members: list[Member] = field(factory=list)
    engine: LocalEngine = field(init=False)
    queue: Queue[Any] = field(init=False)
    _numbers: Iterator[int] = field(factory=count, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the table."""
        self.engine = LocalEngine(surroundings=self.clock.surroundings())
        self.queue = Queue(TABLE, engine=self.engine, visibility_timeout=TIMEOUT)
        self.queue.create_table()

    def consumer(self, driver: Driver | None = None, *, steal_after: float = 1) -> Member:
        """A consumer that has not begun yet; it does with its first claim."""
        claimer = Claimer(
            self.queue.settings,
            QueueType.STANDARD,
            TIMEOUT * SECOND,
            round(steal_after * SECOND),
            "host",
            len(self.members) + 1,
        )
        member = Member(claimer, driver or self.engine.open(TableDefinition(TABLE)))
        self.members.append(member)
        return member

    def together(self, number: int) -> list[Member]:
        """Consumers that began together, a while ago: all count, and know each other."""
        found = [self.consumer() for _ in range(number)]
        for _ in range(30):
            for member in found:
                member.attend()
            self.clock.advance(1)
        for member in found:
            assert len(member.claimer.others) == number - 1
            member.taken()
        return found

    def send(self, number: int = 1) -> list[str]:
        """Send messages, one a millisecond; return their ids."""
        sent = []
        for _ in range(number):
            message: Message[Any] = self.queue.send("payload", id=f"m{next(self._numbers)}")
            sent.append(message.id)
            self.clock.advance(0.001)
        return sent

    def first(self, message: str, *among: Member) -> Member:
        """Who ranks first for a message among consumers; all of them, unless some are given."""
        return max(among or self.members, key=lambda one: score(one.id, message))

    def share(self, messages: list[str], member: Member, *among: Member) -> list[str]:
        """The messages for which a consumer ranks first."""
        return [one for one in messages if self.first(one, *among) is member]

"""A transaction whose reply is lost knows whether it took effect, or says that nobody can know.

The storage executes it; the reply is lost, others act, and it is executed again, as by an SDK. The
embedded engine keeps no tokens, so that the refusal alone has to tell.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from attrs import define, evolve

from dynamomq.drivers.base import Driver
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import (
    ConflictError,
    DuplicateMessageError,
    DynamoMQError,
    InternalError,
    OutcomeUnknownError,
    StaleReceiptError,
    TransactionConditionError,
)
from dynamomq.expressions import Attr
from dynamomq.message import Message
from dynamomq.queue import Queue, Sent, Transaction
from dynamomq.requests import Cancelled, Request, Transact
from dynamomq.testing import Chance
from dynamomq.values import Item
from tests.contract.engines import Table
from tests.integration.scene import Between, Fronted
from tests.support.clock import ManualClock
from tests.support.lists import orders

TIMEOUT = 30
NEW = Attr("id").absent()


class Lossy(Between):
    """Loses the next replies to transactions; others act before the repetition."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.between: list[Callable[[], object]] = []

    def store(self, request: Request[Any]) -> Any:
        """Carry out a transaction, and once more where its reply is to be lost."""
        reply = self.inner.store(request)
        if isinstance(request, Transact) and self.between:
            self.between.pop(0)()
            reply = self.inner.store(request)
            if isinstance(reply, Cancelled):
                reply = evolve(reply, repeated=True)
        return reply


@define(eq=False)
class Scene:
    """A queue whose transactions may lose their reply, and another client of the same table."""

    clock: ManualClock
    engine: LocalEngine
    queue: Queue[Any]
    others: Queue[Any]
    lossy: Lossy

    def held(self, id: str = "m", group: str | None = None) -> Message[Any]:
        """A message that we hold."""
        self.others.send("work", id=id, group=group)
        self.clock.advance(1)
        (message,) = self.others.receive()
        self.clock.advance(1)
        return message

    def received_by_others(self) -> Message[Any]:
        """Another client receives what is due, some time later."""
        self.clock.advance(TIMEOUT + 1)
        (message,) = self.others.receive()
        return message

    def row(self) -> Item | None:
        """The user's row."""
        return self.engine.get_item("rows", {"id": "row"})

    @property
    def items(self) -> dict[str, Item]:
        """All that the queue's table holds."""
        return Table(self.lossy.inner).items()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """An empty table, and an empty one of the user's own."""
    clock = ManualClock(chance=Chance())
    with LocalEngine(surroundings=clock.surroundings()) as engine, ExitStack() as stack:
        engine.create_table("rows")
        drivers: list[Lossy] = []

        def front(driver: Driver) -> Lossy:
            drivers.append(Lossy(driver))
            return drivers[-1]

        queue: Queue[Any] = stack.enter_context(Queue("queue", engine=Fronted(engine, front)))
        others: Queue[Any] = stack.enter_context(Queue("queue", engine=engine))
        others.create_table()
        yield Scene(clock, engine, queue, others, drivers[0])


Fill = Callable[[Transaction[Any]], object]


def outcome(scene: Scene, fill: Fill, between: Callable[[], object] = lambda: None) -> Any:
    """What a transaction with a row and something else comes to, its first reply lost."""
    scene.lossy.between.append(between)
    result = None
    try:
        with scene.queue.transaction() as tx:
            tx.put_row("rows", {"id": "row"}, condition=NEW)
            result = fill(tx)
    except DynamoMQError as error:
        return error
    assert scene.lossy.between == [], "no reply was lost"
    return result


# --- it took effect --------------------------------------------------------------------------


def send(tx: Transaction[Any]) -> Sent[Any]:
    """What most of these transactions do besides the row."""
    return tx.send("payload", id="s")


def delete(message: Message[Any]) -> Fill:
    """The acknowledgement of a message."""
    return lambda tx: tx.delete(message)


BETWEEN: Mapping[str, Callable[[Scene], object]] = {
    "nothing": lambda _: None,
    "received": lambda scene: scene.received_by_others(),
    "finished": lambda scene: scene.others.delete(scene.received_by_others()),
    "dead": lambda scene: scene.others.move_to_dlq(scene.received_by_others()),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_a_sent_message_proves_it(name: str, scene: Scene) -> None:
    """TRANSACT-4: whatever has become of the message, its mark tells that all took effect."""
    sent = outcome(scene, send, lambda: BETWEEN[name](scene))
    assert isinstance(sent, Sent)
    assert sent.message.id == "s"
    assert scene.row() == {"id": "row"}
    assert scene.items["s"]["version"] == {"nothing": 1, "received": 2}.get(name, 3)


def test_a_tombstone_proves_it(scene: Scene) -> None:
    """TRANSACT-4: a message that this very transaction has deleted."""
    assert outcome(scene, delete(scene.held())) is None
    assert scene.row() == {"id": "row"}
    assert scene.items["m"]["version"] == 3


def test_any_message_proves_it(scene: Scene) -> None:
    """TRANSACT-4: one mark is enough, where another message has moved on and can't tell."""
    message = scene.held()

    def fill(tx: Transaction[Any]) -> Sent[Any]:
        tx.retry(message)
        return send(tx)

    def received_twice() -> None:
        (first,) = (one for one in scene.others.receive(10) if one.id == "m")
        scene.others.retry(first)

    sent = outcome(scene, fill, received_twice)
    assert isinstance(sent, Sent)
    assert scene.row() == {"id": "row"}


def test_the_place_in_the_group_is_that_which_it_has(scene: Scene) -> None:
    """TRANSACT-4: the message that is returned has the predecessor that it really has."""
    head = scene.held("g0", group="g")

    def fill(tx: Transaction[Any]) -> list[Sent[Any]]:
        tx.delete(head)
        return [tx.send(number, id=f"g{number}", group="g") for number in (1, 2)]

    sent = outcome(scene, fill, lambda: scene.others.send(3, id="g3", group="g"))
    assert [one.message.previous_id for one in sent] == [None, "g1"]
    assert orders(scene.items) == {"g": ["g1", "g2", "g3"]}
    assert scene.row() == {"id": "row"}


def test_an_attempt_that_failed_is_repeated(scene: Scene) -> None:
    """WRITE-6: an error of the service is no answer; the repetition finds that it took effect."""
    failures = [InternalError("HTTP 500")]
    inner = scene.lossy.inner

    class Failing(Between):
        def store(self, request: Request[Any]) -> Any:
            reply = self.inner.store(request)
            if isinstance(request, Transact) and failures:
                raise failures.pop()
            return reply

    scene.lossy.inner = Failing(inner)
    with scene.queue.transaction() as tx:
        sent = send(tx)
        tx.put_row("rows", {"id": "row"}, condition=NEW)
    assert sent.message.version == 1
    assert failures == []


class Laconic(Between):
    """Names one refusal only, as a storage may that stops at the first."""

    def store(self, request: Request[Any]) -> Any:
        """Leave the others out of the reply."""
        reply = self.inner.store(request)
        if not isinstance(reply, Cancelled):
            return reply
        first = next(place for place, reason in enumerate(reply.reasons) if reason is not None)
        kept = (reason if place == first else None for place, reason in enumerate(reply.reasons))
        return evolve(reply, reasons=tuple(kept))


@pytest.mark.parametrize("does", ["send", "delete"])
def test_messages_that_are_not_shown_are_read(does: str, scene: Scene) -> None:
    """TRANSACT-4: where the reply shows the row's refusal only, the message is looked at."""
    fill = send if does == "send" else delete(scene.held())
    scene.lossy.inner = Laconic(scene.lossy.inner)
    assert not isinstance(outcome(scene, fill), DynamoMQError)
    assert scene.row() == {"id": "row"}


# --- it did not ------------------------------------------------------------------------------


def test_a_condition_that_never_held(scene: Scene) -> None:
    """TRANSACT-5: both attempts were refused; a message that is as it was proves the first one."""
    scene.engine.put_item("rows", {"id": "row", "whose": "another's"})
    message = scene.held()
    for fill in (delete(message), send):
        error = outcome(scene, fill)
        assert isinstance(error, TransactionConditionError)
        assert not error.final
        assert "still under way" in error.remedy
    assert set(scene.items) == {"m"}
    scene.others.delete(message)


class HeldUp(Between):
    """Holds a first attempt at a transaction up, while the SDK repeats it."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner)
        self.late: Transact | None = None

    def store(self, request: Request[Any]) -> Any:
        """Carry out the repetition only."""
        reply = self.inner.store(request)
        if isinstance(request, Transact):
            self.late = request
            reply = evolve(reply, repeated=True)
        return reply


def test_a_condition_that_holds_too_late(scene: Scene) -> None:
    """TRANSACT-5: an attempt that was held up may yet be executed, and the error has said so."""

    def fill(queue: Queue[Any]) -> None:
        with queue.transaction() as tx:
            tx.check_row("rows", {"id": "row"}, Attr("id").exists())
            tx.send("payload", id="s")

    scene.lossy.inner = held_up = HeldUp(scene.lossy.inner)
    with pytest.raises(TransactionConditionError) as caught:
        fill(scene.queue)
    assert not caught.value.final
    scene.engine.put_item("rows", {"id": "row"})
    assert held_up.late is not None
    held_up.inner.execute(held_up.late)
    assert set(scene.items) == {"s"}


def test_a_delivery_that_was_over(scene: Scene) -> None:
    """FENCED: both attempts were refused, and the message tells that the first one was."""
    message = scene.held()
    scene.received_by_others()
    assert isinstance(outcome(scene, delete(message)), StaleReceiptError)
    assert scene.row() is None


def test_an_id_that_was_taken(scene: Scene) -> None:
    """DEDUP: a message of another send proves that none of the attempts took effect."""
    scene.others.send("theirs", id="s")
    assert isinstance(outcome(scene, send), DuplicateMessageError)
    assert scene.row() is None


# --- nobody can know -------------------------------------------------------------------------


def test_a_message_that_others_have_taken_over(scene: Scene) -> None:
    """WRITE-4: whether a message was given back by us or by its deadline can't be told."""
    message = scene.held()

    def received_and_retried() -> None:
        scene.others.retry(scene.received_by_others())

    error = outcome(scene, lambda tx: tx.retry(message), received_and_retried)
    assert isinstance(error, OutcomeUnknownError)
    assert error.id == "m"


def test_rows_alone_can_not_tell(scene: Scene) -> None:
    """TRANSACT-4: without a message nothing bears the transaction's mark, and the error says so."""
    error = outcome(scene, lambda _: None)
    assert isinstance(error, OutcomeUnknownError)
    assert (error.id, error.trigger) == ("", "transaction")
    assert error.remedy


def test_a_message_that_is_gone(scene: Scene) -> None:
    """WRITE-4: a tombstone that storage has removed by now tells nothing."""
    table = Table(scene.lossy.inner)
    error = outcome(scene, delete(scene.held()), lambda: table.remove("m"))
    assert isinstance(error, OutcomeUnknownError)


def test_a_message_that_may_have_come_and_gone(scene: Scene) -> None:
    """WRITE-5: after more than the retry horizon a missing message proves nothing."""
    table = Table(scene.lossy.inner)

    def long_after() -> None:
        scene.clock.advance(301)
        table.remove("s")

    assert isinstance(outcome(scene, send, long_after), OutcomeUnknownError)


# --- groups that others change ---------------------------------------------------------------


def test_a_group_that_never_rests(scene: Scene) -> None:
    """TRANSACT-4: after many plans it is left to the caller; the pauses grow, and nothing is done.

    Others join the group between each plan and its execution.
    """

    def fill(queue: Queue[Any]) -> None:
        with queue.transaction() as tx:
            tx.send(1, id="g1", group="g")
            tx.put_row("rows", {"id": "row"})

    names = (f"o{number}" for number in range(1000))
    inner = scene.lossy.inner

    class Busy(Between):
        def store(self, request: Request[Any]) -> Any:
            if isinstance(request, Transact):
                scene.others.send(0, id=next(names), group="g")
            return self.inner.store(request)

    scene.lossy.inner = Busy(inner)
    with pytest.raises(ConflictError, match="20 times"):
        fill(scene.queue)
    scene.lossy.inner = inner
    assert "g1" not in scene.items
    assert scene.row() is None
    assert len(orders(scene.items)["g"]) == 20

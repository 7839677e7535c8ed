"""Stories of one message, told twice: with a reply lost on the way, and without."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, frozen

from dynamomq.drivers.base import Engine
from dynamomq.errors import DynamoMQError
from dynamomq.message import Message
from dynamomq.queue import Queue
from dynamomq.values import Item
from tests.integration.scene import Script
from tests.integration.strangers import legacy, without
from tests.support.triggers import HOLDERS, OPERATORS, call

ID = "message"
NEIGHBOUR = "neighbour"
TIMEOUT = 30.0  # seconds of visibility
TOMBSTONE = 300.0  # seconds for which one is kept


@define(eq=False)
class Stage:
    """A table with two clients, ours and another's, under one clock.

    Attributes:
        ours: the queue whose replies may be lost.
        others: a queue on the same table, whose replies arrive.
        strict: one more like it, which allows one delivery only.
        put: stores an item as it is.
        remove: takes an item away, as the storage does with expired ones.
        message: what the story is about, once somebody has received it.
    """

    script: Script
    ours: Queue[Any]
    others: Queue[Any]
    strict: Queue[Any]
    put: Callable[[Item], object]
    remove: Callable[[str], object]
    message: Message[Any] | None = None

    @classmethod
    def on(
        cls,
        script: Script,
        ours: Engine,
        others: Engine,
        table: str,
        *,
        put: Callable[[Item], object],
        remove: Callable[[str], object],
    ) -> "Stage":
        """Open both queues. Ours expects numbers and gives a message up after two deliveries."""
        mine: Queue[Any] = Queue(
            table, engine=ours, payload=int, visibility_timeout=TIMEOUT, max_receives=2
        )
        theirs: Queue[Any] = Queue(table, engine=others, visibility_timeout=TIMEOUT)
        theirs.create_table()
        strict: Queue[Any] = Queue(table, engine=others, visibility_timeout=TIMEOUT, max_receives=1)
        return cls(script, mine, theirs, strict, put, remove)

    @property
    def held(self) -> Message[Any]:
        """The message that we received before the story began."""
        assert self.message is not None
        return self.message

    def receive(self, source: Any = "STANDARD") -> Message[Any]:
        """The other client receives the one message that is due."""
        self.script.advance(1)
        (message,) = self.others.receive(source=source)
        return message


Step = Callable[[Stage], object]


@frozen
class Act:
    """What we do, and whose reply is lost.

    Attributes:
        prepare: what happened before.
        call: our call.
        operation: the request of DynamoDB's API that carries it out.
        marks: what tells that request from others of the call: a word in its update.
    """

    prepare: Step
    call: Step
    operation: str = "UpdateItem"
    marks: str = ""

    def is_meant(self, request: Mapping[str, Any]) -> bool:
        """Whether this request's reply is to be lost."""
        return self.marks in request.get("UpdateExpression", self.marks)


def outcome_of(call: Step, stage: Stage) -> object:
    """The result of a call, or the error that it raised."""
    try:
        return call(stage)
    except DynamoMQError as error:
        return error


# --- before the story ------------------------------------------------------------------------


def nothing(stage: Stage) -> None:
    """Nothing has happened, nobody does anything."""


def sent(stage: Stage) -> None:
    """A message is due."""
    stage.others.send(1, id=ID)
    stage.script.advance(1)


def two_sent(stage: Stage) -> None:
    """Two messages are due."""
    sent(stage)
    stage.others.send(2, id=NEIGHBOUR)
    stage.script.advance(1)


def held(stage: Stage) -> None:
    """We hold a message."""
    sent(stage)
    (stage.message,) = stage.ours.receive()
    stage.script.advance(1)


def held_again(stage: Stage) -> None:
    """We hold a message in its second delivery."""
    sent(stage)
    stage.receive()
    stage.script.advance(TIMEOUT + 1)
    (stage.message,) = stage.ours.receive()
    stage.script.advance(1)


def dead(stage: Stage) -> None:
    """A message is in the dead-letter queue."""
    sent(stage)
    stage.others.bury(ID)
    stage.script.advance(1)


def used_up(stage: Stage) -> None:
    """A message was delivered as often as we allow, and is due again."""
    sent(stage)
    for _ in range(2):
        stage.receive()
        stage.script.advance(TIMEOUT + 1)


def unfit(stage: Stage) -> None:
    """An item in the queue lacks its version."""
    stage.put(without(legacy(ID, stage.script.now), "version"))
    stage.script.advance(1)


def undecodable(stage: Stage) -> None:
    """A message is due whose payload is not what we expect."""
    stage.others.send("no number", id=ID)
    stage.script.advance(1)


# --- what we do ------------------------------------------------------------------------------


def _act_of(trigger: str) -> Act:
    """Ask for a step of the machine: as the holder of the message, or as an operator."""
    if trigger in HOLDERS:
        return Act(held, lambda stage: call(stage.ours, trigger, stage.held))
    return Act(sent, lambda stage: call(stage.ours, trigger, ID))


ACTS = {
    **{trigger: _act_of(trigger) for trigger in (*HOLDERS, *OPERATORS)},
    "send": Act(nothing, lambda stage: stage.ours.send(1, id=ID), "PutItem"),
    "receive": Act(sent, lambda stage: stage.ours.receive()),
    "receive-many": Act(two_sent, lambda stage: stage.ours.receive(10), "BatchExecuteStatement"),
    "retry": Act(held, lambda stage: stage.ours.retry(stage.held, error="no luck")),
    "release-again": Act(held_again, lambda stage: stage.ours.release(stage.held)),
    "move_to_dlq": Act(held, lambda stage: stage.ours.move_to_dlq(stage.held, error="no use")),
    "bury": Act(sent, lambda stage: stage.ours.bury(ID, reason="not wanted")),
    "redrive": Act(dead, lambda stage: stage.ours.redrive(ID)),
    "exhaust": Act(used_up, lambda stage: stage.ours.receive()),
    "quarantine": Act(unfit, lambda stage: stage.ours.receive(), marks="#creation_timestamp"),
    "undecodable": Act(undecodable, lambda stage: stage.ours.receive(), marks="#errors"),
}


# --- what others do in between ---------------------------------------------------------------


def received(stage: Stage) -> None:
    """Another client receives it."""
    stage.receive()


def received_and_deleted(stage: Stage) -> None:
    """Another client receives it, and is done with it."""
    stage.others.delete(stage.receive())


def received_and_retried(stage: Stage) -> None:
    """Another client receives it and gives it back."""
    stage.others.retry(stage.receive(), error="theirs")


def received_later(stage: Stage) -> None:
    """Time passes, beyond any deadline, and another client receives it."""
    stage.script.advance(3 * TIMEOUT)
    stage.receive()


def received_later_and_deleted(stage: Stage) -> None:
    """The same, and the other client is done with it."""
    stage.script.advance(3 * TIMEOUT)
    received_and_deleted(stage)


def exhausted(stage: Stage) -> None:
    """Another client, which allows no more deliveries, dead-letters it."""
    stage.script.advance(1)
    assert stage.strict.receive() == []


def exhausted_later(stage: Stage) -> None:
    """Time passes, beyond any deadline, and another client finds the deliveries used up."""
    stage.script.advance(3 * TIMEOUT)
    exhausted(stage)


def redriven_and_exhausted(stage: Stage) -> None:
    """An operator brings it back, another client receives it, and a third one dead-letters it."""
    redriven_and_received(stage)
    exhausted_later(stage)


def buried(stage: Stage) -> None:
    """An operator buries it."""
    stage.script.advance(1)
    stage.others.bury(ID)


def buried_later(stage: Stage) -> None:
    """Time passes, beyond any deadline, and an operator buries it."""
    stage.script.advance(3 * TIMEOUT)
    stage.others.bury(ID)


def redriven(stage: Stage) -> None:
    """An operator brings it back."""
    stage.script.advance(1)
    stage.others.redrive(ID)


def redriven_and_received(stage: Stage) -> None:
    """An operator brings it back, and another client receives it."""
    redriven(stage)
    stage.receive()


def received_from_dlq(stage: Stage) -> None:
    """Another client receives it from the dead-letter queue."""
    stage.receive("DLQ")


def received_from_dlq_and_deleted(stage: Stage) -> None:
    """Another client receives it from the dead-letter queue, and is done with it."""
    stage.others.delete(stage.receive("DLQ"))


def refused_the_id(stage: Stage) -> None:
    """Another client tries to send a message with the same id, and is refused."""
    stage.script.advance(1)
    refusal = outcome_of(lambda stage: stage.others.send(9, id=ID), stage)
    assert isinstance(refusal, DynamoMQError)


def sent_anew(stage: Stage) -> None:
    """Another client sends another message with the same id, after the tombstone's time."""
    stage.script.advance(TOMBSTONE + 2)
    stage.others.send(9, id=ID)


def removed(stage: Stage) -> None:
    """The storage removes the expired item."""
    stage.script.advance(TOMBSTONE + 2)
    stage.remove(ID)

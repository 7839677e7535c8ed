"""A reply is lost, and the operation recognises its own success, as on DynamoDB."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import LocalEngine, OutcomeUnknownError, Queue, StaleReceiptError
from dynamomq.requests import Refused, Request, WriteBatch
from dynamomq.testing import Chance, Clock, Faults, FaultyEngine, QueueFactory
from dynamomq.values import Item, item_to_wire
from tests.support.clock import ManualClock
from tests.support.embedded import Table
from tests.support.scripted import lost, opened
from tests.support.triggers import CALLED, HOLDERS, OPERATORS, call
from tests.testing.acts import TIMEOUT, table_of


def test_a_lost_reply_of_send_is_no_duplicate(
    queue: Queue[Any], faults: Faults, engine: FaultyEngine
) -> None:
    """The repeated send is recognised: one message, written once, and the caller sees success."""
    with faults.lose_reply("send"):
        sent = queue.send("once")
    assert table_of(queue, engine)[sent.id] == sent.item
    assert (sent.version, queue.stats().standard.ready) == (1, 2)


Act = Callable[[Queue[Any], QueueFactory], object]


def act_of(trigger: str) -> Act:
    """Ask for a step of the machine: as the holder of the message, or as an operator."""
    if trigger in HOLDERS:
        return lambda queue, _: call(queue, trigger, *queue.receive())
    return lambda queue, _: call(queue, trigger, "m")


CALLS: dict[str, Act] = {
    **{trigger: act_of(trigger) for trigger in (*HOLDERS, *OPERATORS)},
    "send": lambda queue, _: queue.send("another", id="n"),
    "receive": lambda queue, _: queue.receive(),
    "retry": lambda queue, _: queue.retry(*queue.receive(), error="no"),
    "move_to_dlq": lambda queue, _: queue.move_to_dlq(*queue.receive(), error="no"),
    "redrive": lambda queue, _: (queue.bury("m"), queue.redrive("m")),
    "purge": lambda queue, _: queue.purge("STANDARD"),
    "write_batch": lambda queue, _: queue.receive(10),
    "query": lambda queue, _: list(queue.list()),
    "scan": lambda queue, _: list(queue.list(None)),
    "get": lambda queue, _: queue.get("m"),
    "get_many": lambda queue, _: list(queue.list()),
    "create_table": lambda _, make_queue: make_queue("another").stats(),
    "describe_table": lambda _, make_queue: make_queue("another").stats(),
    "enable_expiry": lambda _, make_queue: make_queue("another").stats(),
    "exhaust": lambda _, make_queue: exhaust(make_queue(max_receives=1)),
    "write": lambda queue, _: queue.receive(),
}


def exhaust(queue: Queue[Any]) -> object:
    """Receive a message that may be received once, and look for it again when it has expired."""
    return queue.receive(visibility_timeout=1), queue.receive(wait=5)


@pytest.mark.parametrize("name", CALLS)
def test_no_operation_minds_a_lost_reply(name: str) -> None:
    """A call whose reply is lost leaves the table as one whose reply is not (REPEATABLE)."""

    def story(*, lossy: bool) -> tuple[object, dict[str, Any]]:
        clock = Clock(chance=Chance())
        with FaultyEngine(LocalEngine(surroundings=clock.surroundings())) as engine:
            make_queue = QueueFactory(engine)
            queue = make_queue()
            queue.send("payload", id="m")
            if lossy:
                engine.faults.lose_reply(name)
            result = CALLS[name](queue, make_queue)
            return result, table_of(queue, engine)

    assert story(lossy=True) == story(lossy=False)


def test_every_call_loses_its_reply() -> None:
    """Whatever users can ask for is among the calls; one that is missing is to be added there."""
    assert set(CALLED) - CALLS.keys() == set()


def lost_on_dynamodb(request: Request[Any], stored: Item) -> object:
    """What the DynamoDB driver replies when boto3 had to repeat a request that had succeeded."""
    if isinstance(request, WriteBatch):
        refused = {"Error": {"Code": "ConditionalCheckFailed"}}
        answer = {"Responses": [refused] * 2, "ResponseMetadata": {"RetryAttempts": 1}}
        driver, _ = opened(answer)
    else:
        driver, _ = opened(lost(retries=1, Item=item_to_wire(stored)))
    return driver.execute(request)


def test_a_refusal_after_a_lost_reply_is_as_on_dynamodb() -> None:
    """The refusal by one's own success is the same reply as the DynamoDB driver's."""
    with LocalEngine() as storage:
        table, engine = Table(storage, ManualClock()), FaultyEngine(storage)
        driver = engine.open(table.definition)
        send = table.sending("m")
        engine.faults.lose_reply("send")
        reply = driver.execute(send)
        item = table.get("m")
        assert item is not None
        assert reply == Refused(item, repeated=True) == lost_on_dynamodb(send, item)

        table.send("n")
        batch = WriteBatch((table.receiving("m"), table.receiving("n")))
        engine.faults.lose_reply("receive")
        assert driver.execute(batch) == lost_on_dynamodb(batch, item)


def test_a_refusal_by_others_is_marked_too(queue: Queue[Any], faults: Faults, clock: Clock) -> None:
    """Where the first attempt was refused already, that can't be told either (WRITE-4)."""
    [held] = queue.receive()
    for _ in range(2):  # by somebody else, twice, so that the holder can't tell
        clock.advance(TIMEOUT)
        queue.receive()
    faults.lose_reply("retry")
    with pytest.raises(OutcomeUnknownError):
        queue.retry(held)
    faults.lose_reply("delete")
    with pytest.raises(StaleReceiptError):
        queue.delete(held)

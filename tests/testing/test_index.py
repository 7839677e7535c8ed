"""A frozen index shows the past, which costs refused claims and nothing else."""

from typing import Any

import pytest

from dynamomq import DynamoDBEngine, Queue
from dynamomq.testing import Clock, Faults, FaultyEngine, QueueFactory, UnusedFaultError
from tests.testing.acts import table_of


def test_a_stale_index_costs_refused_claims_only(
    queue: Queue[Any], faults: Faults, engine: FaultyEngine
) -> None:
    """What is taken is proposed again and refused; what is new is missed until the thaw."""
    with faults.freeze_index():
        [held] = queue.receive()
        before = table_of(queue, engine)
        assert queue.receive() == queue.receive(10) == []
        assert table_of(queue, engine) == before
        queue.send("new", id="n")
        assert [message.id for message in queue.list()] == ["m"]
        assert (queue.stats().standard.total, queue.stats().standard.ready) == (1, 1)
        queue.delete(held)
        assert queue.get("m").state == "DELETED"
    assert [message.id for message in queue.receive(10)] == ["n"]


def test_a_frozen_index_has_pages(
    queue: Queue[Any], faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing and a batch go through all of a frozen index, as they would otherwise."""
    monkeypatch.setattr("dynamomq.testing.index._PAGE", 100)
    sent = ["m", *(queue.send(number).id for number in range(300))]
    expected = sorted(queue.list(), key=lambda message: message.id)
    faults.freeze_index()
    for message in queue.receive(100):
        queue.extend(message, 60)
    listed = sorted(queue.list(), key=lambda message: message.id)
    assert [one.id for one in listed] == [one.id for one in expected]
    assert len(listed) == len(sent)
    assert queue.stats().standard.ready == 301
    assert len(queue.receive(250)) == 201
    faults.thaw_index()
    assert queue.stats().standard.ready == 0


def test_each_engine_has_its_view_of_the_index(engine: FaultyEngine, queue: Queue[Any]) -> None:
    """What one process sees late, another sees at once; both write to the same table."""
    other = FaultyEngine(engine.engine)
    with engine.faults.freeze_index():
        late, prompt = Queue("later", engine=engine), Queue("later", engine=other)
        late.create_table()
        prompt.send("payload")
        assert (late.receive(), len(prompt.receive())) == ([], 1)
        assert late.stats().standard.total == 0
        assert [message.id for message in Queue(engine=other).receive()] == ["m"]
        assert queue.stats().standard.ready == 1
    assert queue.stats().standard.processing == late.stats().standard.processing == 1


def test_freezing_again_moves_the_moment(queue: Queue[Any], faults: Faults) -> None:
    """The later freeze counts; a thaw ends it, and another does nothing."""
    faults.freeze_index()
    queue.send("new", id="n")
    assert queue.stats().standard.ready == 1
    faults.freeze_index()
    queue.receive(10)
    assert queue.stats().standard.ready == 2
    faults.thaw_index()
    faults.thaw_index()
    assert (queue.stats().standard.processing, faults.unused) == (2, ())


def test_a_freeze_without_stale_answers_is_unused(queue: Queue[Any], faults: Faults) -> None:
    """An index that stood still while nothing changed has tested nothing."""
    with (
        pytest.raises(UnusedFaultError, match=r"freeze_index\(\)"),
        faults.freeze_index(),
    ):
        assert len(queue.receive()) == 1
    assert queue.receive() == []


def test_dynamodb_can_be_faulty_too(dynamodb_client: Any, table_name: str) -> None:
    """In front of DynamoDB, lost replies and a frozen index do what they do in memory."""
    clock = Clock()
    storage = DynamoDBEngine(client=dynamodb_client, surroundings=clock.surroundings())
    with FaultyEngine(storage) as engine:
        queue = QueueFactory(engine)(table_name)
        with engine.faults.lose_reply("send"):
            queue.send("payload", id="m")
        with pytest.raises(UnusedFaultError), engine.faults.freeze_index():
            assert queue.stats().standard.ready == 1
        with engine.faults.freeze_index():
            assert len(queue.receive()) == 1
            assert queue.receive() == queue.receive(10) == []
        assert queue.get("m").version == 2

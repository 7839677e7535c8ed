"""The recording engine writes down what operations ask for, and what they are told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from dynamomq import Entry, LocalEngine, Message, Queue, StaleReceiptError, UnavailableError
from dynamomq.testing import Clock, FaultyEngine
from model_tests.chaos.recording import RecordingEngine
from model_tests.history.log import Log, SkewedClock, digest, payload_digest, read_logs
from model_tests.history.recorded import RecordedQueue
from model_tests.history.records import MessageHistory, Outcome, assemble

DATA = {"number": 7}


@define
class Recording:
    """A queue, of which one process's use is recorded, and another one's is not."""

    folder: Path
    clock: Clock
    engine: FaultyEngine
    queue: Queue[Any]
    other: Queue[Any]

    def receive(self, queue: Queue[Any] | None = None) -> Message[Any]:
        """Receive the message."""
        (message,) = (queue or self.queue).receive()
        return message

    def history(self) -> MessageHistory:
        """What is known of the message by now."""
        (message,) = assemble(read_logs(self.folder)).messages.values()
        return message

    def names(self) -> list[str]:
        """The names of the message's events."""
        return [event.name for event in self.history().events]


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    """A queue with one message in it."""
    clock = Clock()
    engine = FaultyEngine(LocalEngine(surroundings=clock.surroundings()))
    with Log(tmp_path, "anna", SkewedClock(0)) as log, engine:
        other: Queue[Any] = Queue("recorded", engine=engine.engine, max_receives=2)
        other.create_table()
        other.send(DATA)
        recorded = RecordingEngine(engine, log, timeout=30)
        queue: Queue[Any] = Queue("recorded", engine=recorded, max_receives=2)
        yield Recording(tmp_path, clock, engine, queue, other)
        recorded.close()


@pytest.mark.parametrize("batch", [1, 10])
def test_a_delivery_is_recorded(recording: Recording, batch: int) -> None:
    """Claims are noted before they are asked for, single or in a batch, and then what came."""
    (message,) = recording.queue.receive(batch)
    assert recording.names() == ["claim begun", "delivered"]
    (delivery,) = recording.history().deliveries
    assert delivery.receipt == digest(message.receipt or "")
    assert delivery.payload == payload_digest(DATA)
    assert (delivery.version, delivery.receive_count, delivery.queue) == (2, 1, "STANDARD")
    assert delivery.first_deadline == delivery.claimed + delivery.timeout
    claim, _ = recording.history().events
    assert claim.details["receipt"] == delivery.receipt


def test_reading_is_no_delivery(recording: Recording) -> None:
    """Who lists messages is not their holder, whoever is."""
    message = recording.receive(recording.other)
    recording.clock.advance(60)
    recording.receive()
    names = recording.names()
    assert [one.id for one in recording.queue.list()] == [message.id]
    assert recording.names() == names


@pytest.mark.parametrize("operation", ["retry", "release", "delete", "move_to_dlq"])
def test_giving_up_is_recorded(recording: Recording, operation: str) -> None:
    """What a holder asks for is noted before, and its outcome afterwards."""
    getattr(recording.queue, operation)(recording.receive())
    (call,) = recording.history().deliveries[0].calls
    assert (call.operation, call.outcome) == (operation, Outcome.DONE)
    assert recording.names()[-2:] == [f"{operation} begun", f"{operation} done"]


@pytest.mark.parametrize("operation", ["retry", "release", "delete"])
def test_a_batch_is_recorded_message_by_message(recording: Recording, operation: str) -> None:
    """Each message of a batch has its own outcome: one is done, another one's delivery is over."""
    late = recording.receive()
    recording.clock.advance(60)
    recording.receive(recording.other)
    recording.other.send(DATA, id="in time")
    in_time = recording.receive()
    getattr(recording.queue, f"{operation}_batch")([late, in_time])
    messages = assemble(read_logs(recording.folder)).messages
    outcomes = {id: message.deliveries[0].calls[0].outcome for id, message in messages.items()}
    assert outcomes == {late.id: Outcome.REFUSED, "in time": Outcome.DONE}


def test_a_batch_that_fails_is_of_unknown_outcome(recording: Recording) -> None:
    """No reply came to a batch; what has become of its messages is not known."""
    message = recording.receive()
    with recording.engine.faults.time_out("delete", executed=True):
        (result,) = recording.queue.delete_batch([message])
    assert isinstance(result.error, UnavailableError)
    assert recording.history().deliveries[0].calls[0].outcome is Outcome.UNKNOWN


def test_extensions_in_a_batch_are_recorded(recording: Recording) -> None:
    """Each extended message has its own deadline."""
    message = recording.receive()
    recording.clock.advance(10)
    recording.queue.extend_batch([message], 60)
    (call,) = recording.history().deliveries[0].calls
    assert (call.operation, call.timeout) == ("extend", 60_000_000_000)
    assert call.deadline == recording.clock.now + 60_000_000_000


def test_the_delay_of_a_retry_is_recorded(recording: Recording) -> None:
    """NOT-EARLY needs to know after how long a message is to be due again."""
    recording.queue.retry(recording.receive(), delay=5)
    (call,) = recording.history().deliveries[0].calls
    assert call.delay == 5_000_000_000


def test_an_extension_is_recorded(recording: Recording) -> None:
    """Both how much longer was asked for, and the deadline that was granted."""
    message = recording.receive()
    recording.clock.advance(10)
    recording.queue.extend(message, 60)
    (call,) = recording.history().deliveries[0].calls
    assert (call.operation, call.timeout) == ("extend", 60_000_000_000)
    assert call.deadline == recording.clock.now + 60_000_000_000


def test_a_stale_call_is_recorded(recording: Recording) -> None:
    """FENCED needs to know that it was told to have come too late."""
    message = recording.receive()
    recording.clock.advance(60)
    recording.receive(recording.other)
    with pytest.raises(StaleReceiptError):
        recording.queue.delete(message)
    assert recording.history().deliveries[0].calls[0].outcome is Outcome.REFUSED


def test_a_failed_call_is_of_unknown_outcome(recording: Recording) -> None:
    """No reply ever came; whether the deletion has taken place is not known."""
    message = recording.receive()
    with (
        recording.engine.faults.time_out("delete", executed=True),
        pytest.raises(UnavailableError),
    ):
        recording.queue.delete(message)
    assert recording.history().deliveries[0].calls[0].outcome is Outcome.UNKNOWN


def test_a_repeated_call_is_one_call(recording: Recording) -> None:
    """An operation that repeats its request asks for one thing, and is told one outcome."""
    message = recording.receive()
    with recording.engine.faults.throttle("delete"):
        recording.queue.delete(message)
    assert recording.names()[-2:] == ["delete begun", "delete done"]


def test_an_exhausted_message_is_recorded(recording: Recording) -> None:
    """A receive that finds the deliveries used up dead-letters the message."""
    for _ in range(2):
        recording.receive(recording.other)
        recording.clock.advance(60)
    assert not recording.queue.receive()
    assert recording.names() == ["exhaust begun", "exhaust done"]


# --- message groups --------------------------------------------------------------------------


@pytest.fixture
def grouped(recording: Recording) -> Recording:
    """The same with the first message gone, and with ``a``, ``b`` and ``c`` in a group."""
    recording.other.delete(recording.receive(recording.other))
    for id in ("a", "b", "c"):
        recording.other.send(DATA, id=id, group="g")
    return recording


def messages(recording: Recording) -> dict[str, MessageHistory]:
    """What is known of each message by now."""
    return assemble(read_logs(recording.folder)).messages


def test_a_place_in_a_group_is_recorded(grouped: Recording) -> None:
    """Who receives a message reads there who its neighbours are."""
    grouped.other.delete(grouped.receive(grouped.other))
    grouped.receive()
    (delivery,) = messages(grouped)["b"].deliveries
    assert (delivery.group, delivery.previous, delivery.next) == ("g", "a", "c")


def test_a_deletion_that_receives_the_next_is_recorded(grouped: Recording) -> None:
    """It is a call about the one message and a delivery of the other."""
    grouped.queue.delete(grouped.receive(), receive_next=True)
    known = messages(grouped)
    (call,) = known["a"].deliveries[0].calls
    assert (call.operation, call.outcome) == ("delete", Outcome.DONE)
    claim, delivered = known["b"].events
    assert (claim.name, claim.details["by"]) == ("claim begun", "advance")
    assert delivered.name == "delivered"
    assert claim.details["receipt"] == known["b"].deliveries[0].receipt


def test_an_exhausted_head_is_recorded(grouped: Recording) -> None:
    """It leaves its group by a transaction, planned anew when the first one shows its links."""
    for _ in range(2):
        grouped.receive(grouped.other)
        grouped.clock.advance(60)
    (next_one,) = [*grouped.queue.receive(), *grouped.queue.receive()]
    assert next_one.id == "b"
    names = [event.name for event in messages(grouped)["a"].events]
    assert names == ["exhaust begun", "exhaust refused", "exhaust begun", "exhaust done"]


def test_a_plan_that_has_to_be_made_anew_is_recorded(grouped: Recording) -> None:
    """A successor has joined since the last message was received; its deletion did not know."""
    for _ in range(2):
        grouped.other.delete(grouped.receive(grouped.other))
    last = grouped.receive()
    grouped.other.send(DATA, id="d", group="g")
    grouped.queue.delete(last)
    events = [event for event in read_logs(grouped.folder) if event.name == "transaction cancelled"]
    assert [event.details["trigger"] for event in events] == ["delete"]
    assert messages(grouped)["c"].deliveries[0].calls[0].outcome is Outcome.DONE


@pytest.mark.parametrize("together", [True, False], ids=["in a batch", "alone"])
def test_sends_into_a_group_are_recorded(grouped: Recording, together: bool) -> None:
    """Which group a message was meant for, and the place that its sender was told."""
    with Log(grouped.folder, "dora", SkewedClock(0)) as log:
        sender = RecordedQueue(grouped.other, log, timeout=30)
        if together:
            assert not sender.send_batch([Entry(DATA, id=id, group="g") for id in ("d", "a")])
        else:
            assert all(sender.send(id, DATA, group="g") for id in ("d", "a"))
    known = messages(grouped)
    (accepted,), (refused,) = known["d"].sends, known["a"].sends
    assert (accepted.group, accepted.previous, accepted.outcome) == ("g", "c", Outcome.DONE)
    assert (refused.group, refused.previous, refused.outcome) == ("g", None, Outcome.REFUSED)

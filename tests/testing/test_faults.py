"""Faults, as users arm them, strike real queues, and each does what it says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import Any

import pytest

from dynamomq import (
    ClosedError,
    ConflictError,
    DuplicateMessageError,
    InternalError,
    InvalidArgumentError,
    LocalEngine,
    Queue,
    TableNotFoundError,
    ThrottledError,
    UnavailableError,
    operations,
)
from dynamomq.machine import MESSAGE
from dynamomq.operations import Outgoing
from dynamomq.requests import Failed, Refused, WriteBatch, Written
from dynamomq.reserved import RESERVED
from dynamomq.table import TableDefinition
from dynamomq.testing import Clock, Crash, Faults, FaultyEngine, QueueFactory, UnusedFaultError
from tests.support.clock import ManualClock
from tests.support.embedded import Table
from tests.testing.acts import reopened, work

KINDS = (
    "create_table",
    "describe_table",
    "enable_expiry",
    "get",
    "get_many",
    "query",
    "scan",
    "transact",
    "write",
    "write_batch",
)

# --- other failures --------------------------------------------------------------------------


def test_an_error_that_nobody_hears_is_none(
    faults: Faults, engine: FaultyEngine, queue: Queue[Any]
) -> None:
    """Where the struck request fails anyway, the fault shows, and not the lost reply's error."""
    settings = queue.settings

    def send() -> None:
        absent = engine.open(TableDefinition("absent"))
        absent.run(operations.send(settings, Outgoing("payload")))

    with faults.crash("send", when="after"):
        send()
    with faults.time_out("send", executed=True), pytest.raises(UnavailableError):
        send()
    with faults.lose_reply("send"), pytest.raises(TableNotFoundError):
        send()


def test_a_timeout_may_hide_a_success(queue: Queue[Any], faults: Faults) -> None:
    """The caller learns that nothing is known; the write took place if the test says so."""
    with faults.time_out("send", executed=False), pytest.raises(UnavailableError, match="known"):
        queue.send("first", id="n")
    with faults.time_out("send", executed=True), pytest.raises(UnavailableError, match="known"):
        queue.send("second", id="n")
    with pytest.raises(DuplicateMessageError):
        queue.send("third", id="n")
    assert queue.get("n").data == "second"


@pytest.mark.parametrize(
    ("kind", "error"), [("throttle", ThrottledError), ("conflict", ConflictError)]
)
def test_contention_passes_or_surfaces(
    queue: Queue[Any],
    faults: Faults,
    clock: Clock,
    kind: str,
    error: type[Exception],
) -> None:
    """Four refusals in a row cost pauses, five surface; the request was never carried out."""
    arm = getattr(faults, kind)
    arm("receive", times=4)
    assert len(queue.receive()) == 1
    assert len(clock.naps) == 4
    arm("send", times=5)
    with pytest.raises(error, match="send on table"):
        queue.send("another", id="n")
    assert "n" not in {message.id for message in queue.list(None)}
    assert faults.unused == ()


@pytest.mark.parametrize("executed", [True, False])
def test_an_internal_error_passes(
    queue: Queue[Any], faults: Faults, clock: Clock, executed: bool
) -> None:
    """Four in a row cost pauses; what was carried out already is recognised, and is done once."""
    faults.fail("send", executed=executed, times=4)
    sent = queue.send("another", id="n")
    faults.fail("receive", executed=executed, times=4)
    held = queue.receive(10)
    faults.fail("delete", executed=executed, times=4)
    queue.delete(held[0])
    assert (sent.version, len(clock.naps)) == (1, 12)
    assert [(one.id, one.version, one.receive_count) for one in held] == [("m", 2, 1), ("n", 2, 1)]
    assert (queue.get("m").state, queue.get("m").version) == ("DELETED", 3)
    faults.check()


@pytest.mark.parametrize("executed", [True, False])
def test_an_internal_error_surfaces(queue: Queue[Any], faults: Faults, executed: bool) -> None:
    """The fifth in a row surfaces; the write took place if the test says so."""
    faults.fail("send", executed=executed, times=5)
    with pytest.raises(InternalError, match=r"failed at send on table .* not known"):
        queue.send("another", id="n")
    assert {message.id for message in queue.list(None)} == ({"m", "n"} if executed else {"m"})
    faults.check()


# --- half a batch ----------------------------------------------------------------------------


def test_a_throttled_part_of_a_batch_is_repeated(
    queue: Queue[Any], faults: Faults, clock: Clock
) -> None:
    """What is throttled is claimed in the next attempt; the others have been claimed, once."""
    queue.send("another", id="n")
    with faults.throttle("receive", ids=["m"], times=2):
        held = queue.receive(10)
    assert [(one.id, one.version) for one in held] == [("m", 2), ("n", 2)]
    assert len(clock.naps) == 2


@pytest.mark.parametrize("name", ["receive", "write_batch"])
def test_a_throttled_part_of_a_batch_is_left(
    queue: Queue[Any], faults: Faults, clock: Clock, name: str
) -> None:
    """What stays throttled is left for the next receive, and keeps nobody from the others."""
    queue.send("another", id="n")
    with faults.throttle(name, ids=["m"], times=5):
        assert [one.id for one in queue.receive(10)] == ["n"]
    assert len(clock.naps) == 4
    assert queue.get("m").version == 1
    assert [one.id for one in queue.receive(10)] == ["m"]


def test_throttling_of_all_in_a_batch_surfaces(queue: Queue[Any], faults: Faults) -> None:
    """Where nothing of a batch can be claimed, the caller hears of it."""
    queue.send("another", id="n")
    with (
        faults.throttle("receive", ids={"m", "n"}, times=5),
        pytest.raises(ThrottledError, match="receive on table"),
    ):
        queue.receive(10)
    assert len(queue.receive(10)) == 2


def test_throttling_of_a_message_is_no_others(queue: Queue[Any], faults: Faults) -> None:
    """Writes to other messages do not count, and a single write is throttled as a whole."""
    [held] = queue.receive()
    fault = faults.throttle("send", ids=["n", "o"], nth=2, times=5)
    queue.send("first", id="n")
    queue.send("other", id="p")
    with pytest.raises(ThrottledError, match="send on table"):
        queue.send("second", id="o")
    faults.throttle("delete", ids=["n"])
    queue.delete(held)
    assert (fault.happened, faults.unused) == (5, ("throttle('delete', ids=['n'])",))
    faults.clear()


def test_the_replies_of_half_a_batch_are_as_on_dynamodb() -> None:
    """A throttled statement fails alone; a refusal beside it shows no item, as in any batch."""
    with LocalEngine() as storage:
        table, engine = Table(storage, ManualClock()), FaultyEngine(storage)
        driver = engine.open(table.definition)
        for id in ("m", "n", "taken"):
            table.send(id)
        table.receive("taken")
        batch = WriteBatch(tuple(table.receiving(id) for id in ("m", "n", "taken")))
        engine.faults.throttle("receive", ids=["n"])
        won, throttled, lost = driver.execute(batch)
        assert isinstance(won, Written)
        assert isinstance(throttled, Failed)
        assert isinstance(throttled.error, ThrottledError)
        assert lost == Refused(None, shown=False)
        engine.faults.throttle("receive", ids=["m", "n"])
        assert driver.execute(batch)[2] == lost


# --- which request ---------------------------------------------------------------------------


def test_the_nth_request_is_struck(queue: Queue[Any], faults: Faults) -> None:
    """Requests before the nth, and after the last, are carried out."""
    faults.time_out("send", executed=False, nth=2, times=2)
    outcomes = []
    for number in range(5):
        try:
            outcomes.append(queue.send(number).data)
        except UnavailableError:
            outcomes.append(None)
    assert outcomes == [0, None, None, 3, 4]


def test_faults_take_turns(queue: Queue[Any], faults: Faults) -> None:
    """Of several faults for one request the first one strikes, and the others wait."""
    faults.throttle("receive", times=2)
    faults.lose_reply("receive")
    with faults.crash("write"):
        work(queue)
    assert reopened(queue).get("m").state == "STANDARD.PROCESSING"
    faults.check()


def test_requests_have_the_machines_names(faults: Faults) -> None:
    """All that the machine writes and all that reaches a storage can be struck, nothing else."""
    by_time = {step.trigger for step in MESSAGE.transitions if step.by == "time"}
    for trigger in chain.from_iterable(one.triggers for one in (MESSAGE, *RESERVED)):
        if trigger in by_time:
            with pytest.raises(InvalidArgumentError, match="no request has this name"):
                faults.crash(trigger)
        else:
            faults.crash(trigger)
    for name in KINDS:
        faults.throttle(name)
    for name in ("sleep", "tick", "request", "Write", "", "ack"):
        with pytest.raises(InvalidArgumentError, match=r"Pass one of .*delete.*query"):
            faults.lose_reply(name)


@pytest.mark.parametrize(
    "arm",
    [
        lambda faults: faults.crash(None),
        lambda faults: faults.crash(["delete"]),
        lambda faults: faults.crash("delete", when="during"),
        lambda faults: faults.crash("delete", nth=0),
        lambda faults: faults.throttle("receive", times=0),
        lambda faults: faults.throttle("receive", times=1.5),
        lambda faults: faults.lose_reply("send", times=True),
        lambda faults: faults.time_out("send", executed="no"),
        lambda faults: faults.fail("send", executed=None),
        lambda faults: faults.throttle("send", ids="m"),
        lambda faults: faults.throttle("send", ids=[]),
        lambda faults: faults.throttle("send", ids=["m", 1]),
        lambda faults: faults.throttle("query", ids=["m"]),
        lambda faults: faults.throttle("ack", ids=["m"]),
    ],
)
def test_what_is_no_fault_is_refused(faults: Faults, arm: Callable[[Faults], object]) -> None:
    """A bad argument is refused at once, and arms nothing."""
    with pytest.raises(InvalidArgumentError):
        arm(faults)
    assert faults.unused == ()


@pytest.mark.parametrize("storage", [None, "queue.db", LocalEngine])
def test_what_is_no_engine_is_refused(storage: Any) -> None:
    """Faults are put in front of an engine."""
    with pytest.raises(InvalidArgumentError, match="engine="):
        FaultyEngine(storage)


def test_threads_share_faults(queue: Queue[Any], faults: Faults) -> None:
    """Whichever thread it meets, a fault strikes exactly as often as it was asked to."""
    faults.time_out("send", executed=False, times=50)

    def send(number: int) -> bool:
        try:
            queue.send(number)
        except UnavailableError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        sent = sum(pool.map(send, range(100)))
    assert (sent, queue.stats().standard.ready) == (50, 51)


# --- what did not happen ---------------------------------------------------------------------


def test_what_did_not_happen_is_told(queue: Queue[Any], faults: Faults) -> None:
    """Faults that never struck, or not often enough, are listed by the call that armed them."""
    faults.crash("delete", when="after", nth=2)
    faults.throttle("send", times=3)
    faults.freeze_index()
    with faults.crash("query"):
        queue.receive()
    queue = reopened(queue)
    queue.send("another")
    expected = (
        "crash('delete', when='after', nth=2)",
        "freeze_index()",
    )
    assert faults.unused == expected
    assert expected[0] in repr(faults)
    with pytest.raises(UnusedFaultError, match="crash") as caught:
        faults.check()
    assert caught.value.unused == expected
    faults.clear()
    faults.check()
    assert len(work(queue) + work(queue)) == 2


def test_a_block_insists_on_its_fault(queue: Queue[Any], faults: Faults) -> None:
    """At the end of its block a fault must have happened; then it is disarmed."""
    with (
        pytest.raises(UnusedFaultError, match=r"times=2\), of which 1 happened"),
        faults.time_out("get", executed=False, times=2),
        suppress(UnavailableError),
    ):
        queue.get("m")
    faults.check()
    queue.get("m")


def test_a_block_hides_no_error(queue: Queue[Any], faults: Faults, engine: FaultyEngine) -> None:
    """An error of the code under test comes through, and so does another fault's crash."""
    with pytest.raises(ZeroDivisionError), faults.crash("delete"):
        raise ZeroDivisionError
    other = FaultyEngine(engine.engine)
    other.faults.crash("get")
    with pytest.raises(Crash), faults.crash("delete"):
        Queue(engine=other).get("m")
    faults.crash("delete")
    with pytest.raises(Crash), faults.lose_reply("receive"):
        work(queue)
    assert reopened(queue).get("m").state == "STANDARD.PROCESSING"


def test_an_engines_block_insists_on_its_faults() -> None:
    """At its end the engine is closed, and what was armed must have happened, bar an error."""

    def block(faulty: FaultyEngine, *, error: bool) -> None:
        with faulty:
            faulty.faults.crash("delete")
            faulty.faults.freeze_index()
            if error:
                raise ZeroDivisionError

    for error, expected in ((False, UnusedFaultError), (True, ZeroDivisionError)):
        faulty = FaultyEngine(LocalEngine())
        queue = QueueFactory(faulty)()
        with pytest.raises(expected):
            block(faulty, error=error)
        with pytest.raises(ClosedError):
            queue.stats()

"""The list of consumers, and that their entries are no messages (CONSUMER-1)."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import InvalidArgumentError, Queue, QueueType
from dynamomq.operations import Claimer, Load
from dynamomq.timestamps import SECOND
from tests.contract.engines import BEYOND_MOTO, Table
from tests.contract.situations import TIMEOUT
from tests.support.clock import ManualClock

Begin = Callable[..., Claimer]

BUSY = Load(in_flight=7, rate=12.5)
FULL = Load(in_flight=8, rate=0.04, full=True)


@pytest.fixture
def begin(queue: Queue[Any]) -> Begin:
    """Lets a consumer begin: it shows itself."""

    def begin_one(
        pid: int = 4711, source: QueueType = QueueType.STANDARD, load: Load | None = None
    ) -> Claimer:
        claimer = Claimer(queue.settings, source, TIMEOUT * SECOND, SECOND, "host.example", pid)
        queue.run(claimer.attend(load or Load()))
        return claimer

    return begin_one


def renew(queue: Queue[Any], clock: ManualClock, one: Claimer, load: Load) -> None:
    """Let a consumer renew its lease."""
    clock.advance(11)
    queue.run(one.attend(load))


def pids(queue: Queue[Any]) -> list[int]:
    """Who is listed."""
    return [one.pid for one in queue.consumers()]


def test_nobody_is_there(queue: Queue[Any]) -> None:
    """An empty list; also beside messages."""
    queue.send(1)
    assert queue.consumers() == []


def test_a_consumer_is_listed(queue: Queue[Any], clock: ManualClock, begin: Begin) -> None:
    """With machine, process, beginning and lease; at first it has done nothing."""
    begin()
    (shown,) = queue.consumers()
    assert (shown.host, shown.pid, shown.source) == ("host.example", 4711, QueueType.STANDARD)
    assert (shown.since, shown.lease_until) == (clock.moment(), clock.moment(30))
    assert (shown.in_flight, shown.rate, shown.full) == (0, 0.0, False)
    assert shown.id.startswith("$consumer#STANDARD#")


def test_a_renewal_shows_the_load(queue: Queue[Any], clock: ManualClock, begin: Begin) -> None:
    """How many it works on, how many a second it has finished, and whether it is full."""
    one = begin()
    since = clock.moment()
    renew(queue, clock, one, BUSY)
    (shown,) = queue.consumers()
    assert (shown.in_flight, shown.rate, shown.full) == (7, 12.5, False)
    assert (shown.since, shown.lease_until) == (since, clock.moment(30))
    renew(queue, clock, one, FULL)
    (shown,) = queue.consumers()
    assert (shown.in_flight, shown.rate, shown.full) == (8, 0.0, True)
    renew(queue, clock, one, Load())
    (shown,) = queue.consumers()
    assert (shown.in_flight, shown.full) == (0, False)


def test_all_are_listed_by_age(queue: Queue[Any], clock: ManualClock, begin: Begin) -> None:
    """Those of both queues, the longest-serving first; each of them sees those of its own."""
    for pid, source in ((3, "STANDARD"), (1, "DLQ"), (2, "STANDARD")):
        latest = begin(pid, QueueType(source))
        clock.advance(1)
    assert pids(queue) == [3, 1, 2]
    assert len(latest.others) == 1


def test_who_leaves_is_gone(queue: Queue[Any], table: Table, begin: Begin) -> None:
    """At once, and nothing is left of its entry. Leaving twice does no harm."""
    one, _ = begin(1), begin(2)
    queue.run(one.leave())
    assert pids(queue) == [2]
    queue.run(one.leave())
    assert len(table.items()) == 1


def test_who_died_is_gone_after_its_lease(
    queue: Queue[Any], clock: ManualClock, begin: Begin
) -> None:
    """30 s after its last renewal; storage removes the entry an hour later."""
    one, _ = begin(1), begin(2)
    renew(queue, clock, one, BUSY)
    clock.advance(18.9)
    assert sorted(pids(queue)) == [1, 2]
    clock.advance(0.2)
    assert pids(queue) == [1]
    clock.advance(11)
    assert pids(queue) == []


def test_an_entry_expires_by_itself(table: Table, clock: ManualClock, begin: Begin) -> None:
    """DynamoDB's TTL finds an hour after the lease: nobody cleans up after those that died."""
    begin()
    (entry,) = table.items().values()
    assert entry["expires_at"] == clock.now // SECOND + 30 + 3600
    assert entry["queue_type"] == "$CONSUMERS"


@pytest.mark.parametrize("engine", BEYOND_MOTO, indirect=True)
def test_more_consumers_than_can_be_read_at_once(queue: Queue[Any], begin: Begin) -> None:
    """120 are listed, each once."""
    for pid in range(120):
        begin(pid)
    assert sorted(pids(queue)) == list(range(120))


def test_entries_are_no_messages(queue: Queue[Any], begin: Begin) -> None:
    """They are neither listed, nor counted, nor delivered."""
    begin()
    begin(2, QueueType.DLQ)
    sent = queue.send(1)
    assert [message.id for message in queue.list()] == [sent.id]
    assert [message.id for message in queue.list("DLQ")] == []
    assert [message.id for message in queue.list(None)] == [sent.id]
    stats = queue.stats()
    assert (stats.standard.total, stats.dlq.total) == (1, 0)
    assert [message.id for message in queue.receive(10)] == [sent.id]
    assert queue.receive(10, source="DLQ") == []


def test_operations_on_messages_refuse_their_ids(queue: Queue[Any], begin: Begin) -> None:
    """Ids that begin with $ are reserved: no message can be sent, read or edited under one."""
    begin()
    (shown,) = queue.consumers()
    refusals: list[Callable[[], object]] = [
        lambda: queue.send(1, id=shown.id),
        lambda: queue.get(shown.id),
        lambda: queue.bury(shown.id),
        lambda: queue.redrive(shown.id),
    ]
    for refused in refusals:
        with pytest.raises(InvalidArgumentError, match="id="):
            refused()
    assert len(queue.consumers()) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "$consumer#STANDARD#2040-01-01T00:00:00.000000000Z#odd"},
        {"id": "$consumer#STANDARD#long ago#odd"},
        {"id": "$consumer#SOMETHING#2040-01-01T00:00:00.000000000Z#odd"},
        {"id": "$consumer"},
        {"id": "m"},
        {
            "id": "$consumer#STANDARD#2040-01-01T00:00:00.000000000Z#odd",
            "creation_timestamp": "long ago",
            "host": 1,
            "pid": "one",
            "in_flight": None,
            "rate": "fast",
        },
    ],
    ids=str,
)
def test_odd_entries_do_no_harm(
    queue: Queue[Any], table: Table, clock: ManualClock, begin: Begin, odd: dict[str, Any]
) -> None:
    """Whatever another port, or a mistake, puts there: the others are listed, and can claim."""
    one = begin(1)
    sent = queue.send(1)
    entry = {"queue_type": "$CONSUMERS", "queue_add_timestamp": clock.text(60), "status": "READY"}
    table.put({**entry, **odd})
    clock.advance(1)
    assert 1 in pids(queue)
    clock.advance(11)
    assert [message.id for message in queue.run(one.claim(1, Load()))] in ([sent.id], [])
    clock.advance(5)
    queue.run(one.claim(1, Load()))
    assert queue.get(sent.id).state == "STANDARD.PROCESSING"


@pytest.mark.parametrize("until", ["tomorrow", "2040-13-01", "9"], ids=str)
def test_an_odd_lease_does_no_harm(
    queue: Queue[Any], table: Table, begin: Begin, until: str
) -> None:
    """A lease that is no timestamp, but stands behind all that are, is passed over."""
    begin(1)
    id = "$consumer#STANDARD#2040-01-01T00:00:00.000000000Z#odd"
    table.put({"id": id, "queue_type": "$CONSUMERS", "queue_add_timestamp": until})
    assert 1 in pids(queue)

"""Consumers over groups: many groups at once, one message per group, in order."""

import threading
from collections import defaultdict
from collections.abc import Sequence

from attrs import define, field

from dynamomq import Delivery, Reject
from tests.consumer.support import behind, engine, eventually, opened, running, running_in_batches
from tests.support.lists import orders

GROUPS, EACH = 6, 8


@define(eq=False)
class Desk:
    """Notes what is handled: in which order, and what at the same time.

    Attributes:
        handled: the payloads' numbers, by group; by its id where a message has none.
        open: the groups of which a message is being handled.
        most: how many groups there were at once, at most.
        clashes: groups of which two messages were handled at once.
    """

    handled: dict[str, list[int]] = field(factory=lambda: defaultdict(list))
    open: set[str] = field(factory=set)
    most: int = 0
    clashes: list[str] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    def begin(self, delivery: Delivery[int]) -> None:
        """A message is taken up."""
        group = delivery.group or delivery.id
        with self._lock:
            self.clashes += [group] if group in self.open else []
            self.open.add(group)
            self.most = max(self.most, len(self.open))

    def end(self, delivery: Delivery[int]) -> None:
        """A message is done."""
        group = delivery.group or delivery.id
        with self._lock:
            self.open.remove(group)
            self.handled[group].append(delivery.data)

    @property
    def total(self) -> int:
        """How many are done."""
        with self._lock:
            return sum(map(len, self.handled.values()))


def test_many_groups_at_once_one_message_each() -> None:
    """FIFO: each group in order, one at a time; several groups in parallel."""
    storage, desk = engine(), Desk()
    queue = opened(storage)
    for number in range(EACH):
        for group in range(GROUPS):
            queue.send(number, group=f"g{group}")
    meeting = threading.Barrier(3, timeout=20)  # passed only by three at once
    met = threading.Event()

    def handle(delivery: Delivery[int]) -> None:
        desk.begin(delivery)
        if not met.is_set() and delivery.data == 0 and delivery.group in ("g0", "g1", "g2"):
            meeting.wait()
            met.set()
        desk.end(delivery)

    with running(queue, handle, concurrency=4) as consumer:
        eventually("all messages", lambda: desk.total == GROUPS * EACH)
        consumer.stopped()
    assert desk.handled == {f"g{group}": list(range(EACH)) for group in range(GROUPS)}
    assert desk.clashes == []
    assert 3 <= desk.most <= 4
    assert orders(behind(storage).items()) == {}


def test_a_poisonous_head_blocks_its_group_only() -> None:
    """Until its deliveries are used up, its successors wait; other groups do not."""
    storage, desk = engine(), Desk()
    queue = opened(storage, max_receives=3)
    for group in ("bad", "good"):
        for number in range(EACH):
            queue.send(number, id=f"{group}{number}", group=group)
    failures: list[int] = []

    def handle(delivery: Delivery[int]) -> None:
        if delivery.id == "bad0":
            failures.append(delivery.receive_count)
            raise ValueError("poison")
        if delivery.id == "bad3":
            raise Reject("not wanted")
        assert delivery.group == "good" or len(failures) == 3
        desk.begin(delivery)
        desk.end(delivery)

    with running(queue, handle, concurrency=4) as consumer:
        eventually("all but two", lambda: desk.total == 2 * EACH - 2)
        consumer.stopped()
    assert failures == [1, 2, 3]
    assert desk.handled == {"good": list(range(EACH)), "bad": [1, 2, 4, 5, 6, 7]}
    assert {message.id for message in queue.list("DLQ")} == {"bad0", "bad3"}
    assert orders(behind(storage).items()) == {}


def test_batches_hold_one_message_of_each_group() -> None:
    """A BatchConsumer gets heads only, each group's in order, beside messages without a group."""
    storage, desk = engine(), Desk()
    queue = opened(storage)
    for number in range(EACH):
        for group in range(GROUPS):
            queue.send(number, group=f"g{group}")
        queue.send(number)
    batches: list[list[str | None]] = []

    def handle(deliveries: Sequence[Delivery[int]]) -> None:
        groups = [delivery.group for delivery in deliveries]
        batches.append([group for group in groups if group])
        for delivery in deliveries:
            desk.begin(delivery)
        for delivery in deliveries:
            desk.end(delivery)

    with running_in_batches(queue, handle, batch_size=5) as consumer:
        eventually("all messages", lambda: desk.total == (GROUPS + 1) * EACH)
        consumer.stopped()
    assert all(len(groups) == len(set(groups)) for groups in batches)
    assert max(map(len, batches)) > 1
    assert desk.clashes == []
    for group in range(GROUPS):
        assert desk.handled[f"g{group}"] == list(range(EACH))
    assert orders(behind(storage).items()) == {}


def test_ending_gives_heads_back_in_their_place() -> None:
    """DRAIN: what was claimed and not started is released, and is still its group's head."""
    storage = engine()
    queue = opened(storage)
    for group in range(GROUPS):
        for number in range(2):
            queue.send(number, id=f"g{group}.{number}", group=f"g{group}")
    begun, go_on = threading.Event(), threading.Event()

    def handle(_: Delivery[int]) -> None:
        begun.set()
        go_on.wait(20)

    with running(queue, handle, concurrency=1) as consumer:
        begun.wait(20)
        consumer.consumer.stop()
        go_on.set()
        summary = consumer.summary()
    lists = orders(behind(storage).items())
    assert summary.succeeded == 1
    assert sorted(len(order) for order in lists.values()) == [1, *[2] * (GROUPS - 1)]
    assert queue.stats().standard.ready == GROUPS

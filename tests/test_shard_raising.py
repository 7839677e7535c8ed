"""Raising the number of shards under way (SHARD-3, SHARD-5): nothing is lost or reordered."""

import random
from collections import defaultdict
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
from attrs import define, field

from dynamomq import LocalEngine, Queue, StaleReceiptError
from dynamomq.message import Message
from dynamomq.testing import Chance, Clock

GROUPS = 4
STEPS = 400


@define(eq=False)
class Story:
    """Clients that look at what is agreed on at different times, and do all sorts of things.

    Attributes:
        seed: what happens depends on it, and on nothing else.
        sent: the ids, by group; in the order in which they were sent.
        first: the ids, by group, in the order of their first deliveries.
    """

    seed: int
    clock: Clock = field(init=False)
    engine: LocalEngine = field(init=False)
    chance: random.Random = field(init=False)
    clients: list[Queue[Any]] = field(factory=list)
    held: list[tuple[Queue[Any], Message[Any]]] = field(factory=list)
    sent: dict[str, list[str]] = field(factory=lambda: defaultdict(list))
    first: dict[str, list[str]] = field(factory=lambda: defaultdict(list))
    deleted: set[str] = field(factory=set)
    shards: int = 1

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = Clock(chance=Chance(self.seed))
        self.engine = LocalEngine(surroundings=self.clock.surroundings())
        Queue("jobs", engine=self.engine).create_table()
        self.clients = [Queue("jobs", engine=self.engine) for _ in range(4)]

    def step(self) -> None:
        """One thing happens, to one of the clients."""
        client = self.chance.choice(self.clients)
        self.clock.advance(self.chance.choice((0.001, 1, 20)))
        match self.chance.randrange(10):
            case 0 | 1 | 2:
                self.send(client)
            case 3 | 4 | 5:
                self.receive(client, self.chance.choice((1, 1, 5)))
            case 6 | 7:
                self.delete()
            case 8:  # a process that begins, and so looks
                self.clients[self.chance.randrange(4)] = Queue("jobs", engine=self.engine)
            case _ if self.chance.random() < 0.2 and self.shards < 32:
                self.shards += self.chance.choice((1, 2, 8))
                client.create_table(shards=self.shards)

    def send(self, client: Queue[Any]) -> None:
        """Send a message, mostly into a group."""
        group = self.chance.choice([None, *(f"group {number}" for number in range(GROUPS))])
        message = client.send("payload", group=group)
        self.sent[group or ""].append(message.id)

    def receive(self, client: Queue[Any], wanted: int) -> None:
        """Receive, and note what is delivered for the first time."""
        for message in client.receive(wanted, wait=self.chance.choice((0, 0, 3))):
            self.held.append((client, message))
            group = message.group or ""
            if message.id not in self.first[group]:
                self.first[group].append(message.id)

    def delete(self) -> None:
        """Acknowledge one of those that somebody has, if it still has it."""
        if self.held:
            client, message = self.held.pop(self.chance.randrange(len(self.held)))
            try:
                client.delete(message)
            except StaleReceiptError:
                return  # another delivery is responsible for it
            self.deleted.add(message.id)

    def end(self) -> None:
        """Let everything be consumed by one client that has looked."""
        self.held.clear()
        client: Queue[Any] = Queue("jobs", engine=self.engine)
        for _ in range(10):
            self.clock.advance(31)
            while self.deliver_all(client):
                pass

    def deliver_all(self, client: Queue[Any]) -> bool:
        """Receive and delete; tell whether there was something."""
        before = len(self.deleted)
        self.receive(client, 25)
        while self.held:
            self.delete()
        return len(self.deleted) > before


@pytest.mark.parametrize("seed", range(12))
def test_raising_loses_and_reorders_nothing(seed: int) -> None:
    """Everything is delivered; each group in the order of its sends, and one after the other."""
    story = Story(seed)
    with closing(story.engine):
        for _ in range(STEPS):
            story.step()
        story.end()
        assert story.shards > 1
        sent = {id for ids in story.sent.values() for id in ids}
        assert story.deleted == sent
        for group in filter(None, story.sent):
            assert story.first[group] == story.sent[group]
        assert story.clients[0].stats().standard.total == 0


def test_a_receiver_that_never_looks_again_takes_nothing_from_the_others() -> None:
    """Frozen for long, it goes on with old shards until its next look, and then knows all."""
    clock = Clock()
    engine = LocalEngine(surroundings=clock.surroundings())
    with closing(engine):
        frozen: Queue[Any] = Queue("jobs", engine=engine)
        frozen.create_table()
        assert frozen.receive() == []
        other: Queue[Any] = Queue("jobs", engine=engine)
        for shards in (2, 5, 9):
            other.create_table(shards=shards)
            clock.advance(200)
            for number in range(10):
                other.send("payload", id=f"{shards} {number}")
        ids = [message.id for message in frozen.receive(250)]
        assert len(ids) == 30
        clock.advance(1)
        again = frozen.receive(250)
        assert again == []


def test_shards_only_grow() -> None:
    """Whatever is asked for in whatever order, the number never goes down."""
    clock = Clock()
    engine = LocalEngine(surroundings=clock.surroundings())
    with closing(engine):
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        seen = []
        for shards in (3, 2, 3, 7, 1, 8):
            try:
                queue.create_table(shards=shards)
            except ValueError:
                clock.advance(1)
            seen.append(queue.settings.visited)
        assert seen == [3, 3, 3, 7, 7, 8]
        assert all(before <= after for before, after in pairwise(seen))

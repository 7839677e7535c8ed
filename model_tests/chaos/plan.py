"""What a run is to be like, and what its seed decides."""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from docs.examples.installed_files.files import FileRecord, installed_files
from dynamomq.timestamps import SECOND

_LARGEST = 200_000  # bytes of a file that a handler reads
_AT_ONCE = 0.4  # of the messages are sent at once, and the others bit by bit
_LOAD = 0.65  # of the workers' time; so the backlog is worked off, and what expires is soon taken
_DELIVERIES = 1.3  # that a message has, roughly
_IN_A_ROW = 4  # messages that a producer sends into one group before it goes on to another
_KILLS_EVERY, _STOPS_EVERY, _RESTARTS_EVERY, _OUTAGES_EVERY = 4.0, 8.0, 15.0, 20.0  # seconds


class Disturbance(StrEnum):
    """What is done to the workers, or to the network."""

    KILL = "kill"
    STOP = "stop"
    RESTART = "restart"
    OUTAGE = "outage"


class Course(StrEnum):
    """How a handler ends."""

    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY_AFTER = "retry after"
    REJECT = "reject"
    DIE = "die"


@frozen
class Run:
    """What one run of a handler is to be like.

    Attributes:
        course: how it ends.
        seconds: how long it takes.
    """

    course: Course
    seconds: float


@frozen
class Plan:
    """What a run is to be like.

    Attributes:
        seed: of everything that is chosen; the timing is the machine's.
        messages: how many.
        seconds: over how long messages are sent, which decides how many handlers take long and how
            many disturbances there are.
        producers: processes that send.
        workers: processes with a consumer, at any time.
        threads: of each.
        followers: processes that work through one message group after the other, without a
            consumer.
        groups: over how many message groups the messages are spread; 0: they have none.
        visibility_timeout: seconds; handlers take up to twice as long.
        max_receives: deliveries before the dead-letter queue.
        skew: clocks are at most so wrong, either way; seconds.
        poisoned: of so many messages one fails in every delivery.
        rejected: of so many messages one is rejected.
        deadly: so many messages kill whoever handles them.
        grace: seconds that a worker gets to end.
        steal_after: seconds for which a consumer leaves another one's share to it, be that dead.
    """

    seed: int
    messages: int = 3000
    seconds: float = 240.0
    producers: int = 2
    workers: int = 4
    threads: int = 4
    followers: int = 0
    groups: int = 0
    visibility_timeout: float = 2.0
    max_receives: int = 4
    skew: float = 0.3
    poisoned: int = 150
    rejected: int = 150
    deadly: int = 2
    grace: float = 30.0
    steal_after: float = 1.0

    def payloads(self) -> dict[str, FileRecord]:
        """Real records, by message id: of installed files, none of them large.

        Raises:
            ValueError: there are not so many.
        """
        found = [record for record in installed_files().values() if _is_small(record)]
        if len(found) < self.messages:
            raise ValueError(f"only {len(found):,} small files are installed")
        chosen = random.Random(f"{self.seed} payloads").sample(found, self.messages)
        return {record.id: record for record in chosen}

    def due(self, number: int) -> float:
        """After how many seconds a message is to be sent, by its place among all messages."""
        at_once = _AT_ONCE * self.messages
        return max(0.0, (number - at_once) / (self.messages - at_once) * self.seconds)

    def group_of(self, number: int) -> str | None:
        """The group of a message, by its place among all; ``None`` where there are no groups.

        Every producer sends a few messages in a row into one group and then into another, until it
        has been to all of them, and so on; each in an order of its own.
        """
        if not self.groups:
            return None
        turn, producer = divmod(number, self.producers)
        tour, stop = divmod(turn // _IN_A_ROW, self.groups)
        chance = random.Random(f"{self.seed} groups of {producer} in {tour}")
        return f"group-{chance.sample(range(self.groups), self.groups)[stop] + 1}"

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return "groups" if self.groups else "consumers"

    @property
    def crew(self) -> Mapping[str, int]:
        """How many processes there are at any time of those that consume, by role."""
        return {"worker": self.workers, "follower": self.followers}

    def deadly_ids(self, ids: list[str]) -> frozenset[str]:
        """The messages that kill whoever handles them."""
        return frozenset(random.Random(f"{self.seed} deadly").sample(ids, self.deadly))

    @property
    def long_share(self) -> float:
        """How many of the handlers take long, so that the workers have enough to do."""
        short = self._short / 2
        handlers = self.workers * self.threads + self.followers
        available = self.seconds * handlers * _LOAD
        mean = available / (self.messages * _DELIVERIES)
        return min(1.0, max(0.02, (mean - short) / (self.visibility_timeout - short)))

    @property
    def _short(self) -> float:
        return 0.03 * self.visibility_timeout

    def run_of(self, id: str, delivery: int, *, deadly: bool) -> Run:
        """What a delivery's handler is to do; the same in every process."""
        of_message = random.Random(f"{self.seed} {id}")
        poisoned = of_message.randrange(self.poisoned) == 0
        rejected = of_message.randrange(self.rejected) == 0
        chance = random.Random(f"{self.seed} {id} {delivery}")
        is_long = chance.random() < self.long_share
        longest = 2 * self.visibility_timeout if is_long else self._short
        seconds = chance.uniform(0, longest)
        (course,) = chance.choices(
            (Course.SUCCEED, Course.FAIL, Course.RETRY_AFTER), weights=(88, 10, 2)
        )
        if deadly:
            return Run(Course.DIE, min(seconds, self._short))
        if poisoned:
            return Run(Course.FAIL, seconds)
        return Run(Course.REJECT if rejected else course, seconds)

    def disturbances(self) -> list[Disturbance]:
        """What to do to workers and network, one thing after the other; a stop comes last."""
        often = {
            Disturbance.KILL: _KILLS_EVERY,
            Disturbance.STOP: _STOPS_EVERY,
            Disturbance.RESTART: _RESTARTS_EVERY,
            Disturbance.OUTAGE: _OUTAGES_EVERY,
        }
        kinds = [
            kind
            for kind, every in often.items()
            for _ in range(max(1, round(self.seconds / every)))
        ]
        random.Random(f"{self.seed} disturbances").shuffle(kinds)
        kinds.remove(Disturbance.STOP)
        return [*kinds, Disturbance.STOP]

    def offset(self, process: str, number: int) -> int:
        """How wrong a process's clock is, in nanoseconds: one is ahead, the next one behind."""
        share = random.Random(f"{self.seed} clock of {process}").uniform(0.5, 1)
        return round(share * self.skew * SECOND) * (-1 if number % 2 else 1)


EXPERIMENTS = {
    "consumers": Plan(seed=1),
    "groups": Plan(
        seed=1,
        messages=5000,
        seconds=240.0,
        producers=8,
        workers=7,
        followers=1,
        groups=50,
        steal_after=0.2,
    ),
}
"""What there is to run, in its full form, by name."""


def _is_small(record: FileRecord) -> bool:
    try:
        return record.location.stat().st_size <= _LARGEST
    except OSError:
        return False

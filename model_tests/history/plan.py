"""What a run is to be like, and where it takes place; what its seed decides."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from attrs import define, frozen

from dynamomq.timestamps import SECOND
from model_tests.history.worker import FAULTS

KILL, PAUSE = "kill", "pause"

_BETWEEN_FAULTS = 4
_CONTESTED = 10  # every so many messages one that several producers send


@frozen
class Plan:
    """What a run is to be like.

    Attributes:
        seed: of everything that is chosen.
        messages: how many.
        producers: how many processes send them.
        consumers: how many processes receive them, at any time.
        faulty: how many messages carry a fault.
        kills: how many consumers are killed from outside.
        pauses: how many consumers are paused from outside.
        visibility_timeout: seconds.
        max_receives: deliveries before the dead-letter queue.
        skew: clocks are at most so wrong, either way; seconds.
    """

    seed: int
    messages: int = 300
    producers: int = 3
    consumers: int = 4
    faulty: int = 6
    kills: int = 2
    pauses: int = 2
    visibility_timeout: float = 0.6
    max_receives: int = 6
    skew: float = 0.3

    def faults(self) -> dict[int, str]:
        """Give a fault to some of the first messages, a few apart, in turn each kind."""
        numbers = range(0, self.messages, _BETWEEN_FAULTS)[: self.faulty]
        return {number: FAULTS[place % len(FAULTS)] for place, number in enumerate(numbers)}

    def shares(self) -> list[tuple[int, ...]]:
        """What each producer sends: its own messages, and some that another one sends too."""
        chance = random.Random(f"{self.seed} shares")
        shares = []
        for producer in range(self.producers):
            share = list(range(producer, self.messages, self.producers))
            others = [n for n in range(0, self.messages, _CONTESTED) if n not in share]
            for number in chance.sample(others, len(others) // 2):
                share.insert(chance.randrange(len(share) + 1), number)
            shares.append(tuple(share))
        return shares

    def disturbances(self) -> list[str]:
        """What to do to consumers from outside, one thing after the other."""
        kinds = [KILL] * self.kills + [PAUSE] * self.pauses
        random.Random(f"{self.seed} disturbances").shuffle(kinds)
        return kinds

    def offset(self, process: str, number: int) -> int:
        """How wrong a process's clock is, in nanoseconds: one is ahead, the next one behind."""
        share = random.Random(f"{self.seed} clock of {process}").uniform(0.5, 1)
        return round(share * self.skew * SECOND) * (-1 if number % 2 else 1)


@frozen
class Place:
    """Where a run takes place.

    Attributes:
        endpoint_url: DynamoDB's.
        client: a low-level client for it, to look at items.
        table: an empty queue's.
        folder: where the logs go; empty.
    """

    endpoint_url: str
    client: Any
    table: str
    folder: Path

    def version_of(self, id: str) -> int | None:
        """The version that a message has now; ``None`` if it is not there."""
        key = {"id": {"S": id}}
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return int(answer["Item"]["version"]["N"]) if "Item" in answer else None


@define
class Tally:
    """What was done to processes.

    Attributes:
        started: processes, all in all.
        killed: processes that ended by SIGKILL, their own or from outside.
        paused: processes that were stopped, by themselves or from outside, and went on.
    """

    started: int = 0
    killed: int = 0
    paused: int = 0

"""Where to look next: a queue's index partitions, by what was found in each (spec: SHARD-4).

A queue with one shard has one partition, and then all of this comes to nothing. With many, looking
everywhere each time would cost a request for each of them. So whoever receives remembers where
there were messages of late, looks there each time, and at the others in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from attrs import define, field

from dynamomq.requests import Moment
from dynamomq.timestamps import SECOND

ROUND = 5 * SECOND
"""Within which time every partition is looked at, unless there is enough elsewhere."""

_NEVER = -1


@define(eq=False)
class Traffic:
    """What one receiver remembers of the index partitions of one queue.

    It is a hint in memory: lost with the process, and never trusted. Safe to share among threads.

    Attributes:
        round_time: how long a partition may go without a look while there is nothing to receive,
            in nanoseconds; also for how long one with messages is looked at each time.
    """

    round_time: int = ROUND
    _looked_at: dict[str, int] = field(factory=dict)
    _found_at: dict[str, int] = field(factory=dict)
    _order: str = ""
    _count: int = 1

    def due(self, partitions: Sequence[str], moment: Moment) -> Sequence[str]:
        """Return where to look now, in this order, until there is enough.

        Those with traffic come first, and then the others whose turn it is: at least one of them,
        and all that have not been looked at for a round. Of those with traffic the one comes first
        that was looked at the longest ago, so that none is forgotten over the others; and one
        without comes before all of them, if it was passed over for a second round.
        """
        self._count = len(partitions)
        if self._count == 1:
            return partitions
        self._order = self._order or str(moment.chance)
        now = moment.now
        by_age = sorted(partitions, key=lambda one: (self._last_look(one, now), self._place(one)))
        warm = [one for one in by_age if self._has_traffic(one, now)]
        cold = [one for one in by_age if not self._has_traffic(one, now)]
        turn = [one for one in cold if self._last_look(one, now) + self.round_time <= now]
        turn = turn or cold[:1]
        if turn and self._last_look(turn[0], now) + 2 * self.round_time <= now:
            return [turn[0], *warm, *turn[1:]]
        return [*warm, *turn]

    def looked(self, partition: str, now: int) -> None:
        """Note a look at a partition, before it: one that fails must not be repeated for ever."""
        self._looked_at[partition] = now

    def found(self, partition: str, now: int) -> None:
        """Note that there were messages."""
        self._found_at[partition] = now

    def pause(self, longest: int) -> int:
        """Return how long to wait until the next look, in nanoseconds: a part of a round."""
        return longest if self._count == 1 else min(longest, self.round_time // self._count)

    def _has_traffic(self, partition: str, now: int) -> bool:
        found_at = self._found_at.get(partition, _NEVER)
        return 0 <= found_at <= now < found_at + self.round_time

    def _last_look(self, partition: str, now: int) -> int:
        looked_at = self._looked_at.get(partition, _NEVER)
        return looked_at if looked_at <= now else _NEVER  # a clock was set back

    def _place(self, partition: str) -> int:
        """Return a partition's place in an order that is this receiver's own."""
        return crc32(f"{self._order} {partition}".encode())

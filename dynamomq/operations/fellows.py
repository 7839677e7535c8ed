"""The other consumers, as one of them sees them: who is there, and who comes first for a message.

Every consumer ranks all of them for each message by a hash of both ids (spec: CONSUMER-2). What it
knows of the others may be wrong without harm: the condition of the claim decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from attrs import define, field

from dynamomq.errors import ContentionError, DynamoMQError, ServiceError
from dynamomq.machine import QueueType
from dynamomq.operations.membership import Load, Member, join, leave, members, renew
from dynamomq.requests import Operation, Tick, ask
from dynamomq.timestamps import SECOND

RENEWAL = 10 * SECOND
"""How often a consumer renews its lease and looks who else is there, in nanoseconds."""

SETTLING = 12 * SECOND
"""How long after its beginning a consumer counts: longer than a renewal, so that all know it."""

_QUICK_LOOK = SECOND  # how often to look while somebody settles
_INTRODUCTION = 5 * SECOND // 2  # longer than that: others who settle know the newcomer by then
_NEGLECTED = 10  # times steal_after
_MORE_PATIENCE = 3  # times, with those who are at work


@define(eq=False)
class Fellows:
    """Whom a consumer shares the queue with.

    Attributes:
        source: the queue that they receive from.
        steal_after: how long to leave a message to each consumer that ranks higher, in nanoseconds.
        host: the machine that this consumer runs on.
        pid: its process.
        trouble: why the others could not be asked or told the last time; ``None``: they could.
        me: its own entry.
        others: the other consumers, as last seen.
        looks_at: when it looks again who is there.
        begins_at: when it begins to claim.
        ranking: is another number whenever others are ranked than before.
    """

    source: QueueType
    steal_after: int
    host: str
    pid: int
    trouble: DynamoMQError | None = None
    me: Member | None = None
    others: tuple[Member, ...] = ()
    looks_at: int = 0
    begins_at: int = 0
    ranking: int = 0
    _renews_at: int = 0
    _defers_until: int = 0
    _was_full: bool = False
    _progress: dict[str, int] = field(factory=dict)
    _ranked: tuple[tuple[str, ...], tuple[str, ...], bool] = ((), (), False)

    # --- to show oneself, and to look --------------------------------------------------------

    def attend(self, load: Load) -> Operation[None]:
        """Renew the lease and look who else is there, if it is time to."""
        moment = yield from ask(Tick())
        if moment.now < self.looks_at <= moment.now + RENEWAL:
            return
        self.looks_at = moment.now + RENEWAL
        began = self.me is None
        try:
            if not moment.now < self._renews_at <= moment.now + RENEWAL:
                yield from self._show(load)
            known = yield from members(self.source)
        except (ServiceError, ContentionError) as error:
            self.trouble = error  # we go on with what we know
            return
        self.trouble = None
        me = self.me
        self.others = tuple(one for one in known if me is None or one.id != me.id)
        settling = [*self.others, *([me] if me else [])]
        if any(one.since + SETTLING > moment.now for one in settling):
            self.looks_at = moment.now + _QUICK_LOOK
        if began and any(one.since + SETTLING > moment.now for one in self.others):
            self.begins_at = moment.now + _INTRODUCTION

    def _show(self, load: Load) -> Operation[None]:
        """Show oneself, or renew that."""
        if self.me is not None and not (yield from renew(self.me, load)):
            self.me = None  # frozen until storage removed the entry; or the clock was set back
        moment = yield from ask(Tick())
        if self.me is None:
            # The first answer tells the driver what time it is; an entry must not have a wrong one.
            yield from members(self.source)
            self.me = yield from join(self.source, self.host, self.pid)
            self._defers_until = 0
        elif self._was_full and not load.full:
            self._defers_until = moment.now + SETTLING  # some do not know yet that it is available
        self._was_full = load.full
        self._renews_at = moment.now + RENEWAL

    def leave(self) -> Operation[None]:
        """Tell the others that this consumer ends, if they can be told."""
        me, self.me = self.me, None
        if me is not None:
            try:
                yield from leave(me)
            except (ServiceError, ContentionError) as error:
                self.trouble = error  # its lease ends by itself

    def look_soon(self, now: int) -> None:
        """Look again who is there, before long: there is somebody whom we do not know."""
        self.looks_at = min(self.looks_at, now + _QUICK_LOOK)

    def is_introducing(self, now: int) -> bool:
        """Tell whether the others who settle may not know this consumer yet."""
        return now < self.begins_at <= now + _INTRODUCTION

    # --- ranks -------------------------------------------------------------------------------

    def rank(self, now: int) -> None:
        """Note who is ranked: first those who have been there for a while, then newcomers.

        All that know of a newcomer count it from the same moment on; until then it comes after all
        others, so it takes nothing from those who do not know of it yet. Those who begin together
        count from the beginning, because all of them look often then.
        """
        me = [self.me] if self.me is not None else []
        together = min((one.since for one in [*self.others, *me]), default=now) + SETTLING
        newest = max(together, now - SETTLING + 1)  # who began before that counts
        available = [one for one in self.others if one.available]
        settled = tuple(one.id for one in available if one.since < newest)
        settling = tuple(one.id for one in available if one.since >= newest)
        counts = bool(me) and me[0].since < newest and self._defers_until <= now
        ranked = (settled, settling, counts)
        if ranked != self._ranked:
            self._ranked, self._progress = ranked, {}
            self.ranking += 1

    def before_us(self, id: str) -> tuple[str, ...]:
        """Return who comes before us for a message, the first one first."""
        settled, settling, counts = self._ranked
        mine = _score(self.me.id, id) if self.me is not None else b""
        scores = {one: _score(one, id) for one in (*settled, *settling)}
        rivals = sorted(settled if counts else settling, key=scores.__getitem__, reverse=True)
        before = tuple(one for one in rivals if scores[one] > mine)
        if counts:
            return before
        return (*sorted(settled, key=scores.__getitem__, reverse=True), *before)

    # --- patience ----------------------------------------------------------------------------

    def note_progress(self, consumers: Iterable[str], now: int) -> None:
        """Note that these seem to be at work."""
        self._progress.update(dict.fromkeys(consumers, now))

    def patience(self, before: tuple[str, ...], now: int) -> int:
        """Return how long a message is left to those who come before us for it."""
        at_work = [self._progress.get(one, 0) + self.steal_after > now for one in before]
        if any(at_work[1:]):
            return self.neglect  # somebody is there to take it over before us
        patience = len(before) * self.steal_after
        return _MORE_PATIENCE * patience if any(at_work) else patience

    @property
    def neglect(self) -> int:
        """How long a message is left alone before that counts as neglect."""
        return _NEGLECTED * self.steal_after


def _score(consumer: str, id: str) -> bytes:
    return sha256(f"{consumer}\0{id}".encode()).digest()[:8]

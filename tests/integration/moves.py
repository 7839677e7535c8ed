"""Random moves that keep a balance: what has been seen least is what is tried next.

The generator looks at the stored items through the machine's own eyes, so it knows which calls
would succeed and which would be refused. Where the situation offers neither, it makes one.
"""

import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from attrs import define, field

from dynamomq.attributes import DUE, GROUP_ID, QUEUE_TYPE, RECEIPT, RECEIVE_COUNT
from dynamomq.machine import MESSAGE
from dynamomq.message import Message
from dynamomq.payload import codec_for
from dynamomq.queue import Queue
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, Value
from tests.integration.lockstep import MAX_RECEIVES, VISIBILITY_TIMEOUT, Call, Move, Tally
from tests.support.triggers import CALLED, HOLDERS, NOT_CALLED, needed, sources

IDS = tuple(f"message-{number}" for number in range(9))
"""All ids in play: few, so that they are used again, and that every page of the index holds all."""

NOT_PLAYED = {"purge": "all messages of a queue at once, so that nothing is left to play with"}
"""Triggers that are called, but not here: why not."""

TRIGGERS = tuple(one for one in (*CALLED, *NOT_CALLED) if one not in NOT_PLAYED)

_MOST_KEPT = 40
_PLENTY = 25
Wanted = Literal["written", "refused"]


_CODEC = codec_for(None)
_PAYLOADS: tuple[Callable[[int], object], ...] = (
    lambda number: {"number": number},
    lambda number: [number, None, True, "", b"\x00", {"deep": [Decimal("1.50"), {}]}],
    lambda number: number,
    lambda number: "text" * (number % 50),
    lambda number: None,  # noqa: ARG005 - one shape for all
)


def _at(now: int) -> dict[str, Value]:
    return {
        "now": format_instant(now),
        "forgotten_epoch": now // SECOND + 300,
        "legacy_horizon": format_instant(now - round(VISIBILITY_TIMEOUT * SECOND)),
    }


def _count(item: Item) -> int:
    count = item.get(RECEIVE_COUNT.name)
    return count if isinstance(count, int) else 0


def _share(tally: Tally, trigger: str, wanted: Wanted) -> float:
    """How much of a trigger's writes went this way; triggers that are rare anyway seem rarer."""
    total = tally[trigger, "written"] + tally[trigger, "refused"]
    return tally[trigger, wanted] / (total + 1) + min(total, _PLENTY) / (2 * _PLENTY)


@define(eq=False)
class Player:
    """Chooses moves.

    Attributes:
        items: the table as it was at the last look.
        now: the time then.
        kept: all deliveries that receives have returned, old ones too.
    """

    chance: random.Random
    items: dict[str, Item] = field(factory=dict, init=False)
    now: int = field(default=0, init=False)
    kept: list[Message[Any]] = field(factory=list, init=False)
    _states: dict[str, str] = field(factory=dict, init=False)
    _numbers: int = field(default=0, init=False)

    # --- what is where -----------------------------------------------------------------------

    def keep(self, result: object) -> None:
        """Keep what a receive returned; now and then one is lost."""
        for one in result if isinstance(result, list) else ():
            if isinstance(one, Message) and one.receipt is not None:
                self.kept.append(one)
        while len(self.kept) > _MOST_KEPT:
            self.kept.pop(self.chance.randrange(len(self.kept)))

    def look(self, items: dict[str, Item], now: int) -> None:
        """See how things are."""
        self.items, self.now = items, now
        time = _at(now)
        self._states = {key: MESSAGE.state_of(items.get(key), time).name for key in IDS}

    def state(self, key: str) -> str:
        """The state of the message with this id."""
        return self._states[key]

    def in_state(self, *names: str) -> list[str]:
        """The ids whose messages are in one of these states."""
        return [key for key in IDS if self.state(key) in names]

    def room(self) -> str:
        """An id whose item may be replaced by another: a free one, or one that stays."""
        stuck = [key for key in IDS if self._in_group(key)]
        stuck += self.in_state("FOREIGN")
        return self.chance.choice((self.in_state("ABSENT") + stuck) or IDS)

    def _in_group(self, key: str) -> bool:
        """Whether it is a member of a message group; those leave a queue by plans that we lack."""
        return GROUP_ID.name in self.items.get(key, {})

    def _due(self, queue: str, *, used_up: bool = False) -> list[str]:
        """The ids of what a receive from a queue would find and could claim (or exhaust)."""
        return [
            key
            for key in self.in_state(f"{queue}.READY", f"{queue}.EXPIRED")
            if str(self.items[key][DUE.name]) <= format_instant(self.now)
            and (queue == "STANDARD" and _count(self.items[key]) >= MAX_RECEIVES) == used_up
        ]

    def _unfit(self) -> dict[str, str]:
        """The ids of due items that are no whole messages, and their queues."""
        return {
            key: str(self.items[key][QUEUE_TYPE.name])
            for key in self.in_state("MALFORMED")
            if str(self.items[key][DUE.name]) <= format_instant(self.now)
        }

    def _live(self, message: Message[Any]) -> bool:
        """Whether a delivery still holds its message."""
        item = self.items.get(message.id, {})
        return item.get(RECEIPT.name) == message.receipt and self.state(message.id).endswith(
            ("PROCESSING", "EXPIRED")
        )

    # --- choosing ----------------------------------------------------------------------------

    def next(self, tally: Tally) -> Move | None:
        """A move, mostly towards what was seen least; ``None``: something else should happen."""
        if self._unfit() and tally["quarantine", "refused"] <= tally["quarantine", "written"]:
            return self._quarantine("refused")  # before any other receive can do it
        if self.chance.random() < 0.2:
            return self._any()
        cells: list[tuple[str, Wanted]] = [
            (trigger, wanted) for trigger in TRIGGERS for wanted in ("written", "refused")
        ]
        self.chance.shuffle(cells)
        for trigger, wanted in sorted(cells, key=lambda cell: _share(tally, *cell))[:4]:
            move = self._towards(trigger, wanted)
            if move is not None:
                return move
        return None

    def _towards(self, trigger: str, wanted: Wanted) -> Move | None:
        if trigger in HOLDERS:
            return self._hold(trigger, wanted)
        find: Callable[[Wanted], Move | None] = {
            "send": self._send,
            "receive": self._receive,
            "exhaust": self._exhaust,
            "quarantine": self._quarantine,
        }.get(trigger, partial(self._operate, trigger))
        return find(wanted)

    def _any(self) -> Move:
        """A call for its own sake: reads, and calls whose outcome is not planned."""
        key = self.chance.choice(IDS)
        return self.chance.choice(
            [
                lambda: Move(Call("get", (key,))),
                lambda: Move(Call("list", (self.chance.choice((None, "STANDARD", "DLQ")),))),
                lambda: Move(Call("stats")),
                lambda: Move(self._receiving("DLQ"), self._receiving("DLQ")),
                lambda: Move(self._sending(None)),
                lambda: Move(Call("bury", (key,))),
                lambda: Move(Call("redrive", (key,))),
                lambda: Move(self._receiving("STANDARD"), self._receiving("DLQ")),
                self._acknowledge_a_stranger,
            ]
        )()

    def _acknowledge_a_stranger(self) -> Move:
        """Hand in a message that is not held, or a delivery from long ago."""
        item: Item = {"id": self.chance.choice(IDS)}
        strangers = [*self.kept, Message(item, "STANDARD.READY", _CODEC, "lockstep")]
        return Move(Call("delete", (self.chance.choice(strangers),)))

    # --- one trigger each --------------------------------------------------------------------

    def _send(self, wanted: Wanted) -> Move | None:
        free = self.in_state("ABSENT")
        taken = [key for key in IDS if key not in free]
        if wanted == "written":
            return Move(self._sending(self._pick(free))) if free else None
        if free and self.chance.random() < 0.3:
            key = self._pick(free)
            return Move(self._sending(key), self._sending(key))
        return Move(self._sending(self._pick(taken))) if taken else None

    def _sending(self, key: str | None) -> Call:
        self._numbers += 1
        options: dict[str, Any] = {"id": key, "if_exists": self.chance.choice(("raise", "return"))}
        if self.chance.random() < 0.3:
            options["delay"] = self.chance.choice((0.5, 20, 200))
        if self.chance.random() < 0.2:
            options["headers"] = {"number": str(self._numbers)}
        return Call("send", (self.chance.choice(_PAYLOADS)(self._numbers),), options)

    def _receive(self, wanted: Wanted) -> Move | None:
        queues = [queue for queue in ("STANDARD", "DLQ") if self._due(queue)]
        if not queues:
            return None
        queue = self._pick(queues)
        if wanted == "written":
            return Move(self._receiving(queue))
        many = Call("receive", (self.chance.choice((3, 30)),), {"source": queue})
        return Move(many, many)

    def _receiving(self, queue: str) -> Call:
        options: dict[str, Any] = {"source": queue}
        if self.chance.random() < 0.5:
            options["visibility_timeout"] = self.chance.choice((0.25, 5, 45, 600))
        if self.chance.random() < 0.1:
            options["wait"] = 1
        return Call("receive", (self.chance.choice((1, 1, 1, 1, 2, 3, 30)),), options)

    def _exhaust(self, wanted: Wanted) -> Move | None:
        used_up = self._due("STANDARD", used_up=True)
        if not used_up:
            return None
        if wanted == "written":
            return Move(self._receiving("STANDARD"))
        other = self.chance.choice((Call("receive"), Call("bury", (self._pick(used_up),))))
        return Move(Call("receive", (self.chance.choice((1, 10)),)), other)

    def _quarantine(self, wanted: Wanted) -> Move | None:
        unfit = self._unfit()
        if not unfit:
            return None
        queue = unfit[self._pick(unfit)]
        if wanted == "written":
            return Move(self._receiving(queue))
        many = Call("receive", (10,), {"source": queue})
        return Move(many, many, before_write=1)

    def _hold(self, trigger: str, wanted: Wanted) -> Move | None:
        live = [message for message in self.kept if self._live(message)]
        if trigger == "move_to_dlq":
            live = [message for message in live if message.queue == "STANDARD"]
        if trigger in ("delete", "move_to_dlq"):
            live = [message for message in live if not self._in_group(message.id)]
        stale = [message for message in self.kept if message not in live]
        if wanted == "written":
            return Move(self._holding(trigger, self._pick(live))) if live else None
        expired = [one for one in live if self.state(one.id).endswith("EXPIRED")]
        if expired and self.chance.random() < 0.4:
            message = self._pick(expired)
            other = Call("receive", (3,), {"source": message.queue})
            return Move(self._holding(trigger, message), other)
        if live and trigger == "extend" and self.chance.random() < 0.3:
            return Move(Call("extend", (self._pick(live), 0.001)))
        return Move(self._holding(trigger, self._pick(stale))) if stale else None

    def _holding(self, trigger: str, message: Message[Any]) -> Call:
        options: dict[str, Any] = {}
        if trigger == "extend":
            return Call("extend", (message, self.chance.choice((10, 60, 600))))
        if trigger == "retry":
            options["delay"] = self.chance.choice((0, 0, 2, 100))
        if trigger in ("retry", "move_to_dlq") and self.chance.random() < 0.5:
            options["error"] = self.chance.choice(("no luck", ValueError("no good")))
        return Call(trigger, (message,), options)

    def _operate(self, trigger: str, wanted: Wanted) -> Move | None:
        there = self.in_state(*sources(trigger))
        free = [key for key in there if not self._in_group(key)]
        others = [key for key in IDS if key not in free]
        if wanted == "written":
            return Move(self._operating(trigger, self._pick(free))) if free else None
        if free and self.chance.random() < 0.5:
            key = self._pick(free)
            source = self.state(key).partition(".")[0]
            receives = Call("receive", (self.chance.choice((1, 3)),), {"source": source})
            same = self._operating(trigger, key)
            other = self.chance.choice((receives, same, same))
            return Move(self._operating(trigger, key), other)
        return Move(self._operating(trigger, self._pick(others))) if others else None

    def _operating(self, trigger: str, key: str) -> Call:
        if trigger == "reschedule":
            return Call(trigger, (key,), {"delay": self.chance.choice((0, 0, 2, 100))})
        return Call(trigger, (key,), needed(Queue, trigger))

    def _pick(self, options: Iterable[Any]) -> Any:
        return self.chance.choice(list(options))

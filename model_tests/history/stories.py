"""Histories that are written by hand, to test what checks them."""

from __future__ import annotations

from attrs import define, evolve, field, frozen

from dynamomq.timestamps import SECOND
from dynamomq.values import Item, Value
from model_tests.history.checker import Violation, check
from model_tests.history.log import Detail, Event, Moment, digest, payload_digest
from model_tests.history.records import assemble

ID = "m"
EPOCH = 2_000_000_000  # seconds, at the story's beginning
SENT: Value = {"text": "as sent"}
OTHER: Value = {"text": "another"}


@frozen
class Held:
    """A delivery in its holder's hands."""

    receipt: str
    deadline: float


@define
class Actor:
    """A process in a story; its clock is ahead by ``skew`` seconds.

    What it does is about the message ``id``, which is in a message group unless ``group`` is empty.
    """

    story: Story
    name: str
    skew: float
    id: str = ID
    group: str = ""

    def about(self, id: str, group: str) -> Actor:
        """The same process, with another message in mind."""
        return evolve(self, id=id, group=group)

    def send(
        self,
        told: str = "accepted",
        *,
        payload: object = SENT,
        delay: float = 0,
        previous: str | None = None,
    ) -> None:
        """Send the message; ``told`` is what came of it, empty if the process died.

        In a group, ``previous`` is the predecessor that the sender is told.
        """
        details: dict[str, Detail] = {
            "payload": payload_digest(payload),
            "delay": round(delay * SECOND),
        }
        if self.group:
            details["group"] = self.group
        learned: dict[str, Detail] = {} if previous is None else {"previous": previous}
        self._ask("send", told, details, learned)

    def receive(
        self,
        version: int,
        count: int,
        *,
        timeout: float = 10,
        asked: float | None = None,
        claimed: float | None = None,
        queue: str = "STANDARD",
        payload: object = SENT,
        receipt: str = "",
        previous: str = "",
        following: str = "",
    ) -> Held:
        """Note a delivery.

        It lasts ``timeout``, and that was ``asked`` for if nothing else was; it was ``claimed``
        just now, by the actor's clock, if nothing else is said. In a group, ``previous`` and
        ``following`` are its neighbours.
        """
        began = self.story.now + self.skew if claimed is None else claimed
        held = Held(receipt or digest(f"{self.name} {self.id} {version}"), began + timeout)
        place: dict[str, Detail] = {}
        if self.group:
            place = {"group": self.group, "previous": previous, "next": following}
        self.note(
            "delivered",
            id=self.id,
            receipt=held.receipt,
            queue=queue,
            version=version,
            receive_count=count,
            payload=payload_digest(payload),
            timeout=round((timeout if asked is None else asked) * SECOND),
            claimed=instant(began),
            deadline=instant(held.deadline),
            **place,
        )
        return held

    def ask(
        self,
        operation: str,
        held: Held,
        told: str = "done",
        *,
        delay: float = 0,
        until: float = 0,
        asked: float | None = None,
    ) -> None:
        """Do what a holder may do.

        An extension's new deadline is ``until``, for which so much more time was ``asked`` for as
        fits if nothing else was.
        """
        details: dict[str, Detail] = {"receipt": held.receipt}
        if operation == "retry":
            details["delay"] = round(delay * SECOND)
        if operation == "extend":
            fits = max(until - self.story.now - self.skew, 0)
            details["timeout"] = round((fits if asked is None else asked) * SECOND)
        learned: dict[str, Detail] = {"deadline": instant(until)} if until else {}
        self._ask(operation, told, details, learned)

    def _ask(
        self,
        operation: str,
        told: str,
        details: dict[str, Detail],
        learned: dict[str, Detail] | None = None,
    ) -> None:
        call = len(self.story.events)
        self.note(f"{operation} begun", call=call, id=self.id, **details)
        if told:
            self.story.now += 0.001
            self.note(f"{operation} {told}", call=call, **learned or {})

    def note(self, name: str, **details: Detail) -> None:
        """Note any event."""
        now = self.story.now
        moment = Moment(round(now * SECOND), instant(now + self.skew))
        self.story.events.append(Event(self.name, moment, name, details))


@define
class Story:
    """A history in the making; real time, in seconds since its beginning, is set by hand."""

    now: float = 0.0
    events: list[Event] = field(factory=list)

    def actor(self, name: str, *, skew: float = 0) -> Actor:
        """Bring in a process."""
        return Actor(self, name, skew)

    def check(
        self, item: Item | None, *, max_receives: int | None = None, drained: bool = False
    ) -> list[Violation]:
        """Check the story against the item that it has left behind."""
        table = {} if item is None else {ID: item}
        return check(assemble(self.events), table, max_receives=max_receives, drained=drained)


def instant(seconds: float) -> int:
    """A story's second as nanoseconds since the epoch."""
    return EPOCH * SECOND + round(seconds * SECOND)


def ready(version: int, count: int, *, data: Value = SENT, queue: str = "STANDARD") -> Item:
    """A message that is there."""
    return {
        "id": ID,
        "status": "READY",
        "queue_type": queue,
        "version": version,
        "receive_count": count,
        "data": data,
    }


def dead(version: int) -> Item:
    """A dead letter."""
    return ready(version, 0, queue="DLQ")


def tombstone(version: int, count: int) -> Item:
    """What is left of a message that was deleted."""
    return {"id": ID, "status": "DELETED", "version": version, "receive_count": count}


def sent(*, delay: float = 0) -> tuple[Story, Actor, Actor]:
    """A story in which a message was sent at its beginning, and two consumers of it.

    Their clocks are ahead by 3 seconds and by 1.
    """
    story = Story()
    story.actor("producer").send(delay=delay)
    story.now = 1.0
    return story, story.actor("anna", skew=3), story.actor("bert", skew=1)

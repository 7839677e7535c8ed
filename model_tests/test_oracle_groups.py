"""The oracle and message groups: each thing that is wrong is found, and what is right passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from dynamomq.message import Message
from dynamomq.payload import codec_for
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, Value
from model_tests.simulator.actors import sending
from model_tests.simulator.asked import ViolationError, check_none_overtakes
from model_tests.simulator.calls import Call, Plan
from model_tests.simulator.oracle import Oracle

START = 2_208_988_800 * SECOND
TIMEOUT = 10 * SECOND
WINDOW = 300 * SECOND
TAIL = "$group#g"
CODEC = codec_for(None)


def text(seconds: float) -> str:
    """The stored text of a time, in seconds since the beginning."""
    return format_instant(START + round(seconds * SECOND))


@define
class Story:
    """A group's life, told to an oracle; all clocks are right.

    Attributes:
        items: the base table.
        now: the time, in seconds since the beginning.
    """

    items: dict[str, Item] = field(factory=dict)
    now: float = 0
    oracle: Oracle = field(factory=lambda: Oracle(3, WINDOW, TIMEOUT))
    calls: int = 0

    def __attrs_post_init__(self) -> None:
        for name in ("anna", "bert"):
            self.oracle.clock(name, 0)

    def begin(self, who: str, plan: Plan) -> Call:
        """Somebody calls something."""
        self.calls += 1
        call = Call(who, self.calls, plan)
        self.oracle.began(call, START + round(self.now * SECOND))
        return call

    def write(self, call: Call, **changes: dict[str, Value] | None) -> None:
        """A request changes items, all at once; ``None``: an item, or an attribute, goes.

        Args:
            call: whose request it is.
            changes: for each item what changes; ``g`` is the group's.
        """
        time = START + round(self.now * SECOND)
        self.calls += 1
        told = []
        for name, attributes in changes.items():
            id = TAIL if name == "g" else name
            old = self.items.pop(id, None)
            if attributes is not None:
                self.items[id] = _changed(id, old, attributes)
            told.append((f"{id} in {self.calls}", old, self.items.get(id)))
        for request, old, new in told:
            self.oracle.changed(time, call, request, old, new)
        self.oracle.settled(self.items)

    def end(self, call: Call, result: Any = None, error: str | None = None) -> None:
        """A call ends."""
        self.oracle.ended(START + round(self.now * SECOND), call, result, error)

    # --- calls that go well, unless something else is asked for ------------------------------

    def send(self, id: str, behind: str | None = None, **others: dict[str, Value] | None) -> Call:
        """A message is sent to the end of the group."""
        options = (("data", id), ("delay", 0), ("group", "g"))
        call = self.begin("anna", Plan("send", id, options=options))
        place: dict[str, Value] = {"queue_type": "STANDARD"} if behind is None else {}
        place |= {} if behind is None else {"previous_id": behind}
        upkeep: dict[str, dict[str, Value] | None] = {"g": {"tail_id": id, "sequence": self.calls}}
        upkeep |= {} if behind is None else {behind: {"next_id": id}}
        self.write(call, **{id: {**self.message(id), **place}, **upkeep, **others})
        return call

    def message(self, id: str) -> dict[str, Value]:
        """What a message consists of that has just been sent."""
        return {
            "status": "READY",
            "receive_count": 0,
            "data": id,
            "message_group_id": "g",
            "sequence": self.calls,
            "queue_add_timestamp": text(self.now),
            "queue_peek_timestamp": "",
            "token": f"{id} {self.calls}",
            "last_updated_timestamp": text(self.now),
        }

    def three(self) -> Story:
        """The messages a, b and c are sent."""
        self.send("a")
        self.send("b", "a")
        self.send("c", "b")
        return self

    def claim(self, who: str) -> dict[str, Value]:
        """What becomes of a message that is claimed."""
        return {
            "status": "PROCESSING",
            "queue_type": "STANDARD",
            "receive_count": 1,
            "receipt": f"{who}'s {self.calls}",
            "token": f"{who}'s {self.calls}",
            "queue_peek_timestamp": text(self.now),
            "queue_add_timestamp": text(self.now + 10),
            "last_updated_timestamp": text(self.now),
        }

    def receive(self, id: str) -> Message[Any]:
        """A message is received."""
        call = self.begin("bert", Plan("receive"))
        self.write(call, **{id: self.claim("bert")})
        self.end(call, [self.held(id)])
        return self.held(id)

    def held(self, id: str) -> Message[Any]:
        """A message as its holder has it."""
        return Message(self.items[id], "STANDARD.PROCESSING", CODEC, "t")

    def entombed(self) -> dict[str, Value]:
        """What becomes of a message that is deleted, and was the head."""
        return {
            "status": "DELETED",
            "queue_type": None,
            "data": None,
            "next_id": None,
            "previous_id": None,
            "token": f"gone {self.calls}",
            "last_updated_timestamp": text(self.now),
        }

    def delete(self, id: str, **others: dict[str, Value] | None) -> Call:
        """A holder deletes the head."""
        message = self.receive(id)
        call = self.begin("bert", Plan("delete", message=message))
        self.write(call, **{id: self.entombed(), **others})
        return call

    def edit(self, trigger: str, id: str, **changes: dict[str, Value] | None) -> Call:
        """An operator edits a message, and what else changes with that."""
        call = self.begin("anna", Plan(trigger, id))
        self.write(call, **changes)
        return call

    def advance(self, **next_one: Value) -> Call:
        """Bert deletes the head a, and claims b in the same request."""
        message = self.receive("a")
        options = (("receive_next", True),)
        call = self.begin("bert", Plan("delete", message=message, options=options))
        self.write(call, a=self.entombed(), b={**self.claim("bert"), **next_one})
        return call


def _changed(id: str, old: Item | None, attributes: dict[str, Value]) -> Item:
    version = 1 if old is None else int(str(old["version"])) + 1
    item: Item = {"id": id, **(old or {}), "version": version, **attributes}
    return {name: value for name, value in item.items() if value is not None}


PROMOTED: dict[str, Value] = {"queue_type": "STANDARD"}
Told = Callable[[Story], object]

# --- what is wrong ---------------------------------------------------------------------------


def _buried(story: Story) -> dict[str, Value]:
    return {
        "queue_type": "DLQ",
        "next_id": None,
        "previous_id": None,
        "errors": [{"message": "buried"}],
        "token": f"buried {story.calls}",
    }


def _redriven_to(story: Story, **changes: dict[str, Value] | None) -> None:
    story.three()
    story.edit("bury", "a", a=_buried(story), b=PROMOTED)
    story.edit("redrive", "a", **changes)


def _redriven(story: Story, **place: Value) -> dict[str, Value]:
    return {
        "queue_type": None,
        "token": f"redriven {story.calls}",
        "sequence": 99,
        **place,
    }


def _redriven_in_between(story: Story) -> None:
    _redriven_to(
        story,
        a=_redriven(story, previous_id="b", next_id="c"),
        b={"next_id": "a"},
        c={"previous_id": "a"},
    )


def _numbered_backward(story: Story) -> None:
    _redriven_to(
        story,
        a=_redriven(story, previous_id="c", sequence=0),
        c={"next_id": "a"},
        g={"tail_id": "a", "sequence": 99},
    )


def _second_overtakes(_story: Story) -> None:
    plans = [sending(id, id, group="g") for id in ("a", "b")]
    entries = [Call("anna", number, plan, True) for number, plan in enumerate(plans, 1)]
    check_none_overtakes(zip(entries, ["ThrottledError", None], strict=True))


def _batch_backward(story: Story) -> None:
    sends = [
        Plan("send", id, options=(("data", id), ("delay", 0), ("group", "g"))) for id in ("a", "b")
    ]
    whole = story.begin("anna", Plan("send_batch", entries=tuple(sends)))
    story.calls += 1
    first, second = Call("anna", 98, sends[0], True), Call("anna", 99, sends[1], True)
    for call in (first, second):
        story.oracle.began(call, START)
    assert whole.plan.entries
    tail: Item = {"id": TAIL, "tail_id": "a", "version": 1}
    head = _changed("b", None, {**story.message("b"), "queue_type": "STANDARD", "next_id": "a"})
    last = _changed("a", None, {**story.message("a"), "previous_id": "b"})
    story.items = {"a": last, "b": head, TAIL: tail}
    story.oracle.changed(START, first, "a", None, last)
    story.oracle.changed(START, second, "b", None, head)
    story.oracle.changed(START, first, "g", None, tail)
    story.oracle.settled(story.items)


def _cancelled_in_the_middle(story: Story, **others: dict[str, Value] | None) -> None:
    story.three()
    changes: dict[str, dict[str, Value] | None] = {
        "b": story.entombed(),
        "a": {"next_id": "c"},
        "c": {"previous_id": "a"},
    }
    story.edit("cancel", "b", **{**changes, **others})


def _upkeep_that_edits(story: Story, **edited: Value) -> None:
    story.send("a")
    story.send("b", "a", a={"next_id": "b", **edited})


def _claimed_and_not_told(story: Story) -> None:
    story.three()
    story.end(story.advance())


def _next_with_old_data(story: Story) -> None:
    story.three()
    call = story.advance()
    told = {**story.items["b"], "data": "old"}
    story.end(call, Message(told, "STANDARD.PROCESSING", CODEC, "t"))


def _next_before_it_is_due(story: Story) -> None:
    story.three()
    story.items["b"] = {**story.items["b"], "queue_add_timestamp": text(5)}
    story.advance()


def _no_damage(story: Story) -> None:
    story.three()
    story.end(story.delete("a", b=PROMOTED), error="DamagedGroupError")


def _purged_under_its_holder(story: Story) -> None:
    story.three()
    message = story.receive("a")
    story.edit("purge", "a", a={**story.entombed(), "receipt": None}, b=PROMOTED)
    story.end(story.begin("bert", Plan("delete", message=message)))


def _second_claimed(story: Story) -> None:
    story.three()
    story.items["b"] = {**story.items["b"], "queue_type": "STANDARD"}
    story.receive("b")


def _told_another_predecessor(story: Story) -> None:
    story.three()
    call = story.send("d", "c")
    story.end(call, Message({**story.items["d"], "previous_id": "b"}, "WAITING", CODEC, "t"))


def _edit_of_another(story: Story) -> None:
    story.three()
    changed: dict[str, Value] = {"data": "x", "token": "x"}
    call = story.begin("anna", Plan("update", "a", options=(("data", "x"),)))
    story.write(call, b=changed)


WRONG: dict[str, tuple[str, Told]] = {
    "a second head": ("HEAD", lambda s: (s.send("a"), s.send("b", g={"tail_id": "b"}))),
    "nobody is promoted": ("HEAD", lambda s: s.three().delete("a")),
    "the wrong one is promoted": ("FIFO", lambda s: s.three().delete("a", c=PROMOTED)),
    "two are promoted": ("FIFO", lambda s: s.three().delete("a", b=PROMOTED, c=PROMOTED)),
    "the tail is not linked": ("HEAD", lambda s: (s.send("a"), s.send("b", "a", a={}))),
    "the tail is not moved": (
        "HEAD",
        lambda s: (s.send("a"), s.send("b", "a", g={"tail_id": "a"})),
    ),
    "the group's item is missing": ("HEAD", lambda s: s.send("a", g=None)),
    "the group's item stays": ("HEAD", lambda s: (s.send("a"), s.delete("a"))),
    "the group is opened anew": (
        "HEAD",
        lambda s: (s.send("a"), s.send("b", "a", g={"tail_id": "b", "version": 1})),
    ),
    "a group's item that keeps its version": (
        "VERSION",
        lambda s: (s.three(), s.send("d", "c", g={"tail_id": "d", "version": 3})),
    ),
    "a message that leaves keeps its links": (
        "HEAD",
        lambda s: s.three().delete("a", a={**s.entombed(), "next_id": "b"}, b=PROMOTED),
    ),
    "the next one does not know its predecessor": (
        "HEAD",
        lambda s: _cancelled_in_the_middle(s, c={"previous_id": "b"}),
    ),
    "the list leads to what is gone": (
        "HEAD",
        lambda s: _cancelled_in_the_middle(s, a={"next_id": "b"}),
    ),
    "the list is a circle": ("HEAD", lambda s: _cancelled_in_the_middle(s, c={"next_id": "a"})),
    "what has left is changed": (
        "HEAD",
        lambda s: (s.three().delete("a", b=PROMOTED), s.send("d", "c", a={"next_id": "d"})),
    ),
    "upkeep changes a payload": ("HEAD", lambda s: _upkeep_that_edits(s, data="x")),
    "upkeep changes the due time": (
        "HEAD",
        lambda s: _upkeep_that_edits(s, queue_add_timestamp=text(1)),
    ),
    "upkeep puts aside": ("HEAD", lambda s: _upkeep_that_edits(s, queue_type=None)),
    "upkeep that keeps the version": ("VERSION", lambda s: _upkeep_that_edits(s, version=1)),
    "a list that is said to be damaged": ("HEAD", _no_damage),
    "a redriven message gets in between": ("FIFO", _redriven_in_between),
    "a redriven message is numbered as if it came earlier": ("FIFO", _numbered_backward),
    "a group that forgets how far it has numbered": (
        "FIFO",
        lambda s: s.send("a", g={"tail_id": "a", "sequence": 0}),
    ),
    "a message of a batch overtakes another": ("FIFO", _second_overtakes),
    "a batch joins in the opposite order": ("FIFO", _batch_backward),
    "a sender is told another predecessor": ("FIFO", _told_another_predecessor),
    "the second is claimed": ("FIFO", _second_claimed),
    "the next one is claimed, and nobody knows": ("REPEATABLE", _claimed_and_not_told),
    "the next one is told as it was before": ("NO-LOSS", _next_with_old_data),
    "the next one is claimed before it is due": ("NOT-EARLY", _next_before_it_is_due),
    "a holder is told that it has deleted what was purged": ("FENCED", _purged_under_its_holder),
    "an edit of another message": ("FENCED", _edit_of_another),
    "a message in another group than asked for": (
        "NO-LOSS",
        lambda s: s.send("a", a={**s.message("a"), **PROMOTED, "message_group_id": "h"}),
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_oracle_finds_what_is_wrong_with_a_group(what: str) -> None:
    """Each of these stories breaks the named property, and no other before it."""
    property_id, tell = WRONG[what]
    with pytest.raises(ViolationError) as caught:
        tell(Story())
    assert caught.value.property_id == property_id


def _sent(story: Story) -> None:
    story.three()
    call = story.send("d", "c")
    story.end(call, Message(story.items["d"], "WAITING", CODEC, "t"))


def _advanced(story: Story) -> None:
    story.three()
    story.end(story.advance(), story.held("b"))


def _redriven_at_the_end(story: Story) -> None:
    _redriven_to(
        story,
        a=_redriven(story, previous_id="c"),
        c={"next_id": "a"},
        g={"tail_id": "a", "sequence": 99},
    )


def _emptied(story: Story) -> None:
    story.send("a")
    story.end(story.delete("a", g=None))
    story.now = WINDOW / SECOND + 1
    story.items.clear()
    story.send("b")


def _refused_after_a_purge(story: Story) -> None:
    story.three()
    message = story.receive("a")
    story.edit("purge", "a", a={**story.entombed(), "receipt": None}, b=PROMOTED)
    story.end(story.begin("bert", Plan("delete", message=message)), error="StaleReceiptError")


RIGHT: dict[str, Told] = {
    "sends": _sent,
    "a deletion": lambda s: s.three().delete("a", b=PROMOTED),
    "a deletion that claims the next": _advanced,
    "a cancellation in the middle": _cancelled_in_the_middle,
    "a redriven message at the end": _redriven_at_the_end,
    "a group that is emptied, and filled": _emptied,
    "a purge of what is held": _refused_after_a_purge,
}


@pytest.mark.parametrize("what", RIGHT)
def test_the_oracle_lets_pass_what_is_right_with_a_group(what: str) -> None:
    """None of these stories breaks a property."""
    RIGHT[what](Story())

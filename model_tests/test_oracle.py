"""The oracle and the trace alone: each finds what is wrong, and lets pass what is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, evolve, field

from dynamomq.expressions import TRUE
from dynamomq.machine import MESSAGE
from dynamomq.message import Message
from dynamomq.operations import Settings
from dynamomq.operations.writing import at
from dynamomq.payload import codec_for
from dynamomq.requests import Write
from dynamomq.rules import Rule
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, Value
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.calls import Call, Plan
from model_tests.simulator.oracle import Oracle
from model_tests.simulator.trace import TRACE, check_change

START = 2_208_988_800 * SECOND
TIMEOUT = 10 * SECOND
WINDOW = 300 * SECOND
CODEC = codec_for(None)


def text(seconds: float) -> str:
    """The stored text of a time, in seconds since the beginning."""
    return format_instant(START + round(seconds * SECOND))


@define
class Story:
    """One message's life, told to an oracle; all clocks are right.

    Attributes:
        item: the message as it is stored; ``None``: it is not there.
        now: the time, in seconds since the beginning.
    """

    item: Item | None = None
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
        self.oracle.began(call, self._time)
        return call

    def write(self, call: Call, **changes: Value) -> None:
        """A request of a call changes the item; an attribute that becomes ``None`` goes."""
        old = self.item
        version = self.number("version") + 1
        always: Item = {"version": version, "last_updated_timestamp": text(self.now)}
        after = {**(old or {}), **always, **changes}
        self.item = {name: value for name, value in after.items() if value is not None}
        self.oracle.changed(self._time, call, f"request of {call.name}", old, self.item)

    def end(self, call: Call, result: Any = None, error: str | None = None) -> None:
        """A call ends."""
        self.oracle.ended(self._time, call, result, error)

    @property
    def _time(self) -> int:
        return START + round(self.now * SECOND)

    def number(self, attribute: str) -> int:
        """A number in the item; 0 where there is none."""
        found = (self.item or {}).get(attribute)
        return found if isinstance(found, int) else 0

    # --- calls that go well ---

    def send(self, **changes: Value) -> Call:
        """The message is sent; the call has not ended."""
        call = self.begin("anna", Plan("send", "m", options=(("data", "x"), ("delay", 0))))
        new: Item = {
            "id": "m",
            "status": "READY",
            "queue_type": "STANDARD",
            "queue_add_timestamp": text(self.now),
            "queue_peek_timestamp": "",
            "receive_count": 0,
            "data": "x",
        }
        self.write(call, **{**new, **changes})
        return call

    def receive(self, who: str, **changes: Value) -> Call:
        """The message is claimed; the call has not ended."""
        call = self.begin(who, Plan("receive"))
        claimed: Item = {
            "status": "PROCESSING",
            "queue_add_timestamp": text(self.now + 10),
            "queue_peek_timestamp": text(self.now),
            "receive_count": self.number("receive_count") + 1,
            "receipt": f"{who}'s {call.number}",
        }
        self.write(call, **{**claimed, **changes})
        return call

    def delivered(self, who: str, **changes: Value) -> Message[Any]:
        """The message is claimed, and returned as it is, or with such changes."""
        call = self.receive(who)
        message = self.message(**changes)
        self.end(call, [message])
        return message

    def message(self, **changes: Value) -> Message[Any]:
        """The message as it is, or with such changes."""
        return Message({**(self.item or {}), **changes}, "STANDARD.PROCESSING", CODEC, "t")

    def act(self, message: Message[Any], operation: str, **options: Any) -> Call:
        """The holder of a delivery calls something, in its own name."""
        who = str(message.receipt).partition("'")[0]
        return self.begin(who, Plan(operation, message=message, options=tuple(options.items())))

    def delete(self, message: Message[Any], **changes: Value) -> Call:
        """The message is deleted; the call has not ended."""
        call = self.act(message, "delete")
        self.write(call, **{"status": "DELETED", "queue_type": None, "data": None, **changes})
        return call

    def give_back(self, call: Call, **changes: Value) -> None:
        """A delivery ends, and the message is there for others."""
        self.write(call, **{"status": "READY", "queue_add_timestamp": text(self.now), **changes})

    def expired(self) -> tuple[Message[Any], Message[Any]]:
        """Anna's delivery is over, and Bert's has begun."""
        self.send()
        first = self.delivered("anna")
        self.now = 11
        return first, self.delivered("bert")


def failure(why: str) -> Value:
    """A stored failure."""
    return {"message": why}


# --- what is wrong ---------------------------------------------------------------------------

Told = Callable[[Story], None]


def _edit_without_write(story: Story) -> None:
    story.send()
    story.end(story.begin("bert", Plan("cancel", "m")))


def _stale_extension(story: Story) -> None:
    stale, _ = story.expired()
    story.end(story.act(stale, "extend", timeout=TIMEOUT), story.message())


def _extended(story: Story, stored: float, returned: float) -> None:
    story.send()
    held = story.delivered("anna")
    story.now = 5
    call = story.act(held, "extend", timeout=TIMEOUT)
    story.write(call, queue_add_timestamp=text(stored))
    story.end(call, story.message(queue_add_timestamp=text(returned)))


def _extended_without_write(story: Story) -> None:
    story.send()
    held = story.delivered("anna")
    story.now = 5
    story.end(story.act(held, "extend", timeout=TIMEOUT), held)


def _stale_deletion(story: Story, later: float = 1) -> None:
    stale, held = story.expired()
    story.end(story.delete(held))
    story.now += later
    story.end(story.act(stale, "delete"))


def _refused_after_change(story: Story) -> None:
    story.send()
    story.end(story.delete(story.delivered("anna")), error="StaleReceiptError")


_KEPT: list[Value] = [failure("one"), failure("two"), failure("why")]


def _put_aside(story: Story, **changes: Value) -> None:
    """Bert meets what somebody has damaged."""
    story.send()
    story.write(story.begin("anna", Plan("damage", "m")), receive_count=None)
    aside: Item = {"queue_type": "DLQ", "receive_count": 0, "errors": [failure("damaged")]}
    story.write(story.begin("bert", Plan("receive")), **{**aside, **changes})


def _retried(story: Story, **changes: Value) -> None:
    """Anna gives the message back after a failure, and says why; two more are known already."""
    story.send(errors=_KEPT[:2])
    story.now = 1
    call = story.act(story.delivered("anna"), "retry", delay=2 * SECOND, error="why")
    story.give_back(call, **{"queue_add_timestamp": text(3), "errors": _KEPT, **changes})
    story.end(call)


def _released(story: Story, **changes: Value) -> None:
    story.send(errors=[failure("one")])
    call = story.act(story.delivered("anna"), "release")
    story.give_back(call, **{"receive_count": 0, **changes})


def _updated(story: Story, **changes: Value) -> None:
    story.send()
    call = story.begin("bert", Plan("update", "m", options=(("data", "y"),)))
    story.write(call, data="y", **changes)
    story.end(call, story.message())


def _sent(story: Story, **changes: Value) -> None:
    story.end(story.send(), story.message(**changes))


def _sent_for_later(story: Story) -> None:
    story.send(queue_add_timestamp=text(1))


def _returned_twice(story: Story) -> None:
    story.send()
    call = story.receive("anna")
    story.end(call, [story.message()] * 2)


def _returned(story: Story, **changes: Value) -> None:
    story.send()
    story.delivered("anna", **changes)


def _claimed(story: Story, **changes: Value) -> None:
    story.send()
    story.receive("anna", **changes)


def _deleted(story: Story, **changes: Value) -> None:
    story.send()
    story.end(story.delete(story.delivered("anna"), **changes))


WRONG: dict[str, tuple[str, Told]] = {
    "an edit is done, but nothing was written": ("FENCED", _edit_without_write),
    "an extension of a stale delivery": ("FENCED", _stale_extension),
    "an extension that is told later than stored": ("NO-DOUBLE", lambda s: _extended(s, 15, 16)),
    "an extension that is told earlier": ("NO-DOUBLE", lambda s: _extended(s, 15, 14.5)),
    "an extension beyond what was asked": ("PROGRESS", lambda s: _extended(s, 16, 16)),
    "an extension that shortens": ("NO-DOUBLE", lambda s: _extended(s, 9, 9)),
    "an extension that was not written": ("NO-DOUBLE", _extended_without_write),
    "a deletion of what another has deleted": ("FENCED", _stale_deletion),
    "a deletion that is refused": ("FENCED", _refused_after_change),
    "a tombstone with the payload": ("DEDUP", lambda s: _deleted(s, data="x")),
    "a tombstone with the form of the payload": ("DEDUP", lambda s: _deleted(s, codec="gob")),
    "a damaged item that stays": ("FENCED", lambda s: _put_aside(s, queue_type="STANDARD")),
    "a damaged item that keeps its receipt": ("FENCED", lambda s: _put_aside(s, receipt="r")),
    "a damaged item that loses its payload": ("NO-LOSS", lambda s: _put_aside(s, data="y")),
    "a damaged item, put aside without a reason": ("NO-LOSS", lambda s: _put_aside(s, errors=None)),
    "an update before the message's own time": (
        "REPEATABLE",
        lambda s: _updated(s, last_updated_timestamp=text(-1)),
    ),
    "a retry that is due later": (
        "PROGRESS",
        lambda s: _retried(s, queue_add_timestamp=text(3.001)),
    ),
    "a retry that is due earlier": (
        "NOT-EARLY",
        lambda s: _retried(s, queue_add_timestamp=text(2.999)),
    ),
    "a release without a due time": ("PROGRESS", lambda s: _released(s, queue_add_timestamp=None)),
    "a retry that forgets why": ("NO-LOSS", lambda s: _retried(s, errors=_KEPT[:2])),
    "a retry that forgets all": ("NO-LOSS", lambda s: _retried(s, errors=None)),
    "a retry that forgets the first failure": (
        "NO-LOSS",
        lambda s: _retried(s, errors=_KEPT[1:]),
    ),
    "a release that forgets a failure": ("NO-LOSS", lambda s: _released(s, errors=None)),
    "a release that is due later": (
        "PROGRESS",
        lambda s: _released(s, queue_add_timestamp=text(1)),
    ),
    "a release that counts": ("MAX-RECEIVES", lambda s: _released(s, receive_count=1)),
    "an update that puts off": ("PROGRESS", lambda s: _updated(s, queue_add_timestamp=text(1))),
    "a write at a time that no clock has shown": (
        "NOT-EARLY",
        lambda s: _updated(s, last_updated_timestamp=text(0.002)),
    ),
    "a send that returns another id": ("NO-LOSS", lambda s: _sent(s, id="n")),
    "a send that is due later": ("PROGRESS", _sent_for_later),
    "a claim for less than was asked": (
        "NO-DOUBLE",
        lambda s: _claimed(s, queue_add_timestamp=text(9)),
    ),
    "a claim for more than was asked": (
        "NO-DOUBLE",
        lambda s: _claimed(s, queue_add_timestamp=text(11)),
    ),
    "a claim that does not count": ("MAX-RECEIVES", lambda s: _claimed(s, receive_count=0)),
    "more messages than were asked for": ("PROGRESS", _returned_twice),
    "a delivery under another id": ("NO-DOUBLE", lambda s: _returned(s, id="n")),
    "a delivery with another number": ("MAX-RECEIVES", lambda s: _returned(s, receive_count=2)),
    "a delivery with an earlier deadline": (
        "NO-DOUBLE",
        lambda s: _returned(s, queue_add_timestamp=text(9)),
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_oracle_finds_what_is_wrong(what: str) -> None:
    """Each of these stories breaks the named property, and no other before it."""
    property_id, tell = WRONG[what]
    with pytest.raises(ViolationError) as caught:
        tell(Story())
    assert caught.value.property_id == property_id


def _followed(story: Story) -> None:
    """An edit a nanosecond after the message's own time, which no clock has shown yet."""
    _updated(story, last_updated_timestamp=format_instant(START + 1))


def _many_failures(story: Story) -> None:
    """Only the last few of many failures are kept."""
    known = [failure(str(number)) for number in range(5)]
    story.send(errors=known)
    call = story.act(story.delivered("anna"), "retry", delay=0, error="why")
    story.give_back(call, errors=[*known[1:], failure("why")])
    story.end(call)


def _conflict_after_change(story: Story) -> None:
    """A conflict may be that of a repetition: the first attempt has been executed."""
    story.send()
    story.end(story.delete(story.delivered("anna")), error="ConflictError")


RIGHT: dict[str, Told] = {
    "an edit": _updated,
    "an edit that follows": _followed,
    "an extension": lambda s: _extended(s, 15, 15),
    "a deletion": _deleted,
    "a damaged item that is put aside": lambda s: _put_aside(s),
    "a deletion of what is forgotten": lambda s: _stale_deletion(s, 300),
    "a deletion that met a conflict": _conflict_after_change,
    "a retry": _retried,
    "a retry after many": _many_failures,
    "a release": _released,
    "a send": _sent,
    "a delivery": _returned,
}


@pytest.mark.parametrize("what", RIGHT)
def test_the_oracle_lets_pass_what_is_right(what: str) -> None:
    """None of these stories breaks a property."""
    RIGHT[what](Story())


# --- the trace -------------------------------------------------------------------------------

_SETTINGS = Settings("t", CODEC, TIMEOUT, None, WINDOW)
_READY: Item = {
    "id": "m",
    "status": "READY",
    "queue_type": "STANDARD",
    "receive_count": 0,
    "version": 1,
    "creation_timestamp": text(0),
    "last_updated_timestamp": text(0),
    "queue_add_timestamp": text(0),
    "queue_peek_timestamp": "",
    "data": "x",
    "token": "send",
    "send_token": "send",
}


def claim(*, seconds: float = 1, rule: Rule | None = None) -> Write:
    """A claim of the message, at a time after the beginning."""
    arguments: dict[str, Value] = {
        **at(_SETTINGS, START + round(seconds * SECOND)),
        "due": text(seconds + 10),
        "token": "claim",
        "max_receives": 3,
    }
    return Write("m", rule or MESSAGE.rule("receive", queue="STANDARD"), arguments)


def changed(item: Item | None, write: Write) -> Item:
    """The item after a write."""
    after = write.specialised.apply(item, write.arguments)
    assert after is not None
    return after


def test_trace_lets_steps_of_the_machine_pass() -> None:
    """What the machine's effects make of an item is right, a second time too after its deadline."""
    held = changed(_READY, claim())
    check_change(claim(), _READY, held)
    later = claim(seconds=12)
    check_change(later, held, changed(held, later))


WRONG_VALUES: dict[str, Value] = {
    "queue_add_timestamp": text(20),
    "last_updated_timestamp": text(20),
    "receipt": "another",
    "token": None,
    "errors": [failure("what never happened")],
}
"""What a claim may leave by mistake; ``None``: nothing."""


@pytest.mark.parametrize("attribute", WRONG_VALUES)
def test_trace_compares_every_attribute(attribute: str) -> None:
    """A value that is wrong, missing or too much is found, and named."""
    left = {**changed(_READY, claim()), attribute: WRONG_VALUES[attribute]}
    item: Item = {name: value for name, value in left.items() if value is not None}
    with pytest.raises(ViolationError, match=f"left another {attribute} than") as caught:
        check_change(claim(), _READY, item)
    assert caught.value.property_id == TRACE


def test_trace_asks_for_guards() -> None:
    """A claim before the message is due is no step, though its states and effects are right."""
    early = claim(seconds=-1)
    with pytest.raises(ViolationError, match="not allowed"):
        check_change(early, _READY, changed(_READY, early))


def test_trace_asks_for_states() -> None:
    """A claim of what somebody holds is no step, even by a rule that would allow it."""
    rule = MESSAGE.rule("receive", queue="STANDARD")
    anything = [
        (evolve(state, predicate=TRUE), evolve(step, guard=TRUE))
        for state, step in rule.alternatives
    ]
    careless = claim(seconds=2, rule=Rule(rule.trigger, rule.kind, tuple(anything)))
    held = changed(_READY, claim())
    with pytest.raises(ViolationError, match=r"from STANDARD\.PROCESSING to STANDARD\.PROCESSING"):
        check_change(careless, held, changed(held, careless))

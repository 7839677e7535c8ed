"""Faults around the transactions of a group: its list is whole, and nothing happened by half.

Each story changes a list. It is told once in peace, and then with each of its transactions in
trouble: its reply lost, another one in its way, the storage failing before or after it, the process
dying before or after it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from attrs import define, frozen

from dynamomq import LocalEngine, Queue
from dynamomq.errors import (
    DuplicateMessageError,
    DynamoMQError,
    IllegalTransitionError,
    UnavailableError,
)
from dynamomq.machine import MESSAGE
from dynamomq.message import Entry, Message
from dynamomq.table import TableDefinition
from dynamomq.testing import Chance, Clock, Fault, Faults, FaultyEngine
from tests.integration.scene import all_items
from tests.support.embedded import update
from tests.support.lists import orders
from tests.support.triggers import OPERATORS, call

pytestmark = pytest.mark.engine("local-memory")

Outcome = tuple[dict[str, list[str]], dict[str, str]]

TIMEOUT = 30.0
TABLE = "jobs"
MANY = 150  # for two transactions


@define(eq=False)
class Stage:
    """A queue whose storage fails as told, and its time.

    Attributes:
        queue: the queue.
        engine: its engine.
        clock: its time.
        held: what was received before the story began.
    """

    queue: Queue[Any]
    engine: FaultyEngine
    clock: Clock
    held: list[Message[Any]]

    @property
    def items(self) -> Mapping[str, Any]:
        """All that is in the table."""
        return all_items(self.engine.engine.open(TableDefinition(TABLE)))

    @property
    def outcome(self) -> Outcome:
        """The groups' lists, which must be whole, and the states of messages that have left."""
        lists = orders(self.items)
        listed = {id for order in lists.values() for id in order}
        messages = [message for message in self.queue.list(None) if message.id not in listed]
        return lists, {message.id: message.state for message in messages}

    def reopen(self) -> None:
        """Let another process go on, after a crash."""
        self.queue = opened(self.engine)

    def fill(self, count: int, group: str = "g") -> None:
        """Send messages ``<group>0`` and on."""
        for number in range(count):
            self.queue.send(number, id=f"{group}{number}", group=group)
            self.clock.advance(1)

    def hold(self) -> None:
        """Receive what can be, which the story goes on with a second later."""
        self.held += self.queue.receive(10)
        self.clock.advance(1)


def opened(engine: FaultyEngine) -> Queue[Any]:
    """The queue; it allows one delivery."""
    return Queue(TABLE, engine=engine, visibility_timeout=TIMEOUT, max_receives=2)


@contextmanager
def staged() -> Iterator[Stage]:
    """An empty queue."""
    clock = Clock(chance=Chance())
    with FaultyEngine(LocalEngine(surroundings=clock.surroundings())) as engine:
        queue = opened(engine)
        queue.create_table()
        yield Stage(queue, engine, clock, [])


# --- stories ---------------------------------------------------------------------------------


@frozen
class Story:
    """What happens to a list.

    Attributes:
        prepare: what happened before.
        call: what is told.
        transactions: how many it takes.
        again: what the same call may raise once it has been carried out.
    """

    prepare: Callable[[Stage], object]
    call: Callable[[Stage], object]
    transactions: int = 1
    again: type[Exception] | None = None


def _held(count: int) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.fill(count)
        stage.hold()

    return prepare


def _two_held(stage: Stage) -> None:
    stage.fill(2)
    stage.fill(1, "h")
    stage.hold()


def _dead(stage: Stage) -> None:
    stage.fill(3)
    stage.queue.bury("g0")


def _used_up(stage: Stage) -> None:
    stage.fill(2)
    for _ in range(2):
        stage.queue.receive()
        stage.clock.advance(TIMEOUT + 1)


def _unfit(stage: Stage) -> None:
    stage.fill(2)
    stage.engine.engine.open(TableDefinition(TABLE)).execute(update("g0", version="one"))


def _send_many(stage: Stage) -> list[Any]:
    results = stage.queue.send_batch([Entry(1, id=f"m{n:03}", group="g") for n in range(MANY)])
    errors = [one.error for one in results if one.error and not one.is_duplicate]
    if errors:
        raise errors[0]
    return results


def _delete_all(stage: Stage) -> None:
    for result in stage.queue.delete_batch(stage.held):
        if result.error is not None:
            raise result.error


def leaves(trigger: str) -> bool:
    """Whether a step of a trigger takes a message out of its group's list."""
    return any(step.role == "leaves" for step in MESSAGE.transitions if step.trigger == trigger)


def _withdrawn(trigger: str) -> Story:
    return Story(
        lambda stage: stage.fill(3),
        lambda stage: call(stage.queue, trigger, "g0"),
        again=IllegalTransitionError,
    )


STORIES = {
    **{trigger: _withdrawn(trigger) for trigger in OPERATORS if leaves(trigger)},
    "open": Story(
        lambda stage: None,  # noqa: ARG005 - there is nothing before
        lambda stage: stage.queue.send(1, id="new", group="g"),
        again=DuplicateMessageError,
    ),
    "append": Story(
        lambda stage: stage.fill(2),
        lambda stage: stage.queue.send(1, id="new", group="g"),
        again=DuplicateMessageError,
    ),
    "append many": Story(lambda stage: stage.fill(1), _send_many, transactions=2),
    "delete": Story(_held(3), lambda stage: stage.queue.delete(*stage.held)),
    "delete the last": Story(_held(1), lambda stage: stage.queue.delete(*stage.held)),
    "delete heads": Story(_two_held, _delete_all, transactions=2),
    "move_to_dlq": Story(_held(2), lambda stage: stage.queue.move_to_dlq(*stage.held, error="no")),
    "cancel between": Story(
        lambda stage: stage.fill(3),
        lambda stage: stage.queue.cancel("g1"),
        again=IllegalTransitionError,
    ),
    "bury the tail": Story(
        lambda stage: stage.fill(3),
        lambda stage: stage.queue.bury("g2"),
        again=IllegalTransitionError,
    ),
    "redrive": Story(_dead, lambda stage: stage.queue.redrive("g0"), again=IllegalTransitionError),
    "quarantine": Story(_unfit, lambda stage: stage.queue.receive(visibility_timeout=1)),
    "exhaust": Story(_used_up, lambda stage: stage.queue.receive(visibility_timeout=1)),
}


def test_every_step_that_changes_lists_has_a_story() -> None:
    """Whatever joins a list or leaves it is tried with faults; what is missing is to be added."""
    changing = {step.trigger for step in MESSAGE.transitions if step.role in ("joins", "leaves")}
    named_otherwise = {"send"}  # open and append
    assert changing - named_otherwise - STORIES.keys() == set()


NEXT = Story(_held(3), lambda stage: stage.queue.delete(*stage.held, receive_next=True))
"""Delete, and receive the next one. (Its own tests: what it returns is a delivery.)"""

POSITIONS = [
    pytest.param(story, nth, id=f"{name}, {nth}" if story.transactions > 1 else name)
    for name, story in STORIES.items()
    for nth in range(1, story.transactions + 1)
]
EVERY_POSITION = pytest.mark.parametrize(("story", "nth"), POSITIONS)

Trouble = Callable[[Faults, int], Fault]

PASSING: dict[str, Trouble] = {
    "reply lost": lambda faults, nth: faults.lose_reply("transact", nth=nth),
    "failed after": lambda faults, nth: faults.fail("transact", executed=True, nth=nth, times=2),
    "failed before": lambda faults, nth: faults.fail("transact", executed=False, nth=nth, times=4),
    "conflict": lambda faults, nth: faults.conflict("transact", nth=nth, times=3),
    "throttled": lambda faults, nth: faults.throttle("transact", nth=nth, times=3),
}
"""What operations get over by themselves."""


def in_peace(story: Story) -> Outcome:
    """What is there after a story in which nothing goes wrong."""
    with staged() as stage:
        story.prepare(stage)
        story.call(stage)
        return stage.outcome


def told_again(story: Story, stage: Stage) -> None:
    """The same call once more, by a caller who does not know what became of the first."""
    stage.clock.advance(1)
    try:
        story.call(stage)
    except DynamoMQError as error:
        assert story.again is not None, error
        assert isinstance(error, story.again), error


def drained(stage: Stage) -> dict[str, list[str]]:
    """Receive and delete all that is left; return it by group, in the order of first deliveries."""
    found: dict[str, list[str]] = {}
    stage.clock.advance(2 * TIMEOUT)
    while messages := stage.queue.receive(10):
        for message in messages:
            found.setdefault(str(message.group), []).append(message.id)
            stage.queue.delete(message)
    return found


@pytest.mark.parametrize("trouble", PASSING)
@EVERY_POSITION
def test_passing_trouble_is_got_over(story: Story, nth: int, trouble: str) -> None:
    """Whichever transaction it meets, the call succeeds, and what it leaves is as in peace."""
    with staged() as stage:
        story.prepare(stage)
        with PASSING[trouble](stage.engine.faults, nth):
            story.call(stage)
        assert stage.outcome == in_peace(story)


@pytest.mark.parametrize("executed", [True, False])
@EVERY_POSITION
def test_what_is_given_up_can_be_called_again(story: Story, nth: int, executed: bool) -> None:
    """Where no attempt is answered the call says so; called again, it leads to where it should."""
    with staged() as stage:
        story.prepare(stage)
        faults = stage.engine.faults
        unheard = faults.time_out("transact", executed=executed, nth=nth)
        with unheard, pytest.raises(UnavailableError):
            story.call(stage)
        assert stage.outcome  # whose lists are whole
        told_again(story, stage)
        assert stage.outcome == in_peace(story)


@pytest.mark.parametrize("when", ["before", "after"])
@EVERY_POSITION
def test_a_crash_leaves_no_half(story: Story, nth: int, when: Literal["before", "after"]) -> None:
    """Who dies around a transaction leaves whole lists; who calls again, what should be there."""
    with staged() as stage:
        story.prepare(stage)
        before = stage.outcome
        with stage.engine.faults.crash("transact", when=when, nth=nth):
            story.call(stage)
        stage.reopen()
        after = stage.outcome
        assert after[0].keys() <= {"g", "h"}
        if story.transactions == 1:
            assert after == (before if when == "before" else in_peace(story))
        told_again(story, stage)
        lists, _ = stage.outcome
        assert stage.outcome == in_peace(story)
        assert drained(stage) == lists


@pytest.mark.parametrize("trouble", PASSING)
def test_the_next_message_is_handed_over_all_the_same(trouble: str) -> None:
    """GROUP-7: the claim is recognised as one's own, so that its holder can finish it."""
    with staged() as stage:
        NEXT.prepare(stage)
        with PASSING[trouble](stage.engine.faults, 1):
            following = NEXT.call(stage)
        assert isinstance(following, Message)
        assert (following.id, following.receive_count) == ("g1", 1)
        assert following.item == stage.items["g1"]
        stage.queue.delete(following)
        assert stage.outcome == ({"g": ["g2"]}, {"g0": "DELETED", "g1": "DELETED"})


@pytest.mark.parametrize("how", ["given up", "crash"])
def test_a_next_message_that_nobody_heard_of_comes_again(how: str) -> None:
    """Its delivery was lost with the reply: it is over after its timeout, like any other."""
    with staged() as stage:
        NEXT.prepare(stage)
        faults = stage.engine.faults
        if how == "crash":
            with faults.crash("transact", when="after"):
                NEXT.call(stage)
            stage.reopen()
        else:
            unheard = faults.time_out("transact", executed=True)
            with unheard, pytest.raises(UnavailableError):
                NEXT.call(stage)
        assert NEXT.call(stage) is None  # it is deleted; what was claimed is not known
        assert stage.queue.receive() == []
        stage.clock.advance(TIMEOUT)
        (again,) = stage.queue.receive()
        assert (again.id, again.receive_count) == ("g1", 2)
        assert stage.outcome == ({"g": ["g1", "g2"]}, {"g0": "DELETED"})


def test_a_successor_may_join_between_attempts() -> None:
    """A delete whose transaction was not executed at first is planned anew when others joined."""
    with staged() as stage:
        NEXT.prepare(stage)
        another: Queue[Any] = Queue(TABLE, engine=stage.engine.engine)
        ids = iter(("x0", "x1"))
        stage.clock.while_asleep = lambda: another.send(1, group="g", id=next(ids))
        with stage.engine.faults.throttle("transact", times=2):
            stage.queue.delete(*stage.held)
        assert stage.outcome == ({"g": ["g1", "g2", "x0", "x1"]}, {"g0": "DELETED"})

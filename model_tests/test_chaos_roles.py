"""Followers and the watcher do what they say, each by itself and without chaos."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from dynamomq import DynamoDBEngine, LocalEngine, Message, Queue
from dynamomq.testing import Clock, FaultyEngine
from model_tests.chaos.assignment import Assignment
from model_tests.chaos.follower import follow
from model_tests.chaos.handling import HEEDED, Handler
from model_tests.chaos.lists import problems_of
from model_tests.chaos.plan import Course, Plan
from model_tests.chaos.watcher import watch, whole_list
from model_tests.history.log import Event, Log, SkewedClock, read_logs

PLAN = Plan(seed=1, groups=1, max_receives=2)


class Planned(Handler):
    """A handler that ends as it is told, and tells the follower to end after the last course."""

    def __init__(self, log: Log, courses: list[str], told: threading.Event) -> None:
        """Note what to do."""
        super().__init__(Assignment("follower", "f", PLAN, "", "", Path(), SkewedClock(0)), log)
        self.courses = courses
        self.told = told
        self.handled: list[str] = []

    def handle(self, message: Message[Any], spend: Callable[[float], bool]) -> str:
        """End as planned, in no time."""
        assert not spend(0.0)
        self.handled.append(message.id)
        course = self.courses.pop(0)
        if not self.courses:
            self.told.set()
        return course


@define
class Scene:
    """A queue with ``a``, ``b`` and ``c`` in a group, and somebody who follows it."""

    queue: Queue[Any]
    engine: FaultyEngine
    log: Log
    told: threading.Event = field(factory=threading.Event)

    def follow(self, *courses: str) -> list[str]:
        """Follow until all courses have been taken; return who was handled."""
        handler = Planned(self.log, list(courses), self.told)
        follow(PLAN, self.queue, handler, self.log, self.told)
        return handler.handled

    def states(self) -> dict[str, str]:
        """The state of each message by now."""
        return {message.id: message.state for message in self.queue.list(None)}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """What :class:`Scene` says."""
    engine = FaultyEngine(LocalEngine(surroundings=Clock().surroundings()))
    queue: Queue[Any] = Queue("followed", engine=engine, max_receives=PLAN.max_receives)
    queue.create_table()
    for id in ("a", "b", "c"):
        queue.send({}, id=id, group="g")
    with Log(tmp_path, "follower", SkewedClock(0)) as log, engine:
        yield Scene(queue, engine, log)


def test_a_follower_receives_the_next_one_with_the_deletion(scene: Scene) -> None:
    """It looks at the index once, and then goes through the group; the last one it just deletes."""
    assert scene.follow(Course.SUCCEED, Course.SUCCEED) == ["a", "b"]
    assert scene.states() == {"a": "DELETED", "b": "DELETED", "c": "STANDARD.READY"}
    assert scene.queue.get("c").receive_count == 0


@pytest.mark.parametrize("course", [Course.FAIL, Course.RETRY_AFTER, HEEDED])
def test_a_follower_gives_back_what_has_failed(scene: Scene, course: str) -> None:
    """The message stays its group's head; after its last delivery it is a dead letter."""
    assert scene.follow(course) == ["a"]
    assert scene.states()["a"] == "STANDARD.READY"
    scene.told.clear()
    assert scene.follow(course) == ["a"]
    assert scene.states()["a"] == "DLQ.READY"


def test_a_follower_rejects(scene: Scene) -> None:
    """What can't be handled at all is a dead letter at once."""
    assert scene.follow(Course.REJECT) == ["a"]
    assert scene.states() == {"a": "DLQ.READY", "b": "STANDARD.READY", "c": "WAITING"}


@pytest.mark.parametrize("executed", [True, False])
def test_a_follower_goes_on_after_an_answer_that_failed(
    scene: Scene, tmp_path: Path, executed: bool
) -> None:
    """It knows nothing of a delivery then, and receives when that is over, as anyone does."""
    scene.engine.faults.time_out("delete", executed=executed)
    handled = scene.follow(Course.SUCCEED, Course.SUCCEED)
    assert handled == ["a", "b" if executed else "a"]
    (lost,) = read_logs(tmp_path)
    assert (lost.name, lost.details["id"]) == ("lease lost", "a")


# --- the watcher -----------------------------------------------------------------------------


class AfterLooks(threading.Event):
    """An order to end that comes after so many looks."""

    def __init__(self, looks: int) -> None:
        """Count the waits in between."""
        super().__init__()
        self.looks = looks

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for nothing; a look is over."""
        assert timeout is not None
        self.looks -= 1
        if not self.looks:
            self.set()
        return self.is_set()


@pytest.fixture
def groups(dynamodb_client: Any, table_name: str) -> Queue[Any]:
    """A queue in DynamoDB with ``a``, ``b`` and ``c`` in a group, and others that have left it."""
    queue: Queue[Any] = Queue(table_name, engine=DynamoDBEngine(client=dynamodb_client))
    queue.create_table()
    for id in ("deleted", "dead", "a", "b", "c"):
        queue.send({}, id=id, group="g")
    queue.send({}, id="alone")
    queue.delete(next(one for one in queue.receive(2) if one.group))
    queue.move_to_dlq(queue.receive()[0])
    return queue


def looks(queue: Queue[Any], client: Any, folder: Path, number: int) -> list[Event]:
    """Look so many times; return what was written down."""
    with Log(folder, f"watcher {number}", SkewedClock(0)) as log:
        watch(client, queue.table, log, AfterLooks(number))
    return read_logs(folder)


def test_a_watcher_reads_the_order(
    groups: Queue[Any], dynamodb_client: Any, tmp_path: Path
) -> None:
    """It notes each message in the list with its place, a second time only if it is the head."""
    events = looks(groups, dynamodb_client, tmp_path, 2)
    listed = [event.details for event in events if event.name == "listed"]
    assert sorted((str(one["id"]), one["queue"], one["next"]) for one in listed) == [
        ("a", "STANDARD", "b"),
        ("a", "STANDARD", "b"),
        ("b", "", "c"),
        ("c", "", ""),
    ]
    assert {str(one["id"]): one["previous"] for one in listed} == {
        "a": "dead",
        "b": "a",
        "c": "b",
    }
    seen = [event.details for event in events if event.name == "lists seen"]
    assert seen == [{"intact": 1, "messages": 3}] * 2


def test_a_watcher_finds_a_broken_list(
    groups: Queue[Any], dynamodb_client: Any, tmp_path: Path
) -> None:
    """It says what is wrong, at every look."""
    dynamodb_client.update_item(
        TableName=groups.table, Key={"id": {"S": "b"}}, UpdateExpression="REMOVE next_id"
    )
    events = looks(groups, dynamodb_client, tmp_path, 1)
    broken = [event.details for event in events if event.name == "list broken"]
    assert {one["group"] for one in broken} == {"g"}
    assert broken[0]["problem"] == "from its head 'a' no link leads to ['c']"
    assert events[-1].details == {"intact": 0, "messages": 0}


def test_a_list_is_read_to_its_end(groups: Queue[Any], dynamodb_client: Any) -> None:
    """Messages that have joined since the look are found by links; who has left is known."""
    known = ["dead", "deleted", "a"]
    whole = whole_list(dynamodb_client, groups.table, "g", known)
    assert whole is not None
    assert (sorted(whole.members), whole.tail) == (["a", "b", "c"], "c")


def test_a_list_that_is_too_long_is_left_out(groups: Queue[Any], dynamodb_client: Any) -> None:
    """It does not fit into one transaction."""
    known = [f"message-{number}" for number in range(100)]
    assert whole_list(dynamodb_client, groups.table, "g", known) is None


def test_a_list_that_has_gone_is_whole(groups: Queue[Any], dynamodb_client: Any) -> None:
    """All of its messages have left since the look."""
    whole = whole_list(dynamodb_client, groups.table, "another", ["x"])
    assert whole is not None
    assert not list(problems_of(whole))

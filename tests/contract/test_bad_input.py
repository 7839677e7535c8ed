"""A wrong call is told the value, the reason and the remedy at once, and nothing is written."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import frozen

from dynamomq.drivers.base import Engine
from dynamomq.errors import (
    CallerError,
    ClosedError,
    InvalidArgumentError,
    PayloadError,
    shorten,
)
from dynamomq.message import Message
from dynamomq.queue import Queue
from tests.contract.engines import OpenQueue, Table

DAY = 24 * 3600
BAD_IDS = ("", "$", "$consumer#1", "x" * 2049, "é" * 1025, "\ud800", 17, b"m", ["m"])
NO_DURATIONS = (float("nan"), float("inf"), 10**400, 10**5000, "5", b"", True, Decimal(5), [5])
BAD_DELAYS = (-1, -1e-9, timedelta(seconds=-1), 36_525 * DAY + 1, None, *NO_DURATIONS)
BAD_TIMEOUTS = (0, -1, 0.0009, timedelta(0), timedelta(days=7, seconds=1), *NO_DURATIONS)
NO_COUNTS = (0, -1, 1.5, 2.0, "3", True, None, 10**400, 10**5000)


@frozen
class Argument:
    """An argument, and values that it must not have.

    Attributes:
        name: what the error calls it.
        pass_value: a call with one of the values.
        values: the bad values.
    """

    name: str
    pass_value: Callable[[Queue[Any], Message[Any], Any], object]
    values: tuple[object, ...]


ARGUMENTS: dict[str, Argument] = {
    "send id": Argument("id", lambda queue, _, bad: queue.send(1, id=bad), BAD_IDS),
    "get id": Argument("id", lambda queue, _, bad: queue.get(bad), (*BAD_IDS, None)),
    "bury id": Argument("id", lambda queue, _, bad: queue.bury(bad), (*BAD_IDS, None)),
    "redrive id": Argument("id", lambda queue, _, bad: queue.redrive(bad), (*BAD_IDS, None)),
    "send delay": Argument("delay", lambda queue, _, bad: queue.send(1, delay=bad), BAD_DELAYS),
    "send headers": Argument(
        "headers",
        lambda queue, _, bad: queue.send(1, headers=bad),
        (
            {1: "a"},
            {"a": 1},
            {"a": None},
            {"a": "\ud800"},
            {"": "a"},
            {"x" * 65_536: "a"},
            ["a"],
            "a",
        ),
    ),
    "send if_exists": Argument(
        "if_exists",
        lambda queue, _, bad: queue.send(1, if_exists=bad),
        ("ignore", "RAISE", None, True),
    ),
    "receive max_messages": Argument(
        "max_messages", lambda queue, _, bad: queue.receive(bad), (*NO_COUNTS, 251)
    ),
    "receive visibility_timeout": Argument(
        "visibility_timeout",
        lambda queue, _, bad: queue.receive(visibility_timeout=bad),
        BAD_TIMEOUTS,
    ),
    "receive wait": Argument(
        "wait",
        lambda queue, _, bad: queue.receive(wait=bad),
        (-1, DAY + 1, timedelta(days=-1), None, *NO_DURATIONS),
    ),
    "receive source": Argument(
        "source",
        lambda queue, _, bad: queue.receive(source=bad),
        ("standard", "DLQ ", "", None, 1),
    ),
    "list source": Argument(
        "source", lambda queue, _, bad: queue.list(bad), ("standard", "DLQ ", "", 1)
    ),
    "stats limit": Argument(
        "limit", lambda queue, _, bad: queue.stats(limit=bad), (*NO_COUNTS, 10**9 + 1)
    ),
    "extend timeout": Argument(
        "timeout", lambda queue, held, bad: queue.extend(held, bad), BAD_TIMEOUTS
    ),
    "retry delay": Argument(
        "delay", lambda queue, held, bad: queue.retry(held, delay=bad), BAD_DELAYS
    ),
    "extend message": Argument(
        "message", lambda queue, _, bad: queue.extend(bad, 60), ("m", None, {"id": "m"})
    ),
    "retry message": Argument("message", lambda queue, _, bad: queue.retry(bad), ("m", None)),
    "release message": Argument("message", lambda queue, _, bad: queue.release(bad), ("m", None)),
    "delete message": Argument("message", lambda queue, _, bad: queue.delete(bad), ("m", None)),
    "move_to_dlq message": Argument(
        "message", lambda queue, _, bad: queue.move_to_dlq(bad), ("m", None)
    ),
}


def check(error: InvalidArgumentError, name: str, value: object) -> None:
    """The error carries the argument and the value, and shows them, a reason and a remedy."""
    assert (error.argument, error.value) == (name, value)
    said, _, reason = error.message.partition(": ")
    assert said.startswith(f"{name}=")
    assert len(said) <= 120
    assert reason
    assert error.remedy
    assert str(error) == f"{error.message} {error.remedy}"
    assert isinstance(error, ValueError)
    assert not error.retryable


@pytest.mark.parametrize("case", ARGUMENTS)
def test_a_bad_argument_is_refused(
    queue: Queue[Any], table: Table, held: Message[Any], case: str
) -> None:
    """Every bad value of every argument raises, shows the value, and nothing is written."""
    argument = ARGUMENTS[case]
    before = table.items()
    for value in argument.values:
        with pytest.raises(InvalidArgumentError) as refusal:
            argument.pass_value(queue, held, value)
        shown = refusal.value.value
        check(refusal.value, argument.name, shown)
        assert shown in (value, *pairs(value)), value
        assert shorten(shown) in str(refusal.value)
    assert table.items() == before
    queue.delete(held)


def pairs(value: object) -> list[object]:
    """The entries of a mapping, each alone: of headers, the bad entry is shown."""
    return [{name: one} for name, one in value.items()] if isinstance(value, dict) else []


SETTINGS: dict[str, tuple[object, ...]] = {
    "index": ("", "ab", "an index", "x" * 256, "index/1", None, 5),
    "visibility_timeout": (*BAD_TIMEOUTS, None),
    "max_receives": (0, -1, 1.5, "3", True, 10**9 + 1, 10**5000),
    "deduplication_window": (-1, 7 * DAY + 1, timedelta(seconds=-1), None, *NO_DURATIONS),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_bad_setting_is_refused(open_queue: OpenQueue, name: str) -> None:
    """A queue can't be opened with settings that make no sense."""
    for value in SETTINGS[name]:
        with pytest.raises(InvalidArgumentError) as refusal:
            open_queue(**{name: value})
        check(refusal.value, name, value)
        assert shorten(value) in str(refusal.value)


@pytest.mark.parametrize("value", ["", "ab", "a table", "x" * 256, "täble", None, 5])
def test_a_bad_table_name_is_refused(storage: Engine, value: Any) -> None:
    """A table has a name that DynamoDB takes, on every engine."""
    with pytest.raises(InvalidArgumentError) as refusal:
        Queue(value, engine=storage)
    check(refusal.value, "table", value)


@pytest.mark.parametrize("option", ["client", "session", "endpoint_url", "region_name"])
def test_an_engine_excludes_what_it_decides(storage: Engine, option: str) -> None:
    """Options for a connection beside an engine would have no effect, and are refused."""
    connection: dict[str, Any] = {option: "something"}
    with pytest.raises(InvalidArgumentError, match="engine"):
        Queue("orders", engine=storage, **connection)


# --- payloads --------------------------------------------------------------------------------


@frozen
class Order:
    """A declared payload."""

    item: str
    amount: int


def nested(levels: int) -> object:
    """Lists in lists, so many levels deep."""
    value: object = "core"
    for _ in range(levels):
        value = [value]
    return value


def endless() -> list[object]:
    """A list that contains itself."""
    value: list[object] = []
    value.append(value)
    return value


UNSTORABLE: dict[str, object] = {
    "an object": object(),
    "an undeclared class": Order("tea", 2),
    "a tuple": (1, 2),
    "complex": 1j,
    "not a number": float("nan"),
    "infinity": {"a": [float("inf")]},
    "too many digits": 10**38 + 1,
    "too large": 10**126,
    "an empty set": set(),
    "a mixed set": {1, "a"},
    "a key that is no text": {1: "a"},
    "an empty key": {"": "a"},
    "a lone surrogate": {"a": "\ud800"},
    "33 levels": nested(32),
    "no end": endless(),
}


@pytest.mark.parametrize("case", UNSTORABLE)
def test_an_unstorable_payload_is_refused(queue: Queue[Any], table: Table, case: str) -> None:
    """What would not come back equal is refused at send, with its place; nothing is stored."""
    with pytest.raises(PayloadError) as refusal:
        queue.send(UNSTORABLE[case], id="m")
    assert "can't be stored" in str(refusal.value)
    assert refusal.value.path.startswith("payload")
    assert refusal.value.path in str(refusal.value)
    assert table.items() == {}


NO_NUMBER: Any = "two"


@pytest.mark.parametrize("payload", [{"item": "tea", "amount": 2}, Order("tea", NO_NUMBER), None])
def test_a_payload_of_another_type_is_refused(
    open_queue: OpenQueue, table: Table, payload: object
) -> None:
    """With a declared type nothing else is sent, and nothing is coerced into it."""
    with pytest.raises(PayloadError):
        open_queue(payload=Order).send(payload)
    assert table.items() == {}


def test_a_type_that_can_not_be_stored_is_refused(open_queue: OpenQueue) -> None:
    """A payload type is checked when the queue is opened, not when messages are under way."""
    with pytest.raises(PayloadError, match="can't be used"):
        open_queue(payload=object)


# --- after the end ---------------------------------------------------------------------------


def test_a_closed_engine_is_named(queue: Queue[Any], storage: Engine, held: Message[Any]) -> None:
    """Every call after the engine was closed says so."""
    storage.close()
    storage.close()
    for call in (queue.receive, queue.stats, queue.create_table, lambda: queue.delete(held)):
        with pytest.raises(ClosedError) as error:
            call()
        assert isinstance(error.value, CallerError)
        assert error.value.remedy

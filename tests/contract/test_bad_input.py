"""A wrong call is told the value, the reason and the remedy at once, and nothing is written."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
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
BAD_GROUPS = ("", "$", "$group#g", "x" * 2042, "é" * 1021, "\ud800", 17, b"g", ["g"])
BAD_MOMENTS = (
    datetime(2050, 1, 1),  # noqa: DTZ001 - naive: just that is refused
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
    "2050-01-01T00:00:00Z",
    date(2050, 1, 1),
    2_524_608_000,
)
NO_DURATIONS = (float("nan"), float("inf"), 10**400, 10**5000, "5", b"", True, Decimal(5), [5])
BAD_DELAYS = (-1, -1e-9, timedelta(seconds=-1), 36_525 * DAY + 1, None, *NO_DURATIONS)
BAD_TIMEOUTS = (0, -1, 0.0009, timedelta(0), timedelta(days=7, seconds=1), *NO_DURATIONS)
NO_COUNTS = (0, -1, 1.5, 2.0, "3", True, None, 10**400, 10**5000)
NO_REASONS = (5, 0, True, b"no", ValueError, ["no"], {"why": "no"})
BAD_HEADERS = (
    {1: "a"},
    {"a": 1},
    {"a": None},
    {"a": "\ud800"},
    {"": "a"},
    {"x" * 65_536: "a"},
    ["a"],
    "a",
)
BAD_SOURCES = ("standard", "DLQ ", "", 1)
NO_FUNCTIONS = ("DLQ", 0, {"error": "TimeoutError"})


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


_OPERATORS = (
    Argument("id", lambda queue, _, bad: queue.update(bad, 1), (*BAD_IDS, None)),
    Argument("headers", lambda queue, _, bad: queue.update("m", 1, headers=bad), BAD_HEADERS),
    Argument("id", lambda queue, _, bad: queue.annotate(bad, {}), (*BAD_IDS, None)),
    Argument("headers", lambda queue, _, bad: queue.annotate("m", bad), (*BAD_HEADERS, None)),
    Argument("id", lambda queue, _, bad: queue.reschedule(bad, delay=0), (*BAD_IDS, None)),
    Argument("delay", lambda queue, _, bad: queue.reschedule("m", delay=bad), BAD_DELAYS),
    Argument("due_at", lambda queue, _, bad: queue.reschedule("m", due_at=bad), BAD_MOMENTS),
    Argument("id", lambda queue, _, bad: queue.cancel(bad), (*BAD_IDS, None)),
    Argument("source", lambda queue, _, bad: queue.purge(bad), BAD_SOURCES),
    Argument(
        "older_than",
        lambda queue, _, bad: queue.purge(None, older_than=bad),
        (-1, timedelta(seconds=-1), 36_525 * DAY + 1, *NO_DURATIONS),
    ),
    Argument("progress", lambda queue, _, bad: queue.purge(None, progress=bad), NO_FUNCTIONS),
    Argument("where", lambda queue, _, bad: queue.redrive_all(bad), NO_FUNCTIONS),
    Argument(
        "limit",
        lambda queue, _, bad: queue.redrive_all(limit=bad),
        (0, -1, 1.5, "3", True, 10**9 + 1),
    ),
    Argument(
        "rate",
        lambda queue, _, bad: queue.redrive_all(rate=bad),
        (0, -1, float("nan"), float("inf"), "5", True, Decimal(5), timedelta(1), 10**5000),
    ),
    Argument("progress", lambda queue, _, bad: queue.redrive_all(progress=bad), NO_FUNCTIONS),
    Argument("group", lambda queue, _, bad: queue.repair_group(bad), (*BAD_GROUPS, None)),
)
ARGUMENTS = (
    Argument("id", lambda queue, _, bad: queue.send(1, id=bad), BAD_IDS),
    Argument("id", lambda queue, _, bad: queue.get(bad), (*BAD_IDS, None)),
    Argument("id", lambda queue, _, bad: queue.bury(bad), (*BAD_IDS, None)),
    Argument("id", lambda queue, _, bad: queue.redrive(bad), (*BAD_IDS, None)),
    Argument("delay", lambda queue, _, bad: queue.send(1, delay=bad), BAD_DELAYS),
    Argument("group", lambda queue, _, bad: queue.send(1, group=bad), BAD_GROUPS),
    Argument("due_at", lambda queue, _, bad: queue.send(1, due_at=bad), BAD_MOMENTS),
    Argument(
        "delay",
        lambda queue, _, bad: queue.send(1, delay=bad, due_at=datetime.now(UTC)),
        (1, 0.5, timedelta(seconds=1)),
    ),
    Argument("headers", lambda queue, _, bad: queue.send(1, headers=bad), BAD_HEADERS),
    Argument(
        "if_exists",
        lambda queue, _, bad: queue.send(1, if_exists=bad),
        ("ignore", "RAISE", None, True),
    ),
    Argument("max_messages", lambda queue, _, bad: queue.receive(bad), (*NO_COUNTS, 251)),
    Argument(
        "visibility_timeout",
        lambda queue, _, bad: queue.receive(visibility_timeout=bad),
        BAD_TIMEOUTS,
    ),
    Argument(
        "wait",
        lambda queue, _, bad: queue.receive(wait=bad),
        (-1, DAY + 1, timedelta(days=-1), None, *NO_DURATIONS),
    ),
    Argument(
        "source",
        lambda queue, _, bad: queue.receive(source=bad),
        (*BAD_SOURCES, None),
    ),
    Argument("source", lambda queue, _, bad: queue.list(bad), BAD_SOURCES),
    Argument("limit", lambda queue, _, bad: queue.stats(limit=bad), (*NO_COUNTS, 10**9 + 1)),
    Argument("timeout", lambda queue, held, bad: queue.extend(held, bad), BAD_TIMEOUTS),
    Argument("delay", lambda queue, held, bad: queue.retry(held, delay=bad), BAD_DELAYS),
    Argument("message", lambda queue, _, bad: queue.extend(bad, 60), ("m", None, {"id": "m"})),
    Argument("message", lambda queue, _, bad: queue.retry(bad), ("m", None)),
    Argument("message", lambda queue, _, bad: queue.release(bad), ("m", None)),
    Argument("message", lambda queue, _, bad: queue.delete(bad), ("m", None)),
    Argument("message", lambda queue, _, bad: queue.move_to_dlq(bad), ("m", None)),
    Argument("error", lambda queue, held, bad: queue.retry(held, error=bad), NO_REASONS),
    Argument("error", lambda queue, held, bad: queue.retry_batch([held], error=bad), NO_REASONS),
    Argument("error", lambda queue, held, bad: queue.move_to_dlq(held, error=bad), NO_REASONS),
    Argument("reason", lambda queue, _, bad: queue.bury("m", reason=bad), NO_REASONS),
    *_OPERATORS,
)


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


def refusal(call: Callable[..., object], *arguments: Any, **named: Any) -> InvalidArgumentError:
    """The refusal of a call."""
    try:
        call(*arguments, **named)
    except InvalidArgumentError as error:
        return error
    return pytest.fail(f"accepted: {arguments[-1:]} {named}")


def test_bad_arguments_are_refused(queue: Queue[Any], table: Table, held: Message[Any]) -> None:
    """Every bad value of every argument raises, shows the value, and nothing is written."""
    before = table.items()
    for argument in ARGUMENTS:
        for value in argument.values:
            error = refusal(argument.pass_value, queue, held, value)
            check(error, argument.name, error.value)
            assert error.value in (value, *names(value)), value
            assert shorten(error.value) in str(error)
    assert table.items() == before
    queue.delete(held)


def names(value: object) -> list[object]:
    """What is shown instead: of headers the name, of what is no message its type."""
    shown: list[object] = list(value) if isinstance(value, dict) else []
    return [*shown, type(value).__name__]


SETTINGS: dict[str, tuple[object, ...]] = {
    "index": ("", "ab", "an index", "x" * 256, "index/1", None, 5),
    "visibility_timeout": BAD_TIMEOUTS,
    "max_receives": (0, -1, 1.5, "3", True, 10**9 + 1, 10**5000),
    "deduplication_window": (-1, 0, 299, 7 * DAY + 1, timedelta(seconds=-1), *NO_DURATIONS),
}


def test_bad_settings_are_refused(open_queue: OpenQueue) -> None:
    """A queue can't be opened with settings that make no sense."""
    for name, values in SETTINGS.items():
        for value in values:
            error = refusal(open_queue, **{name: value})
            check(error, name, value)
            assert shorten(value) in str(error)


def test_bad_table_names_are_refused(storage: Engine) -> None:
    """A table has a name that DynamoDB takes, on every engine."""
    for value in ("", "ab", "a table", "x" * 256, "täble", None, 5):
        check(refusal(Queue, value, engine=storage), "table", value)


def test_an_engine_excludes_what_it_decides(storage: Engine) -> None:
    """Options for a connection beside an engine would have no effect, and are refused."""
    for option in ("client", "session", "endpoint_url", "region_name"):
        error = refusal(Queue, "orders", engine=storage, **{option: "something"})
        assert error.argument == "engine"


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


def test_unstorable_payloads_are_refused(queue: Queue[Any], table: Table) -> None:
    """What would not come back equal is refused at send, with its place; nothing is stored."""
    for case, payload in UNSTORABLE.items():
        with pytest.raises(PayloadError, match="can't be stored") as error:
            queue.send(payload, id=case)
        assert error.value.path.startswith("payload")
        assert error.value.path in str(error.value)
    assert table.items() == {}


NO_NUMBER: Any = "two"


def test_payloads_of_another_type_are_refused(open_queue: OpenQueue, table: Table) -> None:
    """With a declared type nothing else is sent, and nothing is coerced into it."""
    queue = open_queue(payload=Order)
    for payload in ({"item": "tea", "amount": 2}, Order("tea", NO_NUMBER), None):
        with pytest.raises(PayloadError):
            queue.send(payload)
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

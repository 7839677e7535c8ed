"""Whatever is passed to whatever is public: an error of ours, which names the argument.

The calls are made from the signatures: each parameter of each public method gets each odd value.
What its annotation does not allow must be refused, by its name, with a remedy, and with nothing
sent; what the annotation allows is taken, or refused by an error of the library.
"""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pytest
from attrs import frozen

import dynamomq
from dynamomq import (
    Add,
    Attr,
    BatchConsumer,
    Constant,
    Consumer,
    DecorrelatedJitter,
    Discard,
    DynamoDBEngine,
    DynamoMQError,
    FullJitter,
    InvalidArgumentError,
    LocalEngine,
    PayloadError,
    Queue,
    Reject,
    Remove,
    RetryAfter,
    Set,
    Transaction,
)
from dynamomq.errors import shorten
from dynamomq.values import Value

SECRET = "s3cret"


class Anything:
    """A class of somebody else's, which takes anything and has nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


class Shy:
    """An object that can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def anything(*_: object, **__: object) -> None:
    """A function that takes anything."""


ODD: tuple[Any, ...] = (
    *(None, 7, -1, 0, True, 1.5, float("nan"), 10**400, 2j),
    *(SECRET, "", b"", SECRET.encode(), "\ud800"),
    *([], [None], (), {}, {1: SECRET}, {SECRET: 1}, set(), frozenset({SECRET}), range(3)),
    *(object(), Shy(), Anything(), Anything, anything, ValueError(SECRET), datetime(2020, 1, 1)),  # noqa: DTZ001 - odd
)

USED: tuple[type, ...] = (
    Queue,
    Transaction,
    Consumer,
    BatchConsumer,
    LocalEngine,
    DynamoDBEngine,
    FullJitter,
    DecorrelatedJitter,
    Constant,
    Attr,
    Set,
    Remove,
    Add,
    Discard,
)
"""What users make, or call methods of. All other public classes are made by the library, or are
records that are checked when they are used."""

ALIASES = {
    "Mapping": Mapping,
    "Sequence": Sequence,
    "Literal": Literal,
    "Decimal": Decimal,
    "Value": Value,
}
"""Names in annotations that stand in quotes."""

EFFECTS = ("Set", "Remove", "Add", "Discard")
SEAMS = {
    "Queue.run": "carries out operations, for runtimes and the library itself",
    "Queue.outgoing": "as above",
    "LocalEngine.open": "is called by Queue",
    "DynamoDBEngine.open": "as above",
    "Transaction.__init__": "as above",
    "Consumer.run": "goes on until it is stopped",
    "BatchConsumer.run": "as above",
    "Consumer.shorten_grace": "is called by the worker",
    "BatchConsumer.shorten_grace": "as above",
    "Attr.value": "is for engines",
    **{
        f"{name}.{method}": "is for engines"
        for name in EFFECTS
        for method in ("outcome", "left_out")
    },
}
"""Methods that are not called here."""

PASSED_ON = (
    "data",
    "entries",
    "item",
    "key",
    "operand",
    "lower",
    "upper",
    "choices",
    "headers",
    "payload",
)
"""What may hold payloads, rows or credentials, which errors never show."""


@frozen
class World:
    """Where a call takes place: a queue with a message that is held, and one that is not."""

    engine: LocalEngine
    queue: Queue[Any]
    held: Any

    @classmethod
    def made(cls) -> "World":
        """Make a fresh one, in memory."""
        engine = LocalEngine()
        queue: Queue[Any] = Queue("orders", engine=engine)
        queue.create_table()
        queue.send({"n": 1}, id="held")
        queue.send({"n": 2}, id="free")
        engine.create_table("rows")
        return cls(engine, queue, queue.receive()[0])

    def owner(self, cls: type) -> Any:
        """The object whose methods are called."""
        if cls is Transaction:
            return self.queue.transaction().__enter__()
        made: dict[type, Callable[[], Any]] = {
            Queue: lambda: self.queue,
            LocalEngine: lambda: self.engine,
            DynamoDBEngine: DynamoDBEngine,
            Consumer: lambda: Consumer(self.queue, anything),
            BatchConsumer: lambda: BatchConsumer(self.queue, anything),
            Attr: lambda: Attr("a"),
        }
        return made[cls]()

    def proper(self, name: str) -> Any:
        """A value that a parameter without a default may have."""
        return {
            "id": "free",
            "data": {"n": 3},
            "message": self.held,
            "messages": [self.held],
            "entries": [{"n": 4}],
            "timeout": 60,
            "headers": {"a": "b"},
            "source": "STANDARD",
            "table": "rows",
            "name": "rows",
            "item": {"id": "1"},
            "key": {"id": "1"},
            "update": Set("a", 1),
            "condition": Attr("id").absent(),
            "handler": anything,
            "queue": self.queue,
            "delay": 1,
            "listener": anything,
            "group": "g",
            "attribute": "a",
            "operand": 1,
            "lower": 1,
            "upper": 2,
            "choices": [1],
            "letter": "S",
        }[name]

    def items(self) -> object:
        """All that is stored."""
        return [message.item for message in self.queue.list(None)], self.engine.get_item(
            "rows", {"id": "1"}
        )


@frozen
class Parameter:
    """One parameter of one public method or constructor."""

    owner: type
    method: str
    name: str
    hint: Any
    default: object

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.method}({self.name}=)"

    def call(self, world: World, value: object) -> object:
        """Call with the value, and what else is needed."""
        function = getattr(self.owner, self.method)
        arguments = {
            one.name: world.proper(one.name)
            for one in parameters_of(function)
            if one.default is one.empty and one.name != self.name
        }
        if (self.method, self.name) == ("reschedule", "id"):
            arguments["delay"] = 1
        arguments[self.name] = value
        target = self.owner if self.method == "__init__" else None
        return (target or getattr(world.owner(self.owner), self.method))(**arguments)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """All that can be passed by name."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(function).parameters.values()
    return [one for one in found if one.kind in named and one.name != "self"]


def parameters() -> Iterator[Parameter]:
    """Every parameter of every public method of what users use."""
    for cls in USED:
        for name, function in inspect.getmembers(cls, inspect.isfunction):
            if not parameters_of(function):
                continue
            own = name == "__init__" and function is not object.__init__
            if f"{cls.__name__}.{name}" in SEAMS or (name.startswith("_") and not own):
                continue
            hints = get_type_hints(function, localns=ALIASES)
            for one in parameters_of(function):
                yield Parameter(cls, name, one.name, hints[one.name], one.default)


def allows(hint: Any, value: object) -> bool:
    """Whether an annotation allows a value, as far as that shows without looking into it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(allows(one, value) for one in arguments)
    if origin is Literal:
        return any(value is one or (type(value) is str and value == one) for one in arguments)
    if origin is type:
        return isinstance(value, type)
    if isinstance(hint, TypeVar) or hint is Any or getattr(hint, "_is_protocol", False):
        return True
    if hint is None:
        return value is None
    cls = origin or hint
    if cls is set:
        return isinstance(value, set | frozenset)  # DynamoDB's sets can't tell
    if cls is float:
        return isinstance(value, int | float)
    return isinstance(value, cls)


def check_refusal(parameter: Parameter, error: DynamoMQError, value: object) -> None:
    """An error names the argument, says what to do, and shows nothing that may be a secret."""
    if isinstance(error, InvalidArgumentError):
        assert error.argument == parameter.name, f"{parameter} for {error.argument}: {error}"
    else:
        assert isinstance(error, PayloadError) or allows(parameter.hint, value), repr(error)
    assert error.remedy, f"{parameter} {shorten(value)}: no remedy in {error}"
    is_stored = parameter.name in PASSED_ON and parameter.method != "create_table"
    if is_stored and value != {SECRET: 1}:  # names are shown
        assert SECRET not in str(error), f"{parameter}: {error}"


@pytest.mark.parametrize("cls", USED, ids=lambda cls: cls.__name__)
def test_whatever_is_passed_is_taken_or_refused_by_name(
    cls: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No odd value gets through to where it breaks something, and none that is refused is sent."""
    monkeypatch.chdir(tmp_path)
    world = World.made()
    before = world.items()
    for parameter in (one for one in parameters() if one.owner is cls):
        for value in ODD:
            if value is parameter.default:
                continue
            try:
                parameter.call(world, value)
            except DynamoMQError as error:
                check_refusal(parameter, error, value)
                assert world.items() == before, f"{parameter} {shorten(value)}"
            except Exception as error:
                error.add_note(f"{parameter} {shorten(value)}")
                raise
            else:
                assert allows(parameter.hint, value), f"{parameter} takes {shorten(value)}"
                world = World.made()
                before = world.items()


def test_every_public_class_is_thought_of() -> None:
    """What is public is used by users, an error, or a record or protocol of the library."""
    rest = {
        *("Backoff", "BatchResult", "ConsumerInfo", "Delivery", "Done", "Engine", "Entry"),
        *("FailedAction", "Failure", "Finding", "Flaw", "GiveBack", "Hooks", "Lease"),
        *("Message", "PurgeResult", "PutAside", "QueueStats", "QueueType", "RedriveResult"),
        *("Reject", "RepairResult", "RetryAfter"),
        *("SendResult", "Sent", "Setback", "Stats", "Summary", "Verdict"),
    }
    for name in dynamomq.__all__:
        thing = getattr(dynamomq, name)
        is_error = isinstance(thing, type) and issubclass(thing, DynamoMQError)
        assert thing in USED or name in rest or is_error, name


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_what_a_handler_raises_can_be_raised(value: Any) -> None:
    """A delay is checked where it is given; a reason never, or a rejection would become a retry."""
    Reject(value)
    RetryAfter(1, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        with pytest.raises(InvalidArgumentError, match="delay="):
            RetryAfter(value)


def test_a_generator_that_raises_sends_nothing() -> None:
    """What the user's own iterator raises is passed on as it is, before anything is sent."""
    world = World.made()

    def broken(first: object) -> Iterator[Any]:
        yield first
        raise KeyError("mine")

    calls: Mapping[str, Callable[[Any], object]] = {
        "send_batch": world.queue.send_batch,
        "delete_batch": world.queue.delete_batch,
        "retry_batch": world.queue.retry_batch,
        "release_batch": world.queue.release_batch,
        "extend_batch": partial(world.queue.extend_batch, timeout=60),
    }
    before = world.items()
    for name, call in calls.items():
        with pytest.raises(KeyError, match="mine"):
            call(broken({"n": 5} if name == "send_batch" else world.held))
        assert world.items() == before

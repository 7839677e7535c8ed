"""A call of a queue's operation by somebody, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from attrs import define, field, frozen

from dynamomq import operations
from dynamomq.errors import DynamoMQError
from dynamomq.machine import MESSAGE
from dynamomq.message import Message
from dynamomq.operations import Settings
from dynamomq.operations.operating import edit
from dynamomq.operations.writing import expiry
from dynamomq.requests import Operation, Request

# --- what is called --------------------------------------------------------------------------


@frozen
class Plan:
    """An operation that somebody may call.

    Attributes:
        operation: its name.
        id: the message that it is about, where it is named by its id.
        message: the same, where it is one that was received.
        options: keyword arguments.
    """

    operation: str
    id: str | None = None
    message: Message[Any] | None = field(default=None, eq=False)
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        about = self.id if self.message is None else f"{self.message.id} as {self.receipt}"
        shown = [about or "", *(f"{name}={value}" for name, value in self.options)]
        return f"{self.operation}({', '.join(filter(None, shown))})"

    @property
    def subject(self) -> Message[Any] | str | None:
        """What it is about, as the operation wants it."""
        return self.id if self.message is None else self.message

    @property
    def receipt(self) -> str | None:
        """The receipt under which it acts."""
        return self.message.receipt if self.message else None

    @property
    def reason(self) -> str | None:
        """Why a delivery failed, or a message is put aside, if that is said."""
        return _BURIED if self.operation == "bury" else dict(self.options).get("error")


@frozen
class Call:
    """A plan that is being carried out: somebody's so-many-th call."""

    actor: str
    number: int
    plan: Plan

    @property
    def name(self) -> tuple[str, int]:
        """What tells it from all other calls of a run."""
        return self.actor, self.number

    def start(self, settings: Settings) -> Operation[Any]:
        """Call the operation: a generator that has not begun yet."""
        plan = self.plan
        subject = [] if plan.subject is None else [plan.subject]
        return OPERATIONS[plan.operation](settings, *subject, **dict(plan.options))

    def __str__(self) -> str:
        return f"{self.actor}'s {self.plan}"


def _send(settings: Settings, id: str | None = None, *, data: str, delay: int) -> Operation[Any]:
    return operations.send(settings, data, id=id, delay=delay)


def _bury(settings: Settings, id: str) -> Operation[Any]:
    return operations.bury(settings, id, reason=_BURIED)


def _update(settings: Settings, id: str, data: str) -> Operation[Any]:
    return edit(settings, _UPDATE, id, lambda _seen, _now: {"data": data})


def _cancel(settings: Settings, id: str) -> Operation[Any]:
    return edit(settings, _CANCEL, id, lambda _seen, now: {"expires_at": expiry(settings, now)})


_BURIED = "buried"  # why
_UPDATE, _CANCEL = MESSAGE.rule("update"), MESSAGE.rule("cancel")


OPERATIONS: Mapping[str, Callable[..., Operation[Any]]] = {
    "send": _send,
    "receive": operations.receive,
    "extend": operations.extend,
    "retry": operations.retry,
    "release": operations.release,
    "delete": operations.delete,
    "move_to_dlq": operations.move_to_dlq,
    "bury": _bury,
    "redrive": operations.redrive,
    "update": _update,
    "cancel": _cancel,
}

# --- how far it has come ---------------------------------------------------------------------


@frozen
class Answer:
    """What a request is answered: a reply, or an error that is raised into the operation.

    Attributes:
        value: the reply.
        error: makes the error; a new one each time, because errors are changed on their way.
        key: tells answers to one request apart, where executions are remembered.
    """

    value: Any = None
    error: Callable[[], DynamoMQError] | None = None
    key: Hashable = None


@frozen
class Outcome:
    """How a call ended: with a result or an error."""

    result: Any = None
    error: DynamoMQError | None = None


class Execution(Protocol):
    """A call under way: it waits for the answer to a request, or has ended."""

    @property
    def request(self) -> Request[Any] | None:
        """What it asks for; ``None`` once it has ended."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; ``None`` before."""

    def answered(self, answer: Answer) -> Execution:
        """The execution one step further on; the old one must not be used any more."""


@define(eq=False)
class Live:
    """The one execution of a generator."""

    generator: Operation[Any]
    request: Request[Any] | None = None
    outcome: Outcome | None = None

    @classmethod
    def begin(cls, call: Call, settings: Settings) -> Live:
        """Run the operation up to its first request."""
        return cls(call.start(settings)).answered(Answer())

    def answered(self, answer: Answer) -> Live:
        """Run it up to its next request."""
        try:
            if answer.error is None:
                self.request = self.generator.send(answer.value)
            else:
                self.request = self.generator.throw(answer.error())
        except StopIteration as stop:
            self.request, self.outcome = None, Outcome(stop.value)
        except DynamoMQError as error:
            self.request, self.outcome = None, Outcome(error=error)
        return self


@define(eq=False)
class Remembered:
    """A point in a call's execution that can be left and come back to.

    A generator can't be copied, but the same answers lead it to the same point. So points are kept
    in a tree, an answer an edge; going where nobody has been means running a new generator through
    all answers that lead there.
    """

    call: Call
    settings: Settings
    path: tuple[Answer, ...]
    request: Request[Any] | None = None
    outcome: Outcome | None = None
    _next: dict[Hashable, Remembered] = field(factory=dict)

    @classmethod
    def begin(cls, call: Call, settings: Settings) -> Remembered:
        """Run the operation up to its first request."""
        return cls(call, settings, ())._arrive()

    def answered(self, answer: Answer) -> Remembered:
        """The point after an answer."""
        found = self._next.get(answer.key)
        if found is None:
            found = Remembered(self.call, self.settings, (*self.path, answer))._arrive()
            self._next[answer.key] = found
        return found

    def _arrive(self) -> Remembered:
        live = Live.begin(self.call, self.settings)
        for answer in self.path:
            live = live.answered(answer)
        self.request, self.outcome = live.request, live.outcome
        return self

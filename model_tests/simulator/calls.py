"""A call of a queue's operation by somebody, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from attrs import define, field, frozen

from dynamomq import operations
from dynamomq.errors import DynamoMQError
from dynamomq.message import Message
from dynamomq.operations import Claimer, Load, Outgoing, Settings, operating
from dynamomq.operations.writing import write
from dynamomq.requests import Operation, Request, Tick, Write, ask
from dynamomq.reserved import CONSUMER
from dynamomq.rules import Writer
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Value
from model_tests.simulator.agreeing import by_agreement, look_again, raise_shards
from model_tests.simulator.strangers import adopt, damage, tear
from model_tests.simulator.triggers import operation_of
from tests.support.triggers import CALLED, WRITERS

# --- what is called --------------------------------------------------------------------------


IDLE = Load()


@frozen
class Claiming:
    """Somebody who claims together with others.

    Attributes:
        claimer: what it knows of them.
        load: how busy it is.
    """

    claimer: Claimer
    load: Load = IDLE


@frozen
class Plan:
    """An operation that somebody may call.

    Attributes:
        operation: its name.
        id: the message that it is about, where it is named by its id; or the consumer's entry.
        message: the same, where it is one that was received.
        options: keyword arguments.
        entries: of a batch: what each of them would be as a call of its own.
        claiming: who claims, where that matters.
    """

    operation: str
    id: str | None = None
    message: Message[Any] | None = field(default=None, eq=False)
    options: tuple[tuple[str, Any], ...] = ()
    entries: tuple[Plan, ...] = field(default=(), eq=False)
    claiming: Claiming | None = field(default=None, eq=False)

    def __str__(self) -> str:
        if self.entries:
            return f"{self.operation}({', '.join(map(str, self.entries))})"
        about = self.id if self.message is None else f"{self.message.id} as {self.receipt}"
        shown = [about or "", *(f"{name}={value}" for name, value in self.options)]
        return f"{self.operation}({', '.join(filter(None, shown))})"

    @property
    def subject(self) -> tuple[Plan, ...] | Message[Any] | Claiming | str | None:
        """What it is about, as the operation wants it."""
        return self.entries or self.claiming or self.message or self.id

    @property
    def receipt(self) -> str | None:
        """The receipt under which it acts."""
        return self.message.receipt if self.message else None

    @property
    def reason(self) -> str | None:
        """Why a delivery failed, or a message is put aside, if that is said."""
        return _BURIED if self.operation == "bury" else dict(self.options).get("error")

    @property
    def by(self) -> Writer | None:
        """Who calls it, as the machine says of a trigger; ``None``: whoever is no user."""
        return _ALSO_CALLED.get(self.operation) or WRITERS.get(self.operation)

    def asks_for(self, write: Write) -> bool:
        """Tell whether a write is what this entry of a batch is carried out by."""
        if self.message is None:
            return ("data", write.arguments.get("data")) in self.options
        return (self.message.id, self.receipt) == (write.id, write.arguments.get("receipt"))


@frozen
class Call:
    """A plan that is being carried out: somebody's so-many-th call.

    The entries of a batch are calls, too: the last ones of so many.

    Attributes:
        actor: who calls.
        number: the how many-th it is.
        plan: what is called.
        is_entry: whether it is the entry of a batch: what came of it is told when all have ended.
    """

    actor: str
    number: int
    plan: Plan
    is_entry: bool = False

    @property
    def name(self) -> tuple[str, int]:
        """What tells it from all other calls of a run."""
        return self.actor, self.number

    def start(self, settings: Settings) -> Operation[Any]:
        """Call the operation: a generator that has not begun yet."""
        plan = self.plan
        subject = [] if plan.subject is None else [plan.subject]
        found = (
            one[plan.operation]
            for one in (OPERATIONS, HINTS, BATCHES, AGREEMENTS, WHOLESALE, MEDDLING)
            if plan.operation in one
        )
        options = dict(plan.options)
        known = options.pop("known", None)
        if known is None or plan.operation in AGREEMENTS:
            return next(found)(settings, *subject, **dict(plan.options))
        return by_agreement(settings, known, partial(next(found), **options), subject)

    @property
    def parts(self) -> Sequence[Call]:
        """The calls of which it consists: itself, or the entries of a batch."""
        entries = self.plan.entries
        if not entries:
            return (self,)
        first = self.number - len(entries) + 1
        return [Call(self.actor, first + n, entry, True) for n, entry in enumerate(entries)]

    def part_of(self, write: Write) -> Call | None:
        """The part that a write belongs to; none where that is upkeep for others."""
        if not self.plan.entries:
            return self
        return next((part for part in self.parts if part.plan.asks_for(write)), None)

    def endings(self, outcome: Outcome) -> Iterator[tuple[Call, Outcome]]:
        """How each part has ended, by how the whole has."""
        if not self.plan.entries or outcome.error is not None:
            yield from ((part, outcome) for part in self.parts)
            return
        for part, result in zip(self.parts, outcome.result, strict=True):
            yield part, Outcome(result.message, result.error)

    def __str__(self) -> str:
        return f"{self.actor}'s {self.plan}"


def _send(
    settings: Settings, id: str | None = None, *, data: str, delay: int, group: str | None = None
) -> Operation[Any]:
    return operations.send(settings, Outgoing(data, id, delay, group=group))


def _send_batch(settings: Settings, entries: Sequence[Plan]) -> Operation[Any]:
    wanted = [(entry.id, dict(entry.options)) for entry in entries]
    outgoing = [
        Outgoing(one["data"], id, one["delay"], group=one.get("group")) for id, one in wanted
    ]
    return operations.send_batch(settings, outgoing)


def _with_messages(batch: Callable[..., Operation[Any]]) -> Callable[..., Operation[Any]]:
    def call(settings: Settings, entries: Sequence[Plan], **options: Any) -> Operation[Any]:
        return batch(settings, [entry.message for entry in entries], **options)

    return call


def _delete(
    settings: Settings, message: Message[Any], *, receive_next: bool = False
) -> Operation[Any]:
    ends = operations.delete_and_receive if receive_next else operations.delete
    return ends(settings, message)


def _bury(settings: Settings, id: str) -> Operation[Any]:
    return operating.bury(settings, id, reason=_BURIED)


def _update(settings: Settings, id: str, data: str) -> Operation[Any]:
    return operating.update(settings, id, data)


def _annotate(settings: Settings, id: str) -> Operation[Any]:
    return operating.annotate(settings, id, {"note": "simulated"})


def _reschedule(settings: Settings, id: str, delay: int) -> Operation[Any]:
    return operating.reschedule(settings, id, lambda now: now + delay)


def _claim(
    _settings: Settings, claiming: Claiming, *, max_messages: int
) -> Operation[list[Message[Any]]]:
    return claiming.claimer.claim(max_messages, claiming.load)


def _attend(_settings: Settings, claiming: Claiming) -> Operation[None]:
    return claiming.claimer.attend(claiming.load)


def _leave(_settings: Settings, claiming: Claiming) -> Operation[None]:
    return claiming.claimer.leave()


def _pretend(_settings: Settings, id: str, *, longer: int) -> Operation[None]:
    """Make an entry for a consumer that is not there."""
    moment = yield from ask(Tick())
    ends = moment.now + longer
    arguments: dict[str, Value] = {
        "id": id,
        "now": format_instant(moment.now),
        "due": format_instant(ends),
        "expires_at": ends // SECOND,
        **dict.fromkeys(("host", "pid", "in_flight", "rate"), 0),
    }
    yield from write(Write(id, _REGISTER, arguments))


def _remove(_settings: Settings, id: str) -> Operation[None]:
    """Remove the entry of a consumer, whether that is there or not."""
    yield from write(Write(id, _WITHDRAW, {}))


_REGISTER, _WITHDRAW = CONSUMER.rule("register"), CONSUMER.rule("withdraw")
_BURIED = "buried"  # why


_CALLED_OTHERWISE: Mapping[str, Callable[..., Operation[Any]]] = {
    "send": _send,
    "delete": _delete,
    "bury": _bury,
    "update": _update,
    "annotate": _annotate,
    "reschedule": _reschedule,
    "purge": operating.purge_one,
}
"""Operations that take more than the message, or are named otherwise than their trigger."""

OPERATIONS: Mapping[str, Callable[..., Operation[Any]]] = {
    trigger: _CALLED_OTHERWISE.get(trigger) or operation_of(trigger) for trigger in CALLED
}
"""What can be called with messages in mind: the machine's triggers."""

BATCHES: Mapping[str, Callable[..., Operation[Any]]] = {
    "send_batch": _send_batch,
    "extend_batch": _with_messages(operations.extend_batch),
    "retry_batch": _with_messages(operations.retry_batch),
    "release_batch": _with_messages(operations.release_batch),
    "delete_batch": _with_messages(operations.delete_batch),
}
"""The same with several messages at once."""

HINTS: Mapping[str, Callable[..., Operation[Any]]] = {
    "claim": _claim,
    "attend": _attend,
    "leave": _leave,
    "pretend": _pretend,
    "remove": _remove,
}
"""What consumers call who know of each other, and what makes them know it wrong."""

WHOLESALE: Mapping[str, Callable[..., Operation[Any]]] = {
    "purge_all": operations.purge,
    "redrive_all": operations.redrive_all,
    "repair_group": operations.repair_group,
}
"""What is done to all messages of a queue, or of a group."""

_ALSO_CALLED: Mapping[str, Writer] = {"claim": "receiver", **dict.fromkeys(WHOLESALE, "operator")}
"""Who calls what is named like no trigger."""

MEDDLING: Mapping[str, Callable[..., Operation[Any]]] = {
    "damage": damage,
    "adopt": adopt,
    "tear": tear,
}
"""What strangers do to items."""

AGREEMENTS: Mapping[str, Callable[..., Operation[Any]]] = {
    "look": look_again,
    "raise_shards": raise_shards,
}
"""What clients call who go by what all have agreed on (see ``clients.py``)."""

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

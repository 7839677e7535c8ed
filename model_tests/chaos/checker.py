"""What a consumer promises beyond the queue's own properties, checked over a history.

The properties of the queue are for ``model_tests.history.checker``. These are added:

ONE-HANDLER
    A handler runs on nothing but what its process was delivered, once for each delivery.
ANSWER
    What the consumer asks for fits what its handler did: a deletion follows success; a retry,
    failure with deliveries left; the dead-letter queue, a rejection or failure in the last
    delivery; a release, nothing at all. What was lost is not answered.
NO-DROP
    A consumer that has ended by itself has answered, or reported as lost, all that it was
    delivered.
DEAD-LETTERS
    In the dead-letter queue are exactly the messages that were rejected, and those whose claims
    have reached ``max_receives`` without a success.

As there, what is not known is allowed: claims that nobody was told of may have taken place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from attrs import define, field, frozen

from dynamomq.values import Item
from model_tests.chaos.plan import Course
from model_tests.history.checker import DLQ, STANDARD, Violation
from model_tests.history.log import Event, LogError, Moment
from model_tests.history.records import GIVING_UP, Call, Delivery, History, MessageHistory
from model_tests.history.timeline import Timeline

FAILURES = frozenset({Course.FAIL, Course.RETRY_AFTER})

Problems = Iterator[str]


@define(eq=False)
class _Handling:
    """What became of one delivery in its holder's hands.

    Attributes:
        begun: when its handler was called, each time.
        ended: when the handler ended; ``None`` if it did not.
        course: how.
        lost: when the consumer reported that the lease was lost.
    """

    begun: list[Moment] = field(factory=list)
    ended: Moment | None = None
    course: str = ""
    lost: Moment | None = None


@frozen
class _Case:
    """One message, with all that is known about it.

    Attributes:
        message: its history.
        item: what the table holds in the end; ``None``: nothing.
        max_receives: the limit that all consumers had.
        finished: the processes that ended by themselves.
        timeline: writes down instants.
        handlings: by process and receipt.
    """

    message: MessageHistory
    item: Item | None
    max_receives: int
    finished: frozenset[str]
    timeline: Timeline
    handlings: Mapping[tuple[str, str], _Handling]

    def handling(self, delivery: Delivery) -> _Handling:
        """What became of a delivery in its holder's hands."""
        return self.handlings.get((delivery.process, delivery.receipt)) or _Handling()

    def is_last(self, delivery: Delivery) -> bool:
        """Whether a delivery used up what the message has."""
        return delivery.queue == STANDARD and delivery.receive_count >= self.max_receives

    def count(self, event: str) -> int:
        """How many events of a name there are."""
        return sum(one.name == event for one in self.message.events)


def check(history: History, table: Mapping[str, Item], *, max_receives: int) -> list[Violation]:
    """Every violation of what a consumer promises, message by message.

    Args:
        history: of all processes that used the table; the run was drained.
        table: all messages that it holds in the end, by id.
        max_receives: the limit that all consumers had.
    """
    timeline = Timeline.of(history.events)
    finished = frozenset(one.process for one in history.events if one.name == "finished")
    violations = []
    for id, message in sorted(history.messages.items()):
        handlings = _handlings(message.events)
        case = _Case(message, table.get(id), max_receives, finished, timeline, handlings)
        violations += [
            Violation(name, id, problem, timeline.lines(message.events))
            for name, find in _CHECKS
            for problem in find(case)
        ]
    return violations


def _handlings(events: list[Event]) -> dict[tuple[str, str], _Handling]:
    handlings: dict[tuple[str, str], _Handling] = {}
    for event in events:
        if event.name not in ("handler begun", "handler ended", "lease lost"):
            continue
        if "receipt" not in event.details:
            raise LogError(f"{event.process}: {event.name} lacks a receipt")
        key = event.process, str(event.details["receipt"])
        handling = handlings.setdefault(key, _Handling())
        if event.name == "handler begun":
            handling.begun.append(event.moment)
        elif event.name == "lease lost":
            handling.lost = handling.lost or event.moment
        else:
            handling.ended, handling.course = event.moment, str(event.details["course"])
    return handlings


def _one_handler(case: _Case) -> Problems:
    """A handler runs once for each delivery, and on nothing else."""
    delivered = {(one.process, one.receipt): one for one in case.message.deliveries}
    for (process, receipt), handling in case.handlings.items():
        delivery = delivered.get((process, receipt))
        for number, begun in enumerate(handling.begun):
            when = f"{process} handled it at {case.timeline.real(begun.monotonic)}"
            if delivery is None:
                yield f"{when} without having received it"
            elif begun.monotonic < delivery.seen.monotonic:
                yield f"{when}, before {case.timeline.delivery(delivery)}"
            elif number:
                yield f"{when}, a second time in one delivery"


def _answer(case: _Case) -> Problems:
    """What the consumer asks for fits what its handler did."""
    for delivery in case.message.deliveries:
        handling = case.handling(delivery)
        for call in delivery.called(*GIVING_UP):
            problem = _unfit(call, handling, is_last=case.is_last(delivery))
            if problem:
                yield f"{case.timeline.delivery(delivery)}; {case.timeline.call(call)}, {problem}"


def _unfit(call: Call, handling: _Handling, *, is_last: bool) -> str:
    """Why an answer does not fit what the handler did; empty if it does."""
    ended = handling.ended
    if call.operation == "release":
        return "although its handler had begun" if handling.begun else ""
    if ended is None or ended.monotonic > call.begun.monotonic:
        return "although its handler had not ended"
    if handling.lost is not None and handling.lost.monotonic < ended.monotonic:
        return "although the lease had been lost while the handler ran"
    fitting = {
        "delete": handling.course == Course.SUCCEED,
        "retry": handling.course in FAILURES and not is_last,
        "move_to_dlq": handling.course == Course.REJECT
        or (handling.course in FAILURES and is_last),
    }
    which = "the last delivery" if is_last else "a delivery"
    return "" if fitting[call.operation] else f"although {which} ended in {handling.course!r}"


def _no_drop(case: _Case) -> Problems:
    """Whoever ended by itself has answered all that it was delivered, or reported it as lost."""
    for delivery in case.message.deliveries:
        answered = delivery.called(*GIVING_UP) or case.handling(delivery).lost
        if delivery.process in case.finished and not answered:
            yield f"{case.timeline.delivery(delivery)}, and has ended without an answer"


def _dead_letters(case: _Case) -> Problems:
    """Dead letters are those that were rejected, or whose claims have reached the limit."""
    standard = [one for one in case.message.deliveries if one.queue == STANDARD]
    told = {delivery.receipt for delivery in standard}
    claims = {one.details["receipt"] for one in case.message.events if one.name == "claim begun"}
    rejected = any(
        case.handling(delivery).course == Course.REJECT and _possible(delivery, "move_to_dlq")
        for delivery in standard
    )
    most = max((delivery.receive_count for delivery in standard), default=0)
    used_up = most >= case.max_receives
    known = f"{len(told)} claims are known, the highest number is {most}"
    if case.item is not None and case.item.get("queue_type") == DLQ:
        may_be_used_up = used_up or len(claims | told) >= case.max_receives
        written = any(_possible(one, "move_to_dlq") for one in standard if case.is_last(one))
        written = written or case.count("exhaust begun") > 0
        if not rejected and not (may_be_used_up and written):
            yield f"it is a dead letter, but nobody rejected it: {known}"
    elif used_up and not any(_possible(one, "delete") for one in standard):
        yield f"its deliveries are used up ({known}), and it is no dead letter: {case.item}"


def _possible(delivery: Delivery, operation: str) -> bool:
    return any(call.is_possible for call in delivery.called(operation))


_CHECKS: tuple[tuple[str, Callable[[_Case], Problems]], ...] = (
    ("ONE-HANDLER", _one_handler),
    ("ANSWER", _answer),
    ("NO-DROP", _no_drop),
    ("DEAD-LETTERS", _dead_letters),
)

PROPERTIES = tuple(name for name, _ in _CHECKS)
"""The ids of the properties that are checked here."""

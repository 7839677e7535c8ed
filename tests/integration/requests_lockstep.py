"""Two engines in lockstep on single requests: equal replies, equal errors, equal items.

The items that a request could have changed are read from both afterwards; what they are is known
then, and the next requests can be made to fit.
"""

import uuid
from typing import Any

from attrs import define, evolve, field, frozen

from dynamomq.drivers.base import Driver
from dynamomq.errors import DynamoMQError, RequestRejectedError, shorten
from dynamomq.requests import (
    MAX_TRANSACTION,
    Cancelled,
    Committed,
    Failed,
    GetMany,
    Refused,
    Request,
    Transact,
    Write,
    WriteBatch,
    Written,
)
from dynamomq.values import MAX_KEY_BYTES, Item
from tests.integration.known_differences import as_stored, let_through, unshown
from tests.integration.lockstep import exact
from tests.integration.requests_tally import Tally
from tests.integration.scene import all_items
from tests.integration.walks import Walk

Step = Request[Any] | Walk
"""What both engines are asked at once: a request, or the next page of a walk."""


class DifferenceError(AssertionError):
    """The engines do not agree."""


@define(eq=False)
class RequestLockstep:
    """Both engines, on one table each, and what they have been asked.

    Attributes:
        embedded: the embedded engine's driver.
        remote: DynamoDB Local's.
        known: the items of both tables.
        asked: all steps, in order.
        writes: how many of them could change items.
        tally: what they were.
    """

    embedded: Driver
    remote: Driver
    known: dict[str, Item] = field(factory=dict, init=False)
    asked: list[Step] = field(factory=list, init=False)
    writes: int = field(default=0, init=False)
    tally: Tally = field(factory=Tally, init=False)

    @property
    def drivers(self) -> tuple[Driver, Driver]:
        """Both."""
        return self.embedded, self.remote

    def take(self, step: Step) -> None:
        """Take a step on both engines, and compare.

        Raises:
            DifferenceError: they differ.
        """
        self.asked.append(step)
        if isinstance(step, Walk):
            self._read_page(step)
        elif isinstance(step, Write) and let_through(step, self.known.get(step.id)):
            self._ask_embedded_only(step)
        else:
            self._ask(step)

    def compare_tables(self) -> None:
        """Compare all items.

        Raises:
            DifferenceError: they differ.
        """
        left, right = (exact(all_items(driver)) for driver in self.drivers)
        _same("tables", left, right)
        _same("the table, and the items as known", left, exact(self.known))

    def _ask(self, request: Request[Any]) -> None:
        if isinstance(request, Transact):
            # DynamoDB must not take it for a repetition, also when the steps are taken once more.
            request = evolve(request, token=str(uuid.uuid4()))
        left, right = (_outcome(driver, request) for driver in self.drivers)
        _same("outcomes", _comparable(left), _comparable(right))
        self.tally.count(request, left)
        if isinstance(request, Write | WriteBatch | Transact):
            self.writes += 1
            self._compare_touched(request)

    def _ask_embedded_only(self, write: Write) -> None:
        outcome = _outcome(self.embedded, write)
        if not isinstance(outcome, RequestRejectedError):
            raise DifferenceError(f"not refused by the embedded engine: {outcome}")
        self.tally.count_embedded_only()
        self._compare_touched(write)

    def _read_page(self, walk: Walk) -> None:
        stage = walk.stage(self.writes)
        try:
            page, seen = walk.step(self.drivers, self.writes)
        except DynamoMQError as error:
            raise DifferenceError(f"a page can't be read: {error}") from error
        left, right = map(exact, seen)
        _same("pages", left, right)
        self.tally.count(walk.first, page)
        self.tally.count_page(stage)

    def _compare_touched(self, request: Request[Any]) -> None:
        touched = dict.fromkeys(write.id for write in writes_of(request))
        ids = tuple(id for id in touched if 0 < len(id.encode()) <= MAX_KEY_BYTES)
        ids = ids[:MAX_TRANSACTION]  # a larger one is refused before anything is tried
        if not ids:
            return
        left, right = (driver.execute(GetMany(ids)) for driver in self.drivers)
        _same("items", exact(left), exact(right))
        for key in ids:
            self.known.pop(key, None)
        self.known.update(left)


def writes_of(request: Request[Any]) -> tuple[Write, ...]:
    """Return the writes that a request consists of."""
    match request:
        case Write():
            return (request,)
        case WriteBatch(writes):
            return writes
        case Transact(actions):
            return tuple(action for action in actions if isinstance(action, Write))
    return ()


def _outcome(driver: Driver, request: Request[Any]) -> object:
    """Carry out a request; return the reply, or the error that was raised."""
    try:
        return driver.execute(request)
    except DynamoMQError as error:
        return error


# --- comparing -------------------------------------------------------------------------------


@frozen
class _Error:
    """An error; two of the same type are equal."""

    how: str
    error: DynamoMQError = field(eq=lambda error: type(error).__name__)


def _comparable(outcome: object) -> object:
    """What both engines must agree on: errors by type, all else exactly."""
    match outcome:
        case DynamoMQError():
            return _Error("raised", outcome)
        case Failed(error):
            return _Error("failed", error)
        case Written():
            return ("written", exact(as_stored(outcome).item))
        case Refused(item, repeated, shown):
            return ("refused", repeated, shown, exact(item))
        case None | Committed():
            return outcome
        case Cancelled(reasons, repeated):
            return ("cancelled", repeated, [_comparable(reason) for reason in reasons])
        case (single,):
            return [_comparable(single)]
        case tuple():
            return [
                _comparable(unshown(reply) if isinstance(reply, Refused) else reply)
                for reply in outcome
            ]
    return exact(outcome)


def _same(what: str, left: object, right: object) -> None:
    """Fail unless both are equal; show only where they are not."""
    if left != right:
        place, one, other = _first_difference(left, right)
        raise DifferenceError(
            f"{what}{place} differ:\n  embedded engine: {one}\n  DynamoDB Local:  {other}"
        )


def _first_difference(left: object, right: object, place: str = "") -> tuple[str, object, object]:
    """Where two values differ, as deep as can be told, and what there is."""
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            if one != other:
                return _first_difference(one, other, f"{place}[{number}]")
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        for name, one in left.items():
            if one != right[name]:
                return _first_difference(one, right[name], f"{place}[{shorten(name)}]")
    return place, left, right

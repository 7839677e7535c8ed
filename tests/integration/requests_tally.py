"""What a run in lockstep was made of: how often each kind of request had which outcome."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import define, field

from dynamomq.effects import Set
from dynamomq.errors import DynamoMQError, MalformedItemError
from dynamomq.expressions import AllOf, AnyOf, Comparison, Condition, Not
from dynamomq.requests import (
    Committed,
    Failed,
    Get,
    GetMany,
    Page,
    Query,
    Refused,
    Request,
    Scan,
    Transact,
    Write,
    WriteBatch,
    Written,
)

EMBEDDED_ONLY: Final = "not asked of DynamoDB Local"
CONDITIONS: Final = "parts of conditions"
EFFECTS: Final = "effects"
PAGES: Final = "pages"


@define(eq=False)
class Tally:
    """Counts.

    Attributes:
        requests: how many requests both engines were asked.
        rows: by kind, then by outcome.
    """

    requests: int = 0
    rows: dict[str, Counter[str]] = field(factory=dict)

    def count(self, request: Request[Any], outcome: object) -> None:
        """Count a request that both engines answered."""
        self.requests += 1
        match request:
            case Write():
                self._count_write(request, outcome, request.rule.kind)
            case WriteBatch(writes):
                self._add("batch", _became(outcome, "carried out"))
                if isinstance(outcome, tuple):
                    for write, reply in zip(writes, outcome, strict=True):
                        self._count_write(write, reply, f"{write.rule.kind} in a batch")
            case Transact(actions):
                self._add("transaction", _end(outcome))
                for action in actions:
                    if isinstance(action, Write):
                        self._count_parts(action)
            case Get():
                self._add("get", _became(outcome, "found" if outcome else "nothing"))
            case GetMany():
                self._add("get many", _became(outcome, "found" if outcome else "nothing"))
            case Query() | Scan():
                page = "page with a cursor"
                if isinstance(outcome, Page) and outcome.cursor is None:
                    page = "last page"
                self._add(type(request).__name__.lower(), _became(outcome, page))

    def count_page(self, stage: str) -> None:
        """Count a page of a walk, beside its request: the first, the next, …"""
        self._add(PAGES, stage)

    def count_embedded_only(self) -> None:
        """Count a request that only the embedded engine answered, and rejected."""
        self._add(EMBEDDED_ONLY, "rejected")

    def share(self, kind: str, outcome: str) -> float:
        """Return the share of an outcome among those of a kind."""
        counts = self.rows.get(kind, Counter())
        return counts[outcome] / max(counts.total(), 1)

    def _add(self, kind: str, outcome: str) -> None:
        self.rows.setdefault(kind, Counter())[outcome] += 1

    def _count_write(self, write: Write, outcome: object, kind: str) -> None:
        self._add(kind, _verdict(outcome))
        self._count_parts(write)

    def _count_parts(self, write: Write) -> None:
        for state, transition in write.rule.alternatives:
            for part in _parts([state.predicate]):
                self._add(CONDITIONS, _name(part))
            for effect in transition.effects:
                of = effect.operand if isinstance(effect, Set) else effect
                self._add(EFFECTS, type(of).__name__)


def _became(outcome: object, otherwise: str) -> str:
    return "rejected" if isinstance(outcome, DynamoMQError) else otherwise


def _verdict(outcome: object) -> str:
    """One word for what became of a write."""
    match outcome.error if isinstance(outcome, Failed) else outcome:
        case Written():
            return "written"
        case Refused():
            return "refused"
        case MalformedItemError():
            return "malformed"
    return "rejected"


def _end(outcome: object) -> str:
    """One word for what became of a transaction."""
    match outcome:
        case Committed():
            return "committed"
        case MalformedItemError():
            return "malformed"
        case DynamoMQError():
            return "rejected"
    return "cancelled"


def _parts(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for condition in conditions:
        yield condition
        if isinstance(condition, AllOf | AnyOf):
            yield from _parts(condition.parts)
        elif isinstance(condition, Not):
            yield from _parts([condition.part])


def _name(condition: Condition) -> str:
    return condition.operator if isinstance(condition, Comparison) else type(condition).__name__

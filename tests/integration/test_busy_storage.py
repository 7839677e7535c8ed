"""The storage is busy, or fails: operations repeat with growing pauses, within bounds.

A driver in front of the embedded engine's fails as it is told: before it carries a request out
(throttling, a transaction's conflict), or after (an internal failure).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from attrs import define, evolve, field

from dynamomq.drivers.base import Driver
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import (
    ClosedError,
    ConflictError,
    CredentialsError,
    DynamoMQError,
    IllegalTransitionError,
    InternalError,
    OutcomeUnknownError,
    RequestRejectedError,
    StaleReceiptError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.requests import Failed, GetMany, Query, Request, Write, WriteBatch
from dynamomq.table import TableDefinition
from tests.contract.situations import NEVER_DELETED
from tests.integration import stories
from tests.integration.lockstep import exact
from tests.integration.scene import Between, Fronted, Script, all_items
from tests.integration.stories import ACTS, Stage, outcome_of
from tests.support.embedded import put
from tests.support.triggers import HOLDERS, OPERATORS, sources

ATTEMPTS = 5
LONGEST_PAUSES = (0.05, 0.1, 0.2, 0.4)  # seconds, after each attempt but the last
BUSY = (ThrottledError("too fast"), ConflictError("a transaction is at it"))

pytestmark = pytest.mark.engine("local-memory")


When = Callable[[Request[Any]], bool]


@define(eq=False)
class Trouble:
    """What is to go wrong.

    Attributes:
        error: what a request that meets trouble fails with.
        times: how many requests meet trouble.
        when: which requests do.
        executed: whether such a request was carried out all the same.
        statements: of a batch, which fail alone, by their ids; ``None``: the whole request fails.
        between: what others do before our client hears of it.
        met: how many did so far.
    """

    error: DynamoMQError | None = None
    times: int = 0
    when: When = lambda request: True  # noqa: ARG005 - a default for all
    executed: bool = False
    statements: Callable[[str], bool] | None = None
    between: Callable[[], object] = lambda: None
    met: int = field(default=0, init=False)

    def start(self, error: DynamoMQError, times: int, **how: Any) -> None:
        """Start trouble."""
        self.error, self.times = error, times
        for name, value in how.items():
            setattr(self, name, value)


class Troubled(Between):
    """Fails as it is told."""

    def __init__(self, inner: Driver, trouble: Trouble) -> None:
        super().__init__(inner)
        self.trouble = trouble

    def store(self, request: Request[Any]) -> Any:
        """Pass a request on, or fail; or both."""
        trouble = self.trouble
        if trouble.error is None or trouble.met == trouble.times or not trouble.when(request):
            return self.inner.store(request)
        trouble.met += 1
        if isinstance(request, WriteBatch) and trouble.statements is not None:
            return self._partly(request, trouble.error, trouble.statements)
        if trouble.executed:
            self.inner.store(request)
        trouble.between()
        raise trouble.error

    def _partly(
        self, batch: WriteBatch, error: DynamoMQError, fails: Callable[[str], bool]
    ) -> tuple[object, ...]:
        carried_out = tuple(
            write for write in batch.writes if self.trouble.executed or not fails(write.id)
        )
        replies = self.inner.store(evolve(batch, writes=carried_out)) if carried_out else ()
        by_id = {write.id: reply for write, reply in zip(carried_out, replies, strict=True)}
        return tuple(
            Failed(error) if fails(write.id) else by_id[write.id] for write in batch.writes
        )


@pytest.fixture
def trouble() -> Trouble:
    """None yet."""
    return Trouble()


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """The embedded engine, at a time and with a chance that the test decides."""
    with LocalEngine(surroundings=Script().surroundings()) as opened:
        yield opened


@pytest.fixture
def driver(engine: LocalEngine) -> Driver:
    """A driver that has no trouble."""
    return engine.open(TableDefinition())


@pytest.fixture
def stage(engine: LocalEngine, driver: Driver, trouble: Trouble) -> Stage:
    """A table; our client has trouble, the other's has not."""
    script = engine.surroundings.clock
    assert isinstance(script, Script)
    return Stage.on(
        script,
        Fronted(engine, lambda inner: Troubled(inner, trouble)),
        engine,
        TableDefinition().name,
        put=lambda item: driver.execute(put(item)),
        remove=lambda key: pytest.fail(f"nobody removes {key}"),
    )


def is_write_of(name: str) -> When:
    """Tells the requests that carry an act out: updates and puts, or batches."""
    kind = WriteBatch if ACTS[name].operation == "BatchExecuteStatement" else Write
    return lambda request: isinstance(request, kind)


def versions(driver: Driver) -> dict[str, object]:
    """How often each item was written."""
    return {key: item.get("version", 0) for key, item in all_items(driver).items()}


@pytest.mark.parametrize("error", BUSY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", ACTS)
def test_busy_for_a_while(
    name: str, error: DynamoMQError, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """A call succeeds where the storage is busy for four attempts, and the message is written once.

    Between attempts it sleeps, at random up to 50, 100, 200 and 400 ms.
    """
    ACTS[name].prepare(stage)
    before = versions(driver)
    trouble.start(error, ATTEMPTS - 1, when=is_write_of(name))
    outcome = outcome_of(ACTS[name].call, stage)
    assert not isinstance(outcome, DynamoMQError)
    assert trouble.met == ATTEMPTS - 1
    assert len(stage.script.naps) == len(LONGEST_PAUSES)
    for nap, longest in zip(stage.script.naps, LONGEST_PAUSES, strict=True):
        assert 0 <= nap <= longest
    writes = 2 if name == "undecodable" else 1
    after = versions(driver)
    assert after == {key: _number(before.get(key, 0)) + writes for key in after}


@pytest.mark.parametrize("error", BUSY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", ACTS)
def test_busy_for_too_long(
    name: str, error: DynamoMQError, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """After five attempts the storage's own error is raised, and nothing was changed."""
    ACTS[name].prepare(stage)
    before = exact(all_items(driver))
    trouble.start(error, ATTEMPTS + 1, when=is_write_of(name))
    assert outcome_of(ACTS[name].call, stage) is error
    assert trouble.met == ATTEMPTS
    assert exact(all_items(driver)) == before


@pytest.mark.parametrize("kind", [Query, GetMany], ids=lambda kind: kind.__name__)
def test_busy_with_reads(kind: type[Request[Any]], stage: Stage, trouble: Trouble) -> None:
    """Reads are repeated too: a listing succeeds where one of them is refused four times."""
    stories.sent(stage)
    error = ThrottledError("too fast")
    trouble.start(error, ATTEMPTS - 1, when=lambda request: isinstance(request, kind))
    assert [message.id for message in stage.ours.list()] == [stories.ID]
    assert trouble.met == ATTEMPTS - 1


@pytest.mark.parametrize("name", ACTS)
def test_lasting_failures_are_not_repeated(
    name: str, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """What no repetition mends is raised at once, without a pause."""
    ACTS[name].prepare(stage)
    before = exact(all_items(driver))
    error = UnavailableError("nobody is there")
    trouble.start(error, 1, when=is_write_of(name))
    outcome = outcome_of(ACTS[name].call, stage)
    assert isinstance(outcome, UnavailableError)
    assert str(outcome).startswith(str(error))
    assert stage.script.naps == []
    assert exact(all_items(driver)) == before


@pytest.mark.parametrize("name", ACTS)
def test_executed_all_the_same(name: str, stage: Stage, trouble: Trouble, driver: Driver) -> None:
    """An internal failure after the write was executed: our repetition finds its own trace.

    The call succeeds, and the message is written once.
    """
    ACTS[name].prepare(stage)
    before = versions(driver)
    trouble.start(InternalError("out of order"), 1, when=is_write_of(name), executed=True)
    outcome = outcome_of(ACTS[name].call, stage)
    assert not isinstance(outcome, DynamoMQError)
    assert trouble.met == 1
    if name in ("receive", "receive-many"):
        assert isinstance(outcome, list)
        assert {one.id: one.item for one in outcome} == all_items(driver)
    writes = 2 if name == "undecodable" else 1
    after = versions(driver)
    assert after == {key: _number(before.get(key, 0)) + writes for key in after}


@pytest.mark.parametrize("name", ["retry", "release", "move_to_dlq", "bury", "redrive"])
def test_executed_and_overtaken(name: str, stage: Stage, trouble: Trouble) -> None:
    """Where another client has received it before our repetition, the outcome is unknown."""
    ACTS[name].prepare(stage)
    source = "DLQ" if name in ("move_to_dlq", "bury") else "STANDARD"
    trouble.start(
        InternalError("out of order"),
        1,
        when=is_write_of(name),
        executed=True,
        between=lambda: stage.receive(source),
    )
    assert type(outcome_of(ACTS[name].call, stage)) is OutcomeUnknownError


NOT_EXECUTED = {
    **dict.fromkeys(HOLDERS, StaleReceiptError),
    **{
        trigger: IllegalTransitionError
        for trigger in OPERATORS
        if not any(state.endswith(".PROCESSING") for state in sources(trigger))
    },
}


@pytest.mark.parametrize("name", NOT_EXECUTED)
def test_not_executed_and_overtaken(
    name: str, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """Where another client's is the only write since, it is known that ours was never executed.

    Then the call says so, although it was repeated: its outcome is not unknown.
    """
    ACTS[name].prepare(stage)
    before = versions(driver)

    def receive() -> None:
        stage.script.advance(3 * stories.TIMEOUT)
        stage.receive("DLQ" if name == "redrive" else "STANDARD")

    trouble.start(InternalError("out of order"), 1, when=is_write_of(name), between=receive)
    assert type(outcome_of(ACTS[name].call, stage)) is NOT_EXECUTED[name]
    assert versions(driver) == {key: _number(version) + 1 for key, version in before.items()}


@pytest.mark.parametrize("name", HOLDERS)
def test_not_executed_and_exhausted(
    name: str, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """Where another client dead-lettered it before our repetition, our delivery was over.

    The dead letter is nobody's: not even a move there counts as ours.
    """
    ACTS[name].prepare(stage)
    error = InternalError("out of order")
    between = partial(stories.exhausted_later, stage)
    trouble.start(error, 1, when=is_write_of(name), between=between)
    assert type(outcome_of(ACTS[name].call, stage)) is StaleReceiptError
    assert versions(driver) == {stories.ID: 3}
    (failure,) = stage.others.get(stories.ID).errors
    assert failure.message == NEVER_DELETED


# --- batches ---------------------------------------------------------------------------------


def ids_of(messages: object) -> list[str]:
    """The ids of what was received, sorted."""
    assert isinstance(messages, list), messages
    return sorted(message.id for message in messages)


def is_neighbour(key: str) -> bool:
    """Whether this is the message that fares badly."""
    return key == stories.NEIGHBOUR


@pytest.mark.parametrize("error", BUSY, ids=lambda error: type(error).__name__)
def test_statement_busy_for_a_while(
    error: DynamoMQError, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """A statement of a batch that fails four times is sent again alone, and its claim is kept."""
    stories.two_sent(stage)
    how = {"when": is_write_of("receive-many"), "statements": is_neighbour}
    trouble.start(error, ATTEMPTS - 1, **how)
    assert ids_of(stage.ours.receive(10)) == [stories.ID, stories.NEIGHBOUR]
    assert versions(driver) == {stories.ID: 2, stories.NEIGHBOUR: 2}
    assert len(stage.script.naps) == ATTEMPTS - 1


@pytest.mark.parametrize("error", BUSY, ids=lambda error: type(error).__name__)
def test_statement_busy_for_too_long(
    error: DynamoMQError, stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """A statement that fails five times is given up; what the batch claimed is returned."""
    stories.two_sent(stage)
    how = {"when": is_write_of("receive-many"), "statements": is_neighbour}
    trouble.start(error, ATTEMPTS + 1, **how)
    assert ids_of(stage.ours.receive(10)) == [stories.ID]
    assert trouble.met == ATTEMPTS
    assert versions(driver) == {stories.ID: 2, stories.NEIGHBOUR: 1}


def test_all_statements_busy(stage: Stage, trouble: Trouble, driver: Driver) -> None:
    """Where all statements of a batch fail five times, the error is raised; nothing was claimed."""
    stories.two_sent(stage)
    error = ThrottledError("too fast")
    how = {"when": is_write_of("receive-many"), "statements": lambda _: True}
    trouble.start(error, ATTEMPTS, **how)
    assert outcome_of(ACTS["receive-many"].call, stage) is error
    assert versions(driver) == {stories.ID: 1, stories.NEIGHBOUR: 1}


def test_statement_executed_all_the_same(stage: Stage, trouble: Trouble, driver: Driver) -> None:
    """A statement that failed after it was executed: its repetition is refused, yet it is ours."""
    stories.two_sent(stage)
    how = {"when": is_write_of("receive-many"), "statements": is_neighbour, "executed": True}
    trouble.start(InternalError("out of order"), 1, **how)
    assert ids_of(stage.ours.receive(10)) == [stories.ID, stories.NEIGHBOUR]
    assert versions(driver) == {stories.ID: 2, stories.NEIGHBOUR: 2}


def test_statement_rejected(stage: Stage, trouble: Trouble, driver: Driver) -> None:
    """A statement that can't be carried out at all is not repeated; others keep their claims."""
    stories.two_sent(stage)
    how = {"when": is_write_of("receive-many"), "statements": is_neighbour}
    trouble.start(RequestRejectedError("no such thing", code="ValidationException"), 1, **how)
    assert ids_of(stage.ours.receive(10)) == [stories.ID]
    assert stage.script.naps == []
    assert versions(driver) == {stories.ID: 2, stories.NEIGHBOUR: 1}


LASTING = (
    UnavailableError("gone"),
    CredentialsError("expired"),
    ClosedError("closed meanwhile"),
)
"""Failures that no repetition mends; not all of them are the storage's."""


@pytest.mark.parametrize("error", [*BUSY, *LASTING], ids=lambda error: type(error).__name__)
def test_later_batch_fails(error: DynamoMQError, stage: Stage, trouble: Trouble) -> None:
    """What the first batch of a receive claimed is returned, whatever happens to the second.

    The error comes with the next call, which has nothing to return.
    """
    for number in range(60):
        stage.others.send(number, id=f"{number:02}")
        stage.script.advance(0.001)

    def is_later(request: Request[Any]) -> bool:
        return isinstance(request, WriteBatch) and request.writes[0].id == "25"

    trouble.start(error, 2 * ATTEMPTS, when=is_later)
    assert ids_of(stage.ours.receive(60)) == [f"{number:02}" for number in range(25)]
    assert trouble.met > 0
    assert outcome_of(lambda stage: stage.ours.receive(60), stage) is error


@pytest.mark.parametrize("error", [*BUSY, *LASTING], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("many", [1, 10])
def test_dead_lettering_fails(
    error: DynamoMQError, many: int, stage: Stage, trouble: Trouble
) -> None:
    """A message that can't be decoded, nor dead-lettered, keeps no other one from its receiver.

    It stays claimed, and is dead-lettered after its deadline.
    """
    stories.undecodable(stage)
    stage.others.send(2, id=stories.NEIGHBOUR)
    stage.script.advance(1)
    trouble.start(
        error,
        ATTEMPTS,
        when=lambda request: isinstance(request, Write) and request.rule.trigger == "move_to_dlq",
    )
    assert ids_of(stage.ours.receive(many)) == [stories.NEIGHBOUR]
    assert trouble.met > 0
    assert stage.others.get(stories.ID).state == "STANDARD.PROCESSING"
    trouble.error = None
    stage.script.advance(stories.TIMEOUT + 1)
    assert ids_of(stage.ours.receive(many)) == [stories.NEIGHBOUR]
    assert stage.others.get(stories.ID).state == "DLQ.READY"


def test_statement_fails_throughout_but_is_executed(
    stage: Stage, trouble: Trouble, driver: Driver
) -> None:
    """A statement that fails as often as it is sent may be executed: the item shows that it is."""
    stories.two_sent(stage)
    how = {"when": is_write_of("receive-many"), "statements": is_neighbour, "executed": True}
    trouble.start(InternalError("out of order"), ATTEMPTS, **how)
    assert ids_of(stage.ours.receive(10)) == [stories.ID, stories.NEIGHBOUR]
    assert trouble.met == ATTEMPTS
    assert versions(driver) == {stories.ID: 2, stories.NEIGHBOUR: 2}


def _number(version: object) -> int:
    assert isinstance(version, int)
    return version

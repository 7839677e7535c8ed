"""A reply is lost, the SDK repeats the request, and the operation still says what happened.

Each story is told twice. On DynamoDB Local a proxy swallows the reply of the first attempt, and
lets another client act before the second. On the embedded engine the same happens, one after the
other, with no reply lost. Afterwards both tables must be equal: nothing was duplicated, nothing
undone.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from attrs import frozen

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.errors import (
    DuplicateMessageError,
    IllegalTransitionError,
    OutcomeUnknownError,
    StaleReceiptError,
    UnavailableError,
)
from dynamomq.message import Message
from dynamomq.requests import Write
from dynamomq.table import TableDefinition
from dynamomq.values import Item, item_to_wire
from tests.integration import stories
from tests.integration.lockstep import exact
from tests.integration.scene import Script, all_items
from tests.integration.stories import ACTS, ID, NEIGHBOUR, Act, Stage, Step, outcome_of
from tests.support.embedded import custom_rule, put
from tests.support.fixtures import make_client
from tests.support.proxy import ReplyEater, Swallowing
from tests.support.triggers import HOLDERS, OPERATORS, destinations, sources

ATTEMPTS = 3  # of the SDK
EVERY = 5 * ATTEMPTS  # in each of ours

pytestmark = pytest.mark.engine("dynamodb-local", "local-memory")


class Done:
    """The outcome of a call that succeeded."""


class Nothing:
    """The outcome of a receive that returned nothing."""


@frozen
class Case:
    """One story.

    Attributes:
        act: what we do, of ``ACTS``.
        between: what others do before our request is repeated.
        outcome: what our call must report.
        writes: how many writes the message has seen in the end; ``None`` where it is gone.
        state: the state that it is in then.
    """

    act: str
    between: Step
    outcome: type
    writes: int | None
    state: str

    def __str__(self) -> str:
        return f"{self.act}-{self.between.__name__}"


WRITTEN = [
    Case("send", stories.nothing, Done, 1, "STANDARD.READY"),
    Case("send", stories.refused_the_id, Done, 1, "STANDARD.READY"),
    Case("send", stories.received, Done, 2, "STANDARD.PROCESSING"),
    Case("send", stories.received_and_retried, Done, 3, "STANDARD.READY"),
    Case("send", stories.received_and_deleted, Done, 3, "DELETED"),
    Case("send", stories.buried, Done, 2, "DLQ.READY"),
    Case("receive", stories.nothing, Done, 2, "STANDARD.PROCESSING"),
    Case("receive", stories.received_later, Nothing, 3, "STANDARD.PROCESSING"),
    Case("receive", stories.received_later_and_deleted, Nothing, 4, "DELETED"),
    Case("receive", stories.buried_later, Nothing, 3, "DLQ.READY"),
    Case("receive-many", stories.nothing, Done, 2, "STANDARD.PROCESSING"),
    Case("receive-many", stories.buried_later, Done, 3, "DLQ.READY"),
    Case("extend", stories.nothing, Done, 3, "STANDARD.PROCESSING"),
    Case("extend", stories.received_later, StaleReceiptError, 4, "STANDARD.PROCESSING"),
    Case("extend", stories.received_later_and_deleted, StaleReceiptError, 5, "DELETED"),
    Case("extend", stories.buried_later, StaleReceiptError, 4, "DLQ.READY"),
    Case("extend", stories.exhausted_later, StaleReceiptError, 4, "DLQ.READY"),
    Case("retry", stories.nothing, Done, 3, "STANDARD.READY"),
    Case("retry", stories.received, OutcomeUnknownError, 4, "STANDARD.PROCESSING"),
    Case("retry", stories.received_and_retried, OutcomeUnknownError, 5, "STANDARD.READY"),
    Case("retry", stories.received_and_deleted, OutcomeUnknownError, 5, "DELETED"),
    Case("retry", stories.buried, OutcomeUnknownError, 4, "DLQ.READY"),
    Case("retry", stories.exhausted, OutcomeUnknownError, 4, "DLQ.READY"),
    Case("release", stories.nothing, Done, 3, "STANDARD.READY"),
    Case("release", stories.received, OutcomeUnknownError, 4, "STANDARD.PROCESSING"),
    Case("release", stories.received_and_deleted, OutcomeUnknownError, 5, "DELETED"),
    Case("release", stories.buried, OutcomeUnknownError, 4, "DLQ.READY"),
    Case("release-again", stories.exhausted, OutcomeUnknownError, 5, "DLQ.READY"),
    Case("delete", stories.nothing, Done, 3, "DELETED"),
    Case("delete", stories.refused_the_id, Done, 3, "DELETED"),
    Case("delete", stories.sent_anew, Done, 1, "STANDARD.READY"),
    Case("delete", stories.removed, Done, None, "ABSENT"),
    Case("move_to_dlq", stories.nothing, Done, 3, "DLQ.READY"),
    Case("move_to_dlq", stories.received_from_dlq, OutcomeUnknownError, 4, "DLQ.PROCESSING"),
    Case("move_to_dlq", stories.received_from_dlq_and_deleted, OutcomeUnknownError, 5, "DELETED"),
    Case("move_to_dlq", stories.redriven, OutcomeUnknownError, 4, "STANDARD.READY"),
    Case(
        "move_to_dlq", stories.redriven_and_received, OutcomeUnknownError, 5, "STANDARD.PROCESSING"
    ),
    Case("move_to_dlq", stories.redriven_and_exhausted, OutcomeUnknownError, 6, "DLQ.READY"),
    Case("bury", stories.nothing, Done, 2, "DLQ.READY"),
    Case("bury", stories.received_from_dlq, OutcomeUnknownError, 3, "DLQ.PROCESSING"),
    Case("bury", stories.received_from_dlq_and_deleted, OutcomeUnknownError, 4, "DELETED"),
    Case("bury", stories.redriven, OutcomeUnknownError, 3, "STANDARD.READY"),
    Case("bury", stories.redriven_and_received, OutcomeUnknownError, 4, "STANDARD.PROCESSING"),
    Case("redrive", stories.nothing, Done, 3, "STANDARD.READY"),
    Case("redrive", stories.received, OutcomeUnknownError, 4, "STANDARD.PROCESSING"),
    Case("redrive", stories.received_and_deleted, OutcomeUnknownError, 5, "DELETED"),
    Case("redrive", stories.buried, OutcomeUnknownError, 4, "DLQ.READY"),
    Case("exhaust", stories.nothing, Nothing, 4, "DLQ.READY"),
    Case("exhaust", stories.received_from_dlq, Nothing, 5, "DLQ.PROCESSING"),
    Case("exhaust", stories.redriven_and_received, Nothing, 6, "STANDARD.PROCESSING"),
    Case("quarantine", stories.nothing, Nothing, 1, "DLQ.READY"),
    Case("quarantine", stories.received_from_dlq, Nothing, 2, "DLQ.PROCESSING"),
    Case("quarantine", stories.redriven_and_received, Nothing, 3, "STANDARD.PROCESSING"),
    Case("undecodable", stories.nothing, Nothing, 3, "DLQ.READY"),
    Case("undecodable", stories.received_from_dlq, Nothing, 4, "DLQ.PROCESSING"),
    Case("undecodable", stories.redriven_and_received, Nothing, 5, "STANDARD.PROCESSING"),
]


def derived() -> Iterator[Case]:
    """A case for each trigger of holders and operators that has none: nobody acts in between."""
    told = {case.act for case in WRITTEN}
    for before, triggers in (("STANDARD.PROCESSING", HOLDERS), ("STANDARD.READY", OPERATORS)):
        for trigger in (one for one in triggers if one not in told):
            (state,) = destinations(trigger, before)
            writes = 1 if before == "STANDARD.READY" else 2
            yield Case(trigger, stories.nothing, Done, writes + 1, state)


CASES = [*WRITTEN, *derived()]


@pytest.fixture(scope="module")
def eater(dynamodb_endpoint: str) -> Iterator[ReplyEater]:
    """A proxy in front of DynamoDB Local that can swallow replies."""
    with ReplyEater(dynamodb_endpoint) as proxy:
        yield proxy


@pytest.fixture
def client(eater: ReplyEater) -> Iterator[Any]:
    """A client that speaks through the proxy; a new one has its full quota of repetitions."""
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    with closing(make_client(eater.endpoint_url, retries=retries)) as opened:
        yield opened


@pytest.fixture
def stage(client: Any, dynamodb_client: Any, table_name: str) -> Stage:
    """A table in DynamoDB Local; our client speaks through the proxy, the other's straight."""
    script = Script()
    key = {"id": {"S": ID}}
    return Stage.on(
        script,
        DynamoDBEngine(client=client, surroundings=script.surroundings()),
        DynamoDBEngine(client=dynamodb_client, surroundings=script.surroundings()),
        table_name,
        put=lambda item: dynamodb_client.put_item(TableName=table_name, Item=item_to_wire(item)),
        remove=lambda _: dynamodb_client.delete_item(TableName=table_name, Key=key),
    )


@pytest.fixture
def truth(table_name: str) -> Iterator[tuple[Stage, Driver]]:
    """The same stage on the embedded engine, where no reply is lost."""
    script = Script()
    with LocalEngine(surroundings=script.surroundings()) as engine:
        driver = engine.open(TableDefinition(table_name))
        yield (
            Stage.on(
                script,
                engine,
                engine,
                table_name,
                put=lambda item: driver.execute(put(item)),
                remove=lambda key: driver.execute(_removal(key)),
            ),
            driver,
        )


def _removal(key: str) -> Write:
    return Write(key, custom_rule("delete", []), {})


@pytest.fixture
def table(dynamodb_client: Any, table_name: str) -> Callable[[], dict[str, Item]]:
    """Reads the whole table of DynamoDB Local, by id."""
    driver = DynamoDBEngine(client=dynamodb_client).open(TableDefinition(table_name))
    return lambda: all_items(driver)


def lose(
    eater: ReplyEater, act: Act, stage: Stage, between: Step, times: int = 1, **how: Any
) -> Swallowing:
    """Have the reply to an act lost."""
    return eater.swallow(
        act.operation, times=times, when=act.is_meant, between=lambda: between(stage), **how
    )


ALONE = [case for case in CASES if case.between is stories.nothing]
CUT = [(case, (0, 1, 7, -1)[place % 4]) for place, case in enumerate(ALONE)]


@pytest.mark.parametrize(
    ("case", "keep"),
    [*((case, None) for case in CASES), *CUT],
    ids=lambda one: "" if one is None else str(one),
)
def test_reports_what_happened(
    case: Case,
    keep: int | None,
    eater: ReplyEater,
    stage: Stage,
    truth: tuple[Stage, Driver],
    table: Callable[[], dict[str, Item]],
) -> None:
    """With its first reply lost, and others acting meanwhile, a call reports what is the case.

    The table is as if no reply had been lost; and it stays so when the network, later, delivers the
    request once more. A reply of which a part gets through, so many bytes, is lost, too.
    """
    act = ACTS[case.act]
    act.prepare(stage)
    lost = lose(eater, act, stage, case.between, keep=keep)
    outcome = outcome_of(act.call, stage)

    twin, driver = truth
    act.prepare(twin)
    act.call(twin)
    case.between(twin)

    assert lost.count == 1
    items = table()
    assert exact(items) == exact(all_items(driver))
    check_outcome(case, outcome, items)
    assert state_and_writes(stage, items) == (case.state, case.writes)
    lost.repeat()
    assert exact(table()) == exact(items)


@pytest.mark.parametrize("operation", ["GetItem", "Query", "BatchGetItem"])
def test_a_read_whose_reply_is_cut_is_repeated(
    operation: str, eater: ReplyEater, stage: Stage
) -> None:
    """However much of it gets through: what is there is neither missing nor malformed."""
    stories.sent(stage)
    (message,) = stage.ours.list()
    for keep in range(-1, -90, -11):
        lost = eater.swallow(operation, keep=keep)
        if operation == "GetItem":
            assert stage.ours.get(ID) == message
        else:
            assert list(stage.ours.list("STANDARD")) == [message]
        assert lost.is_used_up


def check_outcome(case: Case, outcome: object, items: dict[str, Item]) -> None:
    """Check what the call reported."""
    if case.outcome is Nothing:
        assert outcome == []
    elif case.outcome is Done:
        expected = {NEIGHBOUR: items[NEIGHBOUR]} if NEIGHBOUR in items else {}
        if case.between is stories.nothing and case.act in ("receive", "receive-many"):
            expected = items
        if isinstance(outcome, list):
            assert {one.id: one.item for one in outcome} == expected
        elif isinstance(outcome, Message):
            assert outcome.id == ID
        else:
            assert outcome is None
    else:
        assert type(outcome) is case.outcome


def state_and_writes(stage: Stage, items: dict[str, Item]) -> tuple[str, object]:
    """The state of the message by now, and its version: the number of writes to it."""
    if ID not in items:
        return "ABSENT", None
    return stage.others.get(ID).state, items[ID]["version"]


def is_repeatable(trigger: str) -> bool:
    """Whether a trigger is legal in a state to which it leads."""
    states = sources(trigger)
    return any(destinations(trigger, state) & {*states} for state in states)


AGAIN = {
    "send": DuplicateMessageError,
    "receive": Nothing,
    "receive-many": Nothing,
    "extend": Done,
    "retry": Done,
    "release": Done,
    "delete": Done,
    "move_to_dlq": Done,
    **{trigger: IllegalTransitionError for trigger in OPERATORS if not is_repeatable(trigger)},
    "exhaust": Nothing,
    "quarantine": Nothing,
}


@pytest.mark.parametrize("name", AGAIN)
def test_all_replies_lost(
    name: str, eater: ReplyEater, stage: Stage, table: Callable[[], dict[str, Item]]
) -> None:
    """With every reply lost a call says that its outcome is not known; a second call does no harm.

    Exactly one write took place; and the second call, whatever it reports, adds none.
    """
    act = ACTS[name]
    act.prepare(stage)
    before, now = table(), stage.script.now
    lost = lose(eater, act, stage, stories.nothing, times=EVERY)
    outcome = outcome_of(act.call, stage)
    stage.script.now = now  # an extension at a later time would be another one
    assert lost.count == EVERY
    assert type(outcome) is UnavailableError
    assert "not known" in str(outcome)
    items = table()
    for key, item in items.items():
        assert _version(item) == _version(before.get(key, {})) + 1
    second = outcome_of(act.call, stage)
    if AGAIN[name] is Nothing:
        assert second == []
    elif AGAIN[name] is Done:
        assert second is None or isinstance(second, Message)
    else:
        assert type(second) is AGAIN[name]
    assert exact(table()) == exact(items)


def _version(item: Item) -> int:
    version = item.get("version", 0)
    assert isinstance(version, int)
    return version


def test_lost_delivery_comes_again(eater: ReplyEater, stage: Stage) -> None:
    """A message whose receive was never answered is delivered again after its timeout."""
    act = ACTS["receive"]
    act.prepare(stage)
    lose(eater, act, stage, stories.nothing, times=EVERY)
    assert isinstance(outcome_of(act.call, stage), UnavailableError)
    stage.script.advance(stories.TIMEOUT + 1)
    (message,) = stage.ours.receive()
    assert (message.id, message.receive_count, message.version) == (ID, 2, 3)

"""The local engine can be believed: on random requests it does just what DynamoDB Local does."""

import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from typing import Any, Final

import pytest

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.requests import (
    Cancelled,
    Committed,
    CreateTable,
    Get,
    Refused,
    Request,
    Transact,
    Write,
    Written,
)
from dynamomq.table import TableDefinition
from tests.integration.random_requests import Requests
from tests.integration.requests_lockstep import DifferenceError, RequestLockstep, writes_of
from tests.integration.requests_report import report
from tests.integration.requests_tally import CONDITIONS, EFFECTS, EMBEDDED_ONLY, PAGES, Tally
from tests.integration.scene import Between
from tests.support.figures import figures

TEST_FILE = "tests/integration/test_requests_lockstep.py"
SEED_VARIABLE = "DYNAMOMQ_REQUEST_SEEDS"
WHOLE_RUN: Final = "1 2 3 4 5 6 7 8"
SEEDS = tuple(int(seed) for seed in os.environ.get(SEED_VARIABLE, WHOLE_RUN).split())
LEAST_REQUESTS: Final = 10_000  # that a whole run asks both engines
LEAST_OF_A_SEED: Final = math.ceil(LEAST_REQUESTS / len(WHOLE_RUN.split()))
STEPS: Final = LEAST_OF_A_SEED + 10  # a few are asked of one engine only
COMPARE_TABLES_EVERY = 100

LEAST_SHARES: Final = {
    "put": {"written": 0.3, "refused": 0.2, "rejected": 0.03},
    "update": {"written": 0.25, "refused": 0.25, "malformed": 0.05, "rejected": 0.05},
    "delete": {"written": 0.3, "refused": 0.2},
    "put in a batch": {"written": 0.2, "refused": 0.2, "rejected": 0.01},
    "update in a batch": {"written": 0.15, "refused": 0.3, "malformed": 0.03, "rejected": 0.03},
    "delete in a batch": {"written": 0.3, "refused": 0.2},
    "batch": {"carried out": 0.5, "rejected": 0.02},
    "transaction": {"committed": 0.3, "cancelled": 0.15, "malformed": 0.02, "rejected": 0.08},
    "get": {"found": 0.3, "nothing": 0.2},
    "get many": {"found": 0.3, "nothing": 0.2},
    "query": {"page with a cursor": 0.2, "last page": 0.3, "rejected": 0.01},
    PAGES: {"first": 0.2, "next": 0.2, "next, after writes": 0.02},
    "scan": {"page with a cursor": 0.3, "last page": 0.05, "rejected": 0.01},
}
PARTS: Final = {
    CONDITIONS: (
        *("=", "<", "<=", ">", ">="),
        *("AllOf", "AnyOf", "Exists", "Given", "HasType", "Not", "Same"),
    ),
    EFFECTS: ("Append", "Arg", "Attr", "Constant", "IfNotExists", "Plus", "Remove"),
}

MakeLockstep = Callable[[], RequestLockstep]


@pytest.fixture(scope="module")
def remote(dynamodb_endpoint: str) -> Iterator[DynamoDBEngine]:
    """DynamoDB Local, through a client as the engine makes it."""
    with closing(DynamoDBEngine(endpoint_url=dynamodb_endpoint)) as engine:
        yield engine


@pytest.fixture
def make_lockstep(remote: DynamoDBEngine, table_name: str) -> Iterator[MakeLockstep]:
    """Put both engines side by side, their tables empty."""
    numbers = count()
    with LocalEngine() as local:

        def make() -> RequestLockstep:
            table = TableDefinition(f"{table_name}-{next(numbers)}")
            return created(RequestLockstep(local.open(table), remote.open(table)))

        yield make


def created(lockstep: RequestLockstep) -> RequestLockstep:
    """Create both tables."""
    for driver in lockstep.drivers:
        driver.execute(CreateTable())
    return lockstep


def play(seed: int, make: MakeLockstep) -> Tally:
    """Take random steps; fail with those that lead to a difference."""
    lockstep = make()
    requests = Requests(random.Random(seed), lockstep)
    try:
        for number in range(1, STEPS + 1):
            lockstep.take(requests.next())
            if number % COMPARE_TABLES_EVERY == 0:
                lockstep.compare_tables()
    except DifferenceError as difference:
        replay = f"{SEED_VARIABLE}={seed} python -m pytest {TEST_FILE}"
        pytest.fail(f"{report(difference, lockstep, make)}\nreplay: {replay}", pytrace=False)
    return lockstep.tally


@pytest.mark.engine("local-memory", "dynamodb-local")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_requests_agree(
    seed: int, make_lockstep: MakeLockstep, record_property: Callable[[str, object], None]
) -> None:
    """On random requests both engines reply, fail and store the same.

    And the run is worth something: the seeds together ask at least 10,000 requests, each kind of
    request has all its outcomes in a fair share, and every kind of condition and effect occurs.
    """
    tally = play(seed, make_lockstep)
    kinds = (*LEAST_SHARES, *PARTS, EMBEDDED_ONLY)
    rows = {kind: dict(sorted(tally.rows.get(kind, {}).items())) for kind in kinds}
    rows["in all"] = {"requests": tally.requests}
    record_property("figures", figures("requests to local engine and DynamoDB Local", rows))
    assert tally.requests >= LEAST_OF_A_SEED
    for kind, shares in LEAST_SHARES.items():
        for outcome, least in shares.items():
            assert tally.share(kind, outcome) >= least, f"{kind}: {tally.rows[kind]}"
    for kind, parts in PARTS.items():
        assert set(parts) <= set(tally.rows[kind])


class Lazy(Between):
    """A driver that says of deletes that they took place, and leaves the items."""

    def store(self, request: Request[Any]) -> Any:
        """Pass on all else."""
        if isinstance(request, Write) and request.rule.kind == "delete":
            item = self.inner.execute(Get(request.id))
            if request.specialised.applies_to(item, request.arguments):
                return Written(None)
        return self.inner.store(request)


class Piecemeal(Between):
    """A driver that carries out a transaction's writes one by one, however the others end."""

    def store(self, request: Request[Any]) -> Any:
        """Pass on all else."""
        if not isinstance(request, Transact):
            return self.inner.store(request)
        replies = [self.inner.store(write) for write in writes_of(request)]
        refusals = [reply if isinstance(reply, Refused) else None for reply in replies]
        return Cancelled(tuple(refusals)) if any(refusals) else Committed()


def explained(front: Callable[[Driver], Driver]) -> str:
    """What is printed about the difference between the embedded engine and itself with a fault."""
    numbers = count()
    with LocalEngine() as engine:

        def make() -> RequestLockstep:
            left, right = (TableDefinition(f"table-{next(numbers)}") for _ in range(2))
            return created(RequestLockstep(engine.open(left), front(engine.open(right))))

        with pytest.raises(pytest.fail.Exception) as caught:
            play(1, make)
    return str(caught.value)


@pytest.mark.engine("local-memory")
def test_a_difference_is_found_and_explained() -> None:
    """An engine that does not delete is found out; few steps show it, and a command replays it."""
    message = explained(Lazy)
    assert "items differ" in message
    assert f"replay: {SEED_VARIABLE}=1 python -m pytest" in message
    assert "these steps are enough" in message
    steps = [line for line in message.splitlines() if line.startswith("- ")]
    assert 2 <= len(steps) <= 4
    assert steps[-1].startswith("- delete")


@pytest.mark.engine("local-memory")
def test_half_a_transaction_is_found_and_explained() -> None:
    """An engine that does what it can of a cancelled transaction is found out, and shown."""
    message = explained(Piecemeal)
    assert "these steps are enough" in message
    steps = [line for line in message.splitlines() if line.startswith("- ")]
    assert 1 <= len(steps) <= 4
    assert steps[-1] == "- a transaction of"

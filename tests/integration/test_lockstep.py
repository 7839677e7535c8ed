"""The local engine can be believed: on random operations it does just what DynamoDB Local does."""

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.drivers.local import LocalEngine
from dynamomq.requests import Written
from dynamomq.table import TableDefinition
from dynamomq.values import Item, item_to_wire
from tests.integration.lockstep import Call, Lockstep, Move, Side, Tally
from tests.integration.moves import IDS, TRIGGERS, Player
from tests.integration.scene import Script
from tests.integration.strangers import stranger
from tests.support.embedded import put
from tests.support.figures import figures

SEED_VARIABLE = "DYNAMOMQ_LOCKSTEP_SEEDS"
SEEDS = tuple(int(seed) for seed in os.environ.get(SEED_VARIABLE, "1 2 3 4 5 6").split())
MOVES = 300  # a seed
SHARE = 0.3  # of all writes of a trigger: at least so many took place, and so many were refused
COMPARE_TABLES_EVERY = 50
CROWD = 130

pytestmark = pytest.mark.engine("local-memory", "dynamodb-local")

MakeLockstep = Callable[[int], Lockstep]


@pytest.fixture
def make_lockstep(dynamodb_client: Any, table_name: str) -> Iterator[MakeLockstep]:
    """Make both engines, with the same time and chance."""
    opened: list[LocalEngine] = []

    def make(seed: int) -> Lockstep:
        scripts = [Script(seed=seed, ids=_ids_in_play(seed)) for _ in range(2)]
        local = LocalEngine(surroundings=scripts[0].surroundings())
        opened.append(local)
        driver = local.open(TableDefinition(table_name))
        remote = DynamoDBEngine(client=dynamodb_client, surroundings=scripts[1].surroundings())

        def put_local(item: Item) -> None:
            assert isinstance(driver.execute(put(item)), Written)

        def put_remote(item: Item) -> None:
            dynamodb_client.put_item(TableName=table_name, Item=item_to_wire(item))

        return Lockstep(
            Side("local engine", local, table_name, scripts[0], put_local),
            Side("DynamoDB Local", remote, table_name, scripts[1], put_remote),
            replay=f"{SEED_VARIABLE}={seed} python -m pytest tests/integration/test_lockstep.py",
        )

    yield make
    for engine in opened:
        engine.close()


def _ids_in_play(seed: int) -> Callable[[], str]:
    chance = random.Random(seed)
    return lambda: chance.choice(IDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_operations_agree(
    seed: int, make_lockstep: MakeLockstep, record_property: Callable[[str, object], None]
) -> None:
    """On random moves both engines ask, answer, return, raise and store the same.

    And the run is worth something: of every trigger's writes at least 30 % took place and at least
    30 % were refused.
    """
    lockstep = make_lockstep(seed)
    play(lockstep, Player(random.Random(seed)))
    tally = lockstep.left.watch.tally
    lockstep.same("tallies", tally, lockstep.right.watch.tally)
    counted = outcomes(tally)
    calls = {"in all": {"calls": lockstep.left.watch.calls}}
    record_property("figures", figures("local engine and DynamoDB Local", {**counted, **calls}))
    for trigger, (written, refused) in ((t, c.values()) for t, c in counted.items()):
        least = SHARE * (written + refused)
        assert min(written, refused) >= max(least, 1), f"{trigger}: {written} and {refused}"


def test_many_messages_agree(make_lockstep: MakeLockstep) -> None:
    """Page by page, and batch by batch, both engines receive, list and count the same."""
    lockstep = make_lockstep(0)
    for number in range(CROWD):
        lockstep.pass_time(0.001)
        delay = number % 3 * 10
        lockstep.make(Move(Call("send", (number,), {"id": f"{number:03}", "delay": delay})))
    for call in (
        Call("stats", (), {"limit": 17}),
        Call("list", ("STANDARD",)),
        Call("receive", (60,), {"visibility_timeout": 600}),
        Call("receive", (30,), {"visibility_timeout": 500}),
        Call("receive", (), {"visibility_timeout": 400}),
        Call("stats"),
    ):
        lockstep.pass_time(8)
        lockstep.make(Move(call))
    lockstep.compare_tables()
    assert lockstep.left.queue.stats().standard.processing == 91


def play(lockstep: Lockstep, player: Player) -> None:
    """Make MOVES moves, with strange items and leaps of time among them."""
    for number in range(MOVES):
        lockstep.pass_time(_leap(player.chance))
        player.look(lockstep.left.items(), lockstep.left.script.now)
        while (move := player.next(lockstep.left.watch.tally)) is None:
            lockstep.put(stranger(player.room(), player.now, player.chance))
            player.look(lockstep.left.items(), player.now)
        player.keep(lockstep.make(move))
        if number % COMPARE_TABLES_EVERY == 0:
            lockstep.compare_tables()
    lockstep.compare_tables()


def _leap(chance: random.Random) -> float:
    """Seconds: mostly a few; now and then beyond visibility timeouts, or tombstones."""
    longest = chance.choices((0.9, 9, 50, 700), weights=(60, 24, 11, 5))[0]
    return chance.uniform(0.001, longest)


def outcomes(tally: Tally) -> dict[str, dict[str, int]]:
    """How many writes of each trigger took place and were refused."""
    return {one: {how: tally[one, how] for how in ("written", "refused")} for one in TRIGGERS}

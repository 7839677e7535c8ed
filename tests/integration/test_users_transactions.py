"""Users' transactions on DynamoDB Local: through lost replies, and by users' own requests."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from zlib import crc32

import pytest
from attrs import define

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.effects import Add
from dynamomq.errors import DuplicateMessageError, UnavailableError
from dynamomq.expressions import Attr
from dynamomq.queue import Queue, Sent
from dynamomq.table import TableDefinition
from tests.contract.rows import Rows, dynamodb_rows
from tests.integration.lockstep import exact
from tests.integration.scene import Script, all_items
from tests.support.fixtures import make_client
from tests.support.lists import orders
from tests.support.proxy import ReplyEater

ATTEMPTS = 3  # of the SDK
EVERY = 5 * ATTEMPTS  # in each of ours
TRANSACTION = "TransactWriteItems"
NEW = Attr("pk").absent()

pytestmark = pytest.mark.engine("dynamodb-local")


@define(eq=False)
class Stage:
    """A queue behind a proxy that loses replies, a table of rows, and others' client.

    Attributes:
        client: boto3's, which others use.
    """

    eater: ReplyEater
    script: Script
    queue: Queue[Any]
    others: Queue[Any]
    client: Any
    rows: Rows
    driver: Driver

    def everything(self) -> object:
        """All messages, and the row."""
        return exact([all_items(self.driver), self.rows.row("17")])


@pytest.fixture
def stage(dynamodb_endpoint: str, dynamodb_client: Any, table_name: str) -> Iterator[Stage]:
    """Two empty tables."""
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    with (
        ReplyEater(dynamodb_endpoint) as eater,
        closing(make_client(eater.endpoint_url, retries=retries)) as client,
    ):
        script = Script(seed=crc32(table_name.encode()))  # the server remembers tokens for minutes
        engines = [
            DynamoDBEngine(client=one, surroundings=script.surroundings())
            for one in (client, dynamodb_client)
        ]
        ours, others = (Queue[Any](table_name, engine=engine) for engine in engines)
        others.create_table()
        rows = dynamodb_rows(dynamodb_client, f"rows-{table_name}")
        driver = engines[1].open(TableDefinition(table_name))
        yield Stage(eater, script, ours, others, dynamodb_client, rows, driver)


def take_order(stage: Stage) -> Sent[Any]:
    """Write an order's row and send its message, in a group."""
    with stage.queue.transaction() as tx:
        tx.put_row(stage.rows.name, {"pk": "17"}, condition=NEW)
        return tx.send("work", id="m", group="g")


def finish_order(stage: Stage) -> None:
    """Receive an order's message, and write its result in place of the row."""
    stage.others.send("work", id="m", group="g")
    stage.script.advance(1)
    (message,) = stage.others.receive()
    stage.script.advance(1)
    with stage.queue.transaction() as tx:
        tx.update_row(stage.rows.name, {"pk": "17"}, Add("times", 1))
        tx.delete(message)
        tx.send("ship", id="n", group="g")


@pytest.mark.parametrize("act", [take_order, finish_order])
def test_a_lost_reply(act: Callable[[Stage], object], stage: Stage) -> None:
    """TRANSACT-4: the SDK repeats what has taken effect, and the block ends as if nothing were."""
    lost = stage.eater.swallow(TRANSACTION)
    act(stage)
    assert lost.count == 1
    assert lost.exchanges[0].status == 200
    before = stage.everything()
    assert stage.rows.row("17") in ({"pk": "17"}, {"pk": "17", "times": 1})
    stage.script.advance(1)
    lost.repeat()
    assert stage.everything() == before


def test_all_replies_lost(stage: Stage) -> None:
    """TRANSACT-4: the error says that the outcome is not known, and how to find it out.

    With ids of its own, the same block is refused as a whole where it has taken effect.
    """
    stage.eater.swallow(TRANSACTION, times=EVERY)
    with pytest.raises(UnavailableError, match="the same block again"):
        take_order(stage)
    before = stage.everything()
    assert stage.rows.row("17") == {"pk": "17"}
    with pytest.raises(DuplicateMessageError):
        take_order(stage)
    assert stage.everything() == before


# --- users' own requests ---------------------------------------------------------------------


def own_row(stage: Stage, pk: str) -> dict[str, Any]:
    """An entry of the user's own."""
    return {
        "Put": {
            "TableName": stage.rows.name,
            "Item": {"pk": {"S": pk}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }


def test_entries_for_requests_of_ones_own(stage: Stage) -> None:
    """TRANSACT-6: a client of the user's own sends and deletes messages together with rows."""
    for number in range(3):
        entries = stage.others.send_item(number, id=f"m{number}", group="g", headers={"a": "b"})
        stage.client.transact_write_items(
            TransactItems=[*entries, own_row(stage, f"sent {number}")]
        )
    assert orders(all_items(stage.driver)) == {"g": ["m0", "m1", "m2"]}
    assert dict(stage.others.get("m2").headers) == {"a": "b"}
    stage.script.advance(1)
    (head,) = stage.others.receive(10)
    stage.script.advance(1)
    stage.client.transact_write_items(
        TransactItems=[*stage.others.delete_item(head), own_row(stage, "done")]
    )
    assert orders(all_items(stage.driver)) == {"g": ["m1", "m2"]}
    assert stage.others.get("m0").state == "DELETED"
    assert stage.rows.row("done") == {"pk": "done"}


def test_entries_are_guarded(stage: Stage) -> None:
    """TRANSACT-6: a taken id, a delivery that is over and a group that has changed cancel it."""

    def refusals(entries: list[dict[str, Any]]) -> list[str]:
        request = [*entries, own_row(stage, "never")]
        canceled = stage.client.exceptions.TransactionCanceledException
        with pytest.raises(canceled) as caught:
            stage.client.transact_write_items(TransactItems=request)
        return [one["Code"] for one in caught.value.response["CancellationReasons"]]

    stage.others.send("theirs", id="m")
    assert refusals(stage.others.send_item("ours", id="m")) == ["ConditionalCheckFailed", "None"]
    stage.script.advance(1)
    (message,) = stage.others.receive()
    stage.script.advance(1)
    entries = stage.others.delete_item(message)
    stage.others.retry(message)
    assert refusals(entries) == ["ConditionalCheckFailed", "None"]
    planned = stage.others.send_item("late", group="g")
    stage.others.send("first", id="first", group="g")
    assert refusals(planned) == ["None", "ConditionalCheckFailed", "None"]
    assert stage.rows.row("never") is None

"""The public API as users type it: checked by mypy, never run.

A wrong inference is an error here, since ``assert_type`` compares exactly.
"""

from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import Any, assert_type

from attrs import frozen

from dynamomq import (
    Add,
    Attr,
    BatchResult,
    Discard,
    DynamoDBEngine,
    DynamoMQError,
    Entry,
    Finding,
    LocalEngine,
    Message,
    PurgeResult,
    Queue,
    QueueType,
    RedriveResult,
    Remove,
    RepairResult,
    SendResult,
    Sent,
    Set,
    Stats,
    Transaction,
)


@frozen
class Order:
    """A payload."""

    number: int


def untyped(client: Any) -> None:
    """Without a declared type, payloads are Any; the storage is named in several ways."""
    assert_type(Queue(), Queue[Any])
    assert_type(Queue("orders"), Queue[Any])
    Queue("orders", client=client)
    Queue("orders", visibility_timeout=None, max_receives=3, deduplication_window=None)
    Queue("orders").create_table(shards=4, max_receives=0, deduplication_window=600)
    Queue("orders", session=client, region_name="eu-central-1")
    Queue("orders", endpoint_url="http://localhost:8000", index="by-due-time")
    Queue("orders", engine=DynamoDBEngine(client=client))
    queue = Queue("orders", engine=LocalEngine("queue.db", durability="normal"))
    assert_type(queue.receive(), list[Message[Any]])


def typed(queue: Queue[Order]) -> None:
    """With a declared type, everything is generic in it."""
    assert_type(Queue("orders", payload=Order), Queue[Order])
    assert_type(queue.send(Order(1), delay=timedelta(minutes=5)), Message[Order])
    queue.send(Order(1), id="order-1", headers={"trace": "1"}, if_exists="return")
    queue.send("text")  # type: ignore[arg-type]  # the error is the point: not an Order
    [message] = queue.receive(max_messages=1, visibility_timeout=30, wait=20.0, source="DLQ")
    assert_type(message.data, Order)
    assert_type(message.queue, QueueType | None)
    assert_type(queue.extend(message, 60), Message[Order])
    queue.retry(message, delay=5, error=ValueError("no"))
    queue.move_to_dlq(message, error="no")
    queue.release(message)
    queue.delete(message)
    message.receive_count = 2  # type: ignore[misc]  # the error is the point: it is frozen


def batches(queue: Queue[Order]) -> None:
    """Entries are payloads, or say more; results are generic in the payload, too."""
    sent = queue.send_batch([Order(1), Entry(Order(2), id="order-2", delay=timedelta(minutes=5))])
    assert_type(sent, list[SendResult[Order]])
    assert_type(sent[0].message, Message[Order] | None)
    assert_type(sent[0].error, DynamoMQError | None)
    queue.send_batch(["text"])  # type: ignore[list-item]  # the error is the point: not an Order
    held = queue.receive(250)
    assert_type(queue.delete_batch(held), list[BatchResult[Order]])
    assert_type(queue.retry_batch(held, delay=5, error=ValueError("no")), list[BatchResult[Order]])
    assert_type(queue.release_batch(message for message in held), list[BatchResult[Order]])
    assert_type([one.message for one in queue.extend_batch(held, 60)], list[Message[Order]])
    for message in queue.stream(5, wait=1, until_empty=True):
        assert_type(message, Message[Order])
    stream = queue.stream(visibility_timeout=60, source=QueueType.DLQ)
    assert_type(stream, Generator[Message[Order], None, None])
    stream.close()


def transactions(queue: Queue[Order], texts: Queue[str]) -> None:
    """What is sent has the type of its queue; the transaction's own, or the one that is named."""
    with queue.transaction() as tx:
        assert_type(tx, Transaction[Order])
        sent = tx.send(Order(1), id="order-1", group="g")
        assert_type(sent, Sent[Order])
        assert_type(tx.send("text", queue=texts), Sent[str])
        tx.send("text")  # type: ignore[call-overload]  # the error is the point: not an Order
        tx.delete(queue.receive()[0])
        tx.retry(texts.receive()[0], delay=timedelta(minutes=5), queue=texts)
        tx.put_row("rows", {"id": "17", "tags": {"a"}}, condition=Attr("id").absent())
        tx.update_row("rows", {"id": "18"}, Set("n", Attr("n") + 1))
        tx.update_row(
            "rows", {"id": "19"}, [Add("a", 1), Remove(Attr("b")["c"]), Discard("d", {1})]
        )
        tx.check_row("rows", {"id": "20"}, Attr("tags").size().lt(5) & ~Attr("n").is_in([1, 2]))
        tx.check_row("rows", {"id": "20"}, "n = 1")  # type: ignore[arg-type]  # the error is the point
    assert_type(sent.message, Message[Order])
    assert_type(queue.send_item(Order(1)), list[dict[str, dict[str, Any]]])


def operators(queue: Queue[Order]) -> None:
    """What an operator calls."""
    assert_type(queue.get("order-1"), Message[Order])
    assert_type([failure.traceback for failure in queue.get("order-1").errors], list[str])
    assert_type(queue.bury("order-1", reason="no"), Message[Order])
    assert_type(queue.redrive("order-1"), Message[Order])
    assert_type(queue.list(None), Iterator[Message[Order]])
    assert_type(queue.stats(limit=100), Stats)
    assert_type(queue.update("order-1", Order(2), headers={"trace": "1"}), Message[Order])
    queue.update("order-1", "text")  # type: ignore[arg-type]  # the error is the point: no Order
    assert_type(queue.annotate("order-1", {"trace": "1"}), Message[Order])
    assert_type(queue.reschedule("order-1", delay=timedelta(days=1)), Message[Order])
    assert_type(queue.cancel("order-1"), Message[Order])


def bulk(queue: Queue[Order]) -> None:
    """What an operator does to many messages; a filter sees the payload's type."""
    purged = queue.purge("DLQ", states={"DLQ.READY"}, older_than=timedelta(days=7), dry_run=True)
    assert_type(purged, PurgeResult)
    queue.purge(None, progress=lambda result: print(result.purged, "of", result.matched))
    queue.purge()  # type: ignore[call-arg]  # the error is the point: say what is to be purged
    redriven = queue.redrive_all(lambda dead: dead.data.number > 1, limit=10, rate=2.5)
    assert_type(redriven, RedriveResult)
    assert_type(redriven.errors, tuple[tuple[str, DynamoMQError], ...])
    repaired = queue.repair_group("order-17", dry_run=True)
    assert_type(repaired, RepairResult)
    assert_type(repaired.findings, tuple[Finding, ...])


def closing() -> None:
    """A queue is a context manager of its own type."""
    with Queue("orders", payload=Order) as queue:
        assert_type(queue, Queue[Order])

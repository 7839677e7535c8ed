"""Dollars for a million messages, beside SQS."""

from __future__ import annotations

import math

from dynamomq.bench.counts import SIZES, WAYS, life
from dynamomq.bench.metered import Place, Spent
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import way
from dynamomq.planning import READ_UNIT, WRITE_UNIT

_STANDARD, _FIFO = 0.40, 0.50
_MOST_AT_ONCE = 10
_CHUNK = 64 * 1024  # bytes that SQS bills as one request


def prices(place: Place) -> Table:
    """Return what a million messages cost, sent, received and deleted.

    Args:
        place: where units are counted; one that reports those of batches.
    """
    rows: list[tuple[Cell, ...]] = []
    for size, length in SIZES.items():
        for batch in WAYS:
            tell(f"prices: {size}, {way(batch)}")
            with place.open() as metered:
                spent = life(metered, "x" * length, batch).whole
            rows.append(
                (
                    f"{size}, {way(batch)}",
                    _dollars(spent),
                    queue_service(length, batch, _STANDARD),
                    queue_service(length, batch, _FIFO),
                )
            )
    return Table(
        "Dollars for a million messages",
        ("", "DynamoMQ", "SQS standard", "SQS FIFO"),
        tuple(rows),
        (
            f"us-east-1, 2026, on demand: ${WRITE_UNIT} and ${READ_UNIT} for a million units.",
            f"SQS: ${_STANDARD:.2f} (standard) and ${_FIFO:.2f} (FIFO) for a million requests.",
            "SQS takes 10 messages at once, and bills each 64 KB of a request as one.",
            "Storage, transfer and polling of empty queues are not in it.",
        ),
    )


def _dollars(spent: Spent) -> float:
    return spent.writes * WRITE_UNIT + spent.reads * READ_UNIT


def queue_service(length: int, batch: int, price: float) -> float | None:
    """Return what SQS would cost; ``None`` where it takes no batch of that size.

    Args:
        length: the payload's, in bytes.
        batch: how many messages go into one call.
        price: dollars for a million requests.
    """
    if batch > _MOST_AT_ONCE:
        return None
    with_payload = 2 * math.ceil(length * batch / _CHUNK)  # send and receive
    return (with_payload + 1) * price / batch

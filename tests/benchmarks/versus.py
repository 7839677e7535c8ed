"""Messages a second and CPU time, beside a queue written by hand on boto3, in the same run.

Both take turns, so that a machine that slows down slows both; what counts are the ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

from attrs import frozen
from botocore.config import Config

from dynamomq import DynamoDBEngine, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.metered import PAYLOAD
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Cell, Table
from dynamomq.bench.traffic import Traffic, way
from dynamomq.table import DEFAULT_INDEX
from tests.benchmarks.bare import BareQueue

_BATCH = 25
_ROUND = 50  # messages
_TIMEOUT = 3600  # seconds


@frozen
class _Times:
    wall: float
    cpu: float


def beside_a_bare_loop(endpoint: Endpoint, *, messages: int = 500) -> Table:
    """Return messages a second and CPU time per message of whole lives, ours and the bare loop's.

    Args:
        endpoint: where DynamoDB is; two temporary tables are made there.
        messages: how many to measure each of them with.
    """
    config = Config(parameter_validation=False, retries={"mode": "standard"})
    client = endpoint.client(config)
    rows: list[tuple[Cell, ...]] = []
    with endpoint.empty_table() as ours, endpoint.empty_table() as theirs:
        queues = [
            Queue(
                table,
                payload=str,
                engine=DynamoDBEngine(client=client),
                visibility_timeout=_TIMEOUT,
            )
            for table in (ours, theirs)
        ]
        for queue in queues:
            queue.create_table()
        bare = BareQueue(client, theirs, DEFAULT_INDEX)
        for batch, theirs_in in ((1, _bare_singly), (_BATCH, _bare_in_batches)):
            our_lives, bare_lives = partial(_ours, queues[0], batch), partial(theirs_in, bare)
            pairs = []
            for number in range(1 + max(messages // _ROUND, 1)):
                tell(f"beside a bare loop, {way(batch)}: round {number}")
                pairs.append((_timed(our_lives), _timed(bare_lives)))
            rows.append((way(batch), *_figures(pairs[1:])))  # the first one warms up
    client.close()
    return Table(
        "Whole lives, beside a queue written by hand on boto3",
        ("", "messages/s", "bare", "ratio", "CPU ms/message", "bare CPU", "CPU ratio"),
        tuple(rows),
        (
            "ratio: ours to the bare loop's; it makes the same number of requests, with the same",
            "client settings, but checks nothing, decodes nothing and recognises no lost reply.",
        ),
    )


def _ours(queue: Queue[str], batch: int) -> None:
    traffic = Traffic(queue, PAYLOAD, batch)
    traffic.send(_ROUND)
    traffic.receive(_ROUND)
    traffic.delete()
    traffic.check(_ROUND)


def _bare_singly(bare: BareQueue) -> None:
    for _ in range(_ROUND):
        bare.send(PAYLOAD)
    for held in [bare.receive() for _ in range(_ROUND)]:
        bare.delete(held)


def _bare_in_batches(bare: BareQueue) -> None:
    rounds = range(_ROUND // _BATCH)
    for _ in rounds:
        bare.send_batch([PAYLOAD] * _BATCH)
    for held in [bare.receive_batch(_BATCH) for _ in rounds]:
        bare.delete_batch(held)


def _timed(action: Callable[[], object]) -> _Times:
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return _Times(time.perf_counter() - wall, time.process_time() - cpu)


def _figures(pairs: list[tuple[_Times, _Times]]) -> tuple[Cell, ...]:
    ours, bare = (
        _Times(median(one.wall for one in column), median(one.cpu for one in column))
        for column in zip(*pairs, strict=True)
    )
    return (
        round(_ROUND / ours.wall),
        round(_ROUND / bare.wall),
        bare.wall / ours.wall,
        1000 * ours.cpu / _ROUND,
        1000 * bare.cpu / _ROUND,
        ours.cpu / bare.cpu,
    )

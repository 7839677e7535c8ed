"""``python -m dynamomq.bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from dynamomq.bench.command import add_options, exit_status, machine, note, positive, show
from dynamomq.bench.contention import contention
from dynamomq.bench.counts import costs_by_size, costs_of_steps
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.latency import latencies
from dynamomq.bench.metered import on_dynamodb
from dynamomq.bench.report import Table

_Part: TypeAlias = Callable[[Endpoint, argparse.Namespace], Iterator[Table]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables and return the exit status.

    0: done, whatever the figures are. 1: something failed. 130: it was stopped.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.endpoint_url is None and options.table is None:
        parser.error("say where: --table NAME on AWS, or --endpoint-url URL")
    return exit_status(partial(_measure, options))


def _measure(options: argparse.Namespace) -> None:
    endpoint = Endpoint(options.endpoint_url)
    note(machine(), options)
    note(f"DynamoDB: {endpoint}", options)
    parts = [_PARTS[name] for name in options.parts or _PARTS]
    show((table for part in parts for table in part(endpoint, options)), options)


def _counts(endpoint: Endpoint, options: argparse.Namespace) -> Iterator[Table]:
    place = on_dynamodb(endpoint, options.table)
    yield costs_of_steps(place)
    yield costs_by_size(place)


def _latency(endpoint: Endpoint, options: argparse.Namespace) -> Iterator[Table]:
    yield latencies(endpoint, options.table)


def _contention(endpoint: Endpoint, options: argparse.Namespace) -> Iterator[Table]:
    yield contention(
        endpoint, options.table, messages=options.messages, consumers=options.consumers
    )


_PARTS: Final[Mapping[str, _Part]] = {
    "counts": _counts,
    "latency": _latency,
    "contention": _contention,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dynamomq.bench",
        description="Measure what a queue costs on a table of yours: requests and capacity units "
        "(counts), the time from send to handler (latency), and what consumers that share a queue "
        "cost each other (contention).",
    )
    add_options(parser, _PARTS)
    parser.add_argument(
        "--messages",
        type=positive,
        default=1000,
        metavar="N",
        help="for contention (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

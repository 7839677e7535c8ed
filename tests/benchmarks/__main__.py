"""``python -m tests.benchmarks``."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dynamomq.bench.command import add_options, exit_status, machine, note, positive, show
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.progress import tell
from dynamomq.bench.report import Table
from tests.benchmarks.chart import picture
from tests.benchmarks.parts import PARTS, WITHOUT_DYNAMODB, Setting
from tests.support import dynamodb_local


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its tables and return the exit status.

    0: done, whatever the figures are. 1: something failed. 130: it was stopped.
    """
    return exit_status(partial(_measure, _parser().parse_args(arguments)))


def _measure(options: argparse.Namespace) -> None:
    parts = options.parts or tuple(PARTS)
    note(machine(), options)
    with _endpoint(options, parts) as endpoint:
        setting = Setting(
            endpoint, options.table, options.messages, options.backlog, options.consumers
        )
        tables = show(_measured(parts, setting), options)
    if options.picture is not None:
        options.picture.write_text(picture(tables), encoding="utf-8")


def _measured(parts: Sequence[str], setting: Setting) -> Iterator[Table]:
    for part in parts:
        tell(part)
        yield from PARTS[part](setting)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure what the queue costs: requests, capacity units, dollars, CPU time, "
        "messages a second, latency; beside bare boto3 calls and the port in Go. Without "
        "--endpoint-url and --table, it starts DynamoDB Local. Comparisons make tables of "
        "their own, even where --table names one. On AWS a full run costs about 20 cents.",
    )
    add_options(parser, PARTS)
    parser.add_argument(
        "--messages",
        type=positive,
        default=500,
        metavar="N",
        help="for times; contention takes twice as many (default: %(default)s)",
    )
    parser.add_argument(
        "--backlog",
        type=positive,
        default=10_000,
        metavar="N",
        help="in flight or delayed, for reads (default: %(default)s)",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw bar charts into an SVG file, too"
    )
    return parser


@contextmanager
def _endpoint(options: argparse.Namespace, parts: Sequence[str]) -> Iterator[Endpoint | None]:
    """Yield the DynamoDB to measure on; ``None`` where none is needed."""
    if options.endpoint_url or options.table:
        endpoint = Endpoint(options.endpoint_url)
        note(f"DynamoDB: {endpoint}", options)
        yield endpoint
    elif WITHOUT_DYNAMODB.issuperset(parts):
        yield None
    else:
        with dynamodb_local.running() as url:
            note(f"DynamoDB: DynamoDB Local, started for this run at {url}", options)
            yield Endpoint(url)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m dynamomq.bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata

from botocore.exceptions import BotoCoreError, ClientError

from dynamomq import DynamoMQError
from dynamomq.bench.counts import costs_of_a_message, reads_behind_a_backlog
from dynamomq.bench.cpu import cpu_times
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.imports import import_times
from dynamomq.bench.options import positive
from dynamomq.bench.report import Table
from dynamomq.bench.speed import speeds

__all__ = ["main"]

_PARTS = ("counts", "reads", "import", "cpu", "speed")
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its tables and return the exit status.

    0: done, whatever the figures are. 1: something failed. 130: it was stopped.
    """
    options = _parser().parse_args(arguments)
    parts = options.parts or _PARTS
    try:
        with _endpoint(options, parts) as endpoint:
            tables = []
            for table in _tables(parts, endpoint, options):
                tables.append(table)
                if not options.json:
                    print(f"\n{table}", flush=True)
    except (DynamoMQError, BotoCoreError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    if options.json:
        print(json.dumps({"machine": _machine(), "tables": [t.data() for t in tables]}, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dynamomq.bench",
        description="Measure what the queue costs: requests and capacity units, import time, CPU "
        "time beside bare boto3 calls, messages a second. Without --endpoint-url and --table, a "
        "checkout of the project starts DynamoDB Local. On AWS a full run costs a few cents.",
    )
    parser.add_argument(
        "parts",
        nargs="*",
        type=_part,
        metavar="PART",
        help=f"what to measure: {', '.join(_PARTS)} (default: everything)",
    )
    parser.add_argument(
        "--endpoint-url",
        metavar="URL",
        default=os.environ.get("AWS_ENDPOINT_URL_DYNAMODB"),
        help="where DynamoDB is (default: $AWS_ENDPOINT_URL_DYNAMODB)",
    )
    parser.add_argument(
        "--table",
        metavar="NAME",
        help="use this table, which must be empty and is emptied in the end, instead of temporary "
        "ones (cpu makes two of its own all the same)",
    )
    parser.add_argument(
        "--messages",
        type=positive,
        default=500,
        metavar="N",
        help="for times (default: %(default)s)",
    )
    parser.add_argument(
        "--backlog",
        type=positive,
        default=5000,
        metavar="N",
        help="for reads (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _part(text: str) -> str:
    if text not in _PARTS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(_PARTS)}")
    return text


def _tables(
    parts: Sequence[str], endpoint: Endpoint | None, options: argparse.Namespace
) -> Iterator[Table]:
    measured: Mapping[str, Callable[[Endpoint], Table]] = {
        "counts": lambda there: costs_of_a_message(there, options.table),
        "reads": lambda there: reads_behind_a_backlog(
            there, options.table, backlog=options.backlog
        ),
        "cpu": lambda there: cpu_times(there, messages=options.messages),
    }
    for part in parts:
        if part == "import":
            yield import_times()
        elif part == "speed":
            yield speeds(endpoint, options.table, messages=options.messages)
        elif endpoint is not None:
            yield measured[part](endpoint)


@contextmanager
def _endpoint(options: argparse.Namespace, parts: Sequence[str]) -> Iterator[Endpoint | None]:
    """Yield the DynamoDB to measure on; ``None`` where there is none."""
    say = _note if options.json else print
    say(_machine())
    if options.endpoint_url or options.table:
        endpoint = Endpoint(options.endpoint_url)
        say(f"DynamoDB: {endpoint}")
        yield endpoint
    elif set(parts) == {"import"}:
        yield None
    else:
        try:
            local = import_module("tests.support.dynamodb_local")
        except ImportError:
            say("DynamoDB: none. Name one with --endpoint-url to measure on it.")
            yield None
        else:
            with local.running() as url:
                say(f"DynamoDB: DynamoDB Local, started for this run at {url}")
                yield Endpoint(url)


def _machine() -> str:
    return (
        f"Python {platform.python_version()}, boto3 {metadata.version('boto3')}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    )


def _note(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

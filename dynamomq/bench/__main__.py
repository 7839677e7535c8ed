"""``python -m dynamomq.bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from dynamomq import DynamoMQError
from dynamomq.bench.chart import picture
from dynamomq.bench.contention import CONSUMERS
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.options import positive
from dynamomq.bench.parts import PARTS, WITHOUT_DYNAMODB, Setting
from dynamomq.bench.progress import clear, tell
from dynamomq.bench.report import Table

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, print its tables and return the exit status.

    0: done, whatever the figures are. 1: something failed. 130: it was stopped.
    """
    options = _parser().parse_args(arguments)
    parts = options.parts or tuple(PARTS)
    try:
        with _endpoint(options, parts) as endpoint:
            setting = Setting(
                endpoint, options.table, options.messages, options.backlog, options.consumers
            )
            tables = list(_shown(_measured(parts, setting), options))
        if options.picture is not None:
            options.picture.write_text(picture(tables), encoding="utf-8")
    except (DynamoMQError, BotoCoreError, ClientError, OSError) as error:
        clear()
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        clear()
        return _INTERRUPTED
    if options.json:
        print(json.dumps({"machine": _machine(), "tables": [t.data() for t in tables]}, indent=2))
    return 0


def _measured(parts: Sequence[str], setting: Setting) -> Iterator[Table]:
    for part in parts:
        tell(part)
        for table in PARTS[part](setting):
            clear()
            yield table


def _shown(tables: Iterator[Table], options: argparse.Namespace) -> Iterator[Table]:
    """Print each table as soon as it is there, unless all are printed together in the end."""
    for table in tables:
        if not options.json:
            print(f"\n{table.markdown() if options.markdown else table}", flush=True)
        yield table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dynamomq.bench",
        description="Measure what the queue costs: requests, capacity units, dollars, CPU time, "
        "messages a second, latency; beside bare boto3 calls and the port in Go. Without "
        "--endpoint-url and --table, a checkout of the project starts DynamoDB Local. On AWS a "
        "full run costs about 20 cents.",
    )
    parser.add_argument(
        "parts",
        nargs="*",
        type=_part,
        metavar="PART",
        help=f"what to measure: {', '.join(PARTS)} (default: everything)",
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
        "ones (comparisons make some of their own all the same)",
    )
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
        "--consumers",
        type=positive,
        nargs="+",
        default=CONSUMERS,
        metavar="N",
        help=f"for contention (default: {' '.join(map(str, CONSUMERS))})",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON")
    shape.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw bar charts into an SVG file, too"
    )
    return parser


def _part(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(PARTS)}")
    return text


@contextmanager
def _endpoint(options: argparse.Namespace, parts: Sequence[str]) -> Iterator[Endpoint | None]:
    """Yield the DynamoDB to measure on; ``None`` where there is none."""
    say = _note if options.json or options.markdown else print
    say(_machine())
    if options.endpoint_url or options.table:
        endpoint = Endpoint(options.endpoint_url)
        say(f"DynamoDB: {endpoint}")
        yield endpoint
    elif WITHOUT_DYNAMODB.issuperset(parts):
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

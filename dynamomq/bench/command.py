"""What command lines of benchmarks share: options, how tables are printed, the exit status."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib import metadata

from botocore.exceptions import BotoCoreError, ClientError

from dynamomq import DynamoMQError
from dynamomq.bench.contention import CONSUMERS
from dynamomq.bench.progress import clear
from dynamomq.bench.report import Table

INTERRUPTED = 130
"""The exit status of what was stopped with Ctrl-C."""


def add_options(parser: argparse.ArgumentParser, parts: Iterable[str]) -> None:
    """Add what every benchmark takes: parts, where to measure, how to print.

    Args:
        parser: where to.
        parts: the names of what can be measured.
    """
    known = tuple(parts)

    def part(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")
        return text

    parser.add_argument(
        "parts",
        nargs="*",
        type=part,
        metavar="PART",
        help=f"what to measure: {', '.join(known)} (default: everything)",
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
        help="use this table, which must be empty and is emptied at the end, instead of temporary "
        "ones",
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


def positive(text: str) -> int:
    """Return a whole number above 0; argparse reports what is not one."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def machine() -> str:
    """Return what times depend on: versions, cores and system."""
    return (
        f"Python {platform.python_version()}, boto3 {metadata.version('boto3')}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    )


def note(text: str, options: argparse.Namespace) -> None:
    """Print what is no table, apart from tables that a program or a page takes."""
    print(text, file=sys.stderr if options.json or options.markdown else sys.stdout)


def show(tables: Iterable[Table], options: argparse.Namespace) -> list[Table]:
    """Print each table as soon as it is measured, or all at the end as JSON; return them."""
    shown = []
    for table in tables:
        clear()
        if not options.json:
            print(f"\n{table.markdown() if options.markdown else table}", flush=True)
        shown.append(table)
    if options.json:
        print(json.dumps({"machine": machine(), "tables": [t.data() for t in shown]}, indent=2))
    return shown


def exit_status(measure: Callable[[], object]) -> int:
    """Measure, and return the exit status.

    0: done, whatever the figures are. 1: something failed. 130: it was stopped.
    """
    try:
        measure()
    except (DynamoMQError, BotoCoreError, ClientError, OSError) as error:
        clear()
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        clear()
        return INTERRUPTED
    return 0

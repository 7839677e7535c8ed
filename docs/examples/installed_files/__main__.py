"""``make demo``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from docs.examples.installed_files import audit, display
from docs.examples.installed_files.files import installed_files
from docs.examples.installed_files.job import FAILING_PERCENT, WORKERS, Job
from docs.examples.installed_files.storage import Storage, in_dynamodb, in_file, reopened
from dynamomq import DynamoMQError

_FILE = Path("dynamomq-demo.db")
_SHOWN = 20
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit status.

    0: every record was handled exactly once. 1: something went wrong, and what is printed says
    what. 130: it was stopped.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.limit is not None and options.limit < 1:
        parser.error("--limit is at least 1")
    try:
        if options.inspect:
            return _inspect(options.file)
        if options.endpoint_url:
            print(f"Queue: a new table at {options.endpoint_url}, deleted at the end")
            with in_dynamodb(options.endpoint_url) as storage:
                return _run(storage, options.limit)
        print(f"Queue: the file {options.file} (embedded engine, every write synced to disk)")
        with in_file(options.file) as storage:
            status = _run(storage, options.limit)
        print(f"\nThe queue is kept. To look into it:\n  {_inspection(options.file)}")
        return status
    except DynamoMQError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m docs.examples.installed_files",
        description="Send a message for every file of every installed Python package, let "
        f"{WORKERS} worker threads compare each file with the hash in its RECORD, and check that "
        f"every record was handled exactly once. {FAILING_PERCENT} % of the messages fail on "
        "purpose on their first delivery and are retried; a record without a hash is "
        "dead-lettered.",
        epilog="Exit status: 0 if every record was handled exactly once, 1 if not, "
        "130 if stopped with Ctrl-C.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--file",
        type=Path,
        default=_FILE,
        metavar="PATH",
        help="the embedded engine's file; the one of an earlier run is replaced "
        "(default: %(default)s)",
    )
    where.add_argument(
        "--endpoint-url",
        metavar="URL",
        help="run on DynamoDB at this endpoint instead, in a table that is deleted afterwards; "
        "boto3's usual credentials, made-up ones where there are none and it is not AWS",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N files (default: all)")
    parser.add_argument(
        "--inspect",
        action="store_true",
        help="run nothing; show what an earlier run left in the file",
    )
    return parser


def _run(storage: Storage, limit: int | None) -> int:
    """Do the job on an empty queue, show what it took, and check the outcome."""
    records = installed_files(limit)
    distributions = len({record.distribution for record in records.values()})
    print(f"Files: {len(records):,}, from {distributions} installed packages")
    print(
        f"\nEach file becomes a message. {WORKERS} workers compare each file with the hash in its "
        "package's RECORD.\n"
        f"{FAILING_PERCENT} % of the messages fail once, on purpose, and are retried. Files "
        "without a recorded hash\ncan't be verified: their messages go to the dead-letter queue.\n"
    )
    job = Job(storage.queue, records)
    try:
        timing = _timed(job, len(records))
    except KeyboardInterrupt:
        print(f"{job.ledger.sent:,} messages sent, {job.ledger.settled:,} of them done.")
        raise
    usage = storage.meter.read()
    print("\n" + display.summary(job.ledger, usage, timing) + "\n")
    entries = job.ledger.entries()
    altered = audit.altered_files(records, entries)
    _print_some(
        "Files that differ from what their RECORD says:", [f"{k}: {v}" for k, v in altered.items()]
    )
    faults = audit.faults(records, entries, storage.queue.list(None), altered)
    if faults:
        _print_some(f"NOT handled exactly once; {len(faults):,} faults:", faults)
        return 1
    print("Every record was handled exactly once: the workers' ledger and the table agree.")
    return 0


def _timed(job: Job, total: int) -> display.Timing:
    began = monotonic()
    with display.progress("Sending", total) as show:
        job.send(show)
    sent = monotonic()
    with display.progress("Verifying", total) as show:
        job.consume(show)
    return display.Timing(sending=sent - began, consuming=job.ledger.last - sent)


def _print_some(title: str, lines: Sequence[str]) -> None:
    if lines:
        more = [f"and {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else []
        print("\n  ".join([title, *lines[:_SHOWN], *more]))


def _inspect(file: Path) -> int:
    if not file.exists():
        print(f"error: {file} does not exist; run `make demo` first.", file=sys.stderr)
        return 1
    with reopened(file) as queue:
        print(f"{file}\n\n{display.inspection(queue)}")
    return 0


def _inspection(file: Path) -> str:
    """Return the command that shows what is in a file."""
    if file == _FILE:
        return "make demo ARGS=--inspect"
    return f"make demo ARGS={shlex.quote(f'--inspect --file {shlex.quote(str(file))}')}"


if __name__ == "__main__":
    sys.exit(main())

"""What the command lines of the experiments with real processes have in common."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import monotonic

from dynamomq import DynamoDBEngine, DynamoMQError, Queue
from dynamomq.bench.endpoint import Endpoint
from model_tests.history.checker import Violation, describe
from model_tests.history.log import LogError
from model_tests.history.plan import Place
from model_tests.history.process import WorkerError
from model_tests.history.report import table_of
from model_tests.history.runner import RunError
from tests.support import dynamodb_local

EPILOG = (
    "Exit status: 0 if every property holds, 1 if not, 2 if there is no run to judge (any more)."
)

_FAILURES = (DynamoMQError, LogError, OSError, RunError, ValueError, WorkerError)
_SHOWN = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a run takes place, what decides it, and what is judged."""
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="of everything that is chosen; the timing is the machine's (default: 1)",
    )
    parser.add_argument(
        "--endpoint-url",
        metavar="URL",
        help="a DynamoDB to use, in a table that is deleted afterwards (default: a DynamoDB Local "
        "is started)",
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        help="an empty folder to write to (default: a new temporary one)",
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FOLDER",
        help="run nothing; judge the run whose logs are in the folder",
    )


def status_of(action: Callable[[], int]) -> int:
    """Return an action's exit status; where there can be none, say why, and return 2."""
    try:
        return action()
    except _FAILURES as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def new_folder(wanted: Path | None, program: str) -> Path:
    """Return an empty folder for logs.

    Raises:
        OSError: the wanted one is not empty.
    """
    folder = (wanted or Path(tempfile.mkdtemp(prefix=f"dynamomq-{program}-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise OSError(f"{folder} is not empty")
    return folder


@contextmanager
def dynamodb_at(given: str | None) -> Iterator[str]:
    """Yield the URL of the given DynamoDB, or that of one that is there for the block."""
    with nullcontext(given) if given else dynamodb_local.running() as url:
        yield url


@contextmanager
def place_at(url: str, folder: Path) -> Iterator[Place]:
    """Yield a place with an empty queue, which is gone afterwards; say how long that took."""
    endpoint = Endpoint(url)
    client = endpoint.client()
    began = monotonic()
    try:
        with endpoint.empty_table() as table:
            Queue(table, engine=DynamoDBEngine(client=client)).create_table()
            yield Place(url, client, table, folder)
    finally:
        client.close()
    print(f"The run took {monotonic() - began:.0f} s.\n")


def report(
    figures: Mapping[str, Mapping[str, int]],
    violations: Sequence[Violation],
    *,
    properties: Sequence[str],
    again: Sequence[str],
) -> int:
    """Print what came of a run; return the exit status.

    Args:
        figures: what it was like.
        violations: what was wrong.
        properties: the ids of what was checked.
        again: commands that lead there again.
    """
    print(table_of(figures))
    print(f"\nViolations: {len(violations):,}, of {', '.join(properties)}.")
    if not violations:
        return 0
    ids = sorted({violation.id for violation in violations})
    shown = [violation for violation in violations if violation.id in ids[:_SHOWN]]
    print(f"\nIn {len(ids):,} messages:\n\n{describe(shown)}")
    if len(ids) > _SHOWN:
        print(f"and {len(ids) - _SHOWN:,} more messages")
    print("\nTo get here again:", *again, sep="\n  ")
    return 1

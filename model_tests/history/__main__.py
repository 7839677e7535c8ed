"""``python -m model_tests.history``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from time import monotonic

from dynamomq import DynamoDBEngine, DynamoMQError, Queue
from dynamomq.bench.endpoint import Endpoint
from dynamomq.bench.options import positive
from model_tests.history.checker import PROPERTIES, describe
from model_tests.history.experiment import Verdict, experiment, judge
from model_tests.history.log import LogError
from model_tests.history.plan import Place, Plan
from model_tests.history.process import WorkerError
from model_tests.history.report import table_of
from model_tests.history.runner import RunError
from tests.support import dynamodb_local

_SHOWN = 10
_PER_DISTURBANCE = 150  # messages
_PER_FAULTS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run processes, or judge an earlier run; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.check:
            return _report(judge(options.check), options.check)
        given = options.endpoint_url
        with nullcontext(given) if given else dynamodb_local.running() as url:
            return _run(_plan(options), url, options.logs)
    except (DynamoMQError, LogError, OSError, RunError, WorkerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    usual = Plan(seed=1)
    parser = argparse.ArgumentParser(
        prog="python -m model_tests.history",
        description="Run producers and consumers as real processes on one table of DynamoDB, with "
        "clocks that differ, kill and pause some of them, drain the queue, and check the "
        f"properties {', '.join(PROPERTIES)} over what every process wrote down and what the "
        "table holds.",
        epilog="Exit status: 0 if every property holds, 1 if not, 2 if there is no run to judge.",
    )
    for name, default, what in (
        ("messages", usual.messages, "how many to send"),
        ("producers", usual.producers, "processes that send"),
        ("consumers", usual.consumers, "processes that receive, at any time"),
        ("seed", usual.seed, "of everything that is chosen; the timing is the machine's"),
        ("kills", None, "consumers to kill, wherever they are"),
        ("pauses", None, "consumers to pause, wherever they are"),
    ):
        shown = f"1 for every {_PER_DISTURBANCE} messages" if default is None else default
        parser.add_argument(
            f"--{name}",
            type=int if name in ("seed", "kills", "pauses") else positive,
            default=default,
            metavar="N",
            help=f"{what} (default: {shown})",
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
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    usual = max(2, options.messages // _PER_DISTURBANCE)
    return Plan(
        seed=options.seed,
        messages=options.messages,
        producers=options.producers,
        consumers=options.consumers,
        faulty=3 * max(2, options.messages // _PER_FAULTS),
        kills=usual if options.kills is None else options.kills,
        pauses=usual if options.pauses is None else options.pauses,
    )


def _run(plan: Plan, url: str, logs: Path | None) -> int:
    folder = (logs or Path(tempfile.mkdtemp(prefix="dynamomq-history-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise OSError(f"{folder} is not empty")
    print(
        f"Seed {plan.seed}: {plan.messages:,} messages, {plan.producers} producers, "
        f"{plan.consumers} consumers, at {url}\nLogs: {folder}\n",
        flush=True,
    )
    endpoint = Endpoint(url)
    client = endpoint.client()
    began = monotonic()
    try:
        with endpoint.empty_table() as table:
            Queue(table, engine=DynamoDBEngine(client=client)).create_table()
            verdict = experiment(plan, Place(url, client, table, folder))
    finally:
        client.close()
    print(f"The run took {monotonic() - began:.0f} s.\n")
    return _report(verdict, folder)


def _report(verdict: Verdict, folder: Path) -> int:
    print(table_of(verdict.figures))
    if not verdict.violations:
        print(f"\nNo violation of {', '.join(PROPERTIES)} in {verdict.messages:,} messages.")
        return 0
    ids = sorted({violation.id for violation in verdict.violations})
    shown = [violation for violation in verdict.violations if violation.id in ids[:_SHOWN]]
    print(f"\nVIOLATIONS: {len(verdict.violations):,}, in {len(ids):,} messages.\n")
    print(describe(shown))
    if len(ids) > _SHOWN:
        print(f"and {len(ids) - _SHOWN:,} more messages")
    print(f"\nJudge again with:\n  python -m model_tests.history --check {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

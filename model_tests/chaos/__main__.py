"""``python -m model_tests.chaos``."""

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
from model_tests.chaos.experiment import PROPERTIES, Verdict, experiment, judge
from model_tests.chaos.plan import Plan
from model_tests.history.checker import describe
from model_tests.history.log import LogError
from model_tests.history.plan import Place
from model_tests.history.process import WorkerError
from model_tests.history.report import table_of
from model_tests.history.runner import RunError
from tests.support import dynamodb_local

_SHOWN = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run processes, or judge an earlier run; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.check:
            return _report(judge(options.check), options.check)
        plan = Plan(seed=options.seed, messages=options.messages, seconds=options.seconds)
        given = options.endpoint_url
        with nullcontext(given) if given else dynamodb_local.running() as url:
            return _run(plan, url, options.logs)
    except (DynamoMQError, LogError, OSError, RunError, ValueError, WorkerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    usual = Plan(seed=1)
    parser = argparse.ArgumentParser(
        prog="python -m model_tests.chaos",
        description=f"Run {usual.workers} processes with {usual.threads} threads each of the "
        "consumer on one table of DynamoDB, behind a proxy that drops connections and swallows "
        "replies; kill, stop and restart processes, until the queue is drained; and check the "
        f"properties {', '.join(PROPERTIES)} over what every process wrote down and what the "
        "table holds.",
        epilog="Exit status: 0 if every property holds, 1 if not, 2 if there is no run to judge.",
    )
    parser.add_argument(
        "--messages",
        type=positive,
        default=usual.messages,
        metavar="N",
        help=f"how many to send (default: {usual.messages:,})",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=round(usual.seconds),
        metavar="N",
        help="how long the work is to take, which decides how much is disturbed (default: "
        f"{usual.seconds:g})",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=usual.seed,
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
    return parser


def _run(plan: Plan, url: str, logs: Path | None) -> int:
    folder = (logs or Path(tempfile.mkdtemp(prefix="dynamomq-chaos-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise OSError(f"{folder} is not empty")
    print(
        f"Seed {plan.seed}: {plan.messages:,} messages, {plan.workers} processes with "
        f"{plan.threads} threads, {plan.long_share:.0%} of the handlers long, "
        f"{len(plan.disturbances())} disturbances, at {url}\nLogs: {folder}\n",
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
    ids = sorted({violation.id for violation in verdict.violations})
    print(f"\nViolations: {len(verdict.violations):,}, of {', '.join(PROPERTIES)}.")
    if not ids:
        return 0
    shown = [violation for violation in verdict.violations if violation.id in ids[:_SHOWN]]
    print(f"\nIn {len(ids):,} messages:\n\n{describe(shown)}")
    if len(ids) > _SHOWN:
        print(f"and {len(ids) - _SHOWN:,} more messages")
    print(
        f"\nJudge again with:\n  python -m model_tests.chaos --check {folder}\n"
        f"Run again with:\n  python -m model_tests.chaos --seed {verdict.plan.seed} "
        f"--messages {verdict.plan.messages} --seconds {verdict.plan.seconds:g}"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""``python -m model_tests.history``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dynamomq.bench.command import positive
from model_tests.history import command
from model_tests.history.checker import PROPERTIES
from model_tests.history.experiment import Verdict, experiment, judge
from model_tests.history.plan import Plan

_PER_DISTURBANCE = 150  # messages
_PER_FAULTS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Run processes, or judge an earlier run; return the exit status."""
    return command.status_of(partial(_main, _parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    if options.check:
        return _report(judge(options.check), options.check)
    plan, folder = _plan(options), command.new_folder(options.logs, "history")
    with command.dynamodb_at(options.endpoint_url) as url:
        print(
            f"Seed {plan.seed}: {plan.messages:,} messages, {plan.producers} producers, "
            f"{plan.consumers} consumers, at {url}\nLogs: {folder}\n",
            flush=True,
        )
        with command.place_at(url, folder) as place:
            verdict = experiment(plan, place)
    return _report(verdict, folder)


def _parser() -> argparse.ArgumentParser:
    usual = Plan(seed=1)
    parser = argparse.ArgumentParser(
        prog="python -m model_tests.history",
        description="Run producers and consumers as real processes on one table of DynamoDB, with "
        "clocks that differ, kill and pause some of them, drain the queue, and check the "
        f"properties {', '.join(PROPERTIES)} over what every process wrote down and what the "
        "table holds.",
        epilog=command.EPILOG,
    )
    for name, default, what in (
        ("messages", usual.messages, "how many to send"),
        ("producers", usual.producers, "processes that send"),
        ("consumers", usual.consumers, "processes that receive, at any time"),
        ("kills", None, "consumers to kill, wherever they are"),
        ("pauses", None, "consumers to pause, wherever they are"),
    ):
        shown = f"1 for every {_PER_DISTURBANCE} messages" if default is None else default
        parser.add_argument(
            f"--{name}",
            type=int if name in ("kills", "pauses") else positive,
            default=default,
            metavar="N",
            help=f"{what} (default: {shown})",
        )
    command.add_options(parser)
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


def _report(verdict: Verdict, folder: Path) -> int:
    again = [f"python -m model_tests.history --check {folder}"]
    return command.report(verdict.figures, verdict.violations, properties=PROPERTIES, again=again)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m model_tests.chaos``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from attrs import evolve

from dynamomq.bench.command import positive
from model_tests.chaos.experiment import Verdict, experiment, judge, properties_of
from model_tests.chaos.plan import EXPERIMENTS, Plan
from model_tests.history import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run processes, or judge an earlier run; return the exit status."""
    return command.status_of(partial(_main, _parser().parse_args(arguments)))


def _main(options: argparse.Namespace) -> int:
    if options.check:
        return _report(judge(options.check), options.check)
    folder = command.new_folder(options.logs, "chaos")
    status = 0
    for name in options.experiments or EXPERIMENTS:
        plan = _plan(name, options)
        with command.dynamodb_at(options.endpoint_url) as url:
            status = max(status, _run(name, plan, url, folder / name))
    return status


def _parser() -> argparse.ArgumentParser:
    sizes = {
        name: f"{name}: {plan.messages:,} messages over {plan.seconds:g} s, "
        f"{plan.producers + sum(plan.crew.values())} processes"
        for name, plan in EXPERIMENTS.items()
    }
    parser = argparse.ArgumentParser(
        prog="python -m model_tests.chaos",
        description="Run producers and consumers as processes on one table of DynamoDB, behind a "
        "proxy that drops connections and swallows replies; kill, stop and restart processes, "
        "until the queue is drained; and check the properties over what every process wrote down "
        f"and what the table holds. {'; '.join(sizes.values())}.",
        epilog=command.EPILOG,
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        type=_known,
        metavar="EXPERIMENT",
        help=f"one of {', '.join(EXPERIMENTS)}: the consumer; message groups (default: each)",
    )
    parser.add_argument(
        "--messages", type=positive, metavar="N", help="how many to send, instead of the usual"
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="N",
        help="how long the work is to take, which decides how much is disturbed",
    )
    command.add_options(parser)
    return parser


def _known(name: str) -> str:
    if name not in EXPERIMENTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(EXPERIMENTS)}")
    return name


def _plan(name: str, options: argparse.Namespace) -> Plan:
    usual = EXPERIMENTS[name]
    return evolve(
        usual,
        seed=options.seed,
        messages=options.messages or usual.messages,
        seconds=options.seconds or usual.seconds,
    )


def _run(name: str, plan: Plan, url: str, folder: Path) -> int:
    folder.mkdir()
    groups = f" in {plan.groups} groups" if plan.groups else ""
    print(
        f"{name}, seed {plan.seed}: {plan.messages:,} messages{groups}, {plan.producers} "
        f"producers, {plan.workers} consumers with {plan.threads} threads, {plan.followers} "
        f"followers, {plan.long_share:.0%} of the handlers long, {len(plan.disturbances())} "
        f"disturbances, at {url}\nLogs: {folder}\n",
        flush=True,
    )
    with command.place_at(url, folder) as place:
        verdict = experiment(plan, place)
    return _report(verdict, folder)


def _report(verdict: Verdict, folder: Path) -> int:
    plan = verdict.plan
    sizes = f"--messages {plan.messages} --seconds {plan.seconds:g}"
    return command.report(
        verdict.figures,
        verdict.violations,
        properties=properties_of(plan),
        again=[
            f"python -m model_tests.chaos --check {folder}",
            f"python -m model_tests.chaos {plan.name} --seed {plan.seed} {sizes}",
        ],
    )


if __name__ == "__main__":
    sys.exit(main())

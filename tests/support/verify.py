"""Run the steps of ``make verify`` one after the other and say what ran, on what, for how long.

    python -m tests.support.verify lint typecheck test …

Each step is a target of the Makefile. The first that fails ends the run.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from attrs import frozen

REPORTS = Path(".verify")


@frozen
class Outcome:
    """How one step went."""

    step: str
    seconds: float
    status: int
    tests: str  # "12 tests passed (moto 3, …)", or "" where the step ran none


def main(steps: list[str]) -> int:
    """Run ``steps``; return 0 if all succeeded."""
    REPORTS.mkdir(exist_ok=True)
    outcomes: list[Outcome] = []
    for step in steps:
        print(f"\n==> make {step}", flush=True)
        outcomes.append(run(step))
        if outcomes[-1].status != 0:
            break
    print_summary(outcomes)
    failed = outcomes[-1].status != 0
    if failed:
        not_run = ", ".join(steps[len(outcomes) :]) or "none"
        print(f"FAILED: `make {outcomes[-1].step}` (see above). Steps not run: {not_run}.")
    return int(failed)


def run(step: str) -> Outcome:
    """Run one target of the Makefile."""
    report = REPORTS / f"{step}.json"
    report.unlink(missing_ok=True)
    environment = os.environ | {
        "DYNAMOMQ_NO_SKIPS": "1",
        "DYNAMOMQ_TEST_REPORT": str(report.resolve()),
    }
    started = time.monotonic()
    make = os.environ.get("MAKE", "make")
    result = subprocess.run([make, "--no-print-directory", step], env=environment, check=False)
    return Outcome(step, time.monotonic() - started, result.returncode, describe(report))


def describe(report: Path) -> str:
    """One line about the tests that a step ran, from what ``tests.support.reporting`` wrote."""
    if not report.exists():
        return ""
    summary = json.loads(report.read_text(encoding="utf-8"))
    engines = ", ".join(f"{name} {count}" for name, count in summary["engines"].items())
    return f"{summary['passed']} tests passed" + (f" ({engines})" if engines else "")


def print_summary(outcomes: list[Outcome]) -> None:
    """Print a line a step and the total."""
    print("\n==> verify")
    width = max(len(outcome.step) for outcome in outcomes)
    for outcome in outcomes:
        verdict = "ok    " if outcome.status == 0 else "FAILED"
        line = f"{outcome.step:{width}}  {verdict}  {outcome.seconds:6.1f} s  {outcome.tests}"
        print(line.rstrip())
    print(f"{'total':{width}}          {sum(outcome.seconds for outcome in outcomes):6.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

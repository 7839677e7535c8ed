"""Run the steps of ``make verify`` and say what ran, on what, for how long.

    python -m tests.support.verify lint test model … [--beside typecheck docs …]

Each step is a target of the Makefile. They run one after the other, and the first that fails ends
the run. Those after ``--beside`` use what the others leave of the machine: one after the other,
too, once the first of the others has passed; what they print is shown when they have ended.
``.verify/statistics.json`` keeps how long each step took, and each file of tests.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from attrs import field, frozen

REPORTS = Path(".verify")
STATISTICS = "statistics.json"
ESTIMATE = 680.0
"""How long it takes on two quiet cores, in seconds."""


@frozen
class Outcome:
    """How one step went."""

    step: str
    seconds: float
    status: int
    report: dict[str, Any] = field(factory=dict)  # what ``tests.support.reporting`` wrote

    @property
    def tests(self) -> str:
        """One line about the tests that a step ran; empty where it ran none."""
        return describe(self.report)


def main(arguments: list[str]) -> int:
    """Run the steps; return 0 if all succeeded."""
    REPORTS.mkdir(exist_ok=True)
    place = arguments.index("--beside") if "--beside" in arguments else len(arguments)
    steps, beside = arguments[:place], arguments[place + 1 :]
    print(f"verify: {', '.join([*steps, *beside])}; {announced([*steps, *beside])}", flush=True)
    started = time.monotonic()
    outcomes: list[Outcome] = []
    others: list[Outcome] = []
    aside = threading.Thread(target=lambda: run_quietly(beside, others), daemon=True)
    for step in steps:
        outcomes.append(run(step))
        if outcomes[-1].status != 0 or any(other.status != 0 for other in others):
            break
        if aside.ident is None:
            aside.start()
    if aside.ident is not None:
        aside.join()
    seconds = time.monotonic() - started
    outcomes += others
    print_summary(outcomes, seconds)
    failed = [outcome.step for outcome in outcomes if outcome.status != 0]
    ran = {outcome.step for outcome in outcomes}
    not_run = [step for step in [*steps, *beside] if step not in ran]
    if failed or not_run:
        names = ", ".join(f"`make {step}`" for step in failed)
        left = ", ".join(not_run) or "none"
        print(f"FAILED: {names} (see above). Steps not run: {left}.")
        return 1
    keep(outcomes, seconds)
    return 0


def run_quietly(steps: list[str], outcomes: list[Outcome]) -> None:
    """Run steps one after the other until one fails."""
    for step in steps:
        outcomes.append(run(step, quietly=True))
        if outcomes[-1].status != 0:
            break


def run(step: str, *, quietly: bool = False) -> Outcome:
    """Run one target of the Makefile.

    Args:
        step: which.
        quietly: whether it comes second to others, and prints at its end all that it prints.
    """
    report = REPORTS / f"{step}.json"
    report.unlink(missing_ok=True)
    environment = os.environ | {
        "DYNAMOMQ_NO_SKIPS": "1",
        "DYNAMOMQ_TEST_REPORT": str(report.resolve()),
    }
    if not quietly:
        print(f"\n==> make {step}", flush=True)
    started = time.monotonic()
    result = subprocess.run(
        [*(["nice"] * quietly), os.environ.get("MAKE", "make"), "--no-print-directory", step],
        env=environment,
        check=False,
        stdout=subprocess.PIPE if quietly else None,
        stderr=subprocess.STDOUT if quietly else None,
        text=True,
    )
    if quietly:
        print(f"\n==> make {step} (beside)\n{result.stdout}", flush=True)
    told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    return Outcome(step, time.monotonic() - started, result.returncode, told)


def describe(report: dict[str, Any]) -> str:
    """One line about the tests that a step ran, from what ``tests.support.reporting`` wrote."""
    if not report:
        return ""
    engines = ", ".join(f"{name} {count}" for name, count in report["engines"].items())
    return f"{report['passed']} tests passed" + (f" ({engines})" if engines else "")


def announced(steps: list[str]) -> str:
    """Say how long it will take: as long as the last time, if the same steps ran then."""
    text = f"takes about {ESTIMATE / 60:.0f} minutes on two quiet cores"
    try:
        last = json.loads((REPORTS / STATISTICS).read_text(encoding="utf-8"))
        if sorted(last["steps"]) == sorted(steps):
            text += f", and took {last['seconds'] / 60:.1f} minutes here the last time"
    except (OSError, ValueError, KeyError):
        pass
    return text


def keep(outcomes: list[Outcome], seconds: float) -> None:
    """Write how long everything took into a file, the slowest files of tests first."""
    files: dict[str, float] = {}
    for outcome in outcomes:
        files |= outcome.report.get("seconds", {})
    statistics = {
        "seconds": round(seconds, 1),
        "steps": {outcome.step: round(outcome.seconds, 1) for outcome in outcomes},
        "files": dict(sorted(files.items(), key=lambda one: -one[1])),
    }
    text = json.dumps(statistics, indent=2) + "\n"
    (REPORTS / STATISTICS).write_text(text, encoding="utf-8")


def print_summary(outcomes: list[Outcome], seconds: float) -> None:
    """Print a line a step and the total, which is less than the sum where steps ran beside."""
    print("\n==> verify")
    width = max(len(outcome.step) for outcome in outcomes)
    for outcome in outcomes:
        verdict = "ok    " if outcome.status == 0 else "FAILED"
        line = f"{outcome.step:{width}}  {verdict}  {outcome.seconds:6.1f} s  {outcome.tests}"
        print(line.rstrip())
    print(f"{'total':{width}}          {seconds:6.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

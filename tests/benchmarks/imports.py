"""How long ``import dynamomq`` takes, in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median

from dynamomq.bench.report import Cell, Table

_RUNS = 9
_BUDGET = 100.0  # milliseconds
_TIMED = """
import sys, time
{before}
began = time.perf_counter()
import {module}
print(1000 * (time.perf_counter() - began))
"""


def import_times() -> Table:
    """Return how long imports take, in milliseconds.

    Everything is compiled before, as it is wherever a program runs more than once.
    """
    with tempfile.TemporaryDirectory(prefix="dynamomq-") as cache:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        rows = (
            _row("boto3", "boto3", "", None, environment),
            _row("dynamomq, after boto3", "dynamomq", "import boto3", _BUDGET, environment),
            _row("dynamomq alone", "dynamomq", "", None, environment),
        )
    return Table(f"Import time, ms ({_RUNS} runs)", ("", "median", "least", "budget"), rows)


def _row(
    name: str, module: str, before: str, budget: float | None, environment: dict[str, str]
) -> tuple[Cell, ...]:
    command = [sys.executable, "-c", _TIMED.format(module=module, before=before)]
    times = [
        float(
            subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, check=True, text=True
            ).stdout
        )
        for _ in range(_RUNS + 1)
    ][1:]  # the first one compiles
    return (name, median(times), min(times), budget)

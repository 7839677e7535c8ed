"""What a test run says at its end: which engines it exercised, and that nothing was skipped.

The engines of a test are those of its marker (``@pytest.mark.engine("moto")``, several names for a
lockstep test), otherwise the value of its parameter ``engine``, otherwise DynamoDB Local if it uses
the fixture ``dynamodb_endpoint``. What needs DynamoDB Local also gets the marker ``dynamodb``, for
``-m "not dynamodb"``.

Two environment variables, both set by ``make verify``:

``DYNAMOMQ_NO_SKIPS=1``
    a skipped test is a failed one: what is not run is not verified.
``DYNAMOMQ_TEST_REPORT=FILE``
    the counts, and how many seconds each file of tests took, are written to FILE, as JSON.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

DYNAMODB_LOCAL = "dynamodb-local"
NO_ENGINE = "none"


def engines_of(item: pytest.Item) -> tuple[str, ...]:
    """The names of the engines that ``item`` exercises; empty for a test that needs none."""
    if marker := item.get_closest_marker("engine"):
        return marker.args
    if isinstance(item, pytest.Function):
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if isinstance(name := parameters.get("engine"), str):
            return (name,)
        if "dynamodb_endpoint" in item.fixturenames:
            return (DYNAMODB_LOCAL,)
    return ()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker that this plugin puts on tests."""
    config.addinivalue_line("markers", "dynamodb: needs DynamoDB Local (set automatically)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs DynamoDB Local, before ``-m`` selects."""
    for item in items:
        if DYNAMODB_LOCAL in engines_of(item):
            item.add_marker("dynamodb")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the engines on the report, which xdist carries to the controller; refuse skips."""
    report = yield
    if report.when == "call":
        report.user_properties += [("engine", name) for name in engines_of(item) or (NO_ENGINE,)]
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse the skip of a whole module, too."""
    report = yield
    if report.skipped:
        _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("DYNAMOMQ_NO_SKIPS") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, which DYNAMOMQ_NO_SKIPS forbids: {report.longreprtext}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print, and write where asked to, how many tests passed on which engine."""
    passed = terminalreporter.getreports("passed")
    counts = Counter(
        value
        for report in passed
        for name, value in getattr(report, "user_properties", ())
        if name == "engine"
    )
    engines = {name: counts[name] for name in sorted(counts) if name != NO_ENGINE}
    if engines:
        shown = ", ".join(f"{name} {count}" for name, count in engines.items())
        terminalreporter.write_line(f"engine: {shown}; without an engine {counts[NO_ENGINE]}")
    if path := os.environ.get("DYNAMOMQ_TEST_REPORT"):
        seconds: defaultdict[str, float] = defaultdict(float)
        for report in (one for some in terminalreporter.stats.values() for one in some):
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
        files = {name: round(spent, 1) for name, spent in seconds.items()}
        summary = {"passed": len(passed), "engines": engines, "seconds": files}
        Path(path).write_text(json.dumps(summary), encoding="utf-8")

"""Figures of several tests are added up and shown at the end."""

import pytest

from tests.support.source import ROOT

SUITE = """
import pytest
from tests.support.figures import MILLISECONDS, figures

@pytest.mark.parametrize("n", [1, 2])
def test_it(n, record_property):
    rows = {"send": {"written": 3 * n, "refused": n}, "runs": {"runs": 1000 * n}}
    record_property("figures", figures("lockstep", rows))
    speed = {"all": {"steps": 1500 * n, MILLISECONDS: 500}}
    record_property("figures", figures("speed", speed))
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_figures_are_added_up(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """Counts are sums with their shares, and a rate is the quotient of sums, with xdist too."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest('pytest_plugins = ["tests.support.figures"]')
    pytester.makeini("[pytest]\naddopts = -p no:hypothesispytest\n")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("-n", workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "lockstep:",
            "  send  9 written (75%), 3 refused (25%)",
            "  runs  3,000 runs",
            "speed:",
            "  all  4,500 steps, 4,500 a second (1.0 s)",
        ]
    )

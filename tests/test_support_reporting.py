"""A test run tells the truth about itself: what ran on which engine, and what did not run."""

import json
from pathlib import Path

import pytest

from tests.support import verify
from tests.support.source import ROOT

SUITE = """
import pytest

@pytest.fixture(params=["local-memory", "moto"])
def engine(request):
    return request.param

@pytest.fixture
def dynamodb_endpoint():
    return "http://127.0.0.1:1"

def test_on_each_engine(engine): pass
def test_on_dynamodb(dynamodb_endpoint): pass
def test_on_none(): pass

@pytest.mark.engine("local-memory", "dynamodb-local")
def test_in_lockstep(): pass

def test_that_fails(engine): assert engine != "moto"
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A small test suite in a folder of its own, with our reporting and without our settings."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("DYNAMOMQ_NO_SKIPS", raising=False)
    monkeypatch.delenv("DYNAMOMQ_TEST_REPORT", raising=False)
    pytester.makeconftest('pytest_plugins = ["tests.support.reporting"]')
    pytester.makeini(
        # Hypothesis would be imported anew by each run, which costs seconds.
        "[pytest]\naddopts = -p no:hypothesispytest\nmarkers =\n    engine(*names): engines"
    )
    pytester.makepyfile(SUITE)
    return pytester


@pytest.mark.parametrize("workers", ["0", "2"])
def test_passes_are_counted_by_engine(suite: pytest.Pytester, workers: str) -> None:
    """Each pass counts for its engines, with xdist as without; failures count for none."""
    result = suite.runpytest_inprocess("-n", workers)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(
        ["engine: dynamodb-local 2, local-memory 3, moto 1; without an engine 1"]
    )


def test_counts_are_written_to_a_file(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DYNAMOMQ_TEST_REPORT names a file for `make verify` to read, and it reads it."""
    report = tmp_path / "report.json"
    monkeypatch.setenv("DYNAMOMQ_TEST_REPORT", str(report))
    suite.runpytest_inprocess("-k", "not fails")
    engines = {"dynamodb-local": 2, "local-memory": 2, "moto": 1}
    summary = json.loads(report.read_text())
    assert summary["seconds"].keys() == {"test_counts_are_written_to_a_file.py"}
    assert summary == {"passed": 5, "engines": engines, "seconds": summary["seconds"]}
    assert verify.describe(summary) == "5 tests passed (dynamodb-local 2, local-memory 2, moto 1)"


def test_dynamodb_can_be_left_out(suite: pytest.Pytester) -> None:
    """`-m "not dynamodb"` leaves out what needs DynamoDB Local, however it says so."""
    result = suite.runpytest_inprocess("-m", "not dynamodb", "-k", "not fails")
    result.assert_outcomes(passed=3, deselected=4)


SKIPS = {
    "mark": "@pytest.mark.skip(reason='not today')\ndef test_it(): pass",
    "call": "def test_it(): pytest.skip('not today')",
    "fixture": "@pytest.fixture\ndef f(): pytest.skip('not today')\ndef test_it(f): pass",
    "module": "pytest.skip('not today', allow_module_level=True)",
    "parameters": "@pytest.mark.parametrize('x', [])\ndef test_it(x): pass",
}


@pytest.mark.parametrize("skip", SKIPS.values(), ids=SKIPS.keys())
def test_skips_fail_where_they_are_forbidden(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, skip: str
) -> None:
    """However a test is skipped, DYNAMOMQ_NO_SKIPS=1 makes that a failure that says why."""
    path = suite.makepyfile(test_skipping=f"import pytest\n{skip}")
    assert suite.runpytest_inprocess(path).ret in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    monkeypatch.setenv("DYNAMOMQ_NO_SKIPS", "1")
    result = suite.runpytest_inprocess(path)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*DYNAMOMQ_NO_SKIPS forbids*"])


def test_verify_stops_at_the_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`make verify` fails with its first failing step, names it, and names what it left out."""
    (tmp_path / "Makefile").write_text("good:\n\t@echo fine\nbad:\n\t@exit 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAKE", "make")
    assert verify.main(["good", "bad", "other"]) == 1
    output = capfd.readouterr().out
    assert "FAILED: `make bad` (see above). Steps not run: other." in output
    assert verify.main(["good"]) == 0


@pytest.mark.parametrize("beside", ["good", "bad"])
def test_verify_tells_of_what_runs_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], beside: str
) -> None:
    """A failure there is one, too; else statistics are kept, of which the next run tells."""
    (tmp_path / "Makefile").write_text("first:\n\t@echo fine\ngood: first\nbad:\n\t@exit 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAKE", "make")
    steps = ["first", "--beside", beside]
    assert verify.main(steps) == (beside == "bad")
    output = capfd.readouterr().out
    assert ("FAILED: `make bad` (see above). Steps not run: none." in output) == (beside == "bad")
    assert f"==> make {beside} (beside)" in output
    verify.main(steps)
    assert ("0.0 minutes here the last time" in capfd.readouterr().out) == (beside == "good")

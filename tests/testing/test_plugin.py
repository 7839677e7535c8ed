"""The fixtures for pytest: loaded where they are asked for, and as the documentation shows them."""

import re
import subprocess
import sys

import pytest

from tests.support.source import ROOT
from tests.test_docs import blocks

PLUGIN = "dynamomq.testing.plugin"
GUIDE = ROOT / "docs/how-to/testing.md"
REFERENCE = ROOT / "docs/reference/testing.md"

UNUSED = """
    import pytest

    def test_that_tests_nothing(make_queue, queue_faults):
        make_queue(send=["job"]).receive()
        queue_faults.crash("delete")

    def test_that_fails_anyway(make_queue, queue_faults):
        queue_faults.crash("delete")
        assert not make_queue(send=["job"]).receive()

    @pytest.fixture
    def deadly(queue_faults):
        return queue_faults.crash("delete")

    def test_that_leaves_it_to_a_fixture(deadly):
        pass

    def test_that_uses_what_it_armed(make_queue, deadly):
        queue = make_queue(send=["job"])
        with deadly:
            queue.delete(*queue.receive())
"""


def test_the_guides_tests_pass(pytester: pytest.Pytester) -> None:
    """The guide's examples are a test module that passes under its conftest, warnings as errors."""
    page = [block.code for block in blocks(GUIDE.read_text(encoding="utf-8"))]
    conftest = [code for code in page if "pytest_plugins" in code]
    examples = "\n".join(code for code in page if code not in conftest)
    pytester.makeconftest("\n".join(conftest))
    pytester.makepyfile(examples)
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider")
    parametrised = 1  # has two cases
    result.assert_outcomes(passed=len(re.findall("^def test_", examples, re.M)) + parametrised)


def test_the_guides_first_test_can_fail(pytester: pytest.Pytester) -> None:
    """With a ledger that is a list, as the guide says, the customer is charged twice."""
    page = [block.code for block in blocks(GUIDE.read_text(encoding="utf-8"))]
    code = "\n".join(code for code in page if "ledger" in code)
    code = code.replace("ledger[message.id] = message.data", "ledger.append(message.data")
    code = code.replace('["amount"]\n', '["amount"])\n').replace("}]), {}", "}]), []")
    pytester.makepyfile(code.replace("ledger.values()", "ledger"))
    result = pytester.runpytest("-p", PLUGIN)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert [[]5, 5] == [[]5]*"])


def test_nothing_is_loaded_unasked(pytester: pytest.Pytester) -> None:
    """A project that has DynamoMQ installed sees its fixtures only if it names the plugin."""
    pytester.makepyfile("def test_it(make_queue): make_queue()")
    pytester.runpytest_subprocess().assert_outcomes(errors=1)
    pytester.runpytest_subprocess("-p", PLUGIN).assert_outcomes(passed=1)


def test_the_library_needs_no_pytest() -> None:
    """Whoever does not use the fixtures need not have pytest."""
    code = "import sys, dynamomq.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unused_fault_fails_its_test(pytester: pytest.Pytester) -> None:
    """A test that passed without its fault fails; one that failed anyway says so once."""
    pytester.makepyfile(UNUSED)
    # Only the passes in the summary: it would repeat the failures' texts where CI is set.
    result = pytester.runpytest("-p", PLUGIN, "-rp")
    result.assert_outcomes(passed=1, failed=3)
    # The third failed anyway, and is spared a second reason.
    told = "Armed, but not happened: crash('delete', when='before')."
    assert result.stdout.str().count(told) == 2
    result.stdout.fnmatch_lines(["PASSED *test_that_uses_what_it_armed"])


def test_tests_do_not_see_each_other(pytester: pytest.Pytester) -> None:
    """Each test has its own engine, clock and faults, and takes the same steps in each run."""
    pytester.makepyfile(
        """
        import pytest

        seen = []

        @pytest.mark.parametrize("run", range(3))
        def test_it(make_queue, queue_clock, queue_engine, queue_faults, run):
            queue = make_queue()
            assert queue.receive(wait=10) == []
            seen.append((queue.send("job").item, queue_clock.naps, queue_clock.now))
            assert seen[run] == seen[0]
            assert queue_engine.faults is queue_faults
            assert make_queue.engine is queue_engine
        """
    )
    pytester.runpytest("-p", PLUGIN).assert_outcomes(passed=3)


def test_all_fixtures_are_documented(pytester: pytest.Pytester) -> None:
    """Guide and reference name each fixture, and pytest lists each with a docstring."""
    result = pytester.runpytest("-p", PLUGIN, "--fixtures")
    listed = re.findall(rf"^(\w+) -- .*{PLUGIN.rpartition('.')[2]}\.py", result.stdout.str(), re.M)
    documented = re.findall(r"^`(\w+)`$", REFERENCE.read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(documented)
    assert sorted(listed) == sorted(
        re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.M)
    )
    assert "no docstring available" not in result.stdout.str()

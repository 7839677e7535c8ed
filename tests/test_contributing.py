"""CONTRIBUTING's example of a new transition holds word for word: it is carried out in a copy."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[1]
TRIGGER = "hasten"

CASES = (
    "tests/contract/test_lists_kept.py",
    "tests/contract/test_operate.py",
    "tests/testing/test_lost_replies.py",
    "tests/test_spec.py",
    "tests/test_tidy.py",
    "model_tests/test_machine.py",
)
"""Where the trigger must have cases, which hold."""

Edit = Callable[[str, str], str]


def into_table(module: str, block: str) -> str:
    """Put an entry behind the last one of operators."""
    *_, last = re.finditer(r'^    \*steps\("\w+", "operator",.*\n', module, re.MULTILINE)
    return module[: last.end()] + textwrap.indent(block, "    ") + module[last.end() :]


def into_module(module: str, block: str) -> str:
    """Put functions at the end."""
    return f"{module}\n\n{block}"


def into_class(module: str, block: str) -> str:
    """Put a method behind the docstring of the one class."""
    begin = re.search(r'^class .*\n    """.*"""\n', module, re.MULTILINE)
    assert begin, "there is no class"
    return f"{module[: begin.end()]}\n{textwrap.indent(block, '    ')}{module[begin.end() :]}"


EDITS: tuple[Edit, ...] = (into_table, into_module, into_class)


def told() -> list[tuple[str, str]]:
    """What CONTRIBUTING tells to write: the file that was named last, and the text."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Adding a transition\n")
    parts = re.split(r"^ *```(?:text)?\n", section.partition("\n## ")[0], flags=re.MULTILINE)
    files = [re.findall(r"`(dynamomq/[\w/]+\.py)`", prose)[-1] for prose in parts[:-1:2]]
    return list(zip(files, map(textwrap.dedent, parts[1::2]), strict=True))


@frozen
class Copy:
    """A copy of the project.

    Attributes:
        path: where it is.
    """

    path: Path

    def follow(self, change: Callable[[str], str] = str) -> None:
        """Write what CONTRIBUTING tells, in which something may be changed."""
        for edit, (name, block) in zip(EDITS, told(), strict=True):
            file = self.path / name
            text = edit(file.read_text(encoding="utf-8"), change(block))
            file.write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the copy's modules."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path,
            env={**inherited, "PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
        )

    def do(self, *arguments: str) -> str:
        """Run it, and see it succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of all files that are not ignored, as they are now."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    return Copy(tmp_path)


def test_the_example_of_a_new_transition_is_all_it_takes(copy: Copy) -> None:
    """One entry, one operation, one method; ``make generate``; and every derived case holds.

    Nothing else is written by hand: the trigger has its cases in the specification, in the
    contract suite and in the simulator's scopes, groups among them.
    """
    copy.follow()
    copy.do("spec/generate.py")
    copy.do("-m", "tests.test_wire")
    assert (copy.path / f"spec/vectors/{TRIGGER}.json").is_file()
    chosen = f"({TRIGGER} or lists_the_public_names) and not moto and not dynamodb"
    quick = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    passed = copy.do("-m", "pytest", *quick, "-k", chosen, "-rA", *CASES)
    for file in CASES:
        assert f"PASSED {file}" in passed, f"{file} has no case of {TRIGGER}"
    assert TRIGGER in copy.do("-m", "model_tests.exhaustive", TRIGGER)


def test_a_transition_that_tears_lists_is_found(copy: Copy) -> None:
    """Would the example cut off what is behind a message, the scopes of its trigger would fail."""
    copy.follow(lambda block: block.replace("*_WRITE)", "Remove(NEXT_ID), *_WRITE)"))
    found = copy.run("-m", "model_tests.exhaustive", TRIGGER)
    assert found.returncode == 1, found.stderr
    assert "HEAD" in found.stdout

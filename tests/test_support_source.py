"""The reader of source code, on which the tidy tests rest, sees what is there."""

from pathlib import Path

import pytest

from tests.support.source import SourceFile

SOURCE = '''
"""A module. READY"""

import os.path
import time as t
from datetime import datetime as dt

__all__ = ["TABLE", "listed"]

TABLE: int = 1
"""A documented constant."""

_private = "READY"
T = TypeVar("T")


# A comment.
def listed(clock):
    """Do it.

    At length.
    """
    return os.path.join("a"), t.time(), dt.now(), clock.now()
'''


@pytest.fixture
def source(tmp_path: Path) -> SourceFile:
    """SOURCE in a file."""
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    return SourceFile(path)


def test_references_are_spelled_out(source: SourceFile) -> None:
    """An alias hides nothing: each reference has the name that it was imported under."""
    names = {name for _, name in source.references()}
    assert {"os.path.join", "time.time", "datetime.datetime.now", "clock.now"} <= names
    assert [name for _, name in source.method_calls()] == ["join", "time", "now", "now"]


def test_prose_is_not_code(source: SourceFile) -> None:
    """Blank lines, comments and docstrings count neither as lines nor as strings."""
    lines = [source.text.splitlines()[number - 1] for number in source.code_lines]
    assert [line.split()[0] for line in lines] == [
        "import",
        "import",
        "from",
        "__all__",
        "TABLE:",
        "_private",
        "T",
        "def",
        "return",
    ]
    assert [string.value for string in source.strings()].count("READY") == 1
    assert source.length(next(source.functions())) == 2


def test_public_names_are_what_a_module_defines(source: SourceFile) -> None:
    """Imports, private names and type variables are not public; ``__all__`` is no use of a name."""
    assert source.public_names == {"TABLE", "listed"}
    assert source.exported == ["TABLE", "listed"]
    assert "listed" not in source.words_used

"""The examples in README and the documentation run.

The ``python`` blocks of a page are executed in order, in one namespace and an empty folder, with
``AWS_ENDPOINT_URL_DYNAMODB`` naming DynamoDB Local; and then once more, as a reader does who starts
over, with the files and tables that are there from the first time. A block that can't be run says
why::

    <!-- not run: needs an AWS account -->
    ```python
"""

import doctest
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.support.source import ROOT, documents

PACKAGE = ROOT / "dynamomq"
FENCE = re.compile(
    r"(?:^[ ]*<!--[ ]*not[ ]run:?[ ]*(?P<reason>.*?)[ ]*-->[ ]*\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>python|py|python3|pycon)\b[^\n]*\n"
    r"(?P<code>.*?)"
    r"^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@frozen
class Block:
    """A fenced block of Python."""

    line: int  # of its first line of code, from 1
    code: str
    language: str
    reason: str | None  # why it is not run; None for one that is


def blocks(text: str) -> Iterator[Block]:
    """The blocks of Python in a page of Markdown."""
    for match in FENCE.finditer(text):
        yield Block(
            line=text.count("\n", 0, match.start("code")) + 1,
            code=textwrap.dedent(match["code"]),
            language=match["language"],
            reason=match["reason"],
        )


def pages() -> list[Any]:
    """Every page, as a parameter with a readable id."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in documents()]


@pytest.fixture
def empty_endpoint(
    dynamodb_endpoint: str,
    dynamodb_client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """The environment that a page's examples run in; the tables that they make are removed."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    before = set(dynamodb_client.list_tables()["TableNames"])
    yield
    for name in set(dynamodb_client.list_tables()["TableNames"]) - before:
        dynamodb_client.delete_table(TableName=name)


@pytest.mark.parametrize("page", pages())
def test_examples_run(page: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Every example of the page runs, after those before it, without an error; and once more."""
    found = [block for block in blocks(page.read_text(encoding="utf-8")) if block.reason is None]
    if not found:
        return  # a page without examples keeps its promise; no server is started for it
    request.getfixturevalue("empty_endpoint")
    request.getfixturevalue("monkeypatch").chdir(tmp_path)
    for _ in ("at first", "again"):
        namespace: dict[str, Any] = {"__name__": "__example__"}
        for block in found:
            # Line numbers in tracebacks are the page's own.
            source = "\n" * (block.line - 1) + block.code
            exec(compile(source, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", pages())
def test_examples_can_be_run(page: Path) -> None:
    """Blocks are fenced as ``python``, and those that aren't run say why."""
    for block in blocks(page.read_text(encoding="utf-8")):
        assert block.language == "python", f"line {block.line}: use ```python"
        assert block.reason != "", f"line {block.line}: `not run` without a reason"


def test_blocks_are_found() -> None:
    """Indented blocks, blocks with options and blocks that aren't run are told apart."""
    text = (
        "```python\na\n```\n- item\n  ```python title=x\n  b\n\n  c\n  ```\n"
        "<!-- not run: needs AWS -->\n```python\nd\n```\n```console\n$ e\n```\n"
    )
    assert list(blocks(text)) == [
        Block(line=2, code="a\n", language="python", reason=None),
        Block(line=6, code="b\n\nc\n", language="python", reason=None),
        Block(line=12, code="d\n", language="python", reason="needs AWS"),
    ]


def test_examples_in_docstrings_run() -> None:
    """What docstrings of the package show as a session in Python gives what they say."""
    sources = [path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text("utf-8")]
    assert sources
    for source in sources:
        name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
        outcome = doctest.testmod(importlib.import_module(name))
        assert outcome.attempted, name
        assert not outcome.failed, name

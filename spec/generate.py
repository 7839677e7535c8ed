"""Write everything that derives from the machine; ``--check`` only says what would change.

Run it as ``make generate`` and ``make generated``. It writes ``spec/machine.json``,
``spec/table.json``, ``spec/vectors/``, and the parts of documents that stand between the markers
``<!-- generated: NAME -->`` and ``<!-- end -->``. The same machine gives the same bytes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from dynamomq.table import TableDefinition
from spec.document import machine_document
from spec.layout import json_text
from spec.pages import sections
from spec.vectors import vector_files

ROOT: Final = Path(__file__).resolve().parents[1]
VECTORS: Final = "spec/vectors"

DOCUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "README.md": ("state-diagram", "transition-table"),
    "docs/explanation/state-machine.md": ("state-diagram", "operators-diagram", "group-diagram"),
    "docs/reference/machine.md": (
        "states",
        "transitions",
        "group-states",
        "group-transitions",
        "consumer-states",
        "consumer-transitions",
        "agreement-states",
        "agreement-transitions",
        "arguments",
    ),
    "spec/README.md": ("recognition",),
}
"""The documents with generated sections, and which they must have."""

_SECTION = re.compile(
    r"(?P<open><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<close>^<!-- end -->)",
    flags=re.DOTALL | re.MULTILINE,
)


class MarkerError(ValueError):
    """A document lacks the markers of a section that belongs there, or has unknown ones."""


@frozen
class Outputs:
    """What the machine makes of the repository's files.

    Attributes:
        texts: the text that each file must have, by its path from the root.
        obsolete: the files that nothing generates any more.
    """

    texts: Mapping[str, str]
    obsolete: frozenset[str]

    def differing(self, root: Path) -> list[str]:
        """Return the paths of the files that are not as they must be, sorted."""
        wrong = {path for path, text in self.texts.items() if _text_of(root / path) != text}
        return sorted(wrong | self.obsolete)

    def write(self, root: Path) -> None:
        """Make the files as they must be."""
        for path, text in self.texts.items():
            if _text_of(root / path) != text:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
        for path in self.obsolete:
            (root / path).unlink()


def outputs(root: Path) -> Outputs:
    """Compute all generated files; documents that do not exist are left out.

    Raises:
        MarkerError: a document lacks a section's markers, or has unknown ones.
    """
    texts = {
        "spec/machine.json": json_text(machine_document()),
        "spec/table.json": json_text(TableDefinition().create_table_input()),
    }
    for name, vectors in vector_files().items():
        texts[f"{VECTORS}/{name}"] = json_text(vectors)
    generated = sections()
    for path, wanted in DOCUMENTS.items():
        text = _text_of(root / path)
        if text is not None:
            texts[path] = with_sections(path, text, {name: generated[name] for name in wanted})
    present = {f"{VECTORS}/{file.name}" for file in (root / VECTORS).glob("*.json")}
    return Outputs(texts, frozenset(present - texts.keys()))


def with_sections(path: str, text: str, wanted: Mapping[str, str]) -> str:
    """Return a document with its generated sections renewed.

    Raises:
        MarkerError: the sections in the document are not those that are wanted.
    """
    found = {match["name"] for match in _SECTION.finditer(text)}
    if found != wanted.keys():
        raise MarkerError(
            f"{path} has the generated sections {sorted(found)} instead of {sorted(wanted)}; a "
            "section is a line '<!-- generated: NAME -->' and later a line '<!-- end -->'"
        )
    return _SECTION.sub(
        lambda match: f"{match['open']}\n{wanted[match['name']]}\n{match['close']}", text
    )


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the program; return its exit status."""
    parser = argparse.ArgumentParser(description="Write everything that derives from the machine.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if files differ")
    try:
        generated = outputs(root)
    except MarkerError as error:
        print(error, file=sys.stderr)
        return 1
    differing = generated.differing(root)
    if parser.parse_args(arguments).check:
        if differing:
            print("These files are not what the machine generates:", *differing, sep="\n  ")
            print("Run `make generate`, and look at what changes.")
        return 1 if differing else 0
    generated.write(root)
    print(*(f"wrote {path}" for path in differing), sep="\n" if differing else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())

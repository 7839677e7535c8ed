"""Tables of figures: as aligned text for people, as plain data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from attrs import asdict, field, frozen

Cell: TypeAlias = "str | int | float | None"
"""What a table holds; ``None`` where there is nothing to say."""


@frozen
class Table:
    """Figures with a title.

    Attributes:
        title: what they are about.
        columns: the headings; the first column names the rows.
        rows: a cell for each column.
        notes: what has to be known to read the figures, a sentence each.
        bars: the columns that a picture shows beside each other; none: no picture.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())
    bars: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        """Return the table as text."""
        notes = [f"  {note}" for note in self.notes]
        return "\n".join([self.title, "", *aligned([self.columns, *self.rows]), *notes])

    def data(self) -> dict[str, Any]:
        """Return the table as JSON-like data, a mapping for each row."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {**asdict(self), "rows": rows}

    def markdown(self) -> str:
        """Return the table as a section of a page in Markdown."""
        cells = [self.columns, ["---"] * len(self.columns), *map(_texts, self.rows)]
        lines = [f"| {' | '.join(row)} |" for row in cells]
        return "\n".join([f"## {self.title}", "", *lines, "", *self.notes, ""])


def aligned(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return rows as lines: the first column to the left, figures to the right."""
    texts = [_texts(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return ["  " + "  ".join(_padded(row, widths)).rstrip() for row in texts]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]


def _texts(row: Sequence[Cell]) -> list[str]:
    return [_text(cell) for cell in row]


def _text(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:,.2f}"

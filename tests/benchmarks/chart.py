"""Tables as a picture: bar charts in SVG, written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from dynamomq.bench.report import Table

_WIDTH, _LABEL, _VALUE = 720, 150, 80  # of the whole, of names to the left, of figures to the right
_BAR, _GAP, _HEAD, _MARGIN = 16, 10, 56, 16
_COLOURS = ("#2563eb", "#f59e0b", "#10b981")
_STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:12px;fill:#374151}"
    ".title{font-size:15px;font-weight:600;fill:#111827}"
)


def picture(tables: Iterable[Table]) -> str:
    """Return those tables that have bars as one SVG picture, one above the other."""
    parts: list[str] = []
    top = _MARGIN
    for table in tables:
        if table.bars:
            drawn, height = _chart(table, top)
            parts += drawn
            top += height + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img">',
            f"<style>{_STYLE}</style>",
            f'<rect width="{_WIDTH}" height="{top}" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _chart(table: Table, top: int) -> tuple[list[str], int]:
    """Draw one table from ``top`` downwards; return the drawing and its height."""
    columns = [table.columns.index(name) for name in table.bars]
    groups = [(str(row[0]), [_figure(row[column]) for column in columns]) for row in table.rows]
    most = max((figure for _, figures in groups for figure in figures), default=0) or 1
    drawn = [_text(_MARGIN, top + 16, table.title, "title"), *_legend(table.bars, top + 38)]
    y = top + _HEAD
    for name, figures in groups:
        label = f"{name} {table.columns[0]}".strip()
        drawn.append(_text(_MARGIN, y + _BAR * len(figures) // 2 + 4, label))
        for colour, figure in zip(_COLOURS, figures, strict=False):
            width = round((_WIDTH - _LABEL - _VALUE) * figure / most, 1)
            drawn.append(_box(_LABEL, y, max(width, 1), _BAR - 2, colour))
            drawn.append(_text(_LABEL + width + 6, y + 11, _shown(figure)))
            y += _BAR
        y += _GAP
    return drawn, y - top


def _legend(names: Sequence[str], y: int) -> list[str]:
    drawn = []
    x = _LABEL
    for colour, name in zip(_COLOURS, names, strict=False):
        drawn += [_box(x, y - 10, 12, 12, colour), _text(x + 18, y, name)]
        x += 40 + 7 * len(name)
    return drawn


def _figure(cell: object) -> float:
    return float(cell) if isinstance(cell, int | float) else 0.0


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 or figure == int(figure) else f"{figure:,.2f}"


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{named}>{escape(text)}</text>'

"""Figures that tests record, added up over all tests and processes, and printed at the end.

A test calls ``record_property("figures", figures("lockstep", {"send": {"written": 3, …}, …}))``.
Where one of a row's counts is of milliseconds, the others are shown with how many there were a
second: the sums' quotient.
"""

from collections import Counter
from collections.abc import Mapping

import pytest

PROPERTY = "figures"
MILLISECONDS = "milliseconds"

Rows = Mapping[str, Mapping[str, int]]


def figures(title: str, rows: Rows) -> dict[str, object]:
    """The value of a property: rows of named counts under a title."""
    return {"title": title, "rows": {name: dict(counts) for name, counts in rows.items()}}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums of what passed tests recorded, with the share of each count in its row."""
    tables: dict[str, dict[str, Counter[str]]] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY:
                rows = tables.setdefault(value["title"], {})
                for row, counts in value["rows"].items():
                    rows.setdefault(row, Counter()).update(counts)
    for title, rows in tables.items():
        terminalreporter.write_line(f"{title}:")
        width = max(map(len, rows))
        for row, counts in rows.items():
            terminalreporter.write_line(f"  {row:{width}}  {_shown(counts)}")


def _shown(counts: Counter[str]) -> str:
    if milliseconds := counts[MILLISECONDS]:
        rest = [(name, count) for name, count in counts.items() if name != MILLISECONDS]
        rates = (f"{n:,} {name}, {n * 1000 / milliseconds:,.0f} a second" for name, n in rest)
        return f"{', '.join(rates)} ({milliseconds / 1000:,.1f} s)"
    if len(counts) == 1:
        return ", ".join(f"{count:,} {name}" for name, count in counts.items())
    total = max(counts.total(), 1)
    return ", ".join(f"{count:,} {name} ({count / total:.0%})" for name, count in counts.items())

"""What is going on, on one line of a terminal that is written over; nowhere else."""

from __future__ import annotations

import sys

_ERASE = "\r\x1b[K"


def tell(text: str) -> None:
    """Show what is being done, where somebody is watching."""
    if sys.stderr.isatty():
        print(f"{_ERASE}… {text}", end="", file=sys.stderr, flush=True)


def clear() -> None:
    """Take the line away, before anything else is printed."""
    if sys.stderr.isatty():
        print(_ERASE, end="", file=sys.stderr, flush=True)

"""What the command lines of the benchmark and the demonstration share."""

from __future__ import annotations

from argparse import ArgumentTypeError

__all__ = ["positive"]


def positive(text: str) -> int:
    """Return a whole number above 0; argparse reports what is not one."""
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)

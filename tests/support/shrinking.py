"""Fewer steps that still lead to a failure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrunk(steps: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Leave out whatever can be left out: halves, quarters, and so on down to single steps.

    Args:
        steps: what leads to the failure.
        fails: tells whether fewer steps do so too.
    """
    kept = list(steps)
    size = len(kept)
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if fails(fewer):
                kept = fewer
            else:
                start += size
        size //= 2
    return kept

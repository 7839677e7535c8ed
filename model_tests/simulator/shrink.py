"""Delta debugging: fewer and tamer decisions with which a run still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

BUDGET = 400
"""How many lists are tried at most, unless said otherwise."""


def shrink(
    choices: Sequence[int], fails: Callable[[Sequence[int]], bool], budget: int = BUDGET
) -> list[int]:
    """Return decisions that still fail: not more of them, and none more harmful, than before.

    Cuts off the tail, leaves out chunks and makes chunks harmless (0), each from large to small,
    then lowers single decisions; all of it again, until nothing helps any more. The same arguments
    give the same result.

    Args:
        choices: decisions that fail.
        fails: tells whether others do; what is missing at the end counts as 0.
        budget: how often ``fails`` is asked at most.
    """
    search = _Search(list(choices), fails, budget)
    before: list[int] | None = None
    while search.kept != before:
        before = search.kept
        search.cut_the_tail()
        search.drop_chunks()
        search.calm_chunks()
        search.lower()
    return search.kept


class _Search:
    """The best list so far, and what may still be spent on a better one."""

    def __init__(
        self, kept: list[int], fails: Callable[[Sequence[int]], bool], budget: int
    ) -> None:
        self.kept = kept
        self._fails = fails
        self._left = budget
        self._tried = {tuple(kept)}

    def cut_the_tail(self) -> None:
        for size in _halves(len(self.kept)):
            while size <= len(self.kept) and self._keep(self.kept[: len(self.kept) - size]):
                pass

    def drop_chunks(self) -> None:
        for size in _halves(len(self.kept)):
            start = 0
            while start < len(self.kept):
                if not self._keep(self.kept[:start] + self.kept[start + size :]):
                    start += size

    def calm_chunks(self) -> None:
        for size in _halves(len(self.kept)):
            for start in range(0, len(self.kept), size):
                chunk = self.kept[start : start + size]
                self._keep(self.kept[:start] + [0] * len(chunk) + self.kept[start + size :])

    def lower(self) -> None:
        for place in range(len(self.kept)):
            for value in reversed([*_halves(self.kept[place] - 1)]):
                if self._keep([*self.kept[:place], value, *self.kept[place + 1 :]]):
                    break

    def _keep(self, candidate: list[int]) -> bool:
        """Keep a candidate if it fails; what has been tried is not tried again."""
        if self._left == 0 or tuple(candidate) in self._tried:
            return False
        self._left -= 1
        self._tried.add(tuple(candidate))
        if not self._fails(candidate):
            return False
        self.kept = candidate
        return True


def _halves(size: int) -> Iterator[int]:
    """``size``, half of it, and so on down to 1."""
    while size > 0:
        yield size
        size //= 2

"""Delta debugging: fewer and tamer decisions with which a run still fails."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

BUDGET = 400
"""How many lists are tried at most, unless said otherwise."""


def shrink(
    choices: Sequence[int], fails: Callable[[Sequence[int]], bool], budget: int = BUDGET
) -> list[int]:
    """Return decisions that still fail: not more of them, and none more harmful, than before.

    Args:
        choices: decisions that fail.
        fails: tells whether others do; what is missing at the end counts as 0.
        budget: how often ``fails`` is asked at most.
    """
    return shrink_all(choices, fails, budget, tamer=_lower)


def shrink_all(
    parts: Sequence[T],
    fails: Callable[[Sequence[T]], bool],
    budget: int = BUDGET,
    *,
    tamer: Callable[[T], Iterator[T]],
    kin: Sequence[Callable[[T], Hashable]] = (),
) -> list[T]:
    """Return fewer and tamer parts that still fail.

    Leaves out parts that are kin; cuts off the tail, leaves out chunks and tames chunks, each from
    large to small; then tames single parts. All of it again, until nothing helps any more. The same
    arguments give the same result.

    Args:
        parts: what fails.
        fails: tells whether other parts do.
        budget: how often ``fails`` is asked at most.
        tamer: yields what could stand in for a part, the tamest first.
        kin: kinds of kinship, the widest first: parts for which it is the same are kin.
    """
    search = _Search(list(parts), fails, budget)
    before: list[T] | None = None
    while search.kept != before:
        before = search.kept
        for kinship in kin:
            search.drop_kin(kinship)
        search.cut_the_tail()
        search.drop_chunks()
        search.tame_chunks(tamer)
        search.tame(tamer)
    return search.kept


class _Search(Generic[T]):
    """The best list so far, and what may still be spent on a better one."""

    def __init__(self, kept: list[T], fails: Callable[[Sequence[T]], bool], budget: int) -> None:
        self.kept = kept
        self._fails = fails
        self._left = budget
        self._tried = {tuple(kept)}

    def drop_kin(self, kinship: Callable[[T], Hashable]) -> None:
        for shared in dict.fromkeys(map(kinship, reversed(self.kept))):
            self._keep([part for part in self.kept if kinship(part) != shared])

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

    def tame_chunks(self, tamer: Callable[[T], Iterator[T]]) -> None:
        for size in _halves(len(self.kept)):
            for start in range(0, len(self.kept), size):
                chunk = self.kept[start : start + size]
                tame = [next(tamer(part), part) for part in chunk]
                self._keep(self.kept[:start] + tame + self.kept[start + size :])

    def tame(self, tamer: Callable[[T], Iterator[T]]) -> None:
        for place, part in enumerate(self.kept):
            for tame in tamer(part):
                if self._keep([*self.kept[:place], tame, *self.kept[place + 1 :]]):
                    break

    def _keep(self, candidate: list[T]) -> bool:
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


def _lower(choice: int) -> Iterator[int]:
    """0, and then ever closer to a decision."""
    if choice:
        yield 0
        yield from reversed([*_halves(choice - 1)])

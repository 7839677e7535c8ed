"""Chance that is the same in every run: tokens, ids and jitter from a seed."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from uuid import UUID

from attrs import define, field

from dynamomq.checks import check_count

_LARGEST_SEED = 2**64 - 1
_DIGEST_BITS = 512
_RANDOM_ID_BITS = 32


@define(eq=False)
class Chance:
    """A sequence of tokens, ids and random numbers that depends on nothing but its seed.

    Engines that share a table must not draw the same tokens, or one's receipt would pass for the
    other's: give their clocks one ``Chance`` together, or each its own seed.

    Attributes:
        seed: a whole number, 0 or more.

    Raises:
        InvalidArgumentError: there is no such seed.
    """

    seed: int = 0
    _draws: Iterator[int] = field(factory=count, init=False, repr=False)
    _ids: Iterator[int] = field(factory=count, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse a seed that would not be the same in every run."""
        check_count("seed", self.seed, at_least=0, at_most=_LARGEST_SEED)

    def number(self) -> float:
        """Return a number in [0, 1)."""
        return self._bits(53) / 2**53

    def token(self) -> str:
        """Return a token of 22 URL-safe characters."""
        return urlsafe_b64encode(self._bits(128).to_bytes(16)).rstrip(b"=").decode()

    def new_id(self, now: int) -> str:
        """Return a UUIDv7 for an instant (RFC 9562, method 1: with a counter).

        Of messages that are sent while the clock stands still, each id is greater than the one
        before, so they are received in the order in which they were sent.
        """
        random = next(self._ids) << _RANDOM_ID_BITS | self._bits(_RANDOM_ID_BITS)
        milliseconds = now // 1_000_000 & (1 << 48) - 1
        high, low = random >> 62 & 0xFFF, random & (1 << 62) - 1
        return str(UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low))

    def _bits(self, number: int) -> int:
        """Return so many fresh bits, as a whole number."""
        digest = blake2b(f"{self.seed} {next(self._draws)}".encode()).digest()
        return int.from_bytes(digest) >> _DIGEST_BITS - number

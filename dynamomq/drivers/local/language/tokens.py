"""The words and signs of an expression, each with its place in the text."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from attrs import frozen

from dynamomq.drivers.local.language.placeholders import ExpressionError

__all__ = ["MAX_EXPRESSION_BYTES", "Kind", "Token", "error_at", "tokens"]

MAX_EXPRESSION_BYTES: Final = 4096

Kind: TypeAlias = Literal["word", "#name", ":value", "number", "sign", "end"]

_TOKEN: Final = re.compile(
    r"(?P<word>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<name>#[A-Za-z0-9_]+)"
    r"|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<number>0|[1-9][0-9]*)"
    r"|(?P<sign><>|<=|>=|[=<>()\[\].,+-])"
)
_KINDS: Final[dict[str, Kind]] = {
    "word": "word",
    "name": "#name",
    "value": ":value",
    "number": "number",
    "sign": "sign",
}
_SPACE: Final = re.compile(r"\s*")


@frozen
class Token:
    """A word or sign.

    Attributes:
        kind: what it is.
        text: as it is written; empty at the end of the expression.
        position: of its first character, counted from 1.
    """

    kind: Kind
    text: str
    position: int

    def is_keyword(self, word: str) -> bool:
        """Tell whether it is this word of the language, in whatever case."""
        return self.kind == "word" and self.text.upper() == word

    def is_sign(self, sign: str) -> bool:
        """Tell whether it is this sign."""
        return self.kind == "sign" and self.text == sign

    def __str__(self) -> str:
        return repr(self.text) if self.text else "the end"


def error_at(position: int, reason: str) -> ExpressionError:
    """Return the error for something at a place in the text."""
    return ExpressionError(f"at character {position}: {reason}")


def tokens(text: str) -> list[Token]:
    """Return all words and signs, and the end.

    Raises:
        ExpressionError: there is something else in it, or it is too long or empty.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_EXPRESSION_BYTES:
        raise ExpressionError(f"an expression of {size:,} bytes; {MAX_EXPRESSION_BYTES:,} may be")
    found: list[Token] = []
    place = _after_space(text, 0)
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise error_at(place + 1, f"{text[place]!r} is not part of the language")
        found.append(Token(_KINDS[match.lastgroup], match[0], place + 1))
        place = _after_space(text, match.end())
    if not found:
        raise ExpressionError("an empty expression")
    return [*found, Token("end", "", place + 1)]


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return place if match is None else match.end()

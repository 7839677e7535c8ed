"""What conditions compare and updates assign: paths, values and ``size``; and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, NoReturn, TypeVar

from attrs import frozen

from dynamomq.drivers.local.language.paths import Path, Step
from dynamomq.drivers.local.language.placeholders import ExpressionError, Placeholders
from dynamomq.drivers.local.language.reserved_words import RESERVED_WORDS
from dynamomq.drivers.local.language.tokens import Token, error_at, tokens
from dynamomq.expressions import MISSING, Arguments, Constant, Missing, Operand
from dynamomq.values import Item, Value, type_letter

__all__ = ["Parser", "Placed", "Size"]

T = TypeVar("T")

_MAX_OPERATORS: Final = 300
_MAX_DEPTH: Final = 100  # of parentheses in one another: more than anybody writes, or Python likes
_MAX_INDEX: Final = 2**31 - 1
_MAX_STEPS: Final = 32


@frozen
class Size(Operand):
    """How long a text, byte string, set, list or map is; a text is counted in UTF-16 units."""

    operand: Operand

    def value(self, item: Item, arguments: Arguments) -> Value | Missing:
        """Return the size; ``MISSING`` where the operand has none."""
        found = self.operand.value(item, arguments)
        if isinstance(found, str):
            return len(found.encode("utf-16-le")) // 2
        if isinstance(found, bytes | list | dict | set):
            return len(found)
        return MISSING


@frozen
class Placed:
    """An operand and where it stands in the text."""

    operand: Operand
    position: int

    @property
    def letter(self) -> str | None:
        """The operand's type, as far as the text alone tells."""
        if isinstance(self.operand, Constant):
            return type_letter(self.operand.constant)
        return "N" if isinstance(self.operand, Size) else None

    def want(self, letters: Collection[str], operator: str) -> None:
        """Refuse an operand of which the text alone tells that its type does not fit.

        Raises:
            ExpressionError: naming the operator.
        """
        if self.letter is not None and self.letter not in letters:
            raise error_at(self.position, f"{operator} can't have an operand of type {self.letter}")

    def path(self, operator: str) -> Path:
        """Return the operand, which must be a path.

        Raises:
            ExpressionError: it is something else.
        """
        if not isinstance(self.operand, Path):
            raise error_at(self.position, f"{operator} wants a document path")
        return self.operand


class Parser:
    """Reads an expression from left to right; what both kinds of expressions have in common."""

    def __init__(self, text: str, placeholders: Placeholders) -> None:
        """Begin at the first word.

        Raises:
            ExpressionError: the text has no words.
        """
        self._tokens = tokens(text)
        self._place = 0
        self._placeholders = placeholders
        self._operators = 0
        self._depth = 0
        self._last_group = (0, 0)  # where the last parentheses were opened and closed

    # --- words and signs ---------------------------------------------------------------------

    @property
    def next(self) -> Token:
        """The word or sign that comes next."""
        return self._tokens[self._place]

    @property
    def previous(self) -> Token:
        """The word or sign that was taken last."""
        return self._tokens[self._place - 1]

    def take(self) -> Token:
        """Go on, and return what was next."""
        token = self.next
        if token.kind != "end":
            self._place += 1
        return token

    def takes_keyword(self, word: str) -> bool:
        """Go past a word of the language if it is next, and tell whether it was."""
        return self.next.is_keyword(word) and bool(self.take())

    def takes_sign(self, sign: str) -> bool:
        """Go past a sign if it is next, and tell whether it was."""
        return self.next.is_sign(sign) and bool(self.take())

    def need_sign(self, sign: str) -> None:
        """Go past a sign, which must be next.

        Raises:
            ExpressionError: something else is.
        """
        if not self.takes_sign(sign):
            self.unexpected(repr(sign))

    def need_end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            ExpressionError: something is.
        """
        if self.next.kind != "end":
            self.unexpected("the end")

    def unexpected(self, wanted: str) -> NoReturn:
        """Refuse what is next.

        Raises:
            ExpressionError: saying what was wanted.
        """
        raise error_at(self.next.position, f"{wanted} is wanted, not {self.next}")

    def separated(self, read: Callable[[], T]) -> Iterator[T]:
        """Yield one thing, and others after commas."""
        yield read()
        while self.takes_sign(","):
            yield read()

    def grouped(self, read: Callable[[], T]) -> T:
        """Read what stands in parentheses, the first of which is next.

        Raises:
            ExpressionError: there are parentheses in the parentheses, and nothing else; or too many
                in one another.
        """
        opening, position = self._place, self.next.position
        self.need_sign("(")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise error_at(position, f"there are more than {_MAX_DEPTH} parentheses in one another")
        found = read()
        self._depth -= 1
        closing = self._place
        self.need_sign(")")
        if self._last_group == (opening + 1, closing - 1):
            raise error_at(position, "there are redundant parentheses")
        self._last_group = (opening, closing)
        return found

    def count_operator(self) -> None:
        """Count an operator or function.

        Raises:
            ExpressionError: there are too many.
        """
        self._operators += 1
        if self._operators > _MAX_OPERATORS:
            raise ExpressionError(f"it has more than {_MAX_OPERATORS} operators and functions")

    # --- operands ----------------------------------------------------------------------------

    def path(self) -> Path:
        """Read a document path.

        Raises:
            ExpressionError: something else is there, or a name is reserved or not defined.
        """
        position = self.next.position
        steps: list[Step] = [self._name()]
        while True:
            if self.takes_sign("."):
                steps.append(self._name())
            elif self.takes_sign("["):
                steps.append(self._index())
            else:
                break
        if len(steps) > _MAX_STEPS:
            raise error_at(position, f"a path of more than {_MAX_STEPS} steps")
        return Path(tuple(steps))

    def constant(self) -> Constant:
        """Read a ``:value``.

        Raises:
            ExpressionError: something else is there, or it is not defined.
        """
        token = self.next
        if token.kind != ":value":
            self.unexpected("a :value")
        if not self._placeholders.has_value(token.text):
            raise error_at(token.position, f"it is not said what {token.text} stands for")
        self.take()
        return Constant(self._placeholders.value(token.text))

    def _name(self) -> str:
        token = self.next
        if token.kind == "#name":
            name = self._placeholders.name(token.text)
            if name is None:
                raise error_at(token.position, f"it is not said what {token.text} stands for")
        elif token.kind == "word":
            name = token.text
            if name.lower() in RESERVED_WORDS:
                raise error_at(
                    token.position, f"{name} is a reserved word; write a #placeholder for it"
                )
        else:
            self.unexpected("a name")
        self.take()
        return name

    def _index(self) -> int:
        if self.next.kind != "number":
            self.unexpected("an index")
        token = self.take()
        self.need_sign("]")
        if len(token.text) > len(str(_MAX_INDEX)) or int(token.text) > _MAX_INDEX:
            raise error_at(token.position, f"an index may be up to {_MAX_INDEX}")
        return int(token.text)

    # --- functions ---------------------------------------------------------------------------

    @property
    def is_at_function(self) -> bool:
        """Whether a function's name is next, or what is used like one."""
        following = self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        return self.next.kind == "word" and following.is_sign("(")

    def arguments_of(self, function: str, read: Callable[[], T], number: int) -> list[T]:
        """Read a function's operands, in parentheses, after its name.

        Raises:
            ExpressionError: there are more or fewer.
        """
        self.count_operator()
        position = self.next.position
        self.need_sign("(")
        found = list(self.separated(read))
        self.need_sign(")")
        if len(found) != number:
            raise error_at(position, f"{function} wants {number} operand(s), not {len(found)}")
        return found

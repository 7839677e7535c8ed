"""Exceptions that pass from one process to another, and can be copied, with all that they carry."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Self, TypeVar

from attrs import frozen

__all__ = ["PortableError"]


class PortableError(Exception):
    """An exception that can be pickled and copied, whatever its constructor takes.

    The copy has the same type, text, attributes, notes and cause. Of attributes and causes that
    can't be pickled themselves, a text stands for the attribute, and the cause is left out.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to make an equal one, in another process too."""
        fields = {name: _Packed.of(value) for name, value in vars(self).items()}
        return _unpacked, (type(self), self.args, fields, _Packed.of(self.__cause__))

    def __copy__(self) -> Self:
        """Make an equal one that has the same values."""
        return _made(type(self), self.args, vars(self), self.__cause__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Make an equal one with copies of its values, as far as these can be copied."""
        fields = {name: _copied(value, memo) for name, value in vars(self).items()}
        return _made(type(self), self.args, fields, self.__cause__)


@frozen
class _Packed:
    """A value that is pickled by itself, so that one that can't be is the only one to be lost."""

    kind: str
    pickled: bytes | None

    @classmethod
    def of(cls, value: object) -> _Packed:
        try:
            return cls(type(value).__name__, pickle.dumps(value))
        except Exception:  # noqa: BLE001 - whatever a foreign class does
            return cls(type(value).__name__, None)

    def value(self, lost: Callable[[str], Any]) -> Any:
        """Return the value; ``lost`` makes what stands for one that can't be had, by its type."""
        if self.pickled is not None:
            try:
                return pickle.loads(self.pickled)
            except Exception:  # noqa: BLE001 - pickled, but not made for it
                pass
        return lost(self.kind)


_P = TypeVar("_P", bound=PortableError)


def _made(
    kind: type[_P], args: tuple[Any, ...], fields: Mapping[str, Any], cause: BaseException | None
) -> _P:
    error = kind.__new__(kind, *args)
    vars(error).update(fields)
    if cause is not None:
        error.__cause__ = cause
    return error


def _unpacked(
    kind: type[_P], args: tuple[Any, ...], fields: Mapping[str, _Packed], cause: _Packed
) -> _P:
    values = {
        name: packed.value(lambda kind: f"<{kind}, which can't be pickled>")
        for name, packed in fields.items()
    }
    return _made(kind, args, values, cause.value(lambda _: None))


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return deepcopy(value, memo)
    except Exception:  # noqa: BLE001 - whatever a foreign class does
        return value

"""What a forked child must not touch: its parent's SQLite connections, and the files they are on.

SQLite keeps account of a file's locks in the memory of the process, and the system keeps the locks
themselves for the process alone. In a child, the account is inherited and the locks are not: a
connection of its own on the same file would believe that it holds what it does not, and what it
writes would be lost when the parent closes the file. Even closing the parent's connections, as
Python does when it ends, would undo in shared memory what the parent is just writing.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet

Identity = tuple[int, int]
"""Which file it is: its device and its number there."""


class Holder(Protocol):
    """Whoever has connections."""

    def inherited(self) -> tuple[Identity | None, Iterable[object]]:
        """Return the file that is open, if one is, and the connections on it."""


_holders: WeakSet[Holder] = WeakSet()
_parents: set[Identity] = set()


def watch(holder: Holder) -> None:
    """See to somebody's connections, should this process fork."""
    _holders.add(holder)


def is_parents(file: Identity | None) -> bool:
    """Tell whether a file was open in the parent when this process was forked."""
    return file in _parents


def _after_in_child() -> None:
    for holder in list(_holders):
        file, connections = holder.inherited()
        if file is not None:
            _parents.add(file)
        for one in connections:  # never closed, not even when Python ends
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)

"""What SQLite's errors mean for a caller: whose they are, and what to do."""

from __future__ import annotations

import sqlite3
from typing import Final

from dynamomq.errors import DynamoMQError, StoreError, TableNotFoundError, UnavailableError

BESIDE: Final = ("-wal", "-shm")
"""What SQLite adds to a file's name for the two that belong to it while it is open."""

_INACCESSIBLE: Final = {
    sqlite3.SQLITE_CANTOPEN: "the file can't be opened or created",
    sqlite3.SQLITE_PERM: "access is denied",
    sqlite3.SQLITE_AUTH: "access is denied",
    sqlite3.SQLITE_READONLY: "the file can't be written",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_ERROR: "the file's schema is not the engine's any more",
    sqlite3.SQLITE_SCHEMA: "the file's schema is not the engine's any more",
    sqlite3.SQLITE_CONSTRAINT: "the file has a rule that is not the engine's",
}
_SAVE: Final = "Restore it from a backup, or save what is left with the sqlite3 command's .recover."
_SCHEMA: Final = (
    "Another program has changed its tables: undo that, restore the file from a backup, or name "
    "another file. The engine's tables must not be changed by hand."
)
_REMEDIES: Final = {
    sqlite3.SQLITE_NOTADB: "Name another file; the engine creates it.",
    sqlite3.SQLITE_CORRUPT: _SAVE,
    sqlite3.SQLITE_ERROR: _SCHEMA,
    sqlite3.SQLITE_SCHEMA: _SCHEMA,
    sqlite3.SQLITE_CONSTRAINT: _SCHEMA,
}
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def translated(
    error: sqlite3.Error, path: str, busy_timeout: float, *, writes: bool = False
) -> DynamoMQError:
    """Return our error for one of SQLite's; ``writes`` tells whether something was to be written.

    What was written, but could not be flushed, may be found when the file is opened again.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    failure = _named(error, code, path, busy_timeout)
    failure.in_doubt = writes and code == sqlite3.SQLITE_IOERR
    return failure


def _named(error: sqlite3.Error, code: int, path: str, busy_timeout: float) -> DynamoMQError:
    if code in _INACCESSIBLE:
        return StoreError(
            path,
            f"{_INACCESSIBLE[code]} ({error})",
            remedy=_REMEDIES.get(
                code, "Check that the folder exists and that this user may write to both."
            ),
        )
    if code in _BUSY:
        return UnavailableError(
            f"Other processes kept {path} locked for {busy_timeout:g} s.",
            remedy="Call again; look for a program that holds a transaction open, or open the "
            "engine with a longer busy_timeout.",
        )
    if code == sqlite3.SQLITE_FULL:
        return UnavailableError(
            f"There is no space left to write to {path}: {error}.",
            remedy="Make space on its disk; then call again.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return UnavailableError(
            f"SQLite could not read or write {path}: {error}.",
            remedy="Check the disk. If somebody has removed the file's -wal or -shm, end all "
            "programs that have it open, and open it again; then call again.",
        )
    return UnavailableError(
        f"SQLite could not read or write {path}: {error}.",
        remedy="Check the disk and the memory that is left; then call again.",
    )


def moved(path: str, missing: str) -> StoreError:
    """Return the error for a file that is not where it was opened, or not the one any more.

    Args:
        path: the file that was opened.
        missing: it, or one of those beside it.
    """
    return StoreError(
        path,
        f"{missing} was removed, renamed or replaced while the engine had it open",
        remedy="Close this engine, and all others on the file, before anything else opens it; then "
        "put back what was moved, or open a new engine on what is there now. What this one had "
        "written is not in a file that took the place.",
    )


def not_there(error: TableNotFoundError, path: str, *, in_memory: bool) -> TableNotFoundError:
    """Return the error for a table that is not in a file, with what to do in that case."""
    error.remedy = (
        "Create it: Queue.create_table() for a queue's table, LocalEngine.create_table() for one "
        "of your own; or check its name"
    )
    if in_memory:
        error.remedy += "."
    else:
        error.remedy += (
            f" and the file {path}. If it was there before: a file that was not closed lacks its "
            f"last writes without {path}-wal, which belongs to it; restore both from a backup."
        )
    return error

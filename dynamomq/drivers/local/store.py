"""One SQLite file of the embedded engine: connections, locks, transactions and the schema.

How threads and processes share it. For a file there are two connections, each behind a lock: one
writes, one reads. In WAL mode a reader sees the last commit without waiting for a writer's disk
flush, and no more is gained by a connection per thread, because Python runs one thread at a time
between flushes. A database in memory belongs to its connection, so there the two are one. Every
write begins with ``BEGIN IMMEDIATE``: it waits for the write lock of other processes *before* it
reads what it decides on.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from dynamomq.errors import ClosedError, DynamoMQError, StoreError, UnavailableError

__all__ = ["APPLICATION_ID", "MEMORY", "MIGRATIONS", "Durability", "Store"]

MEMORY: Final = ":memory:"

Durability = Literal["full", "normal"]
"""When a write to a file is durable: once it returns, or (a crash of the machine may take the last
few back, a crash of the process none) soon afterwards."""

APPLICATION_ID: Final = 0x444D_4F51
"""What marks a file as ours (``PRAGMA application_id``; the letters "DMOQ")."""

MIGRATIONS: list[tuple[str, ...]] = [
    (
        """CREATE TABLE queue_table (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            index_name TEXT NOT NULL,
            expires INTEGER NOT NULL DEFAULT 0
        )""",
        # `item` is the whole item as DynamoDB's typed JSON; the columns before it repeat what
        # SQLite has to search by. `projected` is there so that the index answers a query alone.
        """CREATE TABLE item (
            number INTEGER PRIMARY KEY,
            table_number INTEGER NOT NULL REFERENCES queue_table (number),
            id TEXT NOT NULL,
            queue_type TEXT,
            queue_add_timestamp TEXT,
            projected TEXT NOT NULL,
            expires_at INTEGER,
            item TEXT NOT NULL,
            UNIQUE (table_number, id)
        )""",
        """CREATE INDEX item_by_due_time
            ON item (table_number, queue_type, queue_add_timestamp, id, projected)
            WHERE queue_type IS NOT NULL""",
        """CREATE INDEX item_by_expiry
            ON item (table_number, expires_at)
            WHERE expires_at IS NOT NULL""",
        # For people with the sqlite3 command; the engine does not read it.
        """CREATE VIEW message AS SELECT
            queue_table.name AS "table",
            id,
            queue_type,
            json_extract(item, '$.status.S') AS status,
            CAST(json_extract(item, '$.receive_count.N') AS INTEGER) AS receive_count,
            queue_add_timestamp,
            json_extract(item, '$.data') AS data
            FROM item JOIN queue_table ON queue_table.number = table_number""",
    ),
    (
        # Tables of users' own, for their part of a transaction. `key` says which attributes make
        # an item's key, and in a row which values they have.
        """CREATE TABLE own_table (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            key TEXT NOT NULL
        )""",
        """CREATE TABLE own_item (
            number INTEGER PRIMARY KEY,
            table_number INTEGER NOT NULL REFERENCES own_table (number),
            key TEXT NOT NULL,
            item TEXT NOT NULL,
            UNIQUE (table_number, key)
        )""",
    ),
]
"""The statements that lead from each schema version to the next; version 0 is an empty file."""

_CACHE_KIB = 16 * 1024
_RETRY_PAUSE = 0.01


class Store:
    """A file (or memory) with our schema, and the only ways to read and write it."""

    def __init__(self, path: str | Path, durability: Durability, busy_timeout: float) -> None:
        """Open the file, create or upgrade its schema.

        Args:
            path: the file, or ``:memory:``.
            durability: see :data:`Durability`; without meaning in memory.
            busy_timeout: seconds to wait for other threads and processes.

        Raises:
            StoreError: the file is not ours, of a newer version, or not accessible.
            UnavailableError: another process kept the file locked, or the disk fails.
        """
        self.path = str(path)
        self._busy_timeout = busy_timeout
        self._process = os.getpid()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._write_lock = Lock()
        self._read_lock = self._write_lock if self.path == MEMORY else Lock()
        try:
            self._writer = self._reader = self._connect()
            self._prepare(self._writer, durability)
            if self.path != MEMORY:
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            self.close()
            raise _translated(error, self.path, busy_timeout) from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for reads; each statement sees everything committed before it.

        Raises:
            ClosedError: the store is closed, or another process opened it.
            UnavailableError: threads or processes kept it locked, or the disk fails.
        """
        self._acquire(self._read_lock)
        try:
            yield self._open(self._reader)
        except sqlite3.Error as error:
            raise _translated(error, self.path, self._busy_timeout) from error
        finally:
            self._read_lock.release()

    @contextmanager
    def writing(self, committed: Callable[[], None] | None = None) -> Iterator[sqlite3.Connection]:
        """Lend the connection for one transaction; an exception undoes all of it.

        Args:
            committed: called after the commit and before any later one.

        Raises:
            ClosedError: the store is closed, or another process opened it.
            StoreError: the file is read-only.
            UnavailableError: threads or processes kept it locked, or the disk fails or is full.
        """
        self._acquire(self._write_lock)
        try:
            connection = self._open(self._writer)
            with _transaction(connection, "IMMEDIATE"):
                yield connection
            if committed is not None:
                committed()
        except sqlite3.Error as error:
            raise _translated(error, self.path, self._busy_timeout) from error
        finally:
            self._write_lock.release()

    def close(self) -> None:
        """Close the connections; in a forked child do nothing, they are the parent's."""
        if os.getpid() != self._process:
            return
        for lock in {self._write_lock, self._read_lock}:
            lock.acquire()
        try:
            for connection in {self._writer, self._reader}:
                if connection is not None:
                    connection.close()
            self._writer = self._reader = None
        finally:
            for lock in {self._write_lock, self._read_lock}:
                lock.release()

    def _open(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if connection is None:
            raise ClosedError(f"The engine on {self.path} was closed.", remedy="Open a new one.")
        return connection

    def _acquire(self, lock: Lock) -> None:
        if os.getpid() != self._process:  # neither the lock nor SQLite's own survive a fork
            raise ClosedError(
                f"The engine on {self.path} was opened by the parent process.",
                remedy="After a fork, open an engine of its own in each process.",
            )
        if not lock.acquire(timeout=self._busy_timeout):
            raise UnavailableError(
                f"Other threads kept {self.path} busy for {self._busy_timeout:g} s.",
                remedy="Call again, or open the engine with a longer busy_timeout.",
            )

    # --- opening -----------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _prepare(self, connection: sqlite3.Connection, durability: Durability) -> None:
        # A look before any change: a file of another application stays as it is.
        with _transaction(connection, "DEFERRED"):
            version = self._version(connection)
        if version < len(MIGRATIONS):
            with _transaction(connection, "IMMEDIATE"):
                self._migrate(connection)
        if self.path == MEMORY:
            return
        self._switch_to_wal(connection)
        connection.execute(f"PRAGMA synchronous = {durability}")
        # macOS: without this a flush ends in the drive's own cache.
        connection.execute(f"PRAGMA fullfsync = {'ON' if durability == 'full' else 'OFF'}")

    def _version(self, connection: sqlite3.Connection) -> int:
        """Return the file's schema version, 0 for an empty file; refuse what is not ours."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (application or version or objects):
            raise StoreError(
                self.path,
                "the file is a database of another application",
                remedy="Name another file; the engine creates it.",
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                self.path,
                f"the file has schema version {version}, this library knows versions up to "
                f"{len(MIGRATIONS)}",
                remedy="Upgrade dynamomq, or name another file.",
            )
        return int(version)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        for statements in MIGRATIONS[self._version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """Make the file's journal a write-ahead log; the file remembers it.

        SQLite does not wait here where waiting could be a deadlock, so several processes that
        create one file at once have to take turns by themselves.
        """
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_PAUSE)
            else:
                return


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


_INACCESSIBLE: Final = {
    sqlite3.SQLITE_CANTOPEN: "the file can't be opened or created",
    sqlite3.SQLITE_PERM: "access is denied",
    sqlite3.SQLITE_READONLY: "the file can't be written",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
}
_REMEDIES: Final = {
    sqlite3.SQLITE_NOTADB: "Name another file; the engine creates it.",
    sqlite3.SQLITE_CORRUPT: "Restore it from a backup, or save what is left with the sqlite3 "
    "command's .recover.",
}


def _translated(error: sqlite3.Error, path: str, busy_timeout: float) -> DynamoMQError:
    """Return our error for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _INACCESSIBLE:
        return StoreError(
            path,
            f"{_INACCESSIBLE[code]} ({error})",
            remedy=_REMEDIES.get(
                code, "Check that the folder exists and that this user may write to both."
            ),
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(
            f"Other processes kept {path} locked for {busy_timeout:g} s.",
            remedy="Call again; look for a program that holds a transaction open, or open the "
            "engine with a longer busy_timeout.",
        )
    return UnavailableError(
        f"SQLite could not read or write {path}: {error}.",
        remedy="Check the disk and the space that is left on it; then call again.",
    )

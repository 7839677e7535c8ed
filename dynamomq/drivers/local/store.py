"""One SQLite file of the embedded engine: connections, turns, transactions and the schema.

How threads and processes share it. For a file there are two connections, used in turns: one
writes, one reads. In WAL mode a reader sees the last commit without waiting for a writer's disk
flush, and no more is gained by a connection per thread, because Python runs one thread at a time
between flushes. A database in memory belongs to its connection, so there the two are one. Every
write begins with ``BEGIN IMMEDIATE``: it waits for the write lock of other processes *before* it
reads what it decides on.

Nothing that happens to a thread (Ctrl-C, above all) leaves a turn taken or a transaction open for
good: turns end with the call that took them, a transaction ends in C, where Python can't be
interrupted, and what is left of one all the same is rolled back by the next.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Final, Literal, TypeVar

from dynamomq.drivers.local.forks import Identity, is_parents, watch
from dynamomq.drivers.local.troubles import BESIDE, moved, not_there, translated
from dynamomq.drivers.local.turns import Turn
from dynamomq.errors import ClosedError, StoreError, TableNotFoundError, UnavailableError

R = TypeVar("R")

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
_TEXT = partial(str, encoding="utf-8", errors="surrogateescape")
"""Text that is not UTF-8 is found where a row is read, and then only that row is damaged."""


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
        self._files: dict[str, Identity | None] = {}
        self._committed: Callable[[], object] | None = None
        self._write_turn = Turn()
        self._read_turn = self._write_turn if self.path == MEMORY else Turn()
        if self.path != MEMORY and is_parents(_identity(self.path)):
            raise StoreError(
                self.path,
                "the process that forked this one had the file open, and SQLite's locks do not "
                "survive that: what is written here could be lost",
                remedy="Start processes by subprocess, or by multiprocessing's 'spawn' or "
                "'forkserver'; or open the engine after the fork only.",
            )
        watch(self)
        try:
            self._writer = self._reader = self._connect()
            self._prepare(self._writer, durability)
            if self.path != MEMORY:
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only = ON")
                self._version(self._reader)  # which opens all files that belong together
                self._files = _files(self.path)
        except sqlite3.Error as error:
            self.close()
            raise translated(error, self.path, busy_timeout) from error
        except BaseException:
            self.close()
            raise

    def read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Call ``work`` with the connection for reads; each statement sees the last commit.

        Raises:
            ClosedError: the store is closed, or another process opened it.
            StoreError: the file was removed or replaced, or is damaged.
            UnavailableError: threads or processes kept it locked, or the disk fails.
        """
        try:
            if not self._read_turn.take(self._patience()):
                raise self._busy()
            return work(self._lent(self._reader))
        except sqlite3.Error as error:
            raise translated(error, self.path, self._busy_timeout) from error
        except TableNotFoundError as error:
            raise not_there(error, self.path, in_memory=self.path == MEMORY) from None
        finally:
            self._read_turn.give_back()

    def write(
        self,
        work: Callable[[sqlite3.Connection], R],
        committed: Callable[[], object] = lambda: None,
    ) -> R:
        """Call ``work`` with the connection for one transaction; an exception undoes all of it.

        Args:
            work: reads and writes. It must not use the store otherwise.
            committed: called after the commit and before any later one; after an interrupt perhaps
                twice, and late.

        Raises:
            ClosedError: the store is closed, or another process opened it.
            StoreError: the file is read-only, was removed or replaced, or is damaged.
            UnavailableError: threads or processes kept it locked, or the disk fails or is full.
        """
        try:
            if not self._write_turn.take(self._patience()):
                raise self._busy()
            connection = self._lent(self._writer)
            self._settle()
            with connection:  # commits or rolls back in C, so no interrupt comes in between
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                self._committed = committed
            self._settle()
            try:
                self._check_place()
            except StoreError as error:  # it is written, perhaps to a file that nobody finds
                error.in_doubt = True
                raise
            return result
        except sqlite3.Error as error:
            self._committed = None
            raise translated(error, self.path, self._busy_timeout, writes=True) from error
        except TableNotFoundError as error:
            raise not_there(error, self.path, in_memory=self.path == MEMORY) from None
        finally:
            self._write_turn.give_back()

    def close(self) -> None:
        """Close the connections; in a forked child do nothing, they are the parent's."""
        if os.getpid() != self._process:
            return
        try:
            self._write_turn.take(inf)
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()
        finally:
            self._write_turn.give_back()
        try:
            self._read_turn.take(inf)
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
        finally:
            self._read_turn.give_back()

    def inherited(self) -> tuple[Identity | None, tuple[object, ...]]:
        """Return the file that is open and the connections on it, for a forked child to leave."""
        connections = tuple(one for one in (self._writer, self._reader) if one is not None)
        is_open = bool(connections) and self.path != MEMORY
        return (_identity(os.path.abspath(self.path)) if is_open else None), connections

    def _patience(self) -> float:
        """Return how long to wait for a turn.

        Raises:
            ClosedError: this is a forked child; neither turns nor SQLite's own locks survive that.
        """
        if os.getpid() != self._process:
            raise ClosedError(
                f"The engine on {self.path} was opened by the parent process.",
                remedy="Start processes by subprocess or multiprocessing's 'spawn', and open an "
                "engine of its own in each.",
            )
        return self._busy_timeout

    def _busy(self) -> UnavailableError:
        busy = UnavailableError(
            f"Other threads kept {self.path} busy for {self._busy_timeout:g} s.",
            remedy="Call again, or open the engine with a longer busy_timeout.",
        )
        busy.in_doubt = False
        return busy

    def _lent(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if connection is None:
            raise ClosedError(f"The engine on {self.path} was closed.", remedy="Open a new one.")
        self._check_place()
        if connection.in_transaction:  # left by an interrupt
            self._committed = None
            connection.rollback()
        return connection

    def _settle(self) -> None:
        """See to what comes after a commit, of the last one if an interrupt came in between."""
        if self._committed is not None:
            self._committed()
            self._committed = None

    def _check_place(self) -> None:
        """Find out whether the file is where it was opened, and still the same.

        Raises:
            StoreError: it is not: who opens it by its name does not see what is written here.
        """
        for name, identity in self._files.items():
            if _identity(name) != identity:
                raise moved(self.path, name)

    # --- opening -----------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.text_factory = _TEXT
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _prepare(self, connection: sqlite3.Connection, durability: Durability) -> None:
        # A look before any change: a file of another application stays as it is.
        with connection:
            connection.execute("BEGIN DEFERRED")
            version = self._version(connection)
        if version < len(MIGRATIONS):
            with connection:
                connection.execute("BEGIN IMMEDIATE")
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


def _files(path: str) -> dict[str, Identity | None]:
    """Return which files an open database consists of, by names that ``chdir`` leaves right."""
    beside = os.path.realpath(path)  # SQLite follows links, too
    names = (os.path.abspath(path), *(beside + ending for ending in BESIDE))
    return {name: _identity(name) for name in names}


def _identity(name: str) -> Identity | None:
    """Return which file has a name now; ``None``: none, or nobody may know."""
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino

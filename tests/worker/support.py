"""A real worker on the embedded engine, and what its handlers note."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, frozen

from dynamomq import LocalEngine, Queue
from tests.support.source import ROOT

T = TypeVar("T")

FOLDER = "WORKER_TEST_FOLDER"  # names the environment variable
FILE = "queue.db"
TABLE = "jobs"
PATIENCE = 60.0  # seconds until a test that waits has failed; a busy machine is slow


def eventually(what: str, look: Callable[[], T]) -> T:
    """The first true value that ``look`` returns."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"in vain waited for {what}")
        time.sleep(0.01)
    return found


@frozen
class Note:
    """What a handler noted."""

    what: str
    id: str
    pid: int
    receive_count: int


@define(eq=False)
class Place:
    """A folder with a queue's file, its handlers' notes, and the log of a worker."""

    folder: Path

    @contextmanager
    def queue(self) -> Iterator[Queue[Any]]:
        """The queue."""
        with LocalEngine(self.folder / FILE, durability="normal") as engine:
            yield Queue(TABLE, engine=engine)

    def filled(self, count: int) -> "Place":
        """This place, with a queue that has so many messages."""
        with self.queue() as queue:
            queue.create_table()
            for number in range(count):
                queue.send({"number": number}, id=f"message-{number:03}")
        return self

    def drop_table(self) -> None:
        """Have the queue's table gone, as if somebody had deleted it."""
        with closing(sqlite3.connect(self.folder / FILE, timeout=PATIENCE)) as file, file:
            file.execute("UPDATE queue_table SET name = 'gone'")

    def notes(self, what: str) -> list[Note]:
        """What handlers have noted of one kind."""
        path = self.folder / "notes"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        fields = [line.split() for line in lines]
        noted = [Note(one[0], one[1], int(one[2]), int(one[3])) for one in fields if len(one) == 4]
        return [note for note in noted if note.what == what]


@define(eq=False)
class Running:
    """A worker that runs."""

    process: subprocess.Popen[str]
    log_path: Path

    @property
    def log(self) -> str:
        """What worker and children have logged so far."""
        return self.log_path.read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        """Send the worker a signal."""
        self.process.send_signal(number)

    def until_logged(self, text: str) -> None:
        """Wait for a piece of the log."""
        eventually(f"{text!r} in the log:\n{self.log}", lambda: text in self.log)

    def status(self) -> int:
        """Wait for the worker's end."""
        return self.process.wait(PATIENCE)


@contextmanager
def started(
    place: Place,
    *options: str,
    command: Sequence[str] = ("-m", "dynamomq.worker"),
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator[Running]:
    """A worker, in a process group of its own; whatever happens, its processes are gone after."""
    log_path = place.folder / "log"
    with log_path.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, *command, *options],
            cwd=cwd,
            env={**os.environ, FOLDER: str(place.folder), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield Running(process, log_path)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def on_file(place: Place, handler: str, *options: str) -> list[str]:
    """The options of a worker on the place's queue."""
    return [
        *(f"tests.worker.handlers:{handler}", "--file", str(place.folder / FILE)),
        *("--table", TABLE, *options),
    ]

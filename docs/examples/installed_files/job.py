"""The job: a message for each file, and workers that verify them.

This is how a program uses a queue: send with an id of one's own, receive in batches, and end each
delivery in one of four ways (delete, retry, move_to_dlq, release).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from docs.examples.installed_files.files import FileRecord, VerificationError, verify
from docs.examples.installed_files.ledger import Ledger, Outcome
from dynamomq import Message, Queue

WORKERS = 4
BATCH = 25
FAILING_PERCENT = 3
_RETRY_DELAY = 0.2  # seconds
VISIBILITY_TIMEOUT = 300  # seconds: far more than a batch takes, even on a machine that is busy
_WAIT = 0.5  # seconds: longer than any retry is delayed
_REFRESH = 0.1  # seconds


class SimulatedError(Exception):
    """A failure that was made up, to show a retry."""


def fails_first(id: str) -> bool:
    """Tell whether the first delivery of a message is made to fail: 3 % are, always the same."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:4]) % 100 < FAILING_PERCENT


class Job:
    """One run over a set of files.

    Attributes:
        queue: where the messages go through.
        records: the files, by id.
        ledger: what was done so far.
    """

    def __init__(self, queue: Queue[FileRecord], records: Mapping[str, FileRecord]) -> None:
        """Begin with nothing done."""
        self.queue = queue
        self.records = records
        self.ledger = Ledger()
        self._stopping = threading.Event()

    def send(self, on_progress: Callable[[int], object]) -> None:
        """Send a message for each file, from several threads.

        Args:
            on_progress: called with the number of messages sent, several times a second.
        """
        self._in_threads(self._send_share, lambda: on_progress(self.ledger.sent))

    def consume(self, on_progress: Callable[[int], object]) -> None:
        """Have the workers verify everything that is in the queue.

        Args:
            on_progress: called with the number of messages that are done.
        """
        self._in_threads(self._work, lambda: on_progress(self.ledger.settled))

    # --- threads -----------------------------------------------------------------------------

    def _in_threads(self, task: Callable[[int], None], report: Callable[[], object]) -> None:
        """Run a task in every worker; the first exception, Ctrl-C too, stops all of them."""
        with ThreadPoolExecutor(WORKERS) as pool:
            running = {pool.submit(task, number) for number in range(WORKERS)}
            try:
                while running:
                    done, running = wait(running, _REFRESH, FIRST_EXCEPTION)
                    report()
                    for future in done:
                        future.result()
            except BaseException:
                self._stopping.set()
                raise

    def _send_share(self, number: int) -> None:
        for record in list(self.records.values())[number::WORKERS]:
            if self._stopping.is_set():
                break
            self.queue.send(record, id=record.id)
            self.ledger.note_sent()

    def _work(self, number: int) -> None:
        while not self._stopping.is_set():
            batch = self.queue.receive(BATCH, wait=_WAIT)
            if not batch and self.queue.stats(limit=1).standard.total == 0:
                break
            for message in batch:
                if self._stopping.is_set():
                    self.queue.release(message)
                    self.ledger.note(message.id, Outcome.RELEASED, "")
                else:
                    self._handle(message)

    # --- one delivery ------------------------------------------------------------------------

    def _handle(self, message: Message[FileRecord]) -> None:
        try:
            if message.receive_count == 1 and fails_first(message.id):
                raise SimulatedError("made to fail on its first delivery")
            evidence = verify(message.data)
        except SimulatedError as error:
            self.queue.retry(message, delay=_RETRY_DELAY, error=error)
            self.ledger.note(message.id, Outcome.RETRIED, str(error))
        except VerificationError as error:
            self.queue.move_to_dlq(message, error=error)
            self.ledger.note(message.id, Outcome.DEAD_LETTERED, str(error))
        else:
            self.queue.delete(message)
            self.ledger.note(message.id, Outcome.DELETED, evidence)

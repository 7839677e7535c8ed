"""The children as processes: started, told, killed and awaited; orphans reaped.

A child gets a pipe as its standard input. Its first line says what to do, each later one is a
:class:`~dynamomq.worker.supervisor.Word`; when the pipe ends, the worker is gone, and the child
finishes. So children never outlive a worker that was killed by more than the grace, on any
system; and a signal that reaches the whole process group (Ctrl-C in a terminal, systemd's default)
is not taken for a second one.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from attrs import define, field

from dynamomq.worker.supervisor import Word


@define(eq=False)
class Processes:
    """The child processes of a worker, by number.

    Attributes:
        command: the command line of a child.
        assignment: returns the first line that a child is told, for its number.
        ended: called with number and status when a child has ended, in a thread of its own.
    """

    command: Sequence[str]
    assignment: Callable[[int], str]
    ended: Callable[[int, int], object]
    _processes: dict[int, subprocess.Popen[str]] = field(init=False, factory=dict)

    def start(self, number: int) -> int:
        """Start a child and return its process id.

        Raises:
            OSError: the system refuses.
        """
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True)
        self._processes[number] = process
        self._write(number, self.assignment(number))
        threading.Thread(
            target=self._await, args=(number, process), name=f"process {number}", daemon=True
        ).start()
        return process.pid

    def tell(self, number: int, word: Word) -> None:
        """Tell a child something; whether it still lives or not."""
        self._write(number, word.value)

    def kill(self, number: int) -> None:
        """Kill a child; whether it still lives or not."""
        self._processes[number].kill()

    def forget(self, number: int) -> None:
        """Let go of a child that has ended."""
        self._hang_up(self._processes.pop(number))

    def hang_up(self) -> None:
        """Leave the children to themselves: they finish what they have begun."""
        for process in self._processes.values():
            self._hang_up(process)

    @property
    def pids(self) -> Collection[int]:
        """The process ids of the children that have not been forgotten."""
        return {process.pid for process in self._processes.values()}

    def _write(self, number: int, line: str) -> None:
        pipe = self._processes[number].stdin
        if pipe is None:
            raise AssertionError("a child was started without a pipe")
        with suppress(BrokenPipeError):  # it has ended, and the thread that waits for it will tell
            pipe.write(f"{line}\n")
            pipe.flush()

    def _await(self, number: int, process: subprocess.Popen[str]) -> None:
        self.ended(number, process.wait())

    @staticmethod
    def _hang_up(process: subprocess.Popen[str]) -> None:
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # what was written last will never be read
                process.stdin.close()


def reap_orphans(ours: Collection[int]) -> None:
    """Collect the status of children that we did not start: as process 1, of all orphans.

    Without it, what a handler's own child processes leave behind would stay as zombies. Linux only.

    Args:
        ours: process ids to leave alone, because somebody waits for them.
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return  # there are no children at all
        if found is None or found.si_pid in ours:
            return  # called again when that one has been waited for
        os.waitpid(found.si_pid, 0)

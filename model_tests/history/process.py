"""A worker as its parent sees it: a process that runs, is stopped, or has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Generic, Protocol, TypeVar

_CHANGES = os.WSTOPPED | os.WEXITED | os.WNOWAIT  # WNOWAIT: Popen is the one to clear away
_ROOT = Path(__file__).resolve().parents[2]


class Assignment(Protocol):
    """What a worker is to do; its text is the worker's argument."""

    @property
    def role(self) -> str:
        """What kind of worker it is."""

    @property
    def name(self) -> str:
        """The worker's name in the logs."""

    @property
    def folder(self) -> Path:
        """Where what it prints goes."""

    def to_json(self) -> str:
        """As an argument of a command line."""


class WorkerError(Exception):
    """A worker failed by itself; the message holds what it printed."""


A = TypeVar("A", bound=Assignment)


class Process(Generic[A]):
    """A worker process, started afresh: nothing is inherited from its parent's memory.

    Attributes:
        assignment: what it does.
        is_paused: whether it was stopped by a signal when it was last looked at.
        status: how it had ended when it was last looked at; ``None``: it had not.
    """

    def __init__(self, module: str, assignment: A) -> None:
        """Start a module as a program, with its assignment as the argument."""
        self.assignment = assignment
        self.is_paused = False
        self.status: int | None = None
        self._errors = assignment.folder / f"{assignment.name}.stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, assignment.to_json()],
                cwd=_ROOT,
                stdin=subprocess.PIPE,  # closing it, or dying, tells the worker to end
                stdout=errors,
                stderr=errors,
            )

    @property
    def name(self) -> str:
        """Its name in the logs."""
        return self.assignment.name

    def look(self) -> None:
        """Notice what has happened to it.

        Raises:
            WorkerError: it ended by itself, with an error.
        """
        if self.has_ended:
            return
        news = os.waitid(os.P_PID, self._process.pid, _CHANGES | os.WNOHANG)
        self.is_paused = news is not None and news.si_code == os.CLD_STOPPED
        if news is None or self.is_paused:
            return
        self.status = self._process.wait()
        if self.status not in (0, -signal.SIGKILL):
            output = self._errors.read_text(encoding="utf-8", errors="replace")
            raise WorkerError(f"{self.name} ended with status {self.status}:\n{output}")

    @property
    def has_ended(self) -> bool:
        """Whether it is no more, as of the last look."""
        return self.status is not None

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL, as of the last look."""
        return self.status == -signal.SIGKILL

    @property
    def is_running(self) -> bool:
        """Whether it has neither ended nor been stopped, as of the last look."""
        return not (self.has_ended or self.is_paused)

    def kill(self) -> None:
        """Kill it, without a chance to clean up."""
        os.kill(self._process.pid, signal.SIGKILL)

    def pause(self) -> None:
        """Stop it, wherever it is, and return when it has stopped (or had ended already)."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, _CHANGES)

    def resume(self) -> None:
        """Let it go on after it was stopped."""
        self.is_paused = False
        os.kill(self._process.pid, signal.SIGCONT)

    def finish(self) -> None:
        """Tell it to end after what it has in hand."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def terminate(self) -> None:
        """Ask it to end, as whoever deploys it would."""
        os.kill(self._process.pid, signal.SIGTERM)

    def bury(self) -> None:
        """Kill it unless it has ended, and release what it leaves behind."""
        self.finish()
        self._process.kill()
        self._process.wait()

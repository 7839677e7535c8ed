"""Real processes and real signals: SIGTERM and SIGINT end a consumer, and its status says how."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from dynamomq import LocalEngine, Queue
from dynamomq.consumer.signals import ONE_ORDER, Orders
from tests.consumer.support import PATIENCE
from tests.support.source import ROOT

PROGRAM = """
import os, sys, threading
from dynamomq import Consumer, LocalEngine, Queue

folder, grace, ends = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "ends"
stopping = threading.Event()

def say(text):
    os.write(1, f"{text}\\n".encode())  # whole lines, also from a signal handler

def handle(delivery):
    say(f"started {delivery.id}")
    (stopping if ends else threading.Event()).wait()

class Told(Consumer):
    def stop(self, *, force=False):
        super().stop(force=force)
        say("told")
        stopping.set()

with LocalEngine(f"{folder}/queue.db") as engine:
    queue = Queue("jobs", engine=engine)
    consumer = Told(queue, handle, concurrency=2, grace=grace, poll_interval=(0.01, 0.05))
    summary = consumer.run()
    say(" ".join([summary.reason, *summary.abandoned]))
    sys.exit(summary.exit_status)
"""

MARGIN = 2.0  # seconds that the end may take beyond the grace, by the contract
BUSY = 8.0  # more, for a test machine on which nothing runs when it should


@frozen
class Process:
    """A consumer in a process of its own."""

    popen: subprocess.Popen[str]
    queue: Queue[Any]

    def line(self) -> str:
        """The next line that it prints."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def status(self, grace: float) -> int:
        """Its exit status; it comes in time, or the test fails."""
        return self.popen.wait(grace + MARGIN + BUSY)


@contextmanager
def consuming(folder: Path, *, grace: float, ends: bool) -> Iterator[Process]:
    """A consumer with two messages, in two handlers that end when it is stopped, or never."""
    with LocalEngine(folder / "queue.db") as engine:
        queue: Queue[Any] = Queue("jobs", engine=engine)
        queue.create_table()
        for number in range(3):
            queue.send(number, id=f"m{number}")
        command = [sys.executable, "-c", PROGRAM, str(folder), str(grace), "ends" if ends else "no"]
        popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        process = Process(popen, queue)
        try:
            assert {process.line(), process.line()} == {"started m0", "started m1"}
            yield process
        finally:
            popen.kill()
            popen.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_a_signal_ends_it_when_handlers_have(tmp_path: Path, order: signal.Signals) -> None:
    """Status 0: who works finishes and is acknowledged, and nothing more is claimed."""
    with consuming(tmp_path, grace=PATIENCE, ends=True) as process:
        process.popen.send_signal(order)
        assert [process.line(), process.line()] == ["told", "stopped"]
        assert process.status(0) == 0
        states = [process.queue.get(f"m{number}").state for number in range(3)]
        assert states == ["DELETED", "DELETED", "STANDARD.READY"]
        assert process.queue.get("m2").version in (1, 3)  # 3: it was claimed, and given back
        assert process.queue.get("m2").receive_count == 0
        assert process.queue.consumers() == []


def test_handlers_that_do_not_end_are_left(tmp_path: Path) -> None:
    """Status 3, in time: the process does not wait for threads beyond the grace."""
    with consuming(tmp_path, grace=0.2, ends=False) as process:
        process.popen.send_signal(signal.SIGTERM)
        assert process.line() == "told"
        assert process.line() in ("grace ended m0 m1", "grace ended m1 m0")
        assert process.status(0.2) == 3
        states = [process.queue.get(f"m{number}").state for number in range(3)]
        assert states == ["STANDARD.PROCESSING", "STANDARD.PROCESSING", "STANDARD.READY"]


def test_signals_within_a_moment_are_one(tmp_path: Path) -> None:
    """A process that gets SIGTERM for itself, and again with its group, ends in order."""
    with consuming(tmp_path, grace=PATIENCE, ends=True) as process:
        for order in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            process.popen.send_signal(order)
        assert [process.line(), process.line()] == ["told", "stopped"]
        assert process.status(0) == 0


def test_orders_and_their_echoes() -> None:
    """An echo comes within a second of its order, however many there are; later is a new order."""
    orders = Orders()
    times = (10.0, 10.1, 10.9, 11.0, 11.2, 11.9, 12.5)
    assert [time for time in times if orders.is_new(time)] == [10.0, 11.0, 12.5]


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Status 4, however long the grace."""
    with consuming(tmp_path, grace=86_400, ends=False) as process:
        process.popen.send_signal(signal.SIGINT)
        assert process.line() == "told"
        time.sleep(ONE_ORDER)  # of another process, whose clock is real
        process.popen.send_signal(signal.SIGINT)
        assert process.line() == "told"
        assert process.line().startswith("forced")
        assert process.status(0) == 4

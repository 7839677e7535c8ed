"""Children as processes, with a child that does as little as possible."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from attrs import define, field

from dynamomq.worker.processes import Processes, reap_orphans
from dynamomq.worker.supervisor import Word
from tests.worker.support import PATIENCE, eventually

# Notes what it is told, and ends with the status that the last line makes.
CHILD = """
import sys
lines = []
for line in iter(sys.stdin.readline, ""):
    lines.append(line.strip())
    if "give up" in line:
        break
else:
    lines.append("end")
with open(sys.argv[1], "a") as notes:
    print(*lines, sep=", ", file=notes)
sys.exit(4 if lines[-1] == "give up" else 0)
"""


@define(eq=False)
class Nursery:
    """Children, what they noted and how they ended."""

    folder: Path
    ends: SimpleQueue[tuple[int, int]] = field(init=False, factory=SimpleQueue)
    children: Processes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.children = Processes(
            (sys.executable, "-c", CHILD, str(self.folder / "notes")),
            assignment=lambda number: f"you are {number}",
            ended=lambda number, status: self.ends.put((number, status)),
        )

    def next_end(self) -> tuple[int, int]:
        """Wait for a child's end."""
        number, status = self.ends.get(timeout=PATIENCE)
        self.children.forget(number)
        return number, status

    @property
    def notes(self) -> list[str]:
        """A line for each child that has noted what it was told."""
        return (self.folder / "notes").read_text().splitlines()


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """Children that are gone after the test."""
    nursery = Nursery(tmp_path)
    yield nursery
    nursery.children.hang_up()
    while nursery.children.pids:
        nursery.next_end()


def test_words_arrive_in_order(nursery: Nursery) -> None:
    """A child is told what to do, and then each word; its status comes back with its number."""
    nursery.children.start(7)
    nursery.children.tell(7, Word.STOP)
    nursery.children.tell(7, Word.GIVE_UP)
    assert nursery.next_end() == (7, 4)
    assert nursery.notes == ["you are 7, stop, give up"]


def test_hanging_up_is_heard(nursery: Nursery) -> None:
    """A child notices that nobody can tell it anything any more, although others have pipes."""
    for number in (1, 2):
        nursery.children.start(number)
    nursery.children.hang_up()
    assert {nursery.next_end(), nursery.next_end()} == {(1, 0), (2, 0)}
    assert sorted(nursery.notes) == ["you are 1, end", "you are 2, end"]


def test_telling_the_dead(nursery: Nursery) -> None:
    """A word to a child that has died, or a second kill, is no error: its end is on its way."""
    pid = nursery.children.start(1)
    nursery.children.kill(1)
    ended = nursery.ends.get(timeout=PATIENCE)
    nursery.children.tell(1, Word.STOP)
    nursery.children.kill(1)
    assert ended == (1, -signal.SIGKILL)
    assert nursery.children.pids == {pid}
    nursery.children.forget(1)
    assert nursery.children.pids == set()


def test_what_can_not_be_started(tmp_path: Path) -> None:
    """Where there is no such program, the error says so, and no child is left behind."""
    children = Processes((str(tmp_path / "none"),), lambda _: "", lambda _number, _status: None)
    with pytest.raises(FileNotFoundError):
        children.start(1)
    assert children.pids == set()


def test_orphans_are_reaped() -> None:
    """Whoever ends and is not ours is collected, which a process 1 owes to all; ours are not."""
    mine = "import sys; sys.stdin.read(); sys.exit(7)"
    with subprocess.Popen([sys.executable, "-c", mine], stdin=subprocess.PIPE) as ours:
        orphan = subprocess.Popen([sys.executable, "-c", ""])
        eventually("the orphan's end", lambda: reaped(orphan.pid, {ours.pid}))
        assert (
            orphan.wait() == 0
        )  # what subprocess takes for the status if others have collected it
        assert ours.stdin is not None
        ours.stdin.close()
        os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
        reap_orphans({ours.pid})
        assert ours.wait() == 7


def reaped(pid: int, ours: set[int]) -> bool:
    """Whether a child is no more, not even as a zombie."""
    reap_orphans(ours)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False

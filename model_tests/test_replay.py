"""A run can be told as one line of text, and repeated from it."""

import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tests import replay
from model_tests.replay import Run, decode, encode
from model_tests.simulator.choices import Seeded
from model_tests.simulator.timeline import told
from model_tests.simulator.worlds import WORLDS
from tests.support.source import ROOT

CHOICES = st.lists(st.one_of(st.just(0), st.integers(0, 40), st.integers(0)), max_size=100)


@given(choices=CHOICES)
def test_schedules_survive_as_text(choices: list[int]) -> None:
    """What is decoded is what was encoded, and the text is one word to a shell."""
    text = encode(choices)
    assert decode(text) == choices
    assert shlex.split(f"schedule {text}") == ["schedule", *([text] if choices else [])]


def test_schedules_are_compact() -> None:
    """A decision takes a character, as a rule, and a row of harmless ones takes one in all."""
    assert encode([0] * 26 + [1, 0, 35, 0, 0, 36]) == "Z10zB.36."


@pytest.mark.parametrize("text", ["-", "1.2", "..", "é", "1 2"])
def test_no_other_text_is_a_schedule(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A text that was damaged on its way is refused, with the place."""
    with pytest.raises(SystemExit):
        replay.main(["schedule", "--", text])
    assert "no schedule" in capsys.readouterr().err


@pytest.mark.parametrize("world", WORLDS)
def test_decisions_repeat_a_run(world: str) -> None:
    """The same decisions lead to the same events, in each world."""
    first = Run(Seeded(4), world, timeline=True).play()
    again = first.repeated(timeline=True)
    assert told(again.simulation) == told(first.simulation)
    assert again.chooser.taken == first.chooser.taken


def test_a_seed_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """The command for a seed prints who did what, and says that all properties hold."""
    assert replay.main(["seed", "5", "--steps", "30"]) == 0
    printed = capsys.readouterr().out
    assert "producer-1's send(" in printed
    assert "all properties hold" in printed


def test_the_command_can_be_run() -> None:
    """`python -m model_tests.replay` is a command, and says how it is used."""
    command = [sys.executable, "-m", "model_tests.replay", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "schedule" in shown.stdout


@pytest.mark.usefixtures("careless_sends")
def test_a_violation_is_told_and_shrunk(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, timeline, property, and a command; shrunk, they are about a few steps only."""
    assert replay.main(["seed", "1"]) == 1
    whole = capsys.readouterr().out
    assert whole.endswith(f"\nreplay: {replay.PROGRAM} seed 1\n")
    assert replay.main(["seed", "1", "--shrink"]) == 1
    shrunk = capsys.readouterr().out
    assert len(shrunk) < len(whole)
    timeline, violation, command = shrunk.split("\n\n")
    assert "send of" in timeline
    assert violation.startswith(("NO-LOSS: ", "REPEATABLE: "))
    assert replay.main(shlex.split(command.partition(replay.PROGRAM)[2])) == 1
    assert capsys.readouterr().out == shrunk

"""The page of guarantees claims nothing that nothing would contradict.

Each claim has a note, and each note names properties, tests or defects that there are.
"""

import re
from collections.abc import Iterator

from dynamomq.drivers import wire
from dynamomq.effects import Remove, Set
from dynamomq.machine import MESSAGE
from dynamomq.reserved import CONSUMER
from dynamomq.rules import StateMachine
from tests.support.source import ROOT
from tests.test_wire import specialised_cases

EXPLANATION = ROOT / "docs" / "explanation"
PAGE = (EXPLANATION / "guarantees.md").read_text(encoding="utf-8")
NOTES = "## What would fail"
ASSUMED = "assumed"
"""The note on what is said of others, or is no promise."""


def claims() -> Iterator[str]:
    """Each paragraph, item of a list, row of a table and definition of the page."""
    text = re.sub(r"^(?=- |\| )", "\n", PAGE.partition(NOTES)[0], flags=re.MULTILINE)
    for block in re.split(r"\n\s*\n", text):
        claim = block.strip()
        is_heading = claim.startswith(("#", "| ---", "| operation |", "| cause |"))
        leads_on = claim.endswith(":") or "The notes at the end of this page" in claim
        if claim and not is_heading and not leads_on:
            yield claim


def notes() -> dict[str, str]:
    """The notes by their labels."""
    found = re.findall(r"^\[\^([\w-]+)\]: (.*?)(?=^\[\^|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return {label: re.sub(r"\s+", " ", text) for label, text in found}


def rows(page: str) -> Iterator[list[str]]:
    """The rows of the tables of a page, each as its cells."""
    for line in (EXPLANATION / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.split("|")[1:-1]]


def test_every_claim_has_a_note() -> None:
    """Whoever adds a claim says what would fail if it did not hold."""
    without = [claim for claim in claims() if not re.search(r"\[\^[\w-]+\]", claim)]
    assert without == []
    assert len(list(claims())) > 40


def test_notes_and_claims_belong_together() -> None:
    """No note is missing, and none is left over."""
    used = set(re.findall(r"\[\^([\w-]+)\](?!:)", PAGE))
    assert used == notes().keys()


def test_what_notes_name_is_there() -> None:
    """Properties are on the page of what is proved, defects on theirs, tests in their files."""
    properties = {cells[0] for cells in rows("proof.md")}
    defects = {cells[0]: cells[2] for cells in rows("mutants.md")}
    for label, note in notes().items():
        named = re.findall(r"`([^`]+)`", note)
        tests = [one for one in named if "::" in one]
        told = re.findall(r"\b[A-Z]{2,}(?:-[A-Z]+)*\b", note)
        assert told or named or label == ASSUMED, label
        assert set(told) <= properties, label
        for defect in (one for one in named if "::" not in one):
            assert defects.get(defect) in told, f"{label}: {defect}"
        for test in tests:
            path, _, name = test.partition("::")
            source = (ROOT / path).read_text(encoding="utf-8")
            assert f"\ndef {name}(" in source, f"{label}: {test}"


# --- what no other test says -----------------------------------------------------------------


def test_no_write_is_unconditional() -> None:
    """Every write of every machine asks something of the item that it meets."""
    for heading, rule in specialised_cases():
        assert wire.expressions(rule).condition, heading


def written(machine: StateMachine) -> set[str]:
    """The attributes that a machine's steps set or remove."""
    return {
        effect.attribute.name
        for transition in machine.transitions
        for effect in transition.effects
        if isinstance(effect, Set | Remove)
    }


def test_no_condition_of_a_message_reads_hints() -> None:
    """What consumers say of themselves is in no condition of a write to a message."""
    hints = written(CONSUMER) - written(MESSAGE)
    assert hints
    for heading, rule in specialised_cases():
        if heading.startswith(MESSAGE.name):
            words = set(re.findall(r"\w+", wire.expressions(rule).condition))
            assert not words & hints, heading

"""The page of the documentation that lists the mutants, and how each was killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from model_tests.mutants.altering import Mutant
from model_tests.mutants.hunt import SEEDS, SEEDS_OF_LONG_RUNS, Kill

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "mutants.md"

_INTRODUCTION = """\
# Defects that the tests must find

Tests that pass prove little unless they would fail if something were wrong. So a defect is built
into DynamoMQ, one of those below at a time, and the simulator of the model tests runs what is left:
the real operations, with replies lost, requests that arrive late, stale indexes, wrong clocks and
crashes. The build passes only if the property that the defect breaks is found broken. An exception
does not count, nor does another property.

Defects are hunted with the same {seeds} random runs. The table says in which of them the property
failed. That run was then shortened: what can be left out of it was left out, and the last column
says how many steps remain. The same steps are taken without the defect, too, and then all
properties hold. A step is one request of one producer, consumer or operator, or one thing that
happens to the world, such as a leap of a clock. A few defects do harm so seldom that they are
hunted in one of the [scopes](proof.md#small-worlds-exhaustively), where nothing is left to chance,
or, where consumers have them, in a *tale*: steps that are told one by one.
Those that are about the correction of clocks are hunted in runs of the same seeds in which clocks
are wrong by hours (*corrected*), those of the consumer in the first {long} of those seeds, where
those who receive are consumers with all their threads (*workers*), those of message groups in as
many, where all send into a few groups (*groups*), and those of batches where producers and
consumers do several things in one call (*batches*).

Defects are named after the operation that has them. `python -m model_tests.mutants NAME` tells the
shortest story of one: who did what when, and what became of the message.

"""
_HEAD = (
    "| defect | | property | found in | shortest story |",
    "| --- | --- | --- | --- | --- |",
)


def row(mutant: Mutant, kill: Kill) -> str:
    """A line of the table."""
    return f"{_beginning(mutant)}{kill.where} | {kill.story.steps} steps |"


def where_found(mutant: Mutant, page: str) -> str | None:
    """Return where the page says that a mutant was killed; ``None``: it does not list it as it is.

    Args:
        mutant: the mutant.
        page: the text of the page.
    """
    rows = (line for line in page.splitlines() if line.startswith(_beginning(mutant)))
    return next((line.split(" | ")[3] for line in rows), None)


def _beginning(mutant: Mutant) -> str:
    return f"| {mutant.name} | {mutant.change} | {mutant.breaks} | "


def text(kills: Mapping[Mutant, Kill]) -> str:
    """The whole page."""
    rows = [*_HEAD, *(row(mutant, kill) for mutant, kill in kills.items())]
    numbers = {"seeds": len(SEEDS), "long": len(SEEDS_OF_LONG_RUNS)}
    return _INTRODUCTION.format(**numbers) + "\n".join(rows) + "\n"

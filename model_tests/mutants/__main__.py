"""Run mutants: all of them for a table, some for their stories (see ``--help``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from model_tests.mutants.altering import Mutant
from model_tests.mutants.catalogue import MUTANTS
from model_tests.mutants.hunt import Kill, built_in, hunt
from model_tests.mutants.page import PAGE, row, text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; 1 if a mutant survives, otherwise 0."""
    options = _parser().parse_args(arguments)
    by_name = {mutant.name: mutant for mutant in MUTANTS}
    kills = {}
    for mutant in [by_name[name] for name in options.names] or MUTANTS:
        kill = hunt(mutant)
        if kill is None:
            print(f"{mutant.name} survives: {mutant.change} {mutant.breaks} should fail.")
            continue
        kills[mutant] = kill
        print(_story(mutant, kill) if options.names else row(mutant, kill), flush=True)
    if options.names:
        return 0 if len(kills) == len(options.names) else 1
    steps = sum(kill.steps for kill in kills.values())
    print(f"{len(kills)} of {len(MUTANTS)} mutants killed, in {steps:,} steps")
    if len(kills) < len(MUTANTS):
        return 1
    if options.write:
        PAGE.write_text(text(kills), encoding="utf-8")
    return 0


def _story(mutant: Mutant, kill: Kill) -> str:
    with built_in(mutant):
        story = kill.story.told(f"python -m model_tests.mutants {mutant.name}")
    return f"{mutant.name}: {mutant.change}\n\n{story}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_tests.mutants",
        description="Build defects into the library, one at a time, and run each until the "
        "property that it breaks is found broken. Exit code 1: a defect is not found.",
    )
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        choices=[[], *(mutant.name for mutant in MUTANTS)],
        help="tell the shortest story with which this one is found",
    )
    parser.add_argument("--write", action="store_true", help="write the page of the documentation")
    return parser


if __name__ == "__main__":
    sys.exit(main())

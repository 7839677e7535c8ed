"""Search the small scopes exhaustively: ``python -m model_tests.exhaustive --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_tests.simulator.pairs import PAIRS, Family
from model_tests.simulator.scopes import DEEP, SCOPES
from model_tests.simulator.search import Found, Scope, Way, explore, follow
from model_tests.simulator.timeline import told
from model_tests.simulator.torn import BESIDE_REPAIR

PROGRAM = "python -m model_tests.exhaustive"
GENERATED: Sequence[Family] = (*PAIRS, *BESIDE_REPAIR)
ALL: Sequence[Scope | Family] = (*SCOPES, *GENERATED)
WORLDS = {
    scope.name: scope
    for scope in (*SCOPES, *DEEP, *(one for family in GENERATED for one in family.scopes))
}
"""Each scope, and each generated world, by its name."""

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "proof.md"


def start_of_row(scope: Scope | Family) -> str:
    """How a scope's row begins."""
    return f"| {scope.name} |"


def row(scope: Scope | Family, found: Found) -> str:
    """A scope's row in the documentation."""
    counts = " | ".join(f"{n:,}" for n in (found.states, found.transitions, found.ends))
    return f"{start_of_row(scope)} {scope.what} | {counts} |"


def write(scope: Scope | Family, found: Found) -> None:
    """Bring a scope's row in the documentation up to date."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    known = start_of_row(scope)
    after = [row(scope, found) if line.startswith(known) else line for line in lines]
    PAGE.write_text("\n".join([*after, ""]), encoding="utf-8")


def report(scope: Scope, way: Way) -> str:
    """Tell where a way leads: what happened, what is wrong, and how to go it again."""
    simulation, violation = follow(scope, way)
    command = f"{PROGRAM} {scope.name} --way {'.'.join(map(str, way))}"
    return f"{told(simulation)}\n\n{violation or 'all properties hold'}\n\nreplay: {command}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Search what the command line names; 1 if a property does not hold, otherwise 0."""
    given = _parser().parse_args(arguments)
    if given.way:
        return max(_go(WORLDS[name], given.way) for name in given.scopes)
    for scope in ALL:
        if scope.name not in (given.scopes or scope.name):
            continue
        found, world = visited(scope)
        print(row(scope, found), f"{found.transitions / found.seconds:,.0f} a second", flush=True)
        if found.violation is not None:
            print(report(world, found.way))
            return 1
        if given.write:
            write(scope, found)
    return 0


def visited(scope: Scope | Family) -> tuple[Found, Scope]:
    """Search a scope, or all of a family, and return with that the last one."""
    return scope.explore() if isinstance(scope, Family) else (explore(scope), scope)


def _go(scope: Scope, way: Way) -> int:
    try:
        print(report(scope, way))
    except LookupError as error:
        print(f"{error}; ways hold only while the simulator is the same", file=sys.stderr)
        return 2
    return int(follow(scope, way)[1] is not None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Search all that can happen in small worlds, and print how many states and "
        "transitions there are. Exit code 1: a property does not hold; 0: all do; 2: there is "
        "no such way.",
        epilog="; ".join(f"{scope.name}: {scope.what}" for scope in ALL) + ".",
    )
    parser.add_argument("scopes", nargs="*", metavar="SCOPE", help="which (default: all)")
    parser.add_argument("--way", type=_way, help="go this way instead, as a report's last line has")
    parser.add_argument("--write", action="store_true", help=f"write the counts into {PAGE.name}")
    return parser


def _way(text: str) -> Way:
    return tuple(int(number) for number in text.split("."))


if __name__ == "__main__":
    sys.exit(main())

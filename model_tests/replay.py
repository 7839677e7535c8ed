"""Repeat a run of the simulator, and tell what happened: ``python -m model_tests.replay --help``.

A run follows from its decisions alone, so a seed repeats it, and so does the list of its decisions,
written as a line of text that can be copied: the only one that still works when it has been made
shorter. Whoever finds a violation prints :func:`report`, whose last line is the command.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from itertools import groupby
from shlex import quote

from attrs import define, field

from model_tests.simulator import runs
from model_tests.simulator.asked import ViolationError
from model_tests.simulator.choices import Chooser, Recorded, Seeded
from model_tests.simulator.scripts import Schedule, shortened
from model_tests.simulator.shrink import BUDGET
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.timeline import told
from model_tests.simulator.worlds import RANDOM, WORLDS, steps_in

PROGRAM = "python -m model_tests.replay"

# --- schedules as text -----------------------------------------------------------------------

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ZEROS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SYMBOL = re.compile(r"(?P<digit>[0-9a-z])|(?P<zeros>[A-Z])|\.(?P<large>\d+)\.")


def encode(choices: Sequence[int]) -> str:
    """Write decisions as one word that no shell takes for anything else.

    A digit (to base 36) is a decision, a capital letter so many harmless ones (C: three zeros), and
    what has no digit stands between points (``.36.``).
    """
    words = []
    for choice, group in groupby(choices):
        length = len(list(group))
        if choice == 0 and length > 1:
            most = len(_ZEROS) - 1
            words += [_ZEROS[-1]] * (length // most) + [_ZEROS[length % most].strip()]
        else:
            words += [_DIGITS[choice] if choice < len(_DIGITS) else f".{choice}."] * length
    return "".join(words)


def decode(text: str) -> list[int]:
    """Read what :func:`encode` has written.

    Raises:
        ValueError: it has not written that.
    """
    choices: list[int] = []
    place = 0
    while place < len(text):
        symbol = _SYMBOL.match(text, place)
        if symbol is None:
            raise ValueError(
                f"no schedule: {text!r} makes no sense from {text[place : place + 9]!r}"
            )
        if symbol["zeros"]:
            choices += [0] * _ZEROS.index(symbol["zeros"])
        else:
            choices.append(int(symbol["large"] or _DIGITS.index(symbol["digit"])))
        place = symbol.end()
    return choices


# --- runs ------------------------------------------------------------------------------------


@define
class Run:
    """A run that has not begun, is under way, or has ended.

    Attributes:
        chooser: what decides.
        world: in which of ``WORLDS`` it takes place.
        steps: how many steps there are before peace comes.
        timeline: whether a timeline is kept.
        error: the violation in which it has ended, if any.
        simulation: the world as it is by now.
    """

    chooser: Chooser
    world: str = RANDOM
    steps: int = field()
    timeline: bool = False
    error: ViolationError | None = None
    simulation: Simulation = field(init=False)

    @steps.default
    def _steps(self) -> int:
        return steps_in(self.world)

    def __attrs_post_init__(self) -> None:
        self.simulation = WORLDS[self.world](self.chooser, timeline=self.timeline)

    def play(self) -> Run:
        """Let it take place."""
        try:
            runs.run(self.simulation, self.chooser, self.steps)
        except ViolationError as error:
            self.error = error
        return self

    @property
    def command(self) -> str:
        """The command that repeats it, by its decisions so far."""
        options = [f"--world {self.world}"] * (self.world != RANDOM)
        options += [f"--steps {self.steps}"] * (self.steps != steps_in(self.world))
        return " ".join([PROGRAM, "schedule", *options, quote(encode(self.chooser.taken))])

    def repeated(self, choices: Sequence[int] | None = None, *, timeline: bool = False) -> Run:
        """Repeat it, or do the same with other decisions."""
        chooser = Recorded(self.chooser.taken if choices is None else choices)
        return Run(chooser, self.world, self.steps, timeline).play()


def command_of_seed(seed: int, steps: int | None = None, world: str = RANDOM) -> str:
    """Return the command that repeats the random run of a seed."""
    options = f" --world {world}" * (world != RANDOM)
    options += f" --steps {steps}" * (steps not in (None, steps_in(world)))
    return f"{PROGRAM} seed{options} {seed}"


def report(simulation: Simulation, error: ViolationError, command: str) -> str:
    """Tell of a violation: what led to it, what it is, and how to repeat it."""
    return f"{told(simulation)}\n\n{error}\n\nreplay: {command}"


def report_of(run: Run, command: str | None = None) -> str:
    """Tell of the violation in which a run has ended, by repeating it with a timeline."""
    again = run if run.timeline else run.repeated(timeline=True)
    assert again.error is not None, "the same decisions lead to the same violation"
    return report(again.simulation, again.error, command or again.command)


def shrunk(run: Run, budget: int = BUDGET) -> Run:
    """Return a run with fewer and tamer steps that violates the same property."""
    assert run.error is not None, "only a violation can be shrunk"
    schedule = Schedule(tuple(run.chooser.taken), run.steps)
    best = shortened(schedule, run.error.property_id, budget, stage=WORLDS[run.world])
    return Run(Recorded(best.choices), run.world, best.steps, timeline=True).play()


# --- the command -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Repeat what the command line says; 1 if a property does not hold, otherwise 0."""
    given = _parser().parse_args(arguments)
    steps = steps_in(given.world) if given.steps is None else given.steps
    if given.kind == "seed":
        run = Run(Seeded(given.seed), given.world, steps, timeline=True)
        command = command_of_seed(given.seed, steps, given.world)
    else:
        run = Run(Recorded(given.text), given.world, steps, timeline=True)
        command = None
    try:
        run.play()
    except BaseException:  # a defect of the simulator, or an operation's unforeseen error
        print(told(run.simulation))
        raise
    if run.error is None:
        print(told(run.simulation))
        print(f"\nall properties hold: {len(run.simulation.timeline or ())} steps")
        return 0
    if given.shrink:
        run, command = shrunk(run, given.budget), None
    print(report_of(run, command))
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Repeat a run of the simulator and print its timeline: who did what when, what "
        "came of it, what became of the items. Exit code 1: a property does not hold; 0: all do.",
        epilog="A seed or a schedule means the same only while the simulator is the same: weights "
        "and the order of alternatives are part of it.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    seed = kinds.add_parser("seed", help="the random run of a seed")
    seed.add_argument("seed", type=int)
    schedule = kinds.add_parser("schedule", help="the run with these decisions")
    schedule.add_argument("text", type=_schedule, help="as a report's last line has it")
    for kind in (seed, schedule):
        kind.add_argument("--world", choices=WORLDS, default=RANDOM, help="where it takes place")
        kind.add_argument(
            "--steps", type=int, help=f"before peace comes ({runs.STEPS}, or what the world needs)"
        )
        kind.add_argument(
            "--shrink", action="store_true", help="first make a schedule that fails minimal"
        )
        kind.add_argument(
            "--budget", type=int, default=BUDGET, help="runs for --shrink at most (%(default)s)"
        )
    return parser


def _schedule(text: str) -> list[int]:
    try:
        return decode(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())

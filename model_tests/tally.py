"""What has happened in many runs: the figures that say whether they were worth something."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from model_tests.simulator import fates, runs
from model_tests.simulator.calls import OPERATIONS
from model_tests.simulator.simulation import Simulation
from tests.support.figures import Rows

FAULT = "fault: "
INDEX_FAULTS = ("stale", "repeated", "missing")


@define
class Tally:
    """What has happened in some runs.

    Attributes:
        runs: how many there were.
        steps: how many they took.
        counts: as worlds keep them.
        entries: of the index, as it keeps them.
    """

    runs: int = 0
    steps: int = 0
    counts: Counter[str] = field(factory=Counter)
    entries: Counter[str] = field(factory=Counter)

    def add(self, simulation: Simulation) -> None:
        """Count what happened in one more run."""
        self.runs += 1
        self.steps += runs.steps_of(simulation)
        self.counts.update(simulation.counts)
        self.entries.update(simulation.index.seen)

    def starting(self, prefix: str) -> dict[str, int]:
        """The counts whose names have a prefix, most frequent first, without it."""
        return {
            name.removeprefix(prefix): count
            for name, count in self.counts.most_common()
            if name.startswith(prefix)
        }

    @property
    def rows(self) -> Rows:
        """All of it, as a table."""
        return {
            "runs": {"runs": self.runs},
            "steps": {"steps": self.steps},
            "writes": {"taken place": self.counts["written"], "refused": self.counts["refused"]},
            "index entries": {"as they are": self.unharmed, **self.index_faults},
            "faults": self.starting(FAULT),
            **{operation: self.starting(f"{operation}: ") for operation in OPERATIONS},
        }

    @property
    def index_faults(self) -> dict[str, int]:
        """How many of the index's entries were not as they should have been."""
        return {name: self.entries[name] for name in INDEX_FAULTS}

    @property
    def unharmed(self) -> int:
        """How many of the index's entries were as they are in the table."""
        return self.entries["shown"] - self.entries["stale"]

    def lacks(self) -> list[str]:
        """What has not happened once, though it should have: the runs do not test it."""
        wanted = [f"{FAULT}{fate.name}" for fate in fates.FAULTS]
        wanted += [f"{operation}: done" for operation in OPERATIONS]
        return [name for name in wanted if not self.counts[name]] + [
            name for name, count in self.index_faults.items() if not count
        ]

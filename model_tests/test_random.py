"""Random runs by seed: as many as the profile says, each judged by the oracle after every step."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from dynamomq.requests import Moment
from dynamomq.timestamps import SECOND
from model_tests.profiles import chosen, first_seed
from model_tests.regressions import REGRESSIONS, WORLD, Regression
from model_tests.replay import PROGRAM, Run, command_of_seed, report_of, shrunk
from model_tests.simulator.actors import Actor
from model_tests.simulator.attempts import Writing
from model_tests.simulator.calls import HINTS, MEDDLING, WHOLESALE
from model_tests.simulator.choices import Recorded, Seeded
from model_tests.simulator.fates import Fate
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.worlds import (
    BATCHES,
    CORRECTED,
    CREWS,
    GROUPED,
    RANDOM,
    STRANGE,
    WORKERS,
)
from model_tests.tally import Tally
from tests.support.figures import MILLISECONDS, figures
from tests.support.triggers import HOLDERS

WORKERS_RUNS, CREWS_RUNS = 100, 30
"""At most: a run with consumers is as long as six others."""

STRANGE_RUNS = 150
"""At most, where nothing is as it should be."""

IN_SCOPES_ONLY = {"tear", "repair_group"}
"""A list that is torn and mended again meets all others in scopes *ad* and *ae* instead."""

RecordProperty = Callable[[str, object], None]


def seeds(block: int) -> Iterator[int]:
    """The seeds of a block of runs: as many as the profile says, or for as long as it says."""
    profile, until = chosen(), time.monotonic() + chosen().minutes * 60
    for number in itertools.count():
        if number >= profile.runs and time.monotonic() >= until:
            return
        yield first_seed() + block + number * profile.blocks


def checked(seed: int, world: str = RANDOM) -> Simulation:
    """Let the run of a seed take place; fail with a report if a property does not hold."""
    run = Run(Seeded(seed), world, timeline=world == CORRECTED)
    command = command_of_seed(seed, world=world)
    try:
        run.play()
    except Exception as error:
        error.add_note(f"replay: {command}")
        raise
    if run.error is not None:
        short = report_of(shrunk(run))
        pytest.fail(f"{short}\n(found by: {command})", pytrace=False)
    return run.simulation


@pytest.mark.parametrize("block", range(chosen().blocks))
def test_properties_hold_in_random_runs(block: int, record_property: RecordProperty) -> None:
    """All properties hold in all runs of the block.

    And the runs are worth something: each kind of fault happens, the index lags in every way, and
    every operation succeeds.
    """
    tally, started = Tally(), time.process_time()
    for seed in seeds(block):
        tally.add(checked(seed))
    milliseconds = round((time.process_time() - started) * 1000)
    record_property("figures", figures("random runs", tally.rows))
    speed = {"random runs": {"steps": tally.steps, MILLISECONDS: milliseconds}}
    record_property("figures", figures("speed", speed))
    assert not tally.lacks()


def moments(simulation: Simulation) -> Iterator[tuple[int, Moment]]:
    """The true time, and what an actor was told of it, as often as one asked."""
    for moved in simulation.timeline or ():
        if moved.answer is not None and isinstance(moved.answer.value, Moment):
            yield moved.time, moved.answer.value


def test_properties_hold_where_wrong_clocks_are_corrected(record_property: RecordProperty) -> None:
    """Clocks are wrong by hours, and corrected by what the storage's answers say of the time.

    Then all properties hold, PROGRESS too, which allows for clocks that differ by seconds only. And
    nobody's time is further from the true one than the estimate says: never as much as three
    seconds.
    """
    tally, asked, wrong = Tally(), 0, 0
    for seed in seeds(0):
        simulation = checked(seed, CORRECTED)
        tally.add(simulation)
        wrong += sum(actor.offset != 0 for actor in simulation.actors.values())
        for time_, moment in moments(simulation):
            asked += 1
            assert abs(moment.now - time_) <= (moment.uncertainty or 0) < 3 * SECOND
    rows = {"clocks": {"wrong by hours": wrong}, "asked for the time": {"times": asked}}
    record_property("figures", figures("corrected clocks", {**tally.rows, **rows}))
    assert not tally.lacks()
    assert wrong > tally.runs


def test_properties_hold_among_strangers(record_property: RecordProperty) -> None:
    """All properties hold where items are damaged or another port's, in a queue of two shards.

    One clock may be hours off, and more time may pass at once than any request is repeated
    for. Operators edit all messages of a queue at once, and batches are for several groups.
    """
    tally, started = Tally(), time.process_time()
    for seed in itertools.islice(seeds(0), STRANGE_RUNS):
        tally.add(checked(seed, STRANGE))
    milliseconds = round((time.process_time() - started) * 1000)
    record_property("figures", figures("strangers", tally.rows))
    speed = {"strangers": {"steps": tally.steps, MILLISECONDS: milliseconds}}
    record_property("figures", figures("speed", speed))
    calls = {*WHOLESALE, *MEDDLING, "send_batch"} - IN_SCOPES_ONLY
    wanted = [f"{name}: done" for name in calls]
    assert not [name for name in (*wanted, "step: quarantine") if not tally.counts[name]]


def test_consumers_keep_their_promises(record_property: RecordProperty) -> None:
    """Where those who receive are the library's consumers, all properties hold, and theirs do.

    They are crashed, frozen, and told to stop; what they know of each other is wrong, late, or
    removed. In the end one of them finishes everything, in a time that the number of entries
    bounds. Each promise is put to the test, and each of a consumer's calls succeeds.
    """
    tally, seen, started = Tally(), Counter[str](), time.process_time()
    for seed in itertools.islice(seeds(0), WORKERS_RUNS):
        simulation = checked(seed, WORKERS)
        tally.add(simulation)
        seen.update(getattr(simulation.oracle, "seen", {}))
    milliseconds = round((time.process_time() - started) * 1000)
    rows = {name: tally.starting(f"{name}: ") for name in HINTS}
    promises = {"promises": dict(sorted(seen.items()))}
    record_property("figures", figures("consumers", {**tally.rows, **rows, **promises}))
    speed = {"consumers": {"steps": tally.steps, MILLISECONDS: milliseconds}}
    record_property("figures", figures("speed", speed))
    wanted = (*HINTS, *HOLDERS)
    assert not [name for name in wanted if not tally.counts[f"{name}: done"]]
    assert {"HEARTBEAT", "REST", "DRAIN", "LEASE started", "REPORT unknown"} <= seen.keys()


@pytest.mark.usefixtures("careless_sends")
def test_a_violation_is_told_with_its_commands() -> None:
    """If send overwrites what is there, a run tells so: as short as can be, and with its seed."""
    with pytest.raises(pytest.fail.Exception, match=r"NO-LOSS: |REPEATABLE: ") as caught:
        checked(0)
    text = str(caught.value)
    assert text.count("calls send") in (1, 2)
    assert f"\nreplay: {PROGRAM} schedule --steps " in text
    assert text.endswith(f"\n(found by: {PROGRAM} seed 0)")


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda one: one.name)
def test_what_was_found_once_is_found_again(regression: Regression) -> None:
    """All properties hold where they once did not; without the remedy they still would not."""
    with regression.undone():
        choices = regression.choices()
        broken = Run(Recorded(choices), WORLD).play()
    run = Run(Recorded(choices), WORLD)
    if run.play().error is not None:
        pytest.fail(report_of(run), pytrace=False)
    assert broken.error is not None, "these steps do not show it any more"
    assert broken.error.property_id == regression.breaks


def test_consumers_keep_the_order_of_groups(record_property: RecordProperty) -> None:
    """All that holds of the library's consumers holds where most messages are in groups, too."""
    tally = Tally()
    for seed in itertools.islice(seeds(0), CREWS_RUNS):
        tally.add(checked(seed, CREWS))
    record_property("figures", figures("consumers of groups", tally.rows))
    wanted = (*(f"step: {step}" for step in ("promote", "link")), "delete: done", "extend: done")
    assert not [name for name in wanted if not tally.counts[name]]


@pytest.mark.parametrize("world", [RANDOM, BATCHES, GROUPED])
def test_every_write_of_a_message_has_its_end(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """WRITE-8: whatever is asked for, there is a latest moment at which an attempt may be sent."""
    endless: set[str] = set()
    attempt = Simulation._write

    def noted(simulation: Simulation, actor: Actor, request: Writing, fate: Fate) -> None:
        if request.send_by is None:
            endless.add(repr(request))
        attempt(simulation, actor, request, fate)

    monkeypatch.setattr(Simulation, "_write", noted)
    for seed in range(first_seed(), first_seed() + 12):
        checked(seed, world)
    assert not endless

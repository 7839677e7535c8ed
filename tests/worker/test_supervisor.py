"""The policy of a worker, with time as an argument: who is started when, and how it ends."""

import logging
import signal
from collections.abc import Sequence

import pytest
from attrs import define, field

from dynamomq.consumer.signals import ONE_ORDER
from dynamomq.worker.statuses import ChildStatus, ExitStatus, describe_status
from dynamomq.worker.supervisor import (
    HEAD_START,
    HEALTHY_AFTER,
    MARGIN,
    Action,
    Kill,
    Start,
    Supervisor,
    Tell,
    Word,
)

GRACE = 30.0
CRASHED = 1
KILLED = -signal.SIGKILL


@define
class World:
    """A supervisor, and children that do what a test says."""

    processes: int = 2
    chance: float = 1.0
    now: float = 1_000.0
    log: list[Action] = field(factory=list)
    supervisor: Supervisor = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.supervisor = Supervisor(self.processes, GRACE, lambda: self.chance)
        self.do(self.supervisor.begin(self.now))

    def all_running(self) -> "World":
        """This world, when all children have been started."""
        self.advance(HEAD_START)
        return self

    def do(self, actions: Sequence[Action]) -> list[Action]:
        """Carry actions out: every start succeeds."""
        for action in actions:
            if isinstance(action, Start):
                self.supervisor.started(action.number, 100 + action.number)
        self.log += actions
        return list(actions)

    def exit(self, number: int, status: int) -> list[Action]:
        """A child ends."""
        return self.do(self.supervisor.exited(number, status, self.now))

    def signal(self) -> list[Action]:
        """The worker gets a signal, a second after whatever happened last."""
        self.now += ONE_ORDER
        return self.echo()

    def echo(self) -> list[Action]:
        """The worker gets a signal at once."""
        return self.do(self.supervisor.signalled("SIGTERM", self.now))

    def advance(self, seconds: float) -> list[Action]:
        """Time passes, with a tick at its end."""
        self.now += seconds
        return self.do(self.supervisor.tick(self.now))

    def wait(self) -> tuple[float, list[Action]]:
        """Time passes until something is due; how much, and what is done then."""
        assert self.supervisor.wake_at is not None
        seconds = self.supervisor.wake_at - self.now
        return seconds, self.advance(seconds)

    @property
    def status(self) -> ExitStatus | None:
        """The worker's exit status."""
        return self.supervisor.exit_status


@pytest.fixture
def world() -> World:
    """Two children, both running."""
    return World().all_running()


def test_the_first_goes_ahead() -> None:
    """The first child is started at once, all others together, a little later."""
    world = World(processes=3)
    assert world.log == [Start(1)]
    assert world.wait() == (HEAD_START, [Start(2), Start(3)])


@pytest.mark.parametrize("status", [ChildStatus.SETUP, ChildStatus.USAGE])
def test_what_keeps_all_from_working_is_seen_once(status: int) -> None:
    """If the first child finds a set-up or usage error soon, the others are never started."""
    world = World(processes=3)
    assert world.exit(1, status) == []
    assert world.status is not None
    assert world.advance(HEAD_START) == []


def test_a_first_that_crashes_holds_nobody_up() -> None:
    """A crash is no such error: the others are started in their time."""
    world = World(processes=3)
    world.exit(1, KILLED)
    assert world.wait() == (HEAD_START, [Start(1), Start(2), Start(3)])


def test_each_is_started_once(world: World) -> None:
    """Each child is started exactly once, and then there is nothing to wait for but events."""
    assert world.log == [Start(1), Start(2)]
    assert world.supervisor.wake_at is None
    assert world.advance(1_000) == []
    assert world.status is None


# --- restarts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    [KILLED, -signal.SIGSEGV, CRASHED, 70, ChildStatus.FINISHED, ChildStatus.LEFT, -signal.SIGTERM],
)
def test_who_ends_unasked_is_started_again(world: World, status: int) -> None:
    """Whatever it was, a child that nobody told to end is replaced, and only that one."""
    assert world.exit(2, status) == []
    assert world.wait() == (1.0, [Start(2)])
    assert world.status is None


def test_delays_grow_and_are_bounded(world: World) -> None:
    """A child that dies at once has bounds that double, up to a minute; the other has its own."""
    delays = []
    for _ in range(9):
        world.exit(1, CRASHED)
        seconds, actions = world.wait()
        assert actions == [Start(1)]
        delays.append(seconds)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    world.exit(2, CRASHED)
    assert world.wait() == (1.0, [Start(2)])


def test_delays_are_random(world: World) -> None:
    """The whole of the bound is used, so that processes do not start in step."""
    world.chance = 0.25
    world.exit(1, CRASHED)
    assert world.wait() == (0.25, [Start(1)])
    world.chance = 0.0
    world.exit(1, CRASHED)
    assert world.wait() == (0.0, [Start(1)])


def test_a_healthy_life_is_forgiving(world: World) -> None:
    """A child that has lived for a while starts with short delays again; a moment less won't do."""
    for _ in range(5):
        world.exit(1, CRASHED)
        world.wait()
    world.advance(HEALTHY_AFTER - 0.5)
    world.exit(1, CRASHED)
    assert world.wait() == (32.0, [Start(1)])
    world.advance(HEALTHY_AFTER)
    world.exit(1, CRASHED)
    assert world.wait() == (1.0, [Start(1)])


def test_a_refused_start_is_tried_again(world: World) -> None:
    """Where the system has no process to give, that counts as a child that died at once."""
    world.exit(1, KILLED)
    world.now += 1.0
    assert world.supervisor.tick(world.now) == [Start(1)]
    world.supervisor.not_started(1, OSError("no memory"), world.now)
    assert world.wait() == (2.0, [Start(1)])


def test_each_at_its_own_time(world: World) -> None:
    """Of two that wait for their restart, each is started when its own delay is over."""
    world.exit(1, CRASHED)
    world.now += 0.5
    world.exit(2, CRASHED)
    assert world.wait() == (0.5, [Start(1)])
    assert world.wait() == (0.5, [Start(2)])


# --- stopping --------------------------------------------------------------------------------


def test_a_signal_stops_all(world: World) -> None:
    """All children are told; the worker has ended when the last of them has."""
    assert world.signal() == [Tell(1, Word.STOP), Tell(2, Word.STOP)]
    assert world.exit(1, ChildStatus.FINISHED) == []
    assert world.status is None
    world.exit(2, ChildStatus.FINISHED)
    assert world.status is ExitStatus.DRAINED


def test_nobody_is_started_while_stopping(world: World) -> None:
    """A child that waits for its restart is not started any more, nor one that dies meanwhile."""
    world.exit(1, KILLED)
    assert world.signal() == [Tell(2, Word.STOP)]
    world.exit(2, KILLED)
    assert world.advance(GRACE / 2) == []
    assert [one for one in world.log if isinstance(one, Start)] == [Start(1), Start(2)]


def test_nobody_left_to_tell(world: World) -> None:
    """Where all children wait for their restart, a signal ends the worker at once."""
    world.exit(1, KILLED)
    world.exit(2, KILLED)
    assert world.signal() == []
    assert world.status is ExitStatus.DRAINED


def test_a_child_that_had_not_begun(world: World) -> None:
    """One that a signal to the whole group ends before it listens held nothing: that is clean."""
    world.signal()
    world.exit(1, -signal.SIGTERM)
    world.exit(2, -signal.SIGINT)
    assert world.status is ExitStatus.DRAINED


@pytest.mark.parametrize("status", [ChildStatus.LEFT, KILLED, CRASHED])
def test_handlers_that_do_not_finish(world: World, status: int) -> None:
    """One child that leaves something behind decides the worker's status."""
    world.signal()
    world.exit(1, status)
    world.exit(2, ChildStatus.FINISHED)
    assert world.status is ExitStatus.LEFT


def test_grace_has_an_end(world: World) -> None:
    """Children that are still there a little after the grace are killed, once."""
    world.signal()
    world.exit(1, ChildStatus.FINISHED)
    assert world.advance(GRACE) == []
    assert world.wait() == (MARGIN, [Kill(2)])
    assert world.supervisor.wake_at is None
    assert world.advance(1_000) == []
    world.exit(2, KILLED)
    assert world.status is ExitStatus.LEFT


def test_the_second_signal_forces(world: World) -> None:
    """It makes the children give up; one that does not even do that is killed soon."""
    world.signal()
    world.advance(1)
    assert world.signal() == [Tell(1, Word.GIVE_UP), Tell(2, Word.GIVE_UP)]
    world.exit(1, ChildStatus.FORCED)
    assert world.wait() == (MARGIN, [Kill(2)])
    world.exit(2, KILLED)
    assert world.status is ExitStatus.FORCED


def test_forced_in_vain(world: World) -> None:
    """If all was finished in spite of a second signal, nothing is left, and the status is 0."""
    world.signal()
    world.signal()
    world.exit(1, ChildStatus.FINISHED)
    world.exit(2, ChildStatus.FINISHED)
    assert world.status is ExitStatus.DRAINED


def test_the_second_signal_does_not_prolong(world: World) -> None:
    """Shortly before the children are killed, a second signal does not put that off."""
    world.signal()
    world.advance(GRACE + MARGIN - 0.5)
    world.echo()
    assert world.wait() == (0.5, [Kill(1), Kill(2)])


def test_signals_within_a_moment_are_one(world: World) -> None:
    """The process, and then its group, get each order: it is neither forced nor killed by that."""
    assert world.signal() == [Tell(1, Word.STOP), Tell(2, Word.STOP)]
    world.advance(ONE_ORDER / 2)
    assert world.echo() == world.echo() == []
    assert world.signal() == [Tell(1, Word.GIVE_UP), Tell(2, Word.GIVE_UP)]
    assert world.echo() == []
    assert world.signal() == [Kill(1), Kill(2)]


def test_the_third_signal_kills(world: World) -> None:
    """It is for those who do not want to wait, and the status is that of the second."""
    world.signal()
    world.signal()
    assert world.signal() == [Kill(1), Kill(2)]
    world.exit(1, KILLED)
    world.exit(2, KILLED)
    assert world.status is ExitStatus.FORCED


# --- what stops the whole worker -------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(ChildStatus.SETUP, ExitStatus.SETUP), (ChildStatus.USAGE, ExitStatus.USAGE)],
)
def test_no_crash_loop_for_what_will_not_heal(
    world: World, status: int, outcome: ExitStatus
) -> None:
    """A missing table or handler stops the others in good order, and nothing is restarted."""
    assert world.exit(1, status) == [Tell(2, Word.STOP)]
    world.exit(2, ChildStatus.FINISHED)
    assert world.status is outcome


@pytest.mark.parametrize("status", [ChildStatus.SETUP, ChildStatus.USAGE])
def test_who_works_is_left_alone(world: World, status: int) -> None:
    """Once a child has been healthy, another's set-up or usage error has that one restarted only.

    Time and again, with delays that grow: until it passes, or somebody stops the worker.
    """
    world.advance(HEALTHY_AFTER)
    world.exit(2, KILLED)
    world.wait()
    for delay in (2.0, 4.0, 8.0):
        assert world.exit(2, status) == []
        assert world.wait() == (delay, [Start(2)])
    assert world.signal() == [Tell(1, Word.STOP), Tell(2, Word.STOP)]
    world.exit(1, ChildStatus.FINISHED)
    world.exit(2, ChildStatus.FINISHED)
    assert world.status is ExitStatus.DRAINED


def test_healthy_needs_its_time(world: World) -> None:
    """A moment before any child has been healthy, such an error still stops all."""
    world.advance(HEALTHY_AFTER - HEAD_START - 0.5)
    assert world.exit(1, ChildStatus.SETUP) == [Tell(2, Word.STOP)]


def test_restarts_do_not_add_up_to_health(world: World) -> None:
    """Children that die young, over and over, prove nothing, however long that goes on."""
    begun = world.now
    while world.now < begun + 2 * HEALTHY_AFTER:
        world.exit(1, CRASHED)
        world.exit(2, CRASHED)
        world.wait()
    assert world.exit(1, ChildStatus.SETUP) == [Tell(2, Word.STOP)]


def test_health_is_remembered() -> None:
    """A worker of one process, too, waits for what worked before: a blip must not end it."""
    world = World(processes=1)
    world.advance(HEALTHY_AFTER)
    for delay in (1.0, 2.0):
        assert world.exit(1, ChildStatus.SETUP) == []
        assert world.wait() == (delay, [Start(1)])
    assert world.status is None


def test_the_first_cause_counts(world: World) -> None:
    """If children end for different causes, the first one is told; a drain does not hide it."""
    world.exit(1, ChildStatus.SETUP)
    world.exit(2, ChildStatus.USAGE)
    assert world.status is ExitStatus.SETUP


def test_a_cause_that_shows_while_stopping(world: World) -> None:
    """Access that is withdrawn in the midst of the drain is told, too."""
    world.signal()
    world.exit(1, ChildStatus.FINISHED)
    assert world.exit(2, ChildStatus.SETUP) == []
    assert world.status is ExitStatus.SETUP


def test_a_signal_after_a_failure(world: World) -> None:
    """A first signal while the others finish makes them give up; the cause stays the status."""
    world.exit(1, ChildStatus.SETUP)
    assert world.signal() == [Tell(2, Word.GIVE_UP)]
    world.exit(2, ChildStatus.FORCED)
    assert world.status is ExitStatus.SETUP


# --- what is said ----------------------------------------------------------------------------


def test_the_log_tells_the_story(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Starts, ends with the signal's name, delays and kills are logged, with process ids."""
    caplog.set_level(logging.INFO, "dynamomq.worker")
    world.exit(1, KILLED)
    world.wait()
    world.exit(1, CRASHED)
    world.signal()
    world.advance(GRACE + MARGIN)
    assert caplog.messages == [
        "process 1 (pid 101) was killed by SIGKILL; starting it again in 1.0 s",
        "process 1 started: pid 101",
        "process 1 (pid 101) ended with status 1 (2 in a row); starting it again in 2.0 s",
        "SIGTERM: stopping; handlers have 30 s to finish",
        "process 2 (pid 102) is still there after its time was up: killed",
    ]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (1, "ended with status 1"),
        (ChildStatus.SETUP, "ended: a set-up error"),
        (-9, "was killed by SIGKILL"),
        (-200, "was killed by signal 200"),
    ],
)
def test_statuses_in_words(status: int, text: str) -> None:
    """Signals have their names; our own statuses have a meaning."""
    assert describe_status(status) == text

"""Series of calls, faults and other events by rule, as a user would tell a story (spec: PROPERTY).

The rules are those of the world ``USERS``: one for each trigger of the machine that somebody calls,
one for each kind of fault, one for each part of the world that can move. Every event is a decision
as in any other run, so a story that fails is repeated like one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dynamomq.attributes import DUE
from dynamomq.effects import Set
from dynamomq.expressions import Arg, Attr
from dynamomq.machine import MESSAGE, NO_MESSAGE
from dynamomq.message import Message
from dynamomq.operations.writing import state_of
from dynamomq.requests import Write, WriteBatch
from dynamomq.rules import Transition
from model_tests.profiles import chosen
from model_tests.replay import PROGRAM, Run, main, report_of
from model_tests.simulator.actors import Actor
from model_tests.simulator.asked import (
    KEEPS_DUE,
    LONGER,
    PURGES,
    RECEIVERS,
    REMOVERS,
    WHOLESALE,
    ViolationError,
)
from model_tests.simulator.calls import OPERATIONS
from model_tests.simulator.fates import FAULTS, Fate
from model_tests.simulator.movers import CLOCKS, EXPIRY, INDEX, LATE, TIME, Mover
from model_tests.simulator.runs import come_to_an_end
from model_tests.simulator.steering import Steered, steer
from model_tests.simulator.timeline import told
from model_tests.simulator.worlds import LAGS, USERS
from model_tests.tally import Tally
from tests.support.figures import figures
from tests.support.triggers import CALLED, NOT_CALLED, WRITERS

Held = MultipleResults[Message[Any]]

WORLD_PARTS = (INDEX, LATE, TIME, CLOCKS, EXPIRY)
NUMBERS = st.integers(0, 59)  # which of some alternatives, counted round and round
LAG = st.integers(0, len(LAGS) - 1)
AS_IT_SHOULD = 0  # the place of what is most harmless
PATIENCE = 40  # steps that a call takes at most, if nothing goes wrong


class Stories(RuleBasedStateMachine):
    """A world in which rules decide what happens next."""

    tally: ClassVar[Tally] = Tally()  # over all stories
    held: Bundle[Message[Any]] = Bundle("held")

    run: Run
    chooser: Steered

    @initialize(
        target=held,
        first=st.tuples(st.integers(0, 3), *[st.integers(0, 4)] * 3),
        sent=st.integers(0, 3),
        received=st.integers(0, 3),
    )
    def begin(self, first: Sequence[int], sent: int, received: int) -> Held:
        """Settings and clocks are decided; some messages are sent, and some of them received."""
        self.chooser = Steered(first)
        self.run = Run(self.chooser, USERS, steps=0)
        self.sent: set[str] = set()
        self.removed: set[str] = set()
        self._possible: Mapping[Mover, Sequence[Fate]] | None = None
        for number in range(sent):
            self.call(self.idle[0], "send", number, begins=False)
        for number in range(received):
            self.call(self.idle[number], "receive", 0, begins=False)
        return multiple(*(one for actor in self.actors for one in actor.held))

    # --- what there is -----------------------------------------------------------------------

    @property
    def possible(self) -> Mapping[Mover, Sequence[Fate]]:
        """What could happen now, by who can move."""
        if self._possible is None:
            world = self.run.simulation
            self._possible = {mover: world.fates(mover)[1] for mover in world.movers()[1]}
        return self._possible

    @property
    def actors(self) -> list[Actor]:
        """Who can move."""
        actors = self.run.simulation.actors
        return [actors[mover.actor] for mover in self.possible if mover.actor]

    @property
    def idle(self) -> list[Actor]:
        """Who can call something."""
        return [actor for actor in self.actors if actor.execution is None]

    @property
    def busy(self) -> list[Actor]:
        """Whose request is waiting for an answer."""
        return [actor for actor in self.actors if actor.execution is not None]

    # --- what happens ------------------------------------------------------------------------

    def let(self, mover: Mover, place: int) -> Held:
        """Let one of the possible things happen; what somebody has received by that is held now."""
        world = self.run.simulation
        actor = world.actors.get(mover.actor)
        call = actor.call if actor else None
        before = actor.held if actor else ()
        accepted = world.counts["send: done"]
        self.run.steps += 1
        self._possible = None
        try:
            steer(world, self.chooser, mover, place)
        except ViolationError as error:
            self.run.error = error
            pytest.fail(report_of(self.run), pytrace=False)
        except Exception as error:
            error.add_note(f"replay: {self.run.command}")
            raise
        if call is not None and world.counts["send: done"] > accepted:
            self.sent.add(str(call.plan.id))
        return multiple(*(one for one in (actor.held if actor else ()) if one not in before))

    def call(
        self, actor: Actor, trigger: str, number: int, begins: bool, about: object = None
    ) -> Held:
        """Let somebody make one of the calls of a trigger, or only come to its first write."""
        plans = [fate.detail for fate in self.possible[actor.mover]]
        calls = [
            place
            for place, plan in enumerate(plans)
            if plan.operation == trigger and plan.message is about
        ]
        place = _pick(calls, number)
        if trigger in REMOVERS:
            self.removed.add(plans[place].id or plans[place].message.id)
        self.let(actor.mover, place)
        return self.go_on(actor, lambda: begins and _is_writing(actor))

    def go_on(self, actor: Actor, is_enough: Callable[[], bool] = lambda: False) -> Held:
        """Let nothing disturb somebody's call until it ends, has to wait, or is far enough."""
        before = actor.held
        for _ in range(PATIENCE):
            if is_enough() or actor not in self.busy:
                break
            self.let(actor.mover, AS_IT_SHOULD)
        return multiple(*(one for one in actor.held if one not in before))

    @precondition(lambda self: self.busy)
    @rule(target=held, who=NUMBERS)
    def finishes(self, who: int) -> Held:
        """Somebody's call comes to its end."""
        return self.go_on(_pick(self.busy, who))

    @precondition(lambda self: self.busy)
    @rule(target=held, who=NUMBERS)
    def goes_on(self, who: int) -> Held:
        """Somebody's request is answered, and they come to their next one to the storage."""
        actor = _pick(self.busy, who)
        before = actor.held
        self.let(actor.mover, AS_IT_SHOULD)
        self.go_on(actor, lambda: actor.asks_storage)
        return multiple(*(one for one in actor.held if one not in before))

    @rule(lag=LAG)
    def index_lags(self, lag: int) -> None:
        """From now on changes reach the index in another way."""
        self.chooser.wanted = lag

    @precondition(lambda self: INDEX in self.possible)
    @rule()
    def index_catches_up(self) -> None:
        """All changes reach the index, in order."""
        while INDEX in self.possible:
            self.let(INDEX, AS_IT_SHOULD)

    # --- what must hold ----------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        """What can be told without the oracle, which judges every step, holds too."""
        world = self.run.simulation
        states = {id: self._state(id) for id in {*world.items, *self.sent}}
        lost = [id for id in self.sent - self.removed if states[id] in NO_MESSAGE]
        assert not lost, self._told("accepted, removed by nobody, and gone", lost)
        malformed = [id for id, state in states.items() if state == "MALFORMED"]
        assert not malformed, self._told("no operation writes such items", malformed)
        receipts = [one.receipt for actor in world.actors.values() for one in actor.held]
        assert len(receipts) == len(set(receipts)), self._told("deliveries must differ", receipts)

    def _told(self, what: str, about: Sequence[object]) -> str:
        again = self.run.repeated(timeline=True)
        return f"{told(again.simulation)}\n\n{what}: {about}\n\nreplay: {self.run.command}"

    def _state(self, id: str) -> str:
        world = self.run.simulation
        return state_of(world.settings, world.items.get(id), world.time)

    def teardown(self) -> None:
        """PROGRESS: when peace comes, everything comes to a good end."""
        if not hasattr(self, "run") or self.run.error is not None:
            return  # it has not begun, or is over
        try:
            come_to_an_end(self.run.simulation)
        except ViolationError as error:
            self.run.error = error
            pytest.fail(report_of(self.run), pytrace=False)
        self.tally.add(self.run.simulation)


# --- rules that follow from the machine, and from what can move ------------------------------


def _rule_of_trigger(trigger: str) -> Callable[..., Any]:
    if WRITERS[trigger] == "holder":

        def uses(self: Stories, message: Message[Any], number: int, begins: bool) -> Held:
            known = [(one, actor) for actor in self.idle for one in (*actor.held, *actor.done)]
            # Its holder may be busy, or have crashed.
            found = [pair for pair in known if pair[0] is message] or known
            if not found:
                return multiple()
            about, actor = _pick(found, number)
            return self.call(actor, trigger, number, begins, about)

        return _rule(
            f"calls_{trigger}",
            uses,
            lambda self: self.idle,
            message=Stories.held,
            number=NUMBERS,
            begins=st.booleans(),
        )

    def calls(self: Stories, who: int, number: int, begins: bool) -> Held:
        return self.call(_pick(self.idle, who), trigger, number, begins)

    return _rule(
        f"calls_{trigger}",
        calls,
        lambda self: self.idle,
        who=NUMBERS,
        number=NUMBERS,
        begins=st.booleans(),
    )


def _rule_of_fault(fault: Fate) -> Callable[..., Any]:
    def places(self: Stories) -> list[tuple[Mover, int]]:
        found = [(actor.mover, self.possible[actor.mover]) for actor in self.busy]
        return [(mover, fates.index(fault)) for mover, fates in found if fault in fates]

    def happens(self: Stories, who: int) -> Held:
        return self.let(*_pick(places(self), who))

    name = "_".join(re.findall(r"\w+", f"request {fault.name}"))
    return _rule(name, happens, lambda self: bool(places(self)), who=NUMBERS)


def _rule_of_part(mover: Mover) -> Callable[..., Any]:
    def moves(self: Stories, number: int) -> Held:
        return self.let(mover, _pick(range(len(self.possible[mover])), number))

    return _rule(f"{mover.kind}_moves", moves, lambda self: mover in self.possible, number=NUMBERS)


def _rule(
    name: str, function: Callable[..., Held], when: Callable[[Any], bool], **drawn: Any
) -> Callable[..., Any]:
    """A rule with a name of its own: Hypothesis tells rules apart by their names."""
    function.__name__ = name
    return precondition(when)(rule(target=Stories.held, **drawn)(function))


RULES = [
    *map(_rule_of_trigger, CALLED),
    *map(_rule_of_fault, FAULTS),
    *map(_rule_of_part, WORLD_PARTS),
]
for one in RULES:
    setattr(Stories, one.__name__, one)


def _is_writing(actor: Actor) -> bool:
    return isinstance(actor.execution and actor.execution.request, Write | WriteBatch)


def _pick(found: Sequence[Any], number: int) -> Any:
    return found[number % len(found)]


# --- tests -----------------------------------------------------------------------------------

RARE = {
    "fault: fails for one",
    "fault: fails for one, executed",
    "fault: fails for some",
    "repeated",
    "stale",
    "redrive: done",
}
"""Faults inside batches, and what must be prepared by other steps: index entries that are stale or
shown twice, and messages in the dead-letter queue. Random runs have them all."""

STORIES = settings(
    max_examples=chosen().stories,
    stateful_step_count=60,
    derandomize=chosen().is_repeatable,
    # The phase that explains failures traces every line, and the timeline explains more.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    report_multiple_bugs=False,
)
QUICKLY = settings(STORIES, max_examples=50, derandomize=True, database=None)


def test_properties_hold_in_every_story(record_property: Callable[[str, object], None]) -> None:
    """All properties hold whatever users, network and clocks do; and they have done everything."""
    Stories.tally = Tally()
    run_state_machine_as_test(Stories, settings=STORIES)
    record_property("figures", figures("stories by rule", Stories.tally.rows))
    assert set(Stories.tally.lacks()) <= RARE


@pytest.mark.usefixtures("careless_sends")
def test_a_violation_is_found_shrunk_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """If send overwrites what is there, two of them are a story that says so, and a command too."""
    with pytest.raises(pytest.fail.Exception, match="NO-LOSS") as caught:
        run_state_machine_as_test(Stories, settings=QUICKLY)
    text = str(caught.value)
    assert text.count("calls") == 2
    command = text.partition(PROGRAM)[2]
    assert main(shlex.split(command)) == 1
    assert capsys.readouterr().out == f"{text}\n"


def test_every_trigger_has_a_rule() -> None:
    """What users call is the machine's triggers, time and upkeep apart; an exemption has a reason.

    A trigger that is new to the machine is called at once; if the simulator has no operation for
    it, this test says so.
    """
    triggers = {trigger for trigger, by in WRITERS.items() if by not in ("time", "upkeep")}
    rules = {one.__name__ for one in RULES}
    assert {f"calls_{trigger}" for trigger in triggers - NOT_CALLED.keys()} <= rules
    assert triggers >= NOT_CALLED.keys()
    assert OPERATIONS.keys() == triggers - NOT_CALLED.keys()


SENDERS_AND_USERS = ("sender", "holder", "operator")


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("REMOVERS", {*REMOVERS} - {*WHOLESALE}, lambda one: one.destination == "DELETED"),
        (
            "PURGES",
            {*PURGES} - {*WHOLESALE},
            lambda one: one.by == "operator" and one.source.endswith(".PROCESSING"),
        ),
        (
            "KEEPS_DUE",
            {*KEEPS_DUE},
            lambda one: (
                one.by == "operator" and one.destination != "DELETED" and not _sets(one, DUE)
            ),
        ),
        (
            "LONGER",
            {*LONGER, "release"},  # to now, which it is passed as its due time
            lambda one: one.by in SENDERS_AND_USERS and Set(DUE, Arg("due")) in one.effects,
        ),
        ("RECEIVERS", {*RECEIVERS} - {"claim"}, lambda one: one.by == "receiver" and _claims(one)),
    ],
)
def test_the_oracle_knows_every_trigger(
    name: str, known: set[str], meant: Callable[[Transition], bool]
) -> None:
    """The oracle imports no machine; what it has been told of triggers is of all that there are.

    A trigger that is missing in one of its lists is to be added there, in ``asked.py``.
    """
    wanted = {step.trigger for step in MESSAGE.transitions if meant(step)}
    assert known == wanted, f"asked.{name} is not what the machine says: {known ^ wanted}"


def _sets(step: Transition, attribute: Attr) -> bool:
    return any(effect.attribute == attribute for effect in step.effects)


def _claims(step: Transition) -> bool:
    return step.destination.endswith(".PROCESSING")

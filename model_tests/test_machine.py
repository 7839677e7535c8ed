"""The state machine by itself: what must hold of every transition, over random items."""

from collections import Counter

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamomq.expressions import FALSE, all_of
from dynamomq.machine import MESSAGE, place_of, queue_of, receipt_of
from dynamomq.reserved import RESERVED
from dynamomq.rules import Rule, StateMachine, Transition, executable
from dynamomq.timestamps import SECOND, format_instant, parse_instant
from dynamomq.values import Item, Value
from spec.examples import MACHINES, NOW, Arguments, arguments_for, at, clock, reads
from spec.times import TIME_CASES
from spec.vectors import Attempt, attempts, rule_of
from tests.support.items import MESSAGE_ITEMS, arguments, items

STATES = {name: {s.name: s for s in machine.states} for name, machine in MACHINES.items()}
WRITES = [one for one in MESSAGE.transitions if one.trigger not in TIME_CASES]
TRIGGERS = [trigger for trigger in MESSAGE.triggers if trigger not in TIME_CASES]
RESERVED_WRITES = [(machine, one) for machine in RESERVED for one in machine.transitions]
MENDING = ("mend", "mend_last")
UPKEEP = {one.trigger for one in WRITES if one.by == "upkeep"}.difference(MENDING)


def name_of(transition: Transition) -> str:
    """How a transition is called in test ids and reports."""
    return f"{transition.trigger}-{transition.source}-{transition.destination}"


def applies(machine: StateMachine, one: Transition, item: Item | None, given: Arguments) -> bool:
    """The plain meaning of a transition: the source's predicate AND the guard."""
    predicate = STATES[machine.name][one.source].predicate
    return all_of((predicate, one.guard)).evaluate(item or {}, given)


def state_of(machine: StateMachine, item: Item | None, given: Arguments) -> str:
    """The name of an item's state at the time of the arguments."""
    return machine.state_of(item, {**clock(), **given}).name


def attempts_at(transition: Transition) -> list[Attempt]:
    """The hand-written cases of one transition."""
    return [one for one in attempts(MESSAGE, transition.trigger) if one.transition == transition]


# --- states ----------------------------------------------------------------------------------


@given(item=items())
@settings(max_examples=500)
def test_states_are_a_partition(item: Item | None) -> None:
    """MACHINE-2: every item whatsoever is in exactly one state."""
    found = [s.name for s in MESSAGE.states if s.predicate.evaluate(item or {}, clock())]
    assert len(found) == 1, found


@pytest.mark.parametrize("state", MESSAGE_ITEMS)
def test_typical_items_are_in_their_states(state: str) -> None:
    """The examples that everything else starts from are what they say."""
    assert state_of(MESSAGE, MESSAGE_ITEMS[state], {}) == state


@given(item=items())
@settings(max_examples=500)
def test_states_say_what_is_true_of_their_items(item: Item | None) -> None:
    """MACHINE-8: the facts of a state are true of each of its items, and the others are not.

    Of a damaged item, only the item can tell in which queue it is, and so whether it is in a list.
    """
    state = MESSAGE.state_of(item, clock())
    there = item or {}
    place = place_of(there)
    queue = queue_of(there.get("queue_type"))
    in_group = isinstance(there.get("message_group_id"), str)
    if "damaged" in state.facts:
        assert queue is not None
        assert (place == "head") == (in_group and queue == "STANDARD")
    elif "message" in state.facts:
        assert queue == state.queue
        assert (place is not None) == (in_group and "listed" in state.facts)
    assert (place == "behind") == ("waiting" in state.facts)
    assert ("tombstone" in state.facts) == (state.name == "DELETED")


def test_held_is_what_expires() -> None:
    """MACHINE-8: somebody holds a message exactly in the states that time ends."""
    expiring = {one.source for one in MESSAGE.transitions if one.trigger == "expire"}
    assert MESSAGE.states_with("held") == expiring


def test_no_step_leads_to_damage() -> None:
    """MACHINE-8: what is damaged was written by a stranger; all else that is stored, by steps."""
    reached = {one.destination for one in MESSAGE.transitions}
    assert MESSAGE.states_with("message") - reached == MESSAGE.states_with("damaged")


@given(item=items("STANDARD.PROCESSING"))
@settings(max_examples=100)
def test_a_receipt_is_what_its_holder_may_act_with(item: Item) -> None:
    """HOLD-1: an item shows a receipt exactly where the guard of a holder's steps accepts it."""
    state = MESSAGE.state_of(item, clock()).name
    stored = item.get("receipt")
    given_: Arguments = {"receipt": stored} if isinstance(stored, str) else {}  # EXPR-3
    for one in MESSAGE.transitions:
        if one.trigger == "release" and one.source == state:
            assert one.guard.evaluate(item, given_) == (receipt_of(item) is not None)


def test_a_write_has_one_role() -> None:
    """GROUP-11: what a step does to a list is certain once the message has been read."""
    roles: dict[tuple[str, str], set[str]] = {}
    for one in MESSAGE.transitions:
        roles.setdefault((one.trigger, one.source), set()).add(one.role)
    assert [key for key, found in roles.items() if len(found) > 1] == []


@pytest.mark.parametrize("trigger", TIME_CASES)
def test_time_writes_nothing(trigger: str) -> None:
    """MACHINE-5: expire and forget have no guard and no effects."""
    own = [one for one in MESSAGE.transitions if one.trigger == trigger]
    assert all(one.by == "time" and not one.effects and one.guard == all_of(()) for one in own)


@given(item=items(), later=st.sampled_from((1, 10, 30, 300, 3_600)))
@settings(max_examples=500)
def test_time_alone_takes_only_its_own_transitions(item: Item | None, later: int) -> None:
    """MACHINE-5: an item that nobody writes to stays in its state, expires, or is forgotten."""
    before = MESSAGE.state_of(item, clock()).name
    after = MESSAGE.state_of(item, clock(at(later))).name
    own = {(one.source, one.destination) for one in MESSAGE.transitions if one.by == "time"}
    assert before == after or (before, after) in own


# --- transitions -----------------------------------------------------------------------------


@frozen
class Exercised:
    """How often a transition was tried, and allowed."""

    outcomes: Counter[bool]

    def note(self, machine: StateMachine, one: Transition, attempt: Attempt) -> None:
        """Try it; where it is allowed, check that it leads to its destination."""
        item, given = attempt.item, attempt.arguments
        allowed = applies(machine, one, item, given)
        self.outcomes[allowed] += 1
        if allowed:
            after = attempt.rule.specialised(given).apply(item, given)
            assert state_of(machine, after, given) == one.destination
            if machine is MESSAGE:
                assert attempt.rule.role(one.source) == one.role
                check_role(one, item or {}, after or {})


def check_role(one: Transition, before: Item, after: Item) -> None:
    """GROUP-11: a step does to the list of a group what its role says, and to its holder."""
    was_in, is_in = place_of(before) is not None, place_of(after) is not None
    in_group = isinstance(after.get("message_group_id"), str)
    roles = {
        "joins": (not was_in, is_in == in_group),
        "stays": (was_in == in_group, is_in == in_group),
        "leaves": (was_in <= in_group, not is_in),
        "none": (not was_in, not is_in),
    }
    assert all(roles[one.role]), (one.role, was_in, is_in)
    if one.by == "holder":
        holds_on = after.get("receipt") == before.get("receipt") and "held" in (
            STATES["message"][one.destination].facts
        )
        assert one.ends_delivery == (not holds_on)


@pytest.mark.parametrize("transition", WRITES, ids=name_of)
def test_transitions_are_sound(transition: Transition) -> None:
    """MACHINE-3: where source and guard hold, the effects lead to the destination.

    Prints how often the transition was allowed and refused; each must have happened.
    """
    exercised = Exercised(Counter())
    queue, rule = rule_of(MESSAGE, transition.trigger, transition.source)
    for attempt in attempts_at(transition):
        exercised.note(MESSAGE, transition, attempt)

    @given(data=st.data())
    @settings(max_examples=40)
    def explore(data: st.DataObject) -> None:
        item = data.draw(items(transition.source))
        attempt = Attempt("", None, rule, queue, item, data.draw(arguments(rule, item)), "")
        exercised.note(MESSAGE, transition, attempt)

    explore()
    outcomes = exercised.outcomes
    print(f"{name_of(transition)}: {outcomes[True]} allowed, {outcomes[False]} refused")
    assert min(outcomes[True], outcomes[False]) > 0


@pytest.mark.parametrize(
    ("machine", "transition"),
    RESERVED_WRITES,
    ids=[f"{machine.name}-{name_of(one)}" for machine, one in RESERVED_WRITES],
)
def test_other_items_transitions_are_sound(machine: StateMachine, transition: Transition) -> None:
    """MACHINE-3 for the items whose ids are reserved."""
    exercised = Exercised(Counter())
    for attempt in attempts(machine, transition.trigger):
        exercised.note(machine, transition, attempt)
    assert min(exercised.outcomes[True], exercised.outcomes[False]) > 0


@pytest.mark.parametrize("trigger", TRIGGERS)
@given(data=st.data())
@settings(max_examples=40)
def test_transitions_are_deterministic(trigger: str, data: st.DataObject) -> None:
    """MACHINE-4: for an item, a time, a trigger and arguments at most one transition applies."""
    item = data.draw(items())
    rule = MESSAGE.rule(trigger)
    arguments_given = data.draw(arguments(rule, item))
    own = [one for one in WRITES if one.trigger == trigger]
    found = [name_of(one) for one in own if applies(MESSAGE, one, item, arguments_given)]
    assert len(found) <= 1, found


@pytest.mark.parametrize("trigger", TRIGGERS)
@given(data=st.data())
@settings(max_examples=40)
def test_a_rule_is_the_disjunction_of_its_transitions(trigger: str, data: st.DataObject) -> None:
    """MACHINE-6: what is sent, simplified and specialised, decides as the plain transitions do."""
    item = data.draw(items())
    _, rule = rule_of(MESSAGE, trigger, data.draw(st.sampled_from(("STANDARD.", "DLQ."))))
    given_ = data.draw(arguments(rule, item))
    plain = any(applies(MESSAGE, one, item, given_) for _, one in rule.alternatives)
    assert allowed(rule, item, given_) == plain


def allowed(rule: Rule, item: Item | None, given: Arguments) -> bool:
    """Whether the one conditional write of a rule may take place."""
    attempt = Attempt("", None, rule, None, item, given, "")
    return attempt.specialised is not None and attempt.specialised.applies_to(item, given)


@pytest.mark.parametrize("trigger", TRIGGERS)
@given(data=st.data())
@settings(max_examples=40)
def test_every_write_counts(trigger: str, data: st.DataObject) -> None:
    """VERSION: an update raises ``version`` by one and says when; a put starts at 1.

    Whoever keeps a group's list leaves a message its token and its time (MACHINE-7).
    """
    source = data.draw(st.sampled_from(sorted({s.source for s in WRITES if s.trigger == trigger})))
    item = data.draw(items(source))
    _, rule = rule_of(MESSAGE, trigger, source)
    given_ = {**arguments_for(rule, item), **seen_version(item)}
    given_ = {name: value for name, value in given_.items() if name in reads(rule)}
    if not allowed(rule, item, given_) or rule.kind == "delete":
        return
    after = rule.specialised(given_).apply(item, given_) or {}
    before = (item or {}).get("version") if rule.kind == "update" else 0
    if type(before) is int:
        assert after["version"] == before + 1
    elif trigger == "quarantine":
        assert after["version"] == 1
    if trigger in {*UPKEEP, *MENDING} - {"advance"}:
        kept = ("last_updated_timestamp", "token")
        assert [after.get(name) for name in kept] == [(item or {}).get(name) for name in kept]
    else:
        assert after["last_updated_timestamp"] == NOW
        assert after.get("token") == given_.get("token")


def seen_version(item: Item | None) -> dict[str, Value]:
    """The argument ``version`` of a quarantine, as the specification says (RECEIVE-5)."""
    version = (item or {}).get("version", 0)
    return {"version": version + 1 if type(version) is int else 1}


# --- repetition ------------------------------------------------------------------------------


@pytest.mark.parametrize("transition", WRITES, ids=name_of)
@given(data=st.data())
@settings(max_examples=30)
def test_a_write_is_refused_by_its_own_result(transition: Transition, data: st.DataObject) -> None:
    """WRITE-2, REPEATABLE: the same request once more changes nothing.

    Upkeep of a group's list is not asked to: it moves only in transactions, which fail as a whole.
    """
    cases = [(one.item, one.arguments, one.rule) for one in attempts_at(transition)]
    item, given_, rule = data.draw(st.sampled_from(cases))
    if data.draw(st.booleans()):
        item = data.draw(items(transition.source))
        given_ = data.draw(arguments(rule, item))
    if transition.trigger not in UPKEEP and allowed(rule, item, given_):
        after = rule.specialised(given_).apply(item, given_)
        assert not allowed(rule, after, given_)


@pytest.mark.parametrize("transition", WRITES, ids=name_of)
@given(data=st.data())
@settings(max_examples=30)
def test_a_write_is_recognised_by_what_it_leaves(
    transition: Transition, data: st.DataObject
) -> None:
    """WRITE-3: an item shows that a write has changed it, and shows it to nobody else.

    The upkeep of a group's list leaves no trace: it moves with a write that does.
    """
    assert (transition.trace == FALSE) == (transition.trigger in {*UPKEEP, *MENDING} - {"advance"})
    item = data.draw(items(transition.source))
    _, rule = rule_of(MESSAGE, transition.trigger, transition.source)
    given_ = data.draw(arguments(rule, item))
    if not allowed(rule, item, given_):
        return
    after = rule.specialised(given_).apply(item, given_) or {}
    assert rule.trace.evaluate(after, given_) == (transition.trace != FALSE)
    assert not rule.trace.evaluate(after, {**given_, "token": "another write's"})
    assert rule.done.evaluate(after, given_) == (transition.by == "holder")
    assert not rule.done.evaluate(after, {**given_, "receipt": "another delivery's"})


LEGAL = {
    state: sorted({o.trigger for o in WRITES if o.source == state}.difference(UPKEEP, MENDING))
    for state in STATES["message"]
}
"""What a message's life is made of: all but the upkeep of lists."""


@frozen
class Step:
    """One write of a walk: which of the legal ones, after what pause, by how wrong a clock."""

    choice: int
    pause: int
    skew: int


STEPS = st.lists(
    st.builds(
        Step,
        st.integers(0, 59),
        st.sampled_from((0, 1, 29, 31, 400)),
        st.sampled_from((-20, 0, 20)),
    ),
    min_size=2,
    max_size=10,
)


def walk(steps: list[Step]) -> Counter[str]:
    """Live a message's life; after each write try all earlier ones again, which must be refused."""
    clock_time = parse_instant(NOW)
    item: Item | None = None
    done: list[tuple[Rule, Arguments]] = []
    for number, step in enumerate(steps):
        clock_time += step.pause * SECOND
        now = clock_time + step.skew * SECOND
        state = MESSAGE.state_of(item, clock(format_instant(now))).name
        if not LEGAL[state]:
            continue
        trigger = LEGAL[state][step.choice % len(LEGAL[state])]
        _, rule = rule_of(MESSAGE, trigger, state)
        if rule.alternatives[0][1].by in ("holder", "operator") and item is not None:
            now = max(now, parse_instant(str(item["last_updated_timestamp"])) + 1)  # TIME-2
        given_ = {**arguments_for(rule, item, format_instant(now)), "token": f"token-{number}"}
        if allowed(rule, item, given_):
            item = rule.specialised(given_).apply(item, given_)
            done.append((rule, given_))
            for earlier, its in done:
                assert not allowed(earlier, item, its), f"{earlier.trigger} again, in {state}"
    return Counter(rule.trigger for rule, _ in done)


@given(steps=STEPS)
@settings(max_examples=200)
def test_a_late_repetition_is_refused(steps: list[Step]) -> None:
    """REPEATABLE: a request that executes again after any others is refused, whatever the clocks.

    Removal without a trace (TTL, long after the window) is outside of this: see WRITE-5.
    """
    walk(steps)


def test_walks_take_every_step() -> None:
    """The walks above are no walks on the spot: every trigger of a message's life is taken."""
    taken: Counter[str] = Counter()

    @given(steps=STEPS)
    @settings(max_examples=400, derandomize=True, database=None)
    def explore(steps: list[Step]) -> None:
        taken.update(walk(steps))

    explore()
    print(dict(taken))
    never = {"quarantine"}  # no legal write makes an item malformed
    assert set(taken) == {trigger for legal in LEGAL.values() for trigger in legal} - never


# --- the executable model --------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_the_executable_machine_has_the_same_transitions(machine: StateMachine) -> None:
    """MACHINE-1: the package ``transitions`` holds the listed transitions, and no others."""
    model = executable(machine)
    found = {
        (trigger, one.source, one.dest)
        for trigger in machine.triggers
        for one in model.get_transitions(trigger)
    }
    assert found == {(one.trigger, one.source, one.destination) for one in machine.transitions}


@pytest.mark.parametrize("state", MESSAGE_ITEMS)
def test_legal_triggers_are_the_tables(state: str) -> None:
    """MACHINE-1: what an error calls legal is what the table lists for a caller."""
    listed = {
        one.trigger
        for one in MESSAGE.transitions
        if one.source == state and one.by not in ("upkeep", "time")
    }
    assert MESSAGE.legal_triggers(state) == tuple(sorted(listed))

"""The small worlds that are searched exhaustively, and their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from dynamomq.machine import QueueType
from dynamomq.message import Message
from dynamomq.operations import REREAD, Agreement, Look, Settings
from dynamomq.operations.sending import MOST_JOINING
from dynamomq.payload import codec_for
from dynamomq.timestamps import SECOND
from model_tests.simulator import fates
from model_tests.simulator.actors import ADVANCES, Actor, Choice, Role, sending
from model_tests.simulator.agreeing import Knowledge
from model_tests.simulator.attempts import writes_of
from model_tests.simulator.calls import Plan
from model_tests.simulator.clients import Client, Raiser, ShardReceiver, ShardSender, Watch
from model_tests.simulator.index import IndexView, Lag
from model_tests.simulator.oracle import Oracle
from model_tests.simulator.rules import Rules
from model_tests.simulator.runs import come_to_an_end
from model_tests.simulator.search import Scope
from model_tests.simulator.simulation import Simulation
from model_tests.simulator.storage import BaseTable
from model_tests.simulator.worlds import Stranger

TIMEOUT = 10 * SECOND
WINDOW = 300 * SECOND
LEAP = 11 * SECOND  # past a deadline
AHEAD = 2 * SECOND  # one clock's error
PAUSE = 50 * SECOND  # less than a minute, after which clients look; three, and senders switch
BEYOND = 320 * SECOND  # the retry horizon; two, and storage removes what was deleted before
FAR_AHEAD = 2 * 3600 * SECOND  # a clock that is plainly wrong
GROUP = "g"


@frozen
class Sender:
    """Sends messages, each one again until it is told that it is there.

    Attributes:
        ids: which.
        calls: how often it tries at most.
        group: into which group, if any.
    """

    ids: tuple[str, ...]
    calls: int
    group: str | None = None

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Send the next one."""
        if actor.calls >= self.calls:
            return ()
        data = f"{actor.name}.{actor.calls}"
        id = self.ids[min(actor.calls, len(self.ids) - 1)]
        return [(1, sending(id, data, group=self.group))]


@frozen
class BatchSender:
    """Sends messages together, once.

    Attributes:
        ids: which.
        group: into which group, if any.
    """

    ids: tuple[str, ...]
    group: str | None = None

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Send them."""
        if actor.calls:
            return ()
        entries = tuple(sending(id, f"{actor.name}.{id}", group=self.group) for id in self.ids)
        return [(1, Plan("send_batch", entries=entries))]


@frozen
class Worker:
    """Receives one message after the other and finishes each.

    Attributes:
        calls: how many calls it makes at most.
        ways: how it may finish a message.
        batch: how many messages it asks for at once.
        source: from which queue.
    """

    calls: int
    ways: tuple[str, ...] = ("delete",)
    batch: int = 1
    source: QueueType = QueueType.STANDARD

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Finish what it holds, or receive."""
        if actor.calls >= self.calls:
            return ()
        for message in actor.held:
            return [(1, _finishing(message, way)) for way in self.ways]
        most, source = ("max_messages", self.batch), ("source", self.source)
        return [(1, Plan("receive", options=(most, source)))]


_OPTIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "retry": (("delay", 0),),
    "extend": (("timeout", TIMEOUT),),
    ADVANCES: (("receive_next", True),),
}


def _finishing(message: Message[Any], way: str) -> Plan:
    operation = "delete" if way == ADVANCES else way
    return Plan(operation, message=message, options=_OPTIONS.get(way, ()))


@frozen
class Editor:
    """An operator who edits messages, in any way.

    Attributes:
        ids: which.
        calls: how often at most.
        triggers: how.
    """

    ids: tuple[str, ...]
    calls: int = 1
    triggers: tuple[str, ...] = ("bury", "cancel", "update")

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Edit it."""
        if actor.calls >= self.calls:
            return ()
        return [
            (1, Plan(one, id, options=_EDITED.get(one, ())))
            for id in self.ids
            for one in self.triggers
        ]


_EDITED: dict[str, tuple[tuple[str, Any], ...]] = {
    "update": (("data", "edited"),),
    "reschedule": (("delay", 0),),
}


def world(
    roles: dict[str, Role],
    rules: Rules,
    *,
    sent: tuple[str, ...] = (),
    group: str | None = None,
    buried: tuple[str, ...] = (),
    lag: Lag = Lag.LATE,
    max_receives: int | None = None,
    shards: int = 1,
    offsets: dict[str, int] | None = None,
    oracle: Oracle | None = None,
) -> Simulation:
    """A world in which some messages have been sent already, and one of them may be buried."""
    simulation = Simulation(
        Settings("simulated", codec_for(None), TIMEOUT, max_receives, WINDOW, shards, shards),
        Rules(step=0, faults=0, search=True),
        IndexView(lambda: Lag.NONE),
        oracle or Oracle(max_receives, WINDOW, TIMEOUT),
        {
            "sender": Actor("sender", Sender(sent, len(sent), group)),
            "burier": Actor("burier", Editor(buried, len(buried), ("bury",))),
        },
        BaseTable(remember=True),
    )
    run_out(simulation)
    simulation.index.lag = lambda: lag
    simulation.rules = evolve(rules, step=0, search=True)
    meet(simulation, *(Actor(*one, (offsets or {}).get(one[0], 0)) for one in roles.items()))
    return simulation


def meet(simulation: Simulation, *actors: Actor) -> None:
    """Let these be the actors from now on."""
    simulation.actors = {actor.name: actor for actor in actors}
    for actor in actors:
        simulation.oracle.clock(actor.name, actor.offset)
    simulation.counts.clear()


def run_out(simulation: Simulation, *actors: Actor, held_up: bool = False) -> None:
    """Let all do what they have to do, or some actors instead, and let nothing go wrong.

    Unless the first attempt at each write is to be held up, and to be under way still in the end.
    """
    if actors:
        meet(simulation, *actors)
    rules, simulation.rules = simulation.rules, evolve(simulation.rules, faults=0, leaps_left=0)
    while not simulation.is_over:
        mover = simulation.movers()[1][0]
        actor = simulation.actors[mover.actor]
        request = actor.execution.request if actor.execution else None
        late = held_up and not actor.attempts and writes_of(request)
        simulation.take(mover, fates.LATE if late else simulation.fates(mover)[1][0])
    simulation.rules = rules


REPEATED = frozenset({fates.REPLY_LOST, fates.LATE, fates.TIMED_OUT})
COLLISIONS = REPEATED | {fates.CONFLICT, fates.CRASHED_AFTER}


def _faults() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(2), "two": Worker(2)}
    rules = Rules(faults=1, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a",), offsets={"two": AHEAD})


def _two_messages() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(4), "two": Worker(4)}
    return world(roles, Rules(faults=0), sent=("a", "b"))


def _late_requests() -> Simulation:
    roles: dict[str, Role] = {"producer": Sender(("a",), 2), "consumer": Worker(3)}
    rules = Rules(faults=2, kinds=REPEATED, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, lag=Lag.NONE)


def _expiry() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(2), "two": Worker(2), "three": Worker(2)}
    rules = Rules(faults=0, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a",), lag=Lag.NONE)


def _operator() -> Simulation:
    roles: dict[str, Role] = {
        "holder": Worker(2, ways=("delete", "retry", "extend", "release", "move_to_dlq")),
        "operator": Editor(("a",)),
    }
    rules = Rules(faults=1, kinds=REPEATED, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a",), lag=Lag.NONE)


def _used_up() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(2, ways=("delete", "retry")), "two": Worker(2)}
    rules = Rules(faults=1, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a",), lag=Lag.NONE, max_receives=1)


def _batches() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(3, batch=2), "two": Worker(2)}
    return world(roles, Rules(faults=1), sent=("a", "b"), lag=Lag.NONE)


def _seen_twice() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(3, ("retry", "delete"), batch=2), "two": Worker(2)}
    rules = Rules(faults=0, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a",), lag=Lag.TWICE)


def _out_of_sight() -> Simulation:
    roles: dict[str, Role] = {"producer": Sender(("a",), 1), "one": Worker(3), "two": Worker(2)}
    return world(roles, Rules(faults=0, leaps=(LEAP,), leaps_left=1), lag=Lag.GAP)


def _clock_set_back() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(4, ("retry", "delete")), "two": Worker(2)}
    rules = Rules(faults=1, kinds=REPEATED, offsets=(-AHEAD,), jumps_left=1)
    return world(roles, rules, sent=("a",), lag=Lag.NONE)


def _producers_of_a_group() -> Simulation:
    roles: dict[str, Role] = {"one": Sender(("a",), 2, GROUP), "two": Sender(("b",), 2, GROUP)}
    return world(roles, Rules(faults=1), lag=Lag.NONE)


def _sender_and_deleter() -> Simulation:
    roles: dict[str, Role] = {
        "producer": Sender(("b",), 1, GROUP),
        "consumer": Worker(2, ("delete", ADVANCES)),
    }
    rules = Rules(faults=1, kinds=COLLISIONS, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a",), group=GROUP, lag=Lag.NONE)


def _consumers_of_a_group() -> Simulation:
    roles: dict[str, Role] = {"one": Worker(2, (ADVANCES,)), "two": Worker(2)}
    rules = Rules(faults=0, leaps=(LEAP,), leaps_left=1)
    return world(roles, rules, sent=("a", "b"), group=GROUP, offsets={"two": AHEAD})


def _redriver_and_sender() -> Simulation:
    roles: dict[str, Role] = {
        "producer": Sender(("b",), 1, GROUP),
        "operator": Editor(("a",), triggers=("redrive",)),
        "consumer": Worker(2),
    }
    rules, offsets = Rules(faults=1, kinds=REPEATED), {"consumer": AHEAD}
    return world(
        roles, rules, sent=("a",), group=GROUP, buried=("a",), lag=Lag.NONE, offsets=offsets
    )


def _middle_and_head() -> Simulation:
    roles: dict[str, Role] = {
        "holder": Worker(2, ("delete", ADVANCES)),
        "operator": Editor(("b", "c"), triggers=("cancel", "bury", "update")),
    }
    rules = Rules(faults=1)
    return world(roles, rules, sent=("a", "b", "c"), group=GROUP, lag=Lag.NONE)


def _round_the_list() -> Simulation:
    roles: dict[str, Role] = {
        "holder": Worker(2, ("move_to_dlq", "delete")),
        "redriver": Editor(("a", "b"), triggers=("redrive",)),
        "remover": Editor(("b", "c"), triggers=("cancel", "bury", "purge")),
    }
    return world(roles, Rules(faults=0), sent=("a", "b", "c"), group=GROUP, lag=Lag.NONE)


def _upkeep_by_others() -> Simulation:
    roles: dict[str, Role] = {
        "consumer": Worker(2, ("retry",)),
        "producer": Sender(("b",), 1, GROUP),
        "operator": Editor(("a",), triggers=("reschedule",)),
    }
    rules = Rules(faults=1, kinds=REPEATED)
    offsets = {"consumer": AHEAD}
    return world(roles, rules, sent=("a",), group=GROUP, lag=Lag.NONE, offsets=offsets)


def _to_and_fro() -> Simulation:
    roles: dict[str, Role] = {
        "operator": Editor(("a",), 3, ("bury", "redrive")),
        "consumer": Worker(2, ("retry",), source=QueueType.DLQ),
    }
    rules = Rules(faults=1, kinds=REPEATED)
    offsets = {"consumer": AHEAD}  # what has been edited is due a nanosecond later
    return world(roles, rules, sent=("a",), group=GROUP, lag=Lag.NONE, offsets=offsets)


def _used_up_in_group() -> Simulation:
    roles: dict[str, Role] = {
        "consumer": Worker(3, ("retry", "delete")),
        "producer": Sender(("b",), 1, GROUP),
    }
    return world(roles, Rules(faults=1), sent=("a",), group=GROUP, lag=Lag.NONE, max_receives=1)


def _more_than_a_transaction() -> Simulation:
    members = tuple(f"{number:02}" for number in range(MOST_JOINING + 1))
    roles: dict[str, Role] = {"producer": BatchSender(members, GROUP)}
    rules = Rules(faults=5, kinds=frozenset({fates.THROTTLED}))
    simulation = world(roles, rules, lag=Lag.NONE)
    simulation.ending = Simulation.make_peace  # nobody is left to receive them all
    return simulation


def _back_as_it_was() -> Simulation:
    roles: dict[str, Role] = {
        "producer": Sender(("b",), 1, GROUP),
        "burier": Editor(("a",), triggers=("bury",)),
        "remover": Editor(("b",), triggers=("cancel",)),
        "redriver": Editor(("a",), triggers=("redrive",)),
    }
    rules = Rules(faults=1, kinds=frozenset({fates.LATE}))
    return world(roles, rules, sent=("a",), group=GROUP, lag=Lag.NONE)


def _beyond_the_horizon() -> Simulation:
    roles: dict[str, Role] = {"producer": Sender(("a",), 1), "consumer": Worker(2)}
    rules = Rules(faults=1, kinds=REPEATED, leaps=(BEYOND,), leaps_left=2)
    return world(roles, rules, lag=Lag.NONE)


def _batch_beyond_the_horizon() -> Simulation:
    roles: dict[str, Role] = {"producer": BatchSender(("a", "b")), "consumer": Worker(2)}
    rules = Rules(faults=1, kinds=REPEATED, leaps=(BEYOND,), leaps_left=2)
    return world(roles, rules, lag=Lag.NONE)


def _join_beyond_the_horizon() -> Simulation:
    roles: dict[str, Role] = {"producer": Sender(("a",), 1, GROUP), "consumer": Worker(2)}
    rules = Rules(faults=1, kinds=REPEATED, leaps=(BEYOND,), leaps_left=2)
    return world(roles, rules, lag=Lag.NONE)


def _hours_ahead() -> Simulation:
    roles: dict[str, Role] = {
        "consumer": Worker(2, ("retry", "release")),
        "operator": Editor(("a",), triggers=("reschedule", "update", "bury")),
    }
    rules = Rules(faults=1, kinds=REPEATED)
    offsets = {"consumer": FAR_AHEAD}
    simulation = world(roles, rules, sent=("a",), lag=Lag.NONE, offsets=offsets)
    simulation.ending = _when_that_time_has_come
    return simulation


def _when_that_time_has_come(simulation: Simulation) -> None:
    """End in peace, which can't do more about a wrong clock than to wait until it is right."""
    simulation.time += FAR_AHEAD
    simulation.ending = None
    come_to_an_end(simulation)


@frozen
class Repairer:
    """An operator who repairs the list of the group.

    Attributes:
        calls: how often at most.
    """

    calls: int = 1

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Repair it."""
        return [(1, Plan("repair_group", GROUP))] if actor.calls < self.calls else ()


@frozen
class Vandal:
    """Somebody who tears the group's list once."""

    id: str
    how: str

    def choices(self, actor: Actor) -> Sequence[Choice]:
        """Tear it."""
        return () if actor.calls else [(1, Plan("tear", self.id, options=(("how", self.how),)))]


def _torn(id: str, how: str, **roles: Role) -> Simulation:
    """A world with a group whose list is torn; whatever happens, it can be repaired in the end."""
    rules = Rules(faults=1, kinds=frozenset({fates.REPLY_LOST, fates.LATE, fates.CONFLICT}))
    sent, buried = ("a", "b"), ("c",)
    simulation = world({}, rules, sent=(*sent, *buried), group=GROUP, buried=buried, lag=Lag.NONE)
    run_out(simulation, Actor("vandal", Vandal(id, how)))
    meet(simulation, *(Actor(*one) for one in roles.items()))
    simulation.ending = when_it_is_repaired
    return simulation


def when_it_is_repaired(simulation: Simulation) -> None:
    """End in peace, once deliveries are over, and the list has been repaired without a fault."""
    simulation.time += LEAP
    simulation.ending = None
    simulation.actors = {"repairer": Actor("repairer", Repairer())}
    run_out(simulation)
    come_to_an_end(simulation)


def _repairs_a_lost_item() -> Simulation:
    producer = Sender(("d",), 1, GROUP)
    roles: dict[str, Role] = {"producer": producer, "consumer": Worker(2)}
    return _torn(f"$group#{GROUP}", "is gone", repairer=Repairer(), **roles)


def _repairs_a_lost_link() -> Simulation:
    roles: dict[str, Role] = {
        "redriver": Editor(("c",), triggers=("redrive",)),
        "holder": Worker(2, ("delete", "move_to_dlq")),
    }
    return _torn("a", "leads nowhere", repairer=Repairer(), **roles)


_ANY_TWO = Rules(faults=2, kinds=REPEATED | {fates.CONFLICT}, leaps=(LEAP,), leaps_left=1)


def _removed_whatever_happens(*most: str, rules: Rules = _ANY_TWO) -> Simulation:
    simulation = world({}, rules, sent=most or ("a", "b", "c"), group=GROUP, lag=Lag.NONE)
    run_out(simulation, Actor("holder", Worker(1)))
    holder = simulation.actors["holder"]
    holder.role = Worker(2, ("move_to_dlq",))
    meet(simulation, holder, Actor("operator", Editor(("a",), triggers=("cancel", "purge"))))
    return simulation


def _removed_when_its_delivery_ends() -> Simulation:
    rules = evolve(_ANY_TWO, kinds=frozenset({fates.LATE, fates.CONFLICT}))
    return _removed_whatever_happens("a", "b", rules=rules)


def _denied_producer() -> Simulation:
    rules = Rules(faults=3, kinds=frozenset({fates.LATE, fates.CONFLICT, fates.DENIED}))
    return world({"producer": Sender(("a",), 2, GROUP)}, rules, lag=Lag.NONE)


def _holder_and_stranger() -> Simulation:
    roles: dict[str, Role] = {
        "holder": Worker(2, ("retry", "release", "move_to_dlq", "delete")),
        "stranger": Stranger(("a",), calls=1),
    }
    return world(roles, Rules(faults=1, kinds=REPEATED), sent=("a",), lag=Lag.NONE)


def _of_clients(
    raised: bool, producer: ShardSender, receiver: ShardReceiver, leap: int, leaps: int
) -> Simulation:
    """A world whose number of shards is raised: during what happens, or before it."""
    watch = Watch(None, WINDOW, TIMEOUT)
    rules = Rules(faults=0, leaps=(leap,), leaps_left=leaps)
    sent = () if producer.group is None else ("a",)
    simulation = world({}, rules, sent=sent, group=producer.group, lag=Lag.NONE, oracle=watch)
    known = Knowledge(Look(Agreement(), simulation.settings, REREAD), simulation.time)
    operator = Actor("operator", Raiser(2))
    clients = [
        Client(name, role, known=known)
        for name, role in (("producer", producer), ("receiver", receiver))
    ]
    for one in (operator, *clients):
        watch.clock(one.name, 0)
    if raised:
        run_out(simulation, operator)
    watch.known[clients[1].name] = known
    simulation.settings = evolve(simulation.settings, visited=2)  # by which the survivor goes
    actors = clients if raised else [operator, *clients]
    simulation.actors = {one.name: one for one in actors}
    simulation.counts.clear()
    return simulation


def _shard_raising() -> Simulation:
    return _of_clients(False, ShardSender(("a",)), ShardReceiver(1), PAUSE, 3)


def _group_meanwhile() -> Simulation:
    return _of_clients(True, ShardSender(("b",), GROUP), ShardReceiver(3), 3 * PAUSE, 1)


SCOPES = (
    Scope("a", "2 consumers, 1 message, any one fault anywhere", _faults),
    Scope("b", "2 consumers, 2 messages, no faults", _two_messages),
    Scope("c", "producer who tries again, consumer, 1 message, 2 repetitions", _late_requests),
    Scope("d", "3 consumers, 1 message, its deadline passes", _expiry),
    Scope("e", "holder, operator, 1 message, one reply lost or attempt late", _operator),
    Scope("f", "2 consumers, 1 message that may be received once, any one fault", _used_up),
    Scope("g", "consumer of batches, consumer, 2 messages, any one fault", _batches),
    Scope("h", "2 consumers, 1 message, the index shows the old beside the new", _seen_twice),
    Scope("i", "producer, 2 consumers, 1 message that the index loses for a while", _out_of_sight),
    Scope("j", "2 consumers, 1 message, one clock set back, one repetition", _clock_set_back),
    Scope("k", "2 producers, 1 group, 2 messages, any one fault", _producers_of_a_group),
    Scope("l", "producer, consumer at the tail of 1 group, one collision", _sender_and_deleter),
    Scope("m", "2 consumers, 1 group of 2 messages, a deadline passes", _consumers_of_a_group),
    Scope("n", "producer, redriver, consumer, 1 group, one repetition", _redriver_and_sender),
    Scope("o", "holder of the head, operator, 1 group of 3, any one fault", _middle_and_head),
    Scope("p", "holder of the head, 2 operators, 1 group of 3, no faults", _round_the_list),
    Scope("q", "consumer ahead, producer, operator, 1 group, one repetition", _upkeep_by_others),
    Scope("r", "operator, consumer of dead letters, 1 group of 1, one repetition", _to_and_fro),
    Scope("s", "producer, consumer, head to be received once, any one fault", _used_up_in_group),
    Scope("t", "producer, 3 operators, 1 group, one late attempt", _back_as_it_was),
    Scope("u", "operator who raises the shards, producer, receiver, long pauses", _shard_raising),
    Scope("v", "producer, receiver, 1 group, shards raised before, long pauses", _group_meanwhile),
    Scope("w", "producer, consumer, 1 message, one repetition, pauses", _beyond_the_horizon),
    Scope("x", "the same, a batch of 2 messages", _batch_beyond_the_horizon),
    Scope("y", "the same, 1 message of a group", _join_beyond_the_horizon),
    Scope("z", "producer of 99 messages at once, 1 group, 5 throttles", _more_than_a_transaction),
    Scope("aa", "consumer hours ahead, operator, 1 message, one repetition", _hours_ahead),
    Scope("ab", "producer, 1 group, 3 late attempts, conflicts or denials", _denied_producer),
    Scope("ac", "holder, stranger who damages 1 message, one repetition", _holder_and_stranger),
    Scope("ad", "repairer, producer, consumer, 1 group whose item is gone", _repairs_a_lost_item),
    Scope("ae", "repairer, redriver, holder, 1 group with a link to nowhere", _repairs_a_lost_link),
    Scope("af", "holder, remover, 1 group, a deadline, 2 faults", _removed_when_its_delivery_ends),
)

DEEP = (Scope("af-deep", "the same, 1 group of 3, more kinds", _removed_whatever_happens),)
"""Scopes that are too large for the build; ``make deep`` searches them."""

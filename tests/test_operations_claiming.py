"""How consumers agree on who claims what (CONSUMER-2, -3): the embedded engine, virtual time."""

from typing import Any

import pytest

from dynamomq.errors import (
    AccessDeniedError,
    ConflictError,
    DynamoMQError,
    InternalError,
    ThrottledError,
    UnavailableError,
)
from dynamomq.operations import Load
from dynamomq.requests import Query, Request, Write, WriteBatch
from dynamomq.table import TableDefinition
from dynamomq.testing import FaultyEngine
from dynamomq.timestamps import SECOND
from tests.contract.engines import Table
from tests.support.fleet import TABLE, Fleet, Member, is_of_the_fleet, score

FULL = Load(in_flight=9, rate=1.0, full=True)


@pytest.fixture
def fleet() -> Fleet:
    """A table without consumers."""
    return Fleet()


def refreshed(
    fleet: Fleet, *members: Member, seconds: float = 11, load: Load | None = None
) -> None:
    """Let so much time pass that everybody has renewed and looked."""
    fleet.clock.advance(seconds)
    for member in members:
        member.attend(load)


# --- ranks -----------------------------------------------------------------------------------


def test_the_hash_is_the_documented_one() -> None:
    """Golden values of CONSUMER-2, for ports: SHA-256("a" NUL "m"), its first eight bytes."""
    assert score("a", "m").hex() == "10d64fdc93fe17e0"
    assert score("$consumer#STANDARD#x", "ä").hex() == "0638783da8d66251"


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_everybody_claims_its_own(fleet: Fleet, number: int) -> None:
    """Each consumer gets exactly the messages for which it ranks first, the oldest first."""
    members = fleet.together(number)
    sent = fleet.send(40)
    for member in members:
        assert member.claim(40) == fleet.share(sent, member)
    assert sorted(one for member in members for one in member.has) == sorted(sent)
    assert sum(member.lost for member in members) == 0


def test_some_of_its_own_is_enough(fleet: Fleet) -> None:
    """Who wants few gets its oldest, and leaves the others what is theirs."""
    one, _ = fleet.together(2)
    sent = fleet.send(30)
    mine = fleet.share(sent, one)
    assert one.claim(2) == mine[:2]
    while len(one.has) < len(mine):
        assert one.claim(3)
    assert one.has == mine


# --- beginning -------------------------------------------------------------------------------


def test_alone_it_claims_at_once(fleet: Fleet) -> None:
    """The first consumer waits for nobody."""
    sent = fleet.send(3)
    assert fleet.consumer().claim(5) == sent


def test_a_newcomer_counts_after_twelve_seconds(fleet: Fleet) -> None:
    """Until then all is the older one's; from then on both leave each other their shares."""
    (old,) = fleet.together(1)
    new = fleet.consumer()
    new.attend()
    began = fleet.clock.now
    while fleet.clock.now < began + 11.9 * SECOND:
        old.attend()
        new.attend()
        (id,) = fleet.send()
        assert new.claim() == [], "a newcomer took what is another's"
        assert old.claim() == [id]
        fleet.clock.advance(0.3)
    fleet.clock.now = began + 12 * SECOND
    sent = fleet.send(20)
    assert old.claim(20) == fleet.share(sent, old)
    assert new.claim(20) == fleet.share(sent, new)
    assert new.has
    assert (old.lost, new.lost) == (0, 0)


def test_those_that_begin_together_count_together(fleet: Fleet) -> None:
    """A fleet that is started within 12 s does not wait 12 s: each has its share in 3.5 s.

    The first one is alone until it sees the second; the others wait until they are introduced.
    """
    began = fleet.clock.now
    first, second, third = (fleet.consumer() for _ in range(3))
    sent = fleet.send(2)
    assert first.claim() == sent[:1]
    fleet.clock.advance(1)
    assert second.claim() == []
    fleet.clock.advance(1)
    assert third.claim() == []
    for _ in range(4):
        fleet.clock.advance(1)
        for member in fleet.members:
            member.attend()
    assert first.claim() + second.claim() + third.claim() == sent[1:]
    for seconds in (7, 12.5, 13.5, 15):  # the first to have settled does not leave the others
        fleet.clock.now = began + round(seconds * SECOND)
        sent = fleet.send(60)
        for member in fleet.members:
            member.attend()
            assert member.claim(60) == fleet.share(sent, member)
    assert [member.lost for member in fleet.members] == [0, 0, 0]


def test_the_introduction_has_an_end(fleet: Fleet) -> None:
    """A newcomer among newcomers claims nothing at first, and says when to ask again."""
    fleet.consumer().attend()
    fleet.clock.advance(1)
    new = fleet.consumer()
    sent = fleet.send(40)
    assert new.claim(40) == []
    waited = 0.0
    while not (found := new.claim(40)):
        wait = new.claimer.looks_again(fleet.clock.now) / SECOND
        assert 0 < wait <= 2.5
        waited += wait
        assert waited < 4
        fleet.clock.advance(wait)
    assert found == fleet.share(sent, new)


# --- taking over -----------------------------------------------------------------------------


def test_what_nobody_claims_is_taken_over(fleet: Fleet) -> None:
    """A frozen consumer's messages are free after steal_after × rank, not before."""
    one, frozen = fleet.together(2)
    sent = fleet.send(20)
    theirs = fleet.share(sent, frozen)
    assert one.claim(20) == fleet.share(sent, one)
    seen = fleet.clock.now
    assert one.claim(20) == []
    wait = one.claimer.looks_again(fleet.clock.now)
    assert 0 < wait <= SECOND
    fleet.clock.now = seen + SECOND - SECOND // 100
    assert one.claim(20) == []
    fleet.clock.advance(0.02)
    assert sorted(one.claim(20)) == sorted(theirs)


def test_patience_is_by_rank(fleet: Fleet) -> None:
    """Of three, the last in rank waits twice as long as the second, so these two do not race.

    What one takes over looks to the other like work of its owner, so it waits a little longer.
    """
    one, other, frozen = fleet.together(3)
    sent = fleet.send(40)
    theirs = fleet.share(sent, frozen)
    one.claim(40)
    other.claim(40)
    fleet.clock.advance(1.01)
    assert sorted(one.claim(40)) == sorted(fleet.share(theirs, one, one, other))
    assert other.claim(40) == []
    fleet.clock.advance(1.01)
    assert sorted(other.claim(40)) == sorted(fleet.share(theirs, other, one, other))
    assert (one.lost, other.lost) == (0, 0)


def test_age_is_counted_from_when_it_was_seen(fleet: Fleet) -> None:
    """An hour of backlog is no reason to take from others: patience begins with the first look."""
    sent = fleet.send(20)
    fleet.clock.advance(3600)
    one, other = fleet.together(2)
    assert one.claim(20) == fleet.share(sent, one)
    assert one.claim(20) == []
    assert other.claim(20) == fleet.share(sent, other)


def test_its_own_come_first(fleet: Fleet) -> None:
    """What is left by others waits while there is something of one's own, however much younger."""
    one, frozen = fleet.together(2)
    old = fleet.send(10)
    theirs = fleet.share(old, frozen)
    one.claim(10)
    fleet.clock.advance(30)
    frozen.attend()  # it shows itself, and claims nothing
    one.attend()
    young = fleet.send(40)
    mine = fleet.share(young, one)
    assert [one.claim()[0] for _ in mine] == mine
    assert one.claim() in ([id] for id in theirs)


def test_what_waits_for_long_is_taken_in_order(fleet: Fleet) -> None:
    """Neglected messages go the oldest first; what has just become free, from the other end."""
    one, frozen = fleet.together(2)
    sent = fleet.send(20)
    theirs = fleet.share(sent, frozen)
    assert len(theirs) > 3
    one.claim(20)
    fleet.clock.advance(1.1)
    frozen.attend()
    assert one.claim() == theirs[-1:]
    fleet.clock.advance(15)
    frozen.attend()
    assert one.claim(2) == theirs[:2]


def test_a_dead_consumers_share_is_free_when_its_lease_ends(fleet: Fleet) -> None:
    """After half a minute nobody waits for it any more."""
    one, _dead = fleet.together(2)
    refreshed(fleet, one, seconds=31)
    assert one.claimer.others == ()
    sent = fleet.send(20)
    assert one.claim(20) == sent


def test_who_leaves_is_not_waited_for(fleet: Fleet) -> None:
    """Its entry is gone, so its share is free with the others' next look."""
    one, other = fleet.together(2)
    other.leave()
    refreshed(fleet, one)
    sent = fleet.send(20)
    assert one.claim(20) == sent
    assert [info.id for info in fleet.queue.consumers()] == [one.id]


def test_who_is_full_is_passed_over(fleet: Fleet) -> None:
    """Its share is for others at once; when it has free workers again, it has to wait a little."""
    one, full = fleet.together(2)
    refreshed(fleet, full, load=FULL)
    refreshed(fleet, one)
    sent = fleet.send(20)
    assert one.claim(20) == sent
    refreshed(fleet, full)
    sent = fleet.send(20)
    assert full.claim(20) == [], "the other one may still take it for full"
    refreshed(fleet, one)
    assert one.claim(20) == fleet.share(sent, one)
    refreshed(fleet, one, full, seconds=12)
    sent = fleet.send(20)
    mine = fleet.share(sent, full)
    assert set(mine) <= set(full.claim(40))


# --- wrong hints -----------------------------------------------------------------------------


def test_a_stale_entry_is_not_tried_again(fleet: Fleet) -> None:
    """The index shows what is taken long ago: one lost race each, and then no more for a while."""
    front = FaultyEngine(fleet.engine)
    one = fleet.consumer(front.open(TableDefinition(TABLE)))
    one.attend()
    fleet.send(5)
    front.faults.freeze_index()
    assert len(fleet.queue.receive(5)) == 5
    assert one.claim(5) == []
    assert one.lost == 5
    fleet.clock.advance(5)
    assert one.claim(5) == []
    assert one.lost == 5
    front.faults.thaw_index()
    fleet.clock.advance(6)
    sent = fleet.send(3)
    assert one.claim(5) == sent


def test_a_message_that_comes_back_is_tried_again(fleet: Fleet) -> None:
    """What is remembered is the entry: with another due time it is another one."""
    (one,) = fleet.together(1)
    (id,) = fleet.send()
    assert one.claim() == [id]
    fleet.clock.advance(TIMEOUT_AND_MORE)
    one.attend()
    assert one.claim() == [id]


TIMEOUT_AND_MORE = 3601


def test_a_lost_race_refreshes_the_view(fleet: Fleet) -> None:
    """Who loses asks soon who else is there: in a second, not in ten."""
    front = FaultyEngine(fleet.engine)
    one = fleet.consumer(front.open(TableDefinition(TABLE)))
    one.attend()
    fleet.clock.advance(30)
    one.attend()
    assert one.claimer.looks_again(fleet.clock.now) == 10 * SECOND
    fleet.send()
    front.faults.freeze_index()
    fleet.queue.receive()
    assert one.claim() == []
    assert one.claimer.looks_again(fleet.clock.now) <= SECOND
    one.taken()
    fleet.clock.advance(1)
    one.attend()
    assert any(map(is_of_the_fleet, one.taken()))
    front.faults.thaw_index()


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("no answer"),
        InternalError("500"),
        ThrottledError("too fast"),
        ConflictError("in the way"),
        AccessDeniedError("not these items"),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("kind", [Write, Query])
def test_trouble_with_entries_costs_only_efficiency(
    fleet: Fleet, error: DynamoMQError, kind: type[Request[Any]]
) -> None:
    """Whether entries can't be written or can't be read: messages are claimed all the same."""

    def fault(request: Request[Any]) -> None:
        if isinstance(request, kind) and is_of_the_fleet(request):
            raise error

    one, other = fleet.consumer(), fleet.consumer()
    one.fault = fault
    sent = set(fleet.send(20))
    for _ in range(20):
        one.claim(3)
        assert one.claimer.trouble is error
        other.claim(3)
        fleet.clock.advance(1)
    assert set(one.has + other.has) == sent
    assert len(one.has + other.has) == 20
    one.fault = None
    refreshed(fleet, one, other)
    assert one.claimer.trouble is None
    assert len(fleet.queue.consumers()) == 2


def test_trouble_in_the_middle_keeps_what_is_known(fleet: Fleet) -> None:
    """Others are believed to be there as long as they can't be asked."""

    def fault(request: Request[Any]) -> None:
        if is_of_the_fleet(request):
            raise UnavailableError("no answer")

    one, other = fleet.together(2)
    one.fault = fault
    refreshed(fleet, one, other, seconds=60)
    sent = fleet.send(20)
    assert one.claim(20) == fleet.share(sent, one)
    one.leave()  # raises nothing either
    assert isinstance(one.claimer.trouble, UnavailableError)


def test_an_entry_that_is_gone_is_made_anew(fleet: Fleet) -> None:
    """A consumer that was frozen for so long that storage removed its entry shows itself again."""
    one, other = fleet.together(2)
    before = one.id
    table = Table(fleet.engine.open(TableDefinition(TABLE)))
    table.remove(before)
    refreshed(fleet, one)
    assert one.id != before
    assert {info.id for info in fleet.queue.consumers()} == {one.id, other.id}
    refreshed(fleet, other, one)
    refreshed(fleet, other, one, seconds=13)
    sent = fleet.send(20)
    assert one.claim(20) == fleet.share(sent, one)
    assert other.claim(20) == fleet.share(sent, other)


def test_what_is_no_consumer_is_not_ranked(fleet: Fleet) -> None:
    """Odd entries, and consumers of the dead-letter queue, take part in nothing."""
    (one,) = fleet.together(1)
    table = Table(fleet.engine.open(TableDefinition(TABLE)))
    due = fleet.clock.text(600)
    for id in ("$consumer#DLQ#2040-01-01T00:00:00Z#x", "$consumer#odd", "$consumer#A#B#C#D"):
        table.put({"id": id, "queue_type": "$CONSUMERS", "queue_add_timestamp": due})
    refreshed(fleet, one)
    sent = fleet.send(10)
    assert one.claim(10) == sent


# --- costs -----------------------------------------------------------------------------------


def counted(requests: list[Request[Any]]) -> dict[str, int]:
    """How many requests of each kind there are."""
    kinds = {"looks": 0, "claims": 0, "renewals": 0, "views": 0}
    for request in requests:
        of_fleet = is_of_the_fleet(request)
        if isinstance(request, WriteBatch):
            kinds["claims"] += 1
        elif isinstance(request, Query):
            kinds["views" if of_fleet else "looks"] += 1
        else:
            assert of_fleet
            kinds["renewals"] += 1
    return kinds


def test_what_an_idle_consumer_costs(fleet: Fleet) -> None:
    """In ten minutes with a look every five seconds: 120 looks, 60 renewals, 60 views.

    A look is half a read unit; a renewal is three write units (the item, and its index entry at
    its old and its new place); a view is half a read unit for each 4 KB of entries, which is about
    twenty consumers. So 18 write units and 9 read units a minute, whatever the queue holds.
    """
    one, _ = fleet.together(2)
    for _ in range(120):
        one.claim(8)
        fleet.clock.advance(5)
    assert counted(one.taken()) == {"looks": 120, "claims": 0, "renewals": 60, "views": 60}


@pytest.mark.parametrize(("number", "wanted", "most"), [(1, 25, 40), (4, 25, 48), (1, 1, 1000)])
def test_what_a_busy_consumer_costs(fleet: Fleet, number: int, wanted: int, most: int) -> None:
    """Full batches of 25: one claim and at most one look each. One by one: a look for ten claims.

    The entries come on top: two requests in ten seconds.
    """
    members = fleet.together(number)
    fleet.send(1000)
    one = members[0]
    taken = 0
    while one.claim(wanted):
        taken += 1
        for other in members[1:]:
            other.claim(wanted)
    found = counted(one.taken())
    assert found["claims"] <= most
    assert found["claims"] >= len(one.has) / wanted
    looks = found["claims"] / 10 if wanted == 1 else found["claims"]
    assert found["looks"] <= looks + 4
    assert (found["renewals"], found["views"]) <= (1, 1)

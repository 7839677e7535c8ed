"""How long deliveries are ours: by the clock of the consumer, without any I/O."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq.consumer.leases import Lease, Leases, LeaseTerms

TERMS = LeaseTerms(timeout=30, longest=600)


def watched(*grants: float, terms: LeaseTerms = TERMS) -> tuple[Leases, list[Lease]]:
    """Leases of messages "0", "1" … that were asked for at these times."""
    leases = Leases(terms)
    granted = [Lease.granted(at, terms) for at in grants]
    for number, lease in enumerate(granted):
        leases.add(str(number), lease)
    return leases, granted


def test_a_lease_counts_from_before_the_claim() -> None:
    """It ends when the timeout has passed since the claim was asked for, not since the answer."""
    leases, (lease,) = watched(100)
    assert lease.deadline == 130
    assert leases.expire(129.9) == []
    assert not lease.lost.is_set()
    assert leases.expire(130) == ["0"]
    assert lease.lost.is_set()
    assert leases.expire(131) == []  # it is told once


def test_it_is_time_to_extend_after_a_third() -> None:
    """There is time for two more attempts until the deadline."""
    leases, _ = watched(100, 95)
    assert leases.due(104) == []
    assert leases.due(106) == ["1"]
    assert leases.due(110) == ["1", "0"]  # the most pressing first


def test_an_extension_counts_from_before_it_was_asked_for() -> None:
    """The new deadline is the timeout after that, and never earlier than the one before."""
    leases, (lease,) = watched(100)
    leases.extended("0", 110)
    assert lease.deadline == 140
    assert leases.due(119) == []
    assert leases.due(120) == ["0"]
    leases.extended("0", 105)  # an answer that comes late
    assert lease.deadline == 140


def test_a_failed_extension_is_repeated_sooner() -> None:
    """A tenth of the timeout later; the deadline stays."""
    leases, (lease,) = watched(100)
    leases.put_off("0", 110)
    assert leases.due(112) == []
    assert leases.due(113) == ["0"]
    assert lease.deadline == 130


def test_a_lease_that_is_lost_is_left_alone() -> None:
    """It is neither extended nor reported again."""
    leases, (lease, _) = watched(100, 100)
    assert leases.lose("0", 110)
    assert not leases.lose("0", 110)
    assert lease.lost.is_set()
    assert leases.due(115) == ["1"]
    assert leases.expire(1000) == ["1"]


def test_a_delivery_that_is_being_ended_is_not_lost_by_that() -> None:
    """A refused extension says nothing then: it may be our own delete that refuses it."""
    leases, (lease,) = watched(100)
    lease.will_end()
    assert not leases.lose("0", 110)
    assert not lease.lost.is_set()


def test_what_was_dropped_is_forgotten() -> None:
    """Later news of it change nothing."""
    leases, (lease,) = watched(100)
    leases.drop("0")
    leases.drop("0")
    leases.extended("0", 110)
    lease.will_end()
    assert not leases.lose("0", 110)
    assert leases.expire(1000) == []
    assert lease.deadline == 130


@pytest.mark.parametrize(
    ("terms", "last_at"),
    [
        (LeaseTerms(30, 600, extends=False), None),
        (LeaseTerms(30, 10), None),
        (LeaseTerms(30, 600), 690),
        (LeaseTerms(30, 11), 110),
    ],
    ids=["no heartbeat", "shorter than a third", "long", "once"],
)
def test_a_lease_is_extended_up_to_a_maximum(terms: LeaseTerms, last_at: float | None) -> None:
    """After max_lifetime nothing is extended any more, and the delivery ends by itself."""
    leases, (lease,) = watched(100, terms=terms)
    extended_at = None
    for now in range(100, 1000):
        if leases.due(now):
            extended_at = now
            leases.extended("0", now)
        if leases.expire(now):
            break
    assert extended_at == last_at
    assert lease.deadline == (last_at or 100) + 30
    assert lease.lost.is_set()


def test_the_next_look_is_at_a_deadline() -> None:
    """Who waits for deadlines is not woken for extensions, which are another thread's."""
    leases, _ = watched(100, 95)
    assert leases.next_look() == 125
    leases.lose("1", 110)
    assert leases.next_look() == 130
    leases.drop("0")
    assert leases.next_look() is None


@given(
    timeout=st.floats(0.001, 1e5),
    longest=st.floats(0.001, 1e6),
    steps=st.lists(st.tuples(st.sampled_from(["extend", "put off"]), st.floats(0, 1e5))),
)
def test_a_lease_never_outlives_the_last_request(
    timeout: float, longest: float, steps: list[tuple[str, float]]
) -> None:
    """Its deadline is exactly the timeout after the latest request that succeeded (NO-DOUBLE)."""
    terms = LeaseTerms(timeout, longest)
    leases, (lease,) = watched(0, terms=terms)
    now = latest = 0.0
    for what, later in steps:
        now += later
        if what == "extend":
            leases.extended("0", now)
            latest = now
        else:
            leases.put_off("0", now)
    assert lease.deadline == latest + timeout

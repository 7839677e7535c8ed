"""Faults that strike a purge or a redrive in bulk: nothing is done twice, nothing forgotten."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import LocalEngine, PurgeResult, Queue, RedriveResult
from dynamomq.errors import DynamoMQError, ThrottledError
from dynamomq.requests import Scan
from dynamomq.table import TableDefinition
from dynamomq.testing import Chance, Clock, Fault, Faults, FaultyEngine, QueueFactory
from tests.contract.engines import Table
from tests.support.lists import orders

Result = PurgeResult | RedriveResult
MEMBERS = 4
"""How many messages there are in the group, and beside it."""


class Story:
    """A queue with messages in a group and beside it, alive or dead, on an engine with faults."""

    def __init__(self, *, dead: bool) -> None:
        self.clock = Clock(chance=Chance())
        self.engine = FaultyEngine(LocalEngine(surroundings=self.clock.surroundings()))
        self.queue: Queue[Any] = QueueFactory(self.engine)()
        for number in range(MEMBERS):
            for id, group in ((f"m{number}", None), (f"g{number}", "g")):
                self.queue.send(number, id=id, group=group)
                if dead:
                    self.queue.bury(id)
            self.clock.advance(1)

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.engine.faults

    def items(self) -> dict[str, dict[str, Any]]:
        """All that is stored, apart from what says when, and by which attempt, it was written.

        Of the numbers in a group, which grow with the time, their order is left.
        """
        page = self.engine.open(TableDefinition(self.queue.table)).execute(Scan(1000))
        orders({str(item["id"]): item for item in page.entries})
        numbers = sorted(
            {number for item in page.entries if isinstance(number := item.get("sequence"), int)}
        )
        return {
            str(item["id"]): {
                name: numbers.index(value)
                if isinstance(value, int) and name == "sequence"
                else value
                for name, value in item.items()
                if name not in VOLATILE
            }
            for item in page.entries
        }


VOLATILE = ("token", "last_updated_timestamp", "queue_add_timestamp", "expires_at")
ACTS: dict[str, tuple[bool, Callable[[Queue[Any]], Result]]] = {
    "purge": (False, lambda queue: queue.purge("STANDARD")),
    "purge of the table": (False, lambda queue: queue.purge(None)),
    "purge of the DLQ": (True, lambda queue: queue.purge("DLQ")),
    "redrive": (True, lambda queue: queue.redrive_all()),
    "redrive by a filter": (True, lambda queue: queue.redrive_all(lambda _: True)),
}
CASES = pytest.mark.parametrize(
    ("act", "nth"),
    # What is in no list is removed in one request; members of a group have one each.
    [(act, nth) for act in ACTS for nth in (1, 2, 3) if nth == 1 or act != "purge of the DLQ"],
)
STRIKES: dict[str, Callable[[Faults, str, int], Fault]] = {
    "a lost reply": lambda faults, on, nth: faults.lose_reply(on, nth=nth),
    "an internal error": lambda faults, on, nth: faults.fail(on, executed=False, nth=nth),
    "an internal error after it": lambda faults, on, nth: faults.fail(on, executed=True, nth=nth),
    "throttling": lambda faults, on, nth: faults.throttle(on, nth=nth),
    "an outage": lambda faults, on, nth: faults.fail(on, executed=False, nth=nth, times=17),
    "an outage after it": lambda faults, on, nth: faults.fail(on, executed=True, nth=nth, times=5),
}
"""What a call gets over by itself."""


@CASES
@pytest.mark.parametrize("strike", STRIKES)
def test_a_call_gets_over_a_fault(act: str, strike: str, nth: int) -> None:
    """REPEATABLE: result and table are those of an undisturbed call, versions included."""
    dead, call = ACTS[act]
    expected = Story(dead=dead)
    result = call(expected.queue)
    story = Story(dead=dead)
    with STRIKES[strike](story.faults, act.split()[0], nth):
        assert call(story.queue) == result
    assert story.items() == expected.items()


LONG_THROTTLING = "throttling for longer than a request is repeated"
AT_LENGTH: dict[str, Callable[[Faults, str, int], Fault]] = {
    **STRIKES,
    LONG_THROTTLING: lambda faults, on, nth: faults.throttle(on, nth=nth, times=5),
}


@pytest.mark.parametrize("strike", AT_LENGTH)
@pytest.mark.parametrize("on", ["quarantine", "purge"])
@pytest.mark.parametrize("id", ["m0", "g0"], ids=["no group", "a head"])
def test_what_is_malformed_is_purged_whatever_fails(strike: str, on: str, id: str) -> None:
    """It is put aside and removed, and each of the two is known by its token."""
    story = Story(dead=False)
    table = Table(story.engine.open(TableDefinition(story.queue.table)))
    table.change(id, version="one", receive_count="none")
    with AT_LENGTH[strike](story.faults, on, 1):
        assert story.queue.purge("STANDARD", states={"MALFORMED"}) == PurgeResult(1, 1)
    assert story.queue.get(id).state == "DELETED"


TOLD: dict[str, tuple[bool, str, Callable[[Queue[Any], Callable[[object], None]], Result]]] = {
    "purge": (False, "DELETED", lambda queue, told: queue.purge("STANDARD", progress=told)),
    "purge of the DLQ": (True, "DELETED", lambda queue, told: queue.purge("DLQ", progress=told)),
    "redrive": (True, "STANDARD.READY", lambda queue, told: queue.redrive_all(progress=told)),
}


@pytest.mark.parametrize("act", TOLD)
def test_what_progress_raises_is_no_fault_of_the_storage(act: str) -> None:
    """The user's own error, though it may be waited for, ends the call; all that is done counts."""
    dead, state, call = TOLD[act]
    story = Story(dead=dead)
    error = ThrottledError("another table is busy")
    calls: list[int] = []

    def progress(_: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise error

    with pytest.raises(ThrottledError) as failure:
        call(story.queue, progress)
    assert failure.value is error
    assert len(calls) == 3
    states = Counter(message.state for message in story.queue.list(None))
    done = states[state] + states["WAITING"] * (act == "redrive")
    assert f"for {done} of {2 * MEMBERS} messages" in failure.value.__notes__[0]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("act", ["purge", "purge of the table", "redrive"])
def test_what_fails_after_a_part_is_in_doubt(act: str, nth: int) -> None:
    """WRITE-3: an error without doubt says that nothing has been changed."""
    dead, call = ACTS[act]
    story = Story(dead=dead)
    story.faults.throttle(act.split()[0], nth=nth, times=10_000)
    with pytest.raises(ThrottledError) as failure:
        call(story.queue)
    assert failure.value.in_doubt is (nth > 1)


@CASES
@pytest.mark.parametrize("executed", [True, False])
def test_another_call_goes_on_with_the_rest(act: str, *, executed: bool, nth: int) -> None:
    """Where a call ends early, executed or not, the next one brings it to the same end."""
    dead, call = ACTS[act]
    expected = Story(dead=dead)
    call(expected.queue)
    story = Story(dead=dead)
    story.faults.time_out(act.split()[0], executed=executed, nth=nth)
    with pytest.raises(DynamoMQError) as failure:
        call(story.queue)
    assert f"of {2 * MEMBERS} messages" in failure.value.__notes__[0]
    assert failure.value.in_doubt
    call(story.queue)
    assert story.items() == expected.items()

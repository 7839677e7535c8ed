"""What a consumer promises, checked over small histories, written by hand: good ones and bad ones.

The properties of the queue itself are tested in ``test_history``.
"""

from pathlib import Path

import pytest

from dynamomq.values import Item
from model_tests.chaos.checker import PROPERTIES, check
from model_tests.chaos.plan import Course
from model_tests.history.checker import Violation, describe
from model_tests.history.log import LogError
from model_tests.history.records import assemble
from model_tests.history.stories import ID, Actor, Held, Story, dead, ready, sent, tombstone

LIMIT = 3


def verdict(story: Story, item: Item | None) -> list[Violation]:
    """What is wrong with a story that has left an item behind."""
    return check(assemble(story.events), {} if item is None else {ID: item}, max_receives=LIMIT)


def only(violations: list[Violation], expected: str, *texts: str) -> None:
    """Assert that one property is violated, in one way, and that the explanation says these."""
    assert [one.property for one in violations] == [expected], describe(violations)
    missing = [text for text in texts if text not in violations[0].explanation]
    assert not missing, violations[0].explanation


def handle(actor: Actor, held: Held, course: str = Course.SUCCEED, *, seconds: float = 1) -> None:
    """Run a handler from beginning to end."""
    actor.note("handler begun", id=ID, receipt=held.receipt)
    actor.story.now += seconds
    end(actor, held, course)


def end(actor: Actor, held: Held, course: str = Course.SUCCEED) -> None:
    """End a handler."""
    actor.note("handler ended", id=ID, receipt=held.receipt, course=course)
    actor.story.now += 0.01


def lose(actor: Actor, held: Held) -> None:
    """Have the consumer report a lease as lost."""
    actor.note("lease lost", id=ID, receipt=held.receipt)
    actor.story.now += 0.01


def test_each_property_has_a_history_that_violates_it() -> None:
    """The tests below name every property that is checked."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in PROPERTIES)


# --- good histories --------------------------------------------------------------------------


def test_a_success_after_a_failure_is_in_order() -> None:
    """A handler fails and the message is retried; the next one succeeds and it is deleted."""
    story, anna, bert = sent()
    held = anna.receive(2, 1)
    handle(anna, held, Course.FAIL)
    anna.ask("retry", held)
    story.now = 9
    held = bert.receive(4, 2)
    handle(bert, held)
    bert.ask("delete", held)
    anna.note("finished")
    bert.note("finished")
    assert not verdict(story, tombstone(5, 2))


def test_a_process_may_die_at_any_point() -> None:
    """What was delivered to a process that died is not answered, and its successor's is."""
    story, anna, bert = sent()
    anna.note("handler begun", id=ID, receipt=anna.receive(2, 1).receipt)
    story.now = 20
    held = bert.receive(3, 2)
    handle(bert, held)
    bert.ask("delete", held)
    bert.note("finished")
    assert not verdict(story, tombstone(4, 2))


def test_a_released_delivery_is_in_order() -> None:
    """What was not handled is given back."""
    story, anna, _ = sent()
    anna.ask("release", anna.receive(2, 1))
    anna.note("finished")
    assert not verdict(story, ready(3, 0))


@pytest.mark.parametrize("course", [Course.FAIL, Course.RETRY_AFTER])
def test_a_failure_in_the_last_delivery_is_a_dead_letter(course: Course) -> None:
    """Once the deliveries are used up, a failed message is moved instead of retried."""
    story, anna, _ = sent()
    held = anna.receive(4, LIMIT)
    handle(anna, held, course)
    anna.ask("move_to_dlq", held)
    assert not verdict(story, dead(5))


def test_a_message_that_kills_is_exhausted() -> None:
    """Nobody lived to be told of a claim, but there were enough, and a receiver exhausted it."""
    story, anna, bert = sent()
    for number in range(LIMIT):
        anna.note("claim begun", id=ID, receipt=f"claim {number}")
    bert.note("exhaust begun", id=ID)
    assert not verdict(story, dead(5))


# --- ONE-HANDLER -----------------------------------------------------------------------------


def test_a_delivery_that_is_handled_twice_is_reported() -> None:
    """ONE-HANDLER: two threads of a process run the same delivery."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    anna.note("handler begun", id=ID, receipt=held.receipt)
    story.now += 1
    handle(anna, held)
    anna.ask("delete", held)
    only(verdict(story, tombstone(3, 1)), "ONE-HANDLER", "anna handled it", "a second time")


def test_a_message_that_is_handled_without_a_claim_is_reported() -> None:
    """ONE-HANDLER: bert handles what anna has received."""
    story, anna, bert = sent()
    held = anna.receive(2, 1)
    handle(bert, held)
    handle(anna, held)
    anna.ask("delete", held)
    only(verdict(story, tombstone(3, 1)), "ONE-HANDLER", "bert handled it", "without having")


def test_a_handler_that_runs_before_the_claim_is_reported() -> None:
    """ONE-HANDLER: anna knows the receipt before she was told it."""
    story, anna, _ = sent()
    anna.note("handler begun", id=ID, receipt="early")
    story.now += 1
    held = anna.receive(2, 1, receipt="early")
    end(anna, held)
    anna.ask("delete", held)
    only(verdict(story, tombstone(3, 1)), "ONE-HANDLER", "anna handled it", ", before anna")


# --- ANSWER ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("course", "operation", "count"),
    [
        (Course.FAIL, "delete", 1),
        (Course.REJECT, "delete", 1),
        ("heeded", "delete", 1),
        (Course.SUCCEED, "retry", 1),
        (Course.REJECT, "retry", 1),
        (Course.FAIL, "retry", LIMIT),
        (Course.SUCCEED, "move_to_dlq", LIMIT),
        (Course.FAIL, "move_to_dlq", LIMIT - 1),
    ],
)
def test_an_answer_that_does_not_fit_is_reported(course: str, operation: str, count: int) -> None:
    """ANSWER: the consumer asks for something else than the handler's end calls for."""
    story, anna, _ = sent()
    held = anna.receive(2, count)
    handle(anna, held, course)
    anna.ask(operation, held)
    found = [one for one in verdict(story, ready(3, count)) if one.property == "ANSWER"]
    only(found, "ANSWER", f"anna's {operation}", f"ended in '{course}'")


@pytest.mark.parametrize("operation", ["delete", "retry", "move_to_dlq"])
def test_an_answer_before_the_handlers_end_is_reported(operation: str) -> None:
    """ANSWER: the message is given up while its handler still runs, or before it has begun."""
    for begins in (True, False):
        story, anna, _ = sent()
        held = anna.receive(2, 1)
        if begins:
            anna.note("handler begun", id=ID, receipt=held.receipt)
        anna.ask(operation, held, "unknown")
        story.now += 1
        end(anna, held)
        only(verdict(story, ready(2, 1)), "ANSWER", f"anna's {operation}", "had not ended")


def test_a_release_of_what_was_handled_is_reported() -> None:
    """ANSWER: only what was never started may be taken back from the count."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    anna.note("handler begun", id=ID, receipt=held.receipt)
    story.now += 1
    anna.ask("release", held)
    only(verdict(story, ready(3, 0)), "ANSWER", "anna's release", "its handler had begun")


def test_an_answer_after_the_lease_was_lost_is_reported() -> None:
    """ANSWER: the consumer knows that the delivery is over, and deletes all the same."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    anna.note("handler begun", id=ID, receipt=held.receipt)
    story.now += 1
    lose(anna, held)
    end(anna, held)
    anna.ask("delete", held, "stale")
    only(verdict(story, ready(2, 1)), "ANSWER", "anna's delete", "the lease had been lost")


def test_a_lease_may_be_lost_while_the_answer_is_under_way() -> None:
    """ANSWER: what is reported after the handler's end comes too late to stop the answer."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    handle(anna, held)
    lose(anna, held)
    anna.ask("delete", held, "stale")
    assert not verdict(story, ready(2, 1))


# --- NO-DROP ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_handled", [True, False])
def test_a_delivery_that_is_dropped_is_reported(is_handled: bool) -> None:
    """NO-DROP: a consumer ends by itself, and has not answered what it was delivered."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    if is_handled:
        handle(anna, held)
    assert not verdict(story, ready(2, 1))
    anna.note("finished")
    only(verdict(story, ready(2, 1)), "NO-DROP", "anna received it", "without an answer")


def test_a_lost_delivery_needs_no_answer() -> None:
    """NO-DROP: what was reported as lost is somebody else's."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    lose(anna, held)
    handle(anna, held, "heeded")
    anna.note("finished")
    assert not verdict(story, ready(2, 1))


# --- DEAD-LETTERS ----------------------------------------------------------------------------


def test_a_dead_letter_without_a_reason_is_reported() -> None:
    """DEAD-LETTERS: one delivery of three is known, none was rejected, and it is a dead letter."""
    story, anna, _ = sent()
    handle(anna, anna.receive(2, 1))
    anna.note("exhaust begun", id=ID)
    only(verdict(story, dead(3)), "DEAD-LETTERS", "nobody rejected it", "1 claims are known")


def test_a_dead_letter_that_nobody_put_there_is_reported() -> None:
    """DEAD-LETTERS: its deliveries are used up, but nobody has moved or exhausted it."""
    story, anna, _ = sent()
    anna.receive(4, LIMIT)
    only(verdict(story, dead(5)), "DEAD-LETTERS", "the highest number is 3")


@pytest.mark.parametrize("item", [ready(4, LIMIT), tombstone(5, LIMIT), None])
def test_a_message_without_deliveries_left_is_a_dead_letter(item: Item | None) -> None:
    """DEAD-LETTERS: its deliveries are used up, nobody has deleted it, and it is elsewhere."""
    story, anna, _ = sent()
    held = anna.receive(4, LIMIT)
    handle(anna, held, Course.FAIL)
    only(verdict(story, item), "DEAD-LETTERS", "its deliveries are used up", "no dead letter")


def test_a_rejected_message_is_a_dead_letter() -> None:
    """DEAD-LETTERS: a rejection needs no further deliveries, but it does need the move."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    handle(anna, held, Course.REJECT)
    only(verdict(story, dead(3)), "DEAD-LETTERS", "nobody rejected it")
    anna.ask("move_to_dlq", held)
    assert not verdict(story, dead(3))


def test_a_log_without_details_is_refused() -> None:
    """A handler's event without a receipt belongs to no delivery."""
    story, anna, _ = sent()
    anna.note("handler begun", id=ID)
    with pytest.raises(LogError, match="anna: handler begun lacks"):
        verdict(story, None)

"""The history checker by itself: small histories, written by hand, good ones and bad ones."""

import pytest

from dynamomq.values import Item
from model_tests.history.checker import Violation, describe
from model_tests.history.log import (
    payload_digest,
)
from model_tests.history.stories import (
    ID,
    OTHER,
    Actor,
    Held,
    Story,
    dead,
    ready,
    sent,
    tombstone,
)


def properties(violations: list[Violation]) -> list[str]:
    """Which properties are violated, each once."""
    return list(dict.fromkeys(violation.property for violation in violations))


def only(violations: list[Violation], expected: str, *texts: str) -> None:
    """Assert that one property is violated, in one way, and that the explanation says these."""
    assert properties(violations) == [expected], describe(violations)
    (violation,) = violations
    assert violation.id == ID
    missing = [text for text in texts if text not in violation.explanation]
    assert not missing, violation.explanation
    assert violation.timeline


# --- good histories --------------------------------------------------------------------------


def test_a_whole_life_is_in_order() -> None:
    """A message is sent, extended, retried, released, received again and deleted: no violation."""
    story, anna, bert = sent()
    held = anna.receive(2, 1)
    story.now = 5
    anna.ask("extend", held, until=20)
    anna.ask("retry", held, delay=2)
    story.now = 9.1
    held = bert.receive(5, 2)
    bert.ask("release", held)
    story.now = 9.3
    held = bert.receive(7, 2)
    bert.ask("delete", held)
    assert not story.check(tombstone(8, 2), max_receives=2, drained=True)


@pytest.mark.parametrize("item", [tombstone(3, 1), ready(2, 1)], ids=["done", "not done"])
@pytest.mark.parametrize("told", ["", "unknown"], ids=["died", "unknown"])
def test_a_delete_of_unknown_outcome_may_have_happened(item: Item, told: str) -> None:
    """Whether a holder that died meanwhile has deleted the message or not: both are accepted."""
    story, anna, _ = sent()
    anna.ask("delete", anna.receive(2, 1), told)
    assert not story.check(item)


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_calls_of_unknown_outcome_may_have_happened(version: int) -> None:
    """An extension and a retry by a process that died: neither, either or both took place."""
    story, anna, bert = sent()
    held = anna.receive(2, 1)
    anna.ask("extend", held, "unknown", until=5)
    anna.ask("retry", held, "")
    story.now = 15
    bert.receive(version, 2)
    expected = [] if version < 6 else ["VERSION"]
    assert properties(story.check(ready(version, 2))) == expected


@pytest.mark.parametrize("item", [dead(3), ready(2, 1)], ids=["done", "not done"])
def test_a_move_of_unknown_outcome_may_have_happened(item: Item) -> None:
    """Whether a holder that died meanwhile has dead-lettered the message: both are accepted."""
    story, anna, _ = sent()
    anna.ask("move_to_dlq", anna.receive(2, 1), "")
    assert not story.check(item)


@pytest.mark.parametrize("item", [None, ready(1, 0)], ids=["not done", "done"])
def test_a_send_of_unknown_outcome_may_have_happened(item: Item | None) -> None:
    """Whether a sender that died meanwhile has sent the message: both are accepted."""
    story = Story()
    story.actor("producer").send("")
    assert not story.check(item)


def test_a_send_is_refused_after_one_of_unknown_outcome() -> None:
    """Who sends again after a producer died may be told that the message is there, and it is."""
    story = Story()
    story.actor("producer").send("")
    story.now = 1
    story.actor("successor").send("refused", payload=OTHER)
    assert not story.check(ready(1, 0))


def test_deliveries_that_nobody_wrote_down_are_assumed() -> None:
    """Two consumers died in the middle of a receive: count and version have grown all the same."""
    story, anna, bert = sent()
    anna.receive(2, 1)
    story.now = 60
    bert.ask("delete", bert.receive(5, 4))
    assert not story.check(tombstone(6, 4), max_receives=4)


def test_deliveries_may_overlap_by_the_difference_of_the_clocks() -> None:
    """NO-DOUBLE: bert's clock is 2 s ahead of anna's, so it claims 2 s before her real deadline."""
    story = Story()
    story.actor("producer").send()
    anna, bert = story.actor("anna"), story.actor("bert", skew=2)
    story.now = 1.0
    held = anna.receive(2, 1, timeout=10)
    story.now = 9.0
    bert.ask("delete", bert.receive(3, 2))
    story.now = 10.0
    anna.ask("delete", held, "stale")
    assert not story.check(tombstone(4, 2))


def test_a_delivery_may_be_written_down_late() -> None:
    """A consumer is paused between claim and log: the order is that of the versions."""
    story, anna, bert = sent()
    story.now = 20
    bert.ask("delete", bert.receive(3, 2))
    story.now = 30
    held = anna.receive(2, 1, timeout=10, claimed=4.0)
    anna.ask("delete", held, "stale")
    assert not story.check(tombstone(4, 2))


def test_an_exhausted_message_is_dead_lettered_by_one_more_write() -> None:
    """It had all its deliveries, the last of which nobody wrote down, and is dead-lettered."""
    story, anna, _ = sent()
    anna.receive(2, 1)
    assert not story.check(dead(5), max_receives=3, drained=True)


def test_an_extension_that_moves_nothing_is_no_write() -> None:
    """Who extends to less than there is keeps the deadline, and the version stays."""
    story, anna, _ = sent()
    held = anna.receive(2, 1, timeout=10)
    anna.ask("extend", held, until=held.deadline)
    assert not story.check(ready(2, 1))


# --- NO-LOSS ---------------------------------------------------------------------------------


def test_a_lost_message_is_reported() -> None:
    """NO-LOSS: it was accepted, nobody has deleted it, and it is not there."""
    story, anna, _ = sent()
    anna.receive(2, 1)
    only(story.check(None), "NO-LOSS", "producer's send at +0.000000 s", "it is gone")


def test_a_message_that_was_never_delivered_is_not_deleted() -> None:
    """NO-LOSS: a tombstone without a delivery is a lost message, too."""
    story, _, _ = sent()
    assert properties(story.check(tombstone(2, 0))) == ["NO-LOSS", "VERSION"]


def test_a_delivered_message_was_accepted() -> None:
    """NO-LOSS: its sender died, but it was delivered, so it was there, and nobody deleted it."""
    story = Story()
    story.actor("producer").send("")
    anna = story.actor("anna")
    story.now = 1
    held = anna.receive(2, 1)
    expected = ("NO-LOSS", "anna received it", "so it had been accepted, and it is gone")
    only(story.check(None), *expected)
    only(story.check(None, drained=True), *expected)
    assert "NO-LOSS" in properties(story.check(tombstone(3, 1)))
    anna.ask("delete", held, "unknown")
    assert not story.check(None, drained=True)


def test_a_message_with_a_duplicate_was_accepted() -> None:
    """NO-LOSS: its sender died, but another one was refused because of it, so it was there."""
    story = Story()
    story.actor("producer").send("")
    story.now = 1
    story.actor("successor").send("refused")
    assert not story.check(ready(1, 0))
    only(story.check(None), "NO-LOSS", "successor's send", "so another send of it", "it is gone")


def test_a_changed_payload_is_reported() -> None:
    """NO-LOSS: what is delivered is what was sent."""
    story, anna, _ = sent()
    anna.receive(2, 1, payload=OTHER)
    only(story.check(ready(2, 1)), "NO-LOSS", "anna received it", "another payload")


def test_a_payload_of_a_refused_send_is_reported() -> None:
    """NO-LOSS, DEDUP: a duplicate that was refused has left nothing in the table."""
    story, _, _ = sent()
    story.actor("successor").send("refused", payload=OTHER)
    only(story.check(ready(1, 0, data=OTHER)), "NO-LOSS", "the table holds another payload")


def test_a_message_out_of_nothing_is_reported() -> None:
    """NO-LOSS: what nobody has sent is neither delivered nor in the table."""
    story = Story()
    story.actor("anna").receive(2, 1)
    only(story.check(ready(2, 1)), "NO-LOSS", "nobody can have sent it")


# --- NO-DOUBLE -------------------------------------------------------------------------------


def test_a_claim_before_the_deadline_is_reported() -> None:
    """NO-DOUBLE: by bert's clock, anna's deadline has not passed when bert claims."""
    story, anna, bert = sent()
    anna.receive(2, 1, timeout=10)  # until 14 by her clock, 11 in real time
    story.now = 10
    bert.receive(3, 2)  # at 11 by his clock
    violations = story.check(ready(3, 2))
    only(
        violations,
        "NO-DOUBLE",
        "anna received it (version 2, noted at +1.000000 s)",
        "bert received it (version 3, noted at +10.000000 s)",
        "3.000000 s too early by the claimer's clock",
    )


def test_an_extended_deadline_counts() -> None:
    """NO-DOUBLE: bert claims after the deadline that anna had, before the one that she was told."""
    story, anna, bert = sent()
    held = anna.receive(2, 1, timeout=10)
    story.now = 5
    anna.ask("extend", held, until=30)
    story.now = 15
    bert.receive(4, 2)
    only(story.check(ready(4, 2)), "NO-DOUBLE", "14.000000 s too early")


def test_a_claim_time_that_is_not_the_clocks_is_reported() -> None:
    """NO-DOUBLE: the overlap is more than the clocks' difference, whatever the claimer says."""
    story, anna, bert = sent()
    held = anna.receive(2, 1, timeout=10)  # until 11 in real time
    story.now = 5
    bert.receive(3, 2, claimed=held.deadline)
    violations = story.check(ready(3, 2))
    only(violations, "NO-DOUBLE", "6.000000 s too early in real time", "only 0.000000 s ahead")


def test_a_message_that_was_perhaps_given_up_is_not_early() -> None:
    """NO-DOUBLE: neither anna's deadline nor the delay of her retry, if it took place, is over."""
    story, anna, bert = sent()
    held = anna.receive(2, 1, timeout=10)
    anna.ask("retry", held, "", delay=5)
    story.now = 5
    bert.receive(4, 2)
    only(story.check(ready(4, 2)), "NO-DOUBLE", "anna received it", "bert received it")


@pytest.mark.parametrize("timeout", [0.1, 9.999, 10.001, 30])
def test_a_deadline_that_was_not_asked_for_is_reported(timeout: float) -> None:
    """NO-DOUBLE: a delivery lasts as long as its holder asked for, no shorter and no longer."""
    story, anna, _ = sent()
    anna.receive(2, 1, timeout=timeout, asked=10)
    only(story.check(ready(2, 1)), "NO-DOUBLE", "anna received it", "although 10.000000 s were")


@pytest.mark.parametrize("asked", [19.998, 20.001, 100], ids=["less", "more", "much more"])
def test_an_extension_that_was_not_asked_for_is_reported(asked: float) -> None:
    """NO-DOUBLE: an extension counts from an instant during the call, here 1 ms from 7 s on."""
    story, anna, _ = sent()
    held = anna.receive(2, 1, timeout=10)
    story.now = 4  # 7 by her clock
    anna.ask("extend", held, until=27, asked=asked)
    only(story.check(ready(3, 1)), "NO-DOUBLE", "anna's extend", "with the deadline", "asked for")


@pytest.mark.parametrize("asked", [19.999, 19.9995, 20], ids=["at its end", "between", "at once"])
def test_an_extension_counts_from_some_instant_during_the_call(asked: float) -> None:
    """NO-DOUBLE: when exactly during the call, its holder can't know."""
    story, anna, _ = sent()
    held = anna.receive(2, 1, timeout=10)
    story.now = 4
    anna.ask("extend", held, until=27, asked=asked)
    assert not story.check(ready(3, 1))


def test_an_extension_keeps_a_later_deadline() -> None:
    """NO-DOUBLE: what was there before may be the longer one, from an unknown extension, too."""
    story, anna, _ = sent()
    held = anna.receive(2, 1, timeout=10)
    anna.ask("extend", held, until=held.deadline, asked=5)
    anna.ask("extend", held, "unknown", asked=60)
    begun = story.now + 3 - 0.001
    anna.ask("extend", held, until=begun + 60, asked=5)
    assert not story.check(ready(3, 1))
    anna.ask("extend", held, until=begun + 61, asked=5)
    only(story.check(ready(4, 1)), "NO-DOUBLE", "anna's extend", "although 5.000000 s")


# --- FENCED ----------------------------------------------------------------------------------


def overtaken() -> tuple[Story, Actor, Held, Actor, Held]:
    """Anna's delivery is over, because bert has received the message; both want to go on."""
    story, anna, bert = sent()
    hers = anna.receive(2, 1, timeout=10)
    story.now = 20
    his = bert.receive(3, 2, timeout=10)
    story.now = 21
    return story, anna, hers, bert, his


def test_a_delete_under_a_receipt_that_is_over_is_reported() -> None:
    """FENCED: anna's delete succeeds although bert holds the message."""
    story, anna, hers, _, _ = overtaken()
    anna.ask("delete", hers)
    violations = story.check(tombstone(4, 2))
    assert properties(violations) == ["FENCED", "VERSION"]
    assert violations[0].explanation == (
        "anna received it (version 2, noted at +1.000000 s); "
        "bert received it (version 3, noted at +20.000000 s); "
        "anna's delete at +21.000000 s (done at +21.001000 s), "
        "which succeeded although the later delivery had begun"
    )


@pytest.mark.parametrize("operation", ["extend", "retry", "release", "move_to_dlq"])
def test_any_call_under_a_receipt_that_is_over_is_reported(operation: str) -> None:
    """FENCED: nothing that a holder may do succeeds after the delivery is over."""
    story, anna, hers, _, _ = overtaken()
    anna.ask(operation, hers, until=40 if operation == "extend" else 0)
    assert "FENCED" in properties(story.check(ready(4, 2)))


def test_a_message_delivered_after_its_deletion_is_reported() -> None:
    """FENCED: a delete that reported success is followed by no later delivery."""
    story, anna, bert = sent()
    anna.ask("delete", anna.receive(2, 1))
    story.now = 20
    bert.receive(4, 2)
    only(story.check(ready(4, 2)), "FENCED", "which reported success, and yet it was delivered")


@pytest.mark.parametrize("status", ["READY", "PROCESSING"])
@pytest.mark.parametrize("queue", ["STANDARD", "DLQ"])
def test_a_message_that_is_there_after_its_deletion_is_reported(status: str, queue: str) -> None:
    """FENCED: a delete that reported success leaves a tombstone or nothing, whatever the version.

    Here it seems to have written once, as a delete does.
    """
    story, anna, _ = sent()
    anna.ask("delete", anna.receive(2, 1, queue=queue))
    violations = story.check({**ready(3, 1, queue=queue), "status": status})
    fenced = [one for one in violations if one.property == "FENCED"]
    only(fenced, "FENCED", "anna's delete", "(done at", "and yet it is still there")


@pytest.mark.parametrize("told", ["", "unknown"], ids=["died", "unknown"])
def test_a_message_may_be_sent_anew_after_its_deletion(told: str) -> None:
    """FENCED: what is there may come from a send after the deletion, of unknown outcome."""
    story, anna, _ = sent()
    anna.ask("delete", anna.receive(2, 1))
    story.actor("successor").send(told)
    assert "FENCED" not in properties(story.check(ready(1, 0)))


def test_what_was_sent_before_a_deletion_is_not_sent_anew() -> None:
    """FENCED: a send that had ended before the deletion does not explain what is there."""
    story, anna, _ = sent()
    held = anna.receive(2, 1)
    story.actor("successor").send("unknown")
    story.now = 2
    anna.ask("delete", held)
    assert "FENCED" in properties(story.check(ready(1, 0)))


def test_a_dead_letter_that_is_in_the_standard_queue_is_reported() -> None:
    """FENCED: a move that reported success leaves the message in the dead-letter queue."""
    story, anna, _ = sent()
    anna.ask("move_to_dlq", anna.receive(2, 1))
    only(story.check(ready(3, 1)), "FENCED", "anna's move_to_dlq", "and yet it is in STANDARD")


def test_a_dead_letter_delivered_from_the_standard_queue_is_reported() -> None:
    """FENCED: a move that reported success is followed by no delivery from the standard queue."""
    story, anna, bert = sent()
    anna.ask("move_to_dlq", anna.receive(2, 1))
    story.now = 20
    bert.receive(4, 2)
    only(story.check(ready(4, 2)), "FENCED", "delivered from the standard queue")


def test_a_dead_letter_may_be_delivered_from_its_queue() -> None:
    """FENCED: a delivery from the dead-letter queue is what becomes of a dead letter."""
    story, anna, bert = sent()
    anna.ask("move_to_dlq", anna.receive(2, 1))
    story.now = 20
    bert.ask("delete", bert.receive(4, 1, queue="DLQ"))
    assert not story.check(tombstone(5, 1))


def test_a_stale_delete_that_took_place_is_reported() -> None:
    """FENCED, NO-LOSS: anna was told that her delete came too late, and the message is gone."""
    story, anna, hers, _, _ = overtaken()
    anna.ask("delete", hers, "stale")
    violations = story.check(tombstone(4, 2))
    assert properties(violations) == ["NO-LOSS", "FENCED", "VERSION"]
    assert "(stale at +21.001000 s), and yet it is gone" in violations[1].explanation


@pytest.mark.parametrize(
    ("operation", "item"),
    [
        ("extend", ready(4, 2)),
        ("retry", ready(4, 2)),
        ("release", ready(4, 1)),
        ("move_to_dlq", dead(4)),
    ],
)
def test_a_stale_call_that_took_place_is_reported(operation: str, item: Item) -> None:
    """FENCED: anna was told that nothing was changed, and only she can have written once more."""
    story, anna, hers, _, _ = overtaken()
    anna.ask(operation, hers, "stale")
    violations = story.check(item)
    assert properties(violations) == ["FENCED", "VERSION"]
    assert "unless it did change something" in violations[0].explanation


@pytest.mark.parametrize("version", [4, 5, 6])
def test_a_stale_extension_may_have_been_in_time(version: int) -> None:
    """FENCED: its reply was lost, and when it was asked for again anna had given up the message."""
    story, anna, bert = sent()
    hers = anna.receive(2, 1)
    anna.note("extend begun", call=-1, id=ID, receipt=hers.receipt, timeout=0)
    story.now = 2
    anna.ask("retry", hers)
    story.now = 6
    bert.receive(version, 2)
    anna.note("extend stale", call=-1)
    expected = [] if version < 6 else ["VERSION"]
    assert properties(story.check(ready(version, 2))) == expected


def test_a_stale_call_that_changed_nothing_is_in_order() -> None:
    """FENCED: whatever anna asks for too late, bert's delivery and the table know nothing of it."""
    story, anna, hers, bert, his = overtaken()
    for operation in ("extend", "retry", "release", "delete", "move_to_dlq"):
        anna.ask(operation, hers, "stale")
    bert.ask("delete", his)
    assert not story.check(tombstone(4, 2))


def test_a_receipt_that_two_have_is_reported() -> None:
    """FENCED: a receipt is the proof of one delivery."""
    story, anna, bert = sent()
    held = anna.receive(2, 1, timeout=10)
    story.now = 20
    bert.receive(3, 2, receipt=held.receipt)
    only(story.check(ready(3, 2)), "FENCED", "with the same receipt")


# --- MAX-RECEIVES, NOT-EARLY, DEDUP ----------------------------------------------------------


def test_more_deliveries_than_allowed_are_reported() -> None:
    """MAX-RECEIVES: the second delivery of a message that may have one."""
    story, anna, bert = sent()
    anna.receive(2, 1, timeout=10)
    story.now = 20
    bert.receive(3, 2)
    violations = story.check(ready(3, 2), max_receives=1)
    only(violations, "MAX-RECEIVES", "bert received it", "only 1 are allowed")


def test_a_delivery_that_is_not_counted_is_reported() -> None:
    """MAX-RECEIVES: the count goes up with each delivery that was not released."""
    story, anna, bert = sent()
    anna.receive(2, 1, timeout=10)
    story.now = 20
    bert.receive(3, 1)
    violations = story.check(ready(3, 1))
    assert properties(violations) == ["MAX-RECEIVES", "VERSION"]
    assert "as number 1, although 1 deliveries before it count" in violations[0].explanation


def test_a_delivery_before_the_delay_of_its_send_is_reported() -> None:
    """NOT-EARLY: sent with a delay of 10 s, claimed after 4 s by the claimer's clock."""
    story, anna, _ = sent(delay=10)
    anna.receive(2, 1)
    only(story.check(ready(2, 1)), "NOT-EARLY", "producer's send", "anna received it", "6.000000 s")


def test_a_delivery_after_the_delay_by_the_claimers_clock_is_in_order() -> None:
    """NOT-EARLY: anna's clock is 3 s ahead, so she may have it 3 s too early."""
    story, anna, _ = sent(delay=4)
    anna.receive(2, 1)
    assert not story.check(ready(2, 1))


def test_a_delivery_before_the_delay_of_a_retry_is_reported() -> None:
    """NOT-EARLY: anna asked for 30 s, counted from her clock's 4 s; bert claims after 20."""
    story, anna, bert = sent()
    anna.ask("retry", anna.receive(2, 1), delay=30)
    story.now = 19
    bert.receive(4, 2)
    violations = story.check(ready(4, 2))
    only(violations, "NOT-EARLY", "anna's retry", "bert received it", "14.000000 s too early")


def test_two_accepted_sends_are_reported() -> None:
    """DEDUP: two producers sent the same id, and both were told that theirs was accepted."""
    story, _, _ = sent()
    story.actor("successor").send()
    only(story.check(ready(1, 0)), "DEDUP", "producer's send", "successor's send")


def test_a_send_that_is_refused_without_a_reason_is_reported() -> None:
    """DEDUP: the only send of an id is no duplicate."""
    story = Story()
    story.actor("producer").send("refused")
    only(story.check(None), "DEDUP", "(refused at +0.001000 s)", "no other send")


def test_of_two_sends_at_once_one_may_be_refused() -> None:
    """DEDUP: the one that is accepted may have begun a little later."""
    story = Story()
    one, other = story.actor("one"), story.actor("other")
    one.note("send begun", call=1, id=ID, payload=payload_digest(OTHER), delay=0)
    story.now = 0.1
    other.send()
    one.note("send refused", call=1)
    assert not story.check(ready(1, 0))


# --- VERSION, PROGRESS -----------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 4], ids=["too few", "too many"])
def test_writes_that_are_not_accounted_for_are_reported(version: int) -> None:
    """VERSION: anna received version 2 and deleted it, so the tombstone's must be 3."""
    story, anna, _ = sent()
    anna.ask("delete", anna.receive(2, 1))
    only(story.check(tombstone(version, 1)), "VERSION", f"from version 2 to {version}", "for 1")


def test_two_claims_of_one_version_are_reported() -> None:
    """VERSION: anna and bert have claimed the same state of the message."""
    story, anna, bert = sent()
    anna.receive(2, 1, timeout=10)
    story.now = 20
    bert.receive(2, 2)
    assert properties(story.check(ready(2, 2))) == ["VERSION"]


def test_a_dead_letter_that_had_deliveries_left_is_reported() -> None:
    """VERSION: nobody has moved it, and for exhaustion it lacks two deliveries."""
    story, anna, _ = sent()
    anna.receive(2, 1)
    only(story.check(dead(3), max_receives=3), "VERSION", "there were 1 writes", "for 3")


def test_a_message_that_is_left_after_a_drain_is_reported() -> None:
    """PROGRESS: at the end of a drained run nothing is left in the standard queue."""
    story, _, _ = sent()
    assert not story.check(ready(1, 0))
    only(story.check(ready(1, 0), drained=True), "PROGRESS", "it is still there", "STANDARD")

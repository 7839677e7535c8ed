"""What message groups promise, checked over small histories, written by hand: good and bad ones.

The group ``g`` has the messages ``a``, ``b`` and ``c``, accepted in this order unless a test says
otherwise. The properties of single messages are tested in ``test_history``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from dynamomq.values import Item
from model_tests.chaos.order import PROPERTIES, check
from model_tests.history.checker import Violation, describe
from model_tests.history.log import Detail
from model_tests.history.records import assemble
from model_tests.history.stories import Actor, Held, Story

GROUP = "g"


def verdict(story: Story, *table: Item) -> list[Violation]:
    """What is wrong with a story that has left these items behind."""
    return check(assemble(story.events), table)


def only(violations: list[Violation], expected: str, id: str, *texts: str) -> None:
    """Assert that one property is violated, by one message, and that the explanation says these."""
    assert [(one.property, one.id) for one in violations] == [(expected, id)], describe(violations)
    missing = [text for text in texts if text not in violations[0].explanation]
    assert not missing, violations[0].explanation


def send(actor: Actor, id: str, told: str = "accepted", *, previous: str | None = None) -> None:
    """Send a message into the group."""
    actor.about(id, GROUP).send(told, previous=previous)
    actor.story.now += 0.1


def begun() -> tuple[Story, Actor, Actor]:
    """A story in which a, b and c were sent, by two producers, and two consumers of them."""
    story = Story()
    carla, dora = story.actor("carla"), story.actor("dora", skew=-1)
    send(carla, "a", previous="")
    send(dora, "b", previous="a")
    send(carla, "c", previous="b")
    story.now = 1.0
    return story, story.actor("anna", skew=3), story.actor("bert", skew=1)


def receive(actor: Actor, id: str, previous: str, *, version: int = 3, count: int = 1) -> Held:
    """Receive a message of the group, for ten seconds."""
    held = actor.about(id, GROUP).receive(version, count, previous=previous)
    actor.story.now += 0.1
    return held


def ask(actor: Actor, operation: str, id: str, held: Held, told: str = "done") -> None:
    """Do what a holder may do."""
    actor.about(id, GROUP).ask(operation, held, told)
    actor.story.now += 0.1


def finish(actor: Actor, id: str, previous: str) -> None:
    """Receive a message and delete it."""
    ask(actor, "delete", id, receive(actor, id, previous))


def look(story: Story, *seen: tuple[str, str, bool], lasts: float = 0.01) -> None:
    """Have the watcher see messages: id, predecessor, and whether it is in the standard queue."""
    watcher = story.actor("watcher")
    for id, previous, is_head in seen:
        details: dict[str, Detail] = {"id": id, "group": GROUP, "previous": previous, "next": ""}
        queue = "STANDARD" if is_head else ""
        watcher.note("listed", **details, queue=queue, version=2, lasted=round(lasts * 1e9))
    story.now += 2 * lasts


def test_each_property_has_a_history_that_violates_it() -> None:
    """The tests below name every property that is checked."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in PROPERTIES)


# --- good histories --------------------------------------------------------------------------


def test_one_after_the_other_is_in_order() -> None:
    """Each message is received when its predecessor was deleted, by whomever."""
    story, anna, bert = begun()
    look(story, ("a", "", True), ("b", "a", False), ("c", "b", False))
    finish(anna, "a", "")
    finish(bert, "b", "a")
    look(story, ("c", "b", True))
    finish(anna, "c", "b")
    assert not verdict(story)


def test_a_message_may_be_delivered_again_before_its_successor() -> None:
    """A holder dies, another one rejects the message after the deadline, and the next one comes."""
    story, anna, bert = begun()
    receive(anna, "a", "")
    story.now = 12
    ask(bert, "move_to_dlq", "a", receive(bert, "a", "", version=4, count=2))
    finish(bert, "b", "a")
    assert not verdict(story)


def test_a_successor_may_come_with_the_deletion() -> None:
    """What is received with its predecessor's deletion is noted before that is told as done."""
    story, anna, _ = begun()
    held = receive(anna, "a", "")
    anna.about("a", GROUP).ask("delete", held, "")
    held = receive(anna, "b", "a")
    ask(anna, "delete", "b", held)
    assert not verdict(story)


def test_an_exhausted_message_makes_way() -> None:
    """Nobody deletes it: after its deadline whoever finds it dead-letters it."""
    story, anna, bert = begun()
    receive(anna, "a", "")
    story.now = 14  # by bert's clock anna's delivery is over
    bert.about("a", GROUP).note("exhaust begun", id="a")
    story.now = 14.5
    finish(bert, "b", "a")
    assert not verdict(story)


def test_a_send_whose_reply_was_lost_is_found_by_reading() -> None:
    """Its sender never learned its place; a holder and the watcher did."""
    story, anna, bert = begun()
    send(story.actor("dora"), "d", "unknown")
    send(story.actor("dora"), "e", "")
    look(story, ("d", "c", False))
    for id, previous in (("a", ""), ("b", "a"), ("c", "b")):
        finish(anna, id, previous)
    finish(bert, "d", "c")
    assert not verdict(story)


def test_a_group_may_begin_anew() -> None:
    """When its last message has gone the next one is the first again."""
    story, anna, bert = begun()
    for id, previous in (("a", ""), ("b", "a"), ("c", "b")):
        finish(anna, id, previous)
    send(story.actor("dora"), "d", previous="")
    finish(bert, "d", "")
    assert not verdict(story)


def test_a_holder_may_note_a_delivery_late() -> None:
    """Between the claim and the line about it a process was stopped, and others went on."""
    story, anna, bert = begun()
    claimed = story.now + anna.skew
    story.now = 12
    finish(bert, "a", "")
    finish(bert, "b", "a")
    anna.about("a", GROUP).receive(2, 1, claimed=claimed)
    assert not verdict(story)


# --- CHAIN -----------------------------------------------------------------------------------


def test_a_message_with_two_places_is_reported() -> None:
    """CHAIN: the watcher reads another predecessor than the sender was told."""
    story, _, _ = begun()
    look(story, ("c", "a", False))
    only(verdict(story), "CHAIN", "c", "behind 'a' (watcher)", "behind 'b' (carla, who sent it,)")


def test_two_messages_in_one_place_are_reported() -> None:
    """CHAIN: two producers have linked their messages to the same one."""
    story, _, _ = begun()
    send(story.actor("dora"), "d", previous="b")
    found = verdict(story)
    assert ("CHAIN", "d") in {(one.property, one.id) for one in found}, describe(found)
    assert any("behind 'b', and so is 'c'" in one.explanation for one in found)


def test_a_place_behind_a_stranger_is_reported() -> None:
    """CHAIN: a message is linked to one that nobody has sent into the group."""
    story, _, _ = begun()
    send(story.actor("dora"), "d", previous="x")
    only(verdict(story), "CHAIN", "d", "'x', which is no message of the group")


def test_messages_in_a_circle_are_reported() -> None:
    """CHAIN: from no first message a link leads there."""
    story, _, _ = begun()
    for id, previous in (("d", "e"), ("e", "d")):
        send(story.actor("dora"), id, previous=previous)
    found = verdict(story)
    assert [(one.property, one.id) for one in found] == [("CHAIN", "d"), ("CHAIN", "e")]
    assert all("no link leads there" in one.explanation for one in found)


def test_a_message_without_a_place_is_reported() -> None:
    """CHAIN: it was accepted, and it was never in the group's list."""
    story, _, _ = begun()
    send(story.actor("dora"), "d")
    only(verdict(story), "CHAIN", "d", "nobody has read its place")


# --- APPEND ----------------------------------------------------------------------------------


def test_an_order_against_that_of_the_senders_is_reported() -> None:
    """APPEND: dora sent e after carla was told that d is there, and d comes behind e."""
    story, _, _ = begun()
    send(story.actor("carla"), "d", previous="e")
    send(story.actor("dora"), "e", previous="c")
    only(verdict(story), "APPEND", "d", "it was accepted by", "behind 'e'")


def test_a_batch_out_of_order_is_reported() -> None:
    """APPEND: of two messages in one batch the second comes first."""
    story, _, _ = begun()
    batch = [("d", "e"), ("e", "c")]
    carla = story.actor("carla")
    for id, _ in batch:
        carla.about(id, GROUP).send("")
        story.now += 0.001
    look(story, *((id, previous, False) for id, previous in batch))
    only(verdict(story), "APPEND", "d", "carla sent it before 'e'")


# --- FIFO ------------------------------------------------------------------------------------


def test_a_delivery_out_of_turn_is_reported() -> None:
    """FIFO: b is delivered first, and a while b is still held."""
    story, anna, bert = begun()
    held = receive(bert, "b", "a")
    finish(anna, "a", "")
    ask(bert, "delete", "b", held)
    found = verdict(story)
    assert ("FIFO", "b") in {(one.property, one.id) for one in found}, describe(found)
    assert "bert received it" in found[0].explanation
    assert "before its predecessor 'a'" in found[0].explanation


def test_a_delivery_after_ones_successor_is_reported() -> None:
    """FIFO: a was deleted, as it seemed, and b delivered; then a is delivered once more."""
    story, anna, bert = begun()
    finish(anna, "a", "")
    receive(bert, "b", "a")
    receive(anna, "a", "", version=5)
    only(verdict(story), "FIFO", "b", "before its predecessor 'a'")


def test_a_delivery_while_the_predecessor_is_there_is_reported() -> None:
    """FIFO: nobody has asked to delete a or to dead-letter it; its delivery was just over."""
    story, anna, bert = begun()
    held = receive(anna, "a", "")
    ask(anna, "retry", "a", held)
    story.now = 20
    receive(bert, "b", "a")
    only(verdict(story), "FIFO", "b", "nobody can have finished its predecessor 'a'")


@pytest.mark.parametrize("told", ["unknown", "stale"])
def test_what_was_refused_has_finished_nothing(told: str) -> None:
    """FIFO: a deletion that came too late explains no successor; one that is unknown may."""
    story, anna, bert = begun()
    held = receive(anna, "a", "")
    story.now = 12
    ask(anna, "delete", "a", held, told)
    receive(bert, "b", "a")
    found = verdict(story)
    if told == "unknown":
        assert not found
    else:
        only(found, "FIFO", "b", "nobody can have finished its predecessor 'a'")


def test_a_second_beginning_before_the_end_is_reported() -> None:
    """FIFO: the group had messages, and a new one is delivered as if it were the first."""
    story, anna, bert = begun()
    send(story.actor("dora"), "d", previous="")
    finish(anna, "a", "")
    held = receive(bert, "d", "")
    finish(anna, "b", "a")
    ask(bert, "delete", "d", held)
    found = verdict(story)
    assert {(one.property, one.id) for one in found} >= {("FIFO", "d")}, describe(found)


# --- HEAD ------------------------------------------------------------------------------------


def test_two_heads_are_reported() -> None:
    """HEAD: the watcher sees a in the queue after it has seen b there."""
    story, _, _ = begun()
    look(story, ("a", "", True))
    look(story, ("b", "a", True))
    look(story, ("a", "", True), ("b", "a", True))
    only(verdict(story), "HEAD", "b", "watcher saw it in the standard queue", "predecessor 'a'")


def test_a_predecessor_that_stays_is_reported() -> None:
    """HEAD: anna was told that a is deleted; bert has b, and then a is seen in the queue."""
    story, anna, bert = begun()
    finish(anna, "a", "")
    receive(bert, "b", "a")
    look(story, ("a", "", True))
    only(verdict(story), "HEAD", "b", "bert received it", "of that one, watcher saw it")


def test_two_heads_within_one_look_may_be_one_after_the_other() -> None:
    """HEAD: a look takes time, in which a can be deleted and b become the head."""
    story, _, _ = begun()
    look(story, ("a", "", True), ("b", "a", True), lasts=1.0)
    assert not verdict(story)


def test_a_broken_list_is_reported() -> None:
    """HEAD: the watcher has found a list that is not whole."""
    story, _, _ = begun()
    story.actor("watcher").note("list broken", group=GROUP, problem="as the watcher says")
    only(verdict(story), "HEAD", GROUP, "as the watcher says")


def listed(id: str, **links: str) -> Item:
    """A message of the group behind its head."""
    return {"id": id, "message_group_id": GROUP, "status": "READY", **links}


def head(id: str, **links: str) -> Item:
    """A message of the group in the standard queue."""
    return {**listed(id, **links), "queue_type": "STANDARD"}


def tail(id: str) -> Item:
    """What the group's item says."""
    return {"id": f"$group#{GROUP}", "tail_id": id}


A, B, C = (
    head("a", next_id="b"),
    listed("b", previous_id="a", next_id="c"),
    listed("c", previous_id="b"),
)


@pytest.mark.parametrize(
    "table",
    [
        [A, B, C, tail("c")],
        [head("b", previous_id="a", next_id="c"), C, tail("c")],
        [head("c", previous_id="b"), tail("c")],
        [],
        [{**listed("a"), "queue_type": "DLQ"}, {**listed("b"), "status": "DELETED"}],
        [{**A, "queue_type": "STANDARD.3"}, B, C, tail("c")],
    ],
)
def test_a_whole_list_is_in_order(table: list[Item]) -> None:
    """A head keeps its link to who was before it; what has left the list has no links."""
    assert not verdict(Story(), *table)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ([A, B, C], "the group's item names None"),
        ([A, B, C, tail("b")], "its last message is 'c', and the group's item names 'b'"),
        ([tail("c")], "names 'c' as its last message, and there is none"),
        ([B, C, tail("c")], "it has 0 heads"),
        ([A, {**B, "queue_type": "STANDARD"}, C, tail("c")], "it has 2 heads, ['a', 'b']"),
        ([A, B, tail("b")], "'b' links to 'c', which is not in the list"),
        ([head("a"), listed("b", previous_id="a"), tail("a")], "no link leads to ['b']"),
        ([A, listed("b", previous_id="x"), tail("b")], "names 'x' as its predecessor"),
        ([A, listed("b", previous_id="a", next_id="a"), tail("b")], "'b' links back to 'a'"),
        ([{**C, "status": "DELETED"}], "it has left its group's list and kept previous_id"),
        ([{**A, "queue_type": "DLQ"}], "it has left its group's list and kept next_id"),
    ],
)
def test_a_list_that_is_not_whole_is_reported(table: list[Item], problem: str) -> None:
    """HEAD: heads, links or the last message are not as they must be in the end."""
    found = verdict(Story(), *table)
    assert [one.property for one in found] == ["HEAD"], describe(found)
    assert problem in found[0].explanation


# --- ONE-AT-A-TIME ---------------------------------------------------------------------------


def exhausted_early(actor: Actor) -> None:
    """Dead-letter the message as if its deliveries were used up and over."""
    actor.about("a", GROUP).note("exhaust begun", id="a")


def deleted_by_another(actor: Actor) -> None:
    """Delete the message under an earlier receipt, which was given up long ago."""
    early = actor.about("a", GROUP).receive(1, 1, claimed=-30 + actor.skew)
    ask(actor, "delete", "a", early)


@pytest.mark.parametrize("interfere", [exhausted_early, deleted_by_another])
def test_deliveries_that_overlap_are_reported(interfere: Callable[[Actor], None]) -> None:
    """ONE-AT-A-TIME: anna holds a until its deadline, and bert is delivered b before that."""
    story, anna, bert = begun()
    receive(anna, "a", "")
    interfere(bert)
    receive(bert, "b", "a")
    only(
        verdict(story),
        "ONE-AT-A-TIME",
        "b",
        "bert received it",
        "of its predecessor 'a', anna received it",
        "nobody can have found that over",
    )

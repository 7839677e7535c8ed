"""The history checker on messages in groups: their upkeep counts in the version.

What groups promise beyond that is tested in ``test_chaos_order``.
"""

import pytest

from model_tests.history.checker import Violation
from model_tests.history.stories import ID, Story, dead, ready, tombstone


def broken(violations: list[Violation]) -> list[str]:
    """Which properties are violated."""
    return [violation.property for violation in violations]


@pytest.mark.parametrize(
    ("version", "previous", "following"),
    [
        (2, "", ""),
        (2, "", "n"),
        (3, "", "n"),
        (2, "p", ""),
        (3, "p", ""),
        (4, "p", "n"),
    ],
)
def test_a_groups_upkeep_is_accounted_for(version: int, previous: str, following: str) -> None:
    """A message that gets a successor is written once more, and so is one that becomes head.

    Unless it was sent together with its successor, or became head with the claim.
    """
    story = Story()
    story.actor("producer").about(ID, "g").send()
    anna = story.actor("anna").about(ID, "g")
    story.now = 1.0
    held = anna.receive(version, 1, previous=previous, following=following)
    anna.ask("delete", held)
    end = version + 1
    assert not story.check(tombstone(end, 1), drained=True)
    may_be_linked = [] if not following else ["VERSION"]
    assert broken(story.check(tombstone(end + 1, 1))) == may_be_linked
    assert broken(story.check(tombstone(end + 2, 1))) == ["VERSION"]


@pytest.mark.parametrize(("version", "expected"), [(3, ["VERSION"]), (4, []), (5, ["VERSION"])])
def test_a_link_between_two_deliveries_counts_once(version: int, expected: list[str]) -> None:
    """VERSION: the second holder sees a successor that the first one did not."""
    story = Story()
    story.actor("producer").about(ID, "g").send()
    anna, bert = (story.actor(name).about(ID, "g") for name in ("anna", "bert"))
    story.now = 1.0
    anna.receive(2, 1)
    story.now = 20.0
    bert.receive(version, 2, following="n")
    assert broken(story.check(ready(version, 2))) == expected


def test_upkeep_of_a_first_message_that_nobody_has_is_reported() -> None:
    """VERSION: without neighbours there is nothing to be written but the claim."""
    story = Story()
    story.actor("producer").about(ID, "g").send()
    story.now = 1.0
    story.actor("anna").about(ID, "g").receive(3, 1)
    (violation,) = story.check(ready(3, 1))
    assert violation.property == "VERSION"
    assert "from version 1 to 3" in violation.explanation
    assert "for 0" in violation.explanation


def test_a_dead_letter_of_a_group_may_have_had_a_successor() -> None:
    """VERSION: what nobody was told of: claims, a successor, becoming the head."""
    story = Story()
    story.actor("producer").about(ID, "g").send()
    for version in (5, 6, 7):
        assert not story.check(dead(version), max_receives=3), version
    assert broken(story.check(dead(8), max_receives=3)) == ["VERSION"]

"""DynamoDB's expression language on the embedded engine: what it means, and where a text is wrong.

That it means the same as on DynamoDB Local is checked by ``tests/integration``.
"""

from typing import Any

import pytest

from dynamomq.drivers.local.language import (
    ExpressionError,
    Placeholders,
    parse_condition,
    parse_update,
)
from dynamomq.expressions import EffectError
from dynamomq.values import Item

ITEM: Item = {
    "n": 5,
    "s": "abc",
    "l": [1, "a", [9], {"deep": True}],
    "m": {"a": 1, "k": {"x": "y"}},
    "q": {"a", "b"},
}
VALUES: dict[str, Any] = {":five": 5, ":text": "ab", ":list": [1], ":set": {"a"}, ":letter": "N"}


def placeholders(text: str, names: dict[str, str] | None = None) -> Placeholders:
    """The values that a text uses, and names."""
    return Placeholders(names or {}, {key: one for key, one in VALUES.items() if key in text})


def holds(text: str, **names: str) -> bool:
    """Whether a condition holds of ``ITEM``; names are given without their mark."""
    given = placeholders(text, {f"#{key}": name for key, name in names.items()})
    condition = parse_condition(text, given)
    given.check_all_used()
    return condition.evaluate(ITEM, {})


def updated(text: str) -> Item:
    """What an update leaves of ``ITEM``: the attributes that are not as before."""
    after = parse_update(text, placeholders(text)).apply(ITEM)
    return {name: value for name, value in after.items() if ITEM.get(name) != value}


@pytest.mark.parametrize(
    "text",
    [
        "n = :five",
        "n <> missed",
        "missed <> gone_too",
        "n BETWEEN m.a AND :five",
        "n IN (m.a, :five)",
        "attribute_exists(l[2][0]) AND attribute_not_exists(l[9])",
        "attribute_type(n, :letter)",
        "begins_with(s, :text) and contains(s, :text)",
        "contains(l, m.a) OR contains(q, s)",
        "size(s) < :five AND size(q) = size(#m)",
        "NOT n = m.a AND NOT (s = n OR s = m.a)",
        "n = m.a OR n = :five AND s <> n",
        "(n) = (:five)",
        "l[3].deep <> :five",
    ],
)
def test_conditions_that_hold(text: str) -> None:
    """Operators, functions and paths mean what DynamoDB's documentation says; NOT binds most."""
    assert holds(text, **({"m": "m"} if "#m" in text else {}))


def test_names_stand_for_attributes_whole() -> None:
    """A placeholder names one attribute, dots and reserved words and all."""
    assert holds("attribute_not_exists(#dotted)", dotted="m.a")
    assert holds("#map.#a = l[0]", map="m", a="a")


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("SET n = n + :five, o1 = :text", {"n": 10, "o1": "ab"}),
        ("SET n = :five - n", {"n": 0}),
        ("SET c = if_not_exists(c, :five) - m.a", {"c": 4}),
        ("SET l = list_append(:list, l)", {"l": [1, 1, "a", [9], {"deep": True}]}),
        ("SET l[9] = :five, l[7] = :text", {"l": [1, "a", [9], {"deep": True}, "ab", 5]}),
        ("SET l[0] = l[1], l[1] = l[0]", {"l": ["a", 1, [9], {"deep": True}]}),
        ("REMOVE l[0], l[2] SET l[1] = :five", {"l": [5, {"deep": True}]}),
        ("SET m.k.z = m.k", {"m": {"a": 1, "k": {"x": "y", "z": {"x": "y"}}}}),
        ("remove m.k, l[2][0]", {"m": {"a": 1}, "l": [1, "a", [], {"deep": True}]}),
        (
            "ADD n :five, fresh :set, m.a :five",
            {"n": 10, "fresh": {"a"}, "m": {"a": 6, "k": {"x": "y"}}},
        ),
        ("DELETE q :set", {"q": {"b"}}),
    ],
)
def test_updates(text: str, changes: Item) -> None:
    """Clauses come in any order, and all of them see the item as it was before."""
    before = repr(ITEM)
    assert updated(text) == changes
    assert repr(ITEM) == before


def test_a_set_without_members_is_gone() -> None:
    """DynamoDB stores no empty set."""
    after = parse_update("DELETE q :both", Placeholders({}, {":both": {"a", "b"}})).apply(ITEM)
    assert "q" not in after


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("n = 5", "at character 5: a name is wanted, not '5'"),
        ("n = :six", "at character 5: it is not said what :six stands for"),
        ("#n = n", "at character 1: it is not said what #n stands for"),
        ("status = n", "at character 1: status is a reserved word; write a #placeholder for it"),
        ("n = n", "at character 5: = compares n with itself"),
        ("n = m.a AND", "at character 12: a name is wanted, not the end"),
        ("((n = m.a))", "at character 1: there are redundant parentheses"),
        (
            "(" * 1500 + "n = m.a" + ")" * 1500,
            "at character 101: there are more than 100 parentheses in one another",
        ),
        ("contains(s)", "at character 9: contains wants 2 operand(s), not 1"),
        ("CONTAINS(s, n)", "at character 1: conditions have no function CONTAINS"),
        ("size(s)", "at character 8: an operator is wanted, not the end"),
        ("n < :list", "at character 5: < can't have an operand of type L"),
        (
            "n BETWEEN :five AND :text",
            "at character 21: the bounds of BETWEEN are of different types",
        ),
        ("attribute_exists(:five)", "at character 18: attribute_exists wants a document path"),
        ("n = m.a; s = n", "at character 8: ';' is not part of the language"),
        ("l[01] = n", "at character 4: ']' is wanted, not '1'"),
        ("  ", "an empty expression"),
        (f"n = {'m.a'.ljust(4096)}", "an expression of 4,100 bytes; 4,096 may be"),
        (" OR ".join(["n = s"] * 151), "it has more than 300 operators and functions"),
    ],
)
def test_conditions_that_are_none(text: str, complaint: str) -> None:
    """What is wrong is told with its place in the text, counted from 1."""
    with pytest.raises(ExpressionError) as caught:
        holds(text)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("PUT n = :five", "at character 1: one of SET, REMOVE, ADD, DELETE is wanted, not 'PUT'"),
        ("SET n = :five SET s = :five", "at character 15: there is a SET clause already"),
        ("SET n = :five REMOVE n", "at character 22: n overlaps with n"),
        ("SET m.a = :five, m[0] = :five", "at character 18: m[0] conflicts with m.a"),
        ("SET n = n + :text", "at character 13: + can't have an operand of type S"),
        ("SET n = size(s)", "at character 9: updates have no function size"),
        ("ADD n :text", "at character 7: ADD can't have an operand of type S"),
        ("DELETE q n", "at character 10: a :value is wanted, not 'n'"),
        (
            "SET n = list_append(list_append(l, l), l)",
            "at character 21: list_append can't be an operand of itself",
        ),
    ],
)
def test_updates_that_are_none(text: str, complaint: str) -> None:
    """The same for updates."""
    with pytest.raises(ExpressionError) as caught:
        updated(text)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SET n = gone", "gone has no value"),
        ("SET n = if_not_exists(gone, gone_too)", "if_not_exists(gone, gone_too) has no value"),
        ("SET n = s - :five", "s is not a number"),
        ("SET gone.a = :five", "the item has no place for gone.a"),
        ("REMOVE m[0]", "the item has no place for m[0]"),
        ("ADD s :five", "s is not a number"),
        ("ADD n :set", "n is not a set of the same type"),
        ("DELETE n :set", "n is not a set of the same type"),
    ],
)
def test_items_that_an_update_does_not_fit(text: str, complaint: str) -> None:
    """What the item lacks or mistypes is named by its path."""
    with pytest.raises(EffectError) as caught:
        updated(text)
    assert str(caught.value) == complaint


@pytest.mark.parametrize(
    ("names", "values", "complaint"),
    [
        ({"n": "n"}, {}, "'n' is no placeholder: it must be '#' and letters, digits or '_'"),
        ({"#": "n"}, {}, "'#' is no placeholder: it must be '#' and letters, digits or '_'"),
        ({}, {"#v": 1}, "'#v' is no placeholder: it must be ':' and letters, digits or '_'"),
        ({"#n": ""}, {}, "#n stands for '', which is no name"),
        ({"#n": "n"}, {":v": 1}, "no expression uses #n, :v"),
    ],
)
def test_placeholders_that_are_none(
    names: dict[str, str], values: dict[str, Any], complaint: str
) -> None:
    """Placeholders have their form, and each that is given is used."""

    def use() -> None:
        Placeholders(names, values).check_all_used()

    with pytest.raises(ExpressionError) as caught:
        use()
    assert str(caught.value) == complaint

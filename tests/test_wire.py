"""Rules as DynamoDB's expressions and as PartiQL.

The texts of all the machine's rules are kept in ``tests/golden/wire.txt``, to be reviewed by eye.
After a change of the machine or of the printer, write them anew and read the difference::

    python -m tests.test_wire

What DynamoDB Local says to them is in ``tests/test_wire_accepted.py``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from enum import Enum, StrEnum
from pathlib import Path

import pytest

from dynamomq.attributes import ARGUMENTS
from dynamomq.drivers import wire
from dynamomq.effects import Add, Discard, Effect, Remove, Set
from dynamomq.expressions import (
    FALSE,
    TRUE,
    AllOf,
    AnyOf,
    Append,
    Arg,
    Attr,
    Condition,
    Constant,
    Given,
    IfNotExists,
    Not,
    Plus,
    Same,
)
from dynamomq.machine import MESSAGE
from dynamomq.reserved import GROUP, RESERVED
from dynamomq.rules import Kind, Specialised, StateMachine
from dynamomq.values import Value
from spec.examples import reads

GOLDEN = Path(__file__).parent / "golden" / "wire.txt"

TIME = "now forgotten_epoch legacy_horizon"
LINKS = "group next_id previous_id"

# (trigger, queue, the arguments that are given): each trigger, with all that it may be given and
# with as little as possible, and what decides between alternatives.
MESSAGE_CASES = [
    ("send", None, f"{TIME} id due token data partition"),
    ("send", None, f"{TIME} id due token data headers codec encoding group partition"),
    ("send", None, f"{TIME} id due token data group previous_id"),
    ("send", None, f"{TIME} id due token data group previous_id next_id sequence"),
    ("receive", "STANDARD", f"{TIME} due token max_receives"),
    ("receive", "DLQ", f"{TIME} due token"),
    ("exhaust", None, f"{TIME} token max_receives failure partition"),
    ("exhaust", None, f"{TIME} token max_receives failure partition group next_id"),
    ("quarantine", None, f"{TIME} token errors version creation_timestamp partition"),
    ("extend", None, f"{TIME} token receipt due"),
    ("retry", None, f"{TIME} token receipt due"),
    ("retry", None, f"{TIME} token receipt due errors next_id"),
    ("release", None, f"{TIME} token receipt due"),
    ("delete", None, f"{TIME} token receipt expires_at"),
    ("delete", None, f"{TIME} token receipt expires_at group next_id"),
    ("move_to_dlq", None, f"{TIME} token receipt partition"),
    ("move_to_dlq", None, f"{TIME} token receipt errors partition group next_id"),
    ("bury", None, f"{TIME} token seen_token errors partition"),
    ("bury", None, f"{TIME} token seen_version partition {LINKS}"),
    ("redrive", None, f"{TIME} token seen_token partition"),
    ("redrive", None, f"{TIME} token seen_token group previous_id sequence"),
    ("update", None, f"{TIME} token seen_token data headers"),
    ("update", None, f"{TIME} token seen_version data"),
    ("reschedule", None, f"{TIME} token seen_token due"),
    ("cancel", None, f"{TIME} token seen_token expires_at"),
    ("cancel", None, f"{TIME} token seen_version expires_at {LINKS}"),
    ("purge", None, f"{TIME} token seen_token expires_at"),
    ("purge", None, f"{TIME} token seen_version expires_at {LINKS}"),
    ("promote", None, f"{TIME} partition seen_previous_id"),
    ("promote", None, f"{TIME} partition seen_previous_id next_id"),
    ("advance", None, f"{TIME} token due max_receives seen_version seen_previous_id partition"),
    ("link", None, f"{TIME} next_id"),
    ("link", None, f"{TIME} next_id seen_next_id"),
    ("link", None, f"{TIME} previous_id seen_previous_id"),
    ("unlink", None, f"{TIME} seen_next_id"),
]
GROUP_CASES = [
    ("open", None, "id new_tail_id"),
    ("append", None, "tail_id new_tail_id"),
    ("append", None, "tail_id new_tail_id sequence"),
    ("close", None, "tail_id"),
]
LISTED = [(MESSAGE, *case) for case in MESSAGE_CASES] + [(GROUP, *case) for case in GROUP_CASES]


def unlisted(machine: StateMachine) -> Iterator[tuple[StateMachine, str, None, str]]:
    """A case for each trigger that has none above, given all arguments that it reads."""
    listed = {trigger for one, trigger, *_ in LISTED if one is machine}
    writes = dict.fromkeys(one.trigger for one in machine.transitions if one.by != "time")
    for trigger in writes:
        if trigger not in listed:
            yield machine, trigger, None, " ".join(sorted(reads(machine.rule(trigger))))


CASES = [*LISTED, *unlisted(MESSAGE), *(case for one in RESERVED for case in unlisted(one))]
"""So every write of all machines has a golden text, new ones too."""


def specialised_cases() -> Iterator[tuple[str, Specialised]]:
    """Each case's heading, and its rule."""
    for machine, trigger, queue, given_ in CASES:
        names = given_.split()
        where = f" from {queue}" if queue else ""
        rule = machine.rule(trigger, queue=queue).specialised(dict.fromkeys(names))
        yield f"{machine.name}: {trigger}{where}, given {', '.join(sorted(names))}", rule


def shown(heading: str, rule: Specialised) -> str:
    """One entry of the golden file."""
    texts, statement = wire.expressions(rule), wire.statement(rule, "table")
    paragraphs = [f"{rule.kind} where {texts.condition}", texts.update]
    paragraphs += [", ".join(f"{one} {source}" for one, source in texts.sources.items())]
    if statement is None:
        paragraphs += ["never in a batch"]
    else:
        sources = [str(source) for source in statement.sources]
        if statement.key_place is not None:
            sources.insert(statement.key_place, "the key")
        paragraphs += [statement.text, ", ".join(sources)]
    lines = [
        textwrap.fill(
            text, 100, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False
        )
        for text in paragraphs
        if text
    ]
    return "\n".join([heading, *lines, ""])


def all_shown() -> str:
    """The whole golden file."""
    return "\n".join(shown(heading, rule) for heading, rule in specialised_cases())


def rule_of(condition: Condition, *effects: Effect, kind: Kind = "update") -> Specialised:
    """A rule made for a test, with some condition and effects."""
    return Specialised(kind, condition, effects, ())


def text_of(condition: Condition) -> str:
    """A condition in the expression language."""
    return wire.expressions(rule_of(condition)).condition


def partiql_of(condition: Condition, *effects: Effect) -> str:
    """A condition in PartiQL, without what stands around it."""
    statement = wire.statement(rule_of(AllOf((THERE, condition)), *effects), "t")
    assert statement is not None
    return statement.text.partition(f"{THERE_IN_PARTIQL} AND ")[2].partition(" RETURNING")[0]


A, B, C = (Attr(name).eq(Arg(name)) for name in "abc")
NOTHING_HAPPENS = Set(Attr("x"), Constant(1))
THERE = Attr("there").exists()
"""Keeps a rule from applying where there is no item, which PartiQL's UPDATE can't say."""
THERE_IN_PARTIQL = '"there" IS NOT MISSING'


# --- the machine's rules ---------------------------------------------------------------------


def test_texts_of_all_rules() -> None:
    """The text of every rule is as reviewed: see the module's docstring for how to renew them."""
    assert GOLDEN.read_text(encoding="utf-8") == all_shown()


def test_golden_cases_name_arguments_that_exist() -> None:
    """What a case gives is in the machine's list of arguments."""
    assert {name for *_, given_ in CASES for name in given_.split()} <= set(ARGUMENTS)


def test_texts_keep_to_the_limits() -> None:
    """No text of a rule is longer than DynamoDB allows: 4 KB an expression, 300 operators in it."""
    for heading, rule in specialised_cases():
        texts = wire.expressions(rule)
        assert len(texts.condition) <= 4096, heading
        assert len(texts.update) <= 4096, heading
        words = texts.condition.split()
        assert sum(words.count(word) for word in ("AND", "OR", "=", "<", ">", "<=")) < 300, heading


def test_every_placeholder_is_used_and_defined() -> None:
    """DynamoDB refuses a name or value that no expression uses, and one that is not defined."""
    for heading, rule in specialised_cases():
        texts = wire.expressions(rule)
        words = f"{texts.condition} {texts.update}".replace("(", " ").replace(")", " ")
        used = {word.rstrip(",") for word in words.split() if word[0] in "#:"}
        assert used == {*texts.names, *texts.sources}, heading


def test_no_rule_changes_an_attribute_twice() -> None:
    """DynamoDB refuses overlapping paths, so no rule has two effects on one attribute."""
    for heading, rule in specialised_cases():
        names = [effect.attribute.name for effect in rule.effects]
        assert len(names) == len(set(names)), heading


# --- the grammar -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "text", "partiql"),
    [
        (A & B & C, "#a = :a AND #b = :b AND #c = :c", '"a" = ? AND "b" = ? AND "c" = ?'),
        (A | B, "#a = :a OR #b = :b", '("a" = ? OR "b" = ?)'),
        (A & (B | C), "#a = :a AND (#b = :b OR #c = :c)", '"a" = ? AND ("b" = ? OR "c" = ?)'),
        (
            AnyOf((A, AllOf((B, C)))),
            "#a = :a OR (#b = :b AND #c = :c)",
            '("a" = ? OR ("b" = ? AND "c" = ?))',
        ),
        (AllOf((A, AllOf((B, C)))), "#a = :a AND #b = :b AND #c = :c", None),
        (AllOf((AnyOf((A,)),)), "#a = :a", '"a" = ?'),
        (Not(A), "NOT (#a = :a)", 'NOT ("a" = ?)'),
        (Not(A | B), "NOT (#a = :a OR #b = :b)", 'NOT ("a" = ? OR "b" = ?)'),
        (Not(Not(A)), "NOT (NOT (#a = :a))", 'NOT (NOT ("a" = ?))'),
        (Attr("a").exists(), "attribute_exists(#a)", '"a" IS NOT MISSING'),
        (Attr("a").absent(), "attribute_not_exists(#a)", '"a" IS MISSING'),
        (Attr("a").has_type("N"), "attribute_type(#a, :N)", "attribute_type(\"a\", 'N')"),
        (
            Not(Attr("a").has_type("N")),
            "NOT (attribute_type(#a, :N))",
            "NOT (attribute_type(\"a\", 'N'))",
        ),
        (Attr("a").lt(Arg("v")), "#a < :v", '"a" < ?'),
        (Attr("a").le(Arg("v")), "#a <= :v", '"a" <= ?'),
        (Attr("a").gt(Arg("v")), "#a > :v", '"a" > ?'),
        (Attr("a").ge(Arg("v")), "#a >= :v", '"a" >= ?'),
        (Attr("a").eq(Attr("b")), "#a = #b", '"a" = "b"'),
    ],
)
def test_conditions(condition: Condition, text: str, partiql: str | None) -> None:
    """Operators, functions and parentheses are as in this table, in both languages."""
    assert text_of(condition) == text
    if partiql is not None:
        assert partiql_of(condition, NOTHING_HAPPENS) == partiql


def test_effects() -> None:
    """Assignments come first, then removals; sums, lists and defaults are written as functions."""
    version, errors = Attr("version"), Attr("errors")
    rule = rule_of(
        A,
        Remove(Attr("gone")),
        Set(version, Plus(version, Constant(1))),
        Set(errors, Append(IfNotExists(errors, Constant([])), Arg("failure"))),
        Set(Attr("now"), Arg("now")),
        Remove(Attr("too")),
    )
    texts = wire.expressions(rule)
    assert texts.update == (
        "SET #version = #version + :n1, "
        "#errors = list_append(if_not_exists(#errors, :empty_L), :failure), "
        "#now = :now REMOVE #gone, #too"
    )
    assert texts.values({"a": "x", "failure": ["f"], "now": "n"}) == {
        ":a": {"S": "x"},
        ":n1": {"N": "1"},
        ":empty_L": {"L": []},
        ":failure": {"L": [{"S": "f"}]},
        ":now": {"S": "n"},
    }


def test_partiql_update() -> None:
    """Each change has a clause of its own, the key comes first in WHERE, parameters in order."""
    rule = rule_of(
        A,
        Set(Attr("version"), Plus(Attr("version"), Constant(1))),
        Set(Attr("log"), Append(Attr("log"), Arg("more"))),
        Remove(Attr("gone")),
        Remove(Attr("too")),
    )
    statement = wire.statement(rule, "orders")
    assert statement is not None
    assert statement.text == (
        'UPDATE "orders" SET "version"="version" + ? SET "log"=list_append("log", ?) '
        'REMOVE "gone" REMOVE "too" WHERE "id"=? AND "a" = ? RETURNING ALL NEW *'
    )
    parameters = statement.parameters("the-id", {"a": "x", "more": []})
    assert parameters == [{"N": "1"}, {"L": []}, {"S": "the-id"}, {"S": "x"}]


def test_partiql_insert() -> None:
    """A put that may meet no item is an INSERT, the key a member like the others."""
    effects = (Set(Attr("id"), Arg("id")), Set(Attr("it's"), Constant("READY")))
    statement = wire.statement(rule_of(Attr("id").absent(), *effects, kind="put"), "t")
    assert statement is not None
    assert statement.text == "INSERT INTO \"t\" VALUE {'id': ?, 'it''s': ?}"
    assert statement.parameters("i", {"id": "i"}) == [{"S": "i"}, {"S": "READY"}]


def test_partiql_says_no_more_than_is_documented() -> None:
    """``if_not_exists``, a put over an item, a delete and a long text have no statement."""
    optional = Set(Attr("a"), Append(IfNotExists(Attr("a"), Constant([])), Arg("a")))
    assert wire.statement(rule_of(A, optional), "t") is None
    assert wire.statement(rule_of(A, NOTHING_HAPPENS, kind="put"), "t") is None
    assert wire.statement(rule_of(A, kind="delete"), "t") is None
    long = AllOf(tuple(Attr(f"a{n}").exists() for n in range(400)))
    assert wire.statement(rule_of(long, NOTHING_HAPPENS), "t") is None


@pytest.mark.parametrize(
    "condition",
    [Attr("id").absent(), Not(A), A | Attr("b").absent()],
    ids=["absent", "not equal", "equal or absent"],
)
def test_partiql_updates_only_what_is_there(condition: Condition) -> None:
    """An update that would also make a new item has no statement: AWS refuses such an UPDATE."""
    assert wire.statement(rule_of(condition, NOTHING_HAPPENS), "t") is None
    assert wire.statement(rule_of(condition & THERE, NOTHING_HAPPENS), "t") is not None


def test_names_are_never_text() -> None:
    """Reserved words, quotes, dots and spaces in names are quoted or aliased, and never collide."""
    condition = Attr("size").exists() & Attr("a.b").exists() & Attr("a b").exists()
    texts = wire.expressions(rule_of(condition))
    assert texts.names == {"#size": "size", "#a_b": "a.b", "#a_b_2": "a b"}
    statement = wire.statement(rule_of(Attr('a"b').exists(), NOTHING_HAPPENS), 't"t')
    assert statement is not None
    assert statement.text == (
        'UPDATE "t""t" SET "x"=? WHERE "id"=? AND "a""b" IS NOT MISSING RETURNING ALL NEW *'
    )


class Line(int, Enum):
    """An enum whose text is not its value."""

    FIRST = 1


class Odd(int):
    """An index that shows itself as it likes."""

    def __format__(self, spec: str) -> str:
        """Show more than an index."""
        return "0] = #x OR #l[0"


class Column(StrEnum):
    """Names of attributes."""

    LINES = "lines"


@pytest.mark.parametrize("index", [Line.FIRST, Odd(1)])
def test_indexes_are_nothing_but_numbers(index: int) -> None:
    """An index is written in digits, whatever a subclass of ``int`` makes of its own text."""
    for place in (Attr(Column.LINES)[index][Column.LINES], Attr("lines", (index, Column.LINES))):
        assert text_of(place.exists()) == "attribute_exists(#lines[1].#lines)"
        assert str(place) == "lines[1].lines"
        assert [type(part) for part in (place.name, *place.steps)] == [str, int, str]


def test_values_are_never_text() -> None:
    """No constant's characters reach a text but those of a placeholder."""
    hostile = "x' OR '1'='1"
    rule = rule_of(Attr("a").eq(Constant(hostile)), Set(Attr("a"), Constant(hostile)))
    texts, statement = wire.expressions(rule), wire.statement(rule, "t")
    assert texts.condition == "#a = :x_OR_1_1"
    assert texts.sources == {":x_OR_1_1": {"S": hostile}}
    assert statement is not None
    assert "OR" not in statement.text


def test_placeholders_of_constants() -> None:
    """Constants have readable placeholders, one for each value, none that an argument has."""
    values: tuple[Value, ...] = ("READY", "READY", "", 0, 12, -1, None, True, [], "now")
    rule = rule_of(
        Attr("n").eq(Arg("now")), *(Set(Attr(f"a{n}"), Constant(v)) for n, v in enumerate(values))
    )
    assert list(wire.expressions(rule).sources) == [
        ":now",
        ":READY",
        ":empty_S",
        ":n0",
        ":n12",
        ":minus1",
        ":NULL",
        ":BOOL",
        ":empty_L",
        ":now_2",
    ]


def long_rule() -> tuple[Specialised, list[str], list[str]]:
    """A rule with attributes and constants whose texts differ only after 299 characters."""
    names, constants = ([f"{letter * 299}{end}" for end in "12"] for letter in "ac")
    effects = [Set(Attr(name), Constant(text)) for name, text in zip(names, constants, strict=True)]
    return rule_of(Attr("id").absent(), *effects), names, constants


def test_placeholders_of_long_texts_are_short() -> None:
    """A placeholder has at most the 255 characters that DynamoDB allows, and none stands twice."""
    rule, names, constants = long_rule()
    texts = wire.expressions(rule)
    assert list(texts.names.values()) == ["id", *names]
    assert texts.sources == {
        f":{'c' * 100}": {"S": constants[0]},
        f":{'c' * 100}_2": {"S": constants[1]},
    }
    assert max(map(len, (*texts.names, *texts.sources))) <= 255


def test_argument_after_a_constant_of_the_same_name() -> None:
    """An argument whose placeholder a constant has taken gets another one."""
    texts = wire.expressions(rule_of(Attr("a").eq(Constant("v")) & Attr("b").eq(Arg("v"))))
    assert texts.condition == "#a = :v AND #b = :v_2"
    assert texts.values({"v": "argument"}) == {":v": {"S": "v"}, ":v_2": {"S": "argument"}}


@pytest.mark.parametrize(
    "condition", [TRUE, FALSE, Given("a"), Same(Attr("a"), "a"), A & Given("b")]
)
def test_what_must_be_folded_away_is_refused(condition: Condition) -> None:
    """There is no unconditional write, and what arguments decide is no condition of DynamoDB's."""
    with pytest.raises(ValueError, match="no way to say"):
        wire.expressions(rule_of(condition))


def test_texts_are_made_once() -> None:
    """The same rule gives the same objects: a request only fills in values."""
    rule = rule_of(A, NOTHING_HAPPENS)
    assert wire.expressions(rule) is wire.expressions(rule)
    assert wire.statement(rule, "t") is wire.statement(rule, "t")
    assert wire.statement(rule, "t") is not wire.statement(rule, "u")


if __name__ == "__main__":
    GOLDEN.write_text(all_shown(), encoding="utf-8")


# --- users' own actions ----------------------------------------------------------------------


def test_users_expressions() -> None:
    """EXPR-5: names are aliased, also within paths, and nothing of a value is in the text."""
    stock, tags, deep = Attr("stock"), Attr("tags"), Attr("a.b")[2]["status"]
    condition = (
        (stock.between(1, 9) | deep.absent())
        & tags.contains("secret")
        & ~tags.size().is_in([1, Attr("n")])
        & Attr("name").begins_with("secret")
        & deep.has_type("S")
    )
    effects = (
        Set("stock", stock - 3),
        Set(deep, Attr("log").prepend(["secret"])),
        Remove(tags[0]),
        Add("n", 1),
        Discard("names", {"secret"}),
    )
    texts = wire.own_expressions(rule_of(condition, *effects))
    assert texts.condition == (
        "((#stock >= :v AND #stock <= :v_2) OR attribute_not_exists(#a_b[2].#status))"
        " AND contains(#tags, :v_3) AND NOT (size(#tags) = :v OR size(#tags) = #n)"
        " AND begins_with(#name, :v_3) AND attribute_type(#a_b[2].#status, :v_4)"
    )
    assert texts.update == (
        "SET #stock = #stock - :v_5, #a_b[2].#status = list_append(:v_6, #log) REMOVE #tags[0]"
        " ADD #n :v DELETE #names :v_7"
    )
    assert texts.names["#a_b"] == "a.b"
    assert texts.values({})[":v_7"] == {"SS": ["secret"]}


def test_users_values_are_not_kept() -> None:
    """Each action's expressions are made anew: there are as many as values, and they hold them."""
    rule = rule_of(TRUE, Set("a", "secret"))
    assert wire.own_expressions(rule).condition == ""
    assert wire.own_expressions(rule) is not wire.own_expressions(rule)

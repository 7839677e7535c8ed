"""Guards and effects: DynamoDB's semantics, and simplifications that change nothing."""

from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq.effects import Add, Discard, Effect, Remove, Set, apply_effects
from dynamomq.errors import InvalidArgumentError
from dynamomq.expressions import (
    FALSE,
    TRUE,
    AllOf,
    AnyOf,
    Append,
    Arg,
    Attr,
    Comparison,
    Condition,
    Constant,
    EffectError,
    Given,
    IfNotExists,
    Not,
    Operand,
    Plus,
    Same,
    all_of,
    any_of,
    negation,
)
from dynamomq.values import Item, Value
from spec.trees import arguments_read, condition_tree, effect_trees

A, B = Attr("a"), Attr("b")
X = Arg("x")
ONE = Constant(1)


def holds(condition: Condition, item: Item, **arguments: Value) -> bool:
    """Shorthand."""
    return condition.evaluate(item, arguments)


# --- comparisons -----------------------------------------------------------------------------


@pytest.mark.parametrize("operator", ["=", "<", "<=", ">", ">="])
def test_a_missing_attribute_compares_with_nothing(operator: str) -> None:
    """EXPR-1: a comparison with a missing attribute is false, whatever the operator."""
    conditions = {
        "=": A.eq(ONE),
        "<": A.lt(ONE),
        "<=": A.le(ONE),
        ">": A.gt(ONE),
        ">=": A.ge(ONE),
    }
    assert not holds(conditions[operator], {})
    assert not holds(Comparison("=", A, B), {})


@pytest.mark.parametrize("other", ["1", True, b"1", None, [1], {"n": 1}, {1}])
def test_another_type_is_never_equal_nor_ordered(other: Value) -> None:
    """EXPR-1: values of different types are unequal and have no order; true is not 1."""
    for condition in (A.eq(ONE), A.lt(ONE), A.le(ONE), A.gt(ONE), A.ge(ONE)):
        assert not holds(condition, {"a": other})


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, 2), (Decimal("1.5"), 2), ("a", "b"), ("Z", "a"), ("", "a"), (b"a", b"b"), ("z", "é")],
)
def test_order_is_that_of_numbers_and_of_bytes(left: Value, right: Value) -> None:
    """EXPR-1: numbers by value, strings and binary by their bytes."""
    condition = {"a": left}
    assert holds(A.lt(Constant(right)), condition)
    assert holds(A.le(Constant(right)), condition)
    assert not holds(A.gt(Constant(right)), condition)
    assert not holds(A.ge(Constant(right)), condition)


def test_equal_numbers_are_equal_however_written() -> None:
    """EXPR-1: 1 and 1.0 are the same number."""
    assert holds(A.eq(ONE), {"a": Decimal("1.0")})


def test_negation_has_two_values() -> None:
    """EXPR-2: NOT of a comparison with a missing attribute is true; there is no unknown."""
    assert holds(~A.gt(ONE), {})
    assert holds(~A.eq(ONE), {"a": "1"})
    assert not holds(A.le(ONE), {}), "NOT a > 1 is not a <= 1"


def test_existence_and_type() -> None:
    """EXPR-2: an attribute that holds null exists; a type test is false for a missing one."""
    assert holds(A.exists(), {"a": None})
    assert holds(A.absent(), {})
    assert holds(A.has_type("NULL"), {"a": None})
    assert not holds(A.has_type("N"), {"a": True})
    assert not holds(A.has_type("S"), {})


# --- arguments -------------------------------------------------------------------------------


def test_an_argument_that_is_left_out() -> None:
    """EXPR-3: a comparison with it is false, Given is false, Same asks for absence."""
    assert not holds(A.eq(X), {"a": 1})
    assert holds(~A.eq(X), {"a": 1})
    assert not holds(Given("x"), {})
    assert holds(Same(A, "x"), {})
    assert not holds(Same(A, "x"), {"a": 1})


def test_an_argument_that_is_given() -> None:
    """EXPR-3: Given is true even of null, Same compares."""
    assert holds(Given("x"), {}, x=None)
    assert holds(Same(A, "x"), {"a": 1}, x=1)
    assert not holds(Same(A, "x"), {}, x=1)


# --- truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [A.exists(), A.eq(ONE), TRUE, FALSE, Not(A.exists())])
def test_a_condition_has_no_truth_value(condition: Condition) -> None:
    """Asking for one raises, because ``if attribute.eq(x)`` would always hold."""
    with pytest.raises(TypeError, match="no truth value"):
        bool(condition)


@pytest.mark.parametrize("operand", [A, X, ONE, A.size(), A + 1, A.append([1])])
def test_an_operand_has_no_truth_value(operand: Operand) -> None:
    """Asking raises, because ``Attr("flag") and condition`` would be the condition alone."""
    with pytest.raises(TypeError, match="no truth value"):
        bool(operand)


CONDITIONS = st.recursive(
    st.sampled_from(
        [
            TRUE,
            FALSE,
            A.exists(),
            A.has_type("N"),
            A.eq(ONE),
            A.lt(X),
            B.gt(ONE),
            B.eq(X),
            Given("x"),
            Given("y"),
            Same(B, "y"),
            X.gt(ONE),
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=8,
)
VALUES = st.sampled_from([0, 1, 2, "1", None])
ITEMS = st.dictionaries(st.sampled_from("ab"), VALUES)
ARGUMENTS = st.dictionaries(st.sampled_from("xy"), VALUES)


@given(parts=st.lists(CONDITIONS, max_size=4), item=ITEMS, arguments=ARGUMENTS)
def test_joining_simplifies_without_changing(
    parts: list[Condition], item: Item, arguments: dict[str, Value]
) -> None:
    """EXPR-2: all_of, any_of and negation decide as AND, OR and NOT of their parts do."""
    each = [part.evaluate(item, arguments) for part in parts]
    assert all_of(parts).evaluate(item, arguments) == all(each)
    assert any_of(parts).evaluate(item, arguments) == any(each)
    for part, value in zip(parts, each, strict=True):
        assert negation(part).evaluate(item, arguments) != value
        assert (part & ~part).evaluate(item, arguments) is False
        assert (part | ~part).evaluate(item, arguments) is True


@given(condition=CONDITIONS, item=ITEMS, arguments=ARGUMENTS)
def test_specialising_changes_nothing(
    condition: Condition, item: Item, arguments: dict[str, Value]
) -> None:
    """EXPR-3: what is folded for the arguments that are given decides as the whole does."""
    folded = condition.specialise(frozenset(arguments))
    assert folded.evaluate(item, arguments) == condition.evaluate(item, arguments)
    assert arguments_read(folded) <= arguments.keys()


def test_complements_are_merged() -> None:
    """What PROCESSING and EXPIRED leave of each other: nothing but what they share."""
    held, busy, here = A.gt(X), B.eq(ONE), B.exists()
    either = any_of([all_of([here, busy, held]), all_of([here, busy, ~held])])
    assert either == all_of([here, busy])


def test_trees_are_values() -> None:
    """Two trees built alike are equal, and can be looked up."""
    assert A.eq(ONE) & B.exists() == Attr("a").eq(Constant(1)) & Attr("b").exists()
    assert {A.eq(X): "found"}[Attr("a").eq(Arg("x"))] == "found"


@pytest.mark.parametrize("other", ["open", True, A])
def test_what_is_joined_is_conditions(other: Any) -> None:
    """It is refused in the very line, on whichever side it stands, and not shown."""
    here = A.exists()
    joins: tuple[Callable[[], object], ...] = (
        lambda: here & other,
        lambda: here | other,
        lambda: other & here,
        lambda: other | here,
    )
    for join in joins:
        with pytest.raises(InvalidArgumentError, match=f"'{type(other).__name__}': it is no cond"):
            join()


def test_alternatives_are_flat_and_not_repeated() -> None:
    """``|`` makes one OR of many; it simplifies no more, for users may join very many."""
    three: list[Condition] = [A.eq(number) for number in (1, 2, 3)]
    assert reduce(or_, [*three, three[1]]) == AnyOf(tuple(three))
    assert A.exists() | A.exists() == A.exists()
    assert A.exists() | TRUE == TRUE
    assert A.exists() | FALSE == A.exists()


# --- effects ---------------------------------------------------------------------------------


def test_effects_see_the_item_as_it_was() -> None:
    """EXPR-4: no operand sees what another effect of the same write does."""
    effects = [Set(A, B), Set(B, A), Remove(Attr("c")), Remove(Attr("d"))]
    before: Item = {"a": 1, "b": 2, "c": 3}
    assert apply_effects(effects, before, {}) == {"a": 2, "b": 1}
    assert before == {"a": 1, "b": 2, "c": 3}, "the item itself is left alone"


def test_operands_compute() -> None:
    """EXPR-4: +, list_append and if_not_exists, in 38 digits."""
    items = Constant(["new"])
    assert apply_effects([Set(A, Plus(A, ONE))], {"a": Decimal("0.5")}, {}) == {"a": Decimal("1.5")}
    assert apply_effects([Set(A, Append(A, items))], {"a": ["old"]}, {}) == {"a": ["old", "new"]}
    assert apply_effects([Set(A, IfNotExists(A, ONE))], {}, {}) == {"a": 1}
    assert apply_effects([Set(A, IfNotExists(A, ONE))], {"a": None}, {}) == {"a": None}


def test_an_optional_effect_needs_its_argument() -> None:
    """EXPR-4: with its argument left out, an optional effect does not happen."""
    assert apply_effects([Set(A, X, optional=True)], {"a": 1}, {}) == {"a": 1}
    assert apply_effects([Set(A, X, optional=True)], {"a": 1}, {"x": 2}) == {"a": 2}


@pytest.mark.parametrize(
    ("effect", "item"),
    [
        (Set(A, B), {}),
        (Set(A, X), {}),
        (Set(A, Plus(A, ONE)), {}),
        (Set(A, Plus(A, ONE)), {"a": "1"}),
        (Set(A, Plus(A, ONE)), {"a": True}),
        (Set(A, Plus(A, ONE)), {"a": 10**38}),
        (Set(A, Append(A, Constant([]))), {"a": "text"}),
        (Set(A, Append(A, Constant([]))), {}),
    ],
)
def test_what_cannot_be_computed_is_refused(effect: Set, item: Item) -> None:
    """EXPR-4: a missing operand or one of another type fails the write, as DynamoDB does."""
    with pytest.raises(ValueError, match=r"no value|not a|boolean|digits"):
        apply_effects([effect], item, {})
    assert issubclass(EffectError, ValueError)


# --- what users' rows have besides -----------------------------------------------------------

N, S, L, M, Q, GONE = (Attr(name) for name in ("n", "s", "l", "m", "q", "gone"))
ROW: Item = {
    "n": 5,
    "s": "abc",
    "l": [1, "a", [9], {"deep": True}],
    "m": {"a": 1, "k": {"x": "y"}},
    "q": {"a", "b"},
    "m.a": None,
}


@pytest.mark.parametrize(
    "condition",
    [
        N.eq(5),
        N.ne(GONE),
        GONE.ne(Attr("gone too")),
        N.between(M["a"], 5),
        N.is_in([M["a"], 5]),
        L[2][0].exists() & L[9].absent() & L["a"].absent() & N["x"].absent(),
        M["a"].has_type("N"),
        S.begins_with("ab") & S.contains("bc") & ~S.contains(5),
        L.contains([9]) & Q.contains("a") & ~Q.contains("c") & ~L.contains(True),
        S.size().lt(5) & Q.size().eq(M.size()) & ~N.size().ge(0),
        Attr("s").eq("abc") | GONE.exists(),
        L[3]["deep"].ne(5),
        Attr("m.a").has_type("NULL"),
        N.ne(True) & ~N.eq(True),
    ],
)
def test_conditions_on_rows(condition: Condition) -> None:
    """EXPR-1: functions and places in documents mean what DynamoDB's documentation says.

    That DynamoDB Local agrees is checked by ``tests/integration/test_expression_language.py``.
    """
    assert condition.evaluate(ROW, {})


def test_true_is_not_one() -> None:
    """EXPR-1: conditions on equal numbers are one; those on values of other types are not."""
    assert all_of([N.eq(1), N.eq(Decimal("1.0"))]) == N.eq(1)
    assert not all_of([N.eq(1), N.eq(True)]).evaluate({"n": 1}, {})
    assert any_of([N.eq(1), N.eq(True)]).evaluate({"n": True}, {})


def test_an_attribute_is_not_to_be_iterated() -> None:
    """Else Python would ask for one index after the other, without an end."""
    with pytest.raises(TypeError, match="not iterable"):
        list(L)  # type: ignore[call-overload]  # the error is the point


@pytest.mark.parametrize(
    ("effects", "changes"),
    [
        ([Set("n", N + 5), Set("o1", "ab")], {"n": 10, "o1": "ab"}),
        ([Set("n", 5 - N)], {"n": 0}),
        ([Set("n", 1 + N)], {"n": 6}),
        ([Set("c", Attr("c").if_not_exists(5) - M["a"])], {"c": 4}),
        ([Set("l", L[2].prepend([1]))], {"l": [1, 9]}),
        ([Set("l", L[2].append(["x"]))], {"l": [9, "x"]}),
        ([Set("l", L[2].if_not_exists([]).append(["x"]))], {"l": [9, "x"]}),
        ([Set("log", Attr("log").if_not_exists([]).append([5]))], {"log": [5]}),
        ([Set("log", Attr("log").if_not_exists([1]).prepend([5]))], {"log": [5, 1]}),
        ([Set(L[9], 5), Set(L[7], "ab")], {"l": [1, "a", [9], {"deep": True}, "ab", 5]}),
        ([Set(L[0], L[1]), Set(L[1], L[0])], {"l": ["a", 1, [9], {"deep": True}]}),
        ([Remove(L[0]), Remove(L[2]), Set(L[1], 5)], {"l": [5, {"deep": True}]}),
        ([Set(L[9], 5), Remove(L[4])], {"l": [1, "a", [9], {"deep": True}, 5]}),
        ([Set(M["k"]["z"], M["k"])], {"m": {"a": 1, "k": {"x": "y", "z": {"x": "y"}}}}),
        (
            [Remove(M["k"]), Remove(L[2][0]), Remove("gone")],
            {"m": {"a": 1}, "l": [1, "a", [], {"deep": True}]},
        ),
        (
            [Add("n", 5), Add("fresh", {"a"}), Add(M["a"], 5), Add("q", {"c"})],
            {
                "n": 10,
                "fresh": {"a"},
                "m": {"a": 6, "k": {"x": "y"}},
                "q": {"a", "b", "c"},
            },
        ),
        ([Discard("q", {"a", "z"}), Discard("gone", {"a"})], {"q": {"b"}}),
    ],
)
def test_updates_of_rows(effects: list[Effect], changes: Item) -> None:
    """EXPR-4: all see the item as it was before, which is left alone, also deep inside."""
    before = repr(ROW)
    after = apply_effects(effects, ROW, {})
    assert {name: value for name, value in after.items() if ROW.get(name) != value} == changes
    assert repr(ROW) == before


def test_a_set_without_members_is_gone() -> None:
    """EXPR-4: DynamoDB stores no empty set."""
    assert "q" not in apply_effects([Discard("q", {"a", "b"})], ROW, {})


@pytest.mark.parametrize(
    ("effect", "complaint"),
    [
        (Set("n", GONE), "gone has no value"),
        (Set("n", GONE.if_not_exists(M["gone"])), "if_not_exists(gone, m.gone) has no value"),
        (Set("n", S - 5), "s is not a number"),
        (Set(GONE["a"], 5), "the item has no place for gone.a"),
        (Set(L[7]["a"], 5), "the item has no place for l[7].a"),
        (Remove(M[0]), "the item has no place for m[0]"),
        (Discard(GONE["a"], {"a"}), "the item has no place for gone.a"),
        (Add("s", 5), "s is not a number"),
        (Add("n", {"a"}), "n is not a set of the same type"),
        (Add("q", {1}), "q is not a set of the same type"),
        (Discard("n", {"a"}), "n is not a set of the same type"),
    ],
)
def test_rows_that_an_update_does_not_fit(effect: Effect, complaint: str) -> None:
    """EXPR-4: what the item lacks or mistypes is named by its path, without values."""
    with pytest.raises(EffectError) as caught:
        apply_effects([effect], ROW, {})
    assert str(caught.value) == complaint


@pytest.mark.parametrize("inner", [Set(L[0]["b"], 5), Remove(L[0]["a"]), Add(L[0]["a"], 5)])
def test_what_is_appended_has_no_inside_yet(inner: Effect) -> None:
    """EXPR-4: a place in an element is one only if the element was there before the update."""
    with pytest.raises(EffectError, match=r"no place for l\[0\]"):
        apply_effects([Set(L[9], {"a": 1}), inner], {"l": []}, {})


# --- as JSON ---------------------------------------------------------------------------------


def test_the_json_of_a_tree() -> None:
    """Each node is an object; its first key names its kind; constants are typed."""
    condition = all_of([A.eq(ONE), ~B.exists() | Given("x"), Same(A, "y"), A.has_type("N")])
    assert condition_tree(condition) == {
        "all": [
            {"compare": "=", "left": {"attribute": "a"}, "right": {"constant": {"N": "1"}}},
            {"any": [{"not": {"exists": "b"}}, {"given": "x"}]},
            {"same": "a", "argument": "y"},
            {"has_type": "a", "type": "N"},
        ]
    }
    effects = [Set(A, Plus(A, Constant(-1)), optional=True), Set(B, IfNotExists(A, X)), Remove(A)]
    assert effect_trees(effects) == [
        {
            "set": "a",
            "to": {"plus": [{"attribute": "a"}, {"constant": {"N": "-1"}}]},
            "optional": True,
        },
        {"set": "b", "to": {"if_not_exists": "a", "otherwise": {"argument": "x"}}},
        {"remove": "a"},
    ]

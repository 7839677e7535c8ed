"""Fingerprints: equal payloads have the same, whoever encodes them, and ports compute them."""

from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamomq.payload import codec_for, fingerprint
from tests.support.payloads import integers, json_like, keys, stored_by_dynamodb
from tests.support.source import ROOT

CANONICAL: list[tuple[Any, str]] = [
    ("", '{"S":""}'),
    ("a", '{"S":"a"}'),
    ("Zoë \U0001f600 \u2028 /", '{"S":"Zoë \U0001f600 \u2028 /"}'),
    ('" \\ \b \f \n \r \t \x00 \x1f \x7f', r'{"S":"\" \\ \b \f \n \r \t \u0000 \u001f ' + '\x7f"}'),
    (None, '{"NULL":true}'),
    (False, '{"BOOL":false}'),
    (2, '{"N":"2"}'),
    (2.0, '{"N":"2"}'),
    (2.5, '{"N":"2.5"}'),
    (1e21, '{"N":"1000000000000000000000"}'),
    (1e-7, '{"N":"0.0000001"}'),
    (b"\x00\xff", '{"B":"AP8="}'),
    ([], '{"L":[]}'),
    ([1, [None]], '{"L":[{"N":"1"},{"L":[{"NULL":true}]}]}'),
    (
        {"b": 1, "a": {"é": 2, "Z": 3}},
        '{"M":{"a":{"M":{"Z":{"N":"3"},"é":{"N":"2"}}},"b":{"N":"1"}}}',
    ),
    ({"\U00010000": 1, "\uffff": 2}, '{"M":{"\uffff":{"N":"2"},"\U00010000":{"N":"1"}}}'),
    ({"b", "a", "B"}, '{"SS":["B","a","b"]}'),
    ({10, 9, 1.5}, '{"NS":["1.5","10","9"]}'),
    ({b"\xff", b"\x00"}, '{"BS":["/w==","AA=="]}'),
]
"""Payloads, and the text whose SHA-256 is their fingerprint (spec: DEDUP-4)."""

GOLDEN: list[tuple[Any, str]] = [
    ("", "0ba155c6062be7b9949334dfd542aa5b7d8093a2ba94a258ea2b14bb6f87d112"),
    ({9, 10}, "d5e9828c95b2422f47371d38559b79e87cb96f46841167a625c0872da21092b7"),
    (
        {"order": 17, "to": "Zoë", "parts": [1, 2.5]},
        "1cc11070117b2d72d7d9271e766c382d8f1e02a4146ea74b4251f6cd64bb004a",
    ),
]
"""Payloads and their fingerprints: what must never change. The specification shows the last one."""


@pytest.mark.parametrize(("payload", "text"), CANONICAL)
def test_a_fingerprint_is_that_of_the_canonical_text(payload: Any, text: str) -> None:
    """DEDUP-4: each type has one text: sorted, without spaces, numbers in plain notation."""
    encoded = codec_for().encode(payload)
    assert fingerprint(encoded) == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("number", "text"), [("2.50", "2.5"), ("-0.0", "0"), ("1E+3", "1000"), ("0E-9", "0")]
)
def test_a_number_has_one_text(number: str, text: str) -> None:
    """However many zeros another port stores, and in whatever notation."""
    assert fingerprint(Decimal(number)) == fingerprint(Decimal(text))


@pytest.mark.parametrize(("payload", "expected"), GOLDEN)
def test_fingerprints_never_change(payload: Any, expected: str) -> None:
    """A new version must recognise what an old one has sent."""
    assert fingerprint(codec_for().encode(payload)) == expected


def test_the_specification_shows_one() -> None:
    """Ports can check themselves against the example of DEDUP-4."""
    assert GOLDEN[-1][1] in (ROOT / "spec" / "README.md").read_text(encoding="utf-8")


@given(payload=json_like)
def test_what_is_stored_has_the_fingerprint_of_what_was_sent(payload: Any) -> None:
    """It survives the way through DynamoDB, which does not keep the order of names and members."""
    encoded = codec_for().encode(payload)
    assert fingerprint(stored_by_dynamodb(encoded)) == fingerprint(encoded)


@given(names=st.dictionaries(keys, integers, max_size=4))
def test_the_order_of_names_does_not_matter(names: dict[str, Any]) -> None:
    """A map is the same map in any order."""
    turned = dict(reversed(names.items()))
    assert fingerprint(codec_for().encode(turned)) == fingerprint(codec_for().encode(names))

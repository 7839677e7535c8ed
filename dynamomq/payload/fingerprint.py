"""A payload's fingerprint: the same for equal payloads, whoever encodes them (spec: DEDUP-4)."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from typing import Any

from dynamomq.values import Value, to_wire


def fingerprint(value: Value) -> str:
    """Return the SHA-256 of an encoded payload: 64 hexadecimal digits.

    It is that of the payload's low-level form as JSON in UTF-8: names of a map sorted by their code
    points, members of a set sorted, no spaces, non-ASCII characters as they are, bytes in Base64,
    numbers in plain decimal notation without superfluous zeros.

    Args:
        value: the encoded payload.
    """
    text = json.dumps(
        _canonical(to_wire(value)), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return sha256(text.encode()).hexdigest()


def _canonical(typed: dict[str, Any]) -> dict[str, Any]:
    ((letter, inner),) = typed.items()
    match letter:
        case "N":
            return {letter: _number(inner)}
        case "B":
            return {letter: _bytes(inner)}
        case "M":
            return {letter: {name: _canonical(member) for name, member in inner.items()}}
        case "L":
            return {letter: [_canonical(member) for member in inner]}
        case "SS":
            return {letter: sorted(inner)}
        case "NS":
            return {letter: sorted(map(_number, inner))}
        case "BS":
            return {letter: sorted(map(_bytes, inner))}
    return typed


def _number(text: str) -> str:
    plain = f"{Decimal(text):f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def _bytes(value: bytes) -> str:
    return b64encode(value).decode()

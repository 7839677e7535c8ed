"""JSON for readers: what fits on a line stands on one line."""

from __future__ import annotations

import json
from typing import Any

_WIDTH = 100


def json_text(document: Any) -> str:
    """Return a document as JSON text; the same document gives the same text."""
    return _text(document, 0, 0) + "\n"


def _text(node: Any, indent: int, used: int) -> str:
    flat = json.dumps(node, ensure_ascii=False)
    if indent + used + len(flat) < _WIDTH or not isinstance(node, dict | list) or not node:
        return flat
    inner = indent + 2
    if isinstance(node, list):
        lines = [_text(member, inner, 0) for member in node]
    else:
        keys = [f"{json.dumps(key, ensure_ascii=False)}: " for key in node]
        lines = [
            key + _text(member, inner, len(key))
            for key, member in zip(keys, node.values(), strict=True)
        ]
    opening, closing = "{}" if isinstance(node, dict) else "[]"
    margin = " " * inner
    body = f",\n{margin}".join(lines)
    return f"{opening}\n{margin}{body}\n{' ' * indent}{closing}"

"""The cases of what time does: an item that nobody writes to, just before and just after."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from dynamomq.timestamps import SECOND, format_instant, parse_instant
from dynamomq.values import Value
from spec.cases import GONE, Form, Gone
from spec.examples import FORGOTTEN_EPOCH, NOW, at


@frozen
class TimeCase:
    """One item that nobody writes to, looked at twice.

    Attributes:
        name: what is special about it.
        item: changes to the source's typical item.
        before: the last nanosecond in which it is still in the source.
        after: the first one in which it is in the destination.
        form: as in :class:`~spec.cases.Case`.
    """

    name: str
    item: Mapping[str, Value | Gone]
    before: str
    after: str
    form: Form = "typical"


_DUE_LATER: Final[dict[str, Value | Gone]] = {"queue_add_timestamp": at(20)}
_SECOND: Final = parse_instant(NOW) // SECOND * SECOND

TIME_CASES: Final[dict[str, tuple[TimeCase, ...]]] = {
    "expire": (
        TimeCase("its deadline comes", _DUE_LATER, at(20, -1), at(20)),
        TimeCase("its deadline was extended", {"queue_add_timestamp": at(90)}, at(90, -1), at(90)),
        TimeCase(
            "claimed by a legacy consumer: when the queue's timeout has passed",
            {"queue_peek_timestamp": at(-10)},
            at(20, -1),
            at(20),
            form="legacy",
        ),
    ),
    "forget": (
        TimeCase(
            "its time is over",
            {"expires_at": FORGOTTEN_EPOCH + 240},
            format_instant(_SECOND + 240 * SECOND - 1),
            format_instant(_SECOND + 240 * SECOND),
        ),
        TimeCase(
            "a tombstone with a decimal fraction",
            {"expires_at": Decimal("1706692204.5")},
            format_instant(_SECOND + SECOND - 1),
            format_instant(_SECOND + SECOND),
        ),
        TimeCase(
            "the tombstone of a legacy item, without receipt",
            {"expires_at": FORGOTTEN_EPOCH, "receipt": GONE, "send_token": GONE},
            format_instant(_SECOND - 1),
            format_instant(_SECOND),
        ),
    ),
}

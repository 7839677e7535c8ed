"""Points in time: nanoseconds inside, fixed-width RFC 3339 text in the table (spec: TABLE-5).

An *instant* is an ``int``: nanoseconds since 1970-01-01T00:00:00Z. It is written with nine
fractional digits and ``Z``, so that the order of the texts is the order of the instants, which
conditions rely on. Reading accepts any number of fractional digits and any offset, because other
ports write ``RFC3339Nano``, which drops trailing zeros.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9})\d*)?"
    r"(?P<offset>[Zz]|[+-]\d{2}:\d{2})"
)


def format_instant(instant: int) -> str:
    """Return the fixed-width text of an instant, such as ``2024-01-31T09:05:04.120000000Z``.

    Raises:
        OverflowError: the instant is before year 1 or after year 9999.
    """
    seconds, nanoseconds = divmod(instant, SECOND)
    return f"{_to_the_second(seconds)}.{nanoseconds:09d}Z"


@lru_cache(maxsize=64)  # an operation writes several times, most of them in the same few seconds
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def parse_instant(text: str) -> int:
    """Return the instant that an RFC 3339 text of any width and offset names.

    Raises:
        ValueError: the text is not RFC 3339.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 timestamp: {text[:40]!r}")
    offset = match["offset"].upper().replace("Z", "+00:00")
    moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{offset}")
    fraction = (match["fraction"] or "").ljust(9, "0")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + int(fraction)


def datetime_of(instant: int) -> datetime:
    """Return an instant as an aware UTC ``datetime``, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=instant // 1_000)


def instant_of(moment: datetime) -> int:
    """Return the instant of an aware ``datetime``.

    Raises:
        OverflowError: in UTC it is before year 1 or after year 9999.
    """
    since = moment.astimezone(UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000

"""What a run was like, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from model_tests.history.plan import Tally
from model_tests.history.records import GIVING_UP, HOLDERS_CALLS, Delivery, History, Outcome

Figures = Mapping[str, Mapping[str, int]]


def figures(history: History, tally: Tally) -> Figures:
    """Rows of named counts: what the processes went through, and what they asked for."""
    messages = history.messages.values()
    sends = [send for message in messages for send in message.sends]
    deliveries = [one for message in messages for one in message.deliveries]
    again = sum(max(0, len(message.deliveries) - 1) for message in messages)
    overlapping = sum(_overlap(*pair) for message in messages for pair in message.pairs())
    calls = [call for message in messages for call in message.calls(*HOLDERS_CALLS)]
    return {
        "started": {"processes": tally.started},
        "killed": {"processes": tally.killed},
        "paused": {"processes": tally.paused},
        "sends": {
            "accepted": sum(send.is_done for send in sends),
            "refused": sum(send.outcome is Outcome.REFUSED for send in sends),
            "unknown": sum(send.outcome is Outcome.UNKNOWN for send in sends),
        },
        "deliveries": {"first": len(deliveries) - again, "again": again},
        "overlapping": {"deliveries": overlapping},
        **{
            operation: _outcomes([c.outcome for c in calls if c.operation == operation])
            for operation in HOLDERS_CALLS
        },
    }


def _outcomes(outcomes: list[Outcome]) -> Mapping[str, int]:
    count = Counter(outcomes)
    return {
        "done": count[Outcome.DONE],
        "stale": count[Outcome.REFUSED],
        "unknown": count[Outcome.UNKNOWN],
    }


def _overlap(earlier: Delivery, later: Delivery) -> bool:
    """Whether, in real time, both holders might work: as much as their clocks differ, they may."""
    ends = [earlier.deadline - earlier.seen.skew]
    ends += [
        call.ended.monotonic
        for call in earlier.called(*GIVING_UP)
        if call.is_done and call.ended is not None
    ]
    return later.seen.monotonic < min(ends)


def stale(rows: Figures) -> int:
    """How many calls were refused because the delivery was over."""
    return sum(rows[operation]["stale"] for operation in HOLDERS_CALLS)


def table_of(rows: Figures) -> str:
    """The figures as text, a line a row."""
    width = max(map(len, rows))
    return "\n".join(
        f"{name:{width}}  " + ", ".join(f"{count:,} {what}" for what, count in counts.items())
        for name, counts in rows.items()
    )

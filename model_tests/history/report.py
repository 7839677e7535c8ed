"""What a run was like, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from model_tests.history.records import HOLDERS_CALLS, Delivery, History, Outcome
from model_tests.history.runner import Tally

Figures = Mapping[str, Mapping[str, int]]


def figures(history: History, tally: Tally) -> Figures:
    """Rows of named counts: what the processes went through, and what they asked for."""
    messages = history.messages.values()
    sends = [send for message in messages for send in message.sends]
    deliveries = [one for message in messages for one in message.deliveries]
    again = sum(max(0, len(message.deliveries) - 1) for message in messages)
    overlaps = [
        overlap
        for message in messages
        for earlier, later in message.pairs()
        if (overlap := _overlap(earlier, later)) > 0
    ]
    calls = [call for message in messages for call in message.calls(*HOLDERS_CALLS)]
    return {
        "processes": {
            "started": tally.started,
            "killed": tally.killed,
            "stopped": tally.stopped,
        },
        "sends": {
            "accepted": sum(send.is_done for send in sends),
            "refused": sum(send.outcome is Outcome.REFUSED for send in sends),
            "unknown": sum(send.outcome is Outcome.UNKNOWN for send in sends),
        },
        "deliveries": {"first": len(deliveries) - again, "again": again},
        "overlaps": {"within the clocks' difference": len(overlaps)},
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


def _overlap(earlier: Delivery, later: Delivery) -> int:
    """For how long, in real time, both holders might work, unless the earlier had given up."""
    ends = [earlier.deadline - earlier.seen.skew]
    ends += [
        call.ended.monotonic
        for call in earlier.calls
        if call.is_done and call.ended is not None and call.operation != "extend"
    ]
    return min(ends) - later.seen.monotonic


def stale(rows: Figures) -> int:
    """How many calls were refused because the delivery was over."""
    return sum(rows[operation]["stale"] for operation in HOLDERS_CALLS)

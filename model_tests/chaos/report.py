"""What a run was like, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dynamomq.values import Item
from model_tests.chaos.chain import groups_of
from model_tests.chaos.proxy import FAILURES, Count
from model_tests.chaos.run import Tally
from model_tests.history import report as queues
from model_tests.history.checker import DLQ
from model_tests.history.log import Detail
from model_tests.history.plan import Tally as QueueTally
from model_tests.history.records import HOLDERS_CALLS, History, Outcome

Figures = Mapping[str, Mapping[str, int]]


def figures(history: History, table: Mapping[str, Item], tally: Tally, count: Count) -> Figures:
    """Rows of named counts: what was done to processes and requests, and what came of it."""
    events = Counter(event.name for event in history.events)
    courses = Counter(
        str(event.details["course"]) for event in history.events if event.name == "handler ended"
    )
    rows = queues.figures(history, QueueTally())
    messages = history.messages.values()
    calls = [call for message in messages for call in message.calls(*HOLDERS_CALLS)]
    return {
        "messages": {"sent": len(messages)},
        **_group_figures(history, events, rows["sends"]),
        "processes": {
            "started": tally.started,
            "killed": tally.killed,
            "stopped": tally.stopped,
            "restarted": tally.restarted,
        },
        **{
            f"{kind} that failed": {_NAMES[fate]: counts.get(fate, 0) for fate in FAILURES}
            for kind, counts in (("writes", count.writes), ("reads", count.reads))
        },
        "outages": {"outages": tally.outages, "requests dropped": count.outage},
        "deliveries": rows["deliveries"],
        "handlers": {"begun": events["handler begun"], **courses},
        "leases": {
            "extended": rows["extend"]["done"],
            "lost": events["lease lost"],
            "lost before the handler began": _begun_when_lost(history),
        },
        "answers": {
            "done": sum(call.is_done for call in calls),
            "stale": sum(call.outcome is Outcome.REFUSED for call in calls),
            "unknown": sum(call.outcome is Outcome.UNKNOWN for call in calls),
        },
        "dead letters": {
            "dead letters": sum(item.get("queue_type") == DLQ for item in table.values()),
            "exhausted": events["exhaust done"],
        },
    }


def _group_figures(
    history: History, events: Mapping[str, int], sends: Mapping[str, int]
) -> Figures:
    """Rows about message groups; none where there are none."""
    groups = groups_of(history)
    if not groups:
        return {}
    members = [member for group in groups.values() for member in group.members.values()]
    advanced = {
        event.details["receipt"]
        for event in history.events
        if event.name == "claim begun" and event.details["by"] == "advance"
    }
    delivered = {one.receipt for member in members for one in member.message.deliveries}
    looks = [event for event in history.events if event.name == "lists seen"]
    return {
        "groups": {
            "groups": len(groups),
            "messages in the accepted order": sum(len(one.order) for one in groups.values()),
            "times begun": sum(one.chains for one in groups.values()),
        },
        "sends": {
            **sends,
            "found by reading only": sum(
                one.was_there and not any(send.is_done for send in one.message.sends)
                for one in members
            ),
        },
        "lists": {
            "looks": len(looks),
            "whole": sum(int(event.details["intact"]) for event in looks),
            "messages in them": sum(int(event.details["messages"]) for event in looks),
            "broken": events["list broken"],
        },
        "changes of lists": {
            "planned anew": events["transaction cancelled"],
            "deliveries with the predecessor's deletion": len(advanced & delivered),
        },
    }


def _begun_when_lost(history: History) -> int:
    """How many handlers began after the consumer had reported the lease as lost.

    A few may: a process can be stopped between its last look at the lease and the handler.
    """
    lost: set[tuple[str, Detail]] = set()
    begun = 0
    for event in history.events:
        if event.name == "lease lost":
            lost.add((event.process, event.details["receipt"]))
        elif event.name == "handler begun":
            begun += (event.process, event.details["receipt"]) in lost
    return begun


_NAMES = {"swallow": "swallowed", "cut": "cut", "drop": "dropped", "late": "late"}

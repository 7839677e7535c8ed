"""Writes to send to a driver: a message's short life, at fixed times."""

from dynamomq.machine import MESSAGE
from dynamomq.requests import Write
from dynamomq.values import Item, Value

BEFORE, NOW, LATER = (f"2024-01-31T09:05:{n:02}.000000000Z" for n in (3, 4, 34))
TIME: Item = {"now": NOW, "forgotten_epoch": 1_706_692_204, "legacy_horizon": BEFORE}

SEND, RECEIVE = MESSAGE.rule("send"), MESSAGE.rule("receive", queue="STANDARD")
DELETE, EXHAUST = MESSAGE.rule("delete"), MESSAGE.rule("exhaust")


def send(id_: str, **more: Value) -> Write:
    """A send of a message that is due now."""
    sent: Item = {"id": id_, "due": NOW, "token": f"sent-{id_}", "data": {"n": 1}}
    return Write(id_, SEND, {**TIME, **sent, "partition": "STANDARD", **more})


def receive(id_: str, **more: Value) -> Write:
    """A claim for 30 s."""
    arguments = TIME | {"due": LATER, "token": f"claim-{id_}", "max_receives": 3} | more
    return Write(id_, RECEIVE, arguments, want_item=True)


def delete(id_: str) -> Write:
    """The acknowledgement of that claim."""
    arguments = TIME | {"token": "done", "receipt": f"claim-{id_}", "expires_at": 1_706_700_000}
    return Write(id_, DELETE, arguments)


def exhaust(id_: str) -> Write:
    """A write that has no form in a batch."""
    failure: Value = [{"type": "lost"}]
    given: Item = {"token": "t", "max_receives": 0, "failure": failure, "partition": "DLQ"}
    return Write(id_, EXHAUST, {**TIME, **given})

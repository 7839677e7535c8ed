"""Functions that stand in for the library's own where what keeps a group's list is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from dynamomq.attributes import (
    GROUP_ID,
    ID,
    NEXT_ID,
    PREVIOUS_ID,
    QUEUE_TYPE,
)
from dynamomq.machine import MESSAGE, QueueType
from dynamomq.operations import (
    operating,
    writing,
)
from dynamomq.operations.writing import persistently, write
from dynamomq.requests import (
    Cancelled,
    Committed,
    Get,
    Operation,
    Refused,
    Tick,
    Transact,
    Write,
    WriteReply,
    ask,
)
from dynamomq.values import Item
from model_tests.mutants.altering import Alter


def one_by_one(request: Transact) -> Operation[Committed | Cancelled]:
    """Carry out the actions of a transaction one after the other, until one is refused."""
    replies: list[Refused | None] = []
    for action in request.actions:
        assert isinstance(action, Write), "messages and groups only"
        reply = yield from write(action)
        replies.append(reply if isinstance(reply, Refused) else None)
        if replies[-1] is not None:
            left = len(request.actions) - len(replies)
            return Cancelled((*replies, *[None] * left))
    return Committed()


def without(trigger: str) -> Alter:
    """Whoever leaves a list does not see to one kind of upkeep."""

    def alter(leaving: Callable[..., list[Write]]) -> Callable[..., list[Write]]:
        return lambda *seen: [one for one in leaving(*seen) if one.rule.trigger != trigger]

    return alter


class Forgetful(writing.Doubt):
    """Forgets what was in doubt before a reply or an error."""

    def of(self, told: Any) -> Any:
        """Return it as if it were the first."""
        self.exists = False
        return super().of(told)


def in_doubt(commit: Callable[..., Operation[Any]]) -> Callable[..., Any]:
    """Whatever a call is told tells of doubt, if there was any: also what is known for certain."""

    def altered(known: Any, attempt: Callable[..., Operation[Any]], busy: Any) -> Operation[Any]:
        return commit(known, lambda seen, doubt: doubt.told(attempt(seen, doubt)), busy)

    return altered


def under_a_new_token(claim_of_next: Callable[..., Any]) -> Callable[..., Any]:
    """Each plan claims the next message under a token of its own."""

    def altered(settings: Any, head: Any, _token: str, timeout: int) -> Operation[Any]:
        moment = yield from ask(Tick(tokens=1))
        return (yield from claim_of_next(settings, head, moment.tokens[0], timeout))

    return altered


def it_alone(id: str, *_neighbours: str | None) -> tuple[str, ...]:
    """Return a member without its neighbours."""
    return (id,)


def by_plain_name(place_of: Callable[[Item], str | None]) -> Callable[[Item], str | None]:
    """Whatever is not in the dead-letter queue by its plain name is where the members are."""

    def altered(item: Item) -> str | None:
        in_shard = str(item.get(QUEUE_TYPE.name)).startswith(f"{QueueType.DLQ}.")
        return "head" if in_shard and GROUP_ID.name in item else place_of(item)

    return altered


def nobody(_group: str) -> None:
    """Return no error for a message that overtakes another one."""


def nothing_else(*_seen: object) -> list[Write]:
    """Return no upkeep at all."""
    return []


def behind_the_head(in_its_place: Callable[..., Any]) -> Callable[..., Any]:
    """A message that is redriven gets in behind the head, in front of all that wait."""
    link = MESSAGE.rule("link")

    def altered(settings: Any, request: Write, seen: Any, now: int) -> Operation[Any]:
        plan = yield from in_its_place(settings, request, seen, now)
        own = plan.request.arguments if plan is not None else {}
        if request.rule is not operating.REDRIVE or "previous_id" not in own:
            return plan
        head = yield from persistently(Get(str(own["previous_id"])))
        while head is not None and QUEUE_TYPE.name not in head:
            head = yield from persistently(Get(str(head[PREVIOUS_ID.name])))
        if head is None or NEXT_ID.name not in head:
            return plan
        before, after = str(head[ID.name]), str(head[NEXT_ID.name])
        arguments = {**own, "previous_id": before, "next_id": after}
        upkeep = [
            Write(before, link, {"now": own["now"], "next_id": seen.id, "seen_next_id": after}),
            Write(
                after, link, {"now": own["now"], "previous_id": seen.id, "seen_previous_id": before}
            ),
        ]
        return evolve(plan, request=evolve(plan.request, arguments=arguments), upkeep=upkeep)

    return altered


def last_first(chunks: Callable[..., Any]) -> Callable[..., Any]:
    """The messages of a batch join their group in the opposite order."""

    def altered(drafts: Mapping[int, Any]) -> Any:
        for chunk in chunks(drafts):
            yield dict(reversed(chunk.items()))

    return altered


def knows_nothing(*_seen: object) -> Operation[None]:
    """Do not look for a claim whose reply was lost."""
    yield from ask(Tick())


def unnumbered(*_seen: object) -> int:
    """Take no number of a group's last message for one to go on from."""
    return 0


def certain(together: Callable[..., Operation[WriteReply]]) -> Callable[..., Any]:
    """Whoever writes with upkeep is not told that the refusal may be an echo."""

    def altered(main: Write, upkeep: Any, **others: Any) -> Operation[WriteReply]:
        reply = yield from together(main, upkeep, **others)
        return evolve(reply, repeated=False) if upkeep and isinstance(reply, Refused) else reply

    return altered

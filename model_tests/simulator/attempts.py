"""What one attempt at a request carries out: pieces, each of which takes effect as a whole.

A write is one piece, a batch has one for each of its writes, and a transaction is a single piece,
whatever is in it. Each write belongs to a call, or to the entry of a batch: whoever answers for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from dynamomq.requests import (
    Cancelled,
    Committed,
    Get,
    GetMany,
    Page,
    Refused,
    Request,
    Scan,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.values import Item
from model_tests.simulator.calls import Answer, Call
from model_tests.simulator.storage import Effect

Writing: TypeAlias = Write | WriteBatch | Transact


@frozen(eq=False)
class Piece:
    """Writes that take effect all together, or not at all.

    Attributes:
        request: one write, or a transaction.
        calls: for each write the call that answers for it.
        inserts: whether it is one of several in a batch, where a put is an insert.
    """

    request: Write | Transact
    calls: tuple[Call, ...]
    inserts: bool = False

    @property
    def writes(self) -> Sequence[Write]:
        """What it consists of."""
        return writes_of(self.request)

    def name_of(self, write: Write) -> str:
        """What all attempts at a write share, and no other write has.

        The upkeep of a group's list has no token of its own, but that of its transaction.
        """
        token = write.arguments.get("token")
        if token is None and isinstance(self.request, Transact):
            token = self.request.token
        return f"{write.id} {token!s}"

    def reply(self, effects: Sequence[Effect], *, repeated: bool) -> Any:
        """What whoever has made the request is told."""
        replies = [effect.reply for effect in effects]
        refusals = tuple(one if isinstance(one, Refused) else None for one in replies)
        if isinstance(self.request, Transact):
            return Cancelled(refusals, repeated) if any(refusals) else Committed()
        if refusals[0] is None:
            return replies[0]
        if self.inserts:
            return Refused(None, repeated, shown=False)
        return Refused(refusals[0].item, repeated)


@frozen
class Late:
    """An attempt that the network still holds, while the SDK has repeated or given up.

    Attributes:
        piece: what was asked for.
        until: the true time before which it is executed, if it is.
    """

    piece: Piece = field(eq=False)
    until: int


def looked_up(items: Mapping[str, Item], request: Get | GetMany | Scan) -> Answer:
    """What the base table answers to whoever looks at it."""
    if isinstance(request, Get):
        item = items.get(request.id)
        return Answer(item, key=id(item))
    if isinstance(request, Scan):
        found = dict(items)
        return Answer(Page(tuple(found.values()), None), key=tuple(map(id, found.values())))
    found = {key: items[key] for key in request.ids if key in items}
    return Answer(found, key=tuple(map(id, found.values())))


def pieces_of(call: Call, request: Writing) -> Iterator[Piece]:
    """What a call's request consists of."""
    if isinstance(request, WriteBatch):
        for write in request.writes:
            yield Piece(write, _answerable(call, [write]), len(request.writes) > 1)
    else:
        yield Piece(request, _answerable(call, writes_of(request)))


def writes_of(request: Request[Any] | None) -> Sequence[Write]:
    """The writes in a request; none where it is another one."""
    match request:
        case Write():
            return (request,)
        case WriteBatch(writes):
            return writes
        case Transact(actions):
            return [_ours(action) for action in actions]
    return ()


def _ours(action: object) -> Write:
    if not isinstance(action, Write):  # a run without it would prove nothing
        raise NotImplementedError(f"the simulator has one table, and knows no {action}")
    return action


def _answerable(call: Call, writes: Sequence[Write]) -> tuple[Call, ...]:
    """For each write its part of a call; for the upkeep of a list a part that makes it needed."""
    parts = [call.part_of(write) for write in writes]
    first = next((part for part in parts if part is not None), call)
    return tuple(part or first for part in parts)


def stands_in_the_way(one: Request[Any] | None, other: Request[Any] | None) -> bool:
    """Tell whether two requests under way are about the same item, one of them a transaction."""
    if not isinstance(one, Transact) and not isinstance(other, Transact):
        return False
    ids = {write.id for write in writes_of(one)}
    return any(write.id in ids for write in writes_of(other))


@define
class Tokens:
    """The tokens of transactions that have taken effect, where storage remembers them.

    Attributes:
        honoured: whether it does. If it does not, a repetition is executed once more.
    """

    honoured: bool = False
    _known: set[str] = field(factory=set)

    def knows(self, piece: Piece) -> bool:
        """Tell whether a transaction is answered without being executed again."""
        return isinstance(piece.request, Transact) and piece.request.token in self._known

    def note(self, piece: Piece) -> None:
        """Note that it has taken effect."""
        if self.honoured and isinstance(piece.request, Transact):
            self._known.add(piece.request.token)

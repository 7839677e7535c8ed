"""Mutants of batches, hunted where producers and consumers do several things in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from dynamomq.errors import DuplicateMessageError, DynamoMQError, RequestRejectedError
from dynamomq.operations import SendResult, Settings, batching, writing
from dynamomq.requests import (
    BatchReply,
    Failed,
    Moment,
    Operation,
    Refused,
    Write,
    WriteBatch,
    ask,
)
from dynamomq.timestamps import format_instant, parse_instant
from model_tests.mutants.altering import Alter, Mutant, Place
from model_tests.simulator.worlds import BATCHES as WORLD


def _unseen(original: Any) -> Any:
    """Nobody looks at the items that have refused something."""

    def altered(keys: Any, begin: Any, results: Any, **options: Any) -> Operation[None]:
        yield from original(keys, begin, results, **{**options, "look": False})

    return altered


def _reversed(original: Any) -> Any:
    """Replies are taken for those of others."""

    def altered(requests: Sequence[Write], *, look: bool) -> Operation[list[BatchReply]]:
        replies = yield from original(requests, look=look)
        return [*reversed(replies)]

    return altered


def _by_the_insert(original: Any) -> Any:
    """An insert that is refused is not sent alone: it counts as a duplicate."""

    def altered(
        settings: Settings, request: Write, begun: int, reply: BatchReply
    ) -> Operation[SendResult[Any]]:
        if isinstance(reply, Refused) and not reply.shown:
            taken = DuplicateMessageError("taken", id=request.id, state="unknown")
            return SendResult(request.id, error=taken)
        result: SendResult[Any] = yield from original(settings, request, begun, reply)
        return result

    return altered


def _anew(original: Any) -> Any:
    """An insert that is refused is sent alone as if it were another message."""

    def altered(
        settings: Settings, request: Write, begun: int, reply: BatchReply
    ) -> Operation[SendResult[Any]]:
        token = f"{request.arguments['token']!s} again"
        if isinstance(reply, Refused) and not reply.shown:
            request = evolve(request, arguments={**request.arguments, "token": token})
        result: SendResult[Any] = yield from original(settings, request, begun, reply)
        return result

    return altered


def _by_own_clock(original: Any) -> Any:
    """What ends in a batch does so by its holder's clock, though the message's time is later."""

    def altered(request: Write, moment: Moment) -> Write:
        times = dict(request.arguments)
        ahead = parse_instant(str(times["now"])) - moment.now
        for name in {"now", "due"} & times.keys():
            times[name] = format_instant(parse_instant(str(times[name])) - ahead)
        changed: Write = original(evolve(request, arguments=times), moment)
        return changed

    return altered


def _halved(_original: Any) -> Any:
    """Halves of what was refused as a whole are sent as if nothing had been sent before."""

    def altered(writes: tuple[Write, ...]) -> Operation[tuple[BatchReply, ...]]:
        try:
            return (yield from ask(WriteBatch(writes)))
        except RequestRejectedError:
            if len(writes) == 1:
                raise
        answers: list[BatchReply] = []
        middle = len(writes) // 2
        for half in (writes[:middle], writes[middle:]):
            try:
                answers += yield from altered(half)
            except DynamoMQError as error:
                answers += [Failed(error)] * len(half)
        return tuple(answers)

    return altered


def _mutant(name: str, change: str, breaks: str, function: str, alter: Alter) -> Mutant:
    return Mutant(name, change, breaks, (Place(batching, function, alter),), world=WORLD)


BATCHES: tuple[Mutant, ...] = (
    Mutant(
        "batch-by-own-clock",
        "Who ends deliveries in a batch goes by its own clock, though the messages' time is later.",
        "REPEATABLE",
        (Place(batching, "in_time", _by_own_clock),),
        scope="retry:STANDARD.PROCESSING:batch",
    ),
    Mutant(
        "batch-halved-without-doubt",
        "What was refused as a whole is sent in halves, as if no attempt had been lost before.",
        "FENCED",
        (Place(writing, "_sent_together", _halved),),
        scope="retry:STANDARD.PROCESSING:batch:split",
    ),
    _mutant(
        "batch-unseen",
        "Items that have refused a batch's writes are taken for gone, without a look.",
        "FENCED",
        "_in_batches",
        _unseen,
    ),
    _mutant(
        "batch-mixed-up",
        "The replies to a batch's writes are taken in the wrong order.",
        "DEDUP",
        "_carried_out",
        _reversed,
    ),
    _mutant(
        "send-batch-by-the-insert",
        "What an insert is refused counts as a duplicate, even if it is one's own message.",
        "DEDUP",
        "_judge_send",
        _by_the_insert,
    ),
    _mutant(
        "send-batch-anew",
        "What an insert is refused is sent alone under another token.",
        "DEDUP",
        "_judge_send",
        _anew,
    ),
)
"""All of them."""

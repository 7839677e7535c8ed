"""What all writing operations share: settings, time as arguments, and persistence.

Requests are repeated here, and nowhere else in operations. Whether an attempt that failed may have
been executed (its reply lost, an attempt still under way) its error says: ``in_doubt``. From then
on every refusal says ``repeated`` and every error ``in_doubt``, also where a plan is made anew (see
:class:`Doubt`), and the operation looks at the item that refused it for the traces of its own
success (spec: WRITE-3).
"""

from __future__ import annotations

from typing import Any, TypeVar
from zlib import crc32

from attrs import define, evolve, frozen

from dynamomq.attributes import RECEIPT
from dynamomq.errors import (
    ConflictError,
    DamagedGroupError,
    DynamoMQError,
    IllegalTransitionError,
    RequestRejectedError,
    with_doubt,
)
from dynamomq.machine import DAMAGED, MESSAGE, NO_MESSAGE, QueueType
from dynamomq.message import Message
from dynamomq.payload import Codec
from dynamomq.requests import (
    BatchReply,
    Cancelled,
    Committed,
    Failed,
    Moment,
    Operation,
    Refused,
    Request,
    Sleep,
    Tick,
    Transact,
    Write,
    WriteBatch,
    WriteReply,
    ask,
)
from dynamomq.timestamps import SECOND, format_instant
from dynamomq.values import Item, Value

R = TypeVar("R")
T = TypeVar("T")

RETRY_HORIZON = 300 * SECOND
"""The longest that an attempt at one of our writes can arrive after it was begun, in nanoseconds.

A tombstone counts at least this long, and is kept for as long again (spec: WRITE-5).
"""

ARRIVES_WITHIN = 60 * SECOND
"""The longest that an attempt is taken to be under way, in nanoseconds, from the moment at which it
is sent to that at which it is executed."""

CLOCKS_WITHIN = 15 * SECOND
"""By how much clocks may differ for tombstones to count long enough, in nanoseconds."""

SENT_WITHIN = RETRY_HORIZON - ARRIVES_WITHIN - CLOCKS_WITHIN
"""How long after a write was begun an attempt at it may be sent, in nanoseconds (spec: WRITE-8)."""

_ATTEMPTS = 5
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


@frozen
class Settings:
    """What a queue's operations need to know; durations in nanoseconds.

    Attributes:
        table: the table's name.
        codec: translates payloads.
        visibility_timeout: how long a delivery lasts unless said otherwise; also how long a legacy
            consumer's delivery counts as held.
        max_receives: deliveries allowed before the dead-letter queue; ``None``: any number.
        deduplication_window: how long the id of a deleted message stays taken.
        shards: over how many index partitions senders spread each queue.
        visited: how many of these receivers look at; more than ``shards`` while the number is being
            raised: they know of new ones first.
    """

    table: str
    codec: Codec[Any]
    visibility_timeout: int
    max_receives: int | None
    deduplication_window: int
    shards: int = 1
    visited: int = 1

    def partition(self, queue: QueueType, key: str) -> str:
        """Return the index partition of a queue in which a message belongs (spec: SHARD-1).

        Args:
            queue: the queue.
            key: the message's group, or its id where it has none.
        """
        if self.shards == 1:
            return queue.value
        return f"{queue.value}.{crc32(key.encode()) % self.shards}"

    def partitions(self, queue: QueueType) -> tuple[str, ...]:
        """Return all index partitions of a queue in which messages may be.

        The plain name is always among them: messages that were sent when there was one shard, and
        those of other ports, are there.
        """
        shards = range(self.visited) if self.visited > 1 else ()
        return (queue.value, *(f"{queue.value}.{shard}" for shard in shards))


def at(settings: Settings, now: int) -> dict[str, Value]:
    """Return the arguments that tell the machine the time."""
    return {
        "now": format_instant(now),
        "forgotten_epoch": (now + RETRY_HORIZON) // SECOND,
        "legacy_horizon": format_instant(now - settings.visibility_timeout),
    }


def expiry(settings: Settings, instant: int) -> int:
    """Return until when storage keeps a tombstone made at ``instant``: epoch seconds, rounded up.

    Its time is over a retry horizon earlier. So a request that it refused at the last moment can't
    be executed after storage has removed it.
    """
    window = max(settings.deduplication_window, RETRY_HORIZON)
    return -(-(instant + window + RETRY_HORIZON) // SECOND)


def state_of(settings: Settings, item: Item | None, now: int) -> str:
    """Return the name of an item's state at a time."""
    return MESSAGE.state_of(item, at(settings, now)).name


def message_of(settings: Settings, item: Item | None, now: int) -> Message[Any]:
    """Return the message that an item is at a time; one without attributes where there is none."""
    return Message(item or {}, state_of(settings, item, now), settings.codec, settings.table)


def onlooker_view(message: Message[Any]) -> Message[Any]:
    """Return the message without its receipt: reading a message does not make one its holder."""
    kept = {name: value for name, value in message.item.items() if name != RECEIPT.name}
    return evolve(message, item=kept)


def is_gone(seen: Message[Any], found: Message[Any]) -> bool:
    """Tell whether a message that was seen is there no more, or a later one in its place."""
    if found.state in NO_MESSAGE:
        return True
    if seen.send_token is None and found.send_token is None:  # a legacy producer's
        return seen.sent_at != found.sent_at
    return seen.send_token != found.send_token


def was_overtaken(seen: Message[Any], found: Message[Any]) -> bool:
    """Tell whether there was one write since a message was seen; if it is not ours, ours was none.

    Every write counts in the version (spec: VERSION), so a foreign trace on the very next one
    proves that no attempt of ours was executed, however often it was repeated. Who damages an item
    may count nothing.
    """
    is_counted = not is_gone(seen, found) and found.state not in DAMAGED
    return is_counted and found.version == seen.version + 1


def illegal(trigger: str, message: Message[Any], state: str) -> IllegalTransitionError:
    """Return the error for a step that the machine does not have, or whose guard fails."""
    id = message.id
    legal = MESSAGE.legal_triggers(state)
    if trigger not in legal:
        why = f"there is no {trigger} from {state}"
    else:
        why = f"its attributes are not such that the guard of {trigger} can hold"
    return IllegalTransitionError(
        f"Message {id!r} is {state}: {why}.", id=id, state=state, trigger=trigger, legal=legal
    )


W = TypeVar("W", Write, Transact)


def in_time(request: W, moment: Moment) -> W:
    """Return a write of which no attempt is sent too long after a moment (spec: WRITE-8).

    Args:
        request: the write.
        moment: that at which it was begun; if plans are made anew under the same token, the first.
    """
    return evolve(request, send_by=moment.monotonic + SENT_WITHIN)


@define
class Doubt:
    """Whether an attempt at what is being done may have been executed so far, or may be yet.

    It outlasts a plan: what was sent for an earlier one may arrive while a later one is carried
    out. So it is kept for as long as a call lasts, and told with whatever the call is told.

    Attributes:
        exists: whether there is any.
    """

    exists: bool = False

    def told(self, operation: Operation[R]) -> Operation[R]:
        """Carry out a part of the call; its refusal or error tells of all doubt so far.

        Raises:
            DynamoMQError: what the part raises.
        """
        try:
            reply = yield from operation
        except DynamoMQError as error:
            raise self.of(error) from error.__cause__
        return self.of(reply)

    def of(self, told: T) -> T:
        """Return a reply or an error that tells of all doubt so far, its own included."""
        if isinstance(told, Refused | Cancelled):
            self.exists = self.exists or told.repeated
            return evolve(told, repeated=self.exists)
        if isinstance(told, Failed):
            return evolve(told, error=self.of(told.error))
        if isinstance(told, DynamoMQError):
            self.exists = self.exists or told.in_doubt
            return with_doubt(told, in_doubt=self.exists)
        return told


def write(request: Write) -> Operation[WriteReply]:
    """Carry out one write persistently; a refusal tells whether it may echo our own success."""
    return (yield from _repeat(request))


def transact(request: Transact) -> Operation[Committed | Cancelled]:
    """Carry out a transaction persistently; it is cancelled where a condition does not hold.

    It is, too, where another one is in the way: by the time that one has ended, the plan of this
    one will most likely be outdated, so it is made anew instead of being repeated.
    """
    nothing_said = Cancelled((None,) * len(request.actions), in_conflict=True)
    return (yield from _repeat(request, in_conflict=nothing_said))


def damaged_group(group: str, what: str) -> DamagedGroupError:
    """Return the error for a group whose list is not whole, with what is wrong as a sentence."""
    return DamagedGroupError(
        what,
        code="DamagedGroup",
        remedy=f"Somebody has changed the table by hand. Call queue.repair_group({group!r}).",
    )


def write_batch(request: WriteBatch) -> Operation[tuple[BatchReply, ...]]:
    """Carry out a batch persistently; a reply for each write, as in :func:`write`.

    Only what failed is sent again, and no later failure takes back what was written before.

    Raises:
        ServiceError: the first attempt's, where repetition can't mend it.
    """
    replies: dict[int, BatchReply] = {}
    pending = dict(enumerate(request.writes))
    doubts = {place: Doubt() for place in pending}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            answers = yield from _sent_together(tuple(pending.values()))
        except DynamoMQError as error:
            if not error.retryable and attempt == 1:
                raise
            answers = (Failed(error),) * len(pending)
        for place, answer in zip(pending, answers, strict=True):
            replies[place] = doubts[place].of(answer)
        pending = {
            place: write for place, write in pending.items() if _is_worth_repeating(replies[place])
        }
        if not pending:
            break
        if attempt < _ATTEMPTS:
            yield from pause(attempt)
    return tuple(replies[place] for place in range(len(request.writes)))


def _sent_together(writes: tuple[Write, ...]) -> Operation[tuple[BatchReply, ...]]:
    """Send writes in one request; where it is refused as a whole, in halves (spec: BATCH-5).

    Somebody on the way may take fewer, or shorter requests; or one of the writes is to blame, and
    is told so when it is alone.
    """
    try:
        return (yield from ask(WriteBatch(writes)))
    except RequestRejectedError as error:
        if len(writes) == 1:
            raise
        doubtful = error.in_doubt
    answers: list[BatchReply] = []
    middle = len(writes) // 2
    for half in (writes[:middle], writes[middle:]):
        try:
            answers += yield from _sent_together(half)
        except DynamoMQError as error:
            answers += [Failed(error)] * len(half)
    return tuple(Doubt(doubtful).of(answer) for answer in answers)


def _is_worth_repeating(reply: BatchReply) -> bool:
    return isinstance(reply, Failed) and reply.error.retryable


def persistently(request: Request[R]) -> Operation[R]:
    """Carry out a reading request, again where the storage is only busy (spec: WRITE-6)."""
    return (yield from _repeat(request))


def _repeat(request: Request[R], in_conflict: R | None = None) -> Operation[R]:
    """Repeat with full-jitter exponential backoff; tell of the doubt that attempts have left.

    Args:
        request: the request.
        in_conflict: what to return where a transaction is in the way; ``None``: repeat then, too.

    Raises:
        ServiceError: the last attempt's, or one that repetition can't mend.
    """
    doubt = Doubt()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            reply: R = yield from doubt.told(ask(request))
        except DynamoMQError as error:
            if in_conflict is not None and isinstance(error, ConflictError):
                return doubt.of(in_conflict)
            if not error.retryable or attempt == _ATTEMPTS:
                raise
        else:
            return reply
        yield from pause(attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


def pause(attempt: int) -> Operation[None]:
    """Wait at random, up to twice as long after each attempt ("full jitter"; the first is 1)."""
    moment = yield from ask(Tick())
    longest = min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE)
    yield from ask(Sleep(moment.chance * longest))

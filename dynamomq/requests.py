"""What operations ask for, and what they are told: the whole boundary between logic and I/O.

An operation is a generator that yields requests and is sent replies; a driver carries them out. A
request's type names its reply's type, so ``reply = yield from ask(request)`` is typed. All that an
operation can't know by itself reaches it in replies, the time and random tokens included: the same
replies make it take the same steps.

A driver raises :class:`~dynamomq.errors.ServiceError` or :class:`~dynamomq.errors.SetupError`
*into* the operation where a request could not be carried out. Whether it may have been executed all
the same, the error says: ``in_doubt``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cached_property
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from attrs import field, frozen

from dynamomq.errors import DynamoMQError
from dynamomq.expressions import Arguments
from dynamomq.rules import Rule, Specialised
from dynamomq.table import TableDescription
from dynamomq.values import Item

R = TypeVar("R")

Verb: TypeAlias = Literal["Put", "Update", "Delete", "ConditionCheck"]
"""What DynamoDB calls an action of a transaction."""

MAX_BATCH = 25
"""How many writes one batch may hold (DynamoDB: ``BatchExecuteStatement``)."""

MAX_TRANSACTION = 100
"""How many items one transaction may change (DynamoDB: ``TransactWriteItems``)."""


class Request(Generic[R]):
    """Something to be done outside; ``R`` is the type of the reply."""

    __slots__ = ()

    @property
    def send_by(self) -> int | None:
        """The latest moment at which an attempt may be sent, by ``Moment.monotonic``.

        An engine refuses to send a later one; ``None``: there is no such moment.
        """
        return None


Operation: TypeAlias = Generator[Request[Any], Any, R]
"""A generator that yields requests, is sent their replies, and returns its result."""


def ask(request: Request[R]) -> Generator[Request[R], R, R]:
    """Yield one request and return its reply, typed."""
    reply = yield request
    return reply


# --- time and chance -------------------------------------------------------------------------


@frozen
class Moment:
    """The time, and randomness for one step.

    Attributes:
        now: nanoseconds since the epoch, by the driver's clock, corrected where the driver can.
        tokens: as many fresh tokens as were asked for; 22 URL-safe characters each.
        id: a fresh UUIDv7, where one was asked for.
        chance: a random number in [0, 1).
        uncertainty: how far ``now`` may be from the service's time, in nanoseconds; ``None``: that
            is not known, or the storage has no other clock than ours.
        ids: UUIDv7s for several messages, as many as were asked for.
        monotonic: nanoseconds by a clock that is never set.
    """

    now: int
    tokens: tuple[str, ...]
    id: str
    chance: float
    uncertainty: int | None = None
    ids: tuple[str, ...] = ()
    monotonic: int = 0


@frozen
class Tick(Request[Moment]):
    """Ask for the time and for randomness.

    Attributes:
        tokens: how many fresh tokens are needed.
        new_id: whether a fresh message id is needed.
        claims: whether messages are to be claimed by this time. The driver then raises
            :class:`~dynamomq.errors.ClockError` where it can't tell the time well enough.
        ids: how many message ids are needed for several messages.
    """

    tokens: int = 0
    new_id: bool = False
    claims: bool = False
    ids: int = 0


@frozen
class Sleep(Request[None]):
    """Wait.

    Attributes:
        seconds: how long; 0 or more.
    """

    seconds: float


# --- reading ---------------------------------------------------------------------------------


@frozen
class Get(Request[Item | None]):
    """Read one item, strongly consistent; the reply is ``None`` where there is none."""

    id: str


@frozen
class GetMany(Request[Mapping[str, Item]]):
    """Read up to 100 items, strongly consistent; the reply holds those that exist, by id.

    Attributes:
        ids: their keys.
        table: another table of the same engine; ``None``: the driver's.
    """

    ids: tuple[str, ...]
    table: str | None = None


@frozen
class Page:
    """A part of an index query's or scan's result.

    Attributes:
        entries: the items in order. From the index they hold at least the key attributes,
            ``status`` and ``receive_count``, as of some moment in the past.
        cursor: where the next page starts; ``None`` at the end. Opaque to operations.
    """

    entries: tuple[Item, ...]
    cursor: Item | None


@frozen
class Query(Request[Page]):
    """Read a queue's index in order of due time; eventually consistent (spec: READ-1).

    Attributes:
        queue: the index partition, such as ``STANDARD``.
        until: only entries due at or before this timestamp; ``None`` for all.
        limit: at most so many entries in the page.
        cursor: where to go on, from the page before.
        since: only entries due at or after this timestamp; ``None`` for all.
    """

    queue: str
    until: str | None
    limit: int
    cursor: Item | None = None
    since: str | None = None


@frozen
class Scan(Request[Page]):
    """Read the whole table in no particular order, page by page.

    Attributes:
        limit: at most so many items in the page.
        cursor: where to go on, from the page before.
    """

    limit: int
    cursor: Item | None = None


# --- writing ---------------------------------------------------------------------------------


@frozen
class Written:
    """The write took place.

    Attributes:
        item: the item after it, where the request asked for that.
    """

    item: Item | None


@frozen
class Refused:
    """The condition did not hold; this attempt changed nothing.

    Attributes:
        item: the item as it is now; ``None`` where there is none or (``shown`` false) it was not
            said.
        repeated: whether an earlier attempt at the same may have been executed, its reply lost, or
            may be yet. Then the refusal may be the echo of our own success. False where earlier
            attempts, if there were any, have certainly changed nothing.
        shown: whether the reply shows the item.
    """

    item: Item | None
    repeated: bool = False
    shown: bool = True


@frozen
class Failed:
    """One write of a batch could not be carried out.

    It changed nothing, unless the error says ``in_doubt``.

    Attributes:
        error: why.
    """

    error: DynamoMQError


WriteReply: TypeAlias = Written | Refused
BatchReply: TypeAlias = Written | Refused | Failed


@frozen
class Write(Request[WriteReply]):
    """One transition of one item, as one conditional write.

    Attributes:
        id: the item's key.
        rule: the machine's rule: condition and effects.
        arguments: the values that they read; those not given are left out.
        want_item: whether the reply must show the item after an update.
        send_by: see :class:`Request`.
    """

    id: str
    rule: Rule
    arguments: Arguments = field(hash=False)
    want_item: bool = False
    send_by: int | None = None

    @cached_property
    def specialised(self) -> Specialised:
        """The rule for the arguments that are given."""
        return self.rule.specialised(self.arguments)

    @cached_property
    def whole_item(self) -> Item:
        """The item that a put leaves behind, whatever was there before."""
        return self.specialised.apply(None, self.arguments) or {}

    def recognises(self, item: Item | None) -> bool:
        """Tell whether an item bears the trace of this very write (spec: WRITE-3)."""
        return self.rule.trace.evaluate(item or {}, self.arguments)


@frozen
class WriteBatch(Request[tuple[BatchReply, ...]]):
    """Up to 25 updates of different items in one request; each succeeds or fails alone.

    The replies are in the order of the writes. They show the item after each that succeeded and
    asked for it, and need not show the item that refused one.
    """

    writes: tuple[Write, ...]

    @property
    def send_by(self) -> int | None:
        """The latest moment at which an attempt may be sent: the earliest that a write has."""
        return min((one.send_by for one in self.writes if one.send_by is not None), default=None)


@frozen
class Elsewhere:
    """A write to another table of the same engine; only transactions reach that far.

    Attributes:
        table: the table's name.
        write: the write.
    """

    table: str
    write: Write


@frozen
class Foreign:
    """An action that is the user's own, on whatever table.

    Attributes:
        verb: what is done.
        table: the table's name.
        attributes: the whole item that is put; else its key.
        rule: what must hold of the item that is there, and what an update changes; neither has
            arguments.
        shows: whether a refusal is to show the item.
    """

    verb: Verb
    table: str
    attributes: Item = field(hash=False)
    rule: Specialised
    shows: bool = False

    def __str__(self) -> str:
        """Say what it is."""
        return f"{self.verb} in table {self.table!r}"


Action: TypeAlias = Write | Elsewhere | Foreign


@frozen
class Committed:
    """All actions took effect: now, or by an earlier attempt with the same token."""


@frozen
class Cancelled:
    """None of the actions took effect: one was refused by its condition, or was in conflict.

    Attributes:
        reasons: for each action its refusal; ``None`` where it was not refused, or that was not
            said.
        repeated: whether an earlier attempt at the same may have been executed, or may be yet.
        in_conflict: whether something passing was in the way of some action: another transaction,
            the rate limit. Then no more is known of that one, and what was refused may have been by
            what another transaction has done.
    """

    reasons: tuple[Refused | None, ...]
    repeated: bool = False
    in_conflict: bool = False


@frozen
class Transact(Request[Committed | Cancelled]):
    """Up to 100 actions on different items: all take effect, or none does.

    Where something else than a condition stands in the way, such as another transaction, the driver
    raises; nothing has taken effect then, unless the error says ``in_doubt``.

    Attributes:
        actions: what is to be done; no item twice.
        token: the same for all repetitions. Within ten minutes DynamoDB answers a repetition as it
            answered the first; but other storages do not, so nothing may rest on it.
        send_by: see :class:`Request`.
    """

    actions: tuple[Action, ...]
    token: str
    send_by: int | None = None


# --- the table -------------------------------------------------------------------------------


@frozen
class DescribeTable(Request[TableDescription | None]):
    """Describe the driver's table; the reply is ``None`` where there is none.

    Attributes:
        expiry: whether to ask by which attribute items expire, too; otherwise that is ``None``.
    """

    expiry: bool = True


@frozen
class CreateTable(Request[None]):
    """Create the driver's table by its definition; does nothing where there already is one."""


@frozen
class EnableExpiry(Request[None]):
    """Let the storage remove items some time after their ``expires_at``."""

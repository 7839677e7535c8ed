"""What all clients of a queue have agreed on: the item ``$queue`` (spec: AGREE-1 to AGREE-4).

Each client reads it first of all, and again every minute, and makes its settings of it and of what
it was told itself. A client may differ from the others only where that harms none of them.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from dynamomq.attributes import (
    DEDUPLICATION_WINDOW,
    MAX_RECEIVES,
    PREVIOUS_SHARDS,
    SHARDS,
    SHARDS_SINCE,
    VERSION,
    VISIBILITY_TIMEOUT,
)
from dynamomq.errors import (
    ConflictError,
    DynamoMQError,
    InvalidArgumentError,
    SettingsMismatchError,
    TableMismatchError,
    shorten,
)
from dynamomq.expressions import Attr
from dynamomq.operations.commit import Anew, commit
from dynamomq.operations.writing import (
    RETRY_HORIZON,
    Doubt,
    Settings,
    in_time,
    persistently,
    write,
)
from dynamomq.payload import Codec
from dynamomq.requests import Get, Operation, Tick, Write, Written, ask
from dynamomq.reserved import AGREEMENT, AGREEMENT_ID
from dynamomq.timestamps import SECOND, format_instant, parse_instant
from dynamomq.values import Item, Value

REREAD = 60 * SECOND
"""How often a client reads again what is agreed on, in nanoseconds."""

SPREADS_AFTER = 150 * SECOND
"""How long after the number of shards was raised senders begin to use the new ones.

Longer than two re-reads, so that by then receivers look at them, even one whose re-read has failed
once; the rest is for clocks that differ. Nothing is lost where one knows later still: messages
wait in the new shards until somebody looks there (spec: SHARD-3).
"""

MAX_SHARDS = 1000
"""Over how many index partitions a queue may be spread."""

_MILLISECOND = 1_000_000  # nanoseconds
_AGAIN = 10 * SECOND  # after a re-read that failed

_AGREE = AGREEMENT.rule("agree")
_REVISE = AGREEMENT.rule("revise")


@frozen
class Choices:
    """What a client was told itself; durations in nanoseconds, ``None``: as agreed.

    Attributes:
        table: the table's name.
        codec: translates payloads.
        visibility_timeout: how long its deliveries last.
        max_receives: deliveries that it allows before the dead-letter queue.
        deduplication_window: how long it leaves the ids of deleted messages taken.
    """

    table: str
    codec: Codec[Any]
    visibility_timeout: int | None = None
    max_receives: int | None = None
    deduplication_window: int | None = None


@frozen
class Agreement:
    """What the item says; where there is none, today's defaults. Durations in nanoseconds.

    Attributes:
        shards: over how many index partitions each queue is spread.
        previous_shards: how many there were before.
        shards_since: from when on senders use the present number.
        max_receives: deliveries allowed before the dead-letter queue; ``None``: any number.
        visibility_timeout: how long a delivery lasts unless said otherwise.
        deduplication_window: how long the id of a deleted message stays taken.
        version: the item's; 0 where there is none.
    """

    shards: int = 1
    previous_shards: int = 1
    shards_since: int = 0
    max_receives: int | None = None
    visibility_timeout: int = 30 * SECOND
    deduplication_window: int = 300 * SECOND
    version: int = 0

    def used_by_senders(self, now: int) -> int:
        """Return over how many shards senders spread their messages at a time."""
        return self.shards if now >= self.shards_since else self.previous_shards


@frozen
class Revision:
    """What is to be agreed on from now on; ``None``: as it is.

    Attributes:
        shards: the number of shards; never fewer than there are.
        max_receives: deliveries allowed; 0: any number.
        visibility_timeout: in nanoseconds.
        deduplication_window: in nanoseconds.
    """

    shards: int | None = None
    max_receives: int | None = None
    visibility_timeout: int | None = None
    deduplication_window: int | None = None


@frozen
class Look:
    """What a client knows after a look at the item.

    Attributes:
        agreement: what is agreed on, as far as it is known.
        settings: what follows for this client.
        valid: for how many nanoseconds from the beginning of the look; then it is time to look
            again.
    """

    agreement: Agreement
    settings: Settings
    valid: int


def check_choices(choices: Choices, agreement: Agreement) -> None:
    """Do nothing if what a client was told is within what is agreed on (spec: AGREE-3).

    Raises:
        SettingsMismatchError: it would harm others.
    """
    limit, own_limit = agreement.max_receives, choices.max_receives
    if limit is not None and own_limit is not None and own_limit > limit:
        raise SettingsMismatchError(
            "max_receives", own=str(own_limit), agreed=str(limit), rule="at most"
        )
    window, own_window = agreement.deduplication_window, choices.deduplication_window
    if own_window is not None and max(own_window, RETRY_HORIZON) < window:
        raise SettingsMismatchError(
            "deduplication_window",
            own=f"{own_window / SECOND:g} s",
            agreed=f"{window / SECOND:g} s",
            rule="at least",
        )


def settings_of(choices: Choices, agreement: Agreement, now: int) -> Settings:
    """Return a client's settings at a time: its own as far as they harm nobody (spec: AGREE-3)."""
    timeout = choices.visibility_timeout
    limits = [one for one in (choices.max_receives, agreement.max_receives) if one is not None]
    window = choices.deduplication_window
    if window is None or max(window, RETRY_HORIZON) < agreement.deduplication_window:
        window = agreement.deduplication_window
    return Settings(
        table=choices.table,
        codec=choices.codec,
        visibility_timeout=agreement.visibility_timeout if timeout is None else timeout,
        max_receives=min(limits, default=None),
        deduplication_window=window,
        shards=agreement.used_by_senders(now),
        visited=agreement.shards,
    )


def look(choices: Choices, known: Agreement | None) -> Operation[Look]:
    """Read what is agreed on; where that fails, go on with what is known (spec: AGREE-2).

    Args:
        choices: what the client was told.
        known: what it has read before; ``None``: nothing yet. Who is at work already is not stopped
            by what is agreed on meanwhile, but goes by the stricter of both.

    Raises:
        SettingsMismatchError: nothing is known yet, and what it was told would harm others.
        DynamoMQError: nothing is known yet, and it can't be read.
    """
    moment = yield from ask(Tick())  # before it is read: what is read later is no older
    valid = REREAD
    if known is None:
        agreement = yield from _read(choices.table)
        check_choices(choices, agreement)
    else:
        try:
            agreement = _agreement_of(choices.table, (yield from ask(Get(AGREEMENT_ID))))
        except DynamoMQError:  # whoever asked has something to do, and will hear of it if it lasts
            agreement, valid = known, _AGAIN
        if agreement.version < known.version:  # removed by hand: there are messages in its shards
            agreement, valid = known, _AGAIN
    until_spread = agreement.shards_since - moment.now
    if until_spread > 0:
        valid = min(valid, until_spread)
    return Look(agreement, settings_of(choices, agreement, moment.now), valid)


def _read(table: str) -> Operation[Agreement]:
    return _agreement_of(table, (yield from persistently(Get(AGREEMENT_ID))))


def revise(choices: Choices, revision: Revision, *, at_once: bool = False) -> Operation[Agreement]:
    """Agree on something, or revise that; return what is agreed on then (spec: AGREE-4, SHARD-3).

    Args:
        choices: what the client who asks for it was told itself.
        revision: what is to be changed.
        at_once: whether senders may use new shards at once: nobody uses the table yet.

    Raises:
        InvalidArgumentError: fewer shards than there are.
        SettingsMismatchError: the client itself was told what would harm others then.
        ConflictError: others kept revising it.
    """

    def attempt(_: None, doubt: Doubt) -> Operation[Agreement | Anew[None]]:
        agreement = yield from doubt.told(_read(choices.table))
        moment = yield from ask(Tick())
        spread_at = moment.now + (0 if at_once else SPREADS_AFTER)
        revised = _revised(agreement, revision, moment.now, spread_at)
        check_choices(choices, revised)
        if revised == agreement and agreement.version:
            return agreement
        request = in_time(_request(revised, moment.now), moment)
        reply = yield from doubt.told(write(request))
        if isinstance(reply, Written):
            return evolve(revised, version=agreement.version + 1)
        return Anew(None)  # somebody else did, or an earlier attempt of ours: see which

    def busy(_: None) -> ConflictError:
        return ConflictError(
            "Others kept revising the queue's settings.", remedy="Call create_table() again."
        )

    agreed: Operation[Agreement] = commit(None, attempt, busy)
    return (yield from agreed)


def _revised(agreement: Agreement, revision: Revision, now: int, spread_at: int) -> Agreement:
    revised = agreement
    if revision.visibility_timeout is not None:
        revised = evolve(revised, visibility_timeout=_whole(revision.visibility_timeout))
    if revision.deduplication_window is not None:
        revised = evolve(revised, deduplication_window=_whole(revision.deduplication_window))
    if revision.max_receives is not None:
        revised = evolve(revised, max_receives=revision.max_receives or None)
    if revision.shards is None or revision.shards == agreement.shards:
        return revised
    if revision.shards < agreement.shards:
        raise InvalidArgumentError(
            "shards",
            revision.shards,
            f"the queue has {agreement.shards:,}, and shards are never taken away, because "
            "nobody would look for what is in them",
            remedy="Leave it out, or pass a larger number.",
        )
    return evolve(
        revised,
        shards=revision.shards,
        previous_shards=agreement.used_by_senders(now),
        shards_since=spread_at,
    )


def _request(revised: Agreement, now: int) -> Write:
    arguments: dict[str, Value] = {
        "now": format_instant(now),
        "shards": revised.shards,
        "previous_shards": revised.previous_shards,
        "shards_since": format_instant(revised.shards_since),
        "max_receives": revised.max_receives or 0,
        "visibility_timeout": revised.visibility_timeout // _MILLISECOND,
        "deduplication_window": revised.deduplication_window // _MILLISECOND,
    }
    if revised.version:
        return Write(AGREEMENT_ID, _REVISE, {**arguments, "seen_version": revised.version})
    return Write(AGREEMENT_ID, _AGREE, {**arguments, "id": AGREEMENT_ID})


def _whole(duration: int) -> int:
    """Return a duration in whole milliseconds, as it is stored; no shorter than it was."""
    return -(-duration // _MILLISECOND) * _MILLISECOND


# --- reading the item ------------------------------------------------------------------------


def _agreement_of(table: str, item: Item | None) -> Agreement:
    """Return what an item says.

    Raises:
        TableMismatchError: it is not an agreement; some other program wrote it.
    """
    if item is None:
        return Agreement()
    try:
        shards = _number(item, SHARDS, at_least=1, at_most=MAX_SHARDS)
        return Agreement(
            shards=shards,
            previous_shards=_number(item, PREVIOUS_SHARDS, at_least=1, at_most=shards),
            shards_since=_instant(item, SHARDS_SINCE),
            max_receives=_number(item, MAX_RECEIVES) or None,
            visibility_timeout=_number(item, VISIBILITY_TIMEOUT, at_least=1) * _MILLISECOND,
            deduplication_window=_number(item, DEDUPLICATION_WINDOW) * _MILLISECOND,
            version=_number(item, VERSION, at_least=1),
        )
    except ValueError as error:
        difference = f"its item {AGREEMENT_ID!r} is not to be understood ({error}): repair it"
        raise TableMismatchError(table, (difference,)) from None


def _number(item: Item, attribute: Attr, *, at_least: int = 0, at_most: int = 10**15) -> int:
    value = item.get(attribute.name)
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
        raise ValueError(f"{attribute.name} is {shorten(value)}")
    return value


def _instant(item: Item, attribute: Attr) -> int:
    value = item.get(attribute.name)
    try:
        return parse_instant(str(value))
    except ValueError:
        raise ValueError(f"{attribute.name} is {shorten(value)}") from None

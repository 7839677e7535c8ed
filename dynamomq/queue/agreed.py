"""A client's settings: what it was told, within what all clients of the queue have agreed on."""

from __future__ import annotations

import threading

from attrs import define, field, frozen

from dynamomq.checks import MAX_VISIBILITY_TIMEOUT, Duration, check_count, check_duration
from dynamomq.drivers.base import Driver
from dynamomq.errors import InvalidArgumentError
from dynamomq.operations import (
    MAX_SHARDS,
    RETRY_HORIZON,
    Agreement,
    Choices,
    Look,
    Revision,
    Settings,
    check_table,
    look,
)
from dynamomq.timestamps import SECOND

MOST_RECEIVES = 10**9


@frozen
class _Known:
    """What a look has shown, and between which instants of the local clock it counts."""

    look: Look
    since: int
    until: int


@define(eq=False)
class Agreed:
    """Knows what is agreed on, and looks again when that is a minute old (spec: AGREE-2).

    Safe to share among threads: while one of them looks again, the others go on with what is known.

    Attributes:
        choices: what the client was told.
        driver: where the item is.
    """

    choices: Choices
    driver: Driver
    _known: _Known | None = field(default=None, init=False)
    _looking: threading.Lock = field(factory=threading.Lock, init=False)

    def settings(self) -> Settings:
        """Return the client's settings of now; look what is agreed on, if it is time to.

        Raises:
            SettingsMismatchError: what the client was told would harm others.
            TableMismatchError: the table can't hold a queue; that is looked at once, if allowed.
            DynamoMQError: nothing is known yet, and it can't be read.
        """
        known = self._known
        if known is None:  # several threads may find that; each of them looks
            return self._look(None).settings
        # A clock that was set back makes us look too.
        if known.since <= self.driver.surroundings.clock() < known.until:
            return known.look.settings
        if not self._looking.acquire(blocking=False):
            return known.look.settings
        try:
            return self._look(known.look.agreement).settings
        finally:
            self._looking.release()

    def forget(self) -> None:
        """Look again before anything else."""
        self._known = None

    def _look(self, known: Agreement | None) -> Look:
        began = self.driver.surroundings.clock()
        seen = self.driver.run(look(self.choices, known))
        if known is None:
            self.driver.run(check_table(self.driver.table))
        self._known = _Known(seen, began, began + seen.valid)
        return seen


# --- checks ----------------------------------------------------------------------------------


def optional_visibility(value: Duration | None) -> int | None:
    """Return a visibility timeout in nanoseconds, if there is one."""
    if value is None:
        return None
    return check_duration("visibility_timeout", value, at_most=MAX_VISIBILITY_TIMEOUT, zero=False)


def optional_window(value: Duration | None) -> int | None:
    """Return a deduplication window in nanoseconds, if there is one.

    Raises:
        InvalidArgumentError: it is out of range; the least is how late a request may be executed.
    """
    if value is None:
        return None
    window = check_duration("deduplication_window", value, at_most=MAX_VISIBILITY_TIMEOUT)
    if window < RETRY_HORIZON:
        raise InvalidArgumentError(
            "deduplication_window",
            value,
            f"it is at least {RETRY_HORIZON / SECOND:g} s, for so late a repetition of a send may "
            "arrive, which would bring a deleted message back",
            remedy="Pass more, or leave it out; to send a message again, give it another id.",
        )
    return window


def checked_revision(
    *,
    shards: int | None,
    visibility_timeout: Duration | None,
    max_receives: int | None,
    deduplication_window: Duration | None,
) -> Revision:
    """Return what is to be agreed on.

    Raises:
        InvalidArgumentError: an argument is out of range.
    """
    if shards is not None:
        check_count("shards", shards, at_least=1, at_most=MAX_SHARDS)
    if max_receives is not None:
        check_count("max_receives", max_receives, at_least=0, at_most=MOST_RECEIVES)
    return Revision(
        shards=shards,
        max_receives=max_receives,
        visibility_timeout=optional_visibility(visibility_timeout),
        deduplication_window=optional_window(deduplication_window),
    )

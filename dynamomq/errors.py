"""Every error that DynamoMQ raises: one root, and whose turn it is to act in the hierarchy.

* :class:`CallerError` — the call was wrong; repeating it unchanged will fail again.
* :class:`ContentionError` — somebody else was there first; nothing is broken.
* :class:`SetupError` — the table or the credentials are not what the library needs.
* :class:`ServiceError` — the storage could not do its work now.

Each error carries its data as attributes and says in ``remedy`` what to do about it. Of an argument
that is to blame it shows at most 60 characters; of a payload, a row or a header no value, only
types, sizes and names; never a credential. All errors can be pickled and copied, and so pass from
one process to another.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any, TypeVar

from attrs import frozen

from dynamomq.portable import PortableError

__all__ = [
    "AccessDeniedError",
    "CallerError",
    "ClockError",
    "ClosedError",
    "ConflictError",
    "ContentionError",
    "CredentialsError",
    "DamagedGroupError",
    "DuplicateMessageError",
    "DynamoMQError",
    "FailedAction",
    "FilterError",
    "IllegalTransitionError",
    "InternalError",
    "InvalidArgumentError",
    "MalformedItemError",
    "MessageNotFoundError",
    "OrderError",
    "OutcomeUnknownError",
    "PayloadError",
    "RequestRejectedError",
    "ServiceError",
    "SettingsMismatchError",
    "SetupError",
    "StaleReceiptError",
    "StoreError",
    "TableMismatchError",
    "TableNotFoundError",
    "ThrottledError",
    "TransactionConditionError",
    "TransactionUsageError",
    "UnavailableError",
    "counted",
    "shorten",
    "with_doubt",
]

_SHOWN = 60
_MAX_BITS = 4096  # beyond some 4,300 digits Python refuses to write an int out


def shorten(value: object) -> str:
    """Return ``repr(value)`` cut to a length that is safe and readable in an error message."""
    if isinstance(value, str | bytes) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}… ({len(value):,} long)"
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return f"an int of {value.bit_length():,} bits"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - whatever a foreign class does
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or in the plural: ``1 message``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class DynamoMQError(PortableError):
    """The root of all errors of this library.

    Attributes:
        message: what went wrong, in one sentence.
        remedy: what to do about it; empty where nothing sensible can be said.
        retryable: whether the same request may succeed if it is sent again a little later.
        in_doubt: whether what failed may have taken effect all the same, or may do so yet: some
            attempt was sent, and no reply to it settles that. If not, nothing was changed by it.
    """

    retryable = False
    in_doubt = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Keep the sentence and the remedy apart; ``str()`` joins them."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message, whether there is doubt, and the remedy, as far as there is one."""
        doubt = "Whether it took effect is not known." if self._tells_of_doubt else ""
        return " ".join(filter(None, (self.message, doubt, self.remedy)))

    @property
    def _tells_of_doubt(self) -> bool:
        """Whether the text has to say that there is doubt."""
        return self.in_doubt


E = TypeVar("E", bound=DynamoMQError)


def with_doubt(error: E, *, in_doubt: bool) -> E:
    """Return an error that says whether there is doubt: a copy where it said something else.

    Others may be told the same error, of another request.
    """
    if error.in_doubt == in_doubt:
        return error
    error = copy(error)
    error.in_doubt = in_doubt
    return error


class CallerError(DynamoMQError):
    """The call itself was wrong."""


class ContentionError(DynamoMQError):
    """Somebody else acted first."""


class SetupError(DynamoMQError):
    """The table, the index, the file or the credentials are not as the library needs them."""


class ServiceError(DynamoMQError):
    """The storage could not, or would not, carry out the request."""


# --- the caller ------------------------------------------------------------------------------


class InvalidArgumentError(CallerError, ValueError):
    """An argument is out of range or of the wrong kind; nothing was sent.

    Attributes:
        argument: the parameter's name.
        value: what was passed.
    """

    def __init__(self, argument: str, value: object, reason: str, *, remedy: str = "") -> None:
        """Name the argument, show the value, give the reason."""
        super().__init__(f"{argument}={shorten(value)}: {reason}.", remedy=remedy)
        self.argument = argument
        self.value = value


class PayloadError(CallerError):
    """A payload can't be stored exactly, or a stored one can't be read as the declared type.

    Attributes:
        path: where in the payload, such as ``payload['items'][3]``; empty if it is the whole.
        value: the offending value (never shown in full).
    """

    def __init__(
        self, message: str, *, value: object = None, path: str = "", remedy: str = ""
    ) -> None:
        """Keep the offending value and its place beside the sentence."""
        super().__init__(message, remedy=remedy)
        self.value = value
        self.path = path


class _MessageError(DynamoMQError):
    """An error about one message; carries its ``id``."""

    def __init__(self, message: str, *, id: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.id = id


class MessageNotFoundError(_MessageError, CallerError):
    """No message has this id (any more).

    Attributes:
        id: the id that was looked for.
    """


class OrderError(CallerError):
    """A message of a batch was not sent, because one before it in its group could not be sent."""


class DuplicateMessageError(_MessageError, CallerError):
    """The id of a send is taken, by a message or by the memory of a deleted one.

    Attributes:
        id: the id that is taken.
        state: the state of the message that holds the id, such as ``STANDARD.READY``; ``DELETED``:
            it was acknowledged, cancelled or purged.
        taken_until: until when a deleted message keeps its id taken (UTC); else ``None``.
    """

    def __init__(
        self,
        message: str,
        *,
        id: str,
        state: str,
        taken_until: datetime | None = None,
        remedy: str = "",
    ) -> None:
        """Add what is known of the message that was there first."""
        super().__init__(message, id=id, remedy=remedy)
        self.state = state
        self.taken_until = taken_until


class IllegalTransitionError(_MessageError, CallerError):
    """The state machine has no such step from where the message is (spec: MACHINE-1).

    Attributes:
        id: the message.
        state: its state, such as ``DLQ.READY``.
        trigger: what was asked for, such as ``move_to_dlq``.
        legal: the triggers that the machine allows from that state, sorted.
    """

    def __init__(
        self, message: str, *, id: str, state: str, trigger: str, legal: tuple[str, ...]
    ) -> None:
        """Name the state, the trigger, and what would have been legal."""
        super().__init__(
            message,
            id=id,
            remedy=f"From {state} the machine allows: {', '.join(legal) or 'nothing'}.",
        )
        self.state = state
        self.trigger = trigger
        self.legal = legal


class FilterError(_MessageError, CallerError):
    """A filter that was to choose messages raised; nothing was changed. The cause is chained.

    Attributes:
        id: the message that it was asked about.
    """

    def __init__(self, id: str, cause: Exception) -> None:
        """Name the message, and what the filter raised; not its text, which may be a payload's."""
        super().__init__(
            f"The filter raised {type(cause).__name__} when it was asked about message {id!r}; "
            "nothing was changed.",
            id=id,
            remedy="Mend the filter; it is asked about every message, whatever its payload is.",
        )


class ClosedError(CallerError):
    """The queue or its engine was closed, or is used in a process that was forked from its own."""


class TransactionUsageError(CallerError):
    """A transaction is used before or after its block, a second time, or by another thread."""


# --- contention ------------------------------------------------------------------------------


class StaleReceiptError(_MessageError, ContentionError):
    """The receipt is no longer the current one: the delivery is over, and nothing was changed.

    The visibility timeout passed and somebody else received the message, or an operator took it.
    Treat the work as not acknowledged: another delivery is, or will be, responsible for it.

    Attributes:
        id: the message.
        state: the state that the message is in now.
    """

    def __init__(self, message: str, *, id: str, state: str, remedy: str = "") -> None:
        """Add the state that the message is in now."""
        super().__init__(message, id=id, remedy=remedy)
        self.state = state


class OutcomeUnknownError(_MessageError, ContentionError):
    """The request was repeated after a lost reply, and the message has moved on since.

    It can't be told whether the first attempt took effect (spec: WRITE-4). What is certain: the
    receipt or token that was used no longer counts.

    Attributes:
        id: the message; empty for a transaction without messages.
        trigger: what was asked for.
    """

    in_doubt = True

    def __init__(self, message: str, *, id: str, trigger: str, remedy: str = "") -> None:
        """Add the trigger whose outcome is unknown."""
        super().__init__(message, id=id, remedy=remedy)
        self.trigger = trigger

    @property
    def _tells_of_doubt(self) -> bool:
        return False  # the message says so


class ConflictError(ContentionError):
    """A write kept meeting other writes to the same items.

    The attempt that met them changed nothing; ``in_doubt`` tells whether one before it may have. It
    is safe to call again, a send with the same id.
    """

    retryable = True


@frozen
class FailedAction:
    """An action of a transaction whose condition did not hold.

    Attributes:
        position: the how many-th action of the transaction it is, counted from 1.
        operation: ``Put``, ``Update``, ``Delete`` or ``ConditionCheck``.
        table: the table that it is on.
        item: what is there, where the action asked to be shown it and there is something.
    """

    position: int
    operation: str
    table: str
    item: dict[str, Any] | None = None


class TransactionConditionError(ContentionError):
    """A condition of one's own in a transaction did not hold, so nothing of it took effect.

    Attributes:
        failed: the actions whose conditions did not hold; one at least.
        final: whether nothing of it can take effect any more. It is false where an attempt before
            may be under way, and be executed yet if the conditions come to hold within the next
            minutes.
    """

    def __init__(self, failed: tuple[FailedAction, ...], *, final: bool = True) -> None:
        """Say which of the transaction's actions they are."""
        told = "; ".join(
            f"action {one.position}, {one.operation} in table {one.table!r}" for one in failed
        )
        remedy = "The condition is your own: decide what its failure means."
        if not final:
            remedy += (
                " The request was repeated, so should the condition come to hold, an attempt that "
                "is still under way may be executed within the next minutes."
            )
        super().__init__(
            f"Nothing of the transaction took effect, for a condition did not hold: {told}.",
            remedy=remedy,
        )
        self.failed = failed
        self.final = final
        self.in_doubt = not final

    @property
    def _tells_of_doubt(self) -> bool:
        return False  # the remedy says so


# --- set-up ----------------------------------------------------------------------------------


class TableNotFoundError(SetupError):
    """The table does not exist in this account and region.

    Attributes:
        table: its name.
    """

    def __init__(self, table: str) -> None:
        """Name the table and the way to make it."""
        super().__init__(
            f"There is no table {table!r}.",
            remedy="Create it with Queue.create_table(), or check its name, the region and the "
            "endpoint.",
        )
        self.table = table


class TableMismatchError(SetupError):
    """The table exists but has another shape than the queue needs.

    Attributes:
        table: its name.
        differences: one sentence for each thing that is wrong.
    """

    def __init__(self, table: str, differences: tuple[str, ...]) -> None:
        """List everything that is wrong with the table, not only the first thing."""
        super().__init__(
            f"Table {table!r} can't hold a queue: {'; '.join(differences)}.",
            remedy="Use another table name, and create_table() makes the table; or add what is "
            "missing: spec/table.json has the whole definition.",
        )
        self.table = table
        self.differences = differences


class SettingsMismatchError(SetupError):
    """A client was given a setting that would harm the others, by what all have agreed on.

    Attributes:
        setting: the argument's name, such as ``max_receives``.
        own: what this client was given.
        agreed: what the queue's clients have agreed on.
    """

    def __init__(self, setting: str, *, own: str, agreed: str, rule: str) -> None:
        """Compare both; ``rule`` is "at most" or "at least"."""
        super().__init__(
            f"{setting}={own}: it must be {rule} what the queue's clients have agreed on, which is "
            f"{agreed}.",
            remedy=f"Leave {setting} out to go by the agreement, or change that for all with "
            f"create_table({setting}=…).",
        )
        self.setting = setting
        self.own = own
        self.agreed = agreed


class StoreError(SetupError):
    """The file of an embedded engine can't be used: no database of ours, or not accessible.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str, reason: str, *, remedy: str = "") -> None:
        """Name the file and the reason."""
        super().__init__(f"{path}: {reason}.", remedy=remedy)
        self.path = path


class CredentialsError(SetupError):
    """No usable AWS credentials, region or profile were found."""


# --- the service -----------------------------------------------------------------------------


class ThrottledError(ServiceError):
    """The storage refused the request because of its rate, repeatedly.

    The attempts that were refused changed nothing; ``in_doubt`` tells whether one before them may
    have. It is safe to call again, a send with the same id.
    """

    retryable = True


class UnavailableError(ServiceError):
    """The storage could not be reached or failed, repeatedly.

    ``in_doubt`` tells whether a write that ended so may have been executed: it is false where it is
    certain that no attempt was. It is safe to call again, a send with the same id.
    """

    in_doubt = True


class InternalError(UnavailableError):
    """The storage answered with an internal failure (HTTP 5xx), repeatedly."""

    retryable = True


class AccessDeniedError(ServiceError):
    """The credentials in use do not allow the request."""


class ClockError(ServiceError):
    """The time is not known well enough to claim messages; nothing was claimed by this request.

    The local clock was set or the machine suspended, since the service's last reply or while the
    request was under way; or the service took very long to answer. Its next reply mends it.

    Attributes:
        uncertainty: how far the time may be off, in seconds.
        limit: how far it may be, in seconds.
    """

    retryable = True

    def __init__(self, uncertainty: float, limit: float) -> None:
        """Compare what is known of the time with what is needed."""
        super().__init__(
            f"Nothing is received while the time is known to {uncertainty:.1f} s only "
            f"(clock_limit: {limit:g} s).",
            remedy="Call again: each reply of the service tells its time.",
        )
        self.uncertainty = uncertainty
        self.limit = limit


class RequestRejectedError(ServiceError):
    """The storage refused the request as invalid; please report it if the cause is not yours.

    Attributes:
        code: the service's own error code, such as ``ValidationException``.
    """

    def __init__(self, message: str, *, code: str, remedy: str = "") -> None:
        """Keep the service's code."""
        super().__init__(message, remedy=remedy)
        self.code = code


class DamagedGroupError(RequestRejectedError):
    """A message can't leave or join its group: the group's list is not whole, and was not changed.

    Somebody has removed or changed them by hand: no operation of a queue leaves a list like that.
    """


class MalformedItemError(RequestRejectedError):
    """An update met an item whose attributes are missing or of another type than it needs."""

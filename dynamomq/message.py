"""A message as its users see it: a stored item, read."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from types import MappingProxyType, TracebackType
from typing import Generic, Literal, TypeVar

from attrs import field, frozen

from dynamomq import attributes
from dynamomq.checks import Duration
from dynamomq.errors import PayloadError
from dynamomq.expressions import Attr
from dynamomq.machine import QueueType, queue_of, receipt_of
from dynamomq.payload import Codec
from dynamomq.timestamps import SECOND, datetime_of, format_instant, parse_instant
from dynamomq.values import Item, Value

T = TypeVar("T")

_WIDTH = len(format_instant(0))  # of timestamps as we write them, whose order is that of time
_ABSURD = 221_845_392_000 * SECOND  # the year 9000; nobody's clock, so no write's time

MAX_FAILURES = 5
"""How many failures travel with a message: the last ones."""

_MAX_TEXT = 500
"""How many characters of a failure's message are kept; with MAX_FAILURES it bounds their size."""

_MAX_NAME = 80  # characters of a class's name
_MAX_TRACEBACK = 600  # bytes
_MAX_FRAMES = 20


@frozen
class Failure:
    """Why a delivery did not succeed, or why a message is in the dead-letter queue.

    Attributes:
        type: the name of the exception's class, or of the reason.
        message: its text, at most 500 characters.
        delivery: which delivery failed; 0 where it was none.
        at: when; ``None`` where the stored text can't be read.
        traceback: where it was raised: the last calls, the innermost last, a line each, at most 600
            bytes. File names without folders, and no values. Empty where nothing was raised.
    """

    type: str
    message: str
    delivery: int
    at: datetime | None
    traceback: str = ""

    @classmethod
    def record(cls, reason: BaseException | str, *, delivery: int, instant: int) -> Value:
        """Return the stored form of a failure.

        Args:
            reason: an exception, or a sentence.
            delivery: which delivery failed.
            instant: when, in nanoseconds since the epoch.
        """
        stored: dict[str, Value] = {
            "type": "Rejected",
            "message": _text_of(reason)[:_MAX_TEXT],
            "delivery": delivery,
            "when": format_instant(instant),
        }
        if isinstance(reason, BaseException):
            stored["type"] = _storable(type(reason).__name__)[:_MAX_NAME]
            if calls := _last_calls(reason.__traceback__):
                stored["traceback"] = calls
        return stored

    @classmethod
    def read(cls, stored: Value) -> Failure:
        """Read a stored failure; what is missing or mistyped becomes empty."""
        fields = stored if isinstance(stored, dict) else {}
        delivery = fields.get("delivery")
        return cls(
            type=str(fields.get("type", "")),
            message=str(fields.get("message", "")),
            delivery=delivery if isinstance(delivery, int) else 0,
            at=_moment(fields.get("when")),
            traceback=str(fields.get("traceback", "")),
        )


@frozen(repr=False)
class Entry(Generic[T]):
    """A message to be sent, with more to say than its payload.

    Attributes:
        data: the payload.
        id: the message's id and deduplication key; ``None``: a fresh one.
        delay: seconds, or a ``timedelta``, until it may be received.
        headers: text beside the payload.
        due_at: from when on it may be received, instead of a delay: an aware ``datetime``.
        group: the message group; ``None``: none.
        deduplication: by what a repetition is recognised: ``id`` or ``content``.
    """

    data: T
    id: str | None = None
    delay: Duration = 0
    headers: Mapping[str, str] | None = None
    due_at: datetime | None = None
    group: str | None = None
    deduplication: Literal["id", "content"] = "id"


@frozen(repr=False)
class Message(Generic[T]):
    """A message as it was when it was read; it does not change when the stored one does.

    Reading an attribute never fails, except ``data``, whose payload is decoded when it is
    first asked for (``receive`` from the standard queue has checked that already).

    Attributes:
        item: the stored item, in plain Python values. Treat it as read-only.
        state: the state that it was in, such as ``STANDARD.PROCESSING``.
        codec: what decodes the payload.
        table: the table that it is in.
    """

    item: Item
    state: str
    codec: Codec[T] = field(eq=False)
    table: str

    def __hash__(self) -> int:
        """Hash by the id, so that messages can be members of sets and keys of dictionaries."""
        return hash(self.id)

    def __repr__(self) -> str:
        """Show what identifies the message; never its payload or its receipt."""
        return f"<Message {self.id!r} {self.state} receive_count={self.receive_count}>"

    @property
    def id(self) -> str:
        """The message's id."""
        return self._text(attributes.ID) or ""

    @cached_property
    def data(self) -> T:
        """The payload.

        Raises:
            PayloadError: what is stored can't be read as the declared type.
        """
        if attributes.DATA.name not in self.item:
            raise PayloadError(f"Message {self.id!r} has no payload (any more).")
        unknown = self._text(attributes.CODEC) or self._text(attributes.ENCODING)
        if unknown:
            raise PayloadError(
                f"The payload of message {self.id!r} is encoded as {unknown!r}, which this version "
                "does not know.",
                remedy="Use the version or port that sent it.",
            )
        return self.codec.decode(self.item[attributes.DATA.name])

    @property
    def queue(self) -> QueueType | None:
        """Which queue it is in; ``None`` behind its group's head, and once deleted."""
        return queue_of(self.item.get(attributes.QUEUE_TYPE.name))

    @property
    def receive_count(self) -> int:
        """How often it was delivered since it entered its queue; 1 in the first delivery."""
        return self._number(attributes.RECEIVE_COUNT)

    @property
    def version(self) -> int:
        """The number of writes to the item so far."""
        return self._number(attributes.VERSION)

    @property
    def receipt(self) -> str | None:
        """The proof of the latest delivery; who has it as the result of ``receive`` is holder.

        ``None`` before the first, and where a legacy consumer, which makes none, holds the message.
        """
        return receipt_of(self.item)

    @property
    def token(self) -> str | None:
        """What the last write marked the item with; an operator's edit is bound to it."""
        return self._text(attributes.TOKEN)

    @property
    def send_token(self) -> str | None:
        """What its send marked it with; two messages with the same id differ in it."""
        return self._text(attributes.SEND_TOKEN)

    @property
    def group(self) -> str | None:
        """The message group; ``None`` without one."""
        return self._text(attributes.GROUP_ID)

    @property
    def previous_id(self) -> str | None:
        """The id of its predecessor in the group, when it joined or since that left from between.

        ``None`` without a group, for a group's first message, and once it has left the group.
        """
        return self._text(attributes.PREVIOUS_ID)

    @property
    def next_id(self) -> str | None:
        """The id of its successor in the group, as far as there was one when it was read."""
        return self._text(attributes.NEXT_ID)

    @property
    def headers(self) -> Mapping[str, str]:
        """What the sender put beside the payload."""
        stored = self.item.get(attributes.HEADERS.name)
        pairs = stored.items() if isinstance(stored, dict) else ()
        return MappingProxyType({name: str(value) for name, value in pairs})

    @property
    def errors(self) -> tuple[Failure, ...]:
        """The last few failures, oldest first."""
        return tuple(Failure.read(one) for one in self.latest_failures(MAX_FAILURES))

    @property
    def sent_at(self) -> datetime | None:
        """When it was sent (UTC)."""
        return _moment(self.item.get(attributes.CREATED.name))

    @property
    def updated_at(self) -> datetime | None:
        """When it was last written (UTC)."""
        return _moment(self.item.get(attributes.UPDATED.name))

    @property
    def deleted_at(self) -> datetime | None:
        """When it was deleted or cancelled (UTC), as its tombstone tells; ``None`` before."""
        return self.updated_at if attributes.EXPIRES_AT.name in self.item else None

    @property
    def received_at(self) -> datetime | None:
        """When its latest delivery began (UTC); ``None`` before the first."""
        return _moment(self.item.get(attributes.PEEKED.name))

    @property
    def due_at(self) -> datetime | None:
        """From when on it may be received (UTC); for its holder, the deadline."""
        return _moment(self.item.get(attributes.DUE.name))

    def will_end(self) -> None:
        """Be told that a call of the holder's is about to end the delivery."""

    def goes_on(self, *, in_doubt: bool) -> None:
        """Be told that a call of the holder's that was to end the delivery has failed.

        Args:
            in_doubt: whether it may have ended it all the same.
        """

    def has_ended(self, trigger: str) -> None:
        """Be told that a call of the holder's has ended the delivery.

        Args:
            trigger: by which step: ``delete``, ``retry``, ``release`` or ``move_to_dlq``.
        """

    def not_before(self, now: int) -> int:
        """Return the time of the next write by someone who has seen this item (spec: TIME-2).

        It is ``now``, but later than the item's last write, whatever the clocks say. So a
        message's own time never stands still, and a repeated receive that arrives late meets a due
        time after its own. Only what no clock shows is not followed.

        Args:
            now: by one's own clock, in nanoseconds since the epoch.
        """
        text = self._text(attributes.UPDATED)
        if text is not None and len(text) == _WIDTH and text < format_instant(now):
            return now  # as it nearly always is; that is seen without reading the text
        try:
            last = parse_instant(text) if text else 0
        except ValueError:
            return now
        return max(now, last + 1) if last < _ABSURD else now

    def failures_with(self, reason: BaseException | str, instant: int) -> Value:
        """Return the stored list of failures with one more, cut to the last few."""
        one = Failure.record(reason, delivery=self.receive_count, instant=instant)
        return [*self.latest_failures(MAX_FAILURES - 1), one]

    def latest_failures(self, most: int) -> list[Value]:
        """Return the stored form of the last few failures, oldest first."""
        return self._failures()[-most:]

    def _failures(self) -> list[Value]:
        stored = self.item.get(attributes.ERRORS.name)
        return stored if isinstance(stored, list) else []

    def _text(self, attribute: Attr) -> str | None:
        value = self.item.get(attribute.name)
        return value if isinstance(value, str) else None

    def _number(self, attribute: Attr) -> int:
        value = self.item.get(attribute.name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _text_of(reason: BaseException | str) -> str:
    try:
        return _storable(str(reason))
    except Exception:  # noqa: BLE001 - whatever a foreign __str__ does, the failure is recorded
        return "its text can't be had"


def _storable(text: str) -> str:
    """Return a text without what is no character, such as half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def _last_calls(trace: TracebackType | None) -> str:
    """Return the last calls of a traceback as far as there is room for them, a line each."""
    lines: deque[str] = deque(maxlen=_MAX_FRAMES)
    while trace is not None:
        code = trace.tb_frame.f_code
        file = code.co_filename.replace("\\", "/").rpartition("/")[2]
        lines.append(f"{file}:{trace.tb_lineno} in {code.co_qualname}")
        trace = trace.tb_next
    text = ""
    while lines:
        longer = f"{_storable(lines.pop())}\n{text}" if text else _storable(lines.pop())
        if len(longer.encode()) > _MAX_TRACEBACK:
            break
        text = longer
    return text


def _moment(text: Value) -> datetime | None:
    try:
        return datetime_of(parse_instant(text)) if isinstance(text, str) else None
    except ValueError:
        return None

"""What a worker is told: which handler, how many processes and threads, which queue."""

from __future__ import annotations

import json
import os
from typing import Any, Self

from attrs import asdict, field, fields, frozen

from dynamomq.checks import (
    MAX_VISIBILITY_TIMEOUT,
    MAX_WAIT,
    Duration,
    check_count,
    check_duration,
    check_source,
)
from dynamomq.errors import InvalidArgumentError
from dynamomq.timestamps import SECOND

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MOST_PROCESSES = 1_000

_QUEUE_DECIDES = (
    *("table", "index", "file", "endpoint_url", "region", "profile"),
    *("payload", "max_receives"),
)
_DYNAMODB_ONLY = ("endpoint_url", "region", "profile")
_CONSUMER_DECIDES = (
    *("queue", *_QUEUE_DECIDES),
    *("concurrency", "visibility_timeout", "source", "batch_size", "cooperate"),
)
_NAMES = ("handler", "queue", "payload")  # of what is in modules
_TEXTS = ("table", "index", "file", "endpoint_url", "region", "profile")
_COUNTS = ("concurrency", "max_receives", "batch_size")


def _grace(value: Duration) -> float:
    return check_duration("grace", value, at_most=MAX_WAIT) / SECOND


def _visibility_timeout(value: Duration | None) -> float | None:
    if value is None:
        return None
    longest = MAX_VISIBILITY_TIMEOUT
    return check_duration("visibility_timeout", value, at_most=longest, zero=False) / SECOND


def _source(value: str | None) -> str | None:
    return None if value is None else check_source(value).value


def _file(value: str | os.PathLike[str] | None) -> str | None:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


@frozen(kw_only=True)
class Settings:
    """The settings of a worker; see :func:`dynamomq.worker.run`. ``None`` leaves it to others.

    They go to other processes as JSON, so each is a text, a number or a truth value.

    Raises:
        InvalidArgumentError: a value is of the wrong type or out of range, or two settings exclude
            each other. What only the queue or the consumer can judge is not checked here.
    """

    handler: str
    processes: int = 1
    concurrency: int | None = None
    queue: str | None = None
    table: str | None = None
    index: str | None = None
    file: str | None = field(default=None, converter=_file)
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    payload: str | None = None
    visibility_timeout: float | None = field(default=None, converter=_visibility_timeout)
    max_receives: int | None = None
    source: str | None = field(default=None, converter=_source)
    batch_size: int | None = None
    grace: float = field(default=30.0, converter=_grace)
    cooperate: bool | None = None
    log_level: str = "INFO"

    def __attrs_post_init__(self) -> None:
        """Refuse what can be seen to be wrong without a queue."""
        self._check_types()
        check_count("processes", self.processes, at_least=1, at_most=MOST_PROCESSES)
        if self.log_level not in LOG_LEVELS:
            raise InvalidArgumentError(
                "log_level",
                self.log_level,
                "there is no such level",
                remedy=f"It is one of {', '.join(LOG_LEVELS)}.",
            )
        if self.queue is not None:
            self._refuse_beside("queue", "where the queue is", _QUEUE_DECIDES)
        if self.file is not None:
            self._refuse_beside("file", "where the queue is", _DYNAMODB_ONLY)

    def _check_types(self) -> None:
        by_name = "Put it into a module, and pass its name as text: 'package.module:name'."
        kinds: tuple[tuple[type, str, str, tuple[str, ...]], ...] = (
            (str, "other processes must find it by its name", by_name, _NAMES),
            (str, "a text is needed", "Pass a str.", _TEXTS),
            (int, "a whole number is needed", "Pass an int.", _COUNTS),
            (bool, "it is neither true nor false", "Pass True or False.", ("cooperate",)),
        )
        for kind, reason, remedy, names in kinds:
            for name in names:
                value = getattr(self, name)
                is_fine = isinstance(value, kind) and (kind is not int or type(value) is not bool)
                if not (is_fine or (value is None and name != "handler")):
                    raise InvalidArgumentError(name, value, reason, remedy=remedy)

    def check_beside_consumer(self) -> None:
        """Refuse what has no effect where the handler is a whole consumer.

        Raises:
            InvalidArgumentError: such a thing is set.
        """
        self._refuse_beside("handler", "how to consume and what", _CONSUMER_DECIDES)

    def _refuse_beside(self, decider: str, what: str, others: tuple[str, ...]) -> None:
        given = [name for name in others if getattr(self, name) is not None]
        if given:
            raise InvalidArgumentError(
                decider,
                getattr(self, decider),
                f"it decides {what}, so {', '.join(given)} would have no effect",
                remedy="Give either.",
            )

    def given(self, *names: str) -> dict[str, Any]:
        """Return those of the named settings that are not ``None``."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def to_json(self) -> str:
        """Return a form that another process can read."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        values = json.loads(text)
        return cls(**{one.name: values[one.name] for one in fields(cls)})

"""What a worker is told: which handler, how many processes and threads, which queue."""

from __future__ import annotations

import json
from typing import Any, Self

from attrs import asdict, fields, frozen

from dynamomq.checks import MAX_WAIT, check_count, check_duration
from dynamomq.errors import InvalidArgumentError

__all__ = ["LOG_LEVELS", "MOST_PROCESSES", "Settings"]

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


@frozen(kw_only=True)
class Settings:
    """The settings of a worker; see :func:`dynamomq.worker.run`. ``None`` leaves it to others.

    Raises:
        InvalidArgumentError: a number is out of range, or two settings exclude each other. What
            only the queue or the consumer can judge is not checked here.
    """

    handler: str
    processes: int = 1
    concurrency: int | None = None
    queue: str | None = None
    table: str | None = None
    index: str | None = None
    file: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    payload: str | None = None
    visibility_timeout: float | None = None
    max_receives: int | None = None
    source: str | None = None
    batch_size: int | None = None
    grace: float = 30.0
    cooperate: bool | None = None
    log_level: str = "INFO"

    def __attrs_post_init__(self) -> None:
        """Refuse what can be seen to be wrong without a queue."""
        check_count("processes", self.processes, at_least=1, at_most=MOST_PROCESSES)
        check_duration("grace", self.grace, at_most=MAX_WAIT)
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

"""How a consumer ended."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from attrs import frozen

Reason: TypeAlias = Literal["stopped", "failed", "grace ended", "forced"]

EXIT_STATUS: Final[dict[Reason, int]] = {"stopped": 0, "failed": 1, "grace ended": 3, "forced": 4}
"""What a process that runs a consumer should exit with (2 is for wrong usage)."""


@frozen
class Summary:
    """What a consumer has done, and how it ended.

    Attributes:
        reason: ``stopped``: as ordered, all handlers have ended. ``failed``: by ``error``.
            ``grace ended``: as ordered, but handlers, or a claim, were still under way when their
            time was over.
            ``forced``: a second order came before they had ended.
        error: what ended it; ``None`` where that was an order.
        succeeded: deliveries that were handled and acknowledged.
        retried: deliveries after which the message was given back.
        dead_lettered: deliveries after which it went into the dead-letter queue.
        lost: deliveries whose time was over before they could be acknowledged.
        released: messages that were claimed and not started any more; they do not count.
        abandoned: the ids of messages whose handlers were still running, whose results could not be
            written, or that were not started and could not be given back. They are delivered again
            when their visibility timeouts have passed.
        maybe_claimed: how many messages a claim that was still under way may have brought in at
            most. Nobody knows their ids yet. If the process lives on, they are given back; else
            they, too, are delivered again when their visibility timeouts have passed.
    """

    reason: Reason
    error: BaseException | None = None
    succeeded: int = 0
    retried: int = 0
    dead_lettered: int = 0
    lost: int = 0
    released: int = 0
    abandoned: tuple[str, ...] = ()
    maybe_claimed: int = 0

    @property
    def exit_status(self) -> int:
        """The exit status for a process that does nothing else."""
        return EXIT_STATUS[self.reason]

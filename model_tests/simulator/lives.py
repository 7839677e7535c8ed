"""What the oracle remembers: of each message since it was sent, and of each delivery."""

from __future__ import annotations

from attrs import frozen

from model_tests.simulator.asked import Name


@frozen
class Delivery:
    """A claim, and what its holder was told of it."""

    id: str
    by: Name
    sent_by: Name
    number: int  # the how many-th it is of its message, since that entered its queue
    deadline: int  # as it is in the table
    promised: int = 0  # the one that the holder was told; 0 before it was told any
    returned: bool = False
    ended: str | None = None  # the operation by which its holder gave it up


@frozen
class Life:
    """What has happened to a message since it was sent."""

    sent_by: Name
    data: object
    receipt: str | None = None  # of the present delivery, until it is given up or taken away
    claims: int = 0  # that count, since it entered its queue
    gone_at: int | None = None  # when its deletion was asked for
    gone_by: int = 0  # when that took place
    damaged: bool = False  # whether somebody has made it an item that is no whole message
    entombed: bool = False  # whether there is a tombstone

"""Who, or what, can move: an actor, or a part of the world."""

from attrs import frozen


@frozen
class Mover:
    """An actor by its name, or a part of the world."""

    kind: str
    actor: str = ""

    def __str__(self) -> str:
        return self.actor or f"the {self.kind}"


KINDS = ("actor", "index", "network", "time", "clocks", "expiry")
INDEX, LATE, TIME, CLOCKS, EXPIRY = map(Mover, KINDS[1:])

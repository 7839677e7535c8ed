"""Random requests, made to fit what is known to be stored: writes, batches, reads, pages."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, evolve, field

from dynamomq.attributes import DUE, ID, QUEUE_TYPE
from dynamomq.effects import Set
from dynamomq.expressions import Arg, Attr, Condition, negation
from dynamomq.requests import (
    MAX_BATCH,
    MAX_TRANSACTION,
    Get,
    GetMany,
    Query,
    Request,
    Scan,
    Transact,
    Write,
    WriteBatch,
)
from dynamomq.rules import Kind
from dynamomq.values import MAX_ITEM_BYTES, MAX_KEY_BYTES, Item, item_size
from tests.integration.known_differences import NEVER, ambiguous, as_batched, let_through, possible
from tests.integration.random_rules import QUEUES, TIES, Writes
from tests.integration.requests_lockstep import RequestLockstep, Step
from tests.integration.walks import Walk
from tests.support.embedded import custom_rule, put, update

LARGE: Final = "large"
LONGEST: Final = "i" * MAX_KEY_BYTES
IDS: Final = (
    *(f"m{number}" for number in range(20)),
    "ü",
    "\ue000",
    "\uffff",
    "🎈",
    "a b",
    "$",
    LONGEST,
)
WRONG_IDS: Final = ("", f"{LONGEST}i")
WITHOUT_NUMBERS: Final = ("S", "B", "BOOL", "NULL", "SS", "BS")
KINDS: Final[tuple[Kind, ...]] = ("put", "update", "delete")
SUSPENDED: Final = 3  # walks that wait for their next page while others write


@define(eq=False)
class Requests:
    """Makes requests by a source of chance, for the engines of a lockstep."""

    chance: random.Random
    lockstep: RequestLockstep
    writes: Writes = field(init=False)
    _walk: Walk | None = None
    _suspended: list[Walk] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.writes = Writes(self.chance)

    def next(self) -> Step:
        """The next request, or the walk whose next page is to be read."""
        if self._walk is not None and not self._walk.ended:
            if self._happens(0.7):
                return self._walk
            self._suspended = [*self._suspended[-SUSPENDED + 1 :], self._walk]
        self._walk = None
        makers: list[tuple[float, Callable[[], Step]]] = [
            (45, self._write),
            (8, self._batch),
            (8, self._transaction),
            (7, self._get),
            (4, self._get_many),
            (9, self._start_query),
            (9, self._resume),
            (4, self._start_scan),
            (1.5, self._wrong_read),
            (0.4, self._large),
        ]
        (make,) = self.chance.choices(
            [make for _, make in makers], [weight for weight, _ in makers]
        )
        return make()

    @property
    def known(self) -> Mapping[str, Item]:
        """What is stored, by id."""
        return self.lockstep.known

    def _happens(self, probability: float) -> bool:
        return self.chance.random() < probability

    def _id(self, *, stored: bool | None = None) -> str:
        """An id under which there is an item, or is none, or either."""
        fit = [key for key in IDS if stored is None or (key in self.known) == stored]
        return self.chance.choice(fit or IDS)

    # --- writes ------------------------------------------------------------------------------

    def _write(self) -> Write:
        if self._happens(0.01):
            return self.writes.write(self._kind(), self.chance.choice(WRONG_IDS), None)
        return self._drawn(self._id())

    def _drawn(self, key: str) -> Write:
        item = self.known.get(key)
        while ambiguous(write := self.writes.write(self._kind(), key, item), item):
            pass
        return write

    def _kind(self) -> Kind:
        (kind,) = self.chance.choices(KINDS, (30, 55, 15))
        return kind

    def _batch(self) -> WriteBatch:
        if self._happens(0.1):
            return self._wrong_batch()
        size = self.chance.randint(1, 4 if self._happens(0.9) else MAX_BATCH)
        ids = self.chance.sample(IDS, size)
        if size == 1:  # then it is no PartiQL statement
            return WriteBatch((self._part(ids[0], batched=False),))
        return WriteBatch(tuple(as_batched(self._part(key, batched=True)) for key in ids))

    def _part(self, key: str, *, batched: bool) -> Write:
        while let_through(write := self._drawn(key), self.known.get(key), batched=batched):
            pass
        return write

    def _wrong_batch(self) -> WriteBatch:
        """An item twice, or too many writes."""
        too_many = [f"{number}" for number in range(MAX_BATCH + 1)]
        ids = too_many if self._happens(0.3) else [*self.chance.sample(IDS, 5), IDS[0], IDS[0]]
        self.chance.shuffle(ids)
        rule = custom_rule("update", [Set(Attr("a"), Arg("a"))], NEVER)
        return WriteBatch(tuple(Write(key, rule, {"a": 1}) for key in ids))

    def _transaction(self) -> Transact:
        """All can be done, or a condition is in the way, or one write that can't be done at all."""
        if self._happens(0.08):
            return self._wrong_transaction()
        ids = self.chance.sample(IDS, self.chance.randint(1, 4 if self._happens(0.9) else 20))
        wanted = None if self._happens(0.5) else True
        writes = [self._action(key, applies=wanted, can_be_done=True) for key in ids]
        if wanted and self._happens(0.3):
            writes[0] = self._action(ids[0], applies=True, can_be_done=False)
        self.chance.shuffle(writes)
        return Transact(tuple(writes), token="")

    def _action(self, key: str, *, applies: bool | None, can_be_done: bool) -> Write:
        item = self.known.get(key)
        while True:
            write = self._part(key, batched=False)
            fits = applies in (None, write.specialised.applies_to(item, write.arguments))
            if fits and possible(write, item) == can_be_done:
                return write

    def _wrong_transaction(self) -> Transact:
        """An item twice, or too many writes, or none."""
        too_many = [f"{number}" for number in range(MAX_TRANSACTION + 1)]
        twice = [*self.chance.sample(IDS, 5), IDS[0], IDS[0]]
        rule = custom_rule("update", [Set(Attr("a"), Arg("a"))], NEVER)
        ids = self.chance.choice((too_many, twice, []))
        return Transact(tuple(Write(key, rule, {"a": 1}) for key in ids), token="")

    def _large(self) -> Write:
        """Around 400 KB, the limit of an item; it does not stay for long, it makes all slow."""
        if LARGE not in self.known:
            return self._guarded(put(self._large_item()), ID.absent())
        if self._happens(0.5):
            return self._guarded(Write(LARGE, custom_rule("delete", []), {}), ID.exists())
        return self._guarded(update(LARGE, pad="x" * self.chance.randrange(3)), ID.exists())

    def _guarded(self, write: Write, condition: Condition) -> Write:
        """The write under a condition that holds, or its opposite."""
        effects = write.specialised.effects
        chosen = condition if self._happens(0.8) else negation(condition)
        return evolve(write, rule=custom_rule(write.rule.kind, effects, chosen))

    def _large_item(self) -> Item:
        # No numbers: DynamoDB says only "approximately" how many bytes they are.
        odd = self.writes.values.of(self.chance.choice(WITHOUT_NUMBERS))
        item: Item = {"id": LARGE, "a": odd, "v": ""}
        filler = self.chance.choice(("x", "ü", "🎈", "\n"))
        width = len(filler.encode())
        room = MAX_ITEM_BYTES - item_size(item) + self.chance.choice((-1, 0, 1))
        return {**item, "v": filler * (room // width) + "x" * (room % width)}

    # --- reads -------------------------------------------------------------------------------

    def _get(self) -> Get:
        wrong = self._happens(0.05)
        return Get(self.chance.choice(WRONG_IDS) if wrong else self._id(stored=self._happens(0.6)))

    def _get_many(self) -> GetMany:
        ids = self.chance.sample(IDS, self.chance.randint(1, 6))
        if self._happens(0.45):
            ids = ["nothing", self._id(stored=False)]
        if self._happens(0.08):
            ids.append(self.chance.choice(WRONG_IDS))
        return GetMany(tuple(ids))

    def _start_query(self) -> Walk:
        until = self._due() if self._happens(0.6) else None
        since = self._due() if self._happens(0.2) else None
        if since is not None and until is not None:
            since, until = sorted((since, until))
        query = Query(self.chance.choice(QUEUES), until, self._limit(), since=since)
        self._walk = Walk(query)
        return self._walk

    def _start_scan(self) -> Walk:
        self._walk = Walk(Scan(self._limit()))
        return self._walk

    def _resume(self) -> Walk:
        self._suspended = [
            walk for walk in self._suspended if walk.may_go_on(self.known, self.lockstep.writes)
        ]
        if not self._suspended:
            return self._start_query()
        self._walk = self._suspended.pop(self.chance.randrange(len(self._suspended)))
        return self._walk

    def _limit(self) -> int:
        return self.chance.choice((1, 2, 3, 4, 5, 9, 100))

    def _due(self) -> str:
        dues = [str(item[DUE.name]) for item in self.known.values() if DUE.name in item]
        return self.chance.choice(dues if dues and self._happens(0.6) else TIES)

    def _wrong_read(self) -> Request[Any]:
        """A read that DynamoDB refuses."""
        queue, due = self.chance.choice(QUEUES), self._due()
        place: Item = {ID.name: self._id(), QUEUE_TYPE.name: queue, DUE.name: due}
        without = {name: value for name, value in place.items() if name != DUE.name}
        return self.chance.choice(
            (
                Query(queue, due, 0),
                Query("", due, 1),
                Query(queue, "", 1),
                Query(queue, None, 1, since=""),
                Query(queue, "2024", 1, since="2025"),
                Query(queue, "t" * 1025, 1),
                Query(queue, None, 1, without),
                Query(queue, None, 1, {**place, "more": "t"}),
                Query(queue, None, 1, {**place, ID.name: 1}),
                Query(queue, None, 1, {**place, QUEUE_TYPE.name: "another"}),
                Query(queue, "a", 1, place),
                Scan(0),
                Scan(1, {}),
                Scan(1, {ID.name: ""}),
                Scan(1, {ID.name: 1}),
                Scan(1, place),
                Scan(1, {DUE.name: due}),
            )
        )

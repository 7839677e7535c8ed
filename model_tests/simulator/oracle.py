"""What must hold, judged from outside: by calls, their outcomes, and what became of the items.

The oracle knows the ten attributes of an item and what the properties in the specification say. It
knows nothing of operations and machine, whose work it judges: it imports neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from dynamomq.timestamps import SECOND
from model_tests.simulator import asked
from model_tests.simulator.asked import (
    Caller,
    Item,
    Name,
    fail,
    is_held,
    is_message,
)
from model_tests.simulator.lists import Lists, is_group, is_upkeep
from model_tests.simulator.lives import Delivery, Life


@define(eq=False)
class Oracle:
    """Watches a run, and raises :class:`ViolationError` at the first thing that must not happen.

    Attributes:
        max_receives: the queue's.
        window: how long tombstones count, in nanoseconds.
        timeout: the queue's visibility timeout, in nanoseconds.
    """

    max_receives: int | None
    window: int
    timeout: int
    _clocks: dict[str, tuple[int, int, int]] = field(factory=dict)  # offset; lowest, highest so far
    _sends: dict[Name, int] = field(factory=dict)  # when a send began
    _delayed: dict[Name, int] = field(factory=dict)  # the earliest due time that a call asks for
    _deletions: dict[Name, int] = field(factory=dict)  # when a call that removes began
    _lives: dict[str, Life] = field(factory=dict)
    _deliveries: dict[str, Delivery] = field(factory=dict)
    _executed: set[str] = field(factory=set)  # requests that changed something
    _effective: set[Name] = field(factory=set)  # calls that did
    _failed: set[Name] = field(factory=set)  # calls that went on without knowing what came of it
    _doubtful: set[Name] = field(factory=set)  # calls of which an attempt may be executed unseen
    _creations: dict[Name, str] = field(factory=dict)
    _refused: dict[Name, str] = field(factory=dict)  # calls that were told that nothing was done
    _lists: Lists = field(factory=Lists)
    _digest: tuple[object, ...] | None = field(default=None, init=False)

    def copy(self) -> Oracle:
        """An oracle that knows the same, and goes its own way."""
        return evolve(
            self,
            clocks=dict(self._clocks),
            sends=dict(self._sends),
            delayed=dict(self._delayed),
            deletions=dict(self._deletions),
            lives=dict(self._lives),
            deliveries=dict(self._deliveries),
            executed=set(self._executed),
            effective=set(self._effective),
            failed=set(self._failed),
            doubtful=set(self._doubtful),
            creations=dict(self._creations),
            refused=dict(self._refused),
            lists=self._lists.copy(),
        )

    def digest(self) -> tuple[object, ...]:
        """All that later judgements depend on, hashable; for those that are told no more."""
        if self._digest is None:
            self._digest = self._digested()
        return self._digest

    def _digested(self) -> tuple[object, ...]:
        known: tuple[dict[Any, Any], ...] = (
            self._clocks,
            self._sends,
            self._delayed,
            self._deletions,
            self._lives,
            self._deliveries,
            self._creations,
            self._refused,
        )
        return (
            *(frozenset(one.items()) for one in known),
            frozenset(self._executed),
            frozenset(self._effective),
            frozenset(self._failed),
            frozenset(self._doubtful),
            self._lists.digest(),
        )

    # --- what it is told ---------------------------------------------------------------------

    def clock(self, actor: str, offset: int) -> None:
        """Somebody's clock is ahead of the true time by so much, from now on."""
        last, low, high = self._clocks.get(actor, (offset, offset, offset))
        self._clocks[actor] = offset, min(low, offset), max(high, offset)
        if offset < last:  # what it asks for from now on may be due so much earlier
            for name in self._delayed:
                if name[0] == actor:
                    self._delayed[name] -= last - offset

    def began(self, call: Caller, time: int) -> None:
        """A call begins, at this true time."""
        clock = time + self._clocks[call.actor][0]
        self._lists.began(call)
        if call.plan.operation in asked.REMOVERS:
            self._deletions[call.name] = time
        if call.plan.operation == "send":
            self._sends[call.name] = time
        if call.plan.operation in asked.LONGER:
            self._delayed[call.name] = clock + asked.longer(call.plan)

    def changed(
        self, time: int, call: Caller | None, request: str, old: Item | None, new: Item | None
    ) -> None:
        """A request of a call changed an item.

        Args:
            time: the true one.
            call: whose request it was; ``None``: storage removed what has expired.
            request: what is the same for all repetitions of a request, and for no other.
            old: the item before; ``None``: there was none.
            new: the item after; ``None``: there is none.
        """
        if asked.is_no_message(old or new):
            return
        if call is None:
            self._expired(time, old)
            return
        if call.plan.operation in asked.STRANGERS:
            if old is not None and call.plan.operation == "damage":
                self._update(old, damaged=True)
            self._lists.meddled(call, old or new or {})
            return
        self._check_repetition(call, request)
        if is_group(old or new):
            self._lists.group_changed(call, old, new)
            return
        upkeep = is_upkeep(call, old, new)
        is_damaged = old is not None and self._life(old).damaged  # it has no time, nor version
        if new is not None:
            latest = time + max(high for _, _, high in self._clocks.values())
            asked.check_time(call, None if upkeep or is_damaged else old, new, latest)
        self._lists.changed(call, old, new)
        begins = call.plan.operation == "send" and not upkeep
        asked.check_version(call, old, None if is_damaged else new, sent=begins)
        alive, lives = is_message(old), is_message(new)
        if upkeep and old is not None and new is not None:
            self._lists.kept(call, old, new)
        elif new is not None and lives and (not alive or call.plan.operation == "send"):
            self._created(time, call, old, new)
        elif old is not None and alive and not lives:
            self._removed(time, call, old, new)
        elif old is not None and new is not None and lives:
            self._changed(time, call, old, new)

    def settled(self, items: Mapping[str, Item]) -> None:
        """All changes of a request have been told: the base table is like this now."""
        self._lists.check(items)

    def failed(self, *calls: Caller) -> None:
        """A request of some calls ended with an error, or is carried out late.

        Then they may have gone on without knowing what came of it.
        """
        self._failed.update(call.name for call in calls)

    def unseen(self, *calls: Caller) -> None:
        """An attempt at a request of some calls may be executed without their knowledge."""
        self._doubtful.update(call.name for call in calls)

    def raised(self, call: Caller, error: str, *, in_doubt: bool) -> None:
        """A call ends with an error of this name, which says whether there is doubt."""
        is_part_done = call.plan.operation in asked.WHOLESALE and call.name in self._effective
        if not in_doubt:
            self._was_refused(call, error)
        elif error in asked.NOTHING_DONE or not (is_part_done or call.name in self._doubtful):
            fail("FENCED", f"{call} was told of doubt by {error}, and there is none")

    def ended(self, time: int, call: Caller, result: Any, error: str | None) -> None:
        """A call ended, at this true time, with a result or with an error of this name."""
        plan = call.plan
        self._lists.ended(call, error)
        if error in asked.NOTHING_DONE:
            self._was_refused(call, error)
        elif error is not None or plan.operation in asked.HINTS:
            pass  # nothing was promised
        elif plan.operation == "send":
            self._check_accepted(call, result.item)
        elif plan.operation in asked.RECEIVERS:
            asked.check_number(call, len(result))
            for message in result:
                self._delivered(call, message.item)
            self._check_all_delivered(call)
        elif plan.operation == "extend":
            self._extended(call, result.item)
        elif plan.operation == "delete":
            self._check_deleted(time, call)
            if dict(plan.options).get("receive_next"):
                for message in [] if result is None else [result]:
                    self._delivered(call, message.item)
                self._check_all_delivered(call)
        elif plan.by == "holder":
            self._check_given_up(call)
        elif call.name not in self._effective and plan.operation not in asked.WHOLESALE:
            fail("FENCED", f"{call} succeeded, but has changed nothing")

    # --- what became of items ----------------------------------------------------------------

    def _check_repetition(self, call: Caller, request: str) -> None:
        if request in self._executed:
            fail("REPEATABLE", f"a request of {call} that had been executed changed more")
        self._executed.add(request)
        self._effective.add(call.name)
        if call.name in self._refused:
            said = self._refused[call.name]
            fail("FENCED", f"{call} had ended with {said}, and yet changes something")

    def _created(self, time: int, call: Caller, old: Item | None, new: Item) -> None:
        id, plan = new["id"], call.plan
        if plan.operation != "send" or plan.id not in (None, id):
            fail("NO-LOSS", f"{call} made a message {id} that nobody sent")
        if is_message(old):
            fail("NO-LOSS", f"{call} overwrote a message that is there")
        before = self._lives.get(id)
        if before is not None and before.gone_at is not None:
            elapsed = time - before.gone_at
            if elapsed < self.window - self.clock_difference() - SECOND:
                fail(
                    "DEDUP",
                    f"{call} took place {elapsed / SECOND:g} s after the deletion was asked for",
                )
        options = dict(plan.options)
        if (new["data"], new.get("message_group_id")) != (options["data"], options.get("group")):
            group = new.get("message_group_id")
            fail("NO-LOSS", f"{call} stored {new['data']!r} in group {group}")
        self._check_delay(call, new)
        asked.check_due(call, old, new)
        if call.name in self._creations:
            fail("DEDUP", f"{call} made {id}, having made {self._creations[call.name]} before")
        self._creations[call.name] = id
        self._lives[id] = Life(call.name, new["data"])

    def _removed(self, time: int, call: Caller, old: Item, new: Item | None) -> None:
        plan = call.plan
        if plan.by == "operator" and plan.operation in asked.REMOVERS:
            if plan.operation not in asked.PURGES:
                self._check_not_held(call, old, new)
            asked.check_subject(call, old)
        elif plan.operation == "delete":
            asked.check_receipt(call, old)
            self._give_up(call)
        else:
            fail("NO-LOSS", f"{call} removed the message")
        if new is not None:
            asked.check_tombstone(call, new)
        wanted, entombed = self._deletions[call.name], new is not None
        self._update(old, receipt=None, gone_at=wanted, gone_by=time, entombed=entombed)

    def _expired(self, time: int, old: Item | None) -> None:
        if old is None or is_message(old) or old["expires_at"] > time // SECOND:
            fail("NO-LOSS", "storage removed what has not expired")
        self._update(old, entombed=False)

    def _changed(self, time: int, call: Caller, old: Item, new: Item) -> None:
        operation = call.plan.operation
        if self._life(old).damaged:
            asked.check_put_aside(call, old, new)
            self._update(old, damaged=False, receipt=None, claims=0)
            return
        if new["data"] != old["data"] and operation != "update":
            fail("NO-LOSS", f"{call} changed the payload")
        if operation in asked.RECEIVERS or asked.is_next(call, old, new):
            self._received(time, call, old, new)
        elif call.plan.by == "holder":
            asked.check_receipt(call, old)
            self._held(call, old, new)
        elif call.plan.by == "operator":
            self._check_not_held(call, old, new)
            asked.check_subject(call, old)
            if operation == "reschedule":
                self._check_delay(call, new)
            kept = self._life(old).claims if asked.queue_of(old) == asked.queue_of(new) else 0
            self._update(old, receipt=None, claims=kept, data=new["data"])
        else:
            fail("FENCED", f"{call} changed a message that is there")
        self._check_kept(call, old, new)

    def _check_kept(self, call: Caller, old: Item, new: Item) -> None:
        """What the write left is right but for who holds it, which has been judged."""
        receives = call.plan.operation in asked.RECEIVERS
        claimed = (receives and is_held(new)) or asked.is_next(call, old, new)
        if not claimed:
            asked.check_due(call, old, new)
        exhausted = receives and not claimed
        asked.check_failures(call, old, new, exhausted=exhausted)
        count, claims = new["receive_count"], self._life(new).claims
        if count != claims:
            fail("MAX-RECEIVES", f"{call} left a receive_count of {count} after {claims}")

    def _received(self, time: int, call: Caller, old: Item, new: Item) -> None:
        life = self._life(old)
        if is_held(new) and new.get("receipt") in self._deliveries:
            fail("FENCED", f"{call} claimed {new['id']} under the receipt of another delivery")
        if is_held(new) and new.get("receipt") != old.get("receipt"):
            self._check_claim(time, call, old, new)
            self._lists.claimed(call, new)
            number, deadline = life.claims + 1, asked.instant(new["queue_add_timestamp"])
            delivery = Delivery(new["id"], call.name, life.sent_by, number, deadline)
            self._deliveries[new["receipt"]] = delivery
            self._update(old, receipt=new["receipt"], claims=number)
            return
        dead = asked.queue_of(old) == "STANDARD" and asked.queue_of(new) == "DLQ"
        holder = self._deliveries.get(life.receipt or "")
        if dead and asked.is_unreadable(old) and holder is not None and holder.by == call.name:
            self._update(old, receipt=None, claims=0)
            return
        if not dead or self.max_receives is None or life.claims < self.max_receives:
            fail("MAX-RECEIVES", f"{call} put it aside after {life.claims} deliveries")
        self._check_free(call, old, new["last_updated_timestamp"])
        self._update(old, receipt=None, claims=0)

    def _check_claim(self, time: int, call: Caller, old: Item, new: Item) -> None:
        began = new["queue_peek_timestamp"]
        _, _, ahead = self._clocks[call.actor]
        if asked.instant(began) > time + ahead:
            fail("NOT-EARLY", f"{call} claimed at {began}, which no clock has shown it")
        self._check_free(call, old, began)
        if old["queue_add_timestamp"] > began:
            fail("NOT-EARLY", f"{call} at {began} came before {old['queue_add_timestamp']}")
        asked.check_deadline(call, new, self.timeout)
        limit = self.max_receives if asked.queue_of(new) == "STANDARD" else None
        if limit is not None and self._life(old).claims >= limit:
            fail("MAX-RECEIVES", f"{call} is delivery {self._life(old).claims + 1} of {limit}")

    def _check_free(self, call: Caller, old: Item, began: str) -> None:
        """Nobody holds the message, by the table and by what its last holder was told."""
        if is_held(old) and old["queue_add_timestamp"] > began:
            fail("NO-DOUBLE", f"{call} at {began}, held until {old['queue_add_timestamp']}")
        held = self._deliveries.get(self._life(old).receipt or "")
        if held is not None and held.promised > asked.instant(began):
            who = f"{held.by[0]} was promised it until"
            fail("NO-DOUBLE", f"{call} at {began}, but {who} {_text(held.promised)}")

    def _check_delay(self, call: Caller, new: Item) -> None:
        if asked.instant(new["queue_add_timestamp"]) < self._delayed[call.name]:
            fail("NOT-EARLY", f"{call} is due before its delay is over")

    def _check_not_held(self, call: Caller, old: Item, new: Item | None) -> None:
        """An operator edits only what nobody holds."""
        if new is not None:
            self._check_free(call, old, new["last_updated_timestamp"])

    def _held(self, call: Caller, old: Item, new: Item) -> None:
        operation, life = call.plan.operation, self._life(old)
        if operation == "extend":
            receipt, deadline = str(call.plan.receipt), asked.instant(new["queue_add_timestamp"])
            delivery = self._deliveries[receipt]
            if deadline < delivery.deadline:
                fail("NO-DOUBLE", f"{call} moved the deadline to an earlier time")
            self._deliveries[receipt] = evolve(delivery, deadline=deadline)
            return
        if operation == "retry":
            self._check_delay(call, new)
            kept = life.claims
        else:
            kept = life.claims - 1 if operation == "release" else 0
        self._give_up(call)
        self._update(old, receipt=None, claims=kept)

    def _give_up(self, call: Caller) -> None:
        receipt = str(call.plan.receipt)
        delivery = self._deliveries[receipt]
        self._deliveries[receipt] = evolve(delivery, ended=call.plan.operation)

    # --- how calls ended ---------------------------------------------------------------------

    def _was_refused(self, call: Caller, error: str) -> None:
        operation = call.plan.operation
        if operation in ("extend", *asked.RECEIVERS):
            return  # an extension that is over matters to nobody; a receive may have claimed more
        if call.name in self._effective:
            broken = "DEDUP" if operation == "send" else "FENCED"
            fail(broken, f"{call} ended with {error}, but it has changed something")
        if error == "DuplicateMessageError":
            self._check_taken(call)
        self._refused[call.name] = error

    def _check_taken(self, call: Caller) -> None:
        """The id of a refused send was taken: by a message, or by one that went not long ago."""
        life = self._lives.get(str(call.plan.id))
        if life is None:
            fail("DEDUP", f"{call} was refused, but nobody has ever sent {call.plan.id}")
        latest = life.gone_by + self.window + self.clock_difference() + 2 * SECOND
        if life.gone_at is not None and self._sends[call.name] > latest:
            gone = _text(self._sends[call.name] - life.gone_by)
            fail("DEDUP", f"{call} was refused {gone} after the message had gone")

    def _check_accepted(self, call: Caller, item: Item) -> None:
        if call.name not in self._creations:
            taken = call.plan.id in self._lives
            fail("DEDUP" if taken else "NO-LOSS", f"{call} succeeded, but made no message")
        if item.get("id") != self._creations[call.name]:
            made = self._creations[call.name]
            fail("NO-LOSS", f"{call} returned {item.get('id')}, but its message is {made}")
        if self._lives[item["id"]].sent_by == call.name:
            self._lists.sent(call, item)

    def _delivered(self, call: Caller, item: Item) -> None:
        receipt = item.get("receipt", "")
        delivery = self._deliveries.get(receipt)
        if delivery is None or delivery.by != call.name:
            fail("NO-DOUBLE", f"{call} returned {item['id']}, which it has not claimed")
        if delivery.returned:
            fail("NO-DOUBLE", f"{call} returned {item['id']} twice")
        if item["id"] != delivery.id:
            fail("NO-DOUBLE", f"{call} returned {delivery.id} as {item['id']}")
        if item["receive_count"] != delivery.number:
            told = f"as delivery {item['receive_count']}"
            fail("MAX-RECEIVES", f"{call} returned delivery {delivery.number} {told}")
        life = self._lives[delivery.id]
        if life.receipt == receipt and item["data"] != life.data:
            fail("NO-LOSS", f"{call} returned {item['data']!r} instead of {life.data!r}")
        self._promised(call, receipt, item, returned=True)

    def _check_all_delivered(self, call: Caller) -> None:
        """A call knows what it has claimed.

        Only where a receive has gone on after a failure, there may be claims that it can't know
        of, or has to leave. Who deletes and receives next knows: all of that took effect, or none.
        """
        if call.name in self._failed and call.plan.operation in asked.RECEIVERS:
            return
        for receipt, delivery in self._deliveries.items():
            current = self._lives[delivery.id].receipt == receipt
            if current and delivery.by == call.name and not delivery.returned:
                fail("REPEATABLE", f"{call} has claimed {delivery.id}, and does not know it")

    def _extended(self, call: Caller, item: Item) -> None:
        receipt = str(call.plan.receipt)
        if self._lives[self._deliveries[receipt].id].receipt != receipt and not call.is_entry:
            fail("FENCED", f"{call} succeeded, but the delivery is over")
        if asked.instant(item["queue_add_timestamp"]) < self._delayed[call.name]:
            fail("NO-DOUBLE", f"{call} ends before it was asked to")
        self._promised(call, receipt, item)

    def _promised(self, call: Caller, receipt: str, item: Item, **changes: Any) -> None:
        """A holder was told its deadline: the one that all others go by."""
        delivery, due = self._deliveries[receipt], asked.instant(item["queue_add_timestamp"])
        extended_since = call.is_entry and due < delivery.deadline
        if due != delivery.deadline and not extended_since:
            held = f"it is held until {_text(delivery.deadline)}"
            fail("NO-DOUBLE", f"{call} told of a deadline at {_text(due)}, but {held}")
        self._deliveries[receipt] = evolve(delivery, promised=due, **changes)

    def _check_deleted(self, time: int, call: Caller) -> None:
        """What its holder has been told is deleted is gone, by its own doing or altogether."""
        delivery = self._deliveries[str(call.plan.receipt)]
        life = self._lives[delivery.id]
        if life.sent_by != delivery.sent_by or delivery.ended == "delete":
            return
        if life.gone_at is None:
            fail("FENCED", f"{call} succeeded, but the message is still there")
        counts_until = life.gone_at + self.window - self.clock_difference() - SECOND
        if life.entombed and time < counts_until:
            fail("FENCED", f"{call} succeeded, but it was somebody else who removed the message")

    def _check_given_up(self, call: Caller) -> None:
        if self._deliveries[str(call.plan.receipt)].ended is None:
            fail("FENCED", f"{call} succeeded, but the delivery was not given up by anyone")

    # --- what it knows -----------------------------------------------------------------------

    def _life(self, item: Item) -> Life:
        return self._lives[item["id"]]

    def _update(self, old: Item, **changes: Any) -> None:
        self._lives[old["id"]] = evolve(self._life(old), **changes)

    def clock_difference(self) -> int:
        """How far apart clocks have been."""
        low = min(low for _, low, _ in self._clocks.values())
        return max(high for _, _, high in self._clocks.values()) - low


def _text(instant: int) -> str:
    return f"{instant / SECOND:.3f} s"

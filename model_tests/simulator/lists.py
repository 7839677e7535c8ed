"""Message groups as the oracle sees them: who has joined in which order, and who has left (FIFO).

The order is kept from what becomes of items alone: a message joins when it appears, by being sent
or redriven, and leaves when it is deleted, withdrawn, or goes to the dead-letter queue. What the
table says is compared with that after each request (HEAD).

A list that a stranger has torn has no order until it is whole again, with all members in it: in
that of their numbers, and then of the times at which they were sent; but one that is held comes
first. From that moment on it is judged like any other. By the end of a repair that succeeds it must
have come. Until then nobody becomes the first but behind the one that leaves, and who repairs the
list leaves somebody who can be received, if there was one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from attrs import define, field

from model_tests.simulator.asked import (
    Caller,
    Item,
    Name,
    ViolationError,
    fail,
    is_held,
    is_message,
    queue_of,
)

_PREFIX = "$group#"
_UPKEEP = {"version", "last_updated_timestamp", "next_id", "previous_id", "queue_type"}


def is_group(item: Item | None) -> bool:
    """Tell whether it is no message, but what is known of a group's list."""
    return item is not None and str(item["id"]).startswith(_PREFIX)


def group_of(item: Item | None) -> str | None:
    """Return the group in whose list a message is; ``None``: it is in none."""
    if item is None or not is_message(item) or queue_of(item) == "DLQ":
        return None
    group = item.get("message_group_id")
    return None if group is None else str(group)


def is_upkeep(call: Caller, old: Item | None, new: Item | None) -> bool:
    """Tell whether a message was written only because its neighbours in the list have changed.

    Such a write leaves the token, so that it does not count as an edit.
    """
    if old is None or new is None or not is_message(old) or not is_message(new):
        return False
    is_member = group_of(old) is not None
    return is_member and old.get("token") == new.get("token") and call.plan.id != new["id"]


@define(eq=False)
class Lists:
    """The lists of all groups."""

    _members: dict[str, tuple[str, ...]] = field(factory=dict)
    _torn: frozenset[str] = frozenset()
    _troubled: frozenset[Name] = frozenset()  # calls that have begun while a list was torn
    _placed: frozenset[str] = frozenset()  # members of lists at the moment when those were mended
    _followed: dict[str, tuple[object, ...]] = field(factory=dict)  # whom a message has followed
    _joined: list[tuple[int, str, str]] = field(factory=list)  # by the request that is being told
    _claimed: list[tuple[str, str, str]] = field(factory=list)
    _promoted: list[tuple[str, str, object]] = field(factory=list)
    _left: set[str] = field(factory=set)
    _demoted: set[str] = field(factory=set)  # groups of which a head was made one that waits
    _touched: set[str] = field(factory=set)

    def copy(self) -> Lists:
        """Lists that know the same, and go their own way; between two requests."""
        known = self._torn, self._troubled, self._placed
        return Lists(dict(self._members), *known, dict(self._followed))

    def digest(self) -> frozenset[object]:
        """All that later judgements depend on; between two requests."""
        known = self._torn, self._troubled, self._placed
        return frozenset((*self._members.items(), *self._followed.items(), known))

    # --- lists that are not whole ------------------------------------------------------------

    def meddled(self, call: Caller, item: Item) -> None:
        """A stranger has changed an item; its group's list is torn, if that is what it does."""
        if call.plan.operation != "tear":
            return
        id = str(item["id"])
        group = id.removeprefix(_PREFIX) if is_group(item) else str(item["message_group_id"])
        self._torn |= {group}

    def began(self, call: Caller) -> None:
        """A call begins: what it finds torn may be whole by the time at which it says so."""
        if self._torn:
            self._troubled |= {call.name}

    def ended(self, call: Caller, error: str | None) -> None:
        """A call has ended: maybe it says that a list is damaged, or that it has repaired it."""
        if error == "DamagedGroupError" and call.name not in self._troubled:
            fail("HEAD", f"{call} found its group's list damaged, which it is not")
        if call.plan.operation == "repair_group" and error is None and call.plan.id in self._torn:
            fail("HEAD", f"{call} ended, and the list is not whole")

    def _mend(self, group: str, items: Mapping[str, Item]) -> None:
        """See whether a torn list is whole by now."""
        members = self._members.get(group, ())
        order = sorted(members, key=lambda id: _place(items[id]))
        try:
            _check_list(group, tuple(order), items, frozenset(order))
        except ViolationError:
            return
        self._members[group] = tuple(order)
        self._torn, self._placed = self._torn - {group}, self._placed.union(order)

    # --- what it is told, item by item -------------------------------------------------------

    def group_changed(self, call: Caller, old: Item | None, new: Item | None) -> None:
        """The item of a group has changed."""
        item = old or new or {}
        self._touched.add(str(item["id"]).removeprefix(_PREFIX))
        if old is not None and new is not None and new["version"] == 1:
            fail("HEAD", f"{call} opened a group that has messages")
        before = 0 if old is None else old["version"]
        if new is not None and new["version"] != before + 1:
            fail("VERSION", f"{call} made version {new['version']} of a group's {before}")

    def changed(self, call: Caller, old: Item | None, new: Item | None) -> None:
        """A message has changed."""
        is_gone = old is not None and new is not None and not is_message(old)
        if is_gone and not is_message(new) and "message_group_id" in (old or {}):
            fail("HEAD", f"{call} changed {(old or {})['id']}, which has left the list")
        before, after = group_of(old), group_of(new)
        self._touched.update(filter(None, (before, after)))
        if after is not None and new is not None:
            known = self._followed.get(str(new["id"]), ()) if is_message(old) else ()
            if new.get("previous_id") not in known:
                self._followed[str(new["id"])] = (*known, new.get("previous_id"))
        if after is None and new is not None and ("next_id" in new or "previous_id" in new):
            fail("HEAD", f"{call} left the message its links, though it is in no list")
        if before == after or (old is None and after is None):
            self._moved_up(call, old, new)
            return
        if before is not None:
            if after is not None:
                fail("FIFO", f"{call} moved the message from group {before} to {after}")
            id = str((old or {})["id"])
            kept = tuple(one for one in self._members[before] if one != id)
            self._members[before] = kept
            self._left.add(id)
        elif after is not None and new is not None:
            number = call.name[1]
            self._joined.append((number, after, str(new["id"])))

    def _moved_up(self, call: Caller, old: Item | None, new: Item | None) -> None:
        """A message that waited may be the head now; who mends a list makes it that by itself."""
        if old is None or new is None or call.plan.operation == "repair_group":
            return
        if group_of(new) is not None and queue_of(new) and not queue_of(old):
            self._promoted.append((str(call), str(new["id"]), old.get("previous_id")))

    def kept(self, call: Caller, old: Item, new: Item) -> None:
        """A message was written only because its neighbours have changed."""
        names = {name for name in {**old, **new} if old.get(name) != new.get(name)}
        is_mended = call.plan.operation == "repair_group" and group_of(old) in self._torn
        if is_mended and queue_of(new) == "" and not is_held(new):
            # One of several that could be received; if somebody held it, that was over.
            names -= {"status", "receipt", "queue_type"}
        if names - _UPKEEP:
            changed = ", ".join(sorted(names - _UPKEEP))
            fail("HEAD", f"{call} changed {changed} of {new['id']}, whose neighbours changed")
        if queue_of(old) and not queue_of(new):
            self._demoted.add(str(group_of(old)))
        if "queue_type" in names and (queue_of(old), queue_of(new)) != ("", "STANDARD"):
            fail("HEAD", f"{call} moved {new['id']} to {queue_of(new) or 'no queue'}")

    def sent(self, call: Caller, item: Item) -> None:
        """A sender was told its message, and whom that follows; if it is there still."""
        id, members = item["id"], self._members.get(str(item.get("message_group_id")), ())
        if id in members and item.get("previous_id") not in self._followed[str(id)]:
            fail("FIFO", f"{call} returned a message that follows {item.get('previous_id')}")

    def claimed(self, call: Caller, item: Item) -> None:
        """A message was claimed."""
        group = group_of(item)
        if group is not None:
            self._claimed.append((str(call), group, str(item["id"])))

    # --- what must hold after each request ---------------------------------------------------

    def check(self, items: Mapping[str, Item]) -> None:
        """A request has been carried out as a whole: the table is as it says."""
        for _, group, id in sorted(self._joined):
            self._members[group] = (*self._members.get(group, ()), id)
        for call, group, id in self._claimed:
            first = self._members[group][0]
            if first != id and group not in self._torn:
                fail("FIFO", f"{call} delivered {id} while {first}, which came first, is there")
        for call, id, previous in self._promoted:
            if previous not in self._left:
                fail("FIFO", f"{call} let {id} go first, which follows {previous}, that stays")
        for group in sorted(self._demoted):
            if not any(queue_of(items[id]) for id in self._members.get(group, ())):
                fail("HEAD", f"nobody is left who can be received of group {group}")
        for group in sorted(self._touched):
            if group in self._torn:
                self._mend(group, items)
            else:
                _check_list(group, self._members.get(group, ()), items, self._placed)
            if not self._members.get(group):
                self._members.pop(group, None)
        self._joined, self._claimed, self._touched = [], [], set()
        self._promoted, self._left, self._demoted = [], set(), set()


def _place(item: Item) -> tuple[object, ...]:
    """Where a member belongs in a list that is mended: it is lower for what comes earlier."""
    is_behind = not is_held(item)
    return is_behind, item["sequence"], item["creation_timestamp"], item["id"]


def _check_list(
    group: str, members: tuple[str, ...], items: Mapping[str, Item], placed: frozenset[str]
) -> None:
    known = items.get(f"{_PREFIX}{group}")
    if not members:
        if known is not None:
            fail("HEAD", f"group {group} is empty, and yet has the tail {known['tail_id']}")
        return
    heads = [id for id in members if queue_of(items[id])]
    if len(heads) != 1:
        who = " and ".join(heads) or "none"
        fail("HEAD", f"of group {group} ({', '.join(members)}) {who} can be received")
    found = list(_walk(heads[0], items, len(members)))
    if set(found) != {*members} or len(found) != len(members):
        fail("HEAD", f"group {group} leads to {', '.join(found)}; there are {', '.join(members)}")
    for before, after in pairwise(found):
        if items[after].get("previous_id") != before:
            fail("HEAD", f"{after} of group {group} does not know that it follows {before}")
        if items[after]["sequence"] <= items[before]["sequence"] and after not in placed:
            fail("FIFO", f"{after} of group {group} is numbered as if it came before {before}")
    if known is None or known["tail_id"] != found[-1]:
        tail = "is not known" if known is None else f"is taken to be {known['tail_id']}"
        fail("HEAD", f"the tail {found[-1]} of group {group} {tail}")
    if known["sequence"] < items[found[-1]]["sequence"]:
        fail("FIFO", f"the next of group {group} may be numbered as if it came earlier")
    if tuple(found) != members:
        order = ", ".join(members)
        fail("FIFO", f"group {group} is in the order {', '.join(found)}, but joined as {order}")


def _walk(head: str, items: Mapping[str, Item], most: int) -> Iterator[str]:
    """Follow the links from the head; not for ever, where they form a circle."""
    id: object = head
    for _ in range(most + 1):
        if id is None:
            return
        yield str(id)
        id = items.get(str(id), {}).get("next_id")

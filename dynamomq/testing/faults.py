"""What shall go wrong, and when: faults by the name of a request and its occurrence."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import RLock
from typing import Any, Literal

from attrs import define

from dynamomq.checks import check_count
from dynamomq.errors import InvalidArgumentError
from dynamomq.requests import Request
from dynamomq.testing import strikes
from dynamomq.testing.fault import Fault, UnusedFaultError
from dynamomq.testing.index import IndexView
from dynamomq.testing.names import check_ids, check_request_name, names_of
from dynamomq.testing.strikes import Strike

_MOST = 1_000_000


@define(eq=False)
class _Armed:
    """A fault, the requests that it strikes, and what it does to them."""

    fault: Fault
    concerns: Callable[[Request[Any]], bool]
    ahead: int  # of these requests, how many it lets pass
    strike: Strike


class Faults:
    """The faults of a :class:`FaultyEngine`; safe to share among threads.

    A fault strikes requests by name (``on``): a trigger of the state machine such as ``send``,
    ``receive`` or ``delete`` for the write that carries it out, alone, in a batch or in a
    transaction; or a kind of request such as ``query``, ``write_batch`` or ``transact``, whatever
    it is for. A transaction is struck as a whole, with the user's own actions. (A receive that
    finds no candidate in the index writes nothing, so nothing strikes it. A queue's first call, and
    one a minute or more later, begins with a ``get`` of what its clients have agreed on.) Every
    request counts, also when an operation repeats one; what the SDK would repeat does not.

    A fault strikes once unless ``times`` says otherwise, and the next such request unless ``nth``
    does. Where several are due, the one that was armed first strikes, and the others wait for the
    next request.

    Every method that arms a fault returns a :class:`Fault`, which may be used as a context manager.
    For a name that no request has, or a number that is out of range, it raises an
    :class:`~dynamomq.errors.InvalidArgumentError`.
    """

    def __init__(self) -> None:
        """Begin without faults."""
        self.index = IndexView()  # for the engine's use
        self._lock = RLock()
        self._faults: list[Fault] = []
        self._armed: list[_Armed] = []

    def __repr__(self) -> str:
        """Show what is still to happen."""
        return f"<Faults to come: {'; '.join(self.unused) or 'none'}>"

    # --- arming ------------------------------------------------------------------------------

    def crash(
        self, on: str, *, when: Literal["before", "after"] = "before", nth: int = 1, times: int = 1
    ) -> Fault:
        """Let the process die: the call raises :class:`Crash`.

        Args:
            on: the name of the request.
            when: ``before`` it is sent, or right ``after`` it was carried out, its reply unseen.
            nth: which of these requests from now on is the first to be struck.
            times: how many in a row are struck; as a context manager, which ends with the first
                crash, the fault must have 1.
        """
        moments: dict[str, Strike] = {"before": strikes.die_before, "after": strikes.die_after}
        if when not in moments:
            raise InvalidArgumentError(
                "when", when, "there is no such moment", remedy="Pass 'before' or 'after'."
            )
        return self._arm(f"crash({on!r}, when={when!r})", moments[when], on, nth, times)

    def lose_reply(self, on: str, *, nth: int = 1, times: int = 1) -> Fault:
        """Lose a reply: the request is carried out, and then once more, as the SDK repeats it.

        The caller gets the second reply. A write that is refused by its own first success is
        marked as ``repeated``, as the DynamoDB driver marks it. So is a transaction: that DynamoDB
        would know it by its token for ten minutes is nothing to rest on.

        Args:
            on: the name of the request.
            nth: which of these requests from now on is the first to be struck.
            times: how many in a row are struck.
        """
        return self._arm(f"lose_reply({on!r})", strikes.lose_reply, on, nth, times)

    def time_out(self, on: str, *, executed: bool, nth: int = 1, times: int = 1) -> Fault:
        """Let no reply come at all: the call raises :class:`~dynamomq.errors.UnavailableError`.

        Args:
            on: the name of the request.
            executed: whether the request was carried out all the same.
            nth: which of these requests from now on is the first to be struck.
            times: how many in a row are struck.
        """
        _check_executed(executed)
        strike = strikes.time_out_after if executed else strikes.time_out_before
        return self._arm(f"time_out({on!r}, executed={executed})", strike, on, nth, times)

    def fail(self, on: str, *, executed: bool, nth: int = 1, times: int = 1) -> Fault:
        """Let the storage answer with an internal error of its own (HTTP 5xx).

        Operations try five times, with pauses, and then raise an
        :class:`~dynamomq.errors.InternalError`.

        Args:
            on: the name of the request.
            executed: whether the request was carried out all the same.
            nth: which of these requests from now on is the first to be struck.
            times: how many in a row are struck.
        """
        _check_executed(executed)
        strike = strikes.fail_after if executed else strikes.fail_before
        return self._arm(f"fail({on!r}, executed={executed})", strike, on, nth, times)

    def throttle(
        self, on: str, *, ids: Collection[str] | None = None, nth: int = 1, times: int = 1
    ) -> Fault:
        """Throttle a request: it is not carried out.

        Operations try five times, with pauses, and then raise a
        :class:`~dynamomq.errors.ThrottledError`. Of a batch they repeat only what was throttled,
        and raise nothing where the rest succeeded.

        Args:
            on: the name of the request.
            ids: throttle only writes to the messages with these ids: of a batch, its other writes
                are carried out (not so of a transaction), and requests without such a write do not
                count. ``None``: the request as a whole.
            nth: which of these requests from now on is the first to be struck.
            times: how many in a row are struck.
        """
        if ids is None:
            return self._arm(f"throttle({on!r})", strikes.throttle, on, nth, times)
        name = check_request_name("on", on)
        some = strikes.ThrottleSome(name, check_ids("ids", ids, name))
        call = f"throttle({on!r}, ids={sorted(some.ids)})"
        return self._arm(call, some, on, nth, times, concerns=some.concerns)

    def conflict(self, on: str, *, nth: int = 1, times: int = 1) -> Fault:
        """Let another transaction be in the way: the request is not carried out.

        Operations try five times, with pauses, and then raise a
        :class:`~dynamomq.errors.ConflictError`.

        Args:
            on: the name of the request.
            nth: which of these requests from now on is the first to be struck.
            times: how many in a row are struck.
        """
        return self._arm(f"conflict({on!r})", strikes.conflict, on, nth, times)

    def freeze_index(self) -> Fault:
        """Let the index stand still: queries keep being answered as of now, until it is thawed.

        So ``receive`` proposes messages that were taken long ago and misses new ones, and ``list``
        and ``stats`` show the past. Reads and writes of single messages see the present. It counts
        as having happened once an answer differs from what the index would have said.
        """
        fault = Fault("freeze_index()", 1, disarm=self._thaw)
        self.index.freeze(lambda: self._count(fault))
        with self._lock:
            self._faults.append(fault)
        return fault

    # --- disarming ---------------------------------------------------------------------------

    def thaw_index(self) -> None:
        """Let the index catch up; nothing changes where it is not frozen."""
        self.index.thaw()

    def clear(self) -> None:
        """Disarm all that has not happened, forget it, and thaw the index."""
        with self._lock:
            self._armed.clear()
            self._faults.clear()
            self.index.thaw()

    @property
    def unused(self) -> tuple[str, ...]:
        """The calls that armed what has not happened, or not as often as was asked for."""
        with self._lock:
            return tuple(fault.unused for fault in self._faults if fault.unused is not None)

    def check(self) -> None:
        """Do nothing if all faults that were armed have happened.

        Raises:
            UnusedFaultError: some have not.
        """
        if unused := self.unused:
            raise UnusedFaultError(unused)

    # --- striking ----------------------------------------------------------------------------

    def strike_for(self, request: Request[Any]) -> Strike | None:
        """Return what happens to a request; ``None``: nothing. For the engine's use."""
        chosen: _Armed | None = None
        with self._lock:
            for armed in self._armed:
                if not armed.concerns(request):
                    continue
                if armed.ahead:
                    armed.ahead -= 1
                elif chosen is None:
                    chosen = armed
            if chosen is None:
                return None
            self._count(chosen.fault)
            return chosen.strike

    def _arm(
        self,
        call: str,
        strike: Strike,
        on: str,
        nth: int,
        times: int,
        *,
        concerns: Callable[[Request[Any]], bool] | None = None,
    ) -> Fault:
        check_request_name("on", on)
        check_count("nth", nth, at_least=1, at_most=_MOST)
        check_count("times", times, at_least=1, at_most=_MOST)
        more = "".join(
            f", {name}={number}" for name, number in (("nth", nth), ("times", times)) if number > 1
        )
        fault = Fault(
            f"{call.removesuffix(')')}{more})",
            times,
            disarm=self._forget,
            deadly=strike in (strikes.die_before, strikes.die_after),
        )
        with self._lock:
            self._faults.append(fault)
            self._armed.append(
                _Armed(
                    fault, concerns or (lambda request: on in names_of(request)), nth - 1, strike
                )
            )
        return fault

    def _count(self, fault: Fault) -> None:
        with self._lock:
            fault.happened += 1
            if fault.unused is None:
                self._forget(fault)

    def _forget(self, fault: Fault) -> None:
        with self._lock:
            self._armed = [armed for armed in self._armed if armed.fault is not fault]
            self._faults = [one for one in self._faults if one is not fault]

    def _thaw(self, fault: Fault) -> None:
        self._forget(fault)
        self.index.thaw()


def _check_executed(executed: object) -> None:
    if not isinstance(executed, bool):
        raise InvalidArgumentError(
            "executed", executed, "it is not yes or no", remedy="Pass True or False."
        )

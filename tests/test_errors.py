"""Errors travel: each can be pickled, copied and raised in another process, and loses nothing."""

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Lock
from typing import Any, TypeVar

import pytest
from attrs import frozen

import dynamomq
import dynamomq.errors
import dynamomq.testing
from dynamomq import Entry, FailedAction, LocalEngine, Queue, Reject, RetryAfter, errors
from dynamomq.portable import PortableError
from dynamomq.testing import Crash, UnusedFaultError

E = TypeVar("E", bound=BaseException)

SAMPLES: tuple[BaseException, ...] = (
    errors.AccessDeniedError("It is not allowed.", remedy="Allow it."),
    errors.ClockError(3.5, 1.0),
    errors.ClosedError("It was closed.", remedy="Open it."),
    errors.ConflictError("Others were there.", remedy="Call again."),
    errors.CredentialsError("There are none.", remedy="Log in."),
    errors.DamagedGroupError("It is damaged.", code="Damage", remedy="Repair it."),
    errors.DuplicateMessageError("Taken.", id="m", state="DELETED", remedy="Wait."),
    errors.FilterError("m", KeyError("k")),
    errors.IllegalTransitionError(
        "No.", id="m", state="DLQ.READY", trigger="bury", legal=("cancel", "redrive")
    ),
    errors.InternalError("It failed.", remedy="Call again."),
    errors.InvalidArgumentError("delay", timedelta(-1), "too short", remedy="Pass more."),
    errors.MalformedItemError("An attribute is missing.", code="ValidationException"),
    errors.MessageNotFoundError("There is none.", id="m", remedy="Look elsewhere."),
    errors.OrderError("Not sent.", remedy="Send again."),
    errors.OutcomeUnknownError("Who knows.", id="m", trigger="retry", remedy="Look."),
    errors.PayloadError("Odd.", value={"n": Decimal(1)}, path="payload['n']", remedy="Mend it."),
    errors.RequestRejectedError("No.", code="ValidationException", remedy="Report it."),
    errors.SettingsMismatchError("max_receives", own="9", agreed="3", rule="at most"),
    errors.StaleReceiptError("Over.", id="m", state="DLQ.READY", remedy="Leave it."),
    errors.StoreError("queue.db", "it is locked", remedy="Wait."),
    errors.TableMismatchError("orders", ("it has no index 'i'", "its key is 'k'")),
    errors.TableNotFoundError("orders"),
    errors.ThrottledError("Too fast.", remedy="Wait."),
    errors.TransactionConditionError(
        (FailedAction(2, "Put", "rows", {"id": "1", "n": Decimal(2), "b": b"x"}),), final=False
    ),
    errors.TransactionUsageError("Over.", remedy="Begin another."),
    errors.UnavailableError("Nobody answers.", remedy="Call again."),
    RetryAfter(timedelta(minutes=5), "later"),
    RetryAfter(0.5),
    Reject("hopeless"),
    Crash("here"),
    UnusedFaultError(("crash('delete')", "crash('send')")),
)
_SHARED = {  # roots of others, which nobody raises
    errors.DynamoMQError,
    errors.CallerError,
    errors.ContentionError,
    errors.SetupError,
    errors.ServiceError,
}


def exceptions() -> set[type[BaseException]]:
    """Every exception that users may meet: public names, and what derives from the root."""
    for module in pkgutil.walk_packages(dynamomq.__path__, "dynamomq."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    named = {
        thing
        for module in (dynamomq, dynamomq.errors, dynamomq.testing)
        for thing in (getattr(module, name) for name in module.__all__)
        if isinstance(thing, type) and issubclass(thing, BaseException)
    }
    return named | set(_under(PortableError))


def _under(root: type[BaseException]) -> Iterator[type[BaseException]]:
    for kind in root.__subclasses__():
        if not kind.__name__.startswith("_") and kind.__module__.startswith("dynamomq."):
            yield kind
        yield from _under(kind)


def marked(error: E) -> E:
    """The same error as it is met in practice: with a cause, a note, and what was set on it."""
    error.add_note("3 of 5 were done")
    error.__cause__ = ConnectionError("reset")
    vars(error)["in_doubt"] = True  # whatever attribute an error is given later
    return error


def raised(number: int) -> None:
    """Raise a sample; called in another process."""
    raise marked(SAMPLES[number])


def check_same(one: BaseException, other: BaseException) -> None:
    """Both say and carry the same."""
    assert one is not other
    assert type(one) is type(other)
    assert str(one) == str(other)
    assert one.args == other.args
    assert vars(one) == vars(other)


def test_every_error_has_a_sample() -> None:
    """A new error is among the samples, or this fails."""
    assert exceptions() - {type(sample) for sample in SAMPLES} == _SHARED


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_errors_are_pickled_and_copied(sample: BaseException) -> None:
    """Type, text, attributes, remedy, notes and cause survive every protocol, and both copies."""
    error = marked(copy.copy(sample))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        check_same(error, again)
        if not isinstance(error, Crash):
            assert repr(again.__cause__) == repr(error.__cause__)
    check_same(error, copy.copy(error))
    check_same(error, copy.deepcopy(error))
    check_same(error, pickle.loads(pickle.dumps(copy.deepcopy(pickle.loads(pickle.dumps(error))))))


def test_errors_pass_between_processes() -> None:
    """Each, raised in a process of a pool, arrives where its result is asked for."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        futures = [pool.submit(raised, number) for number in range(len(SAMPLES))]
        for sample, future in zip(SAMPLES, futures, strict=True):
            arrived = future.exception(timeout=60)
            assert arrived is not None
            check_same(marked(copy.copy(sample)), arrived)


class _Awkward(Exception):  # noqa: N818 - a user's, of the usual kind
    """Pickled without complaint, but not unpickled: its constructor takes something else."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


@pytest.mark.parametrize("awkward", [lambda: None, Lock(), _Awkward(1, "no")])
def test_what_can_not_be_pickled_does_not_stop_an_error(awkward: Any) -> None:
    """Only that value or cause is lost, and a text stands for the value."""
    error = errors.InvalidArgumentError("where", awkward, "it is no filter", remedy="Pass one.")
    error.__cause__ = _Awkward(7, "odd")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.argument, again.remedy) == (str(error), "where", "Pass one.")
    assert again.value == f"<{type(awkward).__name__}, which can't be pickled>"
    assert again.__cause__ is None
    for copied in (copy.copy(error), copy.deepcopy(error)):
        assert copied.__cause__ is error.__cause__
        assert type(copied.value) is type(awkward)


def test_a_deep_copy_shares_nothing_that_changes() -> None:
    """A change to a copy's value leaves the original alone; a plain copy has the same value."""
    value = {"n": [1]}
    error = errors.PayloadError("Odd.", value=value)
    copied = copy.deepcopy(error)
    value["n"].append(2)
    assert copied.value == {"n": [1]}
    assert copy.copy(error).value is error.value


@frozen
class Order:
    """A declared payload."""

    number: int


@pytest.mark.parametrize("payload", [None, Order])
def test_messages_and_results_travel_with_errors(payload: Any) -> None:
    """What calls return can be pickled and copied, too, whatever type of payload is declared."""
    queue: Queue[Any] = Queue("orders", engine=LocalEngine(), payload=payload)
    queue.create_table()
    data: Any = {"number": 1} if payload is None else Order(1)
    results = queue.send_batch([Entry(data, id="m"), Entry(data, id="m")])
    (message,) = queue.receive()
    everything = (results, message, queue.stats(), queue.purge("DLQ"), queue.redrive_all())
    for again in (pickle.loads(pickle.dumps(everything)), copy.deepcopy(everything)):
        assert again[1:] == everything[1:]
        assert again[1].data == data
        assert [str(one.error) for one in again[0]] == [str(one.error) for one in results]
    queue.delete(pickle.loads(pickle.dumps(message)))


class _Own(RetryAfter):
    """A user's own subclass, with another constructor."""

    def __init__(self, minutes: int) -> None:
        super().__init__(60 * minutes, "busy")


def test_subclasses_of_users_travel_too() -> None:
    """What a constructor takes does not matter, in subclasses either."""
    again = pickle.loads(pickle.dumps(_Own(2)))
    assert (type(again), again.delay, str(again)) == (_Own, 120 * 10**9, "busy")

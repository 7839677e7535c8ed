"""What of a failure travels with a message, and how large it can become."""

from collections.abc import Callable
from typing import Any

import pytest

from dynamomq import Failure, LocalEngine, Message, Queue
from dynamomq.message import MAX_FAILURES
from dynamomq.operations.sending import MAX_MESSAGE_BYTES, ROOM_FOR_LIFE
from dynamomq.values import Item, item_size
from tests.support.clock import ManualClock

WIDEST = "\U0001f600"
"""A character of four bytes in UTF-8: no text is larger than one of these."""

NOW = 2 * 10**18


def raised(function: Callable[[], object]) -> BaseException:
    """What a function raises, with its traceback."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        function()
    return caught.value


def compiled(source: str, file: str) -> Callable[[], object]:
    """The function ``f`` of a piece of code that says it is in a file."""
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)
    function: Callable[[], object] = names["f"]
    return function


def recorded(reason: BaseException | str) -> Failure:
    """A failure as it is read back."""
    return Failure.read(Failure.record(reason, delivery=1, instant=NOW))


def test_a_failure_shows_the_last_calls() -> None:
    """A line for each call, the innermost last: file without folders, line, function; no values."""
    source = "def g(secret):\n    return 1 / 0\n\ndef f():\n    return g('hush')\n"
    failure = recorded(raised(compiled(source, "/home/somebody/shop.py")))
    assert failure.traceback.splitlines()[-2:] == ["shop.py:5 in f", "shop.py:2 in g"]
    assert "somebody" not in failure.traceback
    assert "hush" not in failure.traceback
    windows = recorded(raised(compiled(source, r"C:\somebody\shop.py")))
    assert windows.traceback == failure.traceback


def test_a_deep_traceback_is_cut_to_its_innermost_calls() -> None:
    """Of a recursion without end there remain whole lines, 600 bytes at most."""
    failure = recorded(raised(compiled("def f():\n    f()\n", "deep.py")))
    lines = failure.traceback.splitlines()
    assert failure.type == "RecursionError"
    assert set(lines) == {"deep.py:2 in f"}
    assert 300 < len(failure.traceback.encode()) <= 600 or len(lines) == 20


def test_a_call_that_has_no_room_is_left_out() -> None:
    """One line that is too long for the room leaves no half of it."""
    name = "f" * 700
    failure = recorded(raised(compiled(f"def {name}():\n    1 / 0\nf = {name}\n", "long.py")))
    assert failure.traceback == ""


@pytest.mark.parametrize("reason", ["a sentence", ValueError("never raised")], ids=str)
def test_what_was_not_raised_has_no_traceback(reason: BaseException | str) -> None:
    """The key is left out then, and reads as nothing; so does whatever another port stores."""
    stored = Failure.record(reason, delivery=1, instant=NOW)
    assert isinstance(stored, dict)
    assert "traceback" not in stored
    assert Failure.read(stored).traceback == ""


def test_half_a_character_can_be_stored() -> None:
    """Lone surrogates, in a text or in a file's name, are replaced: no storage takes them."""
    failure = recorded(raised(compiled("def f():\n    raise OSError('\\udcff')\n", "\udcff.py")))
    assert failure.message == "?"
    assert failure.traceback.endswith("?.py:2 in f")


def worst() -> BaseException:
    """An exception whose name, text and calls are as large as can be."""
    long = type(WIDEST * 1000, (Exception,), {})
    calls = "".join(f"def g{n}():\n    g{n + 1}()\n" for n in range(40))
    source = f"{calls}def g40():\n    raise error\ndef f():\n    g0()\n"
    function = compiled(source, WIDEST * 5 + ".py")
    function.__globals__["error"] = long(WIDEST * 1000)
    return raised(function)


def test_five_failures_of_the_worst_kind_have_room() -> None:
    """What life adds to an item stays within ROOM_FOR_LIFE, whatever handlers raise."""
    clock = ManualClock()
    queue: Queue[Any] = Queue(engine=LocalEngine(surroundings=clock.surroundings()))
    queue.create_table()
    before = item_size(queue.send("payload", id="m").item)
    for _ in range(MAX_FAILURES + 2):
        clock.advance(1)
        (message,) = queue.receive()
        queue.retry(message, error=worst())
    clock.advance(1)
    errors = queue.get("m").errors
    assert len(errors) == MAX_FAILURES
    assert len(errors[-1].message) == 500
    assert len(errors[-1].traceback.encode()) > 500
    grown = item_size(queue.receive()[0].item) - before
    assert 10_000 < grown <= ROOM_FOR_LIFE


def test_the_largest_message_bears_the_worst_failures() -> None:
    """A message as large as send takes it can be retried, received and dead-lettered with them."""
    clock = ManualClock()
    queue: Queue[Any] = Queue(engine=LocalEngine(surroundings=clock.surroundings()))
    queue.create_table()
    overhead = item_size(queue.send("", id="m0").item)
    queue.send("x" * (MAX_MESSAGE_BYTES - overhead), id="m1")
    for _ in range(MAX_FAILURES + 1):
        clock.advance(1)
        for message in queue.receive(2):
            queue.retry(message, error=worst())
    clock.advance(1)
    found = {message.id: message for message in queue.receive(2)}
    queue.move_to_dlq(found["m1"], error=worst())
    clock.advance(1)
    dead: list[Message[Any]] = queue.receive(source="DLQ")
    item: Item = dead[0].item
    assert (dead[0].id, len(dead[0].errors)) == ("m1", MAX_FAILURES)
    assert item_size(item) > MAX_MESSAGE_BYTES

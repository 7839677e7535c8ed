"""Handlers for real workers; what they do is noted in a folder, which the environment names."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dynamomq import Consumer, Delivery, Hooks, LocalEngine, Message, Queue
from tests.worker.support import FILE, FOLDER, PATIENCE, TABLE

NUMBER = 17


def _folder() -> Path:
    return Path(os.environ[FOLDER])


def note(what: str, message: Message[Any]) -> None:
    """Append a line to the notes."""
    with (_folder() / "notes").open("a", encoding="utf-8") as file:
        file.write(f"{what} {message.id} {os.getpid()} {message.receive_count}\n")


def handle(message: Message[Any]) -> None:
    """Just do it."""
    note("handled", message)


def meet(message: Message[Any]) -> None:
    """Be done when another process has been seen at work, too."""
    (_folder() / f"process-{os.getpid()}").touch()
    deadline = time.monotonic() + PATIENCE
    while len(list(_folder().glob("process-*"))) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("no other process came")
        time.sleep(0.01)
    note("handled", message)


def work(message: Message[Any]) -> None:
    """Take a moment."""
    note("begun", message)
    time.sleep(0.05)
    note("handled", message)


def stick_at_first(message: Message[Any]) -> None:
    """Never end in the first delivery."""
    note("begun", message)
    if message.receive_count == 1:
        stick(message)
    note("handled", message)


def stick(message: Message[Any]) -> None:
    """Never end."""
    note("begun", message)
    threading.Event().wait()


def stick_in_a_thread(message: Message[Any]) -> None:
    """Never end, nor let Python end: it waits for threads that are no daemons."""
    thread = threading.Thread(target=threading.Event().wait, daemon=False)
    thread.start()
    note("begun", message)
    thread.join()


def handle_all(messages: Sequence[Message[Any]]) -> Mapping[str, BaseException]:
    """Do several at once."""
    for message in messages:
        note("handled", message)
    return {}


def make_queue() -> Queue[Any]:
    """The queue, configured in code."""
    return Queue(TABLE, engine=LocalEngine(_folder() / FILE))


async def handle_async(message: Message[Any]) -> None:
    """Can't be a handler."""
    note("handled", message)


class Witness(Hooks):
    """Notes what was acknowledged."""

    def after(self, delivery: Delivery[Any]) -> None:
        note("acknowledged", delivery)


def __getattr__(name: str) -> Any:
    """A consumer, made when it is asked for: only a worker has the folder."""
    if name == "consumer":
        return Consumer(make_queue(), handle, hooks=[Witness()])
    raise AttributeError(name)

"""The check: was every record handled exactly once?

Two accounts are compared with what *should* have happened, which follows from the records alone:
the ledger that the workers kept, and the table as the run left it. An altered file is no fault of
the queue: its message belongs into the dead-letter queue, once a second look confirms it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from docs.examples.installed_files.files import (
    AlteredFileError,
    FileRecord,
    MissingHashError,
    verify,
)
from docs.examples.installed_files.job import fails_first
from docs.examples.installed_files.ledger import Entry, Outcome
from dynamomq import Message, QueueType


def altered_files(
    records: Mapping[str, FileRecord], entries: Mapping[str, Sequence[Entry]]
) -> dict[str, str]:
    """Return the files that workers found altered, with the reason, as far as it is confirmed."""
    confirmed = {}
    for id, record in records.items():
        dead = any(entry.outcome is Outcome.DEAD_LETTERED for entry in entries.get(id, ()))
        if dead and record.hash is not None:
            try:
                verify(record)
            except AlteredFileError as error:
                confirmed[id] = str(error)
    return confirmed


def faults(
    records: Mapping[str, FileRecord],
    entries: Mapping[str, Sequence[Entry]],
    messages: Iterable[Message[FileRecord]],
    altered: Mapping[str, str],
) -> list[str]:
    """Return what is wrong, a sentence each; nothing if every record was handled exactly once.

    Args:
        records: what was to be done, by id.
        entries: what the workers did, by id.
        messages: what the table holds in the end, tombstones of deleted messages included.
        altered: the files that are rightly dead-lettered although they have a hash.
    """
    found = [fault for record in records.values() for fault in _in_ledger(record, entries, altered)]
    found += [f"{id}: handled, but never sent" for id in entries.keys() - records.keys()]
    dead = {id for id, record in records.items() if record.hash is None} | altered.keys()
    return found + list(_in_table(messages, dead))


def _in_ledger(
    record: FileRecord, entries: Mapping[str, Sequence[Entry]], altered: Mapping[str, str]
) -> Iterator[str]:
    """Compare the deliveries of one message with those that it should have had."""
    done = entries.get(record.id, ())
    dead = record.hash is None or record.id in altered
    wanted = [Outcome.RETRIED] if fails_first(record.id) else []
    wanted += [Outcome.DEAD_LETTERED if dead else Outcome.DELETED]
    outcomes = [entry.outcome for entry in done]
    if outcomes != wanted:
        yield f"{record.id}: {_steps(outcomes)}; it should have been {_steps(wanted)}"
    elif not dead and done[-1].evidence != record.hash:
        yield f"{record.id}: deleted without having been verified"


def _in_table(messages: Iterable[Message[FileRecord]], dead: Iterable[str]) -> Iterator[str]:
    """Compare what is left with what should be: the dead letters, each with its reason."""
    missing = set(dead)
    for message in messages:
        if message.queue is None:  # a tombstone
            continue
        if message.id not in missing or message.queue is not QueueType.DLQ:
            yield f"{message.id}: still there, as {message.state}"
        elif not _says_why(message):
            yield f"{message.id}: dead-lettered without the reason"
        missing.discard(message.id)
    yield from (f"{id}: not in the dead-letter queue" for id in sorted(missing))


def _says_why(message: Message[FileRecord]) -> bool:
    reasons = {MissingHashError.__name__, AlteredFileError.__name__}
    return bool(message.errors) and message.errors[-1].type in reasons


def _steps(outcomes: Sequence[Outcome]) -> str:
    return ", then ".join(outcomes) or "never handled"

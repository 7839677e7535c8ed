"""The demonstration: it does its job, and notices when a record is not handled exactly once."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from docs.examples.installed_files import job
from docs.examples.installed_files.__main__ import main
from docs.examples.installed_files.files import (
    AlteredFileError,
    FileRecord,
    MissingHashError,
    installed_files,
    verify,
)
from docs.examples.installed_files.job import Job, fails_first
from docs.examples.installed_files.ledger import Ledger, Outcome
from docs.examples.installed_files.storage import reopened
from dynamomq import Message, Queue

LIMIT = 200
DLQ_RECORDS = [r for r in installed_files(LIMIT).values() if r.hash is None]
FLAKY = [id for id in installed_files(LIMIT) if fails_first(id)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the queue will be."""
    return tmp_path / "demo.db"


def run(file: Path, *options: str) -> int:
    """The exit status of a small run on the embedded engine."""
    return main(["--file", str(file), "--limit", str(LIMIT), *options])


def figure(output: str, name: str) -> int:
    """The first figure of a line of the summary."""
    found = re.search(rf"^  {name} +([\d,]+)", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1].replace(",", ""))


def test_the_sample_has_every_kind_of_record() -> None:
    """The small runs below meet records without a hash, with one, and such as fail at first."""
    assert 0 < len(DLQ_RECORDS) < LIMIT
    assert FLAKY


@pytest.mark.engine("local-file")
def test_counts_add_up(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each record is one message, and the summary says what must have happened to them."""
    assert run(file) == 0
    output = capsys.readouterr().out
    assert figure(output, "sent") == LIMIT
    assert figure(output, "deleted") == LIMIT - len(DLQ_RECORDS)
    assert figure(output, "dead-lettered") == len(DLQ_RECORDS)
    assert figure(output, "retried") == len(FLAKY)
    assert figure(output, "delivered") == LIMIT + len(FLAKY)
    assert "Every record was handled exactly once" in output


@pytest.mark.engine("local-file")
def test_the_file_stays_and_the_next_run_replaces_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a run the queue can be looked into; a second run begins with an empty one."""
    assert run(file) == run(file) == 0
    capsys.readouterr()
    assert main(["--file", str(file), "--inspect"]) == 0
    output = capsys.readouterr().out
    assert figure(output, "DLQ") == len(DLQ_RECORDS)
    assert figure(output, "STANDARD") == 0
    assert "MissingHashError: RECORD has no hash for this file" in output


def test_a_file_of_someone_else_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no queue's file stays as it is, and the exit status says that nothing was done."""
    precious = tmp_path / "thesis.txt"
    precious.write_text("forty-two " * 1000)
    assert run(precious) == 1
    assert precious.read_text().startswith("forty-two")
    assert "error: " in capsys.readouterr().err


def test_nothing_to_inspect(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Looking into a file that is not there creates none and says what to do."""
    assert main(["--file", str(file), "--inspect"]) == 1
    assert not file.exists()
    assert "run `make demo` first" in capsys.readouterr().err


@pytest.mark.engine("dynamodb-local")
def test_on_dynamodb(
    dynamodb_endpoint: str, dynamodb_client: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same job runs on DynamoDB, and its table is gone afterwards."""
    assert main(["--endpoint-url", dynamodb_endpoint, "--limit", "100"]) == 0
    assert figure(capsys.readouterr().out, "sent") == 100
    tables = dynamodb_client.list_tables()["TableNames"]  # type: ignore[attr-defined] # boto3's
    assert not [name for name in tables if name.startswith("dynamomq-demo")]


# --- what must not go unnoticed --------------------------------------------------------------

Sabotage = Callable[[pytest.MonkeyPatch], None]


def delete_unverified(patch: pytest.MonkeyPatch) -> None:
    """Workers that take every file for verified."""
    patch.setattr(job, "verify", lambda _: "looks fine")


def deliver_twice(patch: pytest.MonkeyPatch) -> None:
    """A worker whose delete leaves one message in the queue."""
    once: list[Message[FileRecord]] = []
    delete = Queue.delete

    def forgetful(self: Queue[FileRecord], message: Message[FileRecord]) -> None:
        if once:
            delete(self, message)
        else:
            once.append(message)
            self.retry(message)

    patch.setattr(Queue, "delete", forgetful)


def lose_one(patch: pytest.MonkeyPatch) -> None:
    """A sender that forgets the first of its messages."""
    lost: list[FileRecord] = []
    send = Queue.send

    def forgetful(self: Queue[FileRecord], data: FileRecord, *, id: str) -> object:
        if not lost:
            lost.append(data)
            return None
        return send(self, data, id=id)

    patch.setattr(Queue, "send", forgetful)


def delete_dead_letters(patch: pytest.MonkeyPatch) -> None:
    """A worker that deletes what it should dead-letter."""
    patch.setattr(Queue, "move_to_dlq", lambda self, message, **_: self.delete(message))


def bury_silently(patch: pytest.MonkeyPatch) -> None:
    """A worker that gives no reason."""
    move = Queue.move_to_dlq
    patch.setattr(Queue, "move_to_dlq", lambda self, message, **_: move(self, message))


def count_twice(patch: pytest.MonkeyPatch) -> None:
    """A ledger in which dead letters are written down twice."""
    note = Ledger.note

    def doubled(self: Ledger, id: str, outcome: Outcome, evidence: str) -> None:
        for _ in range(2 if outcome is Outcome.DEAD_LETTERED else 1):
            note(self, id, outcome, evidence)

    patch.setattr(Ledger, "note", doubled)


@pytest.mark.engine("local-file")
@pytest.mark.parametrize(
    ("sabotage", "complaint"),
    [
        (delete_unverified, "deleted without having been verified"),
        (deliver_twice, "deleted, then deleted; it should have been deleted"),
        (lose_one, "never handled; it should have been"),
        (delete_dead_letters, "not in the dead-letter queue"),
        (bury_silently, "dead-lettered without the reason"),
        (count_twice, "dead-lettered, then dead-lettered; it should have been dead-lettered"),
    ],
)
def test_faults_are_noticed(
    sabotage: Sabotage,
    complaint: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever keeps a record from being handled exactly once ends in status 1 and is listed."""
    sabotage(monkeypatch)
    assert run(file) == 1
    output = capsys.readouterr().out
    assert "NOT handled exactly once" in output
    assert complaint in output


@pytest.mark.engine("local-file")
def test_ctrl_c(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped in the middle, workers finish what they do and give the rest of a batch back."""
    handle = Job._handle

    def interrupted(self: Job, message: Message[FileRecord]) -> None:
        handle(self, message)
        if self.ledger.settled > LIMIT // 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Job, "_handle", interrupted)
    assert run(file) == 130
    assert f"{LIMIT} messages sent, " in capsys.readouterr().out
    with reopened(file) as queue:
        stats = queue.stats()
    assert stats.standard.ready > 0
    # Each worker that was hit by the exception itself leaves a batch to its deadline.
    assert stats.standard.processing <= job.WORKERS * job.BATCH


# --- files -----------------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path: Path) -> FileRecord:
    """A record of a file that is as it was installed."""
    location = tmp_path / "module.py"
    location.write_bytes(b"import this\n")
    digest = urlsafe_b64encode(sha256(b"import this\n").digest()).decode().rstrip("=")
    return FileRecord("zen-1.0", "module.py", location, f"sha256={digest}")


def test_verify_returns_the_hash(record: FileRecord) -> None:
    """A file that is as recorded has the recorded hash, in RECORD's own form."""
    assert verify(record) == record.hash


def test_verify_finds_an_altered_file(record: FileRecord) -> None:
    """One byte more, or no file any more, is told with what was found."""
    with record.location.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(AlteredFileError, match=r"recorded sha256=.*, found sha256="):
        verify(record)
    record.location.unlink()
    with pytest.raises(AlteredFileError, match="can't be read"):
        verify(record)


def test_verify_needs_a_hash(record: FileRecord) -> None:
    """Without a recorded hash there is nothing to verify."""
    bare = FileRecord(record.distribution, record.path, record.location, None)
    with pytest.raises(MissingHashError):
        verify(bare)


def test_installed_files_are_those_of_the_records() -> None:
    """The ids are distinct, the limit holds, and the files are where they are said to be."""
    records = installed_files(50)
    assert len(records) == 50
    assert all(record.location.is_file() for record in records.values() if record.hash)
